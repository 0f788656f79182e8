"""Divergence or update? Four costs of G, each with three ways to move, where D learns at a quarter of G's rate.

The costs are those of the frozen discriminator for JS, KL(q||p) - 2 JS, KL(p||q) and KL(q||p); the ways are one step of
D for each of G, ten, and one with a G that looks five steps of D ahead.
"""

from __future__ import annotations

from cures import MODULES, RATES, columns, play
from table import main

from ganlib import losses

COSTS = {
    "JS": losses.minimax_g,
    "KL(q‖p) − 2 JS": losses.nonsaturating_g,
    "KL(p‖q)": lambda real, fake: -fake.exp().mean(-1),
    "KL(q‖p)": lambda real, fake: -fake.mean(-1),
}
UPDATES = {"one step of D": ("plain", "", 1), "ten steps of D": ("plain", "", 10), "unrolled": ("unrolling", 0.1, 1)}
CASES = [{"divergence": divergence, "update": update} for update in UPDATES for divergence in COSTS]


def trial(case, S, g, small):
    method, strength, d_steps = UPDATES[case["update"]]
    how = {"loss_G": COSTS[case["divergence"]], "d_steps": d_steps, "turns": 4 if small else 2500}
    return columns(play(S, g, method, strength, *RATES["collapse-prone"], **how))


if __name__ == "__main__":
    main("blame", CASES, trial, modules=[*MODULES, "losses.minimax_g"], seeds=32)
