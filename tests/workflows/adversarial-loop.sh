#!/bin/bash
# adversarial-loop.sh - a generator that plays against an encoder while that learns: live through a FIFO, with either lag, and
# the same in rounds by make.  Writes into $BUILD/loop; the lines below can be typed there.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
here=$PWD/tests/workflows
BUILD=$(mkdir -p "${BUILD:-build}/loop" && cd "${BUILD:-build}" && pwd)
export PATH="$BUILD/bin:$PATH"
cd "$BUILD/loop"
rm -rf ./*

cn-import demo --pairs --classes 20 --coarse 5 --size 16 -n 1000 -o train.cns
cn-import demo --pairs --classes 20 --coarse 5 --size 16 -n 400 --split test -o test.cns
cn-augment --epochs 12 --shuffle train.cns -o pairs.cns
mkfifo weights

# 12000 rows, 24 times 500: what cn-gen makes of the next 500 is made with what cn-train has learned of those before.
play() {
	cn-gen --follow weights --every 500 --lag "$1" --round 250 --warmup 500 pairs.cns |
		cn-train -q --publish weights --every 500 --arch 'conv:16 conv:32/2 conv:64/2 gap' --head 'linear:32 relu linear:16' \
			--batch 20 --lr 3e-3 -o "$2"
}

for lag in 0 1; do
	start=$EPOCHREALTIME
	play $lag "lag$lag.safetensors"
	awk -v start="$start" -v end="$EPOCHREALTIME" -v lag=$lag 'BEGIN { printf "lag %d: %.1f s\n", lag, end - start }' >&2
	play $lag again.safetensors
	cmp "lag$lag.safetensors" again.safetensors
done

# The same turns, one command after the other: what there is after each round is in files.
make -s -f "$here/rounds.mk" ROUNDS=4 rounds.safetensors

for model in lag0 lag1 rounds; do
	for split in train test; do cn-embed -q -m $model.safetensors $split.cns -o $split.$model.z.cns; done
	printf '%s\t' $model
	cn-eval knn --k 10 --train train.$model.z.cns test.$model.z.cns | awk '$1 == "accuracy"'
done
