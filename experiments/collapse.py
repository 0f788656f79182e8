"""How many codes a variational autoencoder uses, in worlds, with the numbers of a linear model beside it.

A world draws the noise of the decoder, the weight of the cost, the rate and the momentum. Data are scikit-learn's
digits, 1,437 to train and 360 held out. With a Gaussian decoder of sd s and a cost weighted by β the best networks
depend on βs² alone: fit and cost are divided by β. A linear model of k codes uses those of the k largest eigenvalues of
the data's covariance that exceed βs², at half the logarithm of their ratio in nats each.
"""

from __future__ import annotations

import torch
from table import main

from ganlib import images
from ganlib.models import VAE
from ganlib.models.vae import kl_from_prior
from ganlib.worlds import Adam

TURNS, BATCH, HELD, USED = 4000, 64, 360, 0.01  # a code is used that costs more nats a picture
NOISES, WEIGHTS, RATES, BETAS = (0.1, 1.5), (0.25, 4.0), (5e-4, 5e-3), (0.0, 0.5, 0.9)


def handwriting(device):
    """Pictures to train, pictures held out, (n, 64), the same in every world."""
    x = images.digits().images.flatten(1)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(9))
    return x[order].to(device).split([len(x) - HELD, HELD])


def drawn(S, g):
    """Worlds, in the order of their momentum."""
    share = torch.rand(3, S, generator=g, device=g.device)
    ranges = (NOISES, WEIGHTS, RATES)
    noise, beta, rate = (low * (high / low) ** u for (low, high), u in zip(ranges, share, strict=True))
    beta1 = torch.tensor(BETAS, device=g.device)[torch.randint(3, (S,), generator=g, device=g.device)].sort().values
    return {"noise": noise, "beta": beta, "rate": rate, "beta1": beta1}


def linear(train, price, k):
    """What a linear model of k codes would use at a price βs², and its nats a picture."""
    ratio = torch.linalg.eigvalsh(train.double().T.cov(correction=0)).flip(0)[:k] / price.double()[:, None]
    return (ratio > 1).sum(-1), ratio.clamp(min=1).log().sum(-1) / 2


def trial(case, S, g, small):
    """S worlds at once."""
    train, held = handwriting(g.device)
    worlds = drawn(S, g)
    units = tuple(int(n) for n in str(case["units"]).split())
    vae = VAE(64, case["k"], units, noise=worlds["noise"], seeds=S, generator=g)
    turns = 3 if small else TURNS
    adam = Adam(vae.parameters(), rate=worlds["rate"], beta1=worlds["beta1"])
    decay = torch.optim.lr_scheduler.LinearLR(adam, 1, 0.0, total_iters=turns)
    for _ in range(turns):
        x = train[torch.randint(len(train), (S, BATCH), generator=g, device=g.device)]
        fit, cost = vae.terms(x, generator=g)
        adam.zero_grad()
        (worlds["beta"][:, None] * cost - fit).mean(-1).sum().backward()
        adam.step()
        decay.step()
    price = worlds["beta"] * worlds["noise"] ** 2
    with torch.no_grad():
        x = held.expand(S, -1, -1)
        mean, log_sd = vae.encode(x)
        each = kl_from_prior(mean[..., None], log_sd[..., None]).mean(1)  # (S, k)
        error = (vae.decoder(mean) - x).square().mean((1, 2))
    used, nats = linear(train.cpu(), price.cpu(), case["k"])
    found = {"nats": each.sum(-1), "error": error, "linear_nats": nats}
    counts = {"used": (each > USED).sum(-1), "linear_used": used}
    columns = {name: [f"{v:.5g}" for v in values.tolist()] for name, values in (worlds | found).items()}
    return columns | {name: values.tolist() for name, values in counts.items()}


CASES = [{"k": k, "units": units} for units in ("", "64", "128 128") for k in (2, 8, 32)]


if __name__ == "__main__":
    main(
        "collapse",
        CASES,
        trial,
        modules=["images.digits", "models/mlp", "models/vae", "worlds.Adam"],
        seeds=16,
        block=16,
    )
