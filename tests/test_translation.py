"""Translators of pictures: their shapes, their layers, and the distance between two pictures."""

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, conv_transpose2d, relu

import ganlib
from ganlib.models import Translator
from ganlib.models.translation import gap


def uniform(*shape, seed=1):
    g = ganlib.rng(seed)
    return 2 * torch.rand(*shape, generator=g, device=g.device) - 1


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 16, 16), (3, 28, 28), (2, 6, 10)])
@pytest.mark.parametrize("norm", [True, False])
def test_pictures_keep_their_shape(shape, norm):
    G = Translator(channels=shape[0], width=4, norm=norm, generator=ganlib.rng())
    made = G(uniform(5, *shape))
    assert made.shape == (5, *shape) and made.abs().max() < 1


def test_a_translator_without_norm_is_its_formula():
    G = Translator(width=3, norm=False, generator=ganlib.rng(2)).double()
    (a, b), (c, d), (e, f), (g, h) = (
        (m.weight, m.bias) for m in G.layers if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    )
    x = uniform(4, 1, 8, 8).double()
    hidden = relu(conv2d(x, a, b, stride=2, padding=1))
    assert hidden.shape == (4, 3, 4, 4)
    for weight, bias in ((c, d), (e, f)):
        hidden = relu(conv2d(hidden, weight, bias, padding=1))
    by_hand = torch.tanh(conv_transpose2d(hidden, g, h, stride=2, padding=1))
    assert (G(x) - by_hand).abs().max() <= 1e-14


def test_every_hidden_layer_is_normalised_and_the_output_is_not():
    kinds = [type(m).__name__ for m in Translator(generator=ganlib.rng()).layers]
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU"] * 3 + ["ConvTranspose2d", "Tanh"]


def test_weights_come_from_the_generator_alone():
    before = torch.get_rng_state()
    nets = [Translator(generator=ganlib.rng(k)) for k in (1, 1, 2)]
    same = [torch.equal(p, q) for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True)]
    other = [torch.equal(p, q) for p, q in zip(nets[0].parameters(), nets[2].parameters(), strict=True)]
    assert all(same) and not all(other) and torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("shape", [(4, 1, 15, 16), (4, 1, 16, 7), (1, 16, 16)])
def test_pictures_that_would_change_their_shape_are_refused(shape):
    with pytest.raises(ValueError, match="of even sides, got"):
        Translator(width=2, generator=ganlib.rng())(uniform(*shape))


@pytest.mark.parametrize(("channels", "width"), [(0, 4), (1, 0)])
def test_empty_networks_are_refused(channels, width):
    with pytest.raises(ValueError, match=f"at least 1, got {channels} and {width}"):
        Translator(channels=channels, width=width, generator=ganlib.rng())


@pytest.mark.parametrize("shape", [(7, 2), (5, 7, 2), (7, 1, 4, 4), (5, 7, 1, 4, 4)])
def test_the_gap_is_a_mean_over_everything_but_the_seeds(shape):
    a, b = uniform(*shape), uniform(*shape, seed=2)
    seeds = [(a, b)] if shape[0] == 7 else list(zip(a, b, strict=True))
    found = gap(a, b)
    assert found.shape == (() if shape[0] == 7 else (5,))
    for value, (one, other) in zip(found.reshape(-1), seeds, strict=True):
        pairs = list(zip(one.flatten().tolist(), other.flatten().tolist(), strict=True))
        assert value.item() == pytest.approx(sum(abs(p - q) for p, q in pairs) / len(pairs), rel=1e-5)


def test_the_gap_keeps_its_precision_and_its_gradient():
    a, b = uniform(3, 2).double().requires_grad_(), uniform(3, 2, seed=2).double()
    gap(a, b).backward()
    assert torch.equal(a.grad, (a.detach() - b).sign() / 6)
    assert gap(a, a).item() == 0.0


def test_a_gap_of_two_shapes_is_refused():
    with pytest.raises(ValueError, match=r"one shape, got \(4, 2\) and \(1, 2\)"):
        gap(uniform(4, 2), uniform(1, 2))
