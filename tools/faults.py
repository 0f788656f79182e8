"""Can the checks of the notebooks fail? Plant a fault in what a claim rests on, and see whether the page turns red.

    python tools/faults.py                                   # every page, two at a time
    python tools/faults.py --page game/saturation            # one of them
    python tools/faults.py --page game/saturation --jobs 1   # on one core

A page is run once as it is. That run tells the seconds of every statement, which names it has changed, and what kind of
value every operand is. From it follows which statements a check rests on. The page is then run a second time, and
before a cell on which a claim rests the process forks: every child runs the cell with one fault, and then the later
statements that a check needs, up to that check. A first child runs the same without a fault: a check that is red there
is not asked. Nor is one that needs a later statement of more than 3 CPU s, or lies behind 6 CPU s of later statements.
A claim is asked about a fault only where all of its checks that rest on the faulty statement are.

Faults are of seven kinds: ``sign`` (+ for -), ``factor`` (an operand doubled, * for /), ``minus`` (an operand's minus
added or dropped), ``order`` (< for >), ``exchange`` (two arguments), ``constant`` (a float k becomes 2k + 1), ``noise``
(a float tensor becomes noise of its mean and standard deviation). A cell gets at most 8, the kinds in turn, drawn with
a seed from its source; at most 2 where it takes more than 3 CPU s. Never touched: a check's bound, its expected side
and its text; assertions; indices, seeds and sizes; imports; drawing. A name on the expected side is computed somewhere,
and faults are planted there.

What becomes of a claim under a fault:

    noticed    one of its checks raised, or an assertion in a cell on which it rests, or a statement that it needs,
               whatever the exception: a page that raises is red
    green      all of its checks have passed
    void       the child was killed, or took more than 4 times the CPU s of the same statements plus 5

A fault is planted where at least one claim is not void. It is noticed where at least one claim notices it, or the
assertion of an exercise that rests on the cell. ``build/faults/PAGE.txt`` lists the survivors and counts by claim. A
survivor that means the same stands in ``faults_same.tsv`` with the reason; below 95 % of the others, and where the list
names one that is noticed or gone, the exit status is 1. ``ganlib/results/faults.csv`` has one row a claim: how many
were planted in what it rests on, and how many its own evidence noticed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import csv
import hashlib
import itertools
import json
import os
import random
import resource
import signal
import sys
import threading
import time
import traceback
from collections import Counter, deque
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import nbformat

from ganlib.results import FOLDER
from tools.notebooks import code_hash, notebooks
from tools.planting import Sight, Watch, all_faults, noise, planted
from tools.slices import differences, marks, plain, slices, statements

ROOT = Path(__file__).resolve().parents[1]
STORED, SAME, REPORTS = FOLDER / "faults.csv", Path(__file__).with_name("faults_same.tsv"), ROOT / "build" / "faults"
COLUMNS = ["page", "claim", "planted", "noticed", "same", "code"]
PASS = 0.95
COSTLY, LATER = 3.0, 6.0  # CPU s: of one statement; of all that is run behind the faulty cell
CELL, COSTLY_CELL = 8, 2  # faults
GRACE, WALL = 5, 20  # a child gets 4 times the CPU s of what it runs, and so many more; so many s of wall time a CPU s
PAGE = ""  # in place of a claim: the page alone, to which an exercise's assertion belongs
END = [None, "end"]


# Children


class Job(NamedTuple):
    """What a child runs."""

    todo: dict[int, frozenset]  # of each check or assertion, the statements that have to be run for it
    claims: dict[int, frozenset]  # and the claims for which it speaks
    code: dict[int, object]  # instead of the page's own
    seconds: float  # that the same takes without a fault


def fork(job, seconds):
    """Start a child that does a job with a function to tell of it; its id, and where it tells."""
    if threads() > 1:
        raise RuntimeError(f"expected one thread before a fork, got {threads()}")
    read, write = os.pipe()
    if child := os.fork():
        os.close(write)
        return child, read
    try:
        for stream in (1, 2):  # libraries complain of what they are given
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        limit = int(4 * seconds + GRACE) + 1
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        signal.alarm(WALL * limit)  # for a hang that costs no CPU time
        with open(write, "w") as out:
            job(lambda line: print(json.dumps(line), file=out, flush=True))
    finally:
        os._exit(0)


def threads():
    """How many threads this process has, also those that Python does not know of, where that can be seen."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else threading.active_count()


def heard(child, read):
    """What a child told, once it has ended."""
    with open(read) as lines:
        told = [json.loads(line) for line in lines if line.endswith("\n")]
    os.waitpid(child, 0)
    return told


def children(jobs, code, space, workers):
    """Do each job in a child, some at a time; what each told."""
    running, told = deque(), []
    for job in jobs:
        if len(running) == workers:
            told.append(heard(*running.popleft()))
        running.append(fork(partial(play, job, code, space), job.seconds))
    return told + [heard(*child) for child in running]


def play(job, code, space, tell):
    """Run what the checks need; tell of each statement that raises, and leave out what is then settled."""
    dead, settled = set(), set()
    for i in sorted(set().union(*job.todo.values())):
        waiting = [v for v, needed in job.todo.items() if i in needed and v not in dead]
        try:
            if waiting:
                exec(job.code.get(i, code[i]), space)
        except Exception as error:
            tell([i, type(error).__name__])
            settled |= set().union(*(job.claims[v] for v in waiting))
            dead |= {*waiting, *(v for v in job.todo if job.claims[v] <= settled)}
    tell(END)


def outcomes(job, told, page):
    """Of each claim: noticed by a check, an assertion or an error; green; or void."""
    found, rest = {}, "green" if END in told else "void"
    for i, error in (line for line in told if line != END):
        how = "error" if error != "AssertionError" else "check" if page[i].claims else "assertion"
        for v in (v for v, needed in job.todo.items() if i in needed):
            found |= {id: how for id in job.claims[v] if id not in found}
    claims = set().union(*job.claims.values())
    return {id: found.get(id, rest) for id in sorted(claims)}


# The first run


def first_run(page, tell):
    """Run a page as it is; tell of each statement its seconds and what it changed, and then what was seen."""
    sight = Sight(page)
    space = namespace() | {"__see__": sight}
    before = marks(space)
    for statement in page:
        code = compiled(Watch().visit(ast.Module([copy.deepcopy(statement.tree)], [])))
        start = time.process_time()
        exec(code, space)
        seconds, after = time.process_time() - start, marks(space)
        close_figures()
        coded = [name for name in after if not plain(space[name])]
        tell({"seconds": seconds, "coded": coded, **differences(before, after)})
        before = after
    tell({site: list(map(sorted, kinds)) for site, kinds in sight.kinds.items()})


def started(page):
    """What the first run told: of each statement, and of each node."""
    told = heard(*fork(partial(attempt, partial(first_run, page)), 1000))
    if len(told) <= len(page):
        reason = told[-1]["raised"] if told and "raised" in told[-1] else "killed"
        raise ValueError(f"expected a page that runs as it is, got: {reason}")
    return told[:-1], {int(site): list(map(set, kinds)) for site, kinds in told[-1].items()}


def attempt(run, tell):
    """Run, and tell what was raised."""
    try:
        run(tell)
    except Exception:
        tell({"raised": traceback.format_exc()[-2000:]})


def namespace():
    """What the statements of a page run in, as in a kernel."""
    return {"__name__": "__main__", "__noise__": noise}


def compiled(tree):
    return compile(ast.fix_missing_locations(tree), "page", "exec")


def close_figures():
    if plt := sys.modules.get("matplotlib.pyplot"):
        plt.close("all")


# What can be had from where


class Part(NamedTuple):
    """Statements of one cell that are run together, and the checks and assertions that can be had from there."""

    own: list[int]
    needs: dict[int, frozenset]  # of each, what has to be run for it, from the beginning of the page
    rests: dict[int, frozenset]  # what it rests on, and also of those that cannot be had
    claims: dict[int, frozenset]  # the claims for which it speaks
    costly: bool

    def todo(self, v):
        """What has to be run for a check from this part on."""
        return frozenset(i for i in self.needs[v] if i >= self.own[0])


def divided(page, first, faults) -> list[Part]:
    """The parts of a page on which a claim rests, and in which a fault may stand."""
    rests, needs = (slices(page, first, streams=streams) for streams in (False, True))
    seconds, found = [told["seconds"] for told in first], []
    for own in cut(page, seconds):
        sites = {fault.statement for fault in faults} & set(own)
        wanted = [v for v in verdicts(page) if rests[v] & sites]
        within = within_reach(own, wanted, needs, seconds)
        if any(page[v].claims for v in within):
            costly = sum(seconds[i] for i in set().union(*(needs[v] for v in within)) & set(own)) > COSTLY
            claims = {v: speaks_for(v, page, rests, within) for v in within}
            found.append(Part(own, {v: needs[v] for v in within}, {v: rests[v] for v in wanted}, claims, costly))
    return found


def verdicts(page):
    """The statements that check or assert."""
    return [v for v, statement in enumerate(page) if statement.claims or statement.asserts]


def cut(page, seconds):
    """The statements of each cell, cut behind those that took long."""
    for _, group in itertools.groupby(range(len(page)), key=lambda i: page[i].cell):
        part = []
        for i in group:
            part.append(i)
            if seconds[i] > COSTLY:
                yield part
                part = []
        if part:
            yield part


def within_reach(own, wanted, needs, seconds):
    """The checks and assertions that can be had from a part at its price and a little more."""
    found, later = [], set()
    for v in wanted:
        behind = {i for i in needs[v] if i > own[-1]}
        if max([seconds[i] for i in behind], default=0) <= COSTLY and sum(seconds[i] for i in later | behind) <= LATER:
            found.append(v)
            later |= behind
    return found


def speaks_for(v, page, rests, within):
    """The claims that a check settles; those that rest on an assertion's cell, or else the page alone."""
    if page[v].claims:
        return page[v].claims
    cell = {i for i, statement in enumerate(page) if statement.cell == page[v].cell}
    return frozenset(id for check in within if rests[check] & cell for id in page[check].claims) or frozenset({PAGE})


# The second run


def second_run(page, first, faults, workers):
    """Run the page again; before each part on which a claim rests, run its faults in children."""
    parts = {part.own[0]: part for part in divided(page, first, faults)}
    code, space, taken = [compiled(ast.Module([s.tree], [])) for s in page], namespace(), Counter()
    needed = {i for part in parts.values() for needs in part.needs.values() for i in needs}
    for i in range(max(parts, default=-1) + 1):
        if i in parts:
            chosen = list(choice(parts[i], page, faults, taken))
            yield from of_a_part(parts[i], chosen, page, first, partial(children, code=code, space=space), workers)
        if i in needed:
            with contextlib.suppress(Exception):  # it rests on what no name tells: the first child will be red too
                exec(code[i], space)
            close_figures()


def choice(part, page, faults, taken):
    """The faults of a part that are planted, each with the claims that every check and assertion is asked for."""
    cell, source = page[part.own[0]].cell, page[part.own[0]].source
    for fault in in_order([fault for fault in faults if fault.cell == cell], source):
        full = taken[cell] >= CELL or (part.costly and taken[part.own[0]] >= COSTLY_CELL)
        asked = asked_of(part, page, fault.statement, set())
        if fault.statement in part.own and any(page[v].claims for v in asked) and not full:
            taken.update([cell, part.own[0]])
            yield fault


def asked_of(part, page, statement, red):
    """The checks and assertions that rest on a statement, with the claims of which no check that does is missing."""
    resting = [v for v in part.rests if statement in part.rests[v]]
    missing = {id for v in resting if v not in part.needs or v in red for id in page[v].claims}
    asked = {v: part.claims[v] - missing for v in resting if v in part.needs and v not in red}
    return {v: claims for v, claims in asked.items() if claims}


def of_a_part(part, chosen, page, first, run, workers):
    """Plant the faults of a part. A first child has none: what is red there is not asked."""
    alone = {v: frozenset({v}) for fault in chosen for v in asked_of(part, page, fault.statement, set())}
    if not chosen:
        return
    job = job_of({v: part.todo(v) for v in alone}, alone, {}, first)
    (told,) = run([job], workers=1)
    red = {v for v in alone if END not in told or {i for i, _ in told} & job.todo[v]}
    jobs = []
    for fault in chosen:
        asked = asked_of(part, page, fault.statement, red)
        code = {fault.statement: compiled(planted(page[fault.statement].tree, fault.site, fault.change))}
        jobs.append(job_of({v: part.todo(v) for v in asked}, asked, code, first))
    for fault, job, told in zip(chosen, jobs, run(jobs, workers=workers), strict=True):
        about = {key: getattr(fault, key) for key in ("cell", "line", "kind", "text")}
        yield about | {"claims": outcomes(job, told, page)}


def job_of(todo, claims, code, first):
    """A job, with the seconds that it takes without a fault."""
    return Job(todo, claims, code, sum(first[i]["seconds"] for i in set().union(*todo.values())))


def in_order(faults, source):
    """The faults of a cell in the order in which they are taken: kinds in turn, shuffled by the cell's source."""
    shuffle = random.Random(hashlib.sha256(source.encode()).hexdigest()).shuffle
    kinds: dict[str, list] = {}
    for fault in faults:
        kinds.setdefault(fault.kind, []).append(fault)
    groups = list(kinds.values())
    for group in (groups, *groups):
        shuffle(group)
    turns = itertools.chain.from_iterable(itertools.zip_longest(*groups))
    return [fault for fault in turns if fault is not None]


# One page


def prepare(path):
    """One thread, no GPU, no window, no picture written; the folder of the page."""
    if not hasattr(os, "fork"):
        raise RuntimeError("expected a platform with os.fork (Linux, macOS, WSL), got one without")
    single = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
    os.environ |= single | {"CUDA_VISIBLE_DEVICES": "", "GANLIB_DEVICE": "cpu", "MPLBACKEND": "Agg"}
    os.environ.pop("GANLIB_SEED_SHIFT", None)
    if "GANLIB_DATA" in os.environ:
        os.environ["GANLIB_DATA"] = str(Path(os.environ["GANLIB_DATA"]).absolute())
    os.chdir(path.parent)
    from matplotlib.figure import Figure

    Figure.savefig = lambda *args, **how: None
    sys.stdout = sys.stderr = open(os.devnull, "w")


def examine(path: Path, page: str, workers: int = 1) -> dict:
    """Plant the faults of a page; each with what became of every claim that rests on it.

    Args:
        path: the notebook.
        page: its name.
        workers: children at once.

    Raises:
        RuntimeError: where there is no fork, or more than one thread.
        ValueError: if the page does not run as it is.
    """
    prepare(path)
    nb = nbformat.read(path, as_version=4)
    body = statements(nb)
    faults = all_faults(body)
    first, seen = started(body)
    faults = [fault for fault in faults if fault.site in seen and fault.fits(seen[fault.site])]
    tried = list(second_run(body, first, faults, workers))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "page": page,
        "code": code_hash(nb),
        "claims": sorted(set().union(*(statement.claims for statement in body))),
        "faults": [fault for fault in tried if set(fault["claims"].values()) - {"void"}],
        "void": sum(set(fault["claims"].values()) <= {"void"} for fault in tried),
        "possible": [(fault.cell, fault.text) for fault in faults],
        "seconds": sum(u.ru_utime + u.ru_stime for u in used),
    }


# What is stored and said


def same() -> dict[tuple, str]:
    """The survivors that mean the same: (page, cell, text) with the reason."""
    with SAME.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    if bad := [row for row in rows if not (row["reason"] or "").strip()]:
        raise ValueError(f"expected a reason for every survivor that means the same, got none for {bad[0]}")
    return {(row["page"], row["cell"], row["fault"]): row["reason"] for row in rows}


def stored() -> list[dict]:
    """The rows of the stored table."""
    if not STORED.exists():
        return []
    lines = [line for line in STORED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def outdated() -> list[str]:
    """The pages whose code has changed since their rows were stored, and rows of no page."""
    codes = {page_of(path): code_hash(nbformat.read(path, as_version=4)) for path in notebooks()}
    return sorted({row["page"] for row in stored() if codes.get(row["page"]) != row["code"]})


def page_of(path):
    """The name of a notebook in the contents."""
    return path.relative_to(ROOT / "chapters").with_suffix("").as_posix()


def store(results: list[dict], listed: dict):
    """Replace the rows of the pages that were run."""
    done = {result["page"] for result in results}
    rows = [row for row in stored() if row["page"] not in done]
    rows += [row for result in results for row in counted(result, listed)]
    with STORED.open("w", encoding="utf-8", newline="") as out:
        print("# command: python tools/faults.py", file=out)
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: (row["page"], row["claim"])))


def noticed(outcome: str) -> bool:
    return outcome not in ("green", "void")


def counted(result, listed):
    """The rows of a page, one a claim: of the faults in what it rests on, how many its own evidence noticed."""
    for id in result["claims"]:
        mine = [fault for fault in result["faults"] if fault["claims"].get(id, "void") != "void"]
        seen = [noticed(fault["claims"][id]) for fault in mine]
        alike = sum(key(result, fault) in listed and not s for fault, s in zip(mine, seen, strict=True))
        row = result["page"], id, len(mine), sum(seen), alike, result["code"]
        yield dict(zip(COLUMNS, row, strict=True))


def key(result, fault):
    """How a fault is named in the list of those that mean the same."""
    return result["page"], fault["cell"], fault["text"]


def judged(result, listed) -> tuple[str, bool]:
    """The report of a page, and whether it passes."""
    faults, page = result["faults"], result["page"]
    survivors = [fault for fault in faults if not any(map(noticed, fault["claims"].values()))]
    alike = [fault for fault in survivors if key(result, fault) in listed]
    caught, total = len(faults) - len(survivors), len(faults) - len(alike)
    share = caught / total if total else 0.0
    how = Counter(next(filter(noticed, fault["claims"].values()), None) for fault in faults)
    head = f"{page}: {caught} of {total} noticed, {share:.1%} ({how['check']} by a check, {how['assertion']} by an "
    head += f"assertion, {how['error']} by an error); {len(alike)} the same, {result['void']} void; "
    lines = [head + f"{result['seconds']:.0f} CPU s", *stale(result, listed)]
    good = share >= PASS and len(lines) == 1
    lines += [line(fault) for fault in survivors if fault not in alike]
    lines += [
        f"{row['claim']}: {row['noticed']} of {row['planted']} by its own evidence" for row in counted(result, {})
    ]
    return "\n".join([*lines, ""]), good


def stale(result, listed):
    """What the list names, but is noticed or gone; what was not planted this time may stay."""
    survivors = {key(result, f) for f in result["faults"] if not any(map(noticed, f["claims"].values()))}
    possible = {(result["page"], *fault) for fault in result["possible"]} - {key(result, f) for f in result["faults"]}
    for entry in sorted(listed):
        if entry[0] == result["page"] and entry not in survivors | possible:
            yield f"listed as the same, but noticed or gone: cell {entry[1]}: {entry[2]}"


def line(fault):
    """A survivor: where it is, what it is, and the claims that stayed green."""
    green = ", ".join(filter(None, fault["claims"]))
    return f"cell {fault['cell']}, line {fault['line']}, {fault['kind']}: {fault['text']}\n    green: {green}"


def main(pages, jobs):
    """Run pages, two at a time or as told; a single one with as many children at once."""
    paths, listed = notebooks(pages), same()
    workers, good, results = max(1, jobs // len(paths)), True, []
    with ProcessPoolExecutor(min(jobs, len(paths)), get_context("spawn"), max_tasks_per_child=1) as pool:
        waiting = [(page, pool.submit(examine, path, page, workers)) for path in paths for page in [page_of(path)]]
        for page, future in waiting:
            if error := future.exception():
                report, passed = f"{page}: {error}\n", False
            else:
                report, passed = judged(future.result(), listed)
                results.append(future.result())
                store(results, listed)
            good = good and passed
            target = REPORTS / f"{page}.txt"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(report, encoding="utf-8")
            print(report.splitlines()[0], f"[{target.relative_to(ROOT)}]", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Plant faults in what the claims of a page rest on.")
    parser.add_argument("--page", nargs="+", default=[], help="such as game/saturation; all without it")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    chosen = parser.parse_args()
    sys.exit(main(chosen.page, chosen.jobs))
