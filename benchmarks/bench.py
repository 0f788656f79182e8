"""What the package costs beside the alternatives: medians of interleaved repeats, in CPU time of one thread.

    python benchmarks/bench.py

1. An ensemble of 16 seeds against 16 separate runs of plain networks, for one turn of the game.
2. ``ganlib.training.alternate`` against the same game written by hand.
3. ``frechet_distance`` against the form with SciPy's matrix root, in time and in error.
4. ``ganlib.em`` against scikit-learn's mixtures: same starts, same tolerance, so the same turns.
"""

import os
import platform
import statistics
import time
from functools import partial
from itertools import repeat

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import numpy as np
import scipy
import torch
from sklearn.mixture import GaussianMixture
from torch import nn

from ganlib.em import Gaussians, em
from ganlib.losses import nonsaturating_d, nonsaturating_g
from ganlib.metrics import frechet_distance
from ganlib.models import MLPCritic, MLPGenerator
from ganlib.training import alternate

torch.set_num_threads(1)


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def compare(contenders, repeats, warm=1):
    """Median CPU seconds of two functions, and the median of their ratios, second to first.

    They take turns, each first in every other round. The ratio is taken within a round, where both had one machine.
    """
    rounds = []
    for number in range(-warm, repeats):
        seconds = [0.0, 0.0]
        for i in (0, 1) if number % 2 else (1, 0):
            began = time.process_time()
            contenders[i]()
            seconds[i] = time.process_time() - began
        if number >= 0:
            rounds.append((*seconds, seconds[1] / seconds[0]))
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


# The game


def noise(generator):
    return lambda shape: torch.randn(*shape, 2, generator=generator)


def optimizers(G, D):
    return [torch.optim.Adam(net.parameters(), 1e-3, betas=(0.5, 0.999)) for net in (D, G)]


def ensemble(units, batch, seeds):
    """Both players, real points, noise and optimisers of an ensemble."""
    G = MLPGenerator((2, units, units, 2), seeds=seeds, generator=stream(1))
    D = MLPCritic((2, units, units), seeds=seeds, generator=stream(2))
    return G, D, torch.randn(seeds, batch, 2, generator=stream(3)), noise(stream(4)), *optimizers(G, D)


def separate(units, batch):
    """The same of one seed, as plain networks."""
    G = nn.Sequential(nn.Linear(2, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU(), nn.Linear(units, 2))
    slope = nn.LeakyReLU(0.2)
    D = nn.Sequential(nn.Linear(2, units), slope, nn.Linear(units, units), slope, nn.Linear(units, 1), nn.Flatten(0))
    return G, D, torch.randn(batch, 2, generator=stream(3)), noise(stream(4)), *optimizers(G, D)


def game(G, D, x, noise, move_d, move_g):
    return alternate(G, D, repeat(x), noise, nonsaturating_d, nonsaturating_g, move_d, move_g)


def by_hand(G, D, x, noise, move_d, move_g):
    """The same turns without the package: no graph through G for D, no gradient of D for G, a stop before a NaN."""
    of_d, of_g, shape = list(D.parameters()), list(G.parameters()), x.shape[:-1]

    def descend(loss, parameters, optimizer):
        if not loss.detach().isfinite().all():
            raise FloatingPointError
        optimizer.zero_grad()
        loss.sum().backward(inputs=parameters)
        optimizer.step()

    while True:
        with torch.no_grad():
            fake = G(noise(shape))
        loss_d = nonsaturating_d(D(x), D(fake))
        descend(loss_d, of_d, move_d)
        loss_g = nonsaturating_g(None, D(G(noise(shape))))
        descend(loss_g, of_g, move_g)
        yield loss_d.detach(), loss_g.detach()


def turns(games, number):
    def run():
        for each in games:
            for _ in range(number):
                next(each)

    return run


def bench_ensemble(units=64, batch=128, seeds=16, number=15, repeats=9):
    together = turns([game(*ensemble(units, batch, seeds))], number)
    apart = turns([game(*separate(units, batch)) for _ in range(seeds)], number)
    one, other, ratio = compare([together, apart], repeats)
    one, other = 1e3 * one / number, 1e3 * other / number
    print(f"1. One turn, {seeds} seeds, {units}-{units} units, batch {batch}; {repeats} repeats of {number} turns")
    print(f"   ensemble {one:6.2f} ms   separate runs {other:6.2f} ms   ratio {ratio:.2f}x (aim 2.5)", flush=True)


def bench_loop(units=32, batch=64, number=20, repeats=61):
    print(f"2. One turn, {units}-{units} units, batch {batch}; {repeats} repeats of {number} turns")
    for seeds in (1, 16):
        plain = turns([by_hand(*ensemble(units, batch, seeds))], number)
        ours = turns([game(*ensemble(units, batch, seeds))], number)
        one, other, ratio = compare([plain, ours], repeats)
        one, other = 1e3 * one / number, 1e3 * other / number
        print(
            f"   S = {seeds:2}: alternate {other:.3f} ms   by hand {one:.3f} ms   overhead {ratio - 1:+.1%} (aim 5 %)",
            flush=True,
        )


# The distance


def scipys(x, y):
    """The common form: the root of the product of the covariances."""
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(cov_x @ cov_y).real
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cov_x) + np.trace(cov_y) - 2 * np.trace(root)


def clouds(n, d):
    """Two samples, and their distance without any root.

    y = xM with M symmetric and positive: the map is optimal, so the distance is what it costs.
    """
    rng = np.random.default_rng(0)
    x, b = rng.standard_normal((n, d)) * np.linspace(0.1, 1.5, d), rng.standard_normal((d, d))
    y = x @ (0.5 * np.eye(d) + 0.3 * b @ b.T / d) + rng.standard_normal(d)
    move = y - x
    exact = (move.mean(0) ** 2).sum() + ((move - move.mean(0)) ** 2).sum() / (n - 1)
    return x, y, exact


def bench_frechet():
    print("3. Fréchet distance of two samples of n; error relative to the closed form of a linear map")
    for n, d, repeats in ((3000, 64, 9), (400, 512, 3), (3000, 512, 3), (3000, 2048, 3)):
        x, y, exact = clouds(n, d)
        error = {}

        def ours(x=x, y=y, exact=exact, error=error):
            error["ours"] = abs(frechet_distance(torch.from_numpy(x), torch.from_numpy(y)).item() / exact - 1)

        def theirs(x=x, y=y, exact=exact, error=error):
            error["theirs"] = abs(scipys(x, y) / exact - 1)

        one, other, ratio = compare([ours, theirs], repeats, warm=int(d < 2048))
        print(
            f"   n = {n:4}, d = {d:4}: ganlib {one:7.3f} s, error {error['ours']:.0e}   "
            f"SciPy {other:7.3f} s, error {error['theirs']:.0e}   ratio {ratio:4.1f}x   {repeats} repeats",
            flush=True,
        )


# EM


def bumps(n, k, d):
    """Points of k overlapping bumps, and a start at k of the points."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.standard_normal((k, d))
    x = torch.from_numpy(centres[rng.integers(k, size=n)] + rng.standard_normal((n, d)))
    covariances = x.var(0).mean() * torch.eye(d, dtype=x.dtype).expand(k, d, d)
    return x, Gaussians(torch.full((k,), 1 / k, dtype=x.dtype), x[:k], covariances)


def until_still(theta, x, tolerance, ridge):
    """Turns until the mean log-likelihood rises by less than the tolerance, and the log-likelihood of the next."""
    before, steps = -np.inf, em(theta, x, ridge=ridge)
    for turn, step in enumerate(steps, 1):
        here = step.log_likelihood.item() / len(x)
        if abs(here - before) < tolerance:
            return turn, next(steps).log_likelihood.item()
        before = here


def bench_em(tolerance=1e-6, ridge=1e-6, repeats=5):
    print(f"4. EM until the mean log-likelihood rises by less than {tolerance:g}; {repeats} repeats")
    for n, k, d in ((1000, 4, 2), (10_000, 8, 2), (5000, 10, 20)):
        x, theta = bumps(n, k, d)
        parts = theta.weights, theta.means, theta.covariances.inverse()
        start = dict(zip(("weights_init", "means_init", "precisions_init"), (v.numpy() for v in parts), strict=True))
        other = GaussianMixture(k, tol=tolerance, reg_covar=ridge, max_iter=10_000, **start)
        contenders = [partial(until_still, theta, x, tolerance, ridge), partial(other.fit, x.numpy())]
        ours, theirs, ratio = compare(contenders, repeats)
        turns_of_ours, height = until_still(theta, x, tolerance, ridge)
        gap = abs(height - n * other.score(x.numpy()))
        print(
            f"   n = {n:5}, K = {k:2}, d = {d:2}: turns {turns_of_ours} and {other.n_iter_}, log-likelihoods "
            f"{gap:.0e} apart; ganlib {ours:6.3f} s   scikit-learn {theirs:6.3f} s   ratio {ratio:.2f}x",
            flush=True,
        )


def cpu():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def main():
    began = time.perf_counter()
    print(f"torch {torch.__version__}, SciPy {scipy.__version__}; {cpu()}; {torch.get_num_threads()} thread; CPU time")
    bench_ensemble()
    bench_loop()
    bench_frechet()
    bench_em()
    print(f"{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
