"""What `experiments/seeds_in_worlds.py` repeats: the runs of `worlds.py`, with other streams in the same worlds."""

import importlib
import sys
from pathlib import Path

from ganlib.results import read

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))
script, worlds = (importlib.import_module(name) for name in ("seeds_in_worlds", "worlds"))


def test_the_repeat_of_number_nought_would_be_the_run_of_the_table_itself():
    plain = {"draw": 1, "game": "plain", "strength": ""}
    there, same, other = (
        worlds.trial(plain, 6, None, True),
        *(script.trial({"draw": 1, "again": again}, 6, None, True) for again in (0, 1)),
    )
    assert {name: there[name] for name in same} == same
    assert other["near"] != same["near"]


def test_repeats_of_a_world_are_apart_and_stand_in_the_order_of_the_table():
    again, there = read("seeds_in_worlds"), read("worlds")
    plain = [k for k, game in enumerate(there["game"]) if game == "plain"]
    for number in range(1, script.AGAIN + 1):
        rows = [k for k, n in enumerate(again["again"]) if n == number]
        assert [(again["draw"][k], again["seed"][k]) for k in rows] == [
            (there["draw"][k], there["seed"][k]) for k in plain
        ]
        assert [again["near"][k] for k in rows] != [there["near"][k] for k in plain]
