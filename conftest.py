"""What every run of nbval in this book needs, wherever it is started.

1. It compares text and nothing else: the measured figures live in HTML, which differs from machine to machine.
2. A dead kernel is reported within a second, with its exit status; nbval alone waits for the cell's whole timeout.
3. A notebook whose pictures are downloaded is skipped whole, with the reason, where they cannot be had.
"""

import re
import time
from queue import Empty

import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell

NOT_COMPARED = ("text/html", "image/svg+xml", "image/webp")

_compare_outputs = IPyNbCell.compare_outputs
_await_reply = RunningKernel.await_reply


def compare_outputs(self, test, ref, skip_compare=None):
    """Compare, leaving out what is not text."""
    return _compare_outputs(self, test, ref, (skip_compare or self.parent.skip_compare) + NOT_COMPARED)


def await_reply(self, msg_id, timeout=None):
    """Wait in short slices, so that a dead kernel is noticed."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        try:
            return _await_reply(self, msg_id, timeout=0.5)
        except Empty:
            if not self.is_alive():
                process = getattr(self.km.provisioner, "process", None)
                status = None if process is None else process.returncode
                pytest.fail(f"kernel died (exit status {status}); -9 usually means out of memory", pytrace=False)
            if deadline is not None and time.monotonic() > deadline:
                raise


def pytest_collection_modifyitems(items):
    """Skip every cell of a notebook that cannot have its pictures."""
    notebooks = {item.path for item in items if item.path.suffix == ".ipynb"}
    reasons = {path: why_not(path.read_text(encoding="utf-8")) for path in notebooks}
    for item in items:
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
