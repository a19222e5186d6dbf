# cn-gen: made negatives, and that each option does what the manual says.
load ../helper

# Vectors to work on: rows of several epochs with z and pos_z, made once; the options that suit so few rows.
setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	cn-augment --epochs 12 --crop 0.4,1 --jitter 0.3,0.3,0.3,0.1 "$CN_FIXTURES/demo.cns" |
		cn-embed -q --pos --layer head -m "$CN_FIXTURES/model.safetensors" -o z.cns
}

quick='--round 64 --warmup 128'

# The methods that learn, with what suits so few rows.
learners=("gan $quick" "adversary $quick --bank-size 200" "daml $quick" "hdml $quick" "select $quick")

# column FILE FIELD FORMAT...: the numbers of a field, one row a line.
column() {
	cn-export npy --field "$2" "$1" | tail -c +129 | od -An -v "${@:3}" | tr -s ' ' | sed 's/^ //'
}

# The mean of a column of the log's last 8 lines: last NUMBER [FILE]
last() {
	tail -n 8 "${2:-log}" | awk -v at="$1" '{ sum += $at } END { printf "%.4f", sum / NR }'
}

# holds 'a < b'
holds() {
	awk "BEGIN { exit !($1) }" || { echo "not so: $1"; return 1; }
}

z() {
	echo "$BATS_FILE_TMPDIR/z.cns"
}

@test "gen: same bytes for any number of threads, and two runs" {
	for way in "${learners[@]}" mix; do
		ok "cn-gen -T1 -n 700 --method $way $(z) >a && cn-gen -T3 -n 700 --method $way $(z) >b && cn-gen -T3 -n 700 --method $way $(z) >c"
		same a b
		same b c
	done
	ok "cn-gen -T1 $quick -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns >a && cn-gen -T2 $quick -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns >b"
	same a b
}

@test "gen: chunks of the input do not matter" {
	ok "cn-augment --chunk-rows 33 $CN_FIXTURES/demo.cns -o a && cn-augment --chunk-rows 500 $CN_FIXTURES/demo.cns -o b"
	for way in "${learners[@]}" mix; do
		for f in a b; do
			ok "cn-gen --round 64 --method ${way/128/70} -m $CN_FIXTURES/model.safetensors $f -o $f.cns"
			for field in id neg_z neg_score neg_rule; do cn-export npy --field $field $f.cns; done >$f.bytes
		done
		same a.bytes b.bytes
	done
}

@test "gen: negatives have unit length, and their score is their cosine" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	for way in "${learners[@]}" mix; do
		ok "cn-gen -n 800 --k 3 --method $way $(z) -o g"
		for f in z pos_z neg_z neg_score; do cn-export npy --field $f g -o $f.npy; done
		run /usr/bin/python3 -c 'import numpy
z, p, n, s = (numpy.load(f + ".npy") for f in ("z", "pos_z", "neg_z", "neg_score"))
z /= numpy.linalg.norm(z, axis=1, keepdims=True)
p /= numpy.linalg.norm(p, axis=1, keepdims=True)
print(n.shape, abs(numpy.linalg.norm(n, axis=2) - 1).max() < 1e-5, abs(numpy.einsum("rd,rkd->rk", z, n) - s).max() < 1e-5,
      (s <= (z * p).sum(1)[:, None] + 1e-5).all())'
		[ "$output" = '(800, 3, 16) True True True' ]
	done
}

@test "gen: --guard keeps every negative below the positive by that much" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	for way in "gan --target 0.9 --margin 0 $quick" "${learners[@]:1}" mix; do
		for guard in 0.1 0.3 -2; do
			ok "cn-gen -n 800 --guard $guard --method $way $(z) -o g"
			for f in z pos_z neg_score neg_rule; do cn-export npy --field $f g -o $f.npy; done
			run /usr/bin/python3 -c "import numpy
z, p, s, r = (numpy.load(f + '.npy') for f in ('z', 'pos_z', 'neg_score', 'neg_rule'))
u = (z * p).sum(1) / numpy.linalg.norm(z, axis=1) / numpy.linalg.norm(p, axis=1)
over = (s - u[:, None] + $guard).max()
print(over < 1e-5, over > -.5, ((r == 5) | (r == 6)).any())"
			[[ "$output" = 'True '* ]]
			[ "$guard" != 0.1 ] || [[ "$output" = 'True True'* ]]
			[ "$guard" != -2 ] || [ "$output" = 'True False False' ]
		done
	done
}

@test "gen: the first --warmup rows get mixed negatives, the others generated ones" {
	ok "cn-gen --round 64 --warmup 100 --k 2 $(z) -o g"
	column g neg_rule -t u1 -w2 >rules
	run ! grep -qv '^[1236] [1236]$' <(head -n 100 rules)
	run ! grep -qv '^[456] [456]$' <(tail -n +101 rules)
	grep -q '[23]' <(head -n 100 rules)
	grep -q 4 <(tail -n +101 rules)
	ok "cn-gen --round 64 --warmup 0 $(z) -o g"
	run ! grep -q '[123]' <(column g neg_rule -t u1 -w4)
}

@test "gen: --target sets the similarity" {
	for target in 0.1 0.4 0.7; do
		ok "cn-gen $quick --margin 0 --latent-norm 0 --steps 6 --target $target --log log $(z) -o g"
		last 6 >"$target"
	done
	holds "$(<0.1) < $(<0.4) - 0.1"
	holds "$(<0.4) < $(<0.7) - 0.1"
}

@test "gen: --margin keeps negatives away from where --target would draw them" {
	ok "cn-gen $quick --target 1 --margin 0 --steps 4 --log a $(z) -o g && cn-gen $quick --target 1 --margin 0.7 --steps 4 --log b $(z) -o g"
	holds "$(last 6 b) < $(last 6 a) - 0.1"
}

@test "gen: --latent-norm R leaves no negative below sqrt(1 - R^2)" {
	ok "cn-gen --round 64 --warmup 0 --target -1 --latent-norm 0.5 --guard -2 $(z) -o g"
	holds "$(column g neg_score -t f4 -w4 | sort -g | head -n 1) > 0.866"
	ok "cn-gen --round 64 --warmup 0 --target -1 --latent-norm 0 --guard -2 $(z) -o g"
	holds "$(column g neg_score -t f4 -w4 | sort -g | head -n 1) < 0.5"
}

@test "gen: --diversity sets draws apart" {
	ok "cn-gen $quick --realism 0 --diversity 0 --steps 6 --log a $(z) -o g && cn-gen $quick --realism 0 --diversity 3 --steps 6 --log b $(z) -o g"
	holds "$(last 9 b) > 1.2 * $(last 9 a)"
	ok "cn-gen $quick --realism 0 --diversity 0 --mode-seeking 3 --steps 6 --log b $(z) -o g"
	holds "$(last 9 b) > 1.2 * $(last 9 a)"
}

@test "gen: --apart keeps off the positive" {
	ok "cn-gen $quick --target 1 --margin 0 --steps 4 --log a $(z) -o g && cn-gen $quick --target 1 --margin 0 --apart 1 --steps 4 --log b $(z) -o g"
	holds "$(last 7 b) < $(last 7 a) - 0.1"
}

@test "gen: the log tells what the guard and the margin find, as counted from the negatives" {
	ok "cn-gen $quick --target 0.9 --margin 0 --guard 0.2 --log a $(z) -o g && cn-gen $quick --target 0.9 --margin 0 --guard -2 --log b $(z) -o g"
	holds "$(last 10 a) > 0.2 && $(last 10 b) == 0"
	ok "cn-gen $quick --target 0.9 --margin 1 --steps 4 --log b $(z) -o g"
	holds "$(last 11 a) < $(last 11 b) && $(last 11 b) < 1.0001"
}

@test "gen: the discriminator can tell before the generator minds it" {
	ok "cn-gen $quick --realism 0 --steps 4 --diversity 0 --log a $(z) -o g && cn-gen $quick --realism 8 --steps 4 --diversity 0 --log b $(z) -o g"
	[ "$(head -n 1 a)" = "$(printf 'rows\td_loss\tg_loss\td_real\td_made\tsimilarity\tpos_made\tpos_similarity\tdiversity\trejected\tviolating')" ]
	[ "$(wc -l <a)" = $((1 + 2400 / 64)) ]
	holds "$(last 4 a) + $(last 5 a) > 1.5"
	holds "$(last 4 b) + $(last 5 b) < $(last 4 a) + $(last 5 a)"
	for column in $(head -n 1 a); do grep -q "$column" <(sed -n '/^\.Sh FILES/,/^\.Sh EXIT/p' "$CN_ROOT/man/cn-gen.1.in"); done
}

@test "gen: hinge and wasserstein are played, too" {
	for loss in hinge wasserstein; do
		ok "cn-gen $quick --adversarial $loss --steps 3 --diversity 0 --realism 0 --log a $(z) -o g"
		holds "$(last 4 a) + $(last 5 a) > 1.4"
		ok "cn-gen $quick --adversarial $loss --steps 3 --diversity 0 --realism 4 --log b $(z) -o g"
		holds "$(last 4 b) + $(last 5 b) < $(last 4 a) + $(last 5 a)"
	done
	ok "cn-gen $quick --adversarial wasserstein $(z) -o a && cn-gen $quick --adversarial wasserstein --penalty 1 $(z) -o b"
	run ! cmp -s a b
	refuses 2 "cn-gen --penalty 1 $(z) -o g" '--penalty'
}

# Negatives by value of the demonstration set.
moved() {
	echo "cn-gen --round 64 -m $CN_FIXTURES/model.safetensors $* $CN_FIXTURES/demo.cns"
}

@test "gen: samples are moved by the gradient, no farther than --epsilon, and are more similar then" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	ok "$(moved --method gradient --guard -2 --k 3 --epsilon 3.7 --pgd-steps 4) -o g && $(moved --method gradient --guard -2 --k 3 --epsilon 0.2) -o still"
	ok "cn-embed --pos -q --layer head -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns -o z"
	for f in neg neg_score neg_rule; do cn-export npy --field $f g -o $f.npy && cn-export npy --field $f still -o still_$f.npy; done
	cn-export npy --field pos g -o pos.npy
	run /usr/bin/python3 -c 'import numpy
n, s, r, n0, s0, r0, p = (numpy.load(f + ".npy") for f in ("neg", "neg_score", "neg_rule", "still_neg", "still_neg_score", "still_neg_rule", "pos"))
print(n.shape, abs(n.astype(int) - n0).max(), (s >= s0).all(), (s > s0).mean() > 0.5, set(r.ravel()) <= {10, 11}, set(r0.ravel()) == {10},
      all((p == n0[i, k]).all((1, 2, 3)).any() for i in range(len(n)) for k in range(3)))'
	[ "$output" = '(200, 3, 16, 16, 3) 3 True True True True True' ]
}

@test "gen: neg_score of samples is that of their vectors, below the guard" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	for way in '--method gradient --pgd-steps 2' '--method gradient --hardest 1 --epsilon 40' '--space input --warmup 64'; do
		ok "$(moved "$way" --k 2) -o g"
		ok "cn-export npy --field neg g -o neg.npy && cn-export npy --field neg_score g -o s.npy && cn-export npy --field neg_rule g -o r.npy"
		/usr/bin/python3 -c 'import numpy
n = numpy.load("neg.npy"); numpy.save("flat.npy", n.reshape(-1, *n.shape[2:]))'
		ok "cn-import npy flat.npy | cn-embed -q --layer head -m $CN_FIXTURES/model.safetensors | cn-export npy --field z -o nz.npy"
		ok "cn-embed --pos -q --layer head -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns -o z && cn-export npy --field z z -o z.npy && cn-export npy --field pos_z z -o p.npy"
		run /usr/bin/python3 -c 'import numpy
n, z, p = (numpy.load(f + ".npy") for f in ("nz", "z", "p"))
n, z, p = (v / numpy.linalg.norm(v, axis=1, keepdims=True) for v in (n, z, p))
s, r = numpy.load("s.npy"), numpy.load("r.npy")
print(abs((n.reshape(len(z), 2, -1) * z[:, None]).sum(2) - s).max() < 1e-5, ((s <= (z * p).sum(1)[:, None] + 1e-5) | (r == 1)).all(), (r > 3).any())'
		[ "$output" = 'True True True' ]
	done
}

@test "gen: samples have the same bytes for any number of threads and chunks" {
	ok "cn-augment --epochs 2 --chunk-rows 33 $CN_FIXTURES/demo.cns -o a && cn-augment --epochs 2 --chunk-rows 500 $CN_FIXTURES/demo.cns -o b"
	for way in '--method gradient --pgd-steps 2' '--space input --warmup 64'; do
		ok "cn-gen -T1 --k 2 --round 64 $way -m $CN_FIXTURES/model.safetensors a -o ga && cn-gen -T3 --k 2 --round 64 $way -m $CN_FIXTURES/model.safetensors b -o gb"
		for field in id neg neg_score neg_rule; do
			ok "cn-export npy --field $field ga -o fa && cn-export npy --field $field gb -o fb"
			same fa fb
		done
	done
}

@test "gen: vectors are moved, too, and a number that hardly varies is hardly moved" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	/usr/bin/python3 -c 'import numpy
rng = numpy.random.default_rng(1)
x = rng.normal(size=(300, 6)).astype("f4") * numpy.float32([1, 10, 0, 1, 1, 1]) + numpy.float32([0, 50, 7, 0, 0, 0])
numpy.save("x.npy", x)'
	ok "cn-import npy --field x x.npy | cn-augment --noise 0.1 -o pairs"
	ok "cn-train -q --arch 'linear:16 relu linear:8' --batch 50 -o m pairs"
	ok "cn-gen --space input --round 50 --warmup 50 --steps 4 --input-margin 0.5 -m m pairs -o g && cn-gen --method gradient --epsilon 0.25 --guard -2 -m m pairs -o h"
	for f in x neg neg_rule; do cn-export npy --field $f g -o $f.npy && cn-export npy --field $f h -o h_$f.npy; done
	run /usr/bin/python3 -c 'import numpy
x, n, r, m, q = (numpy.load(f + ".npy") for f in ("x", "neg", "neg_rule", "h_neg", "h_neg_rule"))
made = n[(r == 4) | (r == 5)]
print(n.shape, len(made) > 300, (abs(made[:, 2] - 7) < 1).all(), m.dtype, (q == 11).mean() > 0.3)'
	[ "$output" = '(300, 4, 6) True True float32 True' ]
	refuses 2 "cn-gen --method gradient -m m pairs -o g" '--epsilon'
}

@test "gen: samples are refused where they cannot be made" {
	refuses 2 "cn-gen --method gradient $(z) -o g" '-m'
	refuses 2 "cn-gen --space input $(z) -o g" '-m'
	refuses 2 "$(moved --method mix --space input) -o g" '--space'
	refuses 2 "$(moved --input-margin 1) -o g" '--input-margin'
	refuses 2 "$(moved --space input --query-share 0.1) -o g" 'with --space input nothing is mixed'
}

@test "gen: mixing, all of two or all with the anchor" {
	ok "cn-gen --method mix --query-share 0 --guard -2 --k 2 $(z) -o g"
	[ "$(column g neg_rule -t u1 -w1 | sort -u)" = 2 ]
	ok "cn-gen --method mix --query-share 1 --guard -2 --k 2 $(z) -o g"
	[ "$(column g neg_rule -t u1 -w1 | sort -u)" = 3 ]
	ok "cn-gen --method mix -n 1 $(z) -o g"
	[ "$(column g neg_rule -t u1 -w1 | sort -u)" = 1 ]
}

@test "gen: a bank of negatives becomes hard, and is held at its target" {
	for target in 0.3 0.6 1; do
		ok "cn-gen --method adversary $quick --bank-size 300 --target $target --log log $(z) -o g"
		[ "$(head -n 1 log)" = "$(printf 'rows\tloss\tsimilarity\tpos_similarity\tused')" ]
		last 3 >"at$target"
		column g neg_score -t f4 -w16 | tail -n 600 | tr ' ' '\n' | awk 'NF { sum += $1; n++ } END { printf "%.4f", sum / n }' >"given$target"
	done
	holds "$(<at0.3) > 0.25 && $(<at0.3) < 0.35 && $(<at0.6) > 0.55 && $(<at0.6) < 0.65 && $(<at1) > 0.9"
	holds "$(<given0.3) > 0.29 && $(<given0.3) < 0.31 && $(<given0.6) > 0.59 && $(<given0.6) < 0.61"
	grep -q 7 <(column g neg_rule -t u1 -w4)
	run ! grep -q 7 <(column g neg_rule -t u1 -w4 | head -n 128)
}

@test "gen: what moves towards the anchor moves by --pull" {
	for pull in 0 1 20; do
		ok "cn-gen --method hdml $quick --guard -2 --pull $pull --log log $(z) -o g"
		column g neg_score -t f4 -w16 | tail -n +129 | tr ' ' '\n' | awk 'NF { sum += $1; n++ } END { printf "%.7f", sum / n }' >"pull$pull"
		last 4 >"kept$pull"
	done
	holds "$(<pull0) < $(<pull1) && $(<pull1) < $(<pull20)"
	holds "$(<kept0) == 1 && $(<kept20) < $(<kept1)"
	[ "$(column g neg_rule -t u1 -w4 | tail -n +129 | tr ' ' '\n' | sort -u)" = 8 ]
}

@test "gen: a synthesis is as hard, as real and as far beyond the margin as its weights say" {
	for way in '' '--hardness 8' '--realism 8' '--violation 20 --margin 0'; do
		ok "cn-gen --method daml $quick --steps 6 $way --log 'log$way' $(z) -o g"
	done
	[ "$(head -n 1 log)" = "$(printf 'rows\tloss\tnear\ttrue_to\tviolated\tsimilarity\tpos_similarity')" ]
	holds "$(last 3 'log--hardness 8') < $(last 3 log)"
	holds "$(last 4 'log--realism 8') < $(last 4 log)"
	run ! cmp -s log 'log--violation 20 --margin 0'
	[[ "$(column g neg_rule -t u1 -w4 | tail -n +129)" = *4* ]]
}

@test "gen: a choice that is learned is rewarded, and tells its chances" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	ok "cn-gen --method select $quick --steps 8 --diversity 0 --log a $(z) -o g && cn-gen --method select $quick --steps 8 --diversity 3 --log b $(z) -o h"
	[ "$(head -n 1 a)" = "$(printf 'rows\treward\tbaseline\tentropy\tsimilarity\tpos_similarity')" ]
	holds "$(last 2 a) > $(sed -n 2p a | cut -f 2)"
	holds "$(last 4 a) < $(last 4 b) - 0.3"
	for f in pos_z neg_z neg_rule neg_logq; do cn-export npy --field $f g -o $f.npy; done
	run /usr/bin/python3 -c 'import numpy
p, n, r, q = (numpy.load(f + ".npy") for f in ("pos_z", "neg_z", "neg_rule", "neg_logq"))
p /= numpy.linalg.norm(p, axis=1, keepdims=True)
true = numpy.einsum("rkd,sd->rks", n, p).max(2) > 1 - 1e-5
print(q.dtype, (q <= 0).all() and (q[r == 9] < 0).mean() > .9, (q[r != 9] == 0).all(), (r[:128] != 9).all(), (r[128:] == 9).mean() > .5, true[r == 9].all())'
	[ "$output" = 'float32 True True True True True' ]
	ok "cn-train -q --loss infonce --init $CN_FIXTURES/model.safetensors --batch 50 -o m <(cn-gen --method select --round 50 --warmup 0 -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns)"
}

@test "gen: chances belong to the negatives that rows came with, if those stay" {
	ok "cn-mine -q --strategy random --k 3 --emit value --bank $CN_FIXTURES/demo.cns -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns -o mined"
	ok "cn-gen --method select --warmup 0 --round 50 --mined 3 --guard -2 -m $CN_FIXTURES/model.safetensors mined -o kept"
	ok "cn-gen --method select --warmup 0 --round 50 --mined 3 --guard -2 --replace -m $CN_FIXTURES/model.safetensors mined -o replaced"
	[ "$(column kept neg_logq -t f4 -w12)" = "$(column mined neg_logq -t f4 -w12)" ]
	[ "$(column replaced neg_logq -t f4 -w16 | wc -l)" = 200 ]
	run ! grep -q ' 0 ' <(column replaced neg_logq -t f4 -w16)
}

@test "gen: a state goes on at the end of a round as if the stream had not been cut" {
	for way in "${learners[@]}"; do
		ok "cn-gen -n 640 --method $way --state whole --log log $(z) -o g"
		ok "cn-gen -n 384 --method $way --state parts --log first $(z) -o a"
		ok "cn-cat --skip 384 $(z) | cn-gen -n 256 --method $way --state parts --log second -o b"
		same whole parts
		cmp log <(cat first <(tail -n +2 second))
		for field in id neg_z neg_score neg_rule; do
			cmp <(cn-export npy --field $field g) <(cn-cat a b | cn-export npy --field $field)
		done
		rm whole parts
	done
}

@test "gen: a frozen state makes, and does not learn" {
	for way in "${learners[@]}"; do
		ok "cn-gen -n 640 --method $way --state state $(z) -o g && cp state before"
		ok "cn-gen -n 100 --method ${way/--warmup 128/} --state state --freeze $(z) -o a"
		same state before
		ok "cn-cat --skip 50 $(z) | cn-gen -n 50 --method ${way/--warmup 128/} --state state --freeze -o b"
		run ! grep -q 3 <(column a neg_rule -t u1 -w4)
		[[ $way != [ga][ad]* ]] || cmp <(column a neg_z -t x4 -w64 | tail -n 200) <(column b neg_z -t x4 -w64)
		ok "cn-gen -n 640 --method $way --state state $(z) -o g"
		run ! cmp -s state before
		rm state
	done
}

@test "gen: a state is kept only of a stream that ended whole" {
	head -c 60000 "$(z)" >cut.cns
	refuses 3 "cn-gen $quick --state state cut.cns -o g" 'cut.cns'
	[ ! -e state ]
	ok "cn-gen $quick -n 256 --state state $(z) -o g && cp state before"
	refuses 3 "cn-gen $quick --state state cut.cns -o g" 'cut.cns'
	refuses 1 "cn-gen $quick --state state $(z) -o /dev/full" '/dev/full'
	same state before
	[ "$(echo state*)" = state ]
}

# damage TENSOR VALUE: all numbers of that tensor of the state become this one.
damage() {
	/usr/bin/python3 -c 'import json, struct, sys
b = bytearray(open("state", "rb").read())
n, = struct.unpack("<Q", b[:8])
first, end = json.loads(b[8:8 + n])[sys.argv[1]]["data_offsets"]
b[8 + n + first:8 + n + end] = struct.pack("<f", float(sys.argv[2])) * ((end - first) // 4)
open("state", "wb").write(b)' "$@"
	cp state before
}

@test "gen: negatives that are not finite are an error, and no state is kept of it" {
	[ -x /usr/bin/python3 ] || skip 'no python here'
	ok "cn-gen $quick -n 128 --state state $(z) -o g"
	damage generator.square -1
	refuses 1 "cn-gen $quick --state state $(z) -o n" 'row 0: the negatives that --method gan makes are not finite'
	same state before
	[ ! -e n ]
}

@test "gen: of vectors too long to be measured nothing would be left, and they are refused" {
	[ -x /usr/bin/python3 ] || skip 'no python here'
	for way in 'gan --latent-norm 0' daml; do
		rm -f state
		ok "cn-gen --method $way $quick -n 128 --state state $(z) -o g"
		damage generator.weights 1e6
		refuses 1 "cn-gen --method $way --round 64 --state state --freeze $(z) -o n" "the negatives that --method ${way%% *} makes are not finite"
	done
	rm state
	ok "cn-gen --method adversary $quick -n 128 --state state $(z) -o g"
	damage bank.vectors 3e38
	refuses 1 "cn-gen --method adversary $quick --state state $(z) -o n" "state: vector 0 of 'bank.vectors' is too long to have a direction"
	same state before
	[ ! -e n ]
}

@test "gen: a state of something else is refused in one sentence" {
	ok "cn-gen $quick --lr 0.01 -n 128 --state state $(z) -o g && cp state before"
	refuses 1 "cn-gen --method select $quick --lr 0.01 --state state $(z) -o n" 'state: is a state of --method gan, not of select'
	refuses 1 "cn-gen $quick --lr 0.02 --state state $(z) -o n" 'state: was learned with --lr 0.01, not 0.02'
	refuses 1 "cn-gen $quick --state state $(z) -o n" 'state: was learned with --lr 0.01; give that'
	refuses 1 "cn-gen $quick --lr 0.01 -s 2 --state state $(z) -o n" 'state: was learned without --seed 2'
	ok "cn-train -q --arch 'conv:4/4 gap' --head 'linear:8' --batch 50 -o narrow $CN_FIXTURES/demo.cns"
	refuses 1 "cn-gen $quick --lr 0.01 --state state -m narrow $CN_FIXTURES/demo.cns -o n" 'was learned of vectors of 16 numbers, and here they have 8'
	layers
	refuses 1 "cn-gen $quick --lr 0.01 --state state trunk.cns -o n" 'state: was learned of vectors of the head, and here they are of the trunk'
	ok "cn-gen $quick --lr 0.01 --state none unknown.cns -o g && cn-gen $quick --lr 0.01 --state none trunk.cns -o g && rm g none"
	refuses 1 "cn-gen $quick --state $CN_FIXTURES/model.safetensors $(z) -o n" 'model.safetensors: is no state of cn-gen'
	refuses 1 "cn-gen --state nothing --freeze $(z) -o n" "'nothing'"
	refuses 1 "cn-gen $quick --state no/where $(z) -o n" 'no/where'
	refuses 2 "cn-gen --freeze $(z) -o n" '--state'
	refuses 2 "cn-gen $quick --state - $(z) -o n" '--state'
	refuses 2 "cn-gen --state state --freeze --log log $(z) -o n" '--log'
	refuses 2 "cn-gen $quick --state state --freeze $(z) -o n" '--warmup would do nothing here'
	refuses 2 "cn-gen --state state --freeze --query-share 0.1 $(z) -o n" '--query-share would do nothing here: with --freeze nothing is mixed'
	refuses 2 "cn-gen --warmup 0 --query-share 0.1 $(z) -o n" '--query-share would do nothing here: with --warmup 0 nothing is mixed'
	refuses 2 "cn-gen --method mix --state state $(z) -o n" '--state'
	refuses 2 "cn-gen $quick --state $(z) $(z) -o n" '--state'
	[ ! -e n ]
	same state before
}

@test "gen: options of other methods are refused by name" {
	while read -r method option; do
		refuses 2 "cn-gen --method $method $option $(z) -o n" "cn-gen: ${option%% *} would do nothing here: it is for --method "
	done <<-'END'
		mix --warmup 3
		mix --log log
		mix --state state
		mix --freeze
		gradient --warmup 3
		gradient --log log
		gradient --state state
		gradient --freeze
		mix --lr 0.1
		gradient --query-share 0.1
		gradient --target 0.1
		hdml --steps 3
		hdml --lr 0.1
		daml --diversity 1
		select --margin 1
		gan --pull 1
		gan --bank-size 3
		gan --temperature 1
		gan --hardness 2
		daml --latent-norm 2
		adversary --lr 0.1
		adversary --space input
		select --epsilon 4
	END
	[ ! -e log ]
	[ ! -e state ]
	refuses 2 "cn-gen --method adversary --margin 1 $(z) -o n" '--margin would do nothing here: it is for --method gan, daml'
	refuses 3 "cn-gen --bank-size 3 $(z) | cn-info" 'standard input: stopped by cn-gen: --bank-size would do nothing here'
	ok "cn-gen --method mix --margin 0.1 $(z) -o n"
}

@test "gen: every option has an effect, and the seed" {
	ok "cn-gen $quick $(z) -o g"
	column g neg_z -t x4 -w64 | cksum >plain
	for way in '-s 1' '--lr 0.01' '--steps 3' '--round 100' '--hardest 2' '--realism 2' '--target 0.3' '--margin 1' '--latent-norm 0.2' \
		'--diversity 2' '--mode-seeking 2' '--apart 1' '--critic 3' '--adversarial hinge' '--adversarial wasserstein' '--warmup 64' '--guard 0.6'; do
		ok "cn-gen $quick $way $(z) -o g"
		run ! cmp -s plain <(column g neg_z -t x4 -w64 | cksum)
	done
	for way in "${learners[@]:1}"; do
		ok "cn-gen -n 700 --method $way $(z) -o g"
		column g neg_z -t x4 -w64 | cksum >plain
		case $way in
		adversary*) set -- '--bank-temperature 1' '--bank-lr 0.1' '--bank-momentum 0' '--bank-size 100' '--steps 1' '--target 0.2' ;;
		daml*) set -- '--hardness 0' '--violation 9' '--realism 0' '--margin 0' '--lr 0.01' '--steps 1' '--hardest 2' ;;
		hdml*) set -- '--pull 1' '--temperature 1' '--hardest 2' ;;
		select*) set -- '--temperature 1' '--diversity 2' '--lr 0.01' '--steps 1' '--target 0' ;;
		esac
		for more in "$@" '--warmup 64' '--guard 0.6' '-s 1'; do
			ok "cn-gen -n 700 --method $way $more $(z) -o g"
			run ! cmp -s plain <(column g neg_z -t x4 -w64 | cksum)
		done
	done
}

@test "gen: the mined go in: used, kept, or left out" {
	ok "cn-mine -q --strategy hard --k 4 --emit value --bank $CN_FIXTURES/demo.cns -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns -o mined"
	for way in '--mined 0' '--mined 3' '--mined 3 --replace'; do
		ok "cn-gen --method mix --k 2 $way -m $CN_FIXTURES/model.safetensors mined -o 'g$way'"
	done
	run ! cmp -s <(column 'g--mined 0' neg_z -t x4 -w64) <(column 'g--mined 3' neg_z -t x4 -w64)
	cmp <(column 'g--mined 3' neg_z -t x4 -w64) <(column 'g--mined 3 --replace' neg_z -t x4 -w64)
	cmp <(column 'g--mined 3' neg -t x1 -w768) <(column mined neg -t x1 -w768)
	refuses 1 "cn-export npy --field neg 'g--mined 3 --replace'" "'neg'"
	refuses 1 "cn-export npy --field neg_id 'g--mined 3 --replace'" "'neg_id'"
	refuses 1 "cn-export npy --field neg_rank 'g--mined 3'" "'neg_rank'"
}

@test "gen: a log and a state are kept only of a stream that is whole" {
	refuses 1 "cn-gen $quick --state state --log log $(z) >/dev/full" 'No space left on device'
	refuses 1 "cn-gen $quick --state state --log log $(z) -o no/where" 'cannot create no/where'
	head -c 20000 "$(z)" >short.cns
	refuses 3 "cn-gen $quick --state state --log log short.cns -o n" 'cut short'
	[ -z "$(find . -name '*state*' -o -name '*log*')" ]
	says "cn-gen $quick --log /dev/stderr $(z) -o n" $'\n192\t'
}

@test "gen: who had no full round to learn from says so" {
	says "cn-gen --round 64 -n 63 $(z) -o g" 'nothing was learned: no round had --round 64 rows'
	ok "cn-gen -q --round 64 -n 63 $(z) -o g && cn-gen --round 64 -n 64 $(z) -o g && cn-gen --method mix -n 63 $(z) -o g"
}

@test "gen: -n, and a last round that is not full" {
	ok "cn-gen $quick -n 100 $(z) -o g && cn-gen $quick $(z) -o all"
	[ "$(column g id -t u8 -w8 | wc -l)" = 100 ]
	cmp <(column g neg_z -t x4 -w64 | head -n 256) <(column all neg_z -t x4 -w64 | head -n 256)
}

@test "gen: what is missing is named, with the remedy" {
	refuses 1 "cn-import demo --size 16 -n 20 | cn-gen -m $CN_FIXTURES/model.safetensors | cat" "no field 'pos'"
	refuses 1 "cn-gen $CN_FIXTURES/demo.cns -o g" "no field 'z'"
	refuses 2 "cn-gen --k 0 $(z) -o g" '--k'
	refuses 2 "cn-gen --method mix --log l $(z) -o g" '--log'
	refuses 1 "cn-gen --log /dev/full $quick $(z) -o g" '/dev/full'
	refuses 1 "cn-gen -m nothing $(z) -o g" 'nothing'
	head -c 20000 "$CN_FIXTURES/demo.cns" >cut.cns
	refuses 3 "cn-gen $quick -m $CN_FIXTURES/model.safetensors cut.cns -o g" 'cut.cns'
	[ ! -e g ]
}

@test "gen: what came with a row is of use only where it lies in the space that is worked in" {
	layers
	refuses 1 'cn-gen -q --method mix -o no mixed.cns' "mixed.cns: vectors in 'z' lie in the space of the head, but those in 'pos_z' of mixed.cns in that of the trunk; make these with cn-embed --layer head"
	[ ! -e no ]
	ok 'cn-mine -q --k 3 --emit z --bank trunk.cns trunk.cns -o mined.cns && cn-cat --fields id,x,pos,label,z,pos_z mined.cns -o none.cns'
	for words in "-m $CN_FIXTURES/model.safetensors" ''; do
		for file in mined none; do
			ok "cn-gen -q --method mix --mined 3 --hardest 1 --k 2 $words $file.cns -o $file.out"
			cn-export npy --field neg_z $file.out >$file.npy
		done
		[ -z "$words" ] || same mined.npy none.npy
	done
	run ! cmp -s mined.npy none.npy
}
