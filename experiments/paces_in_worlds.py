"""Slow players and more time: the plain game in the 128 worlds of `worlds.py`, with rates and turns changed.

A D at a quarter of G's rate is slower than its G, and it also makes a quarter of the way in the same time. Both players
at a quarter, and four times the turns, tell the two apart. First weights and streams are those of the plain game.
"""

from __future__ import annotations

import torch
from table import main
from worlds import MODULES, POINTS, TURNS, columns, drawn, play

from ganlib.worlds import noise

KEPT = ("captured", "m10", "near", "reverse_kl")
PACES = [(0.25, 0.25, 1), (0.25, 1.0, 4), (1.0, 1.0, 4)]  # factors on the rate of D, on that of G and on the turns


def made(worlds, streams, case, turns):
    """What the generators make in these worlds, and which are alive."""
    G, alive = play(worlds, streams, turns, "", rate_D=case["rate_D"], rate_G=case["rate_G"])
    with torch.no_grad():
        return G(noise(worlds, POINTS, generator=streams["test"])), alive.cpu()


def trial(case, S, _, small):
    """All worlds of a draw."""
    turns = 2 if small else TURNS * case["times"]
    worlds, points, alive = drawn(S, case["draw"], lambda some, streams: made(some, streams, case, turns))
    found = columns(points, worlds)
    return {name: found[name] for name in KEPT} | {"alive": alive.tolist()}


CASES = [{"rate_D": d, "rate_G": g, "times": n, "draw": number} for d, g, n in PACES for number in (0, 1)]


if __name__ == "__main__":
    main("paces_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
