"""A page as statements, and what rests on what among them.

`statements` reads the code cells: which names each statement at the top of a cell binds and reads, and which claims it
checks. `marks` tells in a run what a statement has changed without binding it: a list, a network's weights, a random
stream. `slices` joins the two.
"""

from __future__ import annotations

import ast
import itertools
import operator
import sys
import types
import zlib
from collections import deque
from functools import partial
from symtable import symtable
from typing import NamedTuple

CHECKS = {"close", "above", "below", "rate", "symbolic"}
ASSERTIONS = {"assert_close", "assert_allclose", "assert_array_equal"}
DRAWING = {"plots", "plt", "scrub", "table", "display"}
DEFINITION = ast.FunctionDef | ast.ClassDef
SIMPLE = ast.Assign | ast.AnnAssign | DEFINITION | ast.Import | ast.ImportFrom  # what they bind is new
MANY = 1000  # entries of a list that are looked at


class Statement(NamedTuple):
    """One statement at the top of a cell."""

    cell: str  # its id
    source: str  # of the whole cell
    tree: ast.stmt
    binds: frozenset[str]
    reads: frozenset[str]  # at once
    inner: frozenset[str]  # by the functions that it makes, when they are called
    claims: frozenset[str]  # that it checks
    asserts: bool
    draws: bool


def statements(nb) -> list[Statement]:
    """The statements of all code cells but the set-up, in order."""
    found, named, axes = [], {}, set()
    for cell in nb.cells:
        if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", []):
            for tree in ast.parse(cell.source).body:
                binds, reads, inner = names(tree)
                named |= claims_named(tree, named)
                draws = bool(reads & axes) or any(root(call.func) in DRAWING for call in calls(tree))
                axes |= binds if draws and not isinstance(tree, DEFINITION) else set()
                asserts = isinstance(tree, ast.Assert) or short(tree) in ASSERTIONS
                claims = checked(tree, named)
                found.append(Statement(cell.id, cell.source, tree, binds, reads, inner, claims, asserts, draws))
    return found


# Names


def names(tree):
    """The names that a statement binds, those that it reads, and those that its functions will read."""
    top = symtable(ast.unparse(tree), "cell", "exec")
    below = [symbol for table in tables(top) for symbol in table.get_symbols()]
    inner = frozenset(s.get_name() for s in below if s.is_global() and s.is_referenced())
    binds = frozenset(s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported())
    if isinstance(tree, ast.For | ast.With):
        return binds, frozenset(unbound([tree])), inner
    reads = frozenset(s.get_name() for s in top.get_symbols() if s.is_referenced())
    grown = {n.target.id for n in ast.walk(tree) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)}
    return binds, reads if isinstance(tree, DEFINITION) else reads | inner | (grown & binds), inner


def tables(table):
    """The symbol tables below one."""
    for child in table.get_children():
        yield child
        yield from tables(child)


def unbound(body) -> set[str]:
    """The names that statements read before they bind them: what the body of a loop makes is none from outside."""
    found, bound = set(), set()
    for tree in body:
        if isinstance(tree, ast.For | ast.With):
            found |= unbound_in_block(tree) - bound
        else:
            binds, reads, inner = names(tree)
            found |= (reads | inner) - bound
            bound |= binds if isinstance(tree, SIMPLE) else set()
    return found


def unbound_in_block(tree):
    """The same for one loop, or one ``with``."""
    loop = isinstance(tree, ast.For)
    heads = [tree.iter] if loop else [item.context_expr for item in tree.items]
    targets = [tree.target] if loop else [item.optional_vars for item in tree.items if item.optional_vars]
    bound = {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    read = set().union(*(names(ast.Expr(head))[1] for head in heads))
    return read | (unbound(tree.body) - bound) | unbound(getattr(tree, "orelse", []))


# Calls and claims


def calls(tree):
    """All calls in a tree."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def root(node):
    """The name with which a chain of attributes, calls and indices begins."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return getattr(node, "id", None)


def short(node):
    """The last name of what is called, also by a statement that is nothing but a call."""
    function = getattr(node.value if isinstance(node, ast.Expr) else node, "func", None)
    return getattr(function, "attr", getattr(function, "id", None))


def claim_id(node, named):
    """The id of the claim with which a chain of calls begins; None for any other expression."""
    while isinstance(node, ast.Attribute | ast.Call):
        if isinstance(node, ast.Call) and short(node) == "claim" and node.args:
            return getattr(node.args[0], "value", None)
        node = node.func if isinstance(node, ast.Call) else node.value
    return named.get(getattr(node, "id", None))


def checks(tree, named):
    """The calls in a tree that check a claim, each with its id; ``named`` are names of claims."""
    for call in calls(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr in CHECKS and (id := claim_id(call.func, named)):
            yield call, id


def claims_named(tree, named):
    """The names that a statement gives to claims, with their ids; to functions that check claims, with all of these."""
    if isinstance(tree, ast.FunctionDef):
        return {tree.name: "\0".join(sorted({id for _, id in checks(tree, named)}))}
    pairs = []
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.Assign)):
        for target in node.targets:
            both = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
            pairs += zip(target.elts, node.value.elts, strict=False) if both else [(target, node.value)]
    return {target.id: claim_id(value, named) for target, value in pairs if isinstance(target, ast.Name)}


def checked(tree, named) -> frozenset[str]:
    """The ids of the claims that a statement checks, itself or by a function of the page."""
    if isinstance(tree, DEFINITION):
        return frozenset()
    called = [named.get(call.func.id) or "" for call in calls(tree) if isinstance(call.func, ast.Name)]
    inside = {id for ids in called for id in ids.split("\0") if id}
    return frozenset(inside | {id for _, id in checks(tree, named)})


# What a statement changes, seen in a run


def marks(space):
    """Of every name a mark of what it holds, one of the random streams in it, and which object it is."""
    found = {}
    for name, value in space.items():
        if not name.startswith("__") and not isinstance(value, types.ModuleType | type):
            streams: list = []
            found[name] = mark(value, streams), tuple(streams), id(value)
    return found


def differences(before, after):
    """The names that hold another object, those whose content has changed, those of which only a stream has moved."""
    both = [name for name in after if name in before]
    new = [name for name in after if name not in before or before[name][2] != after[name][2]]
    changed = [name for name in both if before[name][0] != after[name][0]]
    moved = [name for name in both if name not in changed and before[name][1] != after[name][1]]
    return {"new": new, "changed": changed, "moved": moved}


def mark(value, streams, depth=4):
    """What changes when a value does; the state of a random stream goes to ``streams`` instead."""
    torch, numpy = (sys.modules.get(name) for name in ("torch", "numpy"))
    if isinstance(value, int | float | str | bytes):
        return repr(value)  # a number of NumPy compares itself with each entry of a tuple
    if torch and isinstance(value, torch.Generator):
        streams.append(zlib.crc32(value.get_state().numpy().tobytes()))
        return id(value)
    if torch and isinstance(value, torch.Tensor):
        grad = value.grad if value.is_leaf else None
        return id(value), value._version, None if grad is None else (id(grad), grad._version)
    if numpy and isinstance(value, numpy.ndarray) and value.nbytes < 1e7:
        return id(value), zlib.crc32(value.tobytes())
    inside = parts(value, torch) if depth else ()
    return id(value), tuple(map(partial(mark, streams=streams, depth=depth - 1), inside))


def parts(value, torch):
    """What a value is made of, where that can be told."""
    if isinstance(value, dict | list | tuple | set | frozenset | deque):
        return list(itertools.islice(value.values() if isinstance(value, dict) else value, MANY))
    if isinstance(value, types.FunctionType):
        return [cell.cell_contents for cell in value.__closure__ or () if full(cell)]
    if isinstance(value, types.GeneratorType):
        return [value.gi_frame.f_lasti, *value.gi_frame.f_locals.values()] if value.gi_frame else []
    if torch and isinstance(value, torch.nn.Module):
        return [*value.parameters(), *value.buffers()]
    if torch and isinstance(value, torch.optim.Optimizer):
        return [value.state, value.param_groups]
    if hasattr(value, "last_epoch"):  # a schedule of rates
        return [value.last_epoch]
    if hasattr(value, "__next__"):
        return [operator.length_hint(value, -1)]
    return list(vars(value).values()) if type(value).__module__ == "__main__" and hasattr(value, "__dict__") else []


def full(cell):
    """Whether a closure's cell holds anything yet."""
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def plain(value, depth=4) -> bool:
    """Whether a value is mere data: it holds no function of the page, which would read names when it is called."""
    if isinstance(value, dict | list | tuple | set):
        return depth > 0 and all(plain(entry, depth - 1) for entry in parts(value, None))
    return isinstance(value, int | float | str | bytes | type(None)) or hasattr(value, "dtype")


# What rests on what


def slices(page, first, *, streams) -> list[frozenset[int]]:
    """Of each statement the numbers of all that it rests on, its own included.

    Args:
        page: the statements.
        first: of each, in a run: the names that are ``new``, ``changed``, ``moved`` (see `differences`), and those
            ``coded``, which hold more than mere data.
        streams: whether a draw rests on the earlier draws from its random stream.
    """
    made: dict[str, tuple] = {}
    late: dict[str, frozenset] = {}
    rests: list[frozenset] = []
    for index, (statement, told) in enumerate(zip(page, first, strict=True)):
        needs = {i for name in reached(statement.reads, late) for i in made.get(name, ())}
        rests.append(frozenset({index}).union(*(rests[i] for i in needs)))
        carried = statement.inner.union(*(late.get(name, ()) for name in statement.reads))
        for name in {*statement.binds, *told["changed"], *(told["moved"] if streams else ())}:
            fresh = name in statement.binds and (isinstance(statement.tree, SIMPLE) or name in told["new"])
            made[name] = (index,) if fresh else (*made.get(name, ()), index)
            kept = frozenset() if fresh else late.get(name, frozenset())
            late[name] = carried | kept if name in told["coded"] else frozenset()
    return rests


def reached(names, late):
    """Names, and those that the functions among them read when they are called."""
    found, todo = set(), list(names)
    while todo:
        if (name := todo.pop()) not in found:
            found.add(name)
            todo += late.get(name, ())
    return found
