r"""Expectation-maximization for mixtures of Gaussians, as many starts at once as one likes.

Points are ``(n, d)``, one sample for all starts, or ``(..., n, d)``, a sample each; parameters carry their starts in
front. Densities stay logarithms until they are divided by their sum, so a point far from all components has shares too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Gaussians(NamedTuple):
    r"""Parameters :math:`\theta=(\pi_k,\mu_k,\Sigma_k)` of K Gaussians, any number of starts in front.

    Shapes: weights ``(..., K)``, means ``(..., K, d)``, covariances ``(..., K, d, d)``.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor


class Step(NamedTuple):
    """One turn of EM: the parameters, and the log-likelihood of the points under them, shape ``(...)``."""

    theta: Gaussians
    log_likelihood: Tensor


def log_joint(theta: Gaussians, x: Tensor) -> Tensor:
    r""":math:`\log\pi_k\,\mathcal N(x_i;\mu_k,\Sigma_k)`, shape ``(..., n, K)``.

    Raises:
        ValueError: if shapes do not fit, points are not finite, or a covariance is not positive definite.

    >>> one = Gaussians(torch.ones(1), torch.zeros(1, 1), torch.ones(1, 1, 1))
    >>> round(log_joint(one, torch.zeros(1, 1)).item(), 4)
    -0.9189
    """
    d = _dimension(theta, x)
    root, failed = torch.linalg.cholesky_ex(theta.covariances)
    if failed.any():
        where = failed.nonzero()[0].tolist()
        raise ValueError(f"expected positive definite covariances, got {theta.covariances[tuple(where)].tolist()}")
    off = (x.unsqueeze(-3) - theta.means.unsqueeze(-2)).mT  # (..., K, d, n)
    square = torch.linalg.solve_triangular(root, off, upper=False).square().sum(-2)  # (..., K, n)
    log_det = root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    log_weight = theta.weights.log() - log_det - d / 2 * math.log(2 * math.pi)  # (..., K)
    return log_weight.unsqueeze(-2) - square.mT / 2


def e_step(theta: Gaussians, x: Tensor) -> tuple[Tensor, Tensor]:
    r"""What each component owns of each point, and the log-likelihood.

    .. math:: q_{ik}=p(z_i=k\mid x_i,\theta)=\frac{\pi_k\,\mathcal N(x_i;\mu_k,\Sigma_k)}
              {\sum_l\pi_l\,\mathcal N(x_i;\mu_l,\Sigma_l)}

    Returns:
        Responsibilities ``(..., n, K)`` and :math:`\sum_i\log p(x_i\mid\theta)`, shape ``(...)``.
    """
    joint = log_joint(theta, x)
    log_p = joint.logsumexp(-1, keepdim=True)
    return (joint - log_p).exp(), log_p.sum((-2, -1))


def m_step(q: Tensor, x: Tensor, *, spherical: bool = False, ridge: float = 0.0) -> Gaussians:
    r"""The parameters that maximise :math:`\sum_{ik}q_{ik}\log p(x_i,z_i=k\mid\theta)`: weighted moments.

    Args:
        q: responsibilities, shape ``(..., n, K)``.
        x: points, shape ``(n, d)`` or ``(..., n, d)``.
        spherical: one variance a component, the same in all directions.
        ridge: added to every variance, so that no component shrinks onto a point.

    Raises:
        ValueError: if shapes do not fit, or a component owns nothing.

    >>> m_step(torch.ones(2, 1), torch.tensor([[0.0], [2.0]])).covariances
    tensor([[[1.]]])
    """
    if x.dim() < 2 or q.shape[-2:-1] != x.shape[-2:-1] or not ridge >= 0:
        shapes = tuple(q.shape), tuple(x.shape)
        raise ValueError(f"expected q (..., n, K), x (..., n, d) and ridge ≥ 0, got {shapes}, {ridge}")
    owned = q.sum(-2)  # (..., K)
    if not (owned > 0).all():
        raise ValueError(f"expected every component to own something, got {owned.min().item()}")
    means = q.mT @ x / owned.unsqueeze(-1)
    off = x.unsqueeze(-3) - means.unsqueeze(-2)  # (..., K, n, d)
    covariances = (q.mT.unsqueeze(-1) * off).mT @ off / owned[..., None, None]
    eye = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    if spherical:
        variance = covariances.diagonal(dim1=-2, dim2=-1).mean(-1)
        covariances = variance[..., None, None] * eye
    return Gaussians(owned / x.shape[-2], means, covariances + ridge * eye)


def em(theta: Gaussians, x: Tensor, **how) -> Iterator[Step]:
    """Turn after turn without end, beginning with what is given; ``how`` is `m_step`'s.

    Without a ridge the log-likelihood never falls.

    >>> x = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])
    >>> begin = Gaussians(torch.full((2,), 0.5), torch.tensor([[-0.5], [0.5]]), torch.ones(2, 1, 1))
    >>> for turn, step in zip(range(50), em(begin, x)): pass
    >>> [round(m, 2) for m in step.theta.means.flatten().tolist()]
    [-1.5, 1.5]
    """
    while True:
        q, log_likelihood = e_step(theta, x)
        yield Step(theta, log_likelihood)
        theta = m_step(q, x, **how)


def _dimension(theta, x):
    """The dimension of the points, if everything fits."""
    weights, means, covariances = (tuple(t.shape) for t in theta)
    if x.dim() < 2 or weights != means[:-1] or covariances != (*means, means[-1]) or x.shape[-1:] != means[-1:]:
        raise ValueError(
            "expected weights (..., K), means (..., K, d), covariances (..., K, d, d), x (..., n, d), "
            f"got {weights}, {means}, {covariances}, {tuple(x.shape)}"
        )
    if not x.isfinite().all():
        raise ValueError(f"expected finite points, got {int((~x.isfinite()).sum())} numbers that are not")
    if not (theta.weights > 0).all() or (theta.weights.sum(-1) - 1).abs().max() > 1e-5:
        raise ValueError(f"expected positive weights that sum to 1, got {theta.weights.tolist()}")
    return x.shape[-1]
