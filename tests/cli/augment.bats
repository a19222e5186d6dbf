# cn-augment: views that depend on nothing but seed, id and epoch.
load ../helper

simclr='--crop 0.25,1 --flip 0.5 --jitter 0.4,0.4,0.4,0.1 --grey 0.2 --blur 0.5'

# The numbers of a field, without the header of the array: column FILE FIELD.
column() {
	cn-export npy --field "$2" "$1" | tail -c +129
}

@test "augment: same bytes for any number of threads, and two runs" {
	ok "cn-augment -T1 --epochs 2 --shuffle $simclr $CN_FIXTURES/demo.cns >a && cn-augment -T3 --epochs 2 --shuffle $simclr $CN_FIXTURES/demo.cns >b"
	same a b
	ok "cn-augment -T1 $simclr <$CN_FIXTURES/demo.cns >a && cn-augment -T2 $simclr <$CN_FIXTURES/demo.cns >b"
	same a b
}

@test "augment: chunks of the input do not matter" {
	ok 'cn-import demo -n 150 --size 16 --chunk-rows 7 -o small.cns && cn-import demo -n 150 --size 16 -o large.cns'
	for way in '' '--epochs 2 --shuffle'; do
		for file in small large; do
			ok "cn-augment $simclr $way $file.cns -o $file.out"
			for field in id x pos epoch; do column $file.out $field; done >$file.bytes
		done
		same small.bytes large.bytes
	done
}

@test "augment: seeds and epochs give other views" {
	ok "cn-augment $simclr --epochs 2 $CN_FIXTURES/demo.cns -o a && cn-augment -s 1 $simclr $CN_FIXTURES/demo.cns -o b"
	column a x >x
	run ! cmp -s <(head -c $((200 * 768)) x) <(tail -c $((200 * 768)) x)
	run ! cmp -s <(head -c $((200 * 768)) x) <(column b x)
	run ! cmp -s x <(column a pos)
}

@test "augment: the first of several epochs is what one epoch gives" {
	ok "cn-augment $simclr --epochs 3 $CN_FIXTURES/demo.cns -o a && cn-augment $simclr $CN_FIXTURES/demo.cns -o b"
	cmp <(column a x | head -c $((200 * 768))) <(column b x)
}

@test "augment: settings that change nothing give the samples back" {
	for way in '' '--crop 1,1 --ratio 1,1' '--jitter 0,0,0,0 --jitter-p 1' '--flip 0 --grey 0 --blur 0'; do
		ok "cn-augment $way $CN_FIXTURES/demo.cns -o a"
		cmp <(column a x) <(column "$CN_FIXTURES/demo.cns" x)
		cmp <(column a pos) <(column "$CN_FIXTURES/demo.cns" pos)
	done
}

@test "augment: a sample without a partner becomes its own" {
	ok 'cn-import demo -n 20 --size 16 -o d.cns && cn-augment d.cns -o a'
	cmp <(column a pos) <(column d.cns x)
	ok 'cn-augment --flip 1 d.cns | cn-augment --flip 1 -o b'
	cmp <(column b x) <(column d.cns x)
}

@test "augment: shuffled epochs are permutations of all rows, each its own" {
	ok "cn-augment --epochs 3 --shuffle $CN_FIXTURES/demo.cns -o a"
	column "$CN_FIXTURES/demo.cns" id | od -An -v -t u8 -w8 | sort >want
	for epoch in 0 1 2; do
		column a id | od -An -v -t u8 -w8 | sed -n "$((epoch * 200 + 1)),$((epoch * 200 + 200))p" >order.$epoch
		cmp <(sort order.$epoch) want
	done
	run ! cmp -s order.0 order.1
	run ! cmp -s order.1 order.2
	[ "$(column a epoch | od -An -v -t u4 -w4 | tr -d ' ' | uniq -c | awk '{ print $1 ":" $2 }' | xargs)" = '200:0 200:1 200:2' ]
}

@test "augment: shuffling moves rows whole" {
	ok "cn-augment --shuffle $CN_FIXTURES/demo.cns -o a"
	rows() { paste <(column "$1" id | od -An -v -t u8 -w8) <(column "$1" x | od -An -v -t x1 -w768) <(column "$1" label | od -An -v -t d4 -w4) | sort; }
	cmp <(rows a) <(rows "$CN_FIXTURES/demo.cns")
}

@test "augment: -n counts rows written" {
	ok "cn-augment -n 30 $simclr $CN_FIXTURES/demo.cns -o a && cn-augment -n 250 --epochs 2 $CN_FIXTURES/demo.cns -o b"
	[ "$(column a id | wc -c)" = 240 ]
	[ "$(column b id | wc -c)" = 2000 ]
}

@test "augment: a row that has an epoch keeps it, and draws by it" {
	ok "cn-augment --epochs 2 $CN_FIXTURES/demo.cns | cn-augment $simclr -o a"
	ok "cn-augment --epochs 2 $simclr $CN_FIXTURES/demo.cns -o b"
	cmp <(column a x) <(column b x)
	refuses 1 "cn-augment $CN_FIXTURES/demo.cns | cn-augment --epochs 2 | cat" 'use --epochs 1'
}

@test "augment: views of another size" {
	ok "cn-augment --size 8x12 $CN_FIXTURES/demo.cns -o a"
	[ "$(column a x | wc -c)" = $((200 * 8 * 12 * 3)) ]
	[ "$(column a pos | wc -c)" = $((200 * 8 * 12 * 3)) ]
}

@test "augment: memory is bounded, and the refusal says what to do" {
	refuses 1 "cn-augment --shuffle --memory 100k $CN_FIXTURES/demo.cns -o a" '--memory'
	[[ $stderr == *'--epochs 1 without --shuffle'* ]]
	[ ! -e a ]
	refuses 1 "cn-augment --epochs 2 --memory 100k <$CN_FIXTURES/demo.cns >a" 'standard input'
	ok "cn-augment --memory 100k $simclr $CN_FIXTURES/demo.cns -o b"
	ok "cn-augment --memory 1M --shuffle $CN_FIXTURES/demo.cns -o c"
}

@test "augment: wrong types and options are refused in one sentence" {
	refuses 1 "cn-augment --noise 1 $CN_FIXTURES/demo.cns -o a" '--noise is for vectors'
	refuses 2 "cn-augment --crop 0.5 $CN_FIXTURES/demo.cns -o a" '--crop takes two numbers'
	refuses 2 "cn-augment --crop 1,0.5 $CN_FIXTURES/demo.cns -o a" '--crop'
	refuses 2 "cn-augment --jitter 0.4,0.4 $CN_FIXTURES/demo.cns -o a" '--jitter takes four numbers'
	refuses 2 "cn-augment --jitter 0,0,0,0.6 $CN_FIXTURES/demo.cns -o a" 'hue'
	refuses 2 "cn-augment --crop 0,1 $CN_FIXTURES/demo.cns -o a" '--crop must lie in 1e-06 to 1'
	for size in 0 5x 99999; do refuses 2 "cn-augment --size $size $CN_FIXTURES/demo.cns -o a" "--size must be N or WxH"; done
	refuses 2 "cn-augment --flip 2 $CN_FIXTURES/demo.cns -o a" '--flip'
	refuses 2 "cn-augment --blur 1 --blur-sigma 3,1 $CN_FIXTURES/demo.cns -o a" '--blur-sigma'
	printf '\0\0\x0b\2\0\0\0\2\0\0\0\2abcdefgh' >v
	refuses 1 'cn-import idx v | cn-augment | cat' "'x'"
	[ ! -e a ]
}

@test "augment: vectors get noise and zeros" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	/usr/bin/python3 -c 'import numpy; numpy.save("v.npy", numpy.ones((500, 8), "float32"))'
	ok 'cn-import npy --field x v.npy -o v.cns && cn-augment --noise 0.5 v.cns -o n && cn-augment --dropout 0.25 v.cns -o d'
	refuses 1 'cn-augment --flip 1 v.cns -o f' '--flip is for pictures'
	cn-export npy --field x n -o n.npy && cn-export npy --field pos n -o p.npy && cn-export npy --field x d -o d.npy
	run /usr/bin/python3 -c 'import numpy; n, p, d = (numpy.load(f + ".npy") for f in "npd")
print(abs(n.std() - .5) < .03, abs((n - p).std() - .5 * 2 ** .5) < .04, abs((d == 0).mean() - .25) < .03, set(d.ravel()) == {0, 1})'
	[ "$output" = 'True True True True' ]
}

@test "augment: a cut stream ends in an aborted one" {
	head -c 20000 "$CN_FIXTURES/demo.cns" >cut.cns
	refuses 3 'cn-augment --flip 1 cut.cns -o a' 'cut.cns'
	refuses 3 'cn-augment --shuffle cut.cns -o a' 'cut.cns'
	refuses 3 'cn-augment --flip 1 cut.cns | cn-export npy >b' 'cut.cns'
	[ ! -e a ]
}
