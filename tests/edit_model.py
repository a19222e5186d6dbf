"""Changes the header of a safetensors file by a line of Python on h (its JSON): edit_model.py IN OUT 'h[...] = ...'"""
import json
import struct
import sys

data = open(sys.argv[1], "rb").read()
length, = struct.unpack("<Q", data[:8])
h = json.loads(data[8:8 + length])
exec(sys.argv[3])
text = json.dumps(h).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + data[8 + length:])
