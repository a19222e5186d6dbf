# The format: the programs, an independent reader, zstd and file agree on every vector.
load ../helper

vectors=$BATS_TEST_DIRNAME/../../formats/vectors
export PYTHONDONTWRITEBYTECODE=1

# With numpy, which the independent reader needs.
python_or_skip() {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
}

# What cns.py says of all of one kind goes to the file "said": "== FILE", rows, "-- STATUS SENTENCE" for each.
ask_python() {
	/usr/bin/python3 "$CN_ROOT/formats/cns.py" "$vectors/$1"/*.cns >said
	[ "$(grep -c '^== ' said)" -eq "$(find "$vectors/$1" -name '*.cns' | wc -l)" ]
}

@test "vectors: valid ones read as their text views" {
	for file in "$vectors"/valid/*.cns; do
		ok "cn-info --text $file"
		diff <(printf '%s\n' "$output") "${file%.cns}.txt" || { echo "$file"; return 1; }
		ok "cn-cat $file | cn-info --text -T 2"
		diff <(printf '%s\n' "$output") "${file%.cns}.txt" || { echo "$file"; return 1; }
	done
}

@test "vectors: valid ones read the same by cns.py" {
	python_or_skip
	ask_python valid
	for file in "$vectors"/valid/*.cns; do printf '== %s\n' "$file"; cat "${file%.cns}.txt"; echo '-- 0'; done | diff - said
}

@test "vectors: valid ones are zstd files, and known to file" {
	for file in "$vectors"/valid/*.cns; do
		ok "zstd -qt $file && zstd -l $file"
		[[ $(file "$file") == *'Zstandard compressed data'* ]]
		[[ $(file -m "$CN_ROOT/formats/cn.magic" "$file") == *'CNS tensor stream, version 1.0'* ]]
	done
}

@test "vectors: streams that were just written are zstd files, read the same by cns.py" {
	python_or_skip
	for file in "$CN_FIXTURES"/*.cns; do
		ok "zstd -qt $file && zstd -l $file"
		/usr/bin/python3 "$CN_ROOT/formats/cns.py" "$file" | cmp - <(cn-info --text "$file")
	done
}

@test "vectors: each fault is refused by its status and in its words, and nothing is written" {
	local status_wanted piece

	for file in "$vectors"/invalid/*.cns; do
		{ read -r status_wanted; read -r piece; } <"${file%.cns}.want"
		refuses "$status_wanted" "cn-info --text $file" "$piece"
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
		refuses "$status_wanted" "cn-cat $file -o out.cns" "$piece"
		[ -z "$(ls -A)" ] || { echo "$file left $(ls -A)"; return 1; }
	done
}

@test "vectors: each fault reaches the last program of a pipe" {
	local status_wanted piece

	for file in "$vectors"/invalid/*.cns; do
		{ read -r status_wanted; read -r piece; } <"${file%.cns}.want"
		run_line "set +o pipefail; cn-cat $file | cn-cat | cn-info"
		[ "$status" -eq 3 ] && [ "$(grep -cF -- "$piece" <<<"$stderr")" -eq 3 ] && [[ $stderr == *'cn-info: standard input: stopped by '* ]] || { tell "$file"; return 1; }
	done
}

@test "vectors: each fault has the same status by cns.py" {
	python_or_skip
	ask_python invalid
	for file in "$vectors"/invalid/*.cns; do echo "$(head -n 1 "${file%.cns}.want") $file"; done >wanted
	awk '/^== / { file = substr($0, 4) } /^-- / { print $2, file }' said | diff wanted -
}

@test "vectors: those that mkvectors.py makes are those that are kept" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy here'
	/usr/bin/python3 "$CN_ROOT/formats/mkvectors.py" made
	for file in made/*.* made/*/*; do same "$file" "$vectors/${file#made/}"; done
	[ "$(find "$vectors/invalid" -type f | wc -l)" -eq "$(find made/invalid -type f | wc -l)" ]
}

@test "vectors: the same data have the same roots at any level, filtered or not" {
	cn-import demo -n 100 --size 8 --chunk-rows 32 -o d.cns
	roots() { cn-info --json "$1" | jq -r '.data_root, .stream_root'; }
	for level in -7 1 3 19; do
		ok "cn-cat --level $level --chunk-rows 32 d.cns -o l$level.cns"
		[ "$(roots "l$level.cns")" = "$(roots l-7.cns)" ]
	done
	cn-cat --chunk-rows 32 d.cns | cn-cat --chunk-rows 32 -o pipe.cns
	[ "$(roots l-7.cns | head -n 1)" = "$(roots d.cns | head -n 1)" ]
	[ "$(roots pipe.cns | head -n 1)" = "$(roots d.cns | head -n 1)" ]
	run ! cmp -s l1.cns l19.cns
}

@test "vectors: a signature is asked for by its key, and holds for what was signed" {
	key=$vectors/test.key pub=$vectors/test.pub
	ok "cn-import demo -n 20 --size 8 -k $key -o s.cns && cn-info --verify-key $pub s.cns"
	[[ $output == *'signature right'* ]]
	ok "cn-cat --verify-key $pub s.cns | cn-info"
	[[ $output == *'signatures  0'* ]]
	refuses 4 "cn-cat s.cns | cn-info --verify-key $pub" 'is not signed with the key'
	refuses 1 "cn-info --verify-key $key s.cns" 'is not a minisign public key'
	refuses 1 "cn-cat -k $pub s.cns -o x.cns" 'is not a minisign secret key'
	[ ! -e x.cns ]
	awk 'NR == 2 { sub(/TG4$/, "TG5") } { print }' "$pub" >other.pub
	refuses 4 "cn-info --verify-key other.pub s.cns" 'is not signed with the key'
	python_or_skip
	/usr/bin/python3 "$CN_ROOT/formats/cns.py" s.cns | cmp - <(cn-info --text s.cns)
}

@test "vectors: metadata at the end are shown with the others, and do not stand in the way of the index" {
	file=$vectors/valid/0021-metadata-at-the-end.cns
	ok "cn-info $file | grep '^meta'"
	[ "$output" = $'meta        count = 6\nmeta        name = sechs → 6\nmeta        source.format = idx' ]
	ok "cn-info --json $file | jq -c .meta"
	[ "$output" = '{"count":"6","name":"sechs → 6","source.format":"idx"}' ]
	ok "cn-cat --skip 5 $file -o last.cns && cn-info --json last.cns | jq -c '[.rows, .meta]'"
	[ "$output" = '[1,{"source.format":"idx"}]' ]
	# by the index: what it passes over is not read, so that a fault there is not noticed
	cp "$file" broken.cns
	at=$(grep -abo CHNK broken.cns | head -n 1 | cut -d : -f 1)
	printf x | dd of=broken.cns bs=1 seek=$((at + 30)) conv=notrunc status=none
	run_line 'cn-cat --skip 5 broken.cns -o last.cns'
	[ "$status" -eq 0 ] || { tell broken; return 1; }
	python_or_skip
	run /usr/bin/python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); import cns
stream = cns.Stream(open(sys.argv[2], "rb")); rows = sum(len(chunk["id"]) for chunk in stream); print(rows, stream.findings)' "$CN_ROOT/formats" "$file"
	[ "$output" = "6 {'count': '6', 'name': 'sechs → 6'}" ]
}

@test "vectors: cns.py ends as the programs do when its reader goes away" {
	python_or_skip
	ok 'cn-import demo -n 4000 --size 8 -o d.cns'
	run bash -c '/usr/bin/python3 "$1" d.cns 2>words | head -n 1; echo "${PIPESTATUS[0]}"' - "$CN_ROOT/formats/cns.py"
	[ "${lines[1]}" = 141 ]
	[ ! -s words ]
}
