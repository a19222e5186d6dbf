#!/bin/bash
# stream.sh - MB/s of decoded data that cn-cat reads, verifies and writes again, beside zstd -dc | zstd -1 -c of the same bytes.
# CN_BENCH_MB of each kind (1024): u8 images and f32 vectors.
. "$(dirname "$0")/measure.bash"
cd "$work" || exit
size=${CN_BENCH_MB:-1024}

# measure NAME FIELD...: NAME.cns, whose fields these are but for a little, against their bytes alone in a zstd file.
measure() {
	local name=$1 bytes

	shift
	for field; do cn-export npy --field "$field" "$name.cns"; done >"$name.raw"
	bytes=$(stat -c %s "$name.raw")
	zstd -q -1 "$name.raw" -o "$name.zst"
	rm "$name.raw"
	for _ in $(seq "$rounds"); do
		seconds "cn-cat $name.cns" | awk -v n="$bytes" '{ print n / $1 / 1e6 }' >>"$name.ours"
		seconds "zstd -qdc $name.zst | zstd -q -1 -c" | awk -v n="$bytes" '{ print n / $1 / 1e6 }' >>"$name.theirs"
	done
	compare "$name, $((bytes / 1000000)) MB stored in $(($(stat -c %s "$name.cns") / 1000000)) and $(($(stat -c %s "$name.zst") / 1000000))" \
		"$name.ours" "$name.theirs" MB/s 'zstd -dc | zstd -1 -c'
	rm "$name".*
}

cn-import demo --pairs --size 64 -n 4000 -o some.cns	# 24576 bytes a row
mapfile -t copies < <(yes some.cns | head -n $((size * 1048576 / 24576 / 4000 + 1)))
cn-cat "${copies[@]}" -o pictures.cns
measure pictures x pos

cn-train -q --arch 'conv:128/4 gap' --steps 1 --batch 64 some.cns -o m.safetensors
cn-embed -m m.safetensors some.cns | cn-cat --fields id,z --rename z=x |
	cn-augment --noise 0.1 --epochs $((size * 1048576 / 1024 / 4000 + 1)) -o vectors.cns
measure vectors x pos
