"""A slow D given time: the costs of KL(p||q) and KL(q||p) beside a D at a fifth of G's rate, in the standard bed.

The rates fade to zero over all turns, so a run of more turns is not the same run continued: it fades later.
"""

from __future__ import annotations

from blame import COSTS, MODULES
from cures import columns, play
from table import main

G_RATE, D_RATE = 3e-3, 6e-4
TURNS = (2000, 6000)
CASES = [{"cost": cost, "turns": turns} for turns in TURNS for cost in ("KL(p‖q)", "KL(q‖p)")]


def trial(case, S, g, small):
    how = {"loss_G": COSTS[case["cost"]], "turns": 4 if small else case["turns"]}
    return columns(play(S, g, "plain", "", G_RATE, D_RATE, **how))


if __name__ == "__main__":
    main("slow_d", CASES, trial, modules=MODULES, seeds=64, block=64)
