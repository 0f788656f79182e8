"""How often does unpaired translation of the ring find the turn that was meant?

One arm of `cyclegan_ring`, with enough seeds to tell the chance from one in eight, which no training can exceed.
"""

from __future__ import annotations

from cyclegan_ring import MODULES, trial
from table import main

CASES = [{"cycle": 1.0, "identity": 0.0, "turns": 1000}]

if __name__ == "__main__":
    main("cyclegan_coin", CASES, trial, modules=MODULES, seeds=320, block=64)
