r"""Telling a network the label y: beside its input, or as a direction in its features.

Both take points ``(..., n, d)`` with labels ``(..., n)``, or pictures ``(n, channels, size, size)`` with ``(n,)``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ganlib.models.mlp import BatchedLinear


class Concatenated(nn.Module):
    """A network with the label beside its input: K more features of a point, or K more channels of a picture.

    Args:
        net: takes inputs that are wider by K.
        classes: K.

    >>> import ganlib
    >>> from ganlib.models import MLPGenerator
    >>> G = Concatenated(MLPGenerator((2 + 8, 32, 2), seeds=3, generator=ganlib.rng()), 8)
    >>> G(torch.zeros(3, 5, 2), torch.zeros(3, 5, dtype=torch.long)).shape
    torch.Size([3, 5, 2])
    """

    def __init__(self, net: nn.Module, classes: int):
        super().__init__()
        self.net, self.classes = net, classes

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """What the network makes of x and the one-hot label."""
        told, pictures = one_hot(y, self.classes).to(x), y.dim() == 1 and x.dim() == 4
        if pictures:
            return self.net(torch.cat([x, told[..., None, None].expand(-1, -1, *x.shape[2:])], 1))
        return self.net(torch.cat([x, told], -1))


class Projected(nn.Module):
    r"""A critic that meets the label in its features: a common score and one direction a class.

    .. math:: D(x, y) = w\cdot\phi(x) + v_y\cdot\phi(x) + b + c_y

    Args:
        trunk: :math:`\phi`, points to ``(S, n, features)``, or pictures to ``(n, features)``.
        features: of the trunk's output.
        classes: how many labels there are.
        seeds: S.
        generator: draws w and the :math:`v_y`.
    """

    def __init__(self, trunk: nn.Module, features: int, classes: int, *, seeds: int = 1, generator: torch.Generator):
        super().__init__()
        self.trunk = trunk
        self.head = BatchedLinear(features, 1 + classes, seeds=seeds, generator=generator)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Logits, of the shape of the labels."""
        features = self.trunk(x)
        scores = self.head(features if features.dim() == 3 else features.unsqueeze(0)).view(*y.shape, -1)
        return scores[..., 0] + scores.gather(-1, 1 + y.unsqueeze(-1)).squeeze(-1)
