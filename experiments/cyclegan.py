"""Unpaired translation of glyphs whose true partner is known: how near does it come, and what does the way back read?

*style*: upright sans to bold italic serif, the same digit at the same place, size and angle.
*polarity*: the same, and each picture of either kind is ink on paper or paper on ink, by a fair coin.
*drop*: sans of any slant and weight to one picture a digit: what Y shows of X is the label alone.
"""

from __future__ import annotations

import torch
from table import main

import ganlib
from ganlib import images, losses
from ganlib.models import DCCritic, Translator
from ganlib.models.judge import judge
from ganlib.training import translate

MODULES = ["images", "losses.gap", "losses.nonsaturating_d", "losses.nonsaturating_g", "models/_drawn"]
MODULES += ["models/dcgan", "models/judge", "models/translation.Translator", "training.translate"]


def pairs(task, n, g):
    """Labels, pictures of X, and the true partner of each."""
    f = images.factors(n, generator=g)
    zero = torch.zeros_like(f.x)
    f = f._replace(font=torch.zeros_like(f.font))
    if task == "drop":
        f = f._replace(angle=zero, x=zero, y=zero, scale=zero + 0.7)
        return f.label, images.render(f), images.render(f._replace(slant=zero, weight=zero + 0.01))
    f = f._replace(slant=zero)
    other = f._replace(font=f.font + 1, slant=zero + 0.35, weight=f.weight + 0.03)
    coin = torch.randint(2, (n, 1, 1, 1), generator=g, device=g.device)
    sign = 1 - 2 * coin if task == "polarity" else 1
    return f.label, sign * images.render(f), sign * images.render(other)


def ink(x):
    """Mean of the pixels: negative if most of a picture is paper."""
    return x.mean((1, 2, 3), keepdim=True)


def as_ink(x):
    """Whichever way it was, as ink on paper."""
    return -x * ink(x).sign()


def play(task, g, n, turns, **weights):
    """Train one pair of translators; G, F."""
    x, y = pairs(task, n, g)[1], pairs(task, n, g)[2]  # of different digits: nothing is paired
    G, F = (Translator(generator=g) for _ in range(2))
    D_X, D_Y = (DCCritic(width=16, generator=g) for _ in range(2))
    teams = [[*D_X.parameters(), *D_Y.parameters()], [*G.parameters(), *F.parameters()]]
    movers = [torch.optim.Adam(team, lr=2e-3, betas=(0.5, 0.9), fused=True) for team in teams]
    falls = [torch.optim.lr_scheduler.LinearLR(o, 1, 0.0, total_iters=turns) for o in movers]

    def batches():
        for _ in range(turns):
            yield [of[torch.randint(n, (32,), generator=g, device=g.device)] for of in (x, y)]

    game = losses.nonsaturating_d, losses.nonsaturating_g, *movers
    for _ in translate(G, F, D_X, D_Y, batches(), *game, **weights):
        for fall in falls:
            fall.step()
    return G.eval(), F.eval()


@torch.no_grad()
def measure(task, n, G, F, net, g):
    """On fresh pictures: distance from the partner, and what F makes of G(x), of y, and of G(x) coarsened."""
    label, x, y = pairs(task, n, g)
    made = G(x)
    median = torch.stack([x[label == k].median(0).values for k in range(10)])[label]
    noisy = made + 0.2 * torch.randn(made.shape, generator=g, device=g.device)
    gaps = {"error": (made, y), "copy": (x, y), "back": (F(made), x), "from_label": (median, x)}
    gaps |= {"from_partner": (F(y), x), "from_noisy": (F(noisy), x), "from_rounded": (F(made.sign()), x)}
    found = {name: losses.gap(*pair).item() for name, pair in gaps.items()}
    found["accuracy"] = (net.reads(as_ink(made)) == label).double().mean().item()
    found["judge"] = (net.reads(as_ink(y)) == label).double().mean().item()
    found["kept"] = (ink(made) * ink(x) > 0).double().mean().item()
    return found


def trial(case, S, g, small):
    task, learn, fresh, turns = case["task"], *((160, 80, 3) if small else (4000, 1000, case["turns"]))
    label, _, y = pairs(task, learn, ganlib.rng(1))
    net = judge(as_ink(y), label)
    weights = {name: case[name] for name in ("cycle", "identity")}
    rows = [measure(task, fresh, *play(task, g, learn, turns, **weights), net, g) for _ in range(S)]
    return {name: [f"{row[name]:.4f}" for row in rows] for name in rows[0]}


STYLE = [{"task": "style", "cycle": c, "identity": i, "turns": 400} for c, i in ((0.0, 0.0), (10.0, 0.0), (10.0, 5.0))]
COIN = [{"task": "polarity", "cycle": 10.0, "identity": i, "turns": 300} for i in (0.0, 5.0)]
CASES = [*STYLE, *COIN, {"task": "drop", "cycle": 50.0, "identity": 0.0, "turns": 400}]

if __name__ == "__main__":
    main("cyclegan", CASES, trial, modules=MODULES, seeds=32)
