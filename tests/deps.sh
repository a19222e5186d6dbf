#!/bin/sh
# deps.sh - installs the libraries and tools that are missing, with the system's own package manager.
set -eu

libraries="zlib libzstd libsodium libarchive libjpeg spng jansson openblas"
tools="cc make pkg-config ar bats mandoc shellcheck jq zstd file python3 parallel cmp"

missing() {
	for tool in $tools; do
		command -v "$tool" >/dev/null 2>&1 || echo "$tool"
	done
	for library in $libraries; do
		pkg-config --exists "$library" 2>/dev/null || echo "$library"
	done
	python3 -c 'import numpy' 2>/dev/null || /usr/bin/python3 -c 'import numpy' 2>/dev/null || echo numpy
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo "$@"
	else
		echo "make deps: root is needed to run: $*" >&2
		exit 1
	fi
}

lacking=$(missing)
[ -n "$lacking" ] || exit 0
echo "make deps: installing what is missing:" $lacking

if command -v apt-get >/dev/null 2>&1; then
	as_root apt-get -qq update
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
		gcc libc6-dev make pkg-config binutils zlib1g-dev libzstd-dev libsodium-dev libarchive-dev libjpeg-dev libspng-dev \
		libjansson-dev libopenblas-dev bats mandoc shellcheck jq zstd file python3 python3-numpy parallel \
		diffutils procps >/dev/null
elif command -v dnf >/dev/null 2>&1; then
	as_root dnf -q -y install gcc make pkgconf-pkg-config binutils zlib-devel libzstd-devel libsodium-devel libarchive-devel \
		libjpeg-turbo-devel libspng-devel jansson-devel openblas-devel bats mandoc ShellCheck jq zstd file python3 \
		python3-numpy parallel diffutils procps-ng
elif command -v pacman >/dev/null 2>&1; then
	as_root pacman -S --needed --noconfirm gcc make pkgconf binutils zlib zstd libsodium libarchive libjpeg-turbo libspng \
		jansson openblas bats mandoc shellcheck jq file python python-numpy parallel diffutils procps-ng
elif command -v brew >/dev/null 2>&1; then
	brew install pkg-config zstd libsodium libarchive jpeg-turbo libspng jansson openblas bats-core mandoc shellcheck \
		jq parallel numpy
else
	echo "make deps: no package manager known here; please install:" $lacking >&2
	exit 1
fi

lacking=$(missing)
[ -z "$lacking" ] || { echo "make deps: still missing:" $lacking >&2; exit 1; }
