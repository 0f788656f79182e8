"""Mode collapse and its cures: eleven games and two misprinted ones, balanced and collapse-prone, in the standard bed.

In the collapse-prone setting D learns at a quarter of G's rate. A method with a strength is tried at three of them.
"""

from __future__ import annotations

import torch
from table import main
from torch import nn

from ganlib import losses, metrics, penalties
from ganlib.densities import ring
from ganlib.models import BatchedLinear, MinibatchDiscrimination, MLPCritic, MLPGenerator, Packed
from ganlib.training import alternate, unrolled

RATES = {"balanced": (3e-3, 3e-3), "collapse-prone": (3e-3, 7.5e-4)}  # of G and of D
MODULES = [f"losses.{game}_{player}" for game in ("nonsaturating", "relativistic", "wasserstein") for player in "dg"]
MODULES += ["densities", "losses.softplus", "metrics.modes", "models/joint", "models/mlp", "penalties"]
MODULES += ["training.alternate", "training.unrolled"]


class Joint(nn.Module):
    """A critic with minibatch discrimination after its second hidden layer."""

    def __init__(self, *, seeds, generator):
        super().__init__()
        how = {"seeds": seeds, "generator": generator}
        first, second = BatchedLinear(2, 32, **how), BatchedLinear(32, 32, **how)
        closeness = MinibatchDiscrimination(32, kernels=4, dims=2, **how)
        leaky = nn.LeakyReLU(0.2)
        self.layers = nn.Sequential(first, leaky, second, leaky, closeness, BatchedLinear(36, 1, **how))

    def forward(self, x):
        """Points (S, n, 2) to logits (S, n)."""
        return self.layers(x).squeeze(-1)


class History:
    """Squared distance of each seed's parameters from their mean over all steps so far."""

    def __init__(self, net):
        self.parameters = list(net.parameters())
        self.means, self.t = [p.detach().clone() for p in self.parameters], 0

    def __call__(self):
        """One value a seed; the mean takes in the present parameters."""
        self.t += 1
        distance = 0
        for mean, p in zip(self.means, self.parameters, strict=True):
            mean += (p.detach() - mean) / self.t
            distance = distance + (p - mean).square().flatten(1).sum(-1)
        return distance


class Replay:
    """As a penalty: one half of D's loss on generated points is put on old ones instead."""

    def __init__(self, size, g):
        self.size, self.g, self.old, self.held = size, g, None, 0

    def __call__(self, D, real, fake):
        """What changes in D's loss, one value a seed."""
        self.keep(fake[:, :32])
        out = torch.randint(self.held, (64,), generator=self.g, device=self.g.device)
        return (losses.softplus(D(self.old[:, out])) - losses.softplus(D(fake))).mean(-1) / 2

    def keep(self, points):
        """Points in free places while there are any, then in the place of others; nothing else is in the pool."""
        if self.old is None:
            self.old = points.new_empty(len(points), self.size, points.shape[-1])
        if self.held < self.size:
            place = torch.arange(self.held, self.held + points.shape[1], device=self.g.device)
        else:
            place = torch.randint(self.size, points.shape[1:2], generator=self.g, device=self.g.device)
        self.old[:, place] = points
        self.held = min(self.held + points.shape[1], self.size)


def with_points(D, x, fake):
    """For a generator's cost that needs the points beside the logits."""
    return lambda points: torch.cat([points, D(points).unsqueeze(-1)], -1)


def least_squares_of_pairs(weight):
    def cost(real, fake):
        pairs = (real - fake)[..., :2].square().sum(-1).mean(-1)
        return losses.nonsaturating_g(None, fake[..., 2]) + weight * pairs

    return cost


def distances_added(weight):
    def cost(real, fake):
        apart = torch.cdist(real[..., :2], fake[..., :2]).mean((-2, -1))
        return losses.nonsaturating_g(None, fake[..., 2]) + weight * apart

    return cost


def hidden(D, x, fake):
    """D without its last layer."""
    return nn.Sequential(*list(D)[:-1])


def feature_matching(real, fake):
    return (real.mean(-2) - fake.mean(-2)).square().sum(-1)


def feature_game(strength, G, D, g):
    return {"loss_G": feature_matching, "look_ahead": hidden, "pair": True}


def historical_game(strength, G, D, g):
    past_D, past_G = History(D), History(G)
    return {
        "penalty": lambda D, real, fake: strength * past_D(),
        "loss_G": lambda real, fake: losses.nonsaturating_g(None, fake) + strength * past_G(),
    }


def unrolled_game(strength, G, D, g):
    how = {"loss_D": losses.nonsaturating_d, "steps": 5, "lr": strength}
    return {"look_ahead": lambda D, x, fake: unrolled(D, x, fake, **how)}


def r1_game(strength, G, D, g):
    return {"penalty": lambda D, *x: strength / 2 * penalties.r1(D, *x)}


def relativistic_game(strength, G, D, g):
    return {
        "loss_D": losses.relativistic_d,
        "loss_G": losses.relativistic_g,
        "pair": True,
        "penalty": lambda D, *x: strength / 2 * (penalties.r1(D, *x) + penalties.r2(D, *x)),
    }


def wasserstein_game(strength, G, D, g):
    return {
        "loss_D": losses.wasserstein_d,
        "loss_G": losses.wasserstein_g,
        "penalty": lambda D, *x: strength * penalties.gradient_penalty(D, *x, generator=g),
    }


def added_game(cost):
    return lambda strength, G, D, g: {"loss_G": cost(strength), "look_ahead": with_points, "pair": True}


GAMES = {  # what `alternate` is told beyond the networks, where it is not the plain game
    "feature matching": feature_game,
    "historical averaging": historical_game,
    "unrolling": unrolled_game,
    "replay": lambda strength, G, D, g: {"penalty": Replay(int(strength), g)},
    "R1": r1_game,
    "relativistic, R1 + R2": relativistic_game,
    "WGAN-GP": wasserstein_game,
    "least squares of pairs": added_game(least_squares_of_pairs),
    "distances added": added_game(distances_added),
}


def critic(method, how):
    if method == "minibatch discrimination":
        return Joint(**how)
    if method == "packing":
        return Packed(MLPCritic((4, 32, 32), **how), 2)
    return MLPCritic((2, 32, 32), spectral_norm=method == "spectral norm", **how)


def play(S, g, method, strength, lr_G, lr_D, turns=2500, **more):
    """Train S GANs in the standard bed; samples of each, shape (S, 2500, 2)."""
    law, how = ring(0.1), {"seeds": S, "generator": g}
    G, D = MLPGenerator((2, 32, 32, 2), **how), critic(method, how)
    optimizers = [
        torch.optim.Adam(net.parameters(), lr=lr, betas=(0.5, 0.999), fused=True) for net, lr in ((D, lr_D), (G, lr_G))
    ]
    decays = [torch.optim.lr_scheduler.LinearLR(o, 1, 0.0, total_iters=turns) for o in optimizers]
    options = {"loss_D": losses.nonsaturating_d, "loss_G": losses.nonsaturating_g}
    options |= GAMES[method](strength, G, D, g) if method in GAMES else {}
    options |= more
    batches = (law.sample((S, 64), generator=g) for _ in range(turns * options.get("d_steps", 1)))

    def noise(shape):
        return torch.randn(*shape, 2, generator=g, device=g.device)

    movers = {"optimizer_D": optimizers[0], "optimizer_G": optimizers[1]}
    for _ in alternate(G, D, batches, noise, **movers, **options):
        for decay in decays:
            decay.step()
    with torch.no_grad():
        return G(noise((S, 2500))).nan_to_num(nan=1e3).clamp(-1e3, 1e3)


def columns(made):
    """How samples (S, n, 2) sit on the ring's modes: S values a column."""
    centres = ring(0.1).centres
    found = metrics.modes(made, centres, 0.1)
    x = made.cpu().double()
    cell = nn.functional.one_hot(torch.cdist(x, centres).argmin(-1), 8).double()  # (S, n, 8)
    count = cell.sum(-2)
    mean = cell.mT @ x / count.clamp(min=1).unsqueeze(-1)
    within = ((x - cell @ mean).square().sum(-1).mean(-1) / 2).sqrt()  # about the mean of the points nearest to a mode
    return {
        "captured": [int(v) for v in found.captured],
        "m10": [int(v) for v in found.m10],
        "high_quality": [f"{v:.4f}" for v in found.high_quality.tolist()],
        "reverse_kl": [f"{v:.4f}" for v in found.reverse_kl.tolist()],
        "spread": [f"{v:.4f}" for v in (within / 0.1).tolist()],
    }


STRENGTHS = {  # all three in the collapse-prone setting; first the best on other seeds, the only one in the balanced
    "plain": [""],
    "feature matching": [""],
    "minibatch discrimination": [""],
    "packing": [""],
    "unrolling": [0.1, 0.03, 0.3],
    "R1": [10.0, 1.0, 0.1],
    "relativistic, R1 + R2": [10.0, 1.0, 0.1],
    "WGAN-GP": [1.0, 0.1, 10.0],
    "spectral norm": [""],
    "historical averaging": [0.1, 0.01, 1.0],
    "replay": [65536, 8192, 1024],
    "least squares of pairs": [1.0, 0.1, 10.0],
    "distances added": [10.0, 1.0, 0.1],
}
CASES = [
    {"setting": setting, "method": method, "strength": strength, "lr_G": lr_G, "lr_D": lr_D}
    for setting, (lr_G, lr_D) in reversed(RATES.items())
    for method, strengths in STRENGTHS.items()
    for strength in (strengths if setting == "collapse-prone" else strengths[:1])
]


def trial(case, S, g, small):
    how = {k: case[k] for k in ("method", "strength", "lr_G", "lr_D")}
    return columns(play(S, g, **how, turns=4 if small else 2500))


if __name__ == "__main__":
    main("cures", CASES, trial, modules=MODULES, seeds=32)
