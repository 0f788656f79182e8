"""Four costs of G, one discriminator's loss: in the 128 worlds of `worlds`, with equal rates and with a slow D.

The costs are those of `blame`. The plain game and the minimax game with equal rates, and the plain game with a slow D,
are in the table of `worlds` already, from the same worlds, first weights and draws; here are the others.
"""

from __future__ import annotations

from blame import COSTS
from table import main
from worlds import MODULES, POINTS, TURNS, columns, drawn, factors, play

from ganlib.worlds import noise

KEPT = ("captured", "m10", "near", "reverse_kl")
SLOW = 0.25
CASES = [
    {"cost": cost, "rate_D": rate, "draw": number}
    for cost, rate in (("KL(p‖q)", 1), ("KL(q‖p)", 1), ("KL(p‖q)", SLOW), ("KL(q‖p)", SLOW), ("JS", SLOW))
    for number in (0, 1)
]


def points(worlds, streams, turns, cost, rate_D):
    """What the generators make in these worlds, (S, 2500, 2), and which are alive."""
    G, alive = play(worlds, streams, turns, "", loss_G=COSTS[cost], rate_D=rate_D)
    return G(noise(worlds, POINTS, generator=streams["test"])).detach(), alive.cpu()


def trial(case, S, _, small):
    """All worlds of a draw."""
    how = 2 if small else TURNS, case["cost"], case["rate_D"]
    worlds, made, alive = drawn(S, case["draw"], lambda *told: points(*told, *how))
    found = columns(made, worlds)
    return {name: found[name] for name in KEPT} | {"alive": alive.tolist()} | factors(worlds)


if __name__ == "__main__":
    main("costs_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
