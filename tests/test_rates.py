import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from ganlib import rates
from ganlib.rates import binomial, holm, interval, mcnemar

# Intervals


@pytest.mark.parametrize("n", [1, 16, 64])
def test_the_interval_is_the_exact_one(n):
    for k in range(n + 1):
        exact = binomtest(k, n).proportion_ci(0.95, method="exact")
        assert interval(k, n) == pytest.approx((exact.low, exact.high), rel=1e-9, abs=1e-12)


def test_the_interval_leaves_one_fortieth_on_each_side():
    low, high = interval(13, 16)
    assert binom.sf(12, 16, low) == pytest.approx(0.025)
    assert binom.cdf(13, 16, high) == pytest.approx(0.025)


def test_the_level_of_the_interval_may_be_chosen():
    exact = binomtest(5, 16).proportion_ci(0.99, method="exact")
    assert interval(5, 16, level=0.99) == pytest.approx((exact.low, exact.high), rel=1e-9)


@pytest.mark.parametrize(("k", "n"), [(-1, 4), (5, 4), (0, 0)])
def test_an_impossible_share_is_refused(k, n):
    with pytest.raises(ValueError, match=f"expected k of n with n at least 1, got {k} of {n}"):
        interval(k, n)


# One rate against a bound


@pytest.mark.parametrize(("k", "n"), [(0, 7), (3, 7), (7, 7), (11, 16), (29, 32)])
@pytest.mark.parametrize("share", [0.15, 0.5, 0.85])
def test_the_p_value_is_the_sum_of_the_chances_as_far_out(k, n, share):
    chance = [math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(n + 1)]
    assert binomial(k, n, above=share) == pytest.approx(sum(chance[k:]), rel=1e-12)
    assert binomial(k, n, below=share) == pytest.approx(sum(chance[: k + 1]), rel=1e-12)


@pytest.mark.parametrize("how", [{}, {"above": 0.5, "below": 0.5}])
def test_a_p_value_has_one_side(how):
    with pytest.raises(ValueError, match="expected one of above and below"):
        binomial(3, 4, **how)


# One rate against another


def barnard(k, n, j, m):
    """Barnard's test, one-sided: the largest probability, over the common rate, of a table at least as extreme."""

    def score(a, b):
        pooled = (a + b) / (n + m)
        return (a / n - b / m) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)) if 0 < pooled < 1 else 0.0

    extreme = [(a, b) for a, b in product(range(n + 1), range(m + 1)) if score(a, b) >= score(k, j) - 1e-12]
    rates = np.linspace(0, 1, 1001)
    return sum(binom.pmf(a, n, rates) * binom.pmf(b, m, rates) for a, b in extreme).max()


TABLES = [
    (8, 8, 2, 8),
    (8, 8, 3, 8),
    (8, 8, 4, 8),
    (7, 8, 1, 8),
    (6, 8, 1, 8),
    (2, 8, 8, 8),
    (4, 8, 4, 8),
    (8, 8, 8, 8),
]
TABLES += [(0, 8, 0, 8), (9, 12, 2, 12), (9, 12, 3, 12), (6, 6, 3, 12), (6, 6, 5, 12)]
TABLES += [(7, 16, 8, 64)]  # two tables are equally extreme, and rounding must not tell them apart


@pytest.mark.parametrize(("k", "n", "j", "m"), TABLES)
def test_barnards_p_value_is_the_largest_over_the_common_rate(k, n, j, m):
    assert rates.barnard(k, n, j, m) == pytest.approx(barnard(k, n, j, m), rel=1e-12)


def test_barnards_p_value_by_integer_arithmetic():
    assert rates.barnard(7, 16, 8, 64) == pytest.approx(0.01229, abs=1e-5)


@pytest.mark.parametrize("n", range(1, 9))
def test_mcnemars_p_value_counts_the_ways_to_split(n):
    ways = [bin(split).count("1") for split in range(2**n)]  # each way that n split pairs can fall
    for wins in range(n + 1):
        assert mcnemar(wins, n - wins) == pytest.approx(np.mean([way >= wins for way in ways]), rel=1e-12)


def test_pairs_that_never_split_tell_nothing():
    assert mcnemar(0, 0) == 1.0


# Many at once


def test_holm_by_hand():
    assert holm([0.001, 0.02, 0.0249, 0.04]) == [True, False, False, False]  # .02 > .05 / 3
    assert holm([0.04, 0.012, 0.016, 0.02]) == [True, True, True, True]  # .012, .016, .02, .04 beside .05 / 4, 3, 2, 1
    assert holm([0.04, 0.012, 0.03]) == [False, True, False]  # .03 > .05 / 2 stops there, also for .04 <= .05
    assert holm([]) == []


def test_holm_is_bonferroni_for_the_smallest_and_never_beyond_the_level():
    assert holm([0.0124] + [0.9] * 3)[0] and not holm([0.0126] + [0.9] * 3)[0]
    assert holm([0.05]) == [True] and holm([0.0501]) == [False]


def test_holm_keeps_the_chance_of_one_wrong_claim_below_the_level():
    draw = np.random.default_rng(5)
    wrong = [any(holm(draw.random(12).tolist())) for _ in range(4000)]  # all twelve are wrong, their p-values uniform
    assert 0.03 < np.mean(wrong) < 0.06
    spoiled = [any(holm([0.0] * 8 + draw.random(4).tolist())[8:]) for _ in range(4000)]  # eight are right
    assert 0.03 < np.mean(spoiled) < 0.06


@pytest.mark.parametrize("p", [[-0.1], [0.2, 1.1], [float("nan")]])
def test_what_is_no_p_value_is_refused(p):
    with pytest.raises(ValueError, match="expected p-values from 0 to 1"):
        holm(p)
