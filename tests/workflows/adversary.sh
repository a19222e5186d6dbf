#!/bin/bash
# adversary.sh - do negatives that are made help?  An encoder learns from the other rows of its batch; then it learns on, at equal
# steps and from the same pairs, with each choice of negatives.  Those that are made come from a live loop: cn-gen follows the
# encoder as it learns.  Those that are found were found by the encoder as it was at the start.  Sets: a drawn one of 100 fine
# classes in 10 coarse ones, early (where more of the same still teaches much) and late; CIFAR-10; Fashion-MNIST.  One table for
# each: accuracies of five seeds, what in-batch negatives reach in the same time of a processor, and what the last negatives are like.
# Results are kept in build/adversary, a file for each training, and what is there is not done again by the same programs and script.
# CN_SETS ("demo late cifar10 fashion"), CN_SEEDS ("0 1 2 3 4"), CN_CHOICES and CN_SCALE (1; parts of the rows) make it smaller;
# CN_SETTINGS ("32,0.2 256,0.5", batch and temperature) says what else to try: a screen with CN_SEEDS=0.
# To tell why a choice does not help, CN_CHOICES takes further ones: hard-labelled (none of the nearest is of the anchor's class),
# hard-vectors (they are used as those that are made are, as vectors through which nothing is learned), hard-vectors-labelled (both).
. "$(dirname "$0")/../bench/measure.bash"
read -ra sets <<<"${CN_SETS:-demo late cifar10 fashion}"
read -ra seeds <<<"${CN_SEEDS:-0 1 2 3 4}"
all='in-batch in-batch:1.5 in-batch:2 in-batch:3 random hcl hard hard-guarded mix mix-guarded adversary adversary-guarded
	gan gan-guarded gan-and-mined gan-and-mined-guarded gradient'
read -rd "" -a choices <<<"${CN_CHOICES:-$all}" || :
recipe=$(cat tests/workflows/adversary.sh "$(dirname "$(type -P cn-train)")"/cn-* | cksum)
kept=${BUILD:-build}/adversary/${recipe% *}
kept=$(mkdir -p "$kept" && cd "$kept" && pwd)
export kept CN_THREADS=1 scale=${CN_SCALE:-1} every=1600
cd "$work" || exit

# Batch and temperature of a set: small batches, as large ones meet near negatives anyway.
settings() {
	case $1 in
	demo | late) echo 16,0.1 ;;
	cifar10) echo 32,0.5 ;;
	fashion) echo 32,0.2 ;;
	esac
}

# Rows to learn from, epochs of the first encoder and behind it, how to augment, the share that a class has; how many vectors
# to make for each row, and how near to the anchor: where classes are many, as near as the positive may be.
describe() {
	case $1 in
	demo | late)
		rows=8000 before=4 behind=3 views=() prior=0.01 made=16 target=0.95
		[ "$1" = demo ] || before=12 ;;
	cifar10)
		rows=4000 before=3 behind=2 views=(--crop '0.25,1' --flip 0.5 --jitter '0.4,0.4,0.4,0.1' --grey 0.2)
		prior=0.1 made=4 target=0.8 ;;
	fashion)
		rows=4000 before=3 behind=2 views=(--crop '0.3,1' --flip 0.5) prior=0.1 made=4 target=0.6 ;;
	esac
	rows=$(awk -v n="$rows" -v scale="$scale" 'BEGIN { print int(n * scale) }')
	net=(--arch 'conv:16 conv:32/2 conv:64/2 conv:128/2 gap' --head 'linear:128 relu linear:64')
}

# Rows to learn from and to test with; and the bank, in which rows look as they do in training: what an encoder with batch norms is
# shown beside its batch moves their averages, and samples as they are would have them fit the test better.
import() {
	local rows before behind views prior made target net

	describe "$1"
	case $1 in
	demo | late)
		cn-import demo --pairs --classes 100 --coarse 10 --size 16 -n "$rows" -o "$1.train.cns"
		cn-import demo --pairs --classes 100 --coarse 10 --size 16 -n $((rows / 2)) --split test -o "$1.test.cns" ;;
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
	cn-augment -s 77 "${views[@]}" "$1.train.cns" -o "$1.bank.cns"
}

# The first encoder of a set, setting and seed.
begin() {
	local set=$1 batch=${2%,*} temperature=${2#*,} seed=$3 model="$kept/first.$1.$2.$scale.$3.safetensors"
	local rows before behind views prior made target net

	[ ! -e "$model" ] || return 0
	describe "$set"
	cn-augment --epochs "$before" --shuffle -s "$seed" "${views[@]}" "$set.train.cns" |
		cn-train -q -s "$seed" "${net[@]}" --batch "$batch" --temperature "$temperature" --lr 6e-4 -o "$model"
}

# choose CHOICE: pairs with the chosen negatives, out of pairs.
choose() {
	local hard=(--strategy hard --emit id --k 2 --bank "$set.bank.cns" -m "$model")
	local gen=(cn-gen -q --follow "$to.d/weights" --every "$every" --round 400 --method)

	case $1 in
	in-batch* | hcl) cat ;;
	random) cn-mine -q --strategy random --k 2 --emit id --bank "$set.bank.cns" ;;
	hard) cn-mine -q "${hard[@]}" ;;
	hard-guarded) cn-mine -q "${hard[@]}" --max-share 0.95 ;;
	hard-labelled) cn-mine -q "${hard[@]}" --label-aware ;;
	hard-vectors) cn-mine -q "${hard[@]}" --emit z | cn-cat --fields id,label,x,pos,neg_z ;;
	hard-vectors-labelled) cn-mine -q "${hard[@]}" --emit z --label-aware | cn-cat --fields id,label,x,pos,neg_z ;;
	gan-and-mined) choose hard | choose gan ;;
	gan-and-mined-guarded) choose hard-guarded | choose gan-guarded ;;
	gradient) "${gen[@]}" gradient --k 2 ;;
	*-guarded) "${gen[@]}" "${1%-guarded}" --k "$made" --target "$target" ;;
	*) "${gen[@]}" "$1" --k "$made" --target "$target" --guard -2 ;;
	esac
}

# learn TIMES OPTIONS: the encoder learns on, from so many times the rows.
learn() {
	local times=$1

	cn-augment --epochs $((behind * 4)) --shuffle -s "10$seed" "${views[@]}" \
		-n "$(awk -v n="$((rows * behind))" -v times="$times" 'BEGIN { print int(n * times) }')" "$set.train.cns" |
		choose "$choice" | tee "$to.d/pairs.cns" |
		cn-train -q -s "$seed" --init "$model" --batch "$batch" --temperature "$temperature" --lr 6e-4 -o "$to.d/m.safetensors" "${@:2}"
}

# The last whole part of the pairs, judged by the weights it was made with, or the first encoder's.
judge() {
	local last=$((rows * behind > every ? rows * behind / every - 1 : 0)) by=$model

	[ ! -e "$to.d/w.$last" ] || by="$to.d/w.$last"
	cn-cat --skip $((last * every)) -n "$every" "$to.d/pairs.cns" | cn-eval negatives --bank "$set.train.cns" -m "$by" |
		awk '$1 ~ /^(hardness|false_negatives|diversity)$/ { print $1, $2 }'
}

# A cell: k-NN and linear accuracy, seconds of a processor, hardness, false negatives, diversity into the file that keeps them.
cell() {
	local set=$1 setting=$2 seed=$3 choice=$4 to="$kept/$1.$2.$scale.$3.$4" split
	local batch=${setting%,*} temperature=${setting#*,} model="$kept/first.$1.$2.$scale.$3.safetensors" more=() times=1 TIMEFORMAT='%U %S'
	local rows before behind views prior made target net

	[ ! -e "$to" ] || return 0
	describe "$set"
	mkdir "$to.d"
	mkfifo "$to.d/weights"
	case $choice in
	in-batch:*) times=${choice#*:} ;;
	hcl) more=(--loss "hcl:beta=1,prior=$prior") ;;
	mix* | adversary* | gan* | gradient) more=(--publish "$to.d/weights" --publish "$to.d/w" --every "$every") ;;
	esac
	case $choice in random | hard | hard-guarded | hard-labelled | gan-and-mined*) more+=(--bank "$set.bank.cns") ;; esac
	{ time learn "$times" "${more[@]}" 2>&3; } 3>&2 2>"$to.d/seconds"
	for split in train test; do cn-embed -q -m "$to.d/m.safetensors" "$set.$split.cns" -o "$to.d/$split.cns"; done
	{
		cn-eval knn --k 10 --train "$to.d/train.cns" "$to.d/test.cns" | awk '$1 == "accuracy" { print $2 }'
		cn-eval linear --train "$to.d/train.cns" "$to.d/test.cns" | awk '$1 == "accuracy" { print $2 }'
		awk '{ print $1 + $2 }' "$to.d/seconds"
		case $choice in in-batch* | hcl) ;; *) judge ;; esac
	} | paste -s -d ' ' >"$to.d/result"
	mv "$to.d/result" "$to"
	rm -r "$to.d"
}
export -f describe begin choose learn judge cell

# What is kept of a set and setting, a line for each choice.
tell() {
	for choice in "${choices[@]}"; do
		for seed in "${seeds[@]}"; do echo "$choice $seed $(cat "$kept/$1.$2.$scale.$seed.$choice")"; done
	done | awk -v OFS='\t' '
		function mean(what, c,  i) { sum = 0; for (i = 1; i <= n[c]; i++) sum += what[c, i]; return sum / n[c] }
		function spread(what, c,  i, m, s) { m = mean(what, c); s = 0; for (i = 1; i <= n[c]; i++) s += (what[c, i] - m) ^ 2
			return n[c] > 1 ? sqrt(s / (n[c] - 1)) : 0 }
		function both(what, c) { return sprintf("%.4f", mean(what, c)) (n[c] > 1 ? sprintf(" ± %.4f", spread(what, c)) : "") }
		function found(what, c) { return (c, 1) in what ? sprintf("%.3f", mean(what, c)) : "-" }
		# what the in-batch negatives reach in so many seconds, between those measured
		function in_time(t,  i, from, to, share) {
			for (i = 2; i < batches && time[i] < t; i++) ;
			if (batches < 2) return "-"
			share = (t - time[i - 1]) / (time[i] - time[i - 1])
			if (share > 1) return sprintf(">%.4f", reached[batches])
			return sprintf("%.4f", share < 0 ? reached[1] : reached[i - 1] + share * (reached[i] - reached[i - 1]))
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
			known = 1 in base
			for (k = 1; k <= kinds; k++) if (order[k] ~ /^in-batch/) {
				time[++batches] = mean(seconds, order[k])
				reached[batches] = mean(knn, order[k])
			}
			print "negatives", "k-NN", "over in-batch", "of seeds", "linear", "seconds", "in-batch in as long", "hardness", "false-neg.",
				"diversity"
			for (k = 1; k <= kinds; k++) {
				c = order[k]; least = 9; most = -9; over = 0
				for (i = 1; i <= n[c]; i++) { d = knn[c, i] - base[i]; over += d; if (d < least) least = d; if (d > most) most = d }
				print c, both(knn, c), known ? sprintf("%+.4f", over / n[c]) : "-",
					(known && n[c] > 1) ? sprintf("%+.4f..%+.4f", least, most) : "-", both(linear, c),
					sprintf("%.1f", mean(seconds, c)), in_time(mean(seconds, c)), found(hardness, c), found(false_negatives, c), found(diversity, c)
			}
		}'
}

for set in "${sets[@]}"; do
	[ "$set" = demo ] || [ "$set" = late ] || data=$(beside data) || { echo "$set: $data"; continue; }
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
