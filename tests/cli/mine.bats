# cn-mine: every negative is where it should be, and what must not be one is not.
load ../helper

# column FILE FIELD FORMAT...: the numbers of a field.
column() {
	cn-export npy --field "$2" "$1" | tail -c +129 | od -An -v "${@:3}" | tr -s ' ' | sed 's/^ //'
}

# each ROWS PROGRAM: awk's program over exactly so many lines, none of which may add to bad.
each() {
	awk "$2"' END { if (bad || NR != rows) exit 1 }' rows="$1" -
}

@test "mine: same bytes for any number of threads, and two runs" {
	z=$CN_FIXTURES/z.cns
	for way in '--strategy hard --k 5' '--strategy random --k 3' '--strategy hard --label-aware --max-score 0.9 --short resample'; do
		ok "cn-mine -q -T1 $way --bank $z $z >a && cn-mine -q -T3 $way --bank $z $z >b && cn-mine -q -T3 $way --bank $z $z >c"
		same a b
		same b c
	done
}

@test "mine: chunks of input and bank do not matter" {
	ok "cn-import demo -n 200 --classes 10 --coarse 5 --size 16 --pairs --chunk-rows 7 -o small.cns"
	ok "cn-mine -q --k 5 --bank small.cns -m $CN_FIXTURES/model.safetensors small.cns -o a"
	ok "cn-mine -q --k 5 --bank $CN_FIXTURES/demo.cns -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns -o b"
	for field in neg_id neg_score neg_rank neg_rule neg pos_score; do
		cmp <(cn-export npy --field $field a) <(cn-export npy --field $field b)
	done
}

@test "mine: hard is what looking at every pair gives" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	ok "cn-mine -q --strategy hard --k 6 --label-aware --bank $CN_FIXTURES/z.cns $CN_FIXTURES/z.cns -o m"
	for f in id z label neg_id neg_score neg_rank; do cn-export npy --field $f m -o $f.npy; done
	run /usr/bin/python3 -c 'import numpy
i, z, y, n, s, r = (numpy.load(f + ".npy") for f in ("id", "z", "label", "neg_id", "neg_score", "neg_rank"))
z = z.astype("f8"); z /= numpy.linalg.norm(z, axis=1, keepdims=True)
c = z @ z.T; ranks = (c[:, None, :] > s[:, :, None] + 1e-6).sum(2)
d = numpy.where(y[:, None] == y[None], -9, c); want = -numpy.sort(-d, 1)[:, :6]
row = {v: k for k, v in enumerate(i)}; got = numpy.array([[c[a, row[v]] for v in n[a]] for a in range(len(n))])
print(abs(want - s).max() < 1e-5, abs(got - s).max() < 1e-5, (abs(ranks.astype(int) - r) <= 1).all(),
      all(y[row[v]] != y[a] for a in range(len(n)) for v in n[a]))'
	[ "$output" = 'True True True True' ]
}

@test "mine: semihard stays below the positive, by the margin" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	ok "cn-embed -q --pos -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns -o p.cns"
	ok "cn-mine -q --strategy semihard --margin 0.05 --k 4 --bank p.cns p.cns -o m"
	for f in neg_score neg_rule pos_score; do cn-export npy --field $f m -o $f.npy; done
	run /usr/bin/python3 -c 'import numpy
s, r, p = (numpy.load(f + ".npy") for f in ("neg_score", "neg_rule", "pos_score"))
print(set(r.ravel()) <= {0, 6}, (s < p[:, None] - .05)[r == 6].all(), (r == 6).mean() > .5)'
	[ "$output" = 'True True True' ]
}

@test "mine: never the row itself, nor its content under another id" {
	ok 'cn-import demo -n 60 --size 16 -o a.cns && cn-import demo -n 60 --size 16 --id-base 1000 -o b.cns'
	ok "cn-mine -q --strategy hard --k 59 --bank b.cns -m $CN_FIXTURES/model.safetensors a.cns -o m"
	paste -d ' ' <(column m id -t u8 -w8) <(column m neg_id -t u8 -w472) >rows
	awk '{ for (i = 2; i <= NF; i++) if ($i == $1 + 1000 || $i == 18446744073709551615) bad++ } END { exit bad > 0 || NR != 60 || NF != 60 }' rows
	ok "cn-mine -q --strategy random --k 59 --bank b.cns a.cns -o r"
	paste -d ' ' <(column r id -t u8 -w8) <(column r neg_id -t u8 -w472) >rows
	awk '{ for (i = 2; i <= NF; i++) if ($i == $1 + 1000) bad++ } END { exit bad > 0 || NR != 60 }' rows
}

@test "mine: random draws by seed and epoch, without replacement" {
	ok "cn-augment --epochs 2 $CN_FIXTURES/demo.cns -o two.cns"
	ok "cn-mine -q --strategy random --k 9 --emit id --bank $CN_FIXTURES/demo.cns two.cns -o a"
	ok "cn-mine -q --strategy random --k 9 --emit id -s 1 --bank $CN_FIXTURES/demo.cns two.cns -o b"
	column a neg_id -t u8 -w72 >ids
	[ "$(wc -l <ids)" = 400 ]
	each 400 '{ split("", seen); for (i = 1; i <= NF; i++) bad += seen[$i]++ }' <ids
	run ! cmp -s <(head -n 200 ids) <(tail -n 200 ids)
	run ! cmp -s ids <(column b neg_id -t u8 -w72)
}

@test "mine: what is short is padded, repeated, drawn, or an error, and told" {
	z=$CN_FIXTURES/z.cns
	says "cn-mine --k 4 --max-score -1 --bank $z $z -o m" 'had fewer than 4 candidates'
	[ "$(column m neg_rule -t u1 -w1 | sort -u)" = 0 ]
	[ "$(column m neg_id -t u8 -w8 | sort -u)" = 18446744073709551615 ]
	ok "cn-mine -q --k 4 --max-score -1 --short resample --bank $z $z -o m"
	[ "$(column m neg_rule -t u1 -w1 | sort -u)" = 2 ]
	refuses 1 "cn-mine --k 4 --max-score -1 --short error --bank $z $z -o n" 'row 0'
	[ ! -e n ]
}

@test "mine: negatives by value are the bank's samples" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	ok "cn-mine -q --strategy random --emit value --k 3 --bank $CN_FIXTURES/demo.cns $CN_FIXTURES/demo.cns -o m"
	for f in id x neg neg_id; do cn-export npy --field $f m -o $f.npy; done
	run /usr/bin/python3 -c 'import numpy
i, x, n, k = (numpy.load(f + ".npy") for f in ("id", "x", "neg", "neg_id"))
row = {v: r for r, v in enumerate(i)}
print(n.shape, all((n[a, j] == x[row[k[a, j]]]).all() for a in range(len(k)) for j in range(3)))'
	[ "$output" = '(200, 3, 16, 16, 3) True' ]
}

@test "mine: what is missing or wrong is named, with the remedy" {
	z=$CN_FIXTURES/z.cns
	refuses 2 "cn-mine $z -o m" '--bank is needed'
	refuses 2 "cn-mine <$z | cat" '--bank is needed'
	refuses 2 "cn-mine --bank - <$z | cat" 'only one input can be standard input'
	refuses 1 "cn-mine --margin 0.1 --bank $z $z -o m" 'no positives to measure against (--margin)'
	refuses 1 "cn-mine --near 0.9 --bank $z $z -o m" 'no positives to compare with (--near)'
	refuses 1 "cn-mine --strategy simans --bank $z $z -o m" 'no positives'
	refuses 1 "cn-mine --strategy random --max-score 0.5 --bank $CN_FIXTURES/demo.cns $CN_FIXTURES/demo.cns -o m" "no field 'z'"
	refuses 2 "cn-mine --mix 'random:0' --bank $z $z -o m" "--mix: '0' is no share"
	refuses 2 "cn-mine --mix random --schedule random --bank $z $z -o m" 'give one of them'
	refuses 2 "cn-mine --schedule '5 hard' --bank $z $z -o m" 'row 0'
	for ranks in 5 5:5 9:2 -1:5 1:x x:; do refuses 2 "cn-mine --ranks=$ranks --bank $z $z -o m" 'is no range of ranks'; done
	refuses 2 "cn-mine --batch 20 --bank $z $z -o m" 'leave out --bank'
	refuses 2 "cn-mine --quota 1 --bank $z --bank $z $z -o m" '--quota needs one share'
	refuses 2 "cn-mine --strategy frequency --bank $z $z -o m" 'needs --weight'
	refuses 2 "cn-mine --weight label --bank $z $z -o m" '--weight is for'
	refuses 1 "cn-mine --strategy frequency --weight count --bank $z $z -o m" "no field 'count'"
	refuses 2 "cn-mine --guide $z --bank $z $z -o m" '--known'
	refuses 2 "cn-mine --positive known --bank $z $z -o m" '--known'
	printf '1\t2\n3;4\n' >pairs.tsv
	refuses 1 "cn-mine --known pairs.tsv --bank $z $z -o m" 'line 2'
	refuses 1 "cn-mine --bank $CN_FIXTURES/demo.cns $CN_FIXTURES/demo.cns -o m" "no field 'z'"
	refuses 1 "cn-mine --strategy semihard --bank $z $z -o m" 'no positives'
	refuses 1 "cn-mine --memory 1k --bank $z $z -o m" '--memory'
	head -c 3000 "$z" >cut.cns
	refuses 3 "cn-mine --bank cut.cns $z -o m" 'cut.cns'
	refuses 3 "cn-mine --bank $z cut.cns -o m" 'cut.cns'
	[ ! -e m ]
}

# numpy FILE FIELDS CODE: runs code with i[FIELD] the array of each field.
numpy() {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	local field
	for field in $2; do cn-export npy --field "$field" "$1" -o "$field.npy"; done
	run /usr/bin/python3 -c "import numpy, sys
i = { f: numpy.load(f + '.npy') for f in '$2'.split() }
$3"
}

@test "mine: any strategy, same bytes for any number of threads and any chunks" {
	ok "cn-embed -q --pos -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns -o p.cns"
	cn-cat --chunk-rows 7 p.cns -o small.cns
	for s in random hard semihard easy softmax simans distance strata diverse 'hard --pick apart --diversity 0.01' 'diverse --pick dpp' \
		'hard --sample 50' 'random --max-score 0.9 --min-score -0.5' 'hard --ranks 5:40 --pick random --margin 0 --near 0.99' 'hard --metric l2' 'simans --metric dot' \
		'frequency --weight label --power 1' 'neighbours --hops 1:2' 'hard --index ivf --recall 0.8' 'random --cluster same' 'hard --cluster next' 'cached --cache 9 --fresh 7'; do
		ok "cn-mine -q -T1 --strategy $s --k 5 --bank p.cns p.cns -o a && cn-mine -q -T3 --strategy $s --k 5 --bank small.cns small.cns -o b"
		[ "$(cn-info a | grep 'data root')" = "$(cn-info b | grep 'data root')" ]
	done
}

@test "mine: a bank larger than memory gives what one in memory does, however few rows fit at a time" {
	ok "cn-import demo -n 3000 --size 16 --pairs -o d.cns && cn-embed -q --pos -m $CN_FIXTURES/model.safetensors d.cns -o p.cns"
	ok "cn-cat -n 1200 p.cns -o a.cns && cn-cat --skip 1200 p.cns -o b.cns"
	for s in 'hard --k 7' 'easy --k 3' 'semihard --margin 0.1 --k 5' 'softmax --k 4 --near 0.95' "hard --ranks 3:40 --pick strata --label-aware" \
		"hard --mix 'easy hard:2'" 'random --emit id'; do
		ok "cn-mine -q --strategy $s --bank p.cns p.cns -o a && cn-mine -q --memory 200k --strategy $s --bank p.cns p.cns -o b"
		cmp a b
		ok "cn-mine -q --quota 2,1 --strategy $s --bank a.cns --bank b.cns p.cns -o a && cn-mine -q -T1 --memory 200k --quota 2,1 --strategy $s --bank a.cns --bank b.cns p.cns -o b"
		cmp a b
	done
	refuses 1 'cn-mine --memory 200k --short resample --bank p.cns p.cns -o n' '--memory'
	refuses 1 'cn-mine --memory 200k --strategy diverse --bank p.cns p.cns -o n' '--memory'
	refuses 1 'cn-mine --memory 30k --bank p.cns p.cns -o n' '--memory'
	refuses 1 'cn-cat p.cns | cn-mine --memory 200k --bank - p.cns -o n' '--memory'
	[ ! -e n ]
}

@test "mine: rank windows and depth count what they say" {
	z=$CN_FIXTURES/z.cns
	ok "cn-mine -q --k 30 --bank $z $z -o all && cn-mine -q --k 5 --ranks 10:20 --bank $z $z -o window"
	ok "cn-mine -q --k 30 --depth 11 --bank $z $z -o deep && cn-mine -q --k 10 --ranks 10:20 --pick random --bank $z $z -o drawn"
	cmp <(column all neg_id -t u8 -w240 | cut -d ' ' -f 11-15) <(column window neg_id -t u8 -w40)
	cmp <(column all neg_id -t u8 -w240 | cut -d ' ' -f 11-20 | while read -r line; do echo "$line" | tr ' ' '\n' | sort | tr '\n' ' '; echo; done) \
		<(column drawn neg_id -t u8 -w80 | while read -r line; do echo "$line" | tr ' ' '\n' | sort | tr '\n' ' '; echo; done)
	column deep neg_rank -t u4 -w120 | each 200 '{ for (i = 1; i <= NF; i++) bad += $i != 4294967295 && $i > 10 }'
	column deep neg_rank -t u4 -w120 | each 200 '{ n = 0; for (i = 1; i <= NF; i++) n += $i != 4294967295; bad += n != 10 }'
}

@test "mine: easy is hard from the other end" {
	ok "cn-mine -q --strategy easy --k 3 --bank $CN_FIXTURES/z.cns $CN_FIXTURES/z.cns -o m"
	numpy m 'id z neg_score neg_rank' 'z = i["z"].astype("f8"); z /= numpy.linalg.norm(z, axis=1, keepdims=True); c = z @ z.T
print(abs(numpy.sort(c, 1)[:, :3] - i["neg_score"]).max() < 1e-5, (i["neg_rank"] == numpy.arange(3)).mean() > .9)'
	[ "$output" = 'True True' ]
}

@test "mine: a mixture is its parts, none twice; a schedule changes it by row" {
	z=$CN_FIXTURES/z.cns
	ok "cn-mine -q --mix 'hard:0.5 random:0.5' --k 6 --bank $z $z -o m && cn-mine -q --k 3 --bank $z $z -o h"
	cmp <(column m neg_id -t u8 -w48 | cut -d ' ' -f 1-3) <(column h neg_id -t u8 -w24)
	column m neg_id -t u8 -w48 | each 200 '{ split("", seen); for (i = 1; i <= NF; i++) bad += seen[$i]++ }'
	[ "$(column m neg_rule -t u1 -w6 | sort -u)" = '5 5 5 3 3 3' ]
	ok "cn-mine -q --schedule '0 random; 50 random hard; 120 hard' --k 2 --bank $z $z -o s"
	[ "$(column s neg_rule -t u1 -w2 | uniq -c | tr -s ' ' | tr '\n' ,)" = ' 50 3 3, 70 3 5, 80 5 5,' ]
	cn-info m | grep -q 'mine.rules'
}

@test "mine: several banks, by quota, say where each negative is from" {
	ok 'cn-import demo -n 60 --size 16 -o a.cns && cn-import demo -n 60 --size 16 -s 9 --id-base 1000 -o b.cns'
	ok "cn-mine -q --k 8 --quota 3,1 --bank a.cns --bank b.cns -m $CN_FIXTURES/model.safetensors a.cns -o m"
	[ "$(column m neg_source -t u1 -w8 | sort -u)" = '0 0 0 0 0 0 1 1' ]
	column m neg_id -t u8 -w64 | each 60 '{ for (i = 1; i <= 6; i++) bad += $i >= 1000; for (i = 7; i <= 8; i++) bad += $i < 1000 }'
	ok "cn-mine -q --k 8 --bank a.cns --bank b.cns -m $CN_FIXTURES/model.safetensors a.cns -o m"
	paste -d ' ' <(column m neg_id -t u8 -w64) <(column m neg_source -t u1 -w8) |
		each 60 '{ for (i = 1; i <= 8; i++) bad += ($i >= 1000) != $(i + 8) }'
	ok "cn-cat a.cns b.cns -o ab.cns && cn-mine -q --k 8 --bank ab.cns -m $CN_FIXTURES/model.safetensors a.cns -o n"
	cmp <(column m neg_id -t u8 -w64) <(column n neg_id -t u8 -w64)
}

@test "mine: in batches of the input, without a bank, however it is cut" {
	ok "cn-mine -q --batch 30 --k 4 $CN_FIXTURES/z.cns -o m && cn-cat --chunk-rows 7 $CN_FIXTURES/z.cns | cn-mine -q --batch 30 --k 4 -o n"
	cmp <(column m neg_id -t u8 -w32) <(column n neg_id -t u8 -w32)
	for from in 0 30 180; do
		ok "cn-cat --skip $from -n 30 $CN_FIXTURES/z.cns -o part.cns && cn-mine -q --k 4 --bank part.cns part.cns -o p"
		cmp <(column m neg_id -t u8 -w32 | tail -n +$((from + 1)) | head -n 30) <(column p neg_id -t u8 -w32)
	done
}

@test "mine: known positives are passed over, exactly or by a Bloom filter, and can be the measure" {
	z=$CN_FIXTURES/z.cns
	ok "cn-mine -q --k 3 --bank $z $z -o m"
	paste <(column m id -t u8 -w8) <(column m neg_id -t u8 -w24) | awk '{ for (i = 2; i <= 4; i++) print $1 "\t" $i }' | tr -d ' ' >known.tsv
	ok "cn-mine -q --k 3 --known known.tsv --bank $z $z -o e && cn-mine -q --k 3 --known known.tsv --known-bloom 0.0001 --bank $z $z -o b"
	cmp <(column e neg_id -t u8 -w24) <(column b neg_id -t u8 -w24)
	ok "cn-mine -q --k 6 --bank $z $z -o six"
	cmp <(column six neg_id -t u8 -w48 | cut -d ' ' -f 4-6) <(column e neg_id -t u8 -w24)
	# the least similar of the three is the positive that is measured against
	ok "cn-mine -q --k 3 --known known.tsv --strategy semihard --bank $z $z -o s"
	cmp <(column m neg_score -t f4 -w12 | cut -d ' ' -f 3) <(column s pos_score -t f4 -w4)
	ok "cn-mine -q --k 1 --positive label --strategy semihard --bank $z $z -o l"
	paste -d ' ' <(column l neg_score -t f4 -w4) <(column l pos_score -t f4 -w4) | each 200 '$2 != "nan" && $1 >= $2 && $1 != 0 { bad++ }'
}

@test "mine: a guide speaks against what it finds nearer than the positive" {
	z=$CN_FIXTURES/z.cns
	ok "cn-mine -q --k 2 --bank $z $z -o m"
	paste <(column m id -t u8 -w8) <(column m neg_id -t u8 -w16) | awk '{ print $1 "\t" $3 }' >known.tsv
	# the guide is the model itself: what is nearer than the known partner (one row) goes
	says "cn-mine -v --k 3 --known known.tsv --guide $z --bank $z $z -o g" 'passed over: 200 guide'
	ok "cn-mine -q --k 5 --bank $z $z -o five"
	cmp <(column five neg_id -t u8 -w40 | cut -d ' ' -f 3-5) <(column g neg_id -t u8 -w24)
	ok "cn-mine -q --k 3 --known known.tsv --guide $z --guide-margin -2 --bank $z $z -o g"
	cmp <(column five neg_id -t u8 -w40 | cut -d ' ' -f 1,3-4) <(column g neg_id -t u8 -w24)
	ok "cn-cat -n 100 $z -o half.cns"
	refuses 1 "cn-mine --known known.tsv --guide half.cns --bank $z $z -o g" 'the guide has no vector for id'
}

@test "mine: the rules of sentence-transformers' mine_hard_negatives on a small case" {
	# Query 0 has the positives 10 and 11; query 1 is opposite its positive 12, so that s+ is below 0.
	/usr/bin/python3 "$CN_ROOT/tests/write_vectors.py" q.npy '1 0; 1 0' c.npy '0.9 0.436; 0.8 0.6; -0.5 0.866; 0.85 0.527; 0.7 0.714; 0.6 0.8; -0.49 0.872; -0.8 0.6; 0.1 0.995'
	ok 'cn-import npy --field z q.npy -o q.cns && cn-import npy --field z --id-base 10 c.npy -o c.cns'
	printf '0\t10\n0\t11\n1\t12\n' >known.tsv
	mined() { cn-mine -q --known known.tsv --bank c.cns q.cns "$@" | cn-export npy --field neg_id | tail -c +129 | od -An -v -t u8 -w"$width" | tr -s ' ' | sed 's/^ //; s/18446744073709551615/-/g'; }
	width=24
	[ "$(mined --k 3 | head -n 1)" = '13 14 15' ]			# positives are not negatives
	[ "$(mined --k 3 --margin 0 | head -n 1)" = '14 15 18' ]	# absolute_margin=0 of the least similar positive
	[ "$(mined --k 3 --margin 0.15 | head -n 1)" = '15 18 16' ]
	[ "$(mined --k 3 --max-share 0.95 | tail -n 1)" = '17 - -' ]	# relative_margin=0.05, s+ = -0.5: only -0.80 survives
	[ "$(mined --k 3 --max-score 0.8 --min-score 0 | head -n 1)" = '14 15 18' ]
	width=16
	[ "$(mined --k 2 --ranks 1:3 | head -n 1)" = '14 15' ]	# range_min=1, range_max=3
	[[ "$(mined --k 2 --ranks 1:4 --pick random | head -n 1)" =~ ^(14|15|18)\ (14|15|18)$ ]]
}

@test "mine: neighbours are so many steps away, clusters are kept to or left" {
	z=$CN_FIXTURES/z.cns
	ok "cn-mine -q --strategy neighbours --neighbours 3 --hops 1:1 --k 3 --short pad --bank $z $z -o n && cn-mine -q --k 3 --bank $z $z -o h"
	# one step: the 3 nearest, and those of whose 3 nearest the row is
	paste -d ' ' <(column n id -t u8 -w8) <(column n neg_id -t u8 -w24) >near
	paste -d ' ' <(column h id -t u8 -w8) <(column h neg_id -t u8 -w24) >edges
	cat edges near | each 400 'NR <= 200 { for (i = 2; i <= 4; i++) e[$1, $i] = e[$i, $1] = 1; next } { for (i = 2; i <= 4; i++) bad += !e[$1, $i] }'
	ok "cn-mine -q --strategy neighbours --neighbours 3 --hops 2:2 --k 3 --bank $z $z -o t"
	cat edges <(paste -d ' ' <(column t id -t u8 -w8) <(column t neg_id -t u8 -w24)) |
		each 400 'NR <= 200 { for (i = 2; i <= 4; i++) e[$1, $i] = e[$i, $1] = 1; next } { for (i = 2; i <= 4; i++) { bad += $i < 1e19 && e[$1, $i]; met += $i < 1e19 } } END { bad += met < 400 }'
	# the same clusters, kept to and left: the nearest of both together are the nearest
	for c in same other; do ok "cn-mine -q --cluster $c --clusters 6 --k 3 --bank $z $z -o $c"; done
	paste -d ' ' <(column same neg_score -t f4 -w12) <(column other neg_score -t f4 -w12) <(column h neg_score -t f4 -w12) |
		awk '{ n = split($1 " " $2 " " $3 " " $4 " " $5 " " $6, s, " "); for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++)
			if (s[j] > s[i]) { t = s[i]; s[i] = s[j]; s[j] = t } if (s[1] != $7 || s[2] != $8 || s[3] != $9) bad++ } END { exit bad > 0 }'
}

@test "mine: lists of an inverted file find what was asked for, all of them everything" {
	ok "cn-import demo -n 3000 --size 16 -o d.cns && cn-embed -q -m $CN_FIXTURES/model.safetensors d.cns -o z.cns"
	ok 'cn-mine -q --k 10 --bank z.cns z.cns -o exact && cn-mine -q --k 10 --index ivf --probes 99999 --bank z.cns z.cns -o all'
	cmp <(column exact neg_id -t u8 -w80) <(column all neg_id -t u8 -w80)
	guards='--min-score 0.9 --max-score 0.99'
	ok "cn-mine -q --k 10 $guards --bank z.cns z.cns -o exact2 && cn-mine -q --k 10 $guards --index ivf --probes 99999 --bank z.cns z.cns -o all2"
	cmp <(column exact2 neg_id -t u8 -w80) <(column all2 neg_id -t u8 -w80)
	ok 'cn-mine -q --k 10 --index ivf --recall 0.9 --bank z.cns z.cns -o most'
	paste -d ' ' <(column exact neg_id -t u8 -w80) <(column most neg_id -t u8 -w80) |
		awk '{ split("", e); for (i = 1; i <= 10; i++) e[$i] = 1; for (i = 11; i <= 20; i++) n += $i in e } END { exit n < 0.87 * 10 * NR || n == 10 * NR }'
	refuses 2 'cn-mine --hops 0:2 --bank z.cns z.cns -o n' '--hops'
	refuses 2 'cn-mine --hops 3:2 --bank z.cns z.cns -o n' '--hops'
	refuses 2 'cn-mine --batch 50 --index ivf z.cns -o n' 'need a --bank'
}

@test "mine: a cache gets harder from epoch to epoch, however the stream is cut" {
	ok "cn-augment --epochs 6 --crop 0.9,1 $CN_FIXTURES/demo.cns | cn-embed -q -m $CN_FIXTURES/model.safetensors -o e.cns"
	ok "cn-mine -q --strategy cached --cache 10 --fresh 10 --temperature 0.01 --k 4 --bank $CN_FIXTURES/z.cns e.cns -o m"
	ok "cn-cat --chunk-rows 11 e.cns | cn-mine -q -T3 --strategy cached --cache 10 --fresh 10 --temperature 0.01 --k 4 --bank $CN_FIXTURES/z.cns -o n"
	cmp <(column m neg_id -t u8 -w32) <(column n neg_id -t u8 -w32)
	column m neg_id -t u8 -w32 | each 1200 '{ split("", seen); for (i = 1; i <= NF; i++) bad += seen[$i]++ }'
	ok "cn-mine -q --strategy cached --pick top --k 4 --bank $CN_FIXTURES/z.cns e.cns -o top"
	column top neg_score -t f4 -w16 | each 1200 '{ bad += $1 < $2 || $2 < $3 || $3 < $4 }'
	column m neg_score -t f4 -w16 | awk '{ e = int((NR - 1) / 200); s[e] += $1 + $2 + $3 + $4 } END { exit !(s[1] > s[0] && s[5] > s[1]) }'
}

@test "mine: by inner product and by distance, as numpy counts them" {
	for metric in dot l2; do
		ok "cn-mine -q --metric $metric --k 4 --bank $CN_FIXTURES/z.cns $CN_FIXTURES/z.cns -o m"
		numpy m 'id z neg_score' "z = i['z'].astype('f8'); c = z @ z.T
if '$metric' == 'l2': q = (z * z).sum(1); c = 2 * c - q - q[:, None]
c[numpy.arange(len(c)), numpy.arange(len(c))] = -1e9
print(abs(-numpy.sort(-c, 1)[:, :4] - i['neg_score']).max() < 1e-4 * abs(z).max() ** 2 * z.shape[1])"
		[ "$output" = True ]
		ok "cn-mine -q --metric $metric --memory 12k --k 4 --bank $CN_FIXTURES/z.cns $CN_FIXTURES/z.cns -o n"
		cmp m n
		refuses 2 "cn-mine --metric $metric --strategy diverse --bank $CN_FIXTURES/z.cns $CN_FIXTURES/z.cns -o n" '--metric cosine'
	done
}

@test "mine: options that would do nothing are refused, and so is what leaves nothing" {
	z=$CN_FIXTURES/z.cns
	for o in '--strategy random --ranks 5:90' '--strategy random --depth 20' '--strategy random --sample 20' '--strategy random --pick softmax' \
		'--strategy random --index ivf' '--strategy easy --index ivf' '--strategy cached --ranks 5:90' '--strategy neighbours --depth 5' \
		'--temperature 3' '--simans-a 4' '--strata 9' '--nearest 0.1' '--hops 1:2' '--neighbours 3' '--cache 4' '--fresh 3' '--recall 0.5' \
		'--probes 4' '--clusters 3' '--symmetric' '--guide-margin 0.1' '--guide-share 0.5' '--known-bloom 0.1' \
		'--strategy random --mix random' '--sample 50 --depth 9'; do
		refuses 2 "cn-mine $o --bank $z $z -o m" 'would do nothing here'
	done
	refuses 2 "cn-mine --mix '0 random; 100 hard' --bank $z $z -o m" 'for --schedule'
	refuses 2 "cn-mine --mix 'hard:1e308 easy:1e308' --bank $z $z -o m" 'is no share'
	refuses 2 "cn-mine --ranks 5:8 --k 4 --bank $z $z -o m" 'leaves 3 candidates'
	refuses 2 "cn-mine --strategy distance --nearest 1.5 --bank $z $z -o m" '--farthest'
	refuses 2 "cn-mine --batch 1 $z -o m" '--batch 1'
	refuses 2 "cn-mine --bank $z --bank $z $z -o m" 'is given twice'
	refuses 1 "cn-mine --batch 50 --memory 1k $z -o m" '--memory'
	[ ! -e m ]
}

@test "mine: what was passed over is told from either end; what is unknown limits nothing" {
	z=$CN_FIXTURES/z.cns
	says "cn-mine -v --k 4 --min-score 0.9999 --bank $z $z -o m" 'below the floor'
	says "cn-mine -v --strategy easy --k 4 --max-score -0.9 --bank $z $z -o m" 'above the ceiling'
	printf '0\t7\n' >known.tsv
	ok "cn-mine -q --strategy simans --k 4 --positive known --known known.tsv --short error --bank $z $z -o m"
	ok "cn-mine -q --k 4 --short resample --max-score 0 --bank $z $z -o m"
	# drawn among 200 rows, or chosen by score
	[ "$(column m neg_logq -t f4 -w4 | grep -c '^-5.298')" = "$(column m neg_rule -t u1 -w1 | grep -c '^2$')" ]
	[ "$(column m neg_rule -t u1 -w1 | grep -c '^2$')" -gt 0 ]
}

@test "mine: shards mined apart and joined are the whole" {
	z=$CN_FIXTURES/z.cns
	for s in 'hard' 'random' 'strata --ranks 0:50' 'cached'; do
		ok "cn-mine -q --strategy $s --k 5 --bank $z $z -o whole"
		ok "cn-cat -n 90 $z | cn-mine -q --strategy $s --k 5 --bank $z -o one && cn-cat --skip 90 $z | cn-mine -q --strategy $s --k 5 --bank $z -o two"
		ok "cn-cat one two -o both"
		[ "$(cn-info both | grep 'data root')" = "$(cn-info whole | grep 'data root')" ]
	done
}

# similarity FILE SIZE: the mean cosine of z over all pairs in each SIZE consecutive rows.
similarity() {
	column "$1" z -t f4 -w64 | awk -v size="$2" '
		{ length_ = 0; for (i = 1; i <= NF; i++) length_ += $i * $i
		  for (i = 1; i <= NF; i++) { u[NR % size, i] = $i / sqrt(length_); if (NR % size != 1)
			for (j = 1; j < (NR - 1) % size + 1; j++) sum += u[j, i] * u[NR % size, i] }
		  pairs += (NR - 1) % size }
		END { printf "%.3f\n", sum / pairs }'
}

@test "mine: batches of near rows have every row once, whole, and are as near as is told" {
	z=$CN_FIXTURES/z.cns
	says "cn-mine -v --assemble 10 $z -o m" '200 rows in 20 batches: mean similarity in a batch '
	cmp <(cn-info --text -w 99 m | sort) <(cn-info --text -w 99 "$z" | sort)
	after=$(sed 's/.*in a batch \(0[.0-9]*\),.*/\1/' <<<"$stderr") before=$(sed 's/.*as they came \(-\?0[.0-9]*\)$/\1/' <<<"$stderr")
	awk -v after="$after" -v before="$before" -v a="$(similarity m 10)" -v b="$(similarity "$z" 10)" 'BEGIN {
		exit !(after - a < 0.001 && a - after < 0.001 && before - b < 0.001 && b - before < 0.001 && after > before) }'
	ok "cn-info --json m | jq -r '.meta | .[\"mine.rows\"], .[\"mine.batches\"], .[\"mine.batches.clashing\"]'"
	[ "$output" = $'200\n20\n0' ]
}

@test "mine: batches are the same for any number of threads and chunks, of files and pipes, and by the seed" {
	ok "cn-mine -T1 --assemble 8 --mix 'hard:0.75 random:0.25' $CN_FIXTURES/demo.cns -m $CN_FIXTURES/model.safetensors -o a"
	ok "cn-mine -T3 --assemble 8 --mix 'hard:0.75 random:0.25' $CN_FIXTURES/demo.cns -m $CN_FIXTURES/model.safetensors -o b"
	same a b
	for rows in 1 7 64; do
		ok "cn-cat --chunk-rows $rows $CN_FIXTURES/demo.cns | cn-mine --assemble 8 --mix 'hard:0.75 random:0.25' -m $CN_FIXTURES/model.safetensors -o b"
		cmp <(cn-info --text a) <(cn-info --text b)
		[ "$(cn-info --json a | jq .data_root)" = "$(cn-info --json b | jq .data_root)" ]
	done
	ok "cn-mine -s 1 --assemble 8 --mix 'hard:0.75 random:0.25' $CN_FIXTURES/demo.cns -m $CN_FIXTURES/model.safetensors -o b"
	run ! cmp <(cn-info --text a) <(cn-info --text b)
}

# together FILE SIZE FIELD FORMAT WIDTH: how many rows are in a batch with another of the same value.
together() {
	column "$1" "$3" -t "$4" -w"$5" | awk -v size="$2" 'NR % size == 1 { split("", seen) } { if (seen[$1]++) n += seen[$1] == 2 ? 2 : 1 } END { print n + 0 }'
}

@test "mine: likely mistakes are told: pairs of other ids, ids that repeat, nothing to choose from" {
	z=$CN_FIXTURES/z.cns
	printf '5000000\t6\n' >known.tsv
	says "cn-mine --k 3 --known known.tsv --bank $z $z -o m" 'known.tsv: no pair is'
	ok "cn-mine -q --k 3 --known known.tsv --bank $z $z -o m" && [ -z "$output" ]
	printf '0\t1\n' >known.tsv
	ok "cn-mine --k 3 --known known.tsv --bank $z $z -o m" && [ -z "$output" ]
	says "cn-cat $z $z -o twice && cn-mine --k 3 --bank twice $z -o m" 'have the id of another one'
	refuses 2 "cn-mine --min-score 0.5 --max-score 0.1 --bank $z $z -o m" 'nothing is left to choose'
	refuses 2 "cn-mine --ranks 10:50 --depth 5 --bank $z $z -o m" '--depth 5 leaves nothing of --ranks 10:50'
	refuses 1 "cn-cat --skip 100000 $z -o none && cn-mine --bank none $z -o m" 'none has no rows to choose from'
}

@test "mine: a vector of zeros has similarity 0 with everything" {
	z=$CN_FIXTURES/z.cns
	cn-export npy --field z "$z" -o z.npy
	{ head -c 128 z.npy; head -c $(($(stat -c %s z.npy) - 128)) /dev/zero; } >zero.npy
	ok "cn-import npy --field z --id-base 1000 zero.npy -o zero.cns && cn-mine -q --k 3 --bank zero.cns $z -o m"
	[ "$(column m neg_score -t f4 -w4 | tr -d ' ' | sort -u)" = 0 ]
	[ "$(column m neg_id -t u8 -w8 | awk '$1 < 1000' | wc -l)" -eq 0 ]
}

@test "mine: batches keep apart labels, known pairs and what is too near, and tell what they cannot" {
	z=$CN_FIXTURES/z.cns
	ok "cn-mine --assemble 10 --label-aware $z -o m"
	[ "$(together m 10 label d4 4)" = 0 ]
	ok "cn-mine --assemble 10 $z -o n"
	[ "$(together n 10 label d4 4)" -gt 100 ]
	run_line "cn-mine --assemble 20 --label-aware $z -o m"
	[ "$status" -eq 0 ]
	[ "$(together m 20 label d4 4)" = "$(sed 's/^cn-mine: \([0-9]*\) of 200 rows are in a batch with a row they should not be with.*/\1/' <<<"$stderr")" ]
	# pairs of those that were together before
	paste -d ' ' <(column n id -t u8 -w8) | awk '{ id[NR] = $1 } END { for (i = 1; i <= NR; i++) if (i % 10) print id[i] "\t" id[i + 1] }' >known.tsv
	ok "cn-mine --assemble 10 --known known.tsv $z -o k"
	column k id -t u8 -w8 | awk 'NR == FNR { known[$1, $2] = 1; next } { id[FNR] = $1 } END { for (i = 1; i <= FNR; i++)
		for (j = int((i - 1) / 10) * 10 + 1; j <= int((i - 1) / 10) * 10 + 10; j++) bad += (id[i], id[j]) in known; exit bad > 0 }' known.tsv -
	ok "cn-mine --assemble 4 --max-score 0.99 $z -o c"
	ok "cn-info --json c | jq -r '.meta[\"mine.batches.clashing\"]'"
	[ "$output" = 0 ]
}

@test "mine: batches are of one epoch and one window, and the limit holds" {
	ok "cn-augment --epochs 3 --crop 0.5,1 $CN_FIXTURES/demo.cns -o p.cns && cn-mine --assemble 16 -m $CN_FIXTURES/model.safetensors p.cns -o m"
	[ "$(column m epoch -t u4 -w4 | uniq -c | tr -s ' ' | tr '\n' ,)" = ' 200 0, 200 1, 200 2,' ]
	ok "cn-mine --assemble 10 --window 59 $CN_FIXTURES/z.cns -o m"
	for from in 0 50 100 150; do
		cmp <(column m id -t u8 -w8 | tail -n +$((from + 1)) | head -n 50 | sort -n) <(column "$CN_FIXTURES/z.cns" id -t u8 -w8 | tail -n +$((from + 1)) | head -n 50 | sort -n)
	done
	ok "cn-mine --assemble 10 -n 77 $CN_FIXTURES/z.cns -o m"
	cmp <(column m id -t u8 -w8 | sort -n) <(column "$CN_FIXTURES/z.cns" id -t u8 -w8 | head -n 77 | sort -n)
	ok "cn-cat --skip 200 $CN_FIXTURES/z.cns | cn-mine --assemble 10 | cn-info --json | jq .rows"
	[ "$output" = 0 ]
	refuses 1 "cn-mine --assemble 10 --memory 4K $CN_FIXTURES/z.cns -o x" 'a window of 200 rows takes'
	[ ! -e x ]
}

@test "mine: batches begin with random ones, by a schedule" {
	says "cn-mine -v --assemble 10 --strategy random $CN_FIXTURES/z.cns -o r" 'mean similarity'
	ok "cn-mine --assemble 10 --schedule '0 random; 100 hard' $CN_FIXTURES/z.cns -o s && cn-cat -n 100 s -o first.cns && cn-cat --skip 100 s -o last.cns"
	awk -v r="$(similarity r 10)" -v f="$(similarity first.cns 10)" -v l="$(similarity last.cns 10)" 'BEGIN { exit !(f < r + 0.02 && l > f + 0.03) }'
}

@test "mine: what --assemble cannot use is refused" {
	z=$CN_FIXTURES/z.cns
	for rest in '--k 3' "--bank $z" '--batch 10' '--emit id' '--margin 0.1' '--near 0.5' "--guide $z --known known" '--short keep' '--ranks 1:50' '--cluster same'; do
		refuses 2 "cn-mine --assemble 10 $rest $z" "would do nothing here"
	done
	refuses 2 "cn-mine --assemble 10 --strategy easy $z" 'leave out other strategies'
	refuses 2 "cn-mine --assemble 10 --mix 'hard softmax' $z" 'leave out other strategies'
	refuses 2 "cn-mine --assemble 1 $z" '--assemble 1 makes batches of one row'
	refuses 2 "cn-mine --assemble 10 --window 9 $z" '--window 9 holds no batch'
	refuses 2 "cn-mine --window 9 --bank $z $z" 'it is for --assemble'
	ok "cn-cat --fields id,label $z -o n.cns"
	refuses 1 'cn-mine --assemble 10 n.cns' "field 'z'"
	refuses 1 "cn-cat --fields z $z | cn-mine --assemble 10" "field 'id'"
	refuses 1 "cn-cat --fields id,z $z | cn-mine --assemble 10 --label-aware" "field 'label'"
}

@test "mine: what was passed over stands in the metadata, the same for any number of threads and chunks" {
	z=$CN_FIXTURES/z.cns
	says "cn-mine -v -T1 --label-aware --max-score 0.99 --k 5 --bank $z $z -o a" 'passed over: '
	for reason in 'the row itself=self' 'same label=label' 'above the ceiling=above'; do
		count=$(sed -n "s/^cn-mine: passed over: \([0-9]*\) ${reason%=*}$/\1/p" <<<"$stderr")
		[ "$count" = "$(cn-info --json a | jq -r ".meta[\"mine.passed-over.${reason#*=}\"] // \"\"")" ]
	done
	cn-info a | grep -q '^meta        mine.passed-over.label = [1-9]'
	cn-info a | grep -q '^meta        mine.negatives = 1000$'
	ok "cn-mine -q -T3 --label-aware --max-score 0.99 --k 5 --bank $z $z -o b"
	same a b
	ok "cn-cat --chunk-rows 7 $z | cn-mine -q --label-aware --max-score 0.99 --k 5 --bank $z -o c"
	[ "$(cn-info --json a | jq -S .meta)" = "$(cn-info --json c | jq -S .meta)" ]
	# they are of that stream, not of what is made of it; and do not stand in the way of the index
	ok 'cn-cat --skip 190 a -o part && cn-info --json part | jq -r ".meta | keys[]" | grep -c passed-over || true'
	[ "$output" = 0 ]
	ok "cn-mine -q --k 1 --bank a a --memory 5K -o again && cn-mine -q --k 1 --bank $z $z -o once"
	cmp <(column again neg_id -t u8 -w8) <(column once neg_id -t u8 -w8)
}

@test "mine: the pairs of --known are an input in the history" {
	cp "$CN_FIXTURES/z.cns" z.cns
	printf '0\t1\n' >known.tsv
	ok 'cn-mine -q --known known.tsv --k 2 --bank z.cns z.cns -o m'
	[ "$(cn-info --json m | jq -r '.history.nodes[-1].meta | .["input.3"], .["parent.3"]')" = $'known.tsv\n0' ]
	ok 'cn-info --make m | grep "^m:"'
	[ "$output" = 'm: z.cns known.tsv' ]
}

@test "mine: vectors of two layers are not compared, whoever brings them" {
	layers
	column head.cns id -t u8 -w8 | awk '{ print $1 "\t" ($1 + 1) % 200 }' >known
	while IFS=@ read -r words a b of; do
		refuses 1 "cn-mine -q --k 3 $words -o no" "vectors in 'z' lie in the space of the $of, but those in $b"
		[[ $stderr == *": $a: "*"; make these with cn-embed --layer $of" ]] && [ ! -e no ] || { echo "$stderr"; return 1; }
	done <<-EOF
		--bank trunk.cns head.cns@head.cns@'z' of trunk.cns in that of the trunk@head
		--bank head.cns trunk.cns@trunk.cns@'z' of head.cns in that of the head@trunk
		--bank head.cns --bank trunk.cns unknown.cns@head.cns@'z' of trunk.cns in that of the trunk@head
		--bank unknown.cns mixed.cns@mixed.cns@'pos_z' of mixed.cns in that of the trunk@head
		--strategy random --emit z --bank trunk.cns head.cns@head.cns@'z' of trunk.cns in that of the trunk@head
		--known known --guide trunk.cns --guide head.cns --bank head.cns head.cns@trunk.cns@'z' of head.cns in that of the head@trunk
	EOF
	ok 'cn-mine -q --k 3 --bank head.cns head.cns -o h && cn-mine -q --k 3 --bank unknown.cns head.cns -o u && cn-mine -q --k 3 --bank head.cns unknown.cns -o v'
	for f in u v; do cmp <(column h neg_id -t u8 -w24) <(column $f neg_id -t u8 -w24); done
	ok "cn-mine -q --k 3 --strategy random --bank trunk.cns head.cns && cn-mine -q --k 3 -m $CN_FIXTURES/model.safetensors --bank trunk.cns mixed.cns"
}
