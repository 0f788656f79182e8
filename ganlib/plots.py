"""One look for the whole book: three roles, each with a colour, a line and a marker of its own.

A role can be told by its line in grey print and by its colour on any screen. Functions draw on given axes and return
them.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

REAL, GENERATED, CRITIC, NEUTRAL = "#0f4c81", "#d9541e", "#6b4fa0", "#5f6b76"

_ROLES = {
    "real": {"color": REAL, "linestyle": "-", "marker": "o"},
    "generated": {"color": GENERATED, "linestyle": (0, (6, 2)), "marker": "^"},
    "critic": {"color": CRITIC, "linestyle": (0, (4, 1.5, 1, 1.5)), "marker": "s"},
    "neutral": {"color": NEUTRAL, "linestyle": (0, (1, 1.5)), "marker": "x"},
}


def use() -> None:
    """Set the look; a page calls it once, in its import cell."""
    sns.set_theme(context="paper", style="ticks", font_scale=1.25)
    plt.rcParams.update(
        {
            "figure.dpi": 130,
            "savefig.dpi": 130,
            "figure.facecolor": "white",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "axes.titlelocation": "left",
            "legend.frameon": False,
            "lines.linewidth": 2.0,
            "svg.hashsalt": "ganlib",
        }
    )


def panels(n: int = 1, *, height: float = 2.7, width: float = 5.8, rows: int = 1, **how):
    """Axes side by side, wide enough for a page and legible on a phone; one axes for ``n=1``, else an array."""
    _, axes = plt.subplots(rows, n, figsize=(width, height), layout="constrained", **how)
    return axes


def curve(ax, x, y, role: str, label: str | None = None, **how):
    """A line in the role's colour and dashes."""
    ax.plot(_array(x), _array(y), label=label, **{**_style(role, "color", "linestyle"), **how})
    return ax


def density(ax, x, p, role: str, label: str | None = None):
    """A density: its line over a light fill."""
    ax.fill_between(_array(x), _array(p), color=_style(role, "color")["color"], alpha=0.15, linewidth=0)
    return curve(ax, x, p, role, label)


def points(ax, xy, role: str, label: str | None = None, **how):
    """A cloud in the plane, points ``(n, 2)``, with equal units on both axes."""
    xy = _array(xy)
    how = {"s": 9, "alpha": 0.6, "linewidths": 0.6, **_style(role, "color", "marker"), **how}
    ax.scatter(xy[:, 0], xy[:, 1], label=label, **how)
    ax.set_aspect("equal")
    return ax


def band(ax, x, ys, role: str, label: str | None = None):
    """Runs ``(S, n)``: their median as a line, all of them as a band from the least to the greatest."""
    ys = _array(ys)
    ax.fill_between(_array(x), ys.min(0), ys.max(0), color=_style(role, "color")["color"], alpha=0.2, linewidth=0)
    return curve(ax, x, np.median(ys, 0), role, label)


class table:  # noqa: N801  (a cell's value, like a figure)
    """Rows of figures; its text names rows and columns only, so that no compared text holds a measured digit.

    Args:
        rows: cells by row name; numbers are shown with three significant digits.
        columns: names of the columns.
        caption: what is to be seen.

    Raises:
        ValueError: if a row has not one cell a column.

    >>> table({"a": [1.23456, "x"]}, ["value", "note"])
    table, rows: a; columns: value, note
    """

    def __init__(self, rows: Mapping[str, Sequence], columns: Sequence[str], caption: str = ""):
        self.rows = {name: list(cells) for name, cells in rows.items()}
        self.columns, self.caption = list(columns), caption
        bad = [name for name, cells in self.rows.items() if len(cells) != len(self.columns)]
        if bad or not self.rows:
            raise ValueError(f"expected rows of {len(self.columns)} cells, got {self.rows or 'no rows'}")

    def __repr__(self):
        return f"table, rows: {', '.join(self.rows)}; columns: {', '.join(self.columns)}"

    def _repr_html_(self):
        e, cell = html.escape, "padding:.2em .8em;text-align:right;white-space:nowrap"
        name_cell = "padding:.2em .8em;text-align:left;font-weight:400;white-space:nowrap"
        head = "".join(f'<th scope="col" style="{cell}">{e(name)}</th>' for name in self.columns)
        body = "".join(
            f'<tr><th scope="row" style="{name_cell}">{e(name)}</th>'
            + "".join(f'<td style="{cell}">{e(_text(value))}</td>' for value in cells)
            + "</tr>"
            for name, cells in self.rows.items()
        )
        caption = f'<caption style="caption-side:bottom;text-align:left">{e(self.caption)}</caption>'
        return (
            f'<div class="ganlib-table" style="overflow-x:auto"><table style="font-variant-numeric:tabular-nums">'
            f"{caption}<thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def _style(role, *keys):
    if role not in _ROLES:
        raise ValueError(f"expected a role of {', '.join(_ROLES)}, got {role!r}")
    return {key: _ROLES[role][key] for key in keys}


def _array(x):
    return np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)


def _text(value):
    return value if isinstance(value, str) else f"{float(value):.3g}"
