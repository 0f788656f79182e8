"""What every experiment shares: cases × blocks of seeds, run once each, kept as they finish, stored with their origin.

A script names its cases and says how one case is run for a block of seeds; `main` does the rest:

    python experiments/NAME.py             all cases, all blocks; interrupted, it starts again where it was
    python experiments/NAME.py --jobs 1    in this process; without it on all cores, a process of one thread each
    python experiments/NAME.py --on tcp://HOST:8786    by the workers of a Dask scheduler, each started in this folder
    python experiments/NAME.py --small     one block of 2 seeds and a few steps, into build/: does it run at all
"""

from __future__ import annotations

import argparse
import ast
import csv
import hashlib
import io
import os
import platform
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy
import torch

import ganlib
from ganlib.results import FOLDER

try:
    import fcntl
except ImportError:  # Windows has no such lock
    fcntl = None

ROOT = Path(__file__).resolve().parents[1]
PARTS = ROOT / "build" / "experiments"
VERSIONS = {"Python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__}
BLOCK = 16  # seeds that are trained at once


def code_hash(modules) -> str:
    """Hash of some of ganlib's code, without its comments and docstrings.

    Args:
        modules: whole ones, ``losses``, or one name of a module with all that it rests on there, ``metrics.modes``.
    """
    parts = []
    for name in sorted(modules):
        module, _, wanted = name.partition(".")
        tree = ast.parse((ROOT / "ganlib" / f"{module}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
                if isinstance(getattr(body[0].value, "value", None), str):
                    body[0].value.value = ""
        parts += [ast.dump(node) for node in (_rests_on(tree, wanted) if wanted else [tree])]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _rests_on(tree, wanted):
    """A definition at a module's top, and those it mentions, in the order of the file."""
    made = {}
    for node in tree.body:
        targets = getattr(node, "targets", [node])
        made |= {name: node for t in targets if (name := getattr(t, "name", getattr(t, "id", None)))}
    if wanted not in made:
        raise ValueError(f"expected a name of the module, got {wanted!r}; there are: {', '.join(sorted(made))}")
    found, todo = set(), [wanted]
    while todo:
        if (name := todo.pop()) not in found:
            found.add(name)
            todo += [n.id for n in ast.walk(made[name]) if isinstance(n, ast.Name) and n.id in made]
    return [node for name, node in made.items() if name in found]


def script_hash() -> str:
    """Hash of the script that runs and of its neighbours that it imports: what a finished part belongs to."""
    files = {Path(m.__file__) for m in list(sys.modules.values()) if getattr(m, "__file__", None)}
    text = b"".join(path.read_bytes() for path in sorted(files) if path.resolve().parent == Path(__file__).parent)
    return hashlib.sha256(text).hexdigest()[:8]


def hardware() -> str:
    """The processor, or the accelerator, that did the work."""
    if ganlib.rng().device.type == "cuda":
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(": ", 1)[1] for line in lines if line.startswith("model name")) + ", one thread"
    except (OSError, StopIteration):
        return f"{platform.machine()}, one thread"


def rows_of(path: Path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []


def as_csv(rows) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def part(trial, size, small, number, case, block):
    """The rows of one part, wherever it runs."""
    start = time.process_time()
    found = trial(case, size, ganlib.rng(10_000 * (number + 1) + block), small)
    seconds = f"{(time.process_time() - start) / size:.3f}"
    values = [{column: v[s] for column, v in found.items()} for s in range(size)]
    return [{**case, "seed": block * size + s, **values[s], "seconds": seconds} for s in range(size)]


def executor(jobs: int, address: str | None) -> Executor | None:
    """Who makes the parts: this process, ``jobs`` processes here, or the workers of the scheduler at an address."""
    if address is None:
        return None if jobs == 1 else ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,))
    try:
        from distributed import Client
    except ImportError:
        raise SystemExit("--on needs Dask: pip install distributed") from None
    client = Client(address)
    client.run(torch.set_num_threads, 1)
    return client.get_executor(pure=False, retries=3)  # a worker that is lost costs its part once more


def finished(run, todo, pool: Executor | None):
    """Pairs of a part's file and its rows, in the order in which they end; a failure stops what has not begun.

    Args:
        run: makes the rows.
        todo: file of a part -> what ``run`` is told of it.
        pool: makes several parts at once; none, this process does.
    """
    if pool is None:
        yield from ((path, run(*told)) for path, told in todo.items())
        return
    with pool:
        files = {pool.submit(run, *told): path for path, told in todo.items()}
        try:
            yield from ((files[future], future.result()) for future in as_completed(files))
        finally:
            for future in files:
                future.cancel()


@contextmanager
def alone(folder: Path):
    """Two runs at once on the same parts would undo each other."""
    with (folder / ".running").open("w") as lock:
        try:
            if fcntl:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(f"expected no other run in {folder}, found one: wait for it, or stop it") from None
        yield


def options():
    """What was asked for on the command line."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--small", action="store_true", help="one block of 2 seeds and a few steps, into build/")
    alone = ganlib.rng().device.type != "cpu"  # one accelerator
    ask.add_argument("--jobs", type=int, default=1 if alone else os.cpu_count() or 1, help="processes at once")
    ask.add_argument("--on", metavar="tcp://HOST:8786", help="a Dask scheduler, whose workers do it")
    found = ask.parse_args()
    return found.small, 1 if found.small else found.jobs, found.on


def main(name: str, cases: list[dict], trial, *, modules, seeds: int = BLOCK, block: int = BLOCK):
    """Run what is missing and store the table.

    Args:
        name: of the script and of the table.
        cases: each a dict of columns.
        trial: ``trial(case, S, generator, small) -> {column: S values}``.
        modules: the ganlib modules whose code the results rest on.
        seeds: seeds a case, in blocks.
        block: seeds that are trained at once.
    """
    torch.set_num_threads(1)
    small, jobs, address = options()
    size, blocks = (2, 1) if small else (block, seeds // block)
    stamp = code_hash(modules)
    folder = PARTS / f"{name}-{'small' if small else stamp + '-' + script_hash()}"
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        folder / f"{number:03d}-{b:02d}.csv": (number, case, b)
        for number, case in enumerate(cases)
        for b in range(blocks)
    }
    with alone(folder):
        todo = {path: told for path, told in parts.items() if small or len(rows_of(path)) != size}
        begun, pool = time.monotonic(), executor(jobs, address) if todo else None
        for done, (path, rows) in enumerate(finished(partial(part, trial, size, small), todo, pool), 1):
            path.with_suffix(".new").write_text(as_csv(rows), encoding="utf-8")
            path.with_suffix(".new").rename(path)
            seconds, left = sum(float(row["seconds"]) for row in rows), (time.monotonic() - begun) / done
            told = f"{todo[path][1]}, block {todo[path][2] + 1} of {blocks}, {seconds:.0f} s"
            print(f"{name}: {told}; about {left * (len(todo) - done) / 60:.0f} min left", flush=True)
    rows = [row for path in parts for row in rows_of(path)]
    head = {"seeds": f"{size * blocks} a case", "modules": " ".join(sorted(modules)), "code": stamp}
    store(name, rows, head, folder if small else FOLDER)


def store(name, rows, head, folder):
    """Write the table under what says how it was made."""
    origin = {
        "command": f"python experiments/{name}.py",
        "seeds": head["seeds"],
        "versions": ", ".join(f"{name} {version.split('+')[0]}" for name, version in VERSIONS.items()),
        "hardware": hardware(),
        "seconds": f"{sum(float(row['seconds']) for row in rows):.0f} in all",
        "modules": head["modules"],
        "code": head["code"],
    }
    text = "".join(f"# {key}: {value}\n" for key, value in origin.items()) + as_csv(rows)
    target = folder / f"{name}.csv"
    target.write_text(text, encoding="utf-8")
    print(f"{target.relative_to(ROOT)}: {len(rows)} rows")
