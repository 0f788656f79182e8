"""Seven Lipschitz critics, each trained on five pairs of clouds whose exact W1 is known."""

from __future__ import annotations

import torch
from table import main

from ganlib import losses, penalties
from ganlib.densities import gaussian, mixture, ring
from ganlib.divergences import transport
from ganlib.models import MLPCritic

POINTS, BATCH, STEPS = 256, 64, 1000
CRITICS = {
    "clipped at 0.01": {"clip": 0.01},
    "clipped at 0.1": {"clip": 0.1},
    "clipped at 0.5": {"clip": 0.5},
    "spectral norm": {"spectral": True},
    "two-sided, λ = 10": {"penalty": penalties.gradient_penalty, "weight": 10.0},
    "two-sided, λ = 1": {"penalty": penalties.gradient_penalty, "weight": 1.0},
    "one-sided, λ = 10": {"penalty": penalties.one_sided_penalty, "weight": 10.0},
}
PAIRS = ["shift 1", "shift 2", "shift 4", "fold", "ring"]
CASES = [{"pair": pair, "critic": critic} for pair in PAIRS for critic in CRITICS]
MODULES = ["densities", "divergences.transport", "losses.wasserstein_d", "models/mlp", "penalties"]


def clouds(pair, S, g):
    """Real and generated points, (S, 256, d): the pair is the two clouds, so their W1 is exact."""
    if pair == "fold":
        real, fake = mixture([-2.0, 2.0], [0.5, 0.5]), gaussian(0, 0.5)
        return real.sample((S, POINTS), generator=g), fake.sample((S, POINTS), generator=g)
    fake = torch.randn(S, POINTS, 2, generator=g, device=g.device)
    if pair == "ring":
        return ring(0.1).sample((S, POINTS), generator=g), fake / 2
    return fake + torch.tensor([float(pair.split()[1]), 0.0], device=g.device), fake


def batch(cloud, g):
    """64 points of each cloud, drawn with replacement."""
    S, n, d = cloud.shape
    rows = torch.randint(n, (S, BATCH, 1), generator=g, device=g.device)
    return cloud.gather(1, rows.expand(-1, -1, d))


def train(real, fake, g, *, clip=None, spectral=False, penalty=None, weight=1.0, steps=STEPS):
    """A critic a seed, Adam at 3e-3 falling to zero."""
    D = MLPCritic((real.shape[-1], 32, 32), seeds=len(real), generator=g, spectral_norm=spectral)
    optimizer = torch.optim.Adam(D.parameters(), lr=3e-3, betas=(0.5, 0.9), fused=True)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.0, total_iters=steps)
    for _ in range(steps):
        x, y = batch(real, g), batch(fake, g)
        loss = losses.wasserstein_d(D(x), D(y))
        if penalty:
            loss = loss + weight * penalty(D, x, y, generator=g)
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
        decay.step()
        if clip:
            penalties.clip_weights(D, clip)
    return D.eval()


def slopes(D, real, fake, g):
    """Norm of the critic's gradient between 4,096 random pairs, (S, 4096)."""
    x, y = (torch.cat([batch(cloud, g) for _ in range(64)], 1) for cloud in (real, fake))
    epsilon = torch.rand(*x.shape[:2], 1, generator=g, device=g.device)
    between = (epsilon * x + (1 - epsilon) * y).requires_grad_()
    return torch.autograd.grad(D(between).sum(), between)[0].norm(dim=-1)


def trial(case, S, g, small):
    how = CRITICS[case["critic"]]
    real, fake = clouds(case["pair"], S, g)
    D = train(real, fake, g, **how, steps=4 if small else STEPS)
    slope = slopes(D, real, fake, g)
    with torch.no_grad():
        estimate = -losses.wasserstein_d(D(real), D(fake))
        edge = 0.95 * how.get("clip", float("inf"))
        at_bound = torch.cat([p.flatten(1) for p in D.parameters()], 1).abs() > edge
    found = {
        "w1": torch.stack([transport(x, y).cost for x, y in zip(real, fake, strict=True)]),
        "estimate": estimate,
        "slope": slope.mean(-1),
        "steepest": slope.amax(-1),
        "at_bound": at_bound.float().mean(-1),
    }
    return {name: [f"{v:.5g}" for v in column.tolist()] for name, column in found.items()}


if __name__ == "__main__":
    main("critics", CASES, trial, modules=MODULES, seeds=32)
