"""The one rule of shapes that penalties, models and the loop share."""

from __future__ import annotations

from torch import Tensor


def batch_shape(x: Tensor):
    """Shape of the points without their features: the last axis, or the last three of four axes or more."""
    if x.dim() < 2 or 0 in x.shape:
        raise ValueError(f"expected points (..., n, d) or images (..., n, C, H, W), got {tuple(x.shape)}")
    return x.shape[: -3 if x.dim() >= 4 else -1]
