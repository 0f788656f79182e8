r"""Critics that see samples together: what no critic of single points can see is that all points are alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganlib.models.mlp import BatchedLinear


class Packed(nn.Module):
    """A critic of m points at once: ``(S, n, d)`` becomes ``(S, n / m)``, real packs and generated packs alike.

    Args:
        D: critic of points with m · d features.
        m: points in a pack.

    >>> import ganlib
    >>> from ganlib.models import MLPCritic
    >>> D = Packed(MLPCritic((4, 32), seeds=3, generator=ganlib.rng()), 2)
    >>> D(torch.zeros(3, 10, 2)).shape
    torch.Size([3, 5])
    """

    def __init__(self, D: nn.Module, m: int):
        super().__init__()
        if m < 1:
            raise ValueError(f"expected a pack of at least 1, got {m}")
        self.D, self.m = D, m

    def forward(self, x: Tensor) -> Tensor:
        """Points ``(..., n, d)`` to one logit a pack, ``(..., n / m)``."""
        *lead, n, d = x.shape
        if n % self.m:
            raise ValueError(f"expected a number of points that {self.m} divides, got {n}")
        return self.D(x.reshape(*lead, n // self.m, self.m * d))


class MinibatchDiscrimination(nn.Module):
    r"""Add to each point how close the others are: K features :math:`o_{ik}` beside the point's own.

    .. math:: o_{ik} = \sum_{j\ne i}\exp\bigl(-\lVert M_{ik} - M_{jk}\rVert_1\bigr),\qquad M_{ik} = T_k x_i

    Args:
        d_in: features of a point.
        kernels: K.
        dims: rows of each :math:`T_k`.
        seeds: S.
        generator: draws the weights.

    >>> import ganlib
    >>> layer = MinibatchDiscrimination(2, kernels=3, generator=ganlib.rng())
    >>> layer(torch.zeros(1, 5, 2))[0, 0].tolist()
    [0.0, 0.0, 4.0, 4.0, 4.0]
    """

    def __init__(self, d_in: int, *, kernels: int = 8, dims: int = 4, seeds: int = 1, generator: torch.Generator):
        super().__init__()
        self.kernels = kernels
        self.T = BatchedLinear(d_in, kernels * dims, seeds=seeds, generator=generator)  # its bias cancels

    def forward(self, x: Tensor) -> Tensor:
        """Points ``(S, n, d)`` to ``(S, n, d + K)``."""
        M = self.T(x).unflatten(-1, (self.kernels, -1)).transpose(1, 2)  # (S, K, n, dims)
        near = torch.exp(-torch.cdist(M, M, p=1)).sum(-1) - 1  # (S, K, n), the point itself left out
        return torch.cat([x, near.mT], -1)
