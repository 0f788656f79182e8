import numpy as np
import pytest
import torch

import ganlib
from ganlib import losses
from ganlib.models import MinibatchDiscrimination, MLPCritic, MLPGenerator, Packed
from ganlib.training import alternate, unrolled

# No 0, no 1, no equal or opposite entries: such points hide swapped or dropped terms.
X = torch.tensor([[[0.3, -1.7], [2.2, 0.6], [-0.4, 3.1], [1.9, -0.8]]], dtype=torch.float64)


def test_minibatch_discrimination_sums_the_closeness_of_the_others():
    layer = MinibatchDiscrimination(2, kernels=3, dims=2, generator=ganlib.rng(1)).double()
    x, weight = X[0].numpy(), layer.T.weight[0].detach().numpy()  # (n, 2), (6, 2)
    expected = np.zeros((4, 3))
    for i in range(4):
        for k in range(3):
            rows = weight[2 * k : 2 * k + 2]
            gaps = [np.abs(rows @ x[i] - rows @ x[j]).sum() for j in range(4) if j != i]
            expected[i, k] = np.exp(-np.array(gaps)).sum()
    actual = layer(X)[0].detach()
    np.testing.assert_allclose(actual[:, :2], x, rtol=0)
    np.testing.assert_allclose(actual[:, 2:], expected, rtol=1e-9)


def test_minibatch_discrimination_follows_the_order_of_the_points():
    layer, order = MinibatchDiscrimination(2, generator=ganlib.rng(2)).double(), [2, 0, 3, 1]
    torch.testing.assert_close(layer(X[:, order]), layer(X)[:, order])


def test_minibatch_discrimination_keeps_the_seeds_apart():
    layer = MinibatchDiscrimination(2, seeds=3, generator=ganlib.rng(3)).double()
    both = layer(X.expand(3, -1, -1))
    moved = torch.cat([X, X + 5, 2 * X])
    torch.testing.assert_close(layer(moved)[0], both[0])
    assert not torch.allclose(both[0], both[1])


def test_a_pack_is_judged_as_its_points_side_by_side():
    D = MLPCritic((4, 8), generator=ganlib.rng(4)).double()
    expected = D(torch.cat([X[:, 0::2], X[:, 1::2]], -1))
    torch.testing.assert_close(Packed(D, 2)(X), expected)


def test_a_pack_that_does_not_divide_the_batch_is_refused():
    D = MLPCritic((6, 8), generator=ganlib.rng(5))
    with pytest.raises(ValueError, match="that 3 divides, got 4"):
        Packed(D, 3)(X.float())
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Packed(D, 0)


class Line(torch.nn.Module):
    """D(x) = w x, so that unrolling has a closed form."""

    def __init__(self, w):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(w, dtype=torch.float64))

    def forward(self, x):
        return (self.w * x).squeeze(-1)


def test_unrolling_a_linear_critic_has_the_closed_form():
    real = torch.tensor([[2.3], [-0.7], [1.9]], dtype=torch.float64)
    fake = torch.tensor([[0.4], [3.2], [-1.6]], dtype=torch.float64, requires_grad=True)
    D, steps, lr = Line(0.6), 3, 0.25
    critic = unrolled(D, real, fake, loss_D=losses.wasserstein_d, steps=steps, lr=lr)
    w = 0.6 - steps * lr * (fake.mean() - real.mean())  # the loss is w (mean fake - mean real)
    torch.testing.assert_close(critic(fake), (w * fake).squeeze(-1))
    (actual,) = torch.autograd.grad(critic(fake).sum(), fake)
    (expected,) = torch.autograd.grad((w * fake).sum(), fake)  # w moves with fake too
    torch.testing.assert_close(actual, expected)
    assert D.w.item() == 0.6


def test_looking_no_step_ahead_is_the_critic_itself():
    D = MLPCritic((2, 8), generator=ganlib.rng(6)).double()
    torch.testing.assert_close(unrolled(D, X, -X, loss_D=losses.minimax_d, steps=0, lr=0.3)(X), D(X))


def play(look_ahead=None):
    g = ganlib.rng(7)
    G, D = MLPGenerator((2, 8, 2), seeds=2, generator=g), MLPCritic((2, 8), seeds=2, generator=g)
    players = [torch.optim.SGD(network.parameters(), lr=0.1) for network in (D, G)]
    batches = (torch.randn(2, 6, 2, generator=g) for _ in range(3))
    steps = alternate(
        G, D, batches, lambda shape: torch.randn(*shape, 2, generator=g),
        losses.minimax_d, losses.nonsaturating_g, *players, look_ahead=look_ahead,
    )  # fmt: skip
    return [step.loss_G for step in steps]


def test_the_generator_faces_the_critic_it_looks_ahead_to():
    def ahead(D, x, fake):
        return unrolled(D, x, fake, loss_D=losses.minimax_d, steps=2, lr=0.5)

    assert all(torch.equal(a, b) for a, b in zip(play(), play(lambda D, x, fake: D), strict=True))
    assert not torch.equal(play()[0], play(ahead)[0])
