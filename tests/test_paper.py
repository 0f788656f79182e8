"""The book on paper: pages in order, numbered once, with links that lead inside."""

import shutil

import pytest
from pypdf import PdfReader

from tools import paper

needs_browser = pytest.mark.skipif(not any(map(shutil.which, paper.NAMES)), reason="needs Chromium to print")
PAGES = [(None, "", "start"), ("I. A part", "Short & first", "part/one"), ("I. A part", "Second", "part/two")]
BODY = {
    "start": '<h1>The start</h1><p>Begin <a href="part/two.html#there">with two</a>.</p>',
    "part/one": '<h1>The first<a href="#">#</a></h1><p><a href="#note">note</a>, <a href="gone.html">gone</a>, '
    '<a href="https://example.org/x">web</a></p><p style="break-before:page" id="note">The note of one</p>',
    "part/two": '<h1>The second</h1><p><a href="#note">note</a></p><p style="break-before:page">between</p>'
    '<p style="break-before:page" id="note">The note of two</p><p><a href="../start.html">home</a></p>',
}


def test_contents_are_those_of_the_table():
    toc = {"root": "intro", "parts": [{"caption": "I. A", "chapters": [{"file": "a", "title": "A"}, {"file": "b"}]}]}
    assert paper.contents(toc) == [(None, "", "intro"), ("I. A", "A", "a"), ("I. A", "", "b")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    book = tmp_path_factory.mktemp("book")
    (book / "part").mkdir()
    for name, body in BODY.items():
        (book / f"{name}.html").write_text(f"<!doctype html><meta charset=utf-8><body>{body}", encoding="utf-8")
    writer = paper.joined(PAGES, list(paper.printed(book, [name for *_, name in PAGES])), book)
    writer.write(book / "book.pdf")
    return PdfReader(book / "book.pdf")


@needs_browser
def test_pages_stand_in_order_and_are_numbered_through(made):
    texts = [" ".join(page.extract_text().replace("ﬁ", "fi").split()) for page in made.pages]
    heads = ["The start", "The first#", "The note of one", "The second", "between", "The note of two"]
    assert [text[: len(head)] for text, head in zip(texts, heads, strict=True)] == heads
    assert [str(n) in text.split() for n, text in enumerate(texts, 1)] == [True] * 6
    for page in made.pages:  # A4, in points
        assert [float(side) for side in page.mediabox[2:]] == pytest.approx([595.3, 841.9], abs=1.5)


@needs_browser
def test_the_outline_has_parts_and_their_pages(made):
    start, part, inside = made.outline
    found = [(item.title, made.get_destination_page_number(item)) for item in (start, part, *inside)]
    assert found == [("The start", 0), ("I. A part", 1), ("Short & first", 1), ("Second", 3)]


@needs_browser
def test_links_lead_inside_where_they_can(made):
    where = {page.indirect_reference.idnum: n for n, page in enumerate(made.pages)}
    found = []
    for n, page in enumerate(made.pages):
        for note in (note.get_object() for note in page.get("/Annots", [])):
            inner = where[note["/Dest"][0].idnum] if "/Dest" in note else None
            found.append((n, inner, str(note.get("/A", {}).get("/URI", "")).split("/")[-1]))
    assert (0, 3, "") in found and (5, 0, "") in found  # to another page of the book
    assert (1, 2, "") in found and (3, 5, "") in found  # the same name on two pages
    assert (1, None, "gone.html") in found and (1, None, "x") in found


def test_without_a_browser_it_says_so(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SystemExit, match="a browser that prints, one of chromium"):
        paper.chromium()
