"""After a build: pages bring what they use.

Icons are a few masks, not 1.5 MB of script and 300 kB of fonts; the search index comes where one searches; one style
sheet holds what some page can need, a quarter of the theme's thirteen; scripts wait for the text; every picture has a
size and comes when it is near; the frames of a slider are files of their own; a page says in a sentence what it is.

The theme's `fontawesome.js` draws each icon when the page is open. Here the paths of the few icons that the pages and
the theme's scripts name are read from that file and written into a style sheet; the script goes. A picture without a
width and a height moves the text below it when it arrives: both are read from its first bytes.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import shutil
import struct
import sys
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
SCRIPT = re.compile(r'\s*<script[^>]*src="[^"]*fontawesome\.js[^"]*"[^>]*></script>|\s*<link[^>]*fontawesome\.js[^>]*>')
SHEET = r'href="[^"]*_static/([\w./-]+\.css)(?:\?[^"]*)?"'  # of a style sheet of the book
ONE = "all.css"
FRAMES = "JSON.parse(this.dataset.frames)", "JSON.parse(this.dataset.frames).map(f=&gt;(new Image().src=f[2],f))"
SOURCE = "&#x27;data:image/webp;base64,&#x27;+src", "src"  # in a slider's script: data, and files
GLYPH = re.compile(r"content:\s*var\(--pst-icon|font:\s*var\(--fa-font|font-family:[^;}]*Font Awesome")
THEME = 'document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";'
DARK = """    if (document.documentElement.dataset.theme === "auto" || document.documentElement.dataset.mode === "auto")
      document.documentElement.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";"""
# A page of formulas that is opened at its head lays out what is far down when it is wanted; at a place, at once.
LATER = '    if (!location.hash) document.documentElement.classList.add("later");'
INSIDE = r"""(?:"[^"]*"|'[^']*'|\((?:[^()]|\([^()]*\))*\)|[^;{}"'(])*"""  # of a declaration
DEFINED = re.compile(rf"(?<=[{{;])\s*(--[\w-]+)\s*:{INSIDE}(?:;|(?=\}}))")
# Scripts, and what they work on: where that is not, neither are they.
IDLE = {
    "design-tabs": "sd-tab-set",
    "togglebutton": r'class="(?:[^"]* )?toggle[ "]|class="[^"]*admonition[^"]* dropdown',
    "clipboard.min": r'class="highlight',
    "copybutton": r'class="highlight',
}
# The theme asks each box whether it scrolls and writes the answer into it, so that every question costs a layout anew.
BOXES = r'document\.querySelectorAll\((\["pre".*?join\(", "\))\)'
ONE_BY_ONE = re.compile(BOXES + r"\.forEach\(e=>\{e\.tabIndex=(.*?)\?0:-1\}\)")
AT_ONCE = r"[...document.querySelectorAll(\1)].filter(e=>e.checkVisibility({contentVisibilityAuto:!0}))"
AT_ONCE += r".map(e=>[e,\2?0:-1]).forEach(([e,t])=>{e.tabIndex!==t&&(e.tabIndex=t)})"
SEARCH = re.compile(r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>')
NAME = re.compile(r"\bfa-([a-z0-9-]+)")
NOT_ICONS = {"solid", "lg", "regular", "brands"}
LOOK = """.fa-solid, .fas { display: inline-block; width: 1.1em; height: 1em; vertical-align: -.125em; \
background: currentColor; mask: var(--icon) center / contain no-repeat; -webkit-mask: var(--icon) center / contain \
no-repeat; }
.fa-lg { font-size: 1.25em; }
"""


def paths(script: str, names) -> dict[str, tuple[str, str, str]]:
    """Width, height and outline of each icon; the solid set is the last in the script."""
    found = {}
    for name in sorted(names):
        drawn = re.findall(rf'[,{{]"?{re.escape(name)}"?:\[(\d+),(\d+),\[[^\]]*\],"\w+","([^"]+)"\]', script)
        if not drawn:
            raise SystemExit(f"expected an icon {name} in fontawesome.js")
        found[name] = drawn[-1]
    return found


def sheet(icons) -> str:
    """The style sheet of these icons."""
    rules = [LOOK]
    for name, (width, height, path) in icons.items():
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"><path d="{path}"/></svg>'
        rules.append(f'.fa-{name} {{ --icon: url("data:image/svg+xml,{quote(svg)}"); }}\n')
    return "/* Font Awesome Free by @fontawesome, fontawesome.com; icons: CC BY 4.0. */\n" + "".join(rules)


def size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, or of a lossless WebP."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return struct.unpack(">II", data[16:24])
    if data[:4] == b"RIFF" and data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def sized(page: str, folder: Path) -> str:
    """The page with a width and a height on each picture that has none; all but the first are loaded when near."""
    first = page.find("<img", max(0, page.find("<article")))

    def add(match):
        tag = match[0]
        source = re.search(r'\bsrc="([^"]+)"', tag)
        if not source or re.search(r"\s(width|height)=", tag):
            return tag
        if source[1].startswith("data:image/"):
            data = base64.b64decode(source[1].split(",", 1)[1][:64])
        else:
            path = folder / source[1]
            data = path.read_bytes()[:64] if path.is_file() else b""
        found = size(data)
        if found is None:
            return tag
        late = "" if match.start() == first else ' loading="lazy"'
        return f'<img width="{found[0]}" height="{found[1]}"{late}{tag[4:]}'

    return re.sub(r"<img\b[^>]*>", add, page)


def rules(css: str):
    """Prelude and body of each rule or at-rule; a body of None ends with a semicolon."""
    at = 0
    while at < len(css):
        end = re.compile(r'[;{}]|"[^"]*"|\'[^\']*\'').search
        stop = end(css, at)
        while stop and stop[0] not in ";{}":
            stop = end(css, stop.end())
        if not stop:
            return
        prelude, depth, begin = css[at : stop.start()].strip(), 1, stop.end()
        here = begin
        if stop[0] == ";":
            yield prelude, None
        elif stop[0] == "{":
            while depth:
                stop = end(css, here)
                depth += {"{": 1, "}": -1}.get(stop[0], 0)
                here = stop.end()
            yield prelude, css[begin : here - 1]
        at = here


def used(selector: str, words: set[str]) -> bool:
    """Whether all classes and ids that a selector needs are words of the book; in doubt it is kept."""
    if ":is(" in selector or ":where(" in selector or "\\" in selector:
        return True
    if re.search(r"\.fa-[\w-]+:", selector):
        return False
    needed = re.sub(r":not\([^()]*\)|\[[^\]]*\]", "", selector)
    return {name for name in re.findall(r"[.#](-?[A-Za-z_][\w-]*)", needed)} <= words


def purged(css: str, words: set[str]) -> str:
    """The style sheet without rules that no page can need."""
    css, kept = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL), []
    for prelude, body in rules(css):
        prelude, body = " ".join(prelude.split()), body and re.sub(r"([:;,])\s+", r"\1", " ".join(body.split()))
        if body is None:
            kept.append(f"{prelude};")
        elif prelude.startswith(("@media", "@supports", "@layer")):
            if inner := purged(body, words):
                kept.append(f"{prelude}{{{inner}}}")
        elif GLYPH.search(body):
            continue
        elif prelude.startswith("@"):
            kept.append(f"{prelude}{{{body}}}")
        else:
            selectors = re.split(r",(?![^()]*\))", prelude)
            if left := [selector for selector in selectors if used(selector, words)]:
                kept.append(f"{','.join(left)}{{{body}}}")
    return "".join(kept)


def draw_icons(book: Path, texts):
    """A sheet of the icons that the pages and the theme's scripts name, in the place of the script."""
    script = book / "_static/scripts/fontawesome.js"
    if script.exists():
        texts = [*texts, *(p.read_text(encoding="utf-8") for p in script.parent.glob("*theme.js"))]
        names = {name for text in texts for name in NAME.findall(text)} - NOT_ICONS
        icons = paths(script.read_text(encoding="utf-8"), names)
        (book / "_static/icons.css").write_text(sheet(icons), encoding="utf-8")
        for old in script.parent.glob("fontawesome.js*"):
            old.unlink()


def rebased(css: str, path: Path, base: Path) -> str:
    """A style sheet as it stands in another folder: with what it imports, its addresses made to fit."""

    def address(found):
        target = found[1].strip("'\"")
        if target.startswith(("data:", "#", "http")):
            return found[0]
        return f'url("{os.path.relpath(path.parent / target, base)}")'

    def whole(found):
        target = path.parent / found[1].split("?")[0]
        return rebased(target.read_text(encoding="utf-8"), target, base)

    css = re.sub(r"url\(\s*([^)]*?)\s*\)", address, re.sub(r'@charset "[^"]*";', "", css))
    return re.sub(r'@import "([^"]+)";', whole, css)


def without_unused(css: str, others: str) -> str:
    """The style sheet without custom properties that nothing reads."""
    while True:
        read = set(re.findall(r"var\(\s*(--[\w-]+)", css)) | set(re.findall(r"--[\w-]+", others))

        def kept(found, read=read):
            return found[0] if found[1] in read else ""

        less = DEFINED.sub(kept, css)
        if less == css:
            return css
        css = less


def named(text: str) -> set[str]:
    """Classes and ids that a page gives."""
    return {name for found in re.findall(r'\b(?:class|id)="([^"]*)"', text) for name in found.split()}


def one_sheet(book: Path, texts):
    """All style sheets of the pages, in their order, as one, without rules that no page can need.

    Its first line keeps their names: after a build of some pages only, the others' sheets belong to it still.
    """
    static = book / "_static"
    before = re.match(r"/\* (.*?) \*/", (static / ONE).read_text(encoding="utf-8") if (static / ONE).exists() else "")
    found = dict.fromkeys(before[1].split() if before else [])
    found |= dict.fromkeys(name for text in texts for name in re.findall(SHEET, text) if name != ONE)
    found |= {name: None for name in ("math.css", "icons.css") if (static / name).exists()}
    scripts = [path.read_text(encoding="utf-8") for path in static.glob("**/*.js")]
    words = set().union(*map(named, texts), *(re.findall(r"[A-Za-z_][\w-]*", script) for script in scripts))
    sheets = ((static / name).read_text(encoding="utf-8") for name in found)
    whole = "".join(rebased(css, static / name, static) for css, name in zip(sheets, found, strict=True))
    left = without_unused(purged(whole, words), "".join((*texts, *scripts)))
    (static / ONE).write_text(f"/* {' '.join(found)} */{left}", encoding="utf-8")


def framed(page: str, images: Path, root: str) -> str:
    """The page with each frame of its sliders as a file: only the first is loaded before the slider is touched."""

    def stored(frame: str) -> str:
        data = base64.b64decode(frame)
        name = f"{hashlib.sha256(data).hexdigest()[:32]}.webp"
        images.mkdir(exist_ok=True)
        (images / name).write_bytes(data)
        return f"{root}_images/{name}"

    def slider(found):
        frames = [[*told, stored(frame)] for *told, frame in json.loads(html.unescape(found[2]))]
        text = html.escape(json.dumps(frames, ensure_ascii=False))
        return f'{found[1].replace(*SOURCE).replace(*FRAMES)} data-frames="{text}"'

    page = re.sub(rf'(oninput="[^"]*{re.escape(SOURCE[0])}[^"]*") data-frames="([^"]*)"', slider, page)
    first = r'(<figure class="scrub"><img\b[^>]*src=")data:image/webp;base64,([^"]*)"'
    return re.sub(first, lambda found: f'{found[1]}{stored(found[2])}"', page)


def unmarked(page: str) -> str:
    """The page without what nothing asks for: marks on what looks like plain code, names of classes, space."""
    mark = re.compile(r'<span class="(?:n|nn|p|w|pre|sig-paren)">([^<]*)</span>')
    code = re.compile(r'<pre\b.*?</pre>|<dt class="sig .*?</dt>', re.DOTALL)
    page = code.sub(lambda found: mark.sub(r"\1", found[0]), page)
    page = re.sub(r'(<code class="[^"]*)\bdocutils literal notranslate"', r'\1literal"', page)
    parts = re.split(r"(<(pre|script|style|textarea)\b.*?</\2>)", page, flags=re.DOTALL)
    del parts[2::3]  # the names of the elements whose space counts
    return "".join(part if k % 2 else re.sub(r"\s*\n\s*", "\n", part) for k, part in enumerate(parts))


def spoken(page: str) -> str:
    """The page as a screen reader needs it: labels that say what is seen, landmarks, lists, heads with words."""
    page = page.replace(' aria-label="Toggle hidden content"', "")
    page = re.sub(r'(<button[^>]*search-button-field[^>]*?) aria-label="Search"', r"\1", page)
    page = re.sub(
        r'<div (?!role)(?=[^>]*id="pst-primary-sidebar")', '<div role="complementary" aria-label="Book" ', page
    )
    page = page.replace('role="doc-biblioentry"', 'role="listitem"')  # of the list that it stands in
    return re.sub(r"<th\b[^>]*>(?:<p></p>)?</th>", "<td></td>", page)


def described(page: str) -> str:
    """The page with its first sentences where a search or a shared link shows them."""
    article = page.partition("<article")[2]
    title = re.search(r"<h1>(.*?)<a\b", article, re.DOTALL)
    if 'name="description"' in page or not title:
        return page
    told = re.findall(r"<p\b(?![^>]*admonition)[^>]*>(.*?)</p>", article, re.DOTALL)
    told = next((text for text in map(bare, told) if len(text) > 60), bare(title[1]))
    if len(told) > 160:
        told = told[:159].rsplit(" ", 1)[0] + " …"
    lines = ("description", told), ("og:title", bare(title[1])), ("og:description", told), ("og:type", "article")
    metas = (f'<meta {"property" if ":" in key else "name"}="{key}" content="{html.escape(v)}">' for key, v in lines)
    return page.replace("</head>", "\n".join(metas) + "\n</head>", 1)


def shared(page: str, address: str, site: str) -> str:
    """The page with its address, and a picture that is shown with a link to it; for a book that has an address."""
    if 'rel="canonical"' in page or "</head>" not in page:
        return page
    own, picture = (html.escape(f"{site}/{path}") for path in (address, "_static/shared.png"))
    lines = (
        f'<link rel="canonical" href="{own}">',
        f'<meta property="og:url" content="{own}">',
        f'<meta property="og:image" content="{picture}">',
        '<meta name="twitter:card" content="summary_large_image">',
    )
    return page.replace("</head>", "\n".join(lines) + "\n</head>", 1)


def bare(markup: str) -> str:
    """Its text; a formula as it is read."""
    text = re.sub(r"<mjx-math.*?</mjx-math>|<sup>.*?</sup>", "", markup, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())


def lightened(page: str, folder: Path, root: str, options: str) -> str:
    """One page: one style sheet, scripts that wait, no icons' script, no search index, sizes, a description."""
    page = SCRIPT.sub("", page)
    if "search_as_you_type = false" in page and 'id="search-results"' not in page:
        page = SEARCH.sub("", page)
    if f"_static/{ONE}" not in page:
        page = re.sub(r"<link\b[^>]*" + SHEET + r"[^>]*>\s*", "", page)
        page = page.replace("</title>", f'</title>\n<link rel="stylesheet" href="{root}_static/{ONE}">', 1)
    for script, mark in IDLE.items():
        if not re.search(mark, page):
            page = re.sub(rf'\s*<script[^>]*src="[^"]*{script}\.js[^"]*"></script>', "", page)
    page = re.sub(r' title="Link to this (?:heading|definition|equation|image|table)"', "", page)  # its "#" says so
    page = re.sub(r"<script (?!defer)(?=[^>]*src=)", "<script defer ", page)
    page = re.sub(r"<script [^>]*documentation_options\.js[^>]*>", f"<script>{options}", page)  # inline scripts read it
    if DARK not in page:
        page = page.replace(THEME, "\n".join([THEME, DARK, *([LATER] if "<mjx-container" in page else [])]), 1)
    return described(sized(framed(unmarked(spoken(page)), folder / root / "_images", root), folder))


def quicken(book: Path):
    """The theme's script, where it asks all boxes first whether they scroll, and then writes."""
    script = book / "_static/scripts/pydata-sphinx-theme.js"
    if script.exists():
        script.write_text(ONE_BY_ONE.sub(AT_ONCE, script.read_text(encoding="utf-8")), encoding="utf-8")


def lighten(book: Path = HTML, site: str = ""):
    """Every page of the built book, in place; a second time changes nothing.

    Args:
        book: its folder.
        site: the address under which it will stand; without one, no page names its own.
    """
    pages = {path: path.read_text(encoding="utf-8") for path in book.rglob("*.html")}
    pages = {path: page for path, page in pages.items() if "<head>" in page}
    draw_icons(book, pages.values())
    options = (book / "_static/documentation_options.js").read_text(encoding="utf-8").strip()
    one_sheet(book, pages.values())
    for path, page in pages.items():
        new = lightened(page, path.parent, "../" * (len(path.relative_to(book).parts) - 1), options)
        if site:
            new = shared(new, path.relative_to(book).as_posix(), site.rstrip("/"))
        if new != page:
            path.write_text(new, encoding="utf-8")
    quicken(book)
    shutil.rmtree(book / "_static/vendor/fontawesome", ignore_errors=True)


if __name__ == "__main__":
    lighten(Path(sys.argv[1]) if sys.argv[1:] else HTML, os.environ.get("BOOK_URL", ""))
