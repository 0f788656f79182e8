"""Exact nats a picture of restricted Boltzmann machines with 16 hidden bits, by what their training takes for samples.

Pictures are those of `pixels`: digits and glyphs of 16 pixels a side, ink or paper. The machine's Z is a sum over its
2^16 hidden states. Beside it stand estimates by annealing, up from coins and down from exact draws, and the steps until
a chain has forgotten the exact draw with which it began: 95 % of what two ends of it have in common beyond chance.
"""

from __future__ import annotations

import math

import torch
from pixels import source
from table import main

from ganlib.models import RBM
from ganlib.models.boltzmann import annealed, contrast

HIDDEN, TURNS, RATE, CHAINS, HEATS, LONGEST = 16, 8000, 5e-3, 200, (10, 100, 1000), 20_000


def batches(draw, S):
    """S batches of flat pictures, (S, 64, 256)."""
    return torch.stack([draw().flatten(1) for _ in range(S)])


def trained(case, S, g, small):
    """Machines of S seeds, the coins of the pixels' frequencies as logits, and what is held out."""
    draw, held = source(case["data"], g, small)
    turns = 3 if small else TURNS
    ink = sum(batches(draw, 1).mean(1, keepdim=True) for _ in range(700)) / 700
    coins = ink.clamp(1e-4, 1 - 1e-4).logit().expand(S, -1, -1)
    rbm = RBM.drawn(coins.shape[-1], HIDDEN, seeds=S, generator=g)
    rbm.b.data.copy_(coins)
    adam = torch.optim.Adam(list(rbm), RATE, fused=True)
    decay = torch.optim.lr_scheduler.LinearLR(adam, 1, 0.0, total_iters=turns)
    fake = batches(draw, S)
    for _ in range(turns):
        real = batches(draw, S)
        fake = rbm.gibbs(fake if case["chains"] == "kept" else real, case["steps"], generator=g)
        adam.zero_grad()
        contrast(rbm, real, fake).sum().backward()
        adam.step()
        decay.step()
    return RBM(*(t.detach() for t in rbm)), coins, held.flatten(1).expand(S, -1, -1)


def forgotten(rbm, g, small):
    """Steps until chains have lost 95 % of what they share with their beginning, beyond what two draws share."""
    start = rbm.sample(CHAINS, generator=g)
    centred = start - start.mean(1, keepdim=True)
    whole, v = (centred * start).sum(-1).mean(-1), start
    steps = torch.full_like(whole, torch.inf)
    for t in range(1, 4 if small else LONGEST + 1):
        v = rbm.gibbs(v, generator=g)
        left = (centred * v).sum(-1).mean(-1) / whole
        steps = torch.where((left < 0.05) & steps.isinf(), t, steps)
        if steps.isfinite().all():
            break
    return [f"{t:.0f}" if math.isfinite(t) else f"over {LONGEST}" for t in steps.tolist()]


def trial(case, S, g, small):
    """S seeds at once."""
    rbm, coins, held = trained(case, S, g, small)
    rbm, coins = RBM(*(t.double() for t in rbm)), coins.double()
    columns = {"nats": -rbm.log_prob(held.double()).mean(-1), "log_z": rbm.log_z()}
    for heats in HEATS:
        steps = min(heats, 5) if small else heats
        up = annealed(rbm, CHAINS, steps, base=coins, generator=g)
        down = annealed(rbm, CHAINS, steps, base=coins, back=True, generator=g)
        columns[f"up_{heats}"] = up.logsumexp(-1) - math.log(CHAINS)
        columns[f"down_{heats}"] = math.log(CHAINS) - (-down).logsumexp(-1)
    found = {name: [f"{v:.3f}" for v in values.tolist()] for name, values in columns.items()}
    return found | {"forgotten": forgotten(rbm, g, small)}


HOW = {"CD-1": ("fresh", 1), "CD-10": ("fresh", 10), "persistent": ("kept", 1), "persistent, 10 steps": ("kept", 10)}
CASES = [
    {"data": data, "training": name, "chains": chains, "steps": steps}
    for data in ("digits", "glyphs")
    for name, (chains, steps) in HOW.items()
]
if __name__ == "__main__":
    main("boltzmann", CASES, trial, modules=["images", "models/boltzmann"], seeds=10, block=5)
