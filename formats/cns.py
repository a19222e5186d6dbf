#!/usr/bin/env python3
"""cns.py - reads CNS streams, written from cn-stream(5) alone: a second opinion on what the bytes mean.

usage: cns.py FILE...

Prints the rows of each file as text, just as `cn-info --text` does, and exits as the programs do: 0 whole and right,
1 corrupt, 3 cut short or stopped upstream, 4 a digest, checksum or signature is wrong.  With several files each is
introduced by a line "== FILE", followed by its rows and "-- STATUS SENTENCE"; the exit status is then 0.

As a module: `for rows in cns.Stream(open(path, "rb")): ...` gives a dictionary of numpy arrays for each chunk.
Needs numpy and the zstd program.
"""
import hashlib
import os
import signal
import struct
import subprocess
import sys

import numpy as np

HEAD_LIMIT, CONTROL_LIMIT = 1 << 20, 16 << 20
FIELDS, NAME, RANK, DIM, ROW = 256, 64, 8, 2**31 - 1, 256 << 20
CHUNK_ROWS, CHUNK, WINDOW = 1 << 20, 256 << 20, 8 << 20
META, KEY, NODES, INPUTS, SIGNATURES, INDEX = 4096, 255, 256, 4096, 64, 1 << 18

MAGIC = b"\x89CNS\r\n\x1a\n"
SKIPPABLE = 0x184D2A5C
SENTINEL = bytes.fromhex("28b52ffd240001000099e9d851")
VARCHUNK = 1
DTYPES = [None, "u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "bf16", "<f4", "<f8"]
LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
NAMES = LETTERS | frozenset(b"0123456789_.-")


class Fault(Exception):
    """What is wrong with a stream, and the status a program ends with because of it."""

    def __init__(self, status, sentence):
        super().__init__(sentence)
        self.status = status


def corrupt(sentence):
    return Fault(1, "corrupt: " + sentence)


def digest(tag, *parts):
    return hashlib.blake2b(b"CNS1" + tag + b"".join(parts), digest_size=32).digest()


class Cursor:
    """Bytes taken from the front; asking for more than there are is a fault."""

    def __init__(self, data, what):
        self.data, self.at, self.what = data, 0, what

    def take(self, n):
        if n > len(self.data) - self.at:
            raise corrupt(f"{self.what} is cut short")
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, kind):
        return struct.unpack("<" + kind, self.take(struct.calcsize("<" + kind)))[0]

    def end(self):
        if self.at != len(self.data):
            raise corrupt(f"{self.what} has {len(self.data) - self.at} bytes too many")


class Field:
    def __init__(self, cursor):
        self.name = cursor.take(cursor.number("B"))
        if not 1 <= len(self.name) <= NAME or not NAMES.issuperset(self.name):
            raise corrupt("the name of a field")
        self.name = self.name.decode()
        kind, rank = cursor.number("B"), cursor.number("B")
        if rank > RANK:
            raise corrupt(f"field '{self.name}' has {rank} dimensions")
        self.shape = tuple(cursor.number("I") for _ in range(rank))
        if not 1 <= kind < len(DTYPES):
            raise corrupt(f"field '{self.name}' has element type {kind}")
        if any(not 1 <= extent <= DIM for extent in self.shape):
            raise corrupt(f"field '{self.name}' has an extent out of range")
        self.dtype = DTYPES[kind]
        self.size = 2 if self.dtype == "bf16" else np.dtype(self.dtype).itemsize
        self.row = self.size
        for extent in self.shape:
            self.row *= extent

    def array(self, data, rows):
        """The column's bytes as numbers of shape (rows,) + shape; bf16 becomes float32."""
        if self.dtype == "bf16":
            wide = np.frombuffer(data, "<u2").astype("<u4") << 16
            return wide.view("<f4").reshape((rows,) + self.shape)
        return np.frombuffer(data, self.dtype).reshape((rows,) + self.shape)

    def allows(self, which):
        bytewise = self.dtype in ("u1", "i1")
        return which == 0 or (which == 1 and self.size > 1) or (which == 2 and bytewise and len(self.shape) > 0)

    def unfilter(self, which, data):
        stored = np.frombuffer(data, "u1")
        if which == 1:
            return stored.reshape(self.size, -1).T.tobytes()
        if which == 2:
            distance = self.shape[-1]
            return np.cumsum(stored.reshape(-1, distance), axis=0, dtype="u1").tobytes()
        return data


def read_pairs(cursor, count=None):
    """Key and value pairs: so many, or up to the cursor's end; keys in order."""
    pairs = {}
    last = b""
    while len(pairs) < count if count is not None else cursor.at < len(cursor.data):
        key = cursor.take(cursor.number("H"))
        value = cursor.take(cursor.number("I"))
        if not 1 <= len(key) <= KEY or b"\0" in key:
            raise corrupt("the length of a metadata key")
        if key <= last:
            raise corrupt("metadata keys are not in order")
        try:
            pairs[key.decode()] = value.decode()
        except UnicodeDecodeError:
            raise corrupt("metadata is not UTF-8") from None
        if key.endswith(b"!"):
            raise Fault(1, f"needs metadata '{key.decode()}' understood")
        if len(pairs) > META:
            raise corrupt("too many metadata keys")
        last = key
    return pairs


class Head:
    """HEAD: what the rows are, and how the stream came to be."""

    def __init__(self, payload):
        if len(payload) < 48 + 2 + 32:
            raise corrupt("HEAD is too short")
        if digest(b"head", payload[:-32]) != payload[-32:]:
            raise Fault(4, "corrupt HEAD: its digest does not match")
        self.digest = payload[-32:]
        cursor = Cursor(payload[8:-32], "HEAD")
        major, _minor, incompat, _compat = (cursor.number(kind) for kind in "HHII")
        self.chunk_rows, self.rows_hint = cursor.number("I"), cursor.number("Q")
        n_fields, n_meta = cursor.number("H"), cursor.number("H")
        lengths = [cursor.number("I") for _ in range(3)]
        if major != 1:
            raise Fault(1, f"is version {major} of the format; this reads version 1")
        if incompat & ~VARCHUNK:
            raise Fault(1, f"uses feature bits {incompat & ~VARCHUNK:#x}, which are unknown here")
        if not 1 <= self.chunk_rows <= CHUNK_ROWS:
            raise corrupt("the rows of a chunk")
        self.variable = bool(incompat & VARCHUNK)
        parts = [cursor.take(length) for length in lengths]
        cursor.end()
        self.read_schema(parts[0], n_fields)
        self.read_meta(parts[1], n_meta)
        self.read_history(parts[2])

    def read_schema(self, schema, n_fields):
        if not 1 <= n_fields <= FIELDS:
            raise corrupt(f"{n_fields} fields")
        cursor = Cursor(schema, "the schema")
        self.fields = [Field(cursor) for _ in range(n_fields)]
        cursor.end()
        if len({field.name for field in self.fields}) < n_fields:
            raise corrupt("two fields of one name")
        self.row = sum(field.row for field in self.fields)
        if self.row > ROW:
            raise corrupt(f"a row of {self.row} bytes")
        self.schema = schema

    def read_meta(self, meta, n_meta):
        if n_meta > META:
            raise corrupt(f"{n_meta} metadata keys")
        cursor = Cursor(meta, "metadata")
        self.meta = read_pairs(cursor, n_meta)
        cursor.end()

    def read_history(self, provenance):
        cursor = Cursor(provenance, "the history")
        n_nodes = cursor.number("H")
        if n_nodes > NODES:
            raise corrupt(f"a history of {n_nodes} steps")
        self.history = []
        for node in range(n_nodes):
            parents = [cursor.number("H") for _ in range(cursor.number("H"))]
            if len(parents) > node or any(parent >= node for parent in parents):
                raise corrupt("a step of the history comes before its parent")
            self.history.append((parents, read_pairs(Cursor(cursor.take(cursor.number("I")), "the history"))))
        cursor.end()


def frame_length(data):
    """Bytes of the zstd frame at the front, by its block headers; None when it does not end within data."""
    single, flag = data[4] >> 5 & 1, data[4] >> 6
    at = 5 + (0 if single else 1) + (1 if single and flag == 0 else (0, 2, 4, 8)[flag])
    while at + 3 <= len(data):
        header = int.from_bytes(data[at:at + 3], "little")
        kind, size = header >> 1 & 3, header >> 3
        if kind == 3:
            return None
        at += 3 + (1 if kind == 1 else size)
        if header & 1:
            return at + 4 if at + 4 <= len(data) else None
    return None


def content_size(data):
    """What the header of a zstd frame says of its content; None when it says nothing."""
    single, flag = data[4] >> 5 & 1, data[4] >> 6
    at = 5 + (0 if single else 1)
    width = 1 if single and flag == 0 else (0, 2, 4, 8)[flag]
    if width == 0 or len(data) < at + width:
        return None
    return int.from_bytes(data[at:at + width], "little") + (256 if width == 2 else 0)


def decompress(data, size, name):
    """One field's zstd frame: exactly one, with checksum and content size, and a small window."""
    if len(data) < 6 or data[:4] != b"\x28\xb5\x2f\xfd":
        raise corrupt(f"field '{name}' is not a zstd frame")
    if data[4] & 0x1F != 0x04 or content_size(data) != size:
        raise corrupt(f"the zstd frame of field '{name}' has another header than it must")
    if not data[4] & 0x20:
        base = 1 << 10 + (data[5] >> 3)
        if base + base // 8 * (data[5] & 7) > WINDOW:
            raise corrupt(f"the zstd window of field '{name}' exceeds 8 MiB")
    if frame_length(data) != len(data):
        raise Fault(4, f"the zstd frame of field '{name}' has another length")
    run = subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if run.returncode or len(run.stdout) != size:
        raise Fault(4, f"the zstd frame of field '{name}' does not decode")
    return run.stdout


def bound(size):
    """The most bytes zstd may need for so many."""
    return size + (size >> 8) + ((128 << 10) - size >> 11 if size < 128 << 10 else 0)


class Stream:
    """Iterates over the chunks of a stream as {field name: array}; raises Fault where a program would end."""

    def __init__(self, file):
        self.file, self.offset = file, 0
        self.rows, self.entries, self.index_offset, self.found = 0, [], 0, []
        self.ragged = False
        self.findings = None
        self.head = self.read_head()
        self.data_root = digest(b"data", self.head.schema)
        self.stream_root = digest(b"strm", self.head.digest)

    def read(self, n, where):
        data = self.file.read(n)
        self.offset += len(data)
        if len(data) < n:
            raise Fault(3, f"ended at byte {self.offset}, {where}; upstream was cut short")
        return data

    def read_head(self):
        start = self.file.read(16)
        self.offset = len(start)
        if start[:4] != struct.pack("<I", SKIPPABLE)[:len(start)]:
            raise Fault(1, "not a CNS stream")
        if len(start) < 16:
            raise Fault(3, f"ended at byte {len(start)}, inside HEAD; upstream was cut short")
        if start[8:] != MAGIC and start[8:] != b"ABRT\0\0\0\0":
            raise Fault(1, "not a CNS stream")
        size = int.from_bytes(start[4:8], "little")
        if not 8 <= size <= HEAD_LIMIT:
            raise corrupt(f"HEAD claims {size} bytes")
        payload = start[8:] + self.read(size - 8, "inside HEAD")
        if payload[:4] == b"ABRT":
            self.stop(payload)
        head = Head(payload)
        if self.read(len(SENTINEL), "before its first chunk") != SENTINEL:
            raise corrupt("the sentinel after HEAD is damaged")
        return head

    def stop(self, payload):
        cursor = Cursor(payload[8:], "ABRT")
        cursor.number("I")
        program, message = (cursor.take(cursor.number("H")) for _ in range(2))
        cursor.end()
        raise Fault(3, f"stopped by {printable(program)}: {printable(message)}")

    def frame(self):
        """Offset and payload of the next control frame."""
        at = self.offset
        magic, size = struct.unpack("<II", self.read(8, "before TAIL"))
        if magic != SKIPPABLE:
            raise corrupt(f"no frame begins at byte {at}")
        if not 8 <= size <= CONTROL_LIMIT:
            raise corrupt(f"the frame at byte {at} claims {size} bytes")
        payload = self.read(size, "before TAIL")
        if payload[4:8] != bytes(4) and payload[0] != 0x89:
            raise corrupt(f"the frame at byte {at} has flags")
        return at, payload

    def __iter__(self):
        while True:
            at, payload = self.frame()
            kind = payload[:4]
            if kind == b"CHNK":
                yield self.chunk(at, payload)
            elif kind == b"iNDX":
                self.index(at, payload)
            elif kind == b"mETA":
                self.find(payload)
            elif kind == b"TAIL":
                self.tail(at, payload)
                return
            elif kind == b"ABRT":
                self.stop(payload)
            elif not LETTERS.issuperset(kind):
                raise corrupt(f"the frame at byte {at} has no proper type")
            elif kind[0] < ord("a"):
                raise Fault(1, f"needs frames of type '{kind.decode()}'")
            else:
                self.stream_root = digest(b"strm", self.stream_root, payload)

    def chunk(self, at, payload):
        fields = self.head.fields
        if len(payload) != 56 + 16 * len(fields):
            raise corrupt("CHNK has a bad length")
        cursor = Cursor(payload[8:], "CHNK")
        first, rows, n_fields, zero = (cursor.number(kind) for kind in "QIHH")
        expected = cursor.take(32)
        if n_fields != len(fields) or zero:
            raise corrupt("CHNK has another number of fields than the stream")
        if not 1 <= rows <= CHUNK_ROWS or rows * self.head.row > CHUNK:
            raise corrupt(f"a chunk of {rows} rows")
        parts = [self.part(cursor, field, rows) for field in fields]
        if self.index_offset:
            raise corrupt("a chunk comes after the index")
        if self.findings is not None:
            raise corrupt("a chunk comes after mETA")
        if first != self.rows or self.ragged or rows > self.head.chunk_rows:
            raise corrupt(f"chunk {len(self.entries)} has rows that do not follow")
        self.ragged = not self.head.variable and rows < self.head.chunk_rows
        packed = [self.read(size, f"inside chunk {len(self.entries)}") for _, size, _ in parts]
        columns = [field.unfilter(which, decompress(data, raw, field.name))
                   for field, (which, _, raw), data in zip(fields, parts, packed)]
        if digest(b"chnk", struct.pack("<QI", first, rows), *columns) != expected:
            raise Fault(4, f"chunk {len(self.entries)}: its digest does not match")
        self.data_root = digest(b"data", self.data_root, expected)
        self.stream_root = digest(b"strm", self.stream_root, expected)
        self.entries.append(struct.pack("<QII", at, rows, 0) + expected)
        self.rows += rows
        return {field.name: field.array(column, rows) for field, column in zip(fields, columns)}

    @staticmethod
    def part(cursor, field, rows):
        which, zero, packed, raw = cursor.number("B"), cursor.take(3), cursor.number("I"), cursor.number("Q")
        if not field.allows(which):
            raise Fault(1, f"field '{field.name}' uses filter {which}")
        if zero != bytes(3) or raw != rows * field.row or packed > bound(raw):
            raise corrupt(f"field '{field.name}' of a chunk has wrong sizes")
        return which, packed, raw

    def index(self, at, payload):
        n = int.from_bytes(payload[8:16], "little") if len(payload) >= 16 else 0
        if not 1 <= n <= INDEX or len(payload) != 16 + 48 * n:
            raise corrupt("the index has a bad length")
        self.index_offset = self.index_offset or at
        self.found.append(payload[16:])

    def find(self, payload):
        """Metadata that were known at the end only."""
        if self.findings is not None:
            raise corrupt("there is a second mETA")
        self.findings = read_pairs(Cursor(payload[8:], "mETA"))
        self.stream_root = digest(b"strm", self.stream_root, payload)

    def tail(self, at, payload):
        cursor = Cursor(payload, "TAIL")
        cursor.take(8)
        rows, chunks, data_root = cursor.number("Q"), cursor.number("Q"), cursor.take(32)
        n_inputs = cursor.number("H")
        if n_inputs > INPUTS:
            raise corrupt("TAIL names too many inputs")
        inputs = [(cursor.number("H"), cursor.number("H"), cursor.number("Q"), cursor.take(32)) for _ in range(n_inputs)]
        self.status = cursor.number("I")
        hashed = payload[:cursor.at]
        stream_root = cursor.take(32)
        n_signatures = cursor.number("H")
        if n_signatures > SIGNATURES:
            raise corrupt("TAIL names too many signatures")
        signatures = [(cursor.take(8), cursor.take(32), cursor.take(64)) for _ in range(n_signatures)]
        own, index, size, mark = cursor.number("Q"), cursor.number("Q"), cursor.number("I"), cursor.take(4)
        cursor.end()
        if size != len(payload) + 8 or mark != b"CNSE" or self.status & ~3 or any(state > 2 for _, state, _, _ in inputs):
            raise corrupt("TAIL")
        if rows != self.rows or chunks != len(self.entries):
            raise corrupt(f"TAIL counts {rows} rows in {chunks} chunks, got {self.rows} in {len(self.entries)}")
        if own != at or index != self.index_offset:
            raise corrupt("TAIL's offsets are wrong")
        if any(node != 0xFFFF and node >= len(self.head.history) for node, _, _, _ in inputs):
            raise corrupt("TAIL names an input the history does not have")
        if self.found and b"".join(self.found) != b"".join(self.entries):
            raise corrupt("the index does not match the chunks")
        if data_root != self.data_root:
            raise Fault(4, "the digest of its data (data_root) does not match")
        self.stream_root = digest(b"strm", self.stream_root, hashed)
        if stream_root != self.stream_root:
            raise Fault(4, "the digest of the stream (stream_root) does not match")
        for _, key, signature in signatures:
            if not verify(key, b"CNS1 signature\0" + stream_root, signature):
                raise Fault(4, "a signature is wrong")
        if self.file.read(1):
            raise Fault(1, "there is more after the end of the stream; join streams with cn-cat instead of cat")


# ---- Ed25519 (RFC 8032), for verifying only ----

P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, p):
    q = (0, 1, 1, 0)
    while n:
        if n & 1:
            q = add(q, p)
        p = add(p, p)
        n >>= 1
    return q


def point(data):
    """The point that 32 bytes stand for, or None."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def verify(key, message, signature):
    a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    left, right = times(s, BASE), add(r, times(h, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# ---- the text view ----

def printable(data):
    """Bytes as text fit for a terminal: what is no UTF-8, or controls it, becomes '?'."""
    text, at = "", 0
    while at < len(data):
        for size in range(1, 5):
            try:
                character = data[at:at + size].decode()
            except UnicodeDecodeError:
                continue
            code = ord(character[0]) if len(character) == 1 else 0
            text += "?" * size if code < 0x20 or 0x7F <= code < 0xA0 else character
            at += size
            break
        else:
            text += "?"
            at += 1
    return text


def number(value, dtype):
    if dtype in ("<f2", "bf16", "<f4", "<f8"):
        value = float(value)
        text = "%.*g" % (17 if dtype == "<f8" else 6, value)
        return "-nan" if text == "nan" and np.signbit(value) else text
    return str(int(value))


def cell(field, value):
    if field.name == "text" and field.dtype == "u1" and len(field.shape) == 1:
        return printable(value.tobytes()[:500].split(b"\0")[0])
    flat = value.reshape(-1)
    return ",".join(number(each, field.dtype) for each in flat[:8]) + (",..." if len(flat) > 8 else "")


def show(path, out):
    """Writes the text view of one file; returns status and sentence."""
    try:
        with open(path, "rb") as file:
            stream = Stream(file)
            fields = stream.head.fields
            out.write("\t".join(field.name for field in fields) + "\n")
            for columns in stream:
                for row in range(len(columns[fields[0].name])):
                    out.write("\t".join(cell(field, columns[field.name][row]) for field in fields) + "\n")
    except Fault as fault:
        return fault.status, str(fault)
    except BrokenPipeError:
        raise
    except OSError as error:
        return 1, f"cannot open: {error.strerror}"
    return 0, ""


def main(paths):
    if not paths or paths[0].startswith("--"):
        print(__doc__.strip(), file=sys.stderr if not paths else sys.stdout)
        return 0 if paths else 2
    status = 0
    for path in paths:
        if len(paths) > 1:
            print("== " + path)
        status, sentence = show(path, sys.stdout)
        if len(paths) > 1:
            print(f"-- {status} {sentence}".rstrip())
        elif status:
            print(f"{os.path.basename(sys.argv[0])}: {path}: {sentence}", file=sys.stderr)
    return status if len(paths) == 1 else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        result = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:     # the reader went away: end by the signal, as the programs do
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    sys.exit(result)
