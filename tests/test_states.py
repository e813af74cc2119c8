"""What a stranger's call may not change of the process that calls it."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from ckd_plugins._states import states_kept


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def seed(number: int) -> None:
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def test_the_next_draws_are_those_of_a_process_without_the_call() -> None:
    """An observer that seeds or draws would make the run another one, silently."""
    seed(3)
    expected = draws()
    seed(3)
    with states_kept():
        seed(99)
        draws()
    assert draws() == expected


def test_switches_go_back_when_the_call_raises_too() -> None:
    """A run without gradients ends in a traceback of torch's that names no plugin."""

    def meddles() -> None:
        with states_kept():
            torch.set_grad_enabled(False)
            torch.set_default_dtype(torch.float64)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        meddles()
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32


def test_a_gpus_draws_are_kept_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropout of a student on a GPU draws from a generator of its own; the GPU is made up here."""
    gpu = {"state": 3}
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: dict(gpu))
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", gpu.update)
    with states_kept():
        gpu["state"] = 99
    assert gpu == {"state": 3}


def test_neither_numpy_nor_torch_is_loaded_for_it() -> None:
    """Start-up of the command line took seconds."""
    program = (
        "import sys; from ckd_plugins._states import states_kept\n"
        "with states_kept(): pass\n"
        "assert not {'numpy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
