"""Two models trained by likelihood, in the 128 worlds of `worlds`: a VAE, and a fully visible belief network.

The VAE's decoder is the worlds' generator; its encoder has the worlds' critic's hidden layers, and 16 numbers at the
end. The sd of the decoder's noise is learnt, one for all points. The belief network sees a point as 2 times 8 bits,
its cell: the coarse bits of both coordinates first. Its one hidden layer has twice the worlds' width, and its weights
the worlds' gain. Batches, turns, rate and momentum are those of the games.
"""

from __future__ import annotations

import math

import torch
from families import CELLS, HALF, to_bits
from table import main
from torch import nn
from worlds import BATCH, POINTS, TURNS, columns, drawn, factors, movers

from ganlib.models import MADE, BatchedLinear
from ganlib.models.vae import kl_from_prior, log_normal, reparametrised
from ganlib.worlds import LATENTS, WorldCritic, WorldGenerator, noise, sample

STREAMS = ("weights", "encoder", "data", "z", "test")
MODULES = ["densities", "metrics.modes", "models/autoregressive", "models/mlp", "models/vae", "worlds"]


class Coder(nn.Module):
    """Mean and log-sd of the code of each point; the codes that a world does not have cost nothing."""

    def __init__(self, worlds, generator):
        super().__init__()
        *hidden, _ = WorldCritic(worlds, generator=generator)
        self.hidden = nn.Sequential(*hidden)
        how = {"seeds": len(worlds.rate), "generator": generator}
        self.last = BatchedLinear(int(worlds.width.max()), 2 * max(LATENTS), **how)
        self.there = (torch.arange(max(LATENTS)) < worlds.latent.cpu()[:, None])[:, None].to(generator.device)

    def forward(self, x):
        """Points (S, n, 2) to means and log-sds, (S, n, 8) each."""
        mean, log_sd = self.last(self.hidden(x)).chunk(2, -1)
        return mean * self.there, log_sd * self.there


class Decoder(nn.Module):
    """The worlds' generator, with noise that is learnt."""

    def __init__(self, worlds, generator):
        super().__init__()
        self.mean = WorldGenerator(worlds, generator=generator)
        start = (0.22 * worlds.scale).log().float().view(-1, 1, 1).to(generator.device)
        self.log_sd = nn.Parameter(start)

    def log_prob(self, x, z):
        """Of points, given their codes."""
        mean = self.mean(z)
        return log_normal(x, mean, self.log_sd.expand_as(mean))


def descend(nets, worlds, turns, loss):
    """Move all networks by the worlds' own Adams."""
    both = nn.ModuleList(nets)
    (optimizer,), (decay,) = movers(worlds, (both,), (1,), turns)
    for _ in range(turns):
        optimizer.zero_grad()
        loss().sum().backward()
        optimizer.step()
        decay.step()
    return torch.stack([p.flatten(1).isfinite().all(-1) for p in both.parameters()]).all(0)


def vae(worlds, streams, turns):
    """Points from codes of the prior, with the decoder's noise."""
    decoder, encoder = Decoder(worlds, streams["weights"]), Coder(worlds, streams["encoder"])

    def loss():
        x = sample(worlds, BATCH, generator=streams["data"])
        mean, log_sd = encoder(x)
        z = reparametrised(mean, log_sd, generator=streams["z"]) * encoder.there
        return (kl_from_prior(mean, log_sd) - decoder.log_prob(x, z)).mean(-1)

    alive = descend([decoder, encoder], worlds, turns, loss)
    with torch.no_grad():
        made = decoder.mean(noise(worlds, POINTS, generator=streams["test"]))
        e = torch.randn(made.shape, generator=streams["test"], device=made.device)
        return made + decoder.log_sd.exp() * e, alive


def belief(worlds, streams, turns):
    """Points even within the cells that the network draws."""
    S, scale = len(worlds.rate), worlds.scale.view(-1, 1, 1).to(streams["data"].device)
    order = [k + 8 * c for k in range(8) for c in (0, 1)]
    net = MADE(16, (2 * int(worlds.width.max()),), order=order, seeds=S, generator=streams["weights"])
    gain = (math.sqrt(3) * worlds.gain_G).float().view(-1, 1, 1)
    for layer in net.layers:
        layer.weight.data *= gain.to(layer.weight)

    def loss():
        x = sample(worlds, BATCH, generator=streams["data"])
        return -net.log_prob(to_bits((x / scale).float())).mean(-1)

    alive = descend([net], worlds, turns, loss)
    bits = net.sample(POINTS, generator=streams["test"])
    cell = (bits.unflatten(-1, (2, 8)) * 2 ** torch.arange(7, -1, -1, device=bits.device)).sum(-1)
    u = torch.rand(cell.shape, generator=streams["test"], device=cell.device)
    return ((cell + u) / CELLS * 2 * HALF - HALF) * scale, alive


MODELS = {"VAE": vae, "belief network": belief}


def trial(case, S, _, small):
    """All worlds of a draw."""
    make, turns = MODELS[case["model"]], 2 if small else TURNS
    worlds, made, alive = drawn(S, case["draw"], lambda *told: make(*told, turns), streams=STREAMS)
    return columns(made, worlds) | {"alive": alive.tolist()} | factors(worlds)


CASES = [{"model": model, "draw": number} for model in MODELS for number in (0, 1)]


if __name__ == "__main__":
    main("likelihoods_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
