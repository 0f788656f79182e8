"""What `experiments/curves_in_worlds.py` stores: its games beside those of `worlds.py`, its ruler beside the bed's."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

import ganlib
from ganlib import results
from ganlib.worlds import draw

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))
script, worlds, curves = (importlib.import_module(name) for name in ("curves_in_worlds", "worlds", "curves"))


def streams():
    return {name: ganlib.rng(50 + k) for k, name in enumerate((*worlds.STREAMS, *script.MORE))}


@pytest.mark.parametrize(("mine", "theirs"), [("plain", "plain"), ("slow D", "D's rate × 1/4")])
def test_a_game_is_the_one_of_the_table_of_worlds(mine, theirs):
    some = draw(6, generator=ganlib.rng(3))
    made, alive, ends = script.run(some, streams(), mine, small=True)
    expected, _ = worlds.points(some, streams(), 8, theirs, "")
    assert torch.equal(made, expected) and alive.all()
    assert ends.shape == (6, 12) and ends.isfinite().all()


def test_the_ruler_is_that_of_the_bed_where_the_world_is_the_bed():
    some = draw(4, generator=ganlib.rng(3))
    x = torch.randn(4, 500, 2, generator=torch.Generator().manual_seed(1))
    for scale in (0.5, 1.0):
        bed = some._replace(sd=torch.full((4,), 0.1), scale=torch.full((4,), scale))
        torch.testing.assert_close(script.js(scale * x, bed), curves.js(x), atol=1e-6, rtol=0)


def test_the_same_last_turns_are_seen_as_in_the_bed():
    stored = results.read("curves_in_worlds")
    assert set(curves.CURVES) < set(stored) and set(stored["game"]) == {"plain", "slow D"}
    assert len(stored["game"]) == 256 and all(stored["alive"])
