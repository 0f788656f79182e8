r"""Pictures: glyphs drawn with known factors, scikit-learn's digits, MNIST and Fashion-MNIST.

Images are float tensors ``(n, channels, size, size)`` in [-1, 1], ink 1 on paper -1, so that a generator may end in a
tanh. Only MNIST and Fashion-MNIST are downloaded, once, to the folder that :func:`folder` names.
"""

from __future__ import annotations

import gzip
import math
import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, pad

FONTS = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "STIXGeneral", "cmr10", "cmss10", "cmtt10")
"""The typefaces that a glyph's ``font`` counts: those with upright digits among the ones that Matplotlib carries."""

MIRRORS = {
    "mnist": ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    "fashion-mnist": (
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
}
SHA256 = {
    "mnist/train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "mnist/train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "mnist/t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "mnist/t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    "fashion-mnist/train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "fashion-mnist/train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "fashion-mnist/t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "fashion-mnist/t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}


class Factors(NamedTuple):
    """What a glyph is made from, each of shape ``(n,)``; change one with ``_replace``, the rest stays.

    ``label`` counts the characters and ``font`` the :data:`FONTS`; ``slant`` is a shear to the right and ``angle`` a
    clockwise rotation, in radians; ``weight`` is added to each side of a stroke, ``scale`` is the height of a digit,
    ``x`` and ``y`` how far it is to the right of the middle and below it, in widths of the picture.
    """

    label: Tensor
    font: Tensor
    slant: Tensor
    angle: Tensor
    weight: Tensor
    scale: Tensor
    x: Tensor
    y: Tensor


def factors(n: int, *, generator: torch.Generator, classes: int = 10) -> Factors:
    """Draw independent factors for n glyphs, those that are numbers uniformly from a range that stays legible.

    Args:
        n: how many.
        generator: draws them, on its device.
        classes: labels run from 0 to ``classes - 1``.
    """
    if n < 1 or classes < 1:
        raise ValueError(f"expected n and classes of at least 1, got {n} and {classes}")
    how = {"generator": generator, "device": generator.device}
    label, font = (torch.randint(k, (n,), **how) for k in (classes, len(FONTS)))
    low = torch.tensor([-0.15, -0.15, -0.01, 0.60, -0.06, -0.06], device=generator.device)
    high = torch.tensor([0.35, 0.15, 0.03, 0.80, 0.06, 0.06], device=generator.device)
    uniform = low + (high - low) * torch.rand(n, 6, **how)
    return Factors(label, font, *uniform.unbind(1))


def render(made_from: Factors, size: int = 16, *, characters: str = "0123456789") -> Tensor:
    """Draw glyphs: two renderings of the same factors but one are a pair whose truth is known.

    A glyph is kept as its distance field, so that any size, slope and weight of stroke is drawn from it crisply.

    Args:
        made_from: their factors.
        size: of a picture, in pixels.
        characters: what the labels stand for.

    Returns:
        Images ``(n, 1, size, size)`` on the factors' device.

    >>> import ganlib
    >>> found = factors(4, generator=ganlib.rng())
    >>> bold = render(found._replace(weight=found.weight + 0.03))
    >>> bool((bold.mean((1, 2, 3)) > render(found).mean((1, 2, 3))).all())
    True
    """
    label, font, *_ = made_from
    if size < 4:
        raise ValueError(f"expected a size of at least 4, got {size}")
    for name, index, limit in (("labels", label, len(characters)), ("fonts", font, len(FONTS))):
        if index.min() < 0 or index.max() >= limit:
            raise ValueError(f"expected {name} from 0 to {limit - 1}, got {index.min().item()} to {index.max().item()}")
    field = torch.stack([_fields(c) for c in characters]).to(label.device)
    pieces = [_draw(Factors(*part), field, size) for part in zip(*(f.split(4096) for f in made_from), strict=True)]
    return torch.cat(pieces)


class Glyphs(NamedTuple):
    """Pictures and what they were made from."""

    images: Tensor
    factors: Factors


def glyphs(n: int, size: int = 16, *, generator: torch.Generator, classes: int = 10) -> Glyphs:
    """Pictures of n digits whose every factor is known, the same for the same generator.

    Args:
        n: how many.
        size: of a picture, in pixels.
        generator: draws the factors.
        classes: digits from 0 to ``classes - 1``.

    >>> import ganlib
    >>> glyphs(3, generator=ganlib.rng()).images.shape
    torch.Size([3, 1, 16, 16])
    """
    made_from = factors(n, generator=generator, classes=classes)
    return Glyphs(render(made_from, size), made_from)


class Labelled(NamedTuple):
    """Pictures ``(n, channels, size, size)`` and their labels ``(n,)``."""

    images: Tensor
    labels: Tensor


def digits() -> Labelled:
    """The 1,797 handwritten digits of scikit-learn, 8 by 8: real pictures without a download."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = torch.as_tensor(found.images, dtype=torch.float32).unsqueeze(1) / 8 - 1
    return Labelled(images, torch.as_tensor(found.target))


def stack(images: Tensor, labels: Tensor, n: int, *, channels: int = 2, generator: torch.Generator) -> Labelled:
    r"""Pictures of several digits at once, one a channel: :math:`10^{\text{channels}}` modes that can be counted.

    Args:
        images: of one channel.
        labels: of theirs, from 0 to 9.
        n: how many to draw, independently and with replacement.
        channels: digits in a picture; the first is the most significant of the label.
        generator: draws them.

    >>> import ganlib
    >>> pairs = stack(*digits(), 5, generator=ganlib.rng())
    >>> pairs.images.shape, bool((pairs.labels < 100).all())
    (torch.Size([5, 2, 8, 8]), True)
    """
    if images.dim() != 4 or images.shape[1] != 1 or labels.shape != images.shape[:1]:
        raise ValueError(f"expected images (n, 1, h, w) and labels (n,), got {(*images.shape,)} and {(*labels.shape,)}")
    which = torch.randint(len(images), (n, channels), generator=generator, device=generator.device).to(images.device)
    places = 10 ** torch.arange(channels - 1, -1, -1, device=labels.device)
    return Labelled(images[which].squeeze(2), (labels[which] * places).sum(1))


def mnist(size: int = 16, *, train: bool = True) -> Labelled:
    """The handwritten digits of LeCun, Cortes and Burges: 60,000 to train and 10,000 to test.

    Args:
        size: 28 as it is; 16 and 8 with two pixels of paper around it, averaged.
        train: which part.

    Raises:
        OSError: if a file is neither at hand nor to be had; names the file, its addresses and the folder.
    """
    return _idx_pair("mnist", size, train)


def fashion_mnist(size: int = 16, *, train: bool = True) -> Labelled:
    """Zalando's pictures of clothes, in MNIST's form; see :func:`mnist`."""
    return _idx_pair("fashion-mnist", size, train)


def folder() -> Path:
    """Where downloaded pictures are: ``GANLIB_DATA``, or else the user's cache."""
    import pooch

    return Path(os.environ.get("GANLIB_DATA") or pooch.os_cache("ganlib"))


def _draw(f: Factors, field: Tensor, size: int) -> Tensor:
    """Distances, warped and cut off at the edge of the stroke, twice as fine as the picture and averaged."""
    cos, sin = f.angle.cos() / f.scale, f.angle.sin() / f.scale  # from the picture back to the glyph
    a, b = cos - f.slant * sin, sin + f.slant * cos
    x, y = 2 * f.x, 2 * f.y
    theta = torch.stack([a, b, -a * x - b * y, -sin, cos, sin * x - cos * y], 1).view(-1, 2, 3)
    fine = affine_grid(theta, (len(theta), 1, 2 * size, 2 * size), align_corners=False) * _ZOOM
    distance = grid_sample(field[f.label, f.font].unsqueeze(1), fine, padding_mode="border", align_corners=False)
    inside = distance * f.scale.view(-1, 1, 1, 1) + f.weight.view(-1, 1, 1, 1)  # in widths of the picture
    return 2 * avg_pool2d((0.5 + 2 * size * inside).clamp(0, 1), 2) - 1


_PIXELS, _ZOOM = 96, 2 / 3  # of a distance field; a digit's height is two thirds of its width


@cache
def _fields(character: str) -> Tensor:
    """For each font, the distance of each pixel from the glyph's edge, positive in the ink, in heights of a digit."""
    from matplotlib import path as outline
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath
    from scipy.ndimage import distance_transform_edt

    fields = []
    for name in FONTS:
        font = FontProperties(family=name)
        height = TextPath((0, 0), "0", size=100, prop=font).get_extents().height
        path = TextPath((0, 0), character, size=100, prop=font)
        box, fine = path.get_extents(), 3 * _PIXELS
        at = (numpy.arange(fine) + 0.5) / fine - 0.5  # in widths of the field
        u, v = numpy.meshgrid(at, -at)
        width = height / _ZOOM
        where = numpy.stack([u * width + (box.x0 + box.x1) / 2, v * width + (box.y0 + box.y1) / 2], -1)
        outlines = [outline.Path(p).contains_points(where.reshape(-1, 2)) for p in path.to_polygons()]
        ink = numpy.logical_xor.reduce(outlines).reshape(fine, fine)  # an outline within another is a hole
        distance = distance_transform_edt(ink) - distance_transform_edt(~ink)
        distance -= numpy.sign(distance) / 2  # the edge is half a pixel before the first pixel beyond it
        fields.append(distance[1::3, 1::3] / (fine * _ZOOM))
    return torch.as_tensor(numpy.stack(fields), dtype=torch.float32)


def _idx_pair(name, size, train):
    if size not in (8, 16, 28):
        raise ValueError(f"expected a size of 8, 16 or 28, got {size}")
    part = "train" if train else "t10k"
    images = _idx(_fetch(f"{name}/{part}-images-idx3-ubyte.gz"), 3)
    labels = _idx(_fetch(f"{name}/{part}-labels-idx1-ubyte.gz"), 1)
    images = torch.from_numpy(images).unsqueeze(1).float() / 127.5 - 1
    if size < 28:
        images = avg_pool2d(pad(images, (2, 2, 2, 2), value=-1.0), 32 // size)
    return Labelled(images, torch.from_numpy(labels).long())


def _fetch(file: str) -> Path:
    """The path of a file whose SHA-256 is right, downloaded if need be: to another name first, then moved."""
    import pooch

    name, base = file.split("/")
    failures = []
    for mirror in MIRRORS[name]:
        try:
            bar = pooch.HTTPDownloader(progressbar=True, timeout=30)
            found = pooch.retrieve(mirror + base, SHA256[file], base, folder() / name, downloader=bar)
            return Path(found)
        except (OSError, ValueError) as error:  # no network, no space, or not the file that was promised
            failures.append(f"{mirror + base}: {type(error).__name__}")
    raise OSError(
        f"expected {base} in {folder() / name}, and could not get it. Tried {'; '.join(failures)}. "
        f"Run this again when there is a network, put the file there, or let GANLIB_DATA name a folder that has {file}."
    )


def _idx(path: Path, dimensions: int) -> numpy.ndarray:
    """The bytes of an idx file: two zeros, the type 8, the number of dimensions, the dimensions, then the numbers."""
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} is no whole gzip file: {error}") from error
    head = 4 + 4 * dimensions
    shape = numpy.frombuffer(raw[4:head].ljust(4 * dimensions, b"\0"), ">u4").tolist()
    if raw[:4] != bytes([0, 0, 8, dimensions]) or len(raw) != head + math.prod(shape):
        raise ValueError(
            f"{path}: expected an idx file of bytes in {dimensions} dimensions, got the head {raw[:4].hex()}, "
            f"dimensions {shape} and {len(raw)} bytes"
        )
    return numpy.frombuffer(raw, numpy.uint8, offset=head).reshape(shape).copy()
