"""What an untrained G is told while D learns alone, in the 128 worlds of `worlds.py`.

D is that of `lead_in_worlds.py`. Before its first step and at three later ones, gradients in the weights of G are taken
of 32 batches of 64 points: those of the minimax loss (mm), of the non-saturating one (ns), and of minus the mean logit
(bare). The noise is the root of the summed variances over the batches. The norm is that of the mean over them, freed of
the noise left in it: its square is less by the variance over 32.

Columns: the mean of D(G(z)); norm and noise of each gradient; each at the steps of D in the column's name.
"""

from __future__ import annotations

import torch
from lead_in_worlds import lead
from table import main
from worlds import BATCH, MODULES, drawn, factors

from ganlib import losses
from ganlib.worlds import WorldCritic, WorldGenerator, noise

MOMENTS, BATCHES = (0, 100, 300, 1000), 32
LOSSES = {"mm": losses.minimax_g, "ns": losses.nonsaturating_g, "bare": lambda _, logit: -logit.mean(-1)}
NAMES = ["believed", *(f"{what}_{loss}" for loss in LOSSES for what in ("norm", "noise"))]


def gradient(G, loss, logit):
    """Gradient of a generator's loss in all its weights, (S, p)."""
    parts = torch.autograd.grad(loss(None, logit).sum(), list(G.parameters()), retain_graph=True)
    return torch.cat([part.flatten(1) for part in parts], 1).double()


def measure(worlds, G, D, g):
    """Mean D(G(z)); norm and noise of each loss: (7, S)."""
    believed, sums, squares = 0, [0] * len(LOSSES), [0] * len(LOSSES)
    for _ in range(BATCHES):
        logit = D(G(noise(worlds, BATCH, generator=g)))
        believed = believed + logit.detach().double().sigmoid().mean(-1) / BATCHES
        for k, loss in enumerate(LOSSES.values()):
            found = gradient(G, loss, logit)
            sums[k], squares[k] = sums[k] + found, squares[k] + found.square()
    row = [believed]
    for first, second in zip(sums, squares, strict=True):
        mean = first / BATCHES
        variance = (second / BATCHES - mean.square()).sum(-1) * BATCHES / (BATCHES - 1)
        row += [(mean.square().sum(-1) - variance / BATCHES).clamp(min=0).sqrt(), variance.sqrt()]
    return torch.stack(row)


def follow(worlds, streams, moments):
    """All that is measured at each moment, (S, 7) a moment."""
    G = WorldGenerator(worlds, generator=streams["weights of G"])
    D = WorldCritic(worlds, generator=streams["weights of D"])
    found = []
    for step, _ in enumerate(lead(worlds, streams, G, D, moments[-1])):
        if step in moments:
            found.append(measure(worlds, G, D, streams["test"]).T)
    return found


def trial(case, S, _, small):
    """All worlds of a draw."""
    moments = (0, 1, 2, 3) if small else MOMENTS
    worlds, *found = drawn(S, case["draw"], lambda some, streams: follow(some, streams, moments))
    return {
        f"{name}_{moment}": [f"{v:.5g}" for v in values.tolist()]
        for moment, of_moment in zip(MOMENTS, found, strict=True)
        for name, values in zip(NAMES, of_moment.T, strict=True)
    } | factors(worlds)


CASES = [{"draw": number} for number in (0, 1)]


if __name__ == "__main__":
    main("gradients_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
