"""Pairs without a penalty, and the penalty without pairs, in the 128 worlds of `worlds`: what each does alone.

The plain game, and pairs with R1 + R2, are in the table of `worlds` already, from the same worlds, first weights and
draws. The two others are here, so that loss and penalty can be crossed.
"""

from __future__ import annotations

from table import main
from worlds import MODULES, POINTS, TURNS, columns, drawn, factors, pair_of, play

from ganlib import penalties
from ganlib.worlds import noise

KEPT = ("captured", "m10", "near", "reverse_kl")
LOSSES = {"non-saturating": {}, "relativistic": pair_of("relativistic") | {"pair": True}}
CASES = [
    {"loss": loss, "gamma": gamma, "draw": number}
    for loss, gamma in (("relativistic", 0.0), ("non-saturating", 0.1), ("non-saturating", 10.0))
    for number in (0, 1)
]


def points(worlds, streams, turns, loss, gamma):
    """What the generators make in these worlds, (S, 2500, 2), and which are alive."""
    how = dict(LOSSES[loss])
    if gamma:
        how["penalty"] = lambda D, *x: gamma / 2 * (penalties.r1(D, *x) + penalties.r2(D, *x))
    G, alive = play(worlds, streams, turns, "", **how)
    return G(noise(worlds, POINTS, generator=streams["test"])).detach(), alive.cpu()


def trial(case, S, _, small):
    """All worlds of a draw."""
    how = 2 if small else TURNS, case["loss"], case["gamma"]
    worlds, made, alive = drawn(S, case["draw"], lambda *told: points(*told, *how))
    found = columns(made, worlds)
    return {name: found[name] for name in KEPT} | {"alive": alive.tolist()} | factors(worlds)


if __name__ == "__main__":
    main("pairing_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
