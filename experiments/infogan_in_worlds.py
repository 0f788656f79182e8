"""InfoGAN in the 128 worlds of `worlds`: the generator is told a code too, and is paid for what Q knows of it, or not.

A value of the code moves z by a learnt step; Q has the worlds' critic's hidden layers. Q always learns, from points
that it cannot change. All else is the plain game. `bound`: what Q knows, in nats; `with_mode`: mutual information of
the code and the nearest mode; *by chance*: the same with the codes of other points; purity: share of the commonest
mode of each value.
"""

from __future__ import annotations

import math

import torch
from table import main
from torch import nn
from torch.nn.functional import one_hot
from worlds import BATCH, MODES, POINTS, TURNS, columns, drawn, factors, movers

from ganlib import losses
from ganlib.densities import ring
from ganlib.models import BatchedLinear
from ganlib.worlds import LATENTS, WorldCritic, WorldGenerator, noise, sample

STREAMS = ("weights of G", "weights of D", "data", "z", "weights of Q", "test")
MODULES = ["densities", "losses.nonsaturating_d", "losses.nonsaturating_g", "metrics.modes", "models/mlp", "worlds"]


class Coded(nn.Module):
    """The worlds' generator; each value of the code has a place in the space of z."""

    def __init__(self, worlds, values, generator):
        super().__init__()
        self.net = WorldGenerator(worlds, generator=generator)
        shape = len(worlds.rate), values, max(LATENTS)
        self.place = nn.Parameter(torch.randn(shape, generator=generator, device=generator.device))
        there = torch.arange(max(LATENTS)) < worlds.latent.cpu()[:, None]
        self.register_buffer("there", there[:, None].to(generator.device))

    def forward(self, z, c):
        """Noise (S, n, 8) and codes (S, n) to points (S, n, 2)."""
        place = self.place.gather(1, c[..., None].expand(-1, -1, z.shape[-1]))
        return self.net((z + place) * self.there)


class Reader(nn.Module):
    """Points (S, n, 2) to the logs of Q's chances of each value, (S, n, K)."""

    def __init__(self, worlds, values, generator):
        super().__init__()
        *hidden, _ = WorldCritic(worlds, generator=generator)
        self.hidden = nn.Sequential(*hidden)
        how = {"seeds": len(worlds.rate), "generator": generator}
        self.last = BatchedLinear(int(worlds.width.max()), values, **how)

    def forward(self, x):
        """Of each value."""
        return self.last(self.hidden(x)).log_softmax(-1)


def known(Q, x, c):
    """A lower bound of what points tell of their codes, in nats: (S,)."""
    log_q = Q(x)
    return log_q.gather(-1, c[..., None]).mean((-2, -1)) + math.log(log_q.shape[-1])


def play(worlds, streams, turns, pay, values):
    """Points, their codes, what Q knows, and which worlds are alive."""
    S, g = len(worlds.rate), streams["z"]
    G, Q = Coded(worlds, values, streams["weights of G"]), Reader(worlds, values, streams["weights of Q"])
    D = WorldCritic(worlds, generator=streams["weights of D"])
    moves, decays = movers(worlds, (D, G, Q), (1, 1, 1), turns)

    def drawn_codes(n, g):
        return torch.randint(values, (S, n), generator=g, device=g.device)

    def step(mover, loss):
        mover.zero_grad()
        loss.sum().backward()
        mover.step()

    for _ in range(turns):
        c = drawn_codes(BATCH, g)
        fake = G(noise(worlds, BATCH, generator=g), c)
        still = fake.detach()
        step(moves[0], losses.nonsaturating_d(D(sample(worlds, BATCH, generator=streams["data"])), D(still)))
        step(moves[1], losses.nonsaturating_g(None, D(fake)) - pay * known(Q, fake, c))
        step(moves[2], -known(Q, still, c))
        for decay in decays:
            decay.step()
    with torch.no_grad():
        c = drawn_codes(POINTS, streams["test"])
        x = G(noise(worlds, POINTS, generator=streams["test"]), c)
        return x, c, known(Q, x, c), x.flatten(1).isfinite().all(-1)


def joint(c, x, worlds, values):
    """Shares of points by code and nearest mode, (S, K, 8)."""
    x = x.nan_to_num(nan=1e3).double().cpu() / worlds.scale.cpu()[:, None, None]
    mode = torch.cdist(x, ring(1.0).centres).argmin(-1)
    return one_hot(c.cpu(), values).double().mT @ one_hot(mode, MODES).double() / POINTS


def shared(joint):
    """Mutual information in nats, (S,)."""
    apart = joint.sum(-1, keepdim=True) * joint.sum(-2, keepdim=True)
    return torch.special.xlogy(joint, joint / apart.clamp(min=1e-300)).sum((-2, -1))


@torch.enable_grad()
def trial(case, S, _, small):
    """All worlds of a draw."""
    how = 2 if small else TURNS, case["pay"], case["values"]
    worlds, x, c, bound, alive = drawn(
        S, case["draw"], lambda some, streams: play(some, streams, *how), streams=STREAMS
    )
    true, other = joint(c, x, worlds, case["values"]), joint(c.roll(1, 1), x, worlds, case["values"])
    told = {"bound": bound, "with_mode": shared(true), "by_chance": shared(other), "purity": true.amax(-1).sum(-1)}
    found = {name: [f"{v:.4f}" for v in values.tolist()] for name, values in told.items()}
    return found | columns(x, worlds) | {"alive": alive.tolist()} | factors(worlds)


ARMS = ((0.0, 8), (1.0, 8), (1.0, 4), (1.0, 12))
CASES = [{"pay": pay, "values": values, "draw": number} for pay, values in ARMS for number in (0, 1)]


if __name__ == "__main__":
    main("infogan_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
