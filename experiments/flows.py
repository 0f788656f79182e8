"""One flow, trained by likelihood and as the generator of a GAN: exact nats, modes, and how steep the map becomes.

In the bed every seed has RING8(0.1), a critic 32-32, Adam at 0.003 and a momentum of 0.5. In a world the data, the
critic, the rate and the momentum are the world's (`ganlib.worlds`); the flow is the same everywhere. Every batch is
fresh. Beside them a mixture that memorises: a round Gaussian on each of 2,000 points, its sd chosen on 500 others.
"""

from __future__ import annotations

import torch
from table import main
from worlds import POINTS, STREAMS, TURNS, columns, movers, pair_of

import ganlib
from ganlib import penalties
from ganlib.densities import Mixture, ring
from ganlib.models import Flow, MLPCritic
from ganlib.training import alternate
from ganlib.worlds import WIDTHS, WorldCritic, draw, sample, select

BED = {"rate": 3e-3, "beta1": 0.5, "sd": 0.1, "scale": 1.0}
MODULES = ["densities", "losses.nonsaturating_d", "losses.nonsaturating_g", "losses.wasserstein_d"]
MODULES += ["losses.wasserstein_g", "metrics.modes", "models/flow", "models/mlp", "penalties", "training.alternate"]
MODULES += ["worlds"]


def bed(S, g):
    """S times the bed, written as worlds: of these only data, rate and momentum count."""
    worlds = draw(S, generator=g)
    same = {name: torch.full_like(getattr(worlds, name), value) for name, value in BED.items()}
    return worlds._replace(**same)


def noise(S, n, g):
    return torch.randn(S, n, 2, generator=g, device=g.device)


def by_likelihood(flow, worlds, streams, turns):
    """Descend the mean of −log q on fresh points."""
    (mover,), (decay,) = movers(worlds, (flow,), (1,), turns)
    for _ in range(turns):
        loss = -flow.log_prob(sample(worlds, 64, generator=streams["data"])).mean(-1)
        mover.zero_grad()
        loss.sum().backward()
        mover.step()
        decay.step()


def by_game(flow, D, worlds, streams, turns, *, pair, d_steps=1, weight=None):
    """Play the flow as G."""
    (move_D, move_G), decays = movers(worlds, (D, flow), (1, 1), turns)

    def charge(D, real, fake):
        return weight * penalties.gradient_penalty(D, real, fake, generator=streams["penalty"])

    options = pair_of(pair) | {"optimizer_D": move_D, "optimizer_G": move_G, "d_steps": d_steps}
    options |= {"penalty": charge} if weight else {}
    batches = (sample(worlds, 64, generator=streams["data"]) for _ in range(turns * d_steps))
    for _ in alternate(flow, D, batches, lambda shape: noise(*shape, streams["z"]), **options):
        for decay in decays:
            decay.step()


GAMES = {
    "GAN": {"pair": "nonsaturating"},
    "WGAN-GP, 3 steps of D": {"pair": "wasserstein", "d_steps": 3, "weight": 1.0},
}


def log_p(worlds, x):
    """Exact log-density of the data at points (S, n, 2), in double precision."""
    each = zip(x.cpu().double(), worlds.sd.tolist(), worlds.scale.tolist(), strict=True)
    return torch.stack(
        [ring(sd).log_prob(points / scale) - 2 * torch.tensor(scale).log() for points, sd, scale in each]
    )


def steepness(flow, z):
    """The largest and the smallest stretch of the map at points z, (S, n, 2)."""
    z = z.clone().requires_grad_()
    x = flow(z)
    rows = [torch.autograd.grad(x[..., k].sum(), z, retain_graph=True)[0] for k in range(2)]  # points do not meet
    return torch.linalg.svdvals(torch.stack(rows, -2)).unbind(-1)


def memorised(worlds, streams, many):
    """The mixture: fresh points, log q there, and samples."""
    train, chosen, held = (sample(worlds, n, generator=streams["data"]).cpu().double() for n in (many, 500, POINTS))
    log_q, made = [], []
    for points, other, fresh, sd in zip(train, chosen, held, (worlds.sd * worlds.scale).tolist(), strict=True):
        tried = [
            Mixture(points, torch.full((many,), k * sd), torch.full((many,), 1 / many)) for k in (0.1, 0.2, 0.3, 0.5)
        ]
        best = max(tried, key=lambda law: law.log_prob(other).mean())
        log_q.append(best.log_prob(fresh))
        made.append(best.sample((POINTS,), generator=streams["test"], dtype=torch.float64).cpu())
    return held, torch.stack(log_q), torch.stack(made)


def one(worlds, streams, trained, turns, *, of_the_bed):
    """Samples, nats over the data's own, and the stretches, of S members."""
    S = len(worlds.sd)
    if trained == "memorised":
        held, log_q, made = memorised(worlds, streams, 2000 if turns == TURNS else 20)
        steep = torch.full((2, S), torch.nan, dtype=torch.float64)
        return made, (log_p(worlds, held) - log_q).mean(-1), steep
    flow = Flow(couplings=8, units=32, seeds=S, generator=streams["weights of G"])
    if trained == "likelihood":
        by_likelihood(flow, worlds, streams, turns)
    elif trained != "nothing":
        how = {"generator": streams["weights of D"]}
        D = MLPCritic((2, 32, 32), seeds=S, **how) if of_the_bed else WorldCritic(worlds, **how)
        by_game(flow, D, worlds, streams, turns, **GAMES[trained])
    flow, test = flow.double(), streams["test"]
    held, z = sample(worlds, POINTS, generator=test).double(), noise(S, POINTS, test).double()
    most, least = (stretch.detach().cpu() for stretch in steepness(flow, z))
    with torch.no_grad():
        nats = (log_p(worlds, held) - flow.log_prob(held).cpu()).mean(-1)
        return flow(z).cpu(), nats, torch.stack([most.amax(-1), (most / least).amax(-1)])


def trial(case, S, _, small):
    """All seeds of the bed, or all worlds of a draw."""
    turns, where = 2 if small else TURNS, case["where"]
    seed = 500_000 if where == "bed" else 1_000_000 * (case["draw"] + 1)
    worlds = bed(S, ganlib.rng(seed)) if where == "bed" else draw(S, generator=ganlib.rng(100_000 * (case["draw"] + 1)))
    groups = [torch.arange(S)] if where == "bed" else [(worlds.width == w).nonzero().flatten() for w in WIDTHS]
    made, nats, steep = torch.zeros(S, POINTS, 2).double(), torch.zeros(S).double(), torch.zeros(2, S).double()
    for number, index in enumerate(index for index in groups if len(index)):
        streams = {name: ganlib.rng(seed + 100 * number + k) for k, name in enumerate(STREAMS)}
        some = select(worlds, index.to(worlds.sd.device))
        found = one(some, streams, case["trained"], turns, of_the_bed=where == "bed")
        at = index.cpu()
        made[at], nats[at], steep[:, at] = found
    drawn = {k: [f"{v:.5g}" for v in getattr(worlds, k).tolist()] for k in BED}
    told = {"nats": nats, "steepest": steep[0], "condition": steep[1]}
    return {k: [f"{v:.5g}" for v in values.tolist()] for k, values in told.items()} | columns(made, worlds) | drawn


WAYS = ("likelihood", *GAMES, "memorised", "nothing")
PLACES = (("bed", 0), ("worlds", 0), ("worlds", 1))
CASES = [{"where": where, "draw": number, "trained": way} for where, number in PLACES for way in WAYS]


if __name__ == "__main__":
    main("flows", CASES, trial, modules=MODULES, seeds=64, block=64)
