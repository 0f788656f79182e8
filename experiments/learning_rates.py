"""Modes kept at 25 pairs of learning rates: the non-saturating game in the standard bed, only the rates changed."""

from __future__ import annotations

from functools import partial

import torch
from table import main

from ganlib import losses, metrics
from ganlib.densities import ring
from ganlib.models import MLPCritic, MLPGenerator
from ganlib.training import alternate

RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
CASES = [{"lr_G": lr_G, "lr_D": lr_D} for lr_G in RATES for lr_D in RATES]
MODULES = ["densities", "losses.nonsaturating_d", "losses.nonsaturating_g", "metrics.modes"]
MODULES += ["models/mlp", "training.alternate"]


def samples(
    S,
    g,
    *,
    law,
    lr_D,
    lr_G,
    loss_D=losses.nonsaturating_d,
    loss_G=losses.nonsaturating_g,
    critic=MLPCritic,
    unit=1.0,
    width=32,
    batch=64,
    turns=2500,
    **how,
):
    """Train S GANs, in the standard bed unless told otherwise; what each makes, shape (S, 2500, 2)."""
    G = MLPGenerator((2, width, width, 2), seeds=S, generator=g)
    D = critic((2, width, width), seeds=S, generator=g)
    optimizers = [
        torch.optim.Adam(net.parameters(), lr=lr, betas=(0.5, 0.999), fused=True) for net, lr in ((D, lr_D), (G, lr_G))
    ]
    decays = [torch.optim.lr_scheduler.LinearLR(o, 1, 0.0, total_iters=turns) for o in optimizers]
    batches = (law.sample((S, batch), generator=g) / unit for _ in range(turns * how.get("d_steps", 1)))

    def noise(shape):
        return torch.randn(*shape, 2, generator=g, device=g.device)

    for _ in alternate(G, D, batches, noise, loss_D, loss_G, *optimizers, **how):
        for decay in decays:
            decay.step()
    with torch.no_grad():
        return unit * G(noise((S, 2500))).nan_to_num(nan=1e3).clamp(-1e3, 1e3)


def play(S, g, *, law=None, spectral=False, **how):
    """How the samples of S GANs sit on the modes, S values a column."""
    law = law or ring(0.1)
    made = samples(S, g, law=law, critic=partial(MLPCritic, spectral_norm=spectral), **how)
    found = metrics.modes(made, law.centres, 0.1)
    return {
        "captured": [int(v) for v in found.captured],
        "m10": [int(v) for v in found.m10],
        "high_quality": [f"{v:.4f}" for v in found.high_quality.tolist()],
    }


def trial(case, S, g, small):
    return play(S, g, **case, turns=4 if small else 2500)


if __name__ == "__main__":
    main("learning_rates", CASES, trial, modules=MODULES)
