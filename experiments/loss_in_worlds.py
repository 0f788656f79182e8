"""Does a loss follow the distance in random worlds? Six games: rank correlations with exact W1, and how each ends.

The worlds, the first weights and the streams are those of `worlds.py`, so a game here ends as it does there. Along each
run two clocks stand beside the loss: the number of the turn, which knows nothing of the samples, and a second sample of
the distance, which knows as much as a sample of that size can.
"""

from __future__ import annotations

import torch
from scipy.stats import spearmanr
from table import main
from worlds import STREAMS, columns, factors, movers, pair_of

import ganlib
from ganlib import penalties
from ganlib.divergences import transport
from ganlib.training import alternate
from ganlib.worlds import WIDTHS, WorldCritic, WorldGenerator, draw, noise, sample, select

TURNS, EVERY, WINDOW, BATCH, POINTS, TEST = 2500, 100, 50, 64, 256, 2500
GAMES = {  # a pair of losses, steps of D, weight of the penalty, bound of the weights
    "WGAN-GP, 1 step": ("wasserstein", 1, 1.0, None),
    "WGAN-GP, 3 steps": ("wasserstein", 3, 1.0, None),
    "WGAN-GP, 5 steps": ("wasserstein", 5, 1.0, None),
    "clipped, 3 steps": ("wasserstein", 3, None, 0.1),
    "non-saturating, 1 step": ("nonsaturating", 1, None, None),
    "non-saturating, 3 steps": ("nonsaturating", 3, None, None),
}
ORDER = ["WGAN-GP, 3 steps", "non-saturating, 1 step", "clipped, 3 steps", "WGAN-GP, 1 step"]
ORDER += ["non-saturating, 3 steps", "WGAN-GP, 5 steps"]
CASES = [{"game": game, "draw": number} for number in (0, 1) for game in ORDER]
MODULES = [f"losses.{game}_{player}" for game in ("nonsaturating", "wasserstein") for player in "dg"]
MODULES += ["densities", "divergences.transport", "metrics.modes", "models/mlp", "penalties"]
MODULES += ["training.alternate", "worlds"]


def restrained(name, weight, bound, g):
    """The losses and the constraint of a game, as `alternate` takes them; the penalty draws from g."""
    how = pair_of(name)
    if weight is not None:
        how["penalty"] = lambda D, real, fake: weight * penalties.gradient_penalty(D, real, fake, generator=g)
    if bound is not None:
        how["after_D"] = lambda D: penalties.clip_weights(D, bound)
    return how


def exact(made, real):
    """W1 of each world's two clouds, (S,)."""
    made = made.nan_to_num(nan=1e3).clamp(-1e3, 1e3)
    return torch.stack([transport(x, y).cost for x, y in zip(made, real, strict=True)])


def steepness(D, real, fake, g):
    """Mean norm of the critic's gradient between the clouds, (S,)."""
    u = torch.rand(*real.shape[:2], 1, generator=g, device=g.device)
    at = (u * real + (1 - u) * fake).detach().requires_grad_()
    return torch.autograd.grad(D(at).sum(), at)[0].norm(dim=-1).mean(-1)


def follow(worlds, streams, game, turns, every):
    """Play a game a world; what stood at each moment, (5, moments, S), G's test points, D's last slope, who is alive.

    At a moment stand: minus D's loss and G's loss, each a mean over the last turns; W1 on two samples; and minus D's
    loss on the second of them, at that moment alone.
    """
    name, steps, weight, bound = GAMES[game]
    G = WorldGenerator(worlds, generator=streams["weights of G"])
    D = WorldCritic(worlds, generator=streams["weights of D"])
    (move_D, move_G), decays = movers(worlds, (D, G), (1, 1), turns)
    how = restrained(name, weight, bound, streams["penalty"]) | {"d_steps": steps}
    batches = (sample(worlds, BATCH, generator=streams["data"]) for _ in range(turns * steps))
    look, recent, rows = streams["look"], [], []
    real = [sample(worlds, POINTS, generator=look) for _ in range(2)]
    z = [noise(worlds, POINTS, generator=look) for _ in range(2)]
    alive = torch.ones(len(worlds.rate), dtype=torch.bool)

    def looked():
        with torch.no_grad():
            made = [G(each) for each in z]
            now = -how["loss_D"](D(real[1]), D(made[1])).cpu().double()
        distances = [exact(a, b) for a, b in zip(made, real, strict=True)]
        return torch.stack([*torch.stack(recent).mean(0).cpu().double(), *distances, now])

    def fresh(shape):
        return noise(worlds, shape[1], generator=streams["z"])

    try:
        for step in alternate(G, D, batches, fresh, optimizer_D=move_D, optimizer_G=move_G, **how):
            recent = [*recent, torch.stack([-step.loss_D, step.loss_G])][-WINDOW:]
            alive = step.alive.expand(len(alive))
            for decay in decays:
                decay.step()
            if step.number % every == 0:
                rows.append(looked())
    except FloatingPointError:
        alive = torch.zeros_like(alive)
    with torch.no_grad():
        made, last = G(noise(worlds, TEST, generator=streams["test"])), G(z[0])
    rows += [torch.zeros(5, len(alive)).double()] * (turns // every - len(rows))  # nothing was seen there
    return torch.stack(rows, 1), made, steepness(D, real[0], last, look), alive.cpu()


def rank(a, b):
    """Spearman's rank correlation, world by world; 0 where one of the two does not move or is not finite."""
    fine = [x.std() > 0 and y.std() > 0 and bool((x + y).isfinite().all()) for x, y in zip(a.T, b.T, strict=True)]
    pairs = zip(fine, a.T, b.T, strict=True)
    return torch.tensor([float(spearmanr(x, y)[0]) if ok else 0.0 for ok, x, y in pairs], dtype=torch.float64)


def given(r_xy, r_xt, r_yt):
    """Partial correlation of x and y given t, of their three correlations; 0 where t says all of one of them."""
    rest = ((1 - r_xt**2) * (1 - r_yt**2)).clamp(min=0).sqrt()
    return torch.where(rest > 1e-9, (r_xy - r_xt * r_yt) / rest.clamp(min=1e-9), 0.0)


def correlations(moments):
    """Of the loss of D (a mean, and of the moment), of a second sample, of the turn and of G's loss with W1."""
    loss_D, loss_G, w1, again, now = moments
    clock = -torch.arange(len(w1)).double()[:, None].expand_as(w1)
    found = {"clock": rank(clock, w1), "rank_G": rank(loss_G, w1)}
    for name, x in (("rank", loss_D), ("again", again), ("now", now)):
        found[name] = rank(x, w1)
        found[f"{name}_given_turn"] = given(found[name], rank(x, clock), found["clock"])
        found[f"{name}_changes"] = rank(x.diff(dim=0), w1.diff(dim=0))
    return found


def trial(case, S, _, small):
    """All worlds of a draw, those of one width together, with the streams of `worlds.py` and one more to look with."""
    seed, turns, every = 100_000 * (case["draw"] + 1), *((8, 2) if small else (TURNS, EVERY))
    worlds = draw(S, generator=ganlib.rng(seed))
    made, alive = torch.zeros(S, TEST, 2), torch.zeros(S, dtype=torch.bool)
    moments, slope = torch.zeros(5, turns // every, S).double(), torch.zeros(S)
    for width in WIDTHS:
        if len(index := (worlds.width == width).nonzero().flatten()):
            streams = {name: ganlib.rng(seed + 100 * width + k) for k, name in enumerate((*STREAMS, "look"))}
            seen, x, steep, live = follow(select(worlds, index), streams, case["game"], turns, every)
            index = index.cpu()
            moments[..., index], made[index], slope[index], alive[index] = seen, x.cpu(), steep.cpu(), live
    ends = {"slope": slope, "estimate": moments[0, -1], "w1": moments[2, -1], "w1_again": moments[3, -1]}
    kept = {name: v for name, v in columns(made, worlds).items() if name in ("captured", "m10", "near")}
    found = {name: [f"{v:.4f}" for v in values.tolist()] for name, values in (correlations(moments) | ends).items()}
    return found | kept | {"alive": alive.tolist()} | factors(worlds)


if __name__ == "__main__":
    main("loss_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
