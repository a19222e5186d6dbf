"""Writes a stream of pairs: write_pairs.py OUT.cns X.npy POS.npy, u32 or f32 of any shape; ids count from 0.

What cn-import cannot make: two views of one sample that are there already.
"""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "formats"))
import mkvectors as m

x, pos = np.load(sys.argv[2]), np.load(sys.argv[3])
kind = {"uint32": m.U32, "float32": m.F32}[str(x.dtype)]
fields = [(b"id", m.U64, ())] + [(name, kind, x.shape[1:]) for name in (b"x", b"pos")]
stream = m.Stream(fields, rows=len(x), hint=len(x))
stream.chunk([np.arange(len(x), dtype="<u8").tobytes(), x.tobytes(), pos.tobytes()], len(x))
with open(sys.argv[1], "wb") as file:
    file.write(stream.index().tail().bytes)
