"""One decoder, trained as a VAE at several prices of its code, as an autoencoder, and as a GAN.

Data are grey glyphs of 16 pixels a side. Every network has two hidden layers of 128 and sees 2,000 batches of 64. The
Gaussian decoder's sd is the price: its mean is what is shown. Rows with bits are VAEs of binary glyphs and digits:
their bounds of K draws, in nats, on 1,000 pictures.
"""

from __future__ import annotations

import math

import torch
from pixels import source
from table import main

import ganlib
from ganlib import images, losses, metrics, penalties
from ganlib.models import VAE, MLPCritic
from ganlib.models.judge import judge
from ganlib.models.vae import kl_from_prior, log_normal
from ganlib.training import alternate

TURNS, BATCH, UNITS, RATE, R1 = 2000, 64, (128, 128), 1e-3, 5.0
DRAWS = (1, 10, 100, 1000)
COLUMNS = ("cost", "used", "error", "sharp_mean", "sharp_sample", "frechet", "frechet_noisy", "frechet_scaled")
COLUMNS += ("frechet_fitted", "nats_1", "nats_10", "nats_100", "nats_1000", "samples")
MODULES = ["images", "losses.nonsaturating_d", "losses.nonsaturating_g", "metrics.frechet_distance", "models/judge"]
MODULES += ["models/mlp", "models/vae", "penalties.r1", "training.alternate"]


def grey(S, n, g):
    """Fresh glyphs (S, n, 256), from -1 to 1."""
    return images.glyphs(S * n, 16, generator=g).images.view(S, n, 256)


def noise(S, n, k, g):
    return torch.randn(S, n, k, generator=g, device=g.device)


def descend(parameters, turns, loss):
    """Move by Adam at a rate that falls to zero."""
    mover = torch.optim.Adam(parameters, RATE, fused=True)
    decay = torch.optim.lr_scheduler.LinearLR(mover, 1, 0.0, total_iters=turns)
    for _ in range(turns):
        mover.zero_grad()
        loss().backward()
        mover.step()
        decay.step()


def as_vae(net, draw, g, turns):
    def loss():
        fit, cost = net.terms(draw(), generator=g)
        return (cost - fit).mean(-1).sum()

    descend(net.parameters(), turns, loss)


def as_autoencoder(net, draw, g, turns):
    def loss():
        x = draw()
        return (net.decoder(net.encode(x)[0]) - x).square().sum(-1).mean(-1).sum()

    descend(net.parameters(), turns, loss)


def as_gan(net, draw, g, turns):
    """The non-saturating game with an R1 penalty of 5, as `families` tuned it for glyphs."""
    S, G = len(net.decoder[0].weight), net.decoder
    k = G[0].weight.shape[-1]
    D = MLPCritic((256, *UNITS), seeds=S, generator=g)
    movers = [torch.optim.Adam(n.parameters(), RATE, betas=(0.0, 0.99), fused=True) for n in (D, G)]
    decays = [torch.optim.lr_scheduler.LinearLR(mover, 1, 0.0, total_iters=turns) for mover in movers]
    game = losses.nonsaturating_d, losses.nonsaturating_g, *movers
    batches, z = (draw() for _ in range(turns)), lambda shape: noise(S, shape[-1], k, g)
    for _ in alternate(G, D, batches, z, *game, penalty=lambda *told: R1 * penalties.r1(*told)):
        for decay in decays:
            decay.step()


TRAININGS = {"VAE": as_vae, "autoencoder": as_autoencoder, "GAN": as_gan}


def sharpness(x):
    """Mean square of the differences of neighbouring pixels, (S,), within what a screen can show."""
    x = x.clamp(-1, 1).unflatten(-1, (16, 16))
    return (x.diff(dim=-1).square().mean((1, 2, 3)) + x.diff(dim=-2).square().mean((1, 2, 3))) / 2


def told(x, n=16):
    """The first pictures, a hexadecimal digit a pixel."""
    level = ((x[:n].clamp(-1, 1) + 1) * 7.5).round().long()
    return " ".join("".join(f"{v:x}" for v in picture) for picture in level.tolist())


@torch.enable_grad()
def reader(small):
    """A judge of grey glyphs."""
    labelled = images.glyphs(200 if small else 6000, 16, generator=ganlib.rng(3))
    return judge(labelled.images, labelled.factors.label)


def distances(read, pictures, real):
    """Of S samples to real features, in what the judge sees."""
    seen = [read.features(x.cpu().view(-1, 1, 16, 16)) for x in pictures]
    return torch.stack([metrics.frechet_distance(x, real) for x in seen])


def of_glyphs(case, net, g, small):
    """How pictures of trained networks look, and what their codes cost."""
    S, k, n = len(net.decoder[0].weight), case["k"], 80 if small else 2000
    read, x = reader(small), grey(S, n, g)
    real = read.features(grey(1, n, g).cpu().view(-1, 1, 16, 16))
    z = noise(S, n, k, g)
    made = net.decoder(z)
    found = {"sharp_sample": sharpness(made) / sharpness(x), "frechet": distances(read, made, real)}
    shown = {"samples": [told(made[0])] + [""] * (S - 1)}  # of the first seed
    if case["training"] == "GAN":
        return found, shown
    mean, log_sd = net.encode(x)
    centre, codes = mean.mean(1, keepdim=True), mean - mean.mean(1, keepdim=True)
    root = torch.linalg.cholesky(codes.mT @ codes / n + 1e-6 * torch.eye(k, device=codes.device))
    guess = net.decoder(mean)
    found |= {"error": (guess - x).square().mean((1, 2)), "sharp_mean": sharpness(guess) / sharpness(x)}
    found["frechet_scaled"] = distances(read, net.decoder(centre + z * codes.std(1, keepdim=True)), real)
    found["frechet_fitted"] = distances(read, net.decoder(centre + z @ root.mT), real)
    if case["training"] == "VAE":
        each = kl_from_prior(mean[..., None], log_sd[..., None]).mean(1)
        _, cost = net.terms(x, generator=g)
        noisy = made + net.noise.to(made) * torch.randn(made.shape, generator=g, device=g.device)
        found |= {"used": (each > 0.01).sum(-1), "cost": cost.mean(1)}
        found["frechet_noisy"] = distances(read, noisy, real)
    return found, shown


def of_bits(case, net, g, small, held):
    """Bounds of K draws on pictures held out; one set of draws serves all K."""
    S = len(net.decoder[0].weight)
    mean, log_sd = net.encode(held.expand(S, -1, -1))
    ratios = []
    for _ in range(4 if small else max(DRAWS)):
        z = mean + log_sd.exp() * torch.randn(mean.shape, generator=g, device=g.device)
        zero = torch.zeros_like(z)
        ratios.append(net.log_fit(held.expand(S, -1, -1), z) + log_normal(z, zero, zero) - log_normal(z, mean, log_sd))
    ratios = torch.stack(ratios).double()
    found = {}
    for K in DRAWS:
        groups = ratios.unflatten(0, (-1, min(K, len(ratios))))
        found[f"nats_{K}"] = (math.log(groups.shape[1]) - groups.logsumexp(1)).mean((0, -1))
    return found | {"cost": kl_from_prior(mean, log_sd).mean(1)}, {}


def trial(case, S, g, small):
    """S seeds at once."""
    turns, bits = 2 if small else TURNS, case["noise"] == "bits"
    if bits:
        one, held = source(case["data"], g, small)
        held, draw = held[:1000].flatten(1), lambda: torch.stack([one().flatten(1) for _ in range(S)])
    else:
        draw = lambda: grey(S, BATCH, g)  # noqa: E731
    sd = float(case["noise"]) if case["training"] == "VAE" and not bits else None
    net = VAE(256, case["k"], UNITS, noise=sd, seeds=S, generator=g)
    TRAININGS[case["training"]](net, draw, g, turns)
    with torch.no_grad():
        found, shown = of_bits(case, net, g, small, held) if bits else of_glyphs(case, net, g, small)
    columns = {name: [f"{v:.5g}" for v in values.tolist()] for name, values in found.items()} | shown
    return {name: columns.get(name, [""] * S) for name in COLUMNS}


CASES = [
    {"data": "glyphs", "training": "VAE", "k": k, "noise": sd} for k in (2, 16) for sd in (0.05, 0.1, 0.2, 0.4, 0.8)
]
CASES += [{"data": "glyphs", "training": way, "k": k, "noise": ""} for way in ("autoencoder", "GAN") for k in (2, 16)]
CASES += [{"data": data, "training": "VAE", "k": 16, "noise": "bits"} for data in ("digits", "glyphs")]


if __name__ == "__main__":
    main("codes", CASES, trial, modules=MODULES, seeds=10, block=10)
