"""The gate over the notebooks: what nbval compares, and how a kernel that dies is reported."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "pytest", "-q", "-rA", "--color=no", "--nbval", "--nbval-current-env"]
COMMAND += ["--nbval-cell-timeout=60", "page.ipynb"]
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    """Run nbval, with the book's conftest.py, on a notebook of these cells and stored outputs."""

    def run(*cells):
        folder = tmp_path_factory.mktemp("book")
        shutil.copy(ROOT / "conftest.py", folder)
        (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n", encoding="utf-8")
        cells = [new_code_cell(code, outputs=outputs, execution_count=i) for i, (code, *outputs) in enumerate(cells, 1)]
        nbformat.write(new_notebook(cells=cells, metadata=KERNEL), folder / "page.ipynb")
        done = subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr, folder

    return run


def show(plain, html="", **more):
    """Code that shows an output of several kinds."""
    data = {"text/plain": plain, "text/html": html} | {key.replace("_", "/", 1): value for key, value in more.items()}
    return f"from IPython.display import display\ndisplay({data!r}, raw=True)"


def shown(plain, html="", **more):
    """The same output, stored."""
    data = {"text/plain": plain, "text/html": html} | {key.replace("_", "/", 1): value for key, value in more.items()}
    return new_output("display_data", data)


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


WARN = "import sys\nprint('a line', file=sys.stderr)"
PASS = {
    "nothing differs": (show("same"), shown("same")),
    "the HTML differs": (show("same", "<b>1.23</b>"), shown("same", "<b>4.56</b>")),
    "the HTML is gone": (show("same"), shown("same", "<b>1</b>")),
    "the WebP differs": (show("same", "<b>1</b>", image_webp="AAAA"), shown("same", "<b>1</b>", image_webp="BBBB")),
    "the output is stored": ("print('same')", printed("same\n")),
    "the stderr is stored": (WARN, printed("a line\n", "stderr")),
    "nothing is shown": ("x = 1",),
    "a cell is slow": ("import time\ntime.sleep(2)\nprint('done')", printed("done\n")),
}
FAIL = {
    "another text": ((show("one"), shown("other")), "mismatch 'text/plain'"),
    "another text under the same HTML": (
        (show("one", "<b>1</b>"), shown("other", "<b>1</b>")),
        "mismatch 'text/plain'",
    ),
    "another output": (("print('one')", printed("other\n")), "mismatch 'stdout'"),
    "a new line of stderr": ((WARN,), "Unexpected output fields from running code: {'stderr'}"),
    "stderr beside the output": ((f"print('same')\n{WARN}", printed("same\n")), "{'stderr'}"),
    "another stderr": ((WARN, printed("another line\n", "stderr")), "mismatch 'stderr'"),
    "a new output": (("print('new')",), "Unexpected output fields from running code: {'stdout'}"),
    "an output that is gone": (("x = 1", printed("gone\n")), "Missing output fields from running code: {'stdout'}"),
    "a text that is gone": (("x = 1", shown("gone")), "Missing output fields from running code: {'text/plain'}"),
    "an error": (("1 / 0",), "ZeroDivisionError"),
    "an assertion": (("assert 1 > 2, 'a claim'",), ": a claim"),
}


@pytest.fixture(scope="module")
def passing(gate):
    return gate(*PASS.values())


@pytest.fixture(scope="module")
def failing(gate):
    return gate(*(cell for cell, _ in FAIL.values()))


def test_every_cell_is_run(passing, failing):
    assert f"{len(PASS)} passed" in passing[1] and passing[0] == 0
    assert f"{len(FAIL)} failed" in failing[1] and failing[0] == 1
    assert "passed" not in failing[1].splitlines()[-1]


@pytest.mark.parametrize("number", range(len(PASS)), ids=PASS)
def test_what_is_not_text_may_differ(passing, number):
    assert f"PASSED page.ipynb::Cell {number}\n" in passing[1]


@pytest.mark.parametrize("number", range(len(FAIL)), ids=FAIL)
def test_a_text_that_differs_fails(failing, number):
    report = failing[1]
    _, own = report.split(f" page.ipynb::Cell {number} _", 1)
    assert [*FAIL.values()][number][1] in own.split(" page.ipynb::Cell ")[0]
    assert f"FAILED page.ipynb::Cell {number} - " in report


DEATHS = {
    "exit": ("import os\nos._exit(137)", "exit status 137"),
    "killed": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "exit status -9"),
    "segmentation fault": ("import ctypes\nctypes.string_at(0)", "exit status -11"),
}


@pytest.mark.parametrize(("death", "status"), DEATHS.values(), ids=DEATHS)
def test_a_dead_kernel_is_reported_within_five_seconds(gate, death, status):
    note = "import pathlib, time\npathlib.Path('died').write_text(str(time.time()))"
    code, report, folder = gate(("x = 1",), (f"{note}\n{death}",), ("x",))
    reported = time.time()
    assert code == 1, report
    assert f"kernel died ({status})" in report
    assert "PASSED page.ipynb::Cell 0\n" in report and "FAILED page.ipynb::Cell 1" in report
    assert reported - float((folder / "died").read_text(encoding="utf-8")) < 5


def test_a_notebook_whose_pictures_cannot_be_had_is_skipped_whole(gate, monkeypatch, tmp_path):
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody answers
    code, report, _ = gate(("1 / 0",), ("from ganlib import images\nx = images.mnist(8)",))
    assert code == 0 and "2 skipped" in report and "passed" not in report and "failed" not in report
    assert "train-images-idx3-ubyte.gz" in report and str(tmp_path / "mnist") in report
    code, report, _ = gate(("1 / 0",), ("print('images.mnist without a call')",))
    assert code == 1 and "skipped" not in report
