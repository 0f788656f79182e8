"""What `experiments/paces_in_worlds.py` changes: rates and turns of the runs of `worlds.py`, and nothing else."""

import importlib
import sys
from pathlib import Path

from ganlib.results import read

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))
script, worlds = (importlib.import_module(name) for name in ("paces_in_worlds", "worlds"))


def test_equal_rates_would_be_the_run_of_the_table_itself_and_a_slow_critic_that_of_its_game():
    for rate_D, game in ((1.0, "plain"), (0.25, "D's rate × 1/4")):
        there = worlds.trial({"draw": 1, "game": game, "strength": ""}, 6, None, True)
        same = script.trial({"draw": 1, "rate_D": rate_D, "rate_G": 1.0, "times": 1}, 6, None, True)
        assert {name: there[name] for name in same} == same
    slow = script.trial({"draw": 1, "rate_D": 0.25, "rate_G": 0.25, "times": 1}, 6, None, True)
    assert slow["near"] != same["near"]


def test_the_worlds_stand_in_the_order_of_the_table():
    here, there = read("paces_in_worlds"), read("worlds")
    plain = [k for k, game in enumerate(there["game"]) if game == "plain"]
    for rate_D, rate_G, times in script.PACES:
        rows = [k for k in range(len(here["seed"])) if pace(here, k) == (rate_D, rate_G, times)]
        assert [(here["draw"][k], here["seed"][k]) for k in rows] == [
            (there["draw"][k], there["seed"][k]) for k in plain
        ]


def pace(table, k):
    return tuple(table[name][k] for name in ("rate_D", "rate_G", "times"))
