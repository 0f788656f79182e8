"""What a blind spot costs at equal weights: `pixels` with a two-stack network of no more weights than PixelCNN has.

Counted are weights that are in use, those that no mask multiplies by 0: 15,145 of the PixelCNN with 24 channels, 14,162
of two stacks with 17.
"""

from __future__ import annotations

import pixels
from table import main

from ganlib.models import TwoStacks

pixels.NETWORKS["two stacks, 17 channels"] = lambda g: TwoStacks(17, 5, generator=g)
CASES = [{"data": data, "network": "two stacks, 17 channels"} for data in ("digits", "glyphs")]


if __name__ == "__main__":
    modules = ["images", "models/_drawn", "models/autoregressive", "models/mlp.BatchedLinear"]
    main("equal_weights", CASES, pixels.trial, modules=modules, seeds=10, block=2)
