"""What the last curves of a run say about its samples, in random worlds: the plain game, and one with a slow D.

The worlds, the first weights and the streams are those of `worlds.py`, so a game here ends as it does there. Of each
run are stored what anybody could see of its last 500 turns (the columns of `curves.py`, with the same windows and
looks), the loss of a fresh discriminator trained against the finished generator, and how the samples are. Beside it
stand the same discriminator's losses against points uniform on the circle and against the data themselves.
"""

from __future__ import annotations

import torch
from curves import CURVES, REACH, WIDTH, size
from table import main
from worlds import POINTS, STREAMS, TURNS, circle, columns, drawn, factors, movers, pair_of

from ganlib.densities import ring
from ganlib.training import alternate
from ganlib.worlds import WorldCritic, WorldGenerator, noise, sample

LAST, EVERY, BATCH, STEPS, RATE = 500, 100, 64, 500, 3e-3
GAMES = {"plain": 1.0, "slow D": 0.25}  # what D's rate is multiplied with
MORE = ("look", "referee")
PAIR = pair_of("nonsaturating")
MODULES = ["densities", "losses.nonsaturating_d", "losses.nonsaturating_g", "metrics.modes", "models/mlp"]
MODULES += ["training.alternate", "worlds"]
CELLS = round(2 * REACH / WIDTH)


def mass(sd):
    """Mass of the law of this sd in each cell of a lattice, and outside of it; the radius is 2."""
    edges = torch.linspace(-REACH, REACH, CELLS + 1, dtype=torch.float64)
    across, up = (torch.special.ndtr((edges - c[:, None]) / sd).diff(dim=-1) for c in ring(0.1).centres.double().T)
    inside = (across.mT @ up / len(across)).flatten()
    return torch.cat([inside, 1 - inside.sum(0, keepdim=True)])


def js(points, worlds):
    """JS between each world's law and its points (S, n, 2), both over the cells, in units in which the radius is 2."""
    x = points.cpu().double() / worlds.scale.cpu()[:, None, None]
    at = ((x + REACH) / WIDTH).floor().long()
    cell = torch.where(((at >= 0) & (at < CELLS)).all(-1), at[..., 0] * CELLS + at[..., 1], CELLS**2)
    q = torch.zeros(len(cell), CELLS**2 + 1, dtype=torch.float64)
    q.scatter_add_(1, cell, torch.full(cell.shape, 1 / cell.shape[1], dtype=torch.float64))
    p = torch.stack([mass(sd) for sd in worlds.sd.tolist()])
    return sum(torch.special.xlogy(m, m) - torch.special.xlogy(m, (q + p) / 2) for m in (q, p)).sum(-1) / 2


def tamed(points):
    """Finite points: those of a run that flew off lie far away."""
    return points.nan_to_num(nan=1e3).clamp(-1e3, 1e3)


def look(G, D, worlds, g):
    """On fresh points: the share that D labels rightly, its loss, and where the centre of the generated points is."""
    with torch.no_grad():
        made = tamed(G(noise(worlds, POINTS, generator=g)))
        on_real, on_made = D(sample(worlds, POINTS, generator=g)), D(made)
    right = ((on_real > 0).double().mean(-1) + (on_made < 0).double().mean(-1)) / 2
    centre = made.mean(1).double() / worlds.scale[:, None]
    return torch.stack([right, PAIR["loss_D"](on_real, on_made).double(), *centre.T]).cpu()


def referee(worlds, make, g, steps):
    """Loss, on fresh points, of a new discriminator trained for some steps against points that make(n) gives."""
    D = WorldCritic(worlds, generator=g)
    mover = torch.optim.Adam(D.parameters(), RATE, betas=(0.5, 0.999), fused=True)
    fading = torch.optim.lr_scheduler.LinearLR(mover, 1, 0.0, total_iters=steps)

    def loss(n):
        return PAIR["loss_D"](D(sample(worlds, n, generator=g)), D(tamed(make(n)).detach()))

    for _ in range(steps):
        mover.zero_grad()
        loss(BATCH).sum().backward()
        mover.step()
        fading.step()
    with torch.no_grad():
        return loss(4000).double()


def seen(worlds, streams, turns, last, every, rate_D):
    """Play a game a world; G, who is alive, and means of its last turns, (9, S)."""
    G = WorldGenerator(worlds, generator=streams["weights of G"])
    D = WorldCritic(worlds, generator=streams["weights of D"])
    (move_D, move_G), decays = movers(worlds, (D, G), (rate_D, 1), turns)
    batches = (sample(worlds, BATCH, generator=streams["data"]) for _ in range(turns))
    how = PAIR | {"optimizer_D": move_D, "optimizer_G": move_G}
    recent, looks, alive = [], [], torch.ones(len(worlds.rate), dtype=torch.bool)
    try:
        for turn in alternate(G, D, batches, lambda shape: noise(worlds, shape[1], generator=streams["z"]), **how):
            alive = turn.alive.expand(len(alive))
            for decay in decays:
                decay.step()
            if turn.number > turns - last:
                recent.append(torch.stack([turn.loss_D, turn.loss_G, size(D), size(G)]))
            if recent and turn.number % every == 0:
                window, recent = torch.stack(recent, -1).double().cpu(), []  # (4, S, every)
                looked = look(G, D, worlds, streams["look"])
                looks.append(torch.cat([window.mean(-1), window.std(-1)[:2], looked]))
    except FloatingPointError:
        alive = torch.zeros_like(alive)
        looks = [torch.full((10, len(alive)), float("nan")).double()] * 2
    looks = torch.stack(looks, -1)  # (10, S, looks)
    travel = looks[-2:].diff(dim=-1).square().sum(0).sqrt().mean(-1, keepdim=True)
    return G, alive.cpu(), torch.cat([looks[:8].mean(-1), travel.T])


def run(worlds, streams, game, small):
    """What is stored of the games in these worlds: G's test points, who is alive, and columns (S, 12)."""
    turns, last, every, steps = (8, 4, 2, 2) if small else (TURNS, LAST, EVERY, STEPS)
    G, alive, ends = seen(worlds, streams, turns, last, every, GAMES[game])
    with torch.no_grad():
        made = G(noise(worlds, POINTS, generator=streams["test"]))
    g = streams["referee"]
    rivals = [lambda n: G(noise(worlds, n, generator=g)), lambda n: circle(worlds, g)[:, :n]]
    rivals.append(lambda n: sample(worlds, n, generator=g))
    judged = [referee(worlds, make, g, steps) for make in rivals]
    return made, alive, torch.cat([ends, torch.stack(judged).cpu()]).T


def trial(case, S, _, small):
    """All worlds of a draw."""
    streams = (*STREAMS, *MORE)
    make = lambda some, given: run(some, given, case["game"], small)  # noqa: E731
    worlds, made, alive, ends = drawn(S, case["draw"], make, streams=streams)
    names = [*CURVES, "travel", "referee", "referee_circle", "referee_data"]
    found = {name: [f"{v:.5g}" for v in values.tolist()] for name, values in zip(names, ends.T, strict=True)}
    kept = {name: v for name, v in columns(made, worlds).items() if name in ("captured", "m10", "near")}
    truth = {"JS": [f"{v:.4f}" for v in js(tamed(made), worlds).tolist()]} | kept | {"alive": alive.tolist()}
    return found | truth | factors(worlds)


CASES = [{"game": game, "draw": number} for game in GAMES for number in (0, 1)]


if __name__ == "__main__":
    main("curves_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
