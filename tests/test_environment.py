"""What surrounds the code: versions, workflows, the pages for people, the wheel, and `make` on a poor machine."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import ganlib
from tests.conftest import shared

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = PROJECT["dependency-groups"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")

# What Google Colab brings, read in 2026-08.
COLAB_PYTHON = "3.13"
COLAB = {
    "torch": "2.11.0",
    "numpy": "2.1.3",
    "matplotlib": "3.10.0",
    "seaborn": "0.13.2",
    "scipy": "1.16.3",
    "ipywidgets": "7.7.1",
    "pyyaml": "6.0",
}


def name_of(requirement):
    return canonicalize_name(Requirement(requirement).name)


def lock():
    """The line of each pin, by name."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return {name_of(line): line for line in lines if not line.startswith("#")}


def locked(name):
    return Version(lock()[name].split("==")[1])


def dependencies():
    return [Requirement(line) for line in PROJECT["project"]["dependencies"]]


def listed(which):
    """What ``tools/requirements.py`` prints."""
    command = [sys.executable, ROOT / "tools" / "requirements.py", which]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


# Versions


@pytest.mark.parametrize("line", PROJECT["project"]["dependencies"] + [line for g in GROUPS.values() for line in g])
def test_a_requirement_is_pinned_within_its_bound(line):
    assert locked(name_of(line)) in Requirement(line).specifier


def test_the_lock_has_one_exact_version_of_each():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()[1:]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert len(lock()) == len(lines)


def test_the_lock_fits_machines_with_and_without_a_gpu():
    assert lock()["torch"] == "torch==2.13.0"
    assert not [name for name in lock() if re.match("nvidia|cuda|triton", name)]


def test_the_lock_fits_every_promised_python():
    promised = SpecifierSet(PROJECT["project"]["requires-python"])
    pythons = [min(Version(s.version) for s in promised), Version("3.12.0"), Version("3.13.0")]
    pins, bounds = lock(), {}
    for installed in metadata.distributions():
        pin = pins.get(canonicalize_name(installed.name), "==").split("==")[1]
        if pin == installed.version.split("+")[0]:
            bounds[installed.name] = installed.metadata.get("Requires-Python", "")
    assert bounds
    assert {n: b for n, b in bounds.items() if not all(python in SpecifierSet(b) for python in pythons)} == {}


def test_conda_users_get_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == "generative-models-checked"
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    python, pip, packages = environment["dependencies"]
    assert (python, pip) == ("python=3.11", "pip")
    first, *pins, last = packages["pip"]
    assert (first, last) == ("-c requirements.lock", "-e .")
    assert sorted(pins) == sorted({lock()[name_of(line)] for line in listed("run")})


def test_both_sets_of_requirements_come_from_pyproject():
    assert listed("book") == GROUPS["book"]
    assert listed("run") == [*GROUPS["book"], *PROJECT["project"]["dependencies"], *GROUPS["test"]]


def test_installing_in_colab_replaces_nothing():
    assert COLAB_PYTHON in SpecifierSet(PROJECT["project"]["requires-python"])
    for requirement in dependencies():
        assert {bound.operator for bound in requirement.specifier} == {">="}, requirement
    bounds = {name_of(str(r)): r.specifier for r in dependencies()}
    assert set(bounds) >= set(COLAB)
    assert {name: version for name, version in COLAB.items() if version not in bounds[name]} == {}


@pytest.mark.parametrize("python", ["3.11.0", "3.12.0", "3.13.0"])
def test_a_python_is_promised(python):
    assert python in SpecifierSet(PROJECT["project"]["requires-python"])


def test_the_citation_names_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == ganlib.__version__
    assert citation["license"] == PROJECT["project"]["license"].split(" AND ")


# Workflows


def targets():
    """The targets for which the Makefile has a rule."""
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def called(code):
    """The targets of `make` in commands."""
    return set(re.findall(r"(?<![\w./-])make (?:[A-Z_]+=\S+ )*([a-z]+)", code))


def workflow(path):
    """A workflow with all values as text: YAML 1.1 reads the key ``on`` as a truth value."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


JOBS = [
    pytest.param(path, job, id=f"{path.stem}-{name}")
    for path in WORKFLOWS
    for name, job in workflow(path)["jobs"].items()
]
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
each_job = pytest.mark.parametrize(("path", "job"), JOBS)

EVENTS = {"push", "pull_request", "schedule", "workflow_dispatch"}
JOB = {"needs", "if", "runs-on", "timeout-minutes", "permissions", "environment", "strategy", "env", "steps"}
STEP = {"name", "id", "if", "uses", "with", "run", "env"}


def test_the_workflows_are_the_four():
    assert [path.stem for path in WORKFLOWS] == ["cpu", "gpu", "publish", "weekly"]


@each_workflow
def test_a_workflow_has_the_right_shape(path):
    content = workflow(path)
    assert {"name", "on", "permissions", "jobs"} <= set(content)
    assert set(content) <= {"name", "on", "permissions", "concurrency", "env", "jobs"}
    assert content["name"] == path.stem
    assert set(content["on"]) <= EVENTS
    for entry in content["on"].get("schedule", []):
        assert len(entry["cron"].split()) == 5
    assert content["permissions"] == {"contents": "read"}
    for job in content["jobs"].values():
        needed = job.get("needs", [])
        assert set([needed] if isinstance(needed, str) else needed) <= set(content["jobs"])


@each_job
def test_a_job_has_the_right_shape(path, job):
    assert {"runs-on", "timeout-minutes", "steps"} <= set(job) <= JOB
    assert job["steps"]
    for step in job["steps"]:
        assert set(step) <= STEP
        assert ("uses" in step) != ("run" in step)
        assert "with" not in step or "uses" in step


@each_job
def test_an_action_is_pinned_to_a_major_version(path, job):
    for step in job["steps"]:
        assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/none@v1"))


@each_job
def test_a_job_gets_the_code_before_it_calls_make(path, job):
    make = [i for i, step in enumerate(job["steps"]) if called(step.get("run", ""))]
    if make:
        assert job["steps"][0]["uses"].startswith("actions/checkout@")
        assert set().union(*(called(job["steps"][i]["run"]) for i in make)) <= targets()


@each_workflow
def test_the_expressions_of_a_workflow_name_what_exists(path):
    text, content = path.read_text(encoding="utf-8"), workflow(path)
    assert text.count("${{") == len(expressions := re.findall(r"\$\{\{ (.*?) \}\}", text))
    known = {"github.ref", "github.token", "github.server_url", "github.repository", "github.run_id"}
    for job in content["jobs"].values():
        known |= {f"matrix.{key}" for key in job.get("strategy", {}).get("matrix", {})}
        told = {"actions/deploy-pages@v5": "page_url", "actions/configure-pages@v5": "base_url"}
        known |= {f"steps.{step['id']}.outputs.{told[step['uses']]}" for step in job["steps"] if "id" in step}
    assert set(expressions) <= known


def test_a_failure_of_the_weekly_run_opens_an_issue():
    weekly = workflow(ROOT / ".github" / "workflows" / "weekly.yml")["jobs"]
    report = weekly.pop("report")
    assert set(report["needs"]) == set(report["strategy"]["matrix"]["job"]) == set(weekly)
    assert report["permissions"] == {"issues": "write"}
    assert "gh issue create" in report["steps"][-1]["run"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bit")
def test_the_script_of_the_server_makes_the_tests():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert called(script.read_text(encoding="utf-8").splitlines()[-1]) == {"test"}


# What the pages for people name

MADE = (".venv", "_build", "chapters/evidence", "conf.py")  # by the commands, so not in a fresh clone
PLACEHOLDER = re.compile(r"FOLDER|NAME")


def code(path):
    """What stands in code on a page: blocks and spans."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    return "\n".join(blocks + re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)))


def files(path):
    """The names of files, folders and pages on a page."""
    words = re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8"))
    words += [word.split("=")[-1] for word in re.findall(r"[^\s`]+", code(path))]
    for word in words:
        like_a_file = re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", word) and re.search(r"/|\.(md|py|yml|toml|lock)$", word)
        if like_a_file and not word.startswith(MADE) and not PLACEHOLDER.search(word):
            yield word


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_names_targets_that_exist(path):
    assert {"book", "test"} & called(code(path))
    assert called(code(path)) <= targets()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_names_files_that_exist(path):
    names = set(files(path))
    assert names
    assert not [n for n in names if not (ROOT / n).exists() and not (ROOT / "chapters" / f"{n}.ipynb").exists()]


def test_the_readme_starts_with_the_picture_and_the_two_commands():
    screen = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:20])
    assert re.search(r"!\[.{40,}\]\(assets/cover\.webp\)", screen)
    assert re.findall(r"^make \w+", screen, re.M) == ["make book", "make test"]


def test_no_page_types_how_much_is_settled():
    for path in PAGES:
        assert not re.search(r"\d+ of \d+|\d{2,} claims|settled \d", path.read_text(encoding="utf-8"))


# Nothing of the machine on which it was written. The patterns are put together, so that this file does not match them.


PATHS = rf"(?<![\w.])/({'|'.join(['work', 'farm', 'root'])})\b"
HOSTS = [("pypi", "org"), ("files", "pythonhosted"), ("registry", "npmjs"), ("deb", "debian")]
TORCH = ".".join(["download", "pytorch", "org"])
FORBIDDEN = re.compile("|".join([PATHS, *(r"\.".join(host) for host in HOSTS), r"\s+".join(["this", "session"])]), re.I)


def texts():
    """The tracked files, and those that would be, as text."""
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git and a clone")
    for name in filter(None, done.stdout.split("\0")):
        if (ROOT / name).is_file():
            yield name, (ROOT / name).read_text(encoding="utf-8", errors="replace")


def test_no_file_names_a_machine_or_a_registry():
    found = {name: match[0] for name, text in texts() if (match := FORBIDDEN.search(text))}
    assert found == {}


def test_only_the_readme_and_the_workflows_name_the_index_of_torch():
    names = [name for name, text in texts() if TORCH in text]
    assert set(names) <= {"README.md", ".github/workflows/cpu.yml", ".github/workflows/weekly.yml"}


@pytest.mark.parametrize("text", ["file:///{}/x", " /{}/x", '"/{}/x"'])
@pytest.mark.parametrize("folder", ["work", "root", "farm"])
def test_a_path_of_a_machine_would_be_found(text, folder):
    assert FORBIDDEN.search(text.format(folder))
    assert not FORBIDDEN.search(f"../{folder}.md and net{folder}/x")


# The wheel


def shipped(package):
    """The files of a package, without what Python caches."""
    return {p.relative_to(package).as_posix() for p in package.rglob("*") if p.is_file() and p.suffix != ".pyc"}


IMPORT_ALL = """
import importlib, json, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import ganlib
names = [module.name for module in pkgutil.walk_packages(ganlib.__path__, "ganlib.")]
places = [importlib.import_module(name).__file__ for name in names]
from ganlib.claims import register
print(json.dumps([names, places, len(register())]))
"""


def test_the_wheel_works_alone(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(ROOT / "ganlib", source / "ganlib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", cwd=source)
    (wheel,) = (source / "dist").glob("*.whl")
    install = ["install", "--no-deps", "--no-index", "--no-compile", "--target", target, wheel]
    run(sys.executable, "-m", "pip", *install, cwd=tmp_path)

    assert shipped(target / "ganlib") == shipped(ROOT / "ganlib")
    done = run(sys.executable, "-I", "-c", IMPORT_ALL, target, cwd=tmp_path)
    names, places, claims = json.loads(done.stdout)
    sources = (p.relative_to(ROOT).with_suffix("").as_posix() for p in (ROOT / "ganlib").rglob("*.py"))
    assert set(names) == {n.replace("/", ".").removesuffix(".__init__") for n in sources} - {"ganlib"}
    assert all(Path(place).is_relative_to(target) for place in places)
    assert claims >= 268


def run(*command, cwd, check=True):
    """Run a command away from this tree and from the `make` that may have started the tests."""
    ours = {"PYTHONPATH", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHON"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(map(str, command), cwd=cwd, env=environment, capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


# `make` on a machine that lacks something


# A Python that says another version of itself, or cannot import something.
FAKE = """#!/bin/sh
case "$1" in
--version) echo "Python {version}" ;;
-c) exec "{python}" -c "{before}; exec(sys.argv[1])" "$2" ;;
esac
"""


def fake(version, absent="none"):
    numbers = tuple(map(int, version.split(".")))
    before = f"import sys; sys.version_info = {numbers}; sys.modules['{absent}'] = None"
    return FAKE.format(version=version, python=sys.executable, before=before)


@pytest.fixture
def bare_clone(tmp_path):
    """What `make` needs of the tree, with an environment of which the set-up was interrupted."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "tools/requirements.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "left").touch()
    return tmp_path


@needs_make
@pytest.mark.parametrize("target", ["book", "test", "newest"])
@pytest.mark.parametrize(
    ("script", "said"),
    [
        (fake("3.9.18"), ["Python 3.11 or newer is needed", "is Python 3.9.18", "make PYTHON="]),
        (fake("3.10.14"), ["Python 3.11 or newer is needed", "is Python 3.10.14", "make PYTHON="]),
        (fake("3.11.2", absent="ensurepip"), ["venv module is missing", "apt install python3-venv"]),
        (None, ["Python 3.11 or newer is needed", "missing"]),
    ],
    ids=["3.9", "3.10", "without-venv", "none"],
)
def test_make_says_what_the_machine_lacks_and_changes_nothing(bare_clone, script, said, target):
    python = bare_clone / "python"
    if script:
        python.write_text(script)
        python.chmod(0o755)
    before = shipped(bare_clone)
    done = run("make", target, f"PYTHON={python}", cwd=bare_clone, check=False)
    assert done.returncode
    assert [words for words in said if words not in done.stdout + done.stderr] == []
    assert shipped(bare_clone) == before


@needs_make
def test_the_gpu_may_be_used_with_a_torch_of_its_own_and_no_network(bare_clone):
    done = run("make", "-n", "gpu", "OWN=1", "PYTHON=python3.12", "PAGE=game/training", cwd=bare_clone)
    (line,) = done.stdout.splitlines()
    words = line.split()
    assert words[-4:] == ["python3.12", "tools/notebooks.py", "test", "game/training"]
    assert {"GANLIB_DEVICE=cuda", "NVIDIA_TF32_OVERRIDE=0"} == set(words[:-4])


@needs_make
@pytest.mark.parametrize("target", ["unit", "test"])
def test_every_phase_of_pytest_works_on_all_cores(bare_clone, target):
    """The unit tests by one process more: some of them wait."""
    done = run("make", "-n", target, cwd=bare_clone)
    phases = [line for line in done.stdout.splitlines() if line.startswith(".venv/bin/pytest")]
    assert len(phases) == 1 + (target == "test")
    workers = [f"-n {os.cpu_count() + 1}", "-n logical"][: len(phases)]
    assert all(f"{n} --dist loadscope" in line for n, line in zip(workers, phases, strict=True))


@pytest.mark.parametrize(
    ("name", "common"),
    [
        ("tests/book/test_browser.py::test_a[dark-desktop-chapters/game/the_game]", "chapters/game/the_game"),
        ("tests/book/test_browser.py::test_b[chapters/game/the_game-(390, 844)-by_touch]", "chapters/game/the_game"),
        ("tests/book/test_html.py::test_c[chapters/game/the_game-<h2>No title</h2>]", "chapters/game/the_game"),
        ("tests/book/test_html.py::test_c[light-phone-intro]", "intro"),
        ("tests/test_gate.py::test_d[1]", "test_gate"),
        ("tests/test_losses.py::test_e[hinge_d]", "tests/test_losses.py::test_e[hinge_d]"),
        ("tests/test_x.py::test_f[introduced]", "tests/test_x.py::test_f[introduced]"),
    ],
)
def test_what_shares_a_page_or_a_dear_fixture_runs_in_one_process(name, common):
    assert shared(name) == common


@needs_make
@pytest.mark.parametrize("version", ["3.11.0", "3.13.0"])
def test_make_accepts_a_promised_python(bare_clone, version):
    python = bare_clone / "python"
    python.write_text(fake(version))
    python.chmod(0o755)
    run("make", "python", f"PYTHON={python}", cwd=bare_clone)
