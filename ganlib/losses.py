r"""Losses of the two players, as functions of the discriminator's **logits** (never of probabilities).

Everywhere ``real`` is :math:`\ell(x)` for real samples, shape ``(..., n)``, and ``fake`` is :math:`\ell(G(z))` for
generated ones, shape ``(..., m)``. A loss is the mean over the last axis, so an ensemble gets one loss a seed. Every
loss is to be *minimised* by its player. Generator losses take ``real=None``, except the relativistic one, which pairs.
Only a pairing loss needs n = m. :func:`gap` alone compares points or pictures, not logits.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid, relu

from ganlib._shapes import batch_shape


def softplus(x: Tensor) -> Tensor:
    r""":math:`\log(1 + e^x) = -\log\sigma(-x)`, exact in the tail, where torch's own becomes x at 20.

    >>> import torch
    >>> softplus(torch.tensor([-1e4, 0.0, 1e4])).tolist()  # doctest: +ELLIPSIS
    [-0.0, 0.693147..., 10000.0]
    """
    return -logsigmoid(-x)


def minimax_d(real: Tensor, fake: Tensor) -> Tensor:
    r"""Cross-entropy of the discriminator, that is -V: :eq:`loss-d` of :doc:`/chapters/game/optimal_discriminator`.

    .. math:: L_D = -\mathbb{E}\log D(x) - \mathbb{E}\log\bigl(1-D(G(z))\bigr)
                  = \mathbb{E}\,\mathrm{softplus}(-\ell(x)) + \mathbb{E}\,\mathrm{softplus}(\ell(G(z)))

    Args:
        real: logits of real samples, shape ``(..., n)``.
        fake: logits of generated samples, shape ``(..., m)``.

    Returns:
        Shape ``(...)``; ``2 log 2`` for a discriminator that cannot tell.

    Raises:
        ValueError: if the shapes do not fit.

    >>> import torch
    >>> minimax_d(torch.zeros(3), torch.zeros(5))
    tensor(1.3863)
    """
    _check(real, fake)
    return softplus(-real).mean(-1) + softplus(fake).mean(-1)


def minimax_g(real: Tensor | None, fake: Tensor) -> Tensor:
    r"""The generator's part of the value, :math:`\mathbb{E}\log(1 - D(G(z)))`: its gradient vanishes where D is sure.

    >>> import torch
    >>> minimax_g(None, torch.zeros(3))
    tensor(-0.6931)
    """
    _check(real, fake)
    return -softplus(fake).mean(-1)


nonsaturating_d = minimax_d  # the two games differ for the generator only


def nonsaturating_g(real: Tensor | None, fake: Tensor) -> Tensor:
    r""":math:`-\mathbb{E}\log D(G(z))`: its gradient in the logit tends to 1 in size where D is sure.

    >>> import torch
    >>> nonsaturating_g(None, torch.zeros(3))
    tensor(0.6931)
    """
    _check(real, fake)
    return softplus(-fake).mean(-1)


def least_squares_d(real: Tensor, fake: Tensor) -> Tensor:
    r""":math:`\tfrac12\mathbb{E}(\ell(x)-1)^2 + \tfrac12\mathbb{E}\,\ell(G(z))^2`: targets 1 and 0, on a linear output.

    >>> import torch
    >>> least_squares_d(torch.tensor([3.0]), torch.tensor([2.0]))
    tensor(4.)
    """
    _check(real, fake)
    return (real - 1).square().mean(-1) / 2 + fake.square().mean(-1) / 2


def least_squares_g(real: Tensor | None, fake: Tensor) -> Tensor:
    r""":math:`\tfrac12\mathbb{E}(\ell(G(z))-1)^2`: target 1.

    >>> import torch
    >>> least_squares_g(None, torch.tensor([3.0]))
    tensor(2.)
    """
    _check(real, fake)
    return (fake - 1).square().mean(-1) / 2


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    r""":math:`\mathbb{E}\max(0, 1-\ell(x)) + \mathbb{E}\max(0, 1+\ell(G(z)))`.

    >>> import torch
    >>> hinge_d(torch.tensor([0.5]), torch.tensor([0.25]))
    tensor(1.7500)
    """
    _check(real, fake)
    return relu(1 - real).mean(-1) + relu(1 + fake).mean(-1)


def hinge_g(real: Tensor | None, fake: Tensor) -> Tensor:
    r""":math:`-\mathbb{E}\,\ell(G(z))`."""
    _check(real, fake)
    return -fake.mean(-1)


def wasserstein_d(real: Tensor, fake: Tensor) -> Tensor:
    r""":math:`\mathbb{E}\,\ell(G(z)) - \mathbb{E}\,\ell(x)`: minus the critic's estimate of :math:`W_1`.

    >>> import torch
    >>> wasserstein_d(torch.tensor([3.0]), torch.tensor([1.0]))
    tensor(-2.)
    """
    _check(real, fake)
    return fake.mean(-1) - real.mean(-1)


wasserstein_g = hinge_g  # both generators raise the critic's mean on what they make


def relativistic_d(real: Tensor, fake: Tensor) -> Tensor:
    r""":math:`\mathbb{E}\,\mathrm{softplus}(\ell(G(z)) - \ell(x))` over pairs: is this one more real than that one?

    >>> import torch
    >>> relativistic_d(torch.zeros(3), torch.zeros(3))
    tensor(0.6931)
    """
    _check(real, fake, pair=True)
    return softplus(fake - real).mean(-1)


def relativistic_g(real: Tensor, fake: Tensor) -> Tensor:
    r""":math:`\mathbb{E}\,\mathrm{softplus}(\ell(x) - \ell(G(z)))` over pairs: the same game from the other side."""
    _check(real, fake, pair=True)
    return softplus(real - fake).mean(-1)


def gap(a: Tensor, b: Tensor) -> Tensor:
    r"""Mean absolute difference, one number a seed: of points ``(S, n, d)`` it has shape ``(S,)``, of pictures ``()``.

    The cycle error of two maps is ``gap(F(G(x)), x)``.

    Args:
        a: points ``(..., n, d)`` or pictures ``(..., n, channels, height, width)``.
        b: as many of the same shape.

    >>> import torch
    >>> gap(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 4.0]]))
    tensor(1.5000)
    """
    if a.shape != b.shape:
        raise ValueError(f"expected two of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    return (a - b).abs().flatten(len(batch_shape(a)) - 1).mean(-1)


def _check(real, fake, pair=False):
    """Refuse what would broadcast in silence."""
    if real is None and pair:
        raise ValueError("expected real logits too: a relativistic loss compares pairs, got real=None")
    for name, logits in (("real", real), ("fake", fake)):
        if logits is None and name == "real":
            continue
        if logits is None or not logits.is_floating_point():
            raise ValueError(f"expected {name} logits, got {None if logits is None else logits.dtype}")
        shape = tuple(logits.shape)
        if not shape or 0 in shape:
            raise ValueError(f"expected {name} logits (..., n), got {shape}")
        if len(shape) > 1 and shape[-1] == 1:
            raise ValueError(f"expected {name} logits (..., n), got {shape}: squeeze D's output")
    if real is not None and (real.shape != fake.shape if pair else real.shape[:-1] != fake.shape[:-1]):
        wanted = "two logits of one shape" if pair else "logits (..., n) and (..., m)"
        raise ValueError(f"expected {wanted}, got {tuple(real.shape)} and {tuple(fake.shape)}")
