"""The tasks, sights and measures of the experiments on pairs, against a second way to the same."""

import sys
from pathlib import Path

import pytest
import torch

import ganlib
import ganlib.worlds

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))
import enlarged
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


def test_a_small_picture_is_black_where_more_than_a_quarter_of_a_block_is_ink():
    x, y = enlarged.pairs(1, 7, ganlib.rng(3))
    ink = ((y.view(7, 4, 4, 4, 4) + 1) / 2).mean((2, 4))  # rows and columns of blocks
    assert torch.equal(x.view(7, 16, 16)[:, ::4, ::4] > 0, ink > 0.25)
    assert torch.equal(enlarged.small(x), enlarged.small(y))
    assert set(x.unique().tolist()) == {-1.0, 1.0}


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


def some_pairs(*told):
    """Three answers to one question, two to another."""
    questions = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0])[None, :, None].expand(1, 5, 256)
    replies = torch.tensor([0.3, -0.9, 0.9, -0.2, 0.4])[None, :, None].expand(1, 5, 256)
    return questions.to(ganlib.rng().device), replies.to(ganlib.rng().device)


@pytest.mark.parametrize("how, expected", [("mean", [1 / 3, -0.25]), ("median", [0.3, -0.25])])
def test_the_middle_of_all_answers_to_one_question(how, expected):
    found = enlarged.looked_up(how, some_pairs, ganlib.rng(7), True)(some_pairs()[0][:, :2])
    assert torch.allclose(found[0, :, 17].cpu(), torch.tensor(expected), atol=1e-6)


def test_one_answer_by_chance_is_each_of_those_to_the_question():
    asked = some_pairs()[0][:, :2].repeat_interleave(900, 1)
    found = enlarged.looked_up("one", some_pairs, ganlib.rng(8), True)(asked)[0, :, 5].cpu()
    for part, answers in zip(found.split(900), ([-0.2, 0.3, 0.9], [-0.9, 0.4]), strict=True):
        values, counts = part.unique(return_counts=True)
        assert torch.allclose(values, torch.tensor(answers))
        assert (counts / 900 - 1 / len(answers)).abs().max() < 0.07


def test_a_question_that_nobody_asked_has_the_answers_of_the_nearest():
    asked = some_pairs()[0][:, :2].clone()
    asked[..., :40] *= -1
    found = enlarged.looked_up("mean", some_pairs, ganlib.rng(7), True)(asked)
    assert torch.allclose(found[0, :, 3].cpu(), torch.tensor([1 / 3, -0.25]), atol=1e-6)


def test_the_nearest_of_pairs_that_hold_the_question_is_its_own_answer():
    drawn = image_pairs.bolder(1, 100, ganlib.rng(6))
    found = image_pairs.nearest(lambda *told: drawn, ganlib.rng(7), True)(drawn[0])
    assert torch.equal(found, drawn[1])


def test_without_a_link_nothing_of_the_question_is_shown_by_itself():
    G = lambda both: torch.zeros(*both.shape[:-1], 256)  # noqa: E731
    x = torch.full((1, 2, 256), -1.0)
    g = torch.Generator()
    assert (image_pairs.asked(G, x, g, 0.0) == 0).all()
    assert torch.allclose(image_pairs.asked(G, x, g, 3.0), torch.tensor(-3.0).tanh())


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
