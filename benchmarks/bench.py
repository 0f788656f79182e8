"""What the package costs beside what people would use, on the same inputs, in CPU seconds of one thread.

    python benchmarks/bench.py

A line is one comparison: how far the two results are apart, relative to the number itself; the median milliseconds of
each side, which take turns; the median of their ratios, theirs to ours, so that above 1 we are faster. The end names
what is apart by more than 1e-6 or below 0.9, and the exit status is then 1. The oracles come with the tests, not with
the package. Torch-fidelity would bring a torchvision for another torch: its formulas are written down anew here.
"""

import contextlib
import io
import os
import platform
import statistics
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import cycle, repeat
from typing import NamedTuple

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import matplotlib
import numpy as np
import ot
import scipy
import torch
from scipy.spatial.distance import cdist
from sklearn.mixture import GaussianMixture
from torch import nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from ganlib.divergences import transport, wasserstein_1d
from ganlib.em import Gaussians, em
from ganlib.losses import nonsaturating_d, nonsaturating_g
from ganlib.metrics import frechet_distance, kernel_distance, neighbours
from ganlib.models import BatchedLinear, MLPCritic, MLPGenerator
from ganlib.training import alternate
from tools.pretend import cells

torch.set_num_threads(1)
APART, SLOW = 1e-6, 0.9
SIZES = {
    "Fréchet": ((3000, 3000, 64), (3000, 3000, 512)),
    "KID": ((1000, 1000, 64), (1000, 1000, 512)),
    "precision to coverage": ((1000, 1000, 64), (1000, 1000, 512)),
    "precision, recall": ((1000, 1000, 64), (1000, 1000, 512)),
    "W1 on a line": ((1000, 1000, 1), (10_000, 7000, 1)),
    "exact W1": ((100, 100, 2), (400, 400, 2)),
    "EM": ((1000, 4, 2), (3000, 8, 2), (2000, 10, 20)),
    "games": ((1, 32, 64), (64, 32, 64)),
}


class Comparison(NamedTuple):
    """The same numbers, computed by us and by others."""

    what: str
    other: str
    ours: Callable
    theirs: Callable


def settle(comparison, seconds):
    """Print the line of a comparison, and say whether agreement and time are as they should be."""
    what, other, ours, theirs = comparison
    gap = apart(ours(), theirs())
    *medians, ratio = race([ours, theirs], seconds)
    one, two = (1e3 * median for median in medians)
    print(f"{what:40} {other:24} apart {gap:5.0e} {one:9.2f} ms {two:9.2f} ms  ratio {ratio:5.2f}", flush=True)
    return gap <= APART and ratio >= SLOW


def apart(ours, theirs):
    """The largest difference between two lists of numbers, each relative to its own."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    return float((np.abs(ours - theirs) / np.maximum(np.abs(theirs), np.finfo(float).tiny)).max())


def race(contenders, seconds):
    """Median CPU seconds of two functions, and the median of their ratios, second to first.

    They take turns, each first in every other round. The ratio is taken within a round, where both had one machine.
    There are three rounds, and more until so many seconds are spent.
    """
    rounds, start = [], time.process_time()
    while len(rounds) < 3 or time.process_time() - start < seconds:
        took = [0.0, 0.0]
        for i in (0, 1) if len(rounds) % 2 else (1, 0):
            took[i] = seconds_of(contenders[i])
        rounds.append((*took, took[1] / took[0]))
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def seconds_of(function, *arguments):
    began = time.process_time()
    function(*arguments)
    return time.process_time() - began


def comparisons(sizes):
    yield from samples(sizes)
    yield from mixtures(sizes.get("EM", ()))
    yield from games(sizes.get("games", ()))


def oracle(name):
    """A module that comes with the tests only; where it is missing, a line that says so."""
    try:
        return import_module(name)
    except ImportError as missing:
        print(f"skipped: {missing}")


# Two samples


def samples(sizes):
    for what, ours, other, theirs in metrics():
        for n, m, d in sizes.get(what, ()) if theirs else ():
            pair, label = clouds(n, m, d), f"{what}, n = {n}, d = {d}"
            yield Comparison(label, other, partial(of_tensors, ours, *pair), partial(theirs, *pair))


def metrics():
    """What is computed of two samples, by us from tensors and by others from arrays; None where they are missing."""
    fid, kid, prdc = (oracle(name) for name in ("torchmetrics.image.fid", "torchmetrics.image.kid", "prdc"))
    return (
        ("Fréchet", frechet_distance, "torchmetrics", fid and partial(of_moments, fid._compute_fid)),
        ("Fréchet", frechet_distance, "torch-fidelity's formula", partial(of_product, eigenvalues)),
        ("Fréchet", frechet_distance, "SciPy's matrix root", partial(of_product, root)),
        ("KID", kernel_distance, "torchmetrics", kid and partial(of_tensors, kid.poly_mmd)),
        ("KID", kernel_distance, "torch-fidelity's formula", of_grams),
        ("precision to coverage", neighbours, "prdc", prdc and partial(silent, prdc.compute_prdc)),
        ("precision, recall", precision_recall, "torch-fidelity's formula", partial(of_tensors, balls)),
        ("W1 on a line", on_line(wasserstein_1d), "SciPy", on_line(scipy.stats.wasserstein_distance)),
        ("W1 on a line", on_line(wasserstein_1d), "POT", on_line(ot.wasserstein_1d)),
        ("exact W1", cost, "SciPy's assignment", of_assignment),
        ("exact W1", cost, "POT", lambda x, y: ot.emd2([], [], ot.dist(x, y, "euclidean"))),
    )


def clouds(n, m, d):
    """Two overlapping samples whose spread falls from axis to axis, as that of features does."""
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((k, d)) / np.arange(1, d + 1) ** 0.5 for k in (n, m))
    return x, 0.9 * y + 0.1


def of_tensors(function, x, y):
    return function(torch.from_numpy(x), torch.from_numpy(y))


def on_line(function):
    return lambda x, y: function(x[:, 0], y[:, 0])


def cost(x, y):
    return transport(x, y).cost


def precision_recall(x, y):
    return neighbours(x, y)[:2]


def of_moments(distance, x, y):
    return distance(*(moment for t in map(torch.from_numpy, (x, y)) for moment in (t.mean(0), t.mT.cov())))


def of_product(overlap, x, y):
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cov_x + cov_y) - 2 * overlap(cov_x @ cov_y)


def root(product):
    return np.trace(scipy.linalg.sqrtm(product).real)


def eigenvalues(product):
    return np.sqrt(np.linalg.eigvals(product).astype(complex)).real.sum()


def of_grams(x, y):
    n, d = x.shape
    xx, yy, xy = ((a @ b.T / d + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    return sum(gram.sum() - np.trace(gram) for gram in (xx, yy)) / (n * (n - 1)) - 2 * xy.mean()


def silent(function, x, y):
    with contextlib.redirect_stdout(io.StringIO()):
        return list(function(x, y, nearest_k=5).values())


def balls(real, fake):
    reach = [torch.cdist(t, t).kthvalue(6).values for t in (real, fake)]
    between = torch.cdist(fake, real)
    return (between <= reach[0]).any(1).double().mean(), (between.mT <= reach[1]).any(1).double().mean()


def of_assignment(x, y):
    costs = cdist(x, y)
    return costs[scipy.optimize.linear_sum_assignment(costs)].mean()


# EM


def mixtures(sizes, tolerance=1e-6, ridge=1e-6):
    """From one start until the mean log-likelihood rises by less than the tolerance: its value, and the turns."""
    for n, k, d in sizes:
        x, theta = bumps(n, k, d)
        parts = theta.weights, theta.means, theta.covariances.inverse()
        start = dict(zip(("weights_init", "means_init", "precisions_init"), (v.numpy() for v in parts), strict=True))
        other = GaussianMixture(k, tol=tolerance, reg_covar=ridge, max_iter=10_000, **start)
        ours, theirs = partial(until_still, theta, x, tolerance, ridge), partial(fitted, other, x.numpy())
        yield Comparison(f"EM, n = {n}, K = {k}, d = {d}", "scikit-learn", ours, theirs)


def bumps(n, k, d):
    """Points of k overlapping bumps, and a start at k of the points."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.standard_normal((k, d))
    x = torch.from_numpy(centres[rng.integers(k, size=n)] + rng.standard_normal((n, d)))
    covariances = x.var(0).mean() * torch.eye(d, dtype=x.dtype).expand(k, d, d)
    return x, Gaussians(torch.full((k,), 1 / k, dtype=x.dtype), x[:k], covariances)


def until_still(theta, x, tolerance, ridge):
    before = -np.inf
    for turn, step in enumerate(em(theta, x, ridge=ridge), 1):
        here = step.log_likelihood.item() / len(x)
        if abs(here - before) < tolerance:
            return here, turn
        before = here


def fitted(mixture, x):
    mixture.fit(x)
    return mixture.lower_bound_, mixture.n_iter_


# The game


def games(sizes):
    """Ten turns of S games from the same weights with the same draws; the numbers are the losses."""
    for seeds, units, batch in sizes:
        play = partial(Comparison, f"{seeds} games, {units} units, batch {batch}")
        table = partial(laid, seeds, units, batch)
        yield play("its loop by hand", turns([alternating(*table())]), turns([by_hand(*table())]))
        apart = [by_hand(*of_seed(s, *table())) for s in range(seeds)]
        yield play("nn.Linear, loop by hand", turns([alternating(*table())]), turns(apart))
        yield play("torch.func.vmap", turns([alternating(*table())]), turns([by_vmap(*table())]))


def laid(seeds, units, batch):
    """Both players of an ensemble, real points, and draws of z."""
    G = MLPGenerator((2, units, units, 2), seeds=seeds, generator=stream(1))
    D = MLPCritic((2, units, units), seeds=seeds, generator=stream(2))
    x, *draws = torch.randn(17, seeds, batch, 2, generator=stream(3))
    return G, D, x, torch.stack(draws)


def stream(seed):
    return torch.Generator().manual_seed(seed)


def of_seed(s, G, D, x, draws):
    """One of these games, between ordinary networks."""
    return plain(G, s), nn.Sequential(plain(D, s), nn.Flatten(0)), x[s], draws[:, s]


def plain(ensemble, s):
    def layer(module):
        if not isinstance(module, BatchedLinear):
            return module
        linear = nn.utils.skip_init(nn.Linear, *module.weight.shape[:0:-1])
        linear.load_state_dict({"weight": module.weight[s], "bias": module.bias[s, 0]})
        return linear

    return nn.Sequential(*map(layer, ensemble))


def adam(parameters):
    return torch.optim.Adam(parameters, 1e-3, betas=(0.5, 0.999))


def alternating(G, D, x, draws):
    z, move = cycle(draws), [adam(net.parameters()) for net in (D, G)]
    for step in alternate(G, D, repeat(x), lambda shape: next(z), nonsaturating_d, nonsaturating_g, *move):
        yield step.loss_D, step.loss_G


def by_hand(G, D, x, draws):
    """No graph through G for D, no gradient of D for G, a stop before a NaN."""
    of_d, of_g, z = list(D.parameters()), list(G.parameters()), cycle(draws)
    move_d, move_g = adam(of_d), adam(of_g)

    def descend(loss, parameters, optimizer):
        if not loss.detach().isfinite().all():
            raise FloatingPointError
        optimizer.zero_grad()
        loss.sum().backward(inputs=parameters)
        optimizer.step()

    while True:
        with torch.no_grad():
            fake = G(next(z))
        loss_d = nonsaturating_d(D(x), D(fake))
        descend(loss_d, of_d, move_d)
        loss_g = nonsaturating_g(None, D(G(next(z))))
        descend(loss_g, of_g, move_g)
        yield loss_d.detach(), loss_g.detach()


def by_vmap(*table):
    """The same with stacked ordinary networks, a gradient a game."""
    _, _, x, draws = table
    G, D, *_ = zip(*(of_seed(s, *table) for s in range(len(x))), strict=True)
    (of_g, _), (of_d, _), z = stack_module_state(G), stack_module_state(D), cycle(draws)
    G, D = (partial(functional_call, nets[0]) for nets in (G, D))
    move_g, move_d = (adam(own.values()) for own in (of_g, of_d))
    slope_d = vmap(grad_and_value(lambda of_d, of_g, x, z: nonsaturating_d(D(of_d, x), D(of_d, G(of_g, z).detach()))))
    slope_g = vmap(grad_and_value(lambda of_g, of_d, z: nonsaturating_g(None, D(of_d, G(of_g, z)))))

    def descend(slope, optimizer, own, *rest):
        gradients, loss = slope(own, *rest)
        if not loss.isfinite().all():
            raise FloatingPointError
        for name, parameter in own.items():
            parameter.grad = gradients[name]
        optimizer.step()
        return loss.detach()

    while True:
        yield descend(slope_d, move_d, of_d, of_g, x, next(z)), descend(slope_g, move_g, of_g, of_d, next(z))


def turns(games, number=10):
    """A function that plays so many turns of each game, one game after the other, and returns the losses."""

    def run():
        losses = [torch.stack([torch.stack(next(each)) for _ in range(number)]) for each in games]
        return torch.stack(losses, -1).flatten()

    return run


# A chapter


def chapter(page, seconds=9):
    """The share of BLAS in the time of a page's first cells, which take so many seconds or a little more.

    They are played again to count their products of matrices, and then each kind of product is timed alone.
    """
    played, space, whole = [], {}, 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        for _, code in cells(f"chapters/{page}.ipynb"):
            if whole < seconds:
                played.append(code)
                whole += seconds_of(exec, code, space)
        with counted("mm", "bmm", "addmm", "baddbmm") as seen:
            exec("\n".join(played), {})
    inside = sum(times * alone(*product) for product, times in seen.items())
    print(f"{page}, {len(played)} cells: {whole:.1f} s, {inside / whole:.0%} of it inside BLAS")


def alone(name, dtype, *shapes):
    """CPU seconds of a product."""
    arguments = [torch.ones(shape, dtype=dtype) for shape in shapes]
    return statistics.median(seconds_of(getattr(torch.ops.aten, name), *arguments) for _ in range(9))


@contextlib.contextmanager
def counted(*products):
    """How often each product of matrices is taken, backward ones too, by its name, dtype and shapes."""
    seen, library = Counter(), torch.library.Library("aten", "IMPL")

    def product(name, *arguments, **how):
        seen[name, arguments[0].dtype, *(t.shape for t in arguments)] += 1
        return getattr(torch.ops.aten, name).out(*arguments, **how, out=arguments[0].new_empty(0))

    for name in products:
        library.impl(name, partial(product, name), "CPU")
    yield seen
    library._destroy()


def cpu():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def main(seconds=1.5):
    print(f"torch {torch.__version__}, SciPy {scipy.__version__}; {cpu()}; {torch.get_num_threads()} thread; CPU time")
    named = [f"{each.what}: {each.other}" for each in comparisons(SIZES) if not settle(each, seconds)]
    chapter("game/saturation")
    print(f"{time.process_time():.0f} s in all")
    sys.exit("\n".join([f"apart by more than {APART:g}, or a ratio below {SLOW:g}:", *named]) if named else 0)


if __name__ == "__main__":
    matplotlib.use("agg")
    warnings.simplefilter("ignore")
    main()
