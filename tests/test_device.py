"""Nothing of ganlib minds where its tensors are: played on a pretended accelerator, also with faults planted."""

import ast
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ganlib

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tests" / "on_device.py"
TREE = ast.parse(SCRIPT.read_text(encoding="utf-8"))
LISTS = [ast.unparse(node.value) for node in TREE.body if "PARTS" in ast.unparse(node).split("=")[0]]
PARTS = [name for text in LISTS for name in text.strip("[]").split(", ")]

# module, code of which the part in ⟦⟧ is dropped, so that a tensor is on another device; the part that must fail
FAULTS = [
    ("densities", "self.weights⟦.to(generator.device)⟧.cumsum(0)", "laws"),
    ("densities", "torch.rand(shape, generator=generator⟦, device=generator.device⟧", "laws"),
    ("densities", "return self.centres⟦.to(**like)⟧[k]", "laws"),
    ("densities", "(t⟦.to(x)⟧ for t in (self.centres, self.sd, self.weights))", "laws"),
    ("em", "torch.eye(x.shape[-1], dtype=x.dtype⟦, device=x.device⟧)", "mixtures"),
    ("chains", "torch.eye(n, dtype=P.dtype⟦, device=P.device⟧)", "machines"),
    ("models.boltzmann", "states(small.W.shape[1])⟦.to(self.W)⟧", "machines"),
    ("models.boltzmann", "states(self.W.shape[2])⟦.to(self.W)⟧", "machines"),
    ("models.boltzmann", "generator=generator⟦, device=generator.device⟧)", "machines"),
    ("models.boltzmann", "torch.rand(chance.shape, generator=generator⟦, device=chance.device⟧", "machines"),
    ("models.vae", "torch.randn(mean.shape, generator=generator⟦, device=mean.device⟧", "autoencoders"),
    ("models.vae", "self.noise⟦.to(out)⟧.log()", "autoencoders"),
    ("models.autoregressive", "torch.rand(chance.shape, generator=generator⟦, device=x.device⟧", "bits"),
    ("models.autoregressive", "torch.ones(size, size⟦, device=generator.device⟧)", "bits"),
    ("models.autoregressive", "mask.float()⟦.to(generator.device)⟧", "bits"),
    ("models.autoregressive", "n, len(self.order)⟦, device=weight.device⟧", "bits"),
    ("images", "low = torch.tensor([-0.15, -0.15, -0.01, 0.60, -0.06, -0.06]⟦, device=generator.device⟧)", "pictures"),
    ("images", "for c in characters])⟦.to(label.device)⟧", "pictures"),
    ("images", "device=generator.device)⟦.to(images.device)⟧", "stacks"),
    ("images", "-1, -1⟦, device=labels.device⟧)", "stacks"),
    ("metrics", "device=device, dtype=torch.float64)⟦.cpu()⟧", "scores"),
    ("metrics", "x = x.detach()⟦.cpu()⟧.double()", "scores"),
    ("divergences", "points.detach()⟦.cpu()⟧.double().numpy()", "measures"),
    ("penalties", "generator = torch.Generator(⟦real.device⟧)", "slopes"),
    ("penalties", "⟦device=real.device, ⟧dtype=real.dtype", "slopes"),
    ("properties", "torch.randn(n, 3, **at)\n    fake = real + 1 + torch.rand(n, 3⟦, **at⟧)", "offered"),
    ("properties", "(torch.arange(n⟦, device=g.device⟧)", "offered"),
    ("properties", "torch.randn(2, n, generator=g⟦, device=g.device⟧, dtype", "offered"),
    ("properties", "torch.eye(6⟦, device=g.device⟧", "offered"),
    ("plots", "x.detach()⟦.cpu()⟧ if hasattr", "drawing"),
    ("claims", "value.detach()⟦.cpu()⟧ if hasattr", "claims"),
    ("models.mlp", "torch.rand(seeds, k, d_out, generator=generator⟦, device=device⟧)", "games"),
    ("models.mlp", "torch.randn(seeds, d_out, 1, generator=generator⟦, device=device⟧)", "joint"),
    ("models.judge", "g = torch.Generator(⟦images.device⟧)", "reading"),
    ("models.judge", "generator=g⟦, device=g.device⟧)", "reading"),
    ("models.judge", "tensor.detach()⟦.cpu()⟧.contiguous()", "reading"),
    ("worlds", "dtype=kind⟦, device=device⟧)[which]", "many_worlds"),
    ("worlds", "centres⟦.to(x)⟧[k]", "many_worlds"),
    ("worlds", "torch.arange(most⟦, device=count.device⟧)", "many_worlds"),
]

# Reads [module, old, new, part] from standard input, and says for each what happened.
PLAY = """
import json, runpy, sys, warnings
from importlib.machinery import SourceFileLoader
from pathlib import Path
from tools import pretend

pretend.start()
warnings.simplefilter("error")
plain = SourceFileLoader.get_code
for module, old, new, part in json.load(sys.stdin):
    def get_code(loader, name):
        if name != f"ganlib.{module}":
            return plain(loader, name)
        return compile(Path(loader.path).read_text(encoding="utf-8").replace(old, new), loader.path, "exec")

    for name in [name for name in sys.modules if name.partition(".")[0] == "ganlib"]:
        del sys.modules[name]
    SourceFileLoader.get_code = get_code
    try:
        runpy.run_path("tests/on_device.py")[part]()
        said = ""
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps([module, old, part, said]))
"""


def change(code):
    """What stands there, and what is planted."""
    return re.sub("[⟦⟧]", "", code), re.sub("⟦.*⟧", "", code)


@pytest.fixture(scope="module")
def said():
    """What each part says, as ganlib is and with each fault: in one process, which alone has the accelerator."""
    asked = [("", "", "", part) for part in PARTS] + [(module, *change(code), part) for module, code, part in FAULTS]
    where = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    how = {"input": json.dumps(asked), "cwd": ROOT, "env": where, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-c", PLAY], **how)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return {(module, old, part): what for module, old, part, what in lines}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_ganlib_runs_on_an_accelerator(said, part):
    assert said["", "", part] == ""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[0]}-{fault[2]}")
def test_a_planted_device_fault_is_caught(said, fault):
    module, code, part = fault
    old, _ = change(code)
    text = (ROOT / "ganlib" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    assert text.count(old) == 1
    assert "DeviceError" in said[module, old, part] or "device" in said[module, old, part]


def test_at_least_eighteen_faults_are_planted():
    assert len(FAULTS) >= 18


# What the script takes in

PLAIN = {"results", "scrub", "evidence", "rates", "labs"}  # modules without a tensor
NAMES = {"mnist", "fashion_mnist", "rung"}  # files, read on the CPU; a word


def public():
    """Public functions and classes of the modules that see tensors, with their module."""
    for found in pkgutil.walk_packages(ganlib.__path__, "ganlib."):
        module = importlib.import_module(found.name)
        if found.name.split(".")[1] not in PLAIN and "._" not in found.name:
            for name, made in vars(module).items():
                ours = inspect.isfunction(made) or inspect.isclass(made)
                if ours and made.__module__ == found.name and not name.startswith("_"):
                    yield found.name, name


def test_the_script_takes_in_every_public_name():
    names = {node.id for node in ast.walk(TREE) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(TREE) if isinstance(node, ast.Attribute)}
    assert {(module, name) for module, name in public() if name not in names | NAMES} == set()
