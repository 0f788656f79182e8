"""Is it noise that spoils the cost of KL(p||q)? G's steps on 64 or on 512 points, in the standard bed, equal rates.

The cost -exp(logit) weighs the generated points by the odds of D: few of a batch count. More points a step leave the
divergence as it is and take the noise down. D's steps see 64 generated points in every case.
"""

from __future__ import annotations

import torch
from blame import COSTS, MODULES
from cures import columns
from table import main

from ganlib import losses
from ganlib.densities import ring
from ganlib.models import MLPCritic, MLPGenerator
from ganlib.training import alternate

BATCH, TURNS, RATE = 64, 2500, 3e-3
CASES = [{"cost": cost, "points": n} for n in (BATCH, 8 * BATCH) for cost in ("KL(p‖q)", "KL(q‖p)")]


class Noise:
    """z for D's step and for G's by turns; G's has so many points."""

    def __init__(self, points, g):
        self.points, self.g, self.of_G = points, g, True

    def __call__(self, shape):
        """Normal z, shape (S, points, 2)."""
        self.of_G = not self.of_G
        size = shape[0], self.points if self.of_G else shape[1]
        return torch.randn(*size, 2, generator=self.g, device=self.g.device)


def trial(case, S, g, small):
    turns, how = 4 if small else TURNS, {"seeds": S, "generator": g}
    G, D = MLPGenerator((2, 32, 32, 2), **how), MLPCritic((2, 32, 32), **how)
    movers = [torch.optim.Adam(net.parameters(), lr=RATE, betas=(0.5, 0.999), fused=True) for net in (D, G)]
    decays = [torch.optim.lr_scheduler.LinearLR(o, 1, 0.0, total_iters=turns) for o in movers]
    batches = (ring(0.1).sample((S, BATCH), generator=g) for _ in range(turns))
    costs = losses.nonsaturating_d, COSTS[case["cost"]]
    for _ in alternate(G, D, batches, Noise(case["points"], g), *costs, *movers):
        for decay in decays:
            decay.step()
    with torch.no_grad():
        made = G(torch.randn(S, 2500, 2, generator=g, device=g.device))
    return columns(made.nan_to_num(nan=1e3).clamp(-1e3, 1e3))


if __name__ == "__main__":
    main("points_of_g", CASES, trial, modules=MODULES, seeds=32, block=32)
