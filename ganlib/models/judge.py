"""A classifier of small pictures, trained here in seconds: it reads what a generator drew."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganlib.models import _drawn
from ganlib.models._drawn import drawn


class Judge(nn.Module):
    """Two strided convolutions and 64 features: pictures ``(n, channels, size, size)`` to logits ``(n, classes)``.

    Args:
        size: of a picture.
        classes: what it tells apart.
        channels: of a picture.
        generator: draws the weights.
    """

    def __init__(self, size: int, classes: int = 10, *, channels: int = 1, generator: torch.Generator):
        super().__init__()
        if min(size, classes, channels) < 1:
            raise ValueError(f"expected positive numbers, got size={size}, classes={classes}, channels={channels}")
        self.trunk = drawn(lambda: _trunk(size, channels), generator)
        self.head = drawn(lambda: nn.Linear(64, classes), generator)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(n, classes)``."""
        return self.head(self.trunk(x))

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """What it sees, ``(n, 64)``: for the Fréchet distance."""
        return torch.cat([self.trunk(part) for part in x.split(1000)])

    @torch.no_grad()
    def probabilities(self, x: Tensor) -> Tensor:
        """Of the classes, ``(n, classes)``: for the inception score."""
        return torch.cat([self(part).softmax(1) for part in x.split(1000)])

    def reads(self, x: Tensor) -> Tensor:
        """The likeliest class of each picture, ``(n,)``."""
        return self.probabilities(x).argmax(1)


def judge(images: Tensor, labels: Tensor, *, seed: int = 0, epochs: int = 3) -> Judge:
    """Train a judge, or take it from the cache if the same one was trained before.

    The cache is a file in the user's cache folder under the hash of pictures, labels, seed, code and versions; a file
    that is not whole is made anew. Nothing is ever downloaded.

    Args:
        images: to learn from, ``(n, channels, size, size)``.
        labels: theirs, from 0.
        seed: of its weights and of the order of the pictures; not moved by ``GANLIB_SEED_SHIFT``.
        epochs: how often each picture is seen.
    """
    if images.dim() != 4 or images.shape[-1] != images.shape[-2] or labels.shape != images.shape[:1]:
        raise ValueError(
            f"expected images (n, channels, size, size) and labels (n,), got {(*images.shape,)}, {(*labels.shape,)}"
        )
    g = torch.Generator(images.device).manual_seed(seed)
    net = Judge(images.shape[-1], int(labels.max()) + 1, channels=images.shape[1], generator=g)
    path = _folder() / f"judge-{_hash(images, labels, seed, epochs)}.pt"
    if not _load(net, path):
        _train(net, images, labels, epochs, g)
        _save(net, path)
    return net.eval().requires_grad_(False)


def _trunk(size, channels):
    wide = 32 * ((size + 3) // 4) ** 2
    first, second = nn.Conv2d(channels, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), nn.Linear(wide, 64), nn.ReLU())


def _train(net, images, labels, epochs, g):
    turn = max(len(images) // 100, 1)
    steps = epochs * turn
    adam = torch.optim.Adam(net.parameters(), lr=3e-3, fused=True)
    decay = torch.optim.lr_scheduler.LinearLR(adam, 1, 0, total_iters=steps)
    for step in range(steps):
        if step % turn == 0:
            order = torch.randperm(len(images), generator=g, device=g.device)
        batch = order[100 * (step % turn) :][:100]
        adam.zero_grad()
        cross_entropy(net(images[batch]), labels[batch]).backward()
        adam.step()
        decay.step()


def _folder() -> Path:
    import pooch

    return Path(pooch.os_cache("ganlib"))


def _hash(images, labels, *rest) -> str:
    made_from = hashlib.sha256(b"".join(Path(f).read_bytes() for f in (__file__, _drawn.__file__)))
    for tensor in (images, labels):
        made_from.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    made_from.update(repr((*images.shape, images.device.type, torch.__version__, *rest)).encode())
    return made_from.hexdigest()[:16]


def _save(net, path):
    """The weights behind their own hash, under another name first; without a writable folder there is no cache."""
    weights = io.BytesIO()
    torch.save(net.state_dict(), weights)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(hashlib.sha256(weights.getvalue()).digest() + weights.getvalue())
        part.replace(path)
    except OSError:
        pass


def _load(net, path) -> bool:
    """Whether there was a file, whole and unchanged."""
    try:
        raw = path.read_bytes()
    except OSError:
        return False
    if hashlib.sha256(raw[32:]).digest() != raw[:32]:
        return False
    net.load_state_dict(torch.load(io.BytesIO(raw[32:]), weights_only=True))
    return True
