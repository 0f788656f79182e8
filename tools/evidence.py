"""Make chapters/evidence/{claims,errata}.md and claims.json from the outputs stored in the notebooks.

It fails, and names the claims, where the rates of the book together do not pass Holm's step-down at 5 %.
"""

from __future__ import annotations

import html
import json
import re
import sys
from collections import Counter
from pathlib import Path

import yaml

from ganlib.claims import RUNGS, VERDICTS, register
from ganlib.evidence import evidence, lucky, rung, settled
from ganlib.results import FOLDER as TABLES
from ganlib.results import read

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "chapters" / "evidence"
CLASSES = {"true": "holds", "limited": "within", "wrong": "source", "slip": "slip", "cited": "cited"}
COUNTED = {
    "true": "hold",
    "limited": "hold within limits",
    "wrong": "do not hold as their source has them",
    "slip": "are slips",
    "cited": "rest on a citation",
}


def plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~^])", r"\\\1", " ".join(text.split()))


def where(record) -> str:
    return f"../{record['page']}.html#{record['anchor']}"


def measured(record) -> str:
    """What was measured and what was asked, in words."""
    first = ": ".join(filter(None, (record["what"].rstrip(","), record["figures"])))
    asked = re.sub(r"in (more|fewer) than (\S+ %) of \d+ \w+", r"\1 than \2", record["bound"])  # how many stands before
    return "; ".join(filter(None, (first, f"asked: {asked}")))


def link(record) -> str:
    return f'<a href="{where(record)}">{html.escape(measured(record), quote=False)}</a>'


def title(page: str) -> str:
    """The page's own title, or its name while it is not written."""
    path = ROOT / "chapters" / f"{page}.ipynb"
    if path.exists():
        return "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]).splitlines()[0].lstrip("# ")
    return page.split("/")[-1].replace("_", " ")


def parts() -> dict[str, list[str]]:
    """The pages of each part, without their folder ``chapters``."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return {p["caption"]: [c["file"].removeprefix("chapters/") for c in p["chapters"]] for p in toc["parts"]}


def planted() -> dict[str, tuple[int, int]]:
    """By claim, how many planted faults were noticed, and of how many; those that mean the same are left out."""
    if not (TABLES / "faults.csv").exists():
        return {}
    table = read("faults")
    rows = zip(table["claim"], table["noticed"], table["planted"], table["same"], strict=True)
    return {claim: (int(noticed), int(planted - same)) for claim, noticed, planted, same in rows}


def counts(entries, done) -> str:
    """How much is settled, in words; computed, never typed."""
    theirs = [e for e in entries if e.get("source") != "book"]
    ours = [e for e in entries if e.get("source") == "book"]
    tally = Counter(e["status"] for e in theirs if e["id"] in done)
    verdicts = ", ".join(f"{tally[status]} {word}" for status, word in COUNTED.items() if tally[status])
    text = f"**{sum(tally.values())} of {len(theirs)}** claims of five lecture notes are settled so far: {verdicts}."
    own = f" Of the book's own {len(ours)} claims {sum(e['id'] in done for e in ours)} are settled."
    return text + (own if ours else "")


def guarantee(rates: int) -> str:
    """What Holm's step-down over all rates of the book says."""
    return (
        f"All {rates} statements about rates pass Holm's step-down at 5 % together, on exact one-sided p-values: "
        "the chance that even one of them is green by luck is below 5 %, provided that the seeds of a statement are "
        "independent draws and its bound was written before they were seen."
    )


FILTER = """<script>
document.addEventListener("DOMContentLoaded", () => {
  const picks = [...document.querySelectorAll("#filter select")], entries = [...document.querySelectorAll(".entry")];
  const count = document.querySelector("#filter output");
  const said = {  // what an entry shows, read back
    verdict: (e) => e.querySelector(".verdict").classList[1],
    rung: (e) => e.querySelector(".reach").textContent.split(";")[0],
    page: (e) => e.querySelector("li a").getAttribute("href").slice(3).split(".html")[0],
  };
  const show = () => {
    for (const e of entries) e.hidden = picks.some(p => p.value && said[p.name](e) !== p.value);
    count.textContent = entries.filter(e => !e.hidden).length + " of " + entries.length + " shown";
  };
  document.querySelector("#filter").hidden = false;
  for (const p of picks) p.addEventListener("change", show);
  show();
});
</script>"""


def options(name: str, choices: dict[str, str]) -> str:
    inside = "".join(f'<option value="{value}">{html.escape(text)}</option>' for value, text in choices.items())
    return f'<label>{name} <select name="{name}"><option value="">all</option>{inside}</select></label> '


def filter_bar(shown, found) -> str:
    """Choices of verdict, rung and page; they work without a network, and without a script everything is shown."""
    reached = {rung(found[e["id"]], rebuilt="lab" in e) for e in shown}
    verdicts = {CLASSES[s]: VERDICTS[s] for s in VERDICTS if any(e["status"] == s for e in shown)}
    names = {p: title(p) for p in dict.fromkeys(e["chapter"] for e in shown)}
    bar = options("verdict", verdicts) + options("rung", {r: r for r in RUNGS if r in reached}) + options("page", names)
    return f'<div id="filter" hidden>{bar}<output></output></div>\n{FILTER}'


def entry_html(entry, records, faults) -> str:
    """One claim with its verdict, how far it reaches, and each piece of evidence linked to its cell."""
    reach, kind = rung(records, rebuilt="lab" in entry), CLASSES[entry["status"]]
    panel = f"proved again by the panel {entry['lab']}" if "lab" in entry else ""
    setting = f" <small>({html.escape(entry['setting'], quote=False)})</small>" if "setting" in entry else ""
    noticed = "{} of {} faults noticed".format(*faults) if faults else ""
    lines = []
    for record in records:
        said = "" if record["role"] == "card" else f"<em>{html.escape(entry[record['role']], quote=False)}</em> "
        lines.append(f"<li>{said}{link(record)}</li>")
    return (
        f'<div class="entry" id="{entry["id"]}">'
        f"<p><strong>{html.escape(entry['card'], quote=False)}</strong>{setting} "
        f'<span class="verdict {kind}">{VERDICTS[entry["status"]]}</span> '
        f'<span class="reach">{"; ".join(filter(None, (reach, panel, noticed)))}</span> '
        f'<a href="#{entry["id"]}" aria-label="Permanent link">¶</a></p>'
        f"<ul>{''.join(lines)}</ul></div>"
    )


def claims_page(entries, found, done, rates) -> str:
    shown, faults = [e for e in entries if e["id"] in done], planted()
    out = ["# Every claim and its verdict", "", counts(entries, done), "", guarantee(rates), ""]
    out += [
        "Each line links to the cell that settles it; what was measured there stands beside what was asked.",
        "The word after the verdict says how far the evidence carries at its farthest: from one case to every case,",
        "or to an independent engine that agrees; each line says what was asked there, of how many seeds or worlds.",
        "A claim that *holds within limits* has a line for where it ends.",
        "One that *does not hold as the source has it* has a line in which the source's form is run, and fails.",
        "The same is at hand as [claims.json](claims.json).",
        "",
        filter_bar(shown, found),
        "",
    ]
    for caption, files in parts().items():
        here = [p for p in files if any(e["chapter"] == p for e in shown)]
        out += [f"## {caption}", ""] if here else []
        for page in here:
            out += [f"### [{title(page)}](../{page}.ipynb)", ""]
            for entry in (e for e in shown if e["chapter"] == page):
                out += [entry_html(entry, found[entry["id"]], faults.get(entry["id"])), ""]
    waiting = [e for e in entries if e["id"] not in done]
    out += ["## Not settled yet", "", f"{len(waiting)} claims wait for their page.", ""] if waiting else []
    for page in dict.fromkeys(e["chapter"] for e in waiting):
        here = [e for e in waiting if e["chapter"] == page]
        out += [f":::{{dropdown}} {title(page).capitalize()}: {len(here)}", ""]
        out += [f"- {plain(entry['says'])}" for entry in here]
        out += [":::", ""]
    return "\n".join(out) + "\n"


def errata_page(entries, found, done) -> str:
    """What the sources have wrong, and where they slipped; never a sentence of the book's own."""
    theirs = [e for e in entries if e["id"] in done and "notes" in e and e["status"] in ("wrong", "slip")]
    wrong, slips = ([e for e in theirs if e["status"] == status] for status in ("wrong", "slip"))
    out = ["# Errata, with the failing check", ""]
    out += [
        f"{len(wrong)} statements of the sources do not survive being run, and {len(slips)} formulas or words slipped.",
        "Careful people wrote them down, so each entry says what is right; a statement that fails also says why it is",
        "tempting, and links to the check in which it fails.",
        "The notes are cited as 000 to 004, with the line: 002:113.",
        "",
    ]
    for heading, group in (("What does not hold", wrong), ("Slips", slips)):
        out += [f"## {heading}", ""] if group else []
        for page in dict.fromkeys(e["chapter"] for e in group):
            out += [f"### [{title(page)}](../{page}.ipynb)", ""]
            for entry in (e for e in group if e["chapter"] == page):
                out += erratum(entry, found[entry["id"]])
    return "\n".join(out) + "\n"


def erratum(entry, records) -> list[str]:
    """One statement of a source: what it says, what fails, what is right."""
    fails = " ".join(link(r) for r in records if r["role"] == "printed")
    holds = " ".join(link(r) for r in records if r["role"] == "card")
    out = [f'<h4 id="{entry["id"]}">{html.escape(entry["printed" if entry["status"] == "wrong" else "slip"])}</h4>', ""]
    out += [f"*The source ({', '.join(entry['notes'])}):* {plain(entry['says'])}", ""]
    out += [f"*Tempting, because* {plain(entry['tempting'])}", ""] if entry["status"] == "wrong" else []
    out += [f"*What fails:* {fails}", ""] if fails else []
    return [*out, f"*Right:* {plain(entry['card'])} {holds}", ""]


def record_of(entry, records, done, faults) -> dict:
    """A claim as ``claims.json`` has it; ``tools/claims.schema.json`` says what may stand there."""
    known = entry["id"] in done
    keys = ("role", "what", "figures", "bound", "rung")
    shown = [{**{key: r[key] for key in keys}, "link": where(r)} for r in records] if known else []
    return {
        "id": entry["id"],
        "page": entry["chapter"],
        "source": entry.get("notes", "book"),
        "says": " ".join(entry["says"].split()),
        "status": entry["status"],
        "verdict": VERDICTS[entry["status"]] if known else "not settled yet",
        "card": entry.get("card", ""),
        "setting": entry.get("setting", ""),
        "evidence": shown,
        "rung": rung(records, rebuilt="lab" in entry) if known else "",
        "faults": dict(zip(("noticed", "planted"), faults, strict=True)) if known and faults else None,
        "link": f"claims.html#{entry['id']}" if known else "claims.html",
    }


QUESTIONS = {
    "likelihood": "How near is a model to the law of the data, when only samples are at hand?",
    "game": "What does a generator learn from a judge, and why does it fail?",
    "wasserstein": "What should be measured between two laws that hardly meet?",
    "images": "What do pictures add, and what do their scores see?",
}


def map_of(parts, entries, done) -> str:
    """The parts of the book with their question, and of each page how many claims it settles."""
    claims, out, number = Counter(e["chapter"] for e in entries if e["id"] in done), ['<div class="map">'], 1
    for part in parts:
        pages = [(entry["file"].removeprefix("chapters/"), entry.get("title", "")) for entry in part["chapters"]]
        if (folder := pages[0][0].split("/")[0]) not in QUESTIONS:
            continue
        out.append(f'<section><h3>{part["caption"]}</h3><p>{QUESTIONS[folder]}</p><ol start="{number}">')
        for page, short in pages:
            count = f"{claims[page]} claim{'s' * (claims[page] != 1)}"
            out.append(f'<li><a href="chapters/{page}.html">{html.escape(short)}</a> <small>{count}</small></li>')
        out.append("</ol></section>")
        number += len(pages)
    return "\n".join([*out, "</div>", ""])


def main() -> int:
    entries, found = list(register().values()), evidence(ROOT)
    done, faults = {e["id"] for e in entries if settled(e, found.get(e["id"], []))}, planted()
    rates, weak = lucky(found)
    if weak:
        print(f"Of {rates} rates these do not pass Holm's step-down at 5 %:", *weak, sep="\n", file=sys.stderr)
        return 1
    records = [record_of(e, found.get(e["id"], []), done, faults.get(e["id"])) for e in entries]
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("claims.md", claims_page(entries, found, done, rates)),
        ("errata.md", errata_page(entries, found, done)),
        ("map.txt", map_of(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"], entries, done)),
        ("count.txt", counts(entries, done) + "\n"),
        ("claims.json", json.dumps(records, ensure_ascii=False, indent=1) + "\n"),
    ):
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
