"""A trial of candidate sources."""

from __future__ import annotations

import torch
from torch import Tensor

from ckd_plugins._discovery import FAULTS, sentence
from ckd_plugins.distillation.candidates.base import Candidates, CandidateSource
from ckd_plugins.distillation.trials.steady import shape_of
from ckd_plugins.errors import CkdError, PluginError

__all__ = ["require_source", "try_candidates"]


def require_source(part: object) -> CandidateSource:
    """What a factory made, if it is a source.

    Raises:
        PluginError: it is something else.
    """
    if not isinstance(part, CandidateSource):
        raise PluginError(f"is a {type(part).__name__}, not a ckd_plugins.distillation.CandidateSource")
    return part


def try_candidates(source: CandidateSource, n_items: int, targets: Tensor) -> None:
    """Let a source choose for a batch, and for its first row alone.

    Args:
        source: bound to a catalogue, and to teachers if it goes by them.
        n_items: number of item ids, padding included.
        targets: int64 ``[B]`` item ids of the first rows.

    Raises:
        CkdError: as it raises one itself.
        PluginError: it fails, what it gives is not what :class:`Candidates` promises, or it moves
            torch's random state, and with it the student's dropout.
    """
    for rows in (len(targets), 1):
        with torch.random.fork_rng(devices=[]):
            before = torch.get_rng_state()
            try:
                source.set_epoch(0)
                found = source.choose(torch.arange(rows), targets[:rows].clone())
            except CkdError:
                raise
            except FAULTS as error:
                raise PluginError(f"fails on a batch of {rows} rows: {sentence(error)}") from error
            if not torch.equal(before, torch.get_rng_state()):
                raise PluginError("draws from torch's own random numbers, which are the student's; give it a generator")
        _check_choice(found, n_items, targets[:rows])
    source.set_epoch(0)


def _check_choice(found: object, n_items: int, targets: Tensor) -> None:
    if not isinstance(found, Candidates):
        raise PluginError(f"gives a {type(found).__name__}, not ckd_plugins.distillation.Candidates")
    rows, items = len(targets), found.items
    if not isinstance(items, Tensor) or items.dtype != torch.int64 or not _fits(items, rows):
        raise PluginError(f"gives items of shape {shape_of(items)}; int64 [C] or [{rows}, C] is asked for")
    if not isinstance(found.target, Tensor) or found.target.dtype != torch.int64 or found.target.shape != (rows,):
        raise PluginError(f"gives target columns of shape {shape_of(found.target)}; int64 ({rows},) is asked for")
    every = items.expand(rows, items.shape[-1])
    if bool(((every < 1) | (every >= n_items)).any()):
        wrong = int(every[(every < 1) | (every >= n_items)][0])
        raise PluginError(f"gives item {wrong}; ids are 1 to {n_items - 1}, in columns that are masked, too")
    mask = torch.ones_like(every, dtype=torch.bool) if found.mask is None else found.mask
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != every.shape:
        raise PluginError(f"gives a mask of shape {shape_of(mask)}; bool {tuple(every.shape)} is asked for")
    column, has = found.target, found.target >= 0
    if bool((column >= every.shape[1]).any()):
        raise PluginError(f"puts a row's target into column {int(column.max())} of {every.shape[1]}")
    if not torch.equal(every.gather(1, column.clamp_min(0)[:, None])[:, 0][has], targets[has]):
        raise PluginError("names a column as a row's target that holds another item")
    # Each masked place a number of its own, below the ids.
    distinct = torch.where(mask, every, -torch.arange(every.shape[1]))
    if bool((distinct.sort(dim=1).values.diff(dim=1) == 0).any()):
        raise PluginError("gives a row the same item twice, which would count double; mask the second one")


def _fits(items: Tensor, rows: int) -> bool:
    return items.ndim in (1, 2) and items.shape[-1] > 0 and (items.ndim == 1 or len(items) == rows)
