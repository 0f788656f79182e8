"""Rules of the built pages, read from their HTML."""

import json
import posixpath
import re
import shutil
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup, Tag

from ganlib.claims import RUNGS, VERDICTS, register
from ganlib.evidence import evidence, pages, settled
from tools import built

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
PAGES = ["intro", *pages(ROOT)]
NOTEBOOKS = [page for page in PAGES if (ROOT / f"{page}.ipynb").exists()]
REMOTE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.I)
LOADED = ("stylesheet", "icon", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch", "manifest")

every_page = pytest.mark.parametrize("page", PAGES)
every_notebook = pytest.mark.parametrize("page", NOTEBOOKS)


@cache
def soup(path):
    """A file of the site, parsed; its path is relative to the site."""
    return BeautifulSoup((HTML / path).read_text(encoding="utf-8"), "html.parser")


@cache
def ids(path):
    return [tag["id"] for tag in soup(path).find_all(id=True)]


def resolve(path, link):
    """The file of the site that a link on a page leads to, and the fragment."""
    parts = urlsplit(link)
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(parts.path))) if parts.path else path
    return target, unquote(parts.fragment)


@cache
def visible_text(path, without=()):
    """What a reader sees as text; tags and classes named are left out."""
    left_out = {"script", "style", "template", *without}

    def pieces(tag):
        for child in tag.children:
            if not isinstance(child, Tag):
                yield child
            elif not left_out & {child.name, *child.get("class", [])}:
                yield from pieces(child)

    return " ".join(" ".join(pieces(soup(path).body)).split())


# The pages


def test_there_are_pages_and_notebooks_to_look_at():
    assert len(pages(ROOT)) > 0
    assert NOTEBOOKS


def test_every_page_is_built_with_its_title():
    assert built.missing() == []


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site of titles only, that may be spoilt."""
    for page in PAGES:
        path = tmp_path / "_build" / "html" / f"{page}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<h1>{built.source_title(page)}<a href='#'>#</a></h1>", encoding="utf-8")
    monkeypatch.setattr(built, "HTML", tmp_path / "_build" / "html")
    return tmp_path


@every_page
def test_a_page_that_is_not_built_is_reported(site, page):
    assert built.missing() == []
    (built.HTML / f"{page}.html").unlink()
    assert built.missing() == [f"{page}: no HTML"]


@pytest.mark.parametrize("html", ["<h1>Another title</h1>", "<h2>No title at all</h2>", ""])
@every_page
def test_a_page_with_another_title_is_reported(site, page, html):
    (built.HTML / f"{page}.html").write_text(html, encoding="utf-8")
    (message,) = built.missing()
    assert message.startswith(f"{page}: expected the title {built.source_title(page)!r}, got ")


def test_a_build_without_a_page_fails_as_a_command(site):
    for path in (*ROOT.glob("tools/built.py"), ROOT / "_toc.yml", ROOT / "chapters/evidence/claims.json", *sources()):
        (site / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, site / path.relative_to(ROOT))

    def command():
        done = subprocess.run([sys.executable, "tools/built.py"], cwd=site, capture_output=True, text=True)
        return done.returncode, done.stdout

    assert command() == (0, f"{len(PAGES)} pages. Open _build/html/index.html\n")
    (built.HTML / f"{PAGES[-1]}.html").unlink()
    assert command() == (1, f"{PAGES[-1]}: no HTML\n")


def sources():
    """The file that each page is made of."""
    return [next(path for path in ROOT.glob(f"{page}.*") if path.suffix in (".ipynb", ".md")) for page in PAGES]


def test_the_index_leads_to_the_introduction():
    assert soup("index.html").find("meta", {"http-equiv": "Refresh"})["content"].endswith("url=intro.html")


# The contents


def test_parts_and_pages_are_numbered_and_have_short_titles_in_the_navigation():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    numbered = [part for part in toc if part.get("numbered")]
    assert toc == [*numbered, toc[-1]]  # all but the reference
    romans = ("I", "II", "III", "IV", "V")
    assert [part["caption"].split(". ")[0] for part in numbered] == list(romans[: len(numbered)])
    titles = [page["title"] for part in numbered for page in part["chapters"]]
    assert len(set(titles)) == len(titles) and max(map(len, titles)) <= 24
    links = [" ".join(a.get_text().split()) for a in soup("intro.html").select("nav.bd-links a.reference.internal")]
    assert links[1 : len(titles) + 1] == [f"{number}. {title}" for number, title in enumerate(titles, 1)]


@every_notebook
def test_equations_and_theorems_bear_the_number_of_their_page(page):
    number = soup(f"{page}.html").select_one("h1 .section-number").get_text().strip()
    marks = [tag.get_text() for tag in soup(f"{page}.html").select("span.eqno, .proof .caption-number")]
    assert marks
    assert [mark for mark in marks if not re.search(rf"[( ]{re.escape(number)}\d", mark)] == []


# What a page is made of


@every_page
def test_a_page_has_one_title(page):
    titles = soup(f"{page}.html").find_all("h1")
    assert len([title for title in titles if not title.find_parent(class_="onlyprint")]) == 1


@every_page
def test_ids_are_unique(page):
    assert [name for name, count in Counter(ids(f"{page}.html")).items() if count > 1] == []


@every_page
def test_every_image_has_a_text_in_its_place(page):
    assert [str(image)[:90] for image in soup(f"{page}.html").find_all("img") if not image.get("alt", "").strip()] == []


@every_page
def test_every_frame_of_a_slider_has_a_text_of_its_own(page):
    for figure in soup(f"{page}.html").select("figure.scrub"):
        frames = json.loads(figure.find("input")["data-frames"])
        labels, texts, sources = zip(*frames, strict=True)
        assert len(frames) == int(figure.find("input")["max"]) + 1 >= 2
        assert len(set(labels)) == len(set(texts)) == len(set(sources)) == len(frames)
        assert all(label and f"({label})" in text for label, text in zip(labels, texts, strict=True))
        assert min(map(len, texts)) > max(map(len, labels)) + 20
        for source in sources:
            image = (HTML / resolve(f"{page}.html", source)[0]).read_bytes()
            assert (image[:4], image[8:12]) == (b"RIFF", b"WEBP")


@every_notebook
def test_every_chapter_has_a_slider(page):
    assert soup(f"{page}.html").select("figure.scrub")


@every_notebook
def test_a_chapter_can_be_downloaded_as_the_notebook_it_is(page):
    links = [a["href"] for a in soup(f"{page}.html").select("a.btn-download-source-button")]
    target, _ = resolve(f"{page}.html", next(link for link in links if link.endswith(".ipynb")))
    assert (HTML / target).read_bytes() == (ROOT / f"{page}.ipynb").read_bytes()


RAW = re.compile(r":{3,}\s*\{|\{prf:|`{3,}\s*\{|\{[a-z][a-z:+-]*\}\s*`|\]\(")
FORMULA = re.compile(r"\$|\\[()\[\]]|\\begin\{")


def test_the_patterns_for_unrendered_text_find_it():
    for text in (":::{exercise} A", "{prf:ref}`x`", "{eq}`value`", "```{image} a.png", "{cite:p}`x`", "[](../a.ipynb)"):
        assert RAW.search(text), text
    for text in ("is maximal for $ D", "$$", r"\(x\)", r"\[x\]", r"\begin{aligned}"):
        assert FORMULA.search(text), text
    for text in ("a set {0, 1} and f(x)[0] (see 2)", "the interval [0, 1] (closed)"):
        assert not RAW.search(text) and not FORMULA.search(text), text


@every_page
def test_no_markup_is_left_unrendered(page):
    text = visible_text(f"{page}.html", without=("pre", "code"))
    assert [text[max(0, m.start() - 30) : m.end() + 30] for m in RAW.finditer(text)] == []


@every_page
def test_no_formula_is_left_outside_mathematics(page):
    text = visible_text(f"{page}.html", without=("pre", "code", "math"))
    assert [text[max(0, m.start() - 30) : m.end() + 30] for m in FORMULA.finditer(text)] == []


# Nothing from the network


def loads(path):
    """Addresses of everything that a page loads by itself, with those inside its styles."""
    page = soup(path)
    for tag in page.find_all(True):
        if tag.name == "link" and set(tag.get("rel", [])) & set(LOADED):
            yield tag["href"]
        elif tag.name != "a":
            yield from (tag[name] for name in ("src", "data", "poster", "xlink:href") if tag.get(name))
        yield from (part.split()[0] for part in tag.get("srcset", "").split(",") if part.strip())
        yield from styled(tag.get("style", ""))
    for style in page.find_all("style"):
        yield from styled(style.string or "")


def styled(css):
    """Addresses that a style loads."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    yield from (link for _, link in re.findall(r"url\(\s*(['\"]?)(.*?)\1\s*\)", css, re.S))
    yield from (link for _, link in re.findall(r"@import\s+(['\"])(.*?)\1", css))


@cache
def style_faults(path):
    """Addresses in a style sheet, and in those it imports, that are remote or lead nowhere."""
    return list(faults_among(path, styled((HTML / path).read_text(encoding="utf-8"))))


def faults_among(path, links):
    for link in links:
        if REMOTE.match(link):
            yield f"{path}: {link}"
        elif not link.startswith(("data:", "blob:", "#", "about:")):
            target, _ = resolve(path, link)
            if not (HTML / target).is_file():
                yield f"{path}: {link} leads nowhere"
            elif target.endswith(".css"):
                yield from style_faults(target)


def test_the_search_for_what_is_loaded_finds_it():
    css = "a{background:url( 'https://x/y.png' )} @import \"z.css\"; /* url(no) */ @font-face{src:url(f.woff2)}"
    assert list(styled(css)) == ["https://x/y.png", "f.woff2", "z.css"]
    assert list(faults_among("a.html", ["https://x/y", "//x/y", "data:,x"])) == ["a.html: https://x/y", "a.html: //x/y"]
    assert list(faults_among("a.html", ["none.js"])) == ["a.html: none.js leads nowhere"]


@every_page
def test_a_page_loads_nothing_from_the_network(page):
    found = list(loads(f"{page}.html"))
    assert [link.split("/")[-1] for link in found if ".css" in link] == ["all.css"]
    assert list(faults_among(f"{page}.html", found)) == []


# What a page weighs

HEAVY = 900_000  # bytes, before figures


@every_page
def test_a_page_is_light(page):
    links = {link.split("?")[0] for link in loads(f"{page}.html") if not link.startswith("data:")}
    brought = {resolve(f"{page}.html", link)[0] for link in links if link.endswith((".js", ".css"))}
    text = re.sub(r"data:image/[^\"']*", "", (HTML / f"{page}.html").read_text(encoding="utf-8"))
    weight = {path: (HTML / path).stat().st_size for path in brought} | {page: len(text.encode())}
    assert sum(weight.values()) < HEAVY, weight
    assert "tex-chtml.js" not in text and "fontawesome" not in text


@every_page
def test_a_page_says_what_it_is(page):
    told = soup(f"{page}.html").select('meta[name="description"]')
    assert len(told) == 1 and 60 <= len(told[0]["content"]) <= 161


# Links


@cache
def reachable():
    """Files of the site that can be reached from the pages by links."""
    found, waiting = [], [f"{page}.html" for page in PAGES]
    while waiting:
        path = waiting.pop()
        if path not in found and (HTML / path).is_file():
            found.append(path)
            waiting += {resolve(path, link)[0] for link in inner(path) if ".html" in link}
    return sorted(found)


def inner(path):
    """Links of a page to the site itself."""
    links = [a["href"] for a in soup(path).find_all("a", href=True)]
    return [link for link in links if link != "#" and not REMOTE.match(link) and not link.startswith("mailto:")]


def broken(path):
    for link in inner(path):
        target, fragment = resolve(path, link)
        if not (HTML / target).is_file():
            yield f"{link}: no such file"
        elif fragment and target.endswith(".html") and fragment not in ids(target):
            yield f"{link}: no such place"


def test_every_link_on_every_page_leads_somewhere():
    assert {f"{page}.html" for page in PAGES} <= set(reachable())
    found = {path: list(broken(path)) for path in reachable()}
    assert {path: links for path, links in found.items() if links} == {}


SPOILT = '<a href="none.html"></a><a href="#no"></a><a href="other.html#no"></a><a href="#yes" id="yes"></a>'


def test_a_broken_link_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "HTML", tmp_path)
    for name in ("spoilt.html", "other.html"):
        (tmp_path / name).write_text(SPOILT, encoding="utf-8")
    assert list(broken("spoilt.html")) == [
        "none.html: no such file",
        "#no: no such place",
        "other.html#no: no such place",
    ]


@every_page
def test_nothing_is_marked_as_unresolved(page):
    assert soup(f"{page}.html").select(".system-message, .problematic") == []


# The evidence


ENTRIES = register()
FOUND = evidence(ROOT)
DONE = [entry for entry in ENTRIES.values() if settled(entry, FOUND.get(entry["id"], []))]
WRONG = [entry for entry in DONE if "notes" in entry and entry["status"] in ("wrong", "slip")]
CLAIMS, ERRATA = "chapters/evidence/claims.html", "chapters/evidence/errata.html"


def listed(path):
    """Ids of the claims that have a place on a page."""
    return {tag["id"] for tag in soup(path).select(".entry[id], h4[id]")}


def words(text):
    return " ".join(text.split())


def test_the_evidence_lists_what_is_settled_and_nothing_else():
    assert DONE and WRONG
    assert listed(CLAIMS) == {entry["id"] for entry in DONE}
    assert listed(ERRATA) == {entry["id"] for entry in WRONG}


@pytest.mark.parametrize("entry", DONE, ids=lambda entry: entry["id"])
def test_a_settled_claim_stands_with_its_verdict_and_a_link_to_each_cell(entry):
    place = soup(CLAIMS).find(id=entry["id"])
    assert words(place.find("strong").get_text()) == words(entry["card"])
    assert words(place.find(class_="verdict").get_text()) == VERDICTS[entry["status"]]
    assert words(place.find(class_="reach").get_text()).split(";")[0] in RUNGS
    links = [resolve(CLAIMS, tag["href"]) for tag in place.find_all("a", href=True)]
    assert (CLAIMS, entry["id"]) in links
    for record in FOUND[entry["id"]]:
        assert (f"chapters/{record['page']}.html", record["anchor"]) in links


def until_the_next(path, start):
    """Tags from the place of an erratum to the next place of one."""
    tag = soup(path).find(id=start)
    yield tag
    for other in tag.find_all_next(True):
        if other.get("id") in ENTRIES:
            return
        yield other


@pytest.mark.parametrize("entry", WRONG, ids=lambda entry: entry["id"])
def test_an_erratum_says_what_the_source_says_and_links_to_the_check(entry):
    place = list(until_the_next(ERRATA, entry["id"]))
    assert words(place[0].get_text().rstrip("#")) == words(entry["printed" if entry["status"] == "wrong" else "slip"])
    text = " ".join(tag.get_text() for tag in place if tag.name == "p")
    parts = ("Tempting, because", "What fails:") if entry["status"] == "wrong" else ()
    assert [part for part in ("The source", *parts, "Right:", *entry["notes"]) if part not in text] == []
    links = [resolve(ERRATA, tag["href"]) for tag in place if tag.name == "a" and tag.get("href")]
    for record in FOUND[entry["id"]]:
        assert record["role"] == "limit" or (f"chapters/{record['page']}.html", record["anchor"]) in links


@pytest.mark.parametrize("path", [CLAIMS, ERRATA])
def test_the_pages_of_evidence_show_no_backslash(path):
    text = visible_text(path)
    assert [text[max(0, m.start() - 30) : m.end() + 30] for m in re.finditer(r"\\", text)] == []


def test_what_is_not_settled_is_listed_and_counted():
    theirs = [entry for entry in ENTRIES.values() if entry.get("source") != "book"]
    done = sum(entry.get("source") != "book" for entry in DONE)
    for path in (CLAIMS, "intro.html"):
        assert f"{done} of {len(theirs)} claims of five lecture notes are settled" in visible_text(path)
    found = [words(item.get_text()) for item in soup(CLAIMS).select("details.sd-dropdown li")]
    waiting = [entry for entry in ENTRIES.values() if entry not in DONE]
    assert len(found) == len(waiting)
    assert not waiting or f"{len(waiting)} claims wait" in visible_text(CLAIMS)
    wrong = sum(entry["status"] == "wrong" for entry in WRONG)
    assert f"{wrong} statements of the sources" in visible_text(ERRATA)


# The cards, as the notebooks stored them


@every_notebook
def test_every_card_of_the_notebook_is_on_its_page(page):
    records = [r for rs in FOUND.values() for r in rs if f"chapters/{r['page']}" == page]
    assert records
    assert {r["anchor"] for r in records} == {card["id"] for card in soup(f"{page}.html").select(".claim")}
