"""A discriminator that is ahead, in the 128 worlds of `worlds.py`: minimax or non-saturating, G by SGD or by Adam.

D trains alone for 1,000 steps against the untrained G, by its world's Adam. Then both play 2,500 turns, one step each;
all rates fade to zero. D keeps Adam; G has the world's Adam too, or plain gradient descent at ten times its rate. First
weights and streams are those of the plain game; the four games of a world begin with the same D.

Columns: how the points sit on the modes; the way of a point on average, from where its z was sent before the game, over
the scale of the data; the mean of D(G(z)) before the game.
"""

from __future__ import annotations

import torch
from table import main
from worlds import BATCH, MODULES, POINTS, TURNS, columns, drawn, factors, movers, pair_of, to_the_end

from ganlib.worlds import WorldCritic, WorldGenerator, noise, sample

LEAD, FASTER = 1000, 10.0
LOSSES = {"minimax": "minimax", "non-saturating": "nonsaturating"}


class SGD(torch.optim.Optimizer):
    """Plain gradient descent with a rate for each of S members; `lr` is a factor on all, for torch's schedulers."""

    def __init__(self, parameters, *, rate):
        super().__init__(parameters, {"lr": 1.0})
        self.rate = rate

    @torch.no_grad()
    def step(self, closure=None):
        """One step of every member."""
        (group,) = self.param_groups
        for p in group["params"]:
            p -= group["lr"] * self.rate.to(p).reshape(-1, *[1] * (p.dim() - 1)) * p.grad


def lead(worlds, streams, G, D, steps):
    """Let D learn alone, by Adam at the world's rate; yield before each step and after the last."""
    (optimizer, _), _ = movers(worlds, (D, G), (1, 1), 1)
    game = pair_of("minimax")
    for _ in range(steps):
        yield
        with torch.no_grad():
            made = G(noise(worlds, BATCH, generator=streams["z"]))
        optimizer.zero_grad()
        game["loss_D"](D(sample(worlds, BATCH, generator=streams["data"])), D(made)).sum().backward()
        optimizer.step()
    yield


def play(worlds, streams, short, loss, mover):
    """Points at the end, their way, mean D(G(z)) before the game, and which are alive."""
    steps, turns = (2, 2) if short else (LEAD, TURNS)
    G = WorldGenerator(worlds, generator=streams["weights of G"])
    D = WorldCritic(worlds, generator=streams["weights of D"])
    for _ in lead(worlds, streams, G, D, steps):
        pass
    z = noise(worlds, POINTS, generator=streams["test"])
    with torch.no_grad():
        begin = G(z)
        believed = D(begin).sigmoid().mean(-1)
    (move_D, move_G), decays = movers(worlds, (D, G), (1, 1), turns)
    if mover == "SGD":
        move_G = SGD(G.parameters(), rate=FASTER * worlds.rate)
        decays[1] = torch.optim.lr_scheduler.LinearLR(move_G, 1, 0.0, total_iters=turns)
    alive = to_the_end(worlds, streams, (G, D), (move_G, move_D), decays, turns, **pair_of(LOSSES[loss]))
    with torch.no_grad():
        end = G(z)
    return end, (end - begin).norm(dim=-1).mean(-1) / worlds.scale.to(end), believed, alive


def trial(case, S, _, small):
    """All worlds of a draw."""

    def make(some, streams):
        return play(some, streams, small, case["loss"], case["mover"])

    worlds, points, way, believed, alive = drawn(S, case["draw"], make)
    more = {"way": [f"{v:.5g}" for v in way.tolist()], "believed": [f"{v:.5g}" for v in believed.tolist()]}
    return columns(points, worlds) | more | {"alive": alive.tolist()} | factors(worlds)


CASES = [
    {"loss": loss, "mover": mover, "draw": number} for number in (0, 1) for mover in ("Adam", "SGD") for loss in LOSSES
]


if __name__ == "__main__":
    main("lead_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
