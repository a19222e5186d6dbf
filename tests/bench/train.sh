#!/bin/bash
# train.sh - images per second of cn-augment | cn-train beside PyTorch with the same network, on CIFAR-10, and what both learn.
# Round r has seed r.  With operands: seeds to use instead.
. "$(dirname "$0")/measure.bash"
peers=$(beside peers) && data=$(beside data) || { echo "$peers ${data:-}"; exit 0; }
/usr/bin/python3 -c 'import torch, sklearn, PIL' 2>/dev/null || { echo 'skipped: no torch, sklearn or PIL here'; exit 0; }
[ $# -gt 0 ] || mapfile -t seeds < <(seq 0 $((rounds - 1)))
[ $# -eq 0 ] || seeds=("$@")
export OPENBLAS_NUM_THREADS=1

cd "$work" || exit
for split in train test; do
	cn-import image "$data/cifar10/cifar10-jpeg.tar.zst" --match "$split/*" --interleave -n 20000 -o $split.cns
done
for seed in "${seeds[@]}"; do
	time=$(seconds "cn-augment -s $seed --epochs 5 --shuffle --crop 0.25,1 --flip 0.5 --jitter 0.4,0.4,0.4,0.1 --grey 0.2 train.cns |
		cn-train -q -s $seed --arch 'conv:32 conv:64/2 conv:128/2 conv:256/2 gap' --head 'linear:256 relu linear:64' \
			--loss infonce --temperature 0.2 --batch 256 --optimizer adam --lr 2e-3 --schedule onecycle -o m.safetensors")
	awk -v t="$time" 'BEGIN { printf "%.1f\n", 100000 / t }' | tee -a ours >one
	for split in train test; do cn-embed -q -m m.safetensors $split.cns -o $split.z.cns; done
	printf 'seed %s\tcn-train %s images/s\tknn %s\tlinear %s\n' "$seed" "$(cat one)" \
		"$(cn-eval knn --k 20 --train train.z.cns test.z.cns | awk '$1 == "accuracy" { print $2 }')" \
		"$(cn-eval linear --train train.z.cns test.z.cns | awk '$1 == "accuracy" { print $2 }')"
	/usr/bin/python3 "$peers/torch_simclr.py" cifar --seed "$seed" | tail -n 1 | tee peer |
		sed 's/.*images\/s=\([0-9.]*\).*/\1/' >>theirs
	printf 'seed %s\tPyTorch %s\n' "$seed" "$(cat peer)"
done
compare 'training, images of five epochs' ours theirs images/s PyTorch
