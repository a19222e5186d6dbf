# cn-mine: every negative is where it should be, and what must not be one is not.
load ../helper

# column FILE FIELD FORMAT...: the numbers of a field.
column() {
	cn-export npy --field "$2" "$1" | tail -c +129 | od -An -v "${@:3}" | tr -s ' ' | sed 's/^ //'
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
print(set(r.ravel()) <= {0, 3}, (s < p[:, None] - .05)[r == 3].all(), (r == 3).mean() > .5)'
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
	awk '{ split("", seen); for (i = 1; i <= NF; i++) if (seen[$i]++) exit 1 }' ids
	run ! cmp -s <(head -n 200 ids) <(tail -n 200 ids)
	run ! cmp -s ids <(column b neg_id -t u8 -w72)
}

@test "mine: what is short is padded, repeated, drawn, or an error, and told" {
	z=$CN_FIXTURES/z.cns
	says "cn-mine --k 4 --max-score -1 --bank $z $z -o m" 'had fewer than 4 candidates'
	[ "$(column m neg_rule -t u1 -w1 | sort -u)" = 0 ]
	[ "$(column m neg_id -t u8 -w8 | sort -u)" = 18446744073709551615 ]
	ok "cn-mine -q --k 4 --max-score -1 --short resample --bank $z $z -o m"
	[ "$(column m neg_rule -t u1 -w1 | sort -u)" = 5 ]
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
	refuses 2 "cn-mine --margin 0.1 --bank $z $z -o m" '--margin is for'
	refuses 2 "cn-mine --strategy random --max-score 0.5 --bank $z $z -o m" '--max-score'
	refuses 1 "cn-mine --bank $CN_FIXTURES/demo.cns $CN_FIXTURES/demo.cns -o m" "no field 'z'"
	refuses 1 "cn-mine --strategy semihard --bank $z $z -o m" 'no positives'
	refuses 1 "cn-mine --memory 1k --bank $z $z -o m" '--memory'
	head -c 3000 "$z" >cut.cns
	refuses 3 "cn-mine --bank cut.cns $z -o m" 'cut.cns'
	refuses 3 "cn-mine --bank $z cut.cns -o m" 'cut.cns'
	[ ! -e m ]
}
