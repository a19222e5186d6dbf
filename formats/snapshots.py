#!/usr/bin/env python3
"""snapshots.py - reads what `cn-train --publish` writes into a FIFO, written from cn-model(5) alone.

usage: snapshots.py <FIFO

Prints a line for each file: "announcement", or number, rows, every and how many tensors there are.  Exits with 0 at the
end mark, 1 for what is no such stream, 3 where it is cut short, 4 where a digest is wrong.
"""
import hashlib
import json
import sys

MAGIC = b"\x89CNW\r\n\x1a\n"


def take(count):
    data = sys.stdin.buffer.read(count)
    if len(data) < count:
        sys.exit(3)
    return data


while True:
    head = take(48)
    if head[:8] != MAGIC:
        sys.exit(1)
    file = take(int.from_bytes(head[8:16], "little"))
    if hashlib.blake2b(b"CNS1SNAP" + file, digest_size=32).digest() != head[16:]:
        sys.exit(4)
    if not file:
        break
    header = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
    said = header.pop("__metadata__")
    if header:
        print(said["cn.snapshot"], said["cn.rows"], said["cn.every"], len(header))
    else:
        print("announcement", said["cn.every"])
