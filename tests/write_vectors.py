"""write_vectors.py FILE.npy 'a b; c d' ...: float32 arrays from text, without numpy."""
import struct
import sys

for path, text in zip(sys.argv[1::2], sys.argv[2::2]):
    rows = [[float(x) for x in row.split()] for row in text.split(";")]
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (len(rows), len(rows[0]))
    head += " " * (117 - len(head)) + "\n"
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        for row in rows:
            out.write(struct.pack("<%df" % len(row), *row))
