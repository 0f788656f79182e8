import numpy as np
import pytest
import torch

import ganlib
from ganlib.models import MinibatchDiscrimination, MLPCritic, Packed

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
