import numpy as np
import pytest
import torch
from scipy.special import expit

import ganlib
from ganlib import losses

# No 0, no 1, no equal or opposite entries: such points hide swapped or dropped terms.
REAL = np.array([-5.0, 1.4, 12.5, 2.7, -0.6])
FAKE = np.array([10.0, 4.4, -5.5, 3.6, 0.8, -2.2, 0.3])


def d(logit):
    """The discriminator's probability."""
    return expit(logit)


# Second transcription, from probabilities. 1 - D(x) is written D(-x): the difference loses the digits of a certain D.
EQUATIONS = {
    "minimax_d": lambda r, f: -np.log(d(r)).mean(-1) - np.log(d(-f)).mean(-1),
    "minimax_g": lambda r, f: np.log(d(-f)).mean(-1),
    "nonsaturating_d": lambda r, f: -np.log(d(r)).mean(-1) - np.log(d(-f)).mean(-1),
    "nonsaturating_g": lambda r, f: -np.log(d(f)).mean(-1),
    "least_squares_d": lambda r, f: 0.5 * ((r - 1) ** 2).mean(-1) + 0.5 * ((f - 0) ** 2).mean(-1),
    "least_squares_g": lambda r, f: 0.5 * ((f - 1) ** 2).mean(-1),
    "hinge_d": lambda r, f: np.maximum(0, 1 - r).mean(-1) + np.maximum(0, 1 + f).mean(-1),
    "hinge_g": lambda r, f: -f.mean(-1),
    "wasserstein_d": lambda r, f: f.mean(-1) - r.mean(-1),
    "wasserstein_g": lambda r, f: -f.mean(-1),
    "relativistic_d": lambda r, f: -np.log(d(r - f)).mean(-1),
    "relativistic_g": lambda r, f: -np.log(d(f - r)).mean(-1),
}
PAIRING = ["relativistic_d", "relativistic_g"]
UNPAIRED = [name for name in EQUATIONS if name not in PAIRING]
GENERATOR = [name for name in UNPAIRED if name.endswith("_g")]

every = pytest.mark.parametrize("name", EQUATIONS)
unpaired = pytest.mark.parametrize("name", UNPAIRED)
pairing = pytest.mark.parametrize("name", PAIRING)


def points(name, *, of=np.asarray):
    """Seven generated points against five real ones, or five against five where the loss pairs."""
    return of(REAL), of(FAKE[: len(REAL)] if name in PAIRING else FAKE)


def call(name, *arguments):
    return getattr(losses, name)(*arguments)


# Equation


@every
def test_each_loss_is_its_equation(name):
    expected = EQUATIONS[name](*points(name))
    assert call(name, *points(name, of=torch.from_numpy)).item() == pytest.approx(expected, rel=1e-12)


@every
def test_an_ensemble_gets_one_loss_a_seed(name):
    real, fake = (np.stack([t, 0.7 * t + 0.4, -1.3 * t]) for t in points(name))
    actual = call(name, torch.from_numpy(real), torch.from_numpy(fake))
    assert actual.shape == (3,)
    assert actual.numpy() == pytest.approx(EQUATIONS[name](real, fake), rel=1e-12)


@every
def test_leading_axes_are_free(name):
    real, fake = (np.stack([[t, 0.7 * t + 0.4, -1.3 * t], [1.6 * t, -0.9 * t, t - 0.2]]) for t in points(name))
    actual = call(name, torch.from_numpy(real), torch.from_numpy(fake))
    assert actual.numpy() == pytest.approx(EQUATIONS[name](real, fake), rel=1e-12)


@every
def test_a_batch_may_be_one_point(name):
    real, fake = torch.tensor([2.7], dtype=torch.float64), torch.tensor([-0.6], dtype=torch.float64)
    assert call(name, real, fake).item() == pytest.approx(EQUATIONS[name](real.numpy(), fake.numpy()), rel=1e-12)


@pytest.mark.parametrize("name", GENERATOR)
def test_generator_losses_do_not_look_at_the_real_points(name):
    real, fake = points(name, of=torch.from_numpy)
    assert torch.equal(call(name, None, fake), call(name, real, fake))


@every
def test_the_gradient_is_that_of_the_value(name):
    real, fake = (t.requires_grad_() for t in points(name, of=lambda t: torch.from_numpy(t.copy())))
    assert torch.autograd.gradcheck(getattr(losses, name), (real, fake))


def test_softplus_is_the_logarithm_of_1_plus_exp_also_in_the_tail():
    # Against NumPy, which does not replace the tail by x as torch's own does at 20.
    x = np.array([-700.0, -41.0, -3.3, 0.7, 5.2, 20.3, 36.9, 800.0])
    assert losses.softplus(torch.from_numpy(x)).numpy() == pytest.approx(np.logaddexp(0, x), rel=1e-12, abs=0)


# Closed form


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "minimax_d": 2 * np.log(2),
        "minimax_g": -np.log(2),
        "nonsaturating_d": 2 * np.log(2),
        "nonsaturating_g": np.log(2),
        "least_squares_d": 0.5,
        "least_squares_g": 0.5,
        "hinge_d": 2,
        "hinge_g": 0,
        "wasserstein_d": 0,
        "wasserstein_g": 0,
        "relativistic_d": np.log(2),
        "relativistic_g": np.log(2),
    }.items(),
)
def test_a_discriminator_that_cannot_tell_pays_what_theory_says(name, value):
    undecided = torch.zeros(4, dtype=torch.float64)
    assert call(name, undecided, undecided).item() == pytest.approx(value, rel=1e-12, abs=0)


def test_targets_of_least_squares_are_1_0_and_1():
    ones, zeros = torch.ones(3), torch.zeros(4)
    assert losses.least_squares_d(ones, zeros) == 0
    assert losses.least_squares_g(None, ones) == 0


def test_names_that_share_an_equation_share_the_function():
    assert losses.nonsaturating_d is losses.minimax_d
    assert losses.wasserstein_g is losses.hinge_g


def test_a_hinge_beyond_the_margin_costs_nothing():
    assert losses.hinge_d(torch.tensor([1.5, 7.2]), torch.tensor([-1.3, -9.1])) == 0


# Invariance


@every
def test_the_order_of_samples_does_not_matter(name):
    real, fake = points(name, of=torch.from_numpy)
    together = [4, 2, 0, 1, 3]
    shuffled = call(name, real[together], fake[together if name in PAIRING else [6, 5, 2, 0, 4, 1, 3]])
    assert shuffled.item() == pytest.approx(call(name, real, fake).item(), rel=1e-12)


@pytest.mark.parametrize("name", [*PAIRING, "wasserstein_d"])
def test_what_compares_real_with_fake_ignores_a_shift_of_both(name):
    real, fake = points(name, of=torch.from_numpy)
    shifted = call(name, real + 3.7, fake + 3.7)
    assert shifted.item() == pytest.approx(call(name, real, fake).item(), rel=1e-12)


def test_the_relativistic_game_is_the_same_from_the_other_side():
    real, fake = points("relativistic_d", of=torch.from_numpy)
    assert torch.equal(losses.relativistic_g(real, fake), losses.relativistic_d(fake, real))


# Limit

HUGE = 1e4  # float32 loses exp of it both ways
N = 5


def limit(name, real, fake):
    """Loss and gradients at constant float32 logits."""
    real, fake = (torch.full((N,), value, requires_grad=True) for value in (real, fake))
    loss = call(name, real, fake)
    loss.backward()
    nothing = torch.zeros(N)
    return loss, [t.grad if t.grad is not None else nothing for t in (real, fake)]


# name: (gradient at (+, +), (+, -), (-, +), (-, -)), each (in real, in fake), in units of 1/n.
LIMITS = {
    "minimax_d": [(0, 1), (0, 0), (-1, 1), (-1, 0)],
    "minimax_g": [(0, -1), (0, 0), (0, -1), (0, 0)],
    "nonsaturating_d": [(0, 1), (0, 0), (-1, 1), (-1, 0)],
    "nonsaturating_g": [(0, 0), (0, -1), (0, 0), (0, -1)],
    "least_squares_d": [(HUGE - 1, HUGE), (HUGE - 1, -HUGE), (-HUGE - 1, HUGE), (-HUGE - 1, -HUGE)],
    "least_squares_g": [(0, HUGE - 1), (0, -HUGE - 1), (0, HUGE - 1), (0, -HUGE - 1)],
    "hinge_d": [(0, 1), (0, 0), (-1, 1), (-1, 0)],
    "hinge_g": [(0, -1)] * 4,
    "wasserstein_d": [(-1, 1)] * 4,
    "wasserstein_g": [(0, -1)] * 4,
    "relativistic_d": [(-0.5, 0.5), (0, 0), (-1, 1), (-0.5, 0.5)],
    "relativistic_g": [(0.5, -0.5), (1, -1), (0, 0), (0.5, -0.5)],
}


@every
@pytest.mark.parametrize("corner", range(4))
def test_huge_logits_in_float32_keep_the_value_and_the_limit_of_the_gradient(name, corner):
    loss, gradients = limit(name, *[(HUGE, HUGE), (HUGE, -HUGE), (-HUGE, HUGE), (-HUGE, -HUGE)][corner])
    assert loss.isfinite()
    for gradient, expected in zip(gradients, LIMITS[name][corner], strict=True):
        # relative for least squares alone, the one loss whose gradient grows with the logit
        assert (N * gradient).tolist() == pytest.approx([expected] * N, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in EQUATIONS if not name.startswith("least_squares")])
def test_no_logit_pulls_by_more_than_its_share(name):
    sweep = torch.cat([-torch.logspace(4, -3, 40), torch.logspace(-3, 4, 40)])
    real, fake = sweep.clone().requires_grad_(), sweep.flip(0).roll(7).requires_grad_()
    call(name, real, fake).backward()
    for t in (real, fake):
        # one unit in the last place of float32, for the division by n
        assert t.grad is None or t.grad.abs().max() <= (1 + 2e-7) / len(sweep)


def test_nonsaturating_g_keeps_its_gradient_where_d_is_certain():
    _, (_, gradient) = limit("nonsaturating_g", HUGE, -89.0)
    assert (-N * gradient).tolist() == pytest.approx([1] * N, rel=1e-6)


def test_minimax_g_loses_its_gradient_where_d_is_certain():
    _, (_, gradient) = limit("minimax_g", HUGE, -89.0)
    assert gradient.abs().max() <= 1e-30


def test_nonsaturating_d_survives_a_certain_discriminator():
    loss, gradients = limit("nonsaturating_d", -89.0, 89.0)
    assert loss.item() == pytest.approx(178, rel=1e-6)
    assert all(g.isfinite().all() for g in gradients)


# Refusal


@every
def test_a_column_of_logits_is_told_to_squeeze(name):
    good, column = torch.ones(128), torch.ones(128, 1)
    with pytest.raises(ValueError, match=r"expected real logits \(\.\.\., n\), got \(128, 1\): squeeze D's output"):
        call(name, column, good)
    with pytest.raises(ValueError, match=r"expected fake logits \(\.\.\., n\), got \(128, 1\): squeeze D's output"):
        call(name, good, column)
    with pytest.raises(ValueError, match="squeeze"):
        call(name, column, column)
    with pytest.raises(ValueError, match=r"got \(2, 3, 1\): squeeze"):
        call(name, torch.ones(2, 3, 1), torch.ones(2, 3, 1))
    assert call(name, torch.ones(2, 1, 3), torch.ones(2, 1, 3)).shape == (2, 1)


@every
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (0, 3)])
def test_logits_without_an_entry_are_refused(name, shape):
    with pytest.raises(ValueError, match=r"expected real logits \(\.\.\., n\), got \("):
        call(name, torch.ones(shape), torch.ones(4))
    with pytest.raises(ValueError, match=r"expected fake logits \(\.\.\., n\), got \("):
        call(name, torch.ones(4), torch.ones(shape))


@unpaired
def test_unequal_seeds_are_refused_with_both_shapes(name):
    for real, fake in [((3, 5), (2, 5)), ((1, 5), (2, 5)), ((5,), (2, 5)), ((2, 3, 5), (3, 2, 5))]:
        with pytest.raises(ValueError, match=r"expected logits \(\.\.\., n\) and \(\.\.\., m\), got") as refusal:
            call(name, torch.ones(real), torch.ones(fake))
        assert f"{real} and {fake}" in str(refusal.value)


@pairing
def test_a_relativistic_loss_refuses_what_does_not_pair(name):
    for real, fake in [((5,), (4,)), ((2, 5), (5,)), ((2, 5), (2, 4)), ((1, 5), (2, 5))]:
        with pytest.raises(ValueError, match="expected two logits of one shape, got") as refusal:
            call(name, torch.ones(real), torch.ones(fake))
        assert f"{real} and {fake}" in str(refusal.value)


@pairing
def test_a_relativistic_loss_refuses_to_go_without_the_real_logits(name):
    with pytest.raises(ValueError, match="expected real logits too: a relativistic loss compares pairs, got real=None"):
        call(name, None, torch.ones(4))


@pytest.mark.parametrize("name", GENERATOR)
def test_a_missing_half_of_the_points_does_not_hide_bad_ones(name):
    with pytest.raises(ValueError, match="squeeze"):
        call(name, None, torch.ones(128, 1))


@every
def test_a_nan_among_the_logits_is_never_a_number_in_the_loss(name):
    real, fake = points(name, of=torch.from_numpy)
    fake = fake.clone()
    fake[2] = torch.nan
    assert call(name, real, fake).isnan()


# The gap of two points or pictures


def uniform(*shape, seed=1):
    g = ganlib.rng(seed)
    return 2 * torch.rand(*shape, generator=g, device=g.device) - 1


@pytest.mark.parametrize("shape", [(7, 2), (5, 7, 2), (7, 1, 4, 4), (5, 7, 1, 4, 4)])
def test_the_gap_is_a_mean_over_everything_but_the_seeds(shape):
    a, b = uniform(*shape), uniform(*shape, seed=2)
    seeds = [(a, b)] if shape[0] == 7 else list(zip(a, b, strict=True))
    found = losses.gap(a, b)
    assert found.shape == (() if shape[0] == 7 else (5,))
    for value, (one, other) in zip(found.reshape(-1), seeds, strict=True):
        pairs = list(zip(one.flatten().tolist(), other.flatten().tolist(), strict=True))
        assert value.item() == pytest.approx(sum(abs(p - q) for p, q in pairs) / len(pairs), rel=1e-5)


def test_the_gap_keeps_its_precision_and_its_gradient():
    a, b = uniform(3, 2).double().requires_grad_(), uniform(3, 2, seed=2).double()
    losses.gap(a, b).backward()
    assert torch.equal(a.grad, (a.detach() - b).sign() / 6)
    assert losses.gap(a, a).item() == 0.0


def test_a_gap_of_two_shapes_is_refused():
    with pytest.raises(ValueError, match=r"one shape, got \(4, 2\) and \(1, 2\)"):
        losses.gap(uniform(4, 2), uniform(1, 2))
