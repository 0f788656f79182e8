"""Pictures from pictures whose answer is known: what do a distance and a critic each ask for?

*fill*: the outline of a rectangle; the answer has it filled with one of three greys, whatever the outline.
*bold*: a glyph; the answer is the same glyph with thicker strokes. (`enlarged` has a third task.)

G is told the question and eight normal numbers; what it gives is added to `link` times the question, within black and
white. It pays `price` times the mean absolute error (L1) or the mean square (L2), and what a critic asks: none; one of
the pair of question and answer; of 8 x 8 windows of the pair, four a picture; or of the answer alone. Without a
network: the question itself; the answer that belongs to the nearest of many other questions; the true one.
"""

from __future__ import annotations

import torch
from codes import BATCH, TURNS, distances, noise, reader, sharpness, told
from table import main

from ganlib import images, losses, penalties
from ganlib.models import MLPCritic, MLPGenerator

GREYS, SHARES = (-1.0, -1 / 3, 1.0), (0.35, 0.2, 0.45)  # of a filled rectangle, paper -1, ink 1
UNITS, RATE, R1 = (256, 256), 2e-3, 1.0
LATENT, WINDOW, WINDOWS, BOLDER, POOL = 8, 8, 4, 0.04, 20_000
COLUMNS = ("error", "square", "sharpness", "label", "frechet", "variety", "white", "grey", "black", "samples")
MODULES = ["images", "losses.nonsaturating_d", "losses.nonsaturating_g", "metrics.frechet_distance", "models/judge"]
MODULES += ["models/mlp", "penalties.r1"]


def outlines(S, n, g):
    """Rectangles of 16 x 16 pixels, sides from 6 to 12: ink on the outline, and what lies inside."""
    sides = torch.randint(6, 13, (S, n, 2), generator=g, device=g.device)
    start = ((17 - sides) * torch.rand(S, n, 2, generator=g, device=g.device)).long()
    at = torch.arange(16, device=g.device)

    def within(border):
        rows, columns = ((at >= start[..., [k]] + border) & (at < (start + sides)[..., [k]] - border) for k in (0, 1))
        return (rows[..., :, None] & columns[..., None, :]).flatten(2)

    inside = within(1)
    return 2.0 * (within(0) & ~inside) - 1, inside


def filled(S, n, g):
    """Outlines and, in each, one grey."""
    x, inside = outlines(S, n, g)
    which = torch.multinomial(torch.tensor(SHARES, device=g.device), S * n, replacement=True, generator=g)
    tone = torch.tensor(GREYS, device=g.device)[which].view(S, n, 1)
    return x, torch.where(inside, tone, x)


def bolder(S, n, g):
    made_from = images.factors(S * n, generator=g)
    thick = made_from._replace(weight=made_from.weight + BOLDER)
    return [images.render(f, 16).view(S, n, 256) for f in (made_from, thick)]


TASKS = {"fill": filled, "bold": bolder}


def pair(x, y, g):
    return torch.cat([x, y], -1)


def answer(x, y, g):
    return y


def windows(x, y, g):
    """Some windows of each pair, at the same places for all: (S, 4 n, 128)."""
    both = torch.stack([x, y], 2).unflatten(-1, (16, 16))
    starts = torch.randint(17 - WINDOW, (WINDOWS, 2), generator=g, device=g.device).tolist()
    return torch.cat([both[..., i : i + WINDOW, j : j + WINDOW].flatten(2) for i, j in starts], 1)


SIGHTS = {"pair": (pair, 512), "windows": (windows, 2 * WINDOW**2), "answer": (answer, 256)}
DISTANCES = {"L1": torch.abs, "L2": torch.square}


def asked(G, x, g, link):
    """G's answers to questions, each with a noise of its own: what it adds to the question, within black and white."""
    return (link * x + G(torch.cat([x, noise(*x.shape[:2], LATENT, g)], -1))).tanh()


def mover_of(net, turns):
    mover = torch.optim.Adam(net.parameters(), RATE, betas=(0.0, 0.99), fused=True)
    return mover, torch.optim.lr_scheduler.LinearLR(mover, 1, 0.0, total_iters=turns)


def train(draw, case, S, g, turns):
    """Without a critic, or with one that sees what the case says."""
    G, played = MLPGenerator((256 + LATENT, *UNITS, 256), seeds=S, generator=g), case["critic"] != "none"
    nets, distance = [G], DISTANCES[case["distance"]]
    if played:
        sight, size = SIGHTS[case["critic"]]
        nets.append(D := MLPCritic((size, *UNITS), seeds=S, generator=g))
    moves = [mover_of(net, turns) for net in nets]

    def step(k, loss):
        mover, decay = moves[k]
        mover.zero_grad()
        loss.sum().backward(inputs=list(nets[k].parameters()))
        mover.step()
        decay.step()

    for _ in range(turns):
        x, y = draw(S, BATCH, g)
        made = asked(G, x, g, case["link"])
        cost = case["price"] * distance(made - y).mean((1, 2))
        if played:
            real, fake = sight(x, y, g), sight(x, made, g)
            still = fake.detach()
            step(1, losses.nonsaturating_d(D(real), D(still)) + R1 * penalties.r1(D, real, still))
            cost = cost + losses.nonsaturating_g(None, D(fake))
        step(0, cost)
    return lambda x: asked(G, x, g, case["link"])


def nearest(draw, g, little):
    """Of many other pairs, the answer to the question that is nearest."""
    x, y = draw(1, 100 if little else POOL, g)
    return lambda q: torch.stack([y[0][torch.cdist(some, x[0]).argmin(-1)] for some in q])


def tones(x, made):
    """Of filled outlines, what a picture has inside: the share nearest to each grey, within a fifth of it."""
    inside = flood(x)
    mean = (made * inside).sum(-1) / inside.sum(-1)
    off = (mean[..., None] - torch.tensor(GREYS, device=made.device)).abs()
    return [((off.argmin(-1) == k) & (off.amin(-1) < 0.2)).float().mean(1) for k in range(3)]


def flood(x):
    """What lies inside an outline: ink to the left and right of it, above and below."""
    ink = (x > 0).unflatten(-1, (16, 16)).long()
    sides = ink.cumsum(-1), ink.flip(-1).cumsum(-1).flip(-1), ink.cumsum(-2), ink.flip(-2).cumsum(-2).flip(-2)
    found = ink == 0
    for side in sides:
        found = found & (side > 0)
    return found.flatten(2)


def trial(case, S, g, little):
    """S seeds at once."""
    how, n, draw = case["critic"], 80 if little else 2000, TASKS[case["task"]]
    if how in ("question", "truth"):
        answered = None
    elif how == "nearest":
        answered = nearest(draw, g, little)
    else:
        answered = train(draw, case, S, g, 2 if little else TURNS)
    read = reader(little)
    with torch.no_grad():
        x, y = draw(S, n, g)
        made = {"question": lambda x: x, "truth": lambda x: y}.get(how, answered)
        guess = made(x)
        several = torch.stack([made(x)[:, :200] for _ in range(6)])
        found = {"error": (guess - y).abs().mean((1, 2)), "square": (guess - y).square().mean((1, 2))}
        found |= {"sharpness": sharpness(guess) / sharpness(y), "variety": several.std(0).mean((1, 2))}
        if case["task"] == "fill":
            found |= dict(zip(("white", "grey", "black"), tones(x, guess), strict=True))
        else:
            seen = lambda pictures: pictures.cpu().view(-1, 1, 16, 16)  # noqa: E731
            other = read.features(seen(draw(1, n, g)[1]))
            same = [read.reads(seen(a)) == read.reads(seen(b)) for a, b in zip(guess, y, strict=True)]
            found |= {"label": torch.stack(same).float().mean(1), "frechet": distances(read, guess, other)}
        grid = told(torch.cat([x[0, :6], y[0, :6], *several[:3, 0, :6]]), 30)
    columns = {name: [f"{v:.4f}" for v in values.tolist()] for name, values in found.items()}
    columns["samples"] = [grid, *[""] * (S - 1)]
    return {name: columns.get(name, [""] * S) for name in COLUMNS}


WAYS = [("none", "L1", 1.0), ("none", "L2", 1.0), ("pair", "L1", 0.0), ("pair", "L1", 10.0), ("pair", "L1", 100.0)]
WAYS += [("windows", "L1", 10.0), ("answer", "L1", 0.0), ("answer", "L1", 10.0)]
WAYS += [(how, "L1", 0.0) for how in ("question", "nearest", "truth")]
LINK = 3.0
CASES = [(task, *way, LINK) for task in TASKS for way in WAYS]
CASES += [("fill", critic, "L1", 0.0, 0.0) for critic in ("pair", "answer")]
CASES = [dict(zip(("task", "critic", "distance", "price", "link"), case, strict=True)) for case in CASES]


if __name__ == "__main__":
    main("image_pairs", CASES, trial, modules=MODULES, seeds=10, block=10)
