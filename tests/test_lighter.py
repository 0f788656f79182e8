"""What a build takes off its pages: the icons' script; and what it adds: sizes of pictures."""

import base64
import io
import re

import pytest
from PIL import Image

from tools import lighter

SCRIPT = 'var a={"bars":[10,20,[1],"f0c9","M1 1z"],sun:[5,6,[],"f185","M0 0z"]};'
SCRIPT += 'var b={"bars":[448,512,[2,3],"f0c9","M7 7z"]};'
PAGE = """<!doctype html><html><head><title>x</title>
<script defer src="../_static/scripts/fontawesome.js?digest=55"></script>
</head><body><i class="fa-solid fa-bars fa-lg"></i><i class="fas fa-sun"></i>
<img alt="a" src="../_images/a.png"><img alt="b" src="data:image/webp;base64,WEBP">
<img width="3" src="../_images/a.png">
<img alt="c" src="https://example.org/c.png"></body></html>"""


def picture(kind, size=(31, 17)):
    data = io.BytesIO()
    Image.new("RGB", size, "red").save(data, kind, **({"lossless": True} if kind == "webp" else {}))
    return data.getvalue()


@pytest.fixture
def html(tmp_path):
    for folder in ("_static/scripts", "_images", "part"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "_static/scripts/fontawesome.js").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "_static/scripts/pydata-sphinx-theme.js").write_text("fa-bars", encoding="utf-8")
    (tmp_path / "_images/a.png").write_bytes(picture("png"))
    webp = base64.b64encode(picture("webp", (400, 123))).decode()
    (tmp_path / "part/page.html").write_text(PAGE.replace("WEBP", webp), encoding="utf-8")
    return tmp_path


def test_icons_come_as_a_sheet_and_pictures_have_a_size(html):
    lighter.lighten(html)
    page, icons = (html / "part/page.html").read_text(), (html / "_static/icons.css").read_text()
    assert "fontawesome" not in page and not (html / "_static/scripts/fontawesome.js").exists()
    assert '<link rel="stylesheet" href="../_static/icons.css">' in page.split("</head>")[0]
    assert re.findall(r"^\.fa-(bars|sun) ", icons, re.M) == ["bars", "sun"]
    assert "448%20512" in icons and "M7%207z" in icons and "M1%201z" not in icons and "CC BY 4.0" in icons
    assert '<img width="31" height="17" alt="a"' in page and '<img width="400" height="123" alt="b"' in page
    assert page.count("width=") == 3 and '<img alt="c" src="https' in page
    lighter.lighten(html)
    assert (html / "part/page.html").read_text() == page and (html / "_static/icons.css").read_text() == icons


@pytest.mark.parametrize(("name", "typed", "kept"), [("page", "false", 0), ("page", "true", 3), ("search", "false", 3)])
def test_the_search_index_comes_where_one_searches(html, name, typed, kept):
    scripts = ("_static/searchtools.js", "_static/language_data.js", "searchindex.js")
    head = "".join(f'\n  <script src="../{script}?v=1"></script>' for script in scripts)
    head += f"<script>DOCUMENTATION_OPTIONS.search_as_you_type = {typed};</script>"
    page = PAGE.replace("</head>", f"{head}</head>")
    page = page.replace("<img", '<div id="search-results"></div><img', 1) if name == "search" else page
    (html / f"part/{name}.html").write_text(page, encoding="utf-8")
    lighter.lighten(html)
    page = (html / f"part/{name}.html").read_text()
    assert sum(script in page for script in scripts) == kept and "search_as_you_type" in page


def test_an_icon_that_the_theme_does_not_have_is_named(html):
    (html / "part/page.html").write_text(PAGE.replace("fa-sun", "fa-moon"), encoding="utf-8")
    with pytest.raises(SystemExit, match="an icon moon"):
        lighter.lighten(html)


@pytest.mark.parametrize("kind", ["png", "webp"])
@pytest.mark.parametrize("size", [(1, 1), (2000, 3), (5, 16000)])
def test_a_size_is_read_from_the_first_bytes(kind, size):
    assert lighter.size(picture(kind, size)[:48]) == size


def test_what_is_no_picture_has_no_size():
    assert lighter.size(b"") is lighter.size(b"GIF89a" + bytes(60)) is None


CSS = """@charset "UTF-8";/* a{} */.kept,.lost:hover{color:red}.lost .kept{color:blue}#lost{a:b}a:not(.lost){c:d}
@media (min-width:1px){.lost{e:f}@supports (x:y){.kept>a[href=".lost;{"]{g:"};"}}}@media print{.lost{h:i}}
@keyframes spin{to{j:k}}:is(.lost,.kept){l:m}.kept\\:x{n:o}@font-face{font-family:"p{q"}b{r:s}"""


def test_a_style_sheet_keeps_what_some_page_can_need():
    assert lighter.purged(CSS, {"kept", "a"}) == (
        '@charset "UTF-8";.kept{color:red}a:not(.lost){c:d}'
        '@media (min-width:1px){@supports (x:y){.kept>a[href=".lost;{"]{g:"};"}}}'
        '@keyframes spin{to{j:k}}:is(.lost,.kept){l:m}.kept\\:x{n:o}@font-face{font-family:"p{q"}b{r:s}'
    )
    assert lighter.purged(CSS, {"kept", "lost"}).count("{") == re.sub(r"/\*.*?\*/", "", CSS).count("{")


def test_words_of_pages_and_scripts_are_needed(html):
    (html / "_static/styles").mkdir()
    sheet = html / "_static/styles/pydata-sphinx-theme.css"
    sheet.write_text(".fa-bars{a:b}.from-script{c:d}.nowhere{e:f}", encoding="utf-8")
    (html / "_static/scripts/x.js").write_text('e.classList.add("from-script")', encoding="utf-8")
    lighter.lighten(html)
    assert sheet.read_text() == ".fa-bars{a:b}.from-script{c:d}"
