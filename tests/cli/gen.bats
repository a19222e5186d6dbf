# cn-gen: made negatives, and that each option does what the manual says.
load ../helper

# Vectors to work on: rows of several epochs with z and pos_z, made once; the options that suit so few rows.
setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	cn-augment --epochs 12 --crop 0.4,1 --jitter 0.3,0.3,0.3,0.1 "$CN_FIXTURES/demo.cns" |
		cn-embed -q --pos --layer head -m "$CN_FIXTURES/model.safetensors" -o z.cns
}

quick='--round 64 --warmup 128'

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
	for way in "--method gan $quick" '--method mix'; do
		ok "cn-gen -T1 $way $(z) >a && cn-gen -T3 $way $(z) >b && cn-gen -T3 $way $(z) >c"
		same a b
		same b c
	done
	ok "cn-gen -T1 $quick -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns >a && cn-gen -T2 $quick -m $CN_FIXTURES/model.safetensors $CN_FIXTURES/demo.cns >b"
	same a b
}

@test "gen: chunks of the input do not matter" {
	ok "cn-augment --chunk-rows 33 $CN_FIXTURES/demo.cns -o a && cn-augment --chunk-rows 500 $CN_FIXTURES/demo.cns -o b"
	for method in gan mix; do
		for f in a b; do
			ok "cn-gen --method $method --round 64 --warmup 70 -m $CN_FIXTURES/model.safetensors $f -o $f.cns"
			for field in id neg_z neg_score neg_rule; do cn-export npy --field $field $f.cns; done >$f.bytes
		done
		same a.bytes b.bytes
	done
}

@test "gen: negatives have unit length, and their score is their cosine" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	for way in "--method gan $quick" '--method mix'; do
		ok "cn-gen --k 3 $way $(z) -o g"
		for f in z pos_z neg_z neg_score; do cn-export npy --field $f g -o $f.npy; done
		run /usr/bin/python3 -c 'import numpy
z, p, n, s = (numpy.load(f + ".npy") for f in ("z", "pos_z", "neg_z", "neg_score"))
z /= numpy.linalg.norm(z, axis=1, keepdims=True)
p /= numpy.linalg.norm(p, axis=1, keepdims=True)
print(n.shape, abs(numpy.linalg.norm(n, axis=2) - 1).max() < 1e-5, abs(numpy.einsum("rd,rkd->rk", z, n) - s).max() < 1e-5,
      (s <= (z * p).sum(1)[:, None] + 1e-5).all())'
		[ "$output" = '(2400, 3, 16) True True True' ]
	done
}

@test "gen: --guard keeps every negative below the positive by that much" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	for way in "--method gan --target 0.9 --margin 0 $quick" '--method mix'; do
		for guard in 0.1 0.3 -2; do
			ok "cn-gen --guard $guard $way $(z) -o g"
			for f in z pos_z neg_score neg_rule; do cn-export npy --field $f g -o $f.npy; done
			run /usr/bin/python3 -c "import numpy
z, p, s, r = (numpy.load(f + '.npy') for f in ('z', 'pos_z', 'neg_score', 'neg_rule'))
u = (z * p).sum(1) / numpy.linalg.norm(z, axis=1) / numpy.linalg.norm(p, axis=1)
over = (s - u[:, None] + $guard).max()
print(over < 1e-5, over > -.5, (r > 4).any())"
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
		last 5 >"$target"
	done
	holds "$(<0.1) < $(<0.4) - 0.1"
	holds "$(<0.4) < $(<0.7) - 0.1"
}

@test "gen: --margin keeps negatives away from where --target would draw them" {
	ok "cn-gen $quick --target 1 --margin 0 --steps 4 --log a $(z) -o g && cn-gen $quick --target 1 --margin 0.7 --steps 4 --log b $(z) -o g"
	holds "$(last 5 b) < $(last 5 a) - 0.1"
}

@test "gen: --latent-norm R leaves no negative below sqrt(1 - R^2)" {
	ok "cn-gen --round 64 --warmup 0 --target -1 --latent-norm 0.5 --guard -2 $(z) -o g"
	holds "$(column g neg_score -t f4 -w4 | sort -g | head -n 1) > 0.866"
	ok "cn-gen --round 64 --warmup 0 --target -1 --latent-norm 0 --guard -2 $(z) -o g"
	holds "$(column g neg_score -t f4 -w4 | sort -g | head -n 1) < 0.5"
}

@test "gen: --diversity sets draws apart" {
	ok "cn-gen $quick --realism 0 --diversity 0 --steps 6 --log a $(z) -o g && cn-gen $quick --realism 0 --diversity 3 --steps 6 --log b $(z) -o g"
	holds "$(last 7 b) > 1.2 * $(last 7 a)"
}

@test "gen: the discriminator can tell before the generator minds it" {
	ok "cn-gen $quick --realism 0 --steps 4 --diversity 0 --log a $(z) -o g && cn-gen $quick --realism 8 --steps 4 --diversity 0 --log b $(z) -o g"
	[ "$(head -n 1 a)" = "$(printf 'rows\td_accuracy\td_loss\tg_loss\tsimilarity\tpos_similarity\tdiversity')" ]
	[ "$(wc -l <a)" = $((1 + 2400 / 64)) ]
	holds "$(last 2 a) > 0.75"
	holds "$(last 2 b) < $(last 2 a)"
}

@test "gen: mixing, all of two or all with the anchor" {
	ok "cn-gen --method mix --query-share 0 --guard -2 --k 2 $(z) -o g"
	[ "$(column g neg_rule -t u1 -w1 | sort -u)" = 2 ]
	ok "cn-gen --method mix --query-share 1 --guard -2 --k 2 $(z) -o g"
	[ "$(column g neg_rule -t u1 -w1 | sort -u)" = 3 ]
	ok "cn-gen --method mix -n 1 $(z) -o g"
	[ "$(column g neg_rule -t u1 -w1 | sort -u)" = 1 ]
}

@test "gen: every option has an effect, and the seed" {
	ok "cn-gen $quick $(z) -o g"
	column g neg_z -t x4 -w64 | cksum >plain
	for way in '-s 1' '--lr 0.01' '--steps 3' '--round 100' '--hardest 2' '--realism 2' '--target 0.3' '--margin 1' '--latent-norm 0.2' \
		'--diversity 2' '--warmup 64' '--guard 0.6'; do
		ok "cn-gen $quick $way $(z) -o g"
		run ! cmp -s plain <(column g neg_z -t x4 -w64 | cksum)
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
