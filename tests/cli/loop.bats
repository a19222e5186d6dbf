# The live loop: cn-train publishes its encoder, cn-gen and cn-mine follow it, by rows and not by seconds.
load ../helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	cn-augment --epochs 3 --shuffle --crop 0.5,1 "$CN_FIXTURES/demo.cns" -o pairs.cns
}

setup() {
	mkdir "$BATS_TEST_TMPDIR/work" && cd "$BATS_TEST_TMPDIR/work" || return
	ln -s "$BATS_FILE_TMPDIR/pairs.cns" "$CN_FIXTURES/demo.cns" .
	mkfifo f
}

gen='cn-gen --every 100 --round 50 --warmup 100'
mine='cn-mine --every 100 --k 3 --bank demo.cns'
train="cn-train -q --every 100 --batch 50 --arch 'conv:4/2 gap' --head linear:8"

# column FILE FIELD [SKIP]: a field of all rows, or of the 100 behind SKIP.
column() {
	cn-cat ${3:+--skip "$3" -n 100} "$1" | cn-export npy --field "$2"
}

# What the model makes of the demo set: all its weights are in that, and nothing of its history.
vectors() {
	cn-embed -q --layer head -m "$1" demo.cns | cn-export npy --field z
}

@test "loop: repeats to the byte, for any number of threads, with either lag" {
	for lag in 0 1; do
		ok "$gen --lag $lag -T1 --follow f pairs.cns | tee rows.$lag | $train -T1 --publish f -o a.$lag"
		ok "$gen --lag $lag -T3 --follow f pairs.cns | tee rows | $train -T2 --publish f -o b.$lag"
		same a.$lag b.$lag
		same rows.$lag rows
		ok 'cn-info rows'
		[[ $output == *'whole, digests right'* && $output == *'rows        600'* ]]
	done
	vectors a.0 >0.npy
	vectors a.1 >1.npy
	run ! cmp -s 0.npy 1.npy
}

@test "loop: each part is made with the snapshot of all rows before it, and with lag 1 with the one before" {
	for lag in 0 1; do
		rm -f w w.*
		ok "$mine --lag $lag --follow f pairs.cns | tee rows | $train --publish f --publish w -o m"
		for part in 0 1 2 3 4 5; do
			model=w.$((part > lag ? part - lag : 0))
			cn-cat --skip $((100 * part)) -n 100 pairs.cns | cn-mine --k 3 --bank demo.cns -m $model -o part
			for field in neg_id neg_score neg_rank pos_score neg; do
				cmp <(column part $field) <(column rows $field $((100 * part)))
			done
		done
		run ! cmp -s w.2 w.3
		vectors w.6 >w.npy
		vectors m >m.npy
		same w.npy m.npy
		[ ! -e w.7 ]
	done
}

@test "loop: what is learned of a bank is learned again with each snapshot" {
	for way in '--cluster same --clusters 5' '--strategy neighbours --hops 1:2 --neighbours 5' '--index ivf --recall 0.8' \
		'--batch 50' '--emit id --memory 40k'; do
		[[ $way = --batch* ]] && bank='' || bank='--bank demo.cns'
		[[ $way = --emit* ]] && samples='--bank demo.cns' || samples=''
		rm -f w w.*
		ok "cn-mine -q --every 100 --k 3 $bank $way --follow f pairs.cns | tee rows | $train $samples --publish f --publish w -o m"
		for part in 1 4; do
			cn-cat --skip $((100 * part)) -n 100 pairs.cns | cn-mine -q --k 3 $bank $way -m w.$part -o part
			for field in neg_id neg_score; do
				cmp <(column part $field) <(column rows $field $((100 * part)))
			done
		done
	done
}

@test "loop: what cn-gen mixes, and moves by the gradient, is that of each snapshot, too" {
	for way in 'mix neg_z' 'gradient neg'; do
		read -r method made <<<"$way"
		rm -f w w.*
		ok "${gen/ --warmup 100/} --method $method --follow f pairs.cns | tee rows | $train --publish f --publish w -o m"
		for part in 0 1 5; do
			cn-cat --skip $((100 * part)) -n 100 pairs.cns | cn-gen --method $method --round 50 -m w.$part -o part
			for field in $made neg_score neg_rule; do
				cmp <(column part $field) <(column rows $field $((100 * part)))
			done
		done
	done
}

@test "loop: samples are generated in it, too, the same for any number of threads" {
	for threads in 1 2; do
		ok "$gen --space input -T$threads --follow f pairs.cns | tee rows.$threads | $train -T$threads --publish f -o m.$threads"
	done
	same rows.1 rows.2
	same m.1 m.2
	column rows.1 neg_rule 500 >rules.npy
	run ! cmp -s <(column rows.1 neg_rule 0) rules.npy
}

@test "loop: two followers in one pipe, with a step between them that follows nothing" {
	mkfifo g
	loop="$mine --follow g pairs.cns | $gen --follow f | cn-mine -q --strategy random --k 2 --bank demo.cns | $train --publish f --publish g"
	ok "$loop -o a && ${loop// -q/ -q -T2} -o b"
	same a b
}

@test "loop: with cn-cat in it, which has written what it was given at the end of each part" {
	fewer='cn-cat --fields id,x,pos,neg_z'
	ok "timeout 100 $mine --emit z --follow f pairs.cns | tee rows | $fewer | tee part | $train --publish f -o m"
	ok "$fewer <rows | cat >again && $fewer -T2 <rows | cat >threads && cn-cat --chunk-rows 7 rows | $fewer | cn-info --text >other"
	same part again
	same part threads
	ok "cn-info --text part | cmp - other"
	ok "cn-info --text rows >all && cn-cat --chunk-rows 7 rows -o sevens"
	for cut in '--skip 130 -n 130' '--shard 2/3'; do
		ok "cn-cat $cut rows | cn-info --text >a && cn-cat $cut sevens | cn-info --text >b"
		case $cut in
		--skip*) sed -n '1p; 132,261p' all >want ;;
		--shard*) awk 'NR == 1 || (NR - 1) % 3 == 2' all >want ;;
		esac
		same want a
		same want b
	done
	ok "cn-cat -n 70 rows -o warm && timeout 100 $mine --emit z --follow f pairs.cns | cn-cat warm - | $fewer | $train --publish f -o n"
}

@test "loop: what was learned in it is of use outside, where nothing is followed" {
	ok "$gen --state s --follow f pairs.cns | $train --publish f -o m"
	ok "cn-gen --round 50 --state s --freeze -m m pairs.cns -o rows && cn-gen --round 50 --warmup 0 --state s -m m pairs.cns -o further"
	refuses 1 "cn-gen --round 40 --state s -m m pairs.cns -o other" 's: was learned with --round 50, not 40'
}

@test "loop: in files, for any number of followers, also those that come when all is over" {
	ok "$gen --follow f pairs.cns | $train --publish f -o f.model"
	mkdir files && cd files && ln -s ../pairs.cns ../demo.cns .
	ok "$gen --follow f pairs.cns | tee rows | $train --publish f -o model"
	same model ../f.model
	ls f f.* >names
	[ "$(tr '\n' ' ' <names)" = 'f f.0 f.1 f.2 f.3 f.4 f.5 f.6 ' ]
	ok "$gen --follow f pairs.cns -o late"
	cmp <(column late neg_z) <(column rows neg_z)
	ok 'cn-info f.3'
	[[ $output == *'cn.snapshot = 3'*'cn.rows = 300'* || $output == *'cn.rows = 300'*'cn.snapshot = 3'* ]]
	refuses 1 "$train --publish f pairs.cns -o model" 'f is there already'
	same model ../f.model
	rm f.2
	refuses 1 "$gen --follow f pairs.cns -o again" 'f.2 is missing of 7 snapshots; put it back, or train again'
	head -c 1000 f.3 >f.2
	refuses 3 "$gen --follow f pairs.cns -o again" 'f.2: cut short'
	rm f.0
	refuses 1 "$mine --follow f pairs.cns -o again" 'f.0 is missing of 7 snapshots'
}

@test "loop: rows of no whole number of batches, and epochs that leave some over" {
	for every in 77 130; do
		loop="cn-gen -q --round 50 --warmup 100 --every $every --follow f pairs.cns |
			cn-train -q --every $every --batch 64 --accumulate 2 --arch 'conv:4/2 gap' --head linear:8 --publish f"
		ok "$loop -o a && $loop -o b"
		same a b
	done
	says "$gen --every 130 --follow f pairs.cns | $train --every 130 --publish f -o a" 'of each 130 rows 30 were in no full round'
}

@test "loop: publishing changes nothing of what is learned, and publishes what would be saved" {
	ok "$train --ema 0.5 pairs.cns -o plain && $train --ema 0.5 --publish w pairs.cns -o m"
	same plain m
	vectors w.6 >w.npy
	vectors m >m.npy
	same w.npy m.npy
	ok 'cn-train -q --batch 50 --init w.2 -n 100 pairs.cns -o next && cn-info next'
	[[ $output != *cn.snapshot* && $output != *cn.every* ]]
}

@test "loop: either side's end ends the other in order" {
	for lag in 0 1; do
		for limit in '--steps 5' '-n 330' '--steps 6' '-n 50'; do
			ok "$gen --lag $lag --follow f pairs.cns | tee rows | $train $limit --publish f -o m && cn-info rows"
			[[ $output == *'whole, digests right'* ]]
		done
		for rows in 250 300 60; do
			ok "$gen --lag $lag -n $rows --follow f pairs.cns | $train --publish f -o m"
		done
	done
}

@test "loop: pipes of a page, and of a few kilobytes" {
	for lag in 0 1; do
		ok "$gen --lag $lag --follow f pairs.cns | $train --publish f -o m"
		ok "timeout 100 $CN_ROOT/tests/tiny_pipes.py '$gen --lag $lag --follow f pairs.cns' \"$train --publish f -o tiny\" f"
		same m tiny
	done
}

# dies WHO PATH: kills that member of a loop that would run for hours, as soon as it runs, and waits for the others.
dies() {
	local -A status pid

	[ -p s ] || mkfifo s p
	cn-augment --epochs 100000 demo.cns >p 2>/dev/null &
	pid[augment]=$!
	$gen --follow "$2" <p >s 2>gen.err &
	pid[gen]=$!
	eval "exec $train --publish $2 --steps 1000000 --log log -o m" <s 2>train.err &
	pid[train]=$!
	if [ "$2" = w ]; then
		until [ -e w.1 ]; do sleep 0.05; done
	else
		sleep 1
	fi
	kill -9 "${pid[$1]}"
	for who in gen train; do
		timeout 60 tail --pid="${pid[$who]}" -f /dev/null
		status[$who]=0
		wait "${pid[$who]}" || status[$who]=$?
	done
	kill "${pid[augment]}" || true
	echo "gen ${status[gen]}: $(cat gen.err); train ${status[train]}: $(cat train.err)"
	[ ! -e m ]
	[ "${status[gen]} ${status[train]}" = "$3" ]
	rm -f w w.*
}

@test "loop: the death of a member ends the others with a sentence" {
	for path in f w; do
		dies gen $path '137 3'
		[ "$(wc -l <train.err)" -eq 1 ]
		grep 'cut short' train.err
		[ -z "$(find . -name '.*.cn-*')" ]
		dies train $path '3 137'
		[ "$(wc -l <gen.err)" -eq 1 ]
		grep -e 'failed or was killed' -e 'nobody reads' gen.err
		rm -f .*.cn-*		# what it was writing when it was killed
		dies augment $path '3 3'
		grep -E 'cut short' gen.err
		grep -E 'stopped by cn-gen|cut short' train.err
	done
}

@test "loop: nobody reads what is made with snapshots of a training that is over" {
	ok "$train --publish w pairs.cns -o m"
	cn-cat -n 100 pairs.cns -o few.cns
	for rows in pairs few; do
		for follower in "$gen --state state --log log" "$mine"; do
			run --separate-stderr bash -c "{ $follower --follow w $rows.cns; echo \$? >status; } | sleep 0"
			[ "$(cat status)" = 3 ]
			[[ $stderr == *': w: followed to its end, but nobody reads standard output any more' ]]
		done
	done
	[ ! -e state ]
	[ ! -e log ]
}

@test "loop: a failure of either side is told by both" {
	refuses 3 "$gen --follow f pairs.cns | cn-train -q --every 50 --batch 50 --arch gap --publish f -o m" 'give both programs the same --every'
	refuses 3 "$gen --follow f pairs.cns | cn-train -q --every 100 --batch 50 --arch nonsense --publish f -o m" "f: no layer 'nonsense'"
	refuses 3 "$gen --foo --follow f pairs.cns | $train --publish f -o m" 'no such option'
	refuses 2 "$gen --follow f pairs.cns | $train --publish f --foo -o m" 'nobody reads standard output'
	refuses 1 "$gen --follow f pairs.cns | $train --lr 1000 --optimizer sgd --loss vicreg --publish f -o m" 'not finite'
	[ ! -e m ]
}

# Writes what cn-train --publish would write into a FIFO: publish FILE...
publish() {
	/usr/bin/python3 -c 'import hashlib, sys
def frame(file):
	sys.stdout.buffer.write(b"\x89CNW\r\n\x1a\n" + len(file).to_bytes(8, "little"))
	sys.stdout.buffer.write(hashlib.blake2b(b"CNS1SNAP" + file, digest_size=32).digest() + file)
for name in sys.argv[1:]:
	frame(open(name, "rb").read())
frame(b"")' "$@"
}

export -f publish

@test "loop: what goes through a FIFO is what cn-model(5) says" {
	/usr/bin/python3 "$CN_ROOT/formats/snapshots.py" <f >said &
	ok "$train --publish f pairs.cns -o m"
	wait $!
	diff said - <<<$'announcement 100\n0 0 100 7\n1 100 100 7\n2 200 100 7\n3 300 100 7\n4 400 100 7\n5 500 100 7\n6 600 100 7'
}

@test "loop: snapshots that are none, of another training, damaged or cut are refused in a sentence" {
	ok "$train --publish w pairs.cns -o m"
	ok "cn-train -q --every 100 --batch 50 --arch 'conv:6/2 gap' --publish v pairs.cns -o m"
	ok "cn-import demo -n 60 --size 8 --pairs -o small.cns && cn-train -q --every 60 --batch 20 --arch 'conv:4/2 gap' --head linear:8 --publish u small.cns -o m"
	head -c 100000 /dev/zero >zeros
	publish w w.0 w.1 w.2 w.3 w.4 w.5 w.6 >right
	ok "$gen --follow <(cat right) pairs.cns -o a && $gen --follow w pairs.cns -o b"
	cmp <(column a neg_z) <(column b neg_z)
	refuses 1 "$gen --follow <(publish w v.0) pairs.cns -o a" "cn.arch is 'conv:6/2 gap' where 'conv:4/2 gap' is needed"
	refuses 1 "$gen --follow <(publish w w.1) pairs.cns -o a" 'snapshot 1 came where number 0 was due'
	refuses 1 "$gen --follow <(publish m) pairs.cns -o a" 'nothing that cn-train published'
	refuses 1 "$gen --follow <(cat zeros) pairs.cns -o a" 'not what cn-train --publish writes'
	refuses 1 "cn-gen --every 60 --round 60 --follow <(publish u u.0 u.1) pairs.cns -o a" 'cn.input'
	refuses 3 "$gen --follow <(head -c 3000 right) pairs.cns -o a" 'failed or was killed'
	cp right wrong
	printf x | dd of=wrong bs=1 seek=2500 conv=notrunc status=none
	refuses 4 "$gen --follow <(cat wrong) pairs.cns -o a" 'digest'
}

@test "loop: rows that are cut short end who waits for weights" {
	ok "$train --publish w pairs.cns -o m && cn-cat --chunk-rows 50 pairs.cns -o small"
	half=$(($(stat -c %s small) / 2))
	publish w w.0 | head -c -48 >begun		# without the mark of the end
	for lag in 0 1; do
		refuses 3 "{ head -c $half small; sleep 2; } | $gen --lag $lag --follow <(cat begun; sleep 5) -o rows" 'upstream was cut short'
		[ ! -e rows ]
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
	done
	refuses 3 "{ head -c $half small; sleep 2; } | $mine --follow <(cat begun; sleep 5) -o rows" 'upstream was cut short'
}

@test "loop: make is told that it cannot make what a loop has made" {
	ok "$gen --follow f pairs.cns | tee rows | $train --publish f -o m"
	refuses 1 'cn-info --make m' 'was made in a loop'
	refuses 1 'cn-info --make rows' 'run the loop again'
}

@test "loop: options that miss each other are refused" {
	refuses 2 "cn-gen --follow f pairs.cns" '--every'
	refuses 2 "cn-gen --follow f --every 100 pairs.cns" 'give --round 100 or less'
	refuses 2 "cn-mine --follow f --bank demo.cns pairs.cns" '--every'
	refuses 2 "cn-gen --lag 1 pairs.cns" '--lag would do nothing'
	refuses 2 "cn-mine --every 5 --bank demo.cns pairs.cns" '--every would do nothing'
	refuses 2 "$gen --follow f -m m pairs.cns" 'leave out -m'
	refuses 2 "cn-train --publish f --arch gap pairs.cns" '--every'
	refuses 2 "$train --publish f --checkpoint c --resume pairs.cns" '--resume'
	refuses 1 "timeout 5 $gen --follow pairs.cns/f pairs.cns -o rows" "cannot open 'pairs.cns/f'"
	refuses 1 "$gen --follow . pairs.cns -o rows" '.: neither a FIFO nor a file that cn-train published'
	refuses 1 "$train --publish /dev/full pairs.cns" '/dev/full: neither a FIFO nor a name for files'
}

@test "loop: who waits for nobody says so, and waits on" {
	(sleep 12; exec $gen --follow f pairs.cns -o rows) &
	says "${train/ -q/} --publish f pairs.cns -o m" 'waiting for a follower of f'
	wait
	(sleep 12; eval "exec $train --publish f pairs.cns -o m") &
	says "$gen --follow f pairs.cns -o again" 'waiting for cn-train --publish f'
	wait
	same rows again
}

@test "loop: who waits for weights that do not come says so, too, and waits on" {
	says "$gen --follow f pairs.cns | { dd bs=1 count=20000 status=none; sleep 14; cat; } | $train --publish f -o m" 'waiting for the next weights of f'
	rm f
	says "timeout 12 $gen --follow f pairs.cns -o rows || :" 'waiting for cn-train --publish f'
	[[ $stderr != *f.0* ]]
	ok "$train --publish f pairs.cns -o m && rm f"
	says "timeout 12 $gen --follow f pairs.cns -o rows || :" 'f.0 is there, but of an earlier training'
}
