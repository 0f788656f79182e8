"""The properties offered to others: ganlib has them all, and each sees a function that lacks it and nothing else."""

import inspect
import math
import re
import warnings
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import ganlib
from ganlib import densities, divergences, losses, metrics, penalties, properties
from ganlib.properties import (
    TOL,
    Finding,
    Findings,
    check_critic_loss,
    check_divergence,
    check_frechet,
    check_generator_loss,
    check_gradient,
    check_histogram,
    check_kernel_distance,
    check_layer,
    check_modes,
    check_penalty,
    check_runs,
)

INF, LOG2 = math.inf, math.log(2)
check_js = partial(check_divergence, most=LOG2)
check_batch_norm = partial(check_layer, features=3)
check_eight = partial(check_modes, modes=8)


def check_reads(f):
    """Logits (n, k) and labels (n,) go in; a gradient is asked of the logits only."""
    logits = torch.tensor([[0.3, -1.2, 2.1], [1.7, 0.4, -0.6]])
    return check_gradient(lambda logits: f(logits, torch.tensor([2, 1])), logits)


def histogram(x, bins=30):
    cell = (bins * x).long()
    return torch.bincount(cell[:, 0] * bins + cell[:, 1], minlength=bins**2) / len(x)


def nothing():
    return None


# What ganlib has

OURS = [
    (check_penalty, penalties.gradient_penalty),
    (check_penalty, penalties.one_sided_penalty),
    (check_critic_loss, losses.wasserstein_d),
    (check_generator_loss, losses.nonsaturating_g),
    (check_generator_loss, losses.wasserstein_g),
    (check_generator_loss, losses.least_squares_g),
    (check_reads, cross_entropy),
    (check_divergence, divergences.kl),
    (check_divergence, divergences.reverse_kl),
    (check_js, divergences.js),
    (partial(check_divergence, most=1.0), divergences.total_variation),
    (check_histogram, histogram),
    (check_frechet, metrics.frechet_distance),
    (check_kernel_distance, metrics.kernel_distance),
    (check_eight, densities.ring(0.1).centres),
    (partial(check_modes, modes=25), densities.grid(0.1).centres),
    (check_batch_norm, nn.BatchNorm1d(3)),
    (check_runs, nothing),
]


def name_of(value):
    return getattr(getattr(value, "func", value), "__name__", type(value).__name__)


@pytest.mark.parametrize(("check", "f"), OURS, ids=name_of)
def test_ganlib_has_every_property(check, f):
    assert check(f).fails == []


@pytest.mark.parametrize("shift", ["1000", "2000"])
@pytest.mark.parametrize(("check", "f"), OURS, ids=name_of)
def test_ganlib_has_them_by_other_draws_too(check, f, shift, monkeypatch):
    monkeypatch.setenv("GANLIB_SEED_SHIFT", shift)
    assert check(f).fails == []


def test_every_check_is_tried():
    public = {f for name, f in inspect.getmembers(properties) if name.startswith("check_")}
    tried = {getattr(check, "func", check) for check, _ in OURS} - {check_reads} | {check_gradient}
    assert tried == public


# The bounds, as they are documented

BOUNDS = [
    [
        ("no charge for slope 1", 0, 1e-4),
        ("slope 3 costs 4, in every batch", 0, 1e-4),
        ("every ε in [0, 1]", 0, 0.5001),
        ("one ε for all features", 0, 1e-4),
        ("one uniform ε a sample", 0, 2.5 / 16),
        ("teaches the critic", 3.9999, 4.0001),
        ("finite gradient at slope 0", 0, 2.0001),
    ],
    [
        ("a shift changes nothing", -1e-4, 1e-4),
        ("a scale is a factor", -1e-4, 1e-4),
        ("each point counts 1/n", 0, 1e-4),
    ],
    [("raises what D rejects", 1e-4, INF), ("pushes where D is sure", 0.5, INF)],
    [("a gradient reaches input 1", 1e-9, 1e9)],
    [("0 for equal laws", 0, 1e-4), ("above 0 for unequal laws", 1e-4, INF), ("at most its bound", 0, LOG2 + 1e-4)],
    [("mass 1", 0.9999, 1.0001), ("no mass below 0", 0, 1), ("order is nothing", 0, 1e-4)],
    [
        ("0 for a sample and itself", -1e-4, 1e-4),
        ("symmetric", -1e-4, 1e-4),
        ("a shift costs its square", 8.9999, 9.0001),
        ("a stretch costs the variance", 0.99, 1.01),
    ],
    [
        ("mean 0 for equal laws, in 4 s.e.", -1, 1),
        ("sees a shift by 1, in 4 s.e.", 1, INF),
        ("symmetric", -1e-4, 1e-4),
    ],
    [("distinct modes", 8, 8), ("nearest ones equally far", 0.9999, 1)],
    [("mean 0", 0, 1e-4), ("variance 1", 0.99, 1.01)],
    [("runs without a warning", 0, 0)],
]
FIRST = [OURS[k] for k in (0, 2, 3, 6, 9, 11, 12, 13, 14, 16, 17)]


@pytest.mark.parametrize(("ours", "bounds"), list(zip(FIRST, BOUNDS, strict=True)), ids=lambda value: "")
def test_the_bounds_are_these(ours, bounds):
    check, f = ours
    found = check(f)
    assert [x.property for x in found] == [name for name, *_ in bounds]
    for x, (_, low, high) in zip(found, bounds, strict=True):
        assert (x.low, x.high) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))


# What each property sees


def penalty(
    *,
    slope=lambda gradient: gradient.norm(dim=-1),
    charge=lambda s: (s - 1).square().mean(),
    draw=lambda real, g: torch.rand(len(real), 1, generator=g),
    graph=True,
):
    """A gradient penalty of which each part can be exchanged."""

    def f(D, real, fake, *, generator):
        e = draw(real, generator)
        x = (e * real + (1 - e) * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=graph)
        return charge(slope(gradient))

    return f


def safe(gradient):
    return gradient.square().sum(-1).add(1e-24).sqrt()


def whole(gradient):
    return gradient.square().sum().add(1e-24).sqrt()


def wasserstein(more):
    return lambda real, fake: fake.mean() - real.mean() + more(real, fake).detach()


def js(more):
    return lambda log_p, log_q: divergences.js(log_p, log_q) + more(log_p.exp(), log_q.exp())


def frechet(more):
    return lambda x, y: metrics.frechet_distance(x, y) + more(x, y)


def biased(x, y):
    """The squared discrepancy with the points themselves among the pairs."""
    return sum(c * ((a @ b.mT / 4 + 1) ** 3).mean() for c, a, b in ((1, x, x), (1, y, y), (-2, x, y)))


def lost_points(x, n=3):
    return histogram(x[:-n]) * (len(x) - n) / len(x)


def uneven(k=8):
    angle = torch.arange(k).double() * 2 * math.pi / k
    angle[3] += 0.1
    return torch.stack([angle.cos(), angle.sin()], -1)


def doubled():
    angle = torch.linspace(0, 2 * math.pi, 8, dtype=torch.float64)
    return torch.stack([angle.sin(), angle.cos()], -1)


def normalised(x, eps=1e-5, mean=0.0):
    return (x - x.mean(0)) / (x.var(0, correction=0) + eps).sqrt() + mean


def gap(x, y):
    return (x.mean(0) - y.mean(0)).square().sum()


def lopsided(x, y, by=0.013):
    """Of this size for a shift of y, minus that for a shift of x, and 0 on average."""
    return by * (x.mean() - y.mean())


def noise(x, y):
    return torch.sin(1e4 * (x * y).sum())


WRONG = [
    # a penalty
    (
        check_penalty,
        penalty(slope=whole),
        ["no charge for slope 1", "slope 3 costs 4, in every batch", "teaches the critic"],
    ),
    (
        check_penalty,
        penalty(slope=safe, charge=lambda s: (s - 1).square().mean() + 2e-4 * (3 - s.mean())),
        ["no charge for slope 1", "teaches the critic"],
    ),
    (
        check_penalty,
        penalty(slope=safe, charge=lambda s: (s - 1).square().mean() + 2e-4 * (s - 1).sum().detach()),
        ["slope 3 costs 4, in every batch"],
    ),
    (
        check_penalty,
        penalty(slope=safe, draw=lambda real, g: 1.02 * torch.rand(len(real), 1, generator=g)),
        ["every ε in [0, 1]"],
    ),
    (
        check_penalty,
        penalty(slope=safe, draw=lambda real, g: 1.02 * torch.rand(len(real), 1, generator=g) - 0.02),
        ["every ε in [0, 1]"],
    ),
    (
        check_penalty,
        penalty(slope=safe, draw=lambda real, g: torch.rand(real.shape, generator=g)),
        ["one ε for all features"],
    ),
    (check_penalty, penalty(slope=safe, draw=lambda real, g: torch.rand(1, generator=g)), ["one uniform ε a sample"]),
    (check_penalty, penalty(slope=safe, draw=lambda real, g: 1), ["one uniform ε a sample"]),
    (
        check_penalty,
        penalty(slope=safe, draw=lambda real, g: torch.rand(len(real), 1, generator=g) ** 2),
        ["one uniform ε a sample"],
    ),
    (
        check_penalty,
        penalty(slope=safe, draw=lambda real, g: torch.randn(len(real), 1, generator=g)),
        ["every ε in [0, 1]", "one uniform ε a sample"],
    ),
    (
        check_penalty,
        penalty(slope=safe, charge=lambda s: (s - 1).square().mean().detach() + 0 * s.mean()),
        ["teaches the critic"],
    ),
    (check_penalty, penalty(graph=False), ["teaches the critic", "finite gradient at slope 0"]),
    (check_penalty, penalty(slope=lambda g: g.square().sum(-1).sqrt()), ["finite gradient at slope 0"]),
    (check_penalty, penalty(slope=safe, draw=lambda real, g: 0), ["one uniform ε a sample"]),
    (
        check_penalty,
        penalty(slope=safe, draw=lambda real, g: torch.rand(len(real), 1, generator=g) ** torch.tensor([1, 2, 2])),
        ["one ε for all features"],
    ),
    (
        check_penalty,
        penalty(
            slope=safe,
            draw=lambda real, g: torch.cat(
                [
                    torch.rand(len(real) // 2, 1, generator=g).expand(-1, 3),
                    torch.rand(len(real) - len(real) // 2, 3, generator=g),
                ]
            ),
        ),
        ["one ε for all features"],
    ),
    # a critic's loss
    (check_critic_loss, wasserstein(lambda real, fake: 1e-4 * real.mean()), ["a shift changes nothing"]),
    (check_critic_loss, wasserstein(lambda real, fake: real.var()), ["a scale is a factor"]),
    (check_critic_loss, wasserstein(lambda real, fake: torch.tensor(3e-4)), ["a scale is a factor"]),
    (check_critic_loss, lambda real, fake: real.mean() - fake.mean(), ["each point counts 1/n"]),
    (check_critic_loss, lambda real, fake: fake.sum() - real.sum(), ["each point counts 1/n"]),
    (check_critic_loss, lambda real, fake: fake.max() - real.mean(), ["each point counts 1/n"]),
    (check_critic_loss, lambda real, fake: fake.mean() - real.max(), ["each point counts 1/n"]),
    # a generator's loss
    (check_generator_loss, losses.minimax_g, ["pushes where D is sure"]),
    (check_generator_loss, lambda real, fake: 0.51 * (losses.hinge_g(None, fake)), []),
    (check_generator_loss, lambda real, fake: 0.49 * (losses.hinge_g(None, fake)), ["pushes where D is sure"]),
    (check_generator_loss, lambda real, fake: (fake + 1).square().mean(), ["raises what D rejects"]),
    # a gradient
    (check_reads, lambda x, c: torch.tensor([cross_entropy(x, c).item()]).sum(), ["a gradient reaches input 1"]),
    (check_reads, lambda x, c: 0 * cross_entropy(x, c), ["a gradient reaches input 1"]),
    (check_reads, lambda x, c: 1e10 * cross_entropy(x, c), ["a gradient reaches input 1"]),
    (check_reads, lambda x, c: (x - x.detach()).abs().sqrt().mean(), ["a gradient reaches input 1"]),
    (check_reads, lambda x, c: -x.sum(), []),
    # a divergence
    (check_js, js(lambda p, q: 0.01 * (p[0] > 0.5) * torch.equal(p, q)), ["0 for equal laws"]),
    (check_js, js(lambda p, q: -0.01 * torch.equal(p, q)), ["0 for equal laws"]),
    (check_js, js(lambda p, q: 2e-4), ["0 for equal laws", "at most its bound"]),
    (check_js, lambda a, b: 0.9 * divergences.js(a, b) + 2e-4, ["0 for equal laws"]),
    (check_js, js(lambda p, q: -0.011 * ((p - q).abs().max() > 0)), ["above 0 for unequal laws"]),
    (check_js, lambda a, b: 0 * divergences.js(a, b), ["above 0 for unequal laws"]),
    (check_js, lambda a, b: (divergences.kl(a, b) + divergences.kl(b, a)) / 2, ["at most its bound"]),
    (check_js, lambda a, b: (a.exp() * (a - (a.exp() + b.exp()).log() + LOG2)).sum(), ["at most its bound"]),
    (check_divergence, lambda a, b: (a.exp() * (a - b)).sum(), ["at most its bound"]),
    # a histogram
    (check_histogram, lambda x: histogram(x) * 1.0002, ["mass 1"]),
    (check_histogram, lambda x: histogram(x) * 0.9998, ["mass 1"]),
    (check_histogram, lambda x: torch.cat([histogram(x), torch.tensor([0.25, -0.25])]), ["no mass below 0"]),
    (check_histogram, lambda x: torch.cat([histogram(x) - 1, torch.tensor([900.0])]), ["no mass below 0"]),
    (check_histogram, lambda x: lost_points(x) + 3 / 450 / 900, ["order is nothing"]),
    (check_histogram, lost_points, ["mass 1", "order is nothing"]),
    (check_histogram, lambda x: histogram(x) + 0.5 * (x[0, 0] > x[-1, 0]), ["order is nothing"]),
    # a Fréchet distance
    (check_frechet, frechet(lambda x, y: 2e-4 if x is y else 0.0), ["0 for a sample and itself"]),
    (check_frechet, frechet(lambda x, y: 0.01 * gap(x, y) * (x.var() - y.var())), ["symmetric"]),
    (check_frechet, frechet(lambda x, y: 2e-4 * (abs(gap(x, y) - 9) < 0.1)), ["a shift costs its square"]),
    (check_frechet, lambda x, y: gap(x, y), ["a stretch costs the variance"]),
    (
        check_frechet,
        lambda x, y: gap(x, y) + 1.02 * metrics.frechet_distance(x - x.mean(0), y - y.mean(0)),
        ["a stretch costs the variance"],
    ),
    (
        check_frechet,
        lambda x, y: gap(x, y) + 0.98 * metrics.frechet_distance(x - x.mean(0), y - y.mean(0)),
        ["a stretch costs the variance"],
    ),
    # a kernel distance
    (check_kernel_distance, biased, ["mean 0 for equal laws, in 4 s.e."]),
    (
        check_kernel_distance,
        lambda x, y: -biased(x, y),
        ["mean 0 for equal laws, in 4 s.e.", "sees a shift by 1, in 4 s.e."],
    ),
    (check_kernel_distance, noise, ["sees a shift by 1, in 4 s.e."]),
    (check_kernel_distance, lambda x, y: 0.0, ["sees a shift by 1, in 4 s.e."]),
    (check_kernel_distance, lambda x, y: metrics.kernel_distance(x, y) + lopsided(x, y), ["symmetric"]),
    # modes
    (check_eight, doubled(), ["distinct modes", "nearest ones equally far"]),
    (check_eight, uneven(), ["nearest ones equally far"]),
    (check_eight, densities.ring(0.1, modes=7).centres, ["distinct modes"]),
    (check_eight, densities.ring(0.1, modes=9).centres, ["distinct modes"]),
    # a layer
    (check_batch_norm, nn.BatchNorm1d(3, 0.8), ["variance 1"]),
    (check_batch_norm, lambda x: 1.006 * normalised(x), ["variance 1"]),
    (check_batch_norm, lambda x: 0.994 * normalised(x), ["variance 1"]),
    (check_batch_norm, lambda x: normalised(x, mean=2e-4), ["mean 0"]),
    (check_batch_norm, lambda x: normalised(x, mean=-2e-4), ["mean 0"]),
    # a run
    (check_runs, lambda: warnings.warn("it will go", DeprecationWarning, stacklevel=1), ["runs without a warning"]),
    (check_runs, lambda: [][0], ["runs without a warning"]),
]


@pytest.mark.parametrize(
    ("check", "f", "fails"), WRONG, ids=lambda value: None if isinstance(value, list) else name_of(value)
)
def test_a_wrong_function_fails_what_it_lacks_and_nothing_else(check, f, fails):
    assert check(f).fails == fails


def test_every_property_is_seen_to_fail():
    known = {name for bounds in BOUNDS for name, *_ in bounds}
    assert {name for *_, fails in WRONG for name in fails} == known


# What is measured


def measured(found, name):
    return next(x.measured for x in found if x.property == name)


def test_a_norm_over_the_batch_is_charged_at_the_largest_batch():
    found = check_penalty(penalty(slope=whole))
    assert measured(found, "no charge for slope 1") == pytest.approx((math.sqrt(256) - 1) ** 2)
    assert measured(found, "slope 3 costs 4, in every batch") == pytest.approx((3 * 16 - 1) ** 2 - 4)
    assert measured(found, "teaches the critic") == pytest.approx(2 * 16 * (3 * 16 - 1))


@pytest.mark.parametrize("n", [1, 4, 16, 64, 256])
def test_the_penalty_is_asked_at_each_of_these_batches(n):
    def odd(D, real, fake, *, generator):
        return penalties.gradient_penalty(D, real, fake, generator=generator) + 0.25 * (len(real) == n)

    assert measured(check_penalty(odd), "no charge for slope 1") == pytest.approx(0.25)
    assert measured(check_penalty(odd), "slope 3 costs 4, in every batch") == pytest.approx(0.25)


def test_the_critic_has_these_slopes():
    def at_the_points(D, real, fake, *, generator):
        x = real.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        return gradient.square().sum(-1).mean()

    found = check_penalty(at_the_points)
    assert [round(x.measured, 6) for x in found[:2]] == [1, 5]
    assert measured(found, "teaches the critic") == pytest.approx(6)
    assert measured(found, "one uniform ε a sample") == pytest.approx(1 - 0.5 / 256)
    assert measured(found, "every ε in [0, 1]") == pytest.approx(0.5)


def test_the_points_are_apart_in_every_feature():
    asked = []

    def spy(D, real, fake, *, generator):
        asked.append((real, fake))
        return penalties.gradient_penalty(D, real, fake, generator=generator)

    check_penalty(spy)
    assert all(real.dtype == torch.float64 and real.shape == fake.shape == (len(real), 3) for real, fake in asked)
    assert min((fake - real).min() for real, fake in asked) > 1 and max((fake - real).max() for real, fake in asked) < 2
    assert max(len(real) for real, _ in asked) == 256


def test_a_point_asked_last_is_the_one_that_counts():
    def twice(D, real, fake, *, generator):
        D(7 * real)
        return penalties.gradient_penalty(D, real, fake, generator=generator)

    assert check_penalty(twice).fails == []


def test_a_hinge_is_no_estimate_of_the_distance():
    found = check_critic_loss(losses.hinge_d)
    assert all(abs(x.measured) > 0.5 for x in found)
    assert measured(found, "each point counts 1/n") == pytest.approx(1)
    more = check_critic_loss(wasserstein(lambda real, fake: 0.2 * real.mean()))
    assert measured(more, "a shift changes nothing") == pytest.approx(1)
    scaled = check_critic_loss(wasserstein(lambda real, fake: torch.tensor(0.3)))
    assert measured(scaled, "a scale is a factor") == pytest.approx(-0.3)
    assert measured(
        check_critic_loss(lambda real, fake: 3 * (fake.mean() - real.mean())), "each point counts 1/n"
    ) == pytest.approx(2)


def test_the_logits_of_the_critic_are_spread_and_seven():
    def spy(real, fake):
        assert real.shape == fake.shape == (7,) and real.dtype == torch.float64
        seen.append(torch.cat([real, fake]).detach())
        return losses.wasserstein_d(real, fake)

    seen = []
    check_critic_loss(spy)
    expected = 3 * torch.randn(2, 7, generator=ganlib.rng(0), dtype=torch.float64).flatten()
    torch.testing.assert_close(seen[0], expected + 5)
    torch.testing.assert_close(seen[2], 2 * expected)


def test_the_push_is_taken_where_d_says_so():
    found = check_generator_loss(losses.minimax_g)
    assert measured(found, "pushes where D is sure") == pytest.approx(0.001)
    assert measured(found, "raises what D rejects") == pytest.approx(0.001)
    assert measured(check_generator_loss(losses.nonsaturating_g), "pushes where D is sure") == pytest.approx(0.999)
    assert measured(check_generator_loss(losses.nonsaturating_g), "raises what D rejects") == pytest.approx(0.5)


def test_nine_logits_without_real_ones_reach_the_generators_loss():
    def spy(real, fake):
        assert real is None and fake.shape == (9,) and fake.dtype == torch.float64
        return losses.hinge_g(real, fake)

    assert [x.measured for x in check_generator_loss(spy)] == pytest.approx([1, 1])


def test_each_input_has_its_finding():
    a, b, c = torch.tensor([0.4, 1.9]), torch.tensor([-2.1, 0.3]), torch.tensor([3.3, 0.6])
    found = check_gradient(lambda a, b, c: (a * c + b.detach()).sum(), a, b, c)
    assert found.fails == ["a gradient reaches input 2"]
    assert [x.measured for x in found[::2]] == pytest.approx([3.3, 1.9])
    assert "does not require grad" in found[1].measured
    assert not a.requires_grad and a.grad is None


def test_a_divergence_is_asked_of_these_laws():
    seen = []

    def spy(log_p, log_q):
        seen.append((log_p, log_q))
        return divergences.js(log_p, log_q)

    found = check_js(spy)
    assert measured(found, "at most its bound") == pytest.approx(LOG2, abs=1e-12)
    assert len(seen) == 200 + 200 + 201 and all(p.shape == q.shape == (6,) for p, q in seen)
    expected = (3 * torch.randn(2, 200, 6, generator=ganlib.rng(0), dtype=torch.float64)).log_softmax(-1)
    torch.testing.assert_close(torch.stack([p for p, _ in seen[:200]]), expected[0])
    assert all(p is q or torch.equal(p, q) for p, q in seen[:200])
    torch.testing.assert_close(
        torch.stack([torch.stack(pair) for pair in seen[200:400]]), expected.mT.transpose(1, 2).transpose(0, 1)
    )
    assert seen[-1][0].exp().tolist() == [1, 0, 0, 0, 0, 0] and seen[-1][1].exp().tolist() == [0, 1, 0, 0, 0, 0]


def test_what_is_measured_of_a_divergence():
    found = check_js(lambda a, b: 0.3 - 2 * divergences.js(a, b))
    assert measured(found, "0 for equal laws") == pytest.approx(0.3)
    assert measured(found, "above 0 for unequal laws") < -0.5
    assert measured(found, "at most its bound") == pytest.approx(0.3, abs=0.03)


def test_every_point_is_counted():
    found = check_histogram(lambda x: histogram(x[:150]) * 150 / 450)
    assert measured(found, "mass 1") == pytest.approx(1 / 3)
    assert measured(found, "order is nothing") > 1e-3
    assert measured(check_histogram(lambda x: histogram(x) - 0.25), "no mass below 0") == pytest.approx(-0.25)


def test_a_histogram_may_empty_the_points_it_was_given():
    def greedy(x):
        found = histogram(x)
        x.zero_()
        return found

    assert check_histogram(greedy).fails == []


def test_what_is_measured_of_a_frechet_distance():
    found = check_frechet(lambda x, y: gap(x, y) + x.var(0).sum() + y.var(0).sum())
    assert measured(found, "0 for a sample and itself") == pytest.approx(2 * 4, rel=0.2)
    assert measured(found, "a stretch costs the variance") == pytest.approx(10 / 4)
    assert measured(check_frechet(lambda x, y: 2 * gap(x, y)), "a shift costs its square") == pytest.approx(18)
    skew = check_frechet(lambda x, y: (len(y) - len(x)) + 0.0)
    assert measured(skew, "symmetric") == 200
    assert check_frechet(lambda x, y: y[:, 0].mean()).fails  # y is shifted and wider
    wide = check_frechet(lambda x, y: (y.std() / x.std()) if len(x) < len(y) else 0.0)
    assert measured(wide, "symmetric") == pytest.approx(2, rel=0.1)
    far = check_frechet(lambda x, y: y.mean() if len(x) < len(y) else 0.0)
    assert measured(far, "symmetric") == pytest.approx(1, abs=0.15)


def test_the_mean_of_a_kernel_distance_is_counted_in_standard_errors():
    sizes = set()

    def first(x, y):
        sizes.add((tuple(x.shape), tuple(y.shape)))
        return y[0, 0] - x[0, 0] + 0.5

    found = check_kernel_distance(first)
    assert sizes == {((20, 4), (20, 4))}
    x, y = torch.randn(2, 200, 20, 4, generator=ganlib.rng(0), dtype=torch.float64)
    values = y[:, 0, 0] - x[:, 0, 0] + 0.5
    error = values.std() / math.sqrt(200)
    assert found[0].measured == pytest.approx(float(values.mean() / (4 * error)))
    assert found[1].measured == pytest.approx(float((values.mean() + 1) / (4 * error)))
    assert found[2].measured == pytest.approx(float(2 * (y[0, 0, 0] + 1 - x[0, 0, 0])))
    assert [x.measured for x in check_kernel_distance(lambda x, y: 0.25)][:2] == [99, 99]
    assert [x.measured for x in check_kernel_distance(lambda x, y: -0.25)][:2] == [-99, -99]
    assert [x.measured for x in check_kernel_distance(lambda x, y: 0.0)][:2] == [0, 0]


def test_what_is_measured_of_modes():
    found = check_eight(doubled())
    assert [x.measured for x in found] == pytest.approx([7, 0])
    assert check_eight(torch.tensor([[0.3, 0.1]] * 5))[0].measured == 1
    assert check_modes(torch.tensor([[0.3], [1.3], [2.3], [4.3]]), 4)[1].measured == pytest.approx(0.5)
    pair = torch.tensor([[0.3], [0.3 + 0.5 * TOL]], dtype=torch.float64)
    assert check_modes(pair, 1)[0].holds and check_modes(pair.double() * 4, 2)[0].holds


def test_of_the_variance_the_farthest_is_measured():
    found = check_batch_norm(nn.BatchNorm1d(3, 0.8))
    assert measured(found, "variance 1") == pytest.approx(0.25 / 1.05, rel=0.2)
    assert measured(check_batch_norm(lambda x: 2 * normalised(x)), "variance 1") == pytest.approx(4, rel=1e-2)
    assert measured(check_batch_norm(lambda x: x), "variance 1") == pytest.approx(100, rel=0.2)
    assert measured(check_batch_norm(lambda x: normalised(x, mean=0.5)), "mean 0") == pytest.approx(0.5)
    assert check_layer(nn.BatchNorm1d(5), 5).fails == []


def test_a_layer_gets_so_many_rows_in_single_precision():
    def spy(x):
        assert x.shape == (512, 3) and x.dtype == torch.float32
        return normalised(x)

    assert check_batch_norm(spy)[0].holds


# An error is a finding, a wrong signature is refused


def broken(*args, **kwargs):
    raise ZeroDivisionError("it broke\nhere")


CHECKS = [check_penalty, check_critic_loss, check_generator_loss, check_reads, check_js, check_histogram]
CHECKS += [check_frechet, check_kernel_distance, check_batch_norm, check_runs]


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_an_error_is_a_finding(check):
    found = check(broken)
    assert found.fails == [x.property for x in found]
    assert {x.measured for x in found} == {"ZeroDivisionError: it broke"}


def test_an_error_without_a_sentence_is_a_finding():
    def silent():
        raise KeyError

    assert check_runs(silent)[0].measured == "KeyError: "


@pytest.mark.parametrize("check", [c for c in CHECKS if c is not check_runs], ids=name_of)
@pytest.mark.parametrize(("wrong", "said"), [(None, "a NoneType"), ("one", "a str"), ({}, "a dict")])
def test_another_type_is_refused(check, wrong, said):
    with pytest.raises(ValueError, match=rf"^expected (one number|a tensor).*, got {said}$"):
        check(lambda *args, **kwargs: wrong)


ONE = [check_penalty, check_critic_loss, check_generator_loss, check_reads, check_js, check_frechet]
ONE += [check_kernel_distance]


@pytest.mark.parametrize("check", ONE, ids=name_of)
def test_a_number_a_point_is_refused(check):
    with pytest.raises(ValueError, match=re.escape("expected one number, shape (), got a tensor (4, 2)")):
        check(lambda *args, **kwargs: torch.ones(4, 2))


def test_a_number_that_is_no_tensor_is_a_number():
    assert check_js(lambda a, b: float(divergences.js(a, b))).fails == []
    assert check_frechet(lambda x, y: metrics.frechet_distance(x, y).numpy().item()).fails == []


@pytest.mark.parametrize(("wrong", "said"), [(torch.tensor(0.3), "()"), (0.3, "a float")])
def test_masses_are_a_tensor_with_an_axis(wrong, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        check_histogram(lambda x: wrong)
    assert check_histogram(lambda x: histogram(x).reshape(30, 30)).fails == []


def test_a_layer_keeps_the_shape():
    with pytest.raises(ValueError, match=re.escape("expected a tensor (512, 3), got a tensor (512,)")):
        check_batch_norm(lambda x: x[:, 0])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([1, 2], "a list"),
        (torch.ones(3), "a tensor (3,)"),
        (torch.ones(1, 2), "a tensor (1, 2)"),
        (torch.eye(3).long(), "a tensor (3, 3)"),
    ],
)
def test_centres_are_rows(wrong, said):
    with pytest.raises(
        ValueError, match=re.escape(f"expected floating-point centres (k, d), two at least, got {said}")
    ):
        check_eight(wrong)
    assert len(check_modes(torch.tensor([[0.2], [0.9]]), 2)) == 2


# What a reader sees


def test_the_text_names_the_properties_and_no_number():
    found = check_generator_loss(losses.minimax_g)
    assert repr(found) == "raises what D rejects: holds; pushes where D is sure: fails"
    assert found.fails == ["pushes where D is sure"]


def test_the_table_has_every_number_and_sentence():
    rows = [
        (Finding("a", True, 0.25678, -1.5, 2.00004), ["holds", "0.257", "-1.5 to 2"]),
        (Finding("b", False, "KeyError: no <x>", 3.9999, INF), ["fails", "KeyError: no &lt;x&gt;", "at least 3.9999"]),
        (Finding("c", False, math.nan, 7, 7), ["fails", "no number", "7"]),
        (Finding("d", False, INF, 0, LOG2), ["fails", "∞", "0 to 0.69315"]),
    ]
    page = Findings(found for found, _ in rows)._repr_html_()
    cells = re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", page)
    assert cells[:4] == ["", "", "measured", "wanted"]
    assert cells[4:] == [text for found, texts in rows for text in (found.property, *texts)]


def test_warnings_are_as_before_after_a_run():
    before = list(warnings.filters)
    check_runs(nothing)
    assert warnings.filters == before


@pytest.mark.parametrize(
    ("value", "holds"), [(0.0, True), (1.0, True), (1.0001, False), (-0.0001, False), (math.nan, False)]
)
def test_the_ends_of_an_interval_belong_to_it(value, holds):
    assert properties._find("x", lambda: value, 0, 1).holds is holds


# Which numbers a function is asked about


def test_the_points_of_the_penalty():
    g, seen = ganlib.rng(), []
    at = {"generator": g, "dtype": torch.float64}

    def spy(D, real, fake, *, generator):
        seen.append((real, fake, D(torch.eye(3, dtype=torch.float64))))
        return penalties.gradient_penalty(D, real, fake, generator=generator)

    check_penalty(spy)
    u, real = torch.randn(3, **at), torch.randn(256, 3, **at)
    u, fake = u / u.norm(), real + 1 + torch.rand(256, 3, **at)
    sizes = [1, 4, 16, 64, 256]
    for (x, y, w), n, slope in zip(seen, sizes * 2, [1] * 5 + [3] * 5, strict=False):
        torch.testing.assert_close((x, y, w.abs()), (real[:n], fake[:n], slope * u.abs()))


def test_too_small_a_charge_and_a_negative_one_are_measured():
    found = check_penalty(lambda D, real, fake, *, generator: -0.25)
    assert [x.measured for x in found[:2]] == pytest.approx([0.25, 4.25])


def test_the_points_of_the_histogram():
    def spy(x):
        seen.append(x)
        return histogram(x) + 0.5 * (x[0, 0] > x[-1, 0])

    seen = []
    assert measured(check_histogram(spy), "order is nothing") == pytest.approx(0.5)
    up = torch.rand(450, 2, generator=ganlib.rng(), dtype=torch.float64).sort(0).values
    torch.testing.assert_close(seen[0], up)
    torch.testing.assert_close(seen[-1], up.flip(0))


def test_the_samples_of_the_frechet_distance():
    def spy(x, y):
        seen.append((x, y))
        return metrics.frechet_distance(x, y)

    seen, g = [], ganlib.rng()
    assert check_frechet(spy).fails == []
    x = torch.randn(200, 4, generator=g, dtype=torch.float64)
    y = 2 * torch.randn(300, 4, generator=g, dtype=torch.float64) + 1
    x = x - x.mean(0)
    pairs = [(x, x), (x, y), (y, x), (x, x + 1.5), (x, 3 * x)]
    for found, expected in zip(seen, pairs, strict=True):
        torch.testing.assert_close(found, expected)


def test_the_inputs_of_a_layer():
    def spy(x):
        seen.append(x)
        return nn.BatchNorm1d(3)(x)

    seen = []
    found = check_batch_norm(spy)
    x = torch.randn(512, 3, generator=ganlib.rng())
    for k, sd in enumerate((0.5, 1, 10)):
        torch.testing.assert_close(seen[k], sd * x)
    least = 0.25 * x.var(0, correction=0)
    assert measured(found, "variance 1") == pytest.approx(float((least / (least + 1e-5)).min()), abs=1e-6)


def test_one_column_of_a_layer_is_enough():
    def odd(x):
        return normalised(x) * torch.tensor([0.6, 1.5, 1.0]).sqrt() + torch.tensor([0.0, -0.25, 0.125])

    assert [x.measured for x in check_batch_norm(odd)] == pytest.approx([0.25, 1.5], rel=1e-2)


def test_the_push_on_one_of_nine_logits():
    weights = torch.tensor([9.0, 8, 7, 6, 5, 4, 3, 2, 1]).double()
    found = check_generator_loss(lambda real, fake: -(weights * fake).mean())
    assert [x.measured for x in found] == pytest.approx([1, 9])


def test_each_pull_of_the_critic_is_compared():
    first, last = torch.tensor([0.0, 1, 1, 1, 1, 1, 1]).double(), torch.tensor([1.0, 1, 1, 1, 1, 1, 3]).double()
    found = check_critic_loss(lambda real, fake: (last * fake).mean() - (first * real).mean())
    assert measured(found, "each point counts 1/n") == pytest.approx(2)
    found = check_critic_loss(lambda real, fake: (first * fake).mean() - (last * real).mean())
    assert measured(found, "each point counts 1/n") == pytest.approx(2)


def test_a_warning_is_an_error_also_where_it_is_ignored():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (found,) = check_runs(lambda: warnings.warn("it will go", DeprecationWarning, stacklevel=1))
    assert found.measured == "DeprecationWarning: it will go"


def test_the_colours_of_a_terminal_are_left_out():
    def red():
        raise OSError("\x1b[1mdo \x1b[31mnot\x1b[0m")

    assert check_runs(red)[0].measured == "OSError: do not"


def test_a_layer_with_the_default_of_other_libraries_passes():
    assert check_batch_norm(nn.BatchNorm1d(3, 1e-3)).fails == []


def test_no_gradient_is_left_in_what_a_function_closes_over():
    weight = torch.tensor([0.3, 1.7], requires_grad=True)
    (found,) = check_gradient(lambda x: weight.square().sum(), torch.tensor([0.2, 0.9]))
    assert not found.holds and "not have been used" in found.measured and weight.grad is None


def test_no_push_is_no_rise():
    assert check_generator_loss(lambda real, fake: 0 * fake.sum()).fails[0] == "raises what D rejects"
