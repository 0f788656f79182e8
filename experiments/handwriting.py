"""Handwriting, drawn again: scores of real pictures over draws, a third bed for labels, and pictures to look at.

Of MNIST, 16 by 16 pixels: the distance of n real pictures from n others; the scores of fresh pictures, of copies, of
one average picture and of static beside a new half of the test pictures each time. Of scikit-learn's digits, 8 by 8:
generators told the label in four ways, with the networks and turns of `conditional.py`. And one run each of what
`real_digits.py` plays, for its pictures: 16 levels of ink, a letter a pixel.
"""

from __future__ import annotations

from functools import cache

import torch
from conditional import Pixels, critic
from real_digits import MODULES, SIZE, THIN, accuracy, adam, data, normal, picks, thirds, train
from table import main

import ganlib
from ganlib import images, losses, metrics, penalties
from ganlib.models import Concatenated, DCCritic, MLPGenerator, Translator
from ganlib.models.judge import judge
from ganlib.training import alternate, translate

SEEDS, SAMPLE, FEW = 32, 400 if THIN > 1 else 2000, 100 if THIN > 1 else 200
GAME = losses.nonsaturating_d, losses.nonsaturating_g
STOPS = (50, 150, 500, 3000)  # and the start
MEASURES = [
    "fid",
    "kid",
    "inception",
    "precision",
    "recall",
    "coverage",
    "share",
    "votes",
    "accuracy",
    "judge",
    "samples",
]
METHODS = ("projection", "concatenation, 8 times as loud", "concatenation", "no label in D")


def written(x):
    """Pictures as text, a word each: ink from 0 to f."""
    levels = ((x.flatten(1) + 1) * 7.5).round().clamp(0, 15).int().cpu().tolist()
    return " ".join("".join(f"{v:x}" for v in picture) for picture in levels)


# Real pictures of MNIST, over draws.


@cache
def seen():
    """What the judge sees in the pictures to learn from, and in all test pictures; the latter."""
    found = data()
    test = torch.cat([found.held.images, found.other.images])
    return found.net.features(found.learn.images), found.net.features(test), test


def floor(n, g):
    """Two disjoint samples of n pictures that the judge has not seen."""
    of_learn = seen()[0]
    pair = of_learn[torch.randperm(len(of_learn), generator=g, device=g.device)[: 2 * n // THIN]].chunk(2)
    return {"fid": metrics.frechet_distance(*pair), "kid": metrics.kernel_distance(*pair)}


def copy_test(x, found):
    """Share of pictures whose nearest of the pool is one to learn from, and the number of votes."""
    pool = torch.cat([found.learn.images, found.unseen.images]).flatten(1)
    nearest = torch.cdist(x.flatten(1), pool).argmin(1)
    w = torch.bincount(nearest, minlength=len(pool)).double() / len(x)
    return w[: len(found.learn.images)].sum(), 1 / w.square().sum()


def scored(model, g):
    """A sample beside a new half of the test pictures."""
    found, (_, of_test, test) = data(), seen()
    held, others = torch.randperm(len(test), generator=g, device=g.device).chunk(2)
    static = 2 * torch.rand(SAMPLE, 1, SIZE, SIZE, generator=g, device=g.device) - 1
    if model == "copies":
        x = found.learn.images[torch.randint(len(found.learn.images), (SAMPLE,), generator=g, device=g.device)]
    else:
        average = test[others].mean(0, keepdim=True) + 1e-3 * static  # a little static, or its distances would be 0
        x = {"fresh": test[others[:SAMPLE]], "average": average, "static": static}[model]
    f, h = found.net.features(x), of_test[held]
    near = metrics.neighbours(h[:1000], f[:1000])
    share, votes = copy_test(x[:FEW], found) if model in ("fresh", "copies") else ("", "")
    return {
        "fid": metrics.frechet_distance(f, h),
        "kid": metrics.kernel_distance(f, h[:2000]),
        "inception": metrics.inception_score(found.net.probabilities(x)),
        "precision": near.precision,
        "recall": near.recall,
        "coverage": near.coverage,
        "share": share,
        "votes": votes,
    }


# Labels.


def told(method, x, y, turns, S, g, see=None):
    """S conditional generators with the networks of `conditional.py`; what ``see`` says at each stop."""
    how, d = {"seeds": S, "generator": g}, x.shape[1]
    G = Concatenated(Pixels(MLPGenerator((16 + 10, 128, 128, d), **how)), 10)
    D = critic(method, d, 128, 10, **how)
    movers = [adam(net.parameters(), 2e-3, 0.0, 0.99) for net in (D, G)]
    batches = ((x[i], y[i]) for i in picks(torch.arange(len(x), device=g.device), turns, (S, 32), g))

    def penalty(D, real, fake):
        return 0.05 * penalties.r1(D, real, fake)

    def watched(steps):
        if see:
            see(G)
        for step in steps:
            yield step
            if see and step.number in STOPS:
                see(G)

    game = alternate(G, D, batches, normal(g, 16), *GAME, *movers, penalty=penalty)
    train(watched(game), turns, *movers)
    return G


def digits(method, S, g, turns):
    """The bed of scikit-learn's digits: 600 to learn from, 600 for the judge, the rest held."""
    fixed, (x, y) = ganlib.rng(1), images.digits()
    order = torch.randperm(len(x), generator=fixed, device=fixed.device).cpu()
    learn, study, held = (
        (x[part].to(fixed.device), y[part].to(fixed.device)) for part in order.tensor_split([600, 1200])
    )
    net = judge(*study, epochs=30)
    G = told(method, learn[0].flatten(1), learn[1], turns, S, g)
    label = torch.arange(1000, device=g.device) % 10
    with torch.no_grad():
        made = G(normal(g, 16)((S, 1000)), label.expand(S, -1)).view(S, 1000, 1, 8, 8)
    h, own = net.features(held[0]), accuracy(net, *held)
    return {
        "fid": [metrics.frechet_distance(net.features(x), h) for x in made],
        "accuracy": [accuracy(net, x, label) for x in made],
        "judge": [own] * S,
    }


# Pictures to look at.


def film(g, turns):
    """Three noise vectors under ten labels, at each stop, and the share of 2,000 read as asked."""
    found, shown, shares = data(), [], []
    z, again = normal(g, 16)((1, 3)), normal(g, 16)((1, SAMPLE))
    label = torch.arange(SAMPLE, device=g.device) % 10

    @torch.no_grad()
    def see(G):
        rows = G(z.repeat_interleave(10, 1), (torch.arange(30, device=g.device) % 10)[None])
        shown.append(written(rows[0]))
        shares.append(float(accuracy(found.net, G(again, label[None]).view(-1, 1, SIZE, SIZE), label)))

    told("projection", found.learn.images.flatten(1), found.learn.labels, turns, 1, g, see)
    return {"samples": "|".join(shown), "accuracy": "|".join(f"{v:.4f}" for v in shares)}


def pens(g, turns):
    """Thin test digits made thick and thin again, two of each label."""
    thin, thick, x, _ = thirds()
    G, F = (Translator(generator=g) for _ in range(2))
    D_X, D_Y = (DCCritic(size=SIZE, width=16, generator=g) for _ in range(2))
    movers = [adam([*a.parameters(), *b.parameters()], 1e-3, 0.5, 0.9) for a, b in ((D_X, D_Y), (G, F))]
    batches = zip(*(picks(t.images, turns, (32,), g) for t in (thin, thick)), strict=True)
    train(translate(G, F, D_X, D_Y, batches, *GAME, *movers, cycle=10.0), turns, *movers)
    two = torch.cat([(x.labels == k).nonzero()[:2, 0] for k in range(10)])
    with torch.no_grad():
        made = G(x.images[two])
        return {"samples": "|".join((written(made), written(F(made))))}


FLOORS = [("floor", "fresh", n) for n in (250, 500, 1000, 2000)]
SCORES = [("scores", model, 2000) for model in ("fresh", "copies", "average", "static")]
DIGITS = [("digits", method, 500) for method in METHODS]
LOOKS = [("film", "projection", 3000), ("pens", "with cycle", 300)]
CASES = [dict(zip(("task", "model", "n"), case, strict=True)) for case in (*FLOORS, *SCORES, *DIGITS, *LOOKS)]


def trial(case, S, g, small):
    """All draws of a case; a case that is there to be looked at is run once."""
    task, model, n = case.values()
    turns = 10 if small else n
    if task == "digits":
        found = digits(model, S, g, turns)
    elif task in ("floor", "scores"):
        draws = max(S // 4, 2) if model in ("average", "static") else S  # the ends of a scale need no more
        rows = [floor(n, g) if task == "floor" else scored(model, g) for _ in range(draws)]
        found = {column: [row[column] for row in rows] for column in rows[0]}
    else:
        one = film(g, turns) if task == "film" else pens(g, turns)
        found = {column: [value] for column, value in one.items()}
    found = {column: [*v, *[""] * (S - len(v))] for column, v in found.items()}
    return {m: [v if isinstance(v, str) else f"{float(v):.5g}" for v in found.get(m, [""] * S)] for m in MEASURES}


if __name__ == "__main__":
    data()  # before the clock of a case runs
    main("handwriting", CASES, trial, modules=[*MODULES, "images.digits"], seeds=SEEDS, block=SEEDS)
