"""Settle a claim: check it, show its verdict, record the evidence.

    claim("value-at-optimal-discriminator").close(value, bound, what="V(D*) beside 2 JS − 2 log 2", atol=1e-9)
    claim("minimum-only-once").rate(kept_all, above=0.5, what="all eight modes kept", worlds=kept_in_worlds)
    claim("mle-missing-log").printed.above(abs(wrong - right), 0.5, what="distance of the two maximisers")

``what`` names the quantity that was measured. A check that does not hold raises, with what was measured and what was
asked. One that holds shows a card; its text is the same on every machine, the figures are in its HTML and in the
output's metadata. ``.limit`` marks evidence of where a plain statement ends, ``.printed`` evidence that what a source
prints fails.

``python -m ganlib.claims`` lists every claim of the register with its verdict, read from the executed notebooks.
"""

from __future__ import annotations

import html
import sys
from collections import Counter
from functools import cache
from pathlib import Path

from ganlib.rates import barnard, binomial, interval, mcnemar

VERDICTS = {
    "true": "holds",
    "limited": "holds within limits",
    "wrong": "does not hold as the source has it",
    "slip": "a slip",
    "cited": "by citation",
}
RUNGS = ("by citation", "one case", "many cases", "seeds", "worlds", "every case", "symbolic", "rebuilt")
MANY = 10  # numbers, at least, for the rung of many cases: the mean and the sd of one estimate are one case
_COLOURS = {"true": "#1a7f5a", "limited": "#8a5c00", "wrong": "#b3261e", "slip": "#5f6b76", "cited": "#5f6b76"}
_RIGHT = {"wrong": "the right form holds", "slip": "the right form of a slip"}  # what the chip of a card says instead
_MARKS = {"card": "✓", "limit": "◑", "printed": "✗"}
_shown: Counter = Counter()  # cards by anchor
_last: dict = {}  # the card shown last, and its cell


@cache
def register() -> dict[str, dict]:
    """Every claim by its id, as ``claims.yml`` has it."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries = yaml.load((Path(__file__).parent / "claims.yml").read_text(encoding="utf-8"), Loader=loader)
    return {entry["id"]: entry for entry in entries}


class claim:  # noqa: N801  (it reads as a sentence: claim(...).close(...))
    """A claim of the register, ready to be checked.

    Every check takes ``what``, the quantity measured in a few words without a measured digit. Two more words say that
    the evidence is stronger than so many cases: ``every=256``, a finite space of that size was gone through, one number
    each; ``rebuilt="scipy"``, the expected side comes from that other library.

    Args:
        id: the claim's id in ``claims.yml``.
        brief: show one line, to be unfolded, instead of the whole card.

    Raises:
        ValueError: if the register has no such claim, or no card for it.
    """

    def __init__(self, id: str, *, brief: bool = False):
        if "card" not in register().get(id, {}):
            from difflib import get_close_matches

            near = ", ".join(get_close_matches(id, register(), cutoff=0.4)) or "none"
            raise ValueError(f"expected the id of a claim with a card in claims.yml, got {id!r}; near it: {near}")
        self.id, self.brief, self._role = id, brief, "card"

    @property
    def limit(self) -> claim:
        """The same claim, for evidence of where the plain statement ends."""
        return self._second("limit")

    @property
    def printed(self) -> claim:
        """The same claim, for evidence that what a source prints fails."""
        return self._second("printed")

    def _second(self, role):
        if role not in register()[self.id]:
            raise ValueError(f"expected a field {role!r} in claims.yml for {self.id!r}, got none")
        other = claim(self.id, brief=self.brief)
        other._role = role
        return other

    def _ipython_display_(self):
        """Nothing: a check has shown its card already, also where it is the last line of a cell."""

    def close(self, measured, expected, *, what: str, atol: float, every=None, rebuilt=None) -> claim:
        """Every number is within ``atol`` of its target."""
        m, e = _numbers(measured, expected)
        gap = abs(_difference(m, e))
        worst = _digits(float(gap.max()))
        bound = f"within {_digits(atol)}" if atol else "exactly"
        figures = f"{_digits(m)}, off by {worst}" if m.size == 1 else f"{m.size} numbers, the worst off by {worst}"
        more = {"count": m.size} | _stronger(m.size, every, rebuilt)
        return self._settle(bool((gap <= atol).all()), "close", what, bound, figures, f"{m} and {e}", more)

    def above(self, measured, bound, *, what: str, by: float = 0.0, every=None, rebuilt=None) -> claim:
        """Every number is greater than its bound, by more than ``by``."""
        return self._beyond(measured, bound, what, by, 1, every, rebuilt)

    def below(self, measured, bound, *, what: str, by: float = 0.0, every=None, rebuilt=None) -> claim:
        """Every number is less than its bound, by more than ``by``."""
        return self._beyond(measured, bound, what, by, -1, every, rebuilt)

    def _beyond(self, measured, bound, what, by, sign, every, rebuilt):
        m, b = _numbers(measured, bound)
        margin, word = _difference(m, b) * sign, "above" if sign > 0 else "below"
        text = f"{word} {_digits(bound)}" if isinstance(bound, int | float) else f"{word} its bound"
        text += f" by {_digits(by)}" if by else ""
        if m.size == 1:
            figures = f"{_digits(m)} against {_digits(b)}"
        else:
            figures = f"{m.size} numbers, the closest {word} by {_digits(margin.min())}"
        more = {"count": m.size} | _stronger(m.size, every, rebuilt)
        return self._settle(bool((margin > by).all()), word, what, text, figures, f"{m} and {b}", more)

    def symbolic(self, difference, *, what: str) -> claim:
        """SymPy simplifies the difference of the two sides to 0."""
        import sympy

        rest = sympy.simplify(difference)
        holds = bool(rest == 0) and isinstance(difference, sympy.Expr) and bool(difference.free_symbols)
        return self._settle(holds, "symbolic", what, "0 for every value of its symbols", "", f"{rest}", {})

    def rate(self, outcomes, *, what: str, above=None, below=None, over=None, paired=False, of="seeds", worlds=None):
        """A share of seeds or worlds: its exact 95 % interval lies beyond the bound, or it beats another's (p < 0.01).

        Args:
            outcomes: one bool a seed, or a world.
            what: what counts as a success.
            above: the whole interval is greater.
            below: the whole interval is less.
            over: the other method's outcomes, whose rate is lower: Barnard's exact test, or McNemar's where paired.
            paired: outcome i of both was met under the same draw, for example in the same world.
            of: ``"seeds"`` or ``"worlds"``.
            worlds: the same statement's stored outcomes in random worlds, shown beside the seeds. They carry the card
                to that rung where they meet its bound too.
        """
        if sum(v is not None for v in (above, below, over)) != 1 or (paired and over is None):
            raise ValueError("expected one of above, below and over, and paired only with over")
        if of not in ("seeds", "worlds") or (of == "worlds" and worlds is not None):
            raise ValueError(f"expected of='seeds', or 'worlds' without worlds beside it, got {of!r}")
        k, n = _count(outcomes)
        figures = f"{k} of {n} {of}, {_range(k, n)}"
        if over is not None:
            holds, bound, test = _against(outcomes, over, paired)
            figures += f"; against {test['other'][0]} of {test['other'][1]}; p = {_digits(test['p'])}"
            bound += f" in {n} {of}"
        else:
            side, share = ("above", above) if below is None else ("below", below)
            holds = _beyond_share(k, n, share, side)
            bound = f"in {'more' if below is None else 'fewer'} than {100 * share:g} % of {n} {of}"
            test = {"share": share, "side": side, "p": binomial(k, n, above=above, below=below)}
        more = {"count": n, "of": of, "k": k, "n": n, **test}
        if worlds is not None:
            more["worlds"] = _count(worlds)
            figures += "; {} of {} worlds, {}".format(*more["worlds"], _range(*more["worlds"]))
        return self._settle(holds, "rate", what, bound, figures, figures, more)

    def cited(self, *keys: str) -> claim:
        """Settled by the literature: what no run can settle. Keys are those of the bibliography."""
        if not keys:
            raise ValueError("expected at least one key of the bibliography, got none")
        return self._settle(True, "cited", "", f"by citation: {', '.join(keys)}", "", "", {"keys": list(keys)})

    def _settle(self, holds, kind, what, bound, figures, numbers, more):
        if kind != "cited" and not (isinstance(what, str) and what.strip()):
            raise ValueError(f"expected what, the quantity measured in a few words, got {what!r}")
        if not holds:
            asked = f"{what} {bound}".strip()
            raise AssertionError(f"{self.id} does not hold: asked {asked}, measured {figures or numbers} ({numbers})")
        evidence = {"claim": self.id, "role": self._role, "kind": kind, "what": what}
        evidence |= {"bound": bound, "figures": figures, **more}
        evidence["rung"] = rung(evidence)
        anchor = _anchor(evidence)
        _shown[anchor] += 1
        evidence["anchor"] = f"{anchor}-{_shown[anchor]}" if _shown[anchor] > 1 else anchor
        _show(register()[self.id], evidence, self.brief)
        return self


def rung(evidence: dict) -> str:
    """How far one piece of evidence carries, from what it is: one of ``RUNGS``, weakest first."""
    if evidence["kind"] == "cited":
        return "by citation"
    if evidence["kind"] == "symbolic":
        return "symbolic"
    if "rebuilt" in evidence:
        return "rebuilt"
    if "every" in evidence:
        return "every case"
    if evidence["kind"] == "rate":
        return "worlds" if evidence["of"] == "worlds" or _holds_in_worlds(evidence) else "seeds"
    return "many cases" if evidence["count"] >= MANY else "one case"


def _holds_in_worlds(evidence):
    """Whether the bound asked of the seeds is met by the stored worlds beside them as well."""
    if "worlds" not in evidence or "share" not in evidence:
        return False
    return _beyond_share(*evidence["worlds"], evidence["share"], evidence["side"])


def _beyond_share(k, n, share, side):
    low, high = interval(k, n)
    return low > share if side == "above" else high < share


def _stronger(count, every, rebuilt):
    """What makes evidence stronger than its cases, refused where it is not so."""
    if every is not None and every != count:
        raise ValueError(f"expected one number for each of the {every} cases, got {count}")
    if rebuilt is not None and (rebuilt.split(".")[0] == "ganlib" or rebuilt not in sys.modules):
        raise ValueError(f"expected another library that is in use here, got {rebuilt!r}")
    return {key: value for key, value in (("every", every), ("rebuilt", rebuilt)) if value is not None}


def _against(outcomes, over, paired):
    """Whether one method beats another, how that is asked, and the test's numbers."""
    (k, n), (j, m) = _count(outcomes), _count(over)
    if not paired:
        p = barnard(k, n, j, m)
        return bool(p < 0.01 and k / n > j / m), "more often than the other, p < 0.01,", {"other": [j, m], "p": p}
    if n != m:
        raise ValueError(f"expected two outcomes a pair, got {n} and {m}")
    pairs = list(zip(*(_bools(v).tolist() for v in (outcomes, over)), strict=True))
    wins, losses = pairs.count((True, False)), pairs.count((False, True))
    p = mcnemar(wins, losses)
    return p < 0.01, "more often than the other, paired, p < 0.01,", {"other": [j, m], "split": [wins, losses], "p": p}


def _range(k, n):
    low, high = interval(k, n)
    return f"interval {100 * low:.0f} to {100 * high:.0f} %"


def _numbers(*values):
    import numpy as np

    arrays = [np.asarray(_home(v), dtype=float) for v in values]
    shapes = [a.shape for a in arrays]
    if 0 in arrays[0].shape or (shapes[1] and shapes[0] != shapes[1]):
        raise ValueError(f"expected numbers and bounds of one shape, got {shapes}")
    return np.broadcast_arrays(*arrays)


def _home(value):
    """Tensors, also in lists, on the CPU."""
    if isinstance(value, list | tuple):
        return [_home(v) for v in value]
    return value.detach().cpu() if hasattr(value, "detach") else value


def _difference(m, e):
    """The difference, 0 also between equal infinities; NaN stays NaN."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        return np.where(m == e, 0.0, m - e)


def _bools(outcomes):
    import numpy as np

    outcomes = np.asarray(_home(outcomes))
    if outcomes.dtype != bool or outcomes.ndim != 1 or not outcomes.size:
        raise ValueError(f"expected one bool a seed, got {outcomes.dtype} of shape {outcomes.shape}")
    return outcomes


def _count(outcomes):
    outcomes = _bools(outcomes)
    return int(outcomes.sum()), outcomes.size


def _digits(value):
    value = value.item() if hasattr(value, "item") else value
    text = f"{value:,.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−")


def _anchor(evidence):
    """Anchor of the first card for this side of the claim."""
    return f"claim-{evidence['claim']}" + ("" if evidence["role"] == "card" else f"-{evidence['role']}")


def _chip(entry, role):
    """The verdict in a few words, and its colour: what stands at the end of a card."""
    status = entry["status"]
    if role == "limit":
        return "where it ends", _COLOURS["limited"]
    if role == "printed":
        said = "the slip" if status == "slip" else "as the source has it" if "notes" in entry else "as printed"
        return f"{said}: fails", _COLOURS[status]
    return _RIGHT.get(status, VERDICTS[status]), _COLOURS["true" if status == "wrong" else status]


def _show(entry, evidence, brief):
    """Display the card, or add to the one just above; in plain Python, print its text."""
    shell = _shell()
    here = (_anchor(evidence), _cell(), shell.execution_count if shell else None)
    also = _last.get("card") == here
    _last["card"] = here
    chip, colour = _chip(entry, evidence["role"])
    asked = f"{evidence['what']} {evidence['bound']}".strip()
    sentence = "also" if also else " ".join(filter(None, (entry[evidence["role"]], _setting(entry, evidence))))
    text = f"{_MARKS[evidence['role']]} {sentence} [{chip}; {asked}; {evidence['rung']}]"
    if shell is None:
        print(text)
        return
    from IPython.display import display

    card = _more(evidence, colour) if also else _card(entry, evidence, brief, chip, colour)
    display({"text/plain": text, "text/html": card}, raw=True, metadata={"ganlib": evidence})


def _setting(entry, evidence):
    return f"({entry['setting']})" if "setting" in entry and evidence["role"] == "card" else ""


def _cell():
    """The file of the code that checks; for IPython each cell is one (a count alone stands still under nbval)."""
    frame = sys._getframe()
    while frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return frame.f_code.co_filename


def _shell():
    """The running IPython, or None."""
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    return get_ipython()


def _measured(evidence):
    """What was measured, what was asked of it, and how far that carries."""
    first = ": ".join(filter(None, (evidence["what"].rstrip(","), evidence["figures"])))
    return " · ".join(html.escape(part) for part in (first, f"asked: {evidence['bound']}", evidence["rung"]) if part)


_SMALL = "font-size:.85em;font-variant-numeric:tabular-nums;opacity:.85"


def _mark(evidence, colour):
    return f'<span style="color:{colour};font-weight:700">{_MARKS[evidence["role"]]}</span>'


def _edge(colour):
    return f"border-left:.25em solid {colour};padding:.25em .8em;margin:.4em 0"


def _more(evidence, colour):
    """One more piece of evidence for the card above."""
    style = f"{_edge(colour)};{_SMALL}"
    measured = f"{_mark(evidence, colour)} also: {_measured(evidence)}"
    return f'<div class="claim also" id="{evidence["anchor"]}" style="{style}">{measured}</div>'


def _card(entry, evidence, brief, chip, colour):
    """HTML with its style inline: GitHub and Colab have no style sheet of ours."""
    sentence, setting = html.escape(entry[evidence["role"]]), html.escape(_setting(entry, evidence))
    setting = f'<small class="setting">{setting}</small> ' if setting else ""
    return (
        f'<details class="claim" id="{evidence["anchor"]}"{"" if brief else " open"} style="{_edge(colour)}">'
        f'<summary style="cursor:pointer">{_mark(evidence, colour)} {sentence} {setting}'
        f'<span class="verdict" style="color:{colour};font-size:.85em;font-weight:600;white-space:nowrap">{chip}</span>'
        f'</summary><div class="measured" style="{_SMALL}">{_measured(evidence)}</div></details>'
    )


if __name__ == "__main__":
    import runpy

    runpy.run_module("ganlib.evidence", run_name="__main__")
