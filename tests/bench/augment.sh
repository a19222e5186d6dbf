#!/bin/bash
# augment.sh - views per second of cn-augment beside torchvision's images per second, one core each, the same recipe.
# usage: augment.sh FOLDER, which holds torchvision_augment.py
set -eu -o pipefail
peers=${1:?the folder of torchvision_augment.py}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Views per second of SIDE ROWS EPOCHS, writing included, reading and starting too.
views() {
	cn-import demo --size "$1" -n "$2" -o "$work/d.cns"
	local start=$EPOCHREALTIME
	cn-augment -T1 --epochs "$3" --shuffle --crop 0.2,1 --flip 0.5 --jitter 0.4,0.4,0.4,0.1 --grey 0.2 "$work/d.cns" | cat >/dev/null
	awk -v start="$start" -v end="$EPOCHREALTIME" -v n=$((2 * $2 * $3)) 'BEGIN { printf "%.0f\n", n / (end - start) }'
}

/usr/bin/python3 "$peers/torchvision_augment.py" >"$work/peer"
for side in 32 224; do
	[ $side = 32 ] && ours=$(views 32 4000 5) || ours=$(views 224 400 2)
	theirs=$(awk -v side="${side}x$side" '$1 == side { print $2 }' "$work/peer")
	printf '%dx%d\tcn-augment %d views/s\ttorchvision %d images/s\tratio %.1f\n' $side $side "$ours" "$theirs" \
		"$(awk -v a="$ours" -v b="$theirs" 'BEGIN { print a / b }')"
done
