r"""Settings drawn at random, one a member of an ensemble: what holds in most *worlds* does not hang on one setting.

A seed changes the weights and the draws and nothing else. A world also draws how large the first weights are, the
slopes of the activations, the width, the dimension of z, the rates, the momentum and the data. The same worlds serve
every method, so that two methods are compared pair by pair.

All members are played at once. Networks have the largest width and the largest z for everyone; a narrow member's
further weights start at 0, and since what they multiply is 0 as well, their gradients are 0 and they stay there.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganlib.densities import ring
from ganlib.models import BatchedLinear, MinibatchDiscrimination

GAINS = (3**-0.5, 1.0, 2**0.5)
SLOPES = (0.0, 0.01, 0.1, 0.2)
WIDTHS = (16, 32, 64)
LATENTS = (2, 4, 8)
RATES = (1e-3, 5e-3)
BETAS = (0.0, 0.5, 0.9)
SDS = (0.05, 0.1, 0.2)
SCALES = (0.5, 1.0)
MODES = 8


class Worlds(NamedTuple):
    r"""S settings; each field has shape ``(S,)``.

    Levels are those of papers and libraries, or lie around the bed's; each factor is drawn apart from the others.

    =====================  ==============================  ============================================================
    field                  levels                          why these
    =====================  ==============================  ============================================================
    ``gain_G``,            :math:`1/\sqrt3, 1, \sqrt2`     weights are normal with this over the root of the fan-in:
    ``gain_D``                                             torch's own variance, LeCun's (Glorot's for a square layer),
                                                           He's for ReLU; biases are 0
    ``slope_G``,           0, .01, .1, .2                  of LeakyReLU below 0: ReLU, torch's default, what lies
    ``slope_D``                                            between, DCGAN's
    ``width``              16, 32, 64                      of both hidden layers of G and of D: half the bed's, the
                                                           bed's, twice
    ``latent``             2, 4, 8                         dimension of z: that of the data, and more
    ``rate``               log-uniform from .001 to .005   of Adam, for both players: below and above the bed's .003
    ``beta1``              0, .5, .9                       WGAN-GP's and later, DCGAN's, Adam's own default
    ``sd``                 .05, .1, .2                     of the eight modes at a radius of 2: half the bed's, the
                                                           bed's, twice
    ``scale``              .5, 1                           by which all data are multiplied, centres and sd alike: a
                                                           change of units
    =====================  ==============================  ============================================================
    """

    gain_G: Tensor
    gain_D: Tensor
    slope_G: Tensor
    slope_D: Tensor
    width: Tensor
    latent: Tensor
    rate: Tensor
    beta1: Tensor
    sd: Tensor
    scale: Tensor


def draw(S: int, *, generator: torch.Generator) -> Worlds:
    """S worlds, in the order of their momentum: :class:`Adam` moves neighbours of one momentum in one call.

    Args:
        S: how many, at least 1.
        generator: draws them, on its device.

    >>> import ganlib
    >>> worlds = draw(64, generator=ganlib.rng())
    >>> sorted(set(worlds.width.tolist()))
    [16, 32, 64]
    """
    if S < 1:
        raise ValueError(f"expected at least one world, got {S}")
    device = generator.device

    def one_of(levels):
        kind = torch.int64 if isinstance(levels[0], int) else torch.float64
        which = torch.randint(len(levels), (S,), generator=generator, device=device)
        return torch.tensor(levels, dtype=kind, device=device)[which]

    names = {"gain_G": GAINS, "gain_D": GAINS, "slope_G": SLOPES, "slope_D": SLOPES, "width": WIDTHS}
    names |= {"latent": LATENTS, "beta1": BETAS, "sd": SDS, "scale": SCALES}
    found = {name: one_of(levels) for name, levels in names.items()}
    share = torch.rand(S, generator=generator, device=device, dtype=torch.float64)
    found["rate"] = RATES[0] * (RATES[1] / RATES[0]) ** share
    order = found["beta1"].argsort(stable=True)
    return Worlds(**{name: values[order] for name, values in found.items()})


def select(worlds: Worlds, index) -> Worlds:
    """Some of the worlds: ``select(worlds, [3])`` is one of them alone."""
    return Worlds(*(values[index] for values in worlds))


class Slope(nn.Module):
    """LeakyReLU with a slope for each of S members: ``(S, n, d)`` to the same shape.

    Args:
        slopes: below 0, shape ``(S,)``, from 0 to 1.

    >>> Slope(torch.tensor([0.0, 0.5]))(torch.tensor([[[-2.0]], [[-2.0]]])).flatten().tolist()
    [-0.0, -1.0]
    """

    def __init__(self, slopes: Tensor):
        super().__init__()
        if slopes.dim() != 1 or slopes.min() < 0 or slopes.max() > 1:
            raise ValueError(f"expected slopes (S,) from 0 to 1, got {slopes.tolist()}")
        self.register_buffer("slopes", slopes.to(torch.get_default_dtype())[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Points ``(S, n, d)`` to points of that shape."""
        return x * x.detach().sign().clamp_min_(self.slopes)  # 1 above 0, the slope below


class WorldGenerator(nn.Sequential):
    """Points of the plane from z of dimension 8: two hidden layers; gain, slope, width and z as the worlds have them.

    Args:
        worlds: S of them.
        generator: draws the weights; those of z's unused dimensions and of unused units are 0.

    >>> import ganlib
    >>> worlds = draw(3, generator=ganlib.rng())
    >>> WorldGenerator(worlds, generator=ganlib.rng())(noise(worlds, 5, generator=ganlib.rng())).shape
    torch.Size([3, 5, 2])
    """

    def __init__(self, worlds: Worlds, *, generator: torch.Generator):
        units, z = _units(worlds), _first(worlds.latent, max(LATENTS))
        layers = _layers(z, units, units.new_ones(len(units), 2), gain=worlds.gain_G, generator=generator)
        super().__init__(layers[0], Slope(worlds.slope_G), layers[1], Slope(worlds.slope_G), layers[2])


class WorldCritic(nn.Sequential):
    """One number a point of the plane: two hidden layers; gain, slope and width as the worlds have them.

    The weights of the hidden layers are drawn first, the second before the first: of critics that differ in the number
    of their inputs or outputs as many start alike as can.

    Args:
        worlds: S of them.
        generator: draws the weights; those of unused units are 0.
        points: of the plane that the critic sees side by side, as :class:`~ganlib.models.joint.Packed` gives them.
        spectral_norm: as for :class:`~ganlib.models.mlp.BatchedLinear`, in every layer.
        kernels: of :class:`~ganlib.models.joint.MinibatchDiscrimination` after the second hidden layer; none at 0.

    >>> import ganlib
    >>> worlds = draw(3, generator=ganlib.rng())
    >>> WorldCritic(worlds, generator=ganlib.rng())(torch.zeros(3, 5, 2)).shape
    torch.Size([3, 5])
    """

    def __init__(self, worlds: Worlds, *, generator: torch.Generator, points=1, spectral_norm=False, kernels=0):
        units, gain = _units(worlds), worlds.gain_D
        ones = units.new_ones(len(units), 1)
        sizes = ones.expand(-1, 2 * points), units, ones
        how = {"gain": gain, "generator": generator, "spectral_norm": spectral_norm}
        layers = _layers(*sizes, extra=kernels, **how)
        hidden = [layers[0], Slope(worlds.slope_D), layers[1], Slope(worlds.slope_D)]
        closeness = [_closeness(units, gain, kernels, generator)] if kernels else []
        super().__init__(*hidden, *closeness, layers[2])

    def forward(self, x: Tensor) -> Tensor:
        """Points ``(S, n, d)`` to logits ``(S, n)``."""
        return super().forward(x).squeeze(-1)


def noise(worlds: Worlds, n: int, *, generator: torch.Generator) -> Tensor:
    """Normal z, shape ``(S, n, 8)``, 0 beyond the dimension that a world has."""
    z = torch.randn(len(worlds.latent), n, max(LATENTS), generator=generator, device=generator.device)
    return z * _first(worlds.latent, max(LATENTS)).unsqueeze(1).to(z)


def sample(worlds: Worlds, n: int, *, generator: torch.Generator) -> Tensor:
    """The worlds' data, shape ``(S, n, 2)``: eight equal modes on a ring, times the scale."""
    shape, device = (len(worlds.sd), n), generator.device
    centres = ring(1.0, MODES).centres  # where the scale is 1
    k = torch.randint(MODES, shape, generator=generator, device=device)
    x = torch.randn(*shape, 2, generator=generator, device=device)
    sd, scale = (t[:, None, None].to(x) for t in (worlds.sd, worlds.scale))
    return scale * (centres.to(x)[k] + sd * x)


class Adam(torch.optim.Optimizer):
    r"""Adam with a rate and a momentum for each of S members; where all agree it is ``torch.optim.Adam``.

    .. math:: m \leftarrow \beta_1 m + (1-\beta_1)\,g,\quad v \leftarrow \beta_2 v + (1-\beta_2)\,g^2,\quad
              \theta \leftarrow \theta - \eta\,\frac{m/(1-\beta_1^t)}{\sqrt{v/(1-\beta_2^t)}+\epsilon}

    torch's fused kernel has one rate and one momentum. It is called once for each run of neighbours of one momentum, at
    a rate of 1, on zeros: what it leaves is the move, which every member takes at its own rate. The
    gradients are kept in one tensor, so that one call clears them.

    The ``lr`` of the one group is a factor on all rates, 1 at first: torch's schedulers work on it.

    Args:
        parameters: tensors with a leading axis of S.
        rate: :math:`\eta`, shape ``(S,)``.
        beta1: :math:`\beta_1`, shape ``(S,)``.
        beta2: :math:`\beta_2`, one for all.
        eps: :math:`\epsilon`, one for all.
    """

    def __init__(self, parameters, *, rate: Tensor, beta1: Tensor, beta2: float = 0.999, eps: float = 1e-8):
        super().__init__(parameters, {"lr": 1.0})
        (group,) = self.param_groups
        tensors = group["params"]
        _check(tensors, rate, beta1)
        self.shapes = [p.shape for p in tensors]
        gradient, move, m, v = (tensors[0].new_zeros(sum(p.numel() for p in tensors)) for _ in range(4))
        self.gradient, self.gradients = gradient, self._views(gradient)
        for p, g in zip(tensors, self.gradients, strict=True):
            p.grad = g
        self.move, self.moves = move, self._views(move)
        self.rates = [rate.to(p).reshape(-1, *[1] * (p.dim() - 1)) for p in tensors]
        betas, sizes = beta1.unique_consecutive(return_counts=True)
        parts = (self._runs(flat, sizes.tolist()) for flat in (move, gradient, m, v))
        self.runs = list(zip(betas.tolist(), *parts, strict=True))
        self.counts = [torch.zeros((), device=rate.device)] * len(tensors)
        self.how = {"lr": 1.0, "beta2": beta2, "eps": eps, "weight_decay": 0.0, "amsgrad": False, "maximize": False}

    @torch.no_grad()
    def step(self, closure=None):
        """One step of every member."""
        (group,) = self.param_groups
        if closure is not None or any(p.grad is not g for p, g in zip(group["params"], self.gradients, strict=True)):
            raise ValueError("expected no closure, and the gradients where this optimizer keeps them")
        self.counts[0] += 1
        self.move.zero_()
        for beta1, *kept in self.runs:
            torch._fused_adam_(*kept, [], self.counts, beta1=beta1, **self.how, grad_scale=None, found_inf=None)
        torch._foreach_addcmul_(group["params"], self.moves, self.rates, value=float(group["lr"]))

    def zero_grad(self, set_to_none=True):
        """All gradients to 0, in place."""
        self.gradient.zero_()

    def _views(self, flat):
        """Of a flat tensor what belongs to each parameter."""
        parts = flat.split([shape.numel() for shape in self.shapes])
        return [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def _runs(self, flat, sizes):
        """For each run of members a list of its part of each parameter."""
        return list(zip(*(view.split(sizes) for view in self._views(flat)), strict=True))


def _check(tensors, rate, beta1):
    if rate.dim() != 1 or rate.shape != beta1.shape or any(p.shape[:1] != rate.shape for p in tensors):
        shapes = [tuple(t.shape) for t in (rate, beta1, *tensors)]
        raise ValueError(f"expected rate (S,), beta1 (S,) and parameters (S, ...), got {shapes}")
    if not ((rate >= 0) & (beta1 >= 0) & (beta1 < 1)).all():
        raise ValueError(f"expected rates from 0 and beta1 from 0 to below 1, got {rate.tolist()}, {beta1.tolist()}")


def _first(count, most):
    """Which of ``most`` places the first ``count`` are, shape (S, most)."""
    return torch.arange(most, device=count.device) < count.unsqueeze(-1)


def _units(worlds):
    """Which units a world uses, of as many as the widest of these worlds has."""
    return _first(worlds.width, int(worlds.width.max()))


def _weight(into, out, gain, generator):
    """Normal weights (S, out, in) with a variance of gain² over the inputs in use, 0 outside the places in use."""
    shape = len(gain), out.shape[1], into.shape[1]
    weight = torch.randn(shape, generator=generator, device=generator.device)
    sd = (gain / into.sum(-1).sqrt())[:, None, None]
    return weight * (sd * out.unsqueeze(-1) * into.unsqueeze(-2)).to(weight)


def _linear(weight, generator, spectral_norm=False):
    """A layer with these weights and no bias at first."""
    S, d_out, d_in = weight.shape
    layer = BatchedLinear(d_in, d_out, seeds=S, generator=generator, spectral_norm=spectral_norm)
    layer.weight.data, layer.bias.data = weight, torch.zeros_like(layer.bias)
    return layer


def _layers(inputs, units, outputs, *, gain, generator, extra=0, spectral_norm=False):
    """Three layers; the last has further inputs beside the units."""
    more = torch.cat([units, units.new_ones(len(units), extra)], -1)
    second, first, last = (
        _weight(into, out, gain, generator) for into, out in ((units, units), (inputs, units), (more, outputs))
    )
    return [_linear(weight, generator, spectral_norm) for weight in (first, second, last)]


def _closeness(units, gain, kernels, generator):
    layer = MinibatchDiscrimination(units.shape[1], kernels=kernels, dims=2, seeds=len(gain), generator=generator)
    places = units.new_ones(len(gain), 2 * kernels)
    layer.T = _linear(_weight(units, places, gain, generator), generator)
    return layer
