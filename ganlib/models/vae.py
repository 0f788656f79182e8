r"""The variational autoencoder, with a leading seed axis: points ``(S, n, d)``, codes ``(S, n, k)``.

.. math:: \log p(x)\ \ge\ \mathbb E_{q(z\mid x)}\log p(x\mid z)-\mathrm{KL}\bigl(q(z\mid x)\,\|\,p(z)\bigr)

with :math:`q(z\mid x)=\mathcal N\bigl(\mu(x),\operatorname{diag}\sigma^2(x)\bigr)` and :math:`p(z)=\mathcal N(0,I)`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlib.models.mlp import MLPGenerator

LOG_2PI = math.log(2 * math.pi)


class VAE(nn.Module):
    r"""Two networks: the encoder gives :math:`\mu,\log\sigma` of a code, the decoder the law of a point given a code.

    Args:
        d: features of a point.
        k: features of a code.
        units: of each hidden layer of the encoder; those of the decoder are the same from behind.
        noise: standard deviation of a Gaussian decoder, a number or one for each seed ``(S,)``; None for points that
            are bits, whose logits the decoder gives.
        seeds: S.
        generator: draws the weights.

    Raises:
        ValueError: if the noise is not positive.

    >>> import ganlib
    >>> vae = VAE(8, 2, (32,), noise=0.1, seeds=3, generator=ganlib.rng())
    >>> fit, cost = vae.terms(torch.zeros(3, 5, 8), generator=ganlib.rng())
    >>> (fit - cost).shape
    torch.Size([3, 5])
    """

    def __init__(self, d: int, k: int, units=(64,), *, noise=None, seeds: int = 1, generator: torch.Generator):
        super().__init__()
        how = {"seeds": seeds, "generator": generator}
        self.encoder = MLPGenerator((d, *units, 2 * k), **how)
        self.decoder = MLPGenerator((k, *reversed(units), d), **how)
        self.noise = None
        if noise is not None:
            self.noise = torch.as_tensor(noise).reshape(-1, 1, 1)
            if len(self.noise) not in (1, seeds) or not (self.noise > 0).all():
                raise ValueError(f"expected positive noise, one number or {seeds}, got {noise}")

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log of the standard deviation of the code of each point, both ``(S, n, k)``."""
        mean, log_sd = self.encoder(x).chunk(2, -1)
        return mean, log_sd

    def log_fit(self, x: Tensor, z: Tensor) -> Tensor:
        """The logarithm of p(x | z), shape ``(S, n)``."""
        out = self.decoder(z)
        if self.noise is None:
            return -functional.binary_cross_entropy_with_logits(out, x, reduction="none").sum(-1)
        return log_normal(x, out, self.noise.to(out).log().expand_as(out))

    def terms(self, x: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The two terms of the bound, ``(S, n)`` each: log p(x | z) at one drawn code, and the KL from the prior."""
        mean, log_sd = self.encode(x)
        return self.log_fit(x, reparametrised(mean, log_sd, generator=generator)), kl_from_prior(mean, log_sd)

    def bound(self, x: Tensor, draws: int = 1, *, generator: torch.Generator) -> Tensor:
        r"""The logarithm of the mean of K ratios :math:`p(x,z_k)/q(z_k\mid x)`, shape ``(S, n)``.

        Its mean lies below log p(x) and rises with K (Burda, Grosse and Salakhutdinov 2016).

        Raises:
            ValueError: if K is less than 1.
        """
        if draws < 1:
            raise ValueError(f"expected at least one draw, got {draws}")
        mean, log_sd = self.encode(x)
        zero, ratios = torch.zeros_like(mean), []
        for _ in range(draws):
            z = reparametrised(mean, log_sd, generator=generator)
            ratios.append(self.log_fit(x, z) + log_normal(z, zero, zero) - log_normal(z, mean, log_sd))
        return torch.stack(ratios).logsumexp(0) - math.log(draws)

    def sample(self, n: int, *, generator: torch.Generator) -> Tensor:
        """The decoder's outputs at n codes of the prior, ``(S, n, d)``: means of points, or logits of bits."""
        weight = self.decoder[0].weight
        z = torch.randn(len(weight), n, weight.shape[-1], generator=generator, device=weight.device, dtype=weight.dtype)
        return self.decoder(z)


def reparametrised(mean: Tensor, log_sd: Tensor, *, generator: torch.Generator) -> Tensor:
    r"""A draw :math:`\mu+\sigma\varepsilon` that carries the gradients of both, with standard normal noise."""
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean + log_sd.exp() * noise


def kl_from_prior(mean: Tensor, log_sd: Tensor) -> Tensor:
    r"""KL of :math:`\mathcal N(\mu,\sigma^2)` from :math:`\mathcal N(0,I)`, summed over the last axis.

    .. math:: \tfrac12\sum_j\bigl(\mu_j^2+\sigma_j^2-1-\log\sigma_j^2\bigr)

    >>> kl_from_prior(torch.tensor([0.0, 2.0]), torch.zeros(2))
    tensor(2.)
    """
    return (mean.square() + (2 * log_sd).exp() - 1 - 2 * log_sd).sum(-1) / 2


def log_normal(x: Tensor, mean: Tensor, log_sd: Tensor) -> Tensor:
    """Log-density of independent normals, summed over the last axis."""
    return -(((x - mean) / log_sd.exp()).square() + 2 * log_sd + LOG_2PI).sum(-1) / 2
