"""The rules of DCGAN, each broken in turn: stacked digits of 8 by 8 pixels in two channels, 100 modes to be kept.

The first seed of each rule also leaves twelve pictures: `samples`, a hexadecimal digit a pixel, 0 for paper.
"""

from __future__ import annotations

import copy

import torch
from table import main
from torch import nn

from ganlib import images, losses, metrics
from ganlib.models import DCCritic, DCGenerator
from ganlib.models._drawn import drawn
from ganlib.models.judge import judge
from ganlib.training import alternate

MODULES = ["images.digits", "images.stack", "losses.nonsaturating_d", "losses.nonsaturating_g"]
MODULES += ["metrics.frechet_distance", "models/_drawn", "models/dcgan", "models/judge", "training.alternate"]
Z, WIDTH, TURNS, SAMPLE, SHOWN = 32, 16, 320, 2600, 12

PLAIN = {"rule": "all rules", "nets": "rules", "optimizer": "Adam", "lr": 1e-3, "momentum": 0.5}
CASES = [
    PLAIN,
    PLAIN | {"rule": "no norm in D", "nets": "plain D"},
    PLAIN | {"rule": "no norm at all", "nets": "plain G and D"},
    PLAIN | {"rule": "norm everywhere", "nets": "everywhere"},
    PLAIN | {"rule": "pooling, unpooling", "nets": "pooled"},
    PLAIN | {"rule": "ReLU in D", "nets": "ReLU"},
    PLAIN | {"rule": "fully connected", "nets": "connected"},
    PLAIN | {"rule": "beta1 0.9", "momentum": 0.9},
    PLAIN | {"rule": "rate 0.01", "lr": 0.01},
    PLAIN | {"rule": "SGD 0.003", "optimizer": "SGD", "lr": 0.003, "momentum": 0.9},
    PLAIN | {"rule": "SGD 0.01", "optimizer": "SGD", "lr": 0.01, "momentum": 0.9},
    PLAIN | {"rule": "SGD 0.03", "optimizer": "SGD", "lr": 0.03, "momentum": 0.9},
    PLAIN | {"rule": "SGD, no momentum", "optimizer": "SGD", "lr": 0.05, "momentum": 0.0},
    PLAIN | {"rule": "group norm in D", "nets": "group"},
    PLAIN | {"rule": "batch spread in D", "nets": "plain D, batch spread"},
    PLAIN | {"rule": "own spread in D", "nets": "plain D, own spread"},
    PLAIN | {"rule": "group norm, batch spread", "nets": "group, batch spread"},
    PLAIN | {"rule": "no tanh", "nets": "no tanh"},
    PLAIN | {"rule": "LeakyReLU in G", "nets": "leaky G"},
    PLAIN | {"rule": "weights N(0, 0.02)", "nets": "small weights"},
    PLAIN | {"rule": "rate 0.0002", "lr": 2e-4},
    PLAIN | {"rule": "beta1 0", "momentum": 0.0},
    PLAIN | {"rule": "no norm in G", "nets": "plain G"},
    PLAIN | {"rule": "no norm in D, beta1 0", "nets": "plain D", "momentum": 0.0},
    PLAIN | {"rule": "no norm in G, beta1 0", "nets": "plain G", "momentum": 0.0},
]


def connected(g):
    """Two players without convolutions, of about as many weights, normalised alike."""

    def generator():
        first, second = nn.Linear(Z, 60), nn.Linear(60, 60)
        hidden = [first, nn.BatchNorm1d(60), nn.ReLU(), second, nn.BatchNorm1d(60), nn.ReLU()]
        return nn.Sequential(*hidden, nn.Linear(60, 128), nn.Tanh(), nn.Unflatten(1, (2, 8, 8)))

    def critic():
        first, second = nn.Linear(128, 50), nn.Linear(50, 50)
        hidden = [first, nn.LeakyReLU(0.2), second, nn.BatchNorm1d(50), nn.LeakyReLU(0.2)]
        return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(50, 1), nn.Flatten(0))

    return drawn(generator, g), drawn(critic, g)


def pooled(g):
    """Sizes changed by unpooling (each pixel four times) and by max-pooling, beside convolutions of stride 1."""
    w = WIDTH

    def generator():
        first, second = nn.ConvTranspose2d(Z, 2 * w, 2), nn.Conv2d(2 * w, w, 3, 1, 1)
        hidden = [first, nn.BatchNorm2d(2 * w), nn.ReLU(), nn.Upsample(scale_factor=2)]
        hidden += [second, nn.BatchNorm2d(w), nn.ReLU(), nn.Upsample(scale_factor=2)]
        return nn.Sequential(nn.Unflatten(1, (Z, 1, 1)), *hidden, nn.Conv2d(w, 2, 3, 1, 1), nn.Tanh())

    def critic():
        first, second = nn.Conv2d(2, w, 3, 1, 1), nn.Conv2d(w, 2 * w, 3, 1, 1)
        hidden = [first, nn.LeakyReLU(0.2), nn.MaxPool2d(2)]
        hidden += [second, nn.BatchNorm2d(2 * w), nn.LeakyReLU(0.2), nn.MaxPool2d(2)]
        return nn.Sequential(*hidden, nn.Flatten(), nn.Linear(8 * w, 1), nn.Flatten(0))

    return drawn(generator, g), drawn(critic, g)


class Spread(nn.Module):
    """One more channel, the same at all places: the standard deviation of the features, averaged.

    Over the batch it tells each picture how much the pictures differ; over the picture itself it tells nothing of them.
    """

    def __init__(self, over):
        super().__init__()
        self.over = {"batch": (0,), "own": (1, 2, 3)}[over]

    def forward(self, x):
        """Features ``(n, c, h, w)`` to ``(n, c + 1, h, w)``."""
        sd = (x.var(self.over, correction=0, keepdim=True) + 1e-8).sqrt().mean((1, 2, 3), keepdim=True)
        return torch.cat([x, sd.expand(len(x), 1, *x.shape[2:])], 1)


def replace(layers, old, new):
    """Put another layer in the place of each of a kind."""
    for at, layer in enumerate(layers):
        if isinstance(layer, old):
            layers[at] = new()


@torch.no_grad()
def small_weights(net, g):
    """Weights from N(0, 0.02), and no biases, as DCGAN begins; normalisation is left alone."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            layer.weight.normal_(0, 0.02, generator=g)
            layer.bias.zero_()


def players(nets, g):
    if nets in ("connected", "pooled"):
        return {"connected": connected, "pooled": pooled}[nets](g)
    G = DCGenerator(Z, size=8, channels=2, width=WIDTH, norm="plain G" not in nets, generator=g)
    D = DCCritic(size=8, channels=2, width=WIDTH, norm=not nets.startswith(("plain D", "plain G and D")), generator=g)
    if nets == "everywhere":
        G.layers.insert(len(G.layers) - 1, nn.BatchNorm2d(2, device=g.device))
        D.trunk.insert(1, nn.BatchNorm2d(WIDTH, device=g.device))
    if nets == "ReLU":
        replace(D.trunk, nn.LeakyReLU, nn.ReLU)
    if nets == "no tanh":
        replace(G.layers, nn.Tanh, nn.Identity)
    if nets == "leaky G":
        replace(G.layers, nn.ReLU, lambda: nn.LeakyReLU(0.2))
    if nets == "small weights":
        small_weights(G, g), small_weights(D, g)
    told(D, nets, g)
    return G, D


def told(D, nets, g):
    """What D's second layer is told beside its features: normalised how, and with which spread."""
    if "group" in nets:  # of each picture alone
        replace(D.trunk, nn.BatchNorm2d, lambda: nn.GroupNorm(1, 2 * WIDTH, device=g.device))
    if "spread" in nets:
        D.trunk[2] = drawn(lambda: nn.Conv2d(WIDTH + 1, 2 * WIDTH, 4, 2, 1), g)
        D.trunk.insert(2, Spread("batch" if "batch" in nets else "own"))


def optimizer(net, case):
    if case["optimizer"] == "SGD":
        return torch.optim.SGD(net.parameters(), case["lr"], momentum=case["momentum"])
    return torch.optim.Adam(net.parameters(), case["lr"], betas=(case["momentum"], 0.999), fused=True)


@torch.no_grad()
def average(mean, net, keep=0.99):
    for a, b in zip(mean.parameters(), net.parameters(), strict=True):
        a.lerp_(b, 1 - keep)


def features(net, x):
    """What the judge sees in each channel, side by side."""
    return torch.cat([net.features(channel) for channel in x.split(1, 1)], 1)


def distance(net, x, held):
    return float(metrics.frechet_distance(features(net, x), held))


def kept(net, x):
    """Modes of 100 that get a tenth of their share, and the Kullback-Leibler divergence of the shares."""
    label = 10 * net.reads(x[:, :1]) + net.reads(x[:, 1:])
    share = torch.bincount(label, minlength=100) / len(x)
    return int((share >= 0.001).sum()), float(torch.special.xlogy(share, 100 * share).sum())


def play(case, g, turns, n):
    """One run, and what its last generator and its averaged one make."""
    digits = images.digits()
    net = judge(*digits, epochs=30)
    G, D = players(case["nets"], g)
    mean, movers = copy.deepcopy(G), [optimizer(D, case), optimizer(G, case)]
    x = images.stack(*digits, 64 * turns, generator=g).images.to(g.device)
    held = features(net, images.stack(*digits, n, generator=g).images)

    def noise(shape):
        return torch.randn(*shape, Z, generator=g, device=g.device)

    z = noise((n,))
    for _ in alternate(G, D, x.split(64), noise, losses.nonsaturating_d, losses.nonsaturating_g, *movers):
        average(mean, G)
    with torch.no_grad():
        made, smooth = G(z).cpu(), mean(z).cpu()
    modes, kl = kept(net, made)
    modes_mean, kl_mean = kept(net, smooth)
    return {
        "modes": modes,
        "kl": f"{kl:.4g}",
        "fid": f"{distance(net, made, held):.4g}",
        "modes_mean": modes_mean,
        "kl_mean": f"{kl_mean:.4g}",
        "fid_mean": f"{distance(net, smooth, held):.4g}",
        "samples": "".join(f"{level:x}" for level in (7.5 * (made[:SHOWN] + 1)).clamp(0, 15).round().int().flatten()),
    }


def trial(case, S, g, small):
    turns, n = (5, 140) if small else (TURNS, SAMPLE)
    runs = [play(case, g, turns, n) for _ in range(S)]
    for run in runs[1:]:
        run["samples"] = ""
    return {column: [run[column] for run in runs] for column in runs[0]}


if __name__ == "__main__":
    main("dcgan_rules", CASES, trial, modules=MODULES)
