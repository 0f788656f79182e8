"""Pages under other seeds: what is played, what is kept, what is told; and the rows that are stored."""

import re
import shutil
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from ganlib.evidence import pages
from tools import notebooks, shifts

ROOT = Path(__file__).resolve().parents[1]
FIRST, STEP = shifts.FIRST, shifts.STEP
SHIFT = "import os\nshift = int(os.environ['GANLIB_SEED_SHIFT'])"


def row(shift, verdict="green", page="game/one", code="now"):
    return {"page": page, "shift": str(shift), "code": code, "verdict": verdict, "cells": "", "seconds": "1"}


# What is due


def test_a_page_that_was_never_played_meets_fresh_shifts():
    assert shifts.due("game/one", "now", [row(FIRST, page="game/other")], 3) == [FIRST, FIRST + STEP, FIRST + 2 * STEP]


def test_what_is_green_is_not_played_again():
    assert shifts.due("game/one", "now", [row(FIRST), row(FIRST + STEP)], 3) == [FIRST + 2 * STEP]
    assert shifts.due("game/one", "now", [row(FIRST), row(FIRST + STEP)], 2) == []
    assert shifts.due("game/one", "now", [row(FIRST), row(FIRST + STEP)], 1) == []


def test_what_is_red_is_played_again_under_its_shift():
    rows = [row(FIRST, "red"), row(FIRST + STEP)]
    assert shifts.due("game/one", "now", rows, 2) == [FIRST]
    assert shifts.due("game/one", "now", rows, 3) == [FIRST, FIRST + 2 * STEP]


def test_changed_code_meets_shifts_that_it_has_never_met():
    rows = [row(FIRST + 5 * STEP, code="before"), row(FIRST, "red", code="before")]
    assert shifts.due("game/one", "now", rows, 2) == [FIRST + 6 * STEP, FIRST + 7 * STEP]


def test_no_seed_that_a_page_has_is_met_by_the_shift_of_another():
    path = notebooks.notebooks(["game/the_game"])[0]
    seeds = [int(n) for n in re.findall(r"rng\((\d+)\)", path.read_text(encoding="utf-8"))]
    assert seeds and max(seeds) < STEP


# What is kept


def test_rows_are_kept_in_order_and_those_of_changed_code_go(tmp_path):
    store = tmp_path / "shifts.csv"
    for one in (row(9), row(10), row(3, page="a/b"), row(2, page="a/b", code="before")):
        shifts.keep(store, {**one, "shift": int(one["shift"])})
    assert [(r["page"], r["shift"]) for r in shifts.rows_of(store)] == [
        ("a/b", "2"),
        ("game/one", "9"),
        ("game/one", "10"),
    ]
    shifts.keep(store, {**row(9, "red"), "shift": 9})
    assert [(r["shift"], r["verdict"]) for r in shifts.rows_of(store)[1:]] == [("9", "red"), ("10", "green")]
    assert [path.name for path in tmp_path.iterdir()] == ["shifts.csv"]


# The whole, on a book of one page


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of one page with these cells; its path."""

    def write(*cells):
        (tmp_path / "chapters" / "game").mkdir(parents=True, exist_ok=True)
        (tmp_path / "_toc.yml").write_text("parts: [{chapters: [{file: chapters/game/one}]}]\n", encoding="utf-8")
        (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n", encoding="utf-8")
        shutil.copy(ROOT / "conftest.py", tmp_path)
        code = [new_code_cell(c, id=f"cell-{i}", outputs=o, execution_count=i) for i, (c, *o) in enumerate(cells)]
        path = tmp_path / "chapters" / "game" / "one.ipynb"
        nbformat.write(new_notebook(cells=code, metadata={"kernelspec": notebooks.KERNEL}), path)
        return path

    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    return write


def test_a_red_cell_is_told_by_its_id_with_its_message_and_the_page_goes_on(book, tmp_path, capsys):
    same = new_output("stream", name="stdout", text=f"{FIRST}\n")
    warn = "import sys\nif not shift % 2:\n    print('a warning', file=sys.stderr)"
    path = book((SHIFT,), (f"assert shift < {FIRST + STEP}, 'a bound'",), ("print(shift)", same), (warn,), ("x = 1",))
    store = tmp_path / "shifts.csv"
    assert shifts.main(["--n", "2", "--jobs", "2"], store) == 1
    told = capsys.readouterr().out
    assert f"game/one, shift {FIRST}: green, " in told and f"game/one, shift {FIRST + STEP}: red, " in told
    assert "    cell cell-1: AssertionError: a bound\n" in told
    assert "    cell cell-2: mismatch 'stdout'" in told
    assert "    cell cell-3: Unexpected output fields from running code: {'stderr'}" in told
    assert "cell-0" not in told and "cell-4" not in told and told.endswith("1 green, 1 red, 0 skipped\n")
    green, red = shifts.rows_of(store)
    assert (green["page"], green["shift"], green["verdict"], green["cells"]) == ("game/one", str(FIRST), "green", "")
    assert (red["shift"], red["verdict"], red["cells"]) == (str(FIRST + STEP), "red", "cell-1 cell-2 cell-3")
    assert green["code"] == red["code"] == shifts.hash_of(path) and int(red["seconds"]) < 30


@pytest.fixture
def played(book, monkeypatch):
    """The shifts under which the page is played, where nothing is really run: it is red under those in ``red``."""
    calls, red = [], set()

    def nbval(path, **environment):
        shift = int(environment["GANLIB_SEED_SHIFT"])
        calls.append(shift)
        text = (
            f"__ chapters/game/one.ipynb::Cell 0 __\nAssertionError: no\n===== {shift} =====\n" if shift in red else ""
        )
        return notebooks.Tested(int(shift in red), text, 12.3, 0.5, 99.0)

    book(("x = 1",))
    monkeypatch.setattr(notebooks, "nbval", nbval)
    return calls, red


def test_it_goes_on_where_it_was(played, tmp_path, monkeypatch):
    calls, red = played
    store = tmp_path / "shifts.csv"
    red.add(FIRST + STEP)
    assert shifts.main(["--n", "3", "--jobs", "1"], store) == 1
    assert calls == [FIRST, FIRST + STEP, FIRST + 2 * STEP]
    calls.clear(), red.clear()
    assert shifts.main(["--n", "4", "--jobs", "1"], store) == 0
    assert calls == [FIRST + STEP, FIRST + 3 * STEP]
    assert [r["verdict"] for r in shifts.rows_of(store)] == ["green"] * 4
    calls.clear()
    assert shifts.main(["--n", "4"], store) == 0 and calls == []


def test_rows_of_changed_code_go_when_the_page_is_played_again(played, book, tmp_path):
    calls, _ = played
    store = tmp_path / "shifts.csv"
    shifts.main(["--n", "2", "--jobs", "1"], store)
    code = shifts.hash_of(book(("x = 2",)))
    shifts.main(["--n", "1", "--jobs", "1"], store)
    assert calls == [FIRST, FIRST + STEP, FIRST + 2 * STEP]
    assert [(r["shift"], r["code"]) for r in shifts.rows_of(store)] == [(str(FIRST + 2 * STEP), code)]


def test_what_finished_before_an_interruption_is_kept(played, tmp_path, monkeypatch):
    calls, _ = played
    really = notebooks.nbval

    def nbval(path, **environment):
        done = really(path, **environment)
        if len(calls) == 3:
            raise KeyboardInterrupt
        time.sleep(0.3 * (len(calls) > 3))
        return done

    monkeypatch.setattr(notebooks, "nbval", nbval)
    store = tmp_path / "shifts.csv"
    with pytest.raises(KeyboardInterrupt):
        shifts.main(["--n", "9", "--jobs", "1"], store)
    assert [r["shift"] for r in shifts.rows_of(store)] == [str(FIRST), str(FIRST + STEP)]
    assert len(calls) < 6  # the rest was never begun


def test_a_page_that_is_skipped_is_told_and_not_kept(played, tmp_path, monkeypatch, capsys):
    skipped = notebooks.Tested(0, "SKIPPED [2] chapters/game/one.ipynb: no pictures\n", 0.0, 0.0, 1.0)
    monkeypatch.setattr(notebooks, "nbval", lambda path, **environment: skipped)
    assert shifts.main(["--n", "1"], tmp_path / "shifts.csv") == 0
    assert f"game/one, shift {FIRST}: skipped, no pictures\n0 green, 0 red, 1 skipped" in capsys.readouterr().out
    assert not (tmp_path / "shifts.csv").exists()


def test_a_run_without_a_verdict_is_no_verdict(played, tmp_path, monkeypatch):
    broken = notebooks.Tested(3, "no kernel could be started", 0.0, 0.0, 1.0)
    monkeypatch.setattr(notebooks, "nbval", lambda path, **environment: broken)
    with pytest.raises(
        RuntimeError, match=f"a verdict on game/one under shift {FIRST}, got:\nno kernel could be started"
    ):
        shifts.main(["--n", "1"], tmp_path / "shifts.csv")
    assert not (tmp_path / "shifts.csv").exists()


def test_an_unknown_page_is_refused(played, tmp_path):
    with pytest.raises(SystemExit, match=r"expected pages of _toc\.yml, got game/two"):
        shifts.main(["--page", "game/two"], tmp_path / "shifts.csv")


# What is stored


def faults(rows, codes):
    """What is wrong with stored rows, given the present hash of each page's code."""
    for one in rows:
        name = f"{one['page']}, shift {one['shift']}"
        if list(one) != shifts.FIELDS or None in one.values():
            yield f"{name}: the fields are {list(one)}"
        elif one["page"] not in codes:
            yield f"{name}: no such page"
        elif one["verdict"] not in ("green", "red") or int(one["shift"]) < FIRST or float(one["seconds"]) <= 0:
            yield f"{name}: {one}"
        elif one["code"] == codes[one["page"]] and one["verdict"] == "red":
            yield f"{name} is red: cells {one['cells']}"
    if len({(one["page"], one["shift"]) for one in rows}) < len(rows):
        yield "a page has met the same shift twice"


def test_the_stored_rows_are_in_order_and_those_of_the_present_code_are_green():
    paths = [ROOT / f"{page}.ipynb" for page in pages(ROOT) if (ROOT / f"{page}.ipynb").exists()]
    assert (
        list(faults(shifts.rows_of(shifts.STORE), {shifts.page_of(path): shifts.hash_of(path) for path in paths})) == []
    )


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([row(FIRST, "red")], "is red"),
        ([row(FIRST, page="game/none")], "no such page"),
        ([row(FIRST, "fine")], "fine"),
        ([row(5)], "shift 5"),
        ([row(FIRST) | {"seconds": "0"}], "'0'"),
        ([row(FIRST) | {"more": "1"}], "the fields are"),
        ([row(FIRST) | {"cells": None}], "the fields are"),
        ([row(FIRST), row(FIRST)], "twice"),
    ],
)
def test_a_faulty_row_is_found(rows, fault):
    (told,) = faults(rows, {"game/one": "now"})
    assert fault in told


def test_rows_in_order_and_a_red_one_of_other_code_are_left_alone():
    rows = [row(FIRST), row(FIRST + STEP), row(FIRST, "red", page="game/two", code="before")]
    assert list(faults(rows, {"game/one": "now", "game/two": "now"})) == []
