# cn-info: the same facts as words, JSON, rows and a Makefile; and no word of praise for a damaged stream.
load ../helper

@test "info: a stream in words" {
	ok "cn-info $CN_FIXTURES/neg.cns"
	[[ $output == *'whole, digests right'* ]]
	[[ $output == *'rows        200 in '* ]]
	[[ $output == *'field       neg_id       u64 [4]'* ]]
	[[ $output == *'meta        mine.rules = none repeated resampled random'* ]]
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
	refuses 4 "cn-info --verify-key any.pub $CN_FIXTURES/model.safetensors" 'models carry no signature'
	[ -z "$output" ]
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

# again FILE: its Makefile makes it in an empty folder, to the same bytes.
again() {
	ok "rm -rf again && mkdir again && cn-info --make '$1' -o again/mk && make -s -C again -f mk"
	same "$1" "again/$1"
}

@test "info: a pipe is read wherever its name leads, streams and models" {
	d=$CN_FIXTURES/demo.cns m=$CN_FIXTURES/model.safetensors
	ok "mkfifo f && { cat $d >f & } && cn-info f | head -n 1"
	[[ $output == 'stream      f: whole'* ]]
	for from in "cn-info <(cat $d)" "cat $d | cn-info /dev/stdin"; do
		ok "$from"
		[[ $output == *whole* ]]
	done
	ok "cn-info $m | tail -n +2 >words"
	for from in "cat $m | cn-info" "cn-info <(cat $m)" "cn-info <$m"; do
		ok "$from | tail -n +2 | cmp - words"
	done
	refuses 3 "head -c 500 $m | cn-info" 'standard input: cut short in the header'
	refuses 1 "cn-cat $m" 'give it with -m, or to cn-info'
}

@test "info: the history has each command as it was typed, and that of the model" {
	cp "$CN_FIXTURES/demo.cns" "a 'b.cns"
	cp "$CN_FIXTURES/model.safetensors" .
	ok "cn-mine -q -m model.safetensors --k 2 --bank \"a 'b.cns\" \"a 'b.cns\" -o g.cns && cn-info g.cns | sed -n 's/^history  *[0-9]*\. \(.*\)  (.*/\1/p' >typed"
	[ "$(cat typed)" = "cn-mine --bank='a '\\''b.cns' --k=2 --model=model.safetensors 'a '\\''b.cns'" ]
	ok "bash -c \"\$(cat typed) -q -o h.cns\""
	same g.cns h.cns
	for program in 'cn-embed' 'cn-gen --method mix'; do
		ok "$program -q -m model.safetensors g.cns | cn-info"
		[[ $output == *'cn-train --arch='* ]]
	done
	ok 'cn-train -q --init model.safetensors --batch 50 g.cns | cn-info'
	[[ $output == *'cn-mine --bank='*'cn-train --arch='* ]]
}

@test "info: --make tells which input is which, makes models, and pipes that were inputs" {
	ok 'cn-import demo -n 60 --size 16 --pairs -o d.cns && cn-cat -n 40 d.cns -o e.cns'
	ok "cn-mine --strategy random --emit id --bank e.cns d.cns | cn-train -q --arch 'conv:8 gap' --batch 20 --bank e.cns -o m.safetensors"
	ok "cn-train -q --init m.safetensors --batch 20 d.cns -o n.safetensors && cn-embed -m n.safetensors d.cns -o z.cns"
	ok 'cn-cat d.cns e.cns d.cns -o ded.cns && cn-cat --skip 9 d.cns | cn-cat e.cns - e.cns -o pipe.cns'
	ok 'cn-mine --strategy random --bank - d.cns <d.cns -o stdin.cns && cn-embed -m - d.cns <n.safetensors -o model.cns'
	ok 'cn-mine --strategy random --bank <(cn-cat -n 30 d.cns | cn-cat) d.cns -o fd.cns && cn-cat --chunk-rows 7 d.cns -o c.cns'
	for f in z ded pipe stdin model fd c; do again $f.cns; done
	ok 'cp n.safetensors d.cns again && cn-info --make m.safetensors | make -n -C again -f -'
}

@test "info: --make quotes names for make" {
	n="a b\$c#d:e%f=g'h*i[j]k?~.cns"
	ok 'cn-import demo -n 20 --size 8 -o -x' && mv -- -x "$n"
	cn-cat -n 9 "$n" -o "%$n" && cn-info --make "%$n" >mk && mv "%$n" before
	ok 'make -s -f mk && make -q -f mk'
	same before "%$n"
	rm "$n" "%$n" && ok 'make -s -f mk && make -q -f mk'
	same before "%$n"
	ok 'cn-import demo -n 20 --size 8 -o ./-x && cn-cat -o y.cns -- -x'
	again y.cns
}

@test "info: --make refuses what make cannot do" {
	ok 'cn-import demo -n 20 --size 8 -o f.cns && cn-cat f.cns -o f.cns'
	refuses 1 'cn-info --make f.cns' "'f.cns' is the name of two different files"
	[ -z "$output" ]
	refuses 1 'cn-info --make ./f.cns' 'two different files'
	refuses 1 'cn-info --make $PWD/f.cns' 'two different files'
	ok "cp f.cns 'a;b' && cn-cat 'a;b' -o g.cns"
	refuses 1 'cn-info --make g.cns' "the name 'a;b'"
	printf '\2\0\0\0\0\0\0\0{}' >m.safetensors
	refuses 1 'cn-info --make m.safetensors' 'history is not known'
	printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }" >v.npy
	head -c 8 /dev/zero >>v.npy
	ok 'cn-import npy <(cat v.npy) -o v.cns'
	refuses 1 'cn-info --make v.cns' 'cn-import read /dev/fd/'
}

@test "info: damage is told, with what can be known" {
	head -c 20000 "$CN_FIXTURES/demo.cns" >cut.cns
	refuses 3 'cn-info cut.cns' 'cut.cns'
	[[ $output == *'cut.cns: incomplete'* ]]
	[[ $output == *'field       pos'* ]]
	refuses 3 'cn-info cut.cns -o words' 'cut.cns'
	[ ! -e words ]
	cp "$CN_FIXTURES/demo.cns" flip.cns && printf 'no' | dd of=flip.cns bs=1 seek=20000 conv=notrunc status=none
	refuses 4 'cn-info flip.cns' 'flip.cns'
	[[ $output == *'flip.cns: damaged'* ]]
	refuses 4 'cn-info --json flip.cns' 'flip.cns'
	[[ $output == *'cn-import'* ]]
	refuses 1 'echo nothing | cn-info' 'standard input'
	refuses 1 'cn-info /nowhere' '/nowhere'
	refuses 2 "cn-info --json --text $CN_FIXTURES/demo.cns" 'exclude each other'
}
