# cn-eval: the numbers are those that numpy and scikit-learn find.
load ../helper

# value NAME: of the last output.
value() {
	awk -F'\t' -v name="$1" '$1 == name { print $2 }' <<<"$output"
}

setup_file() {
	cn-embed -q -m "$CN_FIXTURES/model.safetensors" "$CN_FIXTURES/demo-test.cns" -o "$BATS_FILE_TMPDIR/t.cns"
}

test_set() {
	echo "$BATS_FILE_TMPDIR/t.cns"
}

# arrays FILE PREFIX FIELD...: as .npy files
arrays() {
	for field in "${@:3}"; do cn-export npy --field "$field" "$1" -o "$2$field.npy"; done
}

@test "eval: the same for any number of threads" {
	printf '1\t2\n5\t9\n' >known
	for task in "knn --train $CN_FIXTURES/z.cns $(test_set)" "linear --train $CN_FIXTURES/z.cns $(test_set)" \
		"negatives --json --known known --against $CN_FIXTURES/neg.cns --bank $CN_FIXTURES/z.cns $CN_FIXTURES/neg.cns"; do
		ok "cn-eval $task -T1 >a && cn-eval $task -T3 >b"
		same a b
	done
}

@test "eval knn: as numpy counts the votes" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	arrays "$CN_FIXTURES/z.cns" a z label
	arrays "$(test_set)" b z label
	run /usr/bin/python3 -c 'import numpy as n
a, y, b, t = (n.load(f + ".npy") for f in ("az", "alabel", "bz", "blabel"))
a, b = (v / n.linalg.norm(v, axis=1, keepdims=True) for v in (a.astype("f8"), b.astype("f8")))
s = b @ a.T; i = n.argsort(-s, 1)[:, :7]; v = n.zeros((len(b), y.max() + 1))
for r in range(len(b)): n.add.at(v[r], y[i[r]], n.exp(s[r, i[r]] / .1))
print("%.4f" % (v.argmax(1) == t).mean())'
	want=$output
	ok "cn-eval knn --k 7 --train $CN_FIXTURES/z.cns $(test_set)"
	[ "$(value accuracy)" = "$want" ]
	[ "$(value rows)" = 100 ]
}

@test "eval knn: --apart keeps a row from finding itself" {
	ok "cn-eval knn --k 1 --train $CN_FIXTURES/z.cns $CN_FIXTURES/z.cns"
	[ "$(value accuracy)" = 1.0000 ]
	ok "cn-eval knn --k 1 --apart --train $CN_FIXTURES/z.cns $CN_FIXTURES/z.cns"
	[ "$(value accuracy)" != 1.0000 ]
}

@test "eval linear: as scikit-learn finds it" {
	/usr/bin/python3 -c 'import sklearn' 2>/dev/null || skip 'no scikit-learn here'
	arrays "$CN_FIXTURES/z.cns" a z label
	arrays "$(test_set)" b z label
	run /usr/bin/python3 -c 'import numpy as n, warnings
warnings.filterwarnings("ignore")
from sklearn.linear_model import LogisticRegression
a, y, b, t = (n.load(f + ".npy") for f in ("az", "alabel", "bz", "blabel"))
m, d = a.mean(0), a.std(0) + 1e-6
print(LogisticRegression(C=.01, max_iter=300).fit((a - m) / d, y).score((b - m) / d, t))'
	want=$output
	ok "cn-eval linear --train $CN_FIXTURES/z.cns $(test_set)"
	awk "BEGIN { d = $(value accuracy) - $want; exit !(d < 0.011 && d > -0.011) }"
}

@test "eval negatives: as numpy finds them" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	arrays "$CN_FIXTURES/neg.cns" n id z label neg_id
	run /usr/bin/python3 -c 'import numpy as n
i, z, y, k = (n.load(f + ".npy") for f in ("nid", "nz", "nlabel", "nneg_id"))
z = z.astype("f8"); z /= n.linalg.norm(z, axis=1, keepdims=True)
row = {v: r for r, v in enumerate(i)}; r = n.vectorize(row.get)(k)
s = n.einsum("rd,rkd->rk", z, z[r]); g = n.einsum("rid,rjd->rij", z[r], z[r]); u = n.triu_indices(k.shape[1], 1)
print("%.4f %.4f %.4f %.4f %d" % (s.mean(), s.max(1).mean(), (y[r] == y[:, None]).mean(), 1 - g[:, u[0], u[1]].mean(), len(set(k.ravel()))))'
	want=$output
	ok "cn-eval negatives --bank $CN_FIXTURES/z.cns $CN_FIXTURES/neg.cns"
	[ "$(value hardness) $(value hardest) $(value false_negatives) $(value diversity) $(value distinct)" = "$want" ]
}

@test "eval negatives: made ones, below the positive, with labels by their nearest" {
	ok "cn-gen --method mix --k 3 -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns -o g"
	ok "cn-eval negatives --bank $CN_FIXTURES/demo.cns -m $CN_FIXTURES/model.safetensors g"
	[ "$(value negatives)" = 600 ]
	[ "$(value above_positive)" = 0.0000 ]
	[ -n "$(value false_negatives)" ]
	with=$(value hardness)
	ok 'cn-eval negatives g'
	[ "$(value hardness)" = "$with" ] && [ -z "$(value false_negatives)" ]
}

@test "eval negatives: violations, known positives, coverage, Gini, rank and histogram, as numpy finds them" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	m=$CN_FIXTURES/model.safetensors
	ok "cn-embed -q --pos -m $m $CN_FIXTURES/demo.cns -o p.cns && cn-mine -q --k 5 --strategy random --bank p.cns p.cns -o n.cns"
	arrays n.cns n id z pos_z neg_id
	run /usr/bin/python3 -c 'import numpy as n
i, z, p, k = (n.load(f + ".npy") for f in ("nid", "nz", "npos_z", "nneg_id"))
z, p = (v / n.linalg.norm(v.astype("f8"), axis=1, keepdims=True) for v in (z, p))
row = {v: r for r, v in enumerate(i)}; r = n.vectorize(row.get)(k)
s = n.einsum("rd,rkd->rk", z, z[r]); t = (z * p).sum(1, keepdims=True)
known = {(int(a), int(b)) for a in i for b in i if (a * 7 + b) % 11 == 0 and a < b}
open("known.tsv", "w").writelines("%d\t%d\n" % v for v in known)
one = n.mean([(int(a), int(b)) in known for a, c in zip(i, k) for b in c])
both = n.mean([(int(a), int(b)) in known or (int(b), int(a)) in known for a, c in zip(i, k) for b in c])
x = n.sort(n.bincount(r.ravel(), minlength=len(i))); g = (2 * n.arange(1, len(x) + 1) - len(x) - 1) @ x / len(x) / x.sum()
def rank(v): c = n.cov(v.T, bias=True); return n.trace(c) ** 2 / n.trace(c @ c)
print("%.4f %.4f %.4f %.4f %.4f %.4f" % ((s > t - .02).mean(), one, both, (x > 0).mean(), g, n.mean([rank(z[a]) for a in r])))
print(*n.histogram(s, 10, (-1, 1))[0])'
	want=$output
	ok "cn-eval negatives --margin 0.02 --bins 10 --bank p.cns --known known.tsv n.cns"
	one="$(value violations) $(value known_positives)"
	rest="$(value coverage) $(value gini) $(value effective_rank)"
	bins=$(awk -F'\t' '$1 == "histogram" { print $4 }' <<<"$output" | paste -s -d ' ')
	ok "cn-eval negatives --bins 0 --symmetric --known - n.cns <known.tsv"
	[ "$one $(value known_positives) $rest"$'\n'"$bins" = "$want" ]
	[[ $output != *histogram* ]]
}

@test "eval negatives: what is mined below a margin violates none" {
	ok "cn-embed -q --pos -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns -o p.cns && cn-mine -q --strategy semihard --margin 0.01 --bank p.cns p.cns -o n.cns"
	ok "cn-eval negatives --margin 0.01 --bank p.cns n.cns"
	[ "$(value violations)" = 0.0000 ]
	ok "cn-eval negatives --margin 0.5 --bank p.cns n.cns"
	[ "$(value violations)" = 1.0000 ]
}

@test "eval negatives: the row itself, ids twice, contents twice, and ids that are not there" {
	ok 'cn-import demo -n 30 --size 16 -o a.cns && cn-import demo -n 30 --size 16 --id-base 1000 -o b.cns && cn-cat a.cns b.cns -o ab.cns'
	ok 'cn-mine -q --strategy random --k 59 --bank ab.cns a.cns -o n.cns && cn-eval negatives --bank ab.cns n.cns'
	[ "$(value itself) $(value missing) $(value repeated_id) $(value repeated_content) $(value none)" = '0 0 0 870 30' ]
	[ "$(value coverage) $(value gini)" = '1.0000 0.0000' ]
	ok 'cn-eval negatives --bank a.cns n.cns'
	[ "$(value missing) $(value repeated_content)" = '870 0' ]
	ok 'cn-cat a.cns a.cns -o aa.cns && cn-mine -q --strategy random --k 58 --bank aa.cns a.cns -o n.cns && cn-eval negatives n.cns'
	[ "$(value repeated_id) $(value missing)$(value repeated_content)$(value coverage)" = '870 ' ]
}

@test "eval negatives: two sets agree as far as awk can count" {
	z=$CN_FIXTURES/z.cns
	ok "cn-mine -q --k 40 --strategy random --bank $z $z -o r.cns && cn-cat --skip 70 r.cns -o b.cns && cn-cat -n 70 r.cns | cn-cat b.cns - -o s.cns && cn-cat -n 150 s.cns -o t.cns"
	ok "cn-eval negatives --against $CN_FIXTURES/neg.cns $CN_FIXTURES/neg.cns"
	[ "$(value matched) $(value unmatched) $(value common) $(value jaccard)" = '200 0 1.0000 1.0000' ]
	for f in r.cns "$CN_FIXTURES/neg.cns"; do
		cn-info --text --width 40 "$f" | awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i } NR > 1 { print $at["id"], $at["neg_id"] }'
	done | sort -s -n -k 1,1 | awk '
		NR % 2 { n = split($2, a, ","); next }
		{ k = split($2, b, ","); both = 0; for (i in b) for (j in a) both += a[j] == b[i]; common += both / k / 200; jaccard += both / (n + k - both) / 200 }
		END { printf "200 0 %.4f %.4f\n", common, jaccard }' >want
	ok "cn-eval negatives --against s.cns $CN_FIXTURES/neg.cns"
	[ "$(value matched) $(value unmatched) $(value common) $(value jaccard)" = "$(cat want)" ]
	ok "cn-eval negatives --against t.cns $CN_FIXTURES/neg.cns"
	[ "$(value matched) $(value unmatched)" = '150 50' ]
}

@test "eval negatives: which of two kinds is said" {
	ok "cn-mine -q --k 3 --emit z --bank $CN_FIXTURES/z.cns $CN_FIXTURES/z.cns -o n.cns && cn-eval negatives --bank $CN_FIXTURES/z.cns n.cns"
	hardness=$(value hardness)
	[ -z "$(value distinct)" ]
	ok "cn-eval negatives --negatives neg_z --bank $CN_FIXTURES/z.cns n.cns"
	[ -z "$(value distinct)" ]
	[ "$(value hardness)" = "$hardness" ]
	ok "cn-eval negatives --negatives neg_id --bank $CN_FIXTURES/z.cns n.cns"
	[ -n "$(value distinct)" ]
	[ "$(value hardness)" = "$hardness" ]
	refuses 1 "cn-eval negatives --negatives neg_z $CN_FIXTURES/neg.cns" "neg.cns: no field 'neg_z', which --negatives asks for; make it with cn-gen"
}

# moved FILE: three negatives by value for each row, true samples moved by the gradient.
moved() {
	ok "cn-gen --method gradient --guard -2 --epsilon 30 --k 3 --round 64 -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns -o $1"
}

@test "eval negatives: by value, as numpy finds them from what cn-embed makes" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	m=$CN_FIXTURES/model.safetensors d=$CN_FIXTURES/demo.cns
	moved g.cns
	ok "cn-embed -q --pos --layer head -m $m g.cns -o a.cns && cn-embed -q --layer head -m $m $d -o b.cns && cn-export npy --field neg g.cns -o neg.npy"
	/usr/bin/python3 -c 'import numpy as n; x = n.load("neg.npy"); n.save("flat.npy", x.reshape(-1, *x.shape[2:]))'
	ok "cn-import npy --field x flat.npy | cn-embed -q --layer head -m $m -o c.cns"
	arrays a.cns a z pos_z label
	arrays b.cns b z label
	arrays c.cns c z
	run /usr/bin/python3 -c 'import numpy as n
a, p, b, c = (n.load(f + ".npy").astype("f8") for f in ("az", "apos_z", "bz", "cz"))
a, p, b, c = (v / n.linalg.norm(v, axis=1, keepdims=True) for v in (a, p, b, c))
y, t, q = n.load("alabel.npy"), n.load("blabel.npy"), c.reshape(len(a), 3, -1)
s = n.einsum("rd,rkd->rk", a, q); o = (a * p).sum(1, keepdims=True); near = (c @ b.T).argmax(1).reshape(-1, 3)
g = n.einsum("rid,rjd->rij", q, q); u = n.triu_indices(3, 1)
def rank(v): e = n.cov(v.T, bias=True); return n.trace(e) ** 2 / n.trace(e @ e) if n.trace(e) >= 1e-4 else 0
print("%.4f %.4f %.4f %.4f %.4f" % (s.mean(), s.max(1).mean(), o.mean(), (s > o).mean(), (s > o - .001).mean()))
print("%.4f %.4f %.4f" % ((t[near] == y[:, None]).mean(), 1 - g[:, u[0], u[1]].mean(), n.mean([rank(v) for v in q])))'
	want=$output
	ok "cn-eval negatives --margin 0.001 --bank $d -m $m g.cns"
	[ "$(value rows) $(value negatives) $(value none) $(value distinct)$(value missing)$(value coverage)" = '200 600 0 ' ]
	[ "$(value hardness) $(value hardest) $(value positive) $(value above_positive) $(value violations)"$'\n'"$(value false_negatives) $(value diversity) $(value effective_rank)" = "$want" ]
}

@test "eval negatives: by value, the same for any number of threads, and however the streams are cut" {
	m=$CN_FIXTURES/model.safetensors d=$CN_FIXTURES/demo.cns
	moved g.cns
	ok "cn-eval negatives --json -T1 --bank $d -m $m g.cns >a && cn-eval negatives --json -T3 --bank <(cn-cat --chunk-rows 9 $d) -m $m <(cn-cat --chunk-rows 7 g.cns) >b"
	same a b
	[ -s a ]
}

@test "eval negatives: samples of the bank by value are as their vectors, and those that come twice are told" {
	m=$CN_FIXTURES/model.safetensors d=$CN_FIXTURES/demo.cns
	ok "cn-mine -q --strategy hard --k 5 --emit value --bank $d -m $m $d | cn-cat --fields id,x,pos,label,neg -o neg.cns"
	ok "cn-mine -q --strategy hard --k 5 --emit z --bank $d -m $m $d | cn-cat --fields id,x,pos,label,neg_z -o neg_z.cns"
	for kind in neg neg_z; do
		ok "cn-eval negatives --bank $d -m $m $kind.cns"
		echo "$output" >$kind
	done
	same neg neg_z
	[ "$(value negatives) $(value repeated_content)" = '1000 0' ]
	[ -n "$(value false_negatives)" ]
	ok 'cn-import demo -n 30 --size 16 -o a.cns && cn-import demo -n 30 --size 16 --id-base 1000 -o b.cns && cn-cat a.cns b.cns -o ab.cns'
	ok "cn-mine -q --strategy random --k 58 --emit value --bank ab.cns a.cns | cn-cat --fields x,neg | cn-eval negatives -m $m"
	[ "$(value negatives) $(value none) $(value repeated_content)" = '1740 0 870' ]
}

@test "eval negatives: by value, but with ids, it is the ids that count" {
	m=$CN_FIXTURES/model.safetensors d=$CN_FIXTURES/demo.cns
	ok "cn-mine -q --strategy hard --k 9 --max-score 0.98 --emit value --bank $d -m $m $d -o n.cns && cn-eval negatives --bank $d -m $m n.cns"
	echo "$output" >both
	[ "$(value none)" -gt 0 ]
	[ "$(value missing)" = 0 ]
	[ $(($(value none) + $(value negatives))) = 1800 ]
	ok "cn-cat --fields id,x,pos,label,neg_id n.cns | cn-eval negatives --bank $d -m $m"
	diff both - <<<"$output"
}

@test "eval: samples that were made are measured also where vectors stand beside them" {
	m=$CN_FIXTURES/model.safetensors d=$CN_FIXTURES/demo.cns
	ok "cn-gen --method mix --k 3 --round 64 -m $m $d -o mixed.cns && cn-gen --method gradient --k 3 --round 64 -m $m mixed.cns -o both.cns"
	ok 'cn-cat --fields id,x,pos,label,neg both.cns -o neg.cns && cn-cat --fields id,x,pos,label,neg_z both.cns -o neg_z.cns'
	for task in negatives generator; do
		for field in neg neg_z; do
			ok "cn-eval $task --bank $d -m $m $field.cns"
			alone=$output
			ok "cn-eval $task --negatives $field --bank $d -m $m both.cns"
			diff - <<<"$output" <(echo "$alone")
		done
		refuses 1 "cn-eval $task --negatives neg --bank $d -m $m neg_z.cns" "neg_z.cns: no field 'neg', which --negatives asks for; make it with cn-gen"
		refuses 1 "cn-eval $task --negatives neg_z --bank $d -m $m neg.cns" "neg.cns: no field 'neg_z', which --negatives asks for; make it with cn-gen"
		refuses 1 "cn-eval $task --negatives neg --bank $d both.cns" "both.cns: field 'neg' asks for an encoder: name it with -m"
	done
	refuses 2 "cn-eval generator --negatives neg_id --bank $d both.cns" 'those that ids name were not made'
}

# five FILE: an encoder with a head of five numbers.
five() {
	ok "cn-train -q --arch flatten --head linear:5 --batch 50 -o $1 $CN_FIXTURES/demo.cns"
}

@test "eval negatives: what is made by another encoder, or of what no encoder is named for, is refused" {
	m=$CN_FIXTURES/model.safetensors d=$CN_FIXTURES/demo.cns
	moved g.cns
	refuses 1 'cn-eval negatives g.cns' "g.cns: no field 'neg_id' or 'neg_z', and 'neg' asks for an encoder: name it with -m"
	refuses 1 'cn-eval negatives --negatives neg_z g.cns' "no field 'neg_z', which --negatives asks for"
	refuses 1 "cn-eval negatives --known <(echo) -m $m g.cns" 'those in neg have none but that of the nearest row of a bank; name one with --bank'
	ok "cn-import demo -n 50 --size 24 --pairs -o large.cns && cn-train -q --arch flatten --head linear:16 --batch 50 -o large.safetensors large.cns"
	refuses 1 "cn-eval negatives -m large.safetensors g.cns" "'neg'"
	five five.safetensors
	ok "cn-gen --method mix --k 3 -m $m $d -o z.cns"
	for task in negatives generator; do
		refuses 1 "cn-eval $task --bank $d -m five.safetensors z.cns" \
			"z.cns: vectors in 'neg_z' of 16 numbers, but those of the encoder have 5; name the encoder of both with -m"
		refuses 1 "cn-eval $task --bank <(cn-embed --layer head -m five.safetensors $d) z.cns" "have 5; make both with one model"
	done
	refuses 1 'cn-eval negatives -m five.safetensors z.cns' 'those of the encoder have 5'
	refuses 1 "cn-cat --fields id,neg_z z.cns | cn-eval negatives -m five.safetensors --bank $d" 'those of the encoder have 5'
}

@test "eval: vectors of the trunk are not taken for those of the head" {
	m=$CN_FIXTURES/model.safetensors d=$CN_FIXTURES/demo.cns
	ok "cn-embed -q --pos -m $m $d -o trunk.cns && cn-embed -q --pos --layer head -m $m $d -o head.cns && cn-gen --method mix --k 3 -m $m $d -o g.cns"
	for task in negatives generator; do
		refuses 1 "cn-eval $task --bank trunk.cns g.cns" \
			"g.cns: vectors in 'neg_z' lie in the space of the head, but those in 'z' of trunk.cns in that of the trunk; make these with cn-embed --layer head"
		ok "cn-eval $task --bank $d -m $m g.cns"
		grep -v '^positive\|^above\|^violations' <<<"$output" >model
		ok "cn-eval $task --bank head.cns g.cns"
		diff model - <<<"$output"
		ok "cn-gen --method mix --k 3 trunk.cns -o t.cns && cn-eval $task --bank trunk.cns t.cns"
		refuses 1 "cn-eval $task --bank head.cns t.cns" "in the space of the trunk, but those in 'z' of head.cns in that of the head"
		refuses 1 "cn-embed -q --keep --pos -m $m $d | cn-gen --method mix --k 3 | cn-eval $task --bank $d -m $m" \
			'but those of the encoder in that of the head; leave out -m, and compare with what comes from cn-embed --layer trunk'
	done
}

@test "eval: z of two streams is compared only where both may be of one layer" {
	layers
	ok 'cn-mine -q --k 3 --bank head.cns head.cns -o n.cns'
	for task in 'knn --train trunk.cns head.cns' 'linear --train trunk.cns head.cns' 'negatives --bank trunk.cns n.cns'; do
		refuses 1 "cn-eval $task -o no" "${task##* }: vectors in 'z' lie in the space of the head, but those in 'z' of trunk.cns in that of the trunk; make these with cn-embed --layer head"
		[ ! -e no ]
		ok "cn-eval ${task/trunk/head}"
		ok "cn-eval ${task/trunk/unknown}"
	done
	ok 'cn-mine -q --k 3 --strategy random --bank head.cns mixed.cns -o m.cns'
	refuses 1 'cn-eval negatives --bank head.cns m.cns' "m.cns: vectors in 'z' lie in the space of the head, but those in 'pos_z' of m.cns in that of the trunk"
	ok "cn-eval negatives --bank $CN_FIXTURES/demo.cns -m $CN_FIXTURES/model.safetensors <(cn-mine -q --k 3 --bank $CN_FIXTURES/demo.cns -m $CN_FIXTURES/model.safetensors <(cn-embed -q --keep --pos -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns))"
	five five.safetensors
	ok "cn-embed -q --layer head -m five.safetensors $CN_FIXTURES/demo.cns -o five.cns"
	refuses 1 'cn-eval knn --train five.cns head.cns' "head.cns: vectors in 'z' of 16 numbers, but those in 'z' of five.cns have 5; make both with one model"
	refuses 1 'cn-eval negatives --bank five.cns n.cns' "n.cns: vectors in 'z' of 16 numbers, but those in 'z' of five.cns have 5; make both with one model"
}

@test "eval negatives: where z is known to lie elsewhere, the cosines that were noted count" {
	m=$CN_FIXTURES/model.safetensors d=$CN_FIXTURES/demo.cns
	ok "cn-embed -q --keep -m $m $d | cn-gen --method mix --k 3 -m $m -o g.cns && cn-eval negatives -m $m g.cns"
	with=$(value hardness)
	ok 'cn-eval negatives g.cns'
	[ "$(value hardness)" = "$with" ] && [ -z "$(value positive)" ]
}

@test "eval: the layer of vectors is in the metadata, as far as it is the same for all of a stream" {
	m=$CN_FIXTURES/model.safetensors d=$CN_FIXTURES/demo.cns
	ok "cn-embed -q --pos -m $m $d -o trunk.cns && cn-embed -q --pos --layer head -m $m $d -o head.cns"
	ok "cn-train -q --arch 'flatten linear:16' --batch 50 -o bare.safetensors $d && cn-embed -q --pos -m bare.safetensors $d -o bare.cns"
	notes '.*\.layer' <<-EOF
		cn-embed -q -m $m $d@z.layer = trunk
		cn-embed -q --layer head -m $m $d@z.layer = head
		cn-embed -q --keep -m $m $d | cn-embed -q --layer head -m $m@z.layer = head
		cn-embed -q --keep -m $m $d | cn-embed -q -m bare.safetensors@
		cn-embed -q --keep --pos -m $m $d | cn-embed -q --layer head -m $m@pos_z.layer = trunk,z.layer = head
		cn-cat trunk.cns trunk.cns@pos_z.layer = trunk,z.layer = trunk
		cn-cat trunk.cns head.cns@
		cn-cat bare.cns head.cns@
		cn-cat head.cns bare.cns head.cns@
		cn-cat --rename z=v trunk.cns@pos_z.layer = trunk
		cn-cat --fields id,pos_z --rename pos_z=z trunk.cns@
		cn-gen --method mix trunk.cns@neg_z.layer = trunk,pos_z.layer = trunk,z.layer = trunk
		cn-gen --method mix -m $m $d@neg_z.layer = head
		cn-mine -q --emit z --bank head.cns head.cns@neg_z.layer = head,pos_z.layer = head,z.layer = head
		cn-mine -q --emit z --bank trunk.cns --bank bare.cns trunk.cns@pos_z.layer = trunk,z.layer = trunk
		cn-mine -q --emit z -m $m --bank $d $d@neg_z.layer = head
		cn-gen --method mix -m $m $d | cn-mine -q --emit id -m $m --bank $d@
	EOF
}

@test "eval: JSON says the same as text" {
	printf '1\t2\n' >known
	for task in "knn --train $CN_FIXTURES/z.cns $(test_set)" "linear --train $CN_FIXTURES/z.cns $(test_set)" \
		"negatives --known known --bins 5 --against $CN_FIXTURES/neg.cns --bank $CN_FIXTURES/z.cns $CN_FIXTURES/neg.cns"; do
		ok "cn-eval $task -o text && cn-eval --json $task -o json && jq -r .task json"
		[ "$output" = "${task%% *}" ]
		jq -r 'del(.task) | to_entries[] | if .key == "histogram" then .value[] | ["histogram", .from, .to, .count] else [.key, .value] end | @tsv' json |
			awk -F'\t' -v OFS='\t' '
				NR == FNR { want[FNR] = $0; digits[FNR] = $NF ~ /\./ ? length($NF) - index($NF, ".") : 0; next }
				{ for (i = 2; i < NF; i++) $i = sprintf("%.4f", $i); $NF = sprintf("%.*f", digits[FNR], $NF); if ($0 != want[FNR]) { print; bad = 1 } }
				END { exit bad || FNR < 2 }' text -
	done
}

@test "eval negatives: what known pairs and other sets cannot be is refused" {
	n=$CN_FIXTURES/neg.cns z=$CN_FIXTURES/z.cns
	printf '# pairs\n1\t2\n\n3 4\n' >bad.tsv
	refuses 1 "cn-eval negatives --known bad.tsv $n" "cn-eval: bad.tsv: line 4: expected two ids (0 to 18446744073709551614) separated by a tab, got '3 4'; comments begin with #"
	refuses 1 "cn-eval negatives --known - $n <bad.tsv" 'standard input: line 4'
	refuses 1 "cn-eval negatives --known $z $n" 'z.cns: is a stream; known pairs are text'
	refuses 1 "gzip -c bad.tsv >bad.gz; cn-eval negatives --known bad.gz $n" 'bad.gz: is compressed'
	refuses 1 "cn-eval negatives --known nowhere $n" "cannot open 'nowhere'"
	refuses 2 "cn-eval negatives --known - <bad.tsv" 'only one input can be standard input'
	refuses 2 "cn-eval negatives --symmetric $n" '--symmetric is about the pairs of --known'
	refuses 1 "cn-eval negatives --against $z $n" "z.cns: no field 'neg_id'"
	refuses 1 "cn-cat --fields z,neg_id $n | cn-eval negatives --against $n" "standard input: no field 'id'"
	refuses 1 "cn-cat --fields z,neg_id $n | cn-eval negatives --known <(echo)" "standard input: no field 'id'"
	refuses 1 "cn-eval negatives --memory 1k --against $n $n" 'more than --memory allows (1 KiB)'
	ok "cn-import demo -n 20 --size 16 --id-base 9000 -o far.cns && cn-mine -q --strategy random --k 2 --emit id --bank far.cns far.cns -o other.cns"
	refuses 1 "cn-eval negatives --against other.cns $n" 'have no row in common by id'
	ok "cn-gen -q --method mix --k 3 -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns -o g"
	refuses 1 "cn-eval negatives --known <(echo) g" 'name one with --bank'
	ok "cn-embed -q --layer head -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns -o h.cns && cn-eval negatives --known <(echo) --bank h.cns g"
	[ "$(value known_positives)" = 0.0000 ]
	refuses 1 "cn-eval negatives --against $n g" "g: no field 'neg_id'"
	head -c 3000 "$n" >cut.cns
	refuses 3 "cn-eval negatives --against cut.cns $n -o a" 'cut.cns'
	[ ! -e a ]
}

@test "eval: options of other tasks are refused by name" {
	while read -r task option; do
		refuses 2 "cn-eval $task $option $(test_set)" "cn-eval: ${option%% *} would do nothing here: it is for task "
	done <<-END
		generator --k 3
		generator --train $(test_set)
		generator --apart
		generator --margin 0.1
		generator --bins 5
		generator --against z.cns
		generator --known text
		generator --symmetric
		negatives --reach 3
		negatives --copy 0.9
		negatives --sheet sh.png
		negatives --temperature 1
		linear --k 3
		linear --bank z.cns
		linear --memory 1k
		knn --strength 1
		knn --iterations 3
		knn --model nowhere
	END
	[ ! -e sh.png ]
	refuses 2 "cn-eval negatives --train $(test_set) $(test_set)" '--train would do nothing here: it is for task knn, linear'
	ok "cn-eval negatives --k 20 --reach 5 $CN_FIXTURES/neg.cns"
}

@test "eval: what is missing is named" {
	refuses 2 "cn-eval knn $(test_set)" '--train is needed'
	refuses 2 "cn-eval nothing" 'nothing'
	refuses 1 "cn-eval knn --train $CN_FIXTURES/demo.cns $(test_set)" "no field 'z'"
	refuses 1 "cn-eval negatives $CN_FIXTURES/demo.cns" 'cn-mine'
	head -c 3000 "$(test_set)" >cut.cns
	refuses 3 "cn-eval linear --train $CN_FIXTURES/z.cns cut.cns -o a" 'cut.cns'
	[ ! -e a ]
}

# made FILE: three mixed negatives for each row, in the space of z.
made() {
	ok "cn-embed -q --pos -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns -o p.cns && cn-gen --method mix --k 3 p.cns -o $1"
}

@test "eval generator: the same for any number of threads, and however the streams are cut" {
	made g.cns
	ok 'cn-eval generator --json -T1 --bank p.cns g.cns >a && cn-eval generator --json -T3 --bank p.cns g.cns >b'
	ok 'cn-cat --chunk-rows 7 g.cns | cn-eval generator --json --bank <(cn-cat --chunk-rows 9 p.cns) >c'
	same a b
	same a c
	[ -s a ]
}

@test "eval generator: as numpy finds it" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	made g.cns
	arrays p.cns p z
	arrays g.cns g neg_z
	run /usr/bin/python3 -c 'import numpy as n
a, b = n.load("pz.npy").astype("f8"), n.load("gneg_z.npy").astype("f8"); b = b.reshape(-1, b.shape[-1])
a, b = (v / n.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
def far(u, v): return n.linalg.norm(u[:, None] - v[None], axis=2)
aa, bb, ba = n.sort(far(a, a), 1), n.sort(far(b, b), 1), far(b, a); k = 4
near = ba.argmin(1)
print("%.4f %.4f %.4f %.4f %.4f %.4f" % ((ba <= aa[:, k]).any(1).mean(), (ba <= bb[:, k, None]).any(0).mean(), (ba <= aa[:, k]).sum() / k / len(b),
      (ba <= aa[:, k]).any(0).mean(), (1 - ba.min(1) ** 2 / 2 >= .99).mean(), (ba.min(1) > aa[near, 1]).mean()))
A, B = n.cov(a.T), n.cov(b.T); w, v = n.linalg.eigh(A); r = v * n.sqrt(w.clip(0)) @ v.T
print(((a.mean(0) - b.mean(0)) ** 2).sum() + n.trace(A + B) - 2 * n.sqrt(n.linalg.eigvalsh(r @ B @ r).clip(0)).sum())'
	{ read -r want; read -r distance; } <<<"$output"
	ok 'cn-eval generator --reach 4 --copy 0.99 --bank p.cns g.cns'
	[ "$(value rows) $(value generated) $(value none) $(value real)" = '200 600 0 200' ]
	[ "$(value precision) $(value recall) $(value density) $(value coverage) $(value copies) $(value authenticity)" = "$want" ]
	awk "BEGIN { d = $(value frechet) - $distance; exit !(d < 2e-5 && d > -2e-5 && $distance > 0.001) }"
}

@test "eval generator: rows of the bank are all copies, look real, and the sheet shows them" {
	m=$CN_FIXTURES/model.safetensors d=$CN_FIXTURES/demo.cns
	ok "cn-mine -q --strategy hard --k 3 --emit z --bank $d -m $m $d -o n.cns && cn-eval generator --copy 0.9999 --sheet b.png --bank $d -m $m n.cns"
	[ "$(value precision) $(value copies) $(value authenticity)" = '1.0000 1.0000 0.0000' ]
	ok "cn-export png --bank $d n.cns -o a.png"
	same a.png b.png
	ok "cn-mine -q --strategy random --k 199 --emit z --bank $d -m $m $d -o n.cns && cn-eval generator --bank $d -m $m n.cns"
	[ "$(value coverage) $(value frechet)" = '1.0000 0.000000' ]
}

@test "eval generator: negatives by value are what the encoder makes of them, and none are none" {
	m=$CN_FIXTURES/model.safetensors d=$CN_FIXTURES/demo.cns
	for kind in value z; do
		ok "cn-mine -q --strategy hard --k 9 --max-score 0.98 --emit $kind --bank $d -m $m $d -o n.cns && cn-eval generator --bank $d -m $m n.cns"
		[ "$(value none)" -gt 0 ]
		[ $(($(value none) + $(value generated))) = 1800 ]
		echo "$output" >$kind
	done
	same value z
}

@test "eval generator: what cannot be measured is refused, and leaves no sheet" {
	m=$CN_FIXTURES/model.safetensors d=$CN_FIXTURES/demo.cns z=$CN_FIXTURES/z.cns
	made g.cns
	while IFS='|' read -r status line words; do
		refuses "$status" "cn-eval generator --sheet s.png $line" "$words" </dev/null || return 1
		[ ! -e s.png ]
	done <<-EOF
		2|g.cns|--bank is needed
		2|--reach 0 --bank p.cns g.cns|--reach
		1|--bank $z $CN_FIXTURES/neg.cns|no field 'neg_z', and 'neg' asks for an encoder (-m)
		1|--bank $d -m $m $CN_FIXTURES/neg.cns|no field 'neg_z' or 'neg'
		1|--bank $d g.cns|no field 'z'
		1|--bank $d -m nothing g.cns|nothing
		1|--bank $z g.cns|a sheet shows pictures
	EOF
	refuses 1 "cn-eval generator --reach 200 --bank $z g.cns" '200 real samples, and --reach 200 asks for 201'
	refuses 1 "cn-cat -n 1 g.cns | cn-eval generator --bank $z" '3 negatives, and --reach 5 asks for 6'
	refuses 1 "cn-eval generator --memory 1k --bank $z g.cns" 'more than --memory allows (1 KiB)'
	refuses 1 "cn-eval generator --memory 20k --bank $z g.cns" 'measure a part of them, by cn-cat -n'
	five five.safetensors
	refuses 1 "cn-eval generator --bank $d -m five.safetensors g.cns" "vectors in 'neg_z' of"
	head -c 3000 g.cns >cut.cns
	refuses 3 "cn-eval generator --bank $z cut.cns" 'cut.cns'
}
