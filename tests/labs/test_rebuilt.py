"""Claims that a panel of the page proves a second time: by its own code alone, outside a browser, without ganlib."""

import json
import re
from contextlib import closing
from pathlib import Path

import pytest
from py_mini_racer import MiniRacer

from ganlib import labs
from ganlib.claims import register

HERE = Path(__file__).parent
ASKED = (HERE / "rebuilt.js").read_text(encoding="utf-8")
STATEMENTS = re.findall(r'^  "([\w-]+)": \(\) =>', ASKED, re.MULTILINE)


def source():
    parts = ((labs.HERE / f"{name}.js").read_text(encoding="utf-8") for name in labs.SOURCES)
    return "\n".join([f"(globalThis.ganlab = {{}}).specs = {json.dumps(labs.specs())};", *parts])


@pytest.fixture(scope="module")
def lab():
    with closing(MiniRacer()) as v8:
        v8.eval(f"{source()}\n{ASKED}; 0")
        yield v8


@pytest.mark.parametrize("id", STATEMENTS)
def test_a_claim_holds_by_the_labs_own_code(lab, id):
    assert lab.eval(f"STATEMENTS[{id!r}]()") is True


def test_the_claims_page_tells_of_these():
    told = {entry["id"]: entry["lab"] for entry in register().values() if "lab" in entry}
    assert set(told) == set(STATEMENTS) and len(told) >= 12
    assert set(told.values()) <= set(labs.specs())


# Sign, factor or argument, in the lab's code; each must be seen by some statement above.
FAULTS = [
    ("dirac.js", "made[0] * psi", "-made[0] * psi"),
    ("dirac.js", "made[0] * psi", "made[0]"),
    ("dirac.js", "real[0] * c + fake", "fake"),
    ("dirac.js", "R1: 2 * psi", "R1: psi"),
    ("dirac.js", '"R1 + R2": 4', '"R1 + R2": 2'),
    ("dirac.js", "(Math.abs(psi) - 1)", "(Math.abs(psi) + 1)"),
    ("dirac.js", "2 * v - (before", "v - 0 * (before"),
    ("dirac.js", "go(at, slopes(state, go(at, g)))", "go(at, g)"),
    ("dirac.js", "slopes(state, [at[0], psi])[0]", "g[0]"),
    ("dirac.js", "(J[0][0] + J[1][1]) / 2", "(J[0][0] - J[1][1]) / 2"),
    ("densities.js", "1 / (1 + e(q.log[i] - v))", "1 / (1 + e(v - q.log[i]))"),
    ("densities.js", "- LOG(2))", ")"),
    ("densities.js", "kl(q.log, m)) / 2", "kl(q.log, m))"),
    ("densities.js", "v * (a[i] - b[i])", "v * (b[i] - a[i])"),
    ("em.js", "v * (l[k] - Math.log(v))", "v * (l[k] + Math.log(v))"),
    ("em.js", "Math.exp(v - log_p)", "Math.exp(v - top)"),
    ("densities.js", "Math.abs(p.below[i] - q.below[i])", "(p.below[i] - q.below[i])"),
]


@pytest.mark.parametrize(("name", "old", "new"), FAULTS, ids=range(len(FAULTS)))
def test_a_planted_fault_is_seen(name, old, new):
    text = (labs.HERE / name).read_text(encoding="utf-8")
    assert text.count(old) == 1
    spoilt = source().replace(text, text.replace(old, new))

    def holds(v8, statement):
        try:
            return v8.eval(f"STATEMENTS[{statement!r}]()") is True
        except Exception:
            return False

    with closing(MiniRacer()) as v8:
        v8.eval(f"{spoilt}\n{ASKED}; 0")
        assert not all(holds(v8, statement) for statement in STATEMENTS)
