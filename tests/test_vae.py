import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch.distributions import Independent, Normal, kl_divergence

import ganlib
from ganlib.models import VAE
from ganlib.models.vae import kl_from_prior, log_normal, reparametrised


def drawn(*shape, seed=0, size=1.0):
    return size * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(d=3, k=2, **how):
    return VAE(d, k, (6, 5), generator=ganlib.rng(1), **{"seeds": 2, **how}).double()


def through(net, s, x):
    """One seed's network by hand, one point."""
    layers = [m for m in net if hasattr(m, "weight")]
    for i, layer in enumerate(layers):
        x = layer.weight[s].detach().numpy() @ x + layer.bias[s, 0].detach().numpy()
        x = np.maximum(x, 0) if i < len(layers) - 1 else x
    return x


def test_there_is_one_hidden_layer_of_64_unless_told():
    vae = VAE(8, 3, generator=ganlib.rng())
    sizes = [[tuple(m.weight.shape) for m in net if hasattr(m, "weight")] for net in (vae.encoder, vae.decoder)]
    assert sizes == [[(1, 64, 8), (1, 6, 64)], [(1, 64, 3), (1, 8, 64)]] and vae.noise is None


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_encoder_gives_means_then_log_sds(k):
    vae, x = made(k=k), drawn(2, 4, 3)
    mean, log_sd = vae.encode(x)
    for s in range(2):
        for i in range(4):
            out = through(vae.encoder, s, x[s, i].numpy())
            np.testing.assert_allclose(mean[s, i].detach(), out[:k], atol=1e-12)
            np.testing.assert_allclose(log_sd[s, i].detach(), out[k:], atol=1e-12)


def test_units_of_the_decoder_are_those_of_the_encoder_from_behind():
    vae = made()
    assert [tuple(m.weight.shape[1:]) for m in vae.encoder if hasattr(m, "weight")] == [(6, 3), (5, 6), (4, 5)]
    assert [tuple(m.weight.shape[1:]) for m in vae.decoder if hasattr(m, "weight")] == [(5, 2), (6, 5), (3, 6)]


def test_the_fit_is_that_of_scipy_gaussian_and_bits():
    noise = torch.tensor([0.3, 1.7])
    x, z = drawn(2, 4, 3), drawn(2, 4, 2, seed=1)
    bits = (x > 0).double()
    gauss, coins = made(noise=noise), made()
    for s in range(2):
        for i in range(4):
            out = through(gauss.decoder, s, z[s, i].numpy())
            expected = stats.norm(out, float(noise[s])).logpdf(x[s, i]).sum()
            assert gauss.log_fit(x, z)[s, i].item() == pytest.approx(expected, abs=1e-6)
            out = through(coins.decoder, s, z[s, i].numpy())
            expected = stats.bernoulli(1 / (1 + np.exp(-out))).logpmf(bits[s, i]).sum()
            assert coins.log_fit(bits, z)[s, i].item() == pytest.approx(expected, abs=1e-10)


def test_one_noise_for_all_seeds():
    x, z = drawn(2, 4, 3), drawn(2, 4, 2, seed=1)
    one, two = made(noise=0.5), made(noise=torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(one.log_fit(x, z), two.log_fit(x, z))


def test_the_kl_is_that_of_torch():
    mean, log_sd = drawn(2, 5, 4), drawn(2, 5, 4, seed=1, size=0.7)
    law = Independent(Normal(mean, log_sd.exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    torch.testing.assert_close(kl_from_prior(mean, log_sd), kl_divergence(law, prior))
    assert kl_from_prior(torch.zeros(3), torch.zeros(3)) == 0


def test_the_log_density_is_that_of_scipy():
    x, mean, log_sd = drawn(5, 3), drawn(5, 3, seed=1), drawn(5, 3, seed=2)
    expected = stats.norm(mean, log_sd.exp()).logpdf(x).sum(-1)
    np.testing.assert_allclose(log_normal(x, mean, log_sd), expected, atol=1e-12)


def test_a_draw_has_its_law_and_carries_its_gradients():
    mean = torch.tensor([0.7, -1.2], dtype=torch.float64, requires_grad=True)
    log_sd = torch.tensor([-0.4, 0.6], dtype=torch.float64, requires_grad=True)
    z = reparametrised(mean.expand(100_000, 2), log_sd.expand(100_000, 2), generator=ganlib.rng(3))
    for j in range(2):
        assert stats.kstest(z[:, j].detach(), stats.norm(mean[j].item(), math.exp(log_sd[j].item())).cdf).pvalue > 1e-3
    grads = torch.autograd.grad(z.square().sum(-1).mean(), (mean, log_sd))
    expected = 2 * mean, 2 * (2 * log_sd).exp()  # of mean² + sd², in the mean and in the log-sd
    for found, wanted in zip(grads, expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=0.05, rtol=0)


def test_a_draw_is_the_mean_and_a_part_of_the_noise_that_is_drawn():
    mean, log_sd = drawn(2, 5, 3), drawn(2, 5, 3, seed=1, size=0.7)
    noise = torch.randn(2, 5, 3, generator=ganlib.rng(4), dtype=torch.float64).numpy()
    z = reparametrised(mean, log_sd, generator=ganlib.rng(4))
    np.testing.assert_allclose(z, mean.numpy() + np.exp(log_sd.numpy()) * noise, atol=1e-12)


def test_the_terms_are_fit_and_cost_at_the_drawn_code():
    vae, x = made(noise=0.8), drawn(2, 4, 3)
    fit, cost = vae.terms(x, generator=ganlib.rng(7))
    mean, log_sd = vae.encode(x)
    z = reparametrised(mean, log_sd, generator=ganlib.rng(7))
    torch.testing.assert_close(fit, vae.log_fit(x, z))
    torch.testing.assert_close(cost, kl_from_prior(mean, log_sd))


def test_the_bound_of_k_draws_is_its_formula_and_rises_to_the_evidence():
    vae, x = made(d=2, k=1, noise=0.6), drawn(2, 3, 2)
    mean, log_sd = vae.encode(x)
    g, ratios = ganlib.rng(9), []
    for _ in range(3):
        z = reparametrised(mean, log_sd, generator=g)
        prior, own = Normal(0.0, 1.0).log_prob(z).sum(-1), Normal(mean, log_sd.exp()).log_prob(z).sum(-1)
        ratios.append((vae.log_fit(x, z) + prior - own).exp())
    expected = (sum(ratios) / 3).log()
    torch.testing.assert_close(vae.bound(x, 3, generator=ganlib.rng(9)), expected, atol=1e-10, rtol=0)

    z = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    place = x[:, 2:].expand(2, 4001, 2)  # the last point of each seed, at every code
    height = vae.log_fit(place, z[None, :, None].expand(2, -1, -1))[1].detach().exp().numpy() * stats.norm.pdf(z)
    evidence = math.log(integrate.simpson(height, x=z))
    many = x.repeat_interleave(4000, 1)
    means = [vae.bound(many, k, generator=ganlib.rng(k)).view(2, 3, -1)[1, 2].mean().item() for k in (1, 8, 64)]
    assert means[0] < means[1] - 0.01 < means[2] < evidence + 0.01
    assert evidence - means[2] < 0.05


def test_the_bound_is_of_one_draw_unless_told():
    vae, x = made(noise=0.6), drawn(2, 3, 3)
    one, two = (vae.bound(x, k, generator=ganlib.rng(9)) for k in (1, 2))
    assert torch.equal(vae.bound(x, generator=ganlib.rng(9)), one) and not torch.isclose(one, two).any()


@pytest.mark.parametrize("k", [2, 3])
def test_samples_are_the_decoder_at_codes_of_the_prior(k):
    vae = made(k=k, noise=0.1)
    z = torch.randn(2, 7, k, generator=ganlib.rng(4), dtype=torch.float64)
    torch.testing.assert_close(vae.sample(7, generator=ganlib.rng(4)), vae.decoder(z))


def test_training_by_the_terms_finds_the_line_that_made_the_points():
    """A linear VAE whose noise is the true one ends where probabilistic PCA does, in closed form."""
    z, g = torch.randn(1, 2000, 1, generator=ganlib.rng(5)), ganlib.rng(6)
    x = z * torch.tensor([1.5, -0.7, 0.4]) + 0.3 * torch.randn(1, 2000, 3, generator=g)
    vae = VAE(3, 1, (), noise=0.3, generator=ganlib.rng(1))
    adam = torch.optim.Adam(vae.parameters(), 0.03)
    decay = torch.optim.lr_scheduler.LinearLR(adam, 1, 0.0, total_iters=1000)
    for _ in range(1000):
        fit, cost = vae.terms(x, generator=g)
        adam.zero_grad()
        (cost - fit).mean().backward()
        adam.step()
        decay.step()
    found = vae.decoder[0].weight[0, :, 0].detach()
    values, vectors = torch.linalg.eigh(x[0].T.cov(correction=0))
    expected = (values[-1] - 0.09) * vectors[:, -1, None] * vectors[:, -1]
    torch.testing.assert_close(found[:, None] * found, expected, atol=0.03, rtol=0)


@pytest.mark.parametrize("noise", [0.0, -0.1, [0.1, 0.2, 0.3], [0.1, 0.0], math.nan])
def test_noise_that_is_none_is_refused(noise):
    with pytest.raises(ValueError, match="expected positive noise, one number or 2, got"):
        made(noise=noise)


def test_no_draw_is_refused():
    with pytest.raises(ValueError, match="expected at least one draw, got 0"):
        made().bound(drawn(2, 4, 3), 0, generator=ganlib.rng())


def test_a_seed_alone_is_the_seed_among_others():
    vae, x = made(noise=torch.tensor([0.3, 1.7])), drawn(2, 4, 3)
    z = drawn(2, 4, 2, seed=1)
    alone = made(seeds=1, noise=1.7)
    for one, both in zip(alone.parameters(), vae.parameters(), strict=True):
        one.data = both.data[1:]
    torch.testing.assert_close(alone.log_fit(x[1:], z[1:])[0], vae.log_fit(x, z)[1])
    torch.testing.assert_close(alone.encode(x[1:])[0][0], vae.encode(x)[0][1])
