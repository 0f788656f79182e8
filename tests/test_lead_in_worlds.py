"""What `experiments/lead_in_worlds.py` adds to the games of `worlds.py`: a lead of D, and gradient descent for G."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

import ganlib
from ganlib.results import read
from ganlib.worlds import WorldCritic, WorldGenerator, Worlds, draw

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))
script = importlib.import_module("lead_in_worlds")
START = torch.tensor([[1.0, -2.0], [3.0, 5.0]])


def moved(start, optimizer):
    """Where three steps down the squares lead, at a rate that fades."""
    p = torch.nn.Parameter(start.clone())
    mover = optimizer([p])
    decay = torch.optim.lr_scheduler.LinearLR(mover, 1, 0.0, total_iters=4)
    for _ in range(3):
        mover.zero_grad()
        p.square().sum().backward()
        mover.step()
        decay.step()
    return p.detach()


def test_gradient_descent_moves_each_member_at_its_own_rate():
    rates = [0.1, 0.3]
    together = moved(START, lambda ps: script.SGD(ps, rate=torch.tensor(rates)))
    for k, rate in enumerate(rates):
        alone = moved(START[k : k + 1], lambda ps: torch.optim.SGD(ps, lr=rate))  # noqa: B023
        torch.testing.assert_close(together[k : k + 1], alone)


def test_the_lead_moves_d_and_leaves_g():
    worlds = draw(3, generator=ganlib.rng(1))
    streams = {name: ganlib.rng(k) for k, name in enumerate(("data", "z"))}
    G = WorldGenerator(worlds, generator=ganlib.rng(2))
    D = WorldCritic(worlds, generator=ganlib.rng(3))
    before = [p.detach().clone() for p in G.parameters()]
    seen = [D[0].weight.detach().clone() for _ in script.lead(worlds, streams, G, D, 2)]
    assert len(seen) == 3  # before each step and after the last
    assert all((p == q).all() for p, q in zip(G.parameters(), before, strict=True))
    assert (seen[1] != seen[0]).any() and (seen[2] != seen[1]).any()


def rows(name, **wanted):
    """Rows of a stored table, by the draw and the seed; the settings of the worlds last."""
    table = read(name)
    these = [k for k in range(len(table["seed"])) if all(table[c][k] == v for c, v in wanted.items())]
    return [tuple(table[c][k] for c in ("draw", "seed", *Worlds._fields)) for k in these]


def test_the_worlds_stand_in_the_order_of_the_other_tables():
    plain = rows("worlds", game="plain")
    assert len(plain) == 128 and rows("gradients_in_worlds") == plain
    for loss in script.LOSSES:
        for mover in ("SGD", "Adam"):
            assert rows("lead_in_worlds", loss=loss, mover=mover) == plain


def test_the_four_games_of_a_world_begin_with_one_d():
    table, games = read("lead_in_worlds"), {}
    for loss, mover, value in zip(*(table[c] for c in ("loss", "mover", "believed")), strict=True):
        games.setdefault((loss, mover), []).append(value)
    first, *others = games.values()
    assert len(others) == 3 and all(other == pytest.approx(first, rel=1e-3) for other in others)
