"""Modes kept by seven losses at three pairs of learning rates: the standard bed, one step of D for one of G."""

from __future__ import annotations

from learning_rates import MODULES, play
from table import main

from ganlib import losses, penalties

RATES = {"D leads": (1e-3, 3e-2), "equal": (3e-3, 3e-3), "G leads": (1e-2, 3e-3)}
LOSSES = {
    "minimax": (losses.minimax_d, losses.minimax_g),
    "non-saturating": (losses.nonsaturating_d, losses.nonsaturating_g),
    "least squares": (losses.least_squares_d, losses.least_squares_g),
    "hinge": (losses.hinge_d, losses.hinge_g),
    "WGAN, clipped": (losses.wasserstein_d, losses.wasserstein_g),
    "WGAN-GP": (losses.wasserstein_d, losses.wasserstein_g),
    "NS, spectral norm": (losses.nonsaturating_d, losses.nonsaturating_g),
}
OTHERS = [f"losses.{game}_{player}" for game in ("minimax", "least_squares", "hinge", "wasserstein") for player in "dg"]
CASES = [
    {"loss": loss, "rates": rates, "lr_G": lr_G, "lr_D": lr_D}
    for rates, (lr_G, lr_D) in RATES.items()
    for loss in LOSSES
]


def trial(case, S, g, small):
    loss_D, loss_G = LOSSES[case["loss"]]
    how = {
        "WGAN, clipped": {"after_D": lambda D: penalties.clip_weights(D, 0.1)},
        "WGAN-GP": {"penalty": lambda D, real, fake: penalties.gradient_penalty(D, real, fake, generator=g)},
        "NS, spectral norm": {"spectral": True},
    }.get(case["loss"], {})
    rates = {"lr_G": case["lr_G"], "lr_D": case["lr_D"]}
    return play(S, g, **rates, loss_D=loss_D, loss_G=loss_G, turns=4 if small else 2500, **how)


if __name__ == "__main__":
    main("losses_on_ring", CASES, trial, modules=[*MODULES, *OTHERS, "penalties"])
