r"""Penalties on the slope of a critic, one signature for all: ``(D, real, fake, *, generator=None) -> (...,)``.

Points carry their features on the last axis, or on the last three when the input has four axes or more (images). D's
output must have the input's shape without the features. Slopes are taken sample by sample, never over the batch. The
weight is the caller's; ``r1`` and ``r2`` come without the factor one half.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganlib._shapes import batch_shape


def gradient_penalty(D: Callable, real: Tensor, fake: Tensor, *, generator=None) -> Tensor:
    r"""Two-sided penalty of WGAN-GP: slope 1 between the two samples.

    .. math:: \mathbb{E}\,\bigl(\lVert\nabla_{\hat x} D(\hat x)\rVert_2 - 1\bigr)^2,\qquad
              \hat x = \varepsilon x + (1-\varepsilon)\,G(z),\quad \varepsilon\sim U(0,1)\text{ for each sample}

    Args:
        D: critic, closed over labels if it takes any.
        real: real points, shape ``(..., n, d)`` or ``(..., n, C, H, W)``.
        fake: generated points, the same shape.
        generator: draws ε; ``None`` draws it afresh at every call, which no second run repeats.

    Returns:
        Shape ``(...)``, differentiable in D's parameters, also where the slope is 0.

    Raises:
        ValueError: if the points differ in shape, or D's output does not have one number a point.

    >>> gradient_penalty(lambda x: 3 * x.sum(-1), torch.ones(5, 1), torch.zeros(5, 1))
    tensor(4.)
    """
    return (_slope(D, _between(real, fake, generator)) - 1).square().mean(-1)


def one_sided_penalty(D: Callable, real: Tensor, fake: Tensor, *, generator=None) -> Tensor:
    r""":math:`\mathbb{E}\max(0, \lVert\nabla D(\hat x)\rVert_2 - 1)^2`: charges slopes above 1 only.

    Arguments as for :func:`gradient_penalty`.

    >>> one_sided_penalty(lambda x: x.sum(-1) / 2, torch.ones(5, 1), torch.zeros(5, 1))
    tensor(0.)
    """
    return (_slope(D, _between(real, fake, generator)) - 1).relu().square().mean(-1)


def r1(D: Callable, real: Tensor, fake: Tensor, *, generator=None) -> Tensor:
    r""":math:`\mathbb{E}\,\lVert\nabla D(x)\rVert_2^2` at the real points; ``fake`` is not looked at.

    >>> r1(lambda x: 3 * x.sum(-1), torch.ones(5, 1), None)
    tensor(9.)
    """
    return _slope(D, real).square().mean(-1)


def r2(D: Callable, real: Tensor, fake: Tensor, *, generator=None) -> Tensor:
    r""":math:`\mathbb{E}\,\lVert\nabla D(G(z))\rVert_2^2` at the generated points; ``real`` is not looked at.

    >>> r2(lambda x: 3 * x.sum(-1), None, torch.ones(5, 1))
    tensor(9.)
    """
    return _slope(D, fake).square().mean(-1)


def clip_weights(D: nn.Module, c: float) -> None:
    """Put every parameter of D back into [-c, c], in place: the first WGAN's way to a Lipschitz critic.

    >>> D = nn.Linear(4, 1)
    >>> clip_weights(D, 0.01)
    >>> bool(D.weight.abs().max() <= 0.01)
    True
    """
    if not 0 < c < float("inf"):
        raise ValueError(f"expected a positive bound, got {c}")
    with torch.no_grad():
        for parameter in D.parameters():
            parameter.clamp_(-c, c)


def _between(real, fake, generator):
    """One point on each segment, shape of ``real``."""
    if real.shape != fake.shape:
        raise ValueError(f"expected points of one shape, got {tuple(real.shape)} and {tuple(fake.shape)}")
    shape = batch_shape(real)
    if generator is None:
        generator = torch.Generator(real.device)
        generator.seed()  # from the system: the global stream is never touched
    epsilon = torch.rand(shape, generator=generator, device=real.device, dtype=real.dtype)
    epsilon = epsilon.reshape(shape + (1,) * (real.dim() - len(shape)))
    return epsilon * real.detach() + (1 - epsilon) * fake.detach()


def _slope(D, x):
    """Norm of the gradient of D at each point, shape (..., n); its own gradient at 0 is 0."""
    shape = batch_shape(x)
    x = x.detach().requires_grad_()
    logit = D(x)
    if logit.shape != shape:
        raise ValueError(f"expected one number a point, D's output {tuple(shape)}, got {tuple(logit.shape)}")
    (gradient,) = torch.autograd.grad(logit.sum() + 0 * x.sum(), x, create_graph=True)  # 0 for a D that ignores x
    return torch.linalg.vector_norm(gradient, dim=tuple(range(len(shape), x.dim())))  # (..., n)
