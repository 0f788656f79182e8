from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from ganlib.models import BatchedLinear, MLPCritic, MLPGenerator

S = 3


def stream(seed=20):
    return torch.Generator().manual_seed(seed)


def points(*shape, seed=1):
    return torch.randn(shape, generator=stream(seed), dtype=torch.float64)


def plain(d_in, d_out):
    """torch's own layer, in float64; its first weights come from the global stream, which is put back."""
    with torch.random.fork_rng():
        return nn.Linear(d_in, d_out).double()


def copied(batched, s):
    """torch's own layer with the weights of one seed."""
    _, d_out, d_in = batched.weight.shape
    layer = plain(d_in, d_out)
    layer.weight.data, layer.bias.data = batched.weight[s].data.clone(), batched.bias[s, 0].data.clone()
    return layer


# Equation


def test_a_batched_layer_is_as_many_separate_linear_layers():
    batched = BatchedLinear(4, 2, seeds=S, generator=stream()).double()
    x = points(S, 7, 4)
    together = batched(x)
    together.square().sum().backward()
    for s in range(S):
        alone = copied(batched, s)
        out = alone(x[s])
        assert (together[s] - out).abs().max() <= 1e-14
        out.square().sum().backward()
        assert (batched.weight.grad[s] - alone.weight.grad).abs().max() <= 1e-13
        assert (batched.bias.grad[s, 0] - alone.bias.grad).abs().max() <= 1e-13


@pytest.mark.parametrize(
    ("net", "activation", "sizes"),
    [(MLPGenerator, nn.ReLU(), (2, 5, 4, 3)), (MLPCritic, nn.LeakyReLU(0.2), (2, 5, 4, 1))],
)
def test_a_network_is_linear_layers_with_its_activation_between_them(net, activation, sizes):
    batched = net(sizes if net is MLPGenerator else sizes[:-1], seeds=S, generator=stream()).double()
    assert [layer.weight.shape for layer in list(batched)[::2]] == [(S, out, into) for into, out in pairwise(sizes)]
    x = points(S, 7, 2)
    together = batched(x)
    for s in range(S):
        out = x[s]
        for i in range(0, len(batched), 2):
            out = copied(batched[i], s)(activation(out) if i else out)
        assert (together[s] - out.reshape(together[s].shape)).abs().max() <= 1e-14


def test_spectral_norm_divides_by_the_largest_singular_value():
    layer = BatchedLinear(6, 5, seeds=S, generator=stream(), spectral_norm=True).double()
    x = points(S, 7, 6)
    for _ in range(50):
        out = layer(x)
    sigma = torch.linalg.svdvals(layer.weight)[:, 0]
    expected = torch.stack([(x[s] @ layer.weight[s].mT) / sigma[s] + layer.bias[s] for s in range(S)])
    assert (out / expected - 1).abs().max() <= 1e-3
    assert torch.linalg.svdvals(layer.weight / layer._sigma())[:, 0].tolist() == pytest.approx([1] * S, abs=1e-3)


def test_one_forward_in_training_is_one_power_iteration():
    layer = BatchedLinear(6, 5, seeds=S, generator=stream(), spectral_norm=True).double()
    x, weight, u = points(S, 7, 6), layer.weight.detach().numpy(), layer.u.numpy().copy()
    for _ in range(3):
        out = layer(x)
        for s in range(S):
            v = weight[s].T @ u[s]
            v /= np.sqrt((v**2).sum())
            u[s] = weight[s] @ v
            u[s] /= np.sqrt((u[s] ** 2).sum())
            sigma = (u[s].T @ weight[s] @ v).item()
            expected = x[s].numpy() @ weight[s].T / sigma + layer.bias[s].detach().numpy()
            assert layer.u[s].numpy() == pytest.approx(u[s], rel=1e-12, abs=1e-15)
            assert out[s].detach().numpy() == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_spectral_norm_is_differentiated_through_the_singular_value():
    # at a fixed u and v, as torch's own: d/dW of W/σ with σ = u'Wv
    layer = BatchedLinear(3, 2, generator=stream(), spectral_norm=True).double().eval()
    x = points(1, 4, 3)

    def out(weight):
        return torch.func.functional_call(layer, {"weight": weight}, (x,))

    u = layer.u[0]
    v = layer.weight[0].detach().mT @ u
    v = v / v.norm()

    def transcribed(weight):
        return x @ (weight / (u.mT @ weight[0] @ v)).mT + layer.bias

    weight = layer.weight.detach().clone().requires_grad_()
    (actual,) = torch.autograd.grad(out(weight).square().sum(), weight)
    (expected,) = torch.autograd.grad(transcribed(weight).square().sum(), weight)
    assert (actual - expected).abs().max() <= 1e-12


# Closed form


@pytest.mark.parametrize("seeds", [1, 16])
def test_networks_have_the_parameters_that_their_sizes_say(seeds):
    generator = MLPGenerator(seeds=seeds, generator=stream())
    critic = MLPCritic(seeds=seeds, generator=stream())
    # 2-32-32-2 and 2-32-32-1: weights and biases
    assert sum(p.numel() for p in generator.parameters()) == seeds * (2 * 32 + 32 + 32 * 32 + 32 + 32 * 2 + 2)
    assert sum(p.numel() for p in critic.parameters()) == seeds * (2 * 32 + 32 + 32 * 32 + 32 + 32 * 1 + 1)
    assert not [*generator.buffers(), *critic.buffers()]
    critic = MLPCritic(seeds=seeds, generator=stream(), spectral_norm=True)
    assert [tuple(u.shape) for u in critic.buffers()] == [(seeds, 32, 1), (seeds, 32, 1), (seeds, 1, 1)]


def test_weights_are_drawn_as_torch_draws_its_own():
    # nn.Linear: U(-1/√in, 1/√in), weights and biases
    layer = BatchedLinear(25, 40, seeds=8, generator=stream())
    for values in (layer.weight, layer.bias):
        values = values.detach().numpy().ravel()
        assert abs(values).max() <= 1 / 5
        assert abs(values).max() > 0.99 / 5
        assert scipy.stats.kstest(values, scipy.stats.uniform(-0.2, 0.4).cdf).pvalue > 1e-3
    assert abs(plain(25, 4000).weight).max().item() == pytest.approx(1 / 5, rel=1e-3)


def test_every_seed_has_weights_of_its_own():
    layer = BatchedLinear(4, 3, seeds=5, generator=stream())
    assert len({tuple(w.flatten().tolist()) for w in layer.weight}) == 5
    assert len({tuple(b.flatten().tolist()) for b in layer.bias}) == 5


def test_one_seed_of_the_generator_gives_one_network():
    first, again, other = (
        torch.cat([p.flatten() for p in MLPCritic(seeds=2, generator=stream(s), spectral_norm=True).parameters()])
        for s in (4, 4, 5)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


# Invariance


NETWORKS = {
    "generator": lambda: MLPGenerator(seeds=S, generator=stream()),
    "critic": lambda: MLPCritic(seeds=S, generator=stream()),
    "spectral critic": lambda: MLPCritic(seeds=S, generator=stream(), spectral_norm=True),
}
each = pytest.mark.parametrize("name", NETWORKS)


@each
def test_every_parameter_gets_a_gradient(name):
    net = NETWORKS[name]()
    net(points(S, 64, 2).float()).square().sum().backward()
    for p in net.parameters():
        # a ReLU unit may be off for all 64 points, but no seed's tensor is
        assert (p.grad.abs().flatten(1).max(1).values > 0).all()


@each
def test_a_seed_does_not_see_the_others(name):
    net = NETWORKS[name]()
    x = points(S, 9, 2).float().requires_grad_()
    net(x)[1].sum().backward()
    assert (x.grad[1] != 0).any()
    assert not x.grad[[0, 2]].any()
    assert not any(p.grad[[0, 2]].any() for p in net.parameters())


@each
def test_in_evaluation_a_batch_of_one_is_a_batch_of_many(name):
    net = NETWORKS[name]().double().eval()
    x = points(S, 9, 2)
    together = net(x)
    one_by_one = torch.cat([net(x[:, i : i + 1]) for i in range(9)], 1)
    assert (together - one_by_one).abs().max() <= 1e-14


def test_u_moves_in_training_and_rests_in_evaluation():
    layer = BatchedLinear(6, 5, seeds=S, generator=stream(), spectral_norm=True)
    x, start = points(S, 7, 6).float(), layer.u.clone()
    assert start.norm(dim=1).flatten().tolist() == pytest.approx([1] * S, rel=1e-6)  # float32
    layer(x)
    moved = layer.u.clone()
    assert not torch.equal(moved, start)
    layer.eval()
    assert torch.equal(layer(x), layer(x))
    assert torch.equal(layer.u, moved)
    assert layer.u.norm(dim=1).flatten().tolist() == pytest.approx([1] * S, rel=1e-6)  # float32


def test_two_forwards_before_one_backward_keep_the_graph_of_both():
    layer = BatchedLinear(6, 5, seeds=S, generator=stream(), spectral_norm=True)
    first, second = layer(points(S, 7, 6).float()), layer(points(S, 7, 6, seed=2).float())
    (first.sum() - second.sum()).backward()
    assert layer.weight.grad.isfinite().all()


def test_a_network_and_its_power_iteration_survive_saving():
    net = NETWORKS["spectral critic"]()
    net(points(S, 7, 2).float())
    other = MLPCritic(seeds=S, generator=stream(99), spectral_norm=True)
    other.load_state_dict(net.state_dict())
    x = points(S, 7, 2, seed=2).float()
    assert torch.equal(net.eval()(x), other.eval()(x))


def test_a_critic_gives_one_number_a_point():
    assert NETWORKS["critic"]()(points(S, 7, 2).float()).shape == (S, 7)
    assert NETWORKS["generator"]()(points(S, 7, 2).float()).shape == (S, 7, 2)


def test_a_network_has_one_seed_unless_told_and_at_least_one_layer():
    x = points(1, 7, 2).float()
    assert BatchedLinear(2, 5, generator=stream())(x).shape == (1, 7, 5)
    assert MLPGenerator(generator=stream())(x).shape == (1, 7, 2)
    assert MLPCritic(generator=stream())(x).shape == (1, 7)
    assert len(MLPGenerator((2, 3), generator=stream())) == len(MLPCritic((2,), generator=stream())) == 1


# Refusal


@pytest.mark.parametrize("shape", [(7, 4), (4,), (S + 1, 7, 4), (1, 7, 4), (S, 7, 3), (S, 2, 7, 4), (S, 7, 4, 9)])
def test_points_that_do_not_fit_are_refused_with_both_shapes(shape):
    layer = BatchedLinear(4, 2, seeds=S, generator=stream())
    with pytest.raises(ValueError, match=r"expected points \(3, n, 4\), got") as refusal:
        layer(torch.ones(shape))
    assert f"got {shape}" in str(refusal.value)


@pytest.mark.parametrize(("d_in", "d_out", "seeds"), [(0, 2, 3), (4, 0, 3), (4, 2, 0), (-1, 2, 3)])
def test_sizes_that_are_not_positive_are_refused(d_in, d_out, seeds):
    with pytest.raises(ValueError, match=f"expected positive sizes, got d_in={d_in}, d_out={d_out}, seeds={seeds}"):
        BatchedLinear(d_in, d_out, seeds=seeds, generator=stream())


def test_a_network_without_a_layer_is_refused():
    with pytest.raises(ValueError, match=r"expected the sizes of at least two layers, got \(2,\)"):
        MLPGenerator((2,), generator=stream())
    with pytest.raises(ValueError, match=r"expected the sizes of at least two layers, got \(1,\)"):
        MLPCritic((), generator=stream())
