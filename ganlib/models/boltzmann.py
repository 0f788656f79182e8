r"""The restricted Boltzmann machine, with a leading seed axis: exact where one layer is small, and by chains.

.. math:: p(v,h)=\frac1Z\exp\bigl(b^\top v+c^\top h+v^\top Wh\bigr),\qquad v\in\{0,1\}^m,\ h\in\{0,1\}^k

Bits are 0 and 1, as floats; samples are ``(S, n, m)``, one for each seed.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class RBM(NamedTuple):
    """Visible and hidden bits, with a weight for each pair of one and the other; a tuple of three tensors to train.

    Shapes: b ``(S, 1, m)``, c ``(S, 1, k)``, W ``(S, m, k)``.

    >>> import ganlib
    >>> rbm = RBM.drawn(6, 3, seeds=2, generator=ganlib.rng())
    >>> rbm.log_prob(states(6).expand(2, -1, -1)).exp().sum(-1).tolist()
    [1.0, 1.0]
    """

    b: Tensor
    c: Tensor
    W: Tensor

    @classmethod
    def drawn(cls, visible: int, hidden: int, *, seeds: int = 1, generator: torch.Generator) -> RBM:
        """A new machine, to be trained: small weights, no biases."""
        if min(visible, hidden, seeds) < 1:
            raise ValueError(f"expected at least one bit of each kind and one seed, got {visible}, {hidden}, {seeds}")
        W = 0.01 * torch.randn(seeds, visible, hidden, generator=generator, device=generator.device)
        return cls(*(t.requires_grad_() for t in (torch.zeros_like(W[:, None, :, 0]), torch.zeros_like(W[:, :1]), W)))

    def score(self, v: Tensor) -> Tensor:
        r"""The logarithm of Z p(v): :math:`b^\top v+\sum_j\log(1+e^{c_j+v^\top W_j})`, shape ``(S, n)``."""
        self._fits(v)
        return (v * self.b).sum(-1) + functional.softplus(self.c + v @ self.W).sum(-1)

    def turned(self) -> RBM:
        """The same machine with hidden and visible bits exchanged."""
        return RBM(self.c, self.b, self.W.mT)

    def log_z(self) -> Tensor:
        """The logarithm of Z of each seed, a sum over all states of the smaller layer, of at most 20 bits."""
        small = self if self.W.shape[1] <= self.W.shape[2] else self.turned()
        blocks = states(small.W.shape[1]).to(self.W).split(4096)
        return torch.stack([small.score(u.expand(len(self.W), -1, -1)).logsumexp(-1) for u in blocks]).logsumexp(0)

    def log_prob(self, v: Tensor) -> Tensor:
        """The logarithm of p(v), exact, shape ``(S, n)``."""
        return self.score(v) - self.log_z()[:, None]

    @torch.no_grad()
    def gibbs(self, v: Tensor, steps: int = 1, *, generator: torch.Generator) -> Tensor:
        """Hidden bits given the visible, then visible given the hidden, so many times."""
        self._fits(v)
        for _ in range(steps):
            h = flip((self.c + v @ self.W).sigmoid(), generator=generator)
            v = flip((self.b + h @ self.W.mT).sigmoid(), generator=generator)
        return v

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator) -> Tensor:
        """N exact draws a seed, shape ``(S, n, m)``: hidden states by their chances, then visible bits given them."""
        h = states(self.W.shape[2]).to(self.W)
        chance = torch.stack(
            [RBM(*(t[s : s + 1] for t in self)).turned().score(h[None])[0] for s in range(len(self.W))]
        )
        drawn = h[torch.multinomial(chance.softmax(-1), n, replacement=True, generator=generator)]
        return flip((self.b + drawn @ self.W.mT).sigmoid(), generator=generator)

    def _fits(self, v):
        if v.dim() != 3 or v.shape[0] != len(self.W) or v.shape[-1] != self.W.shape[1]:
            raise ValueError(f"expected bits ({len(self.W)}, n, {self.W.shape[1]}), got {tuple(v.shape)}")


def contrast(rbm: RBM, real: Tensor, fake: Tensor) -> Tensor:
    r"""The loss of each seed, shape ``(S,)``, that raises the score of what is real and lowers that of what is fake.

    With fake from the machine itself its gradient is that of minus the log-likelihood; with fake from a few steps of
    its chain, begun at the data, it is contrastive divergence (Hinton 2002).
    """
    return rbm.score(fake).mean(-1) - rbm.score(real).mean(-1)


@torch.no_grad()
def annealed(rbm: RBM, n: int, heats: int, *, base: Tensor, back: bool = False, generator: torch.Generator) -> Tensor:
    r"""Logarithms of n annealed weights a seed, shape ``(S, n)``; the mean weight is Z on average (Neal 2001).

    On the way from coins with logits a to the machine lie the machines with biases :math:`(1-\beta)a+\beta b` and
    :math:`\beta c`, and weights :math:`\beta W`.

    Args:
        rbm: the machine.
        n: chains a seed.
        heats: steps on the way.
        base: logits of the coins, shape ``(S, 1, m)``.
        back: from exact draws of the machine down to the coins. What is estimated then is 1 / Z, as the mean of one
            over the weight.
        generator: draws.
    """
    if n < 1 or heats < 1 or base.shape != rbm.b.shape:
        raise ValueError(f"expected chains, steps and base {tuple(rbm.b.shape)}, got {n}, {heats}, {tuple(base.shape)}")
    way = [RBM(torch.lerp(base, rbm.b, t), t * rbm.c, t * rbm.W) for t in torch.linspace(0, 1, heats + 1).tolist()]
    coins = functional.softplus(base).sum((-2, -1)) + rbm.W.shape[2] * math.log(2)  # log Z where the way begins
    v = rbm.sample(n, generator=generator) if back else flip(base.sigmoid().expand(-1, n, -1), generator=generator)
    total = coins[:, None].repeat(1, n)
    for low, high in reversed(list(pairwise(way))) if back else pairwise(way):
        total += high.score(v) - low.score(v)
        v = (low if back else high).gibbs(v, generator=generator)
    return total


def states(bits: int) -> Tensor:
    """All of them, shape ``(2^bits, bits)``, in the order of the binary numbers.

    >>> states(2).tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    if not 1 <= bits <= 20:
        raise ValueError(f"expected 1 to 20 bits, since all their states are gone through, got {bits}")
    return (torch.arange(2**bits)[:, None] >> torch.arange(bits - 1, -1, -1) & 1).float()


def flip(chance: Tensor, *, generator: torch.Generator) -> Tensor:
    """Coins that show 1 with the given chances, as floats.

    Raises:
        ValueError: if a chance is not between 0 and 1.
    """
    if not ((chance >= 0) & (chance <= 1)).all():
        raise ValueError(f"expected chances between 0 and 1, got {chance.min().item()} to {chance.max().item()}")
    u = torch.rand(chance.shape, generator=generator, device=chance.device, dtype=chance.dtype)
    return (u < chance).to(chance)
