"""Tables of runs too long for a page, made by the scripts in ``experiments/`` and shipped with the package.

A table is CSV under a few lines ``# key: value`` that say how it was made: command, seeds, versions, hardware, seconds,
and a hash of the ``ganlib`` modules whose code it rests on. ``stands for`` names the code that made the rows where the
present one gives the same numbers, and the test that shows it.
"""

from __future__ import annotations

import csv
from pathlib import Path

FOLDER = Path(__file__).parent


def read(name: str) -> dict[str, list]:
    """The columns of a stored table; numbers as floats, ``True`` and ``False`` as bools, the rest as text.

    Raises:
        ValueError: if there is no such table.
    """
    path = FOLDER / f"{name}.csv"
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in FOLDER.glob("*.csv"))) or "none"
        raise ValueError(f"expected a stored table, got {name!r}; there are: {there}")
    rows = _rows(path)
    return {column: [_value(row[column]) for row in rows] for column in rows[0]}


def published() -> list[dict]:
    """Numbers as papers print them, typed by hand into ``published.csv``: one dict a number.

    Its keys are ``paper`` (a key of the bibliography), ``table``, ``row``, ``column``, ``value``, ``error`` (of the
    mean), ``runs``, ``samples``, ``protocol`` and ``seen``; what is not printed is empty text.

    >>> [p["value"] for p in published() if p["row"] == "PacGAN2" and p["column"] == "ring modes"]
    [7.9]
    """
    return [{key: _value(text) for key, text in row.items()} for row in _rows(FOLDER.parent / "published.csv")]


def origin(name: str) -> dict[str, str]:
    """How a stored table was made: the lines above it."""
    lines = (FOLDER / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    return dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))


def _rows(path):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def _value(text):
    if text in ("True", "False"):
        return text == "True"
    try:
        return float(text)
    except ValueError:
        return text
