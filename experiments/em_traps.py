"""How often EM finds M well separated bumps: by what it may move, by where it starts, and how broad.

Every seed is a data set of its own, 60 points a bump, bumps of sd 1 on a square lattice ten sd wide, and one start. A
run has found the bumps if every one has a mean within one sd. Components begin as narrow as the bumps, or as broad as
the whole sample.
"""

from __future__ import annotations

import math

import torch
from table import main

from ganlib.em import Gaussians, e_step, m_step

EACH, APART, TURNS = 60, 10.0, 300


def lattice(M):
    """Centres of M bumps, row by row of a square."""
    line = torch.arange(math.ceil(math.sqrt(M)), dtype=torch.float64)
    return APART * torch.cartesian_prod(line, line)[:M]


def at_points(x, M, g):
    """M different points of each data set (S, n, 2)."""
    chosen = torch.rand(x.shape[:2], generator=g, device=g.device).argsort(-1)[:, :M]
    return x.gather(1, chosen[..., None].expand(-1, -1, 2))


def far_apart(x, M, g):
    """k-means++: each further point with a chance in proportion to its squared distance from those there are."""
    chosen = at_points(x, 1, g)
    while chosen.shape[1] < M:
        gap = torch.cdist(x, chosen).square().amin(-1)  # (S, n)
        following = torch.multinomial(gap, 1, generator=g)  # (S, 1)
        chosen = torch.cat([chosen, x.gather(1, following[..., None].expand(-1, -1, 2))], 1)
    return chosen


STARTS = {"points": at_points, "k-means++": far_apart}


def trial(case, S, g, small):
    """S data sets, each from one start."""
    M = case["M"]
    centres = lattice(M).to(g.device)
    noise = torch.randn(S, M, EACH, 2, generator=g, device=g.device, dtype=torch.float64)
    x = (centres[:, None] + noise).flatten(1, 2)
    means, eye = STARTS[case["start"]](x, M, g), torch.eye(2).to(x)
    variance = x.var(1).mean(-1) if case["begins"] == "broad" else torch.ones_like(x[:, 0, 0])
    theta = Gaussians(
        torch.full_like(means[..., 0], 1 / M), means, (variance[:, None, None, None] * eye).repeat(1, M, 1, 1)
    )
    for _ in range(2 if small else TURNS):
        q, log_likelihood = e_step(theta, x)
        moved = m_step(q, x, spherical=True, ridge=1e-3)
        theta = theta._replace(means=moved.means) if case["moves"] == "means" else moved
    away = torch.cdist(centres.expand(S, M, 2), theta.means).amin(-1)  # of each bump from the nearest mean
    return {"found": (away < 1).sum(-1).tolist(), "log_likelihood": [f"{v:.4f}" for v in log_likelihood.tolist()]}


CASES = [
    {"M": M, "moves": moves, "begins": begins, "start": start}
    for M in (2, 3, 4, 5, 6, 8)
    for moves, begins in (("means", "narrow"), ("all", "narrow"), ("all", "broad"))
    for start in STARTS
]


if __name__ == "__main__":
    main("em_traps", CASES, trial, modules=["em"], seeds=128, block=64)
