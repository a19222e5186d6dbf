# helper - the words of the command tests.  Run them with tests/run.sh [FILE.bats ...].
bats_require_minimum_version 1.5.0
: "${CN_FIXTURES:?run tests with tests/run.sh, which makes the fixtures}"
CN_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CN_ROOT

# Each test works in its own empty folder (bats keeps files of its own in BATS_TEST_TMPDIR).
setup() {
	mkdir "$BATS_TEST_TMPDIR/work" && cd "$BATS_TEST_TMPDIR/work" || return
}

# Runs one line of shell as a user would, with a failing stage anywhere failing the line.
run_line() {
	run --separate-stderr timeout -k 5 "${CN_TEST_TIMEOUT:-240}" bash -o pipefail -c "$1"
}

tell() {
	printf 'command: %s\nstatus:  %s\nstdout:  %s\nstderr:  %s\n' "$1" "$status" "${output:0:2000}" "${stderr:0:2000}"
}

# ok 'a | b': status 0 and not a word on standard error; standard output is in $output.
ok() {
	run_line "$1"
	[ "$status" -eq 0 ] && [ -z "$stderr" ] || { tell "$1"; return 1; }
}

# says 'a | b' 'part': status 0, and standard error has this part.
says() {
	run_line "$1"
	[ "$status" -eq 0 ] && [[ $stderr == *"$2"* ]] || { tell "$1"; echo "wanted:  status 0 and '$2'"; return 1; }
}

# refuses STATUS 'a | b' 'part': this status, and standard error has this part.
refuses() {
	run_line "$2"
	[ "$status" -eq "$1" ] && [[ $stderr == *"$3"* ]] || { tell "$2"; echo "wanted:  status $1 and '$3'"; return 1; }
}

# layers: the vectors of demo.cns by trunk and by head, those of the head as streams had them that do not say so, and z of one
# with pos_z of the other; each of 16 numbers.
layers() {
	local m=$CN_FIXTURES/model.safetensors d=$CN_FIXTURES/demo.cns

	cn-embed -q --keep --pos -m "$m" "$d" -o trunk.cns && cn-embed -q --keep --pos --layer head -m "$m" "$d" -o head.cns &&
		cn-cat --rename z=v --rename pos_z=w head.cns | cn-cat --rename v=z --rename w=pos_z -o unknown.cns &&
		cn-embed -q --keep --layer head -m "$m" trunk.cns -o mixed.cns
}

# notes KEY: reads lines COMMANDS@WORDS; of the stream that the commands write, the metadata whose keys are like KEY are those words.
notes() {
	local line words

	while IFS=@ read -r line words; do
		run bash -c "$line | cn-info | sed -n 's/^meta *\\($1 = [^ ]*\\)\$/\\1/p' | paste -s -d ,"
		[ "$output" = "$words" ] || { echo "$line: $output"; return 1; }
	done
}

# same A B: equal bytes.
same() {
	cmp "$1" "$2"
}

# data_or_skip NAME: D is the folder of outside data that holds NAME; the test is skipped where there is none.
data_or_skip() {
	local folder

	for folder in "${CN_DATA:-}" "$CN_ROOT/../shared/data" "$CN_ROOT/../../shared/data"; do
		if [ -n "$folder" ] && [ -e "$folder/$1" ]; then
			D=$(cd "$folder" && pwd)
			export D
			return 0
		fi
	done
	skip "no data set $1 here (set CN_DATA)"
}
