from copy import deepcopy

import numpy as np
import pytest
import scipy.stats
import torch

from ganlib import densities, losses, penalties
from ganlib.models import Packed
from ganlib.training import alternate
from ganlib.worlds import (
    Adam,
    Slope,
    WorldCritic,
    WorldGenerator,
    Worlds,
    draw,
    noise,
    sample,
    select,
)

LEVELS = {  # written again: what the design says
    "gain_G": (1 / np.sqrt(3), 1, np.sqrt(2)),
    "gain_D": (1 / np.sqrt(3), 1, np.sqrt(2)),
    "slope_G": (0, 0.01, 0.1, 0.2),
    "slope_D": (0, 0.01, 0.1, 0.2),
    "width": (16, 32, 64),
    "latent": (2, 4, 8),
    "beta1": (0, 0.5, 0.9),
    "sd": (0.05, 0.1, 0.2),
    "scale": (0.5, 1),
}
MANY = 6000
each_critic = pytest.mark.parametrize(
    "how", [{}, {"spectral_norm": True}, {"points": 2}, {"kernels": 3}], ids=["plain", "spectral", "packed", "joint"]
)


def stream(seed=20):
    return torch.Generator().manual_seed(seed)


def made(**fields):
    """Worlds by hand: every factor of the five has several levels, and widths and dimensions are mixed."""
    given = {
        "gain_G": [3**-0.5, 2**0.5, 1.0, 2**0.5, 1.0],
        "gain_D": [1.0, 3**-0.5, 2**0.5, 3**-0.5, 2**0.5],
        "slope_G": [0.01, 0.2, 0.0, 0.1, 0.2],
        "slope_D": [0.2, 0.1, 0.01, 0.0, 0.1],
        "width": [16, 64, 32, 16, 64],
        "latent": [4, 2, 8, 2, 8],
        "rate": [0.0012, 0.0031, 0.0044, 0.0023, 0.0018],
        "beta1": [0.0, 0.5, 0.5, 0.9, 0.9],
        "sd": [0.1, 0.2, 0.05, 0.1, 0.2],
        "scale": [0.5, 1.0, 0.5, 0.5, 1.0],
    } | fields
    return Worlds(**{name: torch.tensor(values) for name, values in given.items()})


def critic(worlds, seed=3, **how):
    D = WorldCritic(worlds, generator=stream(seed), **how)
    return Packed(D, how["points"]) if "points" in how else D


def part(net, worlds, s):
    """One world's network, with the weights that it has in the ensemble."""
    alone = WorldGenerator(select(worlds, [s]), generator=stream()) if isinstance(net, WorldGenerator) else None
    if alone is None:
        inner = net.D if isinstance(net, Packed) else net
        spectral, closeness = inner[0].spectral_norm, [m for m in inner if hasattr(m, "kernels")]
        how = {"spectral_norm": spectral, "kernels": closeness[0].kernels if closeness else 0}
        alone = critic(select(worlds, [s]), **how | ({"points": net.m} if isinstance(net, Packed) else {}))
    alone = alone.double()
    for (name, target), source in zip(
        [*alone.named_parameters(), *alone.named_buffers()], [*net.parameters(), *net.buffers()], strict=True
    ):
        places = tuple(slice(n) for n in target.shape[1:])
        cut = source.detach()[s : s + 1]
        if name.endswith("weight") and cut.shape[-1] == 67:  # 64 units and the features of closeness beside them
            cut = torch.cat([cut[..., : target.shape[-1] - 3], cut[..., 64:]], -1)
        target.data = cut[(slice(1), *places)].clone()
    return alone


# The draw


def test_a_draw_has_the_levels_documented_and_no_others():
    worlds = draw(400, generator=stream())
    assert set(worlds._fields) == set(LEVELS) | {"rate"}
    for name, values in worlds._asdict().items():
        assert values.shape == (400,)
        if name != "rate":
            assert sorted(set(values.tolist())) == pytest.approx(sorted(LEVELS[name]), rel=1e-15)
    assert (worlds.beta1.diff() >= 0).all()  # in the order of their momentum


def test_levels_are_equally_likely_and_rates_log_uniform():
    worlds = draw(MANY, generator=stream())
    for name, levels in LEVELS.items():
        values = getattr(worlds, name).numpy()
        counts = [int(np.isclose(values, level).sum()) for level in levels]
        assert sum(counts) == MANY
        assert scipy.stats.chisquare(counts).pvalue > 1e-3
    share = np.log(worlds.rate.numpy() / 0.001) / np.log(5)
    assert share.min() >= 0
    assert share.max() <= 1
    assert scipy.stats.kstest(share, "uniform").pvalue > 1e-3


def test_factors_are_drawn_apart():
    # of 45 pairs of factors: the least p-value of a rank correlation, times 45
    worlds = draw(MANY, generator=stream())
    columns = [values.numpy() for values in worlds]
    assert not any(np.array_equal(a, b) for i, a in enumerate(columns) for b in columns[:i])
    least = min(scipy.stats.spearmanr(a, b).pvalue for i, a in enumerate(columns) for b in columns[:i])
    assert least * 45 > 1e-3


def test_one_seed_gives_the_same_worlds_and_another_others():
    first, again, other = (draw(9, generator=stream(s)) for s in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.rate, other.rate)


def test_some_worlds_are_selected_whole():
    worlds = draw(9, generator=stream())
    some = select(worlds, [7, 2])
    assert all(values.tolist() == [whole[7], whole[2]] for values, whole in zip(some, worlds, strict=True))


# Networks


def test_a_slope_is_leaky_relu_of_each_member():
    slopes = torch.tensor([0.0, 0.01, 0.2])
    x = torch.randn(3, 7, 5, generator=stream(), dtype=torch.float64).requires_grad_()
    together = Slope(slopes).double()(x)
    (gradient,) = torch.autograd.grad((together * x.detach().cos()).sum(), x)
    for s in range(3):
        values = x[s].detach().numpy()
        factor = np.where(values > 0, 1, slopes[s].double().numpy())
        assert together[s].detach().numpy() == pytest.approx(values * factor, rel=1e-15)
        assert gradient[s].numpy() == pytest.approx(np.cos(values) * factor, rel=1e-15)


def test_weights_have_the_variance_of_their_gain_over_the_units_in_use():
    S = 300
    worlds = made(**{name: values.repeat(S // 5).tolist() for name, values in made()._asdict().items()})
    G, D = WorldGenerator(worlds, generator=stream()), WorldCritic(worlds, generator=stream(1))
    for net, gain, into in ((G, worlds.gain_G, worlds.latent), (D, worlds.gain_D, torch.full((S,), 2))):
        for layer, inputs in zip((net[0], net[2], net[4]), (into, worlds.width, worlds.width), strict=True):
            scaled = layer.weight.detach() * (inputs.sqrt() / gain)[:, None, None]
            outputs = worlds.width if layer is not net[4] else torch.full((S,), layer.weight.shape[1])
            values = np.concatenate([w[:o, :i].flatten() for w, o, i in zip(scaled, outputs, inputs, strict=True)])
            assert scipy.stats.kstest(values[:20000], "norm").pvalue > 1e-3
            assert values.std() == pytest.approx(1, abs=4 / np.sqrt(2 * values.size))
            assert not layer.bias.any()


def test_each_generator_in_an_ensemble_is_an_ordinary_network_of_its_own_width():
    worlds, z = made(), torch.randn(5, 9, 8, generator=stream(), dtype=torch.float64)
    G, D = WorldGenerator(worlds, generator=stream()).double(), WorldCritic(worlds, generator=stream(1)).double()
    x = G(z * (torch.arange(8) < worlds.latent[:, None])[:, None])
    logits = D(x)
    for s in range(5):
        width, latent = int(worlds.width[s]), int(worlds.latent[s])
        h = z[s, :, :latent]
        for net, slope, out in ((G, worlds.slope_G[s], x), (D, worlds.slope_D[s], logits.unsqueeze(-1))):
            layers = [(net[k].weight[s].detach(), net[k].bias[s].detach()) for k in (0, 2, 4)]
            for k, (weight, bias) in enumerate(layers):
                weight = weight[: width if k < 2 else None, : h.shape[-1]]
                h = h @ weight.T + bias[:, : len(weight)]
                h = torch.where(h > 0, h, slope.float().double() * h) if k < 2 else h
            assert (h - out[s]).abs().max() <= 1e-14


@each_critic
def test_what_is_masked_stays_at_nothing(how):
    worlds = made()
    G, D = WorldGenerator(worlds, generator=stream(2)), critic(worlds, **how)
    play(G, D, worlds, *draws(worlds, 12))
    inner = D.D if isinstance(D, Packed) else D
    rows = torch.arange(64) >= worlds.width[:, None]  # (S, 64)
    for net in (G, inner):
        first, second, last = net[0], net[2], net[-1]
        for layer in (first, second):
            assert not layer.weight[rows].any()
            assert not layer.bias[:, 0][rows].any()
            assert not layer.weight.grad[rows].any()
            assert not layer.bias.grad[:, 0][rows].any()
        for layer in (second, last):
            cut = layer.weight[..., :64].mT[rows]
            assert not cut.any()
            assert not layer.weight.grad[..., :64].mT[rows].any()
        x = torch.randn(5, 4, first.weight.shape[-1], generator=stream()).double()
        assert not net[1](first(x)).mT[rows].any()
        used = ~rows[:, :, None] & ~rows[:, None, :]
        assert (second.weight[used] != 0).all()  # and nothing else is cut
    beyond = torch.arange(8) >= worlds.latent[:, None]
    assert not G[0].weight.mT[beyond].any()
    assert (G[0].weight.mT[~beyond].abs().sum(-1) > 0).all()


@each_critic
def test_critics_start_alike_as_far_as_they_can(how):
    plain, other = critic(made()), critic(made(), **how)
    other = other.D if isinstance(other, Packed) else other
    assert torch.equal(plain[2].weight, other[2].weight)
    if "points" not in how:
        assert torch.equal(plain[0].weight, other[0].weight)
    if "spectral_norm" in how:
        assert torch.equal(plain[4].weight, other[4].weight)


def test_spectral_norm_bounds_every_layer():
    """With no bias a critic whose weights are tripled is the same critic; the plain one is 27 times as large."""
    x = torch.randn(5, 9, 2, generator=stream(), dtype=torch.float64)
    for how, factor in (({"spectral_norm": True}, 1), ({}, 27)):
        D = critic(made(), **how).double()
        before, tripled = D(x), deepcopy(D)
        for layer in list(tripled)[::2]:
            layer.weight.data *= 3
            assert ("u" in dict(layer.named_buffers())) == bool(how)
        assert (tripled.eval()(x) - factor * D.eval()(x)).abs().max() <= 1e-12 * factor
        assert before.abs().min() > 0


# Draws of points


def test_noise_has_the_dimension_of_its_world():
    z = noise(made(), 4000, generator=stream())
    for s, latent in enumerate((4, 2, 8, 2, 8)):
        assert not z[s, :, latent:].any()
        assert scipy.stats.kstest(z[s, :, :latent].flatten().numpy(), "norm").pvalue > 1e-3


def test_data_are_eight_equal_modes_on_a_ring_times_the_scale():
    worlds, n = made(), 20_000
    x = sample(worlds, n, generator=stream()).double().numpy()
    assert x.shape == (5, n, 2)
    angle = 2 * np.pi * np.arange(8) / 8
    ring = 2 * np.stack([np.cos(angle), np.sin(angle)], -1)
    assert np.abs(ring - densities.ring(1.0).centres.numpy()).max() <= 1e-15
    for s, (sd, scale) in enumerate(zip(worlds.sd.tolist(), worlds.scale.tolist(), strict=True)):
        apart = np.linalg.norm(x[s, :, None] / scale - ring, axis=-1)
        nearest = apart.argmin(-1)
        assert scipy.stats.chisquare(np.bincount(nearest, minlength=8)).pvalue > 1e-3  # of five worlds
        rest = (x[s] / scale - ring[nearest]) / sd
        # at sd .2 half way to the next mode is 3.8 sd: some ten of 20,000 points change sides
        assert scipy.stats.kstest(rest.ravel(), "norm").pvalue > 1e-3
        assert rest.std() == pytest.approx(1, abs=0.04)


# The ensemble and its members


def draws(worlds, turns, n=8):
    """Prepared data and z in float64, so that two games can share them."""
    x = [sample(worlds, n, generator=stream(30 + t)).double() for t in range(turns)]
    return x, [noise(worlds, n, generator=stream(90 + t)).double() for t in range(2 * turns)]


def play(G, D, worlds, x, z, **how):
    """A game in float64 with the worlds' own Adams, fading to zero."""
    G.double(), D.double()
    adams = [Adam(net.parameters(), rate=worlds.rate, beta1=worlds.beta1) for net in (D, G)]
    fades = [torch.optim.lr_scheduler.LinearLR(adam, 1, 0.0, total_iters=len(x)) for adam in adams]
    z, pair = iter(z), (losses.nonsaturating_d, losses.nonsaturating_g)
    steps = []
    for step in alternate(G, D, x, lambda shape: next(z), *pair, *adams, **how):
        steps.append(step)
        for fade in fades:
            fade.step()
    return steps


R1 = {"penalty": lambda *of: 0.7 * penalties.r1(*of)}


@pytest.mark.parametrize(
    ("how", "game"),
    [({}, R1), ({"spectral_norm": True}, R1), ({"points": 2}, {"d_steps": 2}), ({"kernels": 3}, {"g_steps": 1})],
    ids=["plain, R1", "spectral, R1", "packed", "joint"],
)
def test_a_world_in_the_ensemble_is_the_same_world_alone(how, game):
    worlds = made()
    G, D = WorldGenerator(worlds, generator=stream(2)).double(), critic(worlds, **how).double()
    before = deepcopy(G), deepcopy(D)
    x, z = draws(worlds, 12)
    together = play(G, D, worlds, x, z, **game)
    for s in range(5):
        one = select(worlds, [s])
        G_s, D_s = (part(net, worlds, s) for net in before)
        alone = play(G_s, D_s, one, [t[s : s + 1] for t in x], [t[s : s + 1] for t in z], **game)
        for a, b in zip(together, alone, strict=True):
            assert abs(a.loss_D[s] - b.loss_D[0]) <= 1e-9
            assert abs(a.loss_G[s] - b.loss_G[0]) <= 1e-9
        for net, single in ((G, G_s), (D, D_s)):
            for p, q in zip(part(net, worlds, s).parameters(), single.parameters(), strict=True):
                assert (p - q).abs().max() <= 1e-9
        assert (part(before[0], worlds, s)[2].weight - G_s[2].weight).abs().max() > 1e-3  # it did move


# Adam


def problem(seed=5):
    """Parameters of three members and a loss that couples none of them."""
    g = stream(seed)
    shapes = (3, 4, 2), (3, 1, 4), (3, 5)
    tensors = [torch.nn.Parameter(torch.randn(shape, generator=g, dtype=torch.float64)) for shape in shapes]

    def loss(parameters):
        a, b, c = parameters
        return a.sin().sum() + (b**2).sum() * 0.3 + ((a.flatten(1)[:, :5] * c).exp()).sum()

    return tensors, loss


def descend(optimizer, tensors, loss, steps=300):
    for _ in range(steps):
        optimizer.zero_grad()
        loss(tensors).backward()
        optimizer.step()
    return [p.detach() for p in tensors]


def filled(value):
    return torch.full((3,), value, dtype=torch.float64)


@pytest.mark.parametrize("beta1", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("fused", [True, False])
def test_where_all_members_agree_it_is_torchs_adam(beta1, fused):
    (ours, loss), (theirs, _) = problem(), problem()
    adam = Adam(ours, rate=filled(0.0037), beta1=filled(beta1))
    reference = torch.optim.Adam(theirs, 0.0037, betas=(beta1, 0.999), fused=fused)
    for a, b in zip(descend(adam, ours, loss), descend(reference, theirs, loss), strict=True):
        assert (a - b).abs().max() <= 1e-12
    assert max((p - q).abs().max() for p, q in zip(ours, problem()[0], strict=True)) > 0.1


@pytest.mark.parametrize("beta1", [(0.0, 0.5, 0.5), (0.9, 0.0, 0.9), (0.3, 0.3, 0.3)])
def test_every_member_has_its_own_rate_and_momentum(beta1):
    rate = torch.tensor([0.001, 0.0042, 0.0023], dtype=torch.float64)
    ours, loss = problem()
    adam = Adam(ours, rate=rate, beta1=torch.tensor(beta1, dtype=torch.float64), beta2=0.97, eps=1e-4)
    descend(adam, ours, loss, steps=100)
    for s in range(3):
        (whole, _), start = problem(), [p.detach()[s].numpy().copy() for p in problem()[0]]
        theta = [torch.tensor(p, requires_grad=True) for p in start]
        m, v = ([torch.zeros_like(p) for p in theta] for _ in range(2))
        for t in range(1, 101):
            values = loss([torch.stack([p if k == s else w.detach()[k] for k in range(3)])
                           for p, w in zip(theta, whole, strict=True)])  # fmt: skip
            for p, g, a, b in zip(theta, torch.autograd.grad(values, theta), m, v, strict=True):
                a.copy_(beta1[s] * a + (1 - beta1[s]) * g)
                b.copy_(0.97 * b + 0.03 * g * g)
                move = a / (1 - beta1[s] ** t) / ((b / (1 - 0.97**t)).sqrt() + 1e-4)
                p.data -= rate[s] * move
        for p, q in zip(ours, theta, strict=True):
            assert (p[s] - q).abs().max() <= 1e-12


def test_torchs_schedulers_scale_every_rate():
    (ours, loss), (theirs, _) = problem(), problem()
    adam = Adam(ours, rate=filled(0.01), beta1=filled(0.5))
    reference = torch.optim.Adam(theirs, 0.01, betas=(0.5, 0.999))
    for optimizer, tensors in ((adam, ours), (reference, theirs)):
        fade = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.0, total_iters=40)
        for _ in range(50):
            descend(optimizer, tensors, loss, steps=1)
            fade.step()
    assert max((p - q).abs().max() for p, q in zip(ours, theirs, strict=True)) <= 1e-12
    assert adam.param_groups[0]["lr"] == 0


def test_a_gradient_of_nothing_moves_nothing():
    (a, b, c), loss = problem()
    a.data[1, 2:] = 0
    mask = (a.detach() != 0).double()
    adam = Adam([a, b, c], rate=filled(0.01), beta1=filled(0.9))
    descend(adam, [a, b, c], lambda p: loss([p[0] * mask, *p[1:]]), steps=50)
    assert not a[1, 2:].any()


# Refusal


def test_no_world_is_refused():
    with pytest.raises(ValueError, match="expected at least one world, got 0"):
        draw(0, generator=stream())


@pytest.mark.parametrize("slopes", [[[0.1]], [-0.1, 0.2], [0.2, 1.1]])
def test_slopes_out_of_range_are_refused(slopes):
    with pytest.raises(ValueError, match=r"expected slopes \(S,\) from 0 to 1, got"):
        Slope(torch.tensor(slopes))


@pytest.mark.parametrize(
    ("rate", "beta1", "says"),
    [
        ([0.1, 0.1], [0.5, 0.5], "parameters"),
        ([0.1, 0.1, 0.1], [0.5, 0.5], "parameters"),
        ([[0.1, 0.1, 0.1]], [[0.5, 0.5, 0.5]], "parameters"),
        ([0.1, -0.1, 0.1], [0.5, 0.5, 0.5], "rates from 0"),
        ([0.1, 0.1, 0.1], [0.5, 1.0, 0.5], "below 1"),
        ([0.1, 0.1, 0.1], [0.5, -0.5, 0.5], "below 1"),
        ([0.1, float("nan"), 0.1], [0.5, 0.5, 0.5], "rates from 0"),
    ],
)
def test_rates_and_momenta_that_do_not_fit_are_refused(rate, beta1, says):
    with pytest.raises(ValueError, match=says):
        Adam(problem()[0], rate=torch.tensor(rate), beta1=torch.tensor(beta1))


def test_gradients_kept_elsewhere_are_refused():
    tensors, loss = problem()
    adam = Adam(tensors, rate=filled(0.1), beta1=filled(0.5))
    with pytest.raises(ValueError, match="no closure"):
        adam.step(lambda: 0)
    tensors[1].grad = None
    loss(tensors).backward()
    with pytest.raises(ValueError, match="gradients where this optimizer keeps them"):
        adam.step()
