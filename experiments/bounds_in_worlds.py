"""Loss × bound of the critic in the 128 worlds of `worlds`, on two parallel segments: their supports part.

The real points are spread over an upright segment at 0, as long as the world's scale; the generated ones over its copy
at theta, twice the scale away at first, and theta is all of G. D has the world's gain, slope, width, rate and momentum.
It trains alone for 1,000 steps and then makes five for each step of theta: plain gradient descent at 25 times the
world's rate, fading to zero over 300 turns. A critic of slope 1 has each layer divided by its largest singular value.

Columns: theta at the end and at its largest, over the scale; the slope of G's loss in theta at the first turn.
"""

from __future__ import annotations

import torch
from table import main
from torch import nn
from worlds import BATCH, drawn, factors, movers, pair_of

from ganlib.training import alternate
from ganlib.worlds import WorldCritic

LEAD, TURNS, D_STEPS, START, FASTER = 1000, 300, 5, 2.0, 25.0
NAMES = {"minimax": "minimax", "non-saturating": "nonsaturating", "Wasserstein": "wasserstein"}
MODULES = [f"losses.{game}_{player}" for game in NAMES.values() for player in "dg"]
MODULES += ["densities", "models/mlp", "training.alternate", "worlds"]


class Segment(nn.Module):
    """The segment at theta, one a world; plain gradient descent at a rate of 1 on `way` is one at `rate` on theta."""

    def __init__(self, start, rate):
        super().__init__()
        self.register_buffer("start", start.float()[:, None, None])
        self.register_buffer("root", rate.float().sqrt()[:, None, None])
        self.way = nn.Parameter(torch.zeros_like(self.start))

    @property
    def theta(self):
        """Where it is, (S, 1, 1)."""
        return self.start + self.root * self.way

    def forward(self, z):
        """Heights to points."""
        return torch.cat([self.theta.expand_as(z), z], -1)


def play(worlds, streams, short, loss, bound):
    """Of each world: theta at the end and at its largest over the scale, the first slope, whether it is alive."""
    lead, turns = (2, 2) if short else (LEAD, TURNS)
    scale, S, game = worlds.scale.float(), len(worlds.scale), pair_of(NAMES[loss])
    G = Segment(START * scale, FASTER * worlds.rate)
    D = WorldCritic(worlds, generator=streams["weights of D"], spectral_norm=bound == "slope 1")
    (move_D,), _ = movers(worlds, (D,), (1,), turns)
    move_G = torch.optim.SGD(G.parameters(), lr=1.0)
    decay = torch.optim.lr_scheduler.LinearLR(move_G, 1, 0, turns)

    def heights(shape, g=streams["z"]):
        return scale[:, None, None] * torch.rand(*shape, 1, generator=g, device=g.device)

    def real():
        z = heights((S, BATCH), streams["data"])
        return torch.cat([torch.zeros_like(z), z], -1)

    for _ in range(lead):
        made = G(heights((S, BATCH))).detach()
        move_D.zero_grad()
        game["loss_D"](D(real()), D(made)).sum().backward()
        move_D.step()
    batches = (real() for _ in range(D_STEPS * turns))
    path, alive = [], torch.ones(S, dtype=torch.bool)
    for step in alternate(G, D, batches, heights, **game, optimizer_D=move_D, optimizer_G=move_G, d_steps=D_STEPS):
        path.append(G.theta.detach().flatten())
        alive = step.alive.expand(S)
        decay.step()
    first = (path[0] - START * scale).abs() / (FASTER * worlds.rate)
    path = torch.stack(path).abs() / scale
    return path[-1], path.amax(0), first, alive


def trial(case, S, _, small):
    """All worlds of a draw."""

    def make(some, streams):
        return play(some, streams, small, case["loss"], case["bound"])

    worlds, *found, alive = drawn(S, case["draw"], make)
    told = dict(zip(("end", "farthest", "slope"), found, strict=True))
    told = {name: [f"{v:.5g}" for v in values.tolist()] for name, values in told.items()}
    return told | {"alive": alive.tolist()} | factors(worlds)


CASES = [
    {"loss": loss, "bound": bound, "draw": number}
    for loss in NAMES
    for bound in ("none", "slope 1")
    for number in (0, 1)
]


if __name__ == "__main__":
    main("bounds_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
