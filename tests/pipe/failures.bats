# What every program owes when the world fails: the right status, one sentence, no file, whatever its place in the pipe.
load ../helper

# Commands that read a stream from standard input; those of the first list write one, and know -o.
d='$CN_FIXTURES/demo.cns' m='$CN_FIXTURES/model.safetensors' z='$CN_FIXTURES/z.cns'
writers=(
	"cn-cat"
	"cn-augment --flip 0.5"
	"cn-augment --epochs 2 --shuffle"
	"cn-embed -q -m $m"
	"cn-mine -q --strategy random --bank $d"
	"cn-mine -q -m $m --k 2 --bank $d"
	"cn-gen -q -m $m"
)
readers=(
	"${writers[@]}"
	"cn-export npy --field x"
	"cn-export png"
	"cn-train -q --arch 'conv:4 gap' --batch 20"
	"cn-info"
	"cn-eval negatives --bank $d -m $m"
)

# refused STATUS LINE PART: as refuses, in one sentence, and no file is left.
refused() {
	refuses "$1" "$2" "$3"
	[ "$(wc -l <<<"$stderr")" -eq 1 ] || { tell "$2"; echo 'wanted:  one sentence'; return 1; }
	[ -z "$(find . -name '*out*' -size -1000000)" ] || { ls -la; echo "left by $2"; return 1; }
}

setup() {
	mkdir "$BATS_TEST_TMPDIR/work" && cd "$BATS_TEST_TMPDIR/work" || return
	# with negatives, so that every reader has what it needs
	cn-mine -q --strategy random --k 2 --emit value --bank "$CN_FIXTURES/demo.cns" "$CN_FIXTURES/demo.cns" -o "$BATS_TEST_TMPDIR/all.cns"
	all=$BATS_TEST_TMPDIR/all.cns
}

@test "failures: the input of these tests is fine" {
	for reader in "${readers[@]}"; do ok "$reader -o out <$all" && [ -s out ] && rm out; done
}

@test "failures: a producer that is killed ends the last program with 3" {
	for reader in "${readers[@]}"; do
		refused 3 "set +o pipefail; { head -c 60000 $all; kill -9 \$BASHPID; } | $reader -o out" 'upstream was cut short'
	done
}

@test "failures: a program in the middle that is killed ends the last one with 3" {
	# cn-import draws without end until its reader has gone, which is killed at half a second
	for reader in 'cn-info' "cn-train -q --arch 'conv:2/4 gap' --batch 100 --steps 100000000" 'cn-augment --flip 0.5'; do
		refused 3 "set +o pipefail; cn-import demo --pairs --size 16 -n 1000000000 | timeout -s KILL 0.5 cn-cat | $reader -o out" 'cut short'
	done
}

@test "failures: a cut file is told by its name and the byte" {
	for reader in "${readers[@]}"; do
		for size in 100 3000 60000; do
			head -c $size "$all" >cut.cns
			refused 3 "$reader -o out cut.cns" "cut.cns: ended at byte $size"
		done
	done
}

@test "failures: an empty file, text, a folder and nothing at all" {
	mkdir folder
	: >empty
	echo 'id,x' >text
	for reader in "${readers[@]}"; do
		refused 3 "$reader -o out empty" 'empty: ended at byte 0'
		refused 1 "$reader -o out text" 'it looks like text'
		refused 1 "$reader -o out folder" 'folder'
		refused 1 "$reader -o out nowhere" 'nowhere'
		refused 1 "$reader -o out <&-" 'standard input'
	done
}

@test "failures: cat of two streams is refused, with the remedy" {
	cat "$all" "$all" >two.cns
	for reader in "${readers[@]}"; do
		[ "$reader" = 'cn-export png' ] || refused 1 "$reader -o out two.cns" 'join streams with cn-cat'	# a sheet needs only the first rows
	done
}

@test "failures: a wrong byte is an integrity error" {
	cp "$all" wrong.cns
	printf 'x' | dd of=wrong.cns bs=1 seek=50000 conv=notrunc status=none
	for reader in "${readers[@]}"; do refused 4 "$reader -o out wrong.cns" 'wrong.cns: chunk 0 (row 0, byte '; done
}

@test "failures: a failure upstream is passed on, with its sentence" {
	for reader in "${readers[@]}"; do
		refuses 3 "set +o pipefail; cn-augment --jitter 1,1,1,1 nowhere | cn-cat | $reader -o out" 'stopped by cn-augment: '
		[ "$(grep -c "^${reader%% *}: " <<<"$stderr")" -ge 1 ]
		[ ! -e out ]
	done
}

@test "failures: a wrong command line is told downstream, but not where -o says where to write" {
	for mistake in 'cn-import demo --size 7' 'cn-mine --k 0' 'cn-gen --zzz' 'cn-embed --layer all' 'cn-cat - -' 'CN_THREADS=x cn-augment' 'cn-import'; do
		refuses 3 "set +o pipefail; $mistake <$all 2>said | cn-info" 'stopped by cn-'
		[[ $stderr == "cn-info: standard input: stopped by $(cat said)"* ]] || { tell "$mistake"; return 1; }
		[ "$(eval "$mistake -o out" <"$all" 2>said | wc -c)" -eq 0 ] || { echo "$mistake -o out: writes"; return 1; }
	done
	refuses 3 'set +o pipefail; cn-train --zzz | cn-info' 'ended at byte 0'	# its output is no stream
}

@test "failures: a limit on the size of files is said" {
	refused 1 "ulimit -f 100; cn-cat $all -o out" 'cannot write out: File too large'
}

@test "failures: a full disk is said" {
	for writer in "${writers[@]}" 'cn-export npy --field x' 'cn-export png' "cn-train -q --arch 'conv:4 gap' --batch 20"; do
		refused 1 "$writer <$all >/dev/full" 'No space left on device'
		refused 1 "$writer <$all -o /dev/full" 'No space left on device'
	done
	for teller in cn-info "cn-eval negatives --bank $d -m $m"; do refused 1 "$teller <$all >/dev/full" 'No space left on device'; done
	refused 1 'cn-import demo -n 1000 >/dev/full' 'No space left on device'
}

@test "failures: a disk that fills up keeps nothing of the output" {
	mkdir small
	mount -t tmpfs -o size=8k cn-test small 2>/dev/null || skip 'no tmpfs can be mounted here'
	for writer in "${writers[@]}" 'cn-export npy --field x'; do
		run_line "$writer <$all -o small/file"
		[ "$status" -eq 1 ] && [[ $stderr == *'No space left on device'* ]] && [ -z "$(ls -A small)" ] ||
			{ tell "$writer"; ls -la small; umount small; return 1; }
	done
	umount small
}

@test "failures: standard output that is closed is said" {
	for writer in "${writers[@]}" 'cn-export npy --field x' "cn-train -q --arch 'conv:4 gap' --batch 20" cn-info; do
		refused 1 "$writer <$all >&-" 'standard output'
	done
	refused 1 'cn-import demo -n 10 >&-' 'standard output'
}

@test "failures: binary data is not written to a terminal, text is" {
	script -qec true /dev/null >/dev/null 2>&1 || skip 'no script(1), or no /dev/pts, to make a terminal'
	for writer in "${writers[@]}" 'cn-export npy --field x' 'cn-export png' "cn-train -q --arch 'conv:4 gap' --batch 20"; do
		run script -qec "$(eval echo "\"$writer\"") $all" /dev/null
		[ "$status" -eq 2 ] && [[ $output == *'use -o FILE, pipe it, or -f'* && $output != *rows,* ]] || { echo "$writer: $status $output"; return 1; }
	done
	run script -qec "cn-info $all" /dev/null
	[ "$status" -eq 0 ]
}

@test "failures: a reader that goes away ends every writer by SIGPIPE, silently" {
	cn-cat "$all" "$all" "$all" "$all" "$all" "$all" "$all" "$all" "$all" "$all" "$all" "$all" -o many.cns
	for writer in cn-cat 'cn-augment --flip 0.5' "cn-mine -q --strategy random --emit value --k 8 --bank $d" 'cn-export npy --field x'; do
		run_line "$writer many.cns many.cns 2>err | head -c 1 >/dev/null; exit \${PIPESTATUS[0]}"
		[ "$status" -eq 141 ] || run_line "$writer many.cns 2>err | head -c 1 >/dev/null; exit \${PIPESTATUS[0]}"
		[ "$status" -eq 141 ] && [ ! -s err ] || { tell "$writer"; cat err; return 1; }
	done
}

@test "failures: a number that is none is named by field and row" {
	printf '\x93NUMPY\1\0\x76\0%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }" >bad.npy
	printf '\0\0\x80\x3f\0\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\xc0\x7f\0\0\0\0' >>bad.npy
	ok 'cn-import npy --field z bad.npy -o bad.cns && cn-import npy --field x bad.npy -o badx.cns'
	refused 1 'cn-mine --k 1 --bank bad.cns bad.cns -o out' "row 2"
	refused 1 'cn-cat --fields id,z bad.cns | cn-mine --k 1 --bank bad.cns -o out' "'z'"
	refused 1 'cn-augment badx.cns | cn-train -q --arch linear:2 --batch 3 -o out' "row 2"
	ok 'cn-cat -n 2 badx.cns | cn-augment | cn-train -q --arch linear:2 --batch 2 -o model'
	refused 1 'cn-embed -q -m model badx.cns -o out' "'x' of row 2"
}

@test "failures: no rows are no failure where nothing is asked of them" {
	ok "cn-cat --skip 1000000 $all -o none.cns && cn-info none.cns"
	for writer in "${writers[@]}" 'cn-export npy --field x'; do ok "$writer none.cns -o out" && [ -s out ] && rm out; done
	refused 1 "cn-train -q --arch 'conv:4 gap' none.cns -o out" 'none.cns'
}

@test "failures: two programs cannot share standard input" {
	refused 2 "cn-mine --strategy random --bank - -o out <$all" 'standard input'
	refused 2 "cn-eval knn --train - <$CN_FIXTURES/z.cns" 'standard input'
	refused 2 "cn-cat - - -o out <$all" 'standard input'
}
