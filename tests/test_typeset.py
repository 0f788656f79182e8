"""Formulas, set after a build: each once, whole, as MathJax in a browser sets them, and nothing else is touched."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import typeset

PAGE = """<!doctype html><html><head><title>x</title>
<script>window.MathJax = {"tex": {"macros": {"E": "x"}}}</script>
<script defer="defer" src="../_static/mathjax/tex-chtml.js?v=2"></script>
</head><body><p class="a">Let <span class="math notranslate nohighlight">\\(a &lt; b\\)</span>, and "\\(c\\)" stay.</p>
<div class="math notranslate nohighlight" id="equation-one">
<span class="eqno">(1.2)<a class="headerlink" href="#equation-one">#</a></span>\\[\\begin{split}
\\E_p \\frac{x}{7} &amp;= \\text{"half"} \\\\ &amp;\\ge 2 \\end{split}\\]</div>
<span class="math notranslate nohighlight">\\(a &lt; b\\)</span></body></html>"""


@pytest.fixture
def mathjax():
    return Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax"


@pytest.fixture
def built(tmp_path, mathjax):
    def build(set_them=True, **pages):
        for name, body in pages.items():
            (tmp_path / "part").mkdir(exist_ok=True)
            (tmp_path / "part" / f"{name}.html").write_text(body, encoding="utf-8")
        for part in [f"{part}.js" for part in typeset.PARTS] + [typeset.FONTS, "tex-chtml.js"]:
            to = tmp_path / "_static/mathjax" / part
            to.parent.mkdir(parents=True, exist_ok=True)
            if (mathjax / part).is_dir():
                shutil.copytree(mathjax / part, to, dirs_exist_ok=True)
            else:
                shutil.copy(mathjax / part, to)
        if set_them:
            typeset.typeset(tmp_path, {"E": r"\mathbb{E}"})
        return tmp_path

    return build


def test_a_formula_is_set_with_its_number_its_latex_and_its_copy_for_readers(built):
    page = (built(page=PAGE) / "part/page.html").read_text(encoding="utf-8")
    assert "MathJax =" not in page and "tex-chtml" not in page
    assert page.count("<mjx-container") == page.count("</mjx-container>") == 3
    assert page.count("<mjx-assistive-mml") == page.count("<math") == 3
    assert page.count('<span data-tex="a &lt; b" class="math notranslate">') == 2
    tall = page[page.index('<div data-tex="') :]
    assert tall.startswith('<div data-tex="\\begin{split}\n\\E_p \\frac{x}{7} &amp;= \\text{&quot;half&quot;} ')
    assert '<span class="eqno">(1.2)<a class="headerlink" href="#equation-one">#</a></span><mjx-container' in tall
    for tag in (
        "<mfrac>",
        "<mjx-frac",
        '<mi mathvariant="double-struck">E</mi>',
        "mjx-c1D53C",
        'jax="CHTML" display="true"',
    ):
        assert tall.count(tag) == 1, tag
    for noise in ("xmlns", "unselectable", "data-mjx", "position: relative"):
        assert noise not in page
    small = re.search(r"<math.*?</math>", page)[0]
    assert re.sub("<[^>]*>", "", small) == "a&lt;b"


def test_what_is_no_formula_is_left_as_it_is(built):
    plain = '<html><head></head><body><p class="mathematics">\\(a\\) costs $5</p></body></html>'
    folder = built(page=PAGE, plain=plain)
    assert (folder / "part/plain.html").read_text(encoding="utf-8") == plain
    assert 'and "\\(c\\)" stay.</p>' in (folder / "part/page.html").read_text(encoding="utf-8")


def test_the_sheet_has_the_glyphs_and_the_fonts_that_are_used_and_no_script_is_left(built):
    folder = built(page=PAGE)
    sheet = (folder / "_static/math.css").read_text(encoding="utf-8")
    assert "mjx-c1D53C" in sheet and "mjx-c2265" in sheet  # the expectation, at least
    assert "mjx-c1D467" not in sheet  # z is in no formula
    fonts = {path.name for path in (folder / "_static/mathjax").rglob("*") if path.is_file()}
    assert fonts == set(re.findall(r"[\w-]+\.woff", sheet)) and len(fonts) > 5
    assert f'url("mathjax/{typeset.FONTS}/MathJax_Main-Regular.woff")' in sheet


def test_a_second_build_of_one_page_keeps_the_others(built):
    folder = built(page=PAGE)
    first = (folder / "part/page.html").read_text(encoding="utf-8")
    built(other='<head></head><span class="math x">\\(z\\)</span>')
    assert (folder / "part/page.html").read_text(encoding="utf-8") == first
    sheet = (folder / "_static/math.css").read_text(encoding="utf-8")
    assert "mjx-c1D467" in sheet and "mjx-c1D53C" in sheet


def test_without_a_new_build_nothing_is_touched(built):
    folder = built(page=PAGE)
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    typeset.typeset(folder, {})
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == stamps


@pytest.mark.parametrize("tex, what", [(r"\frac{1}", "Missing argument"), (r"\nosuch", "Undefined control sequence")])
def test_a_formula_that_cannot_be_set_stops_the_build_and_is_named(built, tex, what):
    with pytest.raises(SystemExit, match=f"expected a formula, got .*{re.escape(repr(tex))}: {what}"):
        built(page=f'<head></head><span class="math x">\\({tex}\\)</span>')


def test_the_macros_are_the_books():
    assert typeset.macros()["KL"] == r"\mathrm{KL}"


def test_a_stop_is_a_stop_of_the_program(built):
    """V8 has threads of its own; they must not keep a build that failed from ending."""
    folder, root = built(page=PAGE), Path(__file__).resolve().parents[1]
    built(set_them=False, bad='<head></head><span class="math x">\\(a_\\)</span>')
    command = [sys.executable, root / "tools/typeset.py", folder]
    done = subprocess.run(command, cwd=root, capture_output=True, timeout=60)
    assert done.returncode == 1 and b"expected a formula, got 'a_'" in done.stderr
