from functools import partial

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch

from ganlib import densities

# No 0, no 1, no equal or opposite entries: such points hide swapped or dropped terms.
MEANS, SDS, WEIGHTS = [-2.3, 0.6, 3.1], [0.4, 1.7, 0.9], [0.2, 0.47, 0.33]
CENTRES = np.array([[-1.3, 0.4], [0.9, 2.2]])


def plane():
    return densities.Mixture(
        torch.from_numpy(CENTRES),
        torch.tensor([0.6, 1.4], dtype=torch.float64),
        torch.tensor([0.3, 0.7], dtype=torch.float64),
    )


LINES = {
    "mixture": densities.mixture(MEANS, SDS, WEIGHTS),
    "equal weights": densities.mixture(MEANS, SDS),
    "gaussian": densities.gaussian(-0.7, 1.6),
    "standard": densities.gaussian(),
}
PLANES = {
    "ring": densities.ring(0.1),
    "pentagon": densities.ring(0.3, modes=5, radius=1.2),
    "grid": densities.grid(0.05),
    "sparse": densities.grid(0.2, side=3, spacing=1.1),
    "plane": plane(),
}
EVERY = LINES | PLANES
line = pytest.mark.parametrize("name", LINES)
every = pytest.mark.parametrize("name", EVERY)


def parts(density):
    """Weights, and SciPy's own Gaussians."""
    covariances = (s**2 * np.eye(density.centres.shape[1]) for s in density.sd.numpy())
    components = zip(density.centres.numpy(), covariances, strict=True)
    return density.weights.numpy(), [scipy.stats.multivariate_normal(c, cov) for c, cov in components]


# Equation


@every
def test_log_prob_is_the_sum_of_scipys_gaussians(name):
    density = EVERY[name]
    x = 1.5 * np.random.default_rng(1).standard_normal((40, density.centres.shape[1]))
    weights, gaussians = parts(density)
    expected = scipy.special.logsumexp([g.logpdf(x) for g in gaussians], axis=0, b=weights[:, None])
    assert density.log_prob(torch.from_numpy(x)).numpy() == pytest.approx(expected, rel=1e-12)


@line
def test_a_density_on_the_line_integrates_to_1(name):
    x = torch.linspace(-30, 30, 20_001, dtype=torch.float64)
    assert torch.trapezoid(LINES[name].log_prob(x.unsqueeze(-1)).exp(), x).item() == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize(("name", "reach", "points"), [("ring", 3, 121), ("grid", 4.5, 181), ("plane", 12, 121)])
def test_a_density_in_the_plane_integrates_to_1(name, reach, points):
    # the trapezoidal rule of a Gaussian, one step an sd, is right to 2 exp(-2π²) = 5e-9
    axis = torch.linspace(-reach, reach, points, dtype=torch.float64)
    density = PLANES[name].log_prob(torch.cartesian_prod(axis, axis)).exp().reshape(points, points)
    assert torch.trapezoid(torch.trapezoid(density, axis), axis).item() == pytest.approx(1, abs=1e-6)


def mixture_cdf(weights, means, sds, x):
    return (weights * scipy.stats.norm.cdf((np.asarray(x)[:, None] - means) / sds)).sum(-1)


@line
def test_samples_of_the_line_follow_their_density(name):
    density = LINES[name]
    weights, means, sds = (t.numpy() for t in (density.weights, density.centres[:, 0], density.sd))
    x = density.sample(10_000, generator=torch.Generator().manual_seed(20), dtype=torch.float64).squeeze(-1).numpy()
    assert scipy.stats.kstest(x, partial(mixture_cdf, weights, means, sds)).pvalue > 1e-3


@pytest.mark.parametrize("name", PLANES)
def test_samples_of_the_plane_follow_their_density(name):
    # Nearest centres are drawn by weight, and |x - c|²/sd² is then chi-squared; the modes of `plane` overlap.
    density, n = PLANES[name], 10_000
    x = density.sample(n, generator=torch.Generator().manual_seed(20), dtype=torch.float64).numpy()
    weights, _ = parts(density)
    for axis in (0, 1):
        centres, sds = density.centres[:, axis].numpy(), density.sd.numpy()
        cdf = partial(mixture_cdf, weights, centres, sds)
        assert scipy.stats.kstest(x[:, axis], cdf).pvalue > 1e-3
    if name != "plane":
        away = ((x[:, None] - density.centres.numpy()) ** 2).sum(-1) / density.sd.numpy() ** 2
        counts = np.bincount(away.argmin(1), minlength=len(weights))
        assert scipy.stats.chisquare(counts, n * weights).pvalue > 1e-3
        assert scipy.stats.kstest(away.min(1), scipy.stats.chi2(2).cdf).pvalue > 1e-3


def test_weights_decide_how_often_a_mode_is_drawn(generator):
    density = densities.mixture([-50.0, 3.0, 70.0], [0.4, 0.7, 0.9], WEIGHTS)
    x = density.sample(20_000, generator=generator).squeeze(-1)
    counts = np.histogram(x.numpy(), [-100, -20, 30, 100])[0]
    assert scipy.stats.chisquare(counts, 20_000 * np.array(WEIGHTS)).pvalue > 1e-3
    assert x[x < -20].std().item() == pytest.approx(0.4, rel=0.05)  # 4000 draws: five times its own error
    assert x[x > 30].std().item() == pytest.approx(0.9, rel=0.05)


# Closed form


@pytest.mark.parametrize(("modes", "radius"), [(8, 2.0), (5, 1.2), (2, 0.7), (1, 3.3)])
def test_a_ring_has_distinct_centres_evenly_on_a_circle(modes, radius):
    density = densities.ring(0.1, modes=modes, radius=radius)
    turns = np.exp(2j * np.pi * np.arange(modes) / modes) * radius
    assert density.centres.numpy() == pytest.approx(np.stack([turns.real, turns.imag], -1), rel=1e-12, abs=1e-12)
    gaps = abs(np.subtract.outer(turns, turns))[~np.eye(modes, dtype=bool)]
    assert (torch.pdist(density.centres) > 0.999 * gaps.min(initial=np.inf)).all()
    assert density.sd.tolist() == [0.1] * modes


def test_the_books_ring_has_eight_modes_on_radius_2():
    centres = densities.ring(0.1).centres
    assert len({tuple(c) for c in centres.round(decimals=6).tolist()}) == 8
    assert centres.norm(dim=1).numpy() == pytest.approx(np.full(8, 2), rel=1e-12)
    neighbours = (centres - centres.roll(1, 0)).norm(dim=1)
    assert neighbours.numpy() == pytest.approx(np.full(8, 4 * np.sin(np.pi / 8)), rel=1e-12)


def test_the_books_grid_has_25_modes_2_apart():
    density = densities.grid(0.05)
    expected = {(a, b) for a in (-4.0, -2.0, 0.0, 2.0, 4.0) for b in (-4.0, -2.0, 0.0, 2.0, 4.0)}
    assert {tuple(c) for c in density.centres.tolist()} == expected
    assert density.sd.tolist() == [0.05] * 25


@pytest.mark.parametrize("name", ["ring", "pentagon", "grid", "sparse"])
def test_equal_modes_have_equal_weights_that_sum_to_1(name):
    density = PLANES[name]
    k = len(density.centres)
    assert density.weights.numpy() == pytest.approx(np.full(k, 1 / k), rel=1e-12)


def test_a_grid_takes_its_side_and_spacing():
    centres = densities.grid(0.05, side=2, spacing=0.6).centres
    assert {tuple(c) for c in centres.tolist()} == {(-0.3, -0.3), (-0.3, 0.3), (0.3, -0.3), (0.3, 0.3)}
    assert densities.grid(0.05, side=1).centres.tolist() == [[0, 0]]


def test_a_gaussian_is_a_mixture_of_one_and_a_mixture_is_equal_unless_told():
    one = densities.gaussian(-0.7, 1.6)
    assert (one.centres.tolist(), one.sd.tolist(), one.weights.tolist()) == ([[-0.7]], [1.6], [1])
    standard = densities.gaussian()
    assert (standard.centres.tolist(), standard.sd.tolist()) == ([[0]], [1])
    assert densities.mixture(MEANS, SDS).weights.numpy() == pytest.approx(np.full(3, 1 / 3), rel=1e-12)
    assert densities.mixture(torch.tensor(MEANS), torch.tensor(SDS)).centres.shape == (3, 1)


# Invariance


@every
@pytest.mark.parametrize("shape", [5, (5,), (3, 5), (2, 3, 5), ()])
def test_samples_have_the_shape_asked_for_and_a_feature_axis(name, shape, generator):
    density = EVERY[name]
    x = density.sample(shape, generator=generator)
    assert x.shape == ((shape,) if isinstance(shape, int) else shape) + density.centres.shape[1:]
    assert density.log_prob(x).shape == x.shape[:-1]


def test_a_sample_of_one_mode_takes_that_modes_centre_along_every_axis(generator):
    density = densities.Mixture(
        torch.tensor([[-50.0, 7.0, 20.0], [30.0, -9.0, 4.0]]), torch.tensor([1e-3, 2e-3]), torch.tensor([0.5, 0.5])
    )
    x = density.sample((4, 50), generator=generator)
    nearest = density.centres[(x[..., 0] > 0).long()]
    assert (x - nearest).abs().max() < 0.02
    assert (x[..., 0] > 0).any(1).all()


def test_one_seed_of_the_generator_gives_one_sample():
    first, again, other = (densities.ring(0.1).sample(9, generator=torch.Generator().manual_seed(s)) for s in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_samples_come_in_the_default_precision_unless_told(generator):
    assert densities.ring(0.1).sample(3, generator=generator).dtype == torch.float32
    assert densities.ring(0.1).sample(3, generator=generator, dtype=torch.float64).dtype == torch.float64
    assert densities.ring(0.1).sample(3, generator=generator, dtype=torch.float16).dtype == torch.float16


@every
def test_log_prob_keeps_the_precision_of_its_points(name, generator):
    x = EVERY[name].sample(9, generator=generator, dtype=torch.float64)
    exact = EVERY[name].log_prob(x)
    assert exact.dtype == torch.float64
    single = EVERY[name].log_prob(x.float())
    assert single.dtype == torch.float32
    # a point rounded to 1e-7 moves by 1e-6 sd where the sd is 0.05, its density by a few times that
    assert single.numpy() == pytest.approx(exact.numpy(), abs=1e-4)


def test_the_gradient_of_log_prob_leads_to_the_mean():
    x = torch.tensor([[2.6]], dtype=torch.float64, requires_grad=True)
    densities.gaussian(-0.7, 1.6).log_prob(x).backward()
    assert x.grad.item() == pytest.approx(-(2.6 + 0.7) / 1.6**2, rel=1e-12)


# Limit


def test_log_prob_far_out_is_finite():
    far = torch.tensor([[1e4, -3e3]])
    value = densities.ring(0.1).log_prob(far).item()
    nearest = (far - densities.ring(0.1).centres).double().norm(dim=1).min().item()
    assert value == pytest.approx(-(nearest**2) / 0.02 - np.log(2 * np.pi * 0.01 * 8), rel=1e-5)  # float32 points


# Refusal


@pytest.mark.parametrize(
    ("centres", "sd", "weights"),
    [
        ((3,), (3,), (3,)),
        ((3, 2, 2), (3,), (3,)),
        ((3, 2), (2,), (3,)),
        ((3, 2), (3,), (2,)),
        ((3, 2), (2,), (2,)),
        ((3, 2), (), ()),
        ((0, 2), (0,), (0,)),
        ((3, 0), (3,), (3,)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(centres, sd, weights):
    with pytest.raises(ValueError, match=r"expected centres \(k, d\), sd \(k,\) and weights \(k,\), got") as refusal:
        densities.Mixture(torch.ones(centres), torch.ones(sd), torch.ones(weights) / 3)
    assert f"[{centres}, {sd}, {weights}]" in str(refusal.value)


@pytest.mark.parametrize("sd", [0.0, -0.4, np.nan, np.inf])
def test_a_spread_that_is_not_positive_is_refused(sd):
    for attempt in (
        lambda: densities.mixture([0.4, 0.7], [0.3, sd]),
        lambda: densities.gaussian(0.4, sd),
        lambda: densities.ring(sd),
        lambda: densities.grid(sd),
    ):
        with pytest.raises(ValueError, match="expected finite centres and positive sd, got sd"):
            attempt()


@pytest.mark.parametrize("mean", [np.nan, np.inf, -np.inf])
def test_a_centre_that_is_not_finite_is_refused(mean):
    with pytest.raises(ValueError, match="expected finite centres and positive sd"):
        densities.mixture([0.4, mean], [0.3, 0.6])


@pytest.mark.parametrize("weights", [[0.4, 0.7], [0.4, 0.5], [1.3, -0.3], [1.0, 0.0], [0.5, np.nan]])
def test_weights_that_are_no_probabilities_are_refused(weights):
    with pytest.raises(ValueError, match="expected positive weights that sum to 1, got"):
        densities.mixture([0.4, 0.7], [0.3, 0.6], weights)


def test_weights_may_miss_1_by_a_rounding():
    assert densities.mixture([0.4, 0.7], [0.3, 0.6], [0.4, 0.6 + 5e-7]).weights.sum() != 1
    with pytest.raises(ValueError, match="expected positive weights that sum to 1, got"):
        densities.mixture([0.4, 0.7], [0.3, 0.6], [0.4, 0.6 + 1.5e-6])


@pytest.mark.parametrize("name", ["ring", "gaussian"])
@pytest.mark.parametrize("shape", [(4, 3), (4,), ()])
def test_points_of_other_features_are_refused(name, shape):
    with pytest.raises(ValueError, match=r"expected points \(\.\.\., [12]\), got") as refusal:
        EVERY[name].log_prob(torch.ones(shape))
    assert f"got {shape}" in str(refusal.value)


@pytest.mark.parametrize(("modes", "radius"), [(0, 2.0), (-1, 2.0), (8, 0.0), (8, -2.0), (8, np.nan)])
def test_a_ring_without_modes_or_radius_is_refused(modes, radius):
    with pytest.raises(ValueError, match=f"expected at least one mode and a positive radius, got {modes} and {radius}"):
        densities.ring(0.1, modes=modes, radius=radius)


@pytest.mark.parametrize(("side", "spacing"), [(0, 2.0), (-1, 2.0), (5, 0.0), (5, -2.0), (5, np.nan)])
def test_a_grid_without_rows_or_spacing_is_refused(side, spacing):
    with pytest.raises(ValueError, match=f"expected at least one row and a positive spacing, got {side} and {spacing}"):
        densities.grid(0.05, side=side, spacing=spacing)
