"""The evidence of the book: what the register may say, what the executed notebooks recorded, what that settles.

The register is ``claims.yml``; the records are the metadata ``ganlib`` of the notebooks' stored outputs, written by
:mod:`ganlib.claims`. Nothing here runs a check.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from ganlib.claims import RUNGS, VERDICTS, register
from ganlib.rates import holm

FIELDS = {"id", "chapter", "topic", "kind", "says", "status"}
OPTIONAL = {"notes", "source", "check", "card", "setting", "limit", "printed", "slip", "cites", "correct", "tempting"}
OPTIONAL |= {"lab"}
KINDS = {"definition", "identity", "algorithm", "empirical", "system", "todo"}
SECOND = {"limit": {"limited"}, "printed": {"wrong", "slip"}, "slip": {"slip"}}  # the statuses that may have a field
NEEDED = {"limited": {"limit"}, "wrong": {"printed", "tempting"}, "slip": {"slip"}, "cited": {"cites"}}


def flaws(entry: dict) -> list[str]:
    """What is wrong with an entry of the register, in words that name the claim; empty if nothing is."""
    given, status, found = set(entry), entry.get("status"), []
    if lacking := FIELDS - given:
        found.append(f"lacks {', '.join(sorted(lacking))}")
    if unknown := given - FIELDS - OPTIONAL:
        found.append(f"has unknown fields: {', '.join(sorted(unknown))}")
    if status not in VERDICTS:
        found.append(f"has the unknown status {status!r}")
    if entry.get("kind") not in KINDS:
        found.append(f"has the unknown kind {entry.get('kind')!r}")
    if ("notes" in given) == (entry.get("source") == "book"):
        found.append("needs either the lines of the notes or source: book")
    found += _second_evidence(entry)
    found += _card(entry) if "card" in given else []
    return [f"{entry.get('id')} {fault}" for fault in found]


def _second_evidence(entry):
    status, given = entry.get("status"), set(entry)
    if {"limit", "printed"} <= given:
        yield "has two second evidences, limit and printed"
    for field, statuses in SECOND.items():
        if field in given and status not in statuses:
            yield f"has {field}, which {status} claims have not"
    if "printed" in given and not {"notes", "cites"} & given:
        yield "has printed without a warrant: neither lines of the notes nor a reference in cites"


def _card(entry):
    """What a claim needs that is shown to a reader."""
    for field in sorted(NEEDED.get(entry.get("status"), set()) - set(entry)):
        yield f"has a card and no {field}"
    if entry.get("kind") == "empirical" and entry.get("status") != "cited" and "setting" not in entry:
        yield "is empirical and names no setting"
    for field in ("card", "limit", "printed", "setting"):
        text = entry.get(field, "")
        if len(text) > 140 or "\n" in text or re.search(r"[$\\`{}]|\*\*", text):
            yield f"has a {field} that is not one plain sentence of at most 140 characters"
        if text and (field != "setting") != text.endswith("."):
            yield f"has a {field} that ends wrongly: a sentence ends with a full stop, a setting without"


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
    """Whether the records settle the claim: its card checked on its page, and the second evidence that it names seen.

    What a status of *cited* asks is a citation, and no other status is settled by one alone.
    """
    here = [record for record in records if record["page"] == entry["chapter"]]
    cards = [record["kind"] == "cited" for record in here if record["role"] == "card"]
    seen = {record["role"] for record in here}
    fits = all(cards) if entry["status"] == "cited" else not all(cards)
    return bool(cards) and fits and {"limit", "printed"} & set(entry) <= seen


def rung(records: list[dict], *, rebuilt: bool = False) -> str:
    """The highest rung that the evidence for a claim's own card reaches, or that a panel of the page lifts it to."""
    reached = [record["rung"] for record in records if record["role"] == "card"]
    return max([*reached, "rebuilt"] if rebuilt else reached, key=RUNGS.index)


def lucky(found: dict[str, list[dict]], level: float = 0.05) -> tuple[int, list[str]]:
    """Which rates of the book may be green by luck: those that do not pass Holm's step-down over all of them.

    Returns:
        How many rates there are, and a line for each that does not pass.
    """
    rates = [record for records in found.values() for record in records if record["kind"] == "rate"]
    held = holm([record["p"] for record in rates], level)
    said = "{claim} on {page}: {what}, {figures}, asked {bound}; p = {p:.2g}"
    return len(rates), [said.format(**record) for record, fine in zip(rates, held, strict=True) if not fine]


def book_root(start: Path | None = None) -> Path:
    """The folder with ``_toc.yml``, here or above."""
    start = start or Path.cwd()
    for folder in (start, *start.parents):
        if (folder / "_toc.yml").exists():
            return folder
    raise ValueError(f"expected to be in the book's folder, one with _toc.yml; got {start}")


def main(arguments: list[str]) -> int:
    """Print every claim with its verdict, rung and page, and how many are settled."""
    if arguments and (len(arguments) != 2 or arguments[0] != "--page"):
        print("usage: python -m ganlib.claims [--page likelihood/maximum_likelihood]", file=sys.stderr)
        return 2
    only, found = (arguments[1] if arguments else None), evidence(book_root())
    entries = [entry for entry in register().values() if only in (None, entry["chapter"])]
    if not entries:
        print(f"no claim is given to the page {only}", file=sys.stderr)
        return 2
    done = {entry["id"] for entry in entries if settled(entry, found.get(entry["id"], []))}
    wide = max(len(entry["id"]) for entry in entries)
    for entry in entries:
        verdict = VERDICTS[entry["status"]] if entry["id"] in done else "not settled yet"
        reach = rung(found[entry["id"]], rebuilt="lab" in entry) if entry["id"] in done else ""
        print(f"{entry['id']:{wide}}  {verdict:37}  {reach:11}  {entry['chapter']}")
    ours = [entry for entry in entries if entry.get("source") == "book"]
    theirs = [entry for entry in entries if entry.get("source") != "book"]
    if ours:
        print(f"claims of the book's own: settled {sum(e['id'] in done for e in ours)} of {len(ours)}")
    print(f"settled {sum(e['id'] in done for e in theirs)} of {len(theirs)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
