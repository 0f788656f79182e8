r"""Networks that give each bit a chance, from the bits before it: exact probabilities, and samples one bit at a time.

.. math:: p(x)=\prod_i p(x_i\mid x_1,\dots,x_{i-1})

Bits are 0 and 1, as floats. :class:`MADE` is for vectors ``(S, n, d)`` and has a leading seed axis; the others are for
pictures ``(n, 1, h, w)``, in raster order: row by row, from the left.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlib.models._drawn import drawn
from ganlib.models.mlp import BatchedLinear


class _Bits(nn.Module):
    """What all have in common: ``forward`` gives the logits of all bits at once, each from those before it."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-probability of each vector or picture, by one call of the network."""
        logits = self(x)
        return -functional.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(self._batch).sum(-1)

    @torch.no_grad()
    def _fill(self, x, places, generator):
        """Draw bit after bit, a call of the network for each."""
        for place in places:
            chance = self(x)[(..., *place)].sigmoid()
            u = torch.rand(chance.shape, generator=generator, device=x.device, dtype=x.dtype)
            x[(..., *place)] = (u < chance).to(x)
        return x


class MADE(_Bits):
    r"""A network with masks, so that each output sees the earlier inputs alone: ``(S, n, d)`` to logits of that shape.

    Every unit has a degree. An input's is its place in the order; a hidden unit of degree k sees inputs up to place k;
    the output of place k sees units of a lower degree. Without hidden layers it is a logistic regression of each bit on
    those before it, the first fully visible belief net.

    Args:
        d: bits.
        units: of each hidden layer; ``()`` for none.
        order: the bits from first to last; as they stand unless told.
        seeds: S.
        generator: draws the weights.

    Raises:
        ValueError: if the order is not one of 0, …, d - 1.

    >>> import ganlib
    >>> made = MADE(8, (32,), seeds=3, generator=ganlib.rng())
    >>> made.log_prob(torch.ones(3, 5, 8)).shape
    torch.Size([3, 5])
    """

    _batch = 2

    def __init__(self, d: int, units=(), *, order=None, seeds: int = 1, generator: torch.Generator):
        super().__init__()
        self.order = list(range(d)) if order is None else [int(k) for k in order]
        if sorted(self.order) != list(range(d)):
            raise ValueError(f"expected an order of the bits 0 to {d - 1}, got {self.order}")
        place = torch.empty(d, dtype=torch.int64)
        place[self.order] = torch.arange(d)
        degrees = [place, *(torch.arange(n) % max(d - 1, 1) for n in units)]
        how = {"seeds": seeds, "generator": generator}
        sizes = [d, *units, d]
        self.layers = nn.ModuleList(BatchedLinear(a, b, **how) for a, b in pairwise(sizes))
        for k, (before, after) in enumerate(zip(degrees, [*degrees[1:], place], strict=True)):
            last = k == len(units)
            mask = after[:, None] > before if last else after[:, None] >= before
            self.register_buffer(f"mask{k}", mask.float().to(generator.device))

    def forward(self, x: Tensor) -> Tensor:
        """Bits ``(S, n, d)`` to logits ``(S, n, d)``."""
        for k, layer in enumerate(self.layers):
            mask = getattr(self, f"mask{k}")
            x = torch.baddbmm(layer.bias, x.relu() if k else x, (layer.weight * mask).mT)
        return x

    def sample(self, n: int, *, generator: torch.Generator) -> Tensor:
        """N vectors of each seed, shape ``(S, n, d)``, by d calls of the network."""
        weight = self.layers[0].weight
        x = torch.zeros(len(weight), n, len(self.order), device=weight.device, dtype=weight.dtype)
        return self._fill(x, [(k,) for k in self.order], generator)


class MaskedConv2d(nn.Module):
    """A convolution that sees earlier pixels alone: rows above, and in its own row those to the left.

    Args:
        c_in: channels.
        c_out: channels of the result.
        size: of the kernel, odd.
        own: it also sees the pixel itself, as all layers but the first may.
        generator: draws the weights.
    """

    def __init__(self, c_in: int, c_out: int, size: int, *, own: bool, generator: torch.Generator):
        super().__init__()
        if size % 2 == 0:
            raise ValueError(f"expected a kernel of odd size, with a pixel in its middle, got {size}")
        self.layer = drawn(lambda: nn.Conv2d(c_in, c_out, size), generator)
        middle = size // 2
        mask = torch.ones(size, size, device=generator.device)
        mask[middle, middle + own :] = 0
        mask[middle + 1 :] = 0
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(n, c_in, h, w)`` to ``(n, c_out, h, w)``."""
        return functional.conv2d(x, self.layer.weight * self.mask, self.layer.bias, padding="same")


class _Pictures(_Bits):
    """Those for pictures, which are filled row by row."""

    _batch = 1

    def sample(self, n: int, size: int, *, generator: torch.Generator) -> Tensor:
        """N pictures ``(n, 1, size, size)``, by a call of the network for each pixel."""
        like = next(self.parameters())
        x = torch.zeros(n, 1, size, size, device=like.device, dtype=like.dtype)
        return self._fill(x, [(i, j) for i in range(size) for j in range(size)], generator)


class PixelCNN(_Pictures):
    """Masked convolutions: a 7 × 7 one that does not see the pixel itself, then 3 × 3 ones with a way around.

    A pixel up and far to the right is never seen, however many layers there are: the blind spot.
    """

    def __init__(self, channels: int = 24, layers: int = 5, *, generator: torch.Generator):
        super().__init__()
        how = {"generator": generator}
        self.first = MaskedConv2d(1, channels, 7, own=False, **how)
        self.body = nn.ModuleList(MaskedConv2d(channels, channels, 3, own=True, **how) for _ in range(layers))
        self.last = drawn(lambda: nn.Conv2d(channels, 1, 1), generator)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures ``(n, 1, h, w)`` to logits of that shape."""
        h = self.first(x)
        for layer in self.body:
            h = h + layer(h.relu())
        return self.last(h.relu())


class TwoStacks(_Pictures):
    """PixelCNN without the blind spot: one stack sees the rows above, and tells another that sees its row to the left.

    Args:
        channels: of each stack.
        layers: of each stack after the first.
        generator: draws the weights.
    """

    def __init__(self, channels: int = 16, layers: int = 5, *, generator: torch.Generator):
        super().__init__()

        def convolution(c_in, size):
            return drawn(lambda: nn.Conv2d(c_in, channels, size), generator)

        sizes, inputs = [7, *[3] * layers], [1, *[channels] * layers]
        self.above = nn.ModuleList(convolution(c, (k // 2 + 1, k)) for c, k in zip(inputs, sizes, strict=True))
        self.left = nn.ModuleList(convolution(c, (1, k // 2 + 1)) for c, k in zip(inputs, sizes, strict=True))
        self.tell = nn.ModuleList(convolution(channels, 1) for _ in sizes)
        self.last = drawn(lambda: nn.Conv2d(channels, 1, 1), generator)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures ``(n, 1, h, w)`` to logits of that shape."""
        v = h = x
        for k, (above, left, tell) in enumerate(zip(self.above, self.left, self.tell, strict=True)):
            (rows, columns), (_, reach) = above.kernel_size, left.kernel_size
            side = columns // 2
            up = above(functional.pad(v.relu() if k else v, (side, side, rows - 1, 0)))  # its own row and those above
            own = left(functional.pad(h.relu() if k else h, (reach - 1, 0)))
            own = own if k else _moved(own, right=1)
            v, h = (v + up, h + own) if k else (up, own)
            h = h + tell(_moved(v.relu(), down=1))
        return self.last(h.relu())


def _moved(x, down=0, right=0):
    """A map moved by some pixels, with 0 where nothing was."""
    h, w = x.shape[-2:]
    return functional.pad(x, (right, 0, down, 0))[..., :h, :w]


def _gated(gates, cell):
    """One step of an LSTM: the new state and the new cell."""
    keep, let_in, let_out, new = gates.chunk(4, 1)
    cell = keep.sigmoid() * cell + let_in.sigmoid() * new.tanh()
    return let_out.sigmoid() * cell.tanh(), cell


class RowLSTM(_Pictures):
    """PixelRNN, row by row: the state of a pixel comes from the three nearest of the row above.

    Args:
        channels: of the state.
        generator: draws the weights.
    """

    def __init__(self, channels: int = 24, *, generator: torch.Generator):
        super().__init__()
        self.first = MaskedConv2d(1, channels, 7, own=False, generator=generator)
        self.input = MaskedConv2d(channels, 4 * channels, 3, own=True, generator=generator)
        self.state = drawn(lambda: nn.Conv2d(channels, 4 * channels, (1, 3), padding=(0, 1)), generator)
        self.last = drawn(lambda: nn.Conv2d(channels, 1, 1), generator)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures ``(n, 1, h, w)`` to logits of that shape."""
        told = self.input(self.first(x).relu())
        h = cell = torch.zeros_like(told[:, : told.shape[1] // 4, :1])  # (n, channels, 1, w)
        states = []
        for row in told.split(1, 2):
            h, cell = _gated(row + self.state(h), cell)
            states.append(h)
        return self.last(torch.cat(states, 2))


class DiagonalBiLSTM(_Pictures):
    """PixelRNN along diagonals, from both upper corners: the state of a pixel comes from its left and upper neighbours.

    From the right the same is done in the mirror, and then told one row further down, where it is of the past.

    Args:
        channels: of the state of each direction.
        directions: 2, or 1 from the left alone, which sees the upper left rectangle.
        generator: draws the weights.
    """

    def __init__(self, channels: int = 16, *, directions: int = 2, generator: torch.Generator):
        super().__init__()
        if directions not in (1, 2):
            raise ValueError(f"expected 1 or 2 directions, got {directions}")
        ways = range(directions)  # the mirror's states are told a row later, so it may see the pixel itself
        self.first = nn.ModuleList(MaskedConv2d(1, channels, 7, own=k > 0, generator=generator) for k in ways)
        self.input = nn.ModuleList(drawn(lambda: nn.Conv2d(channels, 4 * channels, 1), generator) for _ in ways)
        self.state = nn.ModuleList(drawn(lambda: nn.Conv2d(channels, 4 * channels, (2, 1)), generator) for _ in ways)
        self.last = drawn(lambda: nn.Conv2d(channels, 1, 1), generator)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures ``(n, 1, h, w)`` to logits of that shape."""
        h = self._along(self.first[0](x), self.input[0], self.state[0])
        for first, into, state in zip(self.first[1:], self.input[1:], self.state[1:], strict=True):
            mirrored = self._along(first(x).flip(-1), into, state).flip(-1)
            h = h + _moved(mirrored, down=1)
        return self.last(h)

    @staticmethod
    def _along(told, into, state):
        """The states of all pixels, a diagonal after the other."""
        gates = into(told.relu())
        c, height, width = gates.shape[1:]
        inside = _skewed(torch.ones_like(gates[:1, :1]))
        h = cell = torch.zeros_like(gates[:, : c // 4, :, :1])  # (n, channels, h, 1), along the rows
        states = []
        for column, there in zip(_skewed(gates).split(1, -1), inside.split(1, -1), strict=True):
            h, cell = _gated(column + state(functional.pad(h, (0, 0, 1, 0))), cell)
            h, cell = h * there, cell * there
            states.append(h)
        states = torch.cat(states, -1)
        return torch.stack([states[:, :, i, i : i + width] for i in range(height)], 2)


def _skewed(x):
    """Each row moved right by its number: columns become diagonals."""
    height = x.shape[2]
    return torch.stack([functional.pad(x[:, :, i], (i, height - 1 - i)) for i in range(height)], 2)
