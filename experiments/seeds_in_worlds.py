"""The plain game four times more in each of the 128 worlds of `worlds.py`, with other weights, data and noise.

One run a world tells the mean rate over worlds; several tell how much of the spread lies between worlds.
"""

from __future__ import annotations

import torch
from table import main
from worlds import MODULES, POINTS, STREAMS, TURNS, columns, points

import ganlib
from ganlib.worlds import WIDTHS, draw, select

AGAIN, APART = 4, 10_000  # more runs a world; how far apart their streams' seeds are
KEPT = ("captured", "m10", "near")


def trial(case, S, _, small):
    """All worlds of a draw once more; the streams hang on the draw, the repeat and the width."""
    seed, turns = 100_000 * (case["draw"] + 1), 2 if small else TURNS
    worlds = draw(S, generator=ganlib.rng(seed))
    made, alive = torch.zeros(S, POINTS, 2), torch.zeros(S, dtype=torch.bool)
    for width in WIDTHS:
        if len(index := (worlds.width == width).nonzero().flatten()):
            first = seed + APART * case["again"] + 100 * width
            streams = {name: ganlib.rng(first + k) for k, name in enumerate(STREAMS)}
            x, live = points(select(worlds, index), streams, turns, "plain", "")
            made[index.cpu()], alive[index.cpu()] = x.cpu(), live
    found = columns(made, worlds)
    return {name: found[name] for name in KEPT} | {"alive": alive.tolist()}


CASES = [{"again": again, "draw": number} for again in range(1, AGAIN + 1) for number in (0, 1)]


if __name__ == "__main__":
    main("seeds_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
