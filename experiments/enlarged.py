"""Small pictures enlarged: many answers are right, so what is their middle, and does a network find it?

The question has 4 x 4 pixels, black where more than a quarter of the block is ink; the answer is a glyph of 16 x 16
that looks so. The ways are those of `image_pairs`. Without a network, from many other pairs: one of the answers to the
same question, by chance (to the nearest, if none is the same); their mean or their median, a pixel at a time; and the
question itself, and the true answer. All are asked the same questions. Columns: errors, looks, label and Fréchet
distance as there; the share of the 16 pixels in which the answer looks as it was asked to.
"""

from __future__ import annotations

import torch
from codes import TURNS, distances, grey, reader, sharpness, told
from image_pairs import LINK, MODULES, POOL, WAYS, train
from table import main
from torch.nn.functional import avg_pool2d

import ganlib

INKED, ASKED = -0.5, 5
COLUMNS = ("error", "square", "sharpness", "label", "frechet", "variety", "keeps", "samples")
LOOKUPS = ("one", "mean", "median")


def small(x):
    """Blocks of 4 x 4 pixels as one, black where more than a quarter is ink: (S, n, 4, 4)."""
    return 2.0 * (avg_pool2d(x.unflatten(-1, (16, 16)), 4) > INKED) - 1


def pairs(S, n, g):
    y = grey(S, n, g)
    return small(y).repeat_interleave(4, -1).repeat_interleave(4, -2).flatten(-2), y


def looked_up(how, draw, g, little):
    """Of many other pairs, the answers to a question: one by chance, their mean, or their median."""
    questions, replies = (v[0] for v in draw(1, 100 if little else POOL, g))

    def found(q):
        kinds, which = q.unique(dim=0, return_inverse=True)
        far = torch.cdist(kinds, questions)
        same = (far < far.amin(-1, keepdim=True) + 0.01).float()
        if how == "one":
            return replies[torch.multinomial(same[which], 1, generator=g)[:, 0]]
        if how == "mean":
            return (same @ replies / same.sum(-1, keepdim=True))[which]
        return torch.stack([replies[kind > 0].quantile(0.5, dim=0) for kind in same])[which]

    return lambda x: torch.stack([found(q) for q in x])


def trial(case, S, g, little):
    """S seeds at once."""
    how, n = case["critic"], 80 if little else 2000
    if how in ("question", "truth"):
        answered = None
    elif how in LOOKUPS:
        answered = looked_up(how, pairs, g, little)
    else:
        answered = train(pairs, case, S, g, 2 if little else TURNS)
    read, seen = reader(little), lambda pictures: pictures.cpu().view(-1, 1, 16, 16)
    with torch.no_grad():
        x, y = pairs(S, n, ganlib.rng(ASKED))
        made = {"question": lambda x: x, "truth": lambda x: y}.get(how, answered)
        guess = made(x)
        several = torch.stack([made(x)[:, :200] for _ in range(6)])
        found = {"error": (guess - y).abs().mean((1, 2)), "square": (guess - y).square().mean((1, 2))}
        found |= {"sharpness": sharpness(guess) / sharpness(y), "variety": several.std(0).mean((1, 2))}
        same = [read.reads(seen(a)) == read.reads(seen(b)) for a, b in zip(guess, y, strict=True)]
        other = read.features(seen(pairs(1, n, g)[1]))
        found |= {"label": torch.stack(same).float().mean(1), "frechet": distances(read, guess, other)}
        found["keeps"] = (small(guess) == small(y)).float().mean((1, 2, 3))
        grid = told(torch.cat([x[0, :6], y[0, :6], *several[:3, 0, :6]]), 30)
    columns = {name: [f"{v:.4f}" for v in values.tolist()] for name, values in found.items()}
    columns["samples"] = [grid, *[""] * (S - 1)]
    return {name: columns[name] for name in COLUMNS}


TRAINED = [way for way in WAYS if way[0] not in ("question", "nearest", "truth")]
CASES = [*TRAINED, *((how, "L1", 0.0) for how in ("question", *LOOKUPS, "truth"))]
CASES = [dict(zip(("critic", "distance", "price", "link"), (*case, LINK), strict=True)) for case in CASES]


if __name__ == "__main__":
    main("enlarged", CASES, trial, modules=MODULES, seeds=10, block=10)
