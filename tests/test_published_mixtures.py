"""What `experiments/published_mixtures.py` plays, and the floor of its table."""

import importlib
import math
import sys
from pathlib import Path

import pytest
import torch

import ganlib
from ganlib import metrics

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))
script = importlib.import_module("published_mixtures")


@pytest.mark.parametrize("shape", ["ring", "grid"])
def test_a_pack_of_one_is_the_plain_game(shape, monkeypatch):
    monkeypatch.setitem(script.PACKS, "packing 1", 1)
    plain, one, two = (
        script.played(shape, game, "equal", 3, ganlib.rng(1), turns=6) for game in ("plain", "packing 1", "packing 2")
    )
    assert torch.equal(plain, one) and not torch.equal(plain, two)


def test_a_pack_is_judged_at_once():
    D = script.critic(3)((2, 8, 8), seeds=2, generator=ganlib.rng(1))
    x = torch.randn(2, 12, 2, generator=ganlib.rng(2))
    assert D(x).shape == (2, 4)
    assert torch.equal(D(x)[:, 1:2], D(x[:, 3:6])) and torch.equal(D.D(x[:, :3].reshape(2, 1, 6)), D(x)[:, :1])


def test_four_batches_and_four_in_a_pack_see_as_many_points(monkeypatch):
    seen = {}
    monkeypatch.setattr(script, "samples", lambda S, g, **bed: seen.setdefault(game, bed["batch"]))
    for game in ("plain", "plain, 4 batches", *script.PACKS):
        script.played("ring", game, "slow D", 2, ganlib.rng(1))
    assert list(seen.values()) == [64, 256, 128, 192, 256]


@pytest.mark.parametrize(
    "shape, reach, near, cells",
    [
        ("ring", None, 16 * math.asin(0.3 / 4) / math.pi, [1] * 8),  # a chord of 0.3 to each side of a mode
        ("grid", 4, 25 * math.pi * 0.3**2 / 64 * (4 / 5) ** 2, [1, 2, 2, 2, 1]),  # four halves of outer rows are cut
        ("grid", 5, 25 * math.pi * 0.3**2 / 100, [1] * 5),
    ],
)
def test_the_floor_is_at_its_closed_form(shape, reach, near, cells):
    law = script.BEDS[shape]["law"]
    found = metrics.modes(script.uniform(40, ganlib.rng(3), shape, reach), law.centres, script.SD)
    error = math.sqrt(near * (1 - near) / (40 * script.POINTS))
    assert found.high_quality.mean().item() == pytest.approx(near, abs=4 * error)
    k, share = len(law.centres), torch.tensor(cells, dtype=torch.float64) / sum(cells)
    share = torch.outer(share, share).flatten() if shape == "grid" else share
    exact = (share * (k * share).log()).sum().item() + (k - 1) / (2 * script.POINTS)  # the second is chance
    assert found.reverse_kl.mean().item() == pytest.approx(exact, abs=0.002)
    assert (found.captured > k - 4).all()  # a count of one is no merit
