"""Two losses with and without slope penalties: RING8(0.1) at equal rates and with D ahead, and GRID25(0.1).

The ring has the standard bed; the grid has twice the width and batch, and 3,000 turns.
"""

from __future__ import annotations

from learning_rates import MODULES, play
from table import main

from ganlib import losses, penalties
from ganlib.densities import grid, ring

LARGER = {"unit": 8**0.5, "width": 64, "batch": 128, "turns": 3000}  # the unit gives the lattice a spread of 1
BEDS = {
    "ring, equal rates": {"law": ring(0.1), "lr_G": 3e-3, "lr_D": 3e-3},
    "ring, D leads": {"law": ring(0.1), "lr_G": 1e-3, "lr_D": 3e-2},
    "grid, equal rates": {"law": grid(0.1), "lr_G": 3e-3, "lr_D": 3e-3, **LARGER},
}
GAMMAS = {"ring, equal rates": 0.1, "ring, D leads": 0.1, "grid, equal rates": 0.01}
LOSSES = {
    "non-saturating": (losses.nonsaturating_d, losses.nonsaturating_g),
    "relativistic": (losses.relativistic_d, losses.relativistic_g),
}
PENALTIES = {
    "none": (),
    "R1": (penalties.r1,),
    "R2": (penalties.r2,),
    "R1 + R2": (penalties.r1, penalties.r2),
}
CASES = [
    {"bed": bed, "loss": loss, "penalty": penalty, "gamma": GAMMAS[bed] if PENALTIES[penalty] else 0.0}
    for bed in BEDS
    for loss in LOSSES
    for penalty in PENALTIES
]


def trial(case, S, g, small):
    bed = {**BEDS[case["bed"]], "loss_D": LOSSES[case["loss"]][0], "loss_G": LOSSES[case["loss"]][1]}
    bed["pair"] = case["loss"] == "relativistic"
    if slopes := PENALTIES[case["penalty"]]:
        bed["penalty"] = lambda D, real, fake: case["gamma"] / 2 * sum(slope(D, real, fake) for slope in slopes)
    return play(S, g, **bed | ({"turns": 4} if small else {}))


if __name__ == "__main__":
    OTHERS = ["losses.relativistic_d", "losses.relativistic_g", "penalties"]
    main("relativistic", CASES, trial, modules=MODULES + OTHERS)
