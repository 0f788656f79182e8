from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

from ganlib import losses, penalties
from ganlib.models import DCCritic, MLPCritic, MLPGenerator, Translator
from ganlib.training import alternate, maximise, translate, unrolled

S, N = 3, 16
SIZES = (2, 8, 8)


def stream(seed=20):
    return torch.Generator().manual_seed(seed)


def draws(steps, *shape, seed=1):
    """Prepared numbers, one set a step, so that two runs can share them."""
    return torch.randn(steps, *shape, generator=stream(seed), dtype=torch.float64)


def players(spectral_norm=False, seeds=S):
    G = MLPGenerator((*SIZES, 2), seeds=seeds, generator=stream(2))
    D = MLPCritic(SIZES, seeds=seeds, generator=stream(3), spectral_norm=spectral_norm)
    return G.double(), D.double()


def plain_players():
    """Plain networks without a seed axis; torch draws from the global stream, which is put back."""
    with torch.random.fork_rng():
        G = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
        D = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Flatten(0))
    return G.double(), D.double()


def alone(net, s):
    """One seed of an ensemble, as a network of its own."""
    net = deepcopy(net)
    for module in net.modules():
        for name, p in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(p.detach()[s : s + 1].clone()))
        for name, b in list(module.named_buffers(recurse=False)):
            setattr(module, name, b[s : s + 1].clone())
    return net


def optimizers(G, D):
    return [torch.optim.Adam(net.parameters(), 1e-3, betas=(0.5, 0.999)) for net in (D, G)]


def play(G, D, x, z, *, loss=(losses.nonsaturating_d, losses.nonsaturating_g), moves=None, **how):
    """The game over prepared draws."""
    z = iter(z)
    return alternate(G, D, x, lambda shape: next(z), *loss, *(moves or optimizers(G, D)), **how)


def state(*nets):
    """A copy of everything that a network holds."""
    return [t.detach().clone() for net in nets for t in (*net.parameters(), *net.buffers())]


def weights(*nets):
    return [p.detach().clone() for net in nets for p in net.parameters()]


def same(a, b):
    return all(torch.equal(s, t) for s, t in zip(a, b, strict=True))


def seed(tensors, *index):
    return [t[list(index)] for t in tensors]


def gap(a, b):
    return max((s - t).abs().max().item() for s, t in zip(a, b, strict=True))


# Equation: the loop, written by hand


@pytest.mark.parametrize(("d_steps", "g_steps"), [(1, 1), (3, 2)])
def test_the_game_is_the_loop_written_by_hand(d_steps, g_steps):
    G, D = players()
    by_hand_g, by_hand_d = deepcopy(G), deepcopy(D)
    x = draws(5 * d_steps, S, N, 2)
    z = draws(5 * (d_steps + g_steps), S, N, 2, seed=5)

    steps = list(play(G, D, x, z, d_steps=d_steps, g_steps=g_steps, penalty=lambda *of: 0.3 * penalties.r1(*of)))

    (move_d, move_g), batches, noises = optimizers(by_hand_g, by_hand_d), iter(x), iter(z)
    for step in steps:
        for _ in range(d_steps):
            real, fake = next(batches), by_hand_g(next(noises)).detach()
            loss_d = losses.nonsaturating_d(by_hand_d(real), by_hand_d(fake))
            move_d.zero_grad()
            (loss_d + 0.3 * penalties.r1(by_hand_d, real, fake)).sum().backward()
            move_d.step()
        for _ in range(g_steps):
            loss_g = losses.nonsaturating_g(None, by_hand_d(by_hand_g(next(noises))))
            move_g.zero_grad()
            loss_g.sum().backward()
            move_g.step()
        assert torch.equal(step.loss_D, loss_d)
        assert torch.equal(step.loss_G, loss_g)
        assert step.alive.tolist() == [True] * S
        assert not step.loss_D.requires_grad
        assert not step.loss_G.requires_grad
    assert [step.number for step in steps] == [1, 2, 3, 4, 5]
    assert same(weights(G, D), weights(by_hand_g, by_hand_d))


def between(epsilon):
    """WGAN-GP's penalty at prepared points: on a segment from a point to itself its own ε moves nothing."""
    epsilon = iter(epsilon)

    def penalty(D, real, fake):
        share = next(epsilon)
        middle = share * real + (1 - share) * fake
        return 10 * penalties.gradient_penalty(D, middle, middle, generator=stream())

    return penalty


@pytest.mark.parametrize("kind", ["plain", "gradient penalty", "spectral norm"])
def test_an_ensemble_is_as_many_separate_runs(kind):
    G, D = players(spectral_norm=kind == "spectral norm")
    separate = [(alone(G, s), alone(D, s)) for s in range(S)]
    steps = 200
    x, z, epsilon = draws(steps, S, N, 2), draws(2 * steps, S, N, 2, seed=5), draws(steps, S, N, 1, seed=6).sigmoid()

    def run(G, D, seeds):
        how = {"loss": (losses.wasserstein_d, losses.wasserstein_g)} if kind == "gradient penalty" else {}
        if how:
            how["penalty"] = between(epsilon[:, seeds])
        history = list(play(G, D, x[:, seeds], z[:, seeds], **how))
        return [torch.stack([step.loss_D for step in history]), torch.stack([step.loss_G for step in history])]

    before = weights(G, D)
    together = run(G, D, slice(0, S))
    assert gap(before, weights(G, D)) > 1e-2
    assert [len(t) for t in together] == [steps, steps]
    for s, (g, d) in enumerate(separate):
        assert gap(run(g, d, slice(s, s + 1)), [t[:, s : s + 1] for t in together]) <= 1e-12
        assert gap(state(g, d), [t[s : s + 1] for t in state(G, D)]) <= 1e-12


# What each step moves


def test_ds_step_leaves_g_alone_and_gs_step_leaves_d_alone():
    G, D = players()
    seen = []

    def after_d(d):
        assert d is D
        seen.append(
            (weights(G), weights(D), [p.grad for p in G.parameters()], [p.grad.clone() for p in D.parameters()])
        )

    start = weights(G), weights(D)
    (step,) = play(G, D, draws(1, S, N, 2), draws(2, S, N, 2, seed=5), after_D=after_d)
    ((g, d, grad_g, grad_d),) = seen
    assert same(g, start[0])
    assert not any(torch.equal(*of) for of in zip(d, start[1], strict=True))
    assert grad_g == [None] * len(g)
    assert same(weights(D), d)
    assert same([p.grad for p in D.parameters()], grad_d)
    assert not any(torch.equal(*of) for of in zip(weights(G), g, strict=True))
    assert step.number == 1


@pytest.mark.parametrize(("d_steps", "g_steps"), [(1, 1), (1, 3), (4, 1), (2, 3)])
def test_a_turn_is_so_many_steps_of_d_and_then_of_g(d_steps, g_steps):
    G, D = players()
    calls = []

    def noted(name, function):
        def call(*arguments):
            calls.append(name)
            return function(*arguments)

        return call

    loss = noted("D", losses.hinge_d), noted("G", losses.hinge_g)
    z = draws(2 * (d_steps + g_steps), S, N, 2, seed=5)
    how = {"d_steps": d_steps, "g_steps": g_steps, "after_D": noted("after", lambda d: None)}
    for step in play(G, D, draws(2 * d_steps, S, N, 2), z, loss=loss, **how):
        assert calls == step.number * (d_steps * ["D", "after"] + g_steps * ["G"])
    assert step.number == 2


def test_noise_is_drawn_afresh_at_every_step_for_the_points_shape():
    G, D = players()
    asked, z = [], iter(draws(10, S, N, 2, seed=5))

    def noise(shape):
        asked.append(tuple(shape))
        return next(z)

    moves = optimizers(G, D)
    list(alternate(G, D, draws(4, S, N, 2), noise, losses.hinge_d, losses.hinge_g, *moves, d_steps=2, g_steps=3))
    assert asked == [(S, N)] * 10


def test_after_d_acts_between_ds_step_and_gs():
    G, D = players()
    c = 0.05

    def loss_g(real, fake):
        assert max(p.abs().max() for p in D.parameters()) <= c
        return losses.wasserstein_g(real, fake)

    x, z = draws(3, S, N, 2), draws(6, S, N, 2, seed=5)
    for _ in play(G, D, x, z, loss=(losses.wasserstein_d, loss_g), after_D=partial(penalties.clip_weights, c=c)):
        assert max(p.abs().max() for p in D.parameters()).item() == c


def test_a_penalty_gets_the_critic_and_both_points_and_its_weight_acts():
    x, z = draws(1, S, N, 2), draws(2, S, N, 2, seed=5)
    moved = []
    for weight in (0, 0.4, 0.8):
        G, D = players()
        moves = torch.optim.SGD(D.parameters(), 0.1), torch.optim.SGD(G.parameters(), 0.1)
        before, fake = weights(D), G(z[0]).detach()

        def penalty(critic, real, generated, weight=weight, D=D, fake=fake):
            assert torch.equal(real, x[0])
            assert torch.equal(generated, fake)
            assert not generated.requires_grad
            assert torch.equal(critic(real), D(real))
            return weight * penalties.r2(critic, real, generated)

        (step,) = play(G, D, x, z, moves=moves, penalty=penalty)
        assert torch.equal(step.loss_D, losses.nonsaturating_d(*(players()[1](t) for t in (x[0], fake))))
        moved.append([new - old for new, old in zip(weights(D), before, strict=True)])
    # one step of gradient descent is linear in the weight
    once, twice = ([a - b for a, b in zip(m, moved[0], strict=True)] for m in moved[1:])
    assert gap(twice, [2 * t for t in once]) <= 1e-15
    assert gap(once, [0 * t for t in once]) > 1e-4


class Conditional(nn.Module):
    """A network that keeps what it is asked."""

    def __init__(self, net):
        super().__init__()
        self.net, self.asked = net, []

    def forward(self, points, *condition):
        self.asked.append(condition)
        return self.net(points)


def test_a_condition_goes_to_both_players_and_g_keeps_the_last_one():
    G, D = (Conditional(net) for net in players())
    x, z = draws(2, S, N, 2), draws(4, S, N, 2, seed=5)
    how = {"d_steps": 2, "g_steps": 2, "penalty": lambda *of: 0.1 * penalties.r1(*of)}
    list(play(G, D, [(x[0], "a", 7), [x[1], "b", 8]], z, **how))
    assert G.asked == [("a", 7), ("b", 8), ("b", 8), ("b", 8)]
    # real, generated, penalty; twice; then each step of G
    assert D.asked == 3 * [("a", 7)] + 3 * [("b", 8)] + 2 * [("b", 8)]


def test_batches_may_be_points_alone():
    G, D = (Conditional(net) for net in players())
    x, z = draws(3, S, N, 2), draws(6, S, N, 2, seed=5)
    list(play(G, D, [x[0], (x[1],), [x[2]]], z))
    assert set(G.asked) == set(D.asked) == {()}


def test_a_pairing_loss_gets_the_logits_of_the_last_real_batch():
    G, D = players()
    seen = []

    def loss_g(real, fake):
        seen.append((real.detach().clone(), D(x[-1]).detach()))
        return losses.relativistic_g(real, fake)

    x, z = draws(2, S, N, 2), draws(3, S, N, 2, seed=5)
    before = weights(G)
    list(play(G, D, x, z, loss=(losses.relativistic_d, loss_g), pair=True, d_steps=2))
    ((real, expected),) = seen
    assert torch.equal(real, expected)
    assert not same(before, weights(G))


def test_a_loss_that_does_not_pair_gets_no_real_logits():
    G, D = players()
    seen = []

    def loss_g(real, fake):
        seen.append(real)
        return losses.hinge_g(real, fake)

    list(play(G, D, draws(1, S, N, 2), draws(2, S, N, 2, seed=5), loss=(losses.hinge_d, loss_g)))
    assert seen == [None]


def test_plain_networks_play_without_a_seed_axis():
    G, D = plain_players()
    before = weights(G, D)
    steps = list(play(G, D, draws(3, N, 2), draws(6, N, 2, seed=5), penalty=penalties.r1))
    assert [step.loss_D.shape for step in steps] == [()] * 3
    assert [step.alive.item() for step in steps] == [True] * 3
    assert not any(torch.equal(*of) for of in zip(before, weights(G, D), strict=True))


def test_images_play_too():
    with torch.random.fork_rng():
        G = nn.Sequential(nn.Linear(2, 12), nn.Unflatten(-1, (3, 2, 2))).double()
        D = nn.Sequential(nn.Flatten(1), nn.Linear(12, 1), nn.Flatten(0)).double()
    (step,) = play(G, D, draws(1, N, 3, 2, 2), draws(2, N, 2, seed=5), penalty=penalties.r1)
    assert step.loss_D.shape == ()


def test_training_does_not_touch_the_global_stream():
    before = torch.get_rng_state()
    list(play(*players(spectral_norm=True), draws(3, S, N, 2), draws(6, S, N, 2, seed=5), penalty=penalties.r1))
    assert torch.equal(torch.get_rng_state(), before)


# The end


def test_the_game_ends_with_the_batches_and_plays_no_half_turn():
    G, D = players()
    for batches, turns in [(0, 0), (1, 0), (2, 1), (5, 2)]:
        game = play(G, D, draws(batches, S, N, 2), draws(12, S, N, 2, seed=5), d_steps=2)
        assert [step.number for step in game] == list(range(1, turns + 1))
        with pytest.raises(StopIteration):
            next(game)


def test_batches_are_taken_one_turn_at_a_time():
    G, D = players()
    taken = []

    def endless():
        for number in range(10**9):
            taken.append(number)
            yield draws(1, S, N, 2, seed=number)[0]

    z = draws(9, S, N, 2, seed=5)
    for step in play(G, D, endless(), z, d_steps=2):
        assert taken == list(range(2 * step.number))
        if step.number == 3:
            break


def test_an_interrupt_between_steps_leaves_everything_usable():
    x, z = draws(4, S, N, 2), draws(8, S, N, 2, seed=5)
    G, D = players(spectral_norm=True)
    uninterrupted = list(play(G, D, x, z))
    expected = state(G, D)

    G, D = players(spectral_norm=True)
    moves, history = optimizers(G, D), []

    def until_stopped():
        for step in play(G, D, x, z, moves=moves):
            history.append(step)
            if step.number == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        until_stopped()
    history += play(G, D, x[2:], z[4:], moves=moves)
    assert same(state(G, D), expected)
    assert [step.number for step in history] == [1, 2, 1, 2]
    for resumed, step in zip(history, uninterrupted, strict=True):
        assert torch.equal(resumed.loss_D, step.loss_D)
        assert torch.equal(resumed.loss_G, step.loss_G)


# A loss that is not finite

BAD = [float("nan"), float("inf"), float("-inf")]


def spoiled(at, bad, loss):
    """A loss that is spoiled from its so-many-th call on, for every seed."""
    calls = []

    def of(real, fake):
        calls.append(1)
        return loss(real, fake) + (bad if len(calls) >= at else 0)

    return of


@pytest.mark.parametrize("make", [players, partial(players, seeds=1), plain_players])
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("player", ["D", "G"])
def test_a_loss_that_is_not_finite_stops_before_the_step(make, bad, player):
    G, D = make()
    leading = (D[0].weight.shape[0],) if D[0].weight.dim() == 3 else ()
    x, z = draws(5, *leading, N, 2), draws(10, *leading, N, 2, seed=5)
    loss = [losses.nonsaturating_d, losses.nonsaturating_g]
    loss["DG".index(player)] = spoiled(3, bad, loss["DG".index(player)])
    after, numbers = [weights(G, D)], []
    game = play(G, D, x, z, loss=loss, after_D=lambda d: after.append(weights(G, D)))
    value = torch.full(leading, bad).tolist()
    with pytest.raises(FloatingPointError) as stop:
        numbers.extend(step.number for step in game)
    assert str(stop.value) == f"loss_{player} at step 3 is {value}; its step was not taken"
    assert len(after) == (3 if player == "D" else 4)
    if player == "G":
        assert same(weights(G, D), after[-1])
    assert all(p.isfinite().all() for p in weights(G, D))


@pytest.mark.parametrize("player", ["D", "G"])
def test_the_stop_at_the_first_step_leaves_every_parameter_bit_for_bit(player):
    G, D = players()
    before = weights(G, D)
    loss = [losses.nonsaturating_d, losses.nonsaturating_g]
    loss["DG".index(player)] = spoiled(1, torch.nan, loss["DG".index(player)])
    with pytest.raises(FloatingPointError, match=f"loss_{player} at step 1 is "):
        next(play(G, D, draws(1, S, N, 2), draws(2, S, N, 2, seed=5), loss=loss))
    assert same(weights(G), before[:6])
    assert same(weights(D), before[6:]) == (player == "D")


def test_a_penalty_that_is_not_finite_stops_d():
    G, D = players()
    before = weights(G, D)
    game = play(G, D, draws(1, S, N, 2), draws(2, S, N, 2, seed=5), penalty=lambda *of: torch.nan * penalties.r1(*of))
    with pytest.raises(FloatingPointError, match="loss_D at step 1"):
        next(game)
    assert same(weights(G, D), before)


# A seed that dies, and those that live on

T = 6
OF_G, OF_D = slice(0, 6), slice(6, 12)  # parameters in `state`; D's buffers follow


def poisoned(dies, player):
    """Prepared draws; ``dies`` maps a seed to the turn in which the player's loss becomes NaN, for that turn alone."""
    x, z = draws(T, S, N, 2), draws(2 * T, S, N, 2, seed=5)
    for s, turn in dies.items():
        if player == "D":
            x[turn - 1, s, 4] = torch.nan
        else:
            z[2 * turn - 1, s, 4] = torch.nan
    return x, z


def states(x, z, spectral_norm=True, **how):
    """Everything that both players hold, before the first turn and after each; and the steps."""
    G, D = players(spectral_norm)
    history, steps = [state(G, D)], []
    for step in play(G, D, x, z, **how):
        steps.append(step)
        history.append(state(G, D))
    return history, steps


@pytest.mark.parametrize("player", ["D", "G"])
@pytest.mark.parametrize("spectral_norm", [False, True])
def test_a_dead_seed_is_frozen_and_the_others_play_on_as_if_it_lived(player, spectral_norm):
    expected, healthy = states(*poisoned({}, player), spectral_norm)
    history, steps = states(*poisoned({1: 3}, player), spectral_norm)
    assert [step.alive.tolist() for step in steps] == [[True] * 3] * 2 + [[True, False, True]] * 4
    for turn in range(T + 1):
        assert same(seed(history[turn], 0, 2), seed(expected[turn], 0, 2))
    for step, other in zip(steps, healthy, strict=True):
        assert torch.equal(step.loss_D[[0, 2]], other.loss_D[[0, 2]])
        assert torch.equal(step.loss_G[[0, 2]], other.loss_G[[0, 2]])
    for turn in range(3, T + 1):
        assert same(seed(history[turn], 1), seed(history[3], 1))
        # G as it was before the turn; D too, unless it had moved before G's loss was found
        assert same(seed(history[turn][OF_G], 1), seed(expected[2][OF_G], 1))
        assert same(seed(history[turn][OF_D], 1), seed(expected[2 if player == "D" else 3][OF_D], 1))


def test_a_dead_seed_stays_dead_although_its_loss_is_finite_again():
    _, steps = states(*poisoned({1: 3}, "D"))
    assert not steps[2].loss_D[1].isfinite()
    assert steps[-1].loss_D.isfinite().all()
    assert steps[-1].alive.tolist() == [True, False, True]


@pytest.mark.parametrize("player", ["D", "G"])
def test_seeds_may_die_one_after_another(player):
    expected, _ = states(*poisoned({}, player))
    history, steps = states(*poisoned({0: 2, 2: 4}, player))
    assert [step.alive.tolist() for step in steps] == [[True] * 3] + [[False, True, True]] * 2 + [
        [False, True, False]
    ] * 3
    for turn in range(T + 1):
        assert same(seed(history[turn], 1), seed(expected[turn], 1))
    for turn in range(2, T + 1):
        assert same(seed(history[turn], 0), seed(history[2], 0))
    for turn in range(4, T + 1):
        assert same(seed(history[turn], 2), seed(history[4], 2))


def test_two_seeds_may_die_at_once():
    expected, _ = states(*poisoned({}, "D"))
    history, steps = states(*poisoned({0: 2, 1: 2}, "D"))
    assert steps[-1].alive.tolist() == [False, False, True]
    assert same(seed(history[-1], 2), seed(expected[-1], 2))
    assert same(seed(history[-1], 0, 1), seed(history[2], 0, 1))


def test_after_d_does_not_reach_a_dead_seed():
    history, _ = states(*poisoned({1: 3}, "D"), after_D=partial(penalties.clip_weights, c=0.2))
    # clipping at 0.2 moves the living at every step; the dead stay as they were after turn 2
    assert same(seed(history[-1][OF_D], 1), seed(history[2][OF_D], 1))
    assert not same(seed(history[-1][OF_D], 0), seed(history[2][OF_D], 0))


@pytest.mark.parametrize("player", ["D", "G"])
def test_the_game_stops_when_the_last_seed_dies(player):
    x, z = poisoned({0: 2, 1: 2, 2: 4}, player)
    G, D = players()
    seen = [weights(G, D)]
    with pytest.raises(FloatingPointError, match=rf"loss_{player} at step 4 is \[.*nan\]; its step was not taken"):
        seen.extend(weights(G, D) for step in play(G, D, x, z))
    assert len(seen) == 4
    if player == "D":
        assert same(weights(G, D), seen[-1])
    else:
        assert same(weights(G), seen[-1][:6])


def test_what_a_step_said_of_the_living_does_not_change_afterwards():
    G, D = players()
    game = play(G, D, *poisoned({0: 2}, "D"))
    first, second = next(game), next(game)
    assert first.alive.tolist() == [True] * S
    assert second.alive.tolist() == [False, True, True]


def test_tensors_without_a_seed_axis_are_left_to_the_living():
    expected, _ = states(*poisoned({}, "D"), spectral_norm=False)
    G, D = players()
    D.register_buffer("temperature", torch.tensor(0.7, dtype=torch.float64))
    x, z = poisoned({1: 3}, "D")
    for step in play(G, D, x, z, after_D=lambda d: d.temperature.mul_(0.5)):
        assert D.temperature == 0.7 * 0.5**step.number
    assert same(seed(weights(D), 0, 2), seed(expected[-1][OF_D], 0, 2))


# Two games tied by the way there and back


def quartet(seeds=S):
    """G and F, then the critics of X and Y."""
    maps = [MLPGenerator((*SIZES, 2), seeds=seeds, generator=stream(k)) for k in (2, 4)]
    critics = [MLPCritic(SIZES, seeds=seeds, generator=stream(k)) for k in (3, 5)]
    return [net.double() for net in (*maps, *critics)]


def movers(nets, kind=torch.optim.SGD):
    """One optimizer for the critics, one for the maps."""
    parameters = [[p for net in pair for p in net.parameters()] for pair in (nets[2:], nets[:2])]
    return [kind(group, lr=0.05) for group in parameters]


def unpaired(steps, *shape):
    return list(zip(draws(steps, *shape), 3 + 0.5 * draws(steps, *shape, seed=5), strict=True))


def there_and_back(nets, batches, loss=(losses.nonsaturating_d, losses.nonsaturating_g), moves=None, **weights):
    return translate(*nets, batches, *loss, *(moves or movers(nets)), **weights)


@pytest.mark.parametrize(("cycle", "identity"), [(0, 0), (0.7, 0), (0, 1.3), (0.7, 1.3), (None, None)])
def test_translation_is_its_formula_one_step_after_another(cycle, identity):
    nets = quartet(seeds=1)
    G, F, D_X, D_Y = by_hand = deepcopy(nets)
    batches, given = unpaired(4, 1, N, 2), {"cycle": cycle, "identity": identity}
    steps = list(there_and_back(nets, batches, **{k: v for k, v in given.items() if v is not None}))

    def log_d(logits):
        return torch.sigmoid(logits).log().mean()

    def sgd(loss, *moved):
        parameters = [p for net in moved for p in net.parameters()]
        for p, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p.data -= 0.05 * slope

    a, b = 10 if cycle is None else cycle, identity or 0  # the defaults are 10 and 0
    for step, (x, y) in zip(steps, batches, strict=True):
        score = log_d(D_X(x)) + log_d(-D_X(F(y))) + log_d(D_Y(y)) + log_d(-D_Y(G(x)))
        sgd(-score, D_X, D_Y)
        cost = -log_d(D_Y(G(x))) - log_d(D_X(F(y)))
        cost = cost + a * ((F(G(x)) - x).abs().mean() + (G(F(y)) - y).abs().mean())
        cost = cost + b * ((G(y) - y).abs().mean() + (F(x) - x).abs().mean())
        sgd(cost, G, F)
        assert step.loss_D.tolist() == pytest.approx([-score.item()], rel=1e-12)
        assert step.loss_G.tolist() == pytest.approx([cost.item()], rel=1e-12)
        assert not step.loss_D.requires_grad
        assert not step.loss_G.requires_grad
    assert [step.number for step in steps] == [1, 2, 3, 4]
    assert gap(weights(*nets), weights(*by_hand)) <= 1e-12


def test_an_ensemble_of_translators_is_as_many_separate_runs():
    nets = quartet()
    separate = [[alone(net, s) for net in nets] for s in range(S)]
    batches = unpaired(100, S, N, 2)
    adam = partial(torch.optim.Adam, betas=(0.5, 0.999))

    def run(nets, batches):
        history = list(there_and_back(nets, batches, moves=movers(nets, adam), cycle=2.0, identity=0.5))
        return [torch.stack([step.loss_D for step in history]), torch.stack([step.loss_G for step in history])]

    together = run(nets, batches)
    for s, own in enumerate(separate):
        theirs = run(own, [(x[s : s + 1], y[s : s + 1]) for x, y in batches])
        assert gap(theirs, [t[:, s : s + 1] for t in together]) <= 1e-11
        assert gap(state(*own), [t[s : s + 1] for t in state(*nets)]) <= 1e-11


def test_the_critics_step_leaves_both_maps_alone_and_theirs_the_critics():
    nets, seen = quartet(), []
    G, F, D_X, D_Y = nets
    start = weights(*nets)

    def loss_g(real, fake):
        assert real is None
        assert [p.grad for p in (*G.parameters(), *F.parameters())] == [None] * 12
        seen.append((weights(G, F), weights(D_X, D_Y)))
        return losses.nonsaturating_g(real, fake)

    list(there_and_back(nets, unpaired(1, S, N, 2), loss=(losses.nonsaturating_d, loss_g)))
    assert len(seen) == 2
    for maps, critics in seen:
        assert same(maps, start[:12])
        assert not any(torch.equal(*of) for of in zip(critics, start[12:], strict=True))
        assert same(critics, weights(D_X, D_Y))
    assert not any(torch.equal(*of) for of in zip(weights(G, F), start[:12], strict=True))


@pytest.mark.parametrize(("cycle", "identity", "calls"), [(0, 0, 2), (1, 0, 3), (0, 1, 3), (1, 1, 4)])
def test_what_has_no_weight_is_not_computed(cycle, identity, calls):
    G, F, *critics = quartet()
    maps = Conditional(G), Conditional(F)
    list(there_and_back((*maps, *critics), unpaired(3, S, N, 2), cycle=cycle, identity=identity))
    assert [len(net.asked) for net in maps] == [3 * calls] * 2


def test_the_two_batches_may_differ_in_size():
    nets = quartet()
    x, y = draws(1, S, N, 2)[0], draws(1, S, 5, 2, seed=5)[0]
    (step,) = there_and_back(nets, [(x, y)], identity=1.0)
    assert step.loss_G.shape == (S,)


def test_translators_of_pictures_play_too():
    nets = [Translator(width=3, generator=stream(k)) for k in (2, 4)]
    nets += [DCCritic(size=8, width=3, generator=stream(k)) for k in (3, 5)]
    before = weights(*nets)
    batches = [tuple(t.float() for t in pair) for pair in unpaired(2, 4, 1, 8, 8)]
    steps = list(there_and_back(nets, batches, identity=1.0))
    assert [step.loss_G.shape for step in steps] == [()] * 2
    assert not same(before, weights(*nets))


def test_a_translating_seed_that_dies_is_frozen_and_the_others_play_on():
    batches = unpaired(T, S, N, 2)
    nets = quartet()
    list(there_and_back(nets, batches))
    expected = weights(*nets)
    batches = [(x.clone(), y.clone()) for x, y in batches]
    batches[2][1][1, 4] = torch.nan
    nets, history = quartet(), []
    for step in there_and_back(nets, batches):
        history.append((step.alive.tolist(), weights(*nets)))
    assert [alive for alive, _ in history] == [[True] * 3] * 2 + [[True, False, True]] * 4
    assert same(seed(history[-1][1], 0, 2), seed(expected, 0, 2))
    assert same(seed(history[-1][1], 1), seed(history[1][1], 1))


@pytest.mark.parametrize("player", ["D", "G"])
def test_translation_stops_before_a_step_that_is_not_finite(player):
    nets = quartet()
    loss = [losses.nonsaturating_d, losses.nonsaturating_g]
    loss["DG".index(player)] = spoiled(3, torch.nan, loss["DG".index(player)])
    game = there_and_back(nets, unpaired(3, S, N, 2), loss=loss)
    with pytest.raises(FloatingPointError, match=f"loss_{player} at step 2 is"):
        list(game)
    assert all(p.isfinite().all() for p in weights(*nets))


@pytest.mark.parametrize(("cycle", "identity"), [(-1, 0), (1, -0.5)])
def test_a_negative_weight_is_refused(cycle, identity):
    with pytest.raises(ValueError, match=f"cycle and identity of at least 0, got {cycle} and {identity}"):
        next(there_and_back(quartet(), unpaired(1, S, N, 2), cycle=cycle, identity=identity))


# Climbing


def test_a_concave_quadratic_is_climbed_to_its_peak():
    # -(t - c)'A(t - c)/2 with an A that is neither diagonal nor well scaled
    a = torch.tensor([[3.0, 0.7, 0.2], [0.7, 40.0, -1.1], [0.2, -1.1, 0.6]], dtype=torch.float64)
    peak = torch.tensor([0.4, -2.3, 1.7], dtype=torch.float64)
    at = maximise(lambda t: -((t - peak) @ a @ (t - peak)) / 2, torch.tensor([5.0, 3.0, -8.0]))
    assert at.dtype == torch.float64
    assert (at - peak).abs().max() <= 1e-9


def test_the_likelihood_of_a_gaussian_is_highest_at_its_sample_moments():
    x = draws(50, seed=9) * 1.6 - 0.7

    def log_likelihood(t):
        mean, log_sd = t
        return (-(((x - mean) / log_sd.exp()) ** 2) / 2 - log_sd).mean()

    mean, log_sd = maximise(log_likelihood, torch.zeros(2))
    assert mean.item() == pytest.approx(x.mean().item(), abs=1e-8)
    assert log_sd.exp().item() == pytest.approx(x.std(correction=0).item(), abs=1e-8)


def test_climbing_leaves_its_start_alone_and_keeps_its_shape():
    start = torch.tensor([[0.3, 2.2]], requires_grad=True)
    at = maximise(lambda t: -(t - 4).square().sum(), start)
    assert at.shape == (1, 2)
    assert not at.requires_grad
    assert start.tolist() == torch.tensor([[0.3, 2.2]]).tolist()
    assert start.grad is None


# Refusal


@pytest.mark.parametrize(("d_steps", "g_steps"), [(0, 1), (1, 0), (-1, 1), (1, -2)])
def test_a_turn_without_a_step_of_either_player_is_refused(d_steps, g_steps):
    x, z = draws(1, S, N, 2), draws(2, S, N, 2, seed=5)
    with pytest.raises(ValueError, match=f"d_steps and g_steps of at least 1, got {d_steps} and {g_steps}"):
        next(play(*players(), x, z, d_steps=d_steps, g_steps=g_steps))


def test_seeds_that_share_parameters_cannot_die_alone():
    G, _ = players()
    with torch.random.fork_rng():
        D = nn.Sequential(nn.Linear(2, 1), nn.Flatten(-2)).double()
    before = weights(G, D)
    shapes = r"\[\(1, 2\), \(1,\)\]"
    with pytest.raises(ValueError, match=f"expected parameters with a leading axis of 3 seeds, got {shapes}"):
        next(play(G, D, *poisoned({1: 1}, "D")))
    assert same(weights(G, D), before)


def test_points_without_features_are_refused():
    with pytest.raises(ValueError, match=r"expected points \(\.\.\., n, d\) or images"):
        next(play(*players(), draws(1, N), draws(2, S, N, 2, seed=5)))


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
    x = draws(1, 1, 4, 2)[0]
    D = MLPCritic((2, 8), generator=stream(6)).double()
    torch.testing.assert_close(unrolled(D, x, -x, loss_D=losses.minimax_d, steps=0, lr=0.3)(x), D(x))


def looking(look_ahead=None):
    g = stream(7)
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

    assert all(torch.equal(a, b) for a, b in zip(looking(), looking(lambda D, x, fake: D), strict=True))
    assert not torch.equal(looking()[0], looking(ahead)[0])
