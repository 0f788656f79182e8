"""What a build takes off its pages: scripts, styles, marks and frames; and what it adds: sizes and a description."""

import base64
import hashlib
import html as markup
import io
import json
import re

import pytest
from PIL import Image

from ganlib.scrub import _STEP
from tools import lighter

SCRIPT = 'var a={"bars":[10,20,[1],"f0c9","M1 1z"],sun:[5,6,[],"f185","M0 0z"]};'
SCRIPT += 'var b={"bars":[448,512,[2,3],"f0c9","M7 7z"]};'
PAGE = """<!doctype html><html><head><title>x</title>
<link href="../_static/styles/pydata-sphinx-theme.css?digest=5" rel="stylesheet" />
<script data-cfasync="false">
    document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";
</script>
<script src="../_static/documentation_options.js?v=9"></script>
<script src="../_static/doctools.js?v=9"></script><script>DOCUMENTATION_OPTIONS.pagename = 'x';</script>
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
    (tmp_path / "_static/documentation_options.js").write_text("const DOCUMENTATION_OPTIONS = {};", encoding="utf-8")
    (tmp_path / "_static/styles").mkdir()
    (tmp_path / "_static/styles/pydata-sphinx-theme.css").write_text("img{a:b}", encoding="utf-8")
    (tmp_path / "_static/scripts/pydata-sphinx-theme.js").write_text("fa-bars", encoding="utf-8")
    (tmp_path / "_images/a.png").write_bytes(picture("png"))
    webp = base64.b64encode(picture("webp", (400, 123))).decode()
    (tmp_path / "part/page.html").write_text(PAGE.replace("WEBP", webp), encoding="utf-8")
    return tmp_path


def test_icons_come_as_a_sheet_and_pictures_have_a_size(html):
    lighter.lighten(html)
    page, icons = (html / "part/page.html").read_text(), (html / "_static/icons.css").read_text()
    assert "fontawesome" not in page and not (html / "_static/scripts/fontawesome.js").exists()
    assert re.findall("<link.*>", page) == ['<link rel="stylesheet" href="../_static/all.css">']
    assert "icons.css" not in page and ".fa-bars{--icon:url(" in (html / "_static/all.css").read_text()
    assert re.findall(r"^\.fa-(bars|sun) ", icons, re.M) == ["bars", "sun"]
    assert "448%20512" in icons and "M7%207z" in icons and "M1%201z" not in icons and "CC BY 4.0" in icons
    assert (
        '<img width="31" height="17" alt="a"' in page and '<img width="400" height="123" loading="lazy" alt="b"' in page
    )
    assert page.count("width=") == 3 and page.count('loading="lazy"') == 1 and '<img alt="c" src="https' in page
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


def test_glyphs_of_the_icons_font_are_not_drawn():
    kept = ".fa-bars{a:b}p::after{color:red}html{--fa-font-solid:x;--pst-icon-bell:y}"
    lost = (
        ".fa-bars:before{content:x}p::after{content: var(--pst-icon-bell)}@font-face{font-family:Font Awesome 6 Free}"
    )
    words = set(re.findall(r"[\w-]+", kept + lost))
    assert lighter.purged(kept + lost + "i{font:var(--fa-font-solid)}", words) == kept


def test_what_nothing_reads_is_not_defined():
    css = ':root{--a:1;--b:"x;}";--c:var(--d);--d:calc((1px + 2px)*3);--e:url(data:x;y);color:var(--a)}'
    css += "p{--f:2}i{--g:3;x:y}"
    assert lighter.without_unused(css, "style.setProperty('--g', 1)") == ":root{--a:1;color:var(--a)}p{}i{--g:3;x:y}"
    assert lighter.without_unused(css + "b{x:var( --c )}", "--b").startswith(
        ':root{--a:1;--b:"x;}";--c:var(--d);--d:calc((1px + 2px)*3);color'
    )


def test_words_of_pages_and_scripts_are_needed(html):
    sheet = ".fa-bars{a:b}.from-script{c:d}.nowhere{e:f}.prose{g:h}"
    (html / "part/page.html").write_text(PAGE.replace("</body>", "<p>prose</p></body>"), encoding="utf-8")
    (html / "_static/styles/pydata-sphinx-theme.css").write_text(sheet, encoding="utf-8")
    (html / "_static/scripts/x.js").write_text('e.classList.add("from-script")', encoding="utf-8")
    lighter.lighten(html)
    made = (html / "_static/all.css").read_text().partition("*/")[2]
    assert made.startswith(".fa-bars{a:b}.from-script{c:d}.fa-solid")  # and not .prose, a word of the text


def test_sheets_are_one_in_the_order_of_the_page_with_addresses_that_fit(html):
    sheet = '@charset "UTF-8"; @import "../basic.css"; i{x:url(../vendor/a.woff) url("data:x;y")}'
    (html / "_static/styles/pydata-sphinx-theme.css").write_text(sheet, encoding="utf-8")
    (html / "_static/basic.css").write_text("p{x:url('file.png')}", encoding="utf-8")
    (html / "_static/own.css").write_text("b{x:url(#m)}", encoding="utf-8")
    links = '<link rel="stylesheet" type="text/css" href="../_static/own.css" />\n</head>'
    (html / "part/page.html").write_text(PAGE.replace("</head>", links), encoding="utf-8")
    lighter.lighten(html)
    made = 'p{x:url("file.png")}i{x:url("vendor/a.woff") url("data:x;y")}b{x:url(#m)}.fa-solid'
    assert (html / "_static/all.css").read_text().partition("*/")[2].startswith(made)
    assert (html / "part/page.html").read_text().count("stylesheet") == 1


def test_a_second_build_of_one_page_keeps_the_sheets_of_the_others(html):
    (html / "_static/own.css").write_text("b{x:y}", encoding="utf-8")
    links = '<link rel="stylesheet" href="../_static/own.css" />\n</head>'
    (html / "part/page.html").write_text(PAGE.replace("</head>", links), encoding="utf-8")
    lighter.lighten(html)
    sheet, page = (html / "_static/all.css").read_text(), (html / "part/page.html").read_text()
    assert sheet.startswith("/* styles/pydata-sphinx-theme.css own.css icons.css */") and "b{x:y}" in sheet
    (html / "part/other.html").write_text(PAGE, encoding="utf-8")  # without the sheet of the first
    (html / "_static/scripts/fontawesome.js").write_text(SCRIPT, encoding="utf-8")
    lighter.lighten(html)
    assert (html / "_static/all.css").read_text() == sheet and (html / "part/page.html").read_text() == page
    assert (html / "part/other.html").read_text().count("stylesheet") == 1


def test_scripts_wait_but_for_what_the_next_line_reads(html):
    lighter.lighten(html)
    page = (html / "part/page.html").read_text()
    assert "<script>const DOCUMENTATION_OPTIONS = {};</script>" in page
    assert page.index("const DOC") < page.index("DOCUMENTATION_OPTIONS.pagename")
    assert '<script defer src="../_static/doctools.js?v=9">' in page and page.count("<script defer") == 1


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("<p>toggle sd-tabs</p>", []),
        ('<div class="sd-tab-set docutils">', ["design-tabs.js"]),
        ('<div class="a toggle">', ["togglebutton.js"]),
        ('<div class="admonition note dropdown">', ["togglebutton.js"]),
        ('<a class="dropdown-toggle sidebar-toggle">', []),
    ],
)
def test_a_script_comes_where_it_has_work(html, body, kept):
    scripts = "".join(
        f'\n<script src="../_static/{name}?v=1"></script>' for name in ("design-tabs.js", "togglebutton.js")
    )
    (html / "part/page.html").write_text(PAGE.replace("</head>", f"{scripts}</head>{body}"), encoding="utf-8")
    lighter.lighten(html)
    page = (html / "part/page.html").read_text()
    assert [name for name in ("design-tabs.js", "togglebutton.js") if name in page] == kept


def test_a_page_has_its_theme_before_it_is_drawn(html):
    lighter.lighten(html)
    page = (html / "part/page.html").read_text()
    assert page.index('getItem("theme")') < page.index("matchMedia") < page.index("</script>")
    assert page.count("matchMedia") == 1


def test_a_page_of_formulas_lays_out_what_is_far_down_later(html):
    path = html / "part/page.html"
    for formula, told in (("", 0), ("<mjx-container></mjx-container>", 1)):
        path.write_text(PAGE.replace("<body>", f"<body>{formula}"), encoding="utf-8")
        for _ in range(2):  # a second time changes nothing
            lighter.lighten(html)
            page = path.read_text(encoding="utf-8")
            assert page.count('classList.add("later")') == page.count("if (!location.hash)") == told


def test_the_frames_of_a_slider_are_files(html):
    frames = [picture("webp", (9 + k, 7)) for k in range(3)]
    coded = [base64.b64encode(frame).decode() for frame in frames]
    data = markup.escape(json.dumps([[f"δ = {k}", '"<&', code] for k, code in enumerate(coded)], ensure_ascii=False))
    step = markup.escape(_STEP)
    slider = f'<figure class="scrub"><img alt="a" src="data:image/webp;base64,{coded[1]}" style="x">'
    slider += f'<input oninput="{step}" data-frames="{data}"></figure>'
    (html / "part/page.html").write_text(PAGE.replace("<body>", f"<body>{slider}"), encoding="utf-8")
    lighter.lighten(html)
    page = (html / "part/page.html").read_text()
    names = [f"{hashlib.sha256(frame).hexdigest()[:32]}.webp" for frame in frames]
    assert [(html / "_images" / name).read_bytes() for name in names] == frames
    assert f'<img width="10" height="7" alt="a" src="../_images/{names[1]}"' in page
    stored = json.loads(markup.unescape(re.search(r'data-frames="([^"]*)"', page)[1]))
    assert stored == [[f"δ = {k}", '"<&', f"../_images/{name}"] for k, name in enumerate(names)]
    assert "base64" not in markup.unescape(re.search(r'oninput="([^"]*)"', page)[1]).replace("'src'", "")
    before = page
    lighter.lighten(html)
    assert (html / "part/page.html").read_text() == before
    assert "querySelector('img').src=src;" in markup.unescape(page) and "new Image().src=f[2]" in markup.unescape(page)


def test_code_keeps_the_marks_that_have_a_colour():
    code = '<pre><span></span><span class="n">x</span> <span class="o">=</span><span class="p">(</span></pre>'
    assert lighter.unmarked(code + '<span class="n">y</span>') == (
        '<pre><span></span>x <span class="o">=</span>(</pre><span class="n">y</span>'
    )
    dt, pre = '<dt class="sig sig-object">{}</dt><span class="pre">y</span>', '<span class="pre">x</span>'
    assert lighter.unmarked(dt.format(f'<em><span class="n">{pre}</span></em>')) == dt.format(
        '<em><span class="n">x</span></em>'
    )


def test_a_page_can_be_heard():
    page = '<div class="s" id="pst-primary-sidebar"><summary aria-label="Toggle hidden content">Show</summary>'
    page += '<button class="btn search-button-field x" aria-label="Search">Search</button>'
    page += '<button aria-label="Menu"></button>'
    page += '<div role="list"><div class="citation" role="doc-biblioentry">a book</div></div>'
    page += '<tr><th></th><th class="head"><p></p></th><th>1</th></tr>'
    made = lighter.spoken(page)
    assert '<div role="list"><div class="citation" role="listitem">a book</div></div>' in made
    assert made.startswith('<div role="complementary" aria-label="Book" class="s" id="pst-primary-sidebar"><summary>')
    assert '<button class="btn search-button-field x">Search</button><button aria-label="Menu">' in made
    assert made.endswith("<tr><td></td><td></td><th>1</th></tr>") and lighter.spoken(made) == made


def test_a_page_says_what_it_is():
    math = "<mjx-container><mjx-math>q</mjx-math><mjx-a><math><mi>p</mi></math></mjx-a></mjx-container>"
    long = "word " * 60
    page = (
        f'<head></head><article><h1>A "title"<a href="#">#</a></h1><p>Short.</p><p class="admonition-title">{long}</p>'
    )
    told = lighter.described(f"{page}<p>About {math} &amp; <em>more</em>, {long}</p></article>")
    assert '<meta property="og:title" content="A &quot;title&quot;">' in told and told.count("<meta") == 4
    found = markup.unescape(re.search(r'name="description" content="([^"]*)"', told)[1])
    assert found.startswith("About p & more, word") and found.endswith("word …") and 150 < len(found) <= 161
    assert lighter.described(told) == told and lighter.described("<head></head>") == "<head></head>"
    assert 'name="description" content="A &quot;title&quot;"' in lighter.described(page)


def test_a_page_names_its_address():
    page = lighter.shared("<head></head>", "chapters/a.html", "https://book.example/b&c")
    assert '<link rel="canonical" href="https://book.example/b&amp;c/chapters/a.html">' in page
    assert 'property="og:url" content="https://book.example/b&amp;c/chapters/a.html">' in page
    assert 'property="og:image" content="https://book.example/b&amp;c/_static/shared.png">' in page
    assert lighter.shared(page, "other.html", "https://book.example") == page
    picture = (lighter.ROOT / "assets" / "shared.png").read_bytes()
    assert lighter.size(picture) == (1200, 630) and len(picture) < 80_000


def test_the_theme_asks_all_boxes_before_it_writes(tmp_path):
    script = tmp_path / "_static/scripts/pydata-sphinx-theme.js"
    script.parent.mkdir(parents=True)
    ask, boxes = "e.scrollWidth>e.clientWidth||e.scrollHeight>e.clientHeight", '["pre",".wide"].join(", ")'
    old = f"document.querySelectorAll({boxes}).forEach(e=>{{e.tabIndex={ask}?0:-1}})"
    script.write_text(f"a();{old};b()", encoding="utf-8")
    for _ in range(2):  # a second time changes nothing
        lighter.quicken(tmp_path)
        told = script.read_text(encoding="utf-8")
        assert told.startswith(f"a();[...document.querySelectorAll({boxes})].filter(e=>e.")
        assert f".map(e=>[e,{ask}?0:-1]).forEach(([e,t])=>" in told
        assert told.endswith("{e.tabIndex!==t&&(e.tabIndex=t)});b()")
    lighter.quicken(tmp_path / "elsewhere")  # where there is none, nothing is written


def test_space_that_nobody_sees_goes():
    code, kept = '<code class="x{} literal{}">c</code>', "<pre>\n  kept\n\n  as it is</pre>"
    page = f"<div>\n    <p>a\n   b</p>\n\n</div>{kept}\n\n{code.format(' docutils', ' notranslate')}"
    shorter = f"<div>\n<p>a\nb</p>\n</div>{kept}\n{code.format('', '')}"
    assert lighter.unmarked(page) == shorter == lighter.unmarked(shorter)
