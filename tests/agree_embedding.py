"""Computes a model's embeddings from its safetensors file alone and compares them with those of cn-embed.

usage: agree_embedding.py numpy|torch MODEL X.npy TRUNK.npy HEAD.npy

Prints the greatest difference of each; status 1 when one is above 1e-4 of the greatest magnitude.
Written from cn-model(5), without a look at the C code: what is read, the layers and their constants.
"""
import json
import math
import struct
import sys

import numpy as np


def load(path):
    """Metadata, and the tensors as arrays."""
    with open(path, "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        head = json.loads(file.read(length))
        data = file.read()
    meta = head.pop("__metadata__")
    tensors = {}
    for name, entry in head.items():
        begin, end = entry["data_offsets"]
        assert entry["dtype"] == "F32"
        tensors[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"]).copy()
    return meta, tensors


class Numpy:
    """The operations in float64."""
    @staticmethod
    def start(x):
        return x.astype(np.float64)

    @staticmethod
    def conv(x, weight, stride):
        kernel = weight.shape[2]
        edge = kernel // 2
        x = np.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
        rows, columns = x.shape[1] - kernel + 1, x.shape[2] - kernel + 1
        return sum(x[:, ky:ky + rows:stride, kx:kx + columns:stride] @ weight[:, :, ky, kx].T.astype(np.float64)
                   for ky in range(kernel) for kx in range(kernel))

    @staticmethod
    def norm(x, mean, var, weight, bias):
        return (x - mean) / np.sqrt(var.astype(np.float64) + 1e-5) * weight + bias

    @staticmethod
    def plain(x, weight, bias, stride):
        return Numpy.conv(x, weight, stride) + bias

    @staticmethod
    def depthwise(x, weight, bias, stride):
        out = [Numpy.conv(x[..., c:c + 1], weight[c:c + 1], stride) for c in range(len(weight))]
        return np.concatenate(out, 3) + bias

    @staticmethod
    def gn(x, weight, bias, groups):
        apart = x.reshape(len(x), -1, groups, x.shape[3] // groups)
        mean, var = apart.mean((1, 3), keepdims=True), apart.var((1, 3), keepdims=True)
        return ((apart - mean) / np.sqrt(var + 1e-5)).reshape(x.shape) * weight + bias

    @staticmethod
    def ln(x, weight, bias):
        return (x - x.mean(3, keepdims=True)) / np.sqrt(x.var(3, keepdims=True) + 1e-5) * weight + bias

    @staticmethod
    def gelu(x):
        return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    @staticmethod
    def windows(x, kernel, stride):
        rows, columns = x.shape[1] - kernel + 1, x.shape[2] - kernel + 1
        return np.stack([x[:, i:i + rows:stride, j:j + columns:stride] for i in range(kernel) for j in range(kernel)])

    @staticmethod
    def max(x, kernel, stride):
        return Numpy.windows(x, kernel, stride).max(0)

    @staticmethod
    def avg(x, kernel, stride):
        return Numpy.windows(x, kernel, stride).mean(0)

    @staticmethod
    def up(x, times):
        return x.repeat(times, 1).repeat(times, 2)

    @staticmethod
    def table(x, weight):
        token = x.reshape(len(x), 1, -1).astype(np.int64)
        return np.where((token < len(weight))[..., None], weight[np.minimum(token, len(weight) - 1)].astype(np.float64), 0)

    @staticmethod
    def bag(x, weight):
        there = (x < len(weight)).sum((1, 2, 3)).reshape(-1, 1, 1, 1)
        return Numpy.table(x, weight).sum((1, 2), keepdims=True) / np.maximum(there, 1)

    @staticmethod
    def linear(x, weight, bias):
        return (x.reshape(len(x), -1) @ weight.T.astype(np.float64) + bias).reshape(len(x), 1, 1, -1)

    @staticmethod
    def relu(x):
        return np.maximum(x, 0)

    @staticmethod
    def gap(x):
        return x.mean((1, 2), keepdims=True)

    @staticmethod
    def flatten(x):
        return x.reshape(len(x), 1, 1, -1)

    @staticmethod
    def finish(x):
        return x.reshape(len(x), -1)


class Torch:
    """The operations as PyTorch has them, in float32 (tokens: in float64) and NCHW; vectors are (N, C, 1, 1)."""
    @staticmethod
    def start(x):
        return torch.tensor(np.ascontiguousarray(x, np.float64 if x.dtype == np.uint32 else np.float32)).permute(0, 3, 1, 2)

    @staticmethod
    def conv(x, weight, stride):
        return F.conv2d(x, torch.as_tensor(weight), stride=stride, padding=weight.shape[2] // 2)

    @staticmethod
    def norm(x, mean, var, weight, bias):
        return F.batch_norm(x, torch.as_tensor(mean), torch.as_tensor(var), torch.as_tensor(weight), torch.as_tensor(bias))

    @staticmethod
    def plain(x, weight, bias, stride):
        return F.conv2d(x, torch.as_tensor(weight), torch.as_tensor(bias), stride, weight.shape[2] // 2)

    @staticmethod
    def depthwise(x, weight, bias, stride):
        return F.conv2d(x, torch.as_tensor(weight), torch.as_tensor(bias), stride, weight.shape[2] // 2, groups=len(weight))

    @staticmethod
    def gn(x, weight, bias, groups):
        return F.group_norm(x, groups, torch.as_tensor(weight), torch.as_tensor(bias))

    @staticmethod
    def ln(x, weight, bias):
        x = F.layer_norm(x.permute(0, 2, 3, 1), (len(weight),), torch.as_tensor(weight), torch.as_tensor(bias))
        return x.permute(0, 3, 1, 2)

    @staticmethod
    def gelu(x):
        return F.gelu(x)

    @staticmethod
    def max(x, kernel, stride):
        return F.max_pool2d(x, kernel, stride)

    @staticmethod
    def avg(x, kernel, stride):
        return F.avg_pool2d(x, kernel, stride)

    @staticmethod
    def up(x, times):
        return F.interpolate(x, scale_factor=times, mode="nearest")

    @staticmethod
    def padded(x, weight):
        """Tokens, with one behind the table's last for none, and the table with a row of zeros there."""
        token = x.flatten(1).clamp(max=len(weight)).long()
        return token, torch.cat([torch.as_tensor(weight), torch.zeros(1, weight.shape[1])])

    @staticmethod
    def table(x, weight):
        token, rows = Torch.padded(x, weight)
        return F.embedding(token, rows, padding_idx=len(weight)).permute(0, 2, 1)[:, :, None]

    @staticmethod
    def bag(x, weight):
        token, rows = Torch.padded(x, weight)
        return F.embedding_bag(token, rows, mode="mean", padding_idx=len(weight))[:, :, None, None]

    @staticmethod
    def linear(x, weight, bias):
        x = F.linear(x.permute(0, 2, 3, 1).flatten(1), torch.as_tensor(weight), torch.as_tensor(bias))
        return x[:, :, None, None]

    @staticmethod
    def relu(x):
        return F.relu(x)

    @staticmethod
    def gap(x):
        return x.mean((2, 3), keepdim=True)

    @staticmethod
    def flatten(x):
        """Channels nearest, as in the stream."""
        return x.permute(0, 2, 3, 1).flatten(1)[:, :, None, None]

    @staticmethod
    def finish(x):
        return x.flatten(1).numpy()


def apply(ops, words, where, tensors, x):
    def norm(x, name):
        return ops.norm(x, *(tensors[name + part] for part in (".running_mean", ".running_var", ".weight", ".bias")))

    def block(x, at, stride):
        y = ops.relu(norm(ops.conv(x, tensors[at + "conv1.weight"], stride), at + "norm1"))
        y = norm(ops.conv(y, tensors[at + "conv2.weight"], 1), at + "norm2")
        if at + "shortcut.conv.weight" in tensors:
            x = norm(ops.conv(x, tensors[at + "shortcut.conv.weight"], stride), at + "shortcut.norm")
        return ops.relu(y + x)

    for number, word in enumerate(words.split()):
        at = f"{where}.{number}."
        kind, _, rest = word.partition(":")
        first, _, stride = rest.partition("x")[0].partition("/")
        learned = [tensors[at + name] for name in ("weight", "bias") if at + name in tensors]
        window = (int(first), int(stride or first)) if kind in ("max", "avg") else None
        stride = int(stride or 1)
        if kind == "conv":
            x = ops.relu(norm(ops.conv(x, tensors[at + "conv.weight"], stride), at + "norm"))
        elif kind == "res":
            x = block(x, at, stride)
        elif kind in ("plain", "depthwise"):
            x = getattr(ops, kind)(x, *learned, stride)
        elif kind == "bn":
            x = norm(x, at[:-1])
        elif kind == "gn":
            x = ops.gn(x, *learned, int(first))
        elif kind in ("linear", "ln", "bag", "table"):
            x = getattr(ops, kind)(x, *learned)
        elif kind in ("max", "avg"):
            x = getattr(ops, kind)(x, *window)
        elif kind == "up":
            x = ops.up(x, int(first))
        elif kind != "dropout":
            x = {"relu": ops.relu, "gelu": ops.gelu, "gap": ops.gap, "flatten": ops.flatten}[kind](x)
    return x


def extents(x):
    """Samples as (rows, height, width, channels)."""
    return x.reshape(len(x), 1, 1, -1) if x.ndim <= 2 else x[..., None] if x.ndim == 3 else x


def main():
    ops = {"numpy": Numpy, "torch": Torch}[sys.argv[1]]
    meta, tensors = load(sys.argv[2])
    x = np.load(sys.argv[3])
    kind, _, shape = meta["cn.input"].partition(" ")
    assert {"uint8": "u8", "float32": "f32", "uint32": "u32"}[str(x.dtype)] == kind and list(x.shape[1:]) == json.loads(shape or "[]")
    x = extents(x)
    if meta["cn.norm"] == "divide 255":
        x = x / 255
    right = True
    for name, words, where, path in (("trunk", "cn.arch", "trunk", sys.argv[4]), ("head", "cn.head", "head", sys.argv[5])):
        x = apply(ops, meta[words], where, tensors, ops.start(x) if where == "trunk" else x)
        got, want = ops.finish(x), np.load(path)
        assert got.shape == want.shape, (got.shape, want.shape)
        apart = abs(got - want).max() / abs(want).max()
        right = right and bool(apart < 1e-4) and len(np.unique(want.round(4), axis=0)) > 1
        print(f"{name}: {'x'.join(map(str, want.shape))} vectors are apart by {apart:.1g}")
    sys.exit(not right)


if sys.argv[1:2] != ["numpy"]:
    import torch
    import torch.nn.functional as F
if __name__ == "__main__":
    main()
