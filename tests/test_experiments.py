"""The stored tables belong to the code that is here, and the scripts that make them run."""

import ast
import importlib
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from ganlib.results import FOLDER, origin, read

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "experiments"))
import table  # noqa: E402

FOLLOWED = {"images.Labelled"}  # the hash comes to it from images.mnist
SCRIPTS = sorted(p.stem for p in (ROOT / "experiments").glob("*.py") if p.stem != "table")


def test_each_table_has_its_script():
    tables = {p.stem for p in FOLDER.glob("*.csv")} - {"faults"}  # that one is made by a tool
    assert SCRIPTS and SCRIPTS == sorted(tables)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_table_is_of_the_present_code(name):
    made = origin(name)
    assert made["code"] == table.code_hash(made["modules"].split()), (
        f"ganlib has changed since {name}.csv was made: {made['command']}"
    )
    assert made["command"] == f"python experiments/{name}.py"
    assert len(made["hardware"]) > 3 and "torch" in made["versions"]
    rows = read(name)
    assert len({len(column) for column in rows.values()}) == 1 and len(set(rows["seed"])) >= 10


def mentioned(name):
    """What a script takes from ganlib, as ``losses.hinge_d`` or ``models/mlp.MLPCritic``."""
    tree = ast.parse((ROOT / "experiments" / f"{name}.py").read_text(encoding="utf-8"))
    whole = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "ganlib":
            whole |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("ganlib."):
            yield from (home(node.module, alias.name) for alias in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in whole:
            yield f"{node.value.id}.{node.attr}"


def home(module, name):
    """Where something is defined that may be imported from a package."""
    here = importlib.import_module(module)
    here = getattr(getattr(here, name), "__module__", module)
    return f"{here.removeprefix('ganlib.').replace('.', '/')}.{name}"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_table_names_all_that_its_script_takes_from_ganlib(name):
    named = set(origin(name)["modules"].split())
    taken = set(mentioned(name))
    script = (ROOT / "experiments" / f"{name}.py").read_text(encoding="utf-8")
    # or all of it comes by a neighbour, with the names of its modules
    assert taken or re.search(r"import .*\bMODULES\b", script)
    assert {piece for piece in taken if not named & {piece, piece.partition(".")[0]}} - FOLLOWED == set()


COMMAND = "losses_on_ring"  # this one imports a neighbour and the package


def run_small(name, monkeypatch):
    """One script as a command; the others here, where torch is: importing it costs more than most of the runs."""
    script = str(ROOT / "experiments" / f"{name}.py")
    if name == COMMAND:
        where = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, script, "--small"], env=where, check=True, stdout=subprocess.DEVNULL)
    else:
        monkeypatch.setattr(sys, "argv", [script, "--small"])
        runpy.run_path(script, run_name="__main__")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_small(monkeypatch, name):
    before = (FOLDER / f"{name}.csv").read_bytes()
    made = ROOT / "build" / "experiments" / f"{name}-small" / f"{name}.csv"
    made.unlink(missing_ok=True)
    try:
        run_small(name, monkeypatch)
    except OSError as error:
        if "and could not get it. Tried" not in str(error):
            raise
        pytest.skip(str(error))
    assert (FOLDER / f"{name}.csv").read_bytes() == before  # a small run stores nothing in the package
    header, *rows = [line for line in made.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    stored = read(name)
    assert header.split(",") == list(stored)
    assert len(rows) % 2 == 0 and len(stored["seed"]) % (len(rows) // 2) == 0  # two seeds a case, each case there


@pytest.mark.parametrize(
    "old, new, seen",
    [
        ("distance <= 3 * sd", "distance <= 2 * sd", True),
        ("def _points(x, least=2)", "def _points(x, least=3)", True),  # which it rests on
        ("spread - 2 * overlap", "spread - overlap", False),  # another function
        ("Count the modes that", "Count modes which", False),  # a docstring
    ],
)
def test_the_hash_sees_the_code_named_and_nothing_else(monkeypatch, tmp_path, old, new, seen):
    now = table.code_hash(["metrics.modes"])
    text = (ROOT / "ganlib" / "metrics.py").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "ganlib").mkdir()
    (tmp_path / "ganlib" / "metrics.py").write_text(text.replace(old, new), encoding="utf-8")
    monkeypatch.setattr(table, "ROOT", tmp_path)
    assert (table.code_hash(["metrics.modes"]) != now) == seen


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="moods"):
        table.code_hash(["metrics.moods"])
