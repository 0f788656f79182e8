"""Is it the telling? Packing in the collapse-prone bed of `cures`, but every point is packed with itself.

The critic has the inputs, the weights and the number of logits of a critic that sees pairs, and hears of one point
alone: each of the 64 points of a batch stands twice, or only every other one, so that there are 32 packs as in packing.
"""

from __future__ import annotations

import cures
from table import main
from torch import nn

from ganlib.models import MLPCritic, Packed


class Twins(nn.Module):
    """A critic of two points that is given every k-th point twice."""

    def __init__(self, D, k):
        super().__init__()
        self.D, self.k = D, k

    def forward(self, x):
        """Points (..., n, 2) to logits (..., n / k)."""
        return self.D(x[..., :: self.k, :].repeat_interleave(2, dim=-2))


def critic(method, how):
    """A critic of pairs, with every point twice, or with every other point twice."""
    return Twins(Packed(MLPCritic((4, 32, 32), **how), 2), {"twins": 1, "every other": 2}[method])


def trial(case, S, g, small):
    cures.critic = critic
    how = {k: case[k] for k in ("method", "strength", "lr_G", "lr_D")}
    return cures.columns(cures.play(S, g, **how, turns=4 if small else 2500))


RATE_G, RATE_D = cures.RATES["collapse-prone"]
CASES = [
    {"setting": "collapse-prone", "method": method, "strength": "", "lr_G": RATE_G, "lr_D": RATE_D}
    for method in ("twins", "every other")
]


if __name__ == "__main__":
    main("twins", CASES, trial, modules=cures.MODULES, seeds=32)
