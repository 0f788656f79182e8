"""What has become faster gives the numbers of its former formula, which is kept here: stored tables rest on it.

Written in NumPy and POT, step by step as ganlib had it. `python -m tools.restamp` asks these tests before it stamps a
table of the former code for the present one.
"""

import numpy as np
import ot
import pytest
import torch
from scipy.spatial.distance import cdist

from ganlib import divergences, metrics


def frechet(x, y):
    """Root of each covariance by reflections, the overlap as a nuclear norm."""
    roots, spread = [], 0.0
    for points in (x, y):
        centred = (points - points.mean(0)) / (len(points) - 1) ** 0.5
        spread += (centred**2).sum()
        roots.append(np.linalg.qr(centred, mode="r") if len(points) > points.shape[1] else centred)
    overlap = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + spread - 2 * overlap


def kernel(x, y):
    """The unbiased square of the distance in the kernel (a·b/d + 1)³."""
    n, m, d = len(x), len(y), x.shape[1]
    xx, yy, xy = ((a @ b.T / d + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    within = [(gram.sum() - np.trace(gram)) / (k * (k - 1)) for gram, k in ((xx, n), (yy, m))]
    return sum(within) - 2 * xy.mean()


def neighbours(x, y, k):
    """Balls that reach to the k-th neighbour, by distances one by one."""
    between = cdist(x, y)
    of_x, of_y = (np.sort(cdist(t, t), -1)[:, k] for t in (x, y))
    in_x, in_y = between <= of_x[:, None], between <= of_y
    return in_x.any(0).mean(), in_y.any(1).mean(), in_x.sum(0).mean() / k, in_x.any(1).mean()


def features(kind, n, d, rng):
    """Samples as the tables have them, and worse."""
    points = rng.standard_normal((n, d)) / np.arange(1, d + 1) ** 0.5
    if kind == "flat":
        return points[:, : max(1, d // 3)] @ rng.standard_normal((max(1, d // 3), d))
    if kind == "rectified":
        return np.maximum(points, 0).astype(np.float32)
    if kind == "copies":
        return points[rng.integers(n // 2, size=n)]
    if kind == "lattice":
        return np.round(2 * points)
    return points


KINDS = ["plain", "far", "flat", "rectified", "copies", "lattice"]
SIZES = [(400, 300, 2), (400, 300, 16), (90, 70, 64), (40, 60, 64), (70, 90, 128)]
each = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(params=SIZES, ids=str)
def pair(request, kind):
    n, m, d = request.param
    rng = np.random.default_rng([n, d, KINDS.index(kind)])
    x, y = features(kind, n, d, rng), features(kind, m, d, rng)
    y = (0.9 * y + 0.1).astype(y.dtype) if kind != "lattice" else y
    y[: m // 3] = x[: m // 3] if kind == "copies" else y[: m // 3]
    return (x + 1e4, y + 1e4) if kind == "far" else (x, y)


def both(function, x, y, **how):
    return function(torch.from_numpy(x), torch.from_numpy(y), **how)


@each
def test_the_frechet_distance_is_the_former(pair):
    x, y = (points.astype(float) for points in pair)
    scale = ((x - x.mean(0)) ** 2).sum() / len(x) + ((y - y.mean(0)) ** 2).sum() / len(y)
    assert both(metrics.frechet_distance, *pair).item() == pytest.approx(frechet(x, y), abs=1e-10 * scale)


@each
def test_the_kernel_distance_is_the_former(pair):
    x, y = (points.astype(float) for points in pair)
    largest = max((points**2).sum(1).max() for points in (x, y)) / x.shape[1]
    found = both(metrics.kernel_distance, *pair).item()
    assert found == pytest.approx(kernel(x, y), abs=1e-13 * (largest + 1) ** 3)


@each
@pytest.mark.parametrize("k", [1, 5])
def test_neighbours_are_the_former(pair, k):
    if max(map(np.abs, pair), key=np.max).max() > 1e3:
        pair = tuple(points - 1e4 for points in pair)  # at 1e4 the distances themselves are rounded
    x, y = (points.astype(float) for points in pair)
    assert list(map(float, both(metrics.neighbours, *pair, k=k))) == pytest.approx(neighbours(x, y, k), abs=1e-12)


@each
def test_an_ensemble_has_the_former_numbers(kind):
    rng = np.random.default_rng(3)
    x, y = (np.stack([features(kind, n, 8, rng) for _ in range(3)]) for n in (60, 45))
    found = both(metrics.frechet_distance, x, y)
    for one, a, b in zip(found, x.astype(float), y.astype(float), strict=True):
        assert one.item() == pytest.approx(frechet(a, b), abs=1e-9 * (1 + ((a - a.mean(0)) ** 2).sum() / 60))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (7, 7), (64, 64), (200, 200), (30, 45)])
@pytest.mark.parametrize("d", [1, 2, 16])
@pytest.mark.parametrize("kind", ["plain", "copies", "lattice"])
def test_transport_costs_what_it_did(kind, n, m, d):
    rng = np.random.default_rng([n, d])
    x, y = (features(kind if n > 1 else "plain", k, d, rng) for k in (n, m))
    costs = cdist(x, y)
    former = ot.emd([1 / n] * n, [1 / m] * m, costs, numItermax=10_000_000)
    cost, plan = both(divergences.transport, x, y)
    assert cost.item() == pytest.approx((former * costs).sum(), abs=1e-12 * (1 + costs.max()))
    assert (plan.numpy() * costs).sum() == pytest.approx(cost.item(), abs=1e-12 * (1 + costs.max()))
    assert (
        plan.min() >= 0 and np.allclose(plan.sum(0), 1 / m, atol=1e-12) and np.allclose(plan.sum(1), 1 / n, atol=1e-12)
    )
