"""A discriminator alone, against a generator that stands still, in the 128 worlds of `worlds`: how near to D*?

The data are the worlds' ring. The generated points are drawn from the same ring, *equal* laws, or from a *bell*, one
Gaussian with the ring's mean and covariance. D sees 64 + 64 fresh points a turn as in the games, or the same 100 + 100
throughout. `by_best`, `on_test`: the estimate V/2 + log 2 of JS by D* and by D on the same 10,000 + 10,000 new points;
`on_seen`: that of D on the points of its last turn.
"""

from __future__ import annotations

import math

import torch
from table import main
from worlds import BATCH, TURNS, drawn, factors, movers

from ganlib import losses
from ganlib.densities import ring
from ganlib.worlds import WorldCritic, sample

FEW, TEST = 100, 10_000
STREAMS = ("weights of D", "data", "generated", "test")
MODULES = ["densities", "losses.minimax_d", "models/mlp", "worlds"]


def bell_sd(worlds):
    """Of one coordinate of the ring: its radius is 2, times the scale."""
    return worlds.scale * (2 + worlds.sd**2).sqrt()


def made(worlds, n, g, law):
    """Generated points (S, n, 2)."""
    if law == "equal":
        return sample(worlds, n, generator=g)
    x = torch.randn(len(worlds.sd), n, 2, generator=g, device=g.device)
    return x * bell_sd(worlds)[:, None, None].to(x)


def best(worlds, law):
    """The logit of D*, a function of points (S, n, 2)."""

    def of_world(x, sd, scale, wide):
        x = x.double() / scale
        square = (x**2).sum(-1) / (2 * (wide / scale) ** 2)
        return ring(sd).log_prob(x) + square + 2 * math.log(wide / scale) + math.log(2 * math.pi)

    def logit(x):
        if law == "equal":
            return x.new_zeros(x.shape[:-1]).double()
        each = zip(x, worlds.sd.tolist(), worlds.scale.tolist(), bell_sd(worlds).tolist(), strict=True)
        return torch.stack([of_world(*told) for told in each])

    return logit


def estimate(logit, real, fake):
    """Of JS, from the value of a discriminator on these points."""
    return math.log(2) - losses.minimax_d(logit(real), logit(fake)) / 2


def learn(worlds, streams, points, law, turns):
    """Three estimates a world, and which are alive."""
    D = WorldCritic(worlds, generator=streams["weights of D"])
    (optimizer,), (decay,) = movers(worlds, (D,), (1,), turns)

    def draw(n):
        return sample(worlds, n, generator=streams["data"]), made(worlds, n, streams["generated"], law)

    few = draw(FEW)
    for _ in range(turns):
        seen = few if points == "100 + 100" else draw(BATCH)
        optimizer.zero_grad()
        losses.minimax_d(D(seen[0]), D(seen[1])).sum().backward()
        optimizer.step()
        decay.step()
    with torch.no_grad():
        test = sample(worlds, TEST, generator=streams["test"]), made(worlds, TEST, streams["test"], law)
        found = estimate(best(worlds, law), *test), estimate(D, *test), estimate(D, *seen)
    alive = torch.stack([p.flatten(1).isfinite().all(-1) for p in D.parameters()]).all(0)
    return *found, alive


def trial(case, S, _, small):
    """All worlds of a draw."""
    how = case["points"], case["law"], 2 if small else TURNS
    worlds, *found, alive = drawn(S, case["draw"], lambda *told: learn(*told, *how), streams=STREAMS)
    names = "by_best", "on_test", "on_seen"
    values = {name: [f"{v:.5f}" for v in column.tolist()] for name, column in zip(names, found, strict=True)}
    return values | {"alive": alive.tolist()} | factors(worlds)


CASES = [
    {"points": points, "law": law, "draw": number}
    for points in ("fresh", "100 + 100")
    for law in ("equal", "bell")
    for number in (0, 1)
]


if __name__ == "__main__":
    main("trained_d", CASES, trial, modules=MODULES, seeds=64, block=64)
