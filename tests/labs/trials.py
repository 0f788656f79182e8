"""Games for the labs to play again: weights, draws, and what ganlib came to."""

from __future__ import annotations

import torch

import ganlib
from ganlib import losses, penalties
from ganlib.densities import ring
from ganlib.models import MLPCritic, MLPGenerator
from ganlib.training import alternate

LOSSES = {
    "minimax": (losses.minimax_d, losses.minimax_g),
    "non-saturating": (losses.nonsaturating_d, losses.nonsaturating_g),
    "least squares": (losses.least_squares_d, losses.least_squares_g),
    "hinge": (losses.hinge_d, losses.hinge_g),
    "Wasserstein": (losses.wasserstein_d, losses.wasserstein_g),
    "relativistic": (losses.relativistic_d, losses.relativistic_g),
}
PENALTIES = ("none", "gradient", "R1", "R1 + R2")
BATCH, TURNS = 32, 100  # a power of two: 1/n is exact, and so is a slope of 0


def numbers(*tensors):
    return [t.detach().flatten().tolist() for t in tensors]


def game(loss, penalty="none", *, clip=0.0, spectral=False, weight=0.7, d_steps=1, g_steps=1, seed=0, turns=TURNS):
    """One game in float64, as a dictionary that JSON can hold."""
    g = ganlib.rng(seed)
    G = MLPGenerator((3, 16, 16, 2), generator=g).double()
    D = MLPCritic((2, 16, 16), generator=g, spectral_norm=spectral).double()
    layers = [m for m in D if hasattr(m, "weight")]
    told = {"loss": loss, "penalty": penalty, "weight": weight, "clip": clip, "stepsD": d_steps, "stepsG": g_steps}
    told |= {"G": numbers(*G.parameters()), "D": numbers(*D.parameters()), "batch": BATCH, "turns": turns}
    told["u"] = numbers(*(m.u for m in layers)) if spectral else []
    told |= {"real": [], "noise": [], "share": [], "rates": [2e-3, 1e-3], "betas": [0.5, 0.99]}

    def batches():
        for _ in range(turns * d_steps):
            x = ring(0.1).sample((1, BATCH), generator=g).double()
            told["real"].append(x.flatten().tolist())
            yield x

    def noise(shape):
        z = torch.randn(*shape, 3, generator=g).double()
        told["noise"].append(z.flatten().tolist())
        return z

    def cost(D, real, fake):
        if penalty == "gradient":
            again = ganlib.rng(len(told["share"]))
            told["share"].append(torch.rand(1, BATCH, generator=again, dtype=torch.float64).flatten().tolist())
            return weight * penalties.gradient_penalty(D, real, fake, generator=ganlib.rng(len(told["share"]) - 1))
        value = penalties.r1(D, real, fake)
        return weight * (value + penalties.r2(D, real, fake) if penalty == "R1 + R2" else value)

    how = {"betas": told["betas"]}
    movers = [torch.optim.Adam(m.parameters(), lr, **how) for m, lr in zip((D, G), told["rates"], strict=True)]
    after = (lambda D: penalties.clip_weights(D, clip)) if clip else None
    play = alternate(
        G, D, batches(), noise, *LOSSES[loss], *movers, d_steps=d_steps, g_steps=g_steps,
        penalty=None if penalty == "none" else cost, after_D=after, pair=loss == "relativistic",
    )  # fmt: skip
    came = [(step.loss_D.item(), step.loss_G.item()) for step in play]
    told["lossD"], told["lossG"] = map(list, zip(*came, strict=True))
    return told | {"endG": numbers(*G.parameters()), "endD": numbers(*D.parameters())}
