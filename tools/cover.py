"""Draw the cover and the picture of a shared link: the best discriminator while the generator approaches the data."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import torch

from ganlib import divergences, plots
from ganlib.densities import gaussian, mixture

ASSETS = Path(__file__).resolve().parents[1] / "assets"
WAY = 1.0, 0.7, 0.45, 0.2, 0.0  # still to go


def cover(way=WAY, size=(9, 1.9)):
    """A panel a stop: data, generated points, the best discriminator, and the divergence it measures."""
    plots.use()
    x = torch.linspace(-6, 9, 3001, dtype=torch.float64)
    log_p = mixture([-1.2, 1.4], [0.7, 0.9], [0.45, 0.55]).log_prob(x[:, None])
    figure, axes = plt.subplots(1, len(way), figsize=size, layout="constrained", sharey=True)
    for ax, t in zip(axes, way, strict=True):
        far = gaussian(4.5, 0.9).log_prob(x[:, None])
        means = [(1 - t) * m + t * 4.5 for m in (-1.2, 1.4)]
        log_q = far if t == 1 else mixture(means, [0.7 + 0.2 * t, 0.9], [0.45, 0.55]).log_prob(x[:, None])
        plots.density(ax, x, log_p.exp(), "real")
        plots.density(ax, x, log_q.exp(), "generated")
        plots.curve(ax, x, torch.sigmoid(log_p - log_q), "critic", linewidth=1.4)
        ax.set(xlim=(-4, 7.5), ylim=(0, 1.03), xticks=[], yticks=[])
        ax.set_xlabel(f"JS = {divergences.js(log_p, log_q, x):.2f}", fontsize=10)
        ax.spines["left"].set_visible(False)
    return figure


def shared():
    """The same, 1200 by 630, with the book's name."""
    figure = cover(WAY[::2], (8, 4.2))
    figure.suptitle("Generative models, checked", fontsize=26)
    return figure


if __name__ == "__main__":
    cover().savefig(ASSETS / "cover.webp", dpi=150, pil_kwargs={"lossless": True, "method": 6})
    shared().savefig(ASSETS / "shared.png", dpi=150, bbox_inches=None)
