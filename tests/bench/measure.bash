# measure - the words of the benchmarks: each prints both sides of a comparison, measured one after the other, and their ratio.
# CN_BENCH_ROUNDS rounds (3), of which medians are told; data are drawn in a temporary folder.
set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
PATH=$(cd "${BUILD:-build}" && pwd)/bin:$PATH
rounds=${CN_BENCH_ROUNDS:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints the folder NAME (peers, data) that lies beside the project, or is named by CN_PEERS, CN_DATA.
beside() {
	local variable=CN_${1^^} folder

	for folder in "${!variable:-}" "$root/../shared/$1" "$root/../../shared/$1"; do
		[ -z "$folder" ] || [ ! -d "$folder" ] || { (cd "$folder" && pwd); return 0; }
	done
	echo "skipped: no folder of $1 here (set $variable)"
	return 1
}

# Seconds that a line of shell takes.
seconds() {
	local start=$EPOCHREALTIME

	bash -o pipefail -c "$1" >/dev/null
	awk -v start="$start" -v end="$EPOCHREALTIME" 'BEGIN { print end - start }'
}

# peak NAME COMMAND...: runs it, and writes the greatest memory that it had, in MB, to NAME.MB.
peak() {
	local name=$1

	shift
	/usr/bin/python3 -c 'import os, resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
with open(sys.argv[1], "w") as file:
    print(round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6), file=file)
sys.exit(status)' "$name.MB" "$@"
}
export -f peak

# The median of the numbers in a file, one a line.
median() {
	sort -g "$1" | awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2 }'
}

# compare WHAT OURS THEIRS UNIT PEER: a line with both medians and the ratio.
compare() {
	awk -v what="$1" -v a="$(median "$2")" -v b="$(median "$3")" -v unit="$4" -v peer="$5" \
		'BEGIN { printf "%s\t%.4g %s\t%s %.4g %s\tratio %.2f\n", what, a, unit, peer, b, unit, a / b }'
}
