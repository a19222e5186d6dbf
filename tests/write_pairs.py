"""Writes a stream of pairs: write_pairs.py OUT.cns X.npy POS.npy [FIELD=FILE.npy ...], u32 or f32 of any shape.

What cn-import cannot make: two views of one sample that are there already.  Ids count from 0 unless id= gives them;
other fields may be u32, i32 or f32.
"""
import os
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "formats"))
import mkvectors as m

KINDS = {"uint32": m.U32, "int32": m.I32, "uint64": m.U64, "float32": m.F32}
CHUNK = 65536


def frame(data):
    command = ["zstd", "-q", "-1", "--check", f"--stream-size={len(data)}"]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


x = np.load(sys.argv[2])
column = {"id": np.arange(len(x), dtype="u8"), "x": x, "pos": np.load(sys.argv[3])}
for field in sys.argv[4:]:
    name, path = field.split("=", 1)
    column[name] = np.load(path)
fields = [(name.encode(), KINDS[str(array.dtype)], array.shape[1:]) for name, array in column.items()]
stream = m.Stream(fields, rows=CHUNK, hint=len(x))
for at in range(0, len(x), CHUNK):
    columns = [array[at:at + CHUNK].tobytes() for array in column.values()]
    stream.chunk(columns, min(CHUNK, len(x) - at), frames=[frame(data) for data in columns])
with open(sys.argv[1], "wb") as file:
    file.write(stream.index().tail().bytes)
