"""The labs in a browser, beside ganlib: the same weights and draws, the same numbers; and faults that must be seen."""

from __future__ import annotations

import math
import os
import re
import shutil
from itertools import product
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Error, sync_playwright
from scipy import integrate, stats

import ganlib
from ganlib import densities, divergences, em, labs, metrics, rates
from tests.labs import trials

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = os.environ.get("GANLIB_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason=f"needs a Chromium, one of {', '.join(NAMES)}")
FLAGS = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
REPLAY = (Path(__file__).parent / "replay.js").read_text(encoding="utf-8")
PAGE = '<!doctype html><html lang="en"><meta charset="utf-8"><body>'
PLACES = {name: labs.HERE / f"{name}.js" for name in labs.SOURCES}


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(chromium):
    """A page without labs, with their functions."""
    page = chromium.new_page()
    page.set_content(PAGE)
    page.add_script_tag(content=labs.script() + REPLAY)
    yield page
    page.close()


@pytest.fixture
def shown(chromium, tmp_path):
    """Open a page with these frames; the rest of the address may follow."""

    def show(*frames, address=""):
        (tmp_path / "page.html").write_text(
            f"{PAGE}{''.join(frames)}<script>{labs.script()}</script>", encoding="utf-8"
        )
        context = chromium.new_context(viewport={"width": 900, "height": 900}, reduced_motion="reduce")
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        page.goto((tmp_path / "page.html").as_uri() + address)
        return page

    return show


def doubles(numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def apart(came, told):
    """The largest difference between what the lab came to and what ganlib did."""
    differences = [0.0]
    for key in ("lossD", "lossG", "endD", "endG"):
        for ours, theirs in zip(came[key], told[key], strict=True):
            ours, theirs = doubles(ours), doubles(theirs)
            differences.append((ours - theirs).abs().max().item())
    return max(differences) if all(map(math.isfinite, differences)) else math.inf


# The same game


GAMES = {
    f"{loss}, {penalty}": {"loss": loss, "penalty": penalty}
    for loss, penalty in product(trials.LOSSES, trials.PENALTIES)
}
GAMES |= {f"{loss}, clipped": {"loss": loss, "clip": 0.05} for loss in trials.LOSSES}
GAMES |= {f"{loss}, spectral norm": {"loss": loss, "spectral": True} for loss in trials.LOSSES}
GAMES["spectral norm and R1"] = {"loss": "hinge", "penalty": "R1", "spectral": True}
GAMES["spectral norm and gradient"] = {"loss": "Wasserstein", "penalty": "gradient", "spectral": True}
GAMES["more steps"] = {"loss": "relativistic", "penalty": "R1 + R2", "d_steps": 3, "g_steps": 2}


@needs_browser
@pytest.mark.parametrize("name", GAMES)
def test_a_hundred_turns_are_those_of_ganlib(page, name):
    told = trials.game(**GAMES[name])
    came = page.evaluate("told => ganlab.replay(told)", told)
    assert apart(came, told) < 1e-9
    assert apart(trials.game(**GAMES[name], seed=1), told) > 1e-3  # another game would be seen


@needs_browser
def test_modes_are_counted_as_by_ganlib(page):
    g = ganlib.rng()
    law = densities.ring(0.1)
    for spread in (0.05, 0.2, 0.8):
        x = law.sample(500, generator=g, dtype=torch.float64) + spread * torch.randn(500, 2, generator=g).double()
        x = x[x[:, 0] > -1.7]
        mine = page.evaluate("x => ganlab.modes(Float64Array.from(x), ganlab.clouds.ring)", x.flatten().tolist())
        theirs = metrics.modes(x, law.centres, 0.1)
        assert mine["m10"] == theirs.m10 and abs(mine["near"] - theirs.high_quality) < 1e-12


@needs_browser
def test_shares_have_their_exact_interval(page):
    for k, n in ((0, 16), (3, 16), (11, 16), (16, 16)):
        assert page.evaluate("([k, n]) => ganlab.interval(k, n)", [k, n]) == pytest.approx(
            rates.interval(k, n), abs=1e-9
        )


@needs_browser
def test_what_a_lab_draws_is_what_it_says(page):
    """Moments of the numbers that a lab draws for itself."""
    three = "() => [r.uniform(), r.normal(), r.below(5)]"
    draws = f"n => {{ const r = new ganlab.Rng(3); return Array.from({{length: n}}, {three}) }}"
    uniform, normal, below = torch.tensor(page.evaluate(draws, 20_000)).double().T
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3 and stats.kstest(normal, "norm").pvalue > 1e-3
    assert stats.chisquare(below.long().bincount(minlength=5)).pvalue > 1e-3
    assert abs(torch.corrcoef(torch.stack([normal[1:], normal[:-1]]))[0, 1]) < 0.03
    first = page.evaluate("[1, 2, 1].map(seed => new ganlab.Rng(seed).uniform())")
    assert first[0] == first[2] != first[1]
    found = page.evaluate("['ring', 'grid'].map(name => Array.from(ganlab.sample(name, 4000, new ganlab.Rng(1))))")
    for x, law in zip(found, (densities.ring(0.1), densities.grid(0.05)), strict=True):
        x = doubles(x).view(-1, 2)
        told = metrics.modes(x, law.centres, law.sd[0].item())
        assert told.m10 == len(law.centres) and abs(told.high_quality - 0.989) < 0.006 and told.reverse_kl < 0.01


@needs_browser
def test_first_weights_are_those_of_torch_glorot_and_he(page):
    drawn = """init => {
      const net = new ganlab.Net([30, 50, 50, 2], 0, new ganlab.Rng(1), {init});
      return [Array.from(net.W[1]), Array.from(net.b[1])];
    }"""
    for init, sd in (("torch", 50**-0.5 / 3**0.5), ("Glorot", 50**-0.5), ("He", (2 / 50) ** 0.5)):
        W, b = (doubles(v) for v in page.evaluate(drawn, init))
        assert abs(W.std() / sd - 1) < 0.05 and abs(W.mean()) < 0.1 * sd
        assert (b.abs().max() > 0) == (init == "torch") and (init != "torch" or W.abs().max() <= 50**-0.5)


# Densities


SETTINGS = [
    (-1.0, 1.5, 0.5, 0.6),
    (-2.0, 2.5, 0.7, 0.5),
    (0.3, 0.4, 1.9, 1.0),
    (4.0, -3.0, 0.2, 0.05),
    (1.2, 1.2, 1.1, 0.0),
]


@needs_browser
@pytest.mark.parametrize(("p", "q"), [pair for pair in product(SETTINGS, SETTINGS) if pair[0] < pair[1]])
def test_divergences_are_those_of_ganlib(page, p, q):
    x = torch.linspace(-12, 12, 2401, dtype=torch.float64)

    def law(a, b, s, w):
        inside = [(m, share) for m, share in ((a, w), (b, 1 - w)) if share > 0]
        means, weights = zip(*inside, strict=True)
        return densities.mixture(means, [s] * len(means), torch.tensor(weights).double())

    log_p, log_q = (law(*v).log_prob(x[:, None]) for v in (p, q))
    ask = """([p, q]) => {
      const c = ganlab.compare(ganlab.law(...p), ganlab.law(...q));
      return {...c, "D*": Array.from(c["D*"])};
    }"""
    came = page.evaluate(ask, [p, q])
    named = {
        "KL(p‖q)": divergences.kl,
        "KL(q‖p)": divergences.reverse_kl,
        "JS": divergences.js,
        "TV": divergences.total_variation,
    }
    for name, divergence in named.items():
        assert came[name] == pytest.approx(divergence(log_p, log_q, x).item(), rel=1e-6, abs=1e-6)
    chi = torch.trapezoid((2 * log_p - log_q).exp(), x).item() - 1
    assert came["χ²(p‖q)"] == pytest.approx(chi, rel=1e-6, abs=1e-6)
    assert (doubles(came["D*"]) - torch.sigmoid(log_p - log_q)).abs().max() < 1e-6

    def between(t):
        low, high = (w * stats.norm.cdf(t, a, s) + (1 - w) * stats.norm.cdf(t, b, s) for a, b, s, w in (p, q))
        return abs(low - high)

    cost = integrate.quad(between, -12, 12, limit=2000, points=[-3, -2, -1, 0, 1, 2, 3])[0]
    assert came["W₁"] == pytest.approx(cost, abs=2e-5)


# The smallest game


def descents(loss, penalty, weight, place, theta, psi):
    """Slopes of both losses by autograd, with ganlib's losses."""
    theta, psi, c = (doubles([v]) for v in (theta, psi, place))
    theta.requires_grad_(), psi.requires_grad_()
    loss_d, loss_g = trials.LOSSES[loss]
    cost_d = loss_d(psi * c, psi * theta.detach())
    slope = psi.abs()
    cost_d = (
        cost_d
        + weight
        * {"none": 0 * slope, "gradient": (slope - 1) ** 2, "R1": slope**2, "R1 + R2": 2 * slope**2}[penalty].sum()
    )
    cost_g = loss_g(psi.detach() * c, psi.detach() * theta)
    return torch.autograd.grad(cost_g, theta)[0].item(), torch.autograd.grad(cost_d, psi)[0].item()


@needs_browser
@pytest.mark.parametrize("penalty", trials.PENALTIES)
@pytest.mark.parametrize("loss", trials.LOSSES)
def test_slopes_and_moves_of_the_smallest_game(page, loss, penalty):
    state = {"loss": loss, "penalty": penalty, "weight": 0.7, "place": 0.4, "rate": 0.13}
    ask = "([s, at, before, order]) => [ganlab.dirac.slopes(s, at), ganlab.dirac.move({...s, order}, at, before)[0]]"

    def slopes(at):
        return doubles(descents(loss, penalty, 0.7, 0.4, *at))

    at, before, h = doubles([1.3, -0.6]), doubles([0.2, 0.5]), 0.13
    g = slopes(at.tolist())
    later = at[1] - h * g[1]
    moves = {"at once": at - h * g, "extragradient": at - h * slopes((at - h * g).tolist())}
    moves["in turn"] = torch.stack([at[0] - h * slopes([at[0].item(), later.item()])[0], later])
    moves["optimistic"] = at - h * (2 * g - before)
    for order, end in moves.items():
        came, moved = page.evaluate(ask, [state, at.tolist(), before.tolist(), order])
        assert came == pytest.approx(g.tolist(), abs=1e-12) and moved == pytest.approx(end.tolist(), abs=1e-12)


@needs_browser
@pytest.mark.parametrize(("loss", "place", "weight", "expected"), [
    ("minimax", 0.0, 0.0, (0, 0.5)), ("minimax", 1.0, 0.0, (-0.25, math.sqrt(3) / 4)),
    ("relativistic", 1.0, 0.0, (0, 0.5)), ("Wasserstein", 0.7, 0.0, (0, 1)), ("minimax", 0.0, 0.3, (-0.3, 0.4)),
])  # fmt: skip
def test_eigenvalues_where_the_point_lies_on_the_data(page, loss, place, weight, expected):
    state = {"loss": loss, "penalty": "R1", "weight": weight, "place": place}
    [(real, imaginary), _] = page.evaluate("s => ganlab.dirac.eigenvalues(s)", state)
    assert real == pytest.approx(expected[0], abs=1e-6) and abs(imaginary) == pytest.approx(expected[1], abs=1e-6)


# EM


def em_case(K, seed=0):
    g = ganlib.rng(seed)
    x = torch.randn(70, 2, generator=g).double() + 2 * torch.randn(3, 2, generator=g).double()[torch.arange(70) % 3]
    means = torch.randn(K, 2, generator=g).double()
    theta = em.Gaussians(torch.full((K,), 1 / K).double(), means, torch.eye(2).double().expand(K, 2, 2))
    flat = {"weights": theta.weights.tolist(), "means": means.tolist(), "covariances": [[1, 0, 1]] * K}
    return x, theta, flat


RUN_EM = """([t, x, turns, ridge]) => {
  x = Float64Array.from(x); const like = [], bounds = [];
  for (let k = 0; k < turns; k++) {
    const [q, l] = ganlab.em.eStep(t, x);
    like.push(l); bounds.push(ganlab.em.bound(t, q, x)); t = ganlab.em.mStep(q, x, ridge);
  }
  return [t, like, bounds, ganlab.em.rate(t, x, ridge)];
}"""


@needs_browser
@pytest.mark.parametrize("K", [1, 2, 3, 4])
def test_a_hundred_turns_of_em_are_those_of_ganlib(page, K):
    x, theta, flat = em_case(K)
    came, like, bounds, rate = page.evaluate(RUN_EM, [flat, x.flatten().tolist(), 100, 0.001])
    steps = [step for _, step in zip(range(101), em.em(theta, x, ridge=0.001), strict=False)]
    assert like == pytest.approx([s.log_likelihood.item() for s in steps[:100]], abs=1e-8)
    assert bounds == pytest.approx(like, abs=1e-8)  # after E the bound touches
    end = steps[100].theta
    assert (doubles(came["means"]) - end.means).abs().max() < 1e-9
    assert (doubles(came["weights"]) - end.weights).abs().max() < 1e-9
    mine = doubles(came["covariances"])
    assert (mine[:, [0, 1, 1, 2]].view(K, 2, 2) - end.covariances).abs().max() < 1e-9

    def turn(v):
        theta = em.Gaussians(v[:K], v[K : 3 * K].view(K, 2), v[3 * K :].view(K, 2, 2))
        q = (joint := em.log_joint(theta, x)).softmax(-1)
        after = em.m_step(q, x, ridge=0.001)
        return torch.cat([after.weights, after.means.flatten(), after.covariances.flatten()]) + 0 * joint.sum()

    at = torch.cat([end.weights, end.means.flatten(), end.covariances.flatten()])
    sizes = torch.linalg.eigvals(torch.autograd.functional.jacobian(turn, at)).abs().sort(descending=True).values
    assert rate == pytest.approx(sizes[0].item() if K > 1 else 0.0, abs=2e-3)


# On the page


@needs_browser
@pytest.mark.parametrize("name", list(labs.specs()))
def test_a_lab_opens_plays_and_says_what_it_shows(shown, name):
    page = shown(labs.Lab(name).frame())
    box = page.locator(".ganlab")
    assert box.get_attribute("role") == "group" and len(box.get_attribute("aria-label")) > 5
    first = box.locator(".ganlab-said").inner_text()
    assert len(first) > 10 and box.locator(".ganlab-trouble").inner_text() == ""
    assert all(
        len(label) > 10
        for label in box.locator("canvas").evaluate_all("all => all.map(c => c.getAttribute('aria-label'))")
    )
    assert box.locator("label").count() == box.locator("input, select").count()
    button = box.get_by_role("button", name=re.compile("One step|Half a turn"))
    if button.is_visible():
        button.focus()
        page.keyboard.press("Enter")
        assert box.locator(".ganlab-said").inner_text() != first
        box.get_by_role("button", name="Play").click()
        page.wait_for_timeout(300)
        box.get_by_role("button", name="Pause").click()
        assert page.evaluate("document.querySelector('.ganlab').ganlab.play.getAttribute('aria-pressed')") == "false"
    else:
        page.locator("input").first.focus()
        page.keyboard.press("ArrowRight")
        assert box.locator(".ganlab-said").inner_text() != first
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_browser
def test_the_address_keeps_the_state(shown):
    page = shown(labs.game().frame(), address="#lab=game;loss=hinge;rateD=0.001;seeds=16")
    state = page.evaluate("document.querySelector('.ganlab').ganlab.state")
    assert (state["loss"], state["rateD"], state["seeds"], state["penalty"]) == ("hinge", 0.001, "16", "none")
    page.get_by_role("button", name="Copy link").click()
    assert "loss=hinge" in page.url and "rateD=0.001" in page.url
    page.reload()
    assert page.evaluate("document.querySelector('.ganlab').ganlab.state") == state


@needs_browser
@pytest.mark.parametrize(("address", "said"), [
    ("#lab=game;rateD=1e9", "Rate of D: expected a number from 0.0001 to 0.03, got 1e9"),
    ("#lab=game;loss=best", "Loss: expected one of minimax"),
    ("#lab=game;width=10.5", "Width: expected a whole number from 8 to 64, got 10.5"),
    ("#lab=game;speed=;turns=NaN", "Turns in all: expected a whole number from 100 to 20000, got NaN"),
    ("#lab=game;colour=red", "there is no colour"),
])  # fmt: skip
def test_nonsense_in_the_address_gets_a_sentence(shown, address, said):
    page = shown(labs.game().frame(), address=address)
    assert said in page.locator(".ganlab-trouble").inner_text()
    page.get_by_role("button", name="One step").click()
    assert "Turn 1" in page.locator(".ganlab-said").inner_text()


@needs_browser
def test_a_seed_that_is_not_finite_stops_and_says_so(shown):
    page = shown(labs.game(loss="least squares", seeds="16").frame())
    page.evaluate("document.querySelector('.ganlab').ganlab.run().games[3].D.W[0].fill(NaN)")
    page.get_by_role("button", name="One step").click()
    assert "1 of 16 seeds have stopped: a loss was not finite." in page.locator(".ganlab-said").inner_text()
    page.evaluate("document.querySelector('.ganlab').ganlab.run().games.forEach(g => g.D.W[0].fill(Infinity))")
    page.get_by_role("button", name="One step").click()
    assert "loss is not finite" in page.locator(".ganlab-trouble").inner_text()


@needs_browser
def test_points_drawn_by_hand_are_the_data(shown):
    page = shown(labs.game(data="by hand").frame())
    page.get_by_role("button", name="One step").click()
    assert "Draw some points" in page.locator(".ganlab-trouble").inner_text()
    box = page.locator("canvas").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 60, y)
    page.mouse.down()
    page.mouse.move(x + 60, y - 40, steps=12)
    page.mouse.up()
    page.get_by_role("button", name="One step").click()
    assert "Turn 1" in page.locator(".ganlab-said").inner_text()


CODES = [
    {},
    {"loss": "relativistic", "penalty": "R1 + R2", "seeds": "16"},
    {"loss": "Wasserstein", "penalty": "gradient", "stepsD": 3},
]
CODES += [
    {"loss": "hinge", "bound": "spectral norm", "init": "He"},
    {"loss": "least squares", "bound": "clipped at 0.05", "data": "grid"},
]
CODES += [{"loss": "minimax", "penalty": "R1", "init": "Glorot", "latent": 5, "data": "two moons"}]


@needs_browser
@pytest.mark.parametrize("state", CODES)
def test_the_code_that_a_lab_shows_runs(shown, state, capsys):
    code = shown(labs.game(**state, turns=100).frame()).locator("pre").text_content()
    exec(compile(code, "the lab's code", "exec"), {})
    assert ("Modes" in capsys.readouterr().out) == (state.get("data") != "two moons")


@needs_browser
def test_the_code_of_the_densities_gives_their_numbers(shown, capsys):
    page = shown(labs.densities(pa=-0.5, qw=0.3).frame())
    exec(compile(page.locator("pre").text_content(), "the lab's code", "exec"), {})
    kl = capsys.readouterr().out.splitlines()[0].split()[1]
    assert f"KL(p‖q) {float(kl):.3f}" in page.locator(".ganlab-said").inner_text()


# From Python


def test_a_lab_is_a_frame_until_a_kernel_shows_it():
    lab = labs.game(loss="hinge", task="Try <this> & that", still='<img alt="x" src="y">')
    assert repr(lab) == "lab game: loss = hinge"
    assert (
        '<img alt="x" src="y">' in lab.frame()
        and "Try &lt;this&gt; &amp; that" in lab.frame()
        and "<script" not in lab.frame()
    )
    live = lab._repr_mimebundle_()["text/html"]
    assert live.startswith(lab.frame()) and live.count("<script") == 1
    from tools import notebooks

    assert notebooks.LIVE.sub("", live) == lab.frame()


@pytest.mark.parametrize(("name", "state", "said"), [
    ("maze", {}, "one of game, densities, dirac, em, got maze"), ("game", {"colour": 1}, "a setting of game"),
    ("game", {"loss": "best"}, "loss to be one of minimax"),
    ("game", {"rateD": 1.0}, "rateD to be a number from 0.0001 to 0.03, got 1.0"),
    ("em", {"K": 2.5}, "K to be a whole number from 1 to 4, got 2.5"),
    ("dirac", {"rate": float("nan")}, "rate to be a number"),
])  # fmt: skip
def test_bad_input_is_refused(name, state, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        labs.Lab(name, **state)


def test_every_lab_opens_in_a_state_that_fits():
    for name, spec in labs.specs().items():
        labs.Lab(name, **spec["defaults"])
        assert spec["defaults"].keys() == spec["controls"].keys()


def test_a_lab_is_small():
    import gzip

    sizes = {name: len(gzip.compress(path.read_bytes())) for name, path in PLACES.items()}
    shared = sizes.pop("core") + sizes.pop("shell")
    assert shared < 12_000 and max(sizes.values()) < 12_000


# Planted faults: each must be seen by a short game, a divergence, a move or a turn of EM


FAULTS = [
    ("core", "k++) s += x[a + k] * W[w + k]", "k++) s += 2 * x[a + k] * W[w + k]"),
    ("core", "s2 += v * W[w2 + k]", "s2 += v * W[w1 + k]"),
    ("core", "start = b ?? ", "start = b?.map((v) => -v) ?? "),
    ("core", "e[a + k] += q * W[w + k]", "e[a + k] -= q * W[w + k]"),
    ("core", "gW[w + k] += q * x[a + k]", "gW[w + k] += q * q * x[a + k]"),
    ("core", "if (gb) gb[c] += q", "if (gb) gb[c] -= q"),
    ("core", "if (y[k] <= 0) y[k] *= this.slope", "if (y[k] <= 0) y[k] *= 2 * this.slope"),
    ("core", "if (h[k] <= 0) e[k] *= this.slope", "if (h[k] >= 0) e[k] *= this.slope"),
    ("core", "W.map((w) => w / sigma)", "W.map((w) => w * sigma)"),
    ("core", "if (learn) this.u[l] = unit(Wv)", "if (!learn) this.u[l] = unit(Wv)"),
    ("core", "- (along / sigma ** 2) * u[c] * v[k]", "+ (along / sigma ** 2) * u[c] * v[k]"),
    ("core", "(along / sigma ** 2)", "(along / sigma)"),
    ("core", "(push * slopes[r * d + k]) / norm / n", "(2 * push * slopes[r * d + k]) / norm / n"),
    ("core", "(push * slopes[r * d + k]) / norm / n", "(push * slopes[r * d + k]) / n"),
    ("core", "this.mask(v, tape.h[l + 1])", "this.mask(v, tape.h[l])"),
    ("core", "deltas[l], v, n, false)", "deltas[l], v, n, true)"),
    ("core", "/ (1 - beta1 ** t)", "/ (1 + beta1 ** t)"),
    ("core", "root = Math.sqrt(1 - beta2 ** t)", "root = 1 - beta2 ** t"),
    ("core", "(1 - beta1) * (g[k] - m[k])", "(1 - beta1) * (g[k] + m[k])"),
    ("core", "v[k] = beta2 * v[k] + (1 - beta2) * g[k] * g[k]", "v[k] = beta2 * v[k] + (1 - beta2) * Math.abs(g[k])"),
    ("core", "made: (t) => [-softplus(t), -sigmoid(t)]", "made: (t) => [-softplus(t), -sigmoid(-t)]"),
    ("core", "made: (t) => [softplus(-t), -sigmoid(-t)]", "made: (t) => [softplus(-t), sigmoid(-t)]"),
    ("core", "fake: (t) => [softplus(t), sigmoid(t)]", "fake: (t) => [softplus(t), 2 * sigmoid(t)]"),
    ("core", "fake: (t) => [t ** 2 / 2, t]", "fake: (t) => [t ** 2, t]"),
    ("core", "t < 1 ? -1 : 0", "t < 1 ? 1 : 0"),
    ("core", "real: (t) => [-t, -1], fake: (t) => [t, 1]", "real: (t) => [t, 1], fake: (t) => [t, 1]"),
    ("core", "dr[i] = -push / n; df[i] = push / n", "dr[i] = push / n; df[i] = push / n"),
    ("core", "push = -push;", ""),
    ("core", "between: (s) => [(s - 1) ** 2, 2 * (s - 1)]", "between: (s) => [(s - 1) ** 2, 2 * s]"),
    ("core", "R1: { real: (s) => [s * s, 2 * s] }", "R1: { fake: (s) => [s * s, 2 * s] }"),
    ("core", "size(s).map((t) => game.weight * t)", "size(s).map((t) => 2 * game.weight * t)"),
    ("core", "e * v + (1 - e) * y[i]", "(1 - e) * v + e * y[i]"),
    ("core", "Math.max(-game.clip, Math.min(game.clip, w))", "Math.max(-2 * game.clip, Math.min(game.clip, w))"),
    ("densities", "LOG(w) + normal(x, a, s)", "LOG(w) - normal(x, a, s)"),
    ("densities", "- LOG(s) - 0.5", "+ LOG(s) - 0.5"),
    ("densities", "add(v, q.log[i]) - LOG(2)", "add(v, q.log[i])"),
    ("densities", "w * below((x - a) / s)", "w * below((x + a) / s)"),
    ("densities", "e(2 * p.log[i] - q.log[i])", "e(p.log[i] - q.log[i])"),
    ("dirac", "[made[0] * psi, real[0] * c + fake[0] * theta", "[made[0] * psi, real[0] * c - fake[0] * theta"),
    ("dirac", "R1: 2 * psi", "R1: psi"),
    ("dirac", "2 * v - (before ?? g)[k]", "2 * v + (before ?? g)[k]"),
    ("dirac", "slopes(state, [at[0], psi])[0]", "slopes(state, at)[0]"),
    ("em", "(c * u * u - 2 * b * u * v + a * v * v)", "(c * u * u + 2 * b * u * v + a * v * v)"),
    ("em", "- 0.5 * Math.log(det)", "- Math.log(det)"),
    ("em", "b += q[i][k] * u * v", "b += q[i][k] * u * u"),
    ("em", "own / n", "own / (n + 1)"),
]  # fmt: skip


def symptoms(page, short):
    """Everything that the tests above look at, briefly."""
    came = [page.evaluate("told => ganlab.replay(told)", told) for told in short]
    numbers = [came]
    numbers.append(
        page.evaluate(
            """(() => {
              const c = ganlab.compare(ganlab.law(-1, 1.5, .5, .6), ganlab.law(-2, 2.5, .7, .5));
              return [c["KL(p‖q)"], c.JS, c["W₁"], c["χ²(p‖q)"]];
            })()"""
        )
    )
    state = {"loss": "minimax", "penalty": "R1", "weight": 0.7, "place": 0.4, "rate": 0.13}
    ask = "([s, o]) => ganlab.dirac.move({...s, order: o}, [1.3, -.6], [.2, .5])[0]"
    numbers += [page.evaluate(ask, [state, order]) for order in ("at once", "in turn", "extragradient", "optimistic")]
    x, _, flat = em_case(2)
    numbers.append(page.evaluate(RUN_EM, [flat, x.flatten().tolist(), 3, 0.001]))
    return str(numbers)


@pytest.fixture(scope="module")
def short():
    """Games that together use every loss, penalty and bound."""
    names = [f"{loss}, none" for loss in trials.LOSSES] + [
        "minimax, gradient",
        "minimax, R1",
        "minimax, clipped",
        "hinge, spectral norm",
        "spectral norm and R1",
    ]
    return [trials.game(**GAMES[name], turns=3) for name in names]


@pytest.fixture(scope="module")
def healthy(page, short):
    return symptoms(page, short)


@needs_browser
@pytest.mark.parametrize(("where", "old", "new"), FAULTS, ids=range(len(FAULTS)))
def test_a_planted_fault_is_seen(chromium, short, healthy, where, old, new):
    source = PLACES[where].read_text(encoding="utf-8")
    assert source.count(old) == 1 or old in ("(along / sigma ** 2)", "(push * slopes[r * d + k]) / norm / n")
    page = chromium.new_page()
    page.set_content(PAGE)
    page.add_script_tag(content=labs.script().replace(old, new) + REPLAY)
    try:
        seen = symptoms(page, short) != healthy
    except Error:
        seen = True
    page.close()
    assert seen
