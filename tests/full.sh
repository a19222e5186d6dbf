#!/bin/bash
# full.sh - what make full does after make check: the other compiler, sanitizers, fuzzing, slow proofs, workflows.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
failed=0

step() {
	echo "== $1"
	shift
	"$@" || { echo "failed: $*"; failed=$((failed + 1)); }
}

# The tests are tested: a wrong claim must fail the run.
wrong_claim_fails() {
	local folder status=0

	folder=$(mktemp -d)
	printf '@test "wrong" { false; }\n' >"$folder/wrong.bats"
	tests/run.sh "$folder/wrong.bats" >/dev/null && status=1
	rm -rf "$folder"
	return $status
}

step 'a wrong claim fails the run' wrong_claim_fails
if command -v clang >/dev/null; then
	step 'clang' make -s --no-print-directory BUILD="$BUILD/clang" CC=clang all units
fi
step 'sanitizers' make -s --no-print-directory asan
step 'sanitized tests' env BUILD="$BUILD/asan" CN_NO_STRUCTURE=1 CN_QUICK=1 ASAN_OPTIONS=detect_leaks=1 tests/run.sh
step 'threads' make -s --no-print-directory BUILD="$BUILD/tsan" CFLAGS='-O1 -g' SANITIZE=-fsanitize=thread units
for unit in base reader writer; do
	[ ! -x "$BUILD/tsan/tests/unit/test_$unit" ] || step "threads: $unit" "$BUILD/tsan/tests/unit/test_$unit"
done
step 'fuzzing' env BUILD="$BUILD/asan" tests/fuzz.sh
for workflow in tests/workflows/*.sh; do
	case $workflow in
	*/demo.sh | */objectives.sh) ;;	# commands of their own
	*/adversary.sh) step "$workflow, small" env CN_SETS=demo CN_SEEDS=0 CN_SCALE=0.2 PATH="$(cd "$BUILD/bin" && pwd):$PATH" "$workflow" ;;
	*/bare-debian.sh) ;;		# wants root and a network
	*) step "$workflow" env PATH="$(cd "$BUILD/bin" && pwd):$PATH" "$workflow" ;;
	esac
done
echo "make full: $failed steps failed"
[ "$failed" -eq 0 ]
