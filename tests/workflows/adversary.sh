#!/bin/bash
# adversary.sh - do negatives that are made help?  On a drawn set of 100 fine classes in 10 coarse ones, CIFAR-10 and Fashion-MNIST an
# encoder learns from the other rows of its batch; then it learns on, at equal steps and from the same pairs, with each choice of
# negatives.  One table for each set: accuracies of five seeds, what in-batch negatives reach in the same time, and what the negatives
# are like.  Results are kept in build/adversary, a file for each training, and what is there is not done again.
# CN_SETS ("demo cifar10 fashion"), CN_SEEDS ("0 1 2 3 4"), CN_CHOICES and CN_SCALE (1; parts of the rows) make it smaller;
# CN_SETTINGS ("32,0.2 256,0.5", batch and temperature) says what else to try: a screen with CN_SEEDS=0.
. "$(dirname "$0")/../bench/measure.bash"
read -ra sets <<<"${CN_SETS:-demo cifar10 fashion}"
read -ra seeds <<<"${CN_SEEDS:-0 1 2 3 4}"
all='in-batch in-batch:1.5 in-batch:2 in-batch:3 random hcl hard hard-guarded assembled assembled-guarded mix mix-guarded
	adversary adversary-guarded gan gan-guarded gan-and-mined'
read -rd "" -a choices <<<"${CN_CHOICES:-$all}" || :
kept=$(mkdir -p "${BUILD:-build}/adversary" && cd "${BUILD:-build}/adversary" && pwd)
export kept CN_THREADS=1 scale=${CN_SCALE:-1}
cd "$work" || exit

# Batch and temperature of a set: of the drawn one as in demo.sh; small batches of the others, as large ones meet near negatives anyway.
settings() {
	case $1 in
	demo) echo 16,0.1 ;;
	cifar10) echo 32,0.2 ;;
	fashion) echo 32,0.2 ;;
	esac
}

# Rows to learn from, epochs of the first encoder and behind it, and how to augment and build.
describe() {
	case $1 in
	demo) rows=8000 before=3 behind=2 views=() widths='16 32/2 64/2 128/2' ;;
	cifar10) rows=10000 before=2 behind=2 views=(--crop '0.25,1' --flip 0.5 --jitter '0.4,0.4,0.4,0.1' --grey 0.2) widths='32 64/2 128/2 256/2' ;;
	fashion) rows=10000 before=2 behind=2 views=(--crop '0.3,1' --flip 0.5) widths='16 32/2 64/2 128/2' ;;
	esac
	rows=$(awk -v n="$rows" -v scale="$scale" 'BEGIN { print int(n * scale) }')
	net=(--arch "conv:${widths// / conv:} gap" --head 'linear:128 relu linear:64')
}

import() {
	local rows before behind views widths net

	describe "$1"
	case $1 in
	demo)
		cn-import demo --pairs --classes 100 --coarse 10 --size 24 -n "$rows" -o demo.train.cns
		cn-import demo --pairs --classes 100 --coarse 10 --size 24 -n $((rows / 2)) --split test -o demo.test.cns ;;
	cifar10)
		for split in train test; do
			cn-import image "$data/cifar10/cifar10-jpeg.tar.zst" --match "$split/*" --interleave -n "$rows" -o "cifar10.$split.cns"
		done ;;
	fashion)
		for split in train t10k; do
			cn-import idx "$data/fashion-mnist/$split-images-idx3-ubyte.gz" "$data/fashion-mnist/$split-labels-idx1-ubyte.gz" \
				-n "$rows" -o "fashion.${split/t10k/test}.cns"
		done ;;
	esac
}

# The first encoder of a set, setting and seed.
begin() {
	local set=$1 batch=${2%,*} temperature=${2#*,} seed=$3 model="$kept/first.$1.$2.$scale.$3.safetensors"
	local rows before behind views widths net

	[ ! -e "$model" ] || return 0
	describe "$set"
	cn-augment --epochs "$before" --shuffle -s "$seed" "${views[@]}" "$set.train.cns" |
		cn-train -q -s "$seed" "${net[@]}" --batch "$batch" --temperature "$temperature" --lr 6e-4 -o "$model"
}

# choose CHOICE BANK MODEL BATCH: pairs with the chosen negatives, out of pairs.
choose() {
	local bank=$2 model=$3 hard=(--strategy hard --emit id)

	case $1 in
	in-batch* | hcl) cat ;;
	random) cn-mine -q --strategy random --k 4 --emit id --bank "$bank" ;;
	hard) cn-mine -q "${hard[@]}" --k 4 --bank "$bank" -m "$model" ;;
	hard-guarded) cn-mine -q "${hard[@]}" --k 4 --max-share 0.95 --bank "$bank" -m "$model" ;;
	assembled) cn-mine -q --assemble "$4" --mix 'hard:0.5 random:0.5' -m "$model" ;;
	assembled-guarded) cn-mine -q --assemble "$4" --mix 'hard:0.5 random:0.5' --max-score 0.95 -m "$model" ;;
	gan-and-mined) cn-mine -q "${hard[@]}" --k 2 --max-share 0.95 --bank "$bank" -m "$model" | cn-gen -q --method gan --k 2 -m "$model" ;;
	*-guarded) cn-gen -q --method "${1%-guarded}" --k 4 -m "$model" ;;
	*) cn-gen -q --method "$1" --k 4 --guard -2 -m "$model" ;;
	esac
}

# A cell: k-NN and linear accuracy, seconds, hardness, false negatives, diversity into the file that keeps them.
cell() {
	local set=$1 setting=$2 seed=$3 choice=$4 to="$kept/$1.$2.$scale.$3.$4" start split
	local batch=${setting%,*} temperature=${setting#*,} model="$kept/first.$1.$2.$scale.$3.safetensors" more=() loss=infonce times=1
	local rows before behind views widths net

	[ ! -e "$to" ] || return 0
	describe "$set"
	case $choice in
	in-batch:*) times=${choice#*:} ;;
	hcl) loss=hcl:beta=1,prior=0.01 ;;
	esac
	case $choice in random | hard* | gan-and-mined) more=(--bank "$set.train.cns") ;; esac
	mkdir "$to.d"
	start=$EPOCHREALTIME
	cn-augment --epochs $((behind * 4)) --shuffle -s "10$seed" "${views[@]}" \
		-n "$(awk -v n="$((rows * behind))" -v times="$times" 'BEGIN { print int(n * times) }')" "$set.train.cns" |
		choose "$choice" "$set.train.cns" "$model" "$batch" | tee "$to.d/pairs.cns" |
		cn-train -q -s "$seed" --init "$model" "${more[@]}" --loss "$loss" --batch "$batch" --temperature "$temperature" --lr 6e-4 \
			-o "$to.d/m.safetensors"
	awk -v start="$start" -v end="$EPOCHREALTIME" 'BEGIN { print end - start }' >"$to.d/seconds"
	for split in train test; do cn-embed -q -m "$to.d/m.safetensors" "$set.$split.cns" -o "$to.d/$split.cns"; done
	{
		cn-eval knn --k 10 --train "$to.d/train.cns" "$to.d/test.cns" | awk '$1 == "accuracy" { print $2 }'
		cn-eval linear --train "$to.d/train.cns" "$to.d/test.cns" | awk '$1 == "accuracy" { print $2 }'
		cat "$to.d/seconds"
		case $choice in in-batch* | hcl | assembled*) ;; *)
			cn-cat --skip "$rows" -n 2000 "$to.d/pairs.cns" | cn-eval negatives --bank "$set.train.cns" -m "$model" |
				awk '$1 ~ /^(hardness|false_negatives|diversity)$/ { print $1, $2 }' ;;
		esac
	} | paste -s -d ' ' >"$to.d/result"
	mv "$to.d/result" "$to"
	rm -r "$to.d"
}
export -f describe begin choose cell

# What is kept of a set and setting, a line for each choice.
tell() {
	for choice in "${choices[@]}"; do
		for seed in "${seeds[@]}"; do echo "$choice $seed $(cat "$kept/$1.$2.$scale.$seed.$choice")"; done
	done | awk -v OFS='\t' '
		function mean(what, c,  i) { sum = 0; for (i = 1; i <= n[c]; i++) sum += what[c, i]; return sum / n[c] }
		function spread(what, c,  i, m, s) { m = mean(what, c); s = 0; for (i = 1; i <= n[c]; i++) s += (what[c, i] - m) ^ 2
			return n[c] > 1 ? sqrt(s / (n[c] - 1)) : 0 }
		function both(what, c) { return sprintf("%.4f ± %.4f", mean(what, c), spread(what, c)) }
		function found(what, c) { return (c, 1) in what ? sprintf("%.3f", mean(what, c)) : "-" }
		# what the in-batch negatives reach in so many seconds, between those measured
		function in_time(t,  i, from, to, share) {
			for (i = 2; i < batches && time[i] < t; i++) ;
			share = batches < 2 ? 0 : (t - time[i - 1]) / (time[i] - time[i - 1])
			if (batches < 2 || share < 0) return reached[1]
			return share > 1 ? reached[batches] : reached[i - 1] + share * (reached[i] - reached[i - 1])
		}
		{
			if (!($1 in n)) order[++kinds] = $1
			i = ++n[$1]; knn[$1, i] = $3; linear[$1, i] = $4; seconds[$1, i] = $5
			for (f = 6; f < NF; f += 2) {
				if ($f == "hardness") hardness[$1, i] = $(f + 1)
				if ($f == "false_negatives") false_negatives[$1, i] = $(f + 1)
				if ($f == "diversity") diversity[$1, i] = $(f + 1)
			}
			if ($1 == "in-batch") base[i] = $3
		}
		END {
			for (k = 1; k <= kinds; k++) if (order[k] ~ /^in-batch/) {
				time[++batches] = mean(seconds, order[k])
				reached[batches] = mean(knn, order[k])
			}
			print "negatives", "k-NN", "over in-batch", "linear", "seconds", "in-batch in as long", "hardness", "false-neg.", "diversity"
			for (k = 1; k <= kinds; k++) {
				c = order[k]; least = 9; most = -9
				for (i = 1; i <= n[c]; i++) { d = knn[c, i] - base[i]; if (d < least) least = d; if (d > most) most = d }
				print c, both(knn, c), sprintf("%+.4f..%+.4f", least, most), both(linear, c), sprintf("%.1f", mean(seconds, c)),
					sprintf("%.4f", in_time(mean(seconds, c))), found(hardness, c), found(false_negatives, c), found(diversity, c)
			}
		}'
}

for set in "${sets[@]}"; do
	[ "$set" = demo ] || data=$(beside data) || { echo "$set: $data"; continue; }
	import "$set"
	read -ra tried <<<"${CN_SETTINGS:-$(settings "$set")}"
	for setting in "${tried[@]}"; do
		rm -rf "$kept/$set.$setting".*.d
		printf '%s\n' "${seeds[@]}" | xargs -P "$(nproc)" -I{} bash -eu -o pipefail -c "begin $set $setting {}"
		for seed in "${seeds[@]}"; do printf "$set $setting $seed %s\n" "${choices[@]}"; done |
			xargs -P "$(nproc)" -L 1 bash -eu -o pipefail -c 'cell "$@"' cell
		printf '\n%s, batch %s, temperature %s\n' "$set" "${setting%,*}" "${setting#*,}"
		tell "$set" "$setting"
	done
done
