"""Draws the rows that the student is ready for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from ckd_plugins.curriculum.evidence import Floats, Ints
from ckd_plugins.curriculum.groups import Groups
from ckd_plugins.errors import ConfigError, DataError

__all__ = ["CurriculumSampler"]


class CurriculumSampler(Sampler[int]):
    r"""A shuffled pass over the easiest ``ceil(competence * R)`` rows, set anew by :meth:`set_epoch`.

    Equal difficulties are put in an order that depends on ``seed`` alone, so that the number of rows follows the
    competence exactly and rows once eligible stay so. The order of a pass depends on ``seed`` and the epoch alone:
    iterating twice within an epoch gives the same order, and a resumed run continues as the whole run would have: in
    the middle of an epoch, by :meth:`load_state_dict`, with the row after the last that was drawn. With ``refresh`` all
    that holds as far as the difficulties are the same: a run that resumes has to bring them along.

    It is an index sampler in flat order and goes where RecBole's loaders keep theirs
    (``loader.batch_sampler.sampler``); the loader cuts the batches. With ``lengths``, rows of similar length come
    together **in groups of exactly** ``batch_size`` **consecutive rows**, so that the loader's batches are the buckets:
    the shuffled rows are cut into pools of ``bucket_batches`` batches, sorted by length within a pool, and the batches
    of all pools are shuffled. What does not fill a batch comes last, unsorted.

    Distributed, every rank gets equally many rows, and no row goes to two ranks; up to ``world_size - 1`` rows a pass
    are left out for that (others every epoch). With ``lengths``, the ranks' batches of one step come from one bucket,
    so that no rank waits for another's long sequences. ``batch_size`` is a rank's.

    With ``groups`` (domains), equally large a part of each group may be eligible, and groups may be drawn from by a
    temperature: a pass has as many rows as are eligible, and of each group a share that goes with its number of rows to
    the power of 1/temperature (Devlin et al.'s multilingual BERT, Arivazhagan et al., 2019: T = 5), times the part of
    them that is eligible. Of a group whose share is more than its rows every row comes as often as any other, or once
    more.

    Args:
        difficulty: ``[R]``, larger is harder; see :func:`~ckd_plugins.curriculum.difficulty.combine`.
        schedule: progress in [0, 1] to competence.
        epochs: of the whole training; progress is ``epoch / epochs``.
        progress: epoch to progress, in place of ``epochs``.
        min_share: least share of the rows, whatever the schedule says.
        seed: of all that is random here.
        rank: of this process.
        world_size: number of processes.
        lengths: ``[R]``; ``None`` switches the buckets off.
        batch_size: the loader's; needed with ``lengths``.
        bucket_batches: batches a pool; more sort finer and shuffle less.
        groups: ``[R]`` each row's group, from 0.
        within: apply the competence to each group rather than to all rows.
        temperature: of the groups' shares; 1 is as they are.
        refresh: asked for the difficulties anew before every epoch but the first, until all rows are eligible; ``None``
            leaves them.

    Raises:
        ConfigError: a number is out of range, or both or none of ``epochs`` and ``progress`` are given.
        DataError: no rows, fewer than processes, or arrays of different length.
    """

    def __init__(
        self,
        difficulty: Floats | Sequence[float],
        schedule: Callable[[float], float],
        *,
        epochs: int | None = None,
        progress: Callable[[int], float] | None = None,
        min_share: float = 0.01,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        lengths: npt.ArrayLike | None = None,
        batch_size: int | None = None,
        bucket_batches: int = 50,
        groups: npt.ArrayLike | None = None,
        within: bool = False,
        temperature: float = 1.0,
        refresh: Callable[[], Floats] | None = None,
    ) -> None:
        values = np.asarray(difficulty, dtype=np.float64)
        if (epochs is None) == (progress is None):
            raise ConfigError("curriculum sampler: give either epochs or progress")
        if epochs is not None and epochs < 1:
            raise ConfigError(f"curriculum sampler: epochs must be 1 or more, not {epochs}")
        if not 0 <= min_share <= 1:
            raise ConfigError(f"curriculum sampler: min_share must be in [0, 1], not {min_share}")
        if not 0 <= rank < world_size:
            raise ConfigError(f"curriculum sampler: rank {rank} is not in a world of {world_size}")
        if bucket_batches < 1 or (batch_size is not None and batch_size < 1):
            raise ConfigError("curriculum sampler: batch_size and bucket_batches must be 1 or more")
        if lengths is not None and batch_size is None:
            raise ConfigError("curriculum sampler: buckets by length need batch_size")
        if len(values) < world_size:
            raise DataError(f"curriculum sampler: {len(values)} rows for {world_size} processes; one each is the least")
        if groups is not None and len(np.asarray(groups)) != len(values):
            raise DataError(f"curriculum sampler: {len(np.asarray(groups))} groups for {len(values)} rows")
        if not temperature > 0:
            raise ConfigError(f"curriculum sampler: temperature must be above 0, not {temperature}")
        self.schedule = schedule
        self.min_share = min_share
        self.seed = seed
        self.rank, self.world_size = rank, world_size
        self.batch_size, self.bucket_batches = batch_size, bucket_batches
        self._progress = progress or (lambda epoch: epoch / epochs if epochs else 1.0)
        self._lengths = None if lengths is None else np.asarray(lengths, dtype=np.int64)
        if self._lengths is not None and len(self._lengths) != len(values):
            raise DataError(f"curriculum sampler: {len(self._lengths)} lengths for {len(values)} rows")
        self._group_of, self._within, self._temperature = groups, within, temperature
        self._refresh, self._drawn, self._skip = refresh, 0, 0
        self.epoch = 0
        self._order(values)
        self.set_epoch(0)

    def _order(self, difficulty: Floats) -> None:
        if np.isnan(difficulty).any():
            raise DataError("curriculum sampler: difficulty holds NaN; combine() gives such rows a middle place")
        ties = np.random.default_rng([self.seed, 0]).permutation(len(difficulty))
        self._easiest_first: Ints = np.lexsort((ties, difficulty))
        groups = self._group_of
        self._groups = None if groups is None else Groups(groups, self._easiest_first, self._within, self._temperature)

    def set_epoch(self, epoch: int) -> None:
        """Set the pass for ``epoch`` (from 0)."""
        if epoch != self.epoch:
            self._drawn = self._skip = 0
        progress = min(max(float(self._progress(epoch)), 0.0), 1.0)
        self.competence = min(max(float(self.schedule(progress)), self.min_share), 1.0)
        if self._refresh is not None and epoch not in (0, self.epoch) and self.competence < 1:
            self._order(np.asarray(self._refresh(), dtype=np.float64))
        self.epoch = epoch

    @property
    def eligible(self) -> int:
        """Number of rows within the current competence, over all ranks."""
        rows = len(self._easiest_first)
        if self._groups is not None and self._groups.within:
            return self._groups.eligible(max(self.competence, self.world_size / rows))
        # A competence of 0.29999999999999999 of 10 rows is 3 rows; the least is one a rank.
        return min(max(math.ceil(self.competence * rows - 1e-9), self.world_size), rows)

    def __len__(self) -> int:
        return self.eligible // self.world_size

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self.seed, 1, self.epoch])
        order = rng.permutation(self._eligible_rows(rng))[: len(self) * self.world_size]
        if self._lengths is not None and self.batch_size is not None:
            order = self._bucket(order, rng, self._lengths, self.batch_size * self.world_size)
        skip, self._skip = self._skip, 0
        self._drawn = skip
        return self._counted(order[self.rank :: self.world_size][skip:].tolist())

    def _counted(self, rows: list[int]) -> Iterator[int]:
        for drawn, row in enumerate(rows, start=self._drawn + 1):
            self._drawn = drawn
            yield row

    def state_dict(self) -> dict[str, int]:
        """Which epoch it is, and how many of this rank's rows were drawn in the pass that was begun last."""
        return {"epoch": self.epoch, "drawn": self._drawn}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Continue an interrupted pass: the next one begins with the row after the last that was drawn."""
        self.set_epoch(state["epoch"])
        self._drawn = self._skip = state["drawn"]

    def _eligible_rows(self, rng: np.random.Generator) -> Ints:
        if self._groups is None:
            return self._easiest_first[: self.eligible]
        competence = max(self.competence, self.world_size / len(self._easiest_first))
        return self._groups.draw(competence, self.eligible, rng)

    def _bucket(self, order: Ints, rng: np.random.Generator, lengths: Ints, group: int) -> Ints:
        """Sort by length within pools and shuffle groups (one batch of every rank); the incomplete group stays last."""
        full = len(order) // group * group
        pool = group * self.bucket_batches
        pools = [order[begin : min(begin + pool, full)] for begin in range(0, full, pool)]
        by_length = [rows[np.argsort(lengths[rows], kind="stable")].reshape(-1, group) for rows in pools]
        if not by_length:
            return order
        groups = rng.permutation(np.concatenate(by_length), axis=0)
        return np.concatenate([groups.ravel(), order[full:]])
