"""Which of the ring's sixteen symmetries does unpaired translation find, with the cycle, without it, and with identity?

X and Y have one law, eight bumps on a circle; the pairing that was meant is the turn by 45 degrees.
"""

from __future__ import annotations

import torch
from table import main

from ganlib import losses, metrics
from ganlib.densities import ring
from ganlib.models import MLPCritic, MLPGenerator
from ganlib.training import translate

MODULES = ["densities", "losses.gap", "losses.nonsaturating_d", "losses.nonsaturating_g"]
MODULES += ["metrics.modes", "models/mlp", "training.translate"]
LAW = ring(0.1)


def play(S, g, turns, **weights):
    """Train S pairs of translators; G, F, D_X, D_Y."""
    how = {"seeds": S, "generator": g}
    G, F = (MLPGenerator((2, 32, 32, 2), **how) for _ in range(2))
    D_X, D_Y = (MLPCritic((2, 32, 32), **how) for _ in range(2))
    teams = [[*D_X.parameters(), *D_Y.parameters()], [*G.parameters(), *F.parameters()]]
    movers = [torch.optim.Adam(team, lr=3e-3, betas=(0.5, 0.999), fused=True) for team in teams]
    falls = [torch.optim.lr_scheduler.LinearLR(o, 1, 0.0, total_iters=turns) for o in movers]
    batches = ([LAW.sample((S, 64), generator=g) for _ in "xy"] for _ in range(turns))
    game = losses.nonsaturating_d, losses.nonsaturating_g, *movers
    for _ in translate(G, F, D_X, D_Y, batches, *game, **weights):
        for fall in falls:
            fall.step()
    return G, F, D_X, D_Y


def symmetry(x, made):
    """The turn or mirror image that sends the bump of each x to that of what was made; "none" if no one does."""
    centres = LAW.centres.to(x)
    start, end = (torch.cdist(p, centres).argmin(-1) for p in (x, made))
    for name, step in (("turn", end - start), ("mirror", end + start)):
        k = int((step % 8).mode().values)
        if (step % 8 == k).double().mean() > 0.95:
            return f"{name} {k}"
    return "none"


def trial(case, S, g, small):
    turns = 4 if small else case["turns"]
    G, F, D_X, D_Y = play(S, g, turns, cycle=case["cycle"], identity=case["identity"])
    with torch.no_grad():
        x, y = (LAW.sample((S, 2400), generator=g) for _ in "xy")
        to_y, to_x = G(x), F(y)
        error = torch.maximum(losses.gap(F(to_y), x), losses.gap(G(to_x), y))
        right = [
            (D(a) > 0).double().mean(-1) + (D(b) < 0).double().mean(-1) for D, a, b in ((D_X, x, to_x), (D_Y, y, to_y))
        ]
    found = [metrics.modes(p, LAW.centres, 0.1) for p in (to_x, to_y)]
    return {
        "map": [symmetry(a, b) for a, b in zip(x, to_y, strict=True)],
        "cycle_error": [f"{v:.4f}" for v in error.tolist()],
        "accuracy_X": [f"{v / 2:.4f}" for v in right[0].tolist()],
        "accuracy_Y": [f"{v / 2:.4f}" for v in right[1].tolist()],
        "kept": [f"{v:.0f}" for v in torch.minimum(found[0].m10, found[1].m10).tolist()],
        "near": [f"{v:.4f}" for v in torch.minimum(found[0].high_quality, found[1].high_quality).tolist()],
    }


CASES = [{"cycle": c, "identity": i, "turns": 1000} for c, i in ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5))]

if __name__ == "__main__":
    main("cyclegan_ring", CASES, trial, modules=MODULES, seeds=64)
