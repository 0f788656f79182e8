"""Pictures from pictures of the same shape."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn

from ganlib.models._drawn import drawn


class Translator(nn.Module):
    """Pictures to pictures: down to half the side, two convolutions there, and up again; tanh at the end.

    Args:
        channels: of a picture.
        width: channels at half the side.
        norm: normalise the hidden layers.
        generator: draws the weights.

    >>> import ganlib
    >>> G = Translator(generator=ganlib.rng())
    >>> G(torch.zeros(5, 1, 16, 16)).shape
    torch.Size([5, 1, 16, 16])
    """

    def __init__(self, *, channels: int = 1, width: int = 16, norm=True, generator: torch.Generator):
        super().__init__()
        if min(channels, width) < 1:
            raise ValueError(f"expected channels and width of at least 1, got {channels} and {width}")

        def build():
            hidden = [nn.Conv2d(channels, width, 4, 2, 1), *(nn.Conv2d(width, width, 3, 1, 1) for _ in range(2))]
            normed = [[layer, *([nn.BatchNorm2d(width)] if norm else []), nn.ReLU()] for layer in hidden]
            return nn.Sequential(*chain(*normed), nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh())

        self.layers = drawn(build, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures ``(n, channels, height, width)`` of even sides to as many of the same shape in (-1, 1)."""
        if x.dim() != 4 or any(side % 2 for side in x.shape[2:]):
            raise ValueError(f"expected pictures (n, channels, height, width) of even sides, got {tuple(x.shape)}")
        return self.layers(x)
