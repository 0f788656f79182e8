"""What every run of nbval in this book needs, wherever it is started.

1. It compares text and nothing else: the measured figures live in HTML, which differs from machine to machine. On an
   accelerator stderr is not compared either: what CUDA warns of, once a process, is no claim.
2. A dead kernel is reported within a second, with its exit status; nbval alone waits for the cell's whole timeout.
3. A cell has a limit of CPU seconds, `--cell-cpu`: on a busy machine the clock on the wall tells nothing of a page.
4. The kernel's CPU seconds and its largest memory are reported at the end, read from the kernel itself: the peak that
   `wait` tells of a child is at least its parent's, where `vfork` has started it.
5. A notebook whose pictures are downloaded is skipped whole, with the reason, where they cannot be had.
"""

import os
import re
import time
from pathlib import Path
from queue import Empty

import psutil
import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell

NOT_COMPARED = ("text/html", "image/svg+xml", "image/webp")
if os.environ.get("GANLIB_DEVICE", "cpu") != "cpu":
    NOT_COMPARED += ("stderr",)
watches = []  # one a kernel, in the order in which they were started
limit = float("inf")  # CPU seconds of a cell, set from the command line

_compare_outputs = IPyNbCell.compare_outputs
_await_reply = RunningKernel.await_reply


class Watch:
    """The CPU seconds and the largest memory of a kernel and of what it has started."""

    def __init__(self, pid):
        self.kernel, self.cpu, self.peak = psutil.Process(pid), 0.0, 0

    def look(self):
        """Read both once more; a process that is gone keeps what was read before."""
        try:
            family = [self.kernel, *self.kernel.children(recursive=True)]
            self.cpu = max(self.cpu, sum(map(_seconds, family)))
            self.peak = max(self.peak, _peak(self.kernel), sum(map(_resident, family)))
        except psutil.NoSuchProcess:
            pass
        return self.cpu


def _seconds(process):
    """CPU seconds of a process and of its children that have ended."""
    try:
        return sum(process.cpu_times()[:4])
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0


def _resident(process):
    try:
        return process.memory_info().rss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def _peak(process):
    """The largest memory that a process has had, where the system keeps it (Linux); elsewhere what it has now."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        return 1024 * int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)[1])
    except (OSError, TypeError):
        return _resident(process)


def watch(kernel):
    """The watch over a running kernel; None where it is no process of this machine."""
    if not hasattr(kernel, "ganlib_watch"):
        process = getattr(kernel.km.provisioner, "process", None)
        kernel.ganlib_watch = None if process is None else Watch(process.pid)
        watches.extend([kernel.ganlib_watch] if process else [])
    return kernel.ganlib_watch


def compare_outputs(self, test, ref, skip_compare=None):
    """Compare, leaving out what is not text."""
    return _compare_outputs(self, test, ref, (skip_compare or self.parent.skip_compare) + NOT_COMPARED)


def await_reply(self, msg_id, timeout=None):
    """Wait in short slices, so that a dead kernel is noticed, and a cell that has used up its CPU seconds."""
    seen = watch(self)
    before = seen.look() if seen else 0.0
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        done = _replied(self, msg_id, 0.5)
        if seen and seen.look() - before > limit:
            _stop(self, msg_id, done)
            pytest.fail(f"the cell used {seen.cpu - before:.1f} CPU s, more than {limit:g}", pytrace=False)
        if done:
            return
        if not self.is_alive():
            process = getattr(self.km.provisioner, "process", None)
            status = None if process is None else process.returncode
            pytest.fail(f"kernel died (exit status {status}); -9 usually means out of memory", pytrace=False)
        if deadline is not None and time.monotonic() > deadline:
            raise Empty


def _replied(kernel, msg_id, timeout):
    """Whether the kernel has answered within the timeout."""
    try:
        _await_reply(kernel, msg_id, timeout=timeout)
    except Empty:
        return False
    return True


def _stop(kernel, msg_id, done):
    """Interrupt a cell that goes on, and stop the kernel where that does not help: the next cells then fail too."""
    if not done:
        kernel.interrupt()
        if not _replied(kernel, msg_id, 5):
            kernel.stop()


def pytest_addoption(parser):
    """Add the limit of a cell, in CPU seconds of the kernel."""
    parser.addoption("--cell-cpu", type=float, default=60, help="CPU seconds that a cell of a notebook may use")


def pytest_configure(config):
    """Remember the limit."""
    global limit
    limit = config.getoption("--cell-cpu")


def pytest_terminal_summary(terminalreporter):
    """Say what each kernel has used; `tools/notebooks.py` reads it."""
    for seen in watches:
        terminalreporter.write_line(f"kernel: {seen.cpu:.2f} CPU s, {seen.peak / 2**30:.3f} GB")


def pytest_collection_modifyitems(items):
    """Skip every cell of a notebook that cannot have its pictures."""
    notebooks = {item.path for item in items if item.path.suffix == ".ipynb"}
    reasons = {path: why_not(path.read_text(encoding="utf-8")) for path in notebooks}
    for item in items:
        if isinstance(item, IPyNbCell):
            item.output_timeout = 60  # nbval gives a busy machine 5 s to hand over what a cell has shown
        if reason := reasons.get(item.path):
            item.add_marker(pytest.mark.skip(reason=reason))


def why_not(source):
    """What keeps the pictures that a notebook loads from being had; they are downloaded here, before any cell runs."""
    for name in sorted(set(re.findall(r"\bimages\.((?:fashion_)?mnist)\(", source))):
        from ganlib import images

        try:
            for train in (True, False):
                getattr(images, name)(train=train)
        except OSError as error:
            return str(error)
    return None


IPyNbCell.compare_outputs = compare_outputs
RunningKernel.await_reply = await_reply
