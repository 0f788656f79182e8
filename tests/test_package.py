import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import ganlib

PACKAGE = Path(ganlib.__file__).parent
SOURCES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
every_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("GANLIB_SEED_SHIFT", "GANLIB_DEVICE"):
        monkeypatch.delenv(name, raising=False)


# The source of randomness


def draw(generator):
    return torch.rand(5, generator=generator)


def test_one_seed_gives_one_stream_and_another_seed_another():
    assert torch.equal(draw(ganlib.rng(7)), draw(ganlib.rng(7)))
    assert torch.equal(draw(ganlib.rng(7)), draw(torch.Generator().manual_seed(7)))
    assert not torch.equal(draw(ganlib.rng(7)), draw(ganlib.rng(8)))
    assert torch.equal(draw(ganlib.rng()), draw(ganlib.rng(0)))


@pytest.mark.parametrize("shift", [3, -2, 10**6])
def test_the_environment_shifts_every_seed(monkeypatch, shift):
    expected = draw(ganlib.rng(7 + shift))
    monkeypatch.setenv("GANLIB_SEED_SHIFT", str(shift))
    assert torch.equal(draw(ganlib.rng(7)), expected)


def test_the_environment_decides_the_device(monkeypatch):
    assert ganlib.rng().device.type == "cpu"
    monkeypatch.setenv("GANLIB_DEVICE", "nowhere")
    with pytest.raises(RuntimeError, match="nowhere"):
        ganlib.rng()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_environment_may_choose_a_gpu(monkeypatch):
    monkeypatch.setenv("GANLIB_DEVICE", "cuda")
    assert ganlib.rng().device.type == "cuda"


@pytest.mark.parametrize("seed", [0.5, "7", None, torch.tensor(0.5)])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(ValueError, match=re.escape(f"whole numbers, got seed {seed!r} and GANLIB_SEED_SHIFT='0'")):
        ganlib.rng(seed)


@pytest.mark.parametrize("shift", ["", "0.5", "seven"])
def test_a_shift_that_is_no_whole_number_is_refused(monkeypatch, shift):
    monkeypatch.setenv("GANLIB_SEED_SHIFT", shift)
    with pytest.raises(ValueError, match=f"expected whole numbers, got seed 7 and GANLIB_SEED_SHIFT='{shift}'"):
        ganlib.rng(7)


# The package


def test_importing_the_package_imports_no_torch():
    heavy = "torch", "numpy", "scipy", "matplotlib", "ot"
    code = f"import sys, ganlib; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"


def documented_ranks():
    """The table in the package's docstring: the rank of each module."""
    ranks, rank = {}, None
    for line in ganlib.__doc__.splitlines():
        row = re.match(r"(\d| )  +(``\w+``.*)", line)
        if row:
            rank = int(row[1]) if row[1] != " " else rank
            ranks |= dict.fromkeys(re.findall(r"``(\w+)``", row[2]), rank)
    return ranks


def family(path):
    """The module of rank in which a file lies: all files of ``models`` are one."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rank_of(name):
    """Modules with a leading underscore serve all others."""
    return 0 if name.startswith("_") else documented_ranks()[name]


def imported(tree):
    """Modules of ganlib that a file imports, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (parts[1] for parts in (name.split(".") for name in names) if parts[0] == "ganlib" and parts[1:])


def test_every_module_has_a_documented_rank():
    public = {family(path) for path in SOURCES if not family(path).startswith("_")}
    assert public == set(documented_ranks())


@every_source
def test_a_module_imports_only_from_lower_ranks(path):
    modules = {name for name in imported(SOURCES[path]) if name != "rng"} - {family(path)}
    if family(path) == "__init__":
        assert not modules
    else:
        assert all(rank_of(name) < rank_of(family(path)) or name.startswith("_") for name in modules), modules


def undocumented(node, name):
    """Names of what has no docstring: the module, its public functions and classes, and their public methods."""
    if not ast.get_docstring(node):
        yield name
    for child in node.body if not isinstance(node, ast.FunctionDef) else ():
        if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            yield from undocumented(child, f"{name}.{child.name}")


@every_source
def test_everything_public_has_a_docstring(path):
    assert not list(undocumented(SOURCES[path], path.stem))
