"""Make the pages of evidence from the outputs stored in the notebooks: chapters/evidence/{claims,errata}.md."""

from __future__ import annotations

import html
import re
from collections import Counter
from pathlib import Path

from ganlib.claims import VERDICTS, evidence, pages, register, settled

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "chapters" / "evidence"


def plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~^])", r"\\\1", " ".join(text.split()))


def where(record) -> str:
    return f"../{record['page']}.html#{record['anchor']}"


def line(record) -> str:
    """What was measured, linked to its cell."""
    shown = "; ".join(plain(part) for part in (record["figures"], f"asked: {record['bound']}") if part)
    return f'<a href="{where(record)}">{shown}</a>'


def title(page: str) -> str:
    """The page's own title, or its name while it is not written."""
    path = ROOT / "chapters" / f"{page}.ipynb"
    if path.exists():
        import json

        return "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]).splitlines()[0].lstrip("# ")
    return page.split("/")[-1].replace("_", " ")


def counts(entries, done) -> str:
    """How much is settled, in words; computed, never typed."""
    theirs = [e for e in entries if e.get("source") != "book"]
    ours = [e for e in entries if e.get("source") == "book"]
    tally = Counter(VERDICTS[e["status"]] for e in theirs if e["id"] in done)
    words = {"holds": "hold", "holds with a caveat": "hold with a caveat", "wrong as printed": "are wrong as printed"}
    verdicts = ", ".join(f"{tally[v]} {word}" for v, word in words.items() if tally[v])
    text = f"**{sum(tally.values())} of {len(theirs)}** claims of five lecture notes are settled so far: {verdicts}."
    return text + (f" {sum(e['id'] in done for e in ours)} of the book's own {len(ours)} claims hold." if ours else "")


def claims_page(entries, found, done) -> str:
    out = ["# Every claim and its verdict", "", counts(entries, done), ""]
    out += [
        "Each line links to the cell that settles it; what was measured there stands beside what was asked.",
        "*Holds with a caveat* and *wrong as printed* come with a second line: the printed form is run, and fails.",
        "",
    ]
    written = [p.removeprefix("chapters/") for p in pages(ROOT)]
    for page in (p for p in written if any(e["chapter"] == p and e["id"] in done for e in entries)):
        out += [f"## [{title(page)}](../{page}.ipynb)", ""]
        for entry in (e for e in entries if e["chapter"] == page and e["id"] in done):
            out += [f'<p class="verdict-line" id="{entry["id"]}"><strong>{html.escape(entry["card"])}</strong>']
            out += [f'<span class="verdict {css(entry)}">{VERDICTS[entry["status"]]}</span></p>', ""]
            for record in found[entry["id"]]:
                out.append(
                    f"- {'✗ ' + plain(entry['printed'].rstrip('.')) + ': ' if record['printed'] else ''}{line(record)}"
                )
            out.append("")
    waiting = [e for e in entries if e["id"] not in done]
    out += ["## Not settled yet", "", f"{len(waiting)} claims wait for their page.", ""] if waiting else []
    for page in dict.fromkeys(e["chapter"] for e in waiting):
        here = [e for e in waiting if e["chapter"] == page]
        out += [f":::{{dropdown}} {title(page).capitalize()}: {len(here)}", ""]
        out += [f"- {plain(entry['says'])}" for entry in here]
        out += [":::", ""]
    return "\n".join(out) + "\n"


def css(entry) -> str:
    return VERDICTS[entry["status"]].split()[0] + ("-caveat" if entry["status"] == "true-with-caveat" else "")


def errata_page(entries, found, done) -> str:
    wrong = [e for e in entries if VERDICTS[e["status"]] == "wrong as printed" and e["id"] in done]
    out = [
        "# Errata, with the failing check",
        "",
        f"{len(wrong)} statements of the sources, as printed, do not survive being run.",
        "Careful people wrote them down, so each entry says why it is tempting, what fails, and what is right.",
        "",
    ]
    for page in dict.fromkeys(e["chapter"] for e in wrong):
        out += [f"## [{title(page)}](../{page}.ipynb)", ""]
        for entry in (e for e in wrong if e["chapter"] == page):
            records = found[entry["id"]]
            fails = " ".join(line(r) for r in records if r["printed"])
            holds = " ".join(line(r) for r in records if not r["printed"])
            out += [f'<h3 id="{entry["id"]}">{html.escape(entry["printed"])}</h3>', ""]
            out += [f"*Tempting, because* {plain(entry['tempting'])}", ""]
            out += [f"*What fails:* {fails}", "", f"*Right:* {plain(entry['card'])} {holds}", ""]
    return "\n".join(out) + "\n"


def main():
    entries, found = list(register().values()), evidence(ROOT)
    done = {e["id"] for e in entries if settled(e, found.get(e["id"], []))}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("claims.md", claims_page(entries, found, done)),
        ("errata.md", errata_page(entries, found, done)),
        ("count.txt", counts(entries, done) + "\n"),
    ):
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
