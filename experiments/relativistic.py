"""Two losses with and without slope penalties: RING8(0.1) at equal rates and with D ahead, and GRID25(0.1).

The ring has the standard bed; the grid has twice the width and batch, and 3,000 turns.
"""

from __future__ import annotations

import torch
from learning_rates import MODULES
from table import main

from ganlib import losses, metrics, penalties
from ganlib.densities import grid, ring
from ganlib.models import MLPCritic, MLPGenerator
from ganlib.training import alternate

LARGER = {"unit": 8**0.5, "width": 64, "batch": 128, "turns": 3000}  # the unit gives the lattice a spread of 1
BEDS = {
    "ring, equal rates": {"law": ring(0.1), "lr_G": 3e-3, "lr_D": 3e-3, "gamma": 0.1},
    "ring, D leads": {"law": ring(0.1), "lr_G": 1e-3, "lr_D": 3e-2, "gamma": 0.1},
    "grid, equal rates": {"law": grid(0.1), "lr_G": 3e-3, "lr_D": 3e-3, "gamma": 0.01, **LARGER},
}
LOSSES = {
    "non-saturating": (losses.nonsaturating_d, losses.nonsaturating_g),
    "relativistic": (losses.relativistic_d, losses.relativistic_g),
}
PENALTIES = {
    "none": (),
    "R1": (penalties.r1,),
    "R2": (penalties.r2,),
    "R1 + R2": (penalties.r1, penalties.r2),
}
CASES = [
    {"bed": bed, "loss": loss, "penalty": penalty, "gamma": BEDS[bed]["gamma"] if PENALTIES[penalty] else 0.0}
    for bed in BEDS
    for loss in LOSSES
    for penalty in PENALTIES
]


def play(S, g, *, law, lr_G, lr_D, gamma, loss, slopes, unit=1.0, width=32, batch=64, turns=2500):
    """Train S GANs in coordinates of the given unit; how their samples sit on the modes, S values a column."""
    G = MLPGenerator((2, width, width, 2), seeds=S, generator=g)
    D = MLPCritic((2, width, width), seeds=S, generator=g)
    optimizers = [
        torch.optim.Adam(net.parameters(), lr=lr, betas=(0.5, 0.999), fused=True) for net, lr in ((D, lr_D), (G, lr_G))
    ]
    decays = [torch.optim.lr_scheduler.LinearLR(o, 1, 0.0, total_iters=turns) for o in optimizers]
    batches = (law.sample((S, batch), generator=g) / unit for _ in range(turns))

    def noise(shape):
        return torch.randn(*shape, 2, generator=g, device=g.device)

    def penalty(D, real, fake):
        return gamma / 2 * sum(slope(D, real, fake) for slope in slopes)

    how = {"penalty": penalty if slopes else None, "pair": loss[1] is losses.relativistic_g}
    for _ in alternate(G, D, batches, noise, *loss, *optimizers, **how):
        for decay in decays:
            decay.step()
    with torch.no_grad():
        made = unit * G(noise((S, 2500))).nan_to_num(nan=1e3).clamp(-1e3, 1e3)
    found = metrics.modes(made, law.centres, 0.1)
    return {
        "captured": [int(v) for v in found.captured],
        "m10": [int(v) for v in found.m10],
        "high_quality": [f"{v:.4f}" for v in found.high_quality.tolist()],
    }


def trial(case, S, g, small):
    bed = {**BEDS[case["bed"]], "gamma": case["gamma"]}
    if small:
        bed["turns"] = 20
    return play(S, g, **bed, loss=LOSSES[case["loss"]], slopes=PENALTIES[case["penalty"]])


if __name__ == "__main__":
    main("relativistic", CASES, trial, modules=[*MODULES, "penalties"])
