"""A table whose code became faster is stamped for the code that is here, by a test that compares the two."""

import subprocess
from types import SimpleNamespace

import pytest

from ganlib import results
from tools import restamp

TABLE = "# command: python experiments/moons.py\n# modules: metrics.modes\n# code: 11\nseed,fid\n0,1.5\n1,2.5\n"
STANDING = [p.stem for p in sorted(results.FOLDER.glob("*.csv")) if "stands for" in results.origin(p.stem)]


def test_a_stamp_changes_the_head_and_no_row():
    once = restamp.restamp(TABLE, "22", "tests/test_a.py")
    assert once == TABLE.replace("# code: 11\n", "# code: 22\n# stands for: 11, by tests/test_a.py\n")
    twice = restamp.restamp(once, "33", "tests/test_b.py")
    assert twice == TABLE.replace("# code: 11\n", "# code: 33\n# stands for: 11, by tests/test_a.py tests/test_b.py\n")
    assert restamp.restamp(twice, "33", "tests/test_a.py") == twice


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A repository with two tables, one of them already out of date, whose code has changed since the last commit."""
    folder = tmp_path / "ganlib"
    folder.mkdir()
    (folder / "metrics.py").write_text("def modes(x):\n    return x + x\n")
    former = {"now": "metrics.modes", "old": "metrics.modes"}
    monkeypatch.setattr(restamp, "ROOT", tmp_path)
    monkeypatch.setattr(restamp, "FOLDER", folder)
    monkeypatch.setattr(results, "FOLDER", folder)
    monkeypatch.setattr(restamp.table, "ROOT", tmp_path)
    code = restamp.table.code_hash(["metrics.modes"])
    for name in former:
        (folder / f"{name}.csv").write_text(TABLE.replace("11", code if name == "now" else "0ld"))
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (folder / "metrics.py").write_text("def modes(x):\n    return 2 * x\n")
    (tmp_path / "test_same.py").write_text("def test_same():\n    assert 2 * 3 == 3 + 3\n")
    return SimpleNamespace(code=code, folder=folder, root=tmp_path)


def test_only_a_table_of_the_code_before_the_change_is_stamped(book, capsys):
    assert restamp.main("test_same.py") == 0
    assert results.origin("now")["stands for"] == f"{book.code}, by test_same.py"
    assert results.origin("now")["code"] == restamp.table.code_hash(["metrics.modes"]) != book.code
    assert results.origin("old")["code"] == "0ld" and "stands for" not in results.origin("old")
    assert "1 tables stamped" in capsys.readouterr().out


def test_nothing_is_stamped_where_the_test_is_red(book):
    (book.root / "test_same.py").write_text("def test_same():\n    assert 2 * 3 == 3 * 3\n")
    with pytest.raises(SystemExit, match=r"test_same\.py is red"):
        restamp.main("test_same.py")
    assert "stands for" not in results.origin("now")


def test_a_test_that_is_not_there_is_refused(book):
    with pytest.raises(SystemExit, match=r"expected a file of tests, got test_other\.py"):
        restamp.main("test_other.py")


@pytest.mark.parametrize("name", STANDING)
def test_a_table_that_stands_for_another_code_names_tests_that_are_here(name):
    made, _, tests = results.origin(name)["stands for"].partition(", by ")
    assert len(made) == 16 and made != results.origin(name)["code"]
    assert tests and all((restamp.ROOT / test).is_file() for test in tests.split())
