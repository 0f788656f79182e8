"""Stacked digits after VEEGAN's and PacGAN's table of StackedMNIST, *scaled*: 100 and 1,000 modes, 12 seeds a game.

As printed: each channel is an independent digit, a mode a tuple of digits as a classifier reads them, counted when one
picture of it is there; the divergence in nats from the shares of the modes to uniform ones; 26,000 pictures of three
channels; batches of 64 packs. Scaled: scikit-learn's digits, 8 by 8 pixels, for MNIST's, 28 by 28; two hidden layers of
128 without normalisation for four convolutional ones with it; 32 numbers of noise for 100; Adam with 2e-3 that fades to
zero for 2e-4 throughout; one step of G a turn for two; 4,000 turns for 100,000. Of two channels 10,000 are counted.

The networks learn from one half of the digits; the judge, who reads, from the other, and `judge` is its accuracy on the
first. Counting modes asks nobody whether there is a digit. A channel is `near` when it is as close to a learned digit
as 95 in 100 unseen ones are, a picture when all its channels are; `modes_near` counts the modes of such pictures, and
`reached` is the share of the learned digits that are nearest to one of their channels. A slow D learns at a quarter of
G's rate.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from conditional import Pixels
from cures import GAMES
from published_mixtures import PACKS, critic
from real_digits import adam, normal, train
from table import main
from torch import Tensor

import ganlib
from ganlib import images, losses
from ganlib.models import MLPGenerator
from ganlib.models.judge import Judge, judge
from ganlib.training import alternate

MODULES = [f"losses.{game}_{player}" for game in ("nonsaturating", "relativistic") for player in "dg"]
MODULES += ["images.digits", "images.stack", "models/_drawn.drawn", "models/joint.Packed", "models/judge"]
MODULES += ["models/mlp.MLPCritic", "models/mlp.MLPGenerator", "penalties.r1", "penalties.r2", "training.alternate"]
SAMPLE = {2: 10_000, 3: 26_000}
TURNS, Z, WIDTH, BATCH, RATE = 4000, 32, 128, 64, 2e-3
STRENGTHS = {"R1": 0.1, "relativistic, R1 + R2": 0.1}
NULLS = ["data", "unseen digits", "ten pictures", "independent pixels", "uniform pixels"]
SLOW = ["plain", "packing 2", "relativistic, R1 + R2"]
PLAYED = [("equal", game) for game in (*SLOW, "packing 4", "R1")] + [("slow D", game) for game in SLOW]
CASES = [
    {"channels": channels, "game": game, "rates": rates}
    for channels in SAMPLE
    for rates, game in [*(("", null) for null in NULLS), *PLAYED]
]


class Data(NamedTuple):
    """What networks learn from, what is new to them, who reads what they make, how well, and what is near to what."""

    learn: images.Labelled
    unseen: images.Labelled
    net: Judge
    accuracy: float
    known: Tensor
    reach: Tensor


@cache
def data() -> Data:
    """The digits in two halves."""
    fixed, (x, y) = ganlib.rng(1), images.digits()
    order = torch.randperm(len(x), generator=fixed, device=fixed.device)
    x, y = x.to(fixed.device), y.to(fixed.device)
    learn, unseen = (images.Labelled(x[part], y[part]) for part in order.chunk(2))
    net = judge(*unseen, epochs=100)
    accuracy = (net.reads(learn.images) == learn.labels).double().mean()
    return Data(learn, unseen, net, float(accuracy), *near_to(learn.images, unseen.images))


def nearest(x, others):
    """How far the nearest of others is from each picture, and which it is."""
    return torch.cdist(x.flatten(1), others.flatten(1)).min(1)


def near_to(known, unseen):
    """Some digits, and how far 95 in 100 unseen ones at most are from the nearest."""
    return known, nearest(unseen, known)[0].quantile(0.95)


def scores(x, found):
    """Of pictures (n, channels, h, w)."""
    channels = x.split(1, 1)
    digits = torch.stack([found.net.reads(one) for one in channels], 1)
    label = (digits * 10 ** torch.arange(len(channels), device=x.device)).sum(1)
    share = torch.bincount(label, minlength=10 ** len(channels)).double() / len(x)
    away, which = (
        torch.stack(values, 1) for values in zip(*(nearest(one, found.known) for one in channels), strict=True)
    )
    near = away.amax(1) <= found.reach
    return {
        "modes": int((share > 0).sum()),
        "reverse_kl": f"{torch.special.xlogy(share, len(share) * share).sum():.4f}",
        "near": f"{near.double().mean():.4f}",
        "modes_near": len(label[near].unique()),
        "reached": f"{len(which[near].unique()) / len(found.known):.4f}",
        "judge": f"{found.accuracy:.4f}",
    }


def typical(x):
    """Of some pictures, the one next to their mean."""
    return x[(x - x.mean(0)).flatten(1).norm(dim=1).argmin()]


def null(game, n, channels, found, g):
    """Pictures without a network; the last two kinds hold no digit."""
    x, y = found.unseen if game == "unseen digits" else found.learn
    shape = n, channels, *x.shape[2:]
    if game == "uniform pixels":
        return 2 * torch.rand(shape, generator=g, device=g.device) - 1
    if game == "independent pixels":  # each from the digits, at its place
        which = torch.randint(len(x), shape, generator=g, device=g.device)
        return x.flatten(1).gather(0, which.view(n * channels, -1)).view(shape)
    if game == "ten pictures":
        x, y = torch.stack([typical(x[y == k]) for k in range(10)]), torch.arange(10, device=x.device)
    return images.stack(x, y, n, channels=channels, generator=g).images


def rules(game, rates, G, D, g):
    """What `alternate` is told of a game, and the optimizers of its players."""
    paces = (0.25 if rates == "slow D" else 1, D), (1, G)
    movers = [adam(net.parameters(), pace * RATE, 0.5, 0.999) for pace, net in paces]
    how = {"loss_D": losses.nonsaturating_d, "loss_G": losses.nonsaturating_g}
    how |= GAMES[game](STRENGTHS[game], G, D, g) if game in STRENGTHS else {}
    return how | dict(zip(("optimizer_D", "optimizer_G"), movers, strict=True)), movers


def played(channels, game, rates, S, g, turns, n):
    """Pictures of S GANs, shape (S, n, channels, 8, 8)."""
    pixels, m = 64 * channels, PACKS.get(game, 1)
    G = Pixels(MLPGenerator((Z, WIDTH, WIDTH, pixels), seeds=S, generator=g))
    D = critic(m)((pixels, WIDTH, WIDTH), seeds=S, generator=g)
    (how, movers), z = rules(game, rates, G, D, g), normal(g, Z)

    def real():
        x = images.stack(*data().learn, S * BATCH * m, channels=channels, generator=g).images
        return x.view(S, -1, pixels)

    train(alternate(G, D, (real() for _ in range(turns)), z, **how), turns, *movers)
    with torch.no_grad():
        made = torch.cat([G(z((S, n // 10))) for _ in range(10)], 1)
    return made.view(S, n, channels, 8, 8)


def trial(case, S, g, small):
    channels, game = case["channels"], case["game"]
    n = 100 if small else SAMPLE[channels]
    if game not in NULLS:
        made = played(**case, S=S, g=g, turns=4 if small else TURNS, n=n)
    else:
        made = (null(game, n, channels, data(), g) for _ in range(S))
    rows = [scores(x, data()) for x in made]
    return {column: [row[column] for row in rows] for column in rows[0]}


if __name__ == "__main__":
    data()  # before the clock of a case runs
    main("published_digits", CASES, trial, modules=MODULES, seeds=12, block=12)
