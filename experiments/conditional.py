"""Five ways to tell D the label of a picture: does the judge read what was asked, and how far are the features?

Upright glyphs of 16 by 16 pixels in seven typefaces, with a random slant and weight; G is told the label in all cases.
Beside each row, the judge's own accuracy on fresh pictures and the Fréchet distance of as many fresh pictures.
"""

from __future__ import annotations

import torch
from table import main
from torch import nn
from torch.nn.functional import one_hot

import ganlib
from ganlib import images, losses, metrics, penalties
from ganlib.models import Concatenated, MLPCritic, MLPGenerator, Projected
from ganlib.models.judge import judge
from ganlib.training import alternate

MODULES = ["images", "losses.nonsaturating_d", "losses.nonsaturating_g", "metrics.frechet_distance", "models/_drawn"]
MODULES += ["models/conditional", "models/judge", "models/mlp", "penalties", "training.alternate"]
WIDTH, Z = 128, 16


def upright(n, g):
    """Glyphs that differ in label, typeface, slant and weight alone."""
    f = images.factors(n, generator=g)
    zero = torch.zeros_like(f.x)
    f = f._replace(angle=zero, x=zero, y=zero, scale=zero + 0.7)
    return images.Glyphs(images.render(f), f)


class Pixels(nn.Module):
    """A generator whose 256 numbers lie in (-1, 1)."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        """Features (S, n, d) to pixels (S, n, 256)."""
        return self.net(x).tanh()


class Told(nn.Module):
    """D as a function of features and label: D(x, y) = head(trunk(x), y)."""

    def __init__(self, trunk, head):
        super().__init__()
        self.trunk, self.head = trunk, head

    def forward(self, x, y):
        """Logits, of the shape of the labels."""
        return self.head(self.trunk(x), y)


class Loud(nn.Module):
    """The label beside the input, its 1 written as a greater number."""

    def __init__(self, net, classes, volume):
        super().__init__()
        self.net, self.classes, self.volume = net, classes, volume

    def forward(self, x, y):
        """Logits, of the shape of the labels."""
        told = self.volume * one_hot(y, self.classes).to(x)
        return self.net(torch.cat([x, told], -1))


class Deaf(Told):
    """D that is given the label and does not look."""

    def forward(self, x, y):
        """Logits, of the shape of the labels."""
        return self.head(self.trunk(x))


def critic(method, d, w, classes, **how):
    """D of one method: points or pictures of d numbers, two hidden layers of w units."""
    if method == "concatenation":
        return Concatenated(MLPCritic((d + classes, w, w), **how), classes)
    if method == "concatenation, 8 times as loud":
        return Loud(MLPCritic((d + classes, w, w), **how), classes, 8.0)
    trunk = nn.Sequential(*list(MLPCritic((d, w, w), **how))[:-1])
    if method == "projection":
        return Projected(trunk, w, classes, **how)
    if method == "beside the last features":
        return Told(trunk, Concatenated(MLPCritic((w + classes,), **how), classes))
    return Deaf(trunk, MLPCritic((w,), **how))


def play(S, g, method, data, turns):
    """Train S conditional GANs on pictures; G."""
    how = {"seeds": S, "generator": g}
    G = Concatenated(Pixels(MLPGenerator((Z + 10, WIDTH, WIDTH, 256), **how)), 10)
    D = critic(method, 256, WIDTH, 10, **how)
    movers = [torch.optim.Adam(net.parameters(), lr=2e-3, betas=(0.0, 0.99), fused=True) for net in (D, G)]
    decays = [torch.optim.lr_scheduler.LinearLR(o, 1, 0.0, total_iters=turns) for o in movers]
    x, y = data.images.flatten(1), data.factors.label

    def batches():
        for _ in range(turns):
            which = torch.randint(len(x), (S, 32), generator=g, device=g.device)
            yield x[which], y[which]

    def noise(shape):
        return torch.randn(*shape, Z, generator=g, device=g.device)

    def penalty(D, real, fake):
        return 0.05 * penalties.r1(D, real, fake)

    game = losses.nonsaturating_d, losses.nonsaturating_g, *movers
    for _ in alternate(G, D, batches(), noise, *game, penalty=penalty):
        for decay in decays:
            decay.step()
    return G


def trial(case, S, g, small):
    learn, test, turns = (160, 60, 4) if small else (4000, 1000, case["turns"])
    fixed = ganlib.rng(1)
    study, fresh = upright(learn, fixed), upright(learn, fixed)
    net = judge(study.images, study.factors.label)
    G = play(S, g, case["method"], study, turns)
    y = torch.arange(test, device=g.device).expand(S, -1) % 10
    with torch.no_grad():
        made = G(torch.randn(S, test, Z, generator=g, device=g.device), y).view(S, test, 1, 16, 16)
    seen = net.features(fresh.images)
    own = (net.reads(fresh.images) == fresh.factors.label).double().mean().item()
    accuracy = [(net.reads(x) == label).double().mean().item() for x, label in zip(made, y, strict=True)]
    distance = [metrics.frechet_distance(net.features(x), seen).item() for x in made]
    floor = [metrics.frechet_distance(net.features(upright(test, g).images), seen).item() for _ in range(S)]
    return {
        "accuracy": [f"{v:.4f}" for v in accuracy],
        "judge": [f"{own:.4f}"] * S,
        "frechet": [f"{v:.3f}" for v in distance],
        "floor": [f"{v:.3f}" for v in floor],
    }


METHODS = (
    "projection",
    "concatenation",
    "concatenation, 8 times as loud",
    "beside the last features",
    "no label in D",
)
CASES = [{"method": method, "turns": 500} for method in METHODS]
LONG = "concatenation", "no label in D", "beside the last features", "projection", "concatenation, 8 times as loud"
CASES += [{"method": method, "turns": 2000} for method in LONG]

if __name__ == "__main__":
    main("conditional", CASES, trial, modules=MODULES, seeds=32)
