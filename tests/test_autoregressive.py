from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional

import ganlib
from ganlib.models import MADE, DiagonalBiLSTM, MaskedConv2d, PixelCNN, RowLSTM, TwoStacks

PIXELS = {
    "PixelCNN": lambda g: PixelCNN(6, 2, generator=g),
    "TwoStacks": lambda g: TwoStacks(6, 2, generator=g),
    "RowLSTM": lambda g: RowLSTM(6, generator=g),
    "DiagonalBiLSTM": lambda g: DiagonalBiLSTM(6, generator=g),
    "from the left": lambda g: DiagonalBiLSTM(6, directions=1, generator=g),
}


def stirred(net, size=0.5):
    """In double precision, with weights and biases of some size."""
    g = torch.Generator().manual_seed(5)
    net = net.double()
    for p in net.parameters():
        p.data = torch.randn(p.shape, generator=g, dtype=torch.float64) * size
    return net


def states(d):
    return torch.tensor(list(product((0.0, 1.0), repeat=d)), dtype=torch.float64)


def jacobian(net, x):
    """Of all logits by all bits, (bits, bits)."""
    return torch.func.jacrev(lambda v: net(v).flatten())(x).flatten(1)


def seen(net, size, pixel):
    """Which pixels a logit depends on."""
    x = torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return (jacobian(net, x)[pixel[0] * size + pixel[1]] != 0).view(size, size)


# MADE


def test_without_hidden_layers_each_bit_is_a_logistic_regression_on_those_before_it():
    order = [2, 0, 3, 1]
    net = stirred(MADE(4, order=order, seeds=2, generator=ganlib.rng()))
    x = states(4).expand(2, -1, -1)
    W, b = net.layers[0].weight.detach().numpy(), net.layers[0].bias.detach().numpy()[:, 0]
    for s in range(2):
        expected = np.zeros(16)
        for k, bit in enumerate(order):
            logit = b[s, bit] + sum(W[s, bit, j] * x[s, :, j].numpy() for j in order[:k])
            chance = 1 / (1 + np.exp(-logit))
            expected += np.log(np.where(x[s, :, bit] == 1, chance, 1 - chance))
        np.testing.assert_allclose(net.log_prob(x)[s].detach(), expected, rtol=1e-12)


@pytest.mark.parametrize("units", [(), (7,), (9, 5)])
def test_no_output_sees_its_own_bit_or_a_later_one_and_each_sees_all_earlier_ones(units):
    order = [3, 1, 4, 0, 2]
    net = stirred(MADE(5, units, order=order, generator=ganlib.rng()))
    with torch.no_grad():
        for layer in net.layers:
            layer.weight.abs_(), layer.bias.abs_()  # no unit is switched off
    J = jacobian(net, torch.full((1, 1, 5), 0.7, dtype=torch.float64))[order][:, order]
    assert (J.triu() == 0).all()
    if len(units) < 2:
        assert ((J != 0) == torch.ones(5, 5).tril(-1).bool()).all()


@pytest.mark.parametrize("units", [(), (7,), (9, 5)])
def test_the_probabilities_of_all_states_sum_to_one_and_a_leak_is_seen(units):
    net = stirred(MADE(6, units, order=[5, 0, 2, 4, 1, 3], seeds=3, generator=ganlib.rng()))
    x = states(6).expand(3, -1, -1)
    assert (net.log_prob(x).exp().sum(-1) - 1).abs().max() < 1e-12
    net.mask0.fill_(1.0)
    if not units:
        assert (net.log_prob(x).exp().sum(-1) - 1).abs().min() > 1e-3


@pytest.mark.parametrize(("d", "units"), [(1, (3,)), (2, (3,)), (5, (7,)), (5, (9, 6))])
def test_hidden_units_take_the_degrees_in_turn_and_are_rectified(d, units):
    order = [3, 1, 4, 0, 2] if d == 5 else list(range(d))[::-1]
    net = stirred(MADE(d, units, order=order, seeds=2, generator=ganlib.rng()))
    degrees = [[order.index(i) for i in range(d)]]
    degrees += [[j % (d - 1) if d > 1 else 0 for j in range(n)] for n in units] + degrees
    x = np.random.default_rng(1).normal(size=(2, 4, d)) + 0.1  # of both signs: the inputs are not rectified
    for s, i in product(range(2), range(4)):
        h = x[s, i]
        for k, layer in enumerate(net.layers):
            W, b, sees = layer.weight[s].detach().numpy(), layer.bias[s, 0].detach().numpy(), []
            for mine in degrees[k + 1]:
                sees.append([mine > other if k == len(units) else mine >= other for other in degrees[k]])
            assert (getattr(net, f"mask{k}").numpy() == np.array(sees)).all()
            h = b + (W * sees) @ (np.maximum(h, 0) if k else h)
        np.testing.assert_allclose(net(torch.from_numpy(x))[s, i].detach(), h, rtol=1e-10)


def test_networks_in_one_are_the_networks_alone():
    together, x = stirred(MADE(5, (6,), seeds=3, generator=ganlib.rng())), states(5)
    for s in range(3):
        alone = MADE(5, (6,), generator=ganlib.rng()).double()
        for one, many in zip(alone.parameters(), together.parameters(), strict=True):
            one.data = many.data[s : s + 1].clone()
        torch.testing.assert_close(alone.log_prob(x[None])[0], together.log_prob(x.expand(3, -1, -1))[s])


def test_samples_have_the_probabilities_and_take_a_call_for_each_bit():
    net = stirred(MADE(3, (5,), order=[1, 2, 0], seeds=2, generator=ganlib.rng()))
    calls = []
    net.register_forward_hook(lambda *_: calls.append(1))
    x = net.sample(20_000, generator=ganlib.rng(1))
    assert len(calls) == 3 and x.shape == (2, 20_000, 3)
    which = (x @ torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64)).long()
    chance = net.log_prob(states(3).expand(2, -1, -1)).exp().detach()
    for s in range(2):
        counts = torch.bincount(which[s], minlength=8)
        assert ((counts - 20_000 * chance[s]).abs() <= 5 * (20_000 * chance[s]).sqrt() + 1).all()


def test_samples_without_hidden_layers_have_the_chances_of_a_logistic_regression():
    net = stirred(MADE(2, seeds=2, generator=ganlib.rng()))
    x = net.sample(20_000, generator=ganlib.rng(2))
    W, b = net.layers[0].weight.detach(), net.layers[0].bias.detach()[:, 0]
    for s in range(2):
        assert x[s, :, 0].mean().item() == pytest.approx(b[s, 0].sigmoid().item(), abs=0.02)
        for first in (0, 1):
            second = x[s, x[s, :, 0] == first, 1].mean().item()
            assert second == pytest.approx((b[s, 1] + W[s, 1, 0] * first).sigmoid().item(), abs=0.02)


def test_a_bit_without_a_chance_is_never_drawn(monkeypatch):
    net = MADE(3, generator=ganlib.rng())
    with torch.no_grad():
        net.layers[0].bias.copy_(torch.tensor([-1e3, 1e3, -1e3]))
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.zeros(shape))  # the least that may be drawn
    assert net.sample(2, generator=ganlib.rng()).tolist() == [[[0, 1, 0]] * 2]


# Pictures


@pytest.mark.parametrize("name", PIXELS)
def test_no_pixel_sees_itself_or_a_later_one(name):
    net = stirred(PIXELS[name](ganlib.rng()))
    x = torch.rand(1, 1, 6, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    J = jacobian(net, x)
    assert (J.triu() == 0).all()
    assert (J.tril(-1) != 0).double().mean() > 0.2
    for layer in net.modules():
        if isinstance(layer, MaskedConv2d):
            layer.mask.fill_(1.0)
    if name != "TwoStacks":
        assert (jacobian(net, x).triu(1) != 0).any()  # a mask that is gone is seen


@pytest.mark.parametrize("name", PIXELS)
def test_the_probabilities_of_all_pictures_sum_to_one(name):
    net = stirred(PIXELS[name](ganlib.rng()))
    log_prob = net.log_prob(states(9).view(-1, 1, 3, 3))
    assert log_prob.shape == (512,) and log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_a_masked_convolution_is_a_sum_over_earlier_pixels():
    for own in (False, True):
        layer = stirred(MaskedConv2d(2, 3, 3, own=own, generator=ganlib.rng()))
        x = torch.randn(1, 2, 4, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        W, b, padded = layer.layer.weight.detach(), layer.layer.bias.detach(), functional.pad(x, (1, 1, 1, 1))[0]
        for i, j in product(range(4), range(5)):
            total = b.clone()
            for di, dj in product((-1, 0, 1), (-1, 0, 1)):
                if di < 0 or (di == 0 and dj < 0) or (own and di == dj == 0):
                    total += W[:, :, di + 1, dj + 1] @ padded[:, i + 1 + di, j + 1 + dj]
            torch.testing.assert_close(layer(x)[0, :, i, j], total)


def test_a_masked_kernel_of_one_pixel_is_that_pixel_or_nothing():
    x = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    for own in (False, True):
        layer = stirred(MaskedConv2d(2, 3, 1, own=own, generator=ganlib.rng()))
        W, b = layer.layer.weight.detach()[:, :, 0, 0], layer.layer.bias.detach()[:, None, None]
        torch.testing.assert_close(layer(x).detach(), own * torch.einsum("oc,ncij->noij", W, x) + b.expand(2, 3, 3, 4))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_blind_spot_is_up_and_to_the_right(layers):
    size, (i, j) = 15, (9, 6)
    net = stirred(PixelCNN(16, layers, generator=ganlib.rng()))
    whole = seen(net, size, (i, j))
    everything = torch.zeros_like(whole)
    for a, b in product(range(size), range(size)):
        up, right = i - a, b - j
        everything[a, b] = (up > 0 or (up == 0 and right < 0)) and max(up, abs(right)) <= 3 + layers
    assert (everything & ~whole).sum() > 0 and (whole & ~everything).sum() == 0
    missed = (everything & ~whole).nonzero().tolist()
    assert all(a < i and b > j for a, b in missed)  # up, and to the right
    both = seen(stirred(TwoStacks(16, layers, generator=ganlib.rng())), size, (i, j))
    assert not (everything & ~both).any()


def test_two_directions_see_every_earlier_pixel_and_one_the_upper_left():
    earlier = torch.arange(81).view(9, 9) < 4 * 9 + 4
    assert (seen(stirred(PIXELS["DiagonalBiLSTM"](ganlib.rng()), 0.3), 9, (4, 4)) == earlier).all()
    one = seen(stirred(PIXELS["from the left"](ganlib.rng()), 0.3), 9, (4, 4))
    assert (one <= earlier).all() and not one[0, 8] and one[0, 0]


def step(gates, cell):
    keep, let_in, let_out, new = np.split(gates, 4)
    cell = cell / (1 + np.exp(-keep)) + np.tanh(new) / (1 + np.exp(-let_in))
    return np.tanh(cell) / (1 + np.exp(-let_out)), cell


def test_the_state_of_a_row_comes_from_three_pixels_of_the_row_above():
    net = stirred(PIXELS["RowLSTM"](ganlib.rng()), 0.3)
    x = torch.rand(1, 1, 4, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    told = net.input(net.first(x).relu())[0].detach().numpy()
    W, b = net.state.weight.detach().numpy(), net.state.bias.detach().numpy()
    h, c = np.zeros((4, 5, 6)), np.zeros((4, 5, 6))
    for i, j in product(range(4), range(5)):
        gates = told[:, i, j] + b
        for k in (-1, 0, 1):
            if i and 0 <= j + k < 5:
                gates = gates + W[:, :, 0, k + 1] @ h[i - 1, j + k]
        h[i, j], c[i, j] = step(gates, c[i - 1, j] if i else np.zeros(6))
    V, a = net.last.weight.detach().numpy()[0, :, 0, 0], net.last.bias.item()
    np.testing.assert_allclose(net(x)[0, 0].detach(), h @ V + a, rtol=1e-10)


def from_the_left(told, state):
    """States of all pixels, from what each is told, (gates, h, w): left and upper neighbours."""
    W, b = state.weight.detach().numpy()[..., 0], state.bias.detach().numpy()
    (size, height, width), h, c = told.shape, {}, {}
    nothing = np.zeros(size // 4)
    for i, j in product(range(height), range(width)):
        upper, left = h.get((i - 1, j), nothing), h.get((i, j - 1), nothing)
        gates = told[:, i, j] + b + W[:, :, 0] @ upper + W[:, :, 1] @ left
        h[i, j], c[i, j] = step(gates, c.get((i, j - 1), nothing))
    return np.array([[h[i, j] for j in range(width)] for i in range(height)])


def test_the_state_of_a_pixel_comes_from_its_neighbours_on_the_left_and_in_the_mirror():
    net = stirred(PIXELS["DiagonalBiLSTM"](ganlib.rng()), 0.3)
    x = torch.rand(1, 1, 4, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    told = [into(first(x).relu())[0].detach().numpy() for first, into in zip(net.first, net.input, strict=True)]
    h = from_the_left(told[0], net.state[0])
    mirrored = from_the_left(told[1][:, :, ::-1], net.state[1])[:, ::-1]
    h[1:] += mirrored[:-1]
    V, a = net.last.weight.detach().numpy()[0, :, 0, 0], net.last.bias.item()
    np.testing.assert_allclose(net(x)[0, 0].detach(), h @ V + a, rtol=1e-10)
    assert [first.mask[3, 3].item() for first in net.first] == [0, 1]


def test_diagonals_are_as_many_as_rows_and_columns_less_one():
    net, calls = PIXELS["DiagonalBiLSTM"](ganlib.rng()), []
    net.state[0].register_forward_hook(lambda *_: calls.append(1))
    net(torch.zeros(2, 1, 4, 7))
    assert len(calls) == 4 + 7 - 1


def window(layer, x, i, j):
    """A layer at one pixel: the kernel's lower right corner lies there."""
    W, total = layer.weight.detach(), layer.bias.detach().clone()
    rows, columns = W.shape[2:]
    for a, b in product(range(rows), range(columns)):
        r, s = i - rows + 1 + a, j - (columns // 2 if rows > 1 else columns - 1) + b
        if 0 <= r < x.shape[1] and 0 <= s < x.shape[2]:
            total += W[:, :, a, b] @ x[:, r, s]
    return total


def test_one_stack_sees_the_rows_above_and_tells_the_other():
    net = stirred(TwoStacks(3, 2, generator=ganlib.rng()), 0.3)
    x = torch.randn(1, 4, 5, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    assert [layer.kernel_size for layer in net.above] == [(4, 7), (2, 3), (2, 3)]
    assert [layer.kernel_size for layer in net.left] == [(1, 4), (1, 2), (1, 2)]
    pixels, v, h = list(product(range(4), range(5))), x, x
    for k, layers in enumerate(zip(net.above, net.left, net.tell, strict=True)):
        above, left, tell = layers
        seen_v, seen_h = (v.relu(), h.relu()) if k else (v, h)
        up, own = torch.zeros(3, 4, 5).double(), torch.zeros(3, 4, 5).double()
        for i, j in pixels:
            up[:, i, j] = window(above, seen_v, i, j)
            own[:, i, j] = window(left, seen_h, i, j if k else j - 1) if k or j else 0
        v, h = (v + up, h + own) if k else (up, own)
        W, b = tell.weight.detach()[:, :, 0, 0], tell.bias.detach()
        for i, j in pixels:
            h[:, i, j] += W @ v[:, i - 1, j].relu() + b if i else b
    expected = torch.einsum("c,cij->ij", net.last.weight.detach()[0, :, 0, 0], h.relu()) + net.last.bias.detach()
    torch.testing.assert_close(net(x[None])[0, 0].detach(), expected)


def test_a_stack_of_masked_layers_has_ways_around_them():
    net = stirred(PIXELS["PixelCNN"](ganlib.rng()))
    x = torch.randn(1, 1, 4, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    h = net.first(x)
    for layer in net.body:
        h = h + layer(h.clamp(min=0))
    torch.testing.assert_close(net(x), net.last(h.clamp(min=0)))
    assert [layer.mask[1, 1].item() for layer in net.body] == [1, 1] and net.first.mask[3, 3] == 0


def test_what_is_not_told_is_as_the_signatures_have_it():
    g = ganlib.rng()
    cnn, two, row, both = (
        PixelCNN(generator=g),
        TwoStacks(generator=g),
        RowLSTM(generator=g),
        DiagonalBiLSTM(generator=g),
    )
    assert (cnn.last.in_channels, len(cnn.body)) == (24, 5)
    assert (two.last.in_channels, len(two.above)) == (16, 6)
    assert (row.last.in_channels, both.last.in_channels, len(both.first)) == (24, 16, 2)
    assert row.input.mask[1, 1] == 1


def test_a_picture_takes_a_call_for_each_pixel():
    net, calls = PIXELS["PixelCNN"](ganlib.rng()), []
    net.register_forward_hook(lambda *_: calls.append(1))
    x = net.sample(3, 4, generator=ganlib.rng(1))
    assert len(calls) == 16 and x.shape == (3, 1, 4, 4) and set(x.unique().tolist()) <= {0.0, 1.0}


def test_what_cannot_be_is_refused():
    g = ganlib.rng()
    with pytest.raises(ValueError, match=r"an order of the bits 0 to 3, got \[0, 1, 1, 3\]"):
        MADE(4, order=[0, 1, 1, 3], generator=g)
    for size in (4, 6):
        with pytest.raises(ValueError, match=f"odd size, with a pixel in its middle, got {size}"):
            MaskedConv2d(1, 1, size, own=False, generator=g)
    with pytest.raises(ValueError, match="1 or 2 directions, got 3"):
        DiagonalBiLSTM(directions=3, generator=g)
