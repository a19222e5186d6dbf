#!/bin/bash
# resnet18.sh - the preset resnet18 on the 50,000 pictures of CIFAR-10: rows per second and memory of cn-augment | cn-train beside
# the same network, augmentation, batch and optimiser in PyTorch.
# CN_BENCH_ROWS of a shuffled epoch are trained on (2048, 2 to 3 minutes for each side and round), CN_BENCH_BATCH at once (256);
# CN_BENCH_PEER_ROWS is for the other side, if that is to be shorter.
. "$(dirname "$0")/measure.bash"
data=$(beside data) || { echo "$data"; exit 0; }
/usr/bin/python3 -c 'import torch' 2>/dev/null || { echo 'skipped: no torch here'; exit 0; }
rows=${CN_BENCH_ROWS:-2048} peer_rows=${CN_BENCH_PEER_ROWS:-${CN_BENCH_ROWS:-2048}} batch=${CN_BENCH_BATCH:-256} peer=$PWD/tests/bench/resnet18.py
export OPENBLAS_NUM_THREADS=1

cd "$work" || exit
cn-import image "$data/cifar10/cifar10-jpeg.tar.zst" --match 'train/*' --interleave -o train.cns
cn-export npy --field x train.cns -o pictures.npy
for seed in $(seq 0 $((rounds - 1))); do
	time=$(seconds "peak augment cn-augment -s $seed --shuffle -n $rows --crop 0.25,1 --flip 0.5 --jitter 0.4,0.4,0.4,0.1 --grey 0.2 train.cns |
		peak train cn-train -q -s $seed --arch resnet18 --head 'linear:512 relu linear:128' --loss infonce --temperature 0.2 \
			--batch $batch --optimizer adam --lr 1e-3 --schedule onecycle --log log -o m.safetensors")
	awk -v n=$((rows / batch * batch)) -v t="$time" 'BEGIN { printf "%.2f\n", n / t }' | tee -a ours >one
	cat augment.MB train.MB | awk '{ all += $1 } END { print all }' | tee -a ours.MB >one.MB
	peak peer /usr/bin/python3 "$peer" pictures.npy "$peer_rows" "$batch" "$seed" >two
	awk '{ print $1 }' two >>theirs
	cat peer.MB >>theirs.MB
	printf 'seed %s\tcn-train %s rows/s, %s MB, last loss %s\tPyTorch %s rows/s, %s MB, last loss %s\n' "$seed" "$(cat one)" "$(cat one.MB)" \
		"$(tail -n 1 log | cut -f 2)" "$(cut -d ' ' -f 1 two)" "$(cat peer.MB)" "$(cut -d ' ' -f 2 two)"
done
compare "resnet18, $rows (PyTorch $peer_rows) of $(cn-info --json train.cns | sed -n 's/.*"rows": *\([0-9]*\).*/\1/p' | head -n 1) rows in batches of $batch" \
	ours theirs rows/s PyTorch
compare 'resnet18, peak memory of both programs' ours.MB theirs.MB MB PyTorch
