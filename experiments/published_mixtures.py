"""The collapse tables of VEEGAN and PacGAN, ring of 8 and grid of 25, *scaled*, with 16 seeds a game.

As printed: z ~ N(0, I) in the plane, batches that count packs, 2,500 samples, near within 3 sd of a mode, a divergence
in nats from the shares of the modes to uniform ones. Scaled, because the printed 400,000 turns cost 12 hours a seed:

* modes of sd 0.1; printed are 0.01 on a ring of radius 1, here 2, and 0.05 on the same grid,
* two hidden layers of 32 (ring) and 64 (grid) in both networks, without batch normalisation; printed are four of 400
  with it, and three of 200 maxouts,
* Adam with 3e-3 that fades to zero, beta1 0.5, batches of 64, 2,500 and 6,000 turns; printed are 1e-4 throughout, 0.8
  and 100. The grid is seen at a spread of 1.

A slow D learns at a quarter of G's rate; WGAN-GP has three steps of D. In "plain, 4 batches" a turn has as many points
as in "packing 4". The floor knows no mode: uniform on the circle, on the square from -4 to 4, whose sides cut the outer
modes, and on that from -5 to 5, where each mode has a cell of one size.
"""

from __future__ import annotations

import math

import torch
from cures import GAMES
from learning_rates import samples
from table import main

from ganlib import metrics
from ganlib.densities import grid, ring
from ganlib.models import MLPCritic, Packed

MODULES = [f"losses.{game}_{player}" for game in ("nonsaturating", "relativistic", "wasserstein") for player in "dg"]
MODULES += ["densities.grid", "densities.ring", "metrics.modes", "models/joint.Packed", "models/mlp.MLPCritic"]
MODULES += ["models/mlp.MLPGenerator", "penalties.gradient_penalty", "penalties.r1", "penalties.r2"]
MODULES += ["training.alternate", "training.unrolled"]

SD, POINTS = 0.1, 2500
BEDS = {
    "ring": {"law": ring(SD), "turns": 2500, "batch": 64},
    "grid": {"law": grid(SD), "turns": 6000, "batch": 64, "width": 64, "unit": 8**0.5},
}
RATES = {"equal": {"lr_G": 3e-3, "lr_D": 3e-3}, "slow D": {"lr_G": 3e-3, "lr_D": 7.5e-4}}
STRENGTHS = {  # of penalties, and the step of an unrolled D; on the ring and on the grid
    "unrolling": (0.03, 0.03),
    "WGAN-GP": (1.0, 1.0),
    "R1": (10.0, 1.0),
    "relativistic, R1 + R2": (10.0, 1.0),
}
PACKS = {f"packing {m}": m for m in (2, 3, 4)}
SLOW = ["plain", "plain, 4 batches", *PACKS, "relativistic, R1 + R2"]
NULLS = {"ring": ["data", "uniform on the circle"], "grid": ["data", "uniform, -4 to 4", "uniform, -5 to 5"]}
PLAYED = [("equal", game) for game in (*SLOW, *list(STRENGTHS)[:3])] + [("slow D", game) for game in SLOW]
CASES = [
    {"shape": shape, "game": game, "rates": rates}
    for shape in BEDS
    for rates, game in [*(("", null) for null in NULLS[shape]), *PLAYED]
]


def critic(m):
    """What draws the weights of a critic of m points at once."""
    return lambda sizes, **how: Packed(MLPCritic((m * sizes[0], *sizes[1:]), **how), m)


def played(shape, game, rates, S, g, **small):
    """Samples of S GANs, shape (S, 2500, 2)."""
    bed = BEDS[shape] | RATES[rates]
    if game in STRENGTHS:
        bed |= GAMES[game](STRENGTHS[game][shape == "grid"], None, None, g)
    if game in PACKS:
        bed |= {"critic": critic(PACKS[game])}
    if game == "WGAN-GP":
        bed |= {"d_steps": 3}
    bed["batch"] *= 4 if game == "plain, 4 batches" else PACKS.get(game, 1)
    return samples(S, g, **bed | small)


def uniform(S, g, shape, reach=4):
    """Points that know no mode: on the ring's circle, or on a square about the grid."""
    if shape == "grid":
        return reach * (2 * torch.rand(S, POINTS, 2, generator=g, device=g.device) - 1)
    angle = 2 * math.pi * torch.rand(S, POINTS, generator=g, device=g.device)
    return 2 * torch.stack([angle.cos(), angle.sin()], -1)


def trial(case, S, g, small):
    law = BEDS[case["shape"]]["law"]
    if case["game"] == "data":
        made = law.sample((S, POINTS), generator=g)
    elif case["game"].startswith("uniform"):
        made = uniform(S, g, case["shape"], 5 if case["game"] == "uniform, -5 to 5" else 4)
    else:
        made = played(**case, S=S, g=g, **({"turns": 4} if small else {}))
    captured, m10, near, reverse_kl = metrics.modes(made, law.centres, SD)
    return {
        "captured": [int(v) for v in captured],
        "m10": [int(v) for v in m10],
        "high_quality": [f"{v:.4f}" for v in near.tolist()],
        "reverse_kl": [f"{v:.4f}" for v in reverse_kl.tolist()],
    }


if __name__ == "__main__":
    main("published_mixtures", CASES, trial, modules=MODULES)
