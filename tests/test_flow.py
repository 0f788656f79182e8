import math

import numpy as np
import pytest
import torch

import ganlib
from ganlib.models import AffineCoupling, Flow


def bent(net, seed=7):
    """With weights of no particular size, since a new one is the identity."""
    g = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter.data = torch.randn(parameter.shape, generator=g, dtype=torch.float64) * 0.6
    return net


def points(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(coupling, s, z):
    """The formula of a coupling, a second time, for one point: which half moves, and by how much."""
    order = slice(None, None, -1) if coupling.first else slice(None)
    z = z.numpy()[order]
    stays, moves = z[: coupling.sizes[0]], z[coupling.sizes[0] :]
    h = stays
    for k in (0, 2, 4):
        layer = coupling.network[k]
        h = layer.weight[s].detach().numpy() @ h + layer.bias[s, 0].detach().numpy()
        h = np.tanh(h) if k < 4 else h
    scale, shift = h[: len(moves)], h[len(moves) :]
    scale = 2 * np.tanh(scale / 2)
    return np.concatenate([stays, np.exp(scale) * moves + shift])[order], scale.sum()


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("d", [2, 3, 7])
def test_a_coupling_scales_and_moves_one_half_by_what_it_reads_in_the_other(d, first):
    coupling = bent(AffineCoupling(d, 4, seeds=2, generator=ganlib.rng(), first=first))
    z = points(2, 3, d)
    x, log_det = coupling(z)
    for s in range(2):
        for i in range(3):
            expected, total = by_hand(coupling, s, z[s, i])
            np.testing.assert_allclose(x[s, i].detach(), expected, rtol=1e-12)
            assert log_det[s, i].item() == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("d", [2, 5])
def test_the_log_determinant_is_that_of_the_jacobian(d):
    flow = bent(Flow(d, couplings=3, units=4, generator=ganlib.rng()))
    z = points(1, 6, d)
    x = flow(z)
    back, log_det = flow.inverse(x)
    assert (back - z).abs().max() < 1e-10
    for i in range(6):
        J = torch.func.jacrev(lambda v: flow(v[None, None])[0, 0])(z[0, i])
        assert log_det[0, i].item() == pytest.approx(-torch.linalg.slogdet(J).logabsdet.item(), abs=1e-10)


def test_the_density_integrates_to_one_and_a_new_flow_has_that_of_its_noise():
    axis = torch.linspace(-14, 14, 701, dtype=torch.float64)
    plane = torch.cartesian_prod(axis, axis)[None]
    new = Flow(couplings=2, units=4, generator=ganlib.rng()).double()
    expected = -plane.square().sum(-1) / 2 - math.log(2 * math.pi)
    torch.testing.assert_close(new.log_prob(plane), expected)
    flow = new
    for parameter in flow.parameters():
        parameter.data += points(*parameter.shape, seed=3) * 0.3
    mass = flow.log_prob(plane).exp().sum() * (axis[1] - axis[0]) ** 2
    assert mass.item() == pytest.approx(1, abs=1e-6)
    assert (flow.log_prob(plane) - expected).abs().max() > 0.5


def test_no_scale_leaves_its_limit():
    coupling = bent(AffineCoupling(2, 4, generator=ganlib.rng()))
    coupling.network[-1].weight.data *= 100
    _, log_det = coupling(points(1, 200, 2))
    assert 1.9 < log_det.abs().max() <= 2


def test_flows_in_one_are_the_flows_alone():
    together = bent(Flow(couplings=3, units=4, seeds=3, generator=ganlib.rng()))
    x = points(3, 7, 2)
    for s in range(3):
        alone = Flow(couplings=3, units=4, generator=ganlib.rng()).double()
        for one, many in zip(alone.parameters(), together.parameters(), strict=True):
            one.data = many.data[s : s + 1].clone()
        torch.testing.assert_close(alone.log_prob(x[s : s + 1]), together.log_prob(x)[s : s + 1], rtol=1e-12, atol=0)
        torch.testing.assert_close(alone(x[s : s + 1]), together(x)[s : s + 1], rtol=1e-12, atol=0)


def test_the_halves_take_turns_and_what_is_not_told_is_as_the_docstring_has_it():
    flow = Flow(generator=ganlib.rng())
    assert [coupling.first for coupling in flow.couplings] == [False, True] * 4
    assert flow.couplings[0].sizes == (1, 1) and flow.couplings[0].network[0].weight.shape == (1, 32, 1)
    assert [c.first for c in Flow(couplings=1, generator=ganlib.rng()).couplings] == [False]
    assert AffineCoupling(2, 3, generator=ganlib.rng()).first is False


def test_both_halves_move():
    flow = bent(Flow(couplings=2, units=4, generator=ganlib.rng()))
    z = points(1, 5, 2)
    assert ((flow(z) - z).abs().amin(1) > 1e-3).all()


def test_what_cannot_be_inverted_or_has_no_room_is_refused():
    g = ganlib.rng()
    with pytest.raises(ValueError, match="at least 2 features, one to stay and one to move, got 1"):
        Flow(1, generator=g)
    with pytest.raises(ValueError, match="at least one coupling, got 0"):
        Flow(couplings=0, generator=g)
    flow = Flow(3, generator=g)
    for wrong in (points(1, 4, 2), points(4, 3)):
        with pytest.raises(ValueError, match=r"expected points \(S, n, 3\), got "):
            flow.log_prob(wrong)
