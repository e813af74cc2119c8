"""Teachers whose knowledge is lists of best items."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.instances import Instances
from ckd_plugins.errors import TeacherError
from ckd_plugins.teachers.base import Float32, Int32, Teacher

__all__ = ["ListTeacher", "best"]

_BLOCK = 1 << 24  # scores that are in memory at once: 64 MB


class ListTeacher(Teacher):
    """A teacher that scores whole catalogues and has no vectors to give: a black box, a neighbourhood, a tree.

    A concrete one says :meth:`scores`, and which rows it can answer by :meth:`keys`; :meth:`lists` follows from them.
    """

    form: Literal["factors", "topk"] = "topk"
    k: int
    """Length of its lists."""

    @abstractmethod
    def scores(self, instances: Instances, rows: npt.ArrayLike | None = None) -> Float32:
        """Return ``float32 [len(rows), n_items]``: the score of each of ``instances.items``, higher is better.

        What it has no opinion on is ``-inf``. Items that a history holds are scored like all others.

        Args:
            instances: rows of any numbering of items.
            rows: which rows; all by default.

        Raises:
            TeacherError: if the teacher has not been fine-tuned.
        """

    def lists(self, instances: Instances, rows: npt.ArrayLike | None = None) -> tuple[Int32, Float32]:
        """Return each row's best items and their scores, best first: :func:`best` of :meth:`scores`.

        Returns:
            ``int32`` and ``float32``, both ``[len(rows), min(k, n_items)]``; -1 and 0 fill shorter lists.
        """
        chosen = np.arange(len(instances)) if rows is None else np.asarray(rows)
        k = min(self.k, len(instances.items))
        ids, scores = np.full((len(chosen), k), -1, np.int32), np.zeros((len(chosen), k), np.float32)
        step = max(1, _BLOCK // len(instances.items))
        for start in range(0, len(chosen), step):
            part = slice(start, start + step)
            ids[part], scores[part] = best(self.scores(instances, chosen[part]), k)
        return ids, scores

    def item_factors(self, domain: Domain) -> Float32:
        """A list teacher has none.

        Raises:
            TeacherError: always.
        """
        raise TeacherError(f"teacher {self.name!r} gives lists and has no item vectors; ask for lists()")

    def encode(self, instances: Instances, rows: npt.ArrayLike | None = None) -> Float32:
        """A list teacher has no vectors.

        Raises:
            TeacherError: always.
        """
        raise TeacherError(f"teacher {self.name!r} gives lists and has no vectors; ask for lists()")


def best(scores: Float32, k: int) -> tuple[Int32, Float32]:
    """Return the ``k`` best items of each row and their scores, best first.

    A list ends above the items that tie with the first one left out: which of them would be on it is chance, and a
    neighbourhood model gives most of a catalogue the same 0. Only a list that would be empty keeps them.

    Args:
        scores: ``[B, n]``; ``-inf`` is never listed.
        k: at most ``n``.

    Returns:
        ``[B, k]`` item indices, -1 where a list is shorter, and ``[B, k]`` scores, 0 there.
    """
    table = torch.from_numpy(np.ascontiguousarray(scores))
    values, ids = table.topk(min(k + 1, table.shape[1]), dim=1)
    if values.shape[1] > k:
        listed = values[:, :k] > values[:, k:]
        listed |= ~listed[:, :1]  # all tie: the chance ones rather than none
        values, ids = values[:, :k], ids[:, :k]
    else:
        listed = torch.ones_like(values, dtype=torch.bool)
    listed &= torch.isfinite(values)
    return ids.masked_fill(~listed, -1).to(torch.int32).numpy(), values.masked_fill(~listed, 0.0).numpy()
