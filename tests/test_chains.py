import itertools

import numpy as np
import pytest
import torch
from scipy import sparse, special

from ganlib.chains import metropolis, second_modulus, stationary


def chance(*shape, seed=0):
    """Rows of chances, none of them equal."""
    return torch.from_numpy(np.random.default_rng(seed).dirichlet(np.full(shape[-1], 0.7), shape[:-1]))


def test_the_stationary_law_is_the_limit_of_powers():
    P = chance(3, 5, 5)
    law = stationary(P)
    assert law.shape == (3, 5)
    for k in range(3):
        far = np.linalg.matrix_power(P[k].numpy(), 500)
        np.testing.assert_allclose(far, np.broadcast_to(law[k], (5, 5)), atol=1e-12)


def test_of_two_states_it_is_known():
    a, b = 0.13, 0.41
    P = torch.tensor([[1 - a, a], [b, 1 - b]], dtype=torch.float64)
    torch.testing.assert_close(stationary(P), torch.tensor([b, a], dtype=torch.float64) / (a + b))
    assert second_modulus(P).item() == pytest.approx(1 - a - b)


def test_a_periodic_chain_has_a_stationary_law_and_forgets_nothing():
    P = torch.tensor([[0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(stationary(P), torch.full((3,), 1 / 3, dtype=torch.float64))
    assert second_modulus(P).item() == pytest.approx(1)


def test_a_seldom_crossed_bridge_is_one_chain():
    e = 1e-7
    P = torch.tensor([[1 - e, e], [3 * e, 1 - 3 * e]], dtype=torch.float64)
    torch.testing.assert_close(stationary(P), torch.tensor([0.75, 0.25], dtype=torch.float64), atol=1e-7, rtol=0)


@pytest.mark.parametrize("axes", [(2, 3), (1,), (1, 1), (4, 1)])
def test_many_chains_are_the_chains_alone(axes):
    P = chance(*axes, 5, 5, seed=7)
    law, modulus = stationary(P), second_modulus(P)
    assert law.shape == (*axes, 5) and modulus.shape == axes
    for k in np.ndindex(axes):
        values, vectors = np.linalg.eig(P[k].numpy().T)
        rank = np.abs(values).argsort()
        one = vectors[:, rank[-1]].real
        np.testing.assert_allclose(law[k], one / one.sum(), atol=1e-12)
        assert modulus[k].item() == pytest.approx(abs(values[rank[-2]]), abs=1e-12)


def test_a_bridge_too_narrow_for_the_precision_is_none():
    def bridge(e):
        return torch.tensor([[1 - e, e], [3 * e, 1 - 3 * e]], dtype=torch.float64)

    part = 4 / 2**0.5  # singular values of the equations: 4 e and the root of 2
    assert stationary(bridge(1.5e-12 / part)).shape == (2,)
    with pytest.raises(ValueError, match="got 1 with more"):
        stationary(bridge(0.7e-12 / part))


def test_two_islands_have_no_one_law():
    P = torch.block_diag(chance(2, 2), chance(3, 3, seed=1))
    with pytest.raises(ValueError, match="one stationary law, got 1 with more"):
        stationary(P)


def test_the_second_eigenvalue_is_the_rate_of_forgetting():
    P = chance(6, 6, seed=3)
    law = stationary(P)
    start = torch.zeros(6, dtype=torch.float64)
    start[0] = 1
    values = torch.linalg.eigvals(P)
    second = values[values.abs().argsort()[-2]]
    assert second_modulus(P).item() == pytest.approx(abs(second.item()))
    left = [(start @ torch.linalg.matrix_power(P, t) - law).abs().sum().item() for t in (10, 20)]
    assert (left[1] / left[0]) ** 0.1 == pytest.approx(abs(second.item()), rel=0.1)


def by_hand(log_p, proposal):
    n = len(log_p)
    P = np.zeros((n, n))
    for i, j in itertools.product(range(n), repeat=2):
        if i != j:
            P[i, j] = proposal[i, j] * min(1, np.exp(log_p[j] - log_p[i]))
    return P + np.diag(1 - P.sum(1))


def symmetric(n, seed=0):
    """A symmetric chain with unequal rows."""
    A = np.random.default_rng(seed).random((n, n)) / (2 * n)
    A = (A + A.T) / 2
    return torch.from_numpy(A - np.diag(np.diag(A)) + np.diag(1 - (A - np.diag(np.diag(A))).sum(1)))


def test_metropolis_is_its_formula_keeps_its_law_and_is_balanced():
    log_p = torch.log(chance(2, 5, seed=5)) + torch.tensor([[3.7], [-11.0]])  # no constant matters
    proposal = symmetric(5)
    P = metropolis(log_p, proposal)
    for k in range(2):
        np.testing.assert_allclose(P[k], by_hand(log_p[k].numpy(), proposal.numpy()), atol=1e-15)
    law = log_p.softmax(-1)
    flow = law[..., None] * P
    torch.testing.assert_close(flow, flow.mT, atol=1e-15, rtol=0)
    torch.testing.assert_close(stationary(P), law)


def test_metropolis_never_enters_what_is_impossible():
    log_p = torch.tensor([0.3, -torch.inf, -0.4, -torch.inf], dtype=torch.float64)
    P = metropolis(log_p, torch.full((4, 4), 0.25, dtype=torch.float64))
    assert P[0, 1] == P[2, 1] == P[0, 3] == 0
    assert P[1, 0] == P[1, 3] == P[3, 1] == 0.25
    torch.testing.assert_close(P.sum(-1), torch.ones(4, dtype=torch.float64))


def test_metropolis_agrees_with_a_graph_of_scipy():
    """The law is the leading left eigenvector of a sparse matrix, by another library."""
    log_p = torch.linspace(-1, 2, 30, dtype=torch.float64).sin()
    step = torch.diag(torch.full((29,), 0.5), 1) + torch.diag(torch.full((29,), 0.5), -1)
    step = (step + torch.diag(1 - step.sum(-1))).double()
    P = metropolis(log_p, step)
    value, vector = sparse.linalg.eigs(sparse.csr_matrix(P.numpy()).T, k=1, sigma=1.0001)
    vector = np.real(vector[:, 0] / vector[:, 0].sum())
    assert value[0] == pytest.approx(1)
    np.testing.assert_allclose(vector, special.softmax(log_p.numpy()), atol=1e-10)


def off(by):
    """Chains whose rows sum to one but for one of them."""
    P = chance(3, 4, 4, seed=8)
    P[1, 2] *= 1 + by
    return P


@pytest.mark.parametrize("of", [stationary, second_modulus])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_row_may_be_off_by_so_much(of, sign):
    assert of(off(0.5e-5 * sign)).isfinite().all()
    for by in (1.5e-5, 0.3):
        with pytest.raises(ValueError, match="rows of chances that sum to 1") as refusal:
            of(off(by * sign))
        assert float(str(refusal.value).split()[-1]) == pytest.approx(by)


def test_a_proposal_may_be_off_by_so_much():
    log_p = torch.zeros(2, dtype=torch.float64)
    for e in (0.7e-6, 1e-6, 1.5e-6):
        for proposal in ([[1 - e, e], [0, 1]], [[1, 0], [e, 1 - e]]):
            proposal = torch.tensor(proposal, dtype=torch.float64)
            if e > 1e-6:
                with pytest.raises(ValueError, match=r"symmetric proposal, got one that is off by 1\.5e-06"):
                    metropolis(log_p, proposal)
            else:
                torch.testing.assert_close(metropolis(log_p, proposal), proposal, atol=1e-12, rtol=0)


ONE = torch.eye(2)


@pytest.mark.parametrize("of", [stationary, second_modulus])
@pytest.mark.parametrize(
    ("P", "words"),
    [
        (torch.tensor([[0.5, 0.6], [0.5, 0.5]]), "sum to 1, got a least entry of 0.5, sums off by 0.1"),
        (torch.tensor([[1.5, -0.5], [0.5, 0.5]]), "least entry of -0.5"),
        (torch.tensor([[torch.nan, 1.0], [0.5, 0.5]]), "rows of chances"),
        (torch.ones(2, 3) / 3, r"\(2, 3\)"),
        (torch.ones(2, 3, 4) / 4, r"at least two states, got \(2, 3, 4\)"),
        (torch.ones(3, 1, 1), "at least two states"),
        (torch.ones(1, 1), "at least two states"),
        (torch.ones(2) / 2, r"got \(2,\)"),
    ],
)
def test_rows_that_are_no_laws_are_refused(of, P, words):
    with pytest.raises(ValueError, match=words):
        of(P)


@pytest.mark.parametrize(
    ("log_p", "proposal", "words"),
    [
        (torch.zeros(3), ONE, r"logarithms of 2 chances, got shape \(3,\)"),
        (torch.tensor([0.0, torch.nan]), ONE, "logarithms of 2 chances"),
        (torch.zeros(2), torch.tensor([[0.5, 0.5], [0.3, 0.7]]), "symmetric proposal, got one that is off by 0.2"),
        (torch.zeros(2), torch.ones(2, 2), "sum to 1"),
    ],
)
def test_metropolis_refuses(log_p, proposal, words):
    with pytest.raises(ValueError, match=words):
        metropolis(log_p, proposal)
