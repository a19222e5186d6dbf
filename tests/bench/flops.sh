#!/bin/bash
# flops.sh - GFLOP/s that cn-train reaches in its network beside the peak of sgemm on the same machine, and where the rest of the time goes.
# CN_BENCH_ROWS pairs of 32x32 (5120) in batches of 256 through CN_BENCH_ARCH (conv); the operations counted are those of the products of
# convolutions and linear layers, forward and back.  The profile needs perf.
. "$(dirname "$0")/measure.bash"
make -s benches
rows=${CN_BENCH_ROWS:-5120} arch=${CN_BENCH_ARCH:-conv} threads=$(nproc) bench=$PWD/${BUILD:-build}/tests/bench/bench_gemm
head='linear:256 relu linear:64'
train="cn-train -q -T$threads --arch '$arch' --head '$head' --batch 256 -o m.safetensors p.cns"

# Floating-point operations of one view, both ways: two for each weight at each place it is used; and as many for its gradient,
# and for that of the input, which the first layer is not asked for.  Words of conv, res, linear and gap, on 32x32x3.
operations() {
	awk -v words="$1" 'BEGIN {
		side = 32; depth = 3
		n = split(words, word, " ")
		for (i = 1; i <= n; i++) {
			split(word[i], part, /[:\/x]/)
			kind = part[1]; out = part[2]; taps = 9; stride = 1
			if (match(word[i], /\/[0-9]+/)) stride = substr(word[i], RSTART + 1, RLENGTH - 1)
			if (match(word[i], /x[0-9]+/)) taps = substr(word[i], RSTART + 1, RLENGTH - 1) ^ 2
			if (kind == "gap") { side = 1; continue }
			if (kind == "relu") continue
			if (kind == "linear") { made = depth * side * side * out; side = 1 }
			else {
				places = int((side - 1) / stride + 1) ^ 2
				made = places * taps * depth * out
				if (kind == "res") made += places * out * (taps * out + (stride > 1 || depth != out ? depth : 0))
				side = sqrt(places)
			}
			total += 2 * made * (i == 1 ? 2 : 3)
			depth = out
		}
		print total
	}'
}

# What a sample of the profile was spent on, by library and function.
sort_out() {
	awk '{
		share = $1 + 0; object = $2; name = $4; sub(/\..*/, "", name)
		if (object ~ /openblas/) what = name ~ /kernel/ ? "sgemm: multiplying" : "sgemm: packing its operands"
		else if (object ~ /libc/ && name ~ /memset/) what = "clearing (memory at the start, edges of columns)"
		else if (object ~ /libc/ && name ~ /mem(cpy|move)/) what = "copying (columns)"
		else if (object ~ /libc/) what = "the C library"
		else if (object ~ /zstd|sodium/) what = "reading: zstd, digests"
		else if (object ~ /kernel/) what = "the system"
		else if (name ~ /^(spread|gather|taps_inside|convolve_group|back_group|back_part|pack|unpack)$/) what = "convolution: columns and back"
		else if (name ~ /batchnorm|^(sum_sample|sum_slopes|cut|cut_relu|norm|join|part|add|cn_layer_add|follow_batch)$/) what = "norms, ReLU, sums of blocks"
		else if (name ~ /piece|part_norm|cn_kernel_squares/) what = "optimizer"
		else if (name ~ /judge|infonce|softmax|cn_kernel|measure|through|unit/) what = "loss"
		else what = "other: " name
		sum[what] += share
	}
	END { for (what in sum) if (sum[what] >= 0.5) printf "  %5.1f %%  %s\n", sum[what], what }' | sort -rn
}

cd "$work" || exit
cn-import demo --pairs --size 32 -n "$rows" -o p.cns
eval "$train --steps 1 --schedule constant"
words="$(cn-info --json m.safetensors | jq -r '.meta["cn.arch"]') $head"
each=$(operations "$words")
for _ in $(seq "$rounds"); do
	"$bench" "$threads" >peak
	awk '{ print $1 >>"theirs"; print $2 >>"theirs.busy" }' peak
	TIMEFORMAT='%R %U %S'
	{ time eval "$train" 2>&3; } 3>&2 2>took
	awk -v work="$((2 * (rows / 256 * 256))) $each" 'BEGIN { split(work, w, " ") }
		{ print w[1] * w[2] / $1 / 1e9 >>"ours"; print w[1] * w[2] / ($2 + $3) / 1e9 >>"ours.busy" }' took
done
printf '%s: %.1f MFLOP a view, both ways; BLAS kernel %s\n' "$arch" "$(awk -v each="$each" 'BEGIN { print each / 1e6 }')" "$(awk '{ print $3 }' peak)"
compare "network of cn-train, $threads threads" ours theirs GFLOP/s sgemm
compare 'the same, by processor time' ours.busy theirs.busy GFLOP/s sgemm
perf record -q -e cpu-clock:u -F 500 -o profile true 2>/dev/null || { echo 'no profile: perf does not work here'; exit 0; }
start=$EPOCHREALTIME
eval "perf record -q -e cpu-clock:u -F 500 -o profile $train"
end=$EPOCHREALTIME
perf script -i profile -F period 2>/dev/null | awk -v start="$start" -v end="$end" -v threads="$threads" \
	'{ busy += $1 } END { printf "of the time of %d threads, %.0f %% is spent in programs and libraries; of that\n", threads, 100 * busy / 1e9 / threads / (end - start) }'
perf report -i profile --stdio --no-children --percent-limit 0 --sort dso,symbol 2>/dev/null | grep '%' | sort_out
