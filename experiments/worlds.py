"""Games in the same 64 worlds, and in 64 more; with a floor, a ceiling, and the data themselves.

A world is a setting: gains, slopes, width, z, rate, momentum, data (`ganlib.worlds`). What can be the same for two
games is the same: the worlds, the first weights, the stream of the data, the stream of z. Worlds of one width are
played together, which is the same game as all at once at half the price.
"""

from __future__ import annotations

import math

import torch
from cures import GAMES as CURES
from cures import feature_matching
from table import main
from torch import nn

import ganlib
from ganlib import losses, metrics, penalties
from ganlib.densities import ring
from ganlib.models import Packed
from ganlib.training import alternate
from ganlib.worlds import WIDTHS, Adam, WorldCritic, WorldGenerator, draw, noise, sample, select

TURNS, BATCH, POINTS, MODES = 2500, 64, 2500, 8
STREAMS = ("weights of G", "weights of D", "data", "z", "penalty", "test")
LOSSES = ("hinge", "least_squares", "minimax", "nonsaturating", "relativistic", "wasserstein")
MODULES = [f"losses.{game}_{player}" for game in LOSSES for player in "dg"]
MODULES += ["densities", "metrics.modes", "models/joint", "models/mlp", "penalties"]
MODULES += ["training.alternate", "training.unrolled", "worlds"]


def pair_of(name):
    return {"loss_D": getattr(losses, f"{name}_d"), "loss_G": getattr(losses, f"{name}_g")}


def clipped(strength, G, D, g):
    return pair_of("wasserstein") | {"after_D": lambda D: penalties.clip_weights(D, strength)}


def features_added(strength, G, D, g):
    """The plain game; G also matches the mean of what D's last hidden layer says."""

    def both(D, x, fake):
        *layers, last = D
        return lambda points: torch.cat([h := nn.Sequential(*layers)(points), last(h)], -1)

    def cost(real, fake):
        matched = feature_matching(real[..., :-1], fake[..., :-1])
        return losses.nonsaturating_g(None, fake[..., -1]) + strength * matched

    return {"loss_G": cost, "look_ahead": both, "pair": True}


GAMES = {  # where it is not the plain game; `how` is told the strength
    "plain": {},
    "D's rate × 1/4": {"rate_D": 0.25},
    "G's rate × 1/4": {"rate_G": 0.25},
    "2 steps of G": {"g_steps": 2},
    "5 steps of G": {"g_steps": 5},
    "5 steps of D": {"d_steps": 5},
    "minimax": pair_of("minimax"),
    "least squares": pair_of("least_squares"),
    "hinge": pair_of("hinge"),
    "R1": {"how": CURES["R1"]},
    "relativistic, R1 + R2": {"how": CURES["relativistic, R1 + R2"]},
    "WGAN-GP": {"how": CURES["WGAN-GP"]},
    "WGAN-GP, 3 steps of D": {"how": CURES["WGAN-GP"], "d_steps": 3},
    "clipping": {"how": clipped},
    "clipping, 3 steps of D": {"how": clipped, "d_steps": 3},
    "spectral norm": {"critic": {"spectral_norm": True}},
    "packing": {"critic": {"points": 2}},
    "minibatch discrimination": {"critic": {"kernels": 4}},
    "unrolling": {"how": CURES["unrolling"]},
    "feature matching added": {"how": features_added},
    "feature matching alone": {"how": CURES["feature matching"]},
    "historical averaging": {"how": CURES["historical averaging"]},
}


def movers(worlds, nets, rates, turns):
    """An optimizer a network, and what lets its rates fade to zero."""
    how = {"beta1": worlds.beta1}
    optimizers = [Adam(net.parameters(), rate=rate * worlds.rate, **how) for net, rate in zip(nets, rates, strict=True)]
    decays = [torch.optim.lr_scheduler.LinearLR(o, 1, 0.0, total_iters=turns) for o in optimizers]
    return optimizers, decays


def to_the_end(worlds, streams, nets, optimizers, decays, turns, **options):
    """Play the game of G and D in each world; which are alive at its end."""
    steps, moves = turns * options.get("d_steps", 1), dict(zip(("optimizer_G", "optimizer_D"), optimizers, strict=True))
    batches = (sample(worlds, BATCH, generator=streams["data"]) for _ in range(steps))
    alive = torch.ones(len(worlds.rate), dtype=torch.bool)

    def z(shape):
        return noise(worlds, shape[1], generator=streams["z"])

    try:
        for step in alternate(*nets, batches, z, **moves, **options):
            alive = step.alive.expand(len(alive))
            for decay in decays:
                decay.step()
    except FloatingPointError:
        alive = torch.zeros_like(alive)
    return alive


def play(worlds, streams, turns, strength, *, how=None, critic=None, rate_G=1, rate_D=1, **options):
    """A GAN a world; G and which are alive."""
    G, critic = WorldGenerator(worlds, generator=streams["weights of G"]), critic or {}
    D = WorldCritic(worlds, generator=streams["weights of D"], **critic)
    D = Packed(D, critic["points"]) if "points" in critic else D
    (move_D, move_G), decays = movers(worlds, (D, G), (rate_D, rate_G), turns)
    more = how(strength, G, D, streams["penalty"]) if how else {}
    options = pair_of("nonsaturating") | options | more
    alive = to_the_end(worlds, streams, (G, D), (move_G, move_D), decays, turns, **options)
    return G, alive


def mean_distance(x, y):
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").mean((-2, -1))


def energy(x, y):
    """Unbiased energy distance between points (S, n, 2), up to what x does not change."""
    return 2 * mean_distance(x, y) - x.shape[-2] / (x.shape[-2] - 1) * mean_distance(x, x)


def descend(worlds, streams, turns, rate):
    """No critic: G goes down the energy distance from its batch to the data's."""
    G = WorldGenerator(worlds, generator=streams["weights of G"])
    (optimizer,), (decay,) = movers(worlds, (G,), (rate,), turns)
    for _ in range(turns):
        made = G(noise(worlds, BATCH, generator=streams["z"]))
        optimizer.zero_grad()
        energy(made, sample(worlds, BATCH, generator=streams["data"])).sum().backward()
        optimizer.step()
        decay.step()
    return G, torch.stack([p.flatten(1).isfinite().all(-1) for p in G.parameters()]).all(0)


def circle(worlds, g):
    """Points that know the ring and none of its modes."""
    angle = 2 * math.pi * torch.rand(len(worlds.sd), POINTS, generator=g, device=g.device)
    return 2 * worlds.scale[:, None, None].to(angle) * torch.stack([angle.cos(), angle.sin()], -1)


def points(worlds, streams, turns, game, strength):
    """What a game's generators make in these worlds, (S, 2500, 2), and which are alive."""
    test, alive = streams["test"], torch.ones(len(worlds.rate), dtype=torch.bool)
    if game == "data":
        return sample(worlds, POINTS, generator=test), alive
    if game == "uniform on the circle":
        return circle(worlds, test), alive
    if game == "energy distance":
        G, alive = descend(worlds, streams, turns, strength)
    else:
        G, alive = play(worlds, streams, turns, strength, **GAMES[game])
    with torch.no_grad():
        return G(noise(worlds, POINTS, generator=test)), alive.cpu()


def columns(made, worlds):
    """How samples (S, n, 2) sit on the modes of their worlds, in units where the radius is 2: S values a column."""
    x = made.nan_to_num(nan=1e3).clamp(-1e3, 1e3).cpu().double() / worlds.scale.cpu()[:, None, None]
    sd, centres = worlds.sd.cpu(), ring(1.0).centres
    one = [metrics.modes(points, centres, s) for points, s in zip(x, sd.tolist(), strict=True)]
    captured, m10, near, reverse_kl = (torch.stack(values).tolist() for values in zip(*one, strict=True))
    cell = nn.functional.one_hot(torch.cdist(x, centres).argmin(-1), MODES).double()  # (S, n, 8)
    mean = cell.mT @ x / cell.sum(-2).clamp(min=1).unsqueeze(-1)
    within = ((x - cell @ mean).square().sum(-1).mean(-1) / 2).sqrt()  # about the mean of the points nearest to a mode
    return {
        "captured": [int(v) for v in captured],
        "m10": [int(v) for v in m10],
        "near": [f"{v:.4f}" for v in near],
        "spread": [f"{v:.4f}" for v in (within / sd).tolist()],
        "reverse_kl": [f"{v:.4f}" for v in reverse_kl],
    }


def factors(worlds):
    """The worlds themselves, as columns."""
    return {name: [f"{v:.5g}" for v in values.tolist()] for name, values in worlds._asdict().items()}


def drawn(S, number, make, *, streams=STREAMS, apart=0):
    """Worlds of a draw, and what is made in each: tensors (S, ...). Those of one width are played together.

    The streams hang on the draw and the width alone, so they serve every game; runs that are apart have others.
    """
    seed = 100_000 * (number + 1)
    worlds, found = draw(S, generator=ganlib.rng(seed)), {}
    for width in WIDTHS:
        if len(index := (worlds.width == width).nonzero().flatten()):
            some = {name: ganlib.rng(seed + apart + 100 * width + k) for k, name in enumerate(streams)}
            for k, values in enumerate(make(select(worlds, index), some)):
                values = values.float().cpu() if values.is_floating_point() else values.cpu()
                found.setdefault(k, values.new_zeros(S, *values.shape[1:]))[index.cpu()] = values
    return worlds, *found.values()


def trial(case, S, _, small):
    """All worlds of a draw."""
    how = 2 if small else TURNS, case["game"], case["strength"]
    worlds, made, alive = drawn(S, case["draw"], lambda some, streams: points(some, streams, *how))
    return columns(made, worlds) | {"alive": alive.tolist()} | factors(worlds)


ORDER = [
    *(("data", ""), ("uniform on the circle", ""), ("plain", ""), ("D's rate × 1/4", ""), ("2 steps of G", "")),
    *(("minimax", ""), ("WGAN-GP, 3 steps of D", 1.0), ("R1", 1.0), ("5 steps of D", ""), ("WGAN-GP", 1.0)),
    *(("minibatch discrimination", ""), ("packing", ""), ("feature matching added", 1.0)),
    *(("feature matching alone", ""), ("energy distance", 1.0), ("energy distance", 4.0), ("unrolling", 0.1)),
    *(("relativistic, R1 + R2", 1.0), ("historical averaging", 0.1), ("spectral norm", ""), ("5 steps of G", "")),
    *(("least squares", ""), ("hinge", ""), ("clipping", 0.1), ("clipping, 3 steps of D", 0.1)),
    *(("G's rate × 1/4", ""), ("R1", 0.1), ("R1", 10.0), ("WGAN-GP", 0.1), ("WGAN-GP", 10.0)),
    *(("WGAN-GP, 3 steps of D", 0.1), ("WGAN-GP, 3 steps of D", 10.0)),
    *(("relativistic, R1 + R2", 0.1), ("relativistic, R1 + R2", 10.0)),
    *(("clipping", 0.01), ("clipping, 3 steps of D", 0.01)),
]
CASES = [{"game": game, "strength": strength, "draw": number} for game, strength in ORDER for number in (0, 1)]


if __name__ == "__main__":
    main("worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
