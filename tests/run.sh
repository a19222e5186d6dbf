#!/bin/bash
# run.sh - runs units, structure checks, command tests and manual examples; says what failed and counts.
# With operands: only these .bats files.  The programs come from $BUILD.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$PWD
BUILD=$(mkdir -p "${BUILD:-build}" && cd "${BUILD:-build}" && pwd)
export BUILD PATH="$BUILD/bin:$PATH" CN_ROOT="$root"
unset CN_THREADS CN_LEVEL
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

# Passes on what failed (with its words) or was skipped, and counts: tally NAME COMMAND...
tally() {
	local name=$1 status p f s

	shift
	"$@" 2>&1 | tee "$work/log" | awk -v counts="$work/counts" '
		/^not ok/ { failed++; print; telling = 1; fflush(); next }
		/^ok .*# skip/ { skipped++; print; telling = 0; fflush(); next }
		/^ok/ { passed++; telling = 0; next }
		telling && !/^1\.\./ { print; fflush() }
		END { print passed + 0, failed + 0, skipped + 0 >counts }'
	status=${PIPESTATUS[0]}
	read -r p f s <"$work/counts"
	if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
		echo "not ok - $name ended with status $status"
		tail -n 20 "$work/log" | sed 's/^/# /'
		f=1
	fi
	printf '%-12s %4d passed, %d failed, %d skipped\n' "$name" "$p" "$f" "$s"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

bats_files() {
	local parallel=()

	if parallel --version 2>/dev/null | grep -q '^GNU parallel' && [ "$(getconf _NPROCESSORS_ONLN)" -gt 1 ]; then
		parallel=(--jobs 2 --no-parallelize-within-files)
	fi
	bats --tap --setup-suite-file tests/setup_suite.bash "${parallel[@]}" "$@"
}

if [ $# -gt 0 ]; then
	tally commands bats_files "$@"
else
	for unit in "$BUILD"/tests/unit/test_*; do
		[[ $unit == *.[od] ]] || tally "${unit##*/}" timeout 300 "$unit"
	done
	[ -n "${CN_NO_STRUCTURE:-}" ] || tally structure tests/structure.sh
	mapfile -t files < <(find tests -name '*.bats' | sort)
	[ ${#files[@]} -eq 0 ] || tally commands bats_files "${files[@]}"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
