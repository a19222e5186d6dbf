#!/bin/bash
# objectives.sh - what several objectives learn from the same pairs of CIFAR-10: k-NN and linear accuracy, means of three seeds.
# Five epochs of 20,000 pictures, as bench/train.sh; about an hour on two cores.  Results are kept in build/objectives, a file for
# each training, and a training that is there is not done again.  CN_ROWS, CN_EPOCHS and CN_SEEDS ("0 1 2") make it smaller.
. "$(dirname "$0")/../bench/measure.bash"
data=$(beside data) || { echo "$data"; exit 0; }
rows=${CN_ROWS:-20000} epochs=${CN_EPOCHS:-5}
read -ra seeds <<<"${CN_SEEDS:-0 1 2}"
kept=$(mkdir -p "${BUILD:-build}/objectives" && cd "${BUILD:-build}/objectives" && pwd)
cd "$work" || exit

# NAME|OPTIONS of cn-train
objectives='random infonce|--loss infonce
debiased (DCL)|--loss debiased:prior=0.1
hcl, beta 0.5|--loss hcl:beta=0.5
hcl, beta 1|--loss hcl:beta=1
hcl, beta 2|--loss hcl:beta=2
supcon, by labels|--loss supcon
triplet, batch-hard|--loss triplet:kind=batch-hard,soft=yes
MoCo, queue of 4096|--loss infonce --momentum-encoder 0.99 --queue 4096
vicreg|--loss vicreg
barlow|--loss barlow
BYOL|--loss alignment --momentum-encoder 0.99 --predictor linear:256_bn_relu_linear:64'

for split in train test; do
	cn-import image "$data/cifar10/cifar10-jpeg.tar.zst" --match "$split/*" --interleave -n "$rows" -o $split.cns
done

# Accuracies of one training, "k-NN linear", into the file that keeps them.
learn() {
	local seed=$1 to=$2 options

	[ ! -e "$to" ] || return 0
	read -ra options <<<"$3"
	options=("${options[@]//_/ }")
	cn-augment -s "$seed" --epochs "$epochs" --shuffle --crop 0.25,1 --flip 0.5 --jitter 0.4,0.4,0.4,0.1 --grey 0.2 train.cns |
		cn-train -q -s "$seed" --arch conv --head 'linear:256 relu linear:64' --temperature 0.2 --batch 256 --lr 2e-3 \
			"${options[@]}" -o m.safetensors
	for split in train test; do cn-embed -q -m m.safetensors $split.cns -o $split.z.cns; done
	for task in 'knn --k 20' linear; do
		# shellcheck disable=SC2086
		cn-eval $task --train train.z.cns test.z.cns | awk '$1 == "accuracy" { printf "%s ", $2 }'
	done >result
	mv result "$to"
}

printf 'objective\tk-NN\tof seeds\tlinear\n'
while IFS='|' read -r name options; do
	for seed in "${seeds[@]}"; do
		learn "$seed" "$kept/${options//[ \/]/_}.$rows.$epochs.$seed" "$options" </dev/null
	done
	for seed in "${seeds[@]}"; do cat "$kept/${options//[ \/]/_}.$rows.$epochs.$seed"; echo; done |
		awk -v name="$name" '{ k += $1; l += $2; each = each " " $1 } END { printf "%s\t%.4f\t%s\t%.4f\n", name, k / NR, substr(each, 2), l / NR }'
done <<<"$objectives"
