"""Models, losses and metrics for a book in which every claim runs.

Modules are ranks: each imports only from ranks below it.

====  ==============================================  ========================================================
rank  modules                                         what they hold
====  ==============================================  ========================================================
3     ``training``, ``evidence``, ``properties``      the game; the evidence of the book; tests for others
2     ``losses``, ``penalties``, ``divergences``,     functions of logits, of points, of
      ``metrics``, ``plots``, ``scrub``, ``worlds``   densities, of samples; figures; random settings
1     ``models``, ``claims``                          networks, one file a family; settling a claim
0     ``densities``, ``em``, ``chains``,              targets whose density is known; mixtures; Markov chains;
      ``images``, ``results``, ``rates``, ``labs``    pictures; stored tables; shares and tests; live panels
====  ==============================================  ========================================================

Nothing is imported eagerly: ``import ganlib`` costs nothing and needs no torch.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__version__ = "0.1.0"


def rng(seed: int = 0) -> torch.Generator:
    """The one source of randomness: a generator on ``GANLIB_DEVICE``, moved by ``GANLIB_SEED_SHIFT``.

    Args:
        seed: a whole number of at most 64 bits.

    Returns:
        A fresh generator; its ``.device`` is where data, weights and noise belong.

    Raises:
        ValueError: if the seed, or ``GANLIB_SEED_SHIFT``, is not a whole number.

    >>> import torch
    >>> torch.equal(torch.rand(3, generator=rng(7)), torch.rand(3, generator=rng(7)))
    True
    """
    import torch

    shift = os.environ.get("GANLIB_SEED_SHIFT", "0")
    generator = torch.Generator(os.environ.get("GANLIB_DEVICE", "cpu"))
    try:
        return generator.manual_seed(seed.__index__() + int(shift))
    except (AttributeError, OverflowError, RuntimeError, TypeError, ValueError):
        raise ValueError(f"expected whole numbers, got seed {seed!r} and GANLIB_SEED_SHIFT={shift!r}") from None
