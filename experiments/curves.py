"""What the curves of a GAN say about its samples: runs with settings drawn at random, on the standard bed.

Each seed has rates, momentum, decay and optimiser of its own. Stored are the end of its curves, the loss of a fresh
discriminator trained against the finished generator, and how the samples are.
"""

from __future__ import annotations

import math

import torch
from table import main

from ganlib import losses, metrics
from ganlib.densities import ring
from ganlib.models import MLPCritic, MLPGenerator
from ganlib.training import alternate

MODULES = ["densities", "losses.minimax_d", "losses.minimax_g", "losses.nonsaturating_g", "metrics.modes"]
MODULES += ["models/mlp", "training.alternate"]
LAW, WIDTH, REACH = ring(0.1), 0.1, 3.5
CURVES = ["loss_D", "loss_G", "norm_D", "norm_G", "swing_D", "swing_G", "accuracy", "held_out"]


class Seedwise(torch.optim.Optimizer):
    """Adam with a rate and a momentum of its own for each seed; where `plain`, gradient descent."""

    def __init__(self, net, rate, beta, plain):
        super().__init__(net.parameters(), {})
        self.rate, self.beta, self.plain, self.t = rate, beta, plain, 0
        self.fade = torch.ones_like(rate)

    @torch.no_grad()
    def step(self):
        """One descent of every seed, each at its own rate."""
        self.t += 1
        for w in self.param_groups[0]["params"]:
            if not self.state[w]:
                self.state[w] = {"m": torch.zeros_like(w), "v": torch.zeros_like(w)}
            m, v = self.state[w].values()
            rate, beta, plain = (
                s.view(-1, *[1] * (w.dim() - 1)) for s in (self.rate * self.fade, self.beta, self.plain)
            )
            m.lerp_(w.grad, 1 - beta)
            v.lerp_(w.grad**2, 0.001)
            adam = m / (1 - beta**self.t) / ((v / (1 - 0.999**self.t)).sqrt() + 1e-8)
            w -= rate * torch.where(plain, w.grad, adam)


def boxes():
    """Mass of the law in each cell of a lattice, and outside of it."""
    edges = torch.linspace(-REACH, REACH, round(2 * REACH / WIDTH) + 1, dtype=torch.float64)
    across, up = (torch.special.ndtr((edges - c[:, None]) / LAW.sd[:, None]).diff(dim=-1) for c in LAW.centres.T)
    mass = torch.einsum("k,ki,kj->ij", LAW.weights, across, up).flatten()
    return torch.cat([mass, 1 - mass.sum(0, keepdim=True)])


MASS = boxes()


def js(points):
    """JS between the law and points (S, n, 2), both over the cells."""
    side = round(2 * REACH / WIDTH)
    at = ((points.double().cpu() + REACH) / WIDTH).floor().long()
    inside = ((at >= 0) & (at < side)).all(-1)
    cell = torch.where(inside, at[..., 0] * side + at[..., 1], side**2)
    one = torch.ones(cell.shape, dtype=torch.float64) / cell.shape[1]
    q = torch.zeros(len(cell), side**2 + 1, dtype=torch.float64).scatter_add_(1, cell, one)
    half = [torch.special.xlogy(m, m) - torch.special.xlogy(m, (q + MASS) / 2) for m in (q, MASS.expand_as(q))]
    return sum(half).sum(-1) / 2


def size(net):
    """Norm of the gradient of each seed."""
    return torch.stack([w.grad.flatten(1).square().sum(1) for w in net.parameters()]).sum(0).sqrt()


def play(S, g, rate_G, rate_D, beta, fades, plain, turns=2000, every=100):
    """Curves, one value a look: {name: (S, looks)}; and the players."""
    G = MLPGenerator((2, 32, 32, 2), seeds=S, generator=g)
    D = MLPCritic((2, 32, 32), seeds=S, generator=g)

    def noise(shape):
        return torch.randn(*shape, 2, generator=g, device=g.device)

    def cost(_, fake):
        return torch.where(plain, losses.minimax_g(None, fake), losses.nonsaturating_g(None, fake))

    movers = Seedwise(D, rate_D, beta, torch.zeros_like(plain)), Seedwise(G, rate_G, beta, plain)
    batches = (LAW.sample((S, 64), generator=g) for _ in range(turns))
    recent, looks = [], []
    for turn in alternate(G, D, batches, noise, losses.minimax_d, cost, *movers):
        for mover in movers:
            mover.fade = torch.where(fades, 1 - turn.number / turns, 1.0)
        recent.append(torch.stack([turn.loss_D, turn.loss_G, size(D), size(G)]))
        if turn.number % every == 0:
            window = torch.stack(recent, -1).double().cpu()  # (4, S, every)
            with torch.no_grad():
                made, real = G(noise((S, 2500))).nan_to_num(1e3).clamp(-1e3, 1e3), LAW.sample((S, 2500), generator=g)
                on_real, on_made = D(real), D(made)
            right = ((on_real > 0).double().mean(-1) + (on_made < 0).double().mean(-1)) / 2
            held_out = losses.minimax_d(on_real, on_made).double()
            modes = metrics.modes(made, LAW.centres, 0.1)
            truth = [js(made), modes.m10, modes.high_quality, *made.mean(1).double().cpu().T]
            both = [*window.mean(-1), *window.std(-1)[:2], right.cpu(), held_out.cpu(), *truth]
            looks.append(torch.stack(both))
            recent = []
    names = [*CURVES, "JS", "m10", "high_quality", "x", "y"]
    found = dict(zip(names, torch.stack(looks, -1), strict=True))
    hops = torch.hypot(found.pop("x").diff(dim=-1), found.pop("y").diff(dim=-1))
    return found | {"travel": torch.nn.functional.pad(hops, (1, 0))}, G


def referee(G, S, g, steps=500):
    """Loss, on fresh points, of a new discriminator trained against a generator that stands still."""
    D = MLPCritic((2, 32, 32), seeds=S, generator=g)
    mover = torch.optim.Adam(D.parameters(), 3e-3, betas=(0.5, 0.999), fused=True)
    fading = torch.optim.lr_scheduler.LinearLR(mover, 1, 0.0, total_iters=steps)

    def logits(n):
        z = torch.randn(S, n, 2, generator=g, device=g.device)
        return D(LAW.sample((S, n), generator=g)), D(G(z).detach())

    for _ in range(steps):
        mover.zero_grad()
        losses.minimax_d(*logits(64)).sum().backward()
        mover.step()
        fading.step()
    with torch.no_grad():
        return losses.minimax_d(*logits(4000)).double().cpu()


def draw(S, g):
    """Settings at random: rates log-uniform from 3e-4 to 3e-2, and the rest by the toss of a coin or a die."""
    u = torch.rand(5, S, generator=g, device=g.device)
    low, high = math.log(3e-4), math.log(3e-2)
    rates = (low + (high - low) * u[:2]).exp()
    beta, fades, plain = torch.where(u[2] < 0.5, 0.5, 0.9), u[3] < 0.5, u[4] < 0.125
    return torch.where(plain, rates[0] / 10, rates[0]), rates[1], beta, fades, plain


def trial(case, S, g, small):
    settings = draw(S, g)
    turns = 200 if small else 2000
    curves, G = play(S, g, *settings, turns=turns, every=50 if small else 100)
    last = {name: curves[name][:, -5:].mean(-1) for name in [*CURVES, "travel"]}
    end = {name: curves[name][:, -1] for name in ("JS", "m10", "high_quality")}
    found = dict(zip(("rate_G", "rate_D", "beta", "fades", "plain"), settings, strict=True))
    found |= last | {"referee": referee(G, S, g, 20 if small else 500)} | end
    return {k: [f"{v:.5g}" if t.is_floating_point() else v for v in t.tolist()] for k, t in found.items()}


if __name__ == "__main__":
    main("curves", [{"settings": "random"}], trial, modules=MODULES, seeds=256)
