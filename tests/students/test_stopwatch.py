"""Seconds of parts of steps."""

from __future__ import annotations

import time

import torch

from ckd_plugins.students.stopwatch import Stopwatch


def test_seconds_add_up_and_start_anew():
    """An epoch's seconds must not hold the epochs' before it."""
    watch = Stopwatch()
    for _ in range(2):
        with watch.running(torch.device("cpu")):
            time.sleep(0.01)
    assert 0.02 <= watch.pop() < 0.5
    assert watch.pop() == 0


def test_time_outside_is_not_counted():
    """The own loss lies between the two blocks of a step."""
    watch = Stopwatch()
    with watch.running(torch.device("cpu")):
        pass
    time.sleep(0.05)
    assert watch.pop() < 0.05
