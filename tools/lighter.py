"""After a build: pages bring what they use.

Icons are a few masks, not 1.5 MB of script; the search index comes where one searches; the theme's style sheets keep
what some page can need, a quarter; every picture has a size.

The theme's `fontawesome.js` draws each icon when the page is open. Here the paths of the few icons that the pages and
the theme's scripts name are read from that file and written into a style sheet; the script goes. A picture without a
width and a height moves the text below it when it arrives: both are read from its first bytes.
"""

from __future__ import annotations

import base64
import re
import struct
import sys
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
SCRIPT = re.compile(r'\s*<script[^>]*src="[^"]*fontawesome\.js[^"]*"[^>]*></script>|\s*<link[^>]*fontawesome\.js[^>]*>')
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
    """The page with a width and a height on each picture that has none."""

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
        return tag if found is None else f'<img width="{found[0]}" height="{found[1]}"{tag[4:]}'

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
    needed = re.sub(r":not\([^()]*\)|\[[^\]]*\]", "", selector)
    return {name for name in re.findall(r"[.#](-?[A-Za-z_][\w-]*)", needed)} <= words


def purged(css: str, words: set[str]) -> str:
    """The style sheet without rules that no page can need."""
    css, kept = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL), []
    for prelude, body in rules(css):
        if body is None:
            kept.append(f"{prelude};")
        elif prelude.startswith(("@media", "@supports", "@layer")):
            if inner := purged(body, words):
                kept.append(f"{prelude}{{{inner}}}")
        elif prelude.startswith("@"):
            kept.append(f"{prelude}{{{body}}}")
        else:
            selectors = re.split(r",(?![^()]*\))", prelude)
            if left := [selector for selector in selectors if used(selector, words)]:
                kept.append(f"{','.join(left)}{{{body}}}")
    return "".join(kept)


def draw_icons(html: Path, texts):
    """A sheet of the icons that the pages and the theme's scripts name, in the place of the script."""
    script = html / "_static/scripts/fontawesome.js"
    if script.exists():
        texts = [*texts, *(p.read_text(encoding="utf-8") for p in script.parent.glob("*theme.js"))]
        names = {name for text in texts for name in NAME.findall(text)} - NOT_ICONS
        icons = paths(script.read_text(encoding="utf-8"), names)
        (html / "_static/icons.css").write_text(sheet(icons), encoding="utf-8")
        for old in script.parent.glob("fontawesome.js*"):
            old.unlink()


def purge_styles(html: Path, texts):
    """The theme's sheets, without rules for what no page and no script names."""
    scripts = (path for path in html.glob("_static/**/*.js") if "mathjax" not in path.parts)
    texts = [*texts, *(path.read_text(encoding="utf-8") for path in scripts)]
    words = {word for text in texts for word in re.findall(r"[A-Za-z_][\w-]*", text)}
    for name in ("styles/pydata-sphinx-theme.css", "sphinx-design.min.css"):
        path = html / "_static" / name
        if path.exists():
            path.write_text(purged(path.read_text(encoding="utf-8"), words), encoding="utf-8")


def lightened(page: str, folder: Path, root: str) -> str:
    """One page: without the icons' script and the search index, with sizes."""
    new = SCRIPT.sub("", page) if "fontawesome.js" in page else page
    if "search_as_you_type = false" in page and 'id="search-results"' not in page:
        new = SEARCH.sub("", new)
    if "icons.css" not in new:
        new = new.replace("</head>", f'\n<link rel="stylesheet" href="{root}_static/icons.css">\n</head>', 1)
    return sized(new, folder)


def lighten(html: Path = HTML):
    """Every page of the built book, in place; a second time changes nothing."""
    pages = {path: path.read_text(encoding="utf-8") for path in html.rglob("*.html")}
    draw_icons(html, pages.values())
    purge_styles(html, pages.values())
    for path, page in pages.items():
        new = lightened(page, path.parent, "../" * (len(path.relative_to(html).parts) - 1))
        if new != page:
            path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    lighten(Path(sys.argv[1]) if sys.argv[1:] else HTML)
