"""What others' instruments find on the built pages: axe and Lighthouse, where `make audit` has brought them."""

import json
import os
import shutil
import subprocess

import pytest
from test_browser import BROWSER, WHOLE, address, browser, each_page, each_size, each_theme, view  # noqa: F401

from ganlib.evidence import book_root

MODULES = book_root() / ".venv" / "node" / "node_modules"
AXE, LIGHTHOUSE = MODULES / "axe-core" / "axe.min.js", MODULES / ".bin" / "lighthouse"
RUN = """axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
  violations.map((v) => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 160)]))"""
GOALS = {"accessibility": 1.0, "best-practices": 1.0, "seo": 1.0}

needs_axe = pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: make audit")
needs_lighthouse = pytest.mark.skipif(
    not (LIGHTHOUSE.exists() and shutil.which("node")), reason="needs node and Lighthouse: make audit"
)


@needs_axe
@each_theme
@each_size
@each_page
def test_axe_finds_nothing(view, page, size, theme):  # noqa: F811
    tab = view(size, theme).open(f"{page}.html")
    tab.evaluate(f"{WHOLE}; dispatchEvent(new Event('resize'))")
    tab.evaluate("new Promise((after) => setTimeout(after, 400))")  # what scrolls is marked a moment after, in its time
    tab.evaluate(AXE.read_text(encoding="utf-8"))
    assert tab.evaluate(RUN) == []


@needs_lighthouse
@pytest.mark.parametrize(("kind", "performance"), [("desktop", 0.95), ("mobile", 0.85)])
@pytest.mark.parametrize("page", ["intro", "chapters/game/divergences", "chapters/evidence/claims"])
def test_lighthouse_is_content(address, tmp_path, page, kind, performance):  # noqa: F811
    report, environment = tmp_path / "report.json", {**os.environ, "CHROME_PATH": BROWSER}
    flags = ["--quiet", "--output=json", f"--output-path={report}", "--chrome-flags=--headless=new --no-sandbox"]
    flags += ["--preset=desktop"] if kind == "desktop" else []
    subprocess.run([LIGHTHOUSE, f"{address}{page}.html", *flags], check=True, env=environment, timeout=300)
    told = json.loads(report.read_text(encoding="utf-8"))["categories"]
    scores, goals = {name: told[name]["score"] for name in told}, GOALS | {"performance": performance}
    print(page, kind, scores)
    assert all(scores[name] >= goal for name, goal in goals.items()), scores
