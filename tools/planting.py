"""Where a fault may stand in a page's code, and what it is.

`all_faults` lists every change that could be made; it numbers the nodes of the syntax tree. In a run of the page as it
is, `Watch` shows what each node's operands are: a fault fits only where it meets numbers that are not whole, two
arguments of one kind, a float tensor. So indices, sizes and seeds are never touched.
"""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from tools.slices import ASSERTIONS, Statement, checks, claims_named, short

MEASURED = {"measured", "outcomes", "difference"}  # what a check looks at, where it is given by name
UNTOUCHED = {"claim", "rng", "range", "print", "set_num_threads", *ASSERTIONS}  # calls without a fault inside
FIXED = {"slice", "annotation", "returns", "decorator_list", "pattern", "ctx"}  # fields without one
SYMMETRIC = {"max", "min", "maximum", "minimum", "hypot", "js", "total_variation", "isclose", "allclose", "dot"}
EVEN = {"abs", "square", "norm", "cos", "cosh"}  # blind to the sign of what they are given
CASTS = {"cpu", "double", "float", "flatten", "clone", "detach", "view", "reshape", "squeeze", "to", "numpy"}
MAKERS = CASTS | {"tensor", "as_tensor", "array", "asarray", "linspace", "logspace", "arange", "full", "zeros", "ones"}
MODULES = {"torch", "np", "numpy", "math"}
SWAPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
SWAPPED |= {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.MatMult, ast.Pow)


class Fault(NamedTuple):
    """One change of one statement of a page."""

    statement: int
    cell: str
    line: int  # of the cell
    kind: str
    text: str
    site: int  # number of the node that changes
    fits: Callable[[list[set[str]]], bool]  # whether it may stand there, from what the node's operands were seen to be
    change: Callable  # the node, to what stands in its place


def all_faults(page: list[Statement]) -> list[Fault]:
    """Every fault of a page, no two of a cell alike; each node that may change gets a number."""
    numbers, seen, named, found = itertools.count(), set(), {}, []
    for index, statement in enumerate(page):
        named |= claims_named(statement.tree, named)
        looks = {id(call) for call, _ in checks(statement.tree, named)}
        if statement.draws:
            continue
        for node, parent, own in (place for place in places(statement.tree, looks) if isinstance(place[0], NUMBERED)):
            node.site = next(numbers)
            for kind, fits, change in [] if id(node) in looks else changes(node, parent):
                text = described(own, node, kind, change)
                if (statement.cell, text) not in seen:
                    seen.add((statement.cell, text))
                    line = getattr(node, "lineno", own.lineno)
                    found.append(Fault(index, statement.cell, line, kind, text, node.site, fits, change))
    return found


def described(own, node, kind, change):
    """A statement as it is and with its fault, in one line; of a compound one the head."""
    before, after = (ast.unparse(tree).splitlines()[0] for tree in (own, planted(own, node.site, change)))
    return f"{before}  ->  {ast.unparse(change(node)[-1]) if kind == 'noise' else after}"


# Where


def places(node, looks, parent=None, own=None, measured=False):
    """The nodes that may change, each with its parent and its innermost statement.

    Args:
        node: whose places are wanted.
        looks: the ids of the calls that check a claim.
        parent: the node above it.
        own: the statement in which it stands.
        measured: whether it is part of what a check looks at; a number compared there is a bound.
    """
    if isinstance(node, ast.Assert | ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr | ast.arg):
        return
    if isinstance(node, ast.Call) and short(node) in UNTOUCHED:
        return
    own = node if isinstance(node, ast.stmt) else own
    yield node, parent, own
    for field, child in children(node, id(node) in looks):
        bound = measured and isinstance(node, ast.Compare) and isinstance(child, ast.Constant)
        if not bound:
            yield from places(child, looks, node, own, measured or (id(node) in looks and field != "func"))


def children(node, looks):
    """The children of a node that may change; of a check, only what it looks at."""
    for field, value in ast.iter_fields(node):
        below = value if isinstance(value, list) else [value]
        if looks and field == "args":
            below = below[:1]
        if looks and field == "keywords":
            below = [keyword for keyword in below if keyword.arg in MEASURED]
        for child in below if field not in FIXED else []:
            if isinstance(child, ast.AST):
                yield field, child


# What


def changes(node, parent):
    """The faults of one node: the kind, where it fits, and the change."""
    for kind, make in KINDS.items():
        if isinstance(node, kind):
            yield from make(node, parent)


def arithmetic(node, parent):
    """A sign or an operator turned round; the left operand doubled, or its negative."""
    op = node.op
    if not isinstance(op, ARITHMETIC):
        return
    if type(op) in SWAPPED:
        kind = "sign" if isinstance(op, ast.Add | ast.Sub) else "factor"
        yield kind, floats, lambda n: ast.BinOp(n.left, SWAPPED[type(n.op)](), n.right)
    yield "factor", floats, lambda n: ast.BinOp(ast.BinOp(ast.Constant(2), ast.Mult(), n.left), n.op, n.right)
    whole = isinstance(op, ast.Mult | ast.Div | ast.MatMult)  # the product changes its sign
    if not absorbed(node.left, node) and not (whole and absorbed(node, parent)):
        yield "minus", floats, lambda n: ast.BinOp(ast.UnaryOp(ast.USub(), n.left), n.op, n.right)


def compared(node, _):
    """A comparison in the other order."""
    if len(node.ops) == 1 and type(node.ops[0]) in SWAPPED:
        yield "order", compares, lambda n: ast.Compare(n.left, [SWAPPED[type(n.ops[0])]()], n.comparators)


def signed(node, parent):
    """A minus dropped."""
    if isinstance(node.op, ast.USub) and not absorbed(node, parent):
        yield "minus", floats, lambda n: n.operand


def typed(node, _):
    """Another float."""
    if isinstance(node.value, float):
        yield "constant", any, lambda n: ast.Constant(2 * n.value + 1)


def called(node, _):
    """Two neighbouring arguments exchanged."""
    for i, (a, b) in enumerate(itertools.pairwise(node.args)):
        starred = isinstance(a, ast.Starred) or isinstance(b, ast.Starred)
        if not starred and ast.dump(a) != ast.dump(b) and short(node) not in SYMMETRIC:
            yield "exchange", partial(exchanges, i), partial(exchanged, i)


def assigned(node, _):
    """Noise in place of what was computed; of a draw it would be another draw, of a typed grid another grid."""
    if len(node.targets) == 1 and not drawn(node.value) and not typed_in(node.value):
        for i, name in enumerate(bound(node.targets[0])):
            noise = ast.parse(f"{name} = __noise__({name})").body[0]
            yield "noise", partial(spread, i), lambda n, noise=noise: [n, noise]


KINDS = {ast.BinOp: arithmetic, ast.Compare: compared, ast.UnaryOp: signed, ast.Constant: typed}
KINDS |= {ast.Call: called, ast.Assign: assigned}
NUMBERED = tuple(KINDS)  # no operator: the parser has one object for all of a kind


def absorbed(node, parent):
    """Whether what is done next to a value does not see its sign."""
    match parent:
        case ast.BinOp(op=ast.Pow(), left=left, right=ast.Constant(value=int(power) | float(power))):
            return left is node and power % 2 == 0
        case ast.Call(args=[first, *_]):
            return first is node and short(parent) in EVEN
        case ast.Attribute(attr=name):
            return name in EVEN
    return False


def exchanged(i, call):
    """A call with arguments i and i + 1 exchanged."""
    args = [*call.args[:i], call.args[i + 1], call.args[i], *call.args[i + 2 :]]
    return ast.Call(call.func, args, call.keywords)


def drawn(value):
    """Whether a value is a draw as it comes from a generator."""
    while isinstance(value, ast.Subscript) or (isinstance(value, ast.Call) and short(value) in CASTS):
        value = value.value if isinstance(value, ast.Subscript) else getattr(value.func, "value", None)
    return isinstance(value, ast.Call) and any(keyword.arg == "generator" for keyword in value.keywords)


def typed_in(value):
    """Whether a value is made of literals alone: a grid, a list of places."""
    made = all(short(node) in MAKERS for node in ast.walk(value) if isinstance(node, ast.Call))
    return made and {node.id for node in ast.walk(value) if isinstance(node, ast.Name)} <= MODULES


def bound(target):
    """The names that a target of an assignment binds."""
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    return [part.id for part in parts if isinstance(part, ast.Name)]


def planted(tree, site, change):
    """A module with a copy of a statement in which one node is changed."""
    whole = Planter(site, change).visit(ast.Module([copy.deepcopy(tree)], []))
    return ast.fix_missing_locations(whole)


class Planter(ast.NodeTransformer):
    """Puts a change where the node with a number stands."""

    def __init__(self, site, change):
        self.site, self.change = site, change

    def visit(self, node):
        """The node, changed if it is the one."""
        return self.change(node) if getattr(node, "site", None) == self.site else self.generic_visit(node)


def noise(value):
    """Noise with the mean, standard deviation and shape of a float tensor or array; gradients pass as before."""
    import torch

    import ganlib

    old = torch.as_tensor(value)
    data = old.detach()
    there = data.isfinite()
    finite = data[there].double()
    made = torch.randn(data.shape, generator=ganlib.rng(20), dtype=torch.float64) * finite.std() + finite.mean()
    made = made.to(data)
    if old.requires_grad:
        return made.requires_grad_() if old.is_leaf else made + (old.where(there, 0) - data.where(there, 0))
    return made if isinstance(value, torch.Tensor) else made.numpy()


# What the operands of a node were seen to be, as sets of words; a fault fits some.

NUMBERS = {"float", "int", "ints"}
PLAIN = {"int", "ints", "str", "bool", "NoneType", "tuple", "dtype", "device", "type", "module"}


def kind_of(value) -> str:
    """``float`` and ``ints`` also for what holds many, ``int`` for one; else the name of the type."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        name = str(value.dtype)
        return "float" if "float" in name else "ints" if "int" in name or "bool" in name else name
    if isinstance(value, float) or type(value).__module__.startswith("sympy."):
        return "float"
    return "int" if isinstance(value, int) else type(value).__name__


def spreads(value) -> bool:
    """Whether a value is a float tensor or array whose finite entries are not all alike."""
    if not hasattr(value, "dtype") or kind_of(value) != "float" or not len(getattr(value, "shape", ())):
        return False
    finite = value[abs(value) < float("inf")]
    return len(finite) > 1 and bool((finite != finite[0]).any())


def floats(seen):
    """Numbers, and not whole ones only."""
    return set().union(*seen) <= NUMBERS and "float" in set().union(*seen)


def compares(seen):
    """Numbers, and not single whole ones only."""
    return set().union(*seen) <= NUMBERS and bool(set().union(*seen) - {"int"})


def exchanges(i, seen):
    """Two arguments of one kind."""
    a, b = seen[i], seen[i + 1]
    return floats([a, b]) if (a | b) <= NUMBERS else a == b and len(a) == 1 and not a & PLAIN


def spread(i, seen):
    """A float tensor whose entries differ, whenever it was made."""
    return seen[i] == {"spread"}


class Watch(ast.NodeTransformer):
    """Lets every operand of a numbered node be seen, by calls of ``__see__(number, operand, value)``."""

    def generic_visit(self, node):
        """The node with its operands wrapped, once those in them are."""
        site, node = getattr(node, "site", None), super().generic_visit(node)
        see = partial(seeing, site)
        match node if site is not None else None:
            case ast.BinOp():
                node.left, node.right = see(0, node.left), see(1, node.right)
            case ast.Compare(ops=[_]):
                node.left, node.comparators = see(0, node.left), [see(1, node.comparators[0])]
            case ast.UnaryOp(op=ast.USub()):
                node.operand = see(0, node.operand)
            case ast.Call():
                node.args = [a if isinstance(a, ast.Starred) else see(i, a) for i, a in enumerate(node.args)]
            case ast.Constant(value=float()):
                return see(0, node)
            case ast.Assign(targets=[target]):
                return [node, *(ast.Expr(see(i, ast.Name(name, ast.Load()))) for i, name in enumerate(bound(target)))]
        return node


def seeing(site, i, node):
    """The same value, once it has been seen."""
    return ast.Call(ast.Name("__see__", ast.Load()), [ast.Constant(site), ast.Constant(i), node], [])


class Sight:
    """What ``__see__`` has seen."""

    def __init__(self, page):
        nodes = (node for statement in page for node in ast.walk(statement.tree) if hasattr(node, "site"))
        self.assignments = {node.site for node in nodes if isinstance(node, ast.Assign)}
        self.kinds: dict[int, list[set[str]]] = {}

    def __call__(self, site, i, value):
        """Take note of an operand, and give it back."""
        kinds = self.kinds.setdefault(site, [])
        kinds.extend(set() for _ in range(len(kinds), i + 1))
        assigned = site in self.assignments
        kinds[i].add(("spread" if spreads(value) else "flat") if assigned else kind_of(value))
        return value
