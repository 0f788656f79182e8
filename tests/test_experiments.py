"""The stored tables belong to the code that is here, and the scripts that make them run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganlib.results import FOLDER, origin, read

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "experiments"))
import table  # noqa: E402

SCRIPTS = sorted(p.stem for p in (ROOT / "experiments").glob("*.py") if p.stem != "table")


def test_each_table_has_its_script():
    assert SCRIPTS and SCRIPTS == sorted(p.stem for p in FOLDER.glob("*.csv"))


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


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_small(name):
    script = [sys.executable, ROOT / "experiments" / f"{name}.py", "--small"]
    before = (FOLDER / f"{name}.csv").read_bytes()
    ran = subprocess.run(script, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    if "and could not get it. Tried" in ran.stderr:
        pytest.skip(ran.stderr.splitlines()[-1])
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert (FOLDER / f"{name}.csv").read_bytes() == before  # a small run stores nothing in the package
    made = (ROOT / "build" / "experiments" / f"{name}-small" / f"{name}.csv").read_text(encoding="utf-8")
    header, *rows = [line for line in made.splitlines() if not line.startswith("#")]
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
