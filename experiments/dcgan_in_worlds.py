"""D's normalisation and momentum in 64 worlds of width, batch, rate and slopes; data, turns and judge of `dcgan_rules`.

Each world plays the rules, and D without normalisation, with momentum and without; and the rules with momentum 0.9:
from the same weights, with the same pictures and the same noise. Worlds of one width and one batch are played at once,
side by side in the channels of one network whose convolutions have a group a world.
"""

from __future__ import annotations

import torch
from dcgan_rules import SAMPLE, TURNS, Z, distance, features, kept
from table import main
from torch import nn
from torch.func import functional_call
from torch.nn.functional import prelu

import ganlib
from ganlib import images, losses
from ganlib.models._drawn import drawn
from ganlib.models.judge import judge
from ganlib.training import alternate
from ganlib.worlds import Adam

WIDTHS, BATCHES, RATES, SLOPES = (8, 16, 24), (16, 32, 64), (4e-4, 4e-3), (0.0, 0.2)
FACTORS = "width", "batch", "rate", "slope_G", "slope_D"
MODULES = ["images.digits", "images.stack", "losses.nonsaturating_d", "losses.nonsaturating_g"]
MODULES += ["metrics.frechet_distance", "models/_drawn", "models/judge", "training.alternate", "worlds.Adam"]
WAYS = ("batch", 0.5), ("none", 0.5), ("batch", 0.0), ("none", 0.0), ("batch", 0.9)
CASES = [{"norm_D": norm, "beta1": beta1} for norm, beta1 in WAYS]


def settings(S):
    """The worlds, the same for every case: a dict of S values a factor."""
    g = torch.Generator().manual_seed(2016)

    def one_of(levels):
        return [levels[i] for i in torch.randint(len(levels), (S,), generator=g)]

    found = {"width": one_of(WIDTHS), "batch": one_of(BATCHES), "slope_G": one_of(SLOPES), "slope_D": one_of(SLOPES)}
    share = torch.rand(S, generator=g, dtype=torch.float64)
    return found | {"rate": (RATES[0] * (RATES[1] / RATES[0]) ** share).tolist()}


class Slopes(nn.Module):
    """LeakyReLU with a slope for each channel."""

    def __init__(self, slopes):
        super().__init__()
        self.slopes = slopes

    def forward(self, x):
        """Features (n, channels, h, w) to features."""
        return prelu(x, self.slopes.to(x))


class SideBySide(nn.Module):
    """S networks in the channels of one; parameters have a leading axis of S."""

    def __init__(self, S, build, generator):
        super().__init__()
        net = drawn(build, generator)
        self.names = [name for name, _ in net.named_parameters()]
        self.members = nn.ParameterList(p.detach().unflatten(0, (S, -1)) for p in net.parameters())
        self.net = [net.requires_grad_(False)]  # in a list: it only lends its form

    def forward(self, x):
        """(S, n, c, h, w) to (S, n, c', h', w')."""
        S = len(x)
        beside = x.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)
        values = dict(zip(self.names, (p.flatten(0, 1) for p in self.members), strict=True))
        return functional_call(self.net[0], values, (beside,)).unflatten(1, (S, -1)).transpose(0, 1)


class Generators(SideBySide):
    """The rules' generators, in each a slope of its own."""

    def __init__(self, slopes, width, generator):
        S, w = len(slopes), width

        def build():
            first = nn.ConvTranspose2d(S * Z, S * 2 * w, 2, groups=S)
            second = nn.ConvTranspose2d(S * 2 * w, S * w, 4, 2, 1, groups=S)
            hidden = [first, batch_norm(S * 2 * w), Slopes(slopes.repeat_interleave(2 * w))]
            hidden += [second, batch_norm(S * w), Slopes(slopes.repeat_interleave(w))]
            return nn.Sequential(*hidden, nn.ConvTranspose2d(S * w, S * 2, 4, 2, 1, groups=S), nn.Tanh())

        super().__init__(S, build, generator)

    def forward(self, z):
        """Noise (S, n, 32) to pictures (S, n, 2, 8, 8)."""
        return super().forward(z[..., None, None])


class Critics(SideBySide):
    """The rules' discriminators, in each a slope of its own; their second layer normalised as told."""

    def __init__(self, slopes, width, norm, generator):
        S, w = len(slopes), width
        norms = {"batch": batch_norm, "group": lambda c: nn.GroupNorm(S, c), "none": lambda c: nn.Identity()}

        def build():
            first = nn.Conv2d(S * 2, S * w, 4, 2, 1, groups=S)
            second = nn.Conv2d(S * w, S * 2 * w, 4, 2, 1, groups=S)
            hidden = [first, Slopes(slopes.repeat_interleave(w))]
            hidden += [second, norms[norm](S * 2 * w), Slopes(slopes.repeat_interleave(2 * w))]
            return nn.Sequential(*hidden, nn.Conv2d(S * 2 * w, S, 2, groups=S))

        super().__init__(S, build, generator)

    def forward(self, x):
        """Pictures (S, n, 2, 8, 8) to logits (S, n)."""
        return super().forward(x).flatten(2).squeeze(-1)


def batch_norm(channels):
    return nn.BatchNorm2d(channels, track_running_stats=False)


def play(group, case, turns, n):
    """Members of one width and one batch: what each makes, (S, n, 2, 8, 8)."""
    width, batch = group["width"][0], group["batch"][0]
    g, data, S = ganlib.rng(100 * width + batch), images.digits(), len(group["rate"])
    slopes = {player: torch.tensor(group[f"slope_{player}"]) for player in "GD"}
    G = Generators(slopes["G"], width, g)
    D = Critics(slopes["D"], width, case["norm_D"], g)
    rate = torch.tensor(group["rate"], device=g.device)
    movers = [Adam(net.parameters(), rate=rate, beta1=torch.full_like(rate, case["beta1"])) for net in (D, G)]

    def real():
        x = images.stack(*data, S * batch, generator=g).images.to(g.device)
        return x.unflatten(0, (S, batch))

    def noise(shape):
        return torch.randn(*shape, Z, generator=g, device=g.device)

    batches = (real() for _ in range(turns))
    for _ in alternate(G, D, batches, noise, losses.nonsaturating_d, losses.nonsaturating_g, *movers):
        pass
    with torch.no_grad():
        return G(noise((S, n))).cpu()


def trial(case, S, g, small):
    """All worlds; each pair of a width and a batch is played at once."""
    turns, n = (2, 140) if small else (TURNS, SAMPLE)
    worlds, net, found = settings(S), judge(*images.digits(), epochs=30), [None] * S
    held = features(net, images.stack(*images.digits(), n, generator=ganlib.rng(2016)).images)
    pairs = list(zip(worlds["width"], worlds["batch"], strict=True))
    for pair in sorted(set(pairs)):
        at = [s for s in range(S) if pairs[s] == pair]
        made = play({name: [values[s] for s in at] for name, values in worlds.items()}, case, turns, n)
        for s, x in zip(at, made, strict=True):
            found[s] = kept(net, x)[0], f"{distance(net, x, held):.4g}"
    modes, fid = zip(*found, strict=True)
    worlds["rate"] = [f"{rate:.4g}" for rate in worlds["rate"]]
    return {"modes": modes, "fid": fid} | {name: worlds[name] for name in FACTORS}


if __name__ == "__main__":
    main("dcgan_in_worlds", CASES, trial, modules=MODULES, seeds=64, block=64)
