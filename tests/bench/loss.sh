#!/bin/bash
# loss.sh - infonce and its gradient by tiles beside the same with the whole matrix in memory, and the memory of a huge batch.
# CN_BENCH_DENSE rows (8192) for the comparison, CN_BENCH_ROWS (65536) for the memory.
. "$(dirname "$0")/measure.bash"
make -s benches
rows=${CN_BENCH_DENSE:-8192} huge=${CN_BENCH_ROWS:-65536} bench=${BUILD:-build}/tests/bench/bench_loss
for _ in $(seq "$rounds"); do
	"$bench" tiled "$rows" "$(nproc)" | tee "$work/tiled" | awk -v n="$rows" '{ print n / $1 }' >>"$work/ours"
	"$bench" dense "$rows" "$(nproc)" | tee "$work/dense" | awk -v n="$rows" '{ print n / $1 }' >>"$work/theirs"
done
compare "infonce at a batch of $rows" "$work/ours" "$work/theirs" rows/s 'whole matrix'
paste "$work/tiled" "$work/dense" | awk '{ printf "memory %s and %s MB; loss %s and %s, gradient as long as %s and %s\n", $2, $7, $3, $8, $4, $9 }'
"$bench" tiled "$huge" "$(nproc)" | awk -v n="$huge" '{ printf "infonce at a batch of %d\t%.1f s\t%s MB\n", n, $1, $2 }'
