import numpy as np
import ot
import pytest
import scipy.linalg
import torch
from torch.overrides import TorchFunctionMode

from ganlib import metrics


def stream(seed=20):
    return torch.Generator().manual_seed(seed)


def sample(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


def correlated(n, d, seed):
    """A sample whose mean is not 0 and whose covariance is not diagonal."""
    return sample((n, d), seed) @ sample((d, d), seed + 1000) + sample(d, seed + 2000)


def call(name, *arguments, **how):
    """A metric of NumPy points."""
    return getattr(metrics, name)(*(torch.from_numpy(t) for t in arguments), **how)


# Equation: modes

CENTRES = np.array([[-2.3, 0.4], [1.7, -0.6], [0.9, 2.2]])
SD = 0.31


def counted(x):
    """Second transcription, sample by sample."""
    hits, histogram, good = [0] * len(CENTRES), [0] * len(CENTRES), 0
    for point in x:
        distances = [np.hypot(*(point - centre)) for centre in CENTRES]
        nearest = int(np.argmin(distances))
        histogram[nearest] += 1
        if distances[nearest] <= 3 * SD:
            hits[nearest] += 1
            good += 1
    share = [h / len(x) for h in histogram if h]
    return (
        sum(h > 0 for h in hits),
        sum(h >= len(x) / len(CENTRES) / 10 for h in hits),
        good / len(x),
        sum(s * np.log(s * len(CENTRES)) for s in share),
    )


def test_modes_are_counted_as_by_hand():
    # spreads that leave no, some and all samples within 3 sd, and centres that miss a mode
    x = np.stack([a * sample((57, 2), i) + CENTRES[i % 3] for i, a in enumerate([0.05, 0.4, 0.9, 1.6, 4.0, 30.0])])
    found = call("modes", x, CENTRES, sd=SD)
    for i, points in enumerate(x):
        assert [field[i].item() for field in found] == pytest.approx(counted(points), rel=1e-12, abs=1e-15)
    assert all(field.shape == (6,) for field in found)


def test_modes_of_leading_axes_are_those_of_each_sample():
    x = 1.2 * sample((2, 3, 31, 2), 4)
    found = call("modes", x, CENTRES, sd=SD)
    expected = np.array([counted(points) for points in x.reshape(6, 31, 2)]).T.reshape(4, 2, 3)
    for field, numbers in zip(found, expected, strict=True):
        assert field.dtype == torch.float64
        assert field.numpy() == pytest.approx(numbers, rel=1e-12)


# Equation: distances


def frechet(x, y):
    """Second transcription, with SciPy's root of the product."""
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(cov_x @ cov_y)
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cov_x + cov_y - 2 * root.real)


@pytest.mark.parametrize("pair", range(20))
def test_frechet_distance_is_scipys_and_pots_on_well_posed_pairs(pair):
    d = 2 + pair % 7
    x, y = correlated(40 + pair, d, pair), 0.6 * correlated(91 - pair, d, pair + 50)
    actual = call("frechet_distance", x, y).item()
    means, covariances = (x.mean(0), y.mean(0)), (np.cov(x, rowvar=False), np.cov(y, rowvar=False))
    # matrix roots of a product lose digits with its condition number; no pair is worse than 1e8
    assert actual == pytest.approx(frechet(x, y), rel=1e-8)
    assert actual == pytest.approx(ot.gaussian.bures_wasserstein_distance(*means, *covariances) ** 2, rel=1e-8)


@pytest.mark.parametrize(("n", "m", "d"), [(9, 17, 3), (3, 40, 5), (40, 3, 5), (3, 4, 6), (5, 5, 5), (2, 2, 7)])
def test_frechet_distance_takes_an_ensemble_of_any_shape(n, m, d):
    x, y = np.stack([correlated(n, d, i) for i in range(4)]), np.stack([correlated(m, d, 9 + i) for i in range(4)])
    actual = call("frechet_distance", x.reshape(2, 2, n, d), y.reshape(2, 2, m, d))
    expected = [call("frechet_distance", *of).item() for of in zip(x, y, strict=True)]
    assert actual.numpy() == pytest.approx(np.reshape(expected, (2, 2)), rel=1e-12)


def test_frechet_distance_of_fewer_points_than_features_is_that_of_their_span():
    # three points each in a plane of R⁵: turned into the plane, SciPy's root is well-posed again
    plane, _ = np.linalg.qr(sample((5, 2), 1))
    x, y = sample((3, 2), 2), 1.3 * sample((4, 2), 3) + 0.2
    actual = call("frechet_distance", x @ plane.T, y @ plane.T).item()
    assert actual == pytest.approx(frechet(x, y), rel=1e-8)


def test_sliced_wasserstein_is_pots_along_the_same_directions():
    x, y = sample((33, 3), 1), 0.7 * sample((33, 3), 2) + 0.4
    theta = torch.randn(3, 50, generator=stream(), dtype=torch.float64).numpy()
    theta /= np.sqrt((theta**2).sum(0))
    expected = ot.sliced_wasserstein_distance(x, y, p=2, projections=theta)
    actual = call("sliced_wasserstein", x, y, generator=stream(), directions=50)
    assert actual.item() == pytest.approx(expected, rel=1e-12)


def test_sliced_wasserstein_on_the_line_is_wasserstein_2():
    x, y = sample((33, 1), 1), 0.7 * sample((33, 1), 2) + 0.4
    expected = np.sqrt(((np.sort(x, 0) - np.sort(y, 0)) ** 2).mean())
    for directions in (1, 2, 7):
        actual = call("sliced_wasserstein", x, y, generator=stream(), directions=directions)
        assert actual.item() == pytest.approx(expected, rel=1e-12)


def test_sliced_wasserstein_takes_an_ensemble_along_the_same_directions():
    x, y = sample((2, 3, 9, 4), 1), 0.7 * sample((2, 3, 9, 4), 2) + 0.4
    actual = call("sliced_wasserstein", x, y, generator=stream())
    pairs = zip(x.reshape(6, 9, 4), y.reshape(6, 9, 4), strict=True)
    expected = [call("sliced_wasserstein", *of, generator=stream()).item() for of in pairs]
    assert actual.numpy() == pytest.approx(np.reshape(expected, (2, 3)), rel=1e-12)


def test_sliced_wasserstein_draws_256_directions_unless_told():
    x, y = sample((9, 4), 1), 0.7 * sample((9, 4), 2) + 0.4
    told = call("sliced_wasserstein", x, y, generator=stream(), directions=256)
    assert torch.equal(call("sliced_wasserstein", x, y, generator=stream()), told)
    assert call("sliced_wasserstein", x, y, generator=stream(), directions=1) != told


# Closed form


def ring():
    angle = 2 * np.pi * np.arange(8) / 8
    return 2 * np.stack([np.cos(angle), np.sin(angle)], -1)


def test_a_perfect_sample_of_the_plane_is_within_3_sd_as_often_as_theory_says():
    # |x - c|²/sd² is exponential with mean 2: P(within 3 sd) = 1 - e^(-9/2)
    n, p = 20_000, 1 - np.exp(-4.5)
    x = ring()[np.arange(n) % 8] + 0.1 * sample((n, 2), 1)
    found = call("modes", x, ring(), sd=0.1)
    assert found.high_quality.item() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / n))  # four sd of a binomial
    assert (found.captured, found.m10) == (8, 8)
    assert found.reverse_kl == pytest.approx(0, abs=1e-12)


def test_uniform_noise_captures_every_mode_and_m10_is_not_fooled():
    # eight discs of radius 0.3 in a square of area 36, and each expects 79 of the 125 hits that m10 asks for
    n, p = 10_000, 8 * np.pi * 0.3**2 / 36
    x = np.random.default_rng(1).uniform(-3, 3, (n, 2))
    found = call("modes", x, ring(), sd=0.1)
    assert found.high_quality.item() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / n))
    assert (found.captured, found.m10) == (8, 0)


def test_one_missing_mode_of_eight_lowers_the_count_by_one():
    x = ring()[np.arange(7 * 50) % 7] + 0.01 * sample((350, 2), 1)
    found = call("modes", x, ring(), sd=0.1)
    assert (found.captured, found.m10, found.high_quality) == (7, 7, 1)
    assert found.reverse_kl.item() == pytest.approx(np.log(8 / 7), rel=1e-12)


def test_a_collapsed_sample_has_quality_without_variety():
    found = call("modes", ring()[3] + 0.01 * sample((200, 2), 1), ring(), sd=0.1)
    assert (found.captured, found.m10, found.high_quality) == (1, 1, 1)
    assert found.reverse_kl.item() == pytest.approx(np.log(8), rel=1e-12)


def test_m10_asks_for_a_tenth_of_the_share_and_captured_for_one_sample():
    # 160 samples over 8 modes: a tenth of the share is 2
    x = ring()[[0] * 156 + [1] * 2 + [2, 3]]
    found = call("modes", x, ring(), sd=0.1)
    assert (found.captured, found.m10) == (4, 2)
    x[-2:] += 1.0  # not of high quality: they neither capture nor count
    found = call("modes", x, ring(), sd=0.1)
    assert (found.captured, found.m10, found.high_quality) == (2, 2, 158 / 160)


@pytest.mark.parametrize(("at", "good"), [(1.5, 1), (1.5 + 1e-12, 0), (-1.5, 1), (-1.5 - 1e-12, 0), (0.0, 1)])
def test_high_quality_ends_at_3_sd(at, good):
    found = metrics.modes(torch.tensor([[at]], dtype=torch.float64), torch.tensor([[0.0], [9.0]]), sd=0.5)
    assert found.high_quality == found.captured == found.m10 == good


def test_frechet_distance_on_the_line_compares_means_and_sds():
    x, y = sample((17, 1), 1), 1.8 * sample((23, 1), 2) - 0.4
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert call("frechet_distance", x, y).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "d"), [(40, 3), (4, 9), (2, 5)])
@pytest.mark.parametrize("scale", [0.3, 2.7])
def test_frechet_distance_of_an_affine_image_has_its_closed_form(n, d, scale):
    x = correlated(n, d, 1)
    shift = sample(d, 2)
    # mean: (s - 1)μ + t; covariance s²Σ: tr(Σ + s²Σ - 2sΣ) = (1 - s)² tr Σ
    expected = (((scale - 1) * x.mean(0) + shift) ** 2).sum() + (1 - scale) ** 2 * x.var(0, ddof=1).sum()
    assert call("frechet_distance", x, scale * x + shift).item() == pytest.approx(expected, rel=1e-12)


def test_frechet_distance_between_samples_of_one_law_is_its_known_bias():
    # To second order Bures' distance at I is |ΔΣ|²/4, and E|ΔΣ|² = 2 d(d + 1)/(n - 1); the means give 2 d/n.
    d, n = 16, 1000
    x, y = sample((20, n, d), 1), sample((20, n, d), 2)
    expected = 2 * d / n + d * (d + 1) / (2 * (n - 1))
    # 20 draws leave 2 % of noise, the next order is a few per cent
    assert call("frechet_distance", x, y).mean().item() == pytest.approx(expected, rel=0.1)


# Invariance


@pytest.mark.parametrize(("n", "m", "d"), [(40, 31, 4), (5, 7, 12), (5, 31, 8)])
def test_frechet_distance_is_symmetric_and_turns_with_the_points(n, m, d):
    x, y = correlated(n, d, 1), 0.6 * correlated(m, d, 2)
    value = call("frechet_distance", x, y).item()
    assert call("frechet_distance", y, x).item() == pytest.approx(value, rel=1e-10)
    turn, _ = np.linalg.qr(sample((d, d), 3))
    assert call("frechet_distance", x @ turn, y @ turn).item() == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize(("n", "d"), [(100, 8), (8, 8), (9, 8), (10, 64), (2, 30)])
def test_a_sample_is_no_distance_from_itself_also_with_fewer_points_than_features(n, d):
    x = correlated(n, d, 1)
    scale = x.var(0, ddof=1).sum()
    assert abs(call("frechet_distance", x, x)) <= 1e-12 * scale
    assert abs(call("frechet_distance", x, x[::-1].copy())) <= 1e-12 * scale


def test_sliced_wasserstein_is_symmetric_and_0_from_itself():
    x, y = sample((9, 4), 1), 0.7 * sample((9, 4), 2) + 0.4
    assert torch.equal(*(call("sliced_wasserstein", *of, generator=stream()) for of in ((x, y), (y, x))))
    assert call("sliced_wasserstein", x, x[::-1].copy(), generator=stream()) <= 1e-15


def test_metrics_are_computed_in_float64_without_a_graph():
    x, y = (torch.from_numpy(sample((9, 2), seed)).float().requires_grad_() for seed in (1, 2))
    for metric in (
        metrics.frechet_distance,
        lambda a, b: metrics.sliced_wasserstein(a, b, generator=stream()),
        lambda a, b: metrics.modes(a, b, sd=0.7).reverse_kl,
    ):
        value = metric(x, y)
        assert value.dtype == torch.float64
        assert not value.requires_grad
        assert torch.equal(value, metric(x.detach().double(), y.detach().double()))


# Limit


def with_pivots(*sizes, n=9):
    """Points whose Gram matrix has a root with these pivots, and whole numbers under the diagonal's place."""
    q = np.linalg.qr(sample((n, len(sizes)), 5))[0]
    return torch.from_numpy(q @ (np.diag(sizes) + np.triu(np.full((len(sizes),) * 2, 0.25), 1)))


WELL, ILL = with_pivots(1.7, 0.9, 2.1e-3), with_pivots(1.7, 0.9, 1.4e-3)
EQUAL = torch.tensor(
    [[1.0, 1.0, 2.0], [2.0, 2.0, 5.0], [3.0, 3.0, 7.0], [5.0, 5.0, 1.0]]
).double()  # no root of Cholesky


@pytest.mark.parametrize(
    ("a", "reflected"),
    [
        (WELL, 0),
        (ILL, 1),
        (EQUAL, 1),
        (torch.stack([WELL, ILL]), 1),
        (torch.stack([ILL, WELL]), 1),
        (torch.stack([with_pivots(1.5, 0.4, 0.8, n=4), EQUAL]), 1),
        (WELL[:3], 0),
    ],
)
def test_a_gram_matrix_is_trusted_as_far_as_its_pivots_allow(a, reflected, monkeypatch):
    asked, qr = [], torch.linalg.qr
    monkeypatch.setattr(torch.linalg, "qr", lambda *args, **how: asked.append(args) or qr(*args, **how))
    root = metrics._compact(a)
    assert len(asked) == reflected and root.shape[-2:] == (3, 3)
    torch.testing.assert_close(root.mT @ root, a.mT @ a, atol=1e-12, rtol=0)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_points_pass_as_they_are_and_only_finite_ones(bad):
    x = torch.from_numpy(sample((7, 3), 1)).float()
    assert (metrics._points(x) == x.double()).all() and metrics._points(x).dtype == torch.float64
    large = torch.full((4, 2), 1e308, dtype=torch.float64)  # finite, but their sum is not
    assert (metrics._points(large) == large).all()
    for also in (0.5, -bad):
        x[2, 1], x[4, 0] = bad, also
        with pytest.raises(ValueError, match="expected finite points"):
            metrics._points(x)


def test_a_far_offset_does_not_change_the_frechet_distance():
    x, y = correlated(40, 3, 1), 0.6 * correlated(31, 3, 2)
    # 1e6 + x is rounded to 1e-10
    actual = call("frechet_distance", x + 1e6, y + 1e6).item()
    assert actual == pytest.approx(call("frechet_distance", x, y).item(), abs=1e-6)


def test_sliced_wasserstein_of_a_translation_is_its_length_over_the_root_of_d():
    x, shift = sample((9, 5), 1), np.array([0.4, -1.3, 2.2, 0.7, -0.2])
    actual = call("sliced_wasserstein", x, x + shift, generator=stream(), directions=20_000).item()
    # (θ·t)² has mean |t|²/d and sd < √2 |t|²/d: half of its relative error, three times, is 1.5 %
    assert actual == pytest.approx(np.sqrt((shift**2).sum() / 5), rel=0.015)


def test_more_noise_raises_every_distance():
    x = sample((500, 2), 1)
    noisy = [x + level * sample((500, 2), 2) for level in (0.3, 0.7, 1.4, 2.9)]
    assert (np.diff([call("frechet_distance", x, y).item() for y in noisy]) > 0).all()
    assert (np.diff([call("sliced_wasserstein", x, y, generator=stream()).item() for y in noisy]) > 0).all()


class Spectra(TorchFunctionMode):
    """Shapes of the matrices whose singular values are taken."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def __torch_function__(self, function, types, arguments=(), named=None):
        if function is torch.linalg.svdvals:
            self.shapes.append(tuple(arguments[0].shape))
        return function(*arguments, **(named or {}))


@pytest.mark.parametrize(
    ("n", "m", "d", "matrix"), [(90, 80, 3, (3, 3)), (90, 4, 6, (6, 4)), (4, 90, 6, (4, 6)), (4, 5, 90, (4, 5))]
)
@pytest.mark.parametrize("seeds", [(), (2,)])
def test_frechet_distance_never_needs_more_than_d_by_d(n, m, d, matrix, seeds):
    # neither the points against the points nor, for few points, the features against the features
    with Spectra() as spectra:
        call("frechet_distance", sample((*seeds, n, d), 1), sample((*seeds, m, d), 2))
    assert spectra.shapes == [(*seeds, *matrix)]


# Refusal

CASES = {
    "modes": lambda x, y: metrics.modes(x, y, sd=0.7),
    "frechet_distance": metrics.frechet_distance,
    "sliced_wasserstein": lambda x, y: metrics.sliced_wasserstein(x, y, generator=stream()),
}
each = pytest.mark.parametrize("name", CASES)
distances = pytest.mark.parametrize("name", ["frechet_distance", "sliced_wasserstein"])


@each
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_points_that_are_not_finite_are_refused(name, bad):
    good = torch.tensor([[0.3, 0.7], [0.4, -0.6]])
    points = torch.tensor([[0.3, 0.7], [bad, -0.6]])
    for x, y in [(good, points), (points, good)]:
        with pytest.raises(ValueError, match="expected finite points, got NaN or infinity"):
            CASES[name](x, y)


@each
@pytest.mark.parametrize("shape", [(), (4,), (0, 2), (4, 0), (0, 4, 2)])
def test_points_without_a_sample_or_a_feature_are_refused(name, shape):
    good, points = torch.ones(4, 2), torch.ones(shape)
    for x, y in [(good, points), (points, good)]:
        with pytest.raises(ValueError, match=r"expected points \(\.\.\., n, d\) with n at least [12], got") as refusal:
            CASES[name](x, y)
        assert f"got {shape}" in str(refusal.value)


def test_one_point_has_no_covariance_but_a_mode_and_a_place():
    one, many = torch.ones(1, 2), torch.ones(4, 2)
    for x, y in [(one, many), (many, one)]:
        with pytest.raises(ValueError, match=r"with n at least 2, got \(1, 2\)"):
            metrics.frechet_distance(x, y)
    assert metrics.frechet_distance(many[:2], many) == 0
    assert metrics.modes(one, one, sd=0.7).captured == 1
    assert metrics.sliced_wasserstein(one, one + 1, generator=stream()) > 0


@distances
def test_points_that_do_not_fit_are_refused_with_both_shapes(name):
    for x, y in [((4, 2), (4, 3)), ((3, 4, 2), (2, 4, 2)), ((4, 2), (3, 4, 2)), ((1, 4, 2), (3, 4, 2))]:
        with pytest.raises(ValueError, match=r"expected points \(\.\.\., n, d\) and \(\.\.\., m, d\), got") as refusal:
            CASES[name](torch.ones(x), torch.ones(y))
        assert f"{x} and {y}" in str(refusal.value)


def test_sliced_wasserstein_refuses_samples_of_two_sizes_and_no_direction():
    with pytest.raises(ValueError, match=r"expected points of one shape, got \(4, 2\) and \(5, 2\)"):
        metrics.sliced_wasserstein(torch.ones(4, 2), torch.ones(5, 2), generator=stream())
    for directions in (0, -1):
        with pytest.raises(ValueError, match=f"expected points of one shape, got .*directions={directions}"):
            metrics.sliced_wasserstein(torch.ones(4, 2), torch.ones(4, 2), generator=stream(), directions=directions)


@pytest.mark.parametrize(
    ("x", "centres", "sd"),
    [
        ((4, 2), (3, 1), 0.7),
        ((4, 2), (5, 3, 2), 0.7),
        ((4, 2), (5, 2, 2), 0.7),
        ((4, 2), (3, 2), 0.0),
        ((4, 2), (3, 2), -0.7),
        ((4, 2), (3, 2), float("nan")),
    ],
)
def test_modes_that_do_not_fit_are_refused(x, centres, sd):
    with pytest.raises(ValueError, match=r"expected x \(\.\.\., n, d\), centres \(k, d\) and sd > 0, got") as refusal:
        metrics.modes(torch.ones(x), torch.ones(centres), sd=sd)
    assert f"{x}, {centres}, sd={sd}" in str(refusal.value)


# Equation: inception score


def probabilities(shape, seed):
    return np.random.default_rng(seed).dirichlet([0.3, 0.7, 1.1, 2.0], shape)


def test_inception_score_is_the_exponential_of_the_mean_divergence():
    p = probabilities((3, 41), 7)
    mean = p.mean(1, keepdims=True)
    by_hand = np.exp((p * np.log(p / mean)).sum(-1).mean(-1))
    assert np.allclose(call("inception_score", p).numpy(), by_hand, rtol=1e-12)


def test_inception_score_has_its_limits():
    assert call("inception_score", np.tile(probabilities(1, 3), (9, 1))).item() == pytest.approx(1, abs=1e-12)
    sure = np.eye(5)[np.random.default_rng(0).permutation(np.repeat(np.arange(5), 6))]
    assert call("inception_score", sure).item() == pytest.approx(5, rel=1e-12)
    uneven = np.eye(3)[[0, 0, 0, 1]]  # H(3/4, 1/4)
    assert call("inception_score", uneven).item() == pytest.approx(4 / 27**0.25, rel=1e-12)
    assert call("inception_score", probabilities(1, 4)).item() == pytest.approx(1, abs=1e-12)  # of one picture


@pytest.mark.parametrize(
    "p",
    [
        [[0.5, 0.6]],
        [[1.2, -0.2]],
        [[0.3, 0.6]],
        [[float("nan"), 1.0]],
        [[0.5, 0.5], [0.4, 0.5]],
        [[0.5, 0.5], [0.5, 0.50015]],
    ],
)
def test_inception_score_wants_probabilities(p):
    with pytest.raises(ValueError, match="expected"):
        metrics.inception_score(torch.tensor(p))


def test_inception_score_bears_rounding_of_float32():
    p = torch.softmax(torch.randn(50, 10, generator=stream()), -1)
    assert metrics.inception_score(p).dtype == torch.float64


# Equation: kernel distance


def test_kernel_distance_is_the_double_sum():
    x, y = correlated(7, 3, 1), correlated(5, 3, 2)

    def k(a, b):
        return (a @ b / 3 + 1) ** 3

    def same(points):
        n = len(points)
        return sum(k(points[i], points[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

    cross = sum(k(a, b) for a in x for b in y) / 35
    assert call("kernel_distance", x, y).item() == pytest.approx(same(x) + same(y) - 2 * cross, rel=1e-12)
    assert call("kernel_distance", y, x).item() == pytest.approx(same(x) + same(y) - 2 * cross, rel=1e-12)


def test_kernel_distance_takes_leading_axes():
    x, y = sample((2, 3, 8, 4), 5), sample((2, 3, 6, 4), 6) + 0.4
    found = call("kernel_distance", x, y)
    assert found.shape == (2, 3)
    assert found[1, 2].item() == pytest.approx(call("kernel_distance", x[1, 2], y[1, 2]).item(), rel=1e-12)


def test_kernel_distance_is_unbiased():
    # equal laws: zero on average, both signs
    found = call("kernel_distance", sample((4000, 6, 2), 8), sample((4000, 9, 2), 9))
    assert abs(found.mean()) < 4 * found.std() / 4000**0.5
    assert (found < 0).any() and (found > 0).any()


def test_kernel_distance_of_a_shift_on_the_line():
    # E over N(0,1) and N(t,1), d = 1: E(xx')^3 = (E x^3)^2 and so on
    t = 0.7

    def moments(m):
        return m, m * m + 1, m**3 + 3 * m

    def expected(a, b):
        return sum(c * u * v for c, u, v in zip((3, 3, 1), moments(a), moments(b), strict=True)) + 1

    truth = expected(0, 0) + expected(t, t) - 2 * expected(0, t)
    found = call("kernel_distance", sample((3000, 40, 1), 10), sample((3000, 40, 1), 11) + t)
    assert found.mean().item() == pytest.approx(truth, abs=4 * found.std().item() / 3000**0.5)


# Equation: neighbours


def neighbours_by_hand(real, fake, k):
    """Second transcription, point by point."""

    def reach(points):
        return [sorted(np.linalg.norm(points - p, axis=1))[k] for p in points]

    r, f = reach(real), reach(fake)
    inside = [[np.linalg.norm(a - b) <= r[i] for i, a in enumerate(real)] for b in fake]
    return (
        np.mean([any(row) for row in inside]),
        np.mean([any(np.linalg.norm(a - b) <= f[j] for j, b in enumerate(fake)) for a in real]),
        np.mean([sum(row) for row in inside]) / k,
        np.mean([any(row[i] for row in inside) for i in range(len(real))]),
    )


@pytest.mark.parametrize("k", [1, 2, 4])
def test_neighbours_are_counted_as_by_hand(k):
    real, fake = sample((23, 2), 12), 0.6 * sample((17, 2), 13) + [0.9, -0.3]
    assert [v.item() for v in call("neighbours", real, fake, k=k)] == pytest.approx(
        neighbours_by_hand(real, fake, k), rel=1e-12
    )
    reverse = call("neighbours", fake, real, k=k)
    assert reverse.precision.item() == pytest.approx(neighbours_by_hand(real, fake, k)[1])


def test_neighbours_of_a_sample_and_itself():
    x = sample((30, 3), 14)
    found = call("neighbours", x, x, k=3)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    assert found.density.item() == pytest.approx(4 / 3, rel=1e-12)  # its own ball, and those of three others on average


def test_neighbours_of_what_is_lost_and_what_is_made_up():
    centres = np.array([[0.0, 0.0], [100.0, 0.0]])
    both = np.concatenate([sample((40, 2), 15), sample((40, 2), 16) + centres[1]])
    one = sample((60, 2), 17)
    lost, made_up = call("neighbours", both, one), call("neighbours", one, both)
    assert lost.precision > 0.9 and 0.4 < lost.recall <= 0.5 and 0.4 < lost.coverage <= 0.5
    assert 0.4 < made_up.precision <= 0.5 and made_up.recall > 0.9 and made_up.coverage > 0.9


def test_neighbours_take_leading_axes():
    real, fake = sample((2, 3, 15, 3), 18), 1.4 * sample((2, 3, 12, 3), 19)
    found = call("neighbours", real, fake, k=1)
    assert all(v.shape == (2, 3) for v in found)
    for i in range(2):
        for j in range(3):
            by_hand = neighbours_by_hand(real[i, j], fake[i, j], 1)
            assert [v[i, j].item() for v in found] == pytest.approx(by_hand, rel=1e-12)
    assert [v.item() for v in call("neighbours", real[1, 2], fake[1, 2])] == pytest.approx(
        neighbours_by_hand(real[1, 2], fake[1, 2], 5)  # k is 5
    )


def test_the_edge_of_a_ball_belongs_to_it():
    real, fake = np.array([[0.0], [-50.0]]), np.array([[2.0], [4.0], [100.0]])  # balls of radius 2, 2 and 96
    assert call("neighbours", real, fake, k=1).recall == 0.5
    assert call("neighbours", fake, real, k=1).precision == 0.5


@pytest.mark.parametrize("seed", range(30))
def test_the_edge_of_a_ball_belongs_to_it_where_a_product_rounds(seed):
    v, far = sample(3, seed), 10 + sample((3, 3), seed + 30)
    real, fake = np.array([0 * v, v, far[0]]), np.array([-v, -far[1], -far[2]])  # the ball about 0 reaches to v, and -v
    assert call("neighbours", real, fake, k=1).precision.item() == pytest.approx(1 / 3, rel=1e-12)


def test_neighbours_on_a_lattice_are_counted_as_by_hand():
    real, fake = (np.round(2 * sample((n, 3), seed)) for n, seed in ((31, 20), (24, 21)))
    found = [v.item() for v in call("neighbours", real, fake, k=2)]
    assert found == pytest.approx(neighbours_by_hand(real, fake, 2), rel=1e-12)


def test_neighbours_take_distances_one_by_one_only_where_a_product_cannot_tell(monkeypatch):
    taken, one_by_one = [], metrics._distances
    monkeypatch.setattr(metrics, "_distances", lambda x, y: taken.append(len(x)) or one_by_one(x, y))
    x, y = sample((31, 3), 20), sample((24, 3), 21)
    call("neighbours", x, y)
    assert taken == []
    call("neighbours", x, x[:20])  # a copy lies on the edges of the balls that reach to its original
    assert taken == [31, 31, 20]


@pytest.mark.parametrize("scale", [0.02, 70.0])
def test_what_a_product_cannot_tell_is_bounded_by_the_longest_point(scale):
    x, y = sample((31, 3), 20), scale * sample((24, 3), 21)
    longest = max((points**2).sum(1).max() for points in (x, y))
    found = metrics._rounding(*map(torch.from_numpy, (x, y)))
    assert found.item() == pytest.approx(16 * (3 + 8) * 2.0**-52 * longest, rel=1e-12)


@pytest.mark.parametrize("k", [1, 5])
def test_squares_by_a_product_are_off_by_less_than_their_bound(k):
    x, y = (torch.from_numpy(sample((60, 16), seed)) + 3 for seed in (1, 2))
    pairs = zip(metrics._beyond(metrics._squares, x, y, k), metrics._beyond(squares_by_hand, x, y, k), strict=True)
    assert max((there - here).abs().max() for here, there in pairs) < metrics._rounding(x, y)


def squares_by_hand(x, y):
    return (x.unsqueeze(-2) - y.unsqueeze(-3)).square().sum(-1)


@pytest.mark.parametrize("k", [0, 12, 15])
def test_neighbours_want_points_beyond_the_ball(k):
    with pytest.raises(ValueError, match="expected k"):
        call("neighbours", sample((15, 3), 18), sample((12, 3), 19), k=k)
    with pytest.raises(ValueError, match="expected k"):
        call("neighbours", sample((12, 3), 18), sample((15, 3), 19), k=k)
