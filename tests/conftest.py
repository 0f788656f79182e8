"""What all unit tests share: one thread, one source of randomness, and a watch over the global ones."""

import random

import numpy as np
import pytest
import torch

torch.set_num_threads(1)


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
