#!/usr/bin/env python3
"""mkvectors.py - makes the test vectors of the format, each valid but for the one fault in its name.

usage: mkvectors.py FOLDER

Writes FOLDER/valid/NNNN-name.cns, and FOLDER/invalid/NNNN-fault.cns with NNNN-fault.want: the exit status, and a piece
of the sentence that the programs say; and FOLDER/test.key and test.pub, a pair of minisign keys to sign with, which
is as secret as this file.  Vectors are kept for ever: a new one gets a new number.  The text views
valid/*.txt are what cns.py printed when a vector came in, and were read by a person then.  Vectors from 0100 on were
written by the programs, from 0120 on by a zstd that need not be yours; they are not made again here.
"""
import base64
import hashlib
import os
import struct
import sys

import cns

SKIPPABLE = 0x184D2A5C
SENTINEL = bytes.fromhex("28b52ffd240001000099e9d851")
U8, I8, U16, I16, U32, I32, U64, I64, F16, BF16, F32, F64 = range(1, 13)
SIZE = [0, 1, 1, 2, 2, 4, 4, 8, 8, 2, 2, 4, 8]


def digest(tag, *parts):
    return hashlib.blake2b(b"CNS1" + tag + b"".join(parts), digest_size=32).digest()


def xxh64(data):
    """The checksum of zstd frames is its low half."""
    p1, p2, p3, p4, p5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
                          0x27D4EB2F165667C5)
    mask = 2**64 - 1

    def turn(x, n):
        return (x << n | x >> 64 - n) & mask

    def mix(acc, lane):
        return turn((acc + lane * p2) & mask, 31) * p1 & mask

    at, n = 0, len(data)
    if n >= 32:
        acc = [(p1 + p2) & mask, p2, 0, -p1 & mask]
        while at + 32 <= n:
            acc = [mix(a, lane) for a, lane in zip(acc, struct.unpack_from("<4Q", data, at))]
            at += 32
        h = sum(turn(a, r) for a, r in zip(acc, (1, 7, 12, 18))) & mask
        for a in acc:
            h = ((h ^ mix(0, a)) * p1 + p4) & mask
    else:
        h = p5
    h = h + n & mask
    while at + 8 <= n:
        h = (turn(h ^ mix(0, struct.unpack_from("<Q", data, at)[0]), 27) * p1 + p4) & mask
        at += 8
    if at + 4 <= n:
        h = (turn(h ^ struct.unpack_from("<I", data, at)[0] * p1 & mask, 23) * p2 + p3) & mask
        at += 4
    for byte in data[at:]:
        h = turn(h ^ byte * p5 & mask, 11) * p1 & mask
    h = (h ^ h >> 33) * p2 & mask
    h = (h ^ h >> 29) * p3 & mask
    return h ^ h >> 32


def zstd(data, descriptor=None, size=None, check=None, kind=None, window=None):
    """A zstd frame of one raw block (or one repeated byte), as the format wants it unless told otherwise."""
    width = 1 if len(data) < 256 else 2 if len(data) < 65792 else 4
    flag = {1: 0, 2: 1, 4: 2}[width]
    if descriptor is None:
        descriptor = flag << 6 | (0x20 if window is None else 0) | 0x04
        if window is not None:
            descriptor, width = 2 << 6 | 0x04, 4
    size = len(data) if size is None else size
    stored = (size - 256 if width == 2 else size) % (1 << 8 * width)
    head = b"\x28\xb5\x2f\xfd" + bytes([descriptor]) + (b"" if window is None else bytes([window]))
    run = len(data) > 1 and data == data[:1] * len(data)
    kind = (1 if run else 0) if kind is None else kind
    block = struct.pack("<I", 1 | kind << 1 | len(data) << 3)[:3] + (data[:1] if kind == 1 else data)
    check = xxh64(data) & 0xFFFFFFFF if check is None else check
    return head + stored.to_bytes(width, "little") + block + struct.pack("<I", check)


def frame(payload):
    return struct.pack("<II", SKIPPABLE, len(payload)) + payload


def pairs(items):
    return b"".join(struct.pack("<H", len(k)) + k + struct.pack("<I", len(v)) + v for k, v in items)


def findings(*items):
    """The payload of mETA."""
    return b"mETA" + bytes(4) + pairs(items)


def node(items, parents=()):
    body = pairs(items)
    return struct.pack(f"<H{len(parents)}HI", len(parents), *parents, len(body)) + body


def schema(fields):
    return b"".join(struct.pack("<B", len(name)) + name + struct.pack(f"<BB{len(dims)}I", kind, len(dims), *dims)
                    for name, kind, dims in fields)


def shuffle(data, size):
    return b"".join(data[b::size] for b in range(size))


def delta(data, distance):
    return bytes(b - (data[i - distance] if i >= distance else 0) & 255 for i, b in enumerate(data))


class Stream:
    """Builds one stream; every argument that is not given has the value a writer would give it."""

    def __init__(self, fields, meta=(), nodes=(), rows=4, hint=0, major=1, incompat=0, compat=0, n_fields=None, n_meta=None,
                 n_nodes=None, lengths=(0, 0, 0), tail=b"", head_digest=None, sentinel=SENTINEL, size=None, magic=b"\x89CNS\r\n\x1a\n"):
        self.fields, self.n_rows, self.entries = fields, 0, []
        parts = [schema(fields), pairs(meta), struct.pack("<H", len(nodes) if n_nodes is None else n_nodes) + b"".join(nodes)]
        payload = magic + struct.pack("<HHIIIQHHIII", major, 0, incompat, compat, rows, hint,
                                      len(fields) if n_fields is None else n_fields, len(meta) if n_meta is None else n_meta,
                                      *(len(part) + more for part, more in zip(parts, lengths))) + b"".join(parts) + tail
        seal = digest(b"head", payload)
        payload += head_digest or seal
        self.bytes = struct.pack("<II", SKIPPABLE, len(payload) if size is None else size) + payload + sentinel
        self.data, self.stream = digest(b"data", parts[0]), digest(b"strm", seal)
        self.index_at = 0

    def add(self, data):
        self.bytes += data
        return self

    def other(self, payload):
        self.stream = digest(b"strm", self.stream, payload)
        return self.add(frame(payload))

    def chunk(self, columns, n, filters=None, first=None, rows=None, n_fields=None, zero=0, seal=None, reserved=b"\0\0\0",
              raw=None, packed=None, frames=None, flags=0, size=None, kind=b"CHNK"):
        """columns: the decoded bytes of each field; frames: zstd frames to use instead of proper ones."""
        filters = filters or [0] * len(columns)
        first = self.n_rows if first is None else first
        stored = [shuffle(c, SIZE[f[1]]) if w == 1 else delta(c, f[2][-1]) if w == 2 else c
                  for c, f, w in zip(columns, self.fields, filters)]
        frames = frames or [zstd(s) for s in stored]
        own = digest(b"chnk", struct.pack("<QI", first, n), *columns)
        payload = kind + struct.pack("<IQIHH", flags, first, n if rows is None else rows,
                                     len(columns) if n_fields is None else n_fields, zero) + (seal or own)
        for column, data, which in zip(columns, frames, filters):
            payload += bytes([which]) + reserved + struct.pack("<IQ", len(data) if packed is None else packed,
                                                               len(column) if raw is None else raw)
        self.entries.append(struct.pack("<QII", len(self.bytes), n, 0) + (seal or own))
        self.data, self.stream = digest(b"data", self.data, seal or own), digest(b"strm", self.stream, seal or own)
        self.n_rows += n
        return self.add(struct.pack("<II", SKIPPABLE, len(payload) if size is None else size) + payload + b"".join(frames))

    def index(self, entries=None, n=None, slack=b""):
        entries = self.entries if entries is None else entries
        self.index_at = self.index_at or len(self.bytes)
        return self.add(frame(b"iNDX" + struct.pack("<IQ", 0, len(entries) if n is None else n) + b"".join(entries) + slack))

    def tail(self, rows=None, chunks=None, data=None, stream=None, inputs=(), n_inputs=None, status=0, signatures=(),
             n_signatures=None, at=None, index=None, size=None, mark=b"CNSE", slack=b"", sign=None):
        payload = b"TAIL" + struct.pack("<IQQ", 0, self.n_rows if rows is None else rows,
                                        len(self.entries) if chunks is None else chunks) + (data or self.data)
        payload += struct.pack("<H", len(inputs) if n_inputs is None else n_inputs)
        payload += b"".join(struct.pack("<HHQ", *each) + bytes(32) for each in inputs) + struct.pack("<I", status)
        root = digest(b"strm", self.stream, payload)
        signatures = [sign(root)] if sign else signatures
        payload += (stream or root) + struct.pack("<H", len(signatures) if n_signatures is None else n_signatures)
        payload += b"".join(signatures) + struct.pack("<QQ", len(self.bytes) if at is None else at,
                                                      self.index_at if index is None else index)
        payload += slack
        return self.add(frame(payload + struct.pack("<I", len(payload) + 16 if size is None else size) + mark))


def abort(program=b"cn-mine", message=b"out of ideas", code=1, slack=b""):
    return frame(b"ABRT" + struct.pack("<IIH", 0, code, len(program)) + program + struct.pack("<H", len(message)) + message + slack)


# ---- Ed25519 (RFC 8032) ----

SEED, KEY_ID = bytes(range(32)), b"test key"


def pack(point):
    x, y = (coordinate * pow(point[2], cns.P - 2, cns.P) % cns.P for coordinate in point[:2])
    return (y | (x & 1) << 255).to_bytes(32, "little")


def secret():
    wide = hashlib.sha512(SEED).digest()
    return int.from_bytes(wide[:32], "little") & (1 << 254) - 8 | 1 << 254, wide[32:]


PUBLIC = pack(cns.times(secret()[0], cns.BASE))


def sign(root, message=b"CNS1 signature\0"):
    scalar, prefix = secret()
    r = int.from_bytes(hashlib.sha512(prefix + message + root).digest(), "little") % cns.ORDER
    begin = pack(cns.times(r, cns.BASE))
    h = int.from_bytes(hashlib.sha512(begin + PUBLIC + message + root).digest(), "little")
    return KEY_ID + PUBLIC + begin + ((r + h * scalar) % cns.ORDER).to_bytes(32, "little")


def minisign(comment, data):
    return f"untrusted comment: {comment}\n{base64.b64encode(data).decode()}\n"


def write_keys(folder):
    checksum = hashlib.blake2b(b"Ed" + KEY_ID + SEED + PUBLIC, digest_size=32).digest()
    with open(os.path.join(folder, "test.key"), "w", encoding="ascii") as file:
        file.write(minisign("for tests only", b"Ed\0\0B2" + bytes(48) + KEY_ID + SEED + PUBLIC + checksum))
    with open(os.path.join(folder, "test.pub"), "w", encoding="ascii") as file:
        file.write(minisign("for tests only", b"Ed" + KEY_ID + PUBLIC))


PAIR = [(b"id", U64, ()), (b"x", U8, (2, 3))]
IDS = [struct.pack("<4Q", *range(4 * k, 4 * k + 4)) for k in range(3)]
PIXELS = [bytes((7 * i * i + 13 * k) % 251 for i in range(24)) for k in range(3)]
STEPS = [node([(b"program", b"cn-import"), (b"seed", b"0"), (b"verb", b"idx")]),
         node([(b"input.1", b"a.cns"), (b"program", b"cn-cat")], [0])]


def begun(**head):
    return Stream(PAIR, meta=[(b"source.format", b"idx")], nodes=STEPS, **head)


def one(**chunk):
    return begun().chunk([IDS[0], PIXELS[0]], 4, **chunk)


def two(last=2):
    return one().chunk([IDS[1][:8 * last], PIXELS[1][:6 * last]], last, filters=[1, 2])


def whole(**tail):
    return two().index().tail(**tail)


def floats():
    fields = [(b"f16", F16, (3,)), (b"bf16", BF16, (3,)), (b"f32", F32, (3,)), (b"f64", F64, (3,))]
    values = [(0.0, -0.0, 1.5), (float("inf"), float("-inf"), float("nan")), (1 / 3, -65504.0, 6e-8), (1e-3, 1234567.0, -1e-45)]
    halves = struct.pack("<12H", 0, 0x8000, 0x3E00, 0x7C00, 0xFC00, 0x7E00, 0x3555, 0xFBFF, 1, 0x1419, 0x7BFF, 0x8001)
    flat = [v for row in values for v in row]
    single = b"".join(struct.pack("<f", v) for v in flat)
    tops = b"".join(single[i + 2:i + 4] for i in range(0, len(single), 4))
    return Stream(fields).chunk([halves, tops, single, struct.pack("<12d", *flat)], 4, filters=[1, 1, 1, 1]).index().tail()


def integers():
    fields = [(b"u8", U8, ()), (b"i8", I8, ()), (b"u16", U16, ()), (b"i16", I16, ()), (b"u32", U32, ()), (b"i32", I32, ()),
              (b"u64", U64, ()), (b"i64", I64, ())]
    rows = []
    for bits in (8, 16, 32, 64):
        letter = {8: "b", 16: "h", 32: "i", 64: "q"}[bits]
        rows.append(struct.pack("<3" + letter.upper(), 0, 1, 2**bits - 1))
        rows.append(struct.pack("<3" + letter, -2**(bits - 1), -1, 2**(bits - 1) - 1))
    return Stream(fields).chunk(rows, 3, filters=[0, 0, 1, 1, 0, 1, 1, 0]).index().tail()


def ranks():
    fields = [(b"r%d" % rank, U8, (2,) * rank) for rank in range(9)]
    return Stream(fields).chunk([bytes(range(2**rank)) for rank in range(9)], 1, filters=[0] + [2] * 8).index().tail()


def words():
    text = ["first light", "caf\u00e9 \u2192 \u2603", "tab\tbell\x07 c1\x9b end", ""]
    column = b"".join(t.encode().ljust(24, b"\0") for t in text)
    broken = b"\xff\xc3(\xe2\x82 \xed\xa0\x80".ljust(24, b"\0")
    return Stream([(b"text", U8, (24,))], rows=8).chunk([column + broken], 5, filters=[2]).index().tail()


VALID = {
    "0001-empty": lambda: begun().tail(),
    "0002-one-chunk": lambda: one().index().tail(),
    "0003-two-chunks": lambda: whole(),
    "0004-full-last-chunk": lambda: two(4).index().tail(),
    "0005-no-index": lambda: two().tail(),
    "0006-index-in-two-frames": lambda: (lambda s: indexed(s.index(s.entries[:1]), lambda all: all[1:]))(two()),
    "0007-variable-chunks": lambda: begun(incompat=1).chunk([IDS[0][:8], PIXELS[0][:6]], 1).chunk([IDS[1], PIXELS[1]], 4)
    .chunk([IDS[2][:16], PIXELS[2][:12]], 2).index().tail(),
    "0008-integers": integers,
    "0009-floats": floats,
    "0010-ranks": ranks,
    "0011-words": words,
    "0012-unknown-ancillary-frames": lambda: begun().other(b"juNk" + bytes(4) + b"whatever").chunk([IDS[0], PIXELS[0]], 4)
    .other(b"noTe" + bytes(4)).index().other(b"laTe" + bytes(4)).tail(),
    "0013-unknown-compatible-bits": lambda: begun(compat=0xFFFF0000, hint=99).chunk([IDS[0], PIXELS[0]], 4).index().tail(),
    "0014-inputs-and-status": lambda: whole(inputs=[(0, 1, 17), (1, 0, 6), (0xFFFF, 2, 0)], status=3),
    "0015-long-names": lambda: Stream([(b"a" * 64, U8, ()), (b"A-z_0.9", U8, ())], meta=[(b"k" * 255, b""), (b"l", b"\xe2\x86\x92" * 999)],
                                      rows=1).chunk([b"\1", b"\2"], 1).index().tail(),
    "0016-history-of-several-parents": lambda: Stream(
        PAIR, nodes=STEPS + [node([(b"program", b"a program of one's own")]), node([], [2, 1, 0])]).tail(),
    "0017-256-fields": lambda: Stream([(b"f%d" % i, U8, ()) for i in range(256)]).chunk([bytes([i]) for i in range(256)], 1).index().tail(),
    "0018-big-rows": lambda: Stream([(b"x", U16, (300, 200))], rows=1).chunk([b"a" * 120000], 1, filters=[1]).index().tail(),
    "0019-zstd-window": lambda: one(frames=[zstd(IDS[0], window=0), zstd(PIXELS[0], window=0x68)]).index().tail(),
    "0020-signed": lambda: whole(sign=sign),
    "0021-metadata-at-the-end": lambda: two().index().other(findings((b"count", b"6"), (b"name", b"sechs \xe2\x86\x92 6"))).tail(sign=sign),
    "0022-metadata-at-the-end-of-nothing": lambda: begun().other(findings()).tail(),
}


def cut(stream, n):
    """n bytes of it, or all but -n."""
    stream.bytes = stream.bytes[:n]
    return stream


def swap(stream, at, new):
    """With new written over what was at a place."""
    stream.bytes = stream.bytes[:at] + new + stream.bytes[at + len(new):]
    return stream


def swap_last(stream, new):
    return swap(stream, len(stream.bytes) - len(new), new)


def insert(stream, at, new):
    stream.bytes = stream.bytes[:at] + new + stream.bytes[at:]
    return stream


def lose_frame(stream):
    """With a digest that covers an ancillary frame which is not there."""
    stream.stream = digest(b"strm", stream.stream, b"juNk" + bytes(4))
    return stream


def indexed(stream, choose):
    """With an index of what choose makes of the right entries."""
    return stream.index(choose(stream.entries)).tail()


def scalar():
    return Stream([(b"x", U8, ())])


def fields_of(*names, kind=U8, dims=()):
    return Stream([(name, kind, dims) for name in names])


HEAD_END, CHUNK_AT = len(begun().bytes) - 13, len(begun().bytes)
ONE_END, TWO_END = len(one().bytes), len(two().bytes)
INDEX_END = len(two().index().bytes)

INVALID = {
    # cut short
    "0001-nothing": (3, "before it began", lambda: cut(whole(), 0)),
    "0002-three-bytes": (3, "inside HEAD", lambda: cut(whole(), 3)),
    "0003-cut-in-head": (3, "inside HEAD", lambda: cut(whole(), 60)),
    "0004-cut-after-head": (3, "before its first chunk", lambda: cut(whole(), HEAD_END)),
    "0005-cut-in-sentinel": (3, "before its first chunk", lambda: cut(whole(), HEAD_END + 5)),
    "0006-cut-after-sentinel": (3, "before its first chunk", lambda: cut(whole(), CHUNK_AT)),
    "0007-cut-in-chunk-header": (3, "ended at byte", lambda: cut(whole(), CHUNK_AT + 30)),
    "0008-cut-in-chunk-data": (3, "inside chunk 0", lambda: cut(whole(), ONE_END - 5)),
    "0009-cut-after-first-chunk": (3, "after 1 whole chunks (4 rows)", lambda: cut(whole(), ONE_END)),
    "0010-cut-after-chunks": (3, "after 2 whole chunks (6 rows)", lambda: cut(whole(), TWO_END)),
    "0011-cut-in-index": (3, "before TAIL", lambda: cut(whole(), TWO_END + 20)),
    "0012-cut-after-index": (3, "before TAIL", lambda: cut(whole(), INDEX_END)),
    "0013-cut-in-tail": (3, "before TAIL", lambda: cut(whole(), INDEX_END + 40)),
    "0014-cut-by-one-byte": (3, "before TAIL", lambda: cut(whole(), -1)),
    # stopped upstream
    "0020-abort-at-once": (3, "stopped by cn-mine: out of ideas", lambda: cut(begun(), 0).add(abort())),
    "0021-abort-after-chunk": (3, "stopped by cn-mine: out of ideas", lambda: one().add(abort())),
    "0022-abort-with-controls": (3, "stopped by cn?mine: out?of??ideas",
                                 lambda: one().add(abort(b"cn\x1bmine", b"out\x07of\xc2\x9bideas"))),
    "0023-abort-too-long": (1, "ABRT has a bad length", lambda: one().add(abort(slack=b"!"))),
    "0024-abort-too-short": (1, "ABRT has a bad length", lambda: one().add(frame(b"ABRT" + bytes(4) + b"\1\0\0\0\xff\xff"))),
    # HEAD
    "0030-text": (1, "it looks like text", lambda: cut(begun(), 0).add(b"id,x\n1,2\n")),
    "0031-plain-zstd": (1, "plain zstd data", lambda: cut(begun(), 0).add(zstd(b"hello, world"))),
    "0032-other-skippable": (1, "other zstd frames", lambda: cut(begun(), 0).add(frame(b"something else"))),
    "0033-magic-in-text-mode": (1, "other zstd frames", lambda: begun(magic=b"\x89CNS\n\n\x1a\n").tail()),
    "0034-head-too-large": (1, "corrupt HEAD: it claims", lambda: begun(size=(1 << 20) + 1)),
    "0035-head-too-small": (1, "corrupt HEAD", lambda: cut(begun(), 0).add(frame(b"\x89CNS\r\n\x1a\n" + bytes(20)))),
    "0036-head-digest": (4, "corrupt HEAD: its digest", lambda: begun(head_digest=bytes(32)).tail()),
    "0037-major-2": (1, "is version 2", lambda: begun(major=2).tail()),
    "0038-unknown-feature": (1, "feature bits 0x80000000", lambda: begun(incompat=0x80000001).tail()),
    "0039-no-chunk-rows": (1, "the rows of a chunk", lambda: begun(rows=0).tail()),
    "0040-too-many-chunk-rows": (1, "the rows of a chunk", lambda: begun(rows=(1 << 20) + 1).tail()),
    "0041-no-fields": (1, "number of fields", lambda: Stream([]).tail()),
    "0042-257-fields": (1, "number of fields", lambda: fields_of(*(b"f%d" % i for i in range(257))).tail()),
    "0043-more-fields-than-schema": (1, "corrupt HEAD", lambda: begun(n_fields=3).tail()),
    "0044-fewer-fields-than-schema": (1, "its lengths do not agree", lambda: begun(n_fields=1).tail()),
    "0045-schema-length": (1, "corrupt HEAD", lambda: begun(lengths=(1, 0, 0)).tail()),
    "0046-slack-in-head": (1, "its lengths do not agree", lambda: begun(tail=b"\0").tail()),
    "0047-nameless-field": (1, "a field's name has a bad length", lambda: fields_of(b"").tail()),
    "0048-name-of-65": (1, "a field's name has a bad length", lambda: fields_of(b"a" * 65).tail()),
    "0049-name-with-slash": (1, "a field's name has 1 to 64 characters", lambda: fields_of(b"a/b").tail()),
    "0050-name-twice": (1, "is there twice", lambda: fields_of(b"x", b"x").tail()),
    "0051-dtype-0": (1, "unknown element type 0", lambda: fields_of(b"x", kind=0).tail()),
    "0052-dtype-13": (1, "unknown element type 13", lambda: fields_of(b"x", kind=13).tail()),
    "0053-rank-9": (1, "more than 8 dimensions", lambda: fields_of(b"x", dims=(1,) * 9).tail()),
    "0054-extent-0": (1, "each dimension must lie in", lambda: fields_of(b"x", dims=(3, 0)).tail()),
    "0055-extent-too-large": (1, "each dimension must lie in", lambda: fields_of(b"x", dims=(1 << 31,)).tail()),
    "0056-row-too-large": (1, "must not exceed 256 MiB", lambda: fields_of(b"x", kind=F64, dims=(1 << 26,)).tail()),
    "0057-row-overflows": (1, "must not exceed 256 MiB", lambda: fields_of(b"x", kind=F64, dims=(1 << 30,) * 8).tail()),
    "0058-rows-add-up": (1, "with field 'y' a row has", lambda: fields_of(b"x", b"y", dims=(200 << 20,)).tail()),
    "0059-schema-cut": (1, "the schema is cut short", lambda: Stream([(b"x", U8, ())], lengths=(-1, 1, 0)).tail()),
    "0060-meta-key-empty": (1, "a metadata key has a bad length", lambda: Stream(PAIR, meta=[(b"", b"v")]).tail()),
    "0061-meta-key-of-256": (1, "a metadata key has a bad length", lambda: Stream(PAIR, meta=[(b"k" * 256, b"v")]).tail()),
    "0062-meta-unordered": (1, "metadata keys are not in order", lambda: Stream(PAIR, meta=[(b"b", b""), (b"a", b"")]).tail()),
    "0063-meta-twice": (1, "metadata keys are not in order", lambda: Stream(PAIR, meta=[(b"a", b""), (b"a", b"")]).tail()),
    "0064-meta-not-utf8": (1, "metadata is not UTF-8", lambda: Stream(PAIR, meta=[(b"a", b"\xff")]).tail()),
    "0065-meta-overlong-utf8": (1, "metadata is not UTF-8", lambda: Stream(PAIR, meta=[(b"a", b"\xc0\x80")]).tail()),
    "0066-meta-surrogate": (1, "metadata is not UTF-8", lambda: Stream(PAIR, meta=[(b"a", b"\xed\xa0\x80")]).tail()),
    "0067-meta-must-be-understood": (1, "needs metadata 'secret!'", lambda: Stream(PAIR, meta=[(b"secret!", b"")]).tail()),
    "0068-meta-more-than-there": (1, "corrupt HEAD", lambda: Stream(PAIR, meta=[(b"a", b"")], n_meta=2).tail()),
    "0069-meta-fewer-than-there": (1, "its lengths do not agree", lambda: Stream(PAIR, meta=[(b"a", b"")], n_meta=0).tail()),
    "0070-parent-is-self": (1, "before its parent", lambda: Stream(PAIR, nodes=[STEPS[0], node([], [1])]).tail()),
    "0071-too-many-parents": (1, "more parents than there are", lambda: Stream(PAIR, nodes=[node([], [0])]).tail()),
    "0072-257-steps": (1, "more than 256 steps", lambda: Stream(PAIR, nodes=[node([])] * 257).tail()),
    "0073-steps-missing": (1, "corrupt HEAD", lambda: Stream(PAIR, nodes=STEPS, n_nodes=3).tail()),
    "0074-sentinel-damaged": (1, "the sentinel after HEAD", lambda: begun(sentinel=SENTINEL[:-1] + b"\0").tail()),
    # CHNK
    "0080-chunk-length": (1, "CHNK has a bad length", lambda: begun().add(frame(b"CHNK" + bytes(60))).tail()),
    "0081-chunk-fields": (1, "another number of fields", lambda: one(n_fields=3).index().tail()),
    "0082-chunk-reserved": (1, "another number of fields", lambda: one(zero=1).index().tail()),
    "0083-chunk-flags": (1, "a frame has flags", lambda: one(flags=1).index().tail()),
    "0084-chunk-without-rows": (1, "its rows do not lie in", lambda: begun().chunk([b"", b""], 0).index().tail()),
    "0085-chunk-of-a-million-rows": (1, "its rows do not lie in", lambda: one(rows=(1 << 20) + 1).index().tail()),
    "0086-chunk-too-large": (1, "exceed the limit of 256 MiB", lambda: Stream([(b"x", U8, (1 << 20,))], rows=1 << 20)
                             .chunk([b"\0" * 8], 1, rows=257).tail()),
    "0087-chunk-larger-than-announced": (1, "expected at most 4 rows", lambda: begun().chunk([IDS[0] + IDS[1], PIXELS[0] + PIXELS[1]], 8)
                                         .index().tail()),
    "0088-chunk-first-row": (1, "expected row 0, got 1", lambda: one(first=1).index().tail()),
    "0089-short-chunk-in-the-middle": (1, "the chunk before it is too short", lambda: begun().chunk([IDS[0][:8], PIXELS[0][:6]], 1)
                                       .chunk([IDS[1], PIXELS[1]], 4).index().tail()),
    "0090-filter-3": (1, "uses filter 3", lambda: one(filters=[3, 0]).index().tail()),
    "0091-shuffle-of-bytes": (1, "uses filter 1", lambda: one(filters=[0, 1]).index().tail()),
    "0092-delta-of-numbers": (1, "uses filter 2", lambda: Stream([(b"x", U32, (2,))]).chunk([bytes(8)], 1, filters=[2]).index().tail()),
    "0093-delta-of-scalars": (1, "uses filter 2", lambda: swap(scalar().chunk([b"\5"], 1).index().tail(), len(scalar().bytes) + 64,
                                                               b"\2")),
    "0094-part-reserved": (1, "reserved bytes are not zero", lambda: one(reserved=b"\0\1\0").index().tail()),
    "0095-part-raw-length": (1, "expected 32 bytes, got 31", lambda: one(raw=31).index().tail()),
    "0096-part-packed-too-large": (1, "more than zstd can need", lambda: one(packed=1 << 20).index().tail()),
    "0097-chunk-digest": (4, "its digest does not match", lambda: one(seal=bytes(32)).index().tail()),
    "0098-not-a-zstd-frame": (1, "is not a zstd frame", lambda: one(frames=[b"\0" * 40, zstd(PIXELS[0])]).index().tail()),
    "0099-zstd-without-checksum": (1, "of a kind not used here", lambda: one(frames=[zstd(IDS[0], descriptor=0x20)[:-4],
                                                                                    zstd(PIXELS[0])]).index().tail()),
    "0100-zstd-with-dictionary": (1, "of a kind not used here", lambda: one(frames=[zstd(IDS[0], descriptor=0x25),
                                                                                   zstd(PIXELS[0])]).index().tail()),
    "0101-zstd-without-size": (1, "another size than announced", lambda: one(frames=[
        zstd(IDS[0], descriptor=0x04, window=0)[:6] + zstd(IDS[0])[6:], zstd(PIXELS[0])]).index().tail()),
    "0102-zstd-other-size": (1, "another size than announced", lambda: one(frames=[zstd(IDS[0], size=33), zstd(PIXELS[0])]).index().tail()),
    "0103-zstd-window-too-large": (1, "window exceeds the limit", lambda: one(frames=[zstd(IDS[0], window=0x69),
                                                                                     zstd(PIXELS[0])]).index().tail()),
    "0104-zstd-checksum": (4, "chunk 0", lambda: one(frames=[zstd(IDS[0], check=1), zstd(PIXELS[0])]).index().tail()),
    "0105-zstd-reserved-block": (4, "chunk 0", lambda: one(frames=[zstd(IDS[0], kind=3), zstd(PIXELS[0])]).index().tail()),
    "0106-zstd-frame-and-more": (4, "chunk 0", lambda: one(frames=[zstd(IDS[0]) + b"\0", zstd(PIXELS[0])]).index().tail()),
    "0107-zstd-two-frames": (1, "chunk 0", lambda: one(frames=[zstd(IDS[0][:16]) + zstd(IDS[0][16:]), zstd(PIXELS[0])]).index().tail()),
    "0108-zstd-frame-cut": (4, "chunk 0", lambda: one(frames=[zstd(IDS[0])[:-6], zstd(PIXELS[0])]).index().tail()),
    "0109-bytes-between-chunks": (1, "no frame begins here", lambda: one().add(b"\0" * 8).index().tail()),
    "0110-frame-too-short": (1, "a frame is too short", lambda: one().add(frame(b"juNk"))),
    "0111-frame-too-large": (1, "a frame claims", lambda: one().add(struct.pack("<II", SKIPPABLE, (16 << 20) + 1))),
    "0112-unknown-critical-frame": (1, "needs frames of type 'MUST'", lambda: one().other(b"MUST" + bytes(4)).index().tail()),
    "0113-improper-frame-type": (1, "no proper type", lambda: one().other(b"a1b2" + bytes(4)).index().tail()),
    "0114-ancillary-frame-with-flags": (1, "a frame has flags", lambda: one().other(b"juNk\1\0\0\0").index().tail()),
    "0115-frame-between-chunk-and-data": (1, "is not a zstd frame", lambda: insert(one(), CHUNK_AT + 96, frame(b"juNk" + bytes(4)))),
    "0116-ancillary-frame-taken-out": (4, "stream_root", lambda: lose_frame(one()).index().tail()),
    # mETA
    "0160-meta-out-of-order": (1, "corrupt mETA: metadata keys are not in order", lambda: two().index().other(
        findings((b"b", b""), (b"a", b""))).tail()),
    "0161-meta-cut-short": (1, "corrupt mETA: metadata is cut short", lambda: two().index().other(findings((b"a", b"1"))[:-1]).tail()),
    "0162-meta-no-text": (1, "corrupt mETA: metadata is not UTF-8", lambda: two().index().other(findings((b"a", b"\xff"))).tail()),
    "0163-meta-to-be-understood": (1, "needs metadata 'a!' understood", lambda: two().index().other(findings((b"a!", b""))).tail()),
    "0164-meta-twice": (1, "there is a second mETA", lambda: two().index().other(findings()).other(findings()).tail()),
    "0165-chunk-after-meta": (1, "a chunk comes after mETA", lambda: one().other(findings()).chunk([IDS[1], PIXELS[1]], 4).index().tail()),
    "0166-meta-changed": (4, "stream_root", lambda: swap_last(two().index().other(findings((b"n", b"6"))), b"7").tail()),
    # iNDX
    "0120-index-empty": (1, "the index has a bad length", lambda: one().index([]).tail()),
    "0121-index-count": (1, "the index has a bad length", lambda: two().index(n=3).tail()),
    "0122-index-slack": (1, "the index has a bad length", lambda: two().index(slack=b"\0").tail()),
    "0123-index-too-short": (1, "the index does not match", lambda: indexed(two(), lambda all: all[:1])),
    "0124-index-out-of-order": (1, "the index does not match", lambda: indexed(two(), lambda all: all[::-1])),
    "0125-index-wrong-offset": (1, "the index does not match", lambda: indexed(
        one(), lambda all: [struct.pack("<Q", 1) + all[0][8:]])),
    "0126-index-reserved": (1, "the index does not match", lambda: indexed(
        one(), lambda all: [all[0][:12] + b"\1" + all[0][13:]])),
    "0127-chunk-after-index": (1, "a chunk comes after the index", lambda: one().index().chunk([IDS[1], PIXELS[1]], 4).tail()),
    # TAIL
    "0130-tail-rows": (1, "TAIL counts 7 rows", lambda: whole(rows=7)),
    "0131-tail-chunks": (1, "TAIL counts 6 rows in 3 chunks", lambda: whole(chunks=3)),
    "0132-tail-data-root": (4, "data_root", lambda: whole(data=bytes(32))),
    "0133-tail-stream-root": (4, "stream_root", lambda: whole(stream=bytes(32))),
    "0134-tail-offset": (1, "TAIL's offsets are wrong", lambda: whole(at=0)),
    "0135-tail-index-offset": (1, "TAIL's offsets are wrong", lambda: whole(index=0)),
    "0136-tail-size": (1, "TAIL has a bad length", lambda: whole(size=99)),
    "0137-tail-mark": (1, "TAIL has a bad length", lambda: whole(mark=b"CNSF")),
    "0138-tail-slack": (1, "TAIL has a bad length", lambda: whole(slack=b"\0")),
    "0139-tail-input-state": (1, "unknown input state", lambda: whole(inputs=[(0, 3, 0)])),
    "0140-tail-input-node": (1, "an input the history does not have", lambda: whole(inputs=[(2, 0, 0)])),
    "0141-tail-more-inputs": (1, "more inputs than it holds", lambda: whole(n_inputs=4000)),
    "0142-tail-status": (1, "unknown status bits", lambda: whole(status=4)),
    "0143-tail-more-signatures": (1, "more signatures than it holds", lambda: whole(n_signatures=64)),
    "0144-tail-signature": (4, "signature 1 is wrong", lambda: whole(signatures=[bytes(8) + b"\x58" + b"\x66" * 31 + bytes(64)])),
    "0150-tail-signature-of-another-text": (4, "signature 1 is wrong", lambda: whole(sign=lambda root: sign(root, b"CNS1 signaturf\0"))),
    "0145-more-after-tail": (1, "more after the end", lambda: whole().add(b"\0")),
    "0146-two-streams": (1, "join streams with cn-cat", lambda: whole().add(whole().bytes)),
    "0147-second-head": (1, "a second stream begins here", lambda: one().add(begun().bytes)),
    "0148-missing-chunk": (1, "TAIL counts", lambda: cut(two(), ONE_END).add(whole().bytes[TWO_END:])),
    "0149-head-alone-and-tail-of-another": (4, "stream_root", lambda: begun().tail(stream=digest(b"strm", b""))),
}


def main(folder):
    for kind in ("valid", "invalid"):
        os.makedirs(os.path.join(folder, kind), exist_ok=True)
    write_keys(folder)
    for name, make in VALID.items():
        with open(os.path.join(folder, "valid", name + ".cns"), "wb") as file:
            file.write(make().bytes)
    for name, (status, piece, make) in INVALID.items():
        with open(os.path.join(folder, "invalid", name + ".cns"), "wb") as file:
            file.write(make().bytes)
        with open(os.path.join(folder, "invalid", name + ".want"), "w", encoding="utf-8") as file:
            file.write(f"{status}\n{piece}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    main(sys.argv[1])
