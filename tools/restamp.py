"""Stamp stored tables anew where ganlib's code has changed and its numbers have not.

    python -m tools.restamp TEST

A table carries a hash of the code that it rests on; when that code changes, the table has to be made again. Where a
formula only becomes faster this takes hours and shows the same numbers. So TEST, such as tests/test_former.py, keeps
the former formula and compares the two over many inputs. It is run here, before the change is committed. If it is
green, each table of the code as last committed gets the hash of the present code, and a line `stands for`: the hash of
the code that made it, and the test that says why. Making a table again removes that line.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from ganlib.results import FOLDER, origin

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "experiments"))
import table  # noqa: E402


def hashes(names, root: Path) -> dict[str, str]:
    """What the code under a folder makes of each table's modules."""
    here, table.ROOT = table.ROOT, root
    try:
        return {name: table.code_hash(origin(name)["modules"].split()) for name in names}
    finally:
        table.ROOT = here


def restamp(text: str, code: str, test: str) -> str:
    """A table with the hash of the present code, and what it was made by; its rows stay as they are."""
    lines = text.splitlines(keepends=True)
    head = dict(line[2:].strip().split(": ", 1) for line in lines if line.startswith("# "))
    made, _, tests = head.get("stands for", head["code"]).partition(", by ")
    head |= {"code": code, "stands for": f"{made}, by {' '.join(sorted({*tests.split(), test}))}"}
    rows = [line for line in lines if not line.startswith("#")]
    return "".join([f"# {key}: {value}\n" for key, value in head.items()] + rows)


def main(test: str) -> int:
    if not (ROOT / test).is_file():
        raise SystemExit(f"expected a file of tests, got {test}")
    names = sorted(path.stem for path in FOLDER.glob("*.csv") if "modules" in origin(path.stem))
    with tempfile.TemporaryDirectory() as committed:
        archive = subprocess.run(["git", "archive", "HEAD", "ganlib"], cwd=ROOT, capture_output=True, check=True).stdout
        tarfile.open(fileobj=io.BytesIO(archive)).extractall(committed, filter="data")
        former, present = hashes(names, Path(committed)), hashes(names, ROOT)
    changed = [name for name in names if former[name] != present[name] and origin(name)["code"] == former[name]]
    if subprocess.run([sys.executable, "-m", "pytest", "-q", test], cwd=ROOT, check=False).returncode:
        raise SystemExit(f"{test} is red: the numbers are not those of the former code, and no table was stamped")
    for name in changed:
        path = FOLDER / f"{name}.csv"
        path.write_text(restamp(path.read_text(encoding="utf-8"), present[name], test), encoding="utf-8")
        print(f"{name} stands for {origin(name)['stands for']}")
    print(f"{len(changed)} tables stamped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else __doc__)
