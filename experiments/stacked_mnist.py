"""StackedMNIST after VEEGAN and PacGAN, *scaled* to 16 pixels: 1,000 modes, 10 seeds a game.

As printed: MNIST's digits, one in each of three channels; strided convolutions with batch normalisation, and 64 packs a
batch; 26,000 pictures, read by a classifier. Scaled: 16 by 16 pixels for 28 by 28; two hidden layers of 16 and 32
channels, in G of 32 and 16, for four of up to 512; 32 numbers of noise for 100; Adam with 2e-3 that fades to zero for
2e-4 throughout; one step of G a turn for two; 1,500 turns for 100,000. A D whose slopes are penalised has no norm.

The networks learn from one half of the pictures to train, the judge from the other; `judge` is its accuracy on the
pictures to test. The columns, and the rows without a network, are those of `published_digits`; near is a picture whose
channels are as close to one of 2,000 learned digits as 95 in 100 unseen ones are.
"""

from __future__ import annotations

from functools import cache

import real_digits
import torch
from published_digits import BATCH, NULLS, PACKS, STRENGTHS, Data, near_to, null, rules, scores
from real_digits import SIZE, accuracy, normal, train
from table import main
from torch import nn

from ganlib import images
from ganlib.models import DCCritic, DCGenerator
from ganlib.models.judge import judge
from ganlib.training import alternate

MODULES = [f"losses.{game}_{player}" for game in ("nonsaturating", "relativistic") for player in "dg"]
MODULES += ["images.mnist", "images.stack", "models/_drawn.drawn", "models/dcgan", "models/judge"]
MODULES += ["penalties.r1", "penalties.r2", "training.alternate"]
TURNS, Z, WIDTH, SAMPLE, KNOWN = 1500, 32, 16, 26_000, 2000
PLAYED = [("equal", game) for game in ("plain", "packing 2", "relativistic, R1 + R2")]
PLAYED += [("slow D", game) for game in ("plain", "packing 2")]
CASES = [{"game": game, "rates": rates} for rates, game in [*(("", null) for null in NULLS), *PLAYED]]


class Packs(nn.Module):
    """A critic of m pictures at once: one behind the other in its channels."""

    def __init__(self, D, m):
        super().__init__()
        self.D, self.m = D, m

    def forward(self, x):
        """Pictures (n, channels, h, w) to one logit a pack, (n / m,)."""
        return self.D(x.reshape(len(x) // self.m, -1, *x.shape[2:]))


@cache
def data() -> Data:
    """The halves of `real_digits`; its judge sees each picture three times, this one ten."""
    found = real_digits.data()
    test, net = (torch.cat(pair) for pair in zip(found.held, found.other, strict=True)), judge(*found.unseen, epochs=10)
    near = near_to(found.learn.images[:KNOWN], found.unseen.images[:KNOWN])
    return Data(found.learn, found.unseen, net, float(accuracy(net, *test)), *near)


def played(game, rates, g, turns, n):
    """Pictures of one GAN, shape (n, 3, 16, 16)."""
    m, form = PACKS.get(game, 1), {"size": SIZE, "width": WIDTH, "generator": g}
    G = DCGenerator(Z, channels=3, **form)
    D = Packs(DCCritic(channels=3 * m, norm=game not in STRENGTHS, **form), m)
    (how, movers), z = rules(game, rates, G, D, g), normal(g, Z)
    real = (images.stack(*data().learn, BATCH * m, channels=3, generator=g).images for _ in range(turns))
    train(alternate(G, D, real, z, **how), turns, *movers)
    with torch.no_grad():
        return torch.cat([G(z((n // 10,))) for _ in range(10)])


def trial(case, S, g, small):
    n, turns = (100, 4) if small else (SAMPLE, TURNS)
    if case["game"] in NULLS:
        made = (null(case["game"], n, 3, data(), g) for _ in range(S))
    else:
        made = (played(**case, g=g, turns=turns, n=n) for _ in range(S))
    rows = [scores(x, data()) for x in made]
    return {column: [row[column] for row in rows] for column in rows[0]}


if __name__ == "__main__":
    data()  # before the clock of a case runs
    main("stacked_mnist", CASES, trial, modules=MODULES, seeds=10, block=2)
