"""Translators of pictures: their shapes and their layers."""

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, conv_transpose2d, relu

import ganlib
from ganlib.models import Translator


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
