"""Trains in PyTorch from the same weights, on the same pairs in the same order, and compares with what cn-train did.

usage: agree_training.py INIT.safetensors TRAINED.safetensors LOG.tsv X.npy POS.npy BATCH TEMPERATURE OPTIMIZER

OPTIMIZER is an expression: torch.optim.X(p, ...) where p are the parameters.  Prints how far the losses are apart,
relatively, and how far the weights end from PyTorch's, as part of the way they went; status 1 when that is more
than 1e-3 and 1e-2.  Rates must be low: both trainings, like any two in single precision, part ways at high ones.
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F

from agree_embedding import Torch, apply, extents, load


class Training(Torch):
    @staticmethod
    def norm(x, mean, var, weight, bias):
        return F.batch_norm(x, mean, var, weight, bias, training=True)


def ntxent(z, temperature):
    z = F.normalize(z, dim=1)
    logits = z @ z.T / temperature
    logits.fill_diagonal_(-torch.inf)
    return F.cross_entropy(logits, torch.arange(len(z)).roll(len(z) // 2))


def main():
    init, trained, log, x, pos, batch, temperature, optimizer = sys.argv[1:]
    meta, start = load(init)
    tensors = {name: torch.tensor(value, requires_grad="running" not in name) for name, value in start.items()}
    p = [value for value in tensors.values() if value.requires_grad]
    optimizer = eval(optimizer)
    x, pos = (extents(np.load(path)) / 255 for path in (x, pos))
    batch = int(batch)
    losses = []
    for at in range(0, len(x) - batch + 1, batch):
        views = Training.start(np.concatenate([x[at:at + batch], pos[at:at + batch]]))
        for words, where in (("cn.arch", "trunk"), ("cn.head", "head")):
            views = apply(Training, meta[words], where, tensors, views)
        loss = ntxent(views.flatten(1), float(temperature))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    losses = np.array(losses)
    got = np.genfromtxt(log, names=True)["loss"]
    assert len(got) == len(losses) > 1, (len(got), len(losses))
    apart = max(abs(got - losses) / losses)
    have = {name: value for name, value in load(trained)[1].items() if "running" not in name}
    way, off = (np.sqrt(sum(((to[name] - tensors[name].detach().numpy()) ** 2).sum() for name in have)) for to in (start, have))
    print(f"{len(losses)} steps: losses from {losses[0]:.4f} to {losses[-1]:.4f} are apart by {apart:.1g}, "
          f"weights by {off / way:.1g} of their way of {way:.2g}")
    sys.exit(not (apart < 1e-3 and off / way < 1e-2))


main()
