#!/usr/bin/env bats
# What all programs share, and what make install puts where.
load ../helper

@test "house: every program says its version" {
	for program in "$BUILD"/bin/cn-*; do
		[ -x "$program" ] || continue
		ok "$program --version"
		[[ $output =~ ^${program##*/}\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	done
}

@test "house: an unknown option is refused by name" {
	for program in "$BUILD"/bin/cn-*; do
		[ -x "$program" ] || continue
		refuses 2 "$program --zzz" "${program##*/}: no such option: --zzz"
		refuses 1 "$program --help >/dev/full" 'cannot write standard output'
		refuses 1 "$program --help >&-" 'cannot write standard output'
	done
}

@test "house: what is installed is complete, and removed again" {
	[ -z "${CN_QUICK:-}" ] || skip 'the sanitizer build is not installed'
	make -s -C "$CN_ROOT" install DESTDIR="$PWD/there" PREFIX=/usr >/dev/null
	for program in "$BUILD"/bin/cn-*; do
		[ ! -x "$program" ] || [ -x "there/usr/bin/${program##*/}" ]
		[ ! -x "$program" ] || [ -e "there/usr/share/man/man1/${program##*/}.1" ]
	done
	[ -e there/usr/lib/libcn.a ]
	[ -e there/usr/share/man/man7/cn.7 ]
	make -s -C "$CN_ROOT" uninstall DESTDIR="$PWD/there" PREFIX=/usr >/dev/null
	run find there -type f -o -type l
	[ -z "$output" ] || { echo "left: $output"; return 1; }
}

@test "house: a program of one's own builds against the installed library" {
	[ -z "${CN_QUICK:-}" ] || skip 'the sanitizer build is not installed'
	make -s -C "$CN_ROOT" install DESTDIR="$PWD/there" PREFIX=/usr >/dev/null
	cat >own.c <<-'END'
		#include <stdio.h>
		#include <base/rng.h>
		#include <stream/reader.h>

		int main(void)
		{
			struct cn_rng_key key;
			struct cn_rng rng;

			cn_rng_key_init(&key, 0, "crop");
			cn_rng_start(&rng, &key, 0, 0);
			printf("%08x\n", cn_rng_word(&rng));
			return 0;
		}
	END
	export PKG_CONFIG_PATH="$PWD/there/usr/lib/pkgconfig"
	ok "cc -o own own.c \$(pkg-config --define-variable=prefix=$PWD/there/usr --cflags --libs cn) && ./own"
	[ "$output" = 996a331f ]
}

# What pressing the tab key after these words offers.
offers() {
	# shellcheck disable=SC2016
	bash -c 'source "$CN_ROOT/man/cn-completion.bash"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cn_tools
		printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

@test "house: the tab key offers options, choices, verbs and files" {
	run offers cn-mine --see
	[ "$output" = --seed ]
	run offers cn-mine --strategy ra
	[ "$output" = random ]
	run offers cn-mine --strategy = ra
	[ "$output" = random ]
	run offers cn-eval neg
	[ "$output" = negatives ]
	run offers cn-eval --re
	[ "$output" = --reach ]
	run offers cn-eval knn --re
	[ -z "$output" ]
	run offers cn-import idx --p
	[ "$output" = --progress ]
	run offers cn-gen --p
	[ "$(paste -s -d ' ' <<<"$output")" = '--penalty --pull --pgd-steps --progress' ]
	run offers cn-gen --method = hdml --p
	[ "$(paste -s -d ' ' <<<"$output")" = '--pull --progress' ]
	touch bank.cns
	run offers cn-mine --bank ba
	[ "$output" = bank.cns ]
}

@test "house: what an option is for, is there" {
	for program in cn-import cn-gen cn-eval cn-export; do
		"$program" --complete >rows
		cut -s -f 3 rows | sed 's/, /\n/g' | sort -u >for
		awk -F'\t' '$1 == "verb" || $1 == "--method" { print $2 }' rows | tr '|' '\n' | sort >known
		[ -s for ]
		[ -z "$(comm -23 for known)" ]
	done
}

@test "house: what is open already goes on behind what was written there" {
	ln -s /dev/stdout link
	for name in /dev/stdout /dev/fd/1 link; do
		{ echo earlier; cn-eval negatives -o "$name" "$CN_FIXTURES/neg.cns"; } >said
		diff said <(echo earlier; cn-eval negatives "$CN_FIXTURES/neg.cns")
	done
	echo earlier >said
	cn-gen --round 64 --log /dev/stderr -m "$CN_FIXTURES/model.safetensors" "$CN_FIXTURES/demo.cns" -o g 2>>said
	cn-gen --round 64 --log log -m "$CN_FIXTURES/model.safetensors" "$CN_FIXTURES/demo.cns" -o g
	diff said <(echo earlier; cat log)
}

@test "house: a reader that goes away ends a program by SIGPIPE, silently" {
	run bash -c 'cn-cat "$CN_FIXTURES"/demo.cns "$CN_FIXTURES"/demo.cns -o big.cns
		{ cn-cat big.cns big.cns big.cns big.cns big.cns big.cns big.cns big.cns 2>err; echo ${PIPESTATUS[0]} >status; } | head -c 1 >/dev/null'
	[ "$(cat status)" -eq 141 ]
	[ ! -s err ]
}

@test "house: binary data is not written to a terminal" {
	script -qec true /dev/null >/dev/null 2>&1 || skip 'no script(1), or no /dev/pts, to make a terminal'
	run script -qec "cn-cat $CN_FIXTURES/demo.cns" /dev/null
	[ "$status" -eq 2 ]
	[[ $output == *'use -o FILE, pipe it, or -f'* ]]
	# before anything is read or waited for
	mkfifo "$BATS_TEST_TMPDIR/f"
	for line in "cn-gen --follow nothing --every 250 --round 50 $CN_FIXTURES/demo.cns" \
		"cn-train --publish $BATS_TEST_TMPDIR/f --every 100 --arch conv $CN_FIXTURES/demo.cns" 'cn-import demo'; do
		run script -qec "timeout 20 $line" /dev/null
		[ "$status" -eq 2 ]
		[[ $output == *'use -o FILE, pipe it, or -f'* ]]
	done
}

@test "house: no output is another one, and notes are not written over an input" {
	train="cn-train -q --arch 'conv:2/4 gap' --batch 100" gen="cn-gen -q -m $CN_FIXTURES/model.safetensors"
	cp "$CN_FIXTURES/demo.cns" d.cns
	ln -s new link
	ln -s d.cns link2
	while IFS=$'\t' read -r line words; do
		refuses 2 "$line" "$words; give "
		same d.cns "$CN_FIXTURES/demo.cns"
		[ ! -e new ]
	done <<-END
		$train --log new -o new d.cns	--log and --output would be one file, new
		$train --log ./new -o link d.cns	--log and --output would be one file, link
		$train --log l --checkpoint l -o new d.cns	--checkpoint and --log would be one file, l
		$train --log d.cns -o new d.cns	--log would be written over the input, d.cns
		$train --log d.cns -o new <d.cns	--log would be written over the input, standard input
		$train --checkpoint d.cns -o new --bank d.cns <$CN_FIXTURES/demo.cns	--checkpoint would be written over the input, d.cns
		cn-info -o d.cns d.cns	--output would be written over the input, d.cns
		cn-eval negatives d.cns -o ./link2	--output would be written over the input, d.cns
		$gen --log - d.cns | cat	--log and --output would be one file, standard output
		$gen --log new -o new d.cns	--log and --output would be one file, new
	END
	ok "$train --log /dev/null -o /dev/null d.cns && cn-cat d.cns -o d.cns"
	ok "$train --checkpoint state -o new d.cns && $train --checkpoint state --resume -o new d.cns"
}

@test "house: a file that is replaced passes on its mode, a link stays" {
	mkdir there
	echo old >there/file
	ln -s there/file link
	ln -s loop loop
	for mode in 600 444 755; do
		chmod "$mode" there/file
		ok "cn-cat $CN_FIXTURES/demo.cns -o link && cn-info there/file"
		[ -L link ]
		[ "$(stat -c %a there/file)" = "$mode" ]
		[ "$(ls -A there)" = file ]
	done
	rm there/file
	ok "umask 027; cn-cat $CN_FIXTURES/demo.cns -o link"
	[ -L link ]
	[ "$(stat -c %a there/file)" = 640 ]
	refuses 1 "cn-cat $CN_FIXTURES/demo.cns -o loop" 'too many symbolic links'
}

@test "house: words that nobody reads do not end the work" {
	mkfifo dead
	exec 8<>dead 9>dead 8<&-
	ok "cn-import demo -n 100 --progress always -o out.cns 2>&9 && cn-info out.cns"
	refuses 1 'cn-cat nowhere -o x 2>&9' ''
}

@test "house: interrupted, a program leaves no file behind" {
	mkfifo never
	exec 9<>never
	cn-cat never -o out.cns 3>&- 9>&- &
	child=$!
	head -c 20000 "$CN_FIXTURES/demo.cns" >&9
	for _ in {1..200}; do
		[ -z "$(compgen -G '.out.cns.cn-*')" ] || break
		sleep 0.05
	done
	[ -n "$(compgen -G '.out.cns.cn-*')" ]
	kill -TERM $child
	status=0
	wait $child || status=$?	# not by run, whose subshell has no children
	[ "$status" -eq 143 ]
	[ -z "$(compgen -G '.out.cns.cn-*')" ] && [ ! -e out.cns ]
}
