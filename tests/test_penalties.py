from functools import partial

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from ganlib import penalties

SLOPE_PENALTIES = [penalties.gradient_penalty, penalties.one_sided_penalty, penalties.r1, penalties.r2]
BETWEEN = [penalties.gradient_penalty, penalties.one_sided_penalty]

# (shape of the points, axes of the features). A batch of one and of many: a norm over the batch would grow with n.
SHAPES = [
    *[((n, 3), 1) for n in (1, 2, 7, 64)],
    *[((n, 1, 2, 2), 3) for n in (1, 2, 7, 64)],
    ((5, 2, 3, 2), 3),
    ((4, 7, 3), 1),
    ((4, 1, 3), 1),
    ((4, 7, 2, 3, 2), 3),
    ((2, 4, 7, 1, 2, 2), 3),
]
shapes = pytest.mark.parametrize(("shape", "axes"), SHAPES)
each = pytest.mark.parametrize("penalty", SLOPE_PENALTIES)
between = pytest.mark.parametrize("penalty", BETWEEN)


def stream(seed=20):
    return torch.Generator().manual_seed(seed)


def draw(shape, seed):
    return torch.randn(shape, generator=stream(seed), dtype=torch.float64)


def linear(w, axes):
    """A critic whose gradient is w everywhere, and its norm."""
    return (lambda x: (x * w).sum(tuple(range(-axes, 0))) - 2.3), np.sqrt((w.numpy() ** 2).sum())


def half_square(x, axes=1):
    """A critic whose slope is the distance of the point from the origin: it reveals where it is asked."""
    return x.square().sum(tuple(range(-axes, 0))) / 2


def norms(x, axes=1):
    return np.sqrt((x.numpy() ** 2).sum(tuple(range(-axes, 0))))


# Equation


@shapes
@pytest.mark.parametrize("scale", [0.37, 1.9])  # slopes on either side of 1
def test_a_linear_critic_is_charged_for_the_norm_of_its_weight(shape, axes, scale):
    w = scale * draw(shape[-axes:], 1) / draw(shape[-axes:], 1).norm()
    critic, slope = linear(w, axes)
    real, fake = draw(shape, 2), draw(shape, 3)
    expected = {
        penalties.gradient_penalty: (slope - 1) ** 2,
        penalties.one_sided_penalty: max(0, slope - 1) ** 2,
        penalties.r1: slope**2,
        penalties.r2: slope**2,
    }
    for penalty, value in expected.items():
        actual = penalty(critic, real, fake, generator=stream())
        assert actual.shape == shape[: -axes - 1]
        assert actual.numpy() == pytest.approx(np.full(shape[: -axes - 1], value), rel=1e-12, abs=1e-15)


@shapes
def test_a_quadratic_critic_is_charged_for_the_norm_of_the_points(shape, axes):
    real, fake = draw(shape, 2), 0.4 * draw(shape, 3) + 0.7
    critic = partial(half_square, axes=axes)
    for penalty, at in ((penalties.r1, real), (penalties.r2, fake)):
        actual = penalty(critic, real, fake).detach().numpy()
        assert actual == pytest.approx((norms(at, axes) ** 2).mean(-1), rel=1e-12)


def test_a_quadratic_form_is_charged_for_its_matrix():
    a = np.array([[1.7, -0.4], [-0.4, 0.6]])  # gradient of x'ax/2 is ax
    real, fake = draw((7, 2), 2), draw((7, 2), 3)

    def critic(x):
        return torch.einsum("ni,ij,nj->n", x, torch.from_numpy(a), x) / 2

    assert penalties.r1(critic, real, fake).item() == pytest.approx(((real.numpy() @ a) ** 2).sum(-1).mean(), rel=1e-12)
    assert penalties.r2(critic, real, fake).item() == pytest.approx(((fake.numpy() @ a) ** 2).sum(-1).mean(), rel=1e-12)


@shapes
def test_the_slope_is_taken_at_one_uniform_point_of_each_segment(shape, axes):
    # x̂ = εx + (1 - ε)G(z) with ε from the generator, one number a sample, in the points' precision
    real, fake = draw(shape, 2), 0.4 * draw(shape, 3) + 0.7
    epsilon = torch.rand(shape[:-axes], generator=stream(), dtype=torch.float64)[(..., *(None,) * axes)]
    slope = norms(epsilon * real + (1 - epsilon) * fake, axes)
    critic = partial(half_square, axes=axes)
    actual = penalties.gradient_penalty(critic, real, fake, generator=stream())
    assert actual.detach().numpy() == pytest.approx(((slope - 1) ** 2).mean(-1), rel=1e-12)
    actual = penalties.one_sided_penalty(critic, real, fake, generator=stream())
    assert actual.detach().numpy() == pytest.approx((np.maximum(0, slope - 1) ** 2).mean(-1), rel=1e-12)


# Closed form


def test_the_penalties_own_gradient_of_a_linear_critic_has_its_closed_form():
    real, fake = draw((7, 2), 2), draw((7, 2), 3)
    for value in ([1.2, -0.9], [0.3, 0.5]):  # norms 1.5 and 0.58
        w = np.array(value)
        norm = np.sqrt((w**2).sum())
        unit = w / norm
        expected = {
            penalties.gradient_penalty: 2 * (norm - 1) * unit,
            penalties.one_sided_penalty: 2 * max(0, norm - 1) * unit,
            penalties.r1: 2 * w,
            penalties.r2: 2 * w,
        }
        for penalty, gradient in expected.items():
            weight = torch.tensor(value, dtype=torch.float64, requires_grad=True)
            penalty(lambda x, w=weight: x @ w, real, fake, generator=stream()).backward()
            assert weight.grad.numpy() == pytest.approx(gradient, rel=1e-12, abs=1e-15)


def test_the_penalties_own_gradient_of_a_quadratic_critic_has_its_closed_form():
    # D = a|x|²/2 has slope |a||x|: d/da of mean a²|x|² is 2a mean |x|²
    real, fake = draw((7, 2), 2), 0.4 * draw((7, 2), 3) + 0.7
    for penalty, at in ((penalties.r1, real), (penalties.r2, fake)):
        a = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
        penalty(lambda x, a=a: a * half_square(x), real, fake).backward()
        assert a.grad.item() == pytest.approx(2 * 1.3 * (norms(at) ** 2).mean(), rel=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7, 64, 256])
def test_a_critic_of_slope_1_is_charged_nothing_whatever_the_batch(n):
    real, fake = draw((n, 2), 2), draw((n, 2), 3)
    assert penalties.gradient_penalty(lambda x: x[:, 1], real, fake, generator=stream()) == 0
    assert penalties.one_sided_penalty(lambda x: x[:, 1], real, fake, generator=stream()) == 0


def test_the_two_sided_penalty_charges_a_flat_critic_and_the_one_sided_does_not():
    real, fake = draw((7, 2), 2), draw((7, 2), 3)
    assert penalties.gradient_penalty(lambda x: 0 * x.sum(-1), real, fake, generator=stream()) == 1
    assert penalties.one_sided_penalty(lambda x: 0 * x.sum(-1), real, fake, generator=stream()) == 0


# Where the slope is taken


def seen(penalty, real, fake, **how):
    """The points at which the penalty asks the critic."""
    asked = []

    def critic(x):
        asked.append(x.detach().clone())
        return half_square(x, axes=3 if x.dim() > 3 else 1)

    penalty(critic, real, fake, **how)
    (points,) = asked
    return points


@between
@pytest.mark.parametrize("shape", [(200, 3), (4, 50, 3), (200, 2, 2, 3), (4, 50, 2, 2, 3)])
def test_every_sample_has_an_epsilon_of_its_own_between_0_and_1(penalty, shape):
    real, fake = draw(shape, 2), draw(shape, 3)
    share = ((seen(penalty, real, fake, generator=stream()) - fake) / (real - fake)).reshape(200, -1)
    # the quotient loses digits where the two samples nearly agree in a coordinate
    assert share.numpy() == pytest.approx(share.median(1, keepdim=True).values.expand_as(share).numpy(), abs=1e-9)
    assert share.min() > -1e-9
    assert share.max() < 1 + 1e-9
    assert len(set(share.median(1).values.tolist())) == 200


@between
def test_epsilon_is_uniform_and_reaches_both_ends(penalty):
    real, fake = torch.full((20_000, 1), 3.0, dtype=torch.float64), torch.full((20_000, 1), -2.0, dtype=torch.float64)
    share = ((seen(penalty, real, fake, generator=stream()) + 2) / 5).squeeze(-1).numpy()
    assert 0 <= share.min() < 1e-3  # missed with probability e^-20
    assert 1 - 1e-3 < share.max() <= 1
    assert scipy.stats.kstest(share, "uniform").pvalue > 1e-3


def test_r1_asks_at_the_real_points_and_r2_at_the_generated_ones():
    real, fake = draw((7, 2), 2), draw((7, 2), 3)
    assert torch.equal(seen(penalties.r1, real, fake), real)
    assert torch.equal(seen(penalties.r2, real, fake), fake)
    assert torch.equal(seen(penalties.r1, real, None), real)
    assert torch.equal(seen(penalties.r2, None, fake), fake)


@between
def test_one_seed_of_the_generator_gives_one_value_and_none_gives_a_fresh_one(penalty):
    real, fake = 3 * draw((7, 2), 2), 3 * draw((7, 2), 3)
    first, again, other = (penalty(half_square, real, fake, generator=stream(seed)) for seed in (4, 4, 5))
    assert torch.equal(first, again)
    assert first != other
    assert penalty(half_square, real, fake) != penalty(half_square, real, fake)


@each
def test_a_penalty_moves_the_critic_only(penalty):
    real, fake = draw((7, 2), 2).requires_grad_(), draw((7, 2), 3).requires_grad_()
    a = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    penalty(lambda x: a * half_square(x), real, fake, generator=stream()).backward()
    assert a.grad != 0
    assert real.grad is None
    assert fake.grad is None


@each
def test_a_critic_may_be_closed_over_labels(penalty):
    real, fake, label = draw((7, 2), 2), draw((7, 2), 3), torch.arange(7) % 3
    weight = torch.tensor([0.4, 1.7, 2.6], dtype=torch.float64)
    slope = weight[label].numpy()
    expected = {
        penalties.gradient_penalty: ((slope - 1) ** 2).mean(),
        penalties.one_sided_penalty: (np.maximum(0, slope - 1) ** 2).mean(),
    }.get(penalty, (slope**2).mean())
    actual = penalty(lambda x: weight[label] * x[:, 0], real, fake, generator=stream())
    assert actual.item() == pytest.approx(expected, rel=1e-12)


# Limit


@pytest.fixture
def net():
    """A plain network; torch draws its first weights from the global stream, which is put back."""
    with torch.random.fork_rng():
        net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1), nn.Flatten(0)).double()
    for p in net.parameters():
        p.data = draw(p.shape, 6)
    return net


def dead_by_weight(net):
    net[2].weight.data.zero_()


def dead_by_bias(net):
    net[0].bias.data.fill_(-1e3)


@each
@pytest.mark.parametrize("kill", [dead_by_weight, dead_by_bias])
def test_a_dead_critic_gets_a_finite_penalty_and_finite_gradients(penalty, kill, net):
    kill(net)
    value = penalty(net, draw((7, 2), 2), draw((7, 2), 3), generator=stream())
    assert value.item() == (1 if penalty is penalties.gradient_penalty else 0)
    # a critic without a slope need not depend on all its parameters
    gradients = torch.autograd.grad(value, list(net.parameters()), allow_unused=True)
    assert all(g is None or g.isfinite().all() for g in gradients)


@each
def test_a_critic_that_ignores_its_points_has_slope_0(penalty):
    bias = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    value = penalty(lambda x: bias.expand(7), draw((7, 2), 2), draw((7, 2), 3), generator=stream())
    assert value.item() == (1 if penalty is penalties.gradient_penalty else 0)


@each
def test_a_living_critic_gets_a_gradient_in_every_weight(penalty, net):
    value = penalty(net, 3 * draw((64, 2), 2), 3 * draw((64, 2), 3), generator=stream())
    gradients = torch.autograd.grad(value, [net[0].weight, net[2].weight])
    assert all((g != 0).all() for g in gradients)


def test_the_two_sided_penalty_is_differentiable_as_its_value_says():
    real, fake = draw((5, 2), 2), draw((5, 2), 3)

    def of(a):
        return penalties.gradient_penalty(lambda x: (x @ a).square().sum(-1), real, fake, generator=stream())

    assert torch.autograd.gradcheck(of, draw((2, 3), 4).requires_grad_())


# Clipping


def test_clipping_puts_every_parameter_into_the_interval_and_leaves_the_rest(net):
    before = [p.detach().clone().numpy() for p in net.parameters()]
    identity = [p.data_ptr() for p in net.parameters()]
    assert penalties.clip_weights(net, 0.63) is None
    for p, old in zip(net.parameters(), before, strict=True):
        assert (p.detach().numpy() == np.minimum(np.maximum(old, -0.63), 0.63)).all()
        assert p.requires_grad
    assert [p.data_ptr() for p in net.parameters()] == identity
    assert any((abs(old) > 0.63).any() for old in before)


# Refusal


@pytest.mark.parametrize("c", [0, 0.0, -0.3, float("inf"), float("nan")])
def test_a_bound_that_bounds_nothing_is_refused(c, net):
    with pytest.raises(ValueError, match="expected a positive bound, got"):
        penalties.clip_weights(net, c)


@pytest.mark.parametrize("c", [1e-3, 0.01, 5.5])
def test_a_positive_bound_is_taken(c, net):
    penalties.clip_weights(net, c)
    assert max(p.abs().max() for p in net.parameters()).item() == pytest.approx(min(c, 3.7), rel=0.5)


@each
@pytest.mark.parametrize("shape", [(7, 2), (7, 1, 2, 2), (3, 7, 2)])
def test_a_critic_without_one_number_a_point_is_refused(penalty, shape):
    real, fake = draw(shape, 2), draw(shape, 3)
    batch = shape[:-3] if len(shape) > 3 else shape[:-1]

    def column(x):
        return x.flatten(len(batch)).sum(-1, keepdim=True)

    with pytest.raises(ValueError, match="expected one number a point, D's output") as refusal:
        penalty(column, real, fake, generator=stream())
    assert f"{batch}, got {(*batch, 1)}" in str(refusal.value)
    with pytest.raises(ValueError, match=r"got \(\)"):
        penalty(lambda x: x.sum(), real, fake, generator=stream())


@between
def test_points_of_two_shapes_are_refused_with_both(penalty):
    for real, fake in [((7, 2), (5, 2)), ((7, 2), (1, 2)), ((7, 2), (7, 3)), ((3, 7, 2), (7, 2))]:
        with pytest.raises(ValueError, match="expected points of one shape, got") as refusal:
            penalty(half_square, draw(real, 2), draw(fake, 3), generator=stream())
        assert f"{real} and {fake}" in str(refusal.value)


@each
@pytest.mark.parametrize("shape", [(7,), (), (0, 2), (7, 0)])
def test_points_without_features_are_refused(penalty, shape):
    with pytest.raises(ValueError, match=r"expected points \(\.\.\., n, d\) or images \(\.\.\., n, C, H, W\), got"):
        penalty(half_square, draw(shape, 2), draw(shape, 3), generator=stream())
