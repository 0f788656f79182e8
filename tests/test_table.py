"""How a stored table is made: the same rows wherever they are made, once each, whole, by one run at a time."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "experiments"))

import table  # noqa: E402

MODULES = ["rates"]
CASES = [{"a": a, "b": b} for a in (1, 2, 3) for b in ("x", "y")]
HERE = "TRIALS_RAN_IN"  # where the trials write down that they ran


def trial(case, S, generator, small):
    folder = Path(os.environ[HERE])
    (folder / f"ran-{case['a']}{case['b']}-{torch.rand(1, generator=generator).item():.6f}").touch()
    return {"value": torch.rand(S, generator=generator).tolist()}


def deadly(case, S, generator, small):
    flag = Path(os.environ[HERE]) / "died"
    if case == CASES[2] and not flag.exists():
        flag.touch()
        os._exit(1)
    return trial(case, S, generator, small)


def stopped(case, S, generator, small):
    if case == CASES[2]:
        raise KeyboardInterrupt
    return trial(case, S, generator, small)


@pytest.fixture(scope="module", autouse=True)
def ran(tmp_path_factory):
    """Where the trials of this module write down that they ran; set before any process of them begins."""
    folder = tmp_path_factory.mktemp("ran")
    os.environ[HERE] = str(folder)
    yield folder
    del os.environ[HERE]


@pytest.fixture
def make(monkeypatch, tmp_path, ran):
    """Run the table as a command; its rows without the seconds, and how many parts were run."""
    for name, value in (("PARTS", tmp_path / "parts"), ("FOLDER", tmp_path), ("script_hash", lambda: "test")):
        monkeypatch.setattr(table, name, value)
    monkeypatch.setattr(table, "store", lambda name, rows, head, folder: made.append(rows))
    made = []

    def run(*arguments, by=trial, keep=False):
        for old in (*ran.iterdir(), *(() if keep else (tmp_path / "parts").rglob("*"))):
            if old.is_file():
                old.unlink()
        monkeypatch.setattr(sys, "argv", ["made.py", *arguments])
        table.main("made", CASES, by, modules=MODULES, seeds=4, block=2)
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in made.pop()]
        return rows, len(list(ran.glob("ran-*")))

    run.parts = lambda: sorted((tmp_path / "parts").rglob("*.csv"))
    return run


SCRIPT = f"""import sys
from pathlib import Path
sys.path[:0] = [{str(ROOT / "experiments")!r}, {str(ROOT / "tests")!r}]
import table
import test_table as here
if __name__ == "__main__":
    table.PARTS = table.FOLDER = Path(sys.argv.pop())
    by = getattr(here, sys.argv.pop())
    table.store = lambda name, rows, head, folder: (folder / "made.csv").write_text(table.as_csv(rows))
    table.main("made", here.CASES, by, modules=here.MODULES, seeds=4, block=2)
"""
CLUSTER = """import distributed
if __name__ == "__main__":
    cluster = distributed.LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=None)
    print(cluster.scheduler_address, flush=True)
    input()
    cluster.close()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, ran):
    """The address of a scheduler with four workers; in processes of their own, for Dask draws from Python's stream."""
    pytest.importorskip("distributed")
    script = tmp_path_factory.mktemp("cluster") / "cluster.py"
    script.write_text(CLUSTER, encoding="utf-8")
    where = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "experiments", ROOT / "tests")))}
    made = subprocess.Popen([sys.executable, script], env=where, text=True, stdin=-1, stdout=-1)
    yield made.stdout.readline().strip()
    made.communicate("done", timeout=60)


@pytest.fixture
def command(tmp_path, ran):
    """The same as a command; its table without the seconds, and how many parts were run."""

    def run(*arguments, by="trial"):
        for old in ran.iterdir():
            old.unlink()
        parts = tmp_path / f"{by}-{len(list(tmp_path.iterdir()))}"
        parts.mkdir()
        (script := tmp_path / "made.py").write_text(SCRIPT, encoding="utf-8")
        subprocess.run([sys.executable, script, *arguments, by, parts], check=True, timeout=120, cwd=ROOT)
        lines = (parts / "made.csv").read_text(encoding="utf-8").splitlines()
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows], len(list(ran.glob("ran-*")))

    return run


def test_one_process_two_and_a_cluster_of_four_make_the_same_rows(command, cluster):
    alone, ran = command("--jobs", "1")
    assert ran == 12 and len(alone) == 24 and len({row["value"] for row in alone}) == 24
    assert [row["seed"] for row in alone[:4]] == ["0", "1", "2", "3"]
    assert command("--jobs", "2") == (alone, 12)
    assert command("--on", cluster) == (alone, 12)


def test_a_worker_that_is_lost_costs_a_repetition_and_no_row(command, cluster, ran):
    alone, _ = command("--jobs", "1")
    assert command("--on", cluster, by="deadly")[0] == alone
    assert (ran / "died").exists()


def test_an_interrupted_run_goes_on_where_it_was(make):
    alone, _ = make("--jobs", "1")
    with pytest.raises(KeyboardInterrupt):
        make("--jobs", "1", by=stopped)
    assert len(make.parts()) == 4
    assert make("--jobs", "1", keep=True) == (alone, 8)
    assert make("--jobs", "1", keep=True) == (alone, 0)


def test_a_part_that_is_cut_short_is_made_again(make):
    alone, _ = make("--jobs", "1")
    for path, lines in zip(make.parts(), (0, 1, 2), strict=False):
        path.write_text("".join(path.read_text(encoding="utf-8").splitlines(True)[:lines]), encoding="utf-8")
    assert make("--jobs", "1", keep=True) == (alone, 3)


def test_a_full_disk_leaves_no_part_that_looks_whole(make, monkeypatch):
    def full(self, text, **how):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space"):
        patched.setattr(Path, "write_text", full)
        make("--jobs", "1")
    assert make.parts() == []


@pytest.mark.skipif(table.fcntl is None, reason="no lock on this system")
def test_two_runs_at_once_refuse_each_other(make, tmp_path):
    make("--jobs", "1")
    (folder,) = (tmp_path / "parts").iterdir()
    with table.alone(folder), pytest.raises(SystemExit, match=r"expected no other run in .*, found one"):
        make("--jobs", "1", keep=True)
    assert make("--jobs", "1", keep=True)[1] == 0


def test_the_time_that_is_left_is_told(make, capsys):
    make("--jobs", "1")
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 12 and told[0].startswith("made: {'a': 1, 'b': 'x'}, block 1 of 2, ")
    assert all(line.endswith("about 0 min left") for line in told)


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SystemExit, match="pip install distributed"):
        table.executor(1, "tcp://nowhere:8786")
