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
    a, b = _compact(a), _compact(b)
    spread = a.square().sum((-2, -1)) + b.square().sum((-2, -1))
    overlap = torch.linalg.svdvals(a @ b.mT).sum(-1)
    return (mean_x - mean_y).square().sum(-1) + spread - 2 * overlap


def inception_score(p: Tensor) -> Tensor:
    r"""Exponential of the mean divergence of a picture's class probabilities from their average.

    .. math:: \exp\,\frac1n\sum_i\mathrm{KL}\bigl(p(\cdot\mid x_i)\,\big\|\,\bar p\bigr)
              = \exp\bigl(H(\bar p) - \overline{H(p(\cdot\mid x_i))}\bigr),\qquad \bar p=\frac1n\sum_i p(\cdot\mid x_i)

    It is between 1 and the number of classes.

    Args:
        p: class probabilities of n pictures, shape ``(..., n, k)``.

    Returns:
        Shape ``(...)``, float64.

    >>> inception_score(torch.eye(10))
    tensor(10.0000, dtype=torch.float64)
    """
    p = _points(p, least=1)
    if p.min() < 0 or (p.sum(-1) - 1).abs().max() > 1e-4:
        raise ValueError("expected probabilities: numbers from 0 that sum to 1 over the last axis")
    return (_entropy(p.mean(-2)) - _entropy(p).mean(-1)).exp()


def kernel_distance(x: Tensor, y: Tensor) -> Tensor:
    r"""Squared maximum mean discrepancy with the cubic kernel of the "kernel inception distance", unbiased.

    .. math:: \frac{\sum_{i\ne j}k(x_i,x_j)}{n(n-1)} + \frac{\sum_{i\ne j}k(y_i,y_j)}{m(m-1)}
              - \frac{2}{nm}\sum_{i,j}k(x_i,y_j),\qquad k(a,b)=\Bigl(\frac{a\cdot b}{d}+1\Bigr)^3

    Args:
        x: features, shape ``(..., n, d)``, n at least 2.
        y: features, shape ``(..., m, d)``, m at least 2.

    Returns:
        Shape ``(...)``, float64; negative about as often as not when the laws are equal.
    """
    x, y = _pair(x, y)

    def kernel(a, b):
        return (a @ b.mT).div_(a.shape[-1]).add_(1).pow_(3)

    def within(a):
        gram, n = kernel(a, a), a.shape[-2]
        return (gram.sum((-2, -1)) - gram.diagonal(dim1=-2, dim2=-1).sum(-1)) / (n * (n - 1))

    return within(x) + within(y) - 2 * kernel(x, y).mean((-2, -1))


class Neighbours(NamedTuple):
    """How two samples lie in each other's neighbourhoods; each field has shape ``(...)``."""

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


def neighbours(real: Tensor, fake: Tensor, *, k: int = 5) -> Neighbours:
    r"""Precision and recall, density and coverage, from balls that reach to the k-th nearest neighbour.

    The ball :math:`B(x)` about a point reaches to its k-th nearest neighbour in its own sample.

    Args:
        real: features, shape ``(..., n, d)``, n above k.
        fake: features, shape ``(..., m, d)``, m above k.
        k: the neighbour that a ball reaches.

    Returns:
        ``precision``, the share of generated points in some real ball; ``recall``, the share of real points in some
        generated ball; ``density``, the number of real balls that a generated point lies in, over k; ``coverage``, the
        share of real balls that hold a generated point.
    """
    real, fake = _pair(real, fake)
    if not 1 <= k < min(real.shape[-2], fake.shape[-2]):
        raise ValueError(f"expected k from 1 to below n and m, got k={k}, n={real.shape[-2]} and m={fake.shape[-2]}")
    centre = real.mean(-2, keepdim=True)
    x, y = real - centre, fake - centre
    beyond = _beyond(_squares, x, y, k)
    if min(gap.abs().min() for gap in beyond) <= _rounding(x, y):
        beyond = _beyond(_distances, real, fake, k)
    in_real, in_fake = (gap <= 0 for gap in beyond)  # (..., n, m)
    return Neighbours(
        precision=in_real.any(-2).double().mean(-1),
        recall=in_fake.any(-1).double().mean(-1),
        density=in_real.sum(-2).double().mean(-1) / k,
        coverage=in_real.any(-1).double().mean(-1),
    )


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
    if not (x.sum().isfinite() or x.isfinite().all()):  # a sum is quick, and tells unless it overflows
        raise ValueError("expected finite points, got NaN or infinity")
    return x


def _pair(x, y, least=2):
    x, y = _points(x, least), _points(y, least)
    if x.shape[:-2] != y.shape[:-2] or x.shape[-1] != y.shape[-1]:
        raise ValueError(f"expected points (..., n, d) and (..., m, d), got {tuple(x.shape)} and {tuple(y.shape)}")
    return x, y


def _centred(x):
    mean = x.mean(-2)
    return mean, (x - mean.unsqueeze(-2)).div_((x.shape[-2] - 1) ** 0.5)


def _compact(a):
    """A matrix with the same Gram matrix and at most d rows.

    That is the Gram matrix's own root where it can be told to ten digits, and the root by reflections elsewhere.
    """
    if a.shape[-2] <= a.shape[-1]:
        return a
    root, failed = torch.linalg.cholesky_ex(a.mT @ a, upper=True)
    pivots = root.diagonal(dim1=-2, dim2=-1)
    if failed.any() or (pivots.amin(-1) < 1e-3 * pivots.amax(-1)).any():
        return torch.linalg.qr(a, mode="r").R
    return root


def _entropy(p):
    return -torch.special.xlogy(p, p).sum(-1)


def _beyond(distances, x, y, k):
    """How far y lies beyond the balls about x, and x beyond those about y, shape (..., n, m) both."""
    between = distances(x, y)
    of_x, of_y = (distances(t, t).topk(k + 1, largest=False).values[..., -1] for t in (x, y))
    return between - of_x.unsqueeze(-1), between - of_y.unsqueeze(-2)


def _squares(x, y):
    """Squared distances by a product of matrices, which rounds more than :func:`_distances` and takes a tenth."""
    x_x, y_y = (t.square().sum(-1) for t in (x, y))
    return (-2 * x @ y.mT).add_(x_x.unsqueeze(-1)).add_(y_y.unsqueeze(-2))


def _rounding(x, y):
    """A bound of the error of a difference of two such squares, and of two squares of distances."""
    largest = max(t.square().sum(-1).max() for t in (x, y))
    return 16 * (x.shape[-1] + 8) * torch.finfo(x.dtype).eps * largest


def _distances(x, y):
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
