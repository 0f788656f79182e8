"""The judge reads glyphs, is the same each time, and its cache holds nothing that is not whole."""

import pytest
import torch

import ganlib
from ganlib.images import glyphs
from ganlib.models._drawn import drawn
from ganlib.models.judge import Judge, judge


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / name)
    return tmp_path / "ganlib"


def pictures(n=3000, seed=1):
    found = glyphs(n, 16, generator=ganlib.rng(seed))
    return found.images, found.factors.label


def same(a, b):
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


def test_it_reads_what_it_has_not_seen(cache):
    net = judge(*pictures(6000))
    images, labels = pictures(2000, seed=2)
    assert (net.reads(images) == labels).double().mean() > 0.97
    p = net.probabilities(images)
    assert p.shape == (2000, 10) and torch.allclose(p.sum(1), torch.ones(2000), atol=1e-5)
    assert net.features(images).shape == (2000, 64)
    assert torch.allclose(net.head(net.features(images)).softmax(1), p, atol=1e-6)
    assert not any(w.requires_grad for w in net.parameters()) and not net.training


def test_the_second_time_it_comes_from_the_cache(cache, monkeypatch):
    data = pictures(500)
    first = judge(*data)
    (file,) = cache.iterdir()
    monkeypatch.setattr("ganlib.models.judge._train", None)  # would fail
    assert same(first, judge(*data)) and list(cache.iterdir()) == [file]


@pytest.mark.parametrize("fault", [lambda raw: raw[:-9], lambda raw: b"", lambda raw: raw[:99] + b"!" + raw[100:]])
def test_a_file_that_is_not_whole_is_made_again(cache, fault):
    data = pictures(500)
    first = judge(*data)
    (file,) = cache.iterdir()
    raw = file.read_bytes()
    file.write_bytes(fault(raw))
    assert same(first, judge(*data)) and file.read_bytes() == raw


def test_what_made_it_is_in_the_name(cache):
    images, labels = pictures(300)
    judge(images, labels)
    judge(images, labels, seed=1)
    judge(images, labels, epochs=1)
    judge(images.flip(0), labels)
    judge(images, labels.flip(0))
    assert len(list(cache.iterdir())) == 5


def test_without_a_folder_it_is_trained_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "file" / name)
    assert judge(*pictures(300), epochs=1).head.out_features == 10


def test_seed_shift_and_global_stream_do_not_matter(cache, monkeypatch):
    data = pictures(300)
    before = torch.get_rng_state()
    first = judge(*data, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)
    next(cache.iterdir()).unlink()
    monkeypatch.setenv("GANLIB_SEED_SHIFT", "1000")
    assert same(first, judge(*data, epochs=1))


def test_drawn_as_the_constructors_draw():
    def build():
        inner = torch.nn.BatchNorm2d(8)
        return torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 5), inner, torch.nn.ConvTranspose2d(8, 6, 4), torch.nn.Linear(50, 40, bias=False)
        )

    ours = [drawn(build, ganlib.rng(k)) for k in range(20)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = [build() for _ in range(20)]
    for name, weight in theirs[0].named_parameters():
        a, b = (torch.stack([dict(net.named_parameters())[name] for net in nets]).detach() for nets in (ours, theirs))
        assert a.shape == b.shape
        if weight.dim() > 1 or (".bias" in name and not name.startswith("1")):
            assert a.std().item() == pytest.approx(b.std().item(), rel=0.15)
            assert a.abs().max() <= b.abs().max() * 1.05 and abs(a.mean()) < 0.1 * b.abs().max()
    assert torch.equal(ours[0][1].weight, torch.ones(8)) and torch.equal(ours[0][1].running_var, torch.ones(8))


def test_refusals():
    images, labels = pictures(10)
    with pytest.raises(ValueError, match="expected images"):
        judge(images, labels[:5])
    with pytest.raises(ValueError, match="positive"):
        Judge(0, generator=ganlib.rng())
