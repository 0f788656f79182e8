"""The tasks, sights and measures of the experiments on pairs, against a second way to the same."""

import sys
from pathlib import Path

import pytest
import torch

import ganlib
import ganlib.worlds

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))
import image_pairs
import pairs_in_worlds


def filled_by_hand(outline):
    """What lies inside a rectangle's ink, pixel by pixel."""
    rows, columns = (outline > 0).nonzero().unbind(-1)
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[rows.min() + 1 : rows.max(), columns.min() + 1 : columns.max()] = True
    return inside


def test_an_outline_has_sides_from_6_to_12_and_what_lies_inside_is_found():
    x, inside = image_pairs.outlines(2, 300, ganlib.rng(1))
    assert set(x.unique().tolist()) == {-1.0, 1.0}
    pictures = x.cpu().view(-1, 16, 16)
    by_hand = torch.stack([filled_by_hand(picture) for picture in pictures])
    assert torch.equal(inside.cpu().view(-1, 16, 16), by_hand)
    assert torch.equal(image_pairs.flood(x), inside)
    sides = {int(v) + 2 for v in by_hand.any(1).sum(-1)}
    assert sides == set(range(6, 13))


def test_fills_have_their_chances_and_are_read_back():
    x, y = image_pairs.filled(1, 20_000, ganlib.rng(2))
    shares = torch.cat(image_pairs.tones(x, y)).cpu()
    assert torch.allclose(shares, torch.tensor(image_pairs.SHARES), atol=0.012)
    assert torch.equal((x != y).any(-1), (y - x).abs().sum(-1) > 0.5)
    assert sum(image_pairs.tones(x, torch.zeros_like(x))).item() == 0  # a middle grey is none of them


def test_a_small_picture_is_the_average_of_what_it_came_from():
    x, y = image_pairs.enlarged(1, 7, ganlib.rng(3))
    blocks = y.view(7, 4, 4, 4, 4).mean((2, 4))  # rows and columns of blocks
    assert torch.allclose(x.view(7, 16, 16)[:, ::4, ::4], blocks, atol=1e-6)
    assert torch.allclose(image_pairs.small(x), image_pairs.small(y), atol=1e-6)


def test_bolder_glyphs_have_more_ink_and_the_same_label():
    x, y = image_pairs.bolder(1, 50, ganlib.rng(4))
    assert (y >= x - 1e-6).all() and (y.sum(-1) > x.sum(-1)).all()


def test_windows_are_cut_from_question_and_answer_at_one_place():
    x, y = torch.arange(256.0).expand(1, 3, -1), -torch.arange(256.0).expand(1, 3, -1)
    seen = image_pairs.windows(x, y, ganlib.rng(5))
    assert seen.shape == (1, 3 * image_pairs.WINDOWS, 128)
    of_x, of_y = seen.chunk(2, -1)
    assert torch.equal(of_x, -of_y)
    corner = of_x[..., :1]
    steps = torch.tensor([16 * i + j for i in range(8) for j in range(8)]).to(seen)
    assert torch.equal(of_x - corner, steps.expand_as(of_x))


def test_the_nearest_of_pairs_that_hold_the_question_is_its_own_answer(monkeypatch):
    drawn = image_pairs.enlarged(1, 100, ganlib.rng(6))
    monkeypatch.setitem(image_pairs.TASKS, "enlarge", lambda *told: drawn)
    found = image_pairs.nearest({"task": "enlarge"}, 1, ganlib.rng(7), True)(drawn[0])
    assert torch.equal(found, drawn[1])


@pytest.mark.parametrize("branch, share", [(0, 0.35), (1, 0.2), (2, 0.45)])
def test_answers_to_numbers_lie_on_their_branches(branch, share):
    worlds = ganlib.worlds.draw(8, generator=ganlib.rng(8))
    worlds = worlds._replace(sd=torch.full_like(worlds.sd, 0.05))
    x, y = pairs_in_worlds.pairs(worlds, 5000, ganlib.rng(9))
    found = pairs_in_worlds.shares(x, y)
    assert abs(found[branch].mean().item() - share) < 0.01
    assert torch.stack(found).sum(0).min() > 0.999
    lifted = pairs_in_worlds.shares(x, y + 0.45)
    assert torch.stack(lifted).sum(0).max() < 0.3  # off every branch
