"""The book on paper: the built pages as Chromium prints them, in one PDF with an outline, page numbers and inner links.

Folds stay shut, a slider shows one frame. A link to another page of the book leads to where that page begins.
"""

from __future__ import annotations

import shutil
import sys
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, FloatObject, NameObject, NullObject

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
NAMES = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"
SHEET = {"format": "A4", "print_background": True}
MARGIN = {"top": "18mm", "bottom": "20mm", "left": "17mm", "right": "17mm"}
LIGHT = "for (const key of ['mode', 'theme']) localStorage.setItem(key, 'light')"
LOADED = "Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode().catch(() => 0) }))"
NUMBERS = """<style>@page { size: A4; margin: 0 } body { margin: 0 }
div { height: 296.5mm; break-after: page; position: relative }
span { position: absolute; bottom: 9mm; width: 100%; text-align: center; font: 9pt sans-serif; color: #555 }</style>"""


def contents(toc: dict) -> list[tuple[str | None, str, str]]:
    """Part, title (or none: the page's own) and name of each page, in order."""
    pages = [(None, "", toc["root"])]
    for part in toc["parts"]:
        pages += [(part["caption"], entry.get("title", ""), entry["file"]) for entry in part["chapters"]]
    return pages


def chromium() -> str:
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise SystemExit(f"expected a browser that prints, one of {', '.join(NAMES)}; found none")


def printed(book: Path, names):
    """Of each page of the book: its heading, and itself as a PDF; at last pages with nothing but their numbers."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = browser.new_context(color_scheme="light", reduced_motion="reduce")
        context.add_init_script(LIGHT)
        tab = context.new_page()
        sheets = 0
        for name in names:
            tab.goto((book / f"{name}.html").resolve().as_uri())
            tab.emulate_media(media="print")
            tab.evaluate(LOADED)
            heading = tab.evaluate("document.querySelector('h1').firstChild.textContent.trim()")
            data = PdfReader(BytesIO(tab.pdf(**SHEET, margin=MARGIN)))
            sheets += len(data.pages)
            yield heading, data
        tab.set_content(NUMBERS + "".join(f"<div><span>{n + 1}</span></div>" for n in range(sheets)))
        yield "", PdfReader(BytesIO(tab.pdf(**SHEET)))
        browser.close()


def place(page, top=None) -> ArrayObject:
    """Where a link leads: a page, and how far down."""
    height = NullObject() if top is None else FloatObject(top)
    return ArrayObject([page.indirect_reference, NameObject("/XYZ"), NullObject(), height, NullObject()])


def notes(page):
    """The links of a page."""
    return [note.get_object() for note in page.get("/Annots", [])]


def lead(note, where: ArrayObject):
    note[NameObject("/Dest")] = where
    note.pop("/A", None)


def added(writer: PdfWriter, data: PdfReader) -> int:
    """Add the sheets of one page of the book, with the links inside it; the number of the first."""
    first = len(writer.pages)
    for sheet in data.pages:
        writer.add_page(sheet)
    for note in (note for sheet in writer.pages[first:] for note in notes(sheet)):
        inner = note.get("/Dest", note.get("/A", {}).get("/D"))
        if inner in data.named_destinations:
            goal = data.named_destinations[inner]
            lead(note, place(writer.pages[first + data.get_destination_page_number(goal)], goal.top))
    return first


def joined(pages, sheets, book: Path) -> PdfWriter:
    """One PDF of all pages; ``pages`` as ``contents`` has them, ``sheets`` as ``printed`` made them."""
    writer, begins, parts = PdfWriter(), {}, {}
    *sheets, (_, numbers) = sheets
    for (part, title, name), (heading, data) in zip(pages, sheets, strict=True):
        begins[(book / f"{name}.html").resolve()] = first = added(writer, data)
        if part and part not in parts:
            parts[part] = writer.add_outline_item(title=part, page_number=first)
        writer.add_outline_item(title=title or heading, page_number=first, parent=parts.get(part))
    for sheet, number in zip(writer.pages, numbers.pages, strict=True):
        sheet.merge_page(number)
        sheet.compress_content_streams()
        for note in notes(sheet):
            address = urlsplit(str(note.get("/A", {}).get("/URI", "")))
            goal = Path(unquote(address.path))
            if address.scheme == "file" and goal in begins:
                lead(note, place(writer.pages[begins[goal]]))
    writer.compress_identical_objects()
    return writer


def main(book: Path = HTML, out: Path | None = None) -> int:
    pages = contents(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
    writer = joined(pages, list(printed(book, [name for *_, name in pages])), book)
    writer.add_metadata({"/Title": yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"]})
    out = out or book / "book.pdf"
    writer.write(out)
    print(f"{len(writer.pages)} pages, {out.stat().st_size / 1e6:.1f} MB: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
