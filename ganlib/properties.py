r"""Properties that a loss, a penalty or a metric must have, for functions of ganlib and of anybody else.

Each function here takes a callable, asks it a few questions whose answers are known beforehand, and returns what it
found: a table of properties, each with the number measured and the interval in which it must lie.

    from ganlib.properties import check_penalty

    check_penalty(my_penalty)

An exception of the callable is a finding, with its sentence. A result of the wrong shape is refused. The draws are
those of ``ganlib.rng()``: the same at every call. ``TOL`` is the rounding that is allowed to a callable that works in
single precision.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from numbers import Real
from typing import NamedTuple

import torch
from torch import Tensor

from ganlib import rng
from ganlib.plots import table

TOL = 1e-4


class Finding(NamedTuple):
    """One property, and whether it holds: ``low <= measured <= high``; ``measured`` is a sentence after an error."""

    property: str
    holds: bool
    measured: float | str
    low: float
    high: float


class Findings(tuple):
    """Findings in their order; their text names the properties only, their HTML is a table with the numbers."""

    @property
    def fails(self) -> list[str]:
        """Names of the properties that do not hold."""
        return [found.property for found in self if not found.holds]

    def __repr__(self):
        return "; ".join(f"{found.property}: {_word(found)}" for found in self)

    def _repr_html_(self):
        cells = {f.property: [_word(f), _shown(f.measured), _wanted(f.low, f.high)] for f in self}
        return table(cells, ["", "measured", "wanted"])._repr_html_()


def check_penalty(penalty: Callable) -> Findings:
    r"""Is it the penalty of WGAN-GP, :math:`\mathbb{E}(\lVert\nabla D(\hat x)\rVert - 1)^2` between the samples?

    The one-sided penalty has all these properties too; R1 and R2, which charge every slope, have not. See
    :func:`ganlib.penalties.gradient_penalty`.

    Args:
        penalty: ``(D, real, fake, *, generator) -> ()``, without its weight λ, points of shape ``(n, d)``; D gives
            ``(n,)``, and where it is asked last is where its slope is taken.

    Returns:
        Seven findings. "One uniform ε a sample" is a Kolmogorov-Smirnov test of 256 weights. Uniform ones pass its
        bound 2.5 / √256 in all but one of 100,000 tries; a law that is nearer than that to the uniform one passes too.

    Raises:
        ValueError: if it returns something else than one number.

    >>> from ganlib.penalties import gradient_penalty
    >>> check_penalty(gradient_penalty).fails
    []
    """
    g, n = rng(), 256
    at = {"generator": g, "device": g.device, "dtype": torch.float64}
    u = torch.randn(3, **at)
    u = u / u.norm()
    real = torch.randn(n, 3, **at)
    fake = real + 1 + torch.rand(n, 3, **at)

    def charge(w, points=n):
        return penalty(lambda x: x @ w, real[:points], fake[:points], generator=g)

    def dearest(slope, expected):
        charges = torch.tensor([_number(charge(slope * u, points)) for points in (1, 4, 16, 64, n)])
        return (charges - expected).abs().max()

    def epsilon():
        asked = []
        penalty(lambda x: asked.append(x.detach()) or x @ u, real, fake, generator=g)
        return (asked[-1] - fake) / (real - fake)

    def uneven():
        ranks = (torch.arange(n, device=g.device) + 0.5) / n
        return (epsilon()[:, 0].sort().values - ranks).abs().max()

    return Findings(
        (
            _find("no charge for slope 1", lambda: dearest(1, 0), 0, TOL),
            _find("slope 3 costs 4, in every batch", lambda: dearest(3, 4), 0, TOL),
            _find("every ε in [0, 1]", lambda: (epsilon() - 0.5).abs().max(), 0, 0.5 + TOL),
            _find("one ε for all features", lambda: epsilon().std(-1).max(), 0, TOL),
            _find("one uniform ε a sample", uneven, 0, 2.5 / math.sqrt(n)),
            _find("teaches the critic", lambda: _gradient(charge, 3 * u) @ u, 4 - TOL, 4 + TOL),
            _find("finite gradient at slope 0", lambda: _gradient(charge, 0 * u).norm(), 0, 2 + TOL),
        )
    )


def check_critic_loss(loss: Callable) -> Findings:
    r"""Is it minus an estimate of :math:`W_1`, :math:`\mathbb{E}\,\ell(G(z)) - \mathbb{E}\,\ell(x)`?

    Args:
        loss: ``(real, fake) -> ()``, logits of shape ``(n,)``; to be minimised by the critic.

    Returns:
        Three findings.

    >>> from ganlib.losses import hinge_d, wasserstein_d
    >>> check_critic_loss(wasserstein_d)
    a shift changes nothing: holds; a scale is a factor: holds; each point counts 1/n: holds
    >>> check_critic_loss(hinge_d).fails
    ['a shift changes nothing', 'a scale is a factor', 'each point counts 1/n']
    """
    g, n = rng(), 7
    logits = 3 * torch.randn(2, n, generator=g, device=g.device, dtype=torch.float64)

    def value(logits):
        return _number(loss(*logits))

    def counts():
        pull = n * _gradient(lambda logits: loss(*logits), logits)
        return (pull - pull.new_tensor([[-1], [1]])).abs().max()

    return Findings(
        (
            _find("a shift changes nothing", lambda: value(logits + 5) - value(logits), -TOL, TOL),
            _find("a scale is a factor", lambda: value(2 * logits) - 2 * value(logits), -TOL, TOL),
            _find("each point counts 1/n", counts, 0, TOL),
        )
    )


def check_generator_loss(loss: Callable) -> Findings:
    r"""Does it push up what D rejects, and at full strength where D is sure?

    The second is what :math:`\mathbb{E}\log(1-D(G(z)))` lacks and :math:`-\mathbb{E}\log D(G(z))` has: see
    :doc:`/chapters/game/saturation`.

    Args:
        loss: ``(real, fake) -> ()``, with ``real=None`` and logits of shape ``(n,)``; to be minimised. A loss of
            pairs needs ``real``, and fails.

    Returns:
        Two findings.

    >>> from ganlib.losses import minimax_g
    >>> check_generator_loss(minimax_g)
    raises what D rejects: holds; pushes where D is sure: fails
    """
    g, n = rng(), 9
    logits = torch.linspace(-math.log(999), 0, n, device=g.device, dtype=torch.float64)  # D from 0.001 to 1/2

    def push():
        return -n * _gradient(lambda logits: loss(None, logits), logits)

    return Findings(
        (
            _find("raises what D rejects", lambda: push().min(), TOL, math.inf),
            _find("pushes where D is sure", lambda: push()[0], 0.5, math.inf),
        )
    )


def check_gradient(f: Callable, *inputs: Tensor) -> Findings:
    """Does a gradient reach every input?

    Args:
        f: ``(*inputs) -> ()``.
        inputs: tensors of floating point.

    Returns:
        One finding an input.

    >>> check_gradient(lambda x: torch.tensor([x.square().mean()]).sum(), torch.ones(3))
    a gradient reaches input 1: fails
    """
    return Findings(
        _find(
            f"a gradient reaches input {k + 1}",
            lambda k=k: _gradient(lambda x: f(*inputs[:k], x, *inputs[k + 1 :]), inputs[k]).abs().max(),
            1e-9,
            1e9,
        )
        for k in range(len(inputs))
    )


def check_divergence(divergence: Callable, *, most: float = math.inf) -> Findings:
    r"""Is it 0 for equal laws, positive for others, and never above its bound?

    Args:
        divergence: ``(log_p, log_q) -> ()``, logarithms of probabilities, shape ``(k,)``, ``-inf`` among them.
        most: its greatest value, such as ``log 2`` for :func:`ganlib.divergences.js`.

    Returns:
        Three findings, from 200 pairs of laws on six letters; the last also from two laws that share no letter.

    >>> from ganlib.divergences import js
    >>> check_divergence(js, most=math.log(2)).fails
    []
    """
    g = rng()
    laws = (3 * torch.randn(2, 200, 6, generator=g, device=g.device, dtype=torch.float64)).log_softmax(-1)
    apart = torch.eye(6, device=g.device, dtype=torch.float64)[:2].log()

    def values(p, q):
        found = [_number(divergence(*pair)) for pair in zip(p, q, strict=True)]
        return torch.tensor(found, dtype=torch.float64)

    return Findings(
        (
            _find("0 for equal laws", lambda: values(laws[0], laws[0]).abs().max(), 0, TOL),
            _find("above 0 for unequal laws", lambda: values(*laws).min(), TOL, math.inf),
            _find("at most its bound", lambda: values(*torch.cat([laws, apart[:, None]], 1)).max(), 0, most + TOL),
        )
    )


def check_histogram(histogram: Callable) -> Findings:
    """Does every point of a sample count once?

    Args:
        histogram: ``(x) -> masses``, points of the unit square, shape ``(n, 2)``; a tensor of any shape.

    Returns:
        Three findings.

    >>> check_histogram(lambda x: torch.bincount((8 * x[:, 0]).long(), minlength=8) / len(x)).fails
    []
    """
    g = rng()
    x = torch.rand(450, 2, generator=g, device=g.device, dtype=torch.float64).sort(0).values

    def masses(x):
        found = histogram(x.clone())
        if not isinstance(found, Tensor) or found.dim() < 1:
            raise _SignatureError(f"expected a tensor of masses, got {_name(found)}")
        return found

    return Findings(
        (
            _find("mass 1", lambda: masses(x).sum(), 1 - TOL, 1 + TOL),
            _find("no mass below 0", lambda: masses(x).min(), 0, 1),
            _find("order is nothing", lambda: (masses(x) - masses(x.flip(0))).abs().max(), 0, TOL),
        )
    )


def check_frechet(distance: Callable) -> Findings:
    r"""Is it the squared Fréchet distance between Gaussians, known for a shift and for a stretch?

    .. math:: d^2(x, x+t) = \lVert t\rVert^2,\qquad d^2(x, 3x) = 4\operatorname{tr}\Sigma_x\ \text{ for centred } x

    Args:
        distance: ``(x, y) -> ()``, points of shape ``(n, d)`` and ``(m, d)``.

    Returns:
        Four findings; the last allows one per cent, for a variance with n in the place of n − 1.

    >>> from ganlib.metrics import frechet_distance
    >>> check_frechet(frechet_distance).fails
    []
    """
    g = rng()
    at = {"generator": g, "device": g.device, "dtype": torch.float64}
    x, y = torch.randn(200, 4, **at), 2 * torch.randn(300, 4, **at) + 1
    x = x - x.mean(0)

    def d(x, y):
        return _number(distance(x, y))

    return Findings(
        (
            _find("0 for a sample and itself", lambda: d(x, x), -TOL, TOL),
            _find("symmetric", lambda: d(x, y) - d(y, x), -TOL, TOL),
            _find("a shift costs its square", lambda: d(x, x + 1.5), 9 - TOL, 9 + TOL),
            _find("a stretch costs the variance", lambda: d(x, 3 * x) / (4 * x.var(0).sum()), 0.99, 1.01),
        )
    )


def check_kernel_distance(distance: Callable) -> Findings:
    """Is it an estimate without bias that sees a shift?

    The mean over 200 pairs of samples, 20 points of four features each, is held against four of its own standard
    errors: an unbiased estimate passes that bound in all but one of 15,000 tries.

    Args:
        distance: ``(x, y) -> ()``, points of shape ``(n, d)``.

    Returns:
        Three findings.

    >>> from ganlib.metrics import kernel_distance
    >>> check_kernel_distance(kernel_distance).fails
    []
    """
    g, repeats = rng(), 200
    x, y = torch.randn(2, repeats, 20, 4, generator=g, device=g.device, dtype=torch.float64)

    def mean(shift):
        found = [_number(distance(a, b + shift)) for a, b in zip(x, y, strict=True)]
        found = torch.tensor(found, dtype=torch.float64)
        return found.mean(), 4 * found.std() / math.sqrt(repeats)

    def beyond(shift):
        middle, bound = mean(shift)
        return (middle / (bound + 1e-12)).clamp(-99, 99)

    def lopsided():
        return _number(distance(x[0], y[0] + 1)) - _number(distance(y[0] + 1, x[0]))

    return Findings(
        (
            _find("mean 0 for equal laws, in 4 s.e.", lambda: beyond(0), -1, 1),
            _find("sees a shift by 1, in 4 s.e.", lambda: beyond(1), 1, math.inf),
            _find("symmetric", lopsided, -TOL, TOL),
        )
    )


def check_modes(centres: Tensor, modes: int) -> Findings:
    """Are the modes as many as they are said to be, and is the nearest one equally far from each?

    Args:
        centres: shape ``(k, d)``, floating point.
        modes: how many.

    Returns:
        Two findings.

    Raises:
        ValueError: if there are not two centres at least, of floating point.

    >>> from ganlib.densities import ring
    >>> check_modes(ring(0.1).centres, 8)
    distinct modes: holds; nearest ones equally far: holds
    """
    if not isinstance(centres, Tensor) or centres.dim() != 2 or len(centres) < 2 or not centres.is_floating_point():
        raise ValueError(f"expected floating-point centres (k, d), two at least, got {_name(centres)}")
    apart = torch.cdist(centres, centres, compute_mode="donot_use_mm_for_euclid_dist")
    near = apart.clone().fill_diagonal_(math.inf).min(-1).values
    distinct = len(centres) - int((apart < TOL).tril(-1).any(-1).sum())
    return Findings(
        (
            _find("distinct modes", lambda: distinct, modes, modes),
            _find("nearest ones equally far", lambda: near.min() / near.max(), 1 - TOL, 1),
        )
    )


def check_layer(layer: Callable, features: int) -> Findings:
    """Does a layer that normalises over the batch give mean 0 and variance 1, whatever the scale of its input?

    Args:
        layer: ``(n, features) -> (n, features)`` in single precision, in training; its running means move.
        features: how many it takes.

    Returns:
        Two findings; of the variance, the one that is farthest from 1 for inputs of sd 0.5, 1 and 10. An ε up to
        0.002 passes; 0.001 is a common default.

    >>> check_layer(torch.nn.BatchNorm1d(3, eps=0.8), 3)
    mean 0: holds; variance 1: fails
    """
    g = rng()
    x = torch.randn(512, features, generator=g, device=g.device)

    def out():
        found = [layer(sd * x) for sd in (0.5, 1, 10)]
        if any(not isinstance(y, Tensor) or y.shape != x.shape for y in found):
            raise _SignatureError(f"expected a tensor {tuple(x.shape)}, got {_name(found[0])}")
        return torch.stack(found).detach().double()

    def variance():
        found = out().var(1, correction=0).flatten()
        return found[(found - 1).abs().argmax()]

    return Findings(
        (
            _find("mean 0", lambda: out().mean(1).abs().max(), 0, TOL),
            _find("variance 1", variance, 0.99, 1.01),
        )
    )


def check_runs(f: Callable) -> Findings:
    """Does it run today, without an error and without a warning of one to come?

    Args:
        f: takes nothing; what it returns is not looked at.

    >>> check_runs(lambda: warnings.warn("it will go", DeprecationWarning))
    runs without a warning: fails
    """

    def errors():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            f()
        return 0

    return Findings((_find("runs without a warning", errors, 0, 0),))


class _SignatureError(ValueError):
    """The callable does not have the signature asked for."""


def _find(name, measure, low, high):
    """What was measured beside its bounds; an exception is a finding, a wrong signature is not."""
    try:
        measured = float(measure())
    except _SignatureError:
        raise
    except Exception as error:
        first = re.sub(r"\x1b\[\d+m", "", str(error)).strip().partition("\n")[0]  # without a terminal's colours
        return Finding(name, False, f"{type(error).__name__}: {first}", low, high)
    return Finding(name, low <= measured <= high, measured, low, high)


def _number(value):
    """One number, from a tensor of shape () or a number."""
    if isinstance(value, Tensor) and value.dim() == 0:
        return value.item()
    if isinstance(value, Real):
        return float(value)
    raise _SignatureError(f"expected one number, shape (), got {_name(value)}")


def _gradient(f, x):
    """Gradient of one number at x."""
    x = x.detach().clone().requires_grad_()
    value = f(x)
    _number(value)
    return torch.autograd.grad(value, x)[0]


def _name(value):
    return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _word(found):
    return "holds" if found.holds else "fails"


def _shown(measured):
    """A sentence as it is, a number with three digits; no page shows NaN."""
    if isinstance(measured, str) or math.isfinite(measured):
        return measured
    return "no number" if math.isnan(measured) else "∞"


def _wanted(low, high):
    if high == math.inf:
        return f"at least {low:.5g}"
    return f"{low:.5g} to {high:.5g}" if low < high else f"{low:.5g}"
