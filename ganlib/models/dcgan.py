"""Convolutional networks for small pictures, after DCGAN's rules: no pooling, and no hidden layer fully connected.

A side of 4k pixels is made, and read, in three steps: k, 2k, 4k. Weights come from the generator that is given.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from ganlib.models._drawn import drawn


class DCGenerator(nn.Module):
    """Pictures from noise: transposed convolutions, batch normalisation and ReLU between them, tanh at the end.

    Args:
        z: features of the noise.
        size: of a picture, a multiple of 4.
        channels: of a picture.
        width: channels of the last hidden layer; the first has twice as many.
        norm: normalise the hidden layers.
        generator: draws the weights.

    >>> import ganlib
    >>> G = DCGenerator(32, size=16, generator=ganlib.rng())
    >>> G(torch.zeros(5, 32)).shape
    torch.Size([5, 1, 16, 16])
    """

    def __init__(
        self, z: int = 32, *, size: int = 16, channels: int = 1, width: int = 32, norm=True, generator: torch.Generator
    ):
        super().__init__()
        side = _side(size)

        def build():
            first, second = nn.ConvTranspose2d(z, 2 * width, side), nn.ConvTranspose2d(2 * width, width, 4, 2, 1)
            return nn.Sequential(
                *_hidden(first, 2 * width, norm, nn.ReLU),
                *_hidden(second, width, norm, nn.ReLU),
                nn.ConvTranspose2d(width, channels, 4, 2, 1),
                nn.Tanh(),
            )

        self.layers = drawn(build, generator)

    def forward(self, z: Tensor) -> Tensor:
        """Noise ``(n, z)`` to pictures ``(n, channels, size, size)`` in (-1, 1)."""
        return self.layers(z[..., None, None])


class DCCritic(nn.Module):
    """One number a picture: strided convolutions and LeakyReLU(0.2), the hidden one normalised.

    Args:
        size: of a picture, a multiple of 4.
        channels: of a picture.
        width: channels of the first layer; the second has twice as many.
        norm: normalise the second layer, over a batch that is real or generated and never mixed.
        generator: draws the weights.

    >>> import ganlib
    >>> D = DCCritic(size=16, generator=ganlib.rng())
    >>> D(torch.zeros(5, 1, 16, 16)).shape
    torch.Size([5])
    """

    def __init__(self, *, size: int = 16, channels: int = 1, width: int = 32, norm=True, generator: torch.Generator):
        super().__init__()
        side = _side(size)
        self.features = 2 * width * side**2  # of a picture, before the last layer
        leaky = partial(nn.LeakyReLU, 0.2)

        def build():
            first, second = nn.Conv2d(channels, width, 4, 2, 1), nn.Conv2d(width, 2 * width, 4, 2, 1)
            return nn.Sequential(
                *_hidden(first, width, False, leaky), *_hidden(second, 2 * width, norm, leaky), nn.Flatten()
            )

        self.trunk = drawn(build, generator)
        self.head = drawn(lambda: nn.Linear(self.features, 1), generator)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures ``(n, channels, size, size)`` to logits ``(n,)``."""
        return self.head(self.trunk(x)).squeeze(-1)


def _side(size):
    if size < 4 or size % 4:
        raise ValueError(f"expected a size that 4 divides, got {size}")
    return size // 4


def _hidden(layer, channels, norm, activation):
    """A layer, its normalisation and its activation."""
    return [layer, *([nn.BatchNorm2d(channels)] if norm else []), activation()]
