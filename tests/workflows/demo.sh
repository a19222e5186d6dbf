#!/bin/bash
# demo.sh - does the choice of negatives matter?  Trains the same encoder with random, hard, generated and mixed negatives,
# at equal steps, from three seeds, and prints one table.  Writes into $BUILD/demo; the lines below can be typed there.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
BUILD=$(mkdir -p "${BUILD:-build}/demo" && cd "${BUILD:-build}" && pwd)
export PATH="$BUILD/bin:$PATH" CN_THREADS=1
cd "$BUILD/demo"

# 100 classes of drawings in 10 coarse shapes: most other pictures are easy to tell from an anchor, few are hard.
cn-import demo --pairs --classes 100 --coarse 10 --size 24 -n 8000 -o train.cns
cn-import demo --pairs --classes 100 --coarse 10 --size 24 -n 2000 --split test -o test.cns

# The first encoder of a seed learns from the other rows of its batch alone.
first() {
	cn-augment --epochs 3 --shuffle -s "$1" train.cns |
		cn-train -q -s "$1" --arch 'conv:16 conv:32/2 conv:64/2 conv:128/2 gap' --head 'linear:128 relu linear:64' \
			--batch 16 --temperature 0.1 --lr 6e-4 -o "first.$1.safetensors"
	cn-augment --epochs 2 -n 13000 --shuffle -s "10$1" train.cns -o "pairs.$1.cns"
}

# It then learns on, from the same pairs in the same order, beside the other rows of its batch with four more negatives
# per row: drawn at random, or chosen or made by means of it.
choose() {
	case $1 in
	random) cn-mine -q --strategy random --k 4 --emit id --bank train.cns "pairs.$2.cns" ;;
	hard) cn-mine -q --strategy hard --max-share 0.95 --k 4 --emit id --bank train.cns -m "first.$2.safetensors" "pairs.$2.cns" ;;
	generated) cn-gen --method gan --k 4 -m "first.$2.safetensors" "pairs.$2.cns" ;;
	mixed) cn-gen --method mix --k 4 -m "first.$2.safetensors" "pairs.$2.cns" ;;
	esac
}

second() {
	local name=$1.$2 bank=()

	case $1 in random | hard) bank=(--bank train.cns) ;; esac
	local start=$EPOCHREALTIME
	choose "$1" "$2" | tee "$name.pairs.cns" |
		cn-train -q -s "$2" --init "first.$2.safetensors" "${bank[@]}" \
			--batch 16 --temperature 0.1 --lr 6e-4 -o "$name.safetensors"
	awk -v start="$start" -v end="$EPOCHREALTIME" 'BEGIN { print end - start }' >"$name.seconds"
	for split in train test; do cn-embed -q -m "$name.safetensors" "$split.cns" -o "$split.$name.z.cns"; done
	cn-eval knn --k 10 --train "train.$name.z.cns" "test.$name.z.cns" >"$name.knn"
	cn-eval linear --train "train.$name.z.cns" "test.$name.z.cns" >"$name.linear"
	cn-cat --skip 4000 -n 2000 "$name.pairs.cns" |
		cn-eval negatives --bank train.cns -m "first.$2.safetensors" >"$name.negatives"
	rm "train.$name.z.cns" "test.$name.z.cns"
}
export -f first choose second

echo 'training three first encoders, then each further with four choices of negatives (two to three minutes) ...' >&2
printf '%s\n' 0 1 2 | xargs -P "$(getconf _NPROCESSORS_ONLN)" -I{} bash -eu -o pipefail -c 'first {}'
for seed in 0 1 2; do printf "%s $seed\n" hard generated mixed random; done |
	xargs -P "$(getconf _NPROCESSORS_ONLN)" -L 1 bash -eu -o pipefail -c 'second "$@"' second

# Mean over the seeds of a value some program has written: mean FILES-OF VALUE
mean() {
	cat "$1".[012]."$2" | awk -F '\t' -v name="$3" '$1 == name { sum += $2; n++ } END { printf n ? "%.3f" : "-", n ? sum / n : 0 }'
}

# Nearest neighbours against those of random negatives with the same seed: the least and the greatest difference.
gain() {
	for seed in 0 1 2; do
		paste "random.$seed.knn" "$1.$seed.knn" | awk '$1 == "accuracy" { printf "%+.3f\n", $4 - $2 }'
	done | sort -g | awk 'NR == 1 { least = $1 } END { print least ".." $1 }'
}

printf '%-10s %7s %15s %7s %9s %10s %10s %8s\n' negatives k-NN 'over random' linear hardness false-neg. diversity seconds
for choice in random hard generated mixed; do
	printf '%-10s %7s %15s %7s %9s %10s %10s %8.1f\n' $choice "$(mean $choice knn accuracy)" "$(gain $choice)" \
		"$(mean $choice linear accuracy)" "$(mean $choice negatives hardness)" "$(mean $choice negatives false_negatives)" \
		"$(mean $choice negatives diversity)" "$(cat $choice.[012].seconds | awk '{ sum += $1 } END { print sum / NR }')"
done | tee table.txt

# Anchors, positives and hard negatives side by side.
cn-cat -n 8 hard.0.pairs.cns | cn-export png --bank train.cns -o sheet.png
rm ./*.pairs.cns
echo "pictures of anchors, positives and hard negatives: $PWD/sheet.png" >&2
