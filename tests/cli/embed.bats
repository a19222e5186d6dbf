# cn-embed: vectors that are the same everywhere, and that others compute from the same file.
load ../helper

every_layer="--arch 'conv:6 conv:8/2x5 res:8 res:10/2 plain:8 gn:2 gelu depthwise:3 bn max:2/1 ln avg:2/1 up:2 dropout:0.1 conv:5x1 flatten linear:12 relu linear:9' \
	--head 'linear:7 relu linear:5'"

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

@test "embed: as numpy and PyTorch compute it, of rows of tokens and of single ones" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	/usr/bin/python3 -c 'import numpy as n; r = n.random.RandomState(1)
x = r.randint(0, 50, (60, 7)).astype("u4"); x[3] = x[::2, 4:] = x[::7, :2] = 2**32 - 1
n.save("rows.npy", x), n.save("one.npy", x[:, 2])'
	for kind in rows one; do ok "/usr/bin/python3 $CN_ROOT/tests/write_pairs.py $kind.cns $kind.npy $kind.npy"; done
	while IFS='|' read -r kind words; do
		ok "cn-train -q --arch '$words' --head 'linear:6 ln' --batch 20 --lr 0.01 -o m.safetensors $kind.cns"
		agrees $kind.cns numpy
		agrees $kind.cns torch
	done <<-'END'
		rows|bag:50x12 ln gelu linear:8
		rows|table:50x8 plain:12x5 gn:3 gelu depthwise:3 ln bn max:1/2 gap
		rows|table:50x4 flatten
		one|table:50x8 linear:6
		one|bag:50x8
	END
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
		h["__metadata__"]["cn.arch"] = "conv:-8 conv:16/2 gap"|layer 'conv:-8' is written conv:C
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
