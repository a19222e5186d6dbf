# cn-train and cn-embed: models that are the same everywhere, and that others can read.
load ../helper

arch="--arch 'conv:6 conv:8/2 gap' --head 'linear:12 relu linear:8' --batch 40"
every_layer="--arch 'conv:6 conv:8/2x5 res:8 res:10/2 conv:5x1 flatten linear:12 relu linear:9' --head 'linear:7 relu linear:5'"

@test "train: same bytes for any number of threads, and two runs" {
	ok "cn-augment --epochs 2 --shuffle --crop 0.5,1 $CN_FIXTURES/demo.cns -o p.cns"
	for t in 1 2 3; do ok "cn-train -q -T$t $arch -o $t.safetensors p.cns"; done
	same 1.safetensors 2.safetensors
	same 2.safetensors 3.safetensors
	ok "cn-train -q $arch p.cns >4.safetensors"
	same 1.safetensors 4.safetensors
	for t in 1 2 3; do ok "cn-train -q -T$t $every_layer --batch 40 p.cns >every.$t"; done
	same every.1 every.2
	same every.2 every.3
}

@test "train: seeds give other models" {
	ok "cn-train -q $arch -s 1 -o 1.safetensors $CN_FIXTURES/demo.cns && cn-train -q $arch -s 2 -o 2.safetensors $CN_FIXTURES/demo.cns"
	run ! cmp -s <(tail -c 1000 1.safetensors) <(tail -c 1000 2.safetensors)
}

@test "train: the loss falls, and the log says so" {
	ok "cn-augment --epochs 20 --shuffle $CN_FIXTURES/demo.cns | cn-train -q $arch --temperature 0.2 --log log -o m.safetensors"
	[ "$(head -n 1 log | cut -f 1-3)" = "$(printf 'step\tloss\tlr')" ]
	[ "$(wc -l <log)" = $((1 + 20 * 5)) ]
	awk 'NR > 1 && NR < 7 { first += $2 } NR > 96 { last += $2 } END { exit !(last < first) }' log
}

@test "train: the steps are full batches of each epoch, also of epochs that were cut off" {
	local rows steps

	while read -r rows steps; do
		ok "cn-augment --epochs 2 --shuffle -n $rows $CN_FIXTURES/demo.cns | cn-train $arch --log log -o m.safetensors"
		[ "$(wc -l <log)" = $((1 + steps)) ] || { echo "$rows rows: $(wc -l <log) lines"; return 1; }
	done <<-'END'
		0 10
		150 3
		230 5
		330 8
	END
}

@test "train: every option that can change the model does" {
	ok "cn-train -q $arch -o plain.safetensors $CN_FIXTURES/demo.cns"
	for way in '--temperature 0.5' '--lr 0.01' '--schedule cosine' '--schedule constant' '--weight-decay 0.1' '--steps 2' '-n 120' '--batch 20'; do
		ok "cn-train -q $arch $way -o m.safetensors $CN_FIXTURES/demo.cns"
		run ! cmp -s <(tail -c 1000 plain.safetensors) <(tail -c 1000 m.safetensors)
	done
}

@test "train: further negatives matter, by value, by reference and as vectors" {
	d=$CN_FIXTURES/demo.cns m=$CN_FIXTURES/model.safetensors
	ok "cn-mine -q --k 2 --emit value --bank $d -m $m $d -o v.cns && cn-mine -q --k 2 --emit id --bank $d -m $m $d -o i.cns"
	ok "cn-gen --method mix --k 2 -m $m $d -o z.cns"
	ok "cn-train -q --init $m --batch 40 -o 0.safetensors $d && cn-train -q --init $m --batch 40 -o v.safetensors v.cns"
	ok "cn-train -q --init $m --batch 40 --bank $d -o i.safetensors i.cns && cn-train -q --init $m --batch 40 -o z.safetensors z.cns"
	run ! cmp -s <(tail -c 1000 0.safetensors) <(tail -c 1000 v.safetensors)
	run ! cmp -s <(tail -c 1000 0.safetensors) <(tail -c 1000 z.safetensors)
	run ! cmp -s <(tail -c 1000 0.safetensors) <(tail -c 1000 i.safetensors)
}

@test "embed: the same for any number of threads, and any chunk" {
	d=$CN_FIXTURES/demo.cns m=$CN_FIXTURES/model.safetensors
	ok "cn-embed -T1 -m $m $d >a && cn-embed -T3 -m $m $d >b"
	same a b
	ok "cn-cat --chunk-rows 7 $d | cn-embed -m $m -o c"
	cmp <(cn-export npy --field z a) <(cn-export npy --field z c)
}

# What cn-embed makes of $1 by m.safetensors, as /usr/bin/python3 with $2 computes it from the file.
agrees() {
	/usr/bin/python3 -c "import numpy, $2" 2>/dev/null || skip "no $2 here"
	rm -f ./[xth].npy ./[th].cns
	ok "cn-embed -q -m m.safetensors -o t.cns $1 && cn-embed -q --layer head -m m.safetensors -o h.cns $1"
	ok "cn-export npy --field x $1 -o x.npy && cn-export npy --field z t.cns -o t.npy && cn-export npy --field z h.cns -o h.npy"
	ok "/usr/bin/python3 $CN_ROOT/tests/agree_embedding.py $2 m.safetensors x.npy t.npy h.npy"
}

@test "embed: as numpy computes it from the same file, with every kind of layer" {
	ok "cn-train -q $every_layer --batch 50 --lr 0.01 -o m.safetensors $CN_FIXTURES/demo.cns"
	agrees "$CN_FIXTURES/demo-test.cns" numpy
}

@test "embed: as PyTorch computes it from the same file, with every kind of layer" {
	ok "cn-train -q $every_layer --batch 50 --lr 0.01 -o m.safetensors $CN_FIXTURES/demo.cns"
	agrees "$CN_FIXTURES/demo-test.cns" torch
}

@test "embed: as numpy computes it, of grey pictures of odd size and of vectors" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	/usr/bin/python3 -c 'import numpy as n; r = n.random.RandomState(1)
n.save("grey.npy", r.randint(0, 256, (60, 11, 14)).astype("u1")); n.save("flat.npy", r.randn(60, 20).astype("f4"))'
	ok "cn-import npy --field x grey.npy | cn-augment --crop 0.5,1 -o grey.cns && cn-import npy --field x flat.npy | cn-augment --noise 0.1 -o flat.cns"
	ok "cn-train -q --arch 'conv:4/3 res:4/2 conv:6/2x7 gap' --head linear:4 --batch 20 --lr 0.01 -o m.safetensors grey.cns"
	agrees grey.cns numpy
	ok "cn-train -q --arch 'linear:16 relu linear:6' --batch 20 --lr 0.01 -o m.safetensors flat.cns"
	agrees flat.cns numpy
}

@test "train: what is missing or wrong is named" {
	d=$CN_FIXTURES/demo.cns
	refuses 2 "cn-train -o m.safetensors $d" '--arch'
	refuses 2 "cn-train --batch 40 --arch 'swirl:3' -o m.safetensors $d" 'swirl'
	refuses 1 "cn-import demo -n 50 --size 16 | cn-train $arch -o m.safetensors" "'pos'"
	refuses 1 "cn-embed -m nothing $d -o a" 'nothing'
	refuses 1 "cn-import demo -n 20 --size 8 | cn-embed -m $CN_FIXTURES/model.safetensors | cat" "'x'"
	head -c 20000 "$d" >cut.cns
	refuses 3 "cn-train -q $arch -o m.safetensors cut.cns" 'cut.cns'
	[ ! -e m.safetensors ]
}

@test "train, embed: no rows, too few, and as many as a batch" {
	d=$CN_FIXTURES/demo.cns m=$CN_FIXTURES/model.safetensors
	ok "cn-cat --skip 1000 -o none.cns $d && cn-cat -n 1 -o one.cns $d && : >empty"
	refuses 3 "cn-train $arch -o m.safetensors empty" 'empty: ended at byte 0'
	refuses 3 "cn-train $arch -o m.safetensors </dev/null" 'standard input: ended at byte 0'
	refuses 1 "cn-train $arch -o m.safetensors none.cns" 'none.cns has no rows'
	refuses 1 "cn-train $arch --steps 3 -o m.safetensors none.cns" 'none.cns has no rows'
	for more in '' '--steps 3'; do
		refuses 1 "cn-train $arch $more -o m.safetensors one.cns" 'one.cns has fewer rows than one batch of 40; lower --batch'
	done
	refuses 1 "cn-train $arch --batch 201 -o m.safetensors $d" 'fewer rows than one batch of 201'
	[ ! -e m.safetensors ]
	ok "cn-train -q $arch --batch 200 -o m.safetensors $d"
	says "cn-train $arch --steps 8 -o n.safetensors $d" 'ended after 5 of 8 steps'
	refuses 3 "cn-embed -m $m -o e.cns empty" 'empty: ended at byte 0'
	[ ! -e e.cns ]
	ok "cn-embed -m $m none.cns | cn-export npy --field z -o none.npy"
	ok "cn-embed -m $m one.cns | cn-export npy --field z -o one.npy && cn-embed -m $m $d | cn-cat -n 1 | cn-export npy --field z -o first.npy"
	same one.npy first.npy
}

@test "train, embed: a number that is none is named by field and row" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	/usr/bin/python3 -c 'import numpy as n
a = n.random.RandomState(1).randn(60, 20).astype("f4"); n.save("right.npy", a); a[37, 4] = n.nan; n.save("nan.npy", a); a[37, 4] = -n.inf; n.save("inf.npy", a)'
	ok "cn-import npy --field x right.npy | cn-augment --noise 0.1 | cn-train -q --arch linear:4 --batch 20 -o right.safetensors"
	for kind in nan inf; do
		ok "cn-import npy --field x $kind.npy -o $kind.cns"
		refuses 1 "cn-augment --noise 0.1 $kind.cns | cn-train --arch linear:4 --batch 20 -o m.safetensors" "field 'x' of row 37"
		refuses 1 "cn-embed -m right.safetensors -o e.cns $kind.cns" "$kind.cns: NaN or infinity in field 'x' of row 37"
	done
	[ ! -e m.safetensors ] && [ ! -e e.cns ]
}

@test "train, embed: samples of another type or shape, and fields that are missing" {
	d=$CN_FIXTURES/demo.cns m=$CN_FIXTURES/model.safetensors
	ok "cn-import demo --pairs -n 60 --size 12 -o small.cns"
	refuses 1 "cn-embed -m $m -o e.cns small.cns" "small.cns: field 'x' is u8 [12,12,3], but the model was made for u8 [16,16,3]"
	refuses 1 "cn-train --init $m --batch 20 -o m.safetensors small.cns" "field 'x' is u8 [12,12,3], but the model was made for"
	refuses 1 "cn-cat --fields id,x $d | cn-train $arch -o m.safetensors" "no field 'pos' (it has id, x); make it with cn-augment"
	refuses 1 "cn-cat --fields id,pos $d | cn-train $arch -o m.safetensors" "no field 'x'"
	refuses 1 "cn-train $arch -o m.safetensors $CN_FIXTURES/z.cns" "no field 'x'"
	refuses 1 "cn-cat --fields id,x $d | cn-embed --pos -m $m -o e.cns" "no field 'pos'"
	refuses 2 "cn-embed -o e.cns $d" '-m'
	[ ! -e m.safetensors ] && [ ! -e e.cns ]
}

@test "train: a producer that dies leaves no model" {
	mkfifo fifo
	cn-augment -e 100000 -o fifo "$CN_FIXTURES/demo.cns" 2>producer & producer=$!
	refuses 3 "{ head -c 400000; kill -9 $producer; } <fifo | cn-train $arch --log log -o m.safetensors" 'upstream was cut short'
	refuses 3 "cn-augment nothing | cn-train $arch --log log -o m.safetensors" "stopped by cn-augment: cannot open 'nothing'"
	refuses 3 "cn-augment nothing | cn-embed -m $CN_FIXTURES/model.safetensors -o e.cns" "stopped by cn-augment: cannot open 'nothing'"
	[ "$(ls -A)" = "$(printf 'fifo\nproducer')" ]
}

@test "train, embed: an output that cannot be written is noticed, where possible before the work" {
	d=$CN_FIXTURES/demo.cns m=$CN_FIXTURES/model.safetensors
	refuses 1 "cn-train $arch --log log -o missing/m.safetensors $d" 'cannot create missing/m.safetensors'
	refuses 1 "cn-train $arch --log missing/log -o m.safetensors $d" 'cannot create missing/log'
	refuses 1 "cn-embed -m $m -o missing/e.cns $d" 'cannot create missing/e.cns'
	[ -z "$(ls -A)" ]
	[ -w /dev/full ] || skip 'no /dev/full here'
	refuses 1 "cn-train $arch --log log -o /dev/full $d" 'cannot write /dev/full'
	refuses 1 "cn-train $arch --log /dev/full -o m.safetensors $d" 'cannot write /dev/full'
	refuses 1 "cn-train $arch $d >/dev/full" 'cannot write standard output'
	refuses 1 "cn-embed -m $m -o /dev/full $d" 'cannot write /dev/full'
	refuses 1 "cn-embed -m $m $d >/dev/full" 'cannot write standard output'
	[ -z "$(ls -A)" ]
}

@test "train: nonsense in options is refused by name, with the range" {
	for way in '--batch 0' '--batch 1' '--batch -5' '--batch 99999999999999999999' '--batch 8x' '--lr -1' '--lr nan' '--lr inf' "--lr ''" \
		'--lr 1e3x' '--temperature 0' '--temperature -1' '--weight-decay -1' '--steps -1' '--schedule never' '--loss triplet' '--optimizer sgd'; do
		refuses 2 "cn-train $arch $way -o m.safetensors $CN_FIXTURES/demo.cns" "cn-train: ${way%% *} "
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
	done
	refuses 2 "cn-train $arch --init $CN_FIXTURES/model.safetensors -o m.safetensors $CN_FIXTURES/demo.cns" 'leave out --arch and --head'
	refuses 2 "cn-train --batch 20 --arch 'conv:8' -o m.safetensors $CN_FIXTURES/demo.cns" 'ends in a map of 16 by 16; put gap, flatten or linear behind'
	refuses 2 "cn-train $arch --bank $CN_FIXTURES/demo.cns -o m.safetensors $CN_FIXTURES/demo.cns" 'leave out --bank'
	[ ! -e m.safetensors ]
}

@test "embed: a model that is none, cut, or lies about itself" {
	d=$CN_FIXTURES/demo.cns m=$CN_FIXTURES/model.safetensors
	: >empty && head -c 5 "$m" >five && head -c 4000 "$m" >short && { cat "$m"; echo more; } >longer
	refuses 1 "cn-embed -m $d -o e.cns $d" 'not a safetensors file'
	refuses 1 "cn-embed -m . -o e.cns $d" 'Is a directory'
	for file in empty five short; do refuses 3 "cn-embed -m $file -o e.cns $d" "$file: cut short"; done
	refuses 1 "cn-embed -m longer -o e.cns $d" '5 bytes behind the last tensor'
	/usr/bin/python3 -c '' 2>/dev/null || skip 'no python3 here'
	while IFS='|' read -r change part; do
		/usr/bin/python3 "$CN_ROOT/tests/edit_model.py" "$m" bad.safetensors "$change"
		refuses 1 "cn-embed -m bad.safetensors -o e.cns $d" "bad.safetensors: $part"
		refuses 1 "cn-train --init bad.safetensors --batch 20 -o m.safetensors $d" "bad.safetensors: $part"
	done <<-'END'
		h["head.0.bias"]["shape"] = [-16]|tensor 'head.0.bias': extent
		h["head.0.bias"]["shape"] = [-4, -4]|tensor 'head.0.bias': extent
		h["head.0.bias"]["data_offsets"] = [-64, 0]|tensor 'head.0.bias': data_offsets
		h["head.0.bias"]["shape"] = [4294967312]|tensor 'head.0.bias': extent
		h["head.0.bias"]["dtype"] = "I32"|tensor 'head.0.bias' is i32 [16] where f32 [16] is needed
		h["head.0.weight"]["shape"] = [256]|tensor 'head.0.weight' is f32 [256] where f32 [16,16] is needed
		h["__metadata__"]["cn.arch"] = "conv:-8 conv:16/2 gap"|no layer 'conv:-8'
		h["__metadata__"]["cn.arch"] = "conv:8 conv:16/2"|the network ends in a map of 8 by 8
		h["__metadata__"]["cn.arch"] = "conv:9 conv:16/2 gap"|tensor 'trunk.0.conv.weight' is f32 [8,3,3,3] where f32 [9,3,3,3] is needed
		h["__metadata__"]["cn.arch"] = "conv:8 res:16/2 gap"|12 tensors where its cn.arch and cn.head ask for
		h["__metadata__"]["cn.arch"] = "linear:65536 linear:4000"|the network would have 312609200 weights
		h["__metadata__"]["cn.input"] = "u8 [-16,16,3]"|cannot feed cn.input 'u8 [-16,16,3]'
		h["__metadata__"]["cn.input"] = "u8 [16,16,3,9]"|a sample must have 1 to 3 axes
		h["__metadata__"]["cn.input"] = "u8 [2147483647,2147483647,3]"|a sample must have 1 to
		h["__metadata__"]["cn.norm"] = "imagenet"|cannot feed cn.input 'u8 [16,16,3]' with cn.norm 'imagenet'
		del h["__metadata__"]["cn.arch"]|not a model of cn-train: no cn.arch
		del h["__metadata__"]|not a model of cn-train: no cn.arch
	END
	[ ! -e e.cns ] && [ ! -e m.safetensors ]
}
