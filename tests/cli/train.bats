# cn-train and cn-embed: models that are the same everywhere, and that others can read.
load ../helper

arch="--arch 'conv:6 conv:8/2 gap' --head 'linear:12 relu linear:8' --batch 40"

@test "train: same bytes for any number of threads, and two runs" {
	ok "cn-augment --epochs 2 --shuffle --crop 0.5,1 $CN_FIXTURES/demo.cns -o p.cns"
	for t in 1 2 3; do ok "cn-train -q -T$t $arch -o $t.safetensors p.cns"; done
	same 1.safetensors 2.safetensors
	same 2.safetensors 3.safetensors
	ok "cn-train -q $arch p.cns >4.safetensors"
	same 1.safetensors 4.safetensors
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

every_layer="--arch 'conv:6 conv:8/2x5 res:8 res:10/2 conv:5x1 flatten linear:12 relu linear:9' --head 'linear:7 relu linear:5'"

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
