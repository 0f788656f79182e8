"""Every public function of ganlib that takes a tensor or makes one, once, on GANLIB_DEVICE.

On a machine with an accelerator: `GANLIB_DEVICE=cuda python tests/on_device.py`. `tests/test_device.py` plays it on a
pretended one, and again with faults planted in ganlib.
"""

import tempfile
import warnings
from pathlib import Path

import torch

import ganlib
from ganlib import chains, densities, divergences, em, images, losses, metrics, penalties, plots, properties, worlds
from ganlib.models import (
    MADE,
    RBM,
    VAE,
    AffineCoupling,
    BatchedLinear,
    Concatenated,
    DCCritic,
    DCGenerator,
    DiagonalBiLSTM,
    Flow,
    Judge,
    MaskedConv2d,
    MinibatchDiscrimination,
    MLPCritic,
    MLPGenerator,
    Packed,
    PixelCNN,
    Projected,
    RowLSTM,
    Translator,
    TwoStacks,
    boltzmann,
    vae,
)
from ganlib.models import judge as judges
from ganlib.training import Step, alternate, maximise, translate, unrolled

g = ganlib.rng(1)
at = {"generator": g, "device": g.device}


def here(*tensors):
    assert all(t.device.type == g.device.type for t in tensors), [t.device for t in tensors]


def noise(shape):
    return torch.randn(*shape, 2, **at)


def bed(S=3):
    how = {"seeds": S, "generator": g}
    return MLPGenerator((2, 8, 2), **how), MLPCritic((2, 8), **how)


def adam(*nets, **how):
    return torch.optim.Adam([p for net in nets for p in net.parameters()], 1e-3, **how)


def play(*game, turns=2, S=3, **how):
    """A few turns; the last."""
    batches = (noise((S, 8)) for _ in range(turns))
    *_, last = alternate(game[0], game[1], batches, noise, *game[2:], **how)
    assert isinstance(last, Step)
    here(last.loss_D, last.loss_G, last.alive)
    return last


def laws():
    mixed = densities.mixture([0.0, 1.0], [1, 1])
    for law in (densities.ring(0.1), densities.grid(0.05), densities.gaussian(), mixed):
        assert isinstance(law, densities.Mixture)
        x = law.sample((3, 20), generator=g)
        here(x, law.log_prob(x), law.log_prob(x.double()))


def machines():
    rbm = RBM.drawn(6, 3, seeds=2, generator=g)
    v = rbm.gibbs(torch.zeros(2, 5, 6, device=g.device), 2, generator=g)
    loss = boltzmann.contrast(rbm, v, rbm.sample(4, generator=g))
    loss.sum().backward()
    here(v, loss, rbm.W.grad, rbm.log_z(), rbm.log_prob(v), *rbm.turned())
    for back in (False, True):
        here(boltzmann.annealed(rbm, 4, 3, base=rbm.b.detach(), back=back, generator=g))
    P = chains.metropolis(v[0, 0], torch.full((6, 6), 1 / 6, device=g.device))
    here(P, chains.stationary(P), chains.second_modulus(P), boltzmann.flip(P, generator=g))
    assert len(boltzmann.states(3)) == 8  # on the CPU, as a range is


def autoencoders():
    for noise in (None, [0.1, 0.2]):
        net = VAE(3, 2, (4,), noise=noise, seeds=2, generator=g)
        x = torch.ones(2, 5, 3, device=g.device)
        fit, cost = net.terms(x, generator=g)
        (cost - fit).sum().backward()
        here(fit, cost, net.bound(x, 2, generator=g), net.sample(4, generator=g), net.log_fit(x, net.encode(x)[0]))
    mean, log_sd = net.encode(x)
    z = vae.reparametrised(mean, log_sd, generator=g)
    here(z, vae.kl_from_prior(mean, log_sd), vae.log_normal(z, mean, log_sd))


def mixtures():
    x = noise((40,))
    means, eye = x[:3].clone(), torch.eye(2, device=g.device).repeat(3, 1, 1)
    theta = em.Gaussians(torch.full_like(means[:, 0], 1 / 3), means, eye)
    here(em.log_joint(theta, x), *em.e_step(theta, x))
    q, _ = em.e_step(theta, x)
    here(*em.m_step(q, x, ridge=0.1), *em.m_step(q, x, spherical=True))
    turn = next(em.em(theta, x, ridge=0.1))
    here(*turn.theta, turn.log_likelihood)


def flows():
    coupling = AffineCoupling(3, 4, seeds=3, generator=g, first=True)
    flow, z = Flow(3, couplings=2, units=4, seeds=3, generator=g), torch.randn(3, 8, 3, **at)
    x = flow(z)
    here(x, *coupling(z), *coupling.inverse(x), *flow.inverse(x), flow.log_prob(x))


def bits():
    made, x = MADE(4, (5,), order=[2, 0, 3, 1], seeds=3, generator=g), torch.rand(3, 7, 4, **at).round()
    here(made(x), made.log_prob(x), made.sample(5, generator=g))
    x = torch.rand(2, 1, 5, 5, **at).round()
    here(MaskedConv2d(1, 2, 3, own=False, generator=g)(x))
    for net in (PixelCNN, TwoStacks):
        net = net(4, 1, generator=g)
        here(net(x), net.log_prob(x), net.sample(2, 3, generator=g))
    for net in (RowLSTM(4, generator=g), DiagonalBiLSTM(4, generator=g)):
        here(net(x), net.log_prob(x), net.sample(2, 3, generator=g))


def measures():
    x = torch.linspace(-9, 9, 301, device=g.device, dtype=torch.float64)
    p, q = (densities.gaussian(m).log_prob(x[:, None]) for m in (0, 1))
    for f in (divergences.kl, divergences.reverse_kl, divergences.js, divergences.total_variation):
        here(f(p, q, x), f(p, q))
    sd = x[200:]
    here(divergences.gaussian_kl(sd, sd, sd, sd), divergences.gaussian_entropy(sd))
    a, b = torch.randn(2, 4, 20, **at)
    divergences.wasserstein_1d(a.requires_grad_(), b).sum().backward()
    found = divergences.transport(torch.randn(30, 2, **at), torch.randn(40, 2, **at))
    assert isinstance(found, divergences.Transport) and abs(float(found.plan.sum()) - 1) < 1e-9


def scores():
    x, y = torch.randn(2, 2, 40, 4, **at)
    for centres in (densities.ring(0.1).centres, densities.ring(0.1).centres.to(g.device)):
        assert isinstance(metrics.modes(x[..., :2], centres, 0.1), metrics.Modes)
    metrics.frechet_distance(x, y), metrics.kernel_distance(x, y)
    assert isinstance(metrics.neighbours(x, y), metrics.Neighbours)
    metrics.sliced_wasserstein(x, y, generator=g), metrics.inception_score(x.softmax(-1).double())


GAMES = [
    (losses.minimax_d, losses.minimax_g),
    (losses.nonsaturating_d, losses.nonsaturating_g),
    (losses.least_squares_d, losses.least_squares_g),
    (losses.hinge_d, losses.hinge_g),
    (losses.wasserstein_d, losses.wasserstein_g),
    (losses.relativistic_d, losses.relativistic_g),
]


def games():
    for number, pair in enumerate(GAMES):
        G, D = bed()
        movers = adam(D, fused=number > 0), adam(G, fused=number > 0)
        play(G, D, *pair, *movers, pair=pair[0] is losses.relativistic_d, d_steps=2, turns=4)
    here(losses.softplus(noise((3,))))


def slopes():
    for penalty in (penalties.gradient_penalty, penalties.one_sided_penalty, penalties.r1, penalties.r2):
        _, D = bed()
        for source in (g, None):
            penalty(D, noise((3, 8)), noise((3, 8)), generator=source).sum().backward()
        penalties.clip_weights(D, 0.1)
        x = torch.rand(4, 1, 16, 16, **at)
        penalty(DCCritic(generator=g), x, -x, generator=g).backward()


def offered():
    """Every property of the tests offered to others, on functions that have it."""
    logits, layer = noise((5,)), torch.nn.BatchNorm1d(3).to(g.device)
    found = [properties.check_penalty(penalties.gradient_penalty), properties.check_critic_loss(losses.wasserstein_d)]
    found += [properties.check_generator_loss(losses.hinge_g), properties.check_gradient(torch.mean, logits)]
    found += [properties.check_divergence(divergences.js, most=1), properties.check_layer(layer, 3)]
    found += [properties.check_histogram(lambda x: torch.full((4,), 0.25, device=x.device))]
    found += [properties.check_frechet(metrics.frechet_distance)]
    found += [properties.check_kernel_distance(metrics.kernel_distance)]
    found += [properties.check_modes(densities.ring(0.1).centres.to(g.device), 8), properties.check_runs(dict)]
    assert isinstance(found[0], properties.Findings) and isinstance(found[0][0], properties.Finding)
    lacking = [x for findings in found for x in findings if not x.holds]
    assert not lacking, lacking


def ahead():
    G, D = bed()

    def look(D, x, fake):
        return unrolled(D, x, fake, loss_D=losses.nonsaturating_d, steps=2, lr=0.1)

    game = losses.nonsaturating_d, losses.nonsaturating_g, adam(D), adam(G)
    play(G, D, *game, look_ahead=look, penalty=penalties.r1, after_D=lambda D: penalties.clip_weights(D, 1.0))


def freezing():
    """The second of four seeds dies at the first turn."""
    G, D = bed(4)
    turn = [0]

    def of_d(real, fake):
        turn[0] += 1
        value = losses.nonsaturating_d(real, fake)
        dead = torch.arange(len(value), device=value.device) == 1
        return torch.where(dead & (turn[0] == 1), torch.full_like(value, float("inf")), value)

    last = play(G, D, of_d, losses.nonsaturating_g, adam(D), adam(G), S=4, turns=3)
    assert last.alive.tolist() == [True, False, True, True]


def joint():
    how = {"seeds": 3, "generator": g}
    x, y = noise((3, 8)), torch.randint(4, (3, 8), **at)
    here(Packed(MLPCritic((4, 8), **how), 2)(x), Concatenated(MLPCritic((6, 8), **how), 4)(x, y))
    here(Projected(MinibatchDiscrimination(2, **how), 10, 4, **how)(x, y))
    here(MLPCritic((2, 8), spectral_norm=True, **how)(x), BatchedLinear(2, 5, **how)(x))
    MinibatchDiscrimination(2, **how)(x.requires_grad_()).square().sum().backward()


def pictures():
    made = images.glyphs(20, generator=g)
    here(made.images, *made.factors, images.render(made.factors), *images.factors(5, generator=g))
    assert isinstance(made, images.Glyphs) and isinstance(made.factors, images.Factors)


def stacks():
    x, y = torch.rand(30, 1, 16, 16, **at), torch.arange(30, device=g.device) % 10
    picked = images.stack(x, y, 20, generator=g)
    here(picked.images, picked.labels)
    assert isinstance(images.stack(*images.digits(), 20, generator=g), images.Labelled)


def convolutions():
    G, D = DCGenerator(generator=g), DCCritic(generator=g)

    def z(shape):
        return torch.randn(*shape, 32, **at)

    game = losses.nonsaturating_d, losses.nonsaturating_g, adam(D, fused=True), adam(G, fused=True)
    for step in alternate(G, D, torch.rand(2, 10, 1, 16, 16, **at), z, *game):
        here(step.loss_D, step.loss_G)


def translation():
    x, y = torch.rand(2, 10, 1, 16, 16, **at)
    G, F = (Translator(generator=g) for _ in range(2))
    D_X, D_Y = (DCCritic(generator=g) for _ in range(2))
    game = losses.nonsaturating_d, losses.nonsaturating_g, adam(D_X, D_Y), adam(G, F)
    for _ in translate(G, F, D_X, D_Y, [(x, y)] * 2, *game, identity=1.0):
        pass
    here(losses.gap(G(x), y))


def reading():
    x, y = torch.rand(200, 1, 16, 16, **at), torch.arange(200, device=g.device) % 10
    with tempfile.TemporaryDirectory() as folder:
        judges._folder = lambda: Path(folder)
        for _ in range(2):  # trained, then from the cache
            net = judges.judge(x, y, epochs=1)
            here(net.features(x), net.reads(x), net.probabilities(x))
    here(Judge(16, generator=g)(x[:3]))


def climbing():
    here(maximise(lambda t: -((t - 3) ** 2).sum(), torch.zeros(2, device=g.device)))


def many_worlds():
    drawn = worlds.select(worlds.draw(6, generator=g), [0, 2, 3])
    assert isinstance(drawn, worlds.Worlds)
    G = worlds.WorldGenerator(drawn, generator=g)
    D = worlds.WorldCritic(drawn, generator=g, kernels=2, spectral_norm=True)
    here(worlds.Slope(drawn.slope_G)(noise((3, 4))))

    def z(shape):
        return worlds.noise(drawn, shape[-1], generator=g)

    movers = [worlds.Adam(net.parameters(), rate=drawn.rate, beta1=drawn.beta1) for net in (D, G)]
    batches = (worlds.sample(drawn, 8, generator=g) for _ in range(2))
    for step in alternate(G, D, batches, z, losses.nonsaturating_d, losses.nonsaturating_g, *movers):
        here(step.loss_D, step.loss_G)


def drawing():
    import matplotlib

    matplotlib.use("agg")
    x = torch.linspace(0, 1, 9, device=g.device)
    ax = plots.panels()
    plots.curve(ax, x, x.requires_grad_(), "real"), plots.density(ax, x, x, "real"), plots.band(ax, x, x[None], "real")
    plots.points(ax, torch.rand(5, 2, **at), "real"), plots.table({"a": [x.detach()[0]]}, ["b"])._repr_html_()


def claims():
    from ganlib.claims import claim

    x = torch.rand(16, **at)
    found = claim("gan-two-players").close(x, x, what="x", atol=0).rate(x > -1, above=0.5, what="x")
    found.above(x, x - 1, what="x").below(x, 2, what="x")
    found.close([x[0], x[1]], [x[0], x[1]], what="x", atol=0).rate([x[0] > -1] * 16, above=0.5, what="x")


PARTS = [
    laws,
    mixtures,
    machines,
    autoencoders,
    flows,
    bits,
    measures,
    scores,
    games,
    slopes,
    offered,
    ahead,
    freezing,
    joint,
]
PARTS += [pictures, stacks, convolutions, translation, reading, climbing, many_worlds, drawing, claims]

if __name__ == "__main__":
    warnings.simplefilter("error")
    for part in PARTS:
        part()
        print("ok", part.__name__, flush=True)
