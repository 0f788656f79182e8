"""What `make bench` compares agrees at a tiny size, and what does not is named. Time is no matter of a test."""

import sys
from functools import partial
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import bench

TINY = {
    "Fréchet": [(40, 30, 5)],
    "KID": [(20, 20, 3)],
    "precision to coverage": [(30, 25, 3)],
    "precision, recall": [(30, 25, 3)],
    "W1 on a line": [(7, 5, 1), (6, 6, 1)],
    "exact W1": [(9, 9, 2)],
    "EM": [(60, 2, 2)],
    "games": [(1, 4, 8), (3, 4, 8)],
}


def gaps(*kinds):
    """How far the two sides of each comparison of these kinds are apart."""
    return [bench.apart(each.ours(), each.theirs()) for each in bench.comparisons({kind: TINY[kind] for kind in kinds})]


def test_every_comparison_agrees(capsys):
    assert bench.SIZES.keys() == TINY.keys()
    for kind in TINY:
        assert max(gaps(kind)) <= bench.APART
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("frechet_distance", "Fréchet"),
        ("kernel_distance", "KID"),
        ("neighbours", "precision to coverage"),
        ("neighbours", "precision, recall"),
        ("wasserstein_1d", "W1 on a line"),
        ("transport", "exact W1"),
        ("em", "EM"),
    ],
)
def test_a_fault_in_a_sample_is_seen_in_every_comparison(monkeypatch, name, kind):
    right = getattr(bench, name)
    monkeypatch.setattr(bench, name, lambda x, y, **how: right(x, 1.5 * y, **how))
    assert min(gaps(kind)) > bench.APART


def test_a_fault_in_a_turn_is_seen_in_every_comparison(monkeypatch):
    def faulty(G, D, x, noise, loss_D, loss_G, *optimizers):
        return right(G, D, x, noise, lambda real, fake: loss_D(real, fake - 1e-4), loss_G, *optimizers)

    right = bench.alternate
    monkeypatch.setattr(bench, "alternate", faulty)
    assert min(gaps("games")) > bench.APART


@pytest.mark.parametrize(("gap", "ratio", "fine"), [(5e-7, 0.95, True), (2e-6, 0.95, False), (5e-7, 0.85, False)])
def test_what_is_apart_or_slow_is_not_fine(monkeypatch, gap, ratio, fine):
    monkeypatch.setattr(bench, "race", lambda contenders, seconds: [1, ratio, ratio])
    assert bench.settle(bench.Comparison("", "", lambda: [3 + 3 * gap, 0], lambda: [3, 0]), 0) is fine


def test_a_ratio_above_one_says_that_the_first_is_faster():
    assert bench.race([partial(sum, range(1000)), partial(sum, range(300_000))], 0)[2] > 1


def test_a_number_that_is_none_is_apart():
    assert not bench.apart([float("nan")], [1]) <= bench.APART


def test_an_oracle_that_is_missing_is_told_and_left_out(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "prdc", None)
    assert gaps("precision to coverage") == []
    assert capsys.readouterr().out == "skipped: import of prdc halted; None in sys.modules\n"


@pytest.mark.filterwarnings("ignore:Warning only once")
def test_products_of_matrices_are_counted_backward_too_until_the_end():
    x, y = torch.ones(2, 3, requires_grad=True), torch.ones(3, 4)
    with bench.counted("mm") as seen:
        (x @ y).sum().backward()
    assert seen == {("mm", torch.float32, (2, 3), (3, 4)): 1, ("mm", torch.float32, (2, 4), (4, 3)): 1}
    assert torch.equal(x.grad, torch.full((2, 3), 4.0))
    assert torch.equal(x @ y, torch.full((2, 4), 3.0)) and seen.total() == 2
