import itertools
import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.neural_network import BernoulliRBM

import ganlib
from ganlib.models import RBM
from ganlib.models.boltzmann import annealed, contrast, flip, states


def machine(m=4, k=3, seeds=2, size=0.8, seed=0):
    g = torch.Generator().manual_seed(seed)
    shapes = (seeds, 1, m), (seeds, 1, k), (seeds, m, k)
    return RBM(*(size * torch.randn(s, generator=g, dtype=torch.float64) for s in shapes))


def table(rbm, s):
    """The law of all pairs (v, h) of a seed, by the formula, one after the other; and log Z."""
    b, c, W = (np.asarray(t[s].detach(), dtype=float) for t in rbm)
    m, k = W.shape
    pairs = list(itertools.product(itertools.product((0, 1), repeat=m), itertools.product((0, 1), repeat=k)))
    energy = np.array([b[0] @ v + c[0] @ h + np.array(v) @ W @ np.array(h) for v, h in pairs])
    return np.exp(energy - logsumexp(energy)).reshape(2**m, 2**k), logsumexp(energy)


@pytest.mark.parametrize(("m", "k"), [(4, 3), (3, 4), (5, 2)])
def test_z_and_probabilities_are_sums_over_all_pairs(m, k):
    rbm = machine(m, k)
    v = states(m).double().expand(2, -1, -1)
    log_prob = rbm.log_prob(v)
    for s in range(2):
        law, log_z = table(rbm, s)
        assert rbm.log_z()[s].item() == pytest.approx(log_z, abs=1e-12)
        np.testing.assert_allclose(log_prob[s].exp(), law.sum(1), atol=1e-14)


@pytest.mark.parametrize(("m", "k"), [(30, 3), (3, 30)])
def test_z_is_a_sum_over_the_smaller_layer_however_large_the_other(m, k):
    rbm = machine(m, k, seeds=2, size=0.4)
    for s in range(2):
        b, c, W = (t[s].numpy() for t in (rbm if m > k else rbm.turned()))  # c of the smaller
        exponents = []
        for h in itertools.product((0, 1), repeat=3):
            exponents.append(c[0] @ h + np.log(1 + np.exp(b[0] + W @ np.array(h))).sum())
        assert rbm.log_z()[s].item() == pytest.approx(logsumexp(exponents), abs=1e-10)


def test_z_of_more_than_one_block():
    rbm = machine(14, 15, seeds=1, size=0.3)
    v = states(14).double()[None]
    assert rbm.log_z().item() == pytest.approx(rbm.score(v).logsumexp(-1).item(), abs=1e-10)


def test_turned_is_the_law_of_the_hidden_bits():
    rbm = machine()
    h = states(3).double().expand(2, -1, -1)
    for s in range(2):
        law, _ = table(rbm, s)
        np.testing.assert_allclose(rbm.turned().log_prob(h)[s].exp(), law.sum(0), atol=1e-14)


def test_a_new_machine_is_nearly_fair_coins_and_can_be_trained():
    rbm = RBM.drawn(5, 4, seeds=3, generator=ganlib.rng())
    assert all(t.requires_grad and t.is_leaf for t in rbm)
    assert [tuple(t.shape) for t in rbm] == [(3, 1, 5), (3, 1, 4), (3, 5, 4)]
    assert not rbm.b.any() and not rbm.c.any()
    big = RBM.drawn(300, 200, seeds=2, generator=ganlib.rng(3)).W
    assert big.std().item() == pytest.approx(0.01, rel=0.02) and abs(big.mean()) < 1e-4
    assert not torch.equal(big[0], big[1])


def test_scikit_learn_gives_the_same_free_energy_and_the_same_conditional_chances():
    rbm = machine(6, 4, seeds=1)
    other = BernoulliRBM(4)
    other.components_ = rbm.W[0].T.numpy()
    other.intercept_hidden_, other.intercept_visible_ = rbm.c[0, 0].numpy(), rbm.b[0, 0].numpy()
    v = states(6).double()
    np.testing.assert_allclose(-other._free_energy(v.numpy()), rbm.score(v[None])[0], atol=1e-12)
    by_rule = (rbm.c + v @ rbm.W).sigmoid()[0]
    np.testing.assert_allclose(other._mean_hiddens(v.numpy()), by_rule, atol=1e-12)


def transition(rbm, s):
    """The chance of each visible state after one step from each, from the table."""
    law, _ = table(rbm, s)
    hidden = law / law.sum(1, keepdims=True)  # p(h | v)
    seen = law / law.sum(0, keepdims=True)  # p(v | h)
    return hidden @ seen.T


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_step_of_gibbs_has_the_chances_of_the_table(steps):
    rbm, n = machine(3, 2), 40_000
    for start in ([1.0, 0.0, 1.0], [0.0, 1.0, 1.0]):
        v = torch.tensor(start, dtype=torch.float64).expand(2, n, 3)
        after = rbm.gibbs(v, steps, generator=ganlib.rng(steps))
        where = (after @ torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64)).long()
        begin = int(np.dot(start, [4, 2, 1]))
        for s in range(2):
            expected = np.linalg.matrix_power(transition(rbm, s), steps)[begin]
            found = np.bincount(where[s], minlength=8) / n
            assert np.abs(found - expected).max() < 4 * 0.5 / math.sqrt(n)


def test_exact_draws_have_the_chances_of_the_table():
    rbm, n = machine(3, 4), 40_000
    v = rbm.sample(n, generator=ganlib.rng(1))
    assert v.shape == (2, n, 3)
    where = (v @ torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64)).long()
    for s in range(2):
        found = np.bincount(where[s], minlength=8) / n
        assert np.abs(found - table(rbm, s)[0].sum(1)).max() < 4 * 0.5 / math.sqrt(n)


def test_the_contrast_with_all_of_the_model_is_the_gradient_of_the_likelihood():
    rbm = RBM(*(t.requires_grad_() for t in machine(4, 3)))
    real = states(4).double()[[3, 3, 5, 14]].expand(2, -1, -1)
    exact = torch.autograd.grad(-rbm.log_prob(real).mean(-1).sum(), rbm)
    v = states(4).double().expand(2, -1, -1)
    law = rbm.log_prob(v).exp().detach()
    expected = (law * rbm.score(v)).sum(-1) - rbm.score(real).mean(-1)
    for a, b in zip(exact, torch.autograd.grad(expected.sum(), rbm), strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0)
    torch.testing.assert_close(
        contrast(rbm, real, v), rbm.score(v).mean(-1) - rbm.score(real).mean(-1), atol=1e-12, rtol=0
    )
    assert contrast(rbm, real, v).shape == (2,)


def by_path(rbm, base, way, back):
    """The expectation of the annealed weight, or of one over it, over all paths of three visible states."""
    m = rbm.W.shape[1]
    b, c, W = (t[0].numpy() for t in rbm)
    laws, sums, moves = [], [], []
    for t in way:
        level = RBM(*(torch.from_numpy(a)[None] for a in ((1 - t) * base[0].numpy() + t * b, t * c, t * W)))
        law, log_z = table(level, 0)
        laws.append(law.sum(1)), sums.append(log_z), moves.append(transition(level, 0))
    scores = [np.log(law) + z for law, z in zip(laws, sums, strict=True)]
    total = 0.0
    for x, y in itertools.product(range(2**m), repeat=2):  # two heats
        if back:  # from the machine: x, then a step at the middle: y
            weight = scores[2][x] - scores[1][x] + scores[1][y] - scores[0][y] + sums[0]
            total += laws[2][x] * moves[1][x, y] * np.exp(-weight)
        else:
            weight = scores[1][x] - scores[0][x] + scores[2][y] - scores[1][y] + sums[0]
            total += laws[0][x] * moves[1][x, y] * np.exp(weight)
    return total, sums


@pytest.mark.parametrize("back", [False, True])
def test_annealed_weights_have_the_mean_that_all_paths_give_and_it_is_z(back):
    rbm, base = machine(3, 2, seeds=1, size=1.2), torch.tensor([[[0.3, -0.8, 1.1]]], dtype=torch.float64)
    exact, sums = by_path(rbm, base, (0, 0.5, 1), back)
    assert exact == pytest.approx(math.exp(-sums[-1] if back else sums[-1]), rel=1e-12)
    log_w = annealed(rbm, 60_000, 2, base=base, back=back, generator=ganlib.rng(2))
    assert log_w.shape == (1, 60_000)
    w = (-log_w if back else log_w).exp()
    assert abs(w.mean().item() - exact) < 4 * w.std().item() / math.sqrt(60_000)
    assert w.std() > 0.1 * w.mean()


@pytest.mark.parametrize("back", [False, True])
def test_annealed_weights_are_sums_of_the_steps_on_the_way(back):
    rbm, g = machine(4, 3, seed=1), ganlib.rng(8)
    base = torch.tensor([0.3, -0.8, 1.1, -0.2], dtype=torch.float64).expand(2, 1, 4)
    way = [RBM((1 - t) * base + t * rbm.b, t * rbm.c, t * rbm.W) for t in (0, 1 / 3, 2 / 3, 1)]
    v = rbm.sample(5, generator=g) if back else flip(base.sigmoid().expand(2, 5, 4), generator=g)
    expected = way[0].log_z()[:, None].expand(2, 5)
    for k in (2, 1, 0) if back else (0, 1, 2):
        expected = expected + way[k + 1].score(v) - way[k].score(v)
        v = way[k if back else k + 1].gibbs(v, 1, generator=g)
    torch.testing.assert_close(annealed(rbm, 5, 3, base=base, back=back, generator=ganlib.rng(8)), expected)


def test_annealing_goes_from_the_coins_unless_told():
    rbm, base = machine(4, 3, seed=1), torch.full((2, 1, 4), 0.3, dtype=torch.float64)
    there = annealed(rbm, 5, 3, base=base, back=False, generator=ganlib.rng(8))
    assert torch.equal(annealed(rbm, 5, 3, base=base, generator=ganlib.rng(8)), there)
    assert not torch.equal(annealed(rbm, 5, 3, base=base, back=True, generator=ganlib.rng(8)), there)


def test_with_many_heats_both_ways_close_on_z():
    rbm = machine(6, 4, seeds=2, size=1.0)
    base = torch.full((2, 1, 6), 0.2, dtype=torch.float64)
    for back in (False, True):
        log_w = annealed(rbm, 200, 400, base=base, back=back, generator=ganlib.rng(5))
        assert (log_w - rbm.log_z()[:, None]).abs().mean() < 0.2
        rough = annealed(rbm, 200, 1, base=base, back=back, generator=ganlib.rng(5))
        assert (rough - rbm.log_z()[:, None]).abs().mean() > 1


def test_contrastive_steps_learn_what_scikit_learn_learns():
    """Two patterns with noise: nats of both, exact, after as many passes; scikit-learn keeps its chains, so do we."""
    g = ganlib.rng(4)
    pattern = torch.tensor([[1.0, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 0]])
    which = torch.randint(2, (1, 400), generator=g)
    clean = pattern[which]
    data = torch.where(torch.rand(clean.shape, generator=g) < 0.1, 1 - clean, clean)
    rbm = RBM.drawn(6, 3, generator=g)
    adam, fake = torch.optim.Adam(list(rbm), lr=0.01), data[:, :100]
    for turn in range(1500):
        real = data[:, turn % 4 * 100 :][:, :100]
        fake = rbm.gibbs(fake, generator=g)
        adam.zero_grad()
        contrast(rbm, real, fake).sum().backward()
        adam.step()
    other = BernoulliRBM(3, learning_rate=0.05, batch_size=100, n_iter=1500, random_state=0).fit(data[0].numpy())
    theirs = RBM(*(torch.from_numpy(np.array(t))[None].float() for t in (
        other.intercept_visible_[None], other.intercept_hidden_[None], other.components_.T)))  # fmt: skip
    with torch.no_grad():
        nats = [-r.log_prob(data).mean().item() for r in (rbm, theirs)]
    coins = data.mean(1).clamp(0.01, 0.99)
    floor = -(coins * coins.log() + (1 - coins) * (1 - coins).log()).sum().item()
    assert abs(nats[0] - nats[1]) < 0.1
    assert max(nats) < floor - 0.3


def test_states_are_all_binary_numbers():
    assert [int("".join(f"{int(b)}" for b in row), 2) for row in states(5)] == list(range(32))


def test_a_flipped_coin_shows_its_chance():
    chance = torch.tensor([0.0, 1.0, 0.3]).expand(50_000, 3)
    shown = flip(chance, generator=ganlib.rng(6))
    assert set(shown.unique().tolist()) == {0.0, 1.0} and shown.dtype == chance.dtype
    assert shown[:, 0].sum() == 0 and shown[:, 1].sum() == 50_000
    assert shown[:, 2].mean().item() == pytest.approx(0.3, abs=0.01)


def test_a_coin_without_a_chance_never_shows_one(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.zeros(shape))  # the least that may be drawn
    assert flip(torch.tensor([0.0, 1e-7, 1.0]), generator=ganlib.rng()).tolist() == [0, 1, 1]


GOOD = machine(4, 3)
G = torch.Generator()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: RBM.drawn(0, 3, generator=G), "at least one bit of each kind and one seed, got 0, 3, 1"),
        (lambda: RBM.drawn(3, 0, generator=G), "got 3, 0, 1"),
        (lambda: RBM.drawn(3, 2, seeds=0, generator=G), "got 3, 2, 0"),
        (lambda: GOOD.score(torch.zeros(2, 5, 3)), r"bits \(2, n, 4\), got \(2, 5, 3\)"),
        (lambda: GOOD.score(torch.zeros(1, 5, 4)), r"got \(1, 5, 4\)"),
        (lambda: GOOD.score(torch.zeros(5, 4)), r"got \(5, 4\)"),
        (lambda: GOOD.score(torch.zeros(2, 4)), r"got \(2, 4\)"),
        (lambda: GOOD.score(torch.zeros(2, 5, 1, 4)), r"got \(2, 5, 1, 4\)"),
        (lambda: GOOD.gibbs(torch.zeros(2, 5, 3), 0, generator=G), r"bits \(2, n, 4\), got \(2, 5, 3\)"),
        (lambda: machine(21, 22, 1).log_z(), "1 to 20 bits, since all their states are gone through, got 21"),
        (lambda: states(0), "got 0"),
        (lambda: flip(torch.tensor([0.2, 1.1]), generator=G), "between 0 and 1, got 0.2.* to 1.1"),
        (lambda: flip(torch.tensor([-0.2, 0.1]), generator=G), "between 0 and 1"),
        (lambda: flip(torch.tensor([torch.nan]), generator=G), "between 0 and 1"),
        (lambda: annealed(GOOD, 0, 5, base=GOOD.b, generator=G), "got 0, 5"),
        (lambda: annealed(GOOD, 5, 0, base=GOOD.b, generator=G), "got 5, 0"),
        (lambda: annealed(GOOD, 5, 5, base=GOOD.c, generator=G), r"base \(2, 1, 4\), got 5, 5, \(2, 1, 3\)"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_one_heat_one_chain_and_one_bit_are_allowed():
    assert annealed(GOOD, 1, 1, base=GOOD.b, generator=G).shape == (2, 1)
    assert states(1).tolist() == [[0.0], [1.0]] and len(states(20)) == 2**20
    assert RBM.drawn(1, 1, generator=G).W.shape == (1, 1, 1)


def test_a_seed_alone_is_the_seed_among_others():
    rbm = machine(4, 3, seeds=3)
    v = states(4).double().expand(3, -1, -1)
    alone = RBM(*(t[1:2] for t in rbm))
    torch.testing.assert_close(alone.log_prob(v[:1])[0], rbm.log_prob(v)[1])
