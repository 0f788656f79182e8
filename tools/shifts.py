"""Do the pages hold under other seeds? Play them under fresh seed shifts, and keep what came of it: `make shifts`.

    python tools/shifts.py                                    every page, until each has stood 10 shifts
    python tools/shifts.py --page game/saturation --n 20      one page (or several), 20 shifts

A page under a shift is that page under nbval, every code cell of it, exercises and solutions too, with the seed of
every generator moved by GANLIB_SEED_SHIFT. What `make test` compares is compared: claims, assertions, texts, stderr.

`shifts.csv`, beside this file, has a row for each: page, shift, hash of the page's code cells, verdict, the red cells,
CPU seconds. A shift that a page has met is never fresh again: the next is larger than all in its rows. Green rows of
the present code count towards the number asked. Red ones are played again, for what was mended may lie in `ganlib`.
Rows of changed code go when the page is played again. Interrupted, it goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat

from tools import notebooks

TELLING = re.compile(
    r"\w*(Error|Exception|Interrupt): |.*(mismatch|output fields from|kernel died|CPU s, more|Timeout)"
)
STORE = Path(__file__).with_name("shifts.csv")
FIELDS = ["page", "shift", "code", "verdict", "cells", "seconds"]
FIRST, STEP = 1_000_003, 7_919  # beyond every seed of a page, and beyond what was tried by hand


def rows_of(store: Path) -> list[dict[str, str]]:
    """The rows that are stored."""
    return list(csv.DictReader(store.read_text(encoding="utf-8").splitlines())) if store.exists() else []


def write(store: Path, rows: list[dict]):
    """Store rows in order, all or none."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: (row["page"], int(row["shift"]))))
    store.with_suffix(".new").write_text(text.getvalue(), encoding="utf-8")
    store.with_suffix(".new").replace(store)


def page_of(path: Path) -> str:
    return path.relative_to(notebooks.ROOT / "chapters").with_suffix("").as_posix()


def hash_of(path: Path) -> str:
    return notebooks.code_hash(nbformat.read(path, as_version=4))


def due(page: str, code: str, rows: list[dict], number: int) -> list[int]:
    """The shifts that a page has to meet: those under which it was red, then fresh ones."""
    met = [row for row in rows if row["page"] == page]
    now = {int(row["shift"]): row["verdict"] for row in met if row["code"] == code}
    red = [shift for shift, verdict in now.items() if verdict == "red"]
    fresh = max([int(row["shift"]) + STEP for row in met] + [FIRST])
    return sorted(red) + [fresh + STEP * k for k in range(number - len(now))]


def red_cells(path: Path, text: str) -> dict[str, str]:
    """What nbval says of each cell that is red, by the cell's id."""
    ids = [cell.id for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    found = {}
    for number, report in re.findall(r"^_+ \S+::Cell (\d+) _+\n(.*?)(?=^_{5}|^={5})", text, re.S | re.M):
        found[ids[int(number)]] = reason(report)
    return found


def reason(report: str) -> str:
    """The line of a cell's report that says most."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[\d;]*m", "", report).splitlines() if line.strip()]
    telling = [line for line in lines if TELLING.match(line)]
    return (telling or lines or ["no reason was given"])[-1][:300]


def play(path: Path, shift: int) -> tuple[dict, dict[str, str]] | str:
    """One page under one shift: its row and its red cells; or why it was skipped."""
    code = hash_of(path)
    done = notebooks.nbval(path, GANLIB_SEED_SHIFT=str(shift), COLUMNS="400")
    if done.skipped:
        return done.skipped
    red = red_cells(path, done.text)
    if done.status and not red:
        raise RuntimeError(f"expected a verdict on {page_of(path)} under shift {shift}, got:\n{done.text[-3000:]}")
    verdict = "red" if red else "green"
    row = dict(zip(FIELDS, [page_of(path), shift, code, verdict, " ".join(red), f"{done.cpu:.0f}"], strict=True))
    return row, red


def keep(store: Path, row: dict):
    """Add a row; the page's rows of other code go, and so does an earlier row of this shift."""
    old = [r for r in rows_of(store) if r["page"] != row["page"] or r["code"] == row["code"]]
    write(store, [r for r in old if (r["page"], int(r["shift"])) != (row["page"], row["shift"])] + [row])


def report(row: dict, red: dict[str, str]) -> str:
    lines = [f"{row['page']}, shift {row['shift']}: {row['verdict']}, {row['seconds']} CPU s"]
    return "\n".join(lines + [f"    cell {id}: {why}" for id, why in red.items()])


def finished(parts: list[tuple[Path, int]], jobs: int):
    """Each page and shift with its result, as they come; what has not begun when something breaks never begins."""
    pool = ThreadPoolExecutor(jobs)
    try:
        playing = {pool.submit(play, *part): part for part in parts}
        for future in as_completed(playing):
            yield *playing[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def main(arguments=None, store: Path = STORE) -> int:
    """Play what is due, several at a time; 1 if anything is red."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", nargs="+", default=[], help="such as game/saturation; all by default")
    parser.add_argument("--n", type=int, default=10, help="how many shifts a page has to stand")
    parser.add_argument("--jobs", type=int, default=notebooks.AT_ONCE, help="how many are played at once")
    asked = parser.parse_args(arguments)
    paths, rows = notebooks.notebooks(asked.page), rows_of(store)
    parts = [(path, shift) for path in paths for shift in due(page_of(path), hash_of(path), rows, asked.n)]
    told = Counter(green=0, red=0, skipped=0)
    for path, shift, result in finished(parts, asked.jobs):
        if isinstance(result, str):
            print(f"{page_of(path)}, shift {shift}: skipped, {result}", flush=True)
            told["skipped"] += 1
            continue
        keep(store, result[0])
        print(report(*result), flush=True)
        told[result[0]["verdict"]] += 1
    print(", ".join(f"{number} {word}" for word, number in told.items()))
    return bool(told["red"])


if __name__ == "__main__":
    sys.exit(main())
