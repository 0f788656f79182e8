"""Pictures: what the factors do, seen in the pixels; and a loader that no bad file gets past."""

import functools
import gzip
import hashlib
import http.server
import logging
import os
import threading
from pathlib import Path

import numpy
import pytest
import torch

import ganlib
from ganlib import images
from ganlib.images import FONTS, Factors, glyphs, render

PLAIN = {"label": 4, "font": 0, "slant": 0.0, "angle": 0.0, "weight": 0.01, "scale": 0.7, "x": 0.0, "y": 0.0}


def one(size=64, **how):
    """One glyph, ink 1 on paper 0, in float64."""
    values = [torch.tensor([PLAIN[k] if k not in how else how[k]]) for k in Factors._fields]
    return (render(Factors(*values), size)[0, 0].double() + 1) / 2


def middle(ink):
    """Centre of mass, to the right and downwards, in widths of the picture."""
    n = len(ink)
    at = (torch.arange(n) + 0.5) / n - 0.5
    return ((ink.sum(0) @ at.double()) / ink.sum()).item(), ((ink.sum(1) @ at.double()) / ink.sum()).item()


def box(ink):
    rows, columns = (ink.amax(k).gt(0.5).nonzero().flatten() for k in (1, 0))
    return (rows[-1] - rows[0] + 1).item() / len(ink), (columns[-1] - columns[0] + 1).item() / len(ink)


def test_range_shape_and_device():
    found = glyphs(50, 20, generator=ganlib.rng(1))
    assert found.images.shape == (50, 1, 20, 20) and found.images.dtype == torch.float32
    assert found.images.min() == -1 and found.images.max() == 1
    border = torch.cat([found.images[..., 0, :], found.images[..., -1, :]])
    assert (border == -1).double().mean() > 0.95  # room for every glyph


def test_the_same_seed_draws_the_same():
    a, b, other = (glyphs(7, generator=ganlib.rng(k)).images for k in (3, 3, 4))
    assert torch.equal(a, b) and not torch.equal(a, other)


def test_every_factor_has_its_range_and_is_independent():
    f = images.factors(20_000, generator=ganlib.rng(2), classes=7)
    assert f.label.unique().tolist() == list(range(7)) and f.font.unique().tolist() == list(range(len(FONTS)))
    table = torch.stack([t.double() for t in f])
    assert (torch.corrcoef(table) - torch.eye(8)).abs().max() < 0.04
    for name, low, high in (("slant", -0.15, 0.35), ("scale", 0.6, 0.8), ("weight", -0.01, 0.03)):
        values = getattr(f, name)
        assert low <= values.min() < low + 0.01 * (high - low) and high >= values.max() > high - 0.01 * (high - low)


@pytest.mark.parametrize("scale", [0.45, 0.62, 0.85])
@pytest.mark.parametrize("font", range(len(FONTS)))
def test_scale_is_the_height_of_a_nought(scale, font):
    assert box(one(128, label=0, font=font, scale=scale, weight=0.0))[0] == pytest.approx(scale, abs=0.012)


@pytest.mark.parametrize("x, y", [(0.07, 0.0), (-0.05, 0.08), (0.0, -0.06)])
def test_place(x, y):
    (x0, y0), (x1, y1) = middle(one()), middle(one(x=x, y=y))
    assert (x1 - x0, y1 - y0) == (pytest.approx(x, abs=2e-3), pytest.approx(y, abs=2e-3))


@pytest.mark.parametrize("more", [0.01, 0.02])
def test_weight_is_added_to_each_side_of_a_stroke(more):
    widths = [one(256, label=1, font=5, weight=w)[128].sum().item() / 256 for w in (0.0, more)]  # the stem of a one
    assert widths[1] - widths[0] == pytest.approx(2 * more, abs=0.003)


@pytest.mark.parametrize("angle", [0.3, -0.2])
def test_angle_turns_clockwise(angle):
    straight, turned = one(128, label=7, scale=0.6), one(128, label=7, scale=0.6, angle=angle)
    (x, y), (u, v) = middle(straight), middle(turned)
    cos, sin = numpy.cos(angle), numpy.sin(angle)  # y points down, so this is clockwise
    assert (u, v) == (pytest.approx(cos * x - sin * y, abs=2e-3), pytest.approx(sin * x + cos * y, abs=2e-3))
    assert turned.sum().item() == pytest.approx(straight.sum().item(), rel=0.01)


def test_slant_moves_the_top_to_the_right_and_keeps_the_height():
    straight, slanted = one(128, label=1, font=5), one(128, label=1, font=5, slant=0.3)
    rows = torch.arange(128).double() / 128 - 0.5
    line = torch.stack([(row * rows).sum() / row.sum() for row in slanted[30:98]])
    base = torch.stack([(row * rows).sum() / row.sum() for row in straight[30:98]])
    slope = torch.linalg.lstsq(rows[30:98, None], (line - base)[:, None]).solution.item()
    assert slope == pytest.approx(-0.3, abs=0.02)  # a row lower, to the left
    assert box(slanted)[0] == pytest.approx(box(straight)[0], abs=0.01)


def test_sizes_show_the_same_glyph():
    small, large = one(16), one(64)
    coarse = torch.nn.functional.avg_pool2d(large[None, None], 4)[0, 0]
    assert (small - coarse).abs().mean() < 0.02


def test_holes_are_paper():
    for label in (0, 6, 8, 9):
        ink = one(64, label=label, weight=0.0)
        assert ink[:, 32 - 8 : 32 + 8].sum() < 0.75 * ink[:, 32 - 8 : 32 + 8].numel()
    nought = one(64, label=0, font=1, weight=0.0)
    assert nought[32, 32] == 0 and nought[32].max() == 1  # paper within ink


def test_characters_of_ones_own():
    def draw(label, characters):
        values = [torch.tensor([label if k == "label" else PLAIN[k]]) for k in Factors._fields]
        return render(Factors(*values), 32, characters=characters)

    assert torch.equal(draw(1, "AB"), draw(0, "B")) and not torch.equal(draw(0, "AB"), draw(1, "AB"))


def test_factors_that_cannot_be_drawn_are_refused():
    f = images.factors(3, generator=ganlib.rng())
    with pytest.raises(ValueError, match="labels from 0 to 9, got 12"):
        render(f._replace(label=torch.tensor([12, 12, 12])))
    with pytest.raises(ValueError, match="fonts"):
        render(f._replace(font=torch.tensor([0, -1, 0])))
    with pytest.raises(ValueError, match="size"):
        render(f, 3)
    with pytest.raises(ValueError, match="at least 1"):
        images.factors(0, generator=ganlib.rng())


def test_digits():
    found = images.digits()
    assert found.images.shape == (1797, 1, 8, 8) and found.labels.bincount().tolist()[:3] == [178, 182, 177]
    assert found.images.min() == -1 and found.images.max() == 1


def test_stack_names_its_digits():
    flat = torch.arange(10.0).view(10, 1, 1, 1).expand(10, 1, 2, 2)
    found = images.stack(flat, torch.arange(10), 500, channels=3, generator=ganlib.rng(1))
    hundreds, tens, units = found.images[..., 0, 0].long().unbind(1)
    assert torch.equal(found.labels, 100 * hundreds + 10 * tens + units) and len(found.labels.unique()) > 300
    with pytest.raises(ValueError, match="expected images"):
        images.stack(flat.expand(10, 3, 2, 2), torch.arange(10), 5, generator=ganlib.rng())


# ---- files that are downloaded ----------------------------------------------------------------------------------


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + numpy.array(array.shape, ">u4").tobytes()
    return gzip.compress(head + array.astype(numpy.uint8).tobytes(), mtime=0)


PIXELS = numpy.random.default_rng(0).integers(0, 256, (6, 28, 28))
FILES = {
    "train-images-idx3-ubyte.gz": idx(PIXELS),
    "train-labels-idx1-ubyte.gz": idx(numpy.array([3, 1, 4, 1, 5, 9])),
}


@pytest.fixture
def mirrors(tmp_path, monkeypatch):
    """Two servers on this machine, and an empty folder; returns the servers' folders and the loader's."""
    folders, servers = [tmp_path / "first", tmp_path / "second"], []
    for folder in folders:
        folder.mkdir()
        for name, content in FILES.items():
            (folder / name).write_bytes(content)
        handler = functools.partial(Quiet, directory=str(folder))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
    urls = tuple(f"http://127.0.0.1:{server.server_port}/" for server in servers)
    monkeypatch.setitem(images.MIRRORS, "mnist", urls)
    for name, content in FILES.items():
        monkeypatch.setitem(images.SHA256, f"mnist/{name}", hashlib.sha256(content).hexdigest())
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))
    logging.getLogger("pooch").setLevel(logging.CRITICAL)
    yield *folders, tmp_path / "data" / "mnist"
    for server in servers:
        server.shutdown()
        server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def good():
    found = images.mnist(28)
    return torch.equal(found.images[:, 0], torch.as_tensor(PIXELS).float() / 127.5 - 1) and found.labels[5] == 9


def test_fetched_once(mirrors):
    first, second, mine = mirrors
    assert good() and sorted(p.name for p in mine.iterdir()) == sorted(FILES)  # and no temporary file is left
    for folder in (first, second):
        for file in folder.iterdir():
            file.unlink()
    assert good()  # from the folder, without a server


def test_the_second_source_serves_when_the_first_does_not(mirrors):
    first, _, _ = mirrors
    (first / "train-images-idx3-ubyte.gz").unlink()
    (first / "train-labels-idx1-ubyte.gz").write_bytes(b"<html>moved</html>")
    assert good()


@pytest.mark.parametrize("fault", ["truncated", "one bit", "empty", "another file"])
def test_a_bad_file_is_fetched_again(mirrors, fault):
    *_, mine = mirrors
    assert good()
    file = mine / "train-images-idx3-ubyte.gz"
    raw = file.read_bytes()
    bad = {"truncated": raw[:-100], "one bit": raw[:200] + bytes([raw[200] ^ 4]) + raw[201:], "empty": b""}
    file.write_bytes(bad.get(fault, FILES["train-labels-idx1-ubyte.gz"]))
    assert good() and file.read_bytes() == raw


def test_a_download_that_was_cut_off_simply_starts_again(mirrors):
    *_, mine = mirrors
    mine.mkdir(parents=True)
    (mine / "tmp1a2b3c").write_bytes(FILES["train-images-idx3-ubyte.gz"][:50])
    assert good()


def test_no_source_at_all_names_file_addresses_and_folder(mirrors):
    first, second, mine = mirrors
    for folder in (first, second):
        (folder / "train-images-idx3-ubyte.gz").write_bytes(b"not it")
    with pytest.raises(OSError) as caught:
        images.mnist()
    text = str(caught.value)
    assert "train-images-idx3-ubyte.gz" in text and str(mine) in text and "GANLIB_DATA" in text
    assert all(url in text for url in images.MIRRORS["mnist"])
    assert not (mine / "train-images-idx3-ubyte.gz").exists()  # what is wrong does not stay
    for folder in (first, second):
        (folder / "train-images-idx3-ubyte.gz").write_bytes(FILES["train-images-idx3-ubyte.gz"])
    assert good()


def test_sixteen_pixels_are_averages_with_paper_around(mirrors):
    by_hand = numpy.pad(PIXELS / 127.5 - 1, ((0, 0), (2, 2), (2, 2)), constant_values=-1.0)
    by_hand = by_hand.reshape(6, 16, 2, 16, 2).mean((2, 4))
    assert numpy.allclose(images.mnist(16).images[:, 0], by_hand, atol=1e-6)
    by_hand = by_hand.reshape(6, 8, 2, 8, 2).mean((2, 4))
    assert numpy.allclose(images.mnist(8).images[:, 0], by_hand, atol=1e-6)
    with pytest.raises(ValueError, match="8, 16 or 28, got 20"):
        images.mnist(20)


@pytest.mark.parametrize(
    "raw, word",
    [
        (gzip.compress(b"\0\0\x08\x03" + b"\0\0\0\2" * 3 + bytes(7), mtime=0), "7 bytes|23 bytes"),  # one byte short
        (gzip.compress(b"\0\0\x08\x01" + b"\0\0\0\2" + bytes(2), mtime=0), "00000801"),  # labels for images
        (gzip.compress(b"\0\0\x0d\x03" + b"\0\0\0\1" * 3 + bytes(1), mtime=0), "00000d03"),  # floats
        (gzip.compress(b"", mtime=0), "0 bytes"),
        (b"plain text", "whole gzip"),
        (FILES["train-images-idx3-ubyte.gz"][:-20], "whole gzip"),
    ],
)
def test_what_is_no_idx_file_is_refused_by_name(tmp_path, raw, word):
    path = tmp_path / "some-idx3-ubyte.gz"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=word) as caught:
        images._idx(path, 3)
    assert "some-idx3-ubyte.gz" in str(caught.value)


@pytest.mark.skipif(not os.environ.get("GANLIB_DATA"), reason="GANLIB_DATA names no folder with the real files")
@pytest.mark.parametrize("name, load", [("mnist", images.mnist), ("fashion-mnist", images.fashion_mnist)])
def test_the_real_files(name, load):
    if not (Path(os.environ["GANLIB_DATA"]) / name).is_dir():
        pytest.skip(f"GANLIB_DATA has no {name}")
    shades = {"mnist": (0.1307, 0.3081), "fashion-mnist": (0.2860, 0.3530)}[name]
    train, test = load(28), load(28, train=False)
    assert train.images.shape == (60_000, 1, 28, 28) and test.labels.shape == (10_000,)
    ink = (train.images + 1) / 2
    assert ink.mean().item() == pytest.approx(shades[0], abs=1e-4)
    assert ink.std().item() == pytest.approx(shades[1], abs=1e-4)
    counts = test.labels.bincount().tolist()
    assert counts == ([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009] if name == "mnist" else [1000] * 10)
