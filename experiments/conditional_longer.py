"""The discriminator of `conditional` that is told no label, three times as long: 6,000 turns.

All else is as there; the pictures are nearer to the data by then. Is the label obeyed?
"""

from __future__ import annotations

from conditional import MODULES, trial
from table import main

CASES = [{"method": "no label in D", "turns": 6000}]

if __name__ == "__main__":
    main("conditional_longer", CASES, trial, modules=MODULES)
