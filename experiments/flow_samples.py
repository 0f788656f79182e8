"""The samples of the flows in `flows`, where two counts cannot part them: the data left out, who is whose neighbour.

The trainings of `flows` again, from its seeds, in the bed and in its first 64 worlds. Beside them fresh data, the best
that a sampler can be, and points uniform on the circle through the modes, which have no density in the plane. Each
sample of 2,500 points meets as many fresh points of the data. Of the bed's first seed 300 are kept, in hundredths.
"""

from __future__ import annotations

import flows
import torch
from flows import GAMES, by_game, by_likelihood, log_p, memorised, noise
from scipy.spatial import cKDTree
from table import main
from worlds import POINTS, STREAMS, TURNS, circle, columns

import ganlib
from ganlib.models import Flow, MLPCritic
from ganlib.worlds import WIDTHS, WorldCritic, draw, sample, select

KEPT = 300


def one(worlds, streams, kind, turns, *, of_the_bed):
    """Of S members: fresh points of the data, nats over the data's own at each, and samples."""
    S, test = len(worlds.sd), streams["test"]
    if kind == "memorised":
        held, log_q, made = memorised(worlds, streams, 2000 if turns == TURNS else 20)
        return held, log_p(worlds, held) - log_q, made
    if kind in ("data", "circle"):
        held = sample(worlds, POINTS, generator=test).cpu().double()
        made = circle(worlds, test) if kind == "circle" else sample(worlds, POINTS, generator=test)
        return held, torch.full((S, POINTS), 0.0 if kind == "data" else torch.inf).double(), made.cpu().double()
    flow = Flow(couplings=8, units=32, seeds=S, generator=streams["weights of G"])
    if kind == "likelihood":
        by_likelihood(flow, worlds, streams, turns)
    else:
        how = {"generator": streams["weights of D"]}
        D = MLPCritic((2, 32, 32), seeds=S, **how) if of_the_bed else WorldCritic(worlds, **how)
        by_game(flow, D, worlds, streams, turns, **GAMES[kind])
    flow = flow.double()
    held, z = sample(worlds, POINTS, generator=test).double(), noise(S, POINTS, test).double()
    with torch.no_grad():
        return held.cpu(), log_p(worlds, held) - flow.log_prob(held).cpu(), flow(z).cpu()


def beside(made, fresh, sd):
    """Share of the fresh points without a made one within an sd; share of all whose nearest other is of their kind."""
    made = made.nan_to_num(nan=1e3).clamp(-1e3, 1e3)
    left_out = cKDTree(made).query(fresh)[0] > sd
    both = torch.cat([made, fresh])
    nearest = torch.from_numpy(cKDTree(both).query(both, k=2)[1])  # a point's own place is among the two
    own = torch.arange(len(both))
    other = torch.where(nearest[:, 0] == own, nearest[:, 1], nearest[:, 0])
    return left_out.mean(), ((other < len(made)) == (own < len(made))).double().mean().item()


def in_hundredths(points):
    """Points as whole numbers in one text."""
    return " ".join(str(int(v)) for v in (100 * points.clamp(-100, 100)).round().flatten())


def trial(case, S, _, small):
    """All seeds of the bed, or all worlds of a draw."""
    turns, of_the_bed = 2 if small else TURNS, case["where"] == "bed"
    seed = 500_000 if of_the_bed else 1_000_000 * (case["draw"] + 1)
    first = ganlib.rng(seed if of_the_bed else 100_000 * (case["draw"] + 1))
    worlds = flows.bed(S, first) if of_the_bed else draw(S, generator=first)
    groups = [torch.arange(S)] if of_the_bed else [(worlds.width == w).nonzero().flatten() for w in WIDTHS]
    fresh, nats, made = (torch.zeros(S, POINTS, *shape).double() for shape in ((2,), (), (2,)))
    for number, index in enumerate(index for index in groups if len(index)):
        streams = {name: ganlib.rng(seed + 100 * number + k) for k, name in enumerate(STREAMS)}
        some, at = select(worlds, index.to(worlds.sd.device)), index.cpu()
        fresh[at], nats[at], made[at] = one(some, streams, case["kind"], turns, of_the_bed=of_the_bed)
    sds = (worlds.sd * worlds.scale).cpu()
    left_out, neighbour = zip(*(beside(*each) for each in zip(made, fresh, sds.tolist(), strict=True)), strict=True)
    told = {"nats": nats.mean(-1), "nats_median": nats.median(-1).values}
    found = {k: [f"{v:.5g}" for v in values.tolist()] for k, values in told.items()} | columns(made, worlds)
    found |= {"left_out": [f"{v:.4f}" for v in left_out], "neighbour": [f"{v:.4f}" for v in neighbour]}
    found |= {k: [f"{v:.5g}" for v in getattr(worlds, k).tolist()] for k in flows.BED}
    return found | {"points": [in_hundredths(made[0, :KEPT]) if of_the_bed else "", *[""] * (S - 1)]}


PLACES = {
    "bed": ("data", "circle", "likelihood", *GAMES, "memorised"),
    "worlds": ("data", "circle", "likelihood", "WGAN-GP, 3 steps of D"),
}
CASES = [{"where": where, "draw": 0, "kind": kind} for where, kinds in PLACES.items() for kind in kinds]


if __name__ == "__main__":
    main("flow_samples", CASES, trial, modules=flows.MODULES, seeds=64, block=64)
