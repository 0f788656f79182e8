"""A pretended accelerator: code runs as with GANLIB_DEVICE=cuda, on any machine, and fails where CUDA would.

    python tools/pretend.py chapters/game/training.ipynb tests/on_device.py ...

A tensor on "gpu" holds one of the CPU, where each operation really runs, so that loops, claims and ``.item()`` work.
Refused is what CUDA refuses: an operation on tensors of two devices, a generator of another device, ``.numpy()``, and,
where this torch knows CUDA's kernels, an operation without one. A page goes on after a fault, to find the others. It
takes about three times the CPU time that it takes without.
"""

from __future__ import annotations

import json
import linecache
import os
import sys
import time
import traceback
import warnings
from functools import cache
from pathlib import Path

import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode

ROOT = Path(__file__).resolve().parents[1]
aten, CPU = torch.ops.aten, torch.device("cpu")
has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
PLAIN_GENERATOR, ON_GPU = torch.Generator, {}  # by address: an operation gets another object for a generator

# What CUDA takes from two devices: copies; indices, and numbers without an axis, from the CPU.
MOVES = {aten.copy_.default, aten._to_copy.default, aten._foreach_copy_.default}
INDEXED = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default}
SCALARS = INDEXED | {aten.where.self, aten.fill_.Tensor, aten.masked_fill.Tensor, aten.masked_fill_.Tensor}
KEYS = ("CUDA", "CompositeExplicitAutograd", "CompositeImplicitAutograd", "CompositeExplicitAutogradNonFunctional")


class DeviceError(RuntimeError):
    """What CUDA would refuse."""


class Generator(PLAIN_GENERATOR):
    """A generator of the CPU that says it is on the accelerator."""

    def __new__(cls, device="cpu"):
        """One of ours, or a plain one for another device."""
        if torch.device(device).type != "gpu":
            return PLAIN_GENERATOR(device)
        made = PLAIN_GENERATOR.__new__(cls)
        ON_GPU[made._cdata] = made
        return made

    device = property(lambda self: torch.device("gpu:0"))


class OnGpu(torch.Tensor):
    """A tensor that says it is on the accelerator; its numbers are those of ``held``, on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held):
        """Shape, strides and type of what is held."""
        how = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        self = torch.Tensor._make_wrapper_subclass(cls, held.shape, device=torch.device("gpu:0"), **how)
        self.held = held
        return self

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})

    @property
    def data(self):
        """As of any tensor."""
        return self.detach()

    @data.setter
    def data(self, other):
        torch._C.TensorBase.data.__set__(self, other)
        self.held = other.held

    def numpy(self, *, force=False):
        """Refused, unless by force."""
        if not force:
            raise DeviceError("a tensor on the device goes to NumPy")
        return self.detach().cpu().numpy()

    def __array__(self, *args, **kwargs):
        return self.numpy()

    def tolist(self):
        """As of any tensor."""
        return self.detach().cpu().tolist()

    def __repr__(self):
        return f"{self.held!r} on gpu"

    def __format__(self, spec):
        return format(self.item(), spec) if self.dim() == 0 else object.__format__(self, spec)

    def __reduce_ex__(self, protocol):
        return OnGpu, (self.held.detach(),)

    def __deepcopy__(self, memo):
        copy = OnGpu(self.held.detach().clone())
        return torch.nn.Parameter(copy, self.requires_grad) if getattr(self, "_is_param", False) else copy


class Accelerator(TorchDispatchMode):
    """Sees every operation, also those on plain tensors: a constant, or a factory with a device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


def run(func, args, kwargs):
    """One operation, as the device that its arguments are on would do it."""
    found: list = []
    inner = _held(args, found)
    how = {name: _held((value,), found)[0] for name, value in kwargs.items() if name != "pin_memory"}
    wanted = torch.device(how["device"]).type if how.get("device") else None
    ours = [t for t in found if isinstance(t, OnGpu)]
    _check_generators(func, found, wanted == "gpu" if wanted else bool(ours))
    if not ours and wanted != "gpu":
        return func(*args, **kwargs)
    _check_tensors(func, args, found, ours)
    if wanted:
        how["device"] = CPU
    there = {id(t.held if isinstance(t, OnGpu) else t): t for t in found}
    return _wrapped(func(*inner, **how), there, stays=wanted == "cpu")


def _held(part, found):
    """The arguments with the CPU's tensors; what was there is added to the list."""
    made = []
    for x in part:
        if type(x) in (list, tuple):
            x = type(x)(_held(x, found))
        elif isinstance(x, torch.Tensor | PLAIN_GENERATOR):
            found.append(x)
            x = x.held if isinstance(x, OnGpu) else x
        made.append(x)
    return made


def _wrapped(x, there, stays):
    """What an operation gave, on the device; a tensor that it was given is given back as it was."""
    if isinstance(x, torch.Tensor):
        return there[id(x)] if id(x) in there else x if stays else OnGpu(x)
    return type(x)([_wrapped(y, there, stays) for y in x]) if type(x) in (list, tuple) else x


@cache
def _facts(func):
    """Whether a number may come from the CPU; whether CUDA has a kernel, where this torch knows."""
    scalars = torch.Tag.pointwise in func.tags or func in SCALARS or "::_foreach" in func._schema.name
    knows = has_kernel("aten::addmm", "CUDA")
    return scalars, not knows or any(has_kernel(func.name(), key) for key in KEYS)


def _check_generators(func, found, on_gpu):
    for g in found:
        if isinstance(g, PLAIN_GENERATOR) and (g._cdata in ON_GPU) != on_gpu:
            raise DeviceError(f"{func}: a generator of another device than the tensor's")


def _check_tensors(func, args, found, ours):
    """Refuse tensors of two devices, and what CUDA cannot do."""
    scalars, there = _facts(func)
    if not there:
        raise DeviceError(f"{func} has no kernel for CUDA")
    if not ours or func in MOVES:
        return
    tensors = [t for t in found if isinstance(t, torch.Tensor)]
    alien = [t for t in tensors if not isinstance(t, OnGpu) and t.device.type == "cpu" and (t.dim() or not scalars)]
    if func in INDEXED and isinstance(args[0], OnGpu):
        alien = [t for t in alien if not any(t is index for index in args[1])]
    if alien:
        raise DeviceError(
            f"{func}: tensors of two devices: {', '.join(f'{t.device.type} {tuple(t.shape)}' for t in tensors)}"
        )


def start():
    """From here on there is a device named gpu, and ``ganlib.rng()`` is on it."""
    backend_registration._setup_privateuseone_for_python_backend("gpu")
    os.environ["GANLIB_DEVICE"] = "gpu"
    torch.serialization.add_safe_globals([OnGpu])
    torch.Generator = Generator
    torch._C._set_only_lift_cpu_tensors(True)  # so that torch.tensor(..., device=...) comes by here
    Accelerator().__enter__()


def cells(path):
    """Number and code of each part of a notebook, or of a script as a whole."""
    text = Path(path).read_text(encoding="utf-8")
    if not path.endswith(".ipynb"):
        return [(0, text)]
    found = [(i, cell) for i, cell in enumerate(json.loads(text)["cells"]) if cell["cell_type"] == "code"]
    return [(i, "".join(cell["source"])) for i, cell in found if "setup" not in cell["metadata"].get("tags", [])]


def _where(error):
    """Files and lines from the page, or from ganlib, to the fault."""
    steps = traceback.extract_tb(error.__traceback__)
    ours = [s for s in steps if s.filename.endswith("]") or "/ganlib/" in s.filename]
    return " < ".join(f"{Path(s.filename).name}:{s.lineno}" for s in reversed(ours))


def play(path):
    """Run one file from a clean state; a line for each fault."""
    import matplotlib.pyplot as plt

    space, faults = {"__name__": "__main__", "__file__": path}, []
    for number, code in cells(path):
        name = f"{path}[{number}]"
        linecache.cache[name] = (len(code), None, code.splitlines(True), name)
        try:
            exec(compile(code, name, "exec"), space)
        except SystemExit as end:
            faults += [f"{name}: ends with {end.code}"] if end.code else []
        except Exception as error:
            faults.append(f"{name}: {type(error).__name__}: {str(error)[:300]} at {_where(error)}")
        plt.close("all")
    return faults


def main(*paths):
    """Play files one after the other; experiments as small as they go."""
    import matplotlib

    matplotlib.use("agg")
    warnings.simplefilter("ignore")
    start()
    found = []
    for path in paths:
        sys.path.insert(0, str(Path(path).parent))
        sys.argv = [path, "--small"]
        began, faults = time.process_time(), play(path)
        print(*faults, f"{path}: {len(faults)} faults, {time.process_time() - began:.0f} CPU s", sep="\n", flush=True)
        found += faults
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
