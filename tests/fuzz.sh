#!/bin/bash
# fuzz.sh - every fuzz driver over files of its kind: each as it is and under mutations, without a crash or a leak.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=$(cd "${BUILD:-build}" && pwd) || exit 1
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:allocator_may_return_null=1} PATH="$BUILD/bin:$PATH"
passed=0 failed=0
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT

# What the outside formats look like, made by the programs.
make_seeds() {
	mkdir "$seeds/pictures"
	cn-import demo -n 3 --size 9 --pairs -o "$seeds/d.cns"
	cn-export png --zoom 1 "$seeds/d.cns" -o "$seeds/pictures/sheet.png"
	cn-export npy "$seeds/d.cns" -o "$seeds/pictures/x.npy"
	cn-export npy --field id "$seeds/d.cns" -o "$seeds/pictures/id.npy"
	printf 'P6\n4 2\n255\n%024d' 7 >"$seeds/pictures/p.ppm"
	printf 'P2\n# grey\n3 2\n9\n1 2 3 4 5 6\n' >"$seeds/pictures/p.pgm"
	printf '\0\0\x08\3\0\0\0\2\0\0\0\2\0\0\0\3abcdefghijkl' >"$seeds/pictures/v.idx"
	tar -cf "$seeds/pictures/some.tar" -C "$seeds/pictures" p.ppm p.pgm
	gzip -k "$seeds/pictures/v.idx"
}

run() {
	local driver=$1 words

	shift
	if words=$(timeout 600 "$BUILD/tests/fuzz/$driver" "$@" 2>&1); then
		passed=$((passed + 1))
		echo "$driver: $# files"
	else
		failed=$((failed + 1))
		printf 'not ok - %s\n%s\n' "$driver" "$words" | head -n 60
	fi
}

make_seeds
run fuzz_reader formats/vectors/*valid/*.cns
run fuzz_model formats/vectors/model/*.safetensors
run fuzz_import "$seeds"/pictures/*
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
