#!/bin/bash
# improvement.sh - a game of generator and encoder, watched: on a drawn set of 100 fine classes the two play in a live loop, once
# with all that keeps their balance, and once without each of these.  For each quarter of the rows: how similar what is made is to
# its anchor and to the positive, how different two draws for one row are, how often the discriminator is right, and what the guard
# rejects; for the last rows, judged by the weights they were made with: how many of them have the anchor's own class nearby, and
# how much of the true samples the made ones cover.  About a minute; CN_EPOCHS (4) makes it longer.
. "$(dirname "$0")/../bench/measure.bash"
epochs=${CN_EPOCHS:-4} rows=4000 every=1000
cd "$work" || exit

# NAME|OPTIONS of cn-gen
games='all|
no diversity|--diversity 0
no margin|--margin 0
no set point|--target 1
no bound of the latent|--latent-norm 0
no discriminator|--realism 0
no guard|--guard -2
no guard, margin, set point|--guard -2 --margin 0 --target 1
mode seeking|--mode-seeking 0.5'

cn-import demo --pairs --classes 100 --coarse 10 --size 16 -n $rows -o train.cns
cn-augment --epochs "$epochs" --shuffle train.cns -o pairs.cns

# play OPTIONS: makes log, rows.cns, and the weights that were published.
play() {
	rm -f w w.*
	cn-gen -q --follow w --every $every --round 250 --warmup 1000 --k 4 "$@" --log log pairs.cns | tee rows.cns |
		cn-train -q --publish w --every $every --arch 'conv:16 conv:32/2 conv:64/2 gap' --head 'linear:64 relu linear:32' \
			--batch 25 --temperature 0.1 --lr 1e-3 -o model.safetensors
}

# Means over each quarter of the log.
quarters() {
	awk -v name="$1" -v all=$((rows * epochs)) '
		NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		{ q = int(($at["rows"] - 1) * 4 / all); n[q]++; for (i = 1; i <= NF; i++) sum[q, i] += $i }
		function mean(q, what) { return sum[q, at[what]] / n[q] }
		END { for (q = 0; q < 4; q++) if (n[q]) printf "%s\t%d/4\t%.3f\t%.3f\t%.3f\t%.3f\t%.2f\t%.2f\t%.3f\t%.3f\n", name, q + 1, mean(q, "similarity"),
			mean(q, "pos_similarity"), mean(q, "pos_made"), mean(q, "diversity"), mean(q, "d_real"), mean(q, "d_made"),
			mean(q, "rejected"), mean(q, "violating") }' log
}

# The last rows, by the weights they were made with.
judge() {
	local last=$((rows * epochs / every - 1))

	cn-cat --skip $((last * every)) rows.cns -o last.cns
	{
		cn-eval negatives --bins 0 --bank train.cns -m w.$last last.cns
		cn-eval generator --bank train.cns -m w.$last last.cns
	} | awk -v name="$1" '{ value[$1] = $2 }
		END { printf "%s\tlast\tfalse negatives %s\tdiversity %s\tprecision %s\tcoverage %s\n", name, value["false_negatives"],
			value["diversity"], value["precision"], value["coverage"] }'
}

printf 'game\tpart\tsimilarity\tof the positive\tpos_made\tdiversity\td_real\td_made\trejected\tviolating\n'
while IFS='|' read -r name options; do
	read -ra options <<<"$options"
	play "${options[@]}" </dev/null
	quarters "$name"
	judge "$name"
done <<<"$games"
