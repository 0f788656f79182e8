"""Are the tests strong? Change one thing at a time in a module, and see whether its own unit tests notice.

    python tools/mutants.py                # all of them: MODULES
    python tools/mutants.py models/flow    # one of them

Each mutant is one change of the syntax tree: an operator, a comparison, a constant, a sign, mean for sum, max for min,
relu dropped, real for fake, p for q, a branch turned round, a condition dropped, a check left out. Texts are not
changed: no docstring, no message. Every mutant runs ``tests/test_<name>.py`` in a process of its own, up to the first
failure. What no test notices is printed; below 95 % the exit status is 1. A mutant that means the same as the original
is listed in ``EQUIVALENT``, with the reason.
"""

import ast
import copy
import gc
import importlib
import inspect
import os
import re
import signal
import sys
import time
from collections import Counter
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

# Before torch: one thread a process, and no GPU, whose threads would not survive a fork.
os.environ |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = ("losses", "penalties", "divergences", "metrics", "properties", "em", "chains")
MODULES += ("models/flow", "models/autoregressive", "models/boltzmann", "models/vae")
PASS = 0.95
WORKERS = os.cpu_count() or 1
TIMEOUT = 30  # seconds; a mutant that hangs is noticed

# What nobody can tell apart, and why.
EQUIVALENT = {
    "the limit of an odd function, two entries of two, turns of two, and zeros that spread": [
        "LIMIT = [ -> -]2.0",
        "self.network = nn.Sequential(*layers, BatchedLinear(units, 2 * self.sizes[[ -> -]1], **how))",
        "self.couplings = nn.ModuleList((AffineCoupling(d, units, first=bool(k % [ -> -]2), **how) for k in "
        "range(couplings)))",
        "total = x.new_zeros(x.shape[:-[1 -> 0]])",
    ],
    "a missing fake fails either way, here or where its shape is compared": [
        "if logits is None[ and name == 'real' -> ]:",
    ],
    "both have one shape and lie on one device here; ε may be drawn in the precision of either": [
        "shape = batch_shape([real -> fake])",
        "generator = torch.Generator([real -> fake].device)",
        "epsilon = torch.rand(shape, generator=generator, device=[real -> fake].device, dtype=real.dtype)",
        "epsilon = torch.rand(shape, generator=generator, device=real.device, dtype=[real -> fake].dtype)",
        "epsilon = epsilon.reshape(shape + (1,) * ([real -> fake].dim() - len(shape)))",
        "theta = torch.randn([x -> y].shape[-1], directions, generator=generator, device=device, "
        "dtype=torch.float64).cpu()",
    ],
    "p is 0 where the other branch is taken": [
        "return _integral(p * torch.where(p > 0, log_p - log_q, [0 -> 1].0), x)",
        "return _integral(p * torch.where(p > 0, log_p - log_q, [0 -> -1].0), x)",
    ],
    "the shapes are compared with each other as well": [
        "if [log_p -> log_q].dim() < 1 or 0 in log_p.shape or log_p.shape != log_q.shape or (not _fits(x, log_p)):",
        "if log_p.dim() < 1 or 0 in [log_p -> log_q].shape or log_p.shape != log_q.shape or (not _fits(x, log_p)):",
        "if log_p.dim() < 1 or 0 in log_p.shape or log_p.shape != log_q.shape or (not _fits(x, [log_p -> log_q])):",
    ],
    "the second of two axes is the last": [
        "if x.dim() != 2 or y.dim() != 2 or x.shape[[ -> -]1] != y.shape[1] or (0 in x.shape + y.shape):",
        "if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[[ -> -]1] or (0 in x.shape + y.shape):",
        "if centres.dim() != 2 or x.shape[-1] != centres.shape[[ -> -]1] or (not sd > 0):",
    ],
    "any bound that is never reached": [
        f"plan = ot.emd([1 / n] * n, [1 / m] * m, costs, numItermax=[10000000 -> {other}])"
        for other in (10000001, 9999999, 20000000)
    ],
    "what is not finite leaves neither a sum nor a mean": [
        "if not np.isfinite(costs.[sum -> mean]()):",
        "if not (x.[sum -> mean]().isfinite() or x.isfinite().all()):",
    ],
    "the sum is only quicker": [
        "if not [(x.sum().isfinite() or x.isfinite().all() -> x.isfinite().all(]):",
    ],
    "here both clouds have as many points": [
        "plan[pairs] = 1 / [n -> m]",
    ],
    "distances are those from any centre": [
        "centre = real.[mean -> sum](-2, keepdim=True)",
        "centre = [real -> fake].mean(-2, keepdim=True)",
    ],
    "a gap that is just the bound is told either way": [
        "if min((gap.abs().min() for gap in beyond)) <[= -> ] _rounding(x, y):",
    ],
    "every caller says how many": [
        *(f"def _points(x, least=[2 -> {other}]):" for other in (1, 3, 4)),
        "def _points(x, least=[ -> -]2):",
    ],
    "a sample without points is refused as such": [
        "p = _points(p, least=[1 -> 0])",
        "p = _points(p, least=[ -> -]1)",
    ],
    "a bound that no sum of probabilities meets": [
        "if p.min() < 0 or (p.sum(-1) - 1).abs().max() >[ -> =] 0.0001:",
    ],
    "both samples have one number of features, and one precision": [
        "return 16 * ([x -> y].shape[-1] + 8) * torch.finfo(x.dtype).eps * largest",
        "return 16 * (x.shape[-1] + 8) * torch.finfo([x -> y].dtype).eps * largest",
        "return (a @ b.mT).div_([a -> b].shape[-1]).add_(1).pow_(3)",
    ],
    "the triangle of a square matrix has its shape and its Gram matrix": [
        "if a.shape[-2] <[= -> ] a.shape[-1]:",
    ],
    "lists of one length by construction": [
        "for k, (before, after) in enumerate(zip(degrees, [*degrees[1:], place], strict=[True -> False])):",
        "self.above = nn.ModuleList((convolution(c, (k // 2 + 1, k)) for c, k in "
        "zip(inputs, sizes, strict=[True -> False])))",
        "self.left = nn.ModuleList((convolution(c, (1, k // 2 + 1)) for c, k in "
        "zip(inputs, sizes, strict=[True -> False])))",
        "for k, (above, left, tell) in enumerate(zip(self.above, self.left, self.tell, strict=[True -> False])):",
        "for first, into, state in zip(self.first[1:], self.input[1:], self.state[1:], strict=[True -> False]):",
        "for column, there in zip(_skewed(gates).split(1, -1), inside.split(1, -1), strict=[True -> False]):",
    ],
    "all layers have as many seeds, one device and one precision": [
        "weight = self.layers[[0 -> -1]].weight",
    ],
    "a number is even by either sign": [
        "if size % [ -> -]2 == 0:",
    ],
    "the third of four axes is the last but one": [
        "h, w = x.shape[[- -> ]2:]",
        "h, w = x.shape[-[ -> -]2:]",
        "for row in told.split(1, [ -> -]2):",
        "return self.last(torch.cat(states, [ -> -]2))",
        "return torch.stack([states[:, :, i, i:i + width] for i in range(height)], [ -> -]2)",
        "height = x.shape[[ -> -]2]",
        "return torch.stack([functional.pad(x[:, :, i], (i, height - 1 - i)) for i in range(height)], [ -> -]2)",
    ],
    "what is added on that side is cut off": [
        "return functional.pad(x, (right, [0 -> 1], down, 0))[..., :h, :w]",
        "return functional.pad(x, (right, 0, down, [0 -> 1]))[..., :h, :w]",
    ],
    "a solution for each of several equal right sides, of which the first is taken; with one it is the last as well": [
        "right = torch.zeros_like(equations[..., :[1 -> 2]])",
        "right = torch.zeros_like(equations[..., :[ -> -]1])",
        "return torch.linalg.lstsq(equations, right).solution[..., [0 -> -1]]",
    ],
    "what is off in one corner is off with the other sign in the opposite one": [
        "if (off := float((proposal - proposal.mT).[abs(). -> ]max())) > 1e-06:",
    ],
    "at most 0 after the clamp": [
        "moves = proposal * ratio.nan_to_num([0 -> 1].0).clamp(max=0).exp()",
    ],
    "the next line fills the diagonal up to a sum of 1, whatever stands there": [
        "moves = moves [- -> +] torch.diag_embed(moves.diagonal(dim1=-2, dim2=-1))",
    ],
    "a square matrix has as many rows as columns": [
        "if P.dim() < 2 or P.shape[-1] != P.shape[-2] or P.shape[-[1 -> 2]] < 2:",
        "return P.shape[-[1 -> 2]]",
    ],
    "1e-5 is no multiple of the spacing of floats below 1, so no sum is off by just that": [
        "if not (P >= 0).all() or (P.sum(-1) - 1).abs().max() >[ -> =] 1e-05:",
    ],
    "zeros of one shape, whichever column they are made from": [
        "return cls(*(t.requires_grad_() for t in (torch.zeros_like(W[:, None, :, [0 -> -1]]), torch.zeros_like(W[:, "
        ":1]), W)))",
    ],
    "with layers of one size, Z is the sum over the states of either": [
        "small = self if self.W.shape[1] <[= -> ] self.W.shape[2] else self.turned()",
    ],
    "a sum in blocks of any length": [
        f"blocks = states(small.W.shape[1]).to(self.W).split([4096 -> {other}])" for other in (4097, 4095, 8192)
    ],
    "scores have two axes, seeds and states": [
        *(
            "return torch.stack([small.score(u.expand(len(self.W), -1, -1)).logsumexp("
            f"{one}) for u in blocks]).logsumexp(0)"
            for one in ("[- -> ]1", "-[ -> -]1")
        ),
        *(
            f"drawn = h[torch.multinomial(chance.softmax({one}), n, replacement=True, generator=generator)]"
            for one in ("[- -> ]1", "-[ -> -]1")
        ),
        *(
            line
            for one in ("[- -> ]1", "-[ -> -]1")
            for line in (
                f"return rbm.score(fake).mean({one}) - rbm.score(real).mean(-1)",
                f"return rbm.score(fake).mean(-1) - rbm.score(real).mean({one})",
            )
        ),
    ],
    "a machine of one seed at a time": [
        "chance = torch.stack([RBM(*(t[s:s + 1] for t in self)).turned().score(h[None])[[0 -> -1]] for s in "
        "range(len(self.W))])",
    ],
}
LISTED = {change for changes in EQUIVALENT.values() for change in changes}

OPERATORS = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div],
    ast.Div: [ast.Mult],
    ast.Pow: [ast.Mult],
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
}
TWINS = (
    *("mean sum", "min max", "any all"),
    *("real fake", "log_p log_q", "mean_p mean_q", "sd_p sd_q"),
    *("x y", "a b", "n m", "mean_x mean_y", "below_x below_y"),
)
TWIN = {a: b for pair in TWINS for a, b in (pair.split(), reversed(pair.split()))}
DROPPED = {"relu", "square", "sqrt", "abs", "exp", "log", "softplus", "logsigmoid"}  # a call that becomes its argument
NEGATED = {"softplus", "logsigmoid", "relu"}  # a call whose argument changes its sign


class Mutant(NamedTuple):
    """One change, ready to be run."""

    module: str
    line: int
    change: str
    code: object


def replacements(node, names):
    """What may stand in a node's place; ``names`` are the variables of its function."""
    if isinstance(node, ast.operator | ast.cmpop | ast.boolop):
        return [other() for other in OPERATORS.get(type(node), ())]
    if isinstance(node, ast.Constant):
        return constants(node.value)
    if isinstance(node, ast.Name | ast.Attribute):
        return twins(node, names)
    if isinstance(node, ast.Call):
        return list(calls(node))
    return list(shapes(node))


def constants(value):
    """Neighbours of a number; the other truth."""
    if isinstance(value, bool):
        return [ast.Constant(not value)]
    if not isinstance(value, int | float):
        return []
    return [ast.Constant(other) for other in (value + 1, value - 1, 2 * value, -value) if other != value]


def twins(node, names):
    """The other variable, or the other method."""
    if isinstance(node, ast.Attribute):
        return [ast.Attribute(node.value, TWIN[node.attr], node.ctx)] if node.attr in TWIN else []
    read = isinstance(node.ctx, ast.Load) and TWIN.get(node.id) in names
    return [ast.Name(TWIN[node.id], node.ctx)] if read else []


def calls(node):
    """A call without its function, of its argument's negative, with its branches turned round."""
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in DROPPED:
            yield value
        case ast.Call(func=ast.Name(id=name), args=[value, *_]) if name in DROPPED:
            yield value
            if name in NEGATED:
                yield ast.Call(node.func, [ast.UnaryOp(ast.USub(), value), *node.args[1:]], node.keywords)
        case ast.Call(func=ast.Attribute(attr="where"), args=[test, yes, no]):
            yield ast.Call(node.func, [test, no, yes], [])


def shapes(node):
    """A sign, a condition, a branch or a statement turned round or dropped."""
    match node:
        case ast.UnaryOp(op=ast.USub() | ast.Not()):
            yield node.operand
        case ast.BoolOp(op=op, values=values):
            for i in range(len(values)):
                rest = values[:i] + values[i + 1 :]
                yield ast.BoolOp(op, rest) if rest[1:] else rest[0]
        case ast.IfExp():
            yield ast.IfExp(node.test, node.orelse, node.body)
        case ast.If():
            yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()


def sites(node, function=None, statement=None):
    """Every node that may change: its parent, field and index, its function and its statement."""
    if isinstance(node, ast.Raise | ast.Import | ast.ImportFrom):
        return
    function = node if isinstance(node, ast.FunctionDef) else function
    statement = node if isinstance(node, ast.stmt) else statement
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for i, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.AST) and not (
                isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            ):
                yield node, field, i if isinstance(value, list) else None, function, statement
                yield from sites(child, function, statement)


def put(parent, field, index, node):
    """Set a field, or one entry of it."""
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def header(node):
    """The first line of a statement, without its decorators and its body."""
    return next(line for line in ast.unparse(node).splitlines() if not line.startswith("@"))


def difference(before, after):
    """Two texts in one, with brackets where they differ: ``x[a -> b]y``."""
    before, after = (re.findall(r"\w+|\W", text) for text in (before, after))
    head = common(before, after)
    tail = common(before[head:][::-1], after[head:][::-1])
    one, other = ("".join(words[head : len(words) - tail]) for words in (before, after))
    return "".join([*before[:head], f"[{one} -> {other}]", *before[len(before) - tail :]])


def common(a, b):
    """How many entries agree before the first that does not."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def source(module):
    """The text of a module."""
    return (ROOT / "ganlib" / f"{module}.py").read_text(encoding="utf-8")


def mutants(module):
    """All mutants of a module, no two alike."""
    tree = ast.parse(source(module))
    seen = {ast.unparse(tree)}
    for parent, field, index, function, statement in list(sites(tree)):
        value = getattr(parent, field)
        node = value if index is None else value[index]
        names = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)} if function else set()
        names |= {a.arg for a in ast.walk(function) if isinstance(a, ast.arg)} if function else set()
        own = node if isinstance(node, ast.stmt) else statement
        before, line = header(own), getattr(node, "lineno", own.lineno)
        for other in replacements(node, names):
            put(parent, field, index, other)
            text = ast.unparse(tree)
            if text not in seen:
                seen.add(text)
                after = header(other if own is node else own)
                whole = ast.fix_missing_locations(copy.deepcopy(tree))
                yield Mutant(module, line, difference(before, after), compile(whole, module, "exec"))
            put(parent, field, index, node)


class Trial:
    """A plugin of pytest: when the tests are collected, run them for every mutant instead of once."""

    def __init__(self, module):
        self.name, self.module = module, importlib.import_module(f"ganlib.{module.replace('/', '.')}")
        self.total, self.alive, self.seconds = 0, [], Counter()

    def pytest_runtest_logreport(self, report):
        """How long each test takes."""
        self.seconds[report.nodeid] += report.duration

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session):
        """Run the tests as they are, then for each mutant in a child of this process."""
        yield
        if session.testsfailed:
            return True
        nothing = Mutant(self.name, 0, "nothing", compile(source(self.name), self.name, "exec"))
        session.items.sort(key=lambda item: self.seconds[item.nodeid])  # most mutants fall to the quickest
        queue = [nothing, *mutants(self.name)]
        gc.freeze()  # a collection would touch, and so copy, every page that the children share
        self.total, running = len(queue) - 1, {}
        for mutant in [*queue, *[None] * WORKERS]:
            if len(running) == WORKERS or (mutant is None and running):
                child, status = os.wait()
                done = running.pop(child)
                if status == 0:
                    self.alive.append(done)
            if mutant:
                running[self.start(mutant, session)] = mutant
        if nothing not in self.alive:
            raise RuntimeError("expected the tests to pass where nothing is changed")
        self.alive.remove(nothing)
        return True

    def start(self, mutant, session):
        """Run the tests in a child, up to the first failure; its id."""
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            signal.alarm(TIMEOUT)
            session.config.pluginmanager.unregister(name="terminalreporter")
            session.config.option.tbstyle = "no"
            self.plant(mutant)
            for item in session.items:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                if session.testsfailed:
                    break
            status = 1 if session.testsfailed else 0
        finally:
            os._exit(status)

    def plant(self, mutant):
        """Put the mutant's code into the functions, which tests may have taken out of the module already."""
        new = dict(self.module.__dict__)
        exec(mutant.code, new)
        for name, value in new.items():
            old = getattr(self.module, name, value)
            if inspect.isclass(value) and value is not old:
                for key, method in vars(value).items():
                    if not transplant(vars(old).get(key), method) and isinstance(method, int | float):
                        setattr(old, key, method)
            elif not transplant(old, value) and not callable(value):
                setattr(self.module, name, value)


def transplant(old, new):
    """Give a function, or a method of a class, another's code; whether it was one."""
    old, new = (inspect.unwrap(getattr(f, "__func__", f)) for f in (old, new))
    if not inspect.isfunction(new):
        return False
    old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
    return True


def main(modules):
    began, good, stale = time.perf_counter(), True, set(LISTED)
    sys.dont_write_bytecode = True
    for module in modules:
        trial = Trial(module)
        tests = str(ROOT / "tests" / f"test_{Path(module).name}.py")
        if pytest.main([tests, f"--rootdir={ROOT}", "-qq", "--tb=short", "--assert=plain"], plugins=[trial]):
            sys.exit(f"the tests of {module} fail before anything is changed")
        unnoticed = [mutant for mutant in trial.alive if mutant.change not in LISTED]
        stale -= {mutant.change for mutant in trial.alive}
        for mutant in unnoticed:
            print(f"ganlib/{module}.py:{mutant.line}: {mutant.change}")
        equivalent = len(trial.alive) - len(unnoticed)
        total = trial.total - equivalent
        score = 1 - len(unnoticed) / total
        good = good and score >= PASS
        noticed = total - len(unnoticed)
        print(f"{module}: {noticed} of {total} noticed, {score:.1%}; {equivalent} equivalent", flush=True)
    if set(modules) == set(MODULES):
        for change in sorted(stale):
            print(f"listed as equivalent, but noticed or gone: {change}")
    print(f"{time.perf_counter() - began:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or MODULES))
