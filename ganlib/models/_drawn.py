"""Ordinary networks whose weights come from a generator, not from the global stream."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


def drawn(build: Callable[[], nn.Module], generator: torch.Generator) -> nn.Module:
    """The network that ``build()`` describes, on the generator's device, each layer drawn as its constructor draws it.

    Built without memory first, so that nothing is taken from the global stream.
    """
    with torch.device("meta"):
        net = build()
    net.to_empty(device=generator.device)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            bound = layer.weight[0].numel() ** -0.5
            for weights in layer.parameters(recurse=False):
                nn.init.uniform_(weights, -bound, bound, generator=generator)
        elif list(layer.parameters(recurse=False)):
            layer.reset_parameters()  # ones and zeros: a normalisation
    return net
