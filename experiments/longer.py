"""Three times the turns of `codes`: does a longer training change who draws the nearer glyphs?

Networks and rulers are those of `codes`, with sixteen codes. The GAN, and the VAE at the price that was best there, are
trained for 6,000 turns, on batches from 50,000 glyphs. Sharpness is measured a second time behind a median filter of
three by three pixels, which takes grain away: as a share of that of glyphs behind the same filter.
"""

from __future__ import annotations

import codes
import torch
from codes import MODULES, grey, noise, sharpness
from table import main

from ganlib.models import VAE

TURNS, K, POOL = 6000, 16, 50_000
COLUMNS = ("error", "sharp_mean", "sharp_sample", "bare_sample", "frechet")


def median(x):
    """Of three by three pixels, pictures (S, n, 256)."""
    wide = torch.nn.functional.pad(x.clamp(-1, 1).view(-1, 1, 16, 16), (1, 1, 1, 1), mode="replicate")
    return wide.unfold(2, 3, 1).unfold(3, 3, 1).flatten(-2).median(-1).values.view(x.shape)


def trial(case, S, g, small):
    """S seeds at once."""
    sd, n = float(case["noise"]) if case["training"] == "VAE" else None, 80 if small else 2000
    net = VAE(256, K, codes.UNITS, noise=sd, seeds=S, generator=g)
    (pool,) = grey(1, 500 if small else POOL, g)
    draw = lambda: pool[torch.randint(len(pool), (S, codes.BATCH), generator=g, device=g.device)]  # noqa: E731
    codes.TRAININGS[case["training"]](net, draw, g, 2 if small else TURNS)
    with torch.no_grad():
        read, x = codes.reader(small), grey(S, n, g)
        real = read.features(grey(1, n, g).cpu().view(-1, 1, 16, 16))
        made = net.decoder(noise(S, n, K, g))
        found = {"sharp_sample": sharpness(made) / sharpness(x), "frechet": codes.distances(read, made, real)}
        found["bare_sample"] = sharpness(median(made)) / sharpness(median(x))
        if case["training"] == "VAE":
            guess = net.decoder(net.encode(x)[0])
            found |= {"error": (guess - x).square().mean((1, 2)), "sharp_mean": sharpness(guess) / sharpness(x)}
    columns = {name: [f"{v:.5g}" for v in values.tolist()] for name, values in found.items()}
    return {name: columns.get(name, [""] * S) for name in COLUMNS}


CASES = [{"training": "GAN", "noise": ""}, {"training": "VAE", "noise": 0.4}]


if __name__ == "__main__":
    main("longer", CASES, trial, modules=MODULES, seeds=10, block=10)
