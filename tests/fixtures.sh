#!/bin/bash
# fixtures.sh - makes the small streams and the model that many tests share into $CN_FIXTURES, by the programs.
set -eu -o pipefail
: "${CN_FIXTURES:?the folder to make them in}"
mkdir -p "$CN_FIXTURES"
cd "$CN_FIXTURES"

# make FILE COMMAND...: unless it is there already, or the program is not built.
make() {
	[ -e "$1" ] || ! command -v "$2" >/dev/null || "${@:2}" -o "$1"
}

make demo.cns cn-import demo -n 200 --classes 10 --coarse 5 --size 16 --pairs
make demo-test.cns cn-import demo -n 100 --classes 10 --coarse 5 --size 16 --pairs --split test
make model.safetensors cn-train -q --arch 'conv:8 conv:16/2 gap' --head 'linear:16' --batch 50 demo.cns
make z.cns cn-embed -q -m model.safetensors demo.cns
make neg.cns cn-mine -q --k 4 --bank z.cns z.cns
