"""MNIST: what earlier pages found on glyphs and on scikit-learn's digits, asked again of handwriting.

Four tasks in one table: pairs of digits with 100 kinds to be kept (8 by 8 pixels), samples by three unconditional GANs,
digits that were asked for, and thin strokes made thick without pairs. A cell is empty where a task has no such measure.

Generators learn from one half of the training pictures and the judge from the other; scores are taken beside test
pictures. `floor` is the Fréchet distance of as many fresh real pictures.
"""

from __future__ import annotations

import sys
from functools import cache, partial
from typing import NamedTuple

import torch
from conditional import Pixels, critic
from table import main
from torch import Tensor, nn
from torch.nn.functional import pad

import ganlib
from ganlib import images, losses, metrics, penalties
from ganlib.models import Concatenated, DCCritic, DCGenerator, MLPGenerator, Translator
from ganlib.models._drawn import drawn
from ganlib.models.judge import Judge, judge
from ganlib.training import alternate, translate

MODULES = ["images.mnist", "images.stack", "losses.gap", "losses.nonsaturating_d", "losses.nonsaturating_g", "metrics"]
MODULES += ["models/_drawn", "models/conditional", "models/dcgan", "models/judge", "models/mlp"]
MODULES += ["models/translation.Translator", "penalties", "training.alternate", "training.translate"]
THIN = 20 if "--small" in sys.argv else 1  # a small run sees one picture in so many
SIZE, SAMPLE = 16, 400 if THIN > 1 else 2000
GAME = losses.nonsaturating_d, losses.nonsaturating_g
MEASURES = ["fid", "floor", "inception", "kid", "precision", "recall", "density", "coverage", "copies", "kinds"]
MEASURES += ["accuracy", "judge", "ink", "slant", "thickness", "back", "cycle"]


class Data(NamedTuple):
    """Pictures to learn from; as many unseen by generators; two halves of the test pictures; who reads them."""

    learn: images.Labelled
    unseen: images.Labelled
    held: images.Labelled
    other: images.Labelled
    net: Judge


@cache
def data(size=SIZE) -> Data:
    """Everything at one size; test pictures are shuffled, since their first half is the easier one."""
    fixed, halves = ganlib.rng(1), []
    for train in (True, False):
        x, y = (t[::THIN] for t in images.mnist(size, train=train))
        order = torch.randperm(len(x), generator=fixed, device=fixed.device).cpu()
        halves += [images.Labelled(x[part].to(fixed.device), y[part].to(fixed.device)) for part in order.chunk(2)]
    return Data(*halves, judge(*halves[1]))


def normal(g, d):
    """A source of noise z of dimension d."""
    return lambda shape: torch.randn(*shape, d, generator=g, device=g.device)


def picks(x, turns, shape, g):
    """Batches from a fixed set of pictures, or of anything."""
    for _ in range(turns):
        yield x[torch.randint(len(x), shape, generator=g, device=g.device)]


def adam(parameters, lr, *betas):
    return torch.optim.Adam(parameters, lr, betas=betas, fused=True)


def train(steps, turns, *movers):
    """Play all turns, learning rates falling to zero if movers are given."""
    falls = [torch.optim.lr_scheduler.LinearLR(m, 1, 0.0, total_iters=turns) for m in movers]
    for _ in steps:
        for fall in falls:
            fall.step()


# Pairs: the recipe of dcgan_rules.py, on MNIST.


def features(net, x):
    """What the judge sees in each channel, side by side."""
    return torch.cat([net.features(channel) for channel in x.split(1, 1)], 1)


def kinds(net, x):
    """How many of the 100 kinds have a tenth of their share."""
    label = 10 * net.reads(x[:, :1]) + net.reads(x[:, 1:])
    return int((torch.bincount(label, minlength=100) >= 0.001 * len(x)).sum())


def pairs(model, turns, g):
    """One run on pairs of digits, 8 by 8 pixels."""
    found = data(8)
    size = {"size": 8, "channels": 2, "width": 16, "generator": g}
    G, D = DCGenerator(32, **size), DCCritic(norm=model != "no norm in D", **size)
    if model == "SGD, no momentum":
        movers = [torch.optim.SGD(net.parameters(), 0.05) for net in (D, G)]
    else:
        movers = [adam(net.parameters(), 1e-3, 0.9 if model == "beta1 0.9" else 0.5, 0.999) for net in (D, G)]
    x = images.stack(*found.learn, 64 * turns, generator=g).images
    train(alternate(G, D, x.split(64), normal(g, 32), *GAME, *movers), turns)
    held, again = (images.stack(*part, SAMPLE, generator=g).images for part in (found.held, found.other))
    with torch.no_grad():
        made = G(normal(g, 32)((SAMPLE,)))
    seen = features(found.net, held)
    return {
        "fid": metrics.frechet_distance(features(found.net, made), seen),
        "floor": metrics.frechet_distance(features(found.net, again), seen),
        "kinds": kinds(found.net, made),
    }


# Samples: every measure of images/evaluation that has an answer here.


def nearer(x, memory, unseen):
    """Share of pictures that are nearer to the memory than to as many unseen."""
    near, far = (torch.cdist(x.flatten(1), t.flatten(1)).amin(1) for t in (memory, unseen))
    return (near < far).double().mean()


def some(part, n, g):
    """So many of the pictures, without replacement."""
    which = torch.randperm(len(part.images), generator=g, device=g.device)[:n]
    return part.images[which]


def scores(x, found, g):
    """Of pictures beside held-out ones; fresh ones for the floor."""
    f, h, fresh = (found.net.features(t) for t in (x, found.held.images, some(found.other, len(x), g)))
    beside = metrics.neighbours(h[:1000], f[:1000])._asdict()
    return {
        "fid": metrics.frechet_distance(f, h),
        "floor": metrics.frechet_distance(fresh, h),
        "inception": metrics.inception_score(found.net.probabilities(x)),
        "kid": metrics.kernel_distance(f, h),
        **beside,
        "copies": nearer(x[:1000], found.learn.images, found.unseen.images),
    }


def connected(g, w=256, z=32):
    """Two players without convolutions, normalised as DCGAN's are."""
    pixels = SIZE**2

    def generator():
        hidden = [nn.Linear(z, w), nn.BatchNorm1d(w), nn.ReLU(), nn.Linear(w, w), nn.BatchNorm1d(w), nn.ReLU()]
        return nn.Sequential(*hidden, nn.Linear(w, pixels), nn.Tanh(), nn.Unflatten(1, (1, SIZE, SIZE)))

    def critic():
        hidden = [nn.Linear(pixels, w), nn.LeakyReLU(0.2), nn.Linear(w, w), nn.BatchNorm1d(w), nn.LeakyReLU(0.2)]
        return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(w, 1), nn.Flatten(0))

    return drawn(generator, g), drawn(critic, g)


def samples(model, turns, g):
    """One run without labels."""
    found = data()
    if model == "no convolutions":
        (G, D), lr = connected(g), 1e-3
    else:
        G, lr = DCGenerator(32, size=SIZE, width=16, generator=g), 2e-3
        D = DCCritic(size=SIZE, width=16, norm=model == "DCGAN", generator=g)
    movers = [adam(net.parameters(), lr, 0.5, 0.999) for net in (D, G)]
    batches = picks(found.learn.images, turns, (64,), g)
    train(alternate(G, D, batches, normal(g, 32), *GAME, *movers), turns, *movers)
    with torch.no_grad():
        return scores(G(normal(g, 32)((SAMPLE,))), found, g)


# Labels: the recipe of conditional.py, on MNIST.


def ink(x):
    return x.mean((-1, -2))


def slant(x):
    """Shear to the right, from second moments of the ink."""
    mass = (x + 1) / 2
    mass = mass / mass.sum((-1, -2), keepdim=True)
    at = torch.arange(float(x.shape[-1]), device=x.device)
    across = at - (mass * at).sum((-1, -2), keepdim=True)
    down = at[:, None] - (mass * at[:, None]).sum((-1, -2), keepdim=True)
    return -(mass * across * down).sum((-1, -2)) / (mass * down.square()).sum((-1, -2))


def shared(style):
    """Mean correlation over pairs of labels; style is (S, 10, n)."""
    v = style - style.mean(-1, keepdim=True)
    v = v / v.norm(dim=-1, keepdim=True)
    return ((v @ v.mT).sum((-1, -2)) - 10) / 90


def labels(model, turns, S, g):
    """S runs at once, told the label."""
    found, how = data(), {"seeds": S, "generator": g}
    G = Concatenated(Pixels(MLPGenerator((16 + 10, 128, 128, SIZE**2), **how)), 10)
    D = critic(model, SIZE**2, 128, 10, **how)
    movers = [adam(net.parameters(), 2e-3, 0.0, 0.99) for net in (D, G)]
    x, y = found.learn.images.flatten(1), found.learn.labels
    batches = ((x[i], y[i]) for i in picks(torch.arange(len(x), device=g.device), turns, (S, 32), g))

    def penalty(D, real, fake):
        return 0.05 * penalties.r1(D, real, fake)

    train(alternate(G, D, batches, normal(g, 16), *GAME, *movers, penalty=penalty), turns, *movers)
    z, digit = normal(g, 16)((S, SAMPLE)), torch.arange(SAMPLE, device=g.device) % 10
    with torch.no_grad():
        made = G(z, digit.expand(S, -1)).view(S, SAMPLE, 1, SIZE, SIZE)
        told = [G(z[:, :400], torch.full_like(digit[:400], k).expand(S, -1)) for k in range(10)]
    same = torch.stack(told, 1).unflatten(-1, (SIZE, SIZE))
    h = found.net.features(found.held.images)
    floors = [metrics.frechet_distance(found.net.features(some(found.other, SAMPLE, g)), h) for _ in range(S)]
    return {
        "fid": [metrics.frechet_distance(found.net.features(x), h) for x in made],
        "floor": floors,
        "accuracy": [accuracy(found.net, x, digit) for x in made],
        "judge": [accuracy(found.net, *found.held)] * S,
        "ink": shared(ink(same)),
        "slant": shared(slant(same)),
    }


def accuracy(net, x, y):
    return (net.reads(x) == y).double().mean()


# Strokes: thin to thick, without pairs.


def thickness(x: Tensor) -> Tensor:
    r"""Mean width of the strokes in pixels, :math:`2\sum I^2/\sum|\nabla I|` with ink I from 0 to 1."""
    ink = pad((x[:, 0] + 1) / 2, (1, 1, 1, 1))
    across, down = ink[:, 1:, 1:] - ink[:, 1:, :-1], ink[:, 1:, 1:] - ink[:, :-1, 1:]
    return 2 * ink.square().sum((1, 2)) / (across.square() + down.square()).sqrt().sum((1, 2))


@cache
def thirds():
    """The thin third and the thick third of the pictures to learn from; test pictures between the same bounds."""
    found = data()
    low, high = thickness(found.learn.images).quantile(torch.tensor([1 / 3, 2 / 3], device=found.learn.images.device))
    sides = []
    for part in (found.learn, found.held):
        wide = thickness(part.images)
        sides += [images.Labelled(part.images[of], part.labels[of]) for of in (wide < low, wide > high)]
    return sides


def apart(a, b):
    """Mean distance between quantiles of two samples of numbers: their Wasserstein distance, but for the ends."""
    at = torch.linspace(0.005, 0.995, 199, device=a.device)
    return (a.quantile(at) - b.quantile(at)).abs().mean()


def strokes(model, turns, g):
    """One run of two translators; measured on test pictures."""
    found, (thin, thick, x, y) = data(), thirds()
    G, F = (Translator(generator=g) for _ in range(2))
    D_X, D_Y = (DCCritic(size=SIZE, width=16, generator=g) for _ in range(2))
    movers = [adam([*a.parameters(), *b.parameters()], 1e-3, 0.5, 0.9) for a, b in ((D_X, D_Y), (G, F))]
    batches = zip(*(picks(t.images, turns, (32,), g) for t in (thin, thick)), strict=True)
    cycle = 10.0 if model == "with cycle" else 0.0
    train(translate(G, F, D_X, D_Y, batches, *GAME, *movers, cycle=cycle), turns, *movers)
    with torch.no_grad():
        made, back = G(x.images), F(y.images)
        again = F(made)
    h = found.net.features(y.images)
    return {
        "fid": metrics.frechet_distance(found.net.features(made), h),
        "floor": metrics.frechet_distance(found.net.features(some(thick, len(made), g)), h),
        "accuracy": accuracy(found.net, made, x.labels),
        "judge": accuracy(found.net, *x),
        "thickness": apart(thickness(made), thickness(y.images)),
        "back": accuracy(found.net, back, y.labels),
        "cycle": losses.gap(again, x.images),
    }


PAIRS = [("pairs", model, 320) for model in ("all rules", "no norm in D", "beta1 0.9", "SGD, no momentum")]
SAMPLES = [("samples", "DCGAN", 500), ("samples", "no norm in D", 500), ("samples", "no convolutions", 1250)]
QUIET, LOUD = "concatenation", "concatenation, 8 times as loud"
LABELS = [("labels", model, 500) for model in ("projection", QUIET, LOUD, "no label in D")]
LABELS += [("labels", "projection", 3000)]
STROKES = [("strokes", model, 300) for model in ("adversarial alone", "with cycle")]
CASES = [dict(zip(("task", "model", "turns"), case, strict=True)) for case in (*PAIRS, *SAMPLES, *LABELS, *STROKES)]


def trial(case, S, g, small):
    """A block of seeds: at once where networks carry a seed axis, else one after the other."""
    model, turns = case["model"], 10 if small else case["turns"]
    if case["task"] == "labels":
        found = labels(model, turns, S, g)
    else:
        run = partial({"pairs": pairs, "samples": samples, "strokes": strokes}[case["task"]], model, turns)
        runs = [run(g) for _ in range(S)]
        found = {column: [row[column] for row in runs] for column in runs[0]}
    return {m: [f"{float(v):.5g}" for v in found[m]] if m in found else [""] * S for m in MEASURES}


if __name__ == "__main__":
    data(8), data()  # before the clock of a case runs
    main("real_digits", CASES, trial, modules=MODULES, seeds=32)
