"""What `experiments/stacked_mnist.py` plays, on drawn digits: MNIST need not be at hand."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

import ganlib
from ganlib import images

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))
script = importlib.import_module("stacked_mnist")


@pytest.fixture
def drawn(monkeypatch):
    made = images.glyphs(50, generator=ganlib.rng(1))
    learn = images.Labelled(made.images, made.factors.label)
    found = script.Data(learn, learn, None, 1.0, learn.images, torch.tensor(1.0))
    monkeypatch.setattr(script, "data", lambda: found)


def test_a_pack_of_one_is_the_plain_game(drawn, monkeypatch):
    monkeypatch.setitem(script.PACKS, "packing 1", 1)
    games = "plain", "packing 1", "packing 2"
    plain, one, two = (script.played(game, "equal", ganlib.rng(1), 2, 20) for game in games)
    assert plain.shape == (20, 3, 16, 16) and torch.equal(plain, one) and not torch.equal(plain, two)


def test_a_pack_lies_in_the_channels():
    x = torch.randn(6, 3, 4, 4, generator=ganlib.rng(2))
    packs = script.Packs(lambda packs: packs, 2)(x)
    assert packs.shape == (3, 6, 4, 4) and torch.equal(packs[1], torch.cat([x[2], x[3]]))


def test_d_has_a_norm_where_its_slopes_are_free(drawn, monkeypatch):
    seen, rules = {}, script.rules
    monkeypatch.setattr(script, "rules", lambda *told: seen.setdefault(told[0], told[3]) and rules(*told))
    for game in ("plain", "relativistic, R1 + R2"):
        script.played(game, "slow D", ganlib.rng(1), 1, 20)
    norms = [any(isinstance(layer, torch.nn.BatchNorm2d) for layer in D.modules()) for D in seen.values()]
    assert norms == [True, False]
