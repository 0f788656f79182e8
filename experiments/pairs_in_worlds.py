"""Answers to a number that has three, in the 128 worlds of `worlds`: what a distance and a critic each choose.

The question x is uniform; the answer y lies on one of three branches, below, in the middle or on top, with chances of
.35, .2 and .45. Places and bend are times the world's scale; the width is the world's sd. G is told x, in place of the
first number of z. It pays `price` times the mean distance over the scale, and what a critic asks: none; one of the
pair; one of the answer alone. All else is the plain game. Columns: the shares of answers on each branch, within .4 of
it; the mean distance to the true answer, and its root mean square, over the scale.
"""

from __future__ import annotations

import torch
from table import main
from worlds import BATCH, POINTS, TURNS, drawn, factors, movers

from ganlib import losses
from ganlib.worlds import WorldCritic, WorldGenerator, noise

BRANCHES, CHANCES = (-1.5, -0.5, 1.5), (0.35, 0.2, 0.45)
NAMES = ("low", "middle", "top")
STREAMS = ("weights of G", "weights of D", "data", "z", "test")
MODULES = ["losses.nonsaturating_d", "losses.nonsaturating_g", "worlds"]
DISTANCES = {"L1": torch.abs, "L2": torch.square}


def bend(x):
    """How far all branches are raised where the question is x."""
    return (1.5 * x).sin() / 2


def pairs(worlds, n, g):
    """Questions and answers, (S, n, 1) each, over the scale."""
    x = 4 * torch.rand(len(worlds.sd), n, 1, generator=g, device=g.device) - 2
    chances = torch.tensor(CHANCES, device=g.device)
    which = torch.multinomial(chances, x.numel(), replacement=True, generator=g).view(x.shape)
    branch = torch.tensor(BRANCHES, device=g.device)[which]
    width = worlds.sd[:, None, None].to(x)
    return x, branch + bend(x) + width * torch.randn(x.shape, generator=g, device=g.device)


def play(worlds, streams, turns, critic, distance, price):
    """Of each world: the share of answers on each branch, the two errors, whether it is alive."""
    scale = worlds.scale[:, None, None].float()
    G = WorldGenerator(worlds, generator=streams["weights of G"])
    D = WorldCritic(worlds, generator=streams["weights of D"])
    moves, decays = movers(worlds, (G, D), (1, 1), turns)

    def answers(x, g):
        z = noise(worlds, x.shape[1], generator=g)
        return G(torch.cat([scale * x, z[..., 1:]], -1))[..., 1:]

    def judged(x, y):
        return D(torch.cat([scale * x if critic == "pair" else torch.zeros_like(y), y], -1))

    def step(k, loss):
        moves[k].zero_grad()
        loss.sum().backward()
        moves[k].step()
        decays[k].step()

    for _ in range(turns):
        x, y = pairs(worlds, BATCH, streams["data"])
        y, made, cost = scale * y, answers(x, streams["z"]), 0.0
        if critic != "none":
            step(1, losses.nonsaturating_d(judged(x, y), judged(x, made.detach())))
            cost = losses.nonsaturating_g(None, judged(x, made))
        off = DISTANCES[distance]((made - y) / scale)
        step(0, cost + price * off.mean((1, 2)))
    with torch.no_grad():
        x, y = pairs(worlds, POINTS, streams["test"])
        made = answers(x, streams["test"]) / scale
        off = (made - y).abs()
        return *shares(x, made), off.mean((1, 2)), off.square().mean((1, 2)).sqrt(), made.isfinite().all(1)[:, 0]


def shares(x, y):
    """Answers within two fifths of each branch, (S,) each."""
    off = (y - bend(x) - torch.tensor(BRANCHES, device=x.device)).abs()
    return [((off.argmin(-1) == k) & (off.amin(-1) < 0.4)).float().mean(1) for k in range(len(BRANCHES))]


@torch.enable_grad()
def trial(case, S, _, small):
    """All worlds of a draw."""
    how = 2 if small else TURNS, case["critic"], case["distance"], case["price"]
    worlds, *found, alive = drawn(S, case["draw"], lambda some, streams: play(some, streams, *how), streams=STREAMS)
    told = dict(zip((*NAMES, "error", "root"), found, strict=True))
    columns = {name: [f"{v:.4f}" for v in values.tolist()] for name, values in told.items()}
    return columns | {"alive": alive.tolist()} | factors(worlds)


WAYS = [("none", "L1", 1.0), ("none", "L2", 1.0), *(("pair", "L1", price) for price in (0.0, 1.0, 2.0, 4.0, 6.0, 10.0))]
WAYS += [("answer", "L1", 0.0)]
CASES = [
    {"critic": critic, "distance": distance, "price": price, "draw": number}
    for critic, distance, price in WAYS
    for number in (0, 1)
]


if __name__ == "__main__":
    main("pairs_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
