#!/bin/bash
# fuzz.sh - every fuzz driver over all vectors: each file as it is and under seeded mutations, without a crash.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1}
passed=0 failed=0
mapfile -t vectors < <(find formats/vectors -type f 2>/dev/null | sort)

for source in tests/fuzz/fuzz_*.c; do
	[ -e "$source" ] && [ ${#vectors[@]} -gt 0 ] || continue
	driver=$(basename "$source" .c)
	if words=$(timeout 300 "$BUILD/tests/fuzz/$driver" "${vectors[@]}" 2>&1); then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'not ok - %s\n%s\n' "$driver" "$words" | tail -n 40
	fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
