"""After a build: formulas are set, so that no page needs a script to show them.

The theme has MathJax set each formula when the page is open: 1.2 MB of script, and a second before the text stands
still. Here the same MathJax, as `sphinx-mathjax-offline` brought it into the build, sets them once, in V8. A page keeps
what MathJax would have made of it, with the copy in MathML for screen readers, and the LaTeX in `data-tex`, which
`assets/reader.js` gives to the clipboard.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import sys
from contextlib import closing
from functools import cache
from pathlib import Path

import yaml
from py_mini_racer import MiniRacer

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"

FORMULA = re.compile(
    r'<(?P<tag>span|div)(?P<known> data-tex="[^"]*")? class="math (?P<rest>[^>]*)>'
    r'(?P<number>\s*<span class="eqno">.*?</span>)?'
    r"\s*(?:\\[(\[](?P<tex>.*?)\\[)\]]|<mjx-container.*?</mjx-container>)\s*</(?P=tag)>",
    re.DOTALL,
)
SCRIPTS = re.compile(r"\s*<script>window\.MathJax = .*?</script>|\s*<script[^>]*mathjax/[^>]*></script>", re.DOTALL)
PARTS = (
    "loader",
    "core",
    "adaptors/liteDOM",
    "input/tex",
    "input/tex-full",
    "output/chtml",
    "output/chtml/fonts/tex",
    "a11y/assistive-mml",
)
# What a page of HTML does not need: the name of a language it knows, notes from MathJax to itself, a rule of the sheet.
NOISE = re.compile(
    r' (?:xmlns="[^"]*"|unselectable="on"|data-mjx-[\w-]+="[^"]*"|style="position: relative;"|class="MathJax")'
)
FONTS = "output/chtml/fonts/woff-v2"
ENGINE = r"""
const {liteAdaptor} = MathJax._.adaptors.liteAdaptor, {TeXFont} = MathJax._.output.chtml.fonts.tex_ts;
const lite = liteAdaptor(), handler = MathJax._.handlers.html_ts.RegisterHTMLHandler(lite);
MathJax._.a11y["assistive-mml"].AssistiveMmlHandler(handler);
let page, look;
function begin(macros, fontURL) {
  const packages = ["base", "ams", "boldsymbol", "configmacros", "newcommand"];
  look = new MathJax._.output.chtml_ts.CHTML({font: new TeXFont({fontURL}), adaptiveCSS: true});
  page = MathJax._.mathjax.mathjax.document("", {
    InputJax: new MathJax._.input.tex_ts.TeX({packages, macros}), OutputJax: look});
}
function typeset(tex, display) {
  return lite.outerHTML(page.convert(tex, {display, em: 16, ex: 8, containerWidth: 720}));
}
function sheet() { return lite.textContent(look.styleSheet(page)); }
"""


def engine(mathjax: Path, macros: dict[str, str]) -> MiniRacer:
    """MathJax outside a browser."""
    v8 = MiniRacer()
    v8.eval("var global = globalThis, MathJax = {};")
    for part in PARTS:
        v8.eval((mathjax / f"{part}.js").read_text(encoding="utf-8"))
    v8.eval(f"{ENGINE} begin({json.dumps(macros)}, 'mathjax/{FONTS}'); 0")
    return v8


def setting(v8: MiniRacer):
    """A function that sets a formula, each once."""

    @cache
    def made(tex: str, display: bool) -> str:
        found = v8.call("typeset", tex, display)
        if wrong := re.search(r'data-mjx-error="([^"]*)"', found):
            raise SystemExit(f"expected a formula, got {tex!r}: {html.unescape(wrong[1])}")
        return NOISE.sub("", found)

    return made


def replaced(page: str, made) -> str:
    """The page with its formulas set; those that are set already once more, so that the style sheet knows them."""

    def put(found):
        tex = found["known"][len(' data-tex="') : -1] if found["known"] else found["tex"].strip()
        inside = made(html.unescape(tex), found["tag"] == "div")
        kept = tex.replace('"', "&quot;")
        rest = found["rest"].replace(" nohighlight", "")
        opened = f'<{found["tag"]} data-tex="{kept}" class="math {rest}>'
        return f"{opened}{found['number'] or ''}{inside}</{found['tag']}>"

    return FORMULA.sub(put, page)


def only_fonts(mathjax: Path, sheet: str):
    """Keep the fonts that the sheet names; all else of MathJax goes."""
    fonts = {name: (mathjax / FONTS / name).read_bytes() for name in re.findall(r"[\w-]+\.woff", sheet)}
    shutil.rmtree(mathjax)
    (mathjax / FONTS).mkdir(parents=True)
    for name, data in fonts.items():
        (mathjax / FONTS / name).write_bytes(data)


def typeset(folder: Path, macros: dict[str, str]):
    """Set every page of the built book, in place, each time MathJax came with a build; `lighter.py` links the sheet."""
    mathjax = folder / "_static/mathjax"
    if not (mathjax / "core.js").exists():
        return
    with closing(engine(mathjax, macros)) as v8:
        made = setting(v8)
        for path in folder.rglob("*.html"):
            page = path.read_text(encoding="utf-8")
            new = replaced(SCRIPTS.sub("", page), made)
            if new != page:
                path.write_text(new, encoding="utf-8")
        sheet = "mjx-container { position: relative; }\n" + v8.call("sheet")
    (folder / "_static/math.css").write_text(sheet, encoding="utf-8")
    only_fonts(mathjax, sheet)


def macros() -> dict[str, str]:
    """The book's own commands."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return config["sphinx"]["config"]["mathjax3_config"]["tex"]["macros"]


if __name__ == "__main__":
    typeset(Path(sys.argv[1]) if sys.argv[1:] else HTML, macros())
