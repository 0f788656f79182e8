"""What `experiments/published_digits.py` plays, and what its counts notice."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

import ganlib

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))
script = importlib.import_module("published_digits")


def test_a_pack_of_one_is_the_plain_game(monkeypatch):
    monkeypatch.setitem(script.PACKS, "packing 1", 1)
    games = "plain", "packing 1", "packing 2"
    plain, one, two = (script.played(2, game, "equal", 2, ganlib.rng(1), 3, 20) for game in games)
    assert plain.shape == (2, 20, 2, 8, 8) and torch.equal(plain, one) and not torch.equal(plain, two)


def test_a_slow_d_moves_at_a_quarter_of_the_rate(monkeypatch):
    seen, adam = [], script.adam
    monkeypatch.setattr(script, "adam", lambda p, lr, *betas: seen.append(lr) or adam(p, lr, *betas))
    for rates in ("equal", "slow D"):
        script.played(2, "plain", rates, 2, ganlib.rng(1), 1, 20)
    assert seen == [script.RATE, script.RATE, script.RATE / 4, script.RATE]


def counted(game):
    made = script.null(game, 4000, 2, script.data(), ganlib.rng(2))
    found = script.scores(made, script.data())
    return {k: float(v) for k, v in found.items()}


def test_the_judge_reads_digits_that_it_has_not_seen():
    assert 0.9 < script.data().accuracy < 1


def test_a_tuple_of_digits_is_a_mode():
    x, y = script.data().unseen
    zero, one = (x[y == k][:1] for k in (0, 1))  # which the judge has learned
    stacks = torch.stack([torch.cat(pair, 1) for pair in ((zero, zero), (zero, one), (one, zero), (one, zero))], 1)[0]
    found = script.scores(stacks, script.data())
    expected = torch.tensor([0.25, 0.25, 0.5], dtype=torch.float64)
    assert found["modes"] == 3
    assert float(found["reverse_kl"]) == pytest.approx((expected * (100 * expected).log()).sum().item(), abs=1e-4)


def test_digits_are_near_and_noise_is_not():
    data, unseen = counted("data"), counted("unseen digits")
    assert data["near"] == 1 and data["modes"] == data["modes_near"] == 100 and data["reached"] > 0.99
    assert unseen["near"] == pytest.approx(0.95**2, abs=0.02) and unseen["modes_near"] == 100
    for game in ("independent pixels", "uniform pixels"):
        noise = counted(game)
        assert noise["modes"] > 80 and noise["near"] < 0.002 and noise["modes_near"] < 5 and noise["reached"] < 0.02


def test_ten_pictures_have_all_modes_and_reach_ten_digits():
    found = counted("ten pictures")
    assert found["modes"] == found["modes_near"] == 100 and found["near"] == 1
    assert found["reached"] == pytest.approx(10 / len(script.data().learn.images), abs=1e-4)
