"""What all tests share: one thread, one source of randomness, a watch over the global ones, and who runs where."""

import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch

torch.set_num_threads(1)


PAGE = re.compile(r"\[(?:.*[-\[])?((?:chapters/)[\w/]+|intro)\b")  # in the name of a test
TOGETHER = ("test_device", "test_faults", "test_gate")  # one fixture of theirs costs more than all their tests


def shared(name):
    """What a test has in common with others, from its name: the page that it opens, its module, or nothing."""
    if page := PAGE.search(name):
        return page[1]
    module = Path(name.partition("::")[0]).stem
    return module if module in TOGETHER else name


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Where several processes share the tests, those with something in common go to one, which opens it once."""
    from xdist.scheduler import LoadScopeScheduling

    class Shared(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return shared(nodeid)

    return Shared(config, log)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(20)


@pytest.fixture(autouse=True)
def _global_streams_stay_untouched():
    """Nothing in ganlib draws from a global stream: together the tests call every public function."""
    before = _streams()
    yield
    assert _streams() == before, "a global random stream was used"


def _streams():
    _, words, position, *_ = np.random.get_state()
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), words.tobytes(), position
