r"""Networks for the line and the plane, with a leading seed axis: S networks in one, points ``(S, n, d)``.

One ``baddbmm`` runs S linear layers; one Adam over the stacked weights is S Adams. S = 1 is the ordinary case.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize


class BatchedLinear(nn.Module):
    r"""S linear layers side by side, :math:`y_s = x_s W_s^\top + b_s`, drawn as ``nn.Linear`` draws its own.

    Args:
        d_in: features of a point.
        d_out: features of the result.
        seeds: S, the number of layers.
        generator: draws the weights, on its device.
        spectral_norm: divide each :math:`W_s` by an estimate of its largest singular value: one power iteration a
            forward in training, none in evaluation. The estimate starts at random: before the first few forwards in
            training it is no bound.

    >>> import ganlib
    >>> layer = BatchedLinear(2, 5, seeds=3, generator=ganlib.rng())
    >>> layer(torch.zeros(3, 7, 2)).shape
    torch.Size([3, 7, 5])
    """

    def __init__(self, d_in: int, d_out: int, *, seeds: int = 1, generator: torch.Generator, spectral_norm=False):
        super().__init__()
        if min(d_in, d_out, seeds) < 1:
            raise ValueError(f"expected positive sizes, got d_in={d_in}, d_out={d_out}, seeds={seeds}")
        device, bound = generator.device, d_in**-0.5
        uniform = [torch.rand(seeds, k, d_out, generator=generator, device=device) for k in (d_in, 1)]
        weight, bias = ((2 * u - 1) * bound for u in uniform)
        self.weight = nn.Parameter(weight.mT.contiguous())  # (S, out, in), the layout of nn.Linear
        self.bias = nn.Parameter(bias)  # (S, 1, out)
        self.spectral_norm = spectral_norm
        if spectral_norm:
            u = torch.randn(seeds, d_out, 1, generator=generator, device=device)
            self.register_buffer("u", normalize(u, dim=1))  # (S, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Points ``(S, n, in)`` to ``(S, n, out)``."""
        if x.dim() != 3 or x.shape[::2] != self.weight.shape[::2]:
            s, _, d = self.weight.shape
            raise ValueError(f"expected points ({s}, n, {d}), got {tuple(x.shape)}")
        weight = self.weight / self._sigma() if self.spectral_norm else self.weight
        return torch.baddbmm(self.bias, x, weight.mT)

    def _sigma(self):
        """Largest singular values, shape (S, 1, 1), differentiable in the weights."""
        with torch.no_grad():
            v = normalize(self.weight.mT @ self.u, dim=1)  # (S, in, 1)
            u = self.u
            if self.training:
                u = self.u = normalize(self.weight @ v, dim=1)  # a new tensor: the graph may hold the old one
        return u.mT @ self.weight @ v


class MLPGenerator(nn.Sequential):
    """Points of the line or plane from noise: linear layers with ReLU between them.

    Args:
        sizes: features of z, of each hidden layer, of x.
        seeds: S.
        generator: draws the weights.

    >>> import ganlib
    >>> G = MLPGenerator((2, 32, 32, 2), seeds=16, generator=ganlib.rng())
    >>> G(torch.zeros(16, 64, 2)).shape
    torch.Size([16, 64, 2])
    """

    def __init__(self, sizes=(2, 32, 32, 2), *, seeds: int = 1, generator: torch.Generator):
        super().__init__(*_layers(sizes, nn.ReLU(), seeds=seeds, generator=generator))


class MLPCritic(nn.Sequential):
    """One number a point: linear layers with LeakyReLU(0.2) between them. ``(S, n, d)`` becomes ``(S, n)``.

    Args:
        sizes: features of x, of each hidden layer; the output is added.
        seeds: S.
        generator: draws the weights.
        spectral_norm: as for :class:`BatchedLinear`, in every layer.

    >>> import ganlib
    >>> D = MLPCritic((2, 32, 32), seeds=16, generator=ganlib.rng())
    >>> D(torch.zeros(16, 64, 2)).shape
    torch.Size([16, 64])
    """

    def __init__(self, sizes=(2, 32, 32), *, seeds: int = 1, generator: torch.Generator, spectral_norm=False):
        how = {"seeds": seeds, "generator": generator, "spectral_norm": spectral_norm}
        super().__init__(*_layers((*sizes, 1), nn.LeakyReLU(0.2), **how))

    def forward(self, x: Tensor) -> Tensor:
        """Points ``(S, n, d)`` to logits ``(S, n)``."""
        return super().forward(x).squeeze(-1)


def _layers(sizes, activation, **how):
    if len(sizes) < 2:
        raise ValueError(f"expected the sizes of at least two layers, got {sizes}")
    layers = [BatchedLinear(d_in, d_out, **how) for d_in, d_out in pairwise(sizes)]
    return [module for layer in layers for module in (layer, activation)][:-1]
