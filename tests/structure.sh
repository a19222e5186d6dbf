#!/bin/bash
# structure.sh - what must be true of the tree itself, one TAP line per claim.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
CC=${CC:-cc}
LAYERS=${LAYERS:-$(sed -n 's/^LAYERS *:= *//p' Makefile)}
count=0 failed=0 widest=210

# claim NAME WORDS: true when there are no words against it.
claim() {
	count=$((count + 1))
	if [ -z "$2" ]; then
		echo "ok $count - $1"
	else
		failed=$((failed + 1))
		echo "not ok $count - $1"
		head -n 20 <<<"$2" | sed 's/^/# /'
	fi
}

files() {
	find . \( -name .git -o -path ./build -o -path ./formats/vectors \) -prune -o -type f "$@" -print | sort
}

mapfile -t sources < <(files \( -name '*.c' -o -name '*.h' \))
mapfile -t scripts < <(files \( -name '*.sh' -o -name '*.bats' -o -name '*.bash' \))
scripts+=(./.ci/run)

headers_alone() {
	local header flags

	flags=$(pkg-config --cflags ${PACKAGES:-} 2>/dev/null)
	for header in lib/*/*.h; do
		# shellcheck disable=SC2086 # several flags
		printf '#include "%s"\nextern int alone;\n' "${header#lib/}" |
			$CC -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Ilib -Iformats $flags -fsyntax-only -x c - 2>&1 |
			head -n 3
	done
}

# Rooms on the left of LAYERS know nothing of those on their right; rooms in one group know nothing of each other.
layers() {
	grep -Hn '#include "[a-z]*/' lib/*/*.[ch] | awk -v layers="$LAYERS" '
		BEGIN {
			groups = split(layers, group, " ")
			for (g = 1; g <= groups; g++) {
				rooms = split(group[g], name, ",")
				for (r = 1; r <= rooms; r++)
					level[name[r]] = g
			}
		}
		{
			split($0, part, "[/:\"]")
			from = part[2]; match($0, /"[a-z]*\//); to = substr($0, RSTART + 1, RLENGTH - 2)
			if (!(from in level)) print $0 ": room " from " is not in LAYERS"
			else if (!(to in level) || level[to] > level[from] || (level[to] == level[from] && to != from)) print
		}'
	grep -n '#include "\.\./\|#include "bin/\|#include "tests/' lib/*/*.[ch] bin/*.c 2>/dev/null
}

exported_names() {
	[ -e "$BUILD/libcn.a" ] || { echo "no $BUILD/libcn.a"; return; }
	nm -g --defined-only "$BUILD/libcn.a" 2>/dev/null | awk 'NF == 3 && $3 !~ /^cn_/ { print $3 }' | grep -v '^__\(asan\|odr\|ubsan\)'
}

long_functions() {
	awk 'FNR == 1 { start = 0 } /^{/ { start = FNR } /^}/ && start { if (FNR - start - 1 > 70)
		print FILENAME ":" start ": " FNR - start - 1 " lines"; start = 0 }' "${sources[@]}"
}

wide_lines() {
	local file

	for file in "${sources[@]}"; do
		expand -t 8 "$file" | awk -v file="$file" -v most="$widest" 'length > most { print file ":" NR ": " length " columns" }'
	done
}

banned_last() {
	local file

	for file in "${sources[@]}"; do
		[[ $file == *.c ]] || continue
		[ "$(grep '^#include.*\.h[">]' "$file" | tail -n 1)" = '#include "base/banned.h"' ] || echo "$file"
	done
}

without_purpose() {
	local file

	for file in "${sources[@]}"; do
		[[ $(head -n 1 "$file") == '/*'* ]] || echo "$file"
	done
}

# Where the first of "A && B" is false bash goes on, unless that is what the test or function ends with.
lost_claims() {
	awk 'held != "" && $0 != "}" { print held } { held = "" }
		/^\t+(\[.* \]\]?|(same|cmp|grep) .*) && / && !/\|\|/ { held = FILENAME ":" FNR ": " $0 }' tests/*/*.bats
}

repeated_names() {
	files | sed 's|.*/||' | sort | uniq -d
}

# Spelled so that this file does not contain what it looks for.
unfinished_words() {
	files | xargs grep -nwI -e 'TO''DO' -e 'FIX''ME' -e 'X''XX' -e 'HA''CK' -e '[Ss]t''ub' -e '[Pp]lace''holder' -e 'not imple''mented' /dev/null
	files | xargs grep -nI -e '^<<''<<<<<' -e '^>>''>>>>>' /dev/null
}

machine_paths() {
	files | xargs grep -nI -e '[^a-z.]/wo''rk/' -e '/ho''me/[a-z]' -e '[^a-z$]/ro''ot/' /dev/null
}

top_level() {
	find . -mindepth 1 -maxdepth 1 ! -name '.*' ! -name build | sed 's|^\./||' |
		grep -vxE 'bin|lib|man|formats|tests|Makefile|README.md|LICENSE|NEWS'
}

companions() {
	local source name

	for source in bin/cn-*.c; do
		[ -e "$source" ] || continue
		name=$(basename "$source" .c)
		[ -e "man/$name.1.in" ] || echo "man/$name.1.in"
		grep -qlw "$name" tests/cli/*.bats 2>/dev/null || echo "no tests/cli file mentions $name"
	done
}

# Runs the program with one bad value: 2 and the option's name, or it is told.
must_refuse() {
	local words status

	words=$("$1" "--$2=$3" </dev/null 2>&1 >/dev/null)
	status=$?
	[ $status -eq 2 ] && [[ $words == *"--$2"* ]] || echo "${1##*/} --$2=$3: status $status, $words"
}

option_walk() {
	local program name type min max choices

	for program in "$BUILD"/bin/cn-*; do
		[ -x "$program" ] || continue
		while IFS=$'\t' read -r _ name type min max _ choices; do
			[ "$choices" = - ] || must_refuse "$program" "$name" no-such-choice
			[ "$min" != - ] || continue
			case $type in
			int | size)
				[ "$type" = size ] && [ "$min" = 0 ] || must_refuse "$program" "$name" $((min - 1))
				must_refuse "$program" "$name" $((max + 1))
				;;
			*)
				must_refuse "$program" "$name" "$(awk "BEGIN { m = $min; print m - (m < 0 ? -m : m) / 100 - 1e-6 }")"
				must_refuse "$program" "$name" "$(awk "BEGIN { m = $max; print m + (m < 0 ? -m : m) / 100 + 1e-6 }")"
				;;
			esac
		done < <("$program" --table)
	done
}

claim 'headers compile alone' "$(headers_alone)"
claim 'includes go only to the left of LAYERS' "$(layers)"
claim 'exported names start with cn_' "$(exported_names)"
claim 'functions are at most 70 lines' "$(long_functions)"
claim "lines are at most $widest columns" "$(wide_lines)"
claim 'every .c includes base/banned.h last' "$(banned_last)"
claim 'every source begins with its purpose' "$(without_purpose)"
claim 'no claim of a test is lost before an &&' "$(lost_claims)"
claim 'file names are unique' "$(repeated_names)"
claim 'no words of unfinished work' "$(unfinished_words)"
claim 'no paths of one machine' "$(machine_paths)"
claim 'the top level holds what it should' "$(top_level)"
claim 'every program has a manual page and tests' "$(companions)"
claim 'values just outside a range are refused by name' "$(option_walk)"
claim 'scripts pass shellcheck' "$(shellcheck -S warning -e SC1091,SC2154,SC2034,SC2046 "${scripts[@]}" 2>&1)"
echo "1..$count"
[ "$failed" -eq 0 ]
