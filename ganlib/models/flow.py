r"""A normalising flow of affine couplings, with a leading seed axis: S flows in one, points ``(S, n, d)``."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ganlib.models.mlp import BatchedLinear

LIMIT = 2.0  # of the log-scale of one coupling, kept smoothly


class AffineCoupling(nn.Module):
    r"""One half of a point stays, and a network reads from it how the other half is scaled and moved.

    .. math:: x_a = z_a,\qquad x_b = z_b\,e^{s(z_a)} + t(z_a)

    The Jacobian is triangular, so the log of its determinant is :math:`\sum_j s_j(z_a)`; the inverse runs the same
    network, forwards. A new coupling is the identity, and s stays between -2 and 2.

    Args:
        d: features of a point; ``d // 2`` of them move.
        units: of each of the network's two hidden layers.
        seeds: S.
        generator: draws the weights.
        first: the first features move, instead of the last.

    Raises:
        ValueError: if a point has fewer than two features: no half would stay, and nothing could be read.
    """

    def __init__(self, d: int, units: int, *, seeds: int = 1, generator: torch.Generator, first: bool = False):
        super().__init__()
        if d < 2:
            raise ValueError(f"expected points of at least 2 features, one to stay and one to move, got {d}")
        self.sizes, self.first = (d - d // 2, d // 2), first
        how = {"seeds": seeds, "generator": generator}
        layers = [BatchedLinear(self.sizes[0], units, **how), nn.Tanh(), BatchedLinear(units, units, **how), nn.Tanh()]
        self.network = nn.Sequential(*layers, BatchedLinear(units, 2 * self.sizes[1], **how))
        for parameter in self.network[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The points that z is mapped to, and the log-determinant at each, shape ``(S, n)``."""
        stays, moves = self._halves(z)
        log_scale, shift = self._read(stays)
        return self._whole(stays, moves * log_scale.exp() + shift), log_scale.sum(-1)

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The points that are mapped to x, and the log-determinant of the way back, shape ``(S, n)``."""
        stays, moves = self._halves(x)
        log_scale, shift = self._read(stays)
        return self._whole(stays, (moves - shift) * (-log_scale).exp()), -log_scale.sum(-1)

    def _read(self, stays):
        log_scale, shift = self.network(stays).chunk(2, -1)
        return LIMIT * (log_scale / LIMIT).tanh(), shift

    def _halves(self, x):
        if x.dim() != 3 or x.shape[-1] != sum(self.sizes):
            raise ValueError(f"expected points (S, n, {sum(self.sizes)}), got {tuple(x.shape)}")
        return (x.flip(-1) if self.first else x).split(self.sizes, -1)

    def _whole(self, stays, moves):
        x = torch.cat([stays, moves], -1)
        return x.flip(-1) if self.first else x


class Flow(nn.Module):
    r"""Gaussian noise through couplings that move the two halves in turn: points with an exact density.

    .. math:: \log p(x) = \log\mathcal N\bigl(g^{-1}(x); 0, I\bigr)
              + \log\Bigl|\det\frac{\partial g^{-1}(x)}{\partial x}\Bigr|

    Called on noise, it is a generator like any other. A new one is the identity.

    Args:
        d: features of a point.
        couplings: how many.
        units: of their networks.
        seeds: S.
        generator: draws the weights.

    >>> import ganlib
    >>> flow = Flow(couplings=4, units=16, seeds=3, generator=ganlib.rng())
    >>> flow(torch.zeros(3, 5, 2)).shape, flow.log_prob(torch.zeros(3, 5, 2)).shape
    (torch.Size([3, 5, 2]), torch.Size([3, 5]))
    """

    def __init__(self, d: int = 2, *, couplings: int = 8, units: int = 32, seeds: int = 1, generator: torch.Generator):
        super().__init__()
        if couplings < 1:
            raise ValueError(f"expected at least one coupling, got {couplings}")
        how = {"seeds": seeds, "generator": generator}
        self.couplings = nn.ModuleList(AffineCoupling(d, units, first=bool(k % 2), **how) for k in range(couplings))

    def forward(self, z: Tensor) -> Tensor:
        """Points ``(S, n, d)`` from noise."""
        for coupling in self.couplings:
            z, _ = coupling(z)
        return z

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The noise that becomes x, and the log-determinant of the way back, shape ``(S, n)``."""
        total = x.new_zeros(x.shape[:-1])
        for coupling in reversed(self.couplings):
            x, log_det = coupling.inverse(x)
            total = total + log_det
        return x, total

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-density of points ``(S, n, d)``, shape ``(S, n)``."""
        z, log_det = self.inverse(x)
        return log_det - z.square().sum(-1) / 2 - z.shape[-1] * math.log(2 * math.pi) / 2
