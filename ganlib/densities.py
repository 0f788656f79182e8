r"""Targets whose density is known: mixtures of isotropic Gaussians, on the line or in the plane.

Points carry their features on the last axis, also on the line: ``(..., 1)``. Everything before it is free, so an
ensemble of S seeds draws ``sample((S, n), generator=g)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal


@dataclass(frozen=True, eq=False)
class Mixture:
    r"""Isotropic Gaussians :math:`\sum_k w_k\,\mathcal{N}(c_k, s_k^2 I)`.

    Args:
        centres: :math:`c_k`, shape ``(k, d)``.
        sd: standard deviations :math:`s_k > 0`, shape ``(k,)``.
        weights: :math:`w_k > 0` that sum to 1, shape ``(k,)``.

    Raises:
        ValueError: if the shapes do not fit, a standard deviation is not positive, or the weights are no probabilities.
    """

    centres: Tensor
    sd: Tensor
    weights: Tensor

    def __post_init__(self):
        shapes = [tuple(t.shape) for t in (self.centres, self.sd, self.weights)]
        if self.centres.dim() != 2 or not shapes[1] == shapes[2] == shapes[0][:1] or 0 in shapes[0]:
            raise ValueError(f"expected centres (k, d), sd (k,) and weights (k,), got {shapes}")
        if not ((self.sd > 0) & self.sd.isfinite()).all() or not self.centres.isfinite().all():
            raise ValueError(f"expected finite centres and positive sd, got sd {self.sd.tolist()}")
        if not (self.weights > 0).all() or abs(self.weights.sum().item() - 1) > 1e-6:
            raise ValueError(f"expected positive weights that sum to 1, got {self.weights.tolist()}")

    def sample(self, shape, *, generator: torch.Generator, dtype=None) -> Tensor:
        """Independent points, shape ``(*shape, d)``, on the generator's device.

        Drawn by hand, because ``torch.distributions`` takes no generator.
        """
        like = {"device": generator.device, "dtype": dtype or torch.get_default_dtype()}
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        cumulative = self.weights.to(generator.device).cumsum(0)[:-1]
        u = torch.rand(shape, generator=generator, device=generator.device, dtype=cumulative.dtype)
        k = torch.searchsorted(cumulative, u, right=True)  # shape
        noise = torch.randn(*shape, self.centres.shape[1], generator=generator, **like)
        return self.centres.to(**like)[k] + self.sd.to(**like)[k].unsqueeze(-1) * noise

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-density of points ``(..., d)``, shape ``(...)``, in the precision of ``x``."""
        if x.shape[-1:] != self.centres.shape[1:]:
            raise ValueError(f"expected points (..., {self.centres.shape[1]}), got {tuple(x.shape)}")
        centres, sd, weights = (t.to(x) for t in (self.centres, self.sd, self.weights))
        parts = Independent(Normal(centres, sd.unsqueeze(-1).expand_as(centres), validate_args=False), 1)
        return MixtureSameFamily(Categorical(weights), parts, validate_args=False).log_prob(x)


def mixture(means, sds, weights=None) -> Mixture:
    r"""Gaussians on the line, with a feature axis of 1; equal weights unless told.

    >>> round(mixture([-1.0, 1.0], [0.5, 0.5]).log_prob(torch.zeros(1)).exp().item(), 4)
    0.108
    """
    means, sds = (torch.as_tensor(t, dtype=torch.float64) for t in (means, sds))
    weights = torch.ones_like(means) / len(means) if weights is None else weights
    return Mixture(means.unsqueeze(-1), sds, torch.as_tensor(weights, dtype=torch.float64))


def gaussian(mean: float = 0.0, sd: float = 1.0) -> Mixture:
    """One Gaussian on the line, with a feature axis of 1."""
    return mixture([mean], [sd])


def ring(sd: float, modes: int = 8, radius: float = 2.0) -> Mixture:
    """Equal Gaussians evenly on a circle; ``ring(0.1)`` is the book's RING8(0.1).

    >>> ring(0.1).centres.shape
    torch.Size([8, 2])
    """
    if modes < 1 or not radius > 0:
        raise ValueError(f"expected at least one mode and a positive radius, got {modes} and {radius}")
    angle = torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)  # not linspace: it ends where it began
    return _equal(radius * torch.stack([angle.cos(), angle.sin()], -1), sd)


def grid(sd: float, side: int = 5, spacing: float = 2.0) -> Mixture:
    """Equal Gaussians on a square lattice around the origin; ``grid(0.05)`` is GRID25(0.05)."""
    if side < 1 or not spacing > 0:
        raise ValueError(f"expected at least one row and a positive spacing, got {side} and {spacing}")
    line = (torch.arange(side, dtype=torch.float64) - (side - 1) / 2) * spacing
    return _equal(torch.cartesian_prod(line, line), sd)


def _equal(centres, sd):
    k = len(centres)
    return Mixture(
        centres, torch.full((k,), float(sd), dtype=torch.float64), torch.full((k,), 1 / k, dtype=torch.float64)
    )
