"""Faults are planted where a claim rests, and nowhere else; what notices them, and what does not, is told rightly."""

import csv
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import faults, notebooks, planting, slices

ROOT = Path(__file__).resolve().parents[1]
KINDS = {"sign", "factor", "minus", "order", "exchange", "constant", "noise"}
CLAIM, OTHER = "mle-definition", "mle-log-space"


def notebook(*sources):
    """A notebook of code cells c0, c1, …"""
    return new_notebook(cells=[new_code_cell(source, id=f"c{i}") for i, source in enumerate(sources)])


def fitting(*sources):
    """The faults that fit a small page, once it has run."""
    page, told = slices.statements(notebook(*sources)), []
    found = planting.all_faults(page)
    faults.first_run(page, told.append)
    return [fault for fault in found if fault.site in told[-1] and fault.fits(list(map(set, told[-1][fault.site])))]


def texts(*sources):
    return [(fault.kind, fault.text.partition("  ->  ")[2]) for fault in fitting(*sources)]


# What a fault is


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("y = a + b", {("sign", "y = a - b"), ("factor", "y = 2 * a + b"), ("minus", "y = -a + b")}),
        ("y = a * b", {("factor", "y = a / b"), ("factor", "y = 2 * a * b"), ("minus", "y = -a * b")}),
        ("y = -a", {("minus", "y = a")}),
        ("y = a < b", {("order", "y = a > b")}),
        ("y = a >= b", {("order", "y = a <= b")}),
        ("y = f(a, b)", {("exchange", "y = f(b, a)")}),
        ("y = f(f, a)", set()),
        ("y = 0.7", {("constant", "y = 2.4")}),
        ("y = a ** 2", {("factor", "y = (2 * a) ** 2")}),
        ("y = a ** b.real", {("factor", "y = (2 * a) ** b.real"), ("minus", "y = (-a) ** b.real")}),
        ("y = abs(a * b)", {("factor", "y = abs(a / b)"), ("factor", "y = abs(2 * a * b)")}),
        ("y = max(a, b)", set()),
        ("y = [v for v in (a, b)]", set()),
        ("for v in (a, b):\n    y = v - a", {
            ("sign", "y = v + a"), ("factor", "y = 2 * v - a"), ("minus", "y = -v - a"),
        }),
        ("def h(v):\n    return v / 0.5\ny = h(a)", {
            ("factor", "return v * 0.5"), ("factor", "return 2 * v / 0.5"), ("minus", "return -v / 0.5"),
            ("constant", "return v / 2.0"),
        }),
    ],
)  # fmt: skip
def test_a_statement_has_the_faults_of_its_kinds(line, expected):
    start = "from math import pi as a, tau as b\ndef f(v, w):\n    return v"
    assert set(texts(start, line)) == expected


def test_a_float_tensor_that_was_computed_becomes_noise():
    import torch

    line = "x = torch.linspace(0, 1, 5)\ny = x.exp()\nn = x.argmax()\nk = torch.arange(3)\none = y.sum()\nsame = 0 * x"
    assert [text for kind, text in texts("import torch", line) if kind == "noise"] == ["y = __noise__(y)"]
    line = "g = torch.Generator()\nx = torch.rand(5, generator=g)[:3].double()\ny = 2 * torch.rand(5, generator=g)"
    assert [text for kind, text in texts("import torch", line) if kind == "noise"] == ["y = __noise__(y)"]
    y = torch.tensor([1.5, 2.0, 7.0, math.inf], dtype=torch.float64, requires_grad=True)
    for value in (y, y * 3, (y * 3).detach().numpy()):
        made = torch.as_tensor(planting.noise(value))
        again = torch.as_tensor(planting.noise(value))
        assert type(planting.noise(value)) is type(value) and made.dtype == torch.float64
        assert (
            torch.equal(made, again) and made.shape == y.shape and not torch.isclose(made, torch.as_tensor(value)).any()
        )
    many = torch.linspace(-3, 11, 10_001).square()
    made = planting.noise(many)
    assert made.mean().item() == pytest.approx(many.mean().item(), rel=0.05)
    assert made.std().item() == pytest.approx(many.std().item(), rel=0.05)
    (slope,) = torch.autograd.grad(planting.noise(y[:3] * 3).sum(), y)
    assert slope.tolist() == [3, 3, 3, 0]


# What is never touched


@pytest.mark.parametrize(
    "line",
    [
        "claim('mle-definition').close(f(a), 1.5 * a, what='0.5', atol=0.25)",
        "claim('mle-definition').above(f(a), 0.5 + 0.1, what='a', by=-2.5)",
        "may = claim('mle-definition')\nmay.printed.below(f(a), bound=b - a, what='a').above(f(a), a - b, what='b')",
        "claim('mle-definition').rate(f(a), over=a < b, what='a')",
        "g = rng(int(1.5 * 2.0))",
        "n = 2 * k + 1",
        "n = -k < 2 * k",
        "y = some[k + 1 - 2]",
        "y = some[int(1.5 * a) - 4]",
        "y = f(1, k)",
        "y = f('b', 'c')",
        "assert a < b + 0.5",
        "torch.testing.assert_close(a * 1.5, b, atol=0.5)",
        "y = f'{a + b:.2f}'",
        "from math import e, pi",
        "ax = plots.panels(1)\nax.plot(0.5 * a, a - b)",
        "scrub(f, [0.5, 1.5])",
        "if k > 5:\n    y = a - b",
    ],
)
def test_nothing_else_is_touched(line):
    start = "from math import pi as a, tau as b\nsome, k = [a, b, a], 1\n"
    start += (
        "class Any:\n    def __getattr__(self, name):\n        return self\n    def __call__(self, *args, **how):\n"
    )
    start += "        return self\nclaim = rng = plots = scrub = torch = Any()\ntorch.testing.assert_close = torch"
    defined = "def f(*args):\n    return args"
    assert texts(start, defined, line) == []


def test_what_a_check_measures_is_touched_but_not_the_bound_in_it():
    line = "claim('mle-definition').rate(2.5 * x < 0.3, above=0.75, what='0.5')"
    page = slices.statements(notebook(line))
    found = {fault.text.partition("  ->  ")[2] for fault in planting.all_faults(page)}
    assert found == {
        line.replace(*change)
        for change in [("2.5", "6.0"), ("*", "/"), ("<", ">"), ("2.5", "2 * 2.5"), ("2.5", "-2.5")]
    }


# What rests on what


def rests(*sources, streams=False):
    """Of each check of a page, the statements on which it rests."""
    page, told = slices.statements(notebook("from ganlib.claims import claim", *sources)), []
    planting.all_faults(page)
    faults.first_run(page, told.append)
    found = slices.slices(page, told[:-1], streams=streams)
    return {
        id: {page[i].tree.lineno + 10 * int(page[i].cell[1:]) for i in found[v]} - {1}
        for v, statement in enumerate(page)
        for id in statement.claims
    }


def close(name, id=CLAIM):
    return f"claim({id!r}).above({name}, -1e9, what='it')"


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["a = 1.5\nb = 2.5\nc = a + 1", close("c")], {11, 13, 21}),
        (["a = 1.5\na = 2.5", close("a")], {12, 21}),
        (["a = [1.5]\nb = 2.5\na.append(b)", close("a")], {11, 12, 13, 21}),
        (["a = [1.5]\nb = a\nb.append(2.5)", close("a")], {11, 12, 13, 21}),
        (["a = 1.5\nfor i in range(3):\n    b = a + i\n    c = b", "b = 2.5", close("b + c")], {11, 12, 21, 31}),
        (["a = 1.5\nb = 2.5\nfor i in range(3):\n    b = a * i\n    c = b", close("c")], {11, 13, 21}),
        (["a = 1.5\nb = 2.5\nfor i in range(3):\n    b = a * i", close("b")], {11, 13, 21}),
        (["t = 0.5\nfor i in range(3):\n    t += i", close("t")], {11, 12, 21}),
        (["def f(v):\n    return v + k", "k = 2.5\nj = 1.5", "k = 3.5", close("f(1.5)")], {11, 31, 41}),
        (["f = lambda v: v + k\nk = 2.5", "u = [f]\nk = 3.5", close("u[0](1.5)")], {11, 12, 21, 22, 31}),
        (["def f(v):\n    return v + k", "k = 2.5\ny = f(1.5)", "k = 3.5", close("y")], {11, 21, 22, 41}),
        (["a = iter([1.5, 2.5])\nb = next(a)\nc = next(a)", close("c")], {11, 12, 13, 21}),
        (["a = (v for v in [1.5, 2.5])\nb = next(a)", close("next(a)")], {11, 12, 21}),
        (["c = claim('mle-definition')\nb = 1.5", "c.above(b, 0, what='b')"], {11, 12, 21}),
        (["d, c = 0.5, claim('mle-definition')\nb = 1.5", "c.above(b, 0, what='b')"], {11, 12, 21}),
        (["def settle(v):\n    claim('mle-definition').above(v, 0, what='v')", "settle(1.5)"], {11, 21}),
    ],
)  # fmt: skip
def test_a_check_rests_on_what_flows_into_it(sources, expected):
    assert rests(*sources) == {CLAIM: expected}


def test_each_claim_rests_on_its_own_cells():
    found = rests("a = 1.5", "b = a + 1", "c = a + 2", close("b"), close("c", OTHER))
    assert found == {CLAIM: {11, 21, 41}, OTHER: {11, 31, 51}}


def test_networks_and_random_streams_are_seen_to_change():
    net = "import torch, ganlib\ng = ganlib.rng(2)\nw = torch.zeros(3, requires_grad=True)\n"
    net += "move = torch.optim.SGD([w], 0.5)"
    step = "w.sum().backward()\nmove.step()\nx = torch.rand(3, generator=g)\ny = torch.rand(3, generator=g)"
    assert rests(net, step, close("w.detach()")) == {CLAIM: {11, 13, 14, 21, 22, 31}}
    assert rests(net, step, close("y")) == {CLAIM: {11, 12, 24, 31}}
    assert rests(net, step, close("y"), streams=True) == {CLAIM: {11, 12, 23, 24, 31}}


def test_an_assertion_speaks_for_the_claims_of_its_cell_and_an_exercise_for_the_page():
    page = slices.statements(notebook("a = 1.5\nassert a > 1", close("a"), "assert a < 2"))
    told = [{"new": [], "changed": [], "moved": [], "coded": []} for _ in page]
    found = slices.slices(page, told, streams=False)
    assert faults.verdicts(page) == [1, 2, 3]
    assert [faults.speaks_for(v, page, found, [1, 2, 3]) for v in (1, 2, 3)] == [{CLAIM}, {CLAIM}, {faults.PAGE}]


# Which are planted


def planted(source, *, costly=False):
    page = slices.statements(notebook(source, close("y")))
    found = planting.all_faults(page)
    rests = {1: frozenset({0, 1})}
    part = faults.Part([0], rests, rests, {1: frozenset({CLAIM})}, costly)
    return [fault.text for fault in faults.choice(part, page, found, faults.Counter())]


def test_a_cell_gets_eight_faults_and_a_costly_one_two_the_same_at_every_run():
    source = "y = (0.5 + 1.5 * a - b < f(a, b, 2.5) * 3.5 / c) + (4.5 - d)"
    chosen = planted(source)
    assert len(set(chosen)) == 8 and planted(source) == chosen
    assert planted(source, costly=True) == chosen[:2]
    other = [text.replace("a", "e") for text in planted(source.replace("a", "e"))]
    assert other != [text.replace("a", "e") for text in chosen]


def test_the_kinds_are_taken_in_turn():
    page = slices.statements(notebook("y = -(0.5 + 1.5 * a - b < f(a, b, 2.5) * 3.5 / c)\nz = 4.5 - d + e"))
    found = planting.all_faults(page)
    kinds = {fault.kind for fault in found}
    assert kinds == KINDS
    assert {fault.kind for fault in faults.in_order(found, "source")[: len(kinds)]} == kinds


def test_what_takes_long_is_a_part_of_its_own_and_is_not_run_for_others():
    page = slices.statements(notebook("a = 1.5\nb = a + 1\nc = 2.5", "d = b + 1", close("c"), close("d")))
    told = [{"new": [], "changed": [], "moved": [], "coded": [], "seconds": 0.5} for _ in page]
    told[1]["seconds"] = 3.5
    first, *others = faults.divided(page, told, planting.all_faults(page))
    assert first.own == [0, 1] and first.costly and set(first.rests) == {5}
    assert [part.own for part in others] == [[2], [3]] and not any(part.costly for part in others)
    told[3]["seconds"] = 3.5
    assert all(5 not in part.needs for part in faults.divided(page, told, planting.all_faults(page)) if part.own[0] < 3)


def test_a_claim_is_asked_only_where_all_of_its_checks_are():
    for id, expected in [(CLAIM, {}), (OTHER, {2: {CLAIM}})]:
        page = slices.statements(notebook("a = 1.5", "b = a + 1", close("a"), close("b", id)))
        told = [{"new": [], "changed": [], "moved": [], "coded": [], "seconds": 0.5} for _ in page]
        (part, *_) = faults.divided(page, told, planting.all_faults(page))
        assert faults.asked_of(part, page, 0, set()) == {2: {CLAIM}, 3: {id}}
        assert faults.asked_of(part, page, 0, {3}) == expected  # red without a fault
        told[1]["seconds"] = 3.5
        found = faults.divided(page, told, planting.all_faults(page))
        assert [faults.asked_of(part, page, 0, set()) for part in found if part.own == [0]] == [expected]


# Children


AREA = (1 - math.exp(-1.05)) / 1.5 - 0.7 * 0.25
REST = (math.exp(-1.05) - math.exp(-1.5)) / 1.5 - 0.3 * 0.25
START = "import math, os\nimport torch\nfrom ganlib.claims import claim\n"
START += "t = torch.linspace(0, 1, 4001, dtype=torch.float64)"
GOOD = [
    START,
    "decay = torch.exp(-1.5 * t) - 0.25",
    "early = torch.where(t < 0.7, decay, 3.0 * decay)",
    "def ratio(a, b):\n    return a / b",
    "area = torch.trapezoid(early, t)\nshare = ratio(area, torch.trapezoid(decay, t))",
    f"claim({CLAIM!r}).close(torch.stack([area, share]), [{AREA + 3 * REST}, {(AREA + 3 * REST) / (AREA + REST)}], "
    "what='area and share', atol=1e-3)",
]
VACUOUS = [
    START,
    "def loss(x):\n    return torch.exp(-1.5 * x) + 0.5",
    f"same = loss\nclaim({CLAIM!r}).close(loss(t), same(t), what='two losses', atol=1e-9)",
]
ENDS = [
    START,
    "rate = 0.5",
    "def work():\n    if rate > 1:\n        os.kill(os.getpid(), 9)\n    return t.sum()",
    f"claim({CLAIM!r}).close(work(), 2000.5, what='the sum', atol=1e-6)",
    "turns = 0.5",
    "def turned():\n    while turns > 1:\n        pass\n    return 1.5",
    "claim('mle-missing-log').close(turned(), 1.5, what='itself', atol=0)",
]
MIXED = [
    START,
    "n = 0.5",
    f"assert n < 1\nclaim({CLAIM!r}).above(1.0 + n, 0.5, what='it')",
    "m = 0.25",
    f"claim({OTHER!r}).above(m, 0.2, what='it')",
    "assert m < 0.3  # an exercise",
    "k = 0.5",
    "def root():\n    if k > 1:\n        raise KeyError('k')\n    return k",
    "claim('mle-missing-log').above(root(), 0.2, what='it')",
]
HIDDEN = [
    START,
    "os.environ['GANLIB_TEST_OF_FAULTS'] = '1.5'",  # no name tells that the next cells rest on it
    "half = 0.5",
    f"claim({CLAIM!r}).close(half * float(os.environ['GANLIB_TEST_OF_FAULTS']), 0.75, what='it', atol=1e-9)",
]
RUN = """
import json, sys
from pathlib import Path
from tools import faults
faults.GRACE, faults.WALL = 0, 600
found = []
for path in sys.argv[1:]:
    try:
        found.append(faults.examine(Path(path), "a/page", 2))
    except ValueError as error:
        found.append(str(error))
print(json.dumps(found), file=sys.__stdout__)
"""


@pytest.fixture(scope="module")
def examined(tmp_path_factory):
    """What became of the faults in small pages, in a process of their own."""
    pages = {"good": GOOD, "vacuous": VACUOUS, "ends": ENDS, "mixed": MIXED, "hidden": HIDDEN}
    pages["broken"] = [START, "1 / 0"]
    paths = {name: tmp_path_factory.mktemp(name) / "page.ipynb" for name in pages}
    for name, path in paths.items():
        nbformat.write(notebook(*pages[name]), path)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, "-c", RUN, *paths.values()], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return dict(zip(pages, json.loads(ran.stdout), strict=True))


def test_a_good_check_notices_a_fault_of_every_kind(examined):
    assert {fault["kind"] for fault in examined["good"]["faults"]} == KINDS
    assert [fault for fault in examined["good"]["faults"] if not faults.noticed(fault["claims"][CLAIM])] == []
    report, passed = faults.judged(examined["good"], {})
    count = len(examined["good"]["faults"])
    assert passed and count > 20 and report.startswith(f"a/page: {count} of {count} noticed, 100.0%")


def test_a_vacuous_check_lets_faults_through(examined):
    of_loss = [fault for fault in examined["vacuous"]["faults"] if fault["cell"] == "c1"]
    assert {fault["kind"] for fault in of_loss} >= {"sign", "factor", "minus", "constant"}
    assert {fault["claims"][CLAIM] for fault in of_loss} == {"green"}
    report, passed = faults.judged(examined["vacuous"], {})
    assert not passed and f"cell c1, line 2, sign: {of_loss[0]['text'].partition('  ->')[0]}" in report


def test_a_child_that_is_killed_or_hangs_is_void(examined):
    assert examined["ends"]["void"] == 4 and examined["ends"]["faults"] != []
    cells = {fault["cell"] for fault in examined["ends"]["faults"]}
    assert not cells & {"c1", "c4"}  # where nothing else could be planted


def test_who_notices_is_told(examined):
    found = {fault["text"].partition("  ->")[0]: fault["claims"] for fault in examined["mixed"]["faults"]}
    assert found["n = 0.5"] == {CLAIM: "assertion"}
    assert found["m = 0.25"] == {faults.PAGE: "assertion", OTHER: "green"}
    assert found["k = 0.5"] == {"mle-missing-log": "error"}
    rows = {row["claim"]: (row["planted"], row["noticed"]) for row in faults.counted(examined["mixed"], {})}
    assert rows[OTHER][1] < rows[OTHER][0]  # the exercise is no evidence of the claim


def test_a_check_that_is_red_without_a_fault_is_not_asked(examined):
    assert examined["hidden"]["faults"] == [] and examined["hidden"]["void"] > 0


def test_a_page_that_does_not_run_as_it_is_is_refused(examined):
    assert (
        examined["broken"].startswith("expected a page that runs as it is")
        and "ZeroDivisionError" in examined["broken"]
    )


def test_a_fork_with_a_second_thread_is_refused():
    wait = threading.Event()
    thread = threading.Thread(target=wait.wait, daemon=True)
    thread.start()
    with pytest.raises(RuntimeError, match="expected one thread before a fork"):
        faults.fork(lambda tell: None, 1)
    wait.set()
    thread.join()


def test_a_platform_without_fork_is_refused(monkeypatch):
    monkeypatch.delattr(os, "fork")
    with pytest.raises(RuntimeError, match=r"expected a platform with os\.fork"):
        faults.prepare(ROOT)


# The list and the table


def result(*outcomes, page="a/page", code="now"):
    """A page whose faults, x = 0 …, have these outcomes for one claim."""
    found = [
        {"cell": "c1", "line": 1, "kind": "sign", "text": f"x = {i}", "claims": {CLAIM: outcome}}
        for i, outcome in enumerate(outcomes)
    ]
    possible = [("c1", f"x = {i}") for i in range(len(outcomes) + 1)]
    about = {"page": page, "code": code, "claims": [CLAIM], "void": 0, "seconds": 1.0}
    return about | {"faults": found, "possible": possible}


@pytest.mark.parametrize(("caught", "passed"), [(18, False), (19, True), (20, True)])
def test_a_page_passes_where_95_in_100_are_noticed(caught, passed):
    outcomes = ["check"] * caught + ["green"] * (20 - caught)
    report, good = faults.judged(result(*outcomes), {})
    assert good == passed and f"{caught} of 20 noticed, {caught / 20:.1%}" in report
    assert report.count("green: mle-definition") == 20 - caught


def test_survivors_that_mean_the_same_are_not_counted():
    listed = {("a/page", "c1", "x = 2"): "a reason"}
    report, good = faults.judged(result("check", "error", "green"), listed)
    assert good and "2 of 2 noticed" in report and "1 the same" in report and "x = 2" not in report
    (row,) = faults.counted(result("check", "error", "green"), listed)
    assert row == {"page": "a/page", "claim": CLAIM, "planted": 3, "noticed": 2, "same": 1, "code": "now"}


@pytest.mark.parametrize(("text", "refused"), [("x = 0", True), ("x = 9", True), ("x = 2", False), ("x = 3", False)])
def test_an_entry_of_the_list_that_is_no_survivor_is_refused(text, refused):
    outcomes = ["check"] * 2 + ["green"]  # x = 3 was possible, and not planted
    report, good = faults.judged(
        result(*outcomes), {("a/page", "c1", "x = 2"): "a reason", ("a/page", "c1", text): "b"}
    )
    assert good != refused and ("listed as the same, but noticed or gone" in report) == refused


def test_an_entry_of_the_list_needs_a_reason(monkeypatch, tmp_path):
    monkeypatch.setattr(faults, "SAME", tmp_path / "same.tsv")
    faults.SAME.write_text("page\tcell\tfault\treason\na/page\tc1\tx = 1\tas 1 is 1\n", encoding="utf-8")
    assert faults.same() == {("a/page", "c1", "x = 1"): "as 1 is 1"}
    faults.SAME.write_text("page\tcell\tfault\treason\na/page\tc1\tx = 1\t\n", encoding="utf-8")
    with pytest.raises(ValueError, match="expected a reason"):
        faults.same()


def test_the_list_names_cells_that_are_there():
    cells = {
        (faults.page_of(path), cell.id)
        for path in notebooks.notebooks()
        for cell in nbformat.read(path, as_version=4).cells
    }
    assert {(page, cell) for page, cell, _ in faults.same()} <= cells


@pytest.fixture
def book(monkeypatch, tmp_path):
    """A book of two pages, with its own table."""
    monkeypatch.setattr(faults, "ROOT", tmp_path)
    monkeypatch.setattr(faults, "STORED", tmp_path / "faults.csv")
    paths = [tmp_path / "chapters" / f"{name}.ipynb" for name in ("a", "b")]
    paths[0].parent.mkdir()
    for path in paths:
        nbformat.write(notebook(f"x = {path.stem!r}"), path)
    monkeypatch.setattr(faults, "notebooks", lambda: paths)
    return paths


def code_of(path):
    return notebooks.code_hash(nbformat.read(path, as_version=4))


def test_a_run_of_one_page_replaces_its_rows_only(book):
    faults.store(
        [result("green", page="b", code=code_of(book[1])), result("check", page="a", code=code_of(book[0]))], {}
    )
    before = faults.stored()
    assert [row["page"] for row in before] == ["a", "b"]
    faults.store([result("check", page="b", code=code_of(book[1]))], {})
    assert faults.stored()[0] == before[0] and faults.stored()[1] == before[1] | {"noticed": "1"}
    lines = faults.STORED.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# command: python tools/faults.py" and next(csv.reader(lines[1:])) == faults.COLUMNS


def test_a_row_whose_page_has_changed_is_refused(book):
    assert faults.outdated() == []  # no row yet
    faults.store([result("check", page=path.stem, code=code_of(path)) for path in book], {})
    assert faults.outdated() == []
    nb = nbformat.read(book[1], as_version=4)
    nbformat.write(new_notebook(cells=[new_markdown_cell("Text."), *nb.cells]), book[1])
    assert faults.outdated() == []  # text is no code
    nbformat.write(notebook("x = 'c'"), book[1])
    assert faults.outdated() == ["b"]
    faults.store([result("check", page="gone")], {})
    assert faults.outdated() == ["b", "gone"]


def test_the_stored_rows_are_of_the_present_pages():
    assert faults.outdated() == [], "make faults PAGE=…"
