r"""Divergences between densities on a grid, between Gaussians, and between samples.

Densities come as *logarithms* on a grid, last axis ``(..., N)``: a probability that rounds to 0 or 1 has no logarithm
left, a log-density has. With the grid ``x`` the integral is the trapezoidal rule; without it the values are the
logarithms of probabilities and are summed. ``0 log 0`` is 0. All results are in nats.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


def kl(log_p: Tensor, log_q: Tensor, x: Tensor | None = None) -> Tensor:
    r"""Kullback–Leibler divergence, :eq:`kl` of :doc:`/chapters/likelihood/maximum_likelihood`.

    .. math:: \mathrm{KL}(p\,\|\,q) = \int p(x)\,\log\frac{p(x)}{q(x)}\,dx

    Args:
        log_p: logarithm of p on the grid, shape ``(..., N)``.
        log_q: logarithm of q on the grid, shape ``(..., N)``.
        x: the grid, increasing, shape ``(N,)``; ``None`` for probabilities.

    Returns:
        Shape ``(...)``; ``inf`` where p has mass and q has none.

    Raises:
        ValueError: if the shapes differ, an entry is NaN, or the grid does not increase.

    >>> kl(torch.tensor([0.5, 0.5]).log(), torch.tensor([0.25, 0.75]).log())
    tensor(0.1438)
    """
    _check(log_p, log_q, x)
    p = log_p.exp()
    return _integral(p * torch.where(p > 0, log_p - log_q, 0.0), x)


def reverse_kl(log_p: Tensor, log_q: Tensor, x: Tensor | None = None) -> Tensor:
    r""":math:`\mathrm{KL}(q\,\|\,p)`: the same arguments as :func:`kl`, the other direction."""
    return kl(log_q, log_p, x)


def js(log_p: Tensor, log_q: Tensor, x: Tensor | None = None) -> Tensor:
    r"""Jensen–Shannon divergence, :eq:`js` of :doc:`/chapters/game/optimal_discriminator`.

    .. math:: \mathrm{JS}(p, q) = \tfrac12\,\mathrm{KL}(p\,\|\,m) + \tfrac12\,\mathrm{KL}(q\,\|\,m),
              \qquad m = \tfrac12(p+q)

    Arguments as for :func:`kl`. Between 0 and log 2, the second for densities that share no point.

    >>> js(torch.tensor([1.0, 0.0]).log(), torch.tensor([0.0, 1.0]).log())
    tensor(0.6931)
    """
    _check(log_p, log_q, x)
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return (kl(log_p, log_m, x) + kl(log_q, log_m, x)) / 2


def total_variation(log_p: Tensor, log_q: Tensor, x: Tensor | None = None) -> Tensor:
    r"""Total variation distance :math:`\tfrac12\int |p - q|\,dx`, between 0 and 1. Arguments as for :func:`kl`.

    >>> total_variation(torch.tensor([0.5, 0.5]).log(), torch.tensor([0.25, 0.75]).log())
    tensor(0.2500)
    """
    _check(log_p, log_q, x)
    return _integral((log_p.exp() - log_q.exp()).abs() / 2, x)


def gaussian_entropy(sd):
    r"""Differential entropy of a Gaussian on the line, :math:`\tfrac12\log(2\pi e\,\sigma^2)`.

    >>> round(gaussian_entropy(1.0), 4)
    1.4189
    """
    _positive(sd)
    return 0.5 * math.log(2 * math.pi * math.e) + _log(sd)


def gaussian_kl(mean_p, sd_p, mean_q, sd_q):
    r""":math:`\mathrm{KL}` between two Gaussians on the line, numbers or tensors.

    .. math:: \log\frac{\sigma_q}{\sigma_p} + \frac{\sigma_p^2 + (\mu_p-\mu_q)^2}{2\sigma_q^2} - \frac12

    >>> gaussian_kl(0.0, 1.0, 1.0, 1.0)
    0.5
    """
    _positive(sd_p)
    _positive(sd_q)
    return _log(sd_q) - _log(sd_p) + (sd_p**2 + (mean_p - mean_q) ** 2) / (2 * sd_q**2) - 0.5


def wasserstein_1d(x: Tensor, y: Tensor) -> Tensor:
    r"""Exact :math:`W_1` between two samples on the line, by sorting: the area between their distribution functions.

    .. math:: W_1 = \int |F_x(t) - F_y(t)|\,dt

    Args:
        x: numbers, shape ``(..., n)``.
        y: numbers, shape ``(..., m)`` with the same leading axes.

    Returns:
        Shape ``(...)``; differentiable in both.

    >>> wasserstein_1d(torch.tensor([0.0, 1.0]), torch.tensor([3.0, 2.0]))
    tensor(2.)
    """
    if x.dim() < 1 or x.shape[:-1] != y.shape[:-1] or 0 in x.shape + y.shape:
        raise ValueError(f"expected (..., n) and (..., m), got {tuple(x.shape)} and {tuple(y.shape)}")
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("expected finite numbers, got NaN or infinity")
    x, y = (s if s.is_floating_point() else s.to(torch.get_default_dtype()) for s in (x, y))
    n, m = x.shape[-1], y.shape[-1]
    if n == m:
        return (x.sort(-1).values - y.sort(-1).values).abs().mean(-1)
    t, order = torch.cat([x, y], -1).sort(-1)  # (..., n + m)
    below = (order < n).cumsum(-1)[..., :-1] * (n + m)  # points of x up to one point, before the next
    gap = (below - n * torch.arange(1, n + m, device=t.device)).abs()  # nm times that of the distribution functions
    return (gap * t.diff(dim=-1)).sum(-1) / (n * m)


class Transport(NamedTuple):
    """A cheapest way to carry one cloud onto another."""

    cost: Tensor
    plan: Tensor


def transport(x: Tensor, y: Tensor) -> Transport:
    r"""Exact :math:`W_1` between two clouds of equal weights, and a plan that attains it.

    Clouds of as many points each are assigned to each other, by SciPy; others go through POT's network simplex.

    Args:
        x: points, shape ``(n, d)``.
        y: points, shape ``(m, d)``.

    Returns:
        ``cost``, a float64 scalar, and ``plan``, shape ``(n, m)``, with row sums 1/n and column sums 1/m.

    >>> transport(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])).cost
    tensor(5., dtype=torch.float64)
    """
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1] or 0 in x.shape + y.shape:
        raise ValueError(f"expected points (n, d) and (m, d), got {tuple(x.shape)} and {tuple(y.shape)}")
    import numpy as np
    from scipy.spatial.distance import cdist

    costs = cdist(*(points.detach().cpu().double().numpy() for points in (x, y)))
    if not np.isfinite(costs.sum()):
        raise ValueError("expected finite points, got NaN or infinity")
    n, m = costs.shape
    if n == m:
        from scipy.optimize import linear_sum_assignment

        pairs = linear_sum_assignment(costs)
        plan = np.zeros_like(costs)
        plan[pairs] = 1 / n
        cost = costs[pairs].mean()
    else:
        import ot

        plan = ot.emd([1 / n] * n, [1 / m] * m, costs, numItermax=10_000_000)
        cost = (plan * costs).sum()
    return Transport(torch.tensor(cost), torch.from_numpy(plan))


def _check(log_p, log_q, x):
    if log_p.dim() < 1 or 0 in log_p.shape or log_p.shape != log_q.shape or not _fits(x, log_p):
        shapes = [tuple(t.shape) for t in (log_p, log_q, x) if t is not None]
        raise ValueError(f"expected log-densities (..., N) of one shape and a grid (N,), got {shapes}")
    if not ((log_p < math.inf).all() and (log_q < math.inf).all()):
        raise ValueError("expected log-densities, got NaN or +inf")
    if x is not None and not (x.diff() > 0).all():
        raise ValueError("expected a grid that increases")


def _fits(x, log_p):
    return x is None or (x.shape == log_p.shape[-1:] and len(x) > 1)


def _integral(y, x):
    return y.sum(-1) if x is None else torch.trapezoid(y, x, dim=-1)


def _positive(sd):
    if not torch.as_tensor(sd > 0).all():
        raise ValueError(f"expected a positive standard deviation, got {sd}")


def _log(sd):
    return sd.log() if isinstance(sd, Tensor) else math.log(sd)
