#!/bin/bash
# lag.sh - seconds that the live loop takes with a lag of 1, where both sides work at once, beside a lag of 0, where they take turns;
# and each side alone.  8,000 pairs of 32 x 32, weights every 1,600, a generator that looks at 1,600 rows together, a thread for each.
. "$(dirname "$0")/measure.bash"
cd "$work" || exit
cn-import demo --pairs --classes 100 --coarse 10 --size 32 -n 8000 -o pairs.cns
mkfifo weights
gen='cn-gen -q --method gan --every 1600 --round 1600 -T1'
train="cn-train -q --every 1600 -T1 --arch 'conv:32 conv:64/2 conv:128/2 conv:256/2 gap' --head 'linear:128 relu linear:64' --batch 32"
bash -o pipefail -c "$gen --follow weights pairs.cns | tee rows.cns | $train --publish weights --publish kept -o model.safetensors"
for _ in $(seq "$rounds"); do
	for lag in 0 1; do
		seconds "$gen --lag $lag --follow weights pairs.cns | $train --publish weights -o model.safetensors" >>"$lag"
	done
	seconds "$gen --follow kept pairs.cns" >>gen.alone
	rm -f again*
	seconds "$train --publish again rows.cns -o model.safetensors" >>train.alone
done
compare 'live loop, --lag 1' 1 0 s '--lag 0'
awk -v gen="$(median gen.alone)" -v train="$(median train.alone)" 'BEGIN { printf "alone cn-gen takes %.4g s, cn-train %.4g s\n", gen, train }'
