"""Exact nats a picture: five autoregressive networks on binarised digits and glyphs, and pixels that know no others.

A pixel is ink (1) or paper (0), cut at half: 16 pixels a side. Every network sees as many pictures, 700 batches of 64,
fresh glyphs or MNIST's 60,000; held out are 2,000 glyphs, or MNIST's first 2,000 of the test.
"""

from __future__ import annotations

from functools import cache

import torch
from table import main

from ganlib import images
from ganlib.models import MADE, DiagonalBiLSTM, PixelCNN, RowLSTM, TwoStacks

TURNS, BATCH, SIZE, HELD = 700, 64, 16, 2000
NETWORKS = {
    "MADE": lambda g: MADE(SIZE**2, (512,), generator=g),
    "PixelCNN": lambda g: PixelCNN(24, 5, generator=g),
    "two stacks": lambda g: TwoStacks(24, 5, generator=g),
    "Row LSTM": lambda g: RowLSTM(24, generator=g),
    "Diagonal BiLSTM": lambda g: DiagonalBiLSTM(12, generator=g),
}


def ink(pictures):
    """Bits (n, 1, 16, 16) of pictures in [-1, 1]."""
    return (pictures > 0).float()


@cache
def handwriting():
    """Bits of MNIST, to train and to test."""
    return [ink(images.mnist(SIZE, train=part).images) for part in (True, False)]


def source(data, g, small):
    """A function that draws a batch, and pictures that are held out."""
    if data == "glyphs":
        held = ink(images.glyphs(8 if small else HELD, SIZE, generator=g).images)
        return lambda: ink(images.glyphs(BATCH, SIZE, generator=g).images), held
    train, held = (bits.to(g.device) for bits in handwriting())
    held = held[: 8 if small else HELD]
    return lambda: train[torch.randint(len(train), (BATCH,), generator=g, device=g.device)], held


def shaped(net, x):
    """As the network takes it."""
    return x.flatten(1)[None] if isinstance(net, MADE) else x


def independent(draw, held, turns):
    """Each pixel with its own chance, counted over as many pictures."""
    ones = sum(draw().mean(0) for _ in range(turns)) / turns
    chance = ones.clamp(1e-4, 1 - 1e-4)
    return -(held * chance.log() + (1 - held) * (1 - chance).log()).flatten(1).sum(-1).mean().item(), 256


def trained(net, draw, held, turns):
    """Mean of -log p over what is held out, and how many parameters there are."""
    optimizer = torch.optim.Adam(net.parameters(), 2e-3, fused=True)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.0, total_iters=turns)
    for _ in range(turns):
        loss = -net.log_prob(shaped(net, draw())).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
    with torch.no_grad():
        parts = [net.log_prob(shaped(net, x)).flatten() for x in held.split(200)]
    return -torch.cat(parts).mean().item(), sum(p.numel() for p in net.parameters())


def trial(case, S, g, small):
    """S seeds, one after another."""
    nats, sizes, turns = [], [], 2 if small else TURNS
    for _ in range(S):
        draw, held = source(case["data"], g, small)
        if case["network"] == "independent pixels":
            found = independent(draw, held, turns)
        else:
            found = trained(NETWORKS[case["network"]](g), draw, held, turns)
        nats.append(f"{found[0]:.3f}")
        sizes.append(found[1])
    return {"nats": nats, "parameters": sizes}


CASES = [{"data": data, "network": name} for data in ("digits", "glyphs") for name in ("independent pixels", *NETWORKS)]


if __name__ == "__main__":
    modules = ["images", "models/_drawn", "models/autoregressive", "models/mlp.BatchedLinear"]
    main("pixels", CASES, trial, modules=modules, seeds=10, block=2)
