"""Plant a fault, see it caught: `make drills`. Each drill works on a copy of the tree; the table is printed at the end.

The first part plants one fault in each public function that the pages use: a unit test must turn red and, where a page
teaches the function, a claim on that page. The second part plants faults in everything around them. The third plays
every page and every experiment on a pretended accelerator (``tools/pretend.py``), on all cores, and wants none of them
to mind where its tensors are.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ganlib.evidence import pages

ROOT = Path(__file__).resolve().parents[1]
D, ML = "chapters/game/optimal_discriminator", "chapters/likelihood/maximum_likelihood"
SATURATION = "chapters/game/saturation"
CURES, EVALUATION = "chapters/game/cures", "chapters/images/evaluation"
CYCLE, PRICES = "chapters/images/cyclegan", "chapters/game/divergences"
WGAN, CONVERGENCE = "chapters/wasserstein/wasserstein_gan", "chapters/wasserstein/convergence"
PAIRING = "chapters/wasserstein/pairing"

# module, function, what stands there, what is planted, the page that teaches it
FAULTS = [
    ("losses", "softplus", "return -logsigmoid(-x)", "return -logsigmoid(x)", D),
    ("losses", "minimax_d", "softplus(-real).mean(-1) + softplus(fake)", "softplus(real).mean(-1) + softplus(fake)", D),
    (
        "losses",
        "minimax_d (swapped)",
        "    _check(real, fake)\n    return softplus(-real)",
        "    real, fake = fake, real\n    return softplus(-real)",
        D,
    ),
    ("losses", "minimax_g", "return -softplus(fake)", "return softplus(fake)", SATURATION),
    ("losses", "nonsaturating_g", "return softplus(-fake)", "return -softplus(-fake)", SATURATION),
    ("losses", "least_squares_d", "fake.square().mean(-1) / 2", "fake.square().mean(-1)", None),
    ("losses", "hinge_d", "relu(1 + fake)", "relu(1 - fake)", None),
    ("losses", "wasserstein_d", "fake.mean(-1) - real.mean(-1)", "real.mean(-1) - fake.mean(-1)", WGAN),
    ("losses", "relativistic_d", "softplus(fake - real)", "softplus(real - fake)", PAIRING),
    ("penalties", "gradient_penalty", "fake, generator)) - 1).square()", "fake, generator)) + 1).square()", WGAN),
    ("penalties", "one_sided_penalty", ".relu().square()", ".square()", WGAN),
    ("penalties", "r1", "_slope(D, real).square()", "_slope(D, real)", CONVERGENCE),
    ("penalties", "r2", "_slope(D, fake).square()", "2 * _slope(D, fake).square()", CONVERGENCE),
    ("divergences", "kl", "log_p - log_q, 0.0)", "2 * (log_p - log_q), 0.0)", ML),
    ("divergences", "reverse_kl", "return kl(log_q, log_p, x)", "return kl(log_p, log_q, x)", PRICES),
    ("divergences", "js", "kl(log_q, log_m, x)) / 2", "kl(log_q, log_m, x))", D),
    ("divergences", "total_variation", ".abs() / 2, x)", ".abs(), x)", ML),
    ("divergences", "gaussian_entropy", "math.pi * math.e) + _log(sd)", "math.pi * math.e) - _log(sd)", ML),
    ("divergences", "gaussian_kl", "/ (2 * sd_q**2) - 0.5", "/ sd_q**2 - 0.5", ML),
    ("divergences", "wasserstein_1d", "(below - n * torch.arange", "(below + n * torch.arange", ML),
    ("metrics", "modes", "distance <= 3 * sd", "distance <= sd", EVALUATION),
    ("metrics", "frechet_distance", "spread - 2 * overlap", "spread - overlap", EVALUATION),
    ("metrics", "inception_score", "_entropy(p).mean(-1)).exp()", "_entropy(p).sum(-1)).exp()", EVALUATION),
    ("metrics", "kernel_distance", "- 2 * kernel(x, y)", "- kernel(x, y)", EVALUATION),
    (
        "metrics",
        "neighbours (swapped)",
        "    real, fake = _pair(real, fake)\n    if not 1 <= k",
        "    fake, real = _pair(real, fake)\n    if not 1 <= k",
        EVALUATION,
    ),
    ("models/joint", "MinibatchDiscrimination", "p=1)).sum(-1) - 1", "p=1)).sum(-1)", CURES),
    ("training", "unrolled", "p - lr * g", "p + lr * g", None),
    ("training", "translate", "gap(F(to_y), x)", "gap(to_y, x)", CYCLE),
    ("losses", "gap", "(a - b).abs()", "(a - b)", CYCLE),
    ("metrics", "sliced_wasserstein", ".mean((-2, -1)).sqrt()", ".mean((-2, -1))", EVALUATION),
]

# Runs a page's code cells in order, without a kernel; stops with the first claim or assertion that fails.
PLAY = """
import json, sys, warnings
import matplotlib; matplotlib.use("Agg")
warnings.simplefilter("ignore")
space = {"__name__": "__main__"}
for cell in json.load(open(sys.argv[1] + ".ipynb"))["cells"]:
    if cell["cell_type"] == "code" and "setup" not in cell["metadata"].get("tags", []):
        exec("".join(cell["source"]), space)
"""


def copy() -> Path:
    """A copy of the tree, to be broken."""
    folder = Path(tempfile.mkdtemp(prefix="drill-")) / "book"
    left_out = shutil.ignore_patterns(".git", ".venv", "_build", "__pycache__", "*.egg-info", ".ruff_cache", "build")
    shutil.copytree(ROOT, folder, ignore=left_out)
    return folder


def run(folder: Path, *command: str, prefix: str = "") -> tuple[int, str]:
    """A command in the copy, which imports the copy's ganlib."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, *command]
    if prefix:
        line = ["bash", "-c", f'{prefix} exec "$@"', "bash", *line]
    result = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800)
    return result.returncode, result.stdout + result.stderr


def replace(path: Path, old: str, new: str):
    text = path.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise SystemExit(f"expected {old!r} once in {path.name}, got {text.count(old)}: the drill is out of date")
    path.write_text(text.replace(old, new), encoding="utf-8")


def change_notebook(folder: Path, page: str, change):
    path = folder / f"{page}.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    change([cell for cell in notebook["cells"] if cell["cell_type"] == "code"])
    path.write_text(json.dumps(notebook), encoding="utf-8")


def planted(module, function, old, new, page):
    """A wrong formula: caught by the unit tests, and by a claim where a page teaches it."""
    folder = copy()
    try:
        replace(folder / "ganlib" / f"{module}.py", old, new)
        status, text = run(folder, "-m", "pytest", "-q", "-x", f"tests/test_{Path(module).name}.py")
        by = ["a unit test"] if status == 1 and " failed" in text else []
        if page:
            status, text = run(folder, "-c", PLAY, page)
            claims = re.findall(r"AssertionError: (\S+) does not hold", text)
            by += [f"claim {claims[-1]}"] if claims else ["an exercise"] if "AssertionError" in text else []
        return by if len(by) == 1 + bool(page) else []
    finally:
        shutil.rmtree(folder.parent)


def check_stored(change):
    """A fault in a stored notebook, and what `notebooks.py check` says."""
    folder = copy()
    try:
        change_notebook(folder, D, change)
        return run(folder, "tools/notebooks.py", "check")
    finally:
        shutil.rmtree(folder.parent)


def stored_nan(cells):
    cells[-1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "nan\n"}]


def cleared_counts(cells):
    for cell in cells:
        cell["execution_count"] = None


def changed_code(cells):
    cells[3]["source"] = [*cells[3]["source"], "\n1 + 1"]


def stored_stderr(cells):
    cells[-1]["outputs"] = [{"output_type": "stream", "name": "stderr", "text": "a warning\n"}]


def stored_path(cells):
    cells[-1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "/home/someone/book\n"}]


def nbval(source: str, stored: str = "", prefix: str = ""):
    """One cell under nbval, with the book's own conftest."""
    folder = copy()
    try:
        outputs = [{"output_type": "stream", "name": "stdout", "text": stored}] if stored else []
        cell = {
            "cell_type": "code",
            "id": "a",
            "metadata": {},
            "execution_count": 1,
            "outputs": outputs,
            "source": source,
        }
        kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        (folder / "one.ipynb").write_text(
            json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8"
        )
        return run(folder, "-m", "pytest", "-q", "--nbval", "--nbval-current-env", "one.ipynb", prefix=prefix)
    finally:
        shutil.rmtree(folder.parent)


def build(change):
    """A fault in the sources, and what the build says."""
    folder = copy()
    try:
        change(folder)
        run(folder, "tools/evidence.py")
        book = str(Path(sys.executable).parent / "jupyter-book")
        return run(folder, book, "build", ".", "--all", "-W", "-n", "--keep-going", "-q")
    finally:
        shutil.rmtree(folder.parent)


def lost_page():
    """A build that silently leaves out a page."""
    folder = copy()
    try:
        (folder / "_build" / "html").mkdir(parents=True)
        return run(folder, "tools/built.py")
    finally:
        shutil.rmtree(folder.parent)


def edit(name, old, new):
    return lambda folder: replace(folder / name, old, new)


def lint():
    folder = copy()
    try:
        (folder / "ganlib" / "extra.py").write_text("import os\n", encoding="utf-8")
        return run(folder, "-m", "ruff", "check", "ganlib")
    finally:
        shutil.rmtree(folder.parent)


def device_fault():
    """An experiment that makes a layer where its generator is not, on a pretended accelerator."""
    folder = copy()
    try:
        edit("experiments/dcgan_rules.py", "BatchNorm2d(2, device=g.device)", "BatchNorm2d(2)")(folder)
        return run(folder, "tools/pretend.py", "experiments/dcgan_rules.py")
    finally:
        shutil.rmtree(folder.parent)


GATE = [
    ("a kernel exits with 137", lambda: nbval("import os\nos._exit(137)"), r"kernel died \(exit status 137\)"),
    ("a kernel crashes", lambda: nbval("import ctypes\nctypes.string_at(0)"), r"kernel died \(exit status -11\)"),
    (
        "8 GB in a kernel that may have 6",
        lambda: nbval("b = bytearray(8 * 2**30)", prefix="ulimit -v 6291456;"),
        r"MemoryError|kernel died",
    ),
    ("a compared text differs by a digit", lambda: nbval("print(0.12)", "0.13\n"), r"mismatch 'stdout'"),
    ("a cell warns on stderr", lambda: nbval("import sys\nprint(1, file=sys.stderr)"), r"stderr"),
    ("NaN in a stored output", lambda: check_stored(stored_nan), r"stores NaN"),
    ("stderr in a stored output", lambda: check_stored(stored_stderr), r"stores stderr"),
    ("a path in a stored output", lambda: check_stored(stored_path), r"stores a path"),
    ("execution counts cleared", lambda: check_stored(cleared_counts), r"not run 1 to N"),
    ("code changed after its outputs were stored", lambda: check_stored(changed_code), r"code changed"),
    (
        "an equation's label renamed",
        lambda: build(edit(f"{D}.ipynb", "(loss-d)", "(loss-dd)")),
        r"minimax_d.*not found",
    ),
    (
        "a link to a page that is not there",
        lambda: build(edit("intro.md", "chapters/api.md", "chapters/apis.md")),
        r"apis",
    ),
    ("a build without pages", lost_page, r"no HTML"),
    ("an unused import", lint, r"F401"),
    ("a layer that is not on the device", device_fault, r"DeviceError[^\n]*two devices"),
]


def played() -> list[str]:
    """Every page and every experiment, by its path."""
    notebooks = [f"{page}.ipynb" for page in pages(ROOT) if (ROOT / f"{page}.ipynb").exists()]
    return notebooks + [f"experiments/{p.name}" for p in sorted(ROOT.glob("experiments/*.py")) if p.stem != "table"]


def on_an_accelerator(path):
    """Seconds, and the faults of a page or an experiment on a pretended accelerator."""
    start = time.monotonic()
    status, text = run(ROOT, "tools/pretend.py", path)
    if "and could not get it. Tried" in text:
        return time.monotonic() - start, "skipped: its pictures cannot be had", False
    return time.monotonic() - start, f"FAULTS: {text[-600:]}" if status else "no fault", bool(status)


def main() -> int:
    rows, missed = [], 0
    for fault in FAULTS:
        start, by = time.monotonic(), planted(*fault)
        rows.append((f"ganlib.{fault[0]}: {fault[1]}", " and ".join(by) or "NOT CAUGHT", time.monotonic() - start))
        missed += not by
        print(f"{rows[-1][0]:48} {rows[-1][1]:70} {rows[-1][2]:4.0f} s", flush=True)
    for name, drill, expected in GATE:
        start, (status, text) = time.monotonic(), drill()
        found = re.search(expected, text, re.S)
        caught = status != 0 and found
        missed += not caught
        by = found[0][:60].replace("\n", " ") if caught else f"NOT CAUGHT: {text[-300:]}"
        print(f"{name:48} {by:70} {time.monotonic() - start:4.0f} s", flush=True)
    paths = played()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, (seconds, said, failed) in zip(paths, pool.map(on_an_accelerator, paths), strict=True):
            missed += failed
            print(f"{path:48} {said:70} {seconds:4.0f} s", flush=True)
    print(f"{len(FAULTS) + len(GATE) + len(paths) - missed} passed, {missed} failed")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
