"""Write, check and test the book's notebooks.

python tools/notebooks.py run [PAGE ...]     write set-up cells, run from a clean kernel, store the outputs
python tools/notebooks.py check              refuse a notebook that is not as `run` leaves it
python tools/notebooks.py test [PAGE ...]    nbval on each, several at a time, with its seconds and memory

A PAGE is a name in _toc.yml, such as game/optimal_discriminator; none means all.

The limits count CPU seconds of the kernel, whatever else the machine does; the clock on the wall only ends a hang.
They are those of a free core: where another machine or thread has half of a core, the same page takes twice as many.
So a fixed piece of work is timed before and after each page, and the limits are longer by as much as it was.
A page that is over its limit all the same is run once more when the others are done, and only that counts.
A kernel under test takes every block of 4 MB or more straight from the system, and gives it back at once: on the heap,
the place of a block that was freed may be too small for the next of the same size, by what alignment costs. The same
cell then took .44 GB in one run and 2.2 GB in another.
"""

from __future__ import annotations

import hashlib
import os
import re
import statistics
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import nbformat

from ganlib.evidence import pages

ROOT = Path(__file__).resolve().parents[1]
ON_DEVICE = os.environ.get("GANLIB_DEVICE", "cpu") != "cpu"  # CUDA's libraries take gigabytes; to wait is CPU time
CPU_LIMIT, CELL_LIMIT, MEMORY_LIMIT = (600, 300, 8.0) if ON_DEVICE else (90, 60, 1.5)  # CPU s, CPU s of a cell, GB
FREE_SECONDS = "CPU s of a free core"
FREE = 0.0265  # CPU s of `slowness`'s work on a free core of an Intel Xeon at 2.8 GHz, where the limits were set
HANG = 20 * 60  # seconds by the clock
AT_ONCE = max(2, (os.cpu_count() or 1) // 2) if ON_DEVICE else os.cpu_count() or 1
SIZE_AIM = 500  # kB
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(4 * 10**6), "MALLOC_TRIM_THRESHOLD_": str(2**26)}  # see above
KEPT = {"tags", "mystnb"}  # cell metadata that means something to the book
VIEW = "application/vnd.jupyter.widget-view+json"  # its model ids mean nothing without the kernel
LIVE = re.compile(r"<style data-ganlab>.*</script>", re.DOTALL)  # a lab's own code, which the built page brings
PROMPTS = {
    "setup": "Show the set-up for Colab",
    "solution": "Show the solution in code",
    "lab": "Show the panel's line",
}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
os.environ.pop("MPLBACKEND", None)  # another backend than the notebook's own would show no figure
FORBIDDEN = {
    "NaN": re.compile(r"\b(nan|inf)\b", re.I),
    "an address": re.compile(r"0x[0-9a-f]{6,}", re.I),
    "a path": re.compile(r"(?<![\w:/.])/(home|root|tmp|usr|work|Users|content)/"),
    "a date": re.compile(r"\b20\d\d-[01]\d-[0-3]\d\b"),
}


def notebooks(names=()) -> list[Path]:
    """The notebooks of _toc.yml, or those named; it is an error if there is none."""
    paths = [ROOT / f"{page}.ipynb" for page in pages(ROOT)]
    paths = [path for path in paths if path.exists()]
    chosen = [path for path in paths if not names or str(path.relative_to(ROOT / "chapters"))[:-6] in names]
    if not chosen or (names and len(chosen) != len(names)):
        raise SystemExit(f"expected pages of _toc.yml, got {' '.join(names) or 'no notebook at all'}")
    return chosen


def address() -> str:
    """The repository's address, from the one place that has it; empty while there is none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project.get("urls", {}).get("Repository", "").rstrip("/")


def code_hash(nb) -> str:
    """What the outputs belong to: a hash of the code cells; a lab's is left out, for nothing follows from it."""
    cells = [cell for cell in nb.cells if cell.cell_type == "code" and "lab" not in cell.metadata.get("tags", [])]
    code = "\0".join(cell.source for cell in cells)
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def setup(nb, path: Path):
    """Write the Colab link and the set-up cell from the repository's address."""
    url = address()
    install = (
        f"%pip install -q git+{url}" if url else 'print("Upload this book\'s folder, then: %pip install ./FOLDER")'
    )
    code = f'import sys\n\nif "google.colab" in sys.modules:  # nothing happens elsewhere\n    {install}'
    cells = [cell for cell in nb.cells if "colab" not in cell.metadata.get("tags", [])]
    where = next(i for i, cell in enumerate(cells) if "setup" in cell.metadata.get("tags", []))
    cells[where].source = code
    if url:
        page = url.removeprefix("https://github.com/") + f"/blob/main/{path.relative_to(ROOT).as_posix()}"
        link = f"[Open in Colab](https://colab.research.google.com/github/{page})"
        cells.insert(1, nbformat.v4.new_markdown_cell(link, id="colab", metadata={"tags": ["colab"]}))
    nb.cells = cells


def clean(nb):
    """Drop what changes from run to run and keep what the book shows."""
    nb.metadata = nbformat.from_dict(
        {
            "ganlib": nb.metadata.get("ganlib", {}),
            "kernelspec": KERNEL,
            "language_info": {"name": "python"},
        }
    )
    nb.nbformat, nb.nbformat_minor = 4, 5
    for number, cell in enumerate(nb.cells):
        cell.id = cell.get("id") or f"cell-{number:02d}"
        cell.metadata = nbformat.from_dict({k: v for k, v in sorted(cell.metadata.items()) if k in KEPT})
        for tag in PROMPTS.keys() & set(cell.metadata.get("tags", [])):
            cell.metadata["mystnb"] = {**cell.metadata.get("mystnb", {}), "code_prompt_show": PROMPTS[tag]}
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(VIEW, None)
            if "text/html" in output.get("data", {}):
                output.data["text/html"] = LIVE.sub("", output.data["text/html"])
            if "metadata" in output:
                output.metadata = nbformat.from_dict({k: v for k, v in output.metadata.items() if k == "ganlib"})
    return nb


def text(nb) -> str:
    return nbformat.writes(nb, ensure_ascii=False) + "\n"


def run(path: Path):
    """Run from a clean kernel, in order, and store."""
    from nbclient import NotebookClient

    nb, start = nbformat.read(path, as_version=4), time.monotonic()
    setup(nb, path)
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(nb, timeout=600, kernel_name="python3", record_timing=False, resources=where).execute()
    nb.metadata["ganlib"] = {"code": code_hash(nb)}
    path.write_text(text(clean(nb)), encoding="utf-8")
    print(f"{path.relative_to(ROOT)}: run in {time.monotonic() - start:.0f} s", flush=True)


def faults(path: Path) -> list[str]:
    """What keeps a stored notebook from being as `run` leaves it."""
    source = path.read_text(encoding="utf-8")
    nb = nbformat.reads(source, as_version=4)
    found = []
    if nb.metadata.get("ganlib", {}).get("code") != code_hash(nb):
        found.append("the code changed after its outputs were stored")
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("the cells were not run 1 to N")
    for cell in code:
        found += [f"cell {cell.id} stores {what}" for what in _bad_outputs(cell)]
    if path.stat().st_size > 1_000_000:
        found.append(f"{path.stat().st_size / 1e6:.2f} MB, more than 1 MB")
    setup(nb, path)
    if not found and text(clean(nb)) != source:
        found.append("not as `make notebooks` writes it")
    return found


def _bad_outputs(cell):
    for output in cell.outputs:
        if output.output_type == "error":
            yield "a traceback"
        if output.get("name") == "stderr":
            yield "stderr"
        shown = [output.get("text", "")] + [v for k, v in output.get("data", {}).items() if k.startswith("text/")]
        shown = re.sub(r"data:image/[^\"&]*|data-frames=\"[^\"]*\"", "", " ".join(map(str, shown)))
        yield from (what for what, pattern in FORBIDDEN.items() if pattern.search(shown))


class Tested(NamedTuple):
    """What nbval said of a notebook, and what its kernel used."""

    status: int
    text: str
    cpu: float  # seconds
    memory: float  # GB
    wall: float  # seconds
    slow: float = 1.0  # times as long as on a free core, by a fixed piece of work before and after

    @property
    def skipped(self) -> str:
        """Why it was skipped; empty where it was not."""
        return next((line.partition(": ")[2] for line in self.text.splitlines() if line.startswith("SKIPPED")), "")


def slowness() -> float:
    """How many times as long as on a free core a fixed piece of work takes now, never less than 1.

    It is of the size of the pages' own: an ensemble of 32, batches of 64, 32 units.
    """
    import torch

    x, w = torch.full((32, 64, 32), 0.01, requires_grad=True), torch.full((32, 32, 32), 0.01)

    def seconds():
        start = time.thread_time()
        for _ in range(20):
            y = x
            for _ in range(6):
                y = torch.nn.functional.leaky_relu(torch.baddbmm(x, y, w))
            torch.autograd.grad(y.sum(), x)
        return time.thread_time() - start

    torch.set_num_threads(1)
    return max(1.0, statistics.median(seconds() for _ in range(7)) / FREE)


def nbval(path: Path, **environment: str) -> Tested:
    """Run nbval on one notebook; its seconds and memory are those that `conftest.py` read from the kernel."""
    before = slowness()
    command = [sys.executable, "-m", "pytest", "-q", "-rfs", "--color=no", "--nbval", "--nbval-current-env"]
    command += [f"--cell-cpu={CELL_LIMIT * before:.3g}", f"--nbval-cell-timeout={HANG}"]
    command += ["--nbval-kernel-startup-timeout=300"]
    environment = {**os.environ, **ALLOCATOR, **environment}
    start = time.monotonic()
    ran = subprocess.run([*command, str(path)], cwd=ROOT, env=environment, capture_output=True, text=True)
    used = re.search(r"^kernel: (\S+) CPU s, (\S+) GB$", ran.stdout, re.M)
    cpu, memory = map(float, used.groups()) if used else (0.0, 0.0)
    wall, slow = time.monotonic() - start, (before + slowness()) / 2
    return Tested(ran.returncode, ran.stdout + ran.stderr, cpu, memory, wall, slow)


def test(path: Path) -> tuple[bool, str]:
    """Run nbval on one notebook; whether it passed within its limits, and the report."""
    done = nbval(path)
    over = [f"more than {CPU_LIMIT} {FREE_SECONDS}"] * (done.status == 0 and done.cpu > CPU_LIMIT * done.slow)
    over += [f"more than {MEMORY_LIMIT} GB"] * (done.memory > MEMORY_LIMIT)
    passed = done.status == 0 and not over
    verdict = "FAILED" if not passed else "SKIPPED" if done.skipped else "ok"
    report = f"{path.relative_to(ROOT / 'chapters')}: {verdict}, {done.cpu:.0f} CPU s at 1/{done.slow:.2f} of a core, "
    report += ", ".join([f"{done.wall:.0f} s, {done.memory:.2f} GB", *over, *filter(None, [done.skipped])])
    return passed, report + ("" if passed else "\n" + done.text)


def test_all(paths) -> bool:
    """Test notebooks, several at a time, print the reports, and say whether one failed."""
    verdicts = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for path, (passed, report) in zip(paths, pool.map(test, paths), strict=True):
            verdicts[path] = passed, report
            print(report, flush=True)
    for path, (passed, report) in verdicts.items():
        if not passed and FREE_SECONDS in report.splitlines()[0]:
            verdicts[path] = test(path)
            print("once more, alone:", verdicts[path][1], flush=True)
    skipped = sum(": SKIPPED, " in report for _, report in verdicts.values())
    failed = sum(not passed for passed, _ in verdicts.values())
    print(f"{len(paths) - failed - skipped} passed, {skipped} skipped, {failed} failed")
    return bool(failed)


def main(action, *names):
    paths = notebooks(names)
    if action == "run":
        for path in paths:
            run(path)
        return 0
    if action == "check":
        found = [f"{path.relative_to(ROOT)}: {fault}" for path in paths for fault in faults(path)]
        print("\n".join(found) or f"{len(paths)} notebooks are as they were run")
        large = {path.stem: path.stat().st_size // 1000 for path in paths if path.stat().st_size > 1000 * SIZE_AIM}
        print(f"above the aim of {SIZE_AIM} kB:", ", ".join(f"{name} {size}" for name, size in large.items()) or "none")
        return bool(found)
    if action != "test":
        raise SystemExit(__doc__)
    return test_all(paths)


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["help"])))
