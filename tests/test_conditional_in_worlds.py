"""What `experiments/conditional_in_worlds.py` plays: its four ways to tell D, and the worlds of `worlds.py`."""

import importlib
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import one_hot

import ganlib
from ganlib.results import read
from ganlib.worlds import WorldCritic, WorldGenerator, draw, select

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))
script = importlib.import_module("conditional_in_worlds")
FACTORS = ("gain_G", "gain_D", "slope_G", "slope_D", "width", "latent", "rate", "beta1", "sd", "scale")


def alike():
    """Some worlds of one width."""
    worlds = draw(30, generator=ganlib.rng(1))
    return select(worlds, worlds.width == 16)


def by_label(D, x):
    """Logits (8, S, n) of the same points under each label."""
    shape = x.shape[:2]
    with torch.no_grad():
        return torch.stack([D(x, torch.full(shape, y)) for y in range(8)])


def critic(arm, worlds):
    """D of one arm, and 50 points a world."""
    D = WorldCritic(worlds, generator=ganlib.rng(2))
    return script.Told(D, worlds, arm, ganlib.rng(3)), torch.randn(len(worlds.sd), 50, 2, generator=ganlib.rng(4))


def test_two_of_the_critics_move_by_the_same_for_all_points_and_one_does_not():
    worlds = alike()
    moved = {arm: (v := by_label(*critic(arm, worlds))) - v[:1] for arm in script.ARMS[1:]}
    assert (moved["no label in D"] == 0).all()
    offset = moved["beside the last features"]
    assert (offset[1:].abs().mean((1, 2)) > 0.01).all() and offset.std(-1).max() < 1e-6
    assert moved["projection"][1:].std(-1).mean() > 0.05


def test_a_label_beside_the_input_is_a_wider_first_layer():
    worlds = alike()
    for net, d in ((WorldCritic, 2), (WorldGenerator, 8)):
        plain = net(worlds, generator=ganlib.rng(2))
        told = script.Beside(plain, worlds, worlds.gain_D, torch.full_like(worlds.rate, d), ganlib.rng(3))
        x = torch.randn(len(worlds.sd), 50, d, generator=ganlib.rng(4))
        y = torch.randint(8, x.shape[:2], generator=ganlib.rng(5))
        with torch.no_grad():
            first, *others = plain
            weight = torch.cat([first.weight, told.told.mT], -1)
            h = torch.cat([x, one_hot(y, 8).to(x)], -1) @ weight.mT + first.bias
            for layer in others:
                h = layer(h)
            torch.testing.assert_close(told(x, y), h.squeeze(-1))
            sd = told.told.std((1, 2)) / first.weight.std((1, 2))
        if net is WorldCritic:
            assert sd.log().mean().exp() == pytest.approx(1, abs=0.15)  # as large as the other weights


def test_the_worlds_are_those_of_the_table_of_worlds():
    here, there = read("conditional_in_worlds"), read("worlds")
    plain = [k for k, game in enumerate(there["game"]) if game == "plain"]
    for arm in script.ARMS:
        rows = [k for k, name in enumerate(here["arm"]) if name == arm]
        for column in ("draw", "seed", *FACTORS):
            assert [here[column][k] for k in rows] == [there[column][k] for k in plain], (arm, column)


def test_labelled_points_lie_at_the_bump_of_their_label():
    worlds = draw(6, generator=ganlib.rng(1))
    x, y = script.labelled(worlds, 400, ganlib.rng(6))
    away = x / worlds.scale[:, None, None] - script.ring(1.0, 8).centres[y]
    assert sorted(set(y.flatten().tolist())) == list(range(8))
    torch.testing.assert_close(away.std((1, 2)), worlds.sd, rtol=0.1, atol=0)
