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
	for task in "knn --train $CN_FIXTURES/z.cns $(test_set)" "linear --train $CN_FIXTURES/z.cns $(test_set)" "negatives --bank $CN_FIXTURES/z.cns $CN_FIXTURES/neg.cns"; do
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
	[ "$(value negatives)" = 600 ] && [ "$(value above_positive)" = 0.0000 ] && [ -n "$(value false_negatives)" ]
	with=$(value hardness)
	ok 'cn-eval negatives g'
	[ "$(value hardness)" = "$with" ] && [ -z "$(value false_negatives)" ]
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
