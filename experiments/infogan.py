"""InfoGAN on glyphs of which every factor is known: what does a code come to mean?

The generator is told z of 16 normal numbers, a code c of ten values, and a code u uniform from -1 to 1. Q reads both
from the picture. It always learns, from pictures that it cannot change; G is paid by `pay` times what Q knows of each
code. Readers trained on real glyphs tell label and slant, angle, weight, scale, place of what is made; *by chance* is
the same with the codes of other pictures. Networks, steps and penalty are those of the GAN in `codes`.
"""

from __future__ import annotations

import math

import torch
from codes import BATCH, R1, RATE, TURNS, UNITS, distances, grey, noise, reader, told
from table import main
from torch.nn.functional import one_hot

import ganlib
from ganlib import images, losses, penalties
from ganlib.models import MLPCritic, MLPGenerator

VALUES, WIDTH, LATENT = 10, 0.5, 16  # of c; sd that Q ascribes to u; of z
NUMBERS = ("slant", "angle", "weight", "scale", "x", "y")
COLUMNS = ("bound_c", "bound_u", "with_label", "by_chance", "purity", "frechet")
COLUMNS = (*COLUMNS, *(f"{code}_{name}" for code in "cu" for name in NUMBERS), "u_by_chance", "samples")
MODULES = ["images", "losses.nonsaturating_d", "losses.nonsaturating_g", "metrics.frechet_distance", "models/judge"]
MODULES += ["models/mlp", "penalties.r1"]


def codes(S, n, g):
    c = torch.randint(VALUES, (S, n), generator=g, device=g.device)
    return c, 2 * torch.rand(S, n, generator=g, device=g.device) - 1


def made(G, z, c, u):
    return G(torch.cat([z, one_hot(c, VALUES), u[..., None]], -1))


def known(Q, x, c, u):
    """Lower bounds of what a picture tells of each code, in nats: (S,) each."""
    *logits, mean = Q(x).split([VALUES, 1], -1)
    of_c = logits[0].log_softmax(-1).gather(-1, c[..., None]).mean((-2, -1)) + math.log(VALUES)
    off = (u - mean.squeeze(-1)) / WIDTH
    return of_c, math.log(2) - (off.square() / 2 + math.log(WIDTH * math.sqrt(2 * math.pi))).mean(-1)


def train(case, S, g, turns):
    G = MLPGenerator((LATENT + VALUES + 1, *UNITS, 256), seeds=S, generator=g)
    D = MLPCritic((256, *UNITS), seeds=S, generator=g)
    Q = MLPGenerator((256, *UNITS, VALUES + 1), seeds=S, generator=g)
    movers = [torch.optim.Adam(n.parameters(), RATE, betas=(0.0, 0.99), fused=True) for n in (D, G, Q)]
    decays = [torch.optim.lr_scheduler.LinearLR(mover, 1, 0.0, total_iters=turns) for mover in movers]

    pays = case["pay_c"], case["pay_u"]

    def step(mover, loss):
        mover.zero_grad()
        loss.sum().backward()
        mover.step()

    for _ in range(turns):
        real, told_codes = grey(S, BATCH, g), codes(S, BATCH, g)
        fake = made(G, noise(S, BATCH, LATENT, g), *told_codes)
        still = fake.detach()
        step(movers[0], losses.nonsaturating_d(D(real), D(still)) + R1 * penalties.r1(D, real, still))
        paid = sum(pay * bound for pay, bound in zip(pays, known(Q, fake, *told_codes), strict=True))
        step(movers[1], losses.nonsaturating_g(None, D(fake)) - paid)
        step(movers[2], -sum(known(Q, still, *told_codes)))
        for decay in decays:
            decay.step()
    return G, Q


def numbers(small):
    """A reader of the six numbers, trained on real glyphs: pictures (n, 256) to (n, 6), each of sd near 1."""
    g = ganlib.rng(5)
    labelled = images.glyphs(200 if small else 20_000, 16, generator=g)
    aim = torch.stack([getattr(labelled.factors, name) for name in NUMBERS], -1)
    centre, sd = aim.mean(0), aim.std(0)
    x, aim = labelled.images.flatten(1), (aim - centre) / sd
    net = MLPGenerator((256, 256, 256, len(NUMBERS)), generator=g)
    turns = 2 if small else 3000
    mover = torch.optim.Adam(net.parameters(), 1e-3, fused=True)
    decay = torch.optim.lr_scheduler.LinearLR(mover, 1, 0.0, total_iters=turns)
    for _ in range(turns):
        index = torch.randint(len(x), (128,), generator=g, device=g.device)
        mover.zero_grad()
        (net(x[index][None])[0] - aim[index]).square().mean().backward()
        mover.step()
        decay.step()
    return lambda x: net(x[None])[0]


def shared(c, label):
    """Mutual information of two columns of whole numbers below ten, and the share of the commonest label of a code."""
    joint = torch.bincount(c * 10 + label, minlength=VALUES * 10).view(VALUES, 10).double() / len(c)
    apart = joint.sum(1, keepdim=True) * joint.sum(0)
    return torch.special.xlogy(joint, joint / apart.clamp(min=1e-300)).sum(), joint.amax(1).sum()


def explained(c, values):
    """Share of the variance of values (n, k) that lies between the codes."""
    who = one_hot(c, VALUES).to(values)
    means = who.T @ values / who.sum(0).clamp(min=1)[:, None]
    return (who @ means).var(0) / values.var(0)


def squared_correlation(u, values):
    u, values = (u - u.mean()) / u.std(), (values - values.mean(0)) / values.std(0)
    return (u[:, None] * values).mean(0).square()


def shown(G, g):
    """Of the first seed, a row a value of c: four z, then one z at seven values of u."""
    S = len(G[0].weight)
    z = noise(1, 5, LATENT, g).expand(S, -1, -1)
    which, u = torch.tensor([0, 1, 2, 3, *[4] * 7]), torch.tensor([*[0.0] * 4, *torch.linspace(-1, 1, 7).tolist()])
    rows = []
    for c in range(VALUES):
        one = torch.full((S, 11), c, device=g.device)
        rows.append(made(G, z[:, which], one, u.to(g.device).expand(S, -1))[0])
    return torch.cat(rows)


def trial(case, S, g, small):
    """S seeds at once."""
    G, Q = train(case, S, g, 2 if small else TURNS)
    read, of_numbers, n = reader(small), numbers(small), 80 if small else 5000
    with torch.no_grad():
        c, u = codes(S, n, g)
        x = made(G, noise(S, n, LATENT, g), c, u)
        of_c, of_u = known(Q, x, c, u)
        real = read.features(grey(1, n, g).cpu().view(-1, 1, 16, 16))
        found = {"bound_c": of_c.tolist(), "bound_u": of_u.tolist(), "frechet": distances(read, x, real).tolist()}
        rows = {name: [] for name in COLUMNS if name not in found | {"samples": ()}}
        for pictures, code, slide in zip(x, c, u, strict=True):
            label = read.reads(pictures.cpu().view(-1, 1, 16, 16)).to(code)
            values, other = of_numbers(pictures), torch.randperm(n, generator=g, device=g.device)
            nats, pure = shared(code, label)
            told_of = {"with_label": nats, "purity": pure, "by_chance": shared(code[other], label)[0]}
            told_of["u_by_chance"] = squared_correlation(slide[other], values).max()
            for kind, shares in (("c", explained(code, values)), ("u", squared_correlation(slide, values))):
                told_of |= {f"{kind}_{name}": share for name, share in zip(NUMBERS, shares, strict=True)}
            for name, value in told_of.items():
                rows[name].append(value.item())
        grid = told(shown(G, g), 11 * VALUES)
    columns = {name: [f"{v:.4f}" for v in values] for name, values in (found | rows).items()}
    return {name: (columns | {"samples": [grid, *[""] * (S - 1)]})[name] for name in COLUMNS}


CASES = [{"pay_c": c, "pay_u": u} for c, u in ((0.0, 0.0), (1.0, 0.0), (1.0, 0.2))]


if __name__ == "__main__":
    main("infogan", CASES, trial, modules=MODULES, seeds=10, block=10)
