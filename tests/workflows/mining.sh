#!/bin/bash
# mining.sh - what each way of choosing negatives finds, and what an encoder learns from it, for pictures (CIFAR-10) and for questions
# (Quora).  The first table of each: hardness, share of false negatives and diversity of four negatives by each strategy under each
# filter.  The second: accuracies after equal further steps from the same first encoder, means and deviations over three seeds.
# Results are kept in build/mining, a file for each, and what is there is not done again.
# CN_ROWS (20000: pictures, and lines of questions) and CN_SEEDS ("0 1 2") make it smaller.
. "$(dirname "$0")/../bench/measure.bash"
data=$(beside data) || { echo "$data"; exit 0; }
rows=${CN_ROWS:-20000}
read -ra seeds <<<"${CN_SEEDS:-0 1 2}"
kept=$(mkdir -p "${BUILD:-build}/mining" && cd "${BUILD:-build}/mining" && pwd)
cd "$work" || exit

# NAME|OPTIONS of cn-mine
strategies='random|--strategy random
hard|--strategy hard
semihard|--strategy semihard
ranks 100 to 300|--strategy hard --ranks 100:300 --pick random
softmax|--strategy softmax
simans|--strategy simans
distance|--strategy distance
strata|--strategy strata
diverse|--strategy diverse
neighbours|--strategy neighbours
own cluster|--strategy random --cluster same
next cluster|--strategy random --cluster next'
filters='none|
max-share 0.95|--max-share 0.95
margin 0.1|--margin 0.1
near 0.9|--near 0.9
labels known|--label-aware'
taught='none|
random|--strategy random
hard|--strategy hard
hard, max-share 0.95|--strategy hard --max-share 0.95
hard, labels known|--strategy hard --label-aware
ranks 100 to 300|--strategy hard --ranks 100:300 --pick random
softmax|--strategy softmax
distance|--strategy distance
diverse, max-share 0.95|--strategy diverse --max-share 0.95'

# Of a set: SET_make makes SET.train.cns and more; SET_first SEED MODEL trains the first encoder; SET_pairs SEED and SET_bank SEED are the
# pairs to learn further from, by SET_train, and what negatives are chosen from; SET_judge MODEL prints what an encoder is worth.

pictures_make() {
	for split in train test; do
		cn-import image "$data/cifar10/cifar10-jpeg.tar.zst" --match "$split/*" --interleave -n "$rows" -o pictures.$split.cns
	done
}

pictures_views() {
	cn-augment --crop 0.25,1 --flip 0.5 --jitter 0.4,0.4,0.4,0.1 --grey 0.2 "$@" pictures.train.cns
}

pictures_train=(--batch 64 --temperature 0.2 --lr 1e-3)
pictures_first() {
	pictures_views -s "$1" --shuffle |
		cn-train -q -s "$1" --arch conv --head 'linear:256 relu linear:64' --batch 256 --temperature 0.2 --lr 2e-3 -o "$2"
}

pictures_pairs() {
	pictures_views -s "10$1" --shuffle -n $((rows * 3 / 10))
}

# Negatives are views, too: a sample as it is would be told from a view by that alone.
pictures_bank() {
	pictures_views -s "20$1" | cn-cat --fields id,label,x
}

pictures_judge() {
	for split in train test; do cn-embed -q -m "$1" pictures.$split.cns -o $split.z.cns; done
	for task in 'knn --k 20' linear; do
		# shellcheck disable=SC2086
		cn-eval $task --train train.z.cns test.z.cns | awk '$1 == "accuracy" { printf "%s ", $2 }'
	done
}

questions_make() {
	local more field

	/usr/bin/python3 "$root/tests/write_questions.py" "$data"/text/quora/{dev,test}.tsv "$rows" "${seeds[@]}"
	for split in train test; do cn-import npy --field x $split.npy $split.label.npy -o questions.$split.cns; done
	for part in first further; do
		for seed in "${seeds[@]}"; do
			more=()
			for field in id label epoch; do more+=("$field=$part.$seed.$field.npy"); done
			/usr/bin/python3 "$root/tests/write_pairs.py" $part.$seed.cns $part.$seed.{x,pos}.npy "${more[@]}"
		done
	done
	rm ./*.npy
}

questions_train=(--batch 64 --temperature 0.05 --lr 1e-3)
questions_first() {
	cn-train -q -s "$1" --arch "bag:$(cat words)x64" --batch 256 --temperature 0.05 --lr 2e-2 -o "$2" "first.$1.cns"
}

questions_pairs() {
	cn-cat "further.$1.cns"
}

questions_bank() {
	cn-cat questions.train.cns
}

# The place of the nearest duplicate among all other questions.
questions_judge() {
	cn-embed -q -m "$1" --normalize questions.test.cns -o test.z.cns
	for field in z label; do cn-export npy --field $field test.z.cns -o $field.npy; done
	/usr/bin/python3 -c 'import numpy as n
z, label = n.load("z.npy"), n.load("label.npy")
rank = []
for i in n.flatnonzero(n.bincount(label)[label] > 1):
    s, same = z @ z[i], label == label[i]
    same[i], s[i] = False, -9
    rank.append(1 + (s > s[same].max()).sum())
rank = n.array(rank)
print("%.4f %.4f %.4f" % ((rank <= 1).mean(), (rank <= 10).mean(), (1 / rank).mean()), end=" ")'
}

# prepare SET SEED: the first encoder, kept; pairs and a bank with vectors by it.
prepare() {
	local first=$kept/$1.first.$rows.$2.safetensors to=$1.$2

	[ ! -e "$to.bank.cns" ] || return 0
	[ -e "$1.train.cns" ] || "$1_make"
	[ -e "$first" ] || "$1_first" "$2" "$first"
	"$1_pairs" "$2" | cn-embed -q --keep --pos --layer head -m "$first" -o "$to.pairs.cns"
	"$1_bank" "$2" | cn-embed -q --keep --layer head -m "$first" -o "$to.bank.cns"
}

# mine SET SEED OPTIONS
mine() {
	cn-mine -q "${@:3}" --k 4 --emit id --bank "$1.$2.bank.cns" "$1.$2.pairs.cns"
}

# look SET FILE OPTIONS: what a way finds, into the file that keeps it.
look() {
	local options

	[ ! -e "$2" ] || return 0
	read -ra options <<<"$3"
	prepare "$1" "${seeds[0]}"
	mine "$1" "${seeds[0]}" -n 4000 "${options[@]}" | cn-eval negatives --bins 0 --bank "$1.${seeds[0]}.bank.cns" |
		awk '{ value[$1] = $2 }
			function get(name) { return name in value ? value[name] : "-" }
			END { printf "%s\t%s\t%s\t%.4f\n", get("hardness"), get("false_negatives"), get("diversity"),
				value["none"] / (value["none"] + value["negatives"]) }' >result
	mv result "$2"
}

# learn SET SEED FILE OPTIONS: what an encoder learns further, likewise; without options from the other rows of its batch alone.
learn() {
	local options bank=()
	local -n train=$1_train

	[ ! -e "$3" ] || return 0
	read -ra options <<<"$4"
	prepare "$1" "$2"
	[ -z "$4" ] || bank=(--bank "$1.$2.bank.cns")
	if [ -n "$4" ]; then mine "$1" "$2" "${options[@]}"; else cn-cat "$1.$2.pairs.cns"; fi |
		cn-train -q -s "$2" --init "$kept/$1.first.$rows.$2.safetensors" "${train[@]}" "${bank[@]}" -o m.safetensors
	"$1_judge" m.safetensors >result
	mv result "$3"
}

# begin SET SEED FILE: how good the first encoder is.
begin() {
	[ ! -e "$3" ] || return 0
	prepare "$1" "$2"
	"$1_judge" "$kept/$1.first.$rows.$2.safetensors" >result
	mv result "$3"
}

# Mean and deviation over files of each of the numbers in them.
sum_up() {
	for file; do cat "$file"; echo; done | awk -v n=$# '{ for (i = 1; i <= NF; i++) { sum[i] += $i; square[i] += $i * $i } fields = NF }
		END { for (i = 1; i <= fields; i++) {
			mean = sum[i] / n; spread = square[i] / n - mean * mean
			printf "\t%.4f +- %.4f", mean, (n > 1 && spread > 0 ? sqrt(spread * n / (n - 1)) : 0)
		} print "" }'
}

# looks SET: the first table.
looks() {
	printf '\n%s: strategy\tfilter\thardness\tfalse neg.\tdiversity\tempty\n' "$1"
	while IFS='|' read -r name strategy; do
		while IFS='|' read -r filter guard; do
			local to="$kept/$1.found.${strategy//[ \/]/_}${guard//[ \/]/_}.$rows.${seeds[0]}"

			look "$1" "$to" "$strategy $guard" </dev/null
			printf '%s\t%s\t%s\n' "$name" "$filter" "$(cat "$to")"
		done <<<"$filters"
	done <<<"$strategies"
}

# lessons SET HEADINGS: the second.
lessons() {
	local first=$kept/$1.first.$rows to

	printf '\n%s: further negatives\t%s\n' "$1" "$2"
	for seed in "${seeds[@]}"; do begin "$1" "$seed" "$first.$seed" </dev/null; done
	printf '(first encoder)%s\n' "$(sum_up "${seeds[@]/#/$first.}")"
	while IFS='|' read -r name options; do
		to="$kept/$1.taught.${options//[ \/]/_}.$rows"
		for seed in "${seeds[@]}"; do learn "$1" "$seed" "$to.$seed" "$options" </dev/null; done
		printf '%s%s\n' "$name" "$(sum_up "${seeds[@]/#/$to.}")"
	done <<<"$taught"
}

looks pictures
lessons pictures $'k-NN\tlinear'
/usr/bin/python3 -c 'import numpy' 2>/dev/null || { echo 'questions: skipped: no numpy here'; exit 0; }
looks questions
lessons questions $'recall@1\trecall@10\tMRR'
