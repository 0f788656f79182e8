"""The plain game four times more in each of the 128 worlds of `worlds.py`, with other weights, data and noise.

One run a world tells the mean rate over worlds; several tell how much of the spread lies between worlds.
"""

from __future__ import annotations

from table import main
from worlds import MODULES, TURNS, columns, drawn, points

AGAIN, APART = 4, 10_000  # more runs a world; how far apart their streams' seeds are
KEPT = ("captured", "m10", "near")


def trial(case, S, _, small):
    """All worlds of a draw once more."""
    how = 2 if small else TURNS, "plain", ""
    apart = APART * case["again"]
    worlds, made, alive = drawn(S, case["draw"], lambda some, streams: points(some, streams, *how), apart=apart)
    found = columns(made, worlds)
    return {name: found[name] for name in KEPT} | {"alive": alive.tolist()}


CASES = [{"again": again, "draw": number} for again in range(1, AGAIN + 1) for number in (0, 1)]


if __name__ == "__main__":
    main("seeds_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
