# cn-import: every format comes in as it is, in order, and what is damaged does not come in.
load ../helper

# A picture of one colour, W by H, as PNM.
pixel() {
	printf 'P6 %d %d 255\n' "$4" "$5" >"$1"
	for ((i = 0; i < $4 * $5; i++)); do printf '%b' "$2$3$2" >>"$1"; done
}

# A folder of six pictures in two classes.
folder() {
	mkdir -p set/dog set/cat
	for n in 1 2 10; do
		pixel set/dog/$n.ppm "\\x0${n: -1}" '\x40' 3 2
		pixel set/cat/$n.ppm "\\x0${n: -1}" '\x80' 3 2
	done
}

@test "import demo: same bytes for any -T, chunk size and run" {
	ok 'cn-import demo -T1 -n 300 --pairs -o a.cns && cn-import demo -T2 -n 300 --pairs -o b.cns'
	same a.cns b.cns
	ok 'cn-import demo -n 300 --pairs --chunk-rows 7 | cn-export npy --field pos -o c.npy'
	ok 'cn-export npy --field pos a.cns -o a.npy'
	same a.npy c.npy
}

@test "import demo: another seed and the other split draw something else" {
	ok 'for o in "-s 0" "-s 1" "--split test"; do cn-import demo -n 20 $o | cn-export npy --field x | md5sum; done | sort -u | wc -l'
	[ "$output" = 3 ]
	ok 'cn-import demo -n 2 --split test | cn-export npy --field id | tail -c 16 | od -An -td8'
	[ "$(tr -s ' ' <<<"$output")" = ' 1000000000 1000000001' ]
}

@test "import demo: fewer rows are a beginning of more" {
	ok 'cn-import demo -n 50 | cn-export npy --field x -o a.npy'
	ok 'cn-import demo -n 80 | cn-export npy --field x -n 50 -o b.npy'
	same a.npy b.npy
}

@test "import idx: Fashion-MNIST test set, 10000 rows in 10 classes" {
	data_or_skip fashion-mnist
	ok "cn-import idx $D/fashion-mnist/t10k-images-idx3-ubyte.gz $D/fashion-mnist/t10k-labels-idx1-ubyte.gz -o t.cns"
	ok "cn-export npy --field x t.cns | tail -c 7840000 | cmp - <(zcat $D/fashion-mnist/t10k-images-idx3-ubyte.gz | tail -c +17)"
	ok "cn-import idx - <$D/fashion-mnist/t10k-labels-idx1-ubyte.gz | cn-export npy --field x | tail -c 10000 |
		cmp - <(zcat $D/fashion-mnist/t10k-labels-idx1-ubyte.gz | tail -c +9)"
}

@test "import idx: labels that do not belong to the pictures are refused" {
	printf '\0\0\x08\3\0\0\0\2\0\0\0\1\0\0\0\1ab' >i
	printf '\0\0\x08\1\0\0\0\3abc' >l
	refuses 1 'cn-import idx i l -o o.cns' 'l: 3 labels for the 2 rows of i'
	[ ! -e o.cns ]
}

@test "import image: CIFAR-10 interleaved begins balanced, with class names" {
	data_or_skip cifar10
	ok "cn-import image $D/cifar10/cifar10-jpeg.tar.zst --match 'test/*' --interleave -n 500 -o c.cns"
	ok 'cn-export npy --field label c.cns | tail -c 2000 | od -An -v -w4 -td4 | sort -n | uniq -c'
	[ "$(wc -l <<<"$output")" = 10 ]
	[ "$(grep -c '^ *50 ' <<<"$output")" = 10 ]
	ok 'cn-info c.cns | grep -c automobile'
}

@test "import image: a folder, a tar, a zip and compressed tars are the same" {
	folder
	ok 'cn-import image set | cn-export npy --field x -o folder.npy'
	tar cf set.tar -C set .
	gzip -k set.tar
	zstd -q set.tar
	xz -k set.tar
	(cd set && python3 -m zipfile -c ../set.zip cat dog)
	for archive in set.tar set.tar.gz set.tar.zst set.tar.xz set.zip; do
		ok "cn-import image $archive | cn-export npy --field x -o archive.npy"
		same folder.npy archive.npy
	done
	ok 'cn-import image - <set.tar.gz | cn-export npy --field x -o archive.npy'
	same folder.npy archive.npy
}

@test "import image: numbers order by value; a glob crosses folders; resize gives one size" {
	folder
	ok 'cn-import image set --match "cat*" | cn-export npy --field x | tail -c 54 | od -An -v -tu1 -w18 | cut -c1-8'
	[ "$(tr -s ' \n' ' ' <<<"$output")" = ' 1 128 2 128 0 128 ' ]
	pixel set/dog/11.ppm '\x07' '\x07' 5 5
	refuses 1 'cn-import image set -o o.cns' 'set/dog/11.ppm: 5x5 pixels where the first picture has 3x2; give --resize 3x2'
	[ ! -e o.cns ]
	ok 'cn-import image set --resize 4x3 | cn-export npy --field x | tail -c 36 | od -An -v -w1 -tu1 | sort -u'
	[ "$output" = '   7' ]
}

@test "import image: a high, thin picture is resized in little memory" {
	{ printf 'P5 1 100000 255\n'; head -c 100000 /dev/zero; } >high.pgm
	[ -n "${CN_QUICK:-}" ] || ulimit -v 150000	# sanitizers reserve more than there is
	ok 'cn-import image -T1 high.pgm --resize 1500x1 | cn-export npy --field x | tail -c 1500 | tr -d "\0" | wc -c'
	[ "$output" = 0 ]
}

@test "import image: a damaged member is named, and nothing is written" {
	mkdir -p set/a
	ok "cn-export png -n 1 $CN_FIXTURES/demo.cns -o set/a/1.png"
	head -c 300 set/a/1.png >set/a/2.png
	tar cf set.tar set
	refuses 1 'cn-import image set.tar -o o.cns' "set.tar: member 'set/a/2.png': not a whole PNG"
	refuses 3 'gzip <set.tar | head -c 700 | cn-import image - -o o.cns' 'gzip data cut short'
	[ -z "$(find . -name '*o.cns*')" ]
}

@test "import npy: what was exported comes back" {
	ok "cn-export npy --field x $CN_FIXTURES/demo.cns -o x.npy && cn-export npy --field label $CN_FIXTURES/demo.cns -o y.npy"
	ok 'cn-import npy x.npy y.npy -o xy.cns && cn-export npy --field x xy.cns | cmp - x.npy && cn-export npy --field label xy.cns | cmp - y.npy'
	ok 'gzip -c x.npy | cn-import npy - --field pixels -n 3 --id-base 7 | cn-export npy --field id | tail -c 24 | od -An -w24 -td8'
	[ "$(tr -s ' ' <<<"$output")" = ' 7 8 9' ]
	head -c 5000 x.npy >cut.npy
	refuses 3 'cn-import npy cut.npy -o o.cns' 'cut.npy: cut short in the rows'
	[ ! -e o.cns ]
}

@test "import cifar: planes become pixels" {
	{ printf '\3'; for c in R G B; do head -c 1024 /dev/zero | tr '\0' $c; done; } >b.bin
	ok 'cn-import cifar b.bin b.bin | cn-export npy --field x | tail -c 6144 >pixels; head -c 6 pixels'
	[ "$output" = RGBRGB ]
	refuses 3 'head -c 3000 b.bin | cn-import cifar - >/dev/null' 'standard input: cut short in row 0'
}

# An array FILE of numpy: type, shape, and its numbers by printf.
array() {
	{ printf '\x93NUMPY\1\0\x76\0%-117s\n' "{'descr': '$2', 'fortran_order': False, 'shape': ($3), }"; printf '%b' "$4"; } >"$1"
}

@test "import npy: numbers that do not fit are refused with their row" {
	one='\0\0\0\0\0\0\xf0\x3f' huge='\x9c\x75\0\x88\x3c\xe4\x37\x7e' infinite='\0\0\0\0\0\0\xf0\x7f' most='\xff\xff\xff\xff\xff\xff\xff\xff'
	array big.npy '<f8' '2, 2' "$one$infinite$one$huge"
	refuses 1 'cn-import npy big.npy -o o.cns' 'big.npy: row 1: 1e+300 does not fit f32'
	ok 'cn-import npy big.npy --field x | cn-export npy --field x | tail -c 32 | cmp - <(tail -c 32 big.npy)'
	ok 'cn-import npy -n 1 big.npy | cn-export npy | tail -c 8 | od -An -tx4'
	[ "$output" = ' 3f800000 7f800000' ]
	array v.npy '<f4' '2, 1' '\0\0\0\0\0\0\0\0'
	array l.npy '<u8' '2,' "\\1\\0\\0\\0\\0\\0\\0\\0$most"
	refuses 1 'cn-import npy v.npy l.npy -o o.cns' 'l.npy: row 1: label 18446744073709551615 does not fit'
	refuses 2 'cn-import npy v.npy --field "a b" -o o.cns' "--field 'a b': a field's name"
	refuses 2 'cn-import npy v.npy --field id -o o.cns' '--field id: cn-import makes a field of this name; take another'
	refuses 2 'cn-import npy v.npy l.npy --field label -o o.cns' '--field label: cn-import makes a field of this name'
}

@test "import: empty and cut input is incomplete, and says so" {
	: >empty
	gzip -k empty
	for format in npy idx cifar image; do
		refuses 3 "cn-import $format empty -o o.cns" 'empty: empty'
		refuses 3 "cn-import $format empty.gz -o o.cns" 'empty.gz: empty'
		refuses 3 "cn-import $format - </dev/null -o o.cns" 'standard input: empty'
	done
	array v.npy '<f4' '2, 1' '\0\0\0\0\0\0\0\0'
	for pack in gzip zstd xz bzip2; do
		refuses 3 "$pack -c v.npy | head -c 30 | cn-import npy - >/dev/null" 'standard input: '
	done
}

@test "import image: a picture by itself may be piped and compressed; what is none is told" {
	mkdir cat
	pixel cat/p.ppm '\x01' '\x02' 3 2
	gzip -k cat/p.ppm
	zstd -q cat/p.ppm
	cp cat/p.ppm picture
	ok 'cn-import image cat/p.ppm | cn-export npy --field x -o p.npy'
	for operand in '- <picture' '/dev/stdin <picture' '- <cat/p.ppm.gz' cat/p.ppm.gz cat/p.ppm.zst picture '<(cat picture)'; do
		ok "cn-import image $operand | cn-export npy --field x | cmp - p.npy"
	done
	ok 'cn-import image cat/p.ppm.gz | cn-info | grep "label.names = cat"'
	refuses 1 'cn-import image - <picture | cn-export npy --field label' "no field 'label'"
	refuses 1 'cn-import image /dev/stdin <picture | cn-export npy --field label' "no field 'label'"
	printf 'GIF89a%099d' 1 >x.gif
	for operand in '- <x.gif' x.gif; do
		refuses 1 "cn-import image $operand -o o.cns" ': neither a picture (JPEG, PNG, PNM) nor an archive of pictures (tar, zip)'
	done
}

@test "import image: a link in an archive is not lost in silence" {
	folder
	ln set/cat/1.ppm set/cat/3.ppm
	tar cf set.tar set
	refuses 1 'cn-import image set.tar -o o.cns' "ppm' is a link; pack with tar --dereference --hard-dereference"
	tar cf set.tar --hard-dereference set
	ok 'cn-import image set.tar | cn-info | grep "^rows *7 "'
	ln -s 1.ppm set/dog/4.ppm
	tar cf set.tar --hard-dereference set
	refuses 1 'cn-import image set.tar -o o.cns' "'set/dog/4.ppm' is a link"
	ok 'cn-import image set.tar --match "*/cat/*" | cn-info | grep "^rows *4 "'
}

@test "import image: a folder and an archive of it have the same classes; a class of two lines is refused" {
	folder
	pixel set/top.ppm '\x05' '\x06' 3 2
	tar cf set.tar set
	for operand in set set.tar; do
		ok "cn-import image $operand -o o.cns -f && cn-info o.cns | grep 'label.names = cat dog'"
		ok 'cn-export npy --field label o.cns | tail -c 28 | od -An -v -w28 -td4 | tr -s " "'
		[ "$output" = ' 0 0 0 1 1 1 -1' ]
	done
	tar cf one.tar set/cat
	ok 'cn-import image one.tar | cn-info | grep "label.names = cat"'
	mkdir $'set/new\nline'
	cp set/top.ppm $'set/new\nline'
	refuses 1 'cn-import image set -o new.cns' "set: the name of a folder breaks off after 'new'"
	[ ! -e new.cns ]
}

@test "import: the command line is checked" {
	refuses 2 'cn-import image --channels 2 .' '--channels is one of 0|1|3'
	refuses 2 'cn-import demo -n 5 --verify-key absent' '--verify-key'
	refuses 2 'cn-import tsv x' "'tsv' is none of"
	refuses 2 'cn-import idx' 'idx wants a file'
	refuses 2 'cn-import demo x' 'demo takes no files'
	refuses 2 'cn-import demo --match x' '--match would do nothing here: it is for format image'
	refuses 2 'cn-import demo --classes 95' '--classes must be a multiple'
	refuses 2 'cn-import image --resize 0 .' '--resize must be N or WxH'
	refuses 1 'cn-import idx absent' "cannot open 'absent'"
	refuses 1 'cn-import image . --match "*.nothing"' 'no pictures'
}

@test "import: a full disk is said, and leaves nothing" {
	refuses 1 'cn-import demo -n 500 >/dev/full' 'No space left on device'
	refuses 1 'cn-import demo -n 500 -o /dev/full' 'No space left on device'
}
