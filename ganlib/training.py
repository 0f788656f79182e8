r"""The alternating game, written once.

D's step sees generated points without a graph through G; G's step computes no gradient for D. Decay, averaged weights,
progress bars and stopping belong to the caller's loop body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganlib._shapes import batch_shape
from ganlib.losses import gap


class Step(NamedTuple):
    """What one turn of the game left behind; tensors are detached, one entry a seed."""

    number: int
    loss_D: Tensor
    loss_G: Tensor
    alive: Tensor


def alternate(
    G: nn.Module,
    D: nn.Module,
    batches: Iterable,
    noise: Callable,
    loss_D: Callable,
    loss_G: Callable,
    optimizer_D: torch.optim.Optimizer,
    optimizer_G: torch.optim.Optimizer,
    *,
    d_steps: int = 1,
    g_steps: int = 1,
    penalty: Callable | None = None,
    after_D: Callable | None = None,
    pair: bool = False,
    look_ahead: Callable | None = None,
) -> Iterator[Step]:
    r"""Play the game, a :class:`Step` at a time: ``d_steps`` moves of D, then ``g_steps`` moves of G.

    Args:
        G: generator, ``G(z, *condition)``.
        D: discriminator or critic, ``D(x, *condition)``, one number a point.
        batches: yields ``x`` or ``(x, *condition)``; a step of D takes the next one, G keeps the last one's condition.
        noise: ``noise(shape)`` gives z for points of that shape, ``(n,)`` or ``(S, n)``; called afresh at every step.
        loss_D: ``loss_D(real, fake)`` of logits.
        loss_G: ``loss_G(real, fake)`` of logits; ``real`` is ``None`` unless ``pair``.
        optimizer_D: moves D's parameters.
        optimizer_G: moves G's parameters.
        d_steps: steps of D in a turn.
        g_steps: steps of G in a turn.
        penalty: ``penalty(D, real, fake)`` of points, weight included, added to D's loss.
        after_D: called with D after each of its steps, for example to clip its weights.
        pair: give ``loss_G`` the logits of the last real batch too, as a relativistic loss needs.
        look_ahead: ``look_ahead(D, x, fake)`` gives the critic that G faces instead of D, such as :func:`unrolled`'s.

    Yields:
        Number of the turn, from 1; D's last loss without its penalty; G's last loss; which seeds are alive.

    Raises:
        FloatingPointError: before the step, when a loss is not finite and no other seed is left. In an ensemble the
            seed alone is frozen: its parameters stay as they were, bit for bit.
        ValueError: if ``d_steps`` or ``g_steps`` is below 1.
    """
    if d_steps < 1 or g_steps < 1:
        raise ValueError(f"expected d_steps and g_steps of at least 1, got {d_steps} and {g_steps}")
    batches, seeds, number = iter(batches), _Seeds(G, D), 0
    while len(turn := list(islice(batches, d_steps))) == d_steps:
        number += 1
        for batch in turn:
            x, *condition = batch if isinstance(batch, (tuple, list)) else (batch,)
            z = noise(batch_shape(x))
            with torch.no_grad():
                fake = G(z, *condition)
            value = total = loss_D(D(x, *condition), D(fake, *condition))
            if penalty is not None:
                total = value + penalty(lambda points: D(points, *condition), x, fake)  # noqa: B023
            seeds.step(total, optimizer_D, f"loss_D at step {number}", lambda: after_D and after_D(D))
        for _ in range(g_steps):
            fake = G(noise(batch_shape(x)), *condition)
            critic = look_ahead(D, x, fake) if look_ahead else D
            cost = loss_G(critic(x, *condition) if pair else None, critic(fake, *condition))
            seeds.step(cost, optimizer_G, f"loss_G at step {number}")
        yield Step(number, value.detach(), cost.detach(), seeds.alive.clone())


def translate(
    G: nn.Module,
    F: nn.Module,
    D_X: nn.Module,
    D_Y: nn.Module,
    batches: Iterable,
    loss_D: Callable,
    loss_G: Callable,
    optimizer_D: torch.optim.Optimizer,
    optimizer_G: torch.optim.Optimizer,
    *,
    cycle: float = 10.0,
    identity: float = 0.0,
) -> Iterator[Step]:
    r"""Two games at once, one a direction, tied by the way there and back; a :class:`Step` at a time.

    .. math::
        & L_G(D_Y(G(x))) + L_G(D_X(F(y))) \\
        & + \lambda\,\bigl(|F(G(x)) - x| + |G(F(y)) - y|\bigr) \\
        & + \mu\,\bigl(|G(y) - y| + |F(x) - x|\bigr)

    Args:
        G: from X to Y, points or pictures.
        F: from Y to X.
        D_X: tells X from what F makes, one number a point.
        D_Y: tells Y from what G makes.
        batches: yields pairs of batches, ``x`` and ``y``, that need not belong together; a turn takes one pair.
        loss_D: ``loss_D(real, fake)`` of logits.
        loss_G: ``loss_G(None, fake)`` of logits.
        optimizer_D: moves the parameters of both critics.
        optimizer_G: moves those of G and F.
        cycle: the weight :math:`\lambda`; at 0 nothing is taken there and back.
        identity: the weight :math:`\mu`; at 0 no map sees what is of its target already.

    Yields:
        Number of the turn, from 1; the sum of the critics' losses; what G and F descend; which seeds are alive.

    Raises:
        FloatingPointError: as :func:`alternate` does.
        ValueError: if a weight is negative.
    """
    if min(cycle, identity) < 0:
        raise ValueError(f"expected cycle and identity of at least 0, got {cycle} and {identity}")
    seeds = _Seeds(G, F, D_X, D_Y)
    for number, (x, y) in enumerate(batches, 1):
        with torch.no_grad():
            to_x, to_y = F(y), G(x)
        value = loss_D(D_X(x), D_X(to_x)) + loss_D(D_Y(y), D_Y(to_y))
        seeds.step(value, optimizer_D, f"loss_D at step {number}")
        to_x, to_y = F(y), G(x)
        cost = loss_G(None, D_X(to_x)) + loss_G(None, D_Y(to_y))
        if cycle:
            cost = cost + cycle * (gap(F(to_y), x) + gap(G(to_x), y))
        if identity:
            cost = cost + identity * (gap(F(x), x) + gap(G(y), y))
        seeds.step(cost, optimizer_G, f"loss_G at step {number}")
        yield Step(number, value.detach(), cost.detach(), seeds.alive.clone())


def unrolled(D: nn.Module, x: Tensor, fake: Tensor, *, loss_D: Callable, steps: int, lr: float) -> Callable:
    r"""The critic that D would be after some steps of gradient descent, differentiable in the generated points.

    .. math:: \theta_{k+1} = \theta_k - \eta\,\nabla_\theta L_D(\theta_k;\,x,\,G(z))

    Args:
        D: the critic now; it is left as it is.
        x: real points.
        fake: generated points, with their graph.
        loss_D: ``loss_D(real, fake)`` of logits.
        steps: how far to look ahead.
        lr: the step size :math:`\eta`.

    Returns:
        A function of points, for the ``look_ahead`` of :func:`alternate`.
    """
    parameters = dict(D.named_parameters())
    for _ in range(steps):
        call = partial(torch.func.functional_call, D, parameters)
        loss = loss_D(call((x,)), call((fake,))).sum()
        gradients = torch.autograd.grad(loss, list(parameters.values()), create_graph=True)
        parameters = {name: p - lr * g for (name, p), g in zip(parameters.items(), gradients, strict=True)}
    return lambda points: torch.func.functional_call(D, parameters, (points,))


def maximise(objective: Callable, start: Tensor) -> Tensor:
    """Climb to a maximum of a smooth function of a few numbers, by L-BFGS in float64.

    Args:
        objective: numbers of the shape of ``start`` to a scalar.
        start: where to begin.

    Returns:
        The stationary point where it ends, the maximum if the objective is concave.

    >>> maximise(lambda t: -((t - 3) ** 2).sum(), torch.zeros(2))
    tensor([3., 3.], dtype=torch.float64)
    """
    at = start.detach().double().clone().requires_grad_()
    precision = {"tolerance_grad": 1e-12, "tolerance_change": 1e-15}
    climb = torch.optim.LBFGS([at], max_iter=500, line_search_fn="strong_wolfe", **precision)

    def descend():
        climb.zero_grad()
        loss = -objective(at)
        loss.backward()
        return loss

    climb.step(descend)
    return at.detach()


class _Seeds:
    """Which seeds are alive, and the tensors of those that are not."""

    def __init__(self, *modules):
        self.modules, self.alive, self.frozen = modules, torch.tensor(True), []

    def step(self, loss, optimizer, name, after=lambda: None):
        """One descent of the seeds that are alive; refuses before the step when none is left."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        alive = loss.detach().isfinite()
        if self.frozen:
            alive = alive & self.alive
        if not alive.all():
            if not alive.any():
                raise FloatingPointError(f"{name} is {loss.detach().tolist()}; its step was not taken")
            self._freeze(alive, parameters)
            loss = torch.where(alive, loss, 0)
        self.alive = alive
        optimizer.zero_grad()
        loss.sum().backward(inputs=parameters)
        optimizer.step()
        after()
        if self.frozen:
            self._restore()

    def _freeze(self, alive, parameters):
        """Keep the tensors of those that die now; of those that died before, what they held then."""
        shared = [tuple(p.shape) for p in parameters if p.shape[:1] != alive.shape]
        if shared:
            raise ValueError(f"expected parameters with a leading axis of {len(alive)} seeds, got {shared}")
        new = ~alive & self.alive.to(alive.device)
        self.frozen = self.frozen or [t.clone() for t in self._tensors(alive)]
        for kept, tensor in zip(self.frozen, self._tensors(alive), strict=True):
            kept[new] = tensor[new]

    def _restore(self):
        for tensor, kept in zip(self._tensors(self.alive), self.frozen, strict=True):
            tensor[~self.alive] = kept[~self.alive]

    def _tensors(self, alive):
        """Parameters and buffers with a seed axis; buffers may be new tensors at every forward."""
        tensors = [t.detach() for m in self.modules for t in (*m.parameters(), *m.buffers())]
        return [t for t in tensors if t.shape[:1] == alive.shape]
