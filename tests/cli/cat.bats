# cn-cat: rows and fields come out as they went in, those that are wanted.
load ../helper

column() {
	cn-export npy --field "$2" "$1" | tail -c +129
}

root() {
	cn-info --json "$1" | jq -r ".$2"
}

@test "cat: one stream is the same data, at any level" {
	d=$CN_FIXTURES/demo.cns
	ok "cn-cat $d -o a && cn-cat --level 19 $d -o b && cn-cat --level -1 <$d >c"
	[ "$(root a data_root)" = "$(root "$d" data_root)" ]
	[ "$(root a data_root)" = "$(root b data_root)" ]
	[ "$(root a stream_root)" = "$(root b stream_root)" ]
	[ "$(root c data_root)" = "$(root b data_root)" ]
	run ! cmp -s a b
}

@test "cat: same bytes for any number of threads" {
	ok "cn-cat -T1 $CN_FIXTURES/demo.cns $CN_FIXTURES/demo-test.cns >a && cn-cat -T3 $CN_FIXTURES/demo.cns $CN_FIXTURES/demo-test.cns >b"
	same a b
}

@test "cat: streams one after the other" {
	ok "cn-cat $CN_FIXTURES/demo.cns $CN_FIXTURES/demo-test.cns -o both"
	for field in id x pos label; do
		cmp <(column both $field) <(column "$CN_FIXTURES/demo.cns" $field; column "$CN_FIXTURES/demo-test.cns" $field)
	done
	refuses 1 "cn-cat $CN_FIXTURES/demo.cns $CN_FIXTURES/z.cns -o no" 'z.cns'
	refuses 1 "cat $CN_FIXTURES/demo.cns $CN_FIXTURES/demo.cns | cn-cat -o no" 'cn-cat'
	[ ! -e no ]
}

@test "cat: a slice, and shards that are all of it" {
	d=$CN_FIXTURES/demo.cns
	ok "cn-cat --skip 150 -n 20 $d -o s && cn-cat --skip 150 -n 20 <$d >p"
	cmp <(column s id) <(column "$d" id | tail -c +1201 | head -c 160)
	cmp <(column s x) <(column p x)
	for i in 1 2 3; do cn-cat --shard $i/3 "$d" -o $i.cns; done
	ok 'cn-cat 1.cns 2.cns 3.cns -o all'
	cmp <(column all id | od -An -v -t u8 -w8 | sort) <(column "$d" id | od -An -v -t u8 -w8 | sort)
	cmp <(column 2.cns id | od -An -v -t u8 -w8) <(column "$d" id | od -An -v -t u8 -w8 | awk 'NR % 3 == 2')
	ok "cn-cat --skip 190 -n 20 $d $d -o over"
	cmp <(column over id) <({ column "$d" id; column "$d" id; } | tail -c +1521 | head -c 160)
}

@test "cat: a slice that begins behind the first chunk, by the index and without one" {
	ok 'cn-import demo -n 40 --size 8 --chunk-rows 8 -o d'
	for skip in 5 8 9 17 39 40; do
		ok "cn-cat --skip $skip -n 3 d -o s && cn-cat --skip $skip -n 3 <d >p && cat d | cn-cat --skip $skip --shard 2/3 -o t"
		cmp <(column s id) <(column d id | tail -c +$((8 * skip + 1)) | head -c 24)
		cmp <(column s x) <(column p x)
		cmp <(column t id | od -An -v -t u8 -w8) <(column d id | tail -c +$((8 * skip + 1)) | od -An -v -t u8 -w8 | awk 'NR % 3 == 2')
	done
}

@test "cat: fields chosen, in order, renamed" {
	ok "cn-cat --fields label,id --rename label=class $CN_FIXTURES/demo.cns -o f && cn-info --json f | jq -r '[.fields[].name] | join(\",\")'"
	[ "$output" = class,id ]
	cmp <(column f class) <(column "$CN_FIXTURES/demo.cns" label)
	cmp <(column f id) <(column "$CN_FIXTURES/demo.cns" id)
}

@test "cat: says at the beginning how many rows there will be, which cn-train plans by" {
	d=$CN_FIXTURES/demo.cns
	rows=$(cn-info --json "$d" | jq .rows)
	for cat in "$d $d" "$d $d $d" "--skip 50 $d" "--skip 50 $d $d" "-n 130 $d $d" "--shard 2/3 $d $d" "--skip 7 --shard 3/3 $d"; do
		ok "cn-cat $cat -o c && cn-cat $cat | cn-train -q --arch 'conv:2/4 gap' --batch 20 --log log -o m"
		[ "$(($(wc -l <log) - 1))" -eq "$(($(cn-info --json c | jq .rows) / 20))" ]
		[ "$cat" != "$d $d" ] || [ "$(cn-info --json c | jq .rows)" -eq $((2 * rows)) ]
	done
}

@test "cat: what is wrong is named" {
	d=$CN_FIXTURES/demo.cns
	refuses 1 "cn-cat --fields id,nothing $d -o a" "'nothing'"
	refuses 2 "cn-cat --fields id,,x $d -o a" '--fields'
	refuses 2 "cn-cat --rename label $d -o a" '--rename'
	refuses 1 "cn-cat --rename label=id $d -o a" 'id'
	for shard in 0/2 3/2 2 x/y 1/; do refuses 2 "cn-cat --shard $shard $d -o a" '--shard'; done
	head -c 20000 "$d" >cut.cns
	refuses 3 'cn-cat cut.cns -o a' 'cut.cns'
	refuses 3 "cn-cat $d cut.cns | cn-info" 'cut.cns'
	refuses 1 "cn-cat $d >/dev/full" 'No space left on device'
	[ ! -e a ]
}

@test "cat: of joined streams the metadata say what all of them say, or what none denies" {
	z=$CN_FIXTURES/z.cns
	ok "cn-export npy --field z $z -o z.npy && cn-import npy --field z z.npy -o npy.cns && cn-cat --fields id,z $z -o z.cns"
	ok "cn-augment --epochs 2 $CN_FIXTURES/demo.cns -o a && cn-augment --epochs 2 $CN_FIXTURES/demo-test.cns -o b"
	notes '[a-z.]*' <<-EOF
		cn-cat z.cns z.cns@source.format = demo,source.version = 1,z.layer = trunk
		cn-cat z.cns npy.cns@source.version = 1
		cn-cat npy.cns z.cns@source.version = 1
		cn-cat npy.cns npy.cns@source.format = npy
		cn-cat a a@epoch.rows = 200,source.format = demo,source.version = 1
		cn-cat a b@source.format = demo,source.version = 1
	EOF
}
