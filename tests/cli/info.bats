# cn-info: the same facts as words, JSON, rows and a Makefile; and no word of praise for a damaged stream.
load ../helper

@test "info: a stream in words" {
	ok "cn-info $CN_FIXTURES/neg.cns"
	[[ $output == *'whole, digests right'* ]]
	[[ $output == *'rows        200 in '* ]]
	[[ $output == *'field       neg_id       u64 [4]'* ]]
	[[ $output == *'meta        mine.rules = none random'* ]]
	[[ $output == *'cn-mine'*'cn-embed'*'cn-import'* ]]
	ok "cn-info <$CN_FIXTURES/neg.cns"
	[[ $output == *'standard input: whole'* ]]
}

@test "info: JSON says the same" {
	ok "cn-info --json $CN_FIXTURES/demo.cns -o j && jq -r '[.kind, .rows, .fields[1].name, (.fields[1].shape | join(\"x\")), .whole] | join(\" \")' j"
	[ "$output" = 'stream 200 x 16x16x3 true' ]
	root=$(jq -r .data_root j)
	ok "cn-info $CN_FIXTURES/demo.cns"
	[[ $output == *"data root   $root"* ]]
	ok "cn-info --json $CN_FIXTURES/model.safetensors | jq -r .kind"
	[ "$output" = model ]
}

@test "info: rows as text are the fields' numbers" {
	ok "cn-info --text -n 3 $CN_FIXTURES/z.cns"
	[ "${#lines[@]}" = 4 ]
	[[ ${lines[0]} == id$'\t'* ]]
	cmp <(cn-info --text "$CN_FIXTURES/neg.cns" | awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "neg_id") at = i } NR > 1 { print $at }') \
		<(cn-export npy --field neg_id "$CN_FIXTURES/neg.cns" | tail -c +129 | od -An -v -t u8 -w32 | tr -s ' ' ',' | sed 's/^,//')
	ok "cn-info --text --width 2 -n 1 $CN_FIXTURES/demo.cns | tail -n 1 | grep -c ',[0-9]*,\.\.\.'"
}

@test "info: a model's words" {
	ok "cn-info $CN_FIXTURES/model.safetensors"
	[[ $output == *'cn.arch = conv:8 conv:16/2 gap'* ]]
	[[ $output == *'cn-train'*'cn-import'* ]]
	refuses 2 "cn-info --text $CN_FIXTURES/model.safetensors" 'no rows'
}

@test "info: the Makefile makes the same bytes again, pipes, banks and models too" {
	ok 'cn-import demo -n 60 --size 16 --pairs -o d.cns'
	ok "cn-augment --epochs 2 --flip 0.5 d.cns | cn-train -q --arch 'conv:8 gap' --head 'linear:8' --batch 20 -o m.safetensors"
	ok 'cn-augment --shuffle d.cns | cn-mine -q --k 2 --bank d.cns -m m.safetensors | cn-gen --method mix -m m.safetensors -o g.cns'
	mkdir before && cp ./*.cns m.safetensors before
	ok 'cn-info --make g.cns -o g.mk && cn-info --make m.safetensors -o m.mk'
	rm g.cns m.safetensors d.cns
	ok 'make -s -f m.mk && make -s -f g.mk'
	for f in d.cns m.safetensors g.cns; do same $f before/$f; done
}

@test "info: damage is told, with what can be known" {
	head -c 20000 "$CN_FIXTURES/demo.cns" >cut.cns
	refuses 3 'cn-info cut.cns' 'cut.cns'
	[[ $output == *'cut.cns: incomplete'* ]] && [[ $output == *'field       pos'* ]]
	refuses 3 'cn-info cut.cns -o words' 'cut.cns'
	[ ! -e words ]
	refuses 1 'echo nothing | cn-info' 'standard input'
	refuses 1 'cn-info /nowhere' '/nowhere'
	refuses 2 "cn-info --json --text $CN_FIXTURES/demo.cns" 'exclude each other'
}
