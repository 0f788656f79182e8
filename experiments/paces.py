"""Uneven players in the standard bed: steps, rates and turns of the non-saturating game, one pace at a time."""

from __future__ import annotations

from learning_rates import MODULES, play
from table import main

RATE, TURNS = 3e-3, 2500
NAMES = ("d_steps", "g_steps", "rate_D", "rate_G", "times")  # factors on the rates and on the turns
PACES = [(1, 2, 1.0, 1.0, 1), (1, 5, 1.0, 1.0, 1), (5, 1, 1.0, 1.0, 1), (1, 1, 1.0, 0.25, 1), (1, 1, 0.25, 1.0, 1)]
PACES += [(1, 1, 0.25, 0.25, 1), (1, 1, 0.25, 1.0, 4), (1, 1, 1.0, 1.0, 4)]
CASES = [dict(zip(NAMES, pace, strict=True)) for pace in PACES]


def trial(case, S, g, small):
    steps = {name: case[name] for name in ("d_steps", "g_steps")}
    rates = {"lr_D": RATE * case["rate_D"], "lr_G": RATE * case["rate_G"]}
    return play(S, g, **rates, **steps, turns=4 if small else TURNS * case["times"])


if __name__ == "__main__":
    main("paces", CASES, trial, modules=MODULES)
