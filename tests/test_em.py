"""EM for mixtures of Gaussians: a second transcription, scikit-learn, invariances, limits, refusals."""

import math
from itertools import islice, product

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from ganlib.em import Gaussians, e_step, em, log_joint, m_step

FAR = 1e-12


def theta_of(*starts, K=3, d=2):
    """Different parameters for each start, in float64."""
    g = torch.Generator().manual_seed(5)
    made = []
    for _ in starts or [0]:
        root = torch.randn(K, d, d, generator=g, dtype=torch.float64) + 2 * torch.eye(d)
        weights = torch.rand(K, generator=g, dtype=torch.float64) + 0.3
        means = 2 * torch.randn(K, d, generator=g, dtype=torch.float64)
        made.append(Gaussians(weights / weights.sum(), means, root @ root.mT / 3))
    return Gaussians(*map(torch.stack, zip(*made, strict=True))) if starts else made[0]


@pytest.fixture
def x(generator):
    return 1.7 * torch.randn(40, 2, generator=generator, dtype=torch.float64) + 0.3


@pytest.fixture
def q(generator):
    shares = torch.rand(40, 3, generator=generator, dtype=torch.float64) + 0.05
    return shares / shares.sum(-1, keepdim=True)


def test_the_joint_density_is_scipys_with_the_weight(x):
    theta = theta_of()
    for k, found in enumerate(log_joint(theta, x).T):
        law = multivariate_normal(theta.means[k].numpy(), theta.covariances[k].numpy())
        assert found.numpy() == pytest.approx(law.logpdf(x.numpy()) + math.log(theta.weights[k]), abs=1e-10)


def test_the_e_step_is_bayes_rule_and_its_likelihood_the_sum_over_all_assignments():
    theta, x = theta_of(), torch.tensor([[0.4, -1.2], [2.2, 0.7], [-0.6, 1.9], [1.3, 0.2]], dtype=torch.float64)
    joint = log_joint(theta, x).exp()
    total = sum(math.prod(joint[i, k].item() for i, k in enumerate(z)) for z in product(range(3), repeat=4))
    q, log_likelihood = e_step(theta, x)
    assert log_likelihood.item() == pytest.approx(math.log(total), abs=1e-12)
    for i, row in enumerate(joint):
        assert q[i].tolist() == pytest.approx((row / row.sum()).tolist(), abs=1e-14)


def test_a_point_far_from_all_has_its_shares(x):
    theta = theta_of()
    q, log_likelihood = e_step(theta, torch.tensor([[300.0, -500.0]], dtype=torch.float64))
    assert log_likelihood < -1e4 and q.sum().item() == pytest.approx(1, abs=FAR)


def test_the_m_step_is_weighted_moments_written_out(x, q):
    found = m_step(q, x)
    for k in range(3):
        share = q[:, k].numpy()
        mean = sum(s * v for s, v in zip(share, x.numpy(), strict=True)) / share.sum()
        scatter = sum(s * np.outer(v - mean, v - mean) for s, v in zip(share, x.numpy(), strict=True)) / share.sum()
        assert found.weights[k].item() == pytest.approx(share.sum() / 40, abs=FAR)
        assert found.means[k].numpy() == pytest.approx(mean, abs=FAR)
        assert found.covariances[k].numpy() == pytest.approx(scatter, abs=FAR)
        assert np.cov(x.T.numpy(), aweights=share, ddof=0) == pytest.approx(scatter, abs=1e-10)


def expected_log(theta, q, x):
    return (q * log_joint(theta, x)).sum()


@pytest.mark.parametrize("spherical", [False, True])
def test_nothing_near_the_m_step_is_better(x, q, spherical, generator):
    best = m_step(q, x, spherical=spherical)
    value = expected_log(best, q, x)
    for _ in range(30):
        change = 0.03 * torch.randn(3, 3, generator=generator, dtype=torch.float64)
        weights = best.weights * change[:, 0].exp()
        tilt = torch.eye(2, dtype=torch.float64) + 0.03 * torch.randn(3, 2, 2, generator=generator, dtype=torch.float64)
        scale = change[:, 2].exp()[:, None, None] * torch.eye(2, dtype=torch.float64)
        root = scale if spherical else tilt
        near = Gaussians(weights / weights.sum(), best.means + change[:, 1:2], root @ best.covariances @ root.mT)
        assert expected_log(near, q, x) < value


def test_spherical_covariances_are_the_mean_variance_times_the_identity(x, q):
    full, round_ = m_step(q, x), m_step(q, x, spherical=True, ridge=0.25)
    for whole, ball in zip(full.covariances, round_.covariances, strict=True):
        torch.testing.assert_close(ball, (whole.trace() / 2 + 0.25) * torch.eye(2, dtype=torch.float64))


@pytest.mark.parametrize("kind", ["full", "spherical"])
def test_a_run_is_scikit_learns(x, kind):
    theta, ridge = theta_of(), 1e-6
    if kind == "spherical":
        theta = theta._replace(covariances=theta.covariances[:, :1, :1] * torch.eye(2, dtype=torch.float64))
    inverse = theta.covariances.inverse() if kind == "full" else 1 / theta.covariances[:, 0, 0]
    start = {
        "weights_init": theta.weights.numpy(),
        "means_init": theta.means.numpy(),
        "precisions_init": inverse.numpy(),
    }
    other = GaussianMixture(3, covariance_type=kind, tol=0, reg_covar=ridge, max_iter=25, **start)
    with pytest.warns(UserWarning, match="converge"):
        other.fit(x.numpy())
    *_, last = islice(em(theta, x, spherical=kind == "spherical", ridge=ridge), 26)
    assert last.theta.means.numpy() == pytest.approx(other.means_, abs=1e-9)
    assert last.theta.weights.numpy() == pytest.approx(other.weights_, abs=1e-9)
    assert last.log_likelihood.item() / 40 == pytest.approx(other.score(x.numpy()), abs=1e-9)


def test_the_likelihood_never_falls_and_the_first_turn_is_the_start(x):
    starts = theta_of(*range(8))
    steps = list(islice(em(starts, x), 30))
    assert all(torch.equal(a, b) for a, b in zip(steps[0].theta, starts, strict=True))
    rise = torch.stack([step.log_likelihood for step in steps]).diff(dim=0)
    assert rise.shape == (29, 8) and (rise > -1e-9).all() and (rise[0] > 1e-3).all()


def test_many_starts_at_once_are_each_start_alone(x):
    starts = theta_of(*range(4))
    *_, together = islice(em(starts, x), 12)
    for s in range(4):
        *_, alone = islice(em(Gaussians(*(v[s] for v in starts)), x), 12)
        for a, b in zip(alone.theta, together.theta, strict=True):
            torch.testing.assert_close(a, b[s], atol=1e-12, rtol=0)


def test_each_start_may_have_points_of_its_own(x):
    starts = theta_of(*range(3))
    own = torch.stack([x, x.flip(0) - 0.4, 1.3 * x])
    *_, together = islice(em(starts, own), 7)
    for s in range(3):
        *_, alone = islice(em(Gaussians(*(v[s] for v in starts)), own[s]), 7)
        torch.testing.assert_close(alone.log_likelihood, together.log_likelihood[s])
        torch.testing.assert_close(alone.theta.means, together.theta.means[s])


def test_to_turn_move_and_stretch_the_points_does_so_with_the_result(x):
    theta, A = theta_of(), torch.tensor([[1.2, -0.7], [0.4, 2.1]], dtype=torch.float64)
    shift = torch.tensor([3.0, -1.5], dtype=torch.float64)
    moved = theta._replace(means=theta.means @ A.T + shift, covariances=A @ theta.covariances @ A.T)
    *_, here = islice(em(theta, x), 6)
    *_, there = islice(em(moved, x @ A.T + shift), 6)
    torch.testing.assert_close(there.theta.means, here.theta.means @ A.T + shift, atol=1e-9, rtol=0)
    torch.testing.assert_close(there.theta.covariances, A @ here.theta.covariances @ A.T, atol=1e-9, rtol=0)
    gap = here.log_likelihood - there.log_likelihood
    assert gap.item() == pytest.approx(40 * math.log(abs(torch.linalg.det(A).item())), abs=1e-8)


def test_one_component_is_the_sample_in_one_turn(x):
    one = theta_of(K=1)
    *_, step = islice(em(one, x), 2)
    assert step.theta.means[0].tolist() == pytest.approx(x.mean(0).tolist())
    assert step.theta.covariances[0].numpy() == pytest.approx(np.cov(x.T.numpy(), ddof=0))


def test_names_can_be_exchanged(x):
    theta, order = theta_of(), [2, 0, 1]
    *_, a = islice(em(theta, x), 9)
    *_, b = islice(em(Gaussians(*(v[order] for v in theta)), x), 9)
    for v, w in zip(a.theta, b.theta, strict=True):
        torch.testing.assert_close(v[order], w)


REFUSED = {
    "weights": (lambda t: t._replace(weights=t.weights[:2]), "expected weights"),
    "flat points": (lambda t: t._replace(means=t.means[:, :1]), "expected weights"),
    "sum": (lambda t: t._replace(weights=t.weights * 1.1), "sum to 1"),
    "too little": (lambda t: t._replace(weights=t.weights * 0.9), "sum to 1"),
    "nearly": (lambda t: t._replace(weights=t.weights * (1 + 1.5e-5)), "sum to 1"),
    "one start of two": (
        lambda t: Gaussians(*(torch.stack([v, v * w]) for v, w in zip(t, (1.1, 1, 1), strict=True))),
        "sum to 1",
    ),
    "negative": (lambda t: t._replace(weights=torch.tensor([1.2, -0.4, 0.2])), "positive weights"),
    "nothing": (lambda t: t._replace(weights=torch.tensor([0.4, 0.6, 0.0])), "positive weights"),
    "narrow": (lambda t: t._replace(covariances=t.covariances[..., :1]), "expected weights"),
    "singular": (lambda t: t._replace(covariances=t.covariances * 0), "positive definite"),
    "indefinite": (lambda t: t._replace(covariances=-t.covariances), "positive definite"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_parameters_that_are_none_are_refused(x, name):
    change, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        log_joint(change(theta_of()), x)


def test_the_first_covariance_that_is_none_is_named(x):
    theta = theta_of(*range(2))
    covariances = theta.covariances.clone()
    covariances[0, 2], covariances[1, 1] = -0.25 * torch.eye(2), -0.75 * torch.eye(2)
    with pytest.raises(ValueError, match=r"got \[\[-0.25, -?0.0\], \[-?0.0, -0.25\]\]"):
        log_joint(theta._replace(covariances=covariances), x)


def test_points_of_another_shape_are_refused(x):
    for points in (x[0], x[:, :1], torch.cat([x, x], -1)):
        with pytest.raises(ValueError, match="expected weights"):
            log_joint(theta_of(), points)


def test_only_the_proportions_of_the_shares_decide_on_means_and_covariances(x, q):
    little, whole = m_step(q / 1000, x), m_step(q, x)
    torch.testing.assert_close(little[1:], whole[1:], atol=1e-10, rtol=0)
    torch.testing.assert_close(little.weights, whole.weights / 1000)


def test_spherical_starts_are_each_start_alone(x):
    starts = theta_of(*range(4))
    q, _ = e_step(starts, x)
    together = m_step(q, x, spherical=True, ridge=0.1)
    for s in range(4):
        torch.testing.assert_close(together.covariances[s], m_step(q[s], x, spherical=True, ridge=0.1).covariances)


def test_points_and_shares_that_are_none_are_refused(x, q):
    bad = x.clone()
    bad[3, 1] = float("nan")
    with pytest.raises(ValueError, match="finite points, got 1"):
        e_step(theta_of(), bad)
    for shares, points, how in ((q[:5], x, {}), (q, x[0], {}), (q[0], x[0], {}), (q, x, {"ridge": -1.0})):
        with pytest.raises(ValueError, match="expected q"):
            m_step(shares, points, **how)
    with pytest.raises(ValueError, match="own something"):
        m_step(torch.cat([q, torch.zeros(40, 1)], -1), x)
