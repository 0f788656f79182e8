"""After a build: claims.json beside its page; every page of _toc.yml is there with its title; the path to open."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from bs4 import BeautifulSoup, SoupStrainer

from ganlib.evidence import pages

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"


def source_title(page: str) -> str:
    """First heading of the page's source."""
    notebook = ROOT / f"{page}.ipynb"
    if notebook.exists():
        text = "".join(json.loads(notebook.read_text(encoding="utf-8"))["cells"][0]["source"])
    else:
        text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
    return text.splitlines()[0].lstrip("# ").strip()


def missing() -> list[str]:
    """Pages that are not built, or not with their title."""
    found = []
    for page in ["intro", *pages(ROOT)]:
        path = HTML / f"{page}.html"
        if not path.exists():
            found.append(f"{page}: no HTML")
            continue
        heading = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser", parse_only=SoupStrainer("h1")).h1
        if heading is None or heading.get_text().replace("’", "'").rstrip("#").strip() != source_title(page):
            found.append(f"{page}: expected the title {source_title(page)!r}, got {heading and heading.get_text()!r}")
    return found


def add_claims():
    """Put ``claims.json`` beside the page that links to it."""
    shutil.copy(ROOT / "chapters/evidence/claims.json", HTML / "chapters/evidence/claims.json")


if __name__ == "__main__":
    if not (problems := missing()):
        add_claims()
    print("\n".join(problems) or f"{len(pages(ROOT)) + 1} pages. Open {(HTML / 'index.html').relative_to(ROOT)}")
    sys.exit(bool(problems))
