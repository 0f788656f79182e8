"""Convolutional networks: their shapes, their rules, and where labels enter."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import ganlib
from ganlib.models import BatchedLinear, Concatenated, DCCritic, DCGenerator, MLPCritic, MLPGenerator, Projected

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))


def uniform(*shape, seed=1):
    g = ganlib.rng(seed)
    return 2 * torch.rand(*shape, generator=g, device=g.device) - 1


@pytest.mark.parametrize("size", [8, 16, 28, 32])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(size, channels):
    G = DCGenerator(7, size=size, channels=channels, width=4, generator=ganlib.rng())
    D = DCCritic(size=size, channels=channels, width=4, generator=ganlib.rng())
    made = G(uniform(6, 7))
    assert made.shape == (6, channels, size, size) and made.abs().max() < 1
    assert D(made).shape == (6,)


def layers(net, kind):
    return [m for m in net.modules() if isinstance(m, kind)]


def test_the_rules_of_dcgan():
    G, D = DCGenerator(generator=ganlib.rng()), DCCritic(generator=ganlib.rng())
    for net in (G, D):
        assert not layers(net, (nn.MaxPool2d, nn.AvgPool2d, nn.Upsample, nn.Dropout))
    assert [m.stride for m in layers(G, nn.ConvTranspose2d)] == [(1, 1), (2, 2), (2, 2)]
    assert [m.stride for m in layers(D, nn.Conv2d)] == [(2, 2), (2, 2)]
    assert len(layers(G, nn.BatchNorm2d)) == 2 and len(layers(D, nn.BatchNorm2d)) == 1
    assert isinstance(G.layers[-1], nn.Tanh) and isinstance(G.layers[-2], nn.ConvTranspose2d)  # no norm at the output
    assert isinstance(D.trunk[1], nn.LeakyReLU) and D.trunk[1].negative_slope == 0.2  # none after the first layer
    assert not layers(G, nn.Linear) and layers(G, nn.ReLU) and not layers(G, nn.LeakyReLU)
    assert not layers(DCGenerator(norm=False, generator=ganlib.rng()), nn.BatchNorm2d)
    assert not layers(DCCritic(norm=False, generator=ganlib.rng()), nn.BatchNorm2d)


def test_weights_come_from_the_generator_alone():
    before = torch.get_rng_state()
    nets = [DCGenerator(generator=ganlib.rng(k)) for k in (1, 1, 2)]
    same = [torch.equal(p, q) for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True)]
    other = [torch.equal(p, q) for p, q in zip(nets[0].parameters(), nets[2].parameters(), strict=True)]
    assert all(same) and not all(other) and torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("size", [0, 2, 15, 30])
def test_sizes_that_cannot_be_made_are_refused(size):
    for net in (DCGenerator, DCCritic):
        with pytest.raises(ValueError, match=f"that 4 divides, got {size}"):
            net(size=size, generator=ganlib.rng())


def test_concatenated_points_are_told_their_label():
    net = Concatenated(nn.Identity(), 4)
    x, y = uniform(2, 3, 2), torch.tensor([[0, 3, 1], [2, 2, 0]])
    told = net(x, y)
    assert told.shape == (2, 3, 6) and torch.equal(told[..., :2], x)
    assert torch.equal(told[..., 2:], torch.eye(4)[y])


def test_concatenated_pictures_get_planes():
    net = Concatenated(nn.Identity(), 3)
    x, y = uniform(2, 1, 5, 5), torch.tensor([2, 0])
    told = net(x, y)
    assert told.shape == (2, 4, 5, 5) and torch.equal(told[:, :1], x)
    assert torch.equal(told[:, 1:], torch.eye(3)[y][..., None, None].expand(2, 3, 5, 5))


def test_concatenated_networks_run_with_and_without_a_seed_axis():
    y = torch.tensor([1, 0, 2])
    for G, D in (
        (
            DCGenerator(4 + 3, size=8, width=4, generator=ganlib.rng()),
            DCCritic(size=8, channels=1 + 3, width=4, generator=ganlib.rng()),
        ),
    ):
        made = Concatenated(G, 3)(uniform(3, 4), y)
        assert Concatenated(D, 3)(made, y).shape == (3,)
    G = Concatenated(MLPGenerator((2 + 3, 8, 2), seeds=5, generator=ganlib.rng()), 3)
    D = Concatenated(MLPCritic((2 + 3, 8), seeds=5, generator=ganlib.rng()), 3)
    labels = y.expand(5, 3)
    assert D(G(uniform(5, 3, 2), labels), labels).shape == (5, 3)


@pytest.mark.parametrize("pictures", [False, True])
def test_projected_is_a_common_score_and_one_of_the_class(pictures):
    g = ganlib.rng(3)
    if pictures:
        inner = DCCritic(size=8, width=4, generator=g)
        trunk, x, y, S = inner.trunk, uniform(6, 1, 8, 8), torch.tensor([0, 1, 2, 2, 1, 0]), 1
        assert trunk(x).shape == (6, inner.features)
    else:
        S = 2
        trunk = BatchedLinear(2, 9, seeds=S, generator=g)
        x, y = uniform(S, 6, 2), torch.tensor([[0, 1, 2, 2, 1, 0], [2, 2, 2, 0, 1, 1]])
    features = trunk(x)
    D = Projected(trunk, features.shape[-1], 3, seeds=S, generator=g)
    weight, bias = D.head.weight, D.head.bias  # (S, 4, features), (S, 1, 4)
    phi = features if features.dim() == 3 else features[None]
    labels = y if y.dim() == 2 else y[None]
    for s in range(S):
        for i in range(6):
            k = 1 + labels[s, i]
            by_hand = phi[s, i] @ (weight[s, 0] + weight[s, k]) + bias[s, 0, 0] + bias[s, 0, k]
            assert D(x, y).view(S, 6)[s, i].item() == pytest.approx(by_hand.item(), rel=1e-4, abs=1e-5)
    assert D(x, y).shape == y.shape


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
def test_members_side_by_side_are_the_networks_alone(norm):
    from dcgan_in_worlds import Critics, Generators

    g, S, width = ganlib.rng(4), 3, 4
    leaky, relu = torch.full((S,), 0.2), torch.zeros(S)
    G, D, z = Generators(relu, width, g), Critics(leaky, width, norm, g), uniform(S, 5, 32)
    made = G(z)
    assert made.shape == (S, 5, 2, 8, 8) and D(made).shape == (S, 5)
    for s in range(S):
        form = {"size": 8, "channels": 2, "width": width, "generator": g}
        alone, critic = DCGenerator(32, **form), DCCritic(norm=norm != "none", **form)
        if norm == "group":
            critic.trunk[3] = nn.GroupNorm(1, 2 * width, device=g.device)
        for net, beside in ((alone, G), (critic, D)):
            for p, members in zip(net.parameters(), beside.members, strict=True):
                p.data = members[s].detach().reshape(p.shape)
        torch.testing.assert_close(alone(z[s]), made[s], atol=1e-5, rtol=0)
        torch.testing.assert_close(critic(made[s]), D(made)[s], atol=1e-5, rtol=0)
