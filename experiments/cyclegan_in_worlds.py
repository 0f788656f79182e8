"""What is the second half of the cycle for? Translation in the first 64 worlds of `worlds`, with it and without.

X and Y have the law of the world's data, and a turn by 45 degrees is meant. The halves are |F(G(x)) - x|, `there`, and
|G(F(y)) - y|, `back`: a case has the weight of each. The first alone is also played with twice its weight, so that the
sum of the weights is that of both. The networks are the worlds' own, with points in place of z. `map`: which of sixteen
symmetries G is; errors of the way there and back, over the scale; of G and of F, modes kept and share near them.
"""

from __future__ import annotations

import torch
from cyclegan_ring import symmetry
from table import main
from torch.nn.functional import pad
from worlds import BATCH, POINTS, columns, drawn, factors, movers

from ganlib import losses
from ganlib.worlds import LATENTS, WorldCritic, WorldGenerator, sample

TURNS = 1000  # as `cyclegan_ring`
STREAMS = ("weights of G", "weights of D", "weights of F", "weights of D_X", "data", "data of Y", "test")
MODULES = ["densities", "losses.gap", "losses.nonsaturating_d", "losses.nonsaturating_g", "metrics.modes", "models/mlp"]
MODULES += ["worlds"]


class Map(torch.nn.Module):
    """Points (S, n, 2) to such points: the worlds' generator, told a point in place of z."""

    def __init__(self, worlds, generator):
        super().__init__()
        self.net = WorldGenerator(worlds._replace(latent=torch.full_like(worlds.latent, 2)), generator=generator)

    def forward(self, x):
        """Of each world."""
        return self.net(pad(x, (0, max(LATENTS) - 2)))


def play(worlds, streams, turns, there, back):
    """Fresh points of X and of Y, and where they are sent and come back."""
    G, F = (Map(worlds, streams[f"weights of {name}"]) for name in "GF")
    D_Y, D_X = (WorldCritic(worlds, generator=streams[f"weights of {name}"]) for name in ("D", "D_X"))
    critics, maps = torch.nn.ModuleList([D_X, D_Y]), torch.nn.ModuleList([G, F])
    (move_D, move_G), decays = movers(worlds, (critics, maps), (1, 1), turns)
    for _ in range(turns):
        x, y = (sample(worlds, BATCH, generator=streams[name]) for name in ("data", "data of Y"))
        to_y, to_x = G(x), F(y)
        value = losses.nonsaturating_d(D_X(x), D_X(to_x.detach()))
        value = value + losses.nonsaturating_d(D_Y(y), D_Y(to_y.detach()))
        move_D.zero_grad()
        value.sum().backward()
        move_D.step()
        cost = losses.nonsaturating_g(None, D_X(to_x)) + losses.nonsaturating_g(None, D_Y(to_y))
        if there:
            cost = cost + there * losses.gap(F(to_y), x)
        if back:
            cost = cost + back * losses.gap(G(to_x), y)
        move_G.zero_grad()
        cost.sum().backward()
        move_G.step()
        for decay in decays:
            decay.step()
    with torch.no_grad():
        x, y = (sample(worlds, POINTS, generator=streams["test"]) for _ in "xy")
        to_y, to_x = G(x), F(y)
        return x, to_y, to_x, losses.gap(F(to_y), x), losses.gap(G(to_x), y)


@torch.enable_grad()
def trial(case, S, _, small):
    """All worlds of a draw."""
    how = 2 if small else TURNS, case["there"], case["back"]
    worlds, *found = drawn(S, case["draw"], lambda some, streams: play(some, streams, *how), streams=STREAMS)
    x, to_y, to_x, error_x, error_y = (t.cpu() for t in found)
    scale = worlds.scale.cpu()
    maps = zip(x, to_y, scale, strict=True)
    table = {"map": [symmetry(a / s, b / s) for a, b, s in maps]}
    for name, error in (("error_X", error_x), ("error_Y", error_y)):
        table[name] = [f"{v:.4f}" for v in (error / scale).tolist()]
    for name, made in (("G", to_y), ("F", to_x)):
        table |= {f"{column}_{name}": v for column, v in columns(made, worlds).items() if column in ("m10", "near")}
    return table | factors(worlds)


ARMS = ((1.0, 1.0), (1.0, 0.0), (2.0, 0.0))
CASES = [{"there": there, "back": back, "draw": 0} for there, back in ARMS]


if __name__ == "__main__":
    main("cyclegan_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
