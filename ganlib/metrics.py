r"""Distances and counts between samples: points ``(..., n, d)``, results ``(...)``, computed on the CPU in float64.

Precision is part of a metric: a Fréchet distance in float32 is wrong by up to one per cent, and negative for a sample
against itself.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Modes(NamedTuple):
    """How a sample sits on the modes of a mixture; each field has shape ``(...)``."""

    captured: Tensor
    m10: Tensor
    high_quality: Tensor
    reverse_kl: Tensor


def modes(x: Tensor, centres: Tensor, sd: float) -> Modes:
    r"""Count the modes that a sample reaches.

    A sample is of *high quality* within 3 sd of its nearest centre. One such sample *captures* a mode: uniform noise
    captures nearly all of them, so the count to print is ``m10``.

    Args:
        x: samples, shape ``(..., n, d)``.
        centres: the modes, shape ``(k, d)``.
        sd: standard deviation of a mode.

    Returns:
        ``captured``, modes with a high-quality sample; ``m10``, modes with at least a tenth of their share n/k of them;
        ``high_quality``, the share of such samples; ``reverse_kl``, in nats, from the histogram of all samples over
        their nearest modes to the uniform one.

    >>> x = torch.tensor([[-1.0], [-1.1], [1.0], [5.0]])
    >>> [round(v.item(), 2) for v in modes(x, torch.tensor([[-1.0], [1.0], [3.0]]), sd=0.1)]
    [2.0, 2.0, 0.75, 0.06]
    """
    x, centres = _points(x, least=1), _points(centres, least=1)
    if centres.dim() != 2 or x.shape[-1] != centres.shape[1] or not sd > 0:
        raise ValueError(
            f"expected x (..., n, d), centres (k, d) and sd > 0, got {tuple(x.shape)}, {tuple(centres.shape)}, sd={sd}"
        )
    k, n = len(centres), x.shape[-2]
    distance, nearest = torch.cdist(x, centres, compute_mode="donot_use_mm_for_euclid_dist").min(-1)  # (..., n)
    onehot = torch.nn.functional.one_hot(nearest, k).double()  # (..., n, k)
    good = (distance <= 3 * sd).double()  # (..., n)
    hits, share = (onehot * good.unsqueeze(-1)).sum(-2), onehot.mean(-2)  # (..., k)
    return Modes(
        captured=(hits > 0).sum(-1).double(),
        m10=(hits >= 0.1 * n / k).sum(-1).double(),
        high_quality=good.mean(-1),
        reverse_kl=(torch.special.xlogy(share, share) + share * math.log(k)).sum(-1),
    )


def frechet_distance(x: Tensor, y: Tensor) -> Tensor:
    r"""Squared Fréchet (Bures–Wasserstein) distance between the Gaussians fitted to two samples.

    .. math:: \lVert\mu_x-\mu_y\rVert^2 + \operatorname{tr}\Sigma_x + \operatorname{tr}\Sigma_y
              - 2\,\lVert A B^\top\rVert_*

    with A and B the centred samples over :math:`\sqrt{n-1}`: the nuclear norm equals
    :math:`\operatorname{tr}(\Sigma_x\Sigma_y)^{1/2}` and takes no root of a rounding error.

    Args:
        x: features, shape ``(..., n, d)``, n at least 2.
        y: features, shape ``(..., m, d)``, m at least 2.

    Returns:
        Shape ``(...)``, float64.

    >>> frechet_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [5.0]]))
    tensor(9., dtype=torch.float64)
    """
    x, y = _pair(x, y)
    (mean_x, a), (mean_y, b) = _centred(x), _centred(y)
    spread = a.square().sum((-2, -1)) + b.square().sum((-2, -1))
    overlap = torch.linalg.svdvals(_compact(a) @ _compact(b).mT).sum(-1)
    return (mean_x - mean_y).square().sum(-1) + spread - 2 * overlap


def sliced_wasserstein(x: Tensor, y: Tensor, *, generator: torch.Generator, directions: int = 256) -> Tensor:
    r"""Sliced :math:`W_2`: the root mean square of the one-dimensional distances along random directions.

    Args:
        x: points, shape ``(..., n, d)``.
        y: points, the same shape.
        generator: draws the directions.
        directions: how many.

    Returns:
        Shape ``(...)``, float64; for a translation by t it is about ``|t| / sqrt(d)``.
    """
    x, y = _pair(x, y, least=1)
    if x.shape != y.shape or directions < 1:
        raise ValueError(f"expected points of one shape, got {tuple(x.shape)} and {tuple(y.shape)}, {directions=}")
    device = generator.device
    theta = torch.randn(x.shape[-1], directions, generator=generator, device=device, dtype=torch.float64).cpu()
    theta = theta / theta.norm(dim=0)
    gaps = (x @ theta).sort(-2).values - (y @ theta).sort(-2).values  # (..., n, directions)
    return gaps.square().mean((-2, -1)).sqrt()


def _points(x, least=2):
    if x.dim() < 2 or x.shape[-2] < least or 0 in x.shape:
        raise ValueError(f"expected points (..., n, d) with n at least {least}, got {tuple(x.shape)}")
    x = x.detach().cpu().double()
    if not x.isfinite().all():
        raise ValueError("expected finite points, got NaN or infinity")
    return x


def _pair(x, y, least=2):
    x, y = _points(x, least), _points(y, least)
    if x.shape[:-2] != y.shape[:-2] or x.shape[-1] != y.shape[-1]:
        raise ValueError(f"expected points (..., n, d) and (..., m, d), got {tuple(x.shape)} and {tuple(y.shape)}")
    return x, y


def _centred(x):
    mean = x.mean(-2)
    return mean, (x - mean.unsqueeze(-2)) / (x.shape[-2] - 1) ** 0.5


def _compact(a):
    """A matrix with the same Gram matrix and at most d rows."""
    return torch.linalg.qr(a, mode="r").R if a.shape[-2] > a.shape[-1] else a
