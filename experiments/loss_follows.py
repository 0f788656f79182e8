"""Does a loss follow the distance? Five games on four generators: rank correlation with exact W1, and how each ends."""

from __future__ import annotations

from itertools import pairwise

import torch
from scipy.stats import spearmanr
from table import main
from torch import nn

from ganlib import losses, metrics, penalties
from ganlib.densities import ring
from ganlib.divergences import transport
from ganlib.models import BatchedLinear, MLPCritic
from ganlib.training import alternate

TURNS, EVERY, WINDOW, POINTS = 2500, 100, 50, 256
GAMES = {
    "non-saturating, 1 step": (False, 1, {}),
    "non-saturating, 3 steps": (False, 3, {}),
    "WGAN-GP, 1 step": (True, 1, {"penalty": penalties.gradient_penalty}),
    "WGAN-GP, 3 steps": (True, 3, {"penalty": penalties.gradient_penalty}),
    "clipped, 3 steps": (True, 3, {"after_D": lambda D: penalties.clip_weights(D, 0.1)}),
}
GENERATORS = {
    "2 × 32": ((2, 32, 32, 2), nn.ReLU()),
    "1 × 8": ((2, 8, 2), nn.ReLU()),
    "4 × 32": ((2, 32, 32, 32, 32, 2), nn.ReLU()),
    "3 × 32, tanh": ((2, 32, 32, 32, 2), nn.Tanh()),
}
CASES = [{"generator": generator, "game": game} for generator in GENERATORS for game in GAMES]
MODULES = [f"losses.{game}_{player}" for game in ("nonsaturating", "wasserstein") for player in "dg"]
MODULES += ["densities", "divergences.transport", "metrics.modes", "models/mlp", "penalties", "training.alternate"]


def network(sizes, activation, S, g):
    layers = [BatchedLinear(a, b, seeds=S, generator=g) for a, b in pairwise(sizes)]
    return nn.Sequential(*[module for layer in layers for module in (layer, activation)][:-1])


def follow(S, g, *, generator, game, turns=TURNS, every=EVERY):
    """Play S games in the standard bed; each moment's loss of D and of G, and exact W1, shape (moments, S)."""
    (sizes, activation), (wasserstein, steps, how) = GENERATORS[generator], GAMES[game]
    law, how = ring(0.1), dict(how)
    G = network(sizes, activation, S, g)
    D = MLPCritic((2, 32, 32), seeds=S, generator=g)
    if "penalty" in how:
        how["penalty"] = lambda D, real, fake: penalties.gradient_penalty(D, real, fake, generator=g)
    optimizers = [torch.optim.Adam(net.parameters(), lr=3e-3, betas=(0.5, 0.999), fused=True) for net in (D, G)]
    decays = [torch.optim.lr_scheduler.LinearLR(o, 1, 0.0, total_iters=turns) for o in optimizers]

    def noise(shape):
        return torch.randn(*shape, 2, generator=g, device=g.device)

    pair = losses.nonsaturating_d, losses.nonsaturating_g
    if wasserstein:
        pair = losses.wasserstein_d, losses.wasserstein_g
    batches = (law.sample((S, 64), generator=g) for _ in range(turns * steps))
    real, z = law.sample((S, POINTS), generator=g), noise((S, POINTS))
    recent, rows = [], []
    for step in alternate(G, D, batches, noise, *pair, *optimizers, d_steps=steps, **how):
        recent = [*recent, torch.stack([step.loss_D, step.loss_G])][-WINDOW:]
        for decay in decays:
            decay.step()
        if step.number % every == 0:
            with torch.no_grad():
                made = G(z).nan_to_num(nan=1e3).clamp(-1e3, 1e3)
            w1 = torch.stack([transport(x, y).cost for x, y in zip(made, real, strict=True)])
            rows.append(torch.cat([torch.stack(recent).mean(0).cpu(), w1[None]]))
    with torch.no_grad():
        made = G(noise((S, 2500))).nan_to_num(nan=1e3).clamp(-1e3, 1e3)
    return torch.stack(rows, 1), metrics.modes(made, law.centres, 0.1)


def rank_correlation(a, b):
    """Spearman's, seed by seed; 0 where one of the two does not move."""
    return [float(spearmanr(x, y)[0]) if x.std() > 0 and y.std() > 0 else 0.0 for x, y in zip(a.T, b.T, strict=True)]


def trial(case, S, g, small):
    (loss_D, loss_G, w1), found = follow(S, g, **case, **({"turns": 8, "every": 2} if small else {}))
    columns = {
        "rank_D": rank_correlation(-loss_D, w1),
        "rank_G": rank_correlation(loss_G, w1),
        "clock": rank_correlation(-torch.arange(len(w1))[:, None].expand_as(w1).double(), w1),
        "w1": w1[-1],
        "m10": found.m10,
        "high_quality": found.high_quality,
    }
    return {name: [f"{float(v):.4f}" for v in column] for name, column in columns.items()}


if __name__ == "__main__":
    main("loss_follows", CASES, trial, modules=MODULES)
