"""Settle a claim: check it, show its verdict, record the evidence.

    claim("value-at-optimal-discriminator").close(value, 2 * js - 2 * log(2), atol=1e-9)
    claim("minimum-only-once").rate(kept_all, above=0.5)
    claim("mle-missing-log").printed.above(abs(wrong - right), 0.5)

A check that does not hold raises, with what was measured and what was asked. One that holds shows a card; its text is
the same on every machine, the figures are in its HTML and in the output's metadata. ``.printed`` marks evidence about
the form in circulation, or about the case in which the plain statement fails.

``python -m ganlib.claims`` lists every claim of the register with its verdict, read from the executed notebooks.
"""

from __future__ import annotations

import html
import json
import sys
from collections import Counter
from functools import cache
from pathlib import Path

VERDICTS = {
    "true": "holds",
    "true-with-caveat": "holds with a caveat",
    "imprecise": "wrong as printed",
    "wrong-as-stated": "wrong as printed",
    "typo": "wrong as printed",
}
_COLOURS = {"holds": "#1a7f5a", "holds with a caveat": "#9a6700", "wrong as printed": "#b3261e"}
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
        self.id, self.brief, self._printed = id, brief, False

    @property
    def printed(self) -> claim:
        """The same claim, for evidence about the form in circulation."""
        if "printed" not in register()[self.id]:
            raise ValueError(f"expected a field 'printed' in claims.yml for {self.id!r}, got none")
        other = claim(self.id, brief=self.brief)
        other._printed = True
        return other

    def _ipython_display_(self):
        """Nothing: a check has shown its card already, also where it is the last line of a cell."""

    def close(self, measured, expected, *, atol: float) -> claim:
        """Every number is within ``atol`` of its target."""
        m, e = _numbers(measured, expected)
        gap = abs(_difference(m, e))
        worst = float(gap.max())
        bound = f"within {_digits(atol)}" if atol else "exactly"
        figures = (
            f"{_digits(m)}, off by {_digits(worst)}"
            if m.size == 1
            else f"{m.size} numbers, the worst off by {_digits(worst)}"
        )
        return self._settle(bool((gap <= atol).all()), "close", bound, figures, m.size, f"{m} and {e}")

    def above(self, measured, bound, *, by: float = 0.0) -> claim:
        """Every number is greater than its bound, by more than ``by``."""
        return self._beyond(measured, bound, by, 1)

    def below(self, measured, bound, *, by: float = 0.0) -> claim:
        """Every number is less than its bound, by more than ``by``."""
        return self._beyond(measured, bound, by, -1)

    def _beyond(self, measured, bound, by, sign):
        m, b = _numbers(measured, bound)
        margin, word = _difference(m, b) * sign, "above" if sign > 0 else "below"
        text = f"{word} {_digits(bound)}" if isinstance(bound, (int, float)) else f"{word} its bound"
        text += f" by {_digits(by)}" if by else ""
        if m.size == 1:
            figures = f"{_digits(m)} against {_digits(b)}"
        else:
            figures = f"{m.size} numbers, the closest {word} by {_digits(margin.min())}"
        return self._settle(bool((margin > by).all()), word, text, figures, m.size, f"{m} and {b}")

    def rate(self, outcomes, *, above: float | None = None, below: float | None = None, over=None) -> claim:
        """A share of seeds: its exact 95 % interval lies beyond the bound, or it beats another's (Barnard, p < 0.01).

        Args:
            outcomes: one bool a seed.
            above: the whole interval is greater.
            below: the whole interval is less.
            over: the other method's outcomes, whose rate is lower.
        """
        if sum(v is not None for v in (above, below, over)) != 1:
            raise ValueError("expected one of above, below and over")
        k, n = _count(outcomes)
        low, high = interval(k, n)
        figures = f"{k} of {n} seeds, interval {100 * low:.0f} to {100 * high:.0f} %"
        if over is not None:
            j, m = _count(over)
            p = barnard(k, n, j, m)
            figures += f"; against {j} of {m}; p = {_digits(p)}"
            holds, bound, n = bool(p < 0.01 and k / n > j / m), "more often than the other, p < 0.01", n + m
        elif above is not None:
            holds, bound = low > above, f"in more than {100 * above:g} % of seeds"
        else:
            holds, bound = high < below, f"in fewer than {100 * below:g} % of seeds"
        return self._settle(holds, "rate", bound, figures, n, figures, seeds=n)

    def cited(self, *keys: str) -> claim:
        """Settled by the literature: what no run can settle. Keys are those of the bibliography."""
        if not keys:
            raise ValueError("expected at least one key of the bibliography, got none")
        return self._settle(True, "cited", f"by citation: {', '.join(keys)}", "", 0, "")

    def _settle(self, holds, kind, bound, figures, count, numbers, seeds=None):
        entry = register()[self.id]
        if not holds:
            raise AssertionError(f"{self.id} does not hold: asked {bound}, measured {figures or numbers} ({numbers})")
        role = "printed" if self._printed else "card"
        evidence = {"claim": self.id, "kind": kind, "printed": self._printed}
        evidence |= {"bound": bound, "figures": figures, "count": count, "seeds": seeds}
        anchor = _role(evidence)
        _shown[anchor] += 1
        evidence["anchor"] = f"{anchor}-{_shown[anchor]}" if _shown[anchor] > 1 else anchor
        _show(entry[role], VERDICTS[entry["status"]], evidence, self.brief)
        return self


def interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact (Clopper-Pearson) interval of a share: k of n.

    >>> [round(v, 2) for v in interval(13, 16)]
    [0.54, 0.96]
    """
    if not 0 <= k <= n or n < 1:
        raise ValueError(f"expected k of n with n at least 1, got {k} of {n}")
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = beta.ppf(tail, k, n - k + 1) if k else 0.0
    high = beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0
    return float(low), float(high)


def barnard(k: int, n: int, j: int, m: int) -> float:
    """Barnard's exact test, one-sided: the p-value of k of n against j of m, if both had one rate.

    The largest probability, over that rate, of a pair of counts at least as extreme; ties count as extreme, which
    rounding in ``scipy.stats.barnard_exact`` may deny them.

    >>> round(barnard(8, 8, 2, 8), 4)
    0.0011
    """
    import numpy as np
    from scipy.stats import binom

    a, b = np.arange(n + 1)[:, None], np.arange(m + 1)
    pooled = (a + b) / (n + m)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    score = np.divide(a / n - b / m, spread, out=np.zeros_like(spread), where=spread > 0)
    extreme = score >= score[k, j] - 1e-12
    rates = np.linspace(0, 1, 1001)[:, None]
    chances = binom.pmf(a.T, n, rates) @ extreme * binom.pmf(b, m, rates)  # (rates, m + 1)
    return float(chances.sum(-1).max())


def _numbers(*values):
    import numpy as np

    arrays = [np.asarray(v.detach().cpu() if hasattr(v, "detach") else v, dtype=float) for v in values]
    shapes = [a.shape for a in arrays]
    if 0 in arrays[0].shape or (shapes[1] and shapes[0] != shapes[1]):
        raise ValueError(f"expected numbers and bounds of one shape, got {shapes}")
    return np.broadcast_arrays(*arrays)


def _difference(m, e):
    """The difference, 0 also between equal infinities; NaN stays NaN."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        return np.where(m == e, 0.0, m - e)


def _count(outcomes):
    import numpy as np

    outcomes = np.asarray(outcomes.detach().cpu() if hasattr(outcomes, "detach") else outcomes)
    if outcomes.dtype != bool or outcomes.ndim != 1 or not outcomes.size:
        raise ValueError(f"expected one bool a seed, got {outcomes.dtype} of shape {outcomes.shape}")
    return int(outcomes.sum()), outcomes.size


def _digits(value):
    value = value.item() if hasattr(value, "item") else value
    text = f"{value:,.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−")


def _role(evidence):
    """Anchor of the first card for this side of the claim."""
    return f"claim-{evidence['claim']}" + ("-printed" if evidence["printed"] else "")


def _show(sentence, verdict, evidence, brief):
    """Display the card, or add to the one just above; in plain Python, print its text."""
    shell = _shell()
    here = (_role(evidence), _cell(), shell.execution_count if shell else None)
    sentence = "also" if _last.get("card") == here else sentence
    _last["card"] = here
    outcome = "fails" if evidence["printed"] else verdict
    text = f"{'✗' if evidence['printed'] else '✓'} {sentence} [{outcome}; {evidence['bound']}"
    text += f"; {evidence['seeds']} seeds]" if evidence["seeds"] else "]"
    if shell is None:
        print(text)
        return
    from IPython.display import display

    data = {"text/plain": text, "text/html": _card(sentence, verdict, evidence, brief)}
    display(data, raw=True, metadata={"ganlib": evidence})


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


def _card(sentence, verdict, evidence, brief):
    """HTML with its style inline: GitHub and Colab have no style sheet of ours."""
    printed, e = evidence["printed"], html.escape
    colour = _COLOURS["wrong as printed" if printed else "holds" if verdict == "wrong as printed" else verdict]
    chip = "as printed: fails" if printed else "the right form holds" if verdict == "wrong as printed" else verdict
    measured = " · ".join(e(part) for part in (evidence["figures"], f"asked: {evidence['bound']}") if part)
    mark = f'<span style="color:{colour};font-weight:700">{"✗" if printed else "✓"}</span>'
    edge = f"border-left:.25em solid {colour};padding:.25em .8em;margin:.4em 0"
    small = "font-size:.85em;font-variant-numeric:tabular-nums;opacity:.85"
    if sentence == "also":  # one more piece of evidence for the card above
        return f'<div class="claim also" id="{evidence["anchor"]}" style="{edge};{small}">{mark} also: {measured}</div>'
    return (
        f'<details class="claim" id="{evidence["anchor"]}"{"" if brief else " open"} style="{edge}">'
        f'<summary style="cursor:pointer">{mark} {e(sentence)} '
        f'<span class="verdict" style="color:{colour};font-size:.85em;font-weight:600;white-space:nowrap">{chip}</span>'
        f'</summary><div class="measured" style="{small}">{measured}</div></details>'
    )


# The evidence of the book, read from the notebooks as they are stored.


def pages(root: Path) -> list[str]:
    """The pages of ``_toc.yml`` in their order, without the root."""
    import yaml

    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]


def evidence(root: Path) -> dict[str, list[dict]]:
    """What the executed notebooks recorded: evidence by claim, each with its page."""
    found: dict[str, list[dict]] = {}
    for page in pages(root):
        path = root / f"{page}.ipynb"
        if not path.exists():
            continue
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                if record := output.get("metadata", {}).get("ganlib"):
                    found.setdefault(record["claim"], []).append({**record, "page": page.removeprefix("chapters/")})
    return found


def settled(entry: dict, records: list[dict]) -> bool:
    """Whether the records settle the claim: the right statement checked, and what is not plainly true seen to fail."""
    roles = {record["printed"] for record in records if record["page"] == entry["chapter"]}
    return False in roles and (entry["status"] == "true" or True in roles or _by_citation(records))


def _by_citation(records):
    return all(record["kind"] == "cited" for record in records)


def book_root(start: Path | None = None) -> Path:
    """The folder with ``_toc.yml``, here or above."""
    start = start or Path.cwd()
    for folder in (start, *start.parents):
        if (folder / "_toc.yml").exists():
            return folder
    raise ValueError(f"expected to be in the book's folder, one with _toc.yml; got {start}")


def main(arguments: list[str]) -> int:
    """Print every claim with its verdict and page, and how many are settled."""
    if arguments and (len(arguments) != 2 or arguments[0] != "--page"):
        print("usage: python -m ganlib.claims [--page likelihood/maximum_likelihood]", file=sys.stderr)
        return 2
    only, found = (arguments[1] if arguments else None), evidence(book_root())
    entries = [entry for entry in register().values() if only in (None, entry["chapter"])]
    if not entries:
        print(f"no claim is given to the page {only}", file=sys.stderr)
        return 2
    done = {entry["id"] for entry in entries if settled(entry, found.get(entry["id"], []))}
    width = max(len(entry["id"]) for entry in entries)
    for entry in entries:
        verdict = VERDICTS[entry["status"]] if entry["id"] in done else "not settled yet"
        print(f"{entry['id']:{width}}  {verdict:19}  {entry['chapter']}")
    ours = [entry for entry in entries if entry.get("source") == "book"]
    theirs = [entry for entry in entries if entry.get("source") != "book"]
    if ours:
        print(f"claims of the book's own: settled {sum(e['id'] in done for e in ours)} of {len(ours)}")
    print(f"settled {sum(e['id'] in done for e in theirs)} of {len(theirs)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
