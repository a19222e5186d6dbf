#!/bin/bash
# augment.sh - views per second of cn-augment beside torchvision's images per second, one core each, the same recipe.
. "$(dirname "$0")/measure.bash"
peers=$(beside peers) || { echo "$peers"; exit 0; }
/usr/bin/python3 -c 'import torchvision' 2>/dev/null || { echo 'skipped: no torchvision here'; exit 0; }
cd "$work" || exit
recipe='--shuffle --crop 0.2,1 --flip 0.5 --jitter 0.4,0.4,0.4,0.1 --grey 0.2'

# Views per second of SIDE ROWS EPOCHS, writing included, reading and starting too.
views() {
	seconds "cn-augment -T1 --epochs $3 $recipe $1.cns | cat" | awk -v n=$((2 * $2 * $3)) '{ printf "%.0f\n", n / $1 }'
}

cn-import demo --size 32 -n 4000 -o 32.cns
cn-import demo --size 224 -n 400 -o 224.cns
for _ in $(seq "$rounds"); do
	views 32 4000 5 >>ours.32
	views 224 400 2 >>ours.224
	/usr/bin/python3 "$peers/torchvision_augment.py" >peer
	for side in 32 224; do awk -v side="${side}x$side" '$1 == side { print $2 }' peer >>theirs.$side; done
done
for side in 32 224; do compare "augmentation at ${side}x$side" ours.$side theirs.$side views/s torchvision; done
