"""Trains in PyTorch from the same weights, on the same pairs in the same order, and compares with what cn-train did.

usage: agree_training.py INIT.safetensors TRAINED.safetensors LOG.tsv X.npy POS.npy BATCH TEMPERATURE OPTIMIZER [MOMENTUM QUEUE ID.npy]

OPTIMIZER is an expression: torch.optim.X(p, ...) where p are the parameters.  MOMENTUM is the decay of a second network that
makes the candidates, 0 for none, and QUEUE the length of a queue of these.  Prints how far the losses are apart,
relatively, and how far the weights end from PyTorch's, as part of the way they went; status 1 when that is more
than 1e-3 and 1e-2.  Rates must be low: both trainings, like any two in single precision, part ways at high ones.
"""
import re
import sys

import numpy as np
import torch
import torch.nn.functional as F

from agree_embedding import Torch, apply, extents, load


class Training(Torch):
    @staticmethod
    def norm(x, mean, var, weight, bias):
        return F.batch_norm(x, mean, var, weight, bias, training=True)


def network(meta, tensors, views):
    for words, where in (("cn.arch", "trunk"), ("cn.head", "head")):
        views = apply(Training, meta[words], where, tensors, views)
    return F.normalize(views.flatten(1), dim=1)


class Queue:
    """Vectors of earlier batches, the oldest of which go first, and whose they are."""
    def __init__(self, length, dim):
        self.length, self.u, self.id = length, torch.zeros(0, dim), torch.zeros(0, dtype=torch.int64)

    def push(self, u, ids):
        self.u = torch.cat([self.u, u])[-self.length:] if self.length else self.u
        self.id = torch.cat([self.id, ids])[-self.length:] if self.length else self.id


def ntxent(anchors, candidates, ids, queue, temperature):
    """Of each anchor's partner against all but the anchor itself, and what the queue has of other samples."""
    logits = anchors @ torch.cat([candidates, queue.u]).T / temperature
    own = torch.cat([torch.eye(len(anchors), dtype=torch.bool), ids.repeat(2)[:, None] == queue.id], 1)
    return F.cross_entropy(logits.masked_fill(own, -torch.inf), torch.arange(len(anchors)).roll(len(anchors) // 2))


def main():
    torch.set_num_threads(1)  # threads of a busy machine wait for each other
    init, trained, log, x, pos, batch, temperature, optimizer = sys.argv[1:9]
    momentum, length, ids = (float(sys.argv[9]), int(sys.argv[10]), np.load(sys.argv[11])) if sys.argv[9:] else (0, 0, None)
    meta, start = load(init)
    tensors = {name: torch.tensor(value, requires_grad="running" not in name) for name, value in start.items()}
    target = {name: torch.tensor(value) for name, value in start.items()}
    p = [value for value in tensors.values() if value.requires_grad]
    optimizer = eval(optimizer)
    x, pos = (extents(np.load(path)) / 255 for path in (x, pos))
    ids = torch.tensor(np.arange(len(x)) if ids is None else ids.astype(np.int64))
    batch = int(batch)
    queue = Queue(length, int(re.findall(r"linear:(\d+)", meta["cn.head"])[-1]))
    losses = []
    for at in range(0, len(x) - batch + 1, batch):
        views = Training.start(np.concatenate([x[at:at + batch], pos[at:at + batch]]))
        anchors = candidates = network(meta, tensors, views)
        if momentum:
            with torch.no_grad():
                candidates = network(meta, target, views)
        loss = ntxent(anchors, candidates, ids[at:at + batch], queue, float(temperature))
        queue.push(candidates[batch:].detach(), ids[at:at + batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for name, value in target.items():
            value.mul_(momentum).add_(tensors[name].detach(), alpha=1 - momentum)
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
