# cn-export: arrays numpy can read, sheets a person can look at.
load ../helper

@test "export npy: header and bytes are numpy's" {
	ok "cn-export npy --field label -n 5 $CN_FIXTURES/demo.cns -o y.npy"
	ok 'head -c 6 y.npy | tail -c 5'
	[ "$output" = NUMPY ]
	[ "$(stat -c %s y.npy)" = $((128 + 20)) ]
	grep -aq "'descr': '<i4', 'fortran_order': False, 'shape': (5,)" y.npy
}

@test "export npy: numpy reads it" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	ok "cn-export npy --field label -n 5 $CN_FIXTURES/demo.cns -o y.npy && cn-export npy --field x $CN_FIXTURES/demo.cns -o x.npy"
	ok '/usr/bin/python3 -c "import numpy; y = numpy.load(\"y.npy\"); x = numpy.load(\"x.npy\"); print(y.dtype, y.shape, x.dtype, x.shape)"'
	[ "$output" = 'int32 (5,) uint8 (200, 16, 16, 3)' ]
}

@test "export npy: z is the default, then x; other fields by name" {
	ok "cn-export npy $CN_FIXTURES/demo.cns | cmp - <(cn-export npy --field x $CN_FIXTURES/demo.cns)"
	refuses 1 "cn-export npy --field nothing $CN_FIXTURES/demo.cns -o o.npy" "no field 'nothing'"
	[ ! -e o.npy ]
}

@test "export npy: a cut or aborted stream leaves no array" {
	head -c 20000 "$CN_FIXTURES/demo.cns" >cut.cns
	refuses 3 'cn-export npy cut.cns -o o.npy' 'cut.cns'
	refuses 3 'cn-export npy <cut.cns >o' 'standard input'
	[ ! -e o.npy ]
	[ ! -s o ]
	refuses 1 "cn-export npy $CN_FIXTURES/demo.cns >/dev/full" 'No space left on device'
}

@test "export png: anchors and positives in frames, to the pixel" {
	ok 'cn-import demo --size 8 -n 2 --pairs -o d.cns && cn-export png --zoom 1 d.cns -o s.png && cn-import image s.png -o s.cns'
	ok 'cn-export npy --field x s.cns | tail -c 1587 >sheet && cn-export npy --field x d.cns | tail -c 384 >x'
	ok 'cn-export npy --field pos d.cns | tail -c 384 >pos'
	# 2 rows and 2 columns of 8+2 pixels with gaps of 1: 23 by 23; the blue frame begins at (1,1)
	at() { tail -c +$((1 + 3 * (23 * $1 + $2))) sheet | head -c "$3"; }
	at 1 1 3 | cmp - <(printf '\x2b\x6c\xb0')
	at 1 12 3 | cmp - <(printf '\x2f\x9e\x44')
	at 2 2 24 | cmp - <(head -c 24 x)
	at 2 13 24 | cmp - <(head -c 24 pos)
	at 20 2 24 | cmp - <(tail -c 24 x)
}

@test "export png: negatives by reference need their bank, and are found in it" {
	ok 'cn-import demo --size 8 -n 4 -o d.cns && cn-mine --strategy random --k 1 --emit id --bank d.cns -n 1 d.cns -o n.cns'
	refuses 2 'cn-export png n.cns -o o.png' 'give --bank'
	refuses 2 'cn-export npy --zoom 3 n.cns -o o.npy' '--zoom would do nothing here: it is for format png'
	refuses 2 'cn-export png --field x --bank d.cns n.cns -o o.png' '--field would do nothing here: it is for format npy'
	ok 'cn-export png --zoom 1 --bank d.cns n.cns -o s.png && cn-import image s.png -o s.cns'
	# 1 row and 2 columns: 23 by 12 pixels; the negative's first line of pixels begins at (2,13)
	ok 'cn-export npy --field x s.cns | tail -c 828 >sheet && cn-export npy --field x d.cns | tail -c 768 >x'
	neg=$(cn-export npy --field neg_id n.cns | tail -c 8 | od -An -tu8 | tr -d " ")
	tail -c +$((1 + 3 * (23 * 2 + 13))) sheet | head -c 24 | cmp - <(tail -c +$((1 + 192 * neg)) x | head -c 24)
}

@test "export png: what cannot be shown is refused" {
	printf '\0\0\x08\2\0\0\0\2\0\0\0\2abcd' >v
	refuses 1 'cn-import idx v | cn-export png' "'x'"
	refuses 1 "cn-export png -n 200 --zoom 64 $CN_FIXTURES/demo.cns -o o.png" '--zoom'
	refuses 2 'cn-export gif' "'gif' is none of"
	[ ! -e o.png ]
}
