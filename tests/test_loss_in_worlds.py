"""What `experiments/loss_in_worlds.py` stores: its correlations by other means, and its games beside `worlds.py`'s."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, rankdata

from ganlib.results import read

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))
script = importlib.import_module("loss_in_worlds")
X = torch.tensor([[3.0, 1.0, 4.0, 1.5, 9.0, 2.6], [2.0, 7.0, 1.0, 8.0, 2.8, 1.8]], dtype=torch.float64).T
Y = torch.tensor([[1.0, 6.0, 1.8, 0.3, 3.9, 8.0], [1.2, 5.0, 0.4, 9.0, 4.5, 2.5]], dtype=torch.float64).T


def residual(values, turns):
    """Ranks without their trend."""
    ranks, turns = rankdata(values), turns - turns.mean()
    return ranks - ranks.mean() - turns * (ranks @ turns) / (turns @ turns)


def test_a_partial_correlation_is_that_of_what_the_trend_leaves():
    moments = torch.stack([X, Y, Y.flip(0), X.flip(0), X.square() - Y])
    found, turns = script.correlations(moments), np.arange(1.0, 7.0)
    for s in range(2):
        w1 = residual(moments[2][:, s], turns)
        for name, x in (("rank", moments[0]), ("again", moments[3]), ("now", moments[4])):
            expected = pearsonr(residual(x[:, s], turns), w1)[0]
            assert found[f"{name}_given_turn"][s] == pytest.approx(expected, abs=1e-12)
        changes = pearsonr(rankdata(np.diff(X[:, s])), rankdata(np.diff(moments[2][:, s])))[0]
        assert found["rank_changes"][s] == pytest.approx(changes, abs=1e-12)
        assert found["clock"][s] == pytest.approx(-pearsonr(rankdata(moments[2][:, s]), turns)[0], abs=1e-12)
        assert found["rank_G"][s] == pytest.approx(
            pearsonr(rankdata(moments[1][:, s]), rankdata(moments[2][:, s]))[0], abs=1e-12
        )


def test_what_does_not_move_or_is_not_finite_has_no_correlation():
    x = X.clone()
    x[:, 0], x[2, 1] = 1.0, float("nan")
    assert script.rank(x, Y).tolist() == [0.0, 0.0]
    assert script.given(torch.ones(1).double(), torch.ones(1).double(), torch.ones(1).double()).tolist() == [0.0]


def test_a_game_ends_as_it_does_in_the_table_of_worlds():
    here, there = read("loss_in_worlds"), read("worlds")
    same = {
        ("WGAN-GP, 3 steps", "WGAN-GP, 3 steps of D", 1.0),
        ("WGAN-GP, 1 step", "WGAN-GP", 1.0),
        ("clipped, 3 steps", "clipping, 3 steps of D", 0.1),
        ("non-saturating, 1 step", "plain", ""),
    }
    for mine, theirs, strength in same:
        ours = [k for k, game in enumerate(here["game"]) if game == mine]
        others = [
            k for k, case in enumerate(zip(there["game"], there["strength"], strict=True)) if case == (theirs, strength)
        ]
        for column in ("sd", "rate", "m10", "near"):
            a, b = [here[column][k] for k in ours], [there[column][k] for k in others]
            assert len(a) == 128
            assert a == b, f"{mine}: {column}"
