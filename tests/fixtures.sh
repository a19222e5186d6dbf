#!/bin/bash
# fixtures.sh - small streams and a model that many tests share, made into $CN_FIXTURES by the programs themselves.
set -eu -o pipefail
: "${CN_FIXTURES:?the folder to make them in}"
mkdir -p "$CN_FIXTURES"
cd "$CN_FIXTURES"

# Makes a file unless it is there; what cannot be made yet is left out, and the tests that need it say so.
make_with() {
	local program=$1

	command -v "$program" >/dev/null
}
