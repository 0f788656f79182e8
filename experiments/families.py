"""Each family of generative models once, on the same data: what it costs, what it tells, what its samples are like.

In the plane the data are RING8(0.1); as pictures, glyphs of 16 by 16 bits. All networks are fully connected, see as
many fresh batches of 64, and move by Adam at a rate that falls to zero. A mixture sees 2,000 points, 5,000 glyphs.
"""

from __future__ import annotations

import math
import time
from functools import partial
from itertools import islice

import torch
from table import main
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

import ganlib
from ganlib import images, losses, metrics, penalties
from ganlib.densities import ring
from ganlib.em import Gaussians, em, log_joint
from ganlib.models import MADE, Flow, MLPCritic, MLPGenerator
from ganlib.models.judge import judge
from ganlib.training import alternate

TURNS, BATCH, CHAIN = 2000, 64, 100
LAW, CELLS, HALF = ring(0.1), 256, 3.2  # MADE sees a point of the plane as 2 times 8 bits: its cell
MODULES = ["densities", "em", "images", "losses.nonsaturating_d", "losses.nonsaturating_g"]
MODULES += ["metrics.frechet_distance", "metrics.modes", "models/_drawn", "models/autoregressive", "models/flow"]
MODULES += ["models/judge", "models/mlp", "penalties", "training.alternate"]


class Data:
    """Points (S, n, d) of one data set, and how a family sees them."""

    def __init__(self, name, S, g, small):
        self.plane, self.S, self.g = name == "ring", S, g
        self.d, self.hidden, self.rate = (2, 64, 3e-3) if self.plane else (256, 256, 1e-3)
        self.z = 2 if self.plane else 16
        self.turns = 2 if small else TURNS
        self.many = 60 if small else 2000

    def draw(self, n):
        """Fresh points, (S, n, d)."""
        if self.plane:
            return LAW.sample((self.S, n), generator=self.g)
        made = images.glyphs(self.S * n, 16, generator=self.g).images
        return (made > 0).float().view(self.S, n, 256)

    def noise(self, n, d):
        """Gaussian noise, (S, n, d)."""
        return torch.randn(self.S, n, d, generator=self.g, device=self.g.device)

    def mlp(self, *sizes):
        """S networks in one."""
        return MLPGenerator(sizes, seeds=self.S, generator=self.g)

    def learn(self, nets, loss):
        """Descend a loss (S,) of a fresh batch."""
        mover = torch.optim.Adam([p for net in nets for p in net.parameters()], self.rate, fused=True)
        decay = torch.optim.lr_scheduler.LinearLR(mover, 1, 0.0, total_iters=self.turns)
        for _ in range(self.turns):
            mover.zero_grad()
            loss(self.draw(BATCH)).sum().backward()
            mover.step()
            decay.step()


class Gauss(torch.nn.Module):
    """A network that gives the mean and the log-sd of each coordinate, or of bits the logit alone.

    With ``shared`` there is one sd for all points, which begins at 0.22: a VAE that may choose the sd of each point
    begins with a wide one, and stays there.
    """

    def __init__(self, data, d_in, *, shared=False):
        super().__init__()
        self.plane, own = data.plane, data.plane and not shared
        self.net = data.mlp(d_in, data.hidden, data.hidden, data.d * (1 + own))
        self.log_sd = torch.nn.Parameter(torch.full((data.S, 1, 1), -1.5, device=data.g.device)) if shared else None

    def forward(self, x):
        """Features to parameters of the coordinates."""
        told = self.net(x)
        shared = self.plane and self.log_sd is not None
        return torch.cat([told, self.log_sd.expand_as(told)], -1) if shared else told

    def log_prob(self, told, x):
        """Of points under these parameters, summed over coordinates."""
        if self.plane:
            mean, log_sd = told[..., :2], told[..., 2:].clamp(-5, 3)
            return -(((x - mean) / log_sd.exp()).square() / 2 + log_sd + math.log(2 * math.pi) / 2).sum(-1)
        return -binary_cross_entropy_with_logits(told, x.expand_as(told), reduction="none").sum(-1)

    def draw(self, told, g):
        """A point for each row of parameters."""
        if self.plane:
            noise = torch.randn(*told.shape[:-1], 2, generator=g, device=told.device)
            return told[..., :2] + told[..., 2:].clamp(-5, 3).exp() * noise
        return (torch.rand(told.shape, generator=g, device=told.device) < told.sigmoid()).float()


# Each family trains and returns: sample(n), and of held-out points the nats and whether they are exact


def fresh(data):
    return data.draw, None, "", ()


def one_bell(data):
    """One Gaussian, or pixels that know of no others."""
    x = torch.cat([data.draw(BATCH) for _ in range(50)], 1)
    if data.plane:
        mean, sd = x.mean(1, keepdim=True), x.std(1, keepdim=True)
        log_p = lambda held: -(((held - mean) / sd).square() / 2 + sd.log() + math.log(2 * math.pi) / 2).sum(-1)  # noqa: E731
        return lambda n: mean + sd * data.noise(n, 2), log_p, "exact", ()
    chance = x.mean(1, keepdim=True).clamp(1e-3, 1 - 1e-3)
    logit = chance.logit()

    def log_p(held):
        return logsigmoid(torch.where(held > 0, logit, -logit)).sum(-1)

    def sample(n):
        u = torch.rand(data.S, n, 256, generator=data.g, device=data.g.device)
        return (u < chance).float()

    return sample, log_p, "exact", ()


def mixture(data):
    """EM: 8 Gaussians, the best of 16 starts; or 50 products of Bernoullis."""
    if data.plane:
        return mixture_in_the_plane(data)
    few = data.turns == 2
    x = data.draw(100 if few else 5000)
    K, n = 50, x.shape[1]
    start = torch.rand(data.S, n, generator=data.g, device=data.g.device).argsort(-1)[:, :K]
    chance = 0.25 + 0.5 * x.gather(1, start[..., None].expand(-1, -1, 256))  # a picture each, paled
    weight = torch.full((data.S, K), 1 / K, device=x.device)

    def joint(v):
        return weight.log()[:, None] + v @ chance.logit().mT + (1 - chance).log().sum(-1)[:, None]

    for _ in range(2 if few else 60):
        q = joint(x).softmax(-1)
        owned = q.sum(1)
        weight, chance = (owned + 1) / (n + K), (q.mT @ x + 0.5) / (owned[..., None] + 1)

    def sample(n):
        which = torch.multinomial(weight, n, replacement=True, generator=data.g)
        told = chance.gather(1, which[..., None].expand(-1, -1, 256))
        return (torch.rand(told.shape, generator=data.g, device=told.device) < told).float()

    return sample, lambda held: joint(held).logsumexp(-1), "exact", ()


def mixture_in_the_plane(data):
    found = []
    for x in data.draw(data.many).cpu().double():
        means = x[torch.rand(16, len(x), generator=data.g, device=data.g.device).argsort(-1)[:, :8].cpu()]
        broad = torch.eye(2).double().expand(16, 8, 2, 2)
        theta = Gaussians(torch.full((16, 8), 0.125).double(), means, broad)
        *_, step = islice(em(theta, x, ridge=1e-4), 3 if data.turns == 2 else 100)
        best = step.log_likelihood.argmax()
        found.append(Gaussians(*(v[best] for v in step.theta)))

    def log_p(held):
        pairs = zip(found, held.cpu().double(), strict=True)
        return torch.stack([log_joint(theta, x).logsumexp(-1) for theta, x in pairs])

    def sample(n):
        made = []
        for theta in found:
            which = torch.multinomial(theta.weights.to(data.g.device), n, replacement=True, generator=data.g).cpu()
            root = torch.linalg.cholesky(theta.covariances)[which]
            z = torch.randn(n, 2, 1, generator=data.g, device=data.g.device).cpu().double()
            made.append(theta.means[which] + (root @ z)[..., 0])
        return torch.stack(made).float()

    return sample, log_p, "exact", ()


def to_bits(x):
    """Points of the plane to the 2 times 8 bits of their cell."""
    cell = ((x + HALF) / (2 * HALF) * CELLS).long().clamp(0, CELLS - 1)
    powers = 2 ** torch.arange(7, -1, -1, device=x.device)
    return (cell[..., None] // powers % 2).flatten(-2).float()


def autoregressive(data):
    """MADE; in the plane on bits, the coarse ones of both coordinates first, and even within a cell."""
    d = 16 if data.plane else 256
    order = [k + 8 * c for k in range(8) for c in (0, 1)] if data.plane else None
    net = MADE(d, (data.hidden * 2,), order=order, seeds=data.S, generator=data.g)
    see = to_bits if data.plane else (lambda x: x)
    data.learn([net], lambda x: -net.log_prob(see(x)).mean(-1))
    of_a_cell = 2 * math.log(CELLS / 2 / HALF) if data.plane else 0.0

    def sample(n):
        bits = net.sample(n, generator=data.g)
        if not data.plane:
            return bits
        cell = (bits.unflatten(-1, (2, 8)) * 2 ** torch.arange(7, -1, -1, device=bits.device)).sum(-1)
        u = torch.rand(cell.shape, generator=data.g, device=cell.device)
        return (cell + u) / CELLS * 2 * HALF - HALF

    return sample, lambda held: net.log_prob(see(held)) + of_a_cell, "exact", (net,)


def flow(data):
    """Affine couplings; bits are spread over intervals, so of them only a bound is known."""
    net = Flow(data.d, couplings=8, units=32 if data.plane else 256, seeds=data.S, generator=data.g)

    def spread(x):
        return x if data.plane else 2 * (x + torch.rand(x.shape, generator=data.g, device=x.device)) - 2

    def log_p(x):
        return net.log_prob(spread(x)) + (0.0 if data.plane else 256 * math.log(2))

    data.learn([net], lambda x: -log_p(x).mean(-1))

    def sample(n):
        x = net(data.noise(n, data.d))
        return x if data.plane else (x > 0).float()

    return sample, log_p, "exact" if data.plane else "bound", (net,)


def vae(data):
    """Gaussian encoder and decoder (of bits: Bernoulli); the bound of 200 weighted draws."""
    encoder, decoder = data.mlp(data.d, data.hidden, data.hidden, 2 * data.z), Gauss(data, data.z, shared=data.plane)

    def draws(x):
        """Of one z from the encoder: log p(x, z) - log q(z | x)."""
        mean, log_sd = encoder(x).split(data.z, -1)
        e = torch.randn(mean.shape, generator=data.g, device=mean.device)
        z = mean + log_sd.exp() * e
        log_q = -(e.square() / 2 + log_sd).sum(-1)
        return decoder.log_prob(decoder(z), x) - z.square().sum(-1) / 2 - log_q

    def log_p(x):
        return torch.stack([draws(x) for _ in range(200)]).logsumexp(0) - math.log(200)

    data.learn([encoder, decoder], lambda x: -draws(x).mean(-1))
    return lambda n: decoder.draw(decoder(data.noise(n, data.z)), data.g), log_p, "bound", (decoder,)


def chain(data):
    """A generative stochastic network: corrupt, guess, draw; 100 times from noise."""
    net = Gauss(data, data.d)

    def corrupt(x):
        if data.plane:
            return x + 0.5 * data.noise(x.shape[1], 2)
        return (x - (torch.rand(x.shape, generator=data.g, device=x.device) < 0.2).float()).abs()

    data.learn([net], lambda x: -net.log_prob(net(corrupt(x)), x).mean(-1))

    def sample(n):
        x = 2 * data.noise(n, 2) if data.plane else (data.noise(n, 256) > 0).float()
        for _ in range(CHAIN):
            x = net.draw(net(corrupt(x)), data.g)
        return x

    return sample, None, "", (net,)


class Bounded(torch.nn.Module):
    """A generator of pictures: numbers from -1 to 1."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, z):
        """Noise to pixels."""
        return self.net(z).tanh()


def gan(data, weight=None):
    """The non-saturating game with an R1 penalty, 0.05 or for glyphs 5; bits are shown to D as -1 and 1."""
    G, h = data.mlp(data.z, data.hidden, data.hidden, data.d), data.hidden
    G = G if data.plane else Bounded(G)
    D = MLPCritic((data.d, h, h), seeds=data.S, generator=data.g)
    movers = [torch.optim.Adam(net.parameters(), data.rate, betas=(0.0, 0.99), fused=True) for net in (D, G)]
    decays = [torch.optim.lr_scheduler.LinearLR(mover, 1, 0.0, total_iters=data.turns) for mover in movers]

    def noise(shape):
        return data.noise(shape[-1], data.z)

    def penalty(D, real, fake):
        return weight * penalties.r1(D, real, fake)

    weight = weight or (0.05 if data.plane else 5.0)
    see = (lambda x: x) if data.plane else (lambda bits: 2 * bits - 1)
    batches = (see(data.draw(BATCH)) for _ in range(data.turns))
    game = losses.nonsaturating_d, losses.nonsaturating_g, *movers
    for _ in alternate(G, D, batches, noise, *game, penalty=penalty):
        for decay in decays:
            decay.step()

    def sample(n):
        x = G(data.noise(n, data.z))
        return x if data.plane else (x > 0).float()

    return sample, None, "", (G,)


FAMILIES = {"fresh data": fresh, "independent": one_bell, "mixture": mixture}
FAMILIES |= {"autoregressive": autoregressive, "flow": flow, "VAE": vae, "chain": chain, "GAN": gan}
FAMILIES["GAN, R1 at 0.05"] = partial(gan, weight=0.05)  # of glyphs alone


def told(x):
    """Eight pictures as hexadecimal digits, or 200 points as hundredths, to be shown."""
    if x.shape[-1] == 2:
        return " ".join(f"{100 * v:.0f}" for v in x[:200].flatten().tolist())
    return " ".join(f"{int(''.join('01'[int(b)] for b in bits), 2):064x}" for bits in x[:8])


def measured(data, sample, small):
    """Of samples: in the plane modes kept and the share near one, of glyphs classes kept and the Fréchet distance."""
    n, begun = data.many, time.process_time()
    x = sample(n).cpu()
    shown = {"sampling": [f"{1000 * (time.process_time() - begun) / (n * data.S):.4f}"] * data.S}
    shown["samples"] = [told(x[0])] + [""] * (data.S - 1)  # of the first seed
    if data.plane:
        found = [metrics.modes(points, LAW.centres, 0.1) for points in x]
        near = [f"{f.high_quality:.4f}" for f in found]
        return {"kept": [int(f.m10) for f in found], "near": near, "frechet": [""] * data.S} | shown
    net = reader(small)
    real = net.features(data.draw(n).cpu()[0].view(-1, 1, 16, 16) * 2 - 1)
    pictures = x.view(data.S, n, 1, 16, 16) * 2 - 1
    share = torch.stack([torch.bincount(net.reads(p), minlength=10) / n for p in pictures])
    distance = [float(metrics.frechet_distance(net.features(p), real)) for p in pictures]
    kept = (share >= 0.01).sum(-1).tolist()
    return {"kept": kept, "near": [""] * data.S, "frechet": [f"{v:.4f}" for v in distance]} | shown


@torch.enable_grad()
def reader(small):
    """A judge of glyphs that are cut to paper (-1) and ink (1)."""
    labelled = images.glyphs(200 if small else 6000, 16, generator=ganlib.rng(3))
    return judge((labelled.images > 0).float() * 2 - 1, labelled.factors.label)


def trial(case, S, g, small):
    """All seeds of a family at once."""
    data = Data(case["data"], S, g, small)
    begun = time.process_time()
    sample, log_p, kind, nets = FAMILIES[case["family"]](data)
    learnt = (time.process_time() - begun) / S
    calls = []
    hooks = [net.register_forward_hook(lambda *_: calls.append(1)) for net in nets]
    with torch.no_grad():
        found = measured(data, sample, small)
        for hook in hooks:
            hook.remove()
        nats = [""] * S
        if log_p:
            held = data.draw(20 if small else 1000)
            told = log_p(held).cpu().double()
            own = torch.stack([LAW.log_prob(x) for x in held.cpu().double()]) if data.plane else 0.0
            nats = [f"{v:.4f}" for v in (own - told).mean(-1).tolist()]
    return found | {"nats": nats, "kind": [kind] * S, "calls": [len(calls)] * S, "training": [f"{learnt:.3f}"] * S}


CASES = [{"data": data, "family": name} for data in ("ring", "glyphs") for name in FAMILIES]
CASES.remove({"data": "ring", "family": "GAN, R1 at 0.05"})


if __name__ == "__main__":
    main("families", CASES, trial, modules=MODULES, seeds=10, block=10)
