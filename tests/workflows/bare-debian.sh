#!/bin/bash
# bare-debian.sh - make check and make demo as the only two commands in a bare Debian 12, from a clone.
# Needs root, debootstrap and the network.  With operands: these commands instead ("make check").
set -eu
cd "$(dirname "$0")/../.."
command -v debootstrap >/dev/null || { echo "bare-debian.sh: needs debootstrap" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo "bare-debian.sh: needs root" >&2; exit 1; }
[ $# -gt 0 ] || set -- 'make check' 'make demo'
root=$(mktemp -d)/debian
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
	sed -n 's/^URIs: *\(.*debian\)\/\{0,1\}$/\1/p; s/^deb \(\[.*\] \)\{0,1\}\([^ ]*debian\)\/\{0,1\} .*/\2/p' | head -n 1)

finish() {
	umount "$root/proc" "$root/dev/pts" "$root/dev" 2>/dev/null || true
	# never through a folder that is still mounted
	mountpoint -q "$root/proc" || mountpoint -q "$root/dev" || rm -rf "$(dirname "$root")"
}
trap finish EXIT

echo "== a bare Debian from ${mirror:=http://deb.debian.org/debian}"
debootstrap --variant=minbase --include=make,git,ca-certificates bookworm "$root" "$mirror" >"$root.log" 2>&1 ||
	{ tail -n 20 "$root.log"; exit 1; }
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount --bind /dev/pts "$root/dev/pts"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# how this machine reaches its mirror: proxies and certificates
cp -r /etc/apt/apt.conf.d "$root/etc/apt/" 2>/dev/null || true
[ ! -e /etc/apt/apt.conf ] || cp /etc/apt/apt.conf "$root/etc/apt/"
[ ! -d /usr/local/share/ca-certificates ] || {
	cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
	chroot "$root" update-ca-certificates >/dev/null 2>&1
}
git clone -q . "$root/srv/cn-tools"

for command; do
	echo "== $command"
	start=$SECONDS
	chroot "$root" /usr/bin/env -i HOME=/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
		http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" no_proxy="${no_proxy:-}" \
		sh -c "cd /srv/cn-tools && $command" </dev/null
	echo "== $command: done in $((SECONDS - start)) s"
done
