"""After a build: pages bring what they use.

Icons are a few masks, not 1.5 MB of script; the search index comes where one searches; every picture has a size.

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


def lighten(html: Path = HTML):
    """Every page of the built book, in place; a second time changes nothing."""
    script = html / "_static/scripts/fontawesome.js"
    pages = {path: path.read_text(encoding="utf-8") for path in html.rglob("*.html")}
    texts = [*pages.values(), *(p.read_text(encoding="utf-8") for p in (html / "_static/scripts").glob("*theme.js"))]
    names = {name for text in texts for name in NAME.findall(text)} - NOT_ICONS
    if script.exists():
        icons = paths(script.read_text(encoding="utf-8"), names)
        (html / "_static/icons.css").write_text(sheet(icons), encoding="utf-8")
        for old in script.parent.glob("fontawesome.js*"):
            old.unlink()
    for path, text in pages.items():
        root = "../" * (len(path.relative_to(html).parts) - 1)
        link = f'\n<link rel="stylesheet" href="{root}_static/icons.css">'
        new = SCRIPT.sub("", text) if "fontawesome.js" in text else text
        if "search_as_you_type = false" in text and path.name != "search.html":
            new = SEARCH.sub("", new)
        if "icons.css" not in new:
            new = new.replace("</head>", f"{link}\n</head>", 1)
        new = sized(new, path.parent)
        if new != text:
            path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    lighten(Path(sys.argv[1]) if sys.argv[1:] else HTML)
