"""Trials of measures of difficulty and of schedules: what breaks their contract is named before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ckd_plugins._discovery import FAULTS, sentence
from ckd_plugins.curriculum.evidence import Evidence, Floats
from ckd_plugins.errors import CkdError, PluginError

__all__ = ["measured", "try_difficulty", "try_schedule"]


def measured(measure: Callable[..., Any], evidence: Evidence, options: Mapping[str, Any]) -> Floats:
    """Ask a measure, and check what it gives.

    Returns:
        float64 ``[R]``.

    Raises:
        CkdError: as it raises one itself.
        PluginError: it fails, or gives something else than a number a row. The message goes on from its name.
    """
    try:
        values = np.asarray(measure(evidence, **options), np.float64)
    except CkdError:
        raise
    except FAULTS as error:
        raise PluginError(f"fails: {sentence(error)}") from error
    if values.shape != (len(evidence),):
        raise PluginError(f"gives an array {values.shape} for {len(evidence)} rows; one number a row is asked")
    return values


def try_difficulty(measure: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Ask a measure about made-up rows, of which one has no history and one no teacher knows.

    Raises:
        PluginError: it fails, or gives something else than a number a row.
    """
    rng, rows, items = np.random.default_rng(0), 12, 30
    stop = np.arange(0, 3 * rows, 3)  # of the first row nothing
    known = np.where(np.arange(rows) == 5, np.nan, rng.random(rows))
    flat, targets = rng.integers(items, size=3 * rows), rng.integers(items, size=rows)
    start, popularity = np.maximum(stop - 6, 0), rng.integers(0, 50, items).astype(np.float64)
    evidence = Evidence(flat, start, stop, targets, popularity, known, known, 9 * known)
    try:
        measured(measure, evidence, options)
    except PluginError:
        raise
    except CkdError:
        return  # made-up rows need not suit its options


def try_schedule(schedule: object) -> None:
    """Ask a schedule along the training.

    Raises:
        CkdError: as it raises one itself.
        PluginError: it fails, leaves [0, 1], falls, or does not end at 1.
    """
    if not callable(schedule):
        raise PluginError(f"is a {type(schedule).__name__}, not a ckd_plugins.curriculum.Schedule")
    before = 0.0
    for step in range(11):
        progress = step / 10
        try:
            share = float(schedule(progress))
        except CkdError:
            raise
        except FAULTS as error:
            raise PluginError(f"fails at progress {progress:g}: {sentence(error)}") from error
        if not 0 <= share <= 1 + 1e-9:
            raise PluginError(f"gives {share:g} at progress {progress:g}; a number in [0, 1] is asked for")
        if share < before:
            raise PluginError(f"falls from {before:g} to {share:g} at progress {progress:g}; it may only grow")
        before = share
    if before < 1 - 1e-9:
        raise PluginError(f"ends at {before:g}, not at 1: some rows would never be drawn")
