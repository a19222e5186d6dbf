#!/usr/bin/env bats
# The manual is right: it is clean mdoc, names every option, and every line of its examples runs.
load ../helper

# The literal blocks of EXAMPLES of a page, as shell: one block per file block.N.
examples() {
	awk '
		/^\.Sh / { inside = /^\.Sh EXAMPLES/ }
		inside && /^\.Bd -literal/ { n++; block = 1; next }
		/^\.Ed/ { block = 0 }
		block && inside { gsub(/\\e/, "\\"); gsub(/\\-/, "-"); gsub(/\\&/, ""); print >("block." n) }' "$1"
}

# Examples that need numpy run with the first of these python3 that has it; false where none has.
numpy_path() {
	local python

	for python in "$(command -v python3)" /usr/bin/python3; do
		"$python" -c 'import numpy' 2>/dev/null || continue
		mkdir -p numpy
		printf '#!/bin/sh\nexec %s "$@"\n' "$python" >numpy/python3
		chmod +x numpy/python3
		return
	done
	false
}

@test "manual: mandoc finds nothing to say" {
	for page in "$BUILD"/man/*.[157]; do
		run mandoc -T lint -W warning "$page"
		[ -z "$output" ] || { echo "$output"; return 1; }
	done
}

@test "manual: groff finds nothing to say" {
	command -v groff >/dev/null && groff -mdoc -z /dev/null 2>/dev/null || skip 'no groff with mdoc here'
	for page in "$BUILD"/man/*.[157]; do
		run groff -mdoc -ww -Tascii -z "$page"
		[ "$status" -eq 0 ] && [ -z "$output" ] || { echo "$output"; return 1; }
	done
}

@test "manual: every page has the sections a reader looks for" {
	for page in "$BUILD"/man/*.1; do
		for section in NAME SYNOPSIS DESCRIPTION OPTIONS 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
			grep -q "^\.Sh $section\$" "$page" || { echo "$page: no section $section"; return 1; }
		done
	done
}

@test "manual: a default is never said to be nothing" {
	run ! grep -e 'By default \.' -e ';  by default' "$BUILD"/man/*.1
	ok 'cn-train --help'
	[[ $output != *'[]'* ]]
}

@test "manual: every option of a program is in its rendered page" {
	for page in "$BUILD"/man/*.1; do
		program=$(basename "$page" .1)
		mandoc -T ascii "$page" | sed 's/.\x08//g' >page.txt
		while IFS=$'\t' read -r _ name _; do
			grep -q -e "--$name" page.txt || { echo "$page: no --$name"; return 1; }
		done < <("$program" --table)
	done
}

@test "manual: the help of every program names every option and ends well" {
	for program in "$BUILD"/bin/cn-*; do
		[ -x "$program" ] || continue
		ok "$program --help"
		[[ ${lines[0]} == "usage: ${program##*/} [option ...]"* ]]
		while IFS=$'\t' read -r _ name _; do
			[[ $output == *"--$name"* ]] || { echo "$program --help: no --$name"; return 1; }
		done < <("$program" --table)
	done
}

@test "manual: every example runs" {
	failed=0 ran=0 here=$PWD numpy=
	! numpy_path || numpy=$here/numpy:
	for page in "$BUILD"/man/*.[157]; do
		mkdir "$here/${page##*/}" && cd "$here/${page##*/}"
		cp "$CN_FIXTURES"/* .
		examples "$page"
		for block in block.*; do
			[ -e "$block" ] || continue
			[ "$numpy" ] || ! grep -q 'import numpy' "$block" || continue
			ran=$((ran + 1))
			if ! PATH=$numpy$PATH timeout 120 bash -eo pipefail "$block" >out.txt 2>err.txt </dev/null; then
				failed=$((failed + 1))
				echo "${page##*/}: this example fails:"
				cat "$block"
				tail -n 5 err.txt
			fi
		done
	done
	echo "$ran examples, $failed failed"
	[ "$failed" -eq 0 ]
}
