# cn-train: models that are the same everywhere, learned as others would learn them; with cn-embed, what both refuse.
load ../helper

arch="--arch 'conv:6 conv:8/2 gap' --head 'linear:12 relu linear:8' --batch 40"
every_layer="--arch 'conv:6 conv:8/2x5 res:8 res:10/2 plain:8 gn:2 gelu depthwise:3 bn max:2/1 ln avg:2/1 up:2 dropout:0.1 conv:5x1 flatten linear:12 relu linear:9' \
	--head 'linear:7 relu linear:5'"

@test "train: same bytes for any number of threads, and two runs" {
	ok "cn-augment --epochs 2 --shuffle --crop 0.5,1 $CN_FIXTURES/demo.cns -o p.cns"
	for t in 1 2 3; do ok "cn-train -q -T$t $arch -o $t.safetensors p.cns"; done
	same 1.safetensors 2.safetensors
	same 2.safetensors 3.safetensors
	ok "cn-train -q $arch p.cns >4.safetensors"
	same 1.safetensors 4.safetensors
	for t in 1 2 3; do ok "cn-train -q -T$t $every_layer --batch 40 p.cns >every.$t"; done
	same every.1 every.2
	for o in adamw sgd lars lamb adagrad; do
		for t in 1 3; do ok "cn-train -q -T$t $arch --optimizer $o --ema 0.9 --clip-norm 1 p.cns >$o.$t"; done
		same $o.1 $o.3
	done
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
	mkfifo fifo
	ok "cat fifo >seen & cn-train -q $arch --log fifo -o f.safetensors $CN_FIXTURES/demo.cns && wait"
	says "cn-train -q $arch --log /dev/stderr -o e.safetensors $CN_FIXTURES/demo.cns" "$(<seen)"
	[ "$(wc -l <seen)" = $((1 + 5)) ]
	awk 'NR > 1 && NR < 7 { first += $2 } NR > 96 { last += $2 } END { exit !(last < first) }' log
}

@test "train: twenty steps as PyTorch takes them, with every optimizer it has" {
	/usr/bin/python3 -c 'import numpy, torch' 2>/dev/null || skip 'no torch here'
	net="--arch 'conv:8 res:12/2 conv:16/2x5 gap' --head 'linear:16 relu linear:12'"
	ok "cn-import demo -n 400 -s 3 --size 16 | cn-augment --epochs 2 --crop 0.3,1 --flip 0.5 --jitter 0.4,0.4,0.4,0.1 -o p.cns"
	ok "cn-export npy --field x p.cns -o x.npy && cn-export npy --field pos p.cns -o pos.npy"
	ok "cn-train -q $net --batch 40 --steps 1 --lr 0 -o init.safetensors p.cns"
	while IFS='|' read -r options optimizer; do
		ok "cn-train -q --init init.safetensors --batch 40 --schedule constant $options --log log -o m.safetensors p.cns"
		ok "/usr/bin/python3 -W ignore $CN_ROOT/tests/agree_training.py init.safetensors m.safetensors log x.npy pos.npy 40 0.2 '$optimizer'"
	done <<-'END'
		--lr 2e-4 --weight-decay 0.01|torch.optim.Adam(p, 2e-4, weight_decay=0.01)
		--lr 2e-4 --weight-decay 0.1 --optimizer adamw|torch.optim.AdamW(p, 2e-4, weight_decay=0.1)
		--lr 0.002 --weight-decay 0.05 --optimizer sgd|torch.optim.SGD(p, 0.002, momentum=0.9, weight_decay=0.05)
		--lr 0.002 --weight-decay 0 --optimizer sgd --nesterov --momentum 0.8|torch.optim.SGD(p, 0.002, momentum=0.8, nesterov=True)
		--lr 1e-4 --weight-decay 0 --optimizer adagrad|torch.optim.Adagrad(p, 1e-4)
	END
}

@test "train: twenty steps as PyTorch takes them, through the layers without a norm of their own" {
	/usr/bin/python3 -c 'import numpy, torch' 2>/dev/null || skip 'no torch here'
	net="--arch 'plain:8/2x5 gn:2 gelu depthwise:3 ln max:2 plain:12 bn relu avg:3/1 gap' --head 'linear:16 gelu ln linear:12 bn'"
	ok "cn-import demo -n 400 -s 3 --size 16 | cn-augment --epochs 2 --crop 0.3,1 --flip 0.5 --jitter 0.4,0.4,0.4,0.1 -o p.cns"
	ok "cn-export npy --field x p.cns -o x.npy && cn-export npy --field pos p.cns -o pos.npy"
	ok "cn-train -q $net --batch 40 --steps 1 --lr 0 -o init.safetensors p.cns"
	ok "cn-train -q --init init.safetensors --batch 40 --schedule constant --lr 2e-4 --weight-decay 0.01 --log log -o m.safetensors p.cns"
	ok "/usr/bin/python3 -W ignore $CN_ROOT/tests/agree_training.py init.safetensors m.safetensors log x.npy pos.npy 40 0.2 \
		'torch.optim.Adam(p, 2e-4, weight_decay=0.01)'"
}

@test "train: twenty steps as PyTorch takes them, with a momentum encoder and a queue" {
	/usr/bin/python3 -c 'import numpy, torch' 2>/dev/null || skip 'no torch here'
	net="--arch 'conv:8 res:12/2 conv:16/2 gap' --head 'linear:16 relu linear:12'"
	ok "cn-import demo -n 400 -s 3 --size 16 | cn-augment --epochs 2 --crop 0.3,1 --flip 0.5 --jitter 0.4,0.4,0.4,0.1 -o p.cns"
	for field in x pos id; do ok "cn-export npy --field $field p.cns -o $field.npy"; done
	ok "cn-train -q $net --batch 40 --steps 1 --lr 0 -o init.safetensors p.cns"
	while IFS='|' read -r options momentum queue; do
		ok "cn-train -q --init init.safetensors --batch 40 --schedule constant --lr 2e-4 --weight-decay 0.01 $options --log log -o m.safetensors p.cns"
		ok "/usr/bin/python3 -W ignore $CN_ROOT/tests/agree_training.py init.safetensors m.safetensors log x.npy pos.npy 40 0.2 \
			'torch.optim.Adam(p, 2e-4, weight_decay=0.01)' $momentum $queue id.npy"
		run ! /usr/bin/python3 -W ignore "$CN_ROOT/tests/agree_training.py" init.safetensors m.safetensors log x.npy pos.npy 40 0.2 \
			'torch.optim.Adam(p, 2e-4, weight_decay=0.01)'
	done <<-'END'
		--momentum-encoder 0.9|0.9|0
		--momentum-encoder 0.9 --queue 450|0.9|450
		--queue 100|0|100
	END
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
	: >models
	for way in ''  '--temperature 0.5' '--lr 0.01' '--schedule cosine' '--schedule constant' '--weight-decay 0.1' '--steps 2' \
		'--schedule linear' '--schedule step' '--schedule step --gamma 0.5' '--schedule step --milestones 0.5' '--schedule linear --warmup 2' \
		'--schedule cosine --momentum 0.8' '--beta2 0.99' '--clip-norm 0.1' '--ema 0.9' '--weight-decay 0.1 --decay-of weights' \
		'--optimizer adamw' '--optimizer sgd' '--optimizer sgd --nesterov' '--optimizer lars' '--optimizer lars --trust 0.1' \
		'--optimizer lars --weight-decay 1 --decay-of all' '--optimizer lamb' '--optimizer adagrad' \
		'--queue 60' '--queue 20' '--momentum-encoder 0.9' '--momentum-encoder 0.5' '--momentum-encoder 0.9 --queue 60' \
		'--predictor linear:8' '--momentum-encoder 0.9 --predictor linear:8' '--chunk 25' '--accumulate 2' \
		'-n 120' '--batch 20'; do
		ok "cn-train -q $arch $way -o m.safetensors $CN_FIXTURES/demo.cns && tail -c 1000 m.safetensors | md5sum >>models"
	done
	[ "$(sort -u models | wc -l)" -eq "$(wc -l <models)" ] || { sort models | uniq -d; return 1; }
}

@test "train: what is clipped is the step, and the average follows the weights" {
	d=$CN_FIXTURES/demo.cns
	ok "cn-train -q $arch --optimizer sgd --momentum 0 --weight-decay 0 --schedule constant --lr 0.1 --steps 1 --log long -o long.safetensors $d"
	ok "cn-train -q $arch --optimizer sgd --momentum 0 --weight-decay 0 --schedule constant --lr 1 --clip-norm 1e-3 --steps 1 --log short -o short.safetensors $d"
	[ "$(tail -n 1 long | cut -f 7)" = "$(tail -n 1 short | cut -f 7)" ]
	ok "cn-train -q $arch --lr 0 --steps 1 -o start.safetensors $d"
	ok "cn-train -q $arch --ema 0.25 --optimizer sgd --momentum 0 --weight-decay 0 --schedule constant --lr 0.1 --steps 1 -o mean.safetensors $d"
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	ok "/usr/bin/python3 - <<'END'
import sys; sys.argv = ['', 'numpy']; sys.path.insert(0, '$CN_ROOT/tests')
import numpy as np
from agree_embedding import load
start, long, short, mean = ({k: v.astype('f8') for k, v in load(n + '.safetensors')[1].items()} for n in ('start', 'long', 'short', 'mean'))
learned = [k for k in start if 'running' not in k]
way = np.sqrt(sum(((short[k] - start[k]) ** 2).sum() for k in learned))
assert abs(way - 1e-3) < 1e-5, way
for k in learned: assert np.allclose(mean[k], 0.25 * start[k] + 0.75 * long[k], atol=1e-7), k
END"
}

@test "train: every loss learns something else, the same for any number of threads" {
	: >models
	ok "cn-augment --epochs 6 --shuffle -o p.cns $CN_FIXTURES/demo.cns"
	for loss in infonce npairs supcon nca decoupled decoupled:sigma=0.5 debiased hcl triplet triplet:kind=semihard,labels=yes \
		triplet:kind=batch-hard margin contrastive multi-similarity circle self-adversarial alignment 'infonce + 2*uniformity' \
		vicreg barlow 'infonce + 0.1*vicreg'; do
		for t in 1 3; do ok "cn-train -q -T$t $arch --loss '$loss' --log log -o $t.safetensors p.cns"; done
		same 1.safetensors 3.safetensors
		tail -c 1000 1.safetensors | md5sum >>models
		awk 'NR > 1 && NR < 7 { first += $2 } NR > 26 { last += $2 } END { exit !(last < first) }' log || { echo "$loss"; cat log; return 1; }
	done
	[ "$(sort -u models | wc -l)" -eq "$(wc -l <models)" ] || { sort models | uniq -d; return 1; }
	ok "cn-cat --fields id,x,pos -o bare.cns $CN_FIXTURES/demo.cns"
	refuses 1 "cn-train $arch --loss supcon -o m.safetensors bare.cns" "bare.cns: no field 'label'"
	refuses 1 "cn-train $arch --loss 'infonce + triplet:labels=yes' -o m.safetensors bare.cns" "bare.cns: no field 'label'"
	refuses 2 "cn-train $arch --loss 'hcl:delta=1' -o m.safetensors bare.cns" "loss 'hcl' has no 'delta'"
}

@test "train: the manual names every loss, with its parameters and their defaults" {
	run_line "cn-train --help"
	while read -r name rest; do
		grep -q "^.It Cm $name" "$CN_ROOT/man/cn-train.1.in" || { echo "$name $rest"; return 1; }
	done < <(sed -n '/name = "/s/.*\.name = "\([a-z-]*\)".*/\1/p' "$CN_ROOT"/lib/loss/softmax.c "$CN_ROOT"/lib/loss/{margin,redundancy}.c)
}

@test "train: the manual names every layer, and every preset with its words" {
	for page in cn-train.1.in cn-model.5; do
		while read -r word; do
			grep -q "^.It Cm $word\\>" "$CN_ROOT/man/$page" || { echo "$page: no $word"; return 1; }
		done < <(sed -n 's/.*\.word = "\([a-z]*\)".*/\1/p' "$CN_ROOT"/lib/nn/*.c)
	done
	while IFS='|' read -r name words; do
		grep -A 1 "^.It Cm $name\$" "$CN_ROOT/man/cn-train.1.in" | grep -Fxq "$words" || { echo "$name: $words"; return 1; }
	done < <(sed -n 's/^\t{ "\([a-z0-9]*\)", "\(.*\)" },$/\1|\2/p' "$CN_ROOT"/lib/nn/preset.c)
}

# Makes tok.cns: 80 pairs of up to six tokens below 50, of eight kinds.
token_pairs() {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	/usr/bin/python3 -c 'import numpy as n; r = n.random.RandomState(1)
k = n.arange(80)[:, None] % 8
x, pos = ((6 * k + r.randint(0, 8, (80, 6))).astype("u4") for _ in "xp")
x[::3, 4:] = pos[::5, 3:] = 2**32 - 1
n.save("x.npy", x), n.save("pos.npy", pos), n.save("one.npy", x[:, 0]), n.save("two.npy", pos[:, 0])
x[41, 2] = 50; n.save("bad.npy", x)'
	ok "/usr/bin/python3 $CN_ROOT/tests/write_pairs.py tok.cns x.npy pos.npy"
	ok "/usr/bin/python3 $CN_ROOT/tests/write_pairs.py bad.cns pos.npy bad.npy"
	ok "/usr/bin/python3 $CN_ROOT/tests/write_pairs.py one.cns one.npy two.npy"
}

@test "train: every preset trains, and the model holds its words" {
	token_pairs
	while IFS='|' read -r name words; do
		d=$CN_FIXTURES/demo.cns
		[[ $words != *000x* ]] || d=tok.cns
		ok "cn-train -q --arch $name --head linear:8 --batch 20 --steps 1 -o preset.safetensors $d"
		ok "cn-train -q --arch '$words' --head linear:8 --batch 20 --steps 1 -o words.safetensors $d"
		cmp <(tail -c 1000 preset.safetensors) <(tail -c 1000 words.safetensors)
		grep -aFq "\"cn.arch\":\"$words\"" preset.safetensors || { echo "$name"; return 1; }
	done < <(sed -n 's/^\t{ "\([a-z0-9]*\)", "\(.*\)" },$/\1|\2/p' "$CN_ROOT"/lib/nn/preset.c)
	refuses 2 "cn-train --arch 'resnet8 linear:3' --batch 20 -o m.safetensors $CN_FIXTURES/demo.cns" "no layer 'resnet8'"
	refuses 2 "cn-train --arch linear --head mlp --batch 20 -o m.safetensors $CN_FIXTURES/demo.cns" "no layer 'mlp'"
}

@test "train: tokens are learned, the same for any number of threads" {
	token_pairs
	for words in 'bag:50x16 ln gelu linear:8' 'table:50x12 plain:16 gelu depthwise:1 gap'; do
		for t in 1 3; do ok "cn-cat -o p.cns $(printf 'tok.cns %.0s' {1..10}) && cn-train -q -T$t --arch '$words' --batch 40 --lr 0.01 --log log -o $t.safetensors p.cns"; done
		same 1.safetensors 3.safetensors
		awk 'NR > 1 && NR < 5 { first += $2 } NR > 18 { last += $2 } END { exit !(last < first) }' log || { cat log; return 1; }
	done
	ok "cn-train -q --arch 'table:50x8' --batch 20 -o m.safetensors one.cns"
}

@test "train, embed: tokens where there is no table, tables where there are no tokens, and tokens that no table has" {
	token_pairs
	d=$CN_FIXTURES/demo.cns
	refuses 2 "cn-train --arch 'linear:8' --batch 20 -o m.safetensors tok.cns" "samples of type u32 are tokens; begin with bag:VxD or table:VxD, not 'linear:8'"
	refuses 2 "cn-train --arch 'bag:50x8' --batch 20 -o m.safetensors $d" "layer 'bag:50x8' looks up tokens, but the samples are not of type u32"
	refuses 2 "cn-train --arch 'bag:50x8 table:50x8' --batch 20 -o m.safetensors tok.cns" "layer 'table:50x8' looks up tokens, so it must be the first"
	refuses 2 "cn-train --arch 'table:50x8' --batch 20 -o m.safetensors tok.cns" 'the network ends in a map of 1 by 6'
	refuses 2 "cn-train --arch 'bag:50' --batch 20 -o m.safetensors tok.cns" "layer 'bag:50': how many numbers for a token"
	refuses 1 "cn-train --arch 'bag:50x8' --batch 20 -o m.safetensors bad.cns" "bad.cns: token 50 in field 'pos' of row 41, but the model's table ends at 49"
	[ ! -e m.safetensors ]
	ok "cn-train -q --arch 'bag:50x8' --batch 20 -o m.safetensors tok.cns"
	refuses 1 "cn-embed --pos -m m.safetensors -o e.cns bad.cns" "bad.cns: token 50 in field 'pos' of row 41"
	refuses 1 "cn-embed -m m.safetensors -o e.cns one.cns" "one.cns: field 'x' is u32, but the model was made for u32 [6]"
	[ ! -e e.cns ]
}

@test "train: layers that do not fit are refused by name" {
	while IFS='|' read -r words part; do
		refuses 2 "cn-train --arch '$words' --batch 20 -o m.safetensors $CN_FIXTURES/demo.cns" "$part"
	done <<-'END'
		plain:8x4 gap|layer 'plain:8x4': a kernel must be odd, not 4
		depthwise:2 gap|layer 'depthwise:2': a kernel must be odd, not 2
		plain:6 gn:4 gap|layer 'gn:4': 6 channels do not fall into 4 groups
		conv:8/4 max:5 gap|layer 'max:5' takes more than its map of 4 by 4
		conv:8/4 avg:5/1 gap|layer 'avg:5/1' takes more than its map of 4 by 4
		gap dropout:1|layer 'dropout:1' is written dropout:P;
		gap dropout:0.99999999|layer 'dropout:0.99999999' is written dropout:P;
		max:17 gap|layer 'max:17' is written max:K[/S];
		gap swirl:3|no layer 'swirl:3'; there are conv:C[/S][xK], res:C[/S],
		gap swirl|as the whole of --arch, mlp, conv, resnet8,
	END
}

@test "train: what is frozen stays to the bit, and the rest moves" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	d=$CN_FIXTURES/demo.cns
	ok "cn-train -q $every_layer --batch 40 -o init.safetensors $d"
	for freeze in 3 9 trunk; do
		for t in 1 3; do ok "cn-train -q -T$t --init init.safetensors --freeze $freeze --batch 40 --optimizer adamw --weight-decay 0.5 --ema 0.5 -o $t.safetensors $d"; done
		same 1.safetensors 3.safetensors
		ok "/usr/bin/python3 - <<'END'
import sys; sys.argv = ['', 'numpy']; sys.path.insert(0, '$CN_ROOT/tests')
from agree_embedding import load
before, after = (load(name)[1] for name in ('init.safetensors', '1.safetensors'))
for name in before:
    where, layer = name.split('.')[:2]
    frozen = where == 'trunk' and ('$freeze' == 'trunk' or int(layer) < int('$freeze'))
    assert (before[name].tobytes() == after[name].tobytes()) == frozen, name
END"
	done
	refuses 2 "cn-train $every_layer --freeze 1 --batch 40 -o m.safetensors $d" '--freeze keeps layers of a trained model; name it with --init'
	for word in 0 -1 1x head "''"; do
		refuses 2 "cn-train --init init.safetensors --freeze=$word --batch 40 -o m.safetensors $d" '--freeze takes a number of layers'
	done
	refuses 2 "cn-train --init init.safetensors --freeze 20 --batch 40 -o m.safetensors $d" 'cannot freeze 20 layers: the trunk has 19'
	ok "cn-train -q --arch 'conv:4 gap' --batch 40 -o bare.safetensors $d"
	refuses 2 "cn-train --init bare.safetensors --freeze trunk --batch 40 -o m.safetensors $d" 'nothing left to learn'
	[ ! -e m.safetensors ]
}

@test "train: collapse is told, once, and nothing where there is none" {
	ok "cn-augment --epochs 20 --shuffle -o p.cns $CN_FIXTURES/demo.cns"
	for log in '' '--log log'; do
		says "cn-train $arch --loss alignment --lr 0.05 $log -o m.safetensors p.cns" 'the vectors have collapsed: their effective rank is '
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
	done
	ok "cn-train -q $arch --loss alignment --lr 0.05 -o m.safetensors p.cns"
	for loss in infonce 'alignment + uniformity' supcon vicreg barlow; do ok "cn-train $arch --loss '$loss' -o m.safetensors p.cns"; done
	for dim in 1 2; do ok "cn-train --arch 'conv:6 gap' --head linear:$dim --loss alignment --lr 0.05 --batch 40 -o m.safetensors p.cns"; done
	# where a line of progress is drawn, it is taken away first
	if script -qec true /dev/null >/dev/null 2>&1; then
		run script -qec "cn-train $arch --loss alignment --lr 0.05 -o m.safetensors p.cns" /dev/null
		[[ $output == *$'\r\e[Kcn-train: the vectors have collapsed'* ]]
	fi
}

@test "train: collapse is told of a resumed training, too, at the step where the whole one tells it, and once" {
	ok "cn-augment --epochs 14 --shuffle -o p.cns $CN_FIXTURES/demo.cns"
	way="$arch --loss alignment --lr 0.05 --checkpoint state p.cns"
	says "cn-train --every 2600 -o m.safetensors $way" 'the vectors have collapsed: their effective rank is 0.00 at step 69'
	words=$stderr
	says "cn-train --every 2600 --resume -o m.safetensors $way" 'at step 69'
	[ "$stderr" = "$words" ]
	ok 'cn-info state'
	[[ $output == *'cn.step = 65'* && $output == *'cn.low = 4'* ]]
	ok 'cn-info m.safetensors'
	[[ $output != *cn.low* ]]
}

@test "train: the log says how the vectors lie" {
	ok "cn-train -q $arch --temperature 0.2 --loss 'alignment + uniformity' --log log -o m.safetensors $CN_FIXTURES/demo.cns"
	[ "$(head -n 1 log | cut -f 8-)" = "$(printf 'alignment\tuniformity\trank')" ]
	awk 'NR > 1 { d = $2 - $8 - $9; s = 2 - 2 * $4 - $8; if (d * d > 1e-10 || s * s > 1e-10 || $10 < 1 || $10 > 8) exit 1 }' log
	ok "cn-train -q $arch --log more -o m.safetensors $CN_FIXTURES/demo.cns && cn-train -q $arch -o n.safetensors $CN_FIXTURES/demo.cns"
	cmp <(tail -c 1000 m.safetensors) <(tail -c 1000 n.safetensors)
}

@test "train: a training that was killed goes on, to the same bytes" {
	ok "cn-augment --epochs 30 --shuffle -o p.cns $CN_FIXTURES/demo.cns"
	way="-q $every_layer --batch 40 --ema 0.9 --optimizer lamb --loss 'hcl + 0.1*uniformity' p.cns"
	ok "cn-train --log whole.log -o whole.safetensors $way"
	for try in 1 2 3 4 5 6 7 8 9; do
		run_line "timeout -s KILL 0.$try cn-train --checkpoint state --every 200 --resume -o m.safetensors $way"
		[ ! -e m.safetensors ] || break
	done
	ok "cn-train --checkpoint state --every 200 --resume --log rest.log -o m.safetensors $way"
	same whole.safetensors m.safetensors
	grep -Fxf rest.log whole.log | cmp - rest.log
	ok "cn-info state"
	grep -q 'cn.step' <<<"$output"
}

@test "train: targets, a queue and a predictor go on from a checkpoint, too, with any number of threads and whole rows in chunks" {
	ok "cn-augment --epochs 3 --shuffle -o p.cns $CN_FIXTURES/demo.cns"
	way="-q $arch --loss 'supcon + 0.1*infonce' --momentum-encoder 0.8 --queue 130 --predictor 'linear:9 relu linear:8' --chunk 30 p.cns"
	ok "cn-train -T1 -o whole.safetensors $way && cn-train -T3 --checkpoint state --every 280 -o m.safetensors $way"
	same whole.safetensors m.safetensors
	ok "cn-train --checkpoint state --every 280 --resume --log rest.log -o m.safetensors $way"
	same whole.safetensors m.safetensors
	[ "$(wc -l <rest.log)" = 2 ]
	ok "cn-embed -q -m m.safetensors -o z.cns $CN_FIXTURES/demo.cns"
}

@test "train: a network without batch norm learns the same in chunks, to rounding" {
	flat="--arch 'flatten linear:16 relu linear:12' --head 'linear:8' --batch 100 --steps 2 $CN_FIXTURES/demo.cns"
	ok "cn-train -q $flat --log whole.log -o whole.safetensors && cn-train -q $flat --chunk 37 --log chunks.log -o chunks.safetensors"
	paste whole.log chunks.log | awk 'NR > 1 { d = ($2 - $12) / $2; e = ($7 - $17) / $7; if (d * d > 1e-10 || e * e > 1e-10) exit 1 }'
}

@test "train: negatives in the space of the head are the same in chunks, to rounding" {
	d=$CN_FIXTURES/demo.cns
	ok "cn-train -q --arch 'flatten linear:16 relu linear:12' --head linear:8 --batch 100 -o init.safetensors $d"
	ok "cn-gen -q --method mix --k 3 -m init.safetensors $d -o z.cns"
	for way in '' '--momentum-encoder 0.9' '--queue 60'; do
		train="cn-train -q --init init.safetensors --batch 100 --steps 2 $way"
		ok "$train --log none.log -o none.safetensors $d"
		ok "$train --log whole.log -o whole.safetensors z.cns && $train --chunk 37 --log chunks.log -o chunks.safetensors z.cns"
		[ "$(wc -l <whole.log)" = 3 ]
		paste whole.log chunks.log none.log | awk 'NR > 1 {
			d = ($2 - $13) / $2; e = ($7 - $18) / $7; f = $11 - $22; g = ($2 - $24) / $2
			if (d * d > 1e-10 || e * e > 1e-10 || f * f > 1e-10 || g * g < 1e-7) exit 1
		}' || { cat whole.log chunks.log none.log; return 1; }
	done
}

@test "train: batches may be gathered for one step" {
	d=$CN_FIXTURES/demo.cns flat="--arch 'flatten linear:16 relu linear:12' --head 'linear:8' --lr 1e-3 --schedule constant --optimizer sgd"
	ok "cn-train -q $flat --batch 50 --accumulate 2 --log two.log -o two.safetensors $d"
	[ "$(wc -l <two.log)" = $((1 + $(cn-info --json $d | sed -n 's/.*"rows": *\([0-9]*\).*/\1/p' | head -n 1) / 100)) ]
	refuses 1 "cn-train $flat --batch 50 --accumulate 1000 -o m.safetensors $d" 'fewer rows than 1000 batches of 50'
	ok "cn-train -q $flat --batch 50 --accumulate 2 --checkpoint state --every 100 -o m.safetensors $d"
	ok "cn-train -q $flat --batch 50 --accumulate 2 --checkpoint state --every 100 --resume -o n.safetensors $d"
	same m.safetensors n.safetensors
}

@test "train: what nothing would look at is refused, and ids that are none" {
	d=$CN_FIXTURES/demo.cns
	for option in '--queue 60' '--momentum-encoder 0.9'; do
		refuses 2 "cn-train $arch --loss 'vicreg + barlow' $option -o m.safetensors $d" "${option% *}: no loss of --loss 'vicreg + barlow' compares"
	done
	ok "cn-cat --fields x,pos,label --rename label=id -o bad.cns $d"
	refuses 1 "cn-train $arch --queue 60 -o m.safetensors bad.cns" "bad.cns: field 'id'"
	refuses 1 "cn-train $arch -n 20 -o m.safetensors $d" '-n 20 is less than 1 batch of 40'
	refuses 2 "cn-train $arch --predictor ' ' -o m.safetensors $d" 'a network needs a layer at least'
}

@test "train: batches that fill no step leave no trace" {
	net="--arch 'conv:8/2 gap' --head 'linear:16 bn relu linear:8' --batch 25 --accumulate 3 --queue 30"
	ok "cn-train -q $net -n 100 -o all.safetensors $CN_FIXTURES/demo.cns && cn-train -q $net -n 75 -o even.safetensors $CN_FIXTURES/demo.cns"
	cmp <(tail -c 2300 all.safetensors) <(tail -c 2300 even.safetensors)
}

@test "train: a predictor is as wide as what it is compared with" {
	refuses 2 "cn-train $arch --predictor linear:9 -o m.safetensors $CN_FIXTURES/demo.cns" '--predictor puts out 9 numbers, but is compared with the 8 of the head'
	refuses 2 "cn-train $arch --predictor bogus -o m.safetensors $CN_FIXTURES/demo.cns" "no layer 'bogus'"
}

@test "train: a checkpoint is for the training it is of, and whole" {
	d=$CN_FIXTURES/demo.cns
	ok "cn-train -q $arch --checkpoint state --every 80 -o m.safetensors $d"
	refuses 2 "cn-train $arch --resume -o n.safetensors $d" 'name it with --checkpoint'
	refuses 2 "cn-train $arch --checkpoint - -o n.safetensors $d" "name a file, not '-'"
	cp state kept
	ok "cn-train -q $arch --checkpoint state --every 80 --resume -o r.safetensors <$d && rm state && cn-train -q $arch --checkpoint state --every 80 -o s.safetensors <$d"
	same r.safetensors s.safetensors
	cp kept state
	refuses 1 "cn-train $arch --checkpoint state --resume --lr 0.5 -o n.safetensors $d" 'state: is of a training with other input or options (cn-train'
	refuses 1 "cn-train $arch --checkpoint state --resume --lr 0.5 -o n.safetensors $d" 'option.lr'
	refuses 1 "cn-train $arch --checkpoint state --resume -o n.safetensors $CN_FIXTURES/demo-test.cns" 'state: is of a training with other input'
	refuses 1 "cn-train $arch --checkpoint m.safetensors --resume -o n.safetensors $d" 'm.safetensors: not a checkpoint of cn-train'
	head -c 5000 state >short
	refuses 3 "cn-train $arch --checkpoint short --resume -o n.safetensors $d" 'short: cut short'
	refuses 1 "cn-train $arch --checkpoint /dev/full --every 40 -o n.safetensors $d" '/dev/full: No space left'
	refuses 1 "cn-train $arch --checkpoint nowhere/state --every 40 -o n.safetensors $d" 'nowhere/state: No such file'
	[ ! -e n.safetensors ]
	ok "cn-train -q $arch --checkpoint none --resume -o n.safetensors $d"
	same m.safetensors n.safetensors
}

@test "train: vectors too long for their square are refused, and not taken for learned" {
	{
		printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (50, 8), }"
		for ((i = 0; i < 400; i++)); do printf '\xca\xf2\x49\x71'; done	# 1e30
	} >big.npy
	ok "cn-import npy --field x big.npy | cn-augment --noise 0.1 -o big.cns"
	refuses 1 "cn-train --arch linear --head linear:8 --batch 25 big.cns -o m.safetensors" 'big.cns: the loss is not finite at step 0 (rows 0 to 24)'
	[ ! -e m.safetensors ]
}

@test "train: what is not finite ends a training, which names the rows, and what is good stays" {
	d=$CN_FIXTURES/demo.cns
	wild="--batch 40 --checkpoint state --optimizer adamw --schedule constant --weight-decay 1000 -o m.safetensors"
	deep="--arch 'flatten linear:12' --head linear:8 --lr 1 $wild"
	flat="--arch flatten --head 'linear:8 gn:2' --lr 1000 --decay-of weights $wild"
	ok "cn-augment --epochs 3 -o p.cns $d"
	for every in 40 80 160; do
		refuses 1 "cn-train $deep --every $every p.cns" \
			"p.cns: the loss is not finite at step 4 (rows 160 to 199); try a lower --lr or a higher --temperature; state has"
		[[ $stderr == *"state has what is known to be good, the training after $((every == 40 ? 3 : every == 80 ? 2 : 0)) step"* ]]
		[ "$(ls -A)" = "$(printf 'p.cns\nstate')" ]
		ok "cn-embed -m state -o z.cns $d && cn-train -q --init state --batch 40 -o n.safetensors $d && rm z.cns"
		refuses 1 "cn-train $deep --every $every --resume p.cns" 'the loss is not finite at step 4 (rows 160 to 199)'
		rm state n.safetensors
	done
	ok "cn-train -q $flat --steps 6 p.cns && rm state"
	refuses 1 "cn-train $flat --steps 7 p.cns" "p.cns: tensor 'head.0.weight' has a NaN or infinity after 7 steps (rows up to 279)"
	[[ $stderr == *'state has what is known to be good, the training after 0 steps' ]]
	refuses 1 "cn-train $flat --accumulate 2 --batch 20 p.cns" 'the loss is not finite at step 7 (rows 280 to 299)'
	rm state m.safetensors
	refuses 3 "cn-augment nothing | cn-train --arch flatten --head linear:8 --batch 40 --checkpoint state -o m.safetensors" 'stopped by cn-augment'
	[ "$(ls -A)" = p.cns ]
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

@test "train, embed, gen, mine: a number that is none is named by field and row" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	/usr/bin/python3 -c 'import numpy as n
a = n.random.RandomState(1).randn(60, 20).astype("f4"); n.save("right.npy", a); a[37, 4] = n.nan; n.save("nan.npy", a); a[37, 4] = -n.inf; n.save("inf.npy", a)'
	ok "cn-import npy --field x right.npy -o right.cns"
	ok "cn-augment --noise 0.1 right.cns | cn-train -q --arch linear:4 --batch 20 -o right.safetensors"
	for kind in nan inf; do
		ok "cn-import npy --field x $kind.npy -o $kind.cns"
		refuses 1 "cn-augment --noise 0.1 $kind.cns | cn-train --arch linear:4 --batch 20 -o m.safetensors" "field 'x' of row 37"
		refuses 1 "cn-augment --noise 0.1 --epochs 2 $kind.cns | cn-train --arch linear:4 --batch 10 --checkpoint state --every 10 -o m.safetensors" \
			"field 'x' of row 37; mend what made it, or leave the row out with cn-cat; state has what is known to be good, the training after 2 steps"
		refuses 1 "cn-embed -m right.safetensors -o e.cns $kind.cns" "$kind.cns: NaN or infinity in field 'x' of row 37"
		ok "cn-augment --noise 0.1 $kind.cns -o pairs.cns"
		for method in gan mix 'gradient --epsilon 0.1'; do
			refuses 1 "cn-gen --method $method -m right.safetensors -o e.cns pairs.cns" "pairs.cns: NaN or infinity in field 'x' of row 37"
		done
		refuses 1 "cn-mine --bank pairs.cns -m right.safetensors -o e.cns right.cns" "pairs.cns: NaN or infinity in field 'x' of row 37"
		refuses 1 "cn-mine --bank right.cns -m right.safetensors -o e.cns pairs.cns" "pairs.cns: NaN or infinity in field 'x' of row 37"
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
		'--lr 1e3x' '--temperature 0' '--temperature -1' '--weight-decay -1' '--steps -1' '--schedule never' '--optimizer newton' \
		'--momentum 1' '--beta2 1' '--ema 1' '--clip-norm -1' '--decay-of biases' '--milestones 2' '--gamma -1' '--warmup -1' '--trust -1'; do
		refuses 2 "cn-train $arch $way -o m.safetensors $CN_FIXTURES/demo.cns" "cn-train: ${way%% *} "
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
	done
	refuses 2 "cn-train $arch --init $CN_FIXTURES/model.safetensors -o m.safetensors $CN_FIXTURES/demo.cns" 'leave out --arch and --head'
	refuses 2 "cn-train --batch 20 --arch 'conv:8' -o m.safetensors $CN_FIXTURES/demo.cns" 'ends in a map of 16 by 16; put gap, flatten or linear behind'
	refuses 2 "cn-train $arch --nesterov -o m.safetensors $CN_FIXTURES/demo.cns" 'belongs to --optimizer sgd and lars'
	refuses 2 "cn-train $arch --warmup 2 -o m.safetensors $CN_FIXTURES/demo.cns" 'has a warm-up of its own'
	refuses 2 "cn-train $arch --schedule cosine --warmup 5 -o m.safetensors $CN_FIXTURES/demo.cns" 'leaves none of the 5 steps'
	refuses 2 "cn-train $arch --bank $CN_FIXTURES/demo.cns -o m.safetensors $CN_FIXTURES/demo.cns" 'leave out --bank'
	[ ! -e m.safetensors ]
}

@test "train: vectors of the trunk are no negatives for the head" {
	m=$CN_FIXTURES/model.safetensors
	layers
	ok 'for of in trunk head; do cn-gen -q --method mix --k 3 $of.cns -o $of.neg || exit; done && cn-cat --rename neg_z=v trunk.neg | cn-cat --rename v=neg_z -o unknown.neg'
	for words in "--init $m" "--arch 'conv:8 gap' --head linear:16"; do
		refuses 1 "cn-train -q $words --batch 50 -o no trunk.neg" "trunk.neg: field 'neg_z' has vectors of the trunk, but is compared with what the head puts out; make them with cn-gen -m, or from vectors of cn-embed --layer head"
		[ ! -e no ]
		ok "cn-train -q $words --batch 50 -o head.out head.neg && cn-train -q $words --batch 50 -o unknown.out unknown.neg"
	done
	ok "cn-train -q --arch 'flatten linear:16' --head '' --batch 50 -o bare.out trunk.neg && cn-train -q --arch 'flatten linear:16' --batch 50 -o bare.out head.neg"
}
