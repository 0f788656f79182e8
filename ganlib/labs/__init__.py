"""Panels that compute while the reader watches: the theory under the hand, in plain JavaScript.

The networks, losses and penalties of a lab are those of `ganlib`, written a second time with derivatives by hand;
tests give both the same weights and draws and compare. A stored notebook keeps an empty frame with the lab's state and
a still picture; the built page brings the script, once a page, and a notebook with a kernel carries it along.

>>> game(loss="hinge", seeds="16")
lab game: loss = hinge, seeds = 16
"""

from __future__ import annotations

import html
import json
import re
from functools import cache, partial
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = ("core", "shell", "game", "densities", "dirac", "em")


@cache
def specs() -> dict:
    """Of each lab: its settings with what they may be, and the state in which it opens."""
    return json.loads((HERE / "labs.json").read_text(encoding="utf-8"))


@cache
def script() -> str:
    """All labs, one script; it fills the frames that are on the page."""
    parts = [(HERE / f"{name}.js").read_text(encoding="utf-8") for name in SOURCES]
    told = json.dumps(specs(), ensure_ascii=False, separators=(",", ":"))
    begin = f"(() => {{(globalThis.ganlab ??= {{}}).specs = {told};\n"
    whole = "".join([begin, *parts, "ganlab.mountAll();\n})();\n"])
    return re.sub(r"^ *//.*\n", "", whole, flags=re.M)  # lines of comment are for those who read the source


def style() -> str:
    """How the frames look, in light and dark."""
    return (HERE / "labs.css").read_text(encoding="utf-8")


class Lab:
    """A frame for one lab.

    Args:
        name: ``game``, ``densities``, ``dirac`` or ``em``.
        task: one thing to try; each lab has its own.
        still: HTML of a picture for readers without JavaScript.
        state: settings that differ from the lab's own.

    Raises:
        ValueError: if there is no such lab or setting, or a value does not fit.
    """

    def __init__(self, name: str, *, task: str = "", still: str = "", **state):
        if name not in specs():
            raise ValueError(f"expected one of {', '.join(specs())}, got {name}")
        for key, value in state.items():
            _check(name, key, value)
        self.name, self.task, self.still, self.state = name, task, still, state

    def __repr__(self):
        told = ", ".join(f"{key} = {value}" for key, value in self.state.items())
        return f"lab {self.name}: {told}" if told else f"lab {self.name}"

    def frame(self) -> str:
        """What a stored notebook and a page keep."""
        state = html.escape(json.dumps(self.state, ensure_ascii=False))
        task = f' data-try="{html.escape(self.task)}"' if self.task else ""
        inside = self.still or "<p>This panel computes in the browser; it needs JavaScript.</p>"
        return f'<div class="ganlab" data-lab="{self.name}" data-state="{state}"{task}>{inside}</div>'

    def _repr_mimebundle_(self, include=None, exclude=None):
        live = f"<style data-ganlab>{style()}</style><script data-ganlab>{script()}</script>"
        return {"text/plain": repr(self), "text/html": self.frame() + live}


game, densities, dirac, em = (partial(Lab, name) for name in ("game", "densities", "dirac", "em"))


def _check(name, key, value):
    controls = specs()[name]["controls"]
    if key not in controls:
        raise ValueError(f"expected a setting of {name}, one of {', '.join(controls)}, got {key}")
    control = controls[key]
    if "options" in control:
        if str(value) not in control["options"]:
            raise ValueError(f"expected {key} to be one of {', '.join(control['options'])}, got {value}")
    elif not control["min"] <= value <= control["max"] or (control.get("whole") and value != int(value)):
        kind = "a whole number" if control.get("whole") else "a number"
        raise ValueError(f"expected {key} to be {kind} from {control['min']} to {control['max']}, got {value}")
