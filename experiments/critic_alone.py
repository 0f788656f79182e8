"""A critic without a generator, in the worlds of `worlds`: it draws by changing the negatives that it is shown.

In each of 60 rounds D makes 40 steps, data against 512 negatives, and then the negatives are replaced. Ways to do so:
the better half, twice; the same with a jitter of a fortieth of the radius; drawn by their odds e^D, without and with
it; 60 steps up D from fresh uniform points; and the last with noise, D being shown the negatives of ten rounds.
*fixed*: D makes its 2,400 steps against uniform points and then stands still; on it climb points, and a generator.
*far*: negatives lie in the middle only; how much of the rim, a circle beyond the data where nothing ever lies, does D
call real? *shown*: half of the negatives lie on the right half of the rim. `real` is the share that D calls real of the
points on the right, `real_left` of those on the left.
"""

from __future__ import annotations

import math

import torch
from table import main
from worlds import BATCH, POINTS, circle, columns, drawn, factors, movers

from ganlib import losses
from ganlib.worlds import WorldCritic, WorldGenerator, noise, sample

ROUNDS, STEPS, HELD, CLIMB, STEP = 60, 40, 512, 60, 0.01
JITTER, NOISE, BOX = 0.05, 0.03, 4.0
STREAMS = ("weights of D", "weights of G", "data", "negatives", "z", "test")
MODULES = ["densities", "losses.nonsaturating_d", "losses.nonsaturating_g", "metrics.modes", "worlds"]


def size(worlds):
    """The unit of a world, to be multiplied by points (S, n, 2)."""
    return worlds.scale[:, None, None].float()


def anywhere(worlds, n, g):
    """Uniform points of the square of side 8."""
    return size(worlds) * BOX * (2 * torch.rand(len(worlds.sd), n, 2, generator=g, device=g.device) - 1)


def rim(worlds, n, g):
    """Points of the circle of radius 3.9, beyond the data."""
    angle = 2 * math.pi * torch.rand(len(worlds.sd), n, generator=g, device=g.device)
    return 3.9 * size(worlds) * torch.stack([angle.cos(), angle.sin()], -1)


def taken(x, index):
    return x.gather(1, index[..., None].expand(-1, -1, 2))


def climbed(D, x, worlds, g, jitter=0.0):
    """Steps up D; points stay in the square."""
    wall = BOX * size(worlds)
    for _ in range(CLIMB):
        (slope,) = torch.autograd.grad(D(x.requires_grad_()).sum(), x)
        x = x.detach() + STEP * size(worlds) ** 2 * slope
        x = x + jitter * size(worlds) * torch.randn(x.shape, generator=g, device=g.device)
        x = torch.minimum(torch.maximum(x, -wall), wall)
    return x


def better_half(D, x, worlds, g):
    return taken(x, D(x).topk(HELD // 2).indices.repeat(1, 2))


def jittered(x, worlds, g):
    return x + JITTER * size(worlds) * torch.randn(x.shape, generator=g, device=g.device)


def better_half_with_jitter(D, x, worlds, g):
    return jittered(better_half(D, x, worlds, g), worlds, g)


def by_odds(D, x, worlds, g):
    return taken(x, torch.multinomial(D(x).softmax(-1), HELD, replacement=True, generator=g))


def by_odds_with_jitter(D, x, worlds, g):
    return jittered(by_odds(D, x, worlds, g), worlds, g)


def climbing(D, x, worlds, g):
    return climbed(D, anywhere(worlds, HELD, g), worlds, g)


def climbing_with_noise(D, x, worlds, g):
    return climbed(D, anywhere(worlds, HELD, g), worlds, g, NOISE)


WAYS = {
    "better half": better_half,
    "better half, jitter": better_half_with_jitter,
    "by odds": by_odds,
    "by odds, jitter": by_odds_with_jitter,
    "climbing": climbing,
    "climbing, noise, ten rounds kept": climbing_with_noise,
}


def learn(D, worlds, streams, steps, negatives):
    """A generator: D makes a step at each `next`, against a batch of what `negatives` says."""
    (mover,), (decay,) = movers(worlds, (D,), (1,), steps)
    for _ in range(steps):
        mover.zero_grad()
        real = sample(worlds, BATCH, generator=streams["data"])
        losses.nonsaturating_d(D(real), D(negatives())).sum().backward()
        mover.step()
        decay.step()
        yield


def from_pool(pool, g):
    return taken(pool, torch.randint(pool.shape[1], (len(pool), BATCH), generator=g, device=g.device))


def alone(worlds, streams, way, rounds, steps):
    """The negatives of the last round."""
    D, g = WorldCritic(worlds, generator=streams["weights of D"]), streams["negatives"]
    kept = [anywhere(worlds, HELD, g)]
    learning = learn(D, worlds, streams, rounds * steps, lambda: from_pool(torch.cat(kept, 1), g))
    for _ in range(rounds):
        for _ in range(steps):
            next(learning)
        fresh = WAYS[way](D, kept[-1], worlds, g).detach()
        kept = [*kept, fresh][-10 if "kept" in way else -1 :]
    return D, kept[-1]


def on_fixed(worlds, streams, way, steps, turns):
    """What climbs a D that stands still: points, or a generator."""
    D, g = WorldCritic(worlds, generator=streams["weights of D"]), streams["negatives"]
    for _ in learn(D, worlds, streams, steps, lambda: anywhere(worlds, BATCH, g)):
        pass
    if way == "fixed: climbing":
        return D, climbed(D, anywhere(worlds, POINTS, g), worlds, g)
    G = WorldGenerator(worlds, generator=streams["weights of G"])
    (mover,), _ = movers(worlds, (G,), (1,), turns)
    for _ in range(turns if way == "fixed: generator" else 0):
        mover.zero_grad()
        losses.nonsaturating_g(None, D(G(noise(worlds, BATCH, generator=streams["z"])))).sum().backward()
        mover.step()
    return D, G(noise(worlds, POINTS, generator=streams["test"]))


def in_the_middle(worlds, streams, way, steps):
    """D after negatives that lie in the middle, half of them right on the rim if it is shown; points of the rim."""
    D, g = WorldCritic(worlds, generator=streams["weights of D"]), streams["negatives"]

    def negatives():
        middle = 0.3 * size(worlds) * torch.randn(len(worlds.sd), BATCH, 2, generator=g, device=g.device)
        if way == "far":
            return middle
        x, y = rim(worlds, BATCH // 2, g).unbind(-1)
        return torch.cat([middle[:, ::2], torch.stack([x.abs(), y], -1)], 1)

    for _ in learn(D, worlds, streams, steps, negatives):
        pass
    return D, rim(worlds, POINTS, streams["test"])


@torch.enable_grad()
def made(worlds, streams, way, small):
    """D, or none, and the points of a way."""
    rounds, steps, turns = (1, 2, 2) if small else (ROUNDS, STEPS, 500)
    if way == "data":
        return None, sample(worlds, POINTS, generator=streams["test"])
    if way == "circle":
        return None, circle(worlds, streams["test"])
    if way == "anywhere":
        return None, anywhere(worlds, POINTS, streams["test"])
    if way in WAYS:
        return alone(worlds, streams, way, rounds, steps)
    if way.startswith("fixed"):
        return on_fixed(worlds, streams, way, rounds * steps, turns)
    return in_the_middle(worlds, streams, way, rounds * steps)


def trial(case, S, _, small):
    """All worlds of a draw."""

    def played(worlds, streams):
        D, x = made(worlds, streams, case["way"], small)
        with torch.no_grad():
            logit = D(x) if D else torch.full(x.shape[:2], torch.nan)
        right, real = x[..., 0] > 0, logit > 0
        halves = [(real & half).sum(-1) / half.sum(-1).clamp(min=1) for half in (right, ~right)]
        return x.detach(), logit.mean(-1), *halves

    worlds, x, *told = drawn(S, case["draw"], played, streams=STREAMS)
    told = {n: [f"{v:.4f}" for v in t.tolist()] for n, t in zip(("logit", "real", "real_left"), told, strict=True)}
    return columns(x, worlds) | told | factors(worlds)


NULLS = ("data", "circle", "anywhere")
FIXED = ("fixed: climbing", "fixed: generator", "fixed: untrained")
CASES = [{"way": way, "draw": k} for way in (*NULLS, *WAYS, *FIXED, "far", "shown") for k in (0, 1)]


if __name__ == "__main__":
    main("critic_alone", CASES, trial, modules=MODULES, seeds=64, block=64)
