"""Trains the network of cn-train's preset resnet18 in PyTorch, as resnet18.sh has cn-train do.

usage: resnet18.py PICTURES.npy ROWS BATCH SEED

PICTURES (N, 32, 32, 3) of bytes stay in memory as bytes; ROWS of them, drawn from all, are trained on once, in full batches.
Prints rows per second of the training alone, and the loss of the last step.
"""
import math
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

TEMPERATURE = 0.2


def uniform(rows, low, high):
    return torch.empty(rows, 1, 1, 1).uniform_(low, high)


def crop_and_flip(x):
    """A quarter to all of the area, of ratio 3/4 to 4/3, resized to the whole; mirrored half of the time."""
    area, ratio = uniform(len(x), 0.25, 1), uniform(len(x), math.log(3 / 4), math.log(4 / 3)).exp()
    wide, high = ((area * way).sqrt().clamp(max=1).flatten() for way in (ratio, 1 / ratio))
    theta = torch.zeros(len(x), 2, 3)
    theta[:, 0, 0] = wide * torch.where(torch.rand(len(x)) < 0.5, -1.0, 1.0)
    theta[:, 0, 2] = (torch.rand(len(x)) * 2 - 1) * (1 - wide)
    theta[:, 1, 1] = high
    theta[:, 1, 2] = (torch.rand(len(x)) * 2 - 1) * (1 - high)
    return F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners=False), align_corners=False, padding_mode="border")


def grey(x):
    return (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)


def turn_hue(x, part):
    """Colours turned about the grey axis by so much of a circle."""
    angle = 2 * math.pi * part.flatten()
    to = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    turn = torch.zeros(len(x), 3, 3)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = angle.cos()
    turn[:, 1, 2] = -angle.sin()
    turn[:, 2, 1] = angle.sin()
    return torch.einsum("nij,njhw->nihw", torch.linalg.inv(to) @ turn @ to, x)


def jitter(x):
    changed = x * uniform(len(x), 0.6, 1.4)
    mean = grey(changed).mean((2, 3), keepdim=True)
    changed = (changed - mean) * uniform(len(x), 0.6, 1.4) + mean
    colourless = grey(changed)
    changed = (changed - colourless) * uniform(len(x), 0.6, 1.4) + colourless
    changed = turn_hue(changed, uniform(len(x), -0.1, 0.1)).clamp(0, 1)
    return torch.where(torch.rand(len(x), 1, 1, 1) < 0.8, changed, x)


def view(x):
    x = jitter(crop_and_flip(x))
    return torch.where(torch.rand(len(x), 1, 1, 1) < 0.2, grey(x), x)


class Convolution(nn.Sequential):
    def __init__(self, taken, given, stride, kernel=3):
        super().__init__(nn.Conv2d(taken, given, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(given))


class Block(nn.Module):
    """res:C/S, see lib/nn/residual.h."""
    def __init__(self, taken, given, stride):
        super().__init__()
        self.first, self.second = Convolution(taken, given, stride), Convolution(given, given, 1)
        self.shortcut = Convolution(taken, given, stride, 1) if stride != 1 or taken != given else nn.Identity()

    def forward(self, x):
        y = self.second(F.relu(self.first(x), inplace=True))
        return F.relu(y.add_(self.shortcut(x)), inplace=True)


def network():
    """conv:64, two blocks each of 64, 128, 256 and 512 channels, gap (lib/nn/preset.c); head linear:512 relu linear:128."""
    layers, taken = [Convolution(3, 64, 1), nn.ReLU(inplace=True)], 64
    for given in 64, 128, 256, 512:
        layers += [Block(taken, given, given // taken), Block(given, given, 1)]
        taken = given
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 512), nn.ReLU(inplace=True), nn.Linear(512, 128)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def infonce(z):
    z = F.normalize(z, dim=1)
    logits = z @ z.T / TEMPERATURE
    logits.fill_diagonal_(-torch.inf)
    return F.cross_entropy(logits, torch.arange(len(z)).roll(len(z) // 2))


def main():
    path, rows, batch, seed = sys.argv[1], *map(int, sys.argv[2:])
    torch.set_num_threads(2)
    torch.manual_seed(seed)
    pictures = torch.from_numpy(np.load(path))
    net = network()
    steps = rows // batch
    optimiser = torch.optim.Adam(net.parameters(), 1e-3, weight_decay=1e-6)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps)
    order = torch.randperm(len(pictures))[:rows]
    start = time.perf_counter()
    for chosen in order.split(batch)[:steps]:
        x = pictures[chosen].permute(0, 3, 1, 2).float().div(255)
        loss = infonce(net(torch.cat([view(x), view(x)]).contiguous(memory_format=torch.channels_last)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    print(f"{steps * batch / (time.perf_counter() - start):.2f} {loss.item():.4f}")


main()
