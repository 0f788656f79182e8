"""Shares of seeds and of worlds: exact intervals, exact tests, and Holm's step-down over many of them."""

from __future__ import annotations

from collections.abc import Sequence


def interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact (Clopper-Pearson) interval of a share: k of n.

    >>> [round(v, 2) for v in interval(13, 16)]
    [0.54, 0.96]
    """
    _share(k, n)
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = beta.ppf(tail, k, n - k + 1) if k else 0.0
    high = beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0
    return float(low), float(high)


def binomial(k: int, n: int, *, above: float | None = None, below: float | None = None) -> float:
    """Exact one-sided p-value of k of n, if the rate were the bound itself.

    Args:
        k: successes.
        n: trials.
        above: the bound that the rate is said to exceed: the chance of k or more.
        below: the bound that it is said to stay under: the chance of k or fewer.

    >>> binomial(4, 4, above=0.5)
    0.0625
    """
    _share(k, n)
    if (above is None) == (below is None):
        raise ValueError(f"expected one of above and below, got above={above} and below={below}")
    from scipy.stats import binom

    return float(binom.sf(k - 1, n, above) if below is None else binom.cdf(k, n, below))


def barnard(k: int, n: int, j: int, m: int) -> float:
    """Barnard's exact test, one-sided: the p-value of k of n against j of m, if both had one rate.

    The largest probability, over that rate, of a pair of counts at least as extreme; ties count as extreme, which
    rounding in ``scipy.stats.barnard_exact`` may deny them.

    >>> round(barnard(8, 8, 2, 8), 4)
    0.0011
    """
    _share(k, n), _share(j, m)
    import numpy as np
    from scipy.stats import binom

    a, b = np.arange(n + 1)[:, None], np.arange(m + 1)
    pooled = (a + b) / (n + m)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    score = np.divide(a / n - b / m, spread, out=np.zeros_like(spread), where=spread > 0)
    extreme = score >= score[k, j] - 1e-12
    rates = np.linspace(0, 1, 1001)[:, None]
    chances = binom.pmf(a.T, n, rates) @ extreme * binom.pmf(b, m, rates)  # (rates, m + 1)
    return float(chances.sum(-1).max())


def mcnemar(wins: int, losses: int) -> float:
    """McNemar's exact test, one-sided: the p-value of so many wins among the pairs that split, at even chances.

    Args:
        wins: pairs in which the first succeeds and the second fails.
        losses: pairs in which the second succeeds and the first fails.

    >>> mcnemar(4, 0)
    0.0625
    """
    return binomial(wins, wins + losses, above=0.5) if wins + losses else 1.0


def holm(p: Sequence[float], level: float = 0.05) -> list[bool]:
    """Holm's step-down: which of many claims hold, so that the chance of one wrong among them stays below the level.

    The smallest p-value is held against level / m, the next against level / (m - 1), and so on to the first that is
    greater; that one and all beyond it do not hold. No independence is assumed.

    >>> holm([0.012, 0.04, 0.03])
    [True, False, False]
    """
    if not all(0 <= value <= 1 for value in p):
        raise ValueError(f"expected p-values from 0 to 1, got {list(p)}")
    order, held = sorted(range(len(p)), key=lambda i: p[i]), [False] * len(p)
    for rank, i in enumerate(order):
        if not p[i] <= level / (len(p) - rank):
            break
        held[i] = True
    return held


def _share(k, n):
    if not 0 <= k <= n or n < 1:
        raise ValueError(f"expected k of n with n at least 1, got {k} of {n}")
