"""Rules of the notebooks, read from their source and stored outputs; none is run here.

A rule is a function of a notebook and its page, and gives the faults that it finds. Each is applied to every notebook
of the book, and each is shown to bite on a small notebook with the fault.
"""

import ast
import copy
import re
from functools import cache
from pathlib import Path
from statistics import median

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from ganlib import labs
from ganlib.claims import register
from ganlib.evidence import pages
from tools import notebooks

ROOT = Path(__file__).resolve().parents[1]
PATHS = [ROOT / f"{page}.ipynb" for page in pages(ROOT) if (ROOT / f"{page}.ipynb").exists()]
MADE = {"chapters/evidence/claims", "chapters/evidence/errata"}  # written by the build
TAGS = {"hide-cell", "hide-input", "setup", "solution", "lab", "raises-exception", "colab"}
HIDDEN = {"hide-cell", "hide-input"}

RULES = {}


def rule(function):
    RULES[function.__name__] = function
    return function


# Cells


def tags(cell):
    return set(cell.metadata.get("tags", []))


def code(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def prose(nb):
    return "\n\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")


def calls(tree, *names):
    """Calls of a function by its last name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last(node.func) in names:
            yield node


def last(function):
    return getattr(function, "attr", getattr(function, "id", None))


def tree(nb):
    """All code of a notebook but the set-up, as one syntax tree."""
    return ast.parse("\n".join(cell.source for cell in code(nb) if "setup" not in tags(cell)))


# What a page has


@rule
def one_title(nb, page):
    """The first cell begins with the only title."""
    titles = re.findall(r"^# .+", re.sub(r"^```.*?^```", "", prose(nb), flags=re.S | re.M), re.M)
    if nb.cells[0].cell_type != "markdown" or not nb.cells[0].source.startswith("# "):
        yield "the first cell does not begin with a title"
    if len(titles) != 1:
        yield f"{len(titles)} titles: {titles}"


@rule
def one_set_up_cell(nb, page):
    """One set-up cell, as the tool writes it."""
    written = copy.deepcopy(nb)
    cells = [cell for cell in code(nb) if "setup" in tags(cell)]
    if len(cells) != 1:
        yield f"{len(cells)} cells tagged setup"
        return
    notebooks.setup(written, ROOT / "chapters" / f"{page}.ipynb")
    if [cell.source for cell in written.cells] != [cell.source for cell in nb.cells]:
        yield "the set-up cell or the Colab link is not as `make notebooks` writes it"


@rule
def a_slider(nb, page):
    """At least one figure under a slider."""
    if not list(calls(tree(nb), "scrub")):
        yield "no scrub"


@rule
def exercises_with_solutions(nb, page):
    """At least three exercises; before the next one, a solution that asserts something."""
    waiting, count = None, 0
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            for title in re.findall(r"\{exercise(?:-start)?\}(.*)", cell.source):
                count += 1
                if waiting:
                    yield f"no solution that asserts: {waiting}"
                waiting = title.strip() or f"exercise {count}"
        elif "solution" in tags(cell) and asserts(cell):
            waiting = None
    if waiting:
        yield f"no solution that asserts: {waiting}"
    if count < 3:
        yield f"{count} exercises"


def asserts(cell):
    """Whether a cell asserts what is not plainly true."""
    parsed = ast.parse(cell.source)
    plain = [n for n in ast.walk(parsed) if isinstance(n, ast.Assert) and not isinstance(n.test, ast.Constant)]
    return bool(plain or list(calls(parsed, "assert_close", "assert_allclose", "assert_array_equal")))


@rule
def a_summary_and_sources(nb, page):
    """The last two headings."""
    headings = re.findall(r"^## (.+)", prose(nb), re.M)
    if headings[-2:] != ["Summary", "Sources"]:
        yield f"the last headings are {headings[-2:]}, not Summary and Sources"


@rule
def a_text_for_every_image(nb, page):
    """An alternative text of twenty letters at least, in the metadata of the cell, and an image where there is one."""
    for cell in code(nb):
        images = [o for o in cell.outputs if any(kind.startswith("image/") for kind in o.get("data", {}))]
        text = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if images and len(text.strip()) < 20:
            yield f"cell {cell.id}: the image has the text {text!r}"
        if text and not images and "data:image/" not in str(cell.outputs):
            yield f"cell {cell.id} shows no image, and has a text for one"


@rule
def nothing_shown_by_accident(nb, page):
    """No value of a last line that nobody meant to show."""
    accident = re.compile(r"^\[?<|^(Text|Annotation)\(|^\(array\(|^\[?(None|True|False)\b")
    for cell in code(nb):
        for output in cell.outputs:
            text = "".join(output.get("data", {}).get("text/plain", ""))
            if accident.search(text) and not re.fullmatch(r"<Figure size \S+ with \d+ Axes>", text):
                yield f"cell {cell.id} shows {text[:60]}"


# Code


@rule
def short_cells(nb, page):
    """At most 25 lines, 45 where they are hidden; at most 88 columns."""
    for cell in code(nb):
        lines, limit = cell.source.splitlines(), 45 if tags(cell) & HIDDEN else 25
        if len(lines) > limit:
            yield f"cell {cell.id}: {len(lines)} lines, more than {limit}"
        yield from (f"cell {cell.id}: {len(line)} columns: {line[:40]}" for line in lines if len(line) > 88)


@rule
def known_tags(nb, page):
    """No tag that nothing reads, and none that hides an output from the comparison."""
    for cell in nb.cells:
        if unknown := tags(cell) - TAGS:
            yield f"cell {cell.id}: {sorted(unknown)}"
        if re.search(r"^\s*#\s*NBVAL", cell.source, re.M | re.I):
            yield f"cell {cell.id}: a comment that steers nbval"


@rule
def plain_python(nb, page):
    """No shell and no magic outside the set-up cell."""
    for cell in code(nb):
        if "setup" in tags(cell):
            continue
        try:
            if list(calls(ast.parse(cell.source), "get_ipython", "system")):
                yield f"cell {cell.id} calls the shell"
        except SyntaxError as error:
            yield f"cell {cell.id} is not Python: {error.text and error.text.strip()}"


# Randomness


DRAWS = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson", "binomial"}
DRAWS |= {"rand_like", "randn_like", "randint_like"}
IN_PLACE = {"normal_", "uniform_", "random_", "bernoulli_", "exponential_", "cauchy_", "log_normal_", "geometric_"}
METHODS = IN_PLACE | {"sample", "rsample", "multinomial", "bernoulli"}
LAYERS = (
    r"((Lazy)?(Linear|Conv\w+)|Bilinear|Embedding\w*|(RNN|LSTM|GRU|Transformer)\w*|MultiheadAttention|\w*Dropout\w*)"
)
LOADERS = {"DataLoader", "random_split", "RandomSampler"}
PENALTIES = {"gradient_penalty", "one_sided_penalty"}
GLOBAL = re.compile(
    r"torch\.(manual_seed|seed|random\.\w+|cuda\.(manual_)?seed\w*|set_rng_state|get_rng_state)"
    r"|numpy\.random\.(?!default_rng$|Generator$|PCG64$|SeedSequence$)\w+|random\.\w+"
    rf"|torch\.nn\.{LAYERS}|torch\.nn\.functional\.\w*dropout\w*"
)


def imports(parsed):
    """The full name of every imported name."""
    names = {}
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            names |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


def full_name(node, names):
    """The dotted name of what is called, from its import; None for a method of a value."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute) and (base := full_name(node.value, names)):
        return f"{base}.{node.attr}"
    return None


@rule
def no_global_stream(nb, page):
    """Every draw takes a generator; nothing seeds, reads or uses a stream that others use too."""
    parsed = tree(nb)
    names = imports(parsed)
    for call in (node for node in ast.walk(parsed) if isinstance(node, ast.Call)):
        name, given = full_name(call.func, names), {keyword.arg for keyword in call.keywords}
        if name and GLOBAL.fullmatch(name):
            yield f"line {call.lineno}: {name} uses a global stream"
        elif "generator" not in given and needs_generator(call, name):
            yield f"line {call.lineno}: {ast.unparse(call)[:60]} without generator="


def needs_generator(call, name):
    """Whether a call draws: by its full name, or as a method of a value."""
    short = last(call.func)
    if name is None:
        return short in PENALTIES | LOADERS or (isinstance(call.func, ast.Attribute) and short in METHODS)
    drawn_by = {"torch": DRAWS, "torch.nn": set(), "torch.nn.init": IN_PLACE, "torch.utils.data": LOADERS}
    return short in PENALTIES or short in drawn_by.get(name.rpartition(".")[0], set())


# Claims


@rule
def claims_of_the_page(nb, page):
    """Every claim is written with its id, and the register gives it to this page."""
    used = list(calls(tree(nb), "claim"))
    for call in used:
        id = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
        if id not in register():
            yield f"line {call.lineno}: no claim {ast.unparse(call)}"
        elif register()[id]["chapter"] != page:
            yield f"{id} belongs to {register()[id]['chapter']}"
    if not used:
        yield "no claim at all"


CHECKS = {"close", "above", "below", "rate"}
WRAPPERS = set("float int bool complex abs min max sum round len list tuple set sorted range zip enumerate str".split())
WRAPPERS |= set(
    "tensor as_tensor array asarray zeros ones full arange linspace eye zeros_like ones_like full_like".split()
)
CASTS = set(
    "double float int long bool to cpu item tolist clone detach numpy reshape view flatten expand repeat".split()
)
GROWING = {"append", "extend", "insert", "add", "update", "copy_", "fill_"}


class Constants:
    """Which expressions of a notebook hold nothing but what was typed into it.

    Typed: literals, constants of modules, names assigned only from such, and such in a wrapper (``torch.tensor(0.5)``,
    ``math.log(2)``, ``.double()``). Everything else, a call of any other function above all, is computed.
    """

    def __init__(self, parsed):
        self.imports = imports(parsed)
        self.bound = list(bindings(parsed))
        self.computed = {name for name, value in self.bound if value is None}
        while new := {n for n, value in self.bound if n not in self.computed and not self.holds(value)}:
            self.computed |= new

    def holds(self, node):
        """Whether an expression is constant."""
        if isinstance(node, ast.Name):
            return node.id not in self.computed
        if isinstance(node, ast.Lambda | ast.FunctionDef):
            return not node.args.args and all(map(self.holds, results(node)))
        if isinstance(node, ast.Call):
            given = [keyword.value for keyword in node.keywords if keyword.arg not in ("device", "dtype")]
            return self.wraps(node) and all(map(self.holds, node.args + given))
        return all(map(self.holds, ast.iter_child_nodes(node)))

    def wraps(self, call):
        """Whether a call only wraps its arguments, or returns the same constant at each call."""
        name, short = full_name(call.func, self.imports), last(call.func)
        if name:
            return name.startswith("math.") or (name.startswith(("torch.", "numpy.")) and short in WRAPPERS)
        if isinstance(call.func, ast.Attribute):
            return short in CASTS and self.holds(call.func.value)
        defined = [value for bound, value in self.bound if bound == short]
        return short in WRAPPERS if not defined else short not in self.computed


def results(function):
    """What a function returns."""
    if isinstance(function, ast.Lambda):
        return [function.body]
    return [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]


def bindings(parsed):
    """Every name with what it is bound to, or grows by; None for a parameter."""
    for node in ast.walk(parsed):
        for target, value in bound_by(node):
            yield from ((name, value) for name in roots(target))


def bound_by(node):
    """What a node binds or changes, and to what."""
    match node:
        case ast.Assign():
            return [(target, node.value) for target in node.targets]
        case ast.AugAssign() | ast.NamedExpr() | ast.AnnAssign(value=ast.expr()):
            return [(node.target, node.value)]
        case ast.For() | ast.comprehension():
            return [(node.target, node.iter)]
        case ast.withitem(optional_vars=ast.expr()):
            return [(node.optional_vars, node.context_expr)]
        case ast.FunctionDef():
            return [(ast.Name(node.name), node)]
        case ast.arg():
            return [(ast.Name(node.arg), None)]
        case ast.Call(func=ast.Attribute(attr=how)) if how in GROWING:
            return [(node.func.value, value) for value in node.args]
    return []


def roots(target):
    """Names that an assignment changes: those it binds, and those of which it changes a part."""
    if isinstance(target, ast.Tuple | ast.List):
        return [name for part in target.elts for name in roots(part)]
    while not isinstance(target, ast.Name):
        if not hasattr(target, "value"):
            return []
        target = target.value
    return [target.id]


def checks(parsed):
    """Calls of close, above, below and rate on a claim, also on one that was given a name."""
    named = {name for name, value in bindings(parsed) if value is not None and is_claim(value, ())}
    for node in ast.walk(parsed):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHECKS:
            if is_claim(node.func.value, named):
                yield node


def is_claim(node, named):
    """Whether a chain of attributes and calls begins with a claim."""
    while isinstance(node, ast.Attribute) or (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        node = node.value if isinstance(node, ast.Attribute) else node.func.value
    return (isinstance(node, ast.Call) and last(node.func) == "claim") or (
        isinstance(node, ast.Name) and node.id in named
    )


@rule
def the_measured_side_is_measured(nb, page):
    """No number that was typed stands where a measured one belongs."""
    parsed = tree(nb)
    constants = Constants(parsed)
    for check in checks(parsed):
        measured = check.args[:1] + [k.value for k in check.keywords if k.arg in ("measured", "outcomes")]
        if not measured or constants.holds(measured[0]):
            yield f"line {check.lineno}: {ast.unparse(check)[:80]}: the measured side was typed"


# A page as a whole


def shown(nb):
    """The code cells whose code is in sight."""
    return [cell for cell in code(nb) if not tags(cell) & HIDDEN]


def words(nb):
    """Words of the prose, without displayed equations, code and what steers the build; a formula in a line is one."""
    text = re.sub(r"^(`{3,}).*?^\1|\$\$.*?\$\$(?: *\(\S+\))?|<!--.*?-->", "", prose(nb), flags=re.S | re.M)
    text = re.sub(r"^:{3,}.*|^:\w+:.*|\]\([^)]*\)", "", text, flags=re.M)
    return len(re.findall(r"\S*\w\S*", re.sub(r"\$[^$]+\$", "x", text)))


@rule
def a_page_of_few_cells(nb, page):
    """At most 45 cells beside its labs, of which at most 16 show their code."""
    cells = [cell for cell in nb.cells if not tags(cell) & {"colab", "lab"}]
    if len(cells) > 45:
        yield f"{len(cells)} cells, more than 45"
    if len(shown(nb)) > 16:
        yield f"{len(shown(nb))} cells show their code, more than 16"


LAB = re.compile(r"from ganlib import labs\n\n(labs\.\w+\([^()]*\))")


@rule
def labs_are_stored_as_they_are(nb, page):
    """A lab's cell is folded, makes one lab and does nothing else; its stored frame is the lab's own."""
    for cell in code(nb):
        if "lab" in tags(cell):
            found = LAB.fullmatch(cell.source)
            if not found or not tags(cell) & HIDDEN:
                yield f"cell {cell.id}: expected a folded cell of one lab, got {cell.source[:60]!r}"
                continue
            frame = eval(found[1], {"labs": labs}).frame()
            if [output.get("data", {}).get("text/html") for output in cell.outputs] != [frame]:
                yield f"cell {cell.id}: the stored frame is not that of {found[1]}"


@rule
def short_code_in_sight(nb, page):
    """At most 15 lines a cell, and 8 in the middle one."""
    lines = [len(cell.source.splitlines()) for cell in shown(nb)]
    yield from (
        f"cell {cell.id} shows {n} lines, more than 15" for cell, n in zip(shown(nb), lines, strict=True) if n > 15
    )
    if lines and median(lines) > 8:
        yield f"a median of {median(lines):g} lines of code in sight, more than 8"


EMPTY = re.compile(
    r"(\W|(show|hide|see|unfold|open|click|the|this|code|cell|source|content|input|output|here|more)\b)*", re.I
)


@rule
def labels_of_what_is_folded(nb, page):
    """The label of a folded cell says what is inside."""
    for cell in code(nb):
        label = cell.metadata.get("mystnb", {}).get("code_prompt_show", "")
        if tags(cell) & HIDDEN and EMPTY.fullmatch(label):
            yield f"cell {cell.id}: the label {label!r} says nothing of what is folded"


@rule
def prose_of_one_sitting(nb, page):
    """1,800 to 3,000 words."""
    if not 1800 <= words(nb) <= 3000:
        yield f"{words(nb)} words, expected 1800 to 3000"


@rule
def few_open_cards(nb, page):
    """At most 10 cards are open; the others are one line."""
    shown_html = "".join("".join(o.get("data", {}).get("text/html", "")) for cell in code(nb) for o in cell.outputs)
    cards = [card for card in re.findall(r"<details [^>]*>", shown_html) if re.search(r'class="claim\b', card)]
    number = sum(bool(re.search(r"\sopen\b", card)) for card in cards)
    if number > 10:
        yield f"{number} open cards, more than 10"


@rule
def a_small_file(nb, page):
    """At most 800 kB."""
    size = len(notebooks.text(nb).encode())
    if size > 800_000:
        yield f"{size // 1000} kB, more than 800"


# The notebooks of the book


def test_the_contents_name_every_notebook_and_nothing_else():
    stored = {path for path in (ROOT / "chapters").rglob("*.ipynb") if not path.parent.name.startswith(".")}
    assert len(PATHS) == len(set(PATHS)) > 0
    assert set(PATHS) == stored
    others = set(pages(ROOT)) - {str(path.relative_to(ROOT).with_suffix("")) for path in PATHS} - MADE
    assert [page for page in others if not (ROOT / f"{page}.md").exists()] == []
    assert notebooks.notebooks() == PATHS


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_as_it_was_run(path):
    assert notebooks.faults(path) == []


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_keeps_the_rule(path, name):
    assert list(RULES[name](notebook(path), page_of(path))) == []


@cache
def notebook(path):
    """A notebook as it is stored, read once for all rules; none of them changes it."""
    return nbformat.read(path, as_version=4)


def page_of(path):
    return path.relative_to(ROOT / "chapters").with_suffix("").as_posix()


# Each rule bites


PAGE, CLAIM = "game/optimal_discriminator", "value-at-optimal-discriminator"
START = """
import math
import numpy as np
import torch
from torch import nn, randn
import ganlib
from ganlib.claims import claim
from ganlib.penalties import gradient_penalty
from ganlib.scrub import scrub
g = ganlib.rng(1)
measured = torch.rand(3, generator=g)
"""


def exercise(n):
    yield new_markdown_cell(f":::{{exercise}} Number {n}\n:::")
    yield folded("assert measured.mean() < 1", "Show the solution in code", "solution", "hide-cell")


def folded(source, label, *names):
    return new_code_cell(source, metadata={"tags": list(names), "mystnb": {"code_prompt_show": label}})


def small(extra="", cell=None):
    """A notebook that keeps every rule, with lines of code or a cell put in."""
    image = new_output("display_data", {"text/plain": "<Figure size 600x300 with 2 Axes>", "image/png": "iVBO"})
    cells = [
        new_markdown_cell("# Title\n\nText."),
        folded("", "Show the set-up for Colab", "setup", "hide-cell"),
        folded(
            f"{START}scrub(draw, [0, 1])\nclaim({CLAIM!r}).close(measured, 0.5, atol=1)",
            "Import and draw",
            "hide-input",
        ),
        new_code_cell(
            "draw(1)", outputs=[image], metadata={"mystnb": {"image": {"alt": "Two curves that cross at one half."}}}
        ),
        *([new_code_cell(extra)] if extra else []),
        *([cell] if cell else []),
        *(part for n in range(3) for part in exercise(n)),
        new_markdown_cell(f"## Summary\n\n{'Text. ' * 1900}\n\n## Sources\n\nText."),
    ]
    nb = new_notebook(cells=cells)
    notebooks.setup(nb, ROOT / "chapters" / f"{PAGE}.ipynb")
    return nb


def found(name, nb):
    return list(RULES[name](nb, PAGE))


def without(nb, index):
    nb.cells.pop(index)
    return nb


def changed(nb, index, source):
    nb.cells[index].source = source
    return nb


@pytest.mark.parametrize("name", RULES)
def test_a_notebook_without_a_fault_keeps_every_rule(name):
    assert found(name, small()) == []


def tagged(*names):
    return new_code_cell("pass", metadata={"tags": list(names)})


def showing(text):
    return new_code_cell("pass", outputs=[new_output("execute_result", {"text/plain": text})])


def picture(data="iVBO", **metadata):
    return new_code_cell("pass", outputs=[new_output("display_data", {"image/png": data})], metadata=metadata)


def cards(number, state=" open"):
    """A cell that shows so many cards, as `ganlib.claims` writes them."""
    card = f'<details class="claim" id="claim-x"{state} style="margin:.4em 0"><summary>A sentence.</summary></details>'
    return new_code_cell("pass", outputs=[new_output("display_data", {"text/html": card}) for _ in range(number)])


def lab_cell(loss="hinge", *, task="", frame_of=None, after="", folds="hide-input", drop=False):
    """A cell that shows a lab, with its frame stored, or another's, or none."""
    told = f"labs.game(loss={loss!r}" + (f", task={task!r}" if task else "") + ")"
    cell = new_code_cell(f"from ganlib import labs\n\n{told}{after}", metadata={"tags": ["lab", folds]})
    cell.metadata["mystnb"] = {"code_prompt_show": "Show the panel's line"}
    frame = labs.game(loss=frame_of or loss, task=task).frame()
    cell.outputs = [] if drop else [new_output("display_data", {"text/html": frame, "text/plain": "lab"})]
    return cell


def with_cells(*cells):
    """The small notebook with these cells before its exercises."""
    nb = small()
    nb.cells[4:4] = cells
    return nb


BITES = [
    ("one_title", without(small(), 0)),
    ("one_title", small(cell=new_markdown_cell("# Another title"))),
    ("one_title", changed(small(), 0, "Text.\n\n# Title")),
    ("one_set_up_cell", without(small(), 1)),
    ("one_set_up_cell", small(cell=tagged("setup"))),
    ("one_set_up_cell", changed(small(), 1, "import sys")),
    ("a_slider", changed(small(), 2, f"claim({CLAIM!r})")),
    ("exercises_with_solutions", without(small(), -2)),
    ("exercises_with_solutions", without(small(), 5)),
    ("exercises_with_solutions", changed(small(), -2, "measured.mean() < 1")),
    ("exercises_with_solutions", changed(small(), -2, "assert True")),
    ("exercises_with_solutions", without(without(small(), -2), -2)),
    ("a_summary_and_sources", without(small(), -1)),
    ("a_summary_and_sources", changed(small(), -1, "## Sources")),
    ("a_text_for_every_image", small(cell=picture())),
    ("a_text_for_every_image", small(cell=picture(mystnb={"image": {"alt": "A figure."}}))),
    (
        "a_text_for_every_image",
        small(cell=new_code_cell("x = 1", metadata={"mystnb": {"image": {"alt": 5 * "text "}}})),
    ),
    ("nothing_shown_by_accident", small(cell=showing("<matplotlib.legend.Legend>"))),
    ("nothing_shown_by_accident", small(cell=showing("[<matplotlib.lines.Line2D>]"))),
    ("nothing_shown_by_accident", small(cell=showing("Text(0.5, 1.0, 'title')"))),
    ("nothing_shown_by_accident", small(cell=showing("<ganlib.claims.claim>"))),
    ("short_cells", small("x = 1\n" * 26)),
    ("short_cells", small(cell=new_code_cell("x = 1\n" * 46, metadata={"tags": ["hide-input"]}))),
    ("short_cells", small(f"x = {'1' * 85}")),
    ("known_tags", small(cell=tagged("nbval-ignore-output"))),
    ("known_tags", small(cell=tagged("remove-input"))),
    ("known_tags", small("# NBVAL_IGNORE_OUTPUT\nx = 1")),
    ("plain_python", small("!ls")),
    ("plain_python", small("%time x = 1")),
    ("plain_python", small("%%capture\nx = 1")),
    ("plain_python", small("files = !ls")),
    ("plain_python", small("get_ipython().run_line_magic('time', '')")),
    (
        "labs_are_stored_as_they_are",
        with_cells(lab_cell(task="Play"), new_markdown_cell("Text."), lab_cell("hinge", drop=True)),
    ),
    ("labs_are_stored_as_they_are", with_cells(lab_cell(frame_of="minimax"))),
    ("labs_are_stored_as_they_are", with_cells(lab_cell(after="; x = 1"))),
    ("labs_are_stored_as_they_are", with_cells(lab_cell(folds="solution"))),
    ("a_page_of_few_cells", with_cells(*(new_markdown_cell("Text.") for _ in range(35)))),
    ("a_page_of_few_cells", with_cells(*(new_code_cell("x = 1") for _ in range(16)))),
    ("short_code_in_sight", with_cells(new_code_cell("x = 1\n" * 16), new_code_cell("x = 1"))),
    ("short_code_in_sight", with_cells(new_code_cell("x = 1\n" * 9), new_code_cell("x = 1\n" * 9))),
    ("labels_of_what_is_folded", small(cell=new_code_cell("x = 1", metadata={"tags": ["hide-input"]}))),
    ("labels_of_what_is_folded", small(cell=new_code_cell("x = 1", metadata={"tags": ["hide-cell"]}))),
    ("labels_of_what_is_folded", small(cell=folded("x = 1", "", "hide-input"))),
    ("labels_of_what_is_folded", small(cell=folded("x = 1", "Show the code", "hide-input"))),
    ("labels_of_what_is_folded", small(cell=folded("x = 1", "Show code cell source", "hide-input"))),
    ("labels_of_what_is_folded", small(cell=folded("x = 1", "Show code cell content", "hide-cell"))),
    ("prose_of_one_sitting", changed(small(), -1, "## Summary\n\nText.\n\n## Sources\n\nText.")),
    ("prose_of_one_sitting", with_cells(new_markdown_cell("Text " * 1200))),
    ("few_open_cards", small(cell=cards(11))),
    ("few_open_cards", with_cells(cards(6), cards(5))),
    ("a_small_file", small(cell=picture("A" * 800_000))),
    ("claims_of_the_page", small("claim('mle-definition')")),
    ("claims_of_the_page", small("claim('no-such-claim')")),
    ("claims_of_the_page", small("for id in ids:\n    claim(id)")),
    ("claims_of_the_page", changed(small(), 2, "scrub(draw, [0, 1])")),
]


AT_THE_LIMIT = [
    ("labs_are_stored_as_they_are", with_cells(lab_cell(), lab_cell("minimax", task="Play it."))),
    ("a_page_of_few_cells", with_cells(*(lab_cell() for _ in range(40)))),
    ("a_page_of_few_cells", with_cells(*(new_markdown_cell("Text.") for _ in range(34)))),
    ("a_page_of_few_cells", with_cells(*(new_code_cell("x = 1") for _ in range(15)))),
    ("a_page_of_few_cells", with_cells(*(folded("x = 1", "Draw the map", "hide-input") for _ in range(30)))),
    ("short_code_in_sight", with_cells(new_code_cell("x = 1\n" * 15), new_code_cell("x = 1\n" * 8))),
    ("short_code_in_sight", small(cell=folded("x = 1\n" * 30, "Draw the map", "hide-input"))),
    ("labels_of_what_is_folded", small(cell=folded("x = 1", "Draw the map", "hide-input"))),
    ("labels_of_what_is_folded", small(cell=folded("x = 1", "Check the code of a word", "hide-cell"))),
    ("few_open_cards", small(cell=cards(10))),
    ("few_open_cards", with_cells(cards(10), cards(30, state=""))),
    ("a_small_file", small(cell=picture("A" * 780_000))),
]


@pytest.mark.parametrize(("name", "nb"), AT_THE_LIMIT, ids=lambda value: value if isinstance(value, str) else "")
def test_a_page_at_the_limit_keeps_the_rule(name, nb):
    assert found(name, nb) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Two networks play, and one of them loses.", 8),
        ("The loss $L_D = a + b$ falls.", 4),
        ("So\n\n$$\na = b + c\n$$ (label)\n\nit follows.", 3),
        (":::{prf:theorem} Name\n:label: one\nIt holds.\n:::", 2),
        ("```python\nx = 1 + 2\n```\nIt holds.", 2),
        ("A [short link](https://example.org/a b c) - and {cite:p}`key`.", 5),
    ],
)
def test_words_are_counted_as_a_reader_would(text, number):
    assert words(new_notebook(cells=[new_markdown_cell(text)])) == number


@pytest.mark.parametrize(("name", "nb"), BITES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_rule_bites(name, nb):
    assert found(name, nb)


def test_every_rule_is_shown_to_bite():
    assert {name for name, _ in BITES} | {"no_global_stream", "the_measured_side_is_measured"} == set(RULES)


@pytest.mark.parametrize(
    "line",
    [
        "torch.manual_seed(1)",
        "torch.random.fork_rng()",
        "torch.rand(3)",
        "torch.randn(3, device='cpu')",
        "randn(3)",
        "torch.randint(0, 2, (3,))",
        "torch.randperm(3)",
        "torch.normal(0.0, 1.0, (3,))",
        "torch.multinomial(measured, 2)",
        "torch.rand_like(measured)",
        "measured.normal_()",
        "measured.uniform_(0, 1)",
        "measured.bernoulli()",
        "law.sample((3,))",
        "torch.distributions.Normal(0, 1).rsample()",
        "nn.Linear(1, 1)",
        "torch.nn.Conv2d(1, 1, 3)",
        "nn.Dropout(0.5)",
        "nn.init.normal_(measured)",
        "gradient_penalty(D, real, fake)",
        "penalties.one_sided_penalty(D, real, fake)",
        "torch.utils.data.DataLoader(data, shuffle=True)",
        "np.random.seed(1)",
        "np.random.rand(3)",
        "import random\nrandom.random()",
        "from random import gauss\ngauss(0, 1)",
    ],
)
def test_a_draw_from_a_global_stream_is_found(line):
    assert len(found("no_global_stream", small(line))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "torch.rand(3, generator=g)",
        "torch.multinomial(measured, 2, generator=g)",
        "measured.normal_(generator=g)",
        "nn.init.normal_(measured, generator=g)",
        "nn.init.zeros_(measured)",
        "nn.ReLU()(measured)",
        "law.sample((3,), generator=g)",
        "gradient_penalty(D, real, fake, generator=g)",
        "np.random.default_rng(1).random(3)",
        "torch.Generator().manual_seed(1)",
        "torch.zeros(3)",
    ],
)
def test_a_draw_with_its_own_generator_is_left_alone(line):
    assert found("no_global_stream", small(line)) == []


TYPED = [
    "{}.close(0.5, 0.5, atol=1)",
    "{}.close(-0.5, 0.5, atol=1)",
    "{}.close([0.1, 0.2], 0.5, atol=1)",
    "{}.close(math.pi, 3.0, atol=1)",
    "{}.close(2 * math.log(2), 1.386, atol=1)",
    "{}.close(torch.tensor([0.5]), 0.5, atol=1)",
    "{}.close(torch.tensor([0.5]).double(), 0.5, atol=1)",
    "{}.close(np.array([0.5]), 0.5, atol=1)",
    "{}.close(float('0.5'), 0.5, atol=1)",
    "{}.rate([True] * 16, above=0.5)",
    "{}.rate(torch.ones(16) > 0, above=0.5)",
    "{}.above(*[1.0, 0.0])",
    "{}.below(measured=0.5, bound=1)",
    "{}.printed.above(1, 0)",
    "{}.close(measured, 0.5, atol=1).above(1, 0)",
    "x = 0.5\n{}.close(x, 0.5, atol=1)",
    "x = y = 0.5\nz = 2 * x + y\n{}.close(z, 0.5, atol=1)",
    "x: float = 0.5\n{}.close(x, 0.5, atol=1)",
    "x, y = 0.5, 1\n{}.close(x, 0.5, atol=1)",
    "{}.close(torch.ones(3, device=g.device), 1.0, atol=1)",
    "LOG2 = math.log(2)\n{}.close(LOG2, 0.69, atol=1)",
    "for x in (0.5, 0.6):\n    {}.close(x, 0.5, atol=1)",
    "{}.close([x / 2 for x in range(3)], 0.5, atol=1)",
    "x = []\nx.append(0.5)\n{}.close(x, 0.5, atol=1)",
    "x = torch.zeros(3)\nx[0] = 0.5\n{}.close(x, 0.5, atol=1)",
    "def answer():\n    return 0.5\n{}.close(answer(), 0.5, atol=1)",
    "answer = lambda: 0.5\n{}.close(answer(), 0.5, atol=1)",
]


@pytest.mark.parametrize("line", TYPED)
@pytest.mark.parametrize("named", [False, True], ids=["at once", "by name"])
def test_a_typed_number_on_the_measured_side_is_found(line, named):
    source = (
        f"same = claim({CLAIM!r})\n{line.format('same')}" if named else line.format(f"claim({CLAIM!r}, brief=True)")
    )
    (fault,) = found("the_measured_side_is_measured", small(source))
    assert fault.endswith("the measured side was typed")


def test_a_typed_number_is_found_under_a_name_for_the_printed_form():
    source = f"wrong = claim({CLAIM!r}).printed\nwrong.above(1, 0)"
    assert len(found("the_measured_side_is_measured", small(source))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "{}.close(measured, 0.5, atol=1)",
        "{}.close(measured.mean() / 2, 0.5, atol=1)",
        "{}.close(torch.tensor([measured[0], 1.0]), 0.5, atol=1)",
        "{}.close(max(measured), 0.5, atol=1)",
        "{}.close(ganlib.divergences.js(0, 1), 0.5, atol=1)",
        "{}.rate(measured > 0.5, above=0.5)",
        "{}.above(*measured.split(2))",
        "{}.below(measured=measured, bound=1)",
        "x = 0.5\nx += measured\n{}.close(x, 0.5, atol=1)",
        "x = 0.5\nx = measured\n{}.close(x, 0.5, atol=1)",
        "x = []\nx.append(measured)\n{}.close(x, 0.5, atol=1)",
        "x = torch.zeros(3)\nx[0] = measured[0]\n{}.close(x, 0.5, atol=1)",
        "x, y = measured, 1\n{}.close(x, 0.5, atol=1)",
        "for x in measured:\n    {}.close(x, 0.5, atol=1)",
        "(x := measured.sum())\n{}.close(x, 0.5, atol=1)",
        "def answer():\n    return measured\n{}.close(answer(), 0.5, atol=1)",
        "def answer(x):\n    {}.close(x, 0.5, atol=1)",
        "torch.testing.assert_close(0.5, 0.5)",
        "other.close(0.5, 0.5, atol=1)",
    ],
)
def test_a_computed_number_on_the_measured_side_is_left_alone(line):
    assert found("the_measured_side_is_measured", small(line.format(f"claim({CLAIM!r})"))) == []


# The stored form bites too


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A small notebook as `run` would leave it, after a change; its faults."""
    monkeypatch.setattr(notebooks, "address", lambda: "")

    def faults(change=lambda nb: None, *, before=lambda nb: None):
        nb = small("x = 1")
        before(nb)
        for count, cell in enumerate(code(nb), 1):
            cell.execution_count = count
            for output in cell.outputs:
                output.update({"execution_count": count} if output.output_type == "execute_result" else {})
        nb.metadata["ganlib"] = {"code": notebooks.code_hash(nb)}
        nb = notebooks.clean(nb)
        change(nb)
        path = tmp_path / "page.ipynb"
        path.write_text(notebooks.text(nb), encoding="utf-8")
        return notebooks.faults(path)

    return faults


def output(kind, data=None, **how):
    """Put an output into the fourth code cell before it is stored."""

    def put(nb):
        code(nb)[3].outputs = [new_output(kind, data, **how) if data else new_output(kind, **how)]

    return put


def test_a_notebook_that_was_stored_as_it_was_run_has_no_fault(stored):
    assert stored() == []
    assert stored(before=output("display_data", {"text/plain": "✓ A sentence. [holds; within 1e−9]"})) == []
    assert stored(before=output("stream", name="stdout", text="finance and information at example.org/home/x")) == []


@pytest.mark.parametrize(
    ("put", "what"),
    [
        (output("stream", name="stdout", text="loss nan"), "NaN"),
        (output("display_data", {"text/html": "<td>inf</td>"}), "NaN"),
        (output("display_data", {"text/plain": "NaN"}), "NaN"),
        (output("stream", name="stderr", text="a warning"), "stderr"),
        (output("stream", name="stdout", text="saved to /home/me/file"), "a path"),
        (output("display_data", {"text/plain": "'/tmp/file'"}), "a path"),
        (output("display_data", {"text/plain": "<object at 0x7f5ad5497900>"}), "an address"),
        (output("stream", name="stdout", text="on 2026-11-20"), "a date"),
        (output("error", ename="ValueError", evalue="", traceback=[]), "a traceback"),
    ],
)
def test_a_bad_output_is_found(stored, put, what):
    (fault,) = stored(before=put)
    assert re.fullmatch(rf"cell \S+ stores {what}", fault)


def test_a_cleared_count_is_found(stored):
    assert stored(lambda nb: code(nb)[2].update(execution_count=None)) == ["the cells were not run 1 to N"]


def test_cells_run_out_of_order_are_found(stored):
    def swap(nb):
        code(nb)[2].execution_count, code(nb)[3].execution_count = 4, 3

    assert stored(swap) == ["the cells were not run 1 to N"]


def test_code_that_changed_after_it_was_run_is_found(stored):
    assert stored(lambda nb: changed(nb, 4, "x = 2")) == ["the code changed after its outputs were stored"]


def test_a_lab_may_come_without_a_run_of_all_the_rest():
    nb = with_cells(lab_cell())
    assert (
        notebooks.code_hash(nb) == notebooks.code_hash(small()) != notebooks.code_hash(with_cells(new_code_cell("x")))
    )


def test_a_notebook_of_more_than_a_megabyte_is_found(stored):
    (fault,) = stored(before=output("display_data", {"image/png": "A" * 1_000_001}))
    assert re.fullmatch(r"1\.\d\d MB, more than 1 MB", fault)


@pytest.mark.parametrize(
    "change",
    [
        lambda nb: nb.metadata.update(kernelspec={"name": "mine", "display_name": "Mine", "language": "python"}),
        lambda nb: nb.cells[2].metadata.update(collapsed=True),
        lambda nb: nb.metadata.update(widgets={}),
    ],
)
def test_anything_else_that_the_tool_would_not_write_is_found(stored, change):
    assert stored(change) == ["not as `make notebooks` writes it"]


def test_no_notebook_and_an_unknown_page_are_refused(monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match=r"expected pages of _toc\.yml, got no/such_page"):
        notebooks.notebooks(["no/such_page"])
    (tmp_path / "_toc.yml").write_text("parts: []\n", encoding="utf-8")
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match=r"expected pages of _toc\.yml, got no notebook at all"):
        notebooks.notebooks()
