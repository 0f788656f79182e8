import numpy as np
import ot
import pytest
import scipy.integrate
import scipy.optimize
import scipy.stats
import torch

from ganlib import divergences

# Probabilities, and densities on an uneven grid that need not integrate to 1.
# No 0, no 1, no equal or opposite entries: such points hide swapped or dropped terms.
P = np.array([0.2, 0.47, 0.33])
Q = np.array([0.38, 0.11, 0.51])
GRID = np.array([-2.3, -1.1, 0.4, 0.9, 3.2])
P_GRID = np.array([0.12, 0.35, 0.61, 0.27, 0.08])
Q_GRID = np.array([0.31, 0.17, 0.22, 0.44, 0.19])


def log(p):
    with np.errstate(divide="ignore"):
        return torch.from_numpy(np.log(np.asarray(p, dtype=np.float64)))


def kl(p, q):
    return p * np.log(p / q)


def js(p, q):
    m = (p + q) / 2
    return (p * np.log(p / m) + q * np.log(q / m)) / 2


INTEGRANDS = {
    "kl": kl,
    "reverse_kl": lambda p, q: kl(q, p),
    "js": js,
    "total_variation": lambda p, q: np.abs(p - q) / 2,
}
each = pytest.mark.parametrize("name", INTEGRANDS)


def call(name, *arguments):
    return getattr(divergences, name)(*arguments)


def log_normal(x, mean, sd):
    return -(((x - mean) / sd) ** 2) / 2 - np.log(sd * np.sqrt(2 * np.pi))


def integral(f, low, high):
    """By adaptive quadrature, to its last digits."""
    return scipy.integrate.quad(f, low, high, epsabs=1e-13, epsrel=1e-13, limit=200)[0]


# Equation: densities on a grid


@each
def test_without_a_grid_the_terms_are_summed(name):
    assert call(name, log(P), log(Q)).item() == pytest.approx(INTEGRANDS[name](P, Q).sum(), rel=1e-12)


@each
def test_on_an_uneven_grid_the_integral_is_the_trapezoidal_rule(name):
    expected = np.trapezoid(INTEGRANDS[name](P_GRID, Q_GRID), GRID)
    assert call(name, log(P_GRID), log(Q_GRID), torch.from_numpy(GRID)).item() == pytest.approx(expected, rel=1e-12)


@each
def test_leading_axes_are_free(name):
    p = np.stack([[P_GRID, 0.7 * P_GRID + 0.02], [P_GRID**2, Q_GRID + 0.3], [P_GRID + 0.6, 1.2 * Q_GRID]])
    q = np.stack([[Q_GRID, 0.4 * Q_GRID + 0.09], [Q_GRID**3, P_GRID + 0.1], [Q_GRID + 0.2, 0.3 * P_GRID]])
    x = torch.from_numpy(GRID)
    assert call(name, log(p), log(q)).numpy() == pytest.approx(INTEGRANDS[name](p, q).sum(-1), rel=1e-12)
    expected = np.trapezoid(INTEGRANDS[name](p, q), GRID)
    assert call(name, log(p), log(q), x).numpy() == pytest.approx(expected, rel=1e-12)


def test_kl_of_gaussians_is_its_integral():
    for p, q in [((0.3, 0.7), (-1.2, 1.9)), ((-0.4, 2.3), (0.8, 0.6)), ((5.1, 0.2), (4.7, 0.9))]:

        def integrand(x, p=p, q=q):
            return np.exp(log_normal(x, *p)) * (log_normal(x, *p) - log_normal(x, *q))

        expected = integral(integrand, p[0] - 12 * p[1], p[0] + 12 * p[1])
        assert divergences.gaussian_kl(*p, *q) == pytest.approx(expected, rel=1e-11)  # the quadrature's own error


def test_gaussian_entropy_is_scipys():
    for sd in (0.3, 0.9, 2.6):
        assert divergences.gaussian_entropy(sd) == pytest.approx(scipy.stats.norm(scale=sd).entropy(), rel=1e-12)


def test_gaussians_may_be_numbers_or_tensors_or_both():
    mean, sd = np.array([0.3, -1.7]), np.array([0.6, 2.4])
    expected = [divergences.gaussian_kl(m, s, 0.9, 1.6) for m, s in zip(mean, sd, strict=True)]
    actual = divergences.gaussian_kl(torch.from_numpy(mean), torch.from_numpy(sd), 0.9, 1.6)
    assert actual.numpy() == pytest.approx(expected, rel=1e-12)
    expected = [divergences.gaussian_kl(0.9, 1.6, m, s) for m, s in zip(mean, sd, strict=True)]
    actual = divergences.gaussian_kl(0.9, 1.6, torch.from_numpy(mean), torch.from_numpy(sd))
    assert actual.numpy() == pytest.approx(expected, rel=1e-12)
    expected = [divergences.gaussian_entropy(s) for s in sd]
    assert divergences.gaussian_entropy(torch.from_numpy(sd)).numpy() == pytest.approx(expected, rel=1e-12)


# Equation: samples


def sample(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize(("n", "m"), [(4, 8), (3, 5), (7, 6), (1, 1), (64, 64), (1, 4), (100, 41)])
def test_wasserstein_1d_is_scipys(n, m):
    x, y = sample(n, 1), 1.4 * sample(m, 2) + 0.3
    actual = divergences.wasserstein_1d(torch.from_numpy(x), torch.from_numpy(y))
    assert actual.item() == pytest.approx(scipy.stats.wasserstein_distance(x, y), rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(8, 8), (31, 17)])
def test_wasserstein_1d_is_pots(n, m):
    x, y = sample(n, 3), 1.4 * sample(m, 4) + 0.3
    actual = divergences.wasserstein_1d(torch.from_numpy(x), torch.from_numpy(y))
    assert actual.item() == pytest.approx(ot.wasserstein_1d(x, y, p=1), rel=1e-12)


def test_wasserstein_1d_counts_ties():
    x, y = np.array([0.5, 0.5, 2.2, 2.2]), np.array([0.5, 2.2, 2.2, 3.1])
    actual = divergences.wasserstein_1d(torch.from_numpy(x), torch.from_numpy(y))
    assert actual.item() == pytest.approx(scipy.stats.wasserstein_distance(x, y), rel=1e-12)


@pytest.mark.parametrize("m", [5, 7])
def test_wasserstein_1d_takes_an_ensemble(m):
    x, y = sample((2, 3, 7), 1), 1.4 * sample((2, 3, m), 2) + 0.3
    actual = divergences.wasserstein_1d(torch.from_numpy(x), torch.from_numpy(y))
    expected = [scipy.stats.wasserstein_distance(*of) for of in zip(x.reshape(6, 7), y.reshape(6, m), strict=True)]
    assert actual.numpy() == pytest.approx(np.reshape(expected, (2, 3)), rel=1e-12)


def test_wasserstein_1d_keeps_its_dtype():
    x, y = (torch.from_numpy(sample(4, seed)) for seed in (1, 2))
    assert divergences.wasserstein_1d(x, y).dtype == torch.float64
    assert divergences.wasserstein_1d(x.float(), y.float()).dtype == torch.float32


def test_wasserstein_1d_of_whole_numbers_is_that_of_the_same_floats():
    x, y = np.array([0, 3, 4, 11]), np.array([2, 5])
    actual = divergences.wasserstein_1d(torch.from_numpy(x), torch.from_numpy(y))
    assert actual.item() == pytest.approx(scipy.stats.wasserstein_distance(x, y), rel=1e-6)  # torch's default float


def test_transport_is_pots():
    x, y = sample((7, 3), 1), 1.4 * sample((5, 3), 2) + 0.3
    cost, plan = divergences.transport(torch.from_numpy(x), torch.from_numpy(y))
    costs = np.sqrt(((x[:, None] - y[None]) ** 2).sum(-1))
    assert cost.item() == pytest.approx(ot.emd2(np.full(7, 1 / 7), np.full(5, 1 / 5), costs), rel=1e-12)
    assert (plan.numpy() * costs).sum() == pytest.approx(cost.item(), rel=1e-12)


def test_transport_of_equal_clouds_is_an_assignment():
    x, y = sample((12, 2), 1), 1.4 * sample((12, 2), 2) + 0.3
    cost, plan = divergences.transport(torch.from_numpy(x), torch.from_numpy(y))
    costs = np.sqrt(((x[:, None] - y[None]) ** 2).sum(-1))
    rows, columns = scipy.optimize.linear_sum_assignment(costs)
    assert cost.item() == pytest.approx(costs[rows, columns].mean(), rel=1e-12)
    assert plan.argmax(1).tolist() == columns.tolist()


@pytest.mark.parametrize("m", [5, 7])
def test_a_plan_carries_all_of_one_cloud_onto_all_of_the_other(m):
    _, plan = divergences.transport(torch.from_numpy(sample((7, 3), 1)), torch.from_numpy(sample((m, 3), 2)))
    assert plan.shape == (7, m)
    assert plan.sum(1).numpy() == pytest.approx(np.full(7, 1 / 7), rel=1e-12)
    assert plan.sum(0).numpy() == pytest.approx(np.full(m, 1 / m), rel=1e-12)
    assert plan.min() >= 0


def test_transport_on_the_line_is_wasserstein_1d():
    x, y = (torch.from_numpy(t) for t in (sample(7, 1), 1.4 * sample(5, 2) + 0.3))
    cost = divergences.transport(x.unsqueeze(-1), y.unsqueeze(-1)).cost
    assert cost.item() == pytest.approx(divergences.wasserstein_1d(x, y).item(), rel=1e-12)


def test_transport_works_in_float64_and_without_a_graph():
    x, y = (torch.from_numpy(sample((6, 2), seed)).float().requires_grad_() for seed in (1, 2))
    cost, plan = divergences.transport(x, y)
    assert cost.dtype == plan.dtype == torch.float64
    assert not cost.requires_grad
    assert cost == divergences.transport(x.double(), y.double()).cost


# Closed form

# Beyond ±16 the densities below are under 1e-100. The trapezoidal rule converges faster than any power there.
LINE = np.linspace(-16, 16, 4001)


def shifted(x, between):
    """Logarithms of two Gaussians of one sd, 0.7, so many sd apart."""
    return (torch.from_numpy(log_normal(x, m, 0.7)) for m in (0.2, 0.2 + 0.7 * between))


def test_kl_on_a_grid_is_the_closed_form_of_gaussians():
    x = torch.from_numpy(LINE)
    log_p, log_q = (torch.from_numpy(log_normal(LINE, *of)) for of in ((0.3, 0.7), (-0.4, 0.9)))
    forward, backward = divergences.gaussian_kl(0.3, 0.7, -0.4, 0.9), divergences.gaussian_kl(-0.4, 0.9, 0.3, 0.7)
    assert divergences.kl(log_p, log_q, x).item() == pytest.approx(forward, rel=1e-10)  # 4001 rounded terms
    assert divergences.reverse_kl(log_p, log_q, x).item() == pytest.approx(backward, rel=1e-10)


@pytest.mark.parametrize("between", [0.4, 1.3, 3.2])
def test_total_variation_of_shifted_gaussians_is_2_phi_minus_1(between):
    x = np.linspace(-16, 16, 40_001)
    actual = divergences.total_variation(*shifted(x, between), torch.from_numpy(x)).item()
    # |p - q| has a kink: the rule's error there is of the order of the square of the step, 6e-7
    assert actual == pytest.approx(2 * scipy.stats.norm.cdf(between / 2) - 1, abs=1e-6)


@pytest.mark.parametrize("between", [0.4, 1.3, 3.2])
def test_js_of_gaussians_is_its_integral(between):
    def integrand(x):
        return js(*(np.exp(log_normal(x, m, 0.7)) for m in (0.2, 0.2 + 0.7 * between)))

    actual = divergences.js(*shifted(LINE, between), torch.from_numpy(LINE)).item()
    assert actual == pytest.approx(integral(integrand, -7, 9), rel=1e-9)


def test_a_standard_gaussian_has_the_entropy_of_the_books():
    assert divergences.gaussian_entropy(1.0) == pytest.approx((np.log(2 * np.pi) + 1) / 2, rel=1e-12)


def test_what_0_mass_costs_is_0_and_what_it_misses_is_infinite():
    p, q = [0.0, 0.3, 0.7], [0.2, 0.45, 0.35]
    expected = 0.3 * np.log(0.3 / 0.45) + 0.7 * np.log(0.7 / 0.35)
    assert divergences.kl(log(p), log(q)).item() == pytest.approx(expected, rel=1e-12)
    assert divergences.kl(log(q), log(p)) == torch.inf
    assert divergences.reverse_kl(log(p), log(q)) == torch.inf
    assert divergences.reverse_kl(log(q), log(p)).item() == pytest.approx(expected, rel=1e-12)


def test_0_mass_on_both_sides_costs_nothing():
    p, q = [0.0, 0.3, 0.7], [0.0, 0.45, 0.55]
    for name, integrand in INTEGRANDS.items():
        expected = integrand(np.array(p[1:]), np.array(q[1:])).sum()
        assert call(name, log(p), log(q)).item() == pytest.approx(expected, rel=1e-12)
        expected = np.trapezoid([0, *integrand(np.array(p[1:]), np.array(q[1:]))], GRID[:3])
        assert call(name, log(p), log(q), torch.from_numpy(GRID[:3])).item() == pytest.approx(expected, rel=1e-12)


def test_densities_that_share_no_point_are_log_2_and_1_apart():
    p, q = [0.4, 0.6, 0.0, 0.0], [0.0, 0.0, 0.7, 0.3]
    assert divergences.js(log(p), log(q)).item() == pytest.approx(np.log(2), rel=1e-12)
    assert divergences.total_variation(log(p), log(q)).item() == pytest.approx(1, rel=1e-12)
    assert divergences.kl(log(p), log(q)) == torch.inf


@each
def test_a_density_is_no_distance_from_itself(name):
    assert abs(call(name, log(P_GRID), log(P_GRID), torch.from_numpy(GRID))) <= 1e-15


# Invariance


@pytest.mark.parametrize("name", ["js", "total_variation"])
def test_a_distance_is_symmetric(name):
    there, back = call(name, log(P), log(Q)).item(), call(name, log(Q), log(P)).item()
    assert there == pytest.approx(back, rel=1e-12)


@each
def test_the_order_of_probabilities_does_not_matter(name):
    shuffled = call(name, log(P[[2, 0, 1]]), log(Q[[2, 0, 1]])).item()
    assert shuffled == pytest.approx(call(name, log(P), log(Q)).item(), rel=1e-12)


def simplex(n, seed):
    return np.random.default_rng(seed).dirichlet(np.full(7, 0.6), n)


def test_divergences_keep_their_bounds_and_pinskers_inequality():
    p, q = log(simplex(200, 1)), log(simplex(200, 2))
    kl, js, tv = (call(name, p, q) for name in ("kl", "js", "total_variation"))
    assert (kl >= 0).all()
    assert ((js >= 0) & (js <= np.log(2))).all()
    assert ((tv >= 0) & (tv <= 1)).all()
    assert (tv <= (kl / 2).sqrt()).all()
    assert (js <= np.log(2) * tv + 1e-12).all()


@pytest.mark.parametrize("by", [-3.7, 0.02, 41.3])
def test_wasserstein_1d_of_a_translation_is_its_length(by):
    x = torch.from_numpy(sample(32, 1))
    # y is rounded when it is shifted, by 1e-15 at 41
    assert divergences.wasserstein_1d(x, x + by).item() == pytest.approx(abs(by), rel=1e-12)


def test_wasserstein_1d_is_symmetric_and_0_from_itself():
    x, y = (torch.from_numpy(t) for t in (sample(7, 1), 1.4 * sample(5, 2) + 0.3))
    there, back = divergences.wasserstein_1d(x, y).item(), divergences.wasserstein_1d(y, x).item()
    assert there == pytest.approx(back, rel=1e-12)
    assert divergences.wasserstein_1d(x, x.flip(0)) == 0


def test_the_gradient_of_wasserstein_1d_pulls_each_point_by_its_share():
    x = torch.from_numpy(sample(7, 1)).requires_grad_()
    y = (torch.from_numpy(sample(5, 2)) + 50).requires_grad_()
    divergences.wasserstein_1d(x, y).backward()
    assert x.grad.numpy() == pytest.approx(np.full(7, -1 / 7), rel=1e-12)
    assert y.grad.numpy() == pytest.approx(np.full(5, 1 / 5), rel=1e-12)


def test_the_gradient_of_wasserstein_1d_is_that_of_its_value():
    x, y = torch.from_numpy(sample(7, 1)).requires_grad_(), torch.from_numpy(1.4 * sample(5, 2)).requires_grad_()
    assert torch.autograd.gradcheck(divergences.wasserstein_1d, (x, y))


# Limit


def test_log_densities_outlive_probabilities_that_round_to_0():
    # KL of N(0, 1) from N(60, 1) is 60²/2 although q underflows wherever p lives
    log_p, log_q = (torch.from_numpy(log_normal(LINE, m, 1)) for m in (0, 60))
    assert divergences.kl(log_p, log_q, torch.from_numpy(LINE)).item() == pytest.approx(1800, rel=1e-10)


def test_gaussian_kl_is_finite_for_very_different_scales():
    assert divergences.gaussian_kl(0.3, 1e-150, 0.4, 1e150) == pytest.approx(300 * np.log(10) - 0.5, rel=1e-12)


# Refusal


@each
def test_shapes_that_do_not_fit_are_refused(name):
    for p, q in [((3,), (4,)), ((2, 3), (3,)), ((2, 3), (1, 3)), ((), ())]:
        with pytest.raises(ValueError, match=r"expected log-densities \(\.\.\., N\) of one shape") as refusal:
            call(name, torch.zeros(p), torch.zeros(q))
        assert all(str(shape) in str(refusal.value) for shape in (p, q))
    for shape, x in [((3,), (4,)), ((3,), (1,)), ((2, 3), (2, 3)), ((2, 3), (2,)), ((3,), ())]:
        with pytest.raises(ValueError, match="one shape and a grid") as refusal:
            call(name, torch.zeros(shape), torch.zeros(shape), torch.zeros(x))
        assert f"[{shape}, {shape}, {x}]" in str(refusal.value)


@each
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_densities_without_a_point_are_refused(name, shape):
    with pytest.raises(ValueError, match="expected log-densities"):
        getattr(divergences, name)(torch.zeros(shape), torch.zeros(shape))


@each
def test_a_grid_of_one_point_is_refused_and_one_of_two_is_not(name):
    one, two = torch.tensor([0.3]).double(), torch.tensor([0.3, 0.9]).double()
    with pytest.raises(ValueError, match="a grid"):
        getattr(divergences, name)(one, one - 0.2, one)
    assert getattr(divergences, name)(two, two - 0.2, two).isfinite()


@each
@pytest.mark.parametrize("first", [True, False])
def test_an_infinite_density_is_refused(name, first):
    log_p, log_q = torch.tensor([0.3, -0.8]), torch.tensor([0.4, torch.inf])
    with pytest.raises(ValueError, match="NaN or"):
        getattr(divergences, name)(*((log_q, log_p) if first else (log_p, log_q)))


@each
def test_a_nan_is_refused(name):
    bad = torch.tensor([0.2, torch.nan, 0.4])
    for p, q in [(bad, torch.zeros(3)), (torch.zeros(3), bad), (bad, bad)]:
        with pytest.raises(ValueError, match="expected log-densities, got NaN"):
            call(name, p, q)


@each
@pytest.mark.parametrize("x", [[0.3, 0.2, 0.1], [0.1, 0.1, 0.4], [0.1, 0.4, 0.3], [0.1, np.nan, 0.4]])
def test_a_grid_that_does_not_increase_is_refused(name, x):
    with pytest.raises(ValueError, match="expected a grid that increases"):
        call(name, torch.zeros(3), torch.zeros(3), torch.tensor(x))


@pytest.mark.parametrize("sd", [0, -0.7, float("nan"), torch.tensor([0.7, 0.0])])
def test_a_standard_deviation_that_is_not_positive_is_refused(sd):
    for attempt in (
        lambda: divergences.gaussian_entropy(sd),
        lambda: divergences.gaussian_kl(0.3, sd, 0.4, 0.6),
        lambda: divergences.gaussian_kl(0.3, 0.6, 0.4, sd),
    ):
        with pytest.raises(ValueError, match="expected a positive standard deviation, got"):
            attempt()


def test_wasserstein_1d_refuses_shapes_that_do_not_fit():
    for x, y in [((), ()), ((), (3,)), ((3,), (2, 3)), ((1, 3), (2, 3)), ((0,), (3,)), ((3,), (0,)), ((0, 3), (0, 3))]:
        with pytest.raises(ValueError, match=r"expected \(\.\.\., n\) and \(\.\.\., m\), got") as refusal:
            divergences.wasserstein_1d(torch.zeros(x), torch.zeros(y))
        assert f"{x} and {y}" in str(refusal.value)


def test_transport_refuses_shapes_that_do_not_fit():
    axes = [((3,), (3,)), ((3, 2), (3,)), ((3,), (3, 2)), ((3, 2), (3, 3)), ((2, 3, 2), (2, 3, 2))]
    for x, y in [*axes, ((0, 2), (3, 2)), ((3, 2), (0, 2)), ((3, 0), (3, 0))]:
        with pytest.raises(ValueError, match=r"expected points \(n, d\) and \(m, d\), got") as refusal:
            divergences.transport(torch.zeros(x), torch.zeros(y))
        assert f"{x} and {y}" in str(refusal.value)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_samples_that_are_not_finite_are_refused(bad):
    good, points = torch.tensor([0.3, 0.7]), torch.tensor([0.3, bad])
    for x, y in [(good, points), (points, good), (points, points)]:
        with pytest.raises(ValueError, match="expected finite numbers, got NaN or infinity"):
            divergences.wasserstein_1d(x, y)
        with pytest.raises(ValueError, match="expected finite points, got NaN or infinity"):
            divergences.transport(x.unsqueeze(-1), y.unsqueeze(-1))
