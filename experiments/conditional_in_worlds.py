"""A label in the 128 worlds of `worlds`: G has it beside z in its first layer; four discriminators are told it, or not.

All else is the plain game. `obeyed`: share of points whose nearest mode is the one that was asked for; `with_mode`:
mutual information of label and nearest mode, in nats, whatever the label has come to mean.
"""

from __future__ import annotations

import torch
from infogan_in_worlds import joint, shared
from table import main
from torch import nn
from torch.nn.functional import one_hot
from worlds import BATCH, MODES, POINTS, TURNS, columns, drawn, factors, movers

from ganlib import losses
from ganlib.densities import ring
from ganlib.training import alternate
from ganlib.worlds import WorldCritic, WorldGenerator, noise

STREAMS = ("weights of G", "weights of D", "data", "z", "labels", "test")
MODULES = ["densities", "losses.nonsaturating_d", "losses.nonsaturating_g", "metrics.modes", "models/mlp"]
MODULES += ["training.alternate", "worlds"]
ARMS = ("concatenation", "projection", "beside the last features", "no label in D")


def labelled(worlds, n, g):
    """Points (S, n, 2) of the worlds' data, and their modes."""
    shape = len(worlds.sd), n
    y = torch.randint(MODES, shape, generator=g, device=g.device)
    x = torch.randn(*shape, 2, generator=g, device=g.device)
    sd, scale = (t[:, None, None].to(x) for t in (worlds.sd, worlds.scale))
    return scale * (ring(1.0, MODES).centres.to(x)[y] + sd * x), y


class Beside(nn.Module):
    """A network whose first layer has the one-hot label beside its input, with weights of the same size."""

    def __init__(self, layers, worlds, gain, inputs, generator):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.told = nn.Parameter(drawn_weights(worlds, gain / inputs.sqrt(), 0, generator))

    def forward(self, x, y):
        """Inputs (S, n, d) and labels (S, n) to (S, n, 2), or to logits (S, n)."""
        first, *others = self.layers
        h = first(x) + one_hot(y, MODES).to(x) @ self.told
        for layer in others:
            h = layer(h)
        return h.squeeze(-1)


class Told(nn.Module):
    """The worlds' critic; the label gives each hidden unit of the last layer a weight, or the logit a number, or none.

    A label beside the last features has one weight a label: this adds a number to the logit.
    """

    def __init__(self, layers, worlds, arm, generator):
        super().__init__()
        *hidden, self.last = layers
        self.hidden = nn.Sequential(*hidden)
        weight = drawn_weights(worlds, worlds.gain_D / worlds.width.sqrt(), 1, generator)
        self.add = nn.Parameter(weight[..., :1]) if arm != "no label in D" else None
        self.direction = nn.Parameter(weight[..., 1:]) if arm == "projection" else None

    def forward(self, x, y):
        """Points (S, n, 2) and labels (S, n) to logits (S, n)."""
        h, told = self.hidden(x), one_hot(y, MODES).to(x)
        score = self.last(h).squeeze(-1)
        if self.add is not None:
            score = score + (told @ self.add).squeeze(-1)
        if self.direction is not None:
            score = score + (told @ self.direction * h).sum(-1)
        return score


def drawn_weights(worlds, sd, more, generator):
    """Normal weights of each label, (S, 8, width + more); worlds of one width are played together."""
    shape = len(worlds.width), MODES, int(worlds.width.max()) + more
    weight = torch.randn(shape, generator=generator, device=generator.device)
    return weight * sd[:, None, None].to(weight)


def play(worlds, streams, turns, arm):
    """Points, their labels, and which worlds are alive."""
    S, g = len(worlds.rate), streams["labels"]
    G = WorldGenerator(worlds, generator=streams["weights of G"])
    G = Beside(G, worlds, worlds.gain_G, worlds.latent.double(), g)
    D = WorldCritic(worlds, generator=streams["weights of D"])
    if arm == "concatenation":
        D = Beside(D, worlds, worlds.gain_D, torch.full_like(worlds.rate, 2.0), g)
    else:
        D = Told(D, worlds, arm, g)
    moves, decays = movers(worlds, (D, G), (1, 1), turns)
    batches = (labelled(worlds, BATCH, streams["data"]) for _ in range(turns))
    game = losses.nonsaturating_d, losses.nonsaturating_g, *moves
    alive = torch.ones(S, dtype=torch.bool)
    try:
        for step in alternate(G, D, batches, lambda shape: noise(worlds, shape[1], generator=streams["z"]), *game):
            alive = step.alive.expand(S)
            for decay in decays:
                decay.step()
    except FloatingPointError:
        alive = torch.zeros_like(alive)
    with torch.no_grad():
        y = torch.arange(POINTS, device=g.device).expand(S, -1) % MODES
        return G(noise(worlds, POINTS, generator=streams["test"]), y), y, alive


@torch.enable_grad()
def trial(case, S, _, small):
    """All worlds of a draw."""
    turns = 2 if small else TURNS
    worlds, x, y, alive = drawn(
        S, case["draw"], lambda some, streams: play(some, streams, turns, case["arm"]), streams=STREAMS
    )
    table = joint(y, x, worlds, MODES)
    told = {"obeyed": table.diagonal(dim1=-2, dim2=-1).sum(-1), "with_mode": shared(table)}
    found = {name: [f"{v:.4f}" for v in values.tolist()] for name, values in told.items()}
    return found | columns(x, worlds) | {"alive": alive.tolist()} | factors(worlds)


CASES = [{"arm": arm, "draw": number} for number in (0, 1) for arm in ARMS]


if __name__ == "__main__":
    main("conditional_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
