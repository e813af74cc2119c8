"""A teacher judged on the student's test rows, by the student's metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ckd_plugins._discovery import FAULTS, sentence
from ckd_plugins.domains.instances import Instances
from ckd_plugins.errors import TeacherError
from ckd_plugins.host.data import Splits
from ckd_plugins.host.evaluate import evaluate_scores
from ckd_plugins.host.ranks import RankRecorder
from ckd_plugins.training.material import Material
from ckd_plugins.training.slices import slices_of
from ckd_plugins.training.teaching import Taught

__all__ = ["judge_in_slices", "judge_teacher"]

_log = logging.getLogger("ckd_plugins")


def judge_teacher(
    teacher: Any,
    material: Material,
    splits: Splits,
    config: Any,
    split: Literal["valid", "test"] = "test",
    recorder: RankRecorder | None = None,
) -> dict[str, float] | None:
    """Rank the whole catalogue by a teacher for every test row, with the student's masking of known items.

    Args:
        teacher: who ranks.
        material: the run's data in its terms.
        splits: the run's data.
        config: its RecBole config.
        split: ``"valid"`` for the validation rows, whose histories are the training sequences.
        recorder: is shown each batch of the ranking.

    Returns:
        The run's metrics on the split, or ``None`` where the run is not evaluated by full ranking, or has several
        rows of a user with histories that differ, or a teacher's lists are shorter than what the metrics ask, or it has
        no answer for any of the rows.
    """
    return _judge([(teacher, material, None)], splits, config, split, recorder)


_Asked = tuple[Any, Material, NDArray[np.int64] | None]
"""A teacher, its data, and RecBole's ids of its items; ``None`` for all in their order."""


def _judge(
    asked: Sequence[_Asked],
    splits: Splits,
    config: Any,
    split: Literal["valid", "test"],
    recorder: RankRecorder | None,
) -> dict[str, float] | None:
    if config["MODEL_TYPE"].name == "SEQUENTIAL":
        users = (splits.test if split == "test" else splits.valid)._dataset.inter_feat[config["USER_ID_FIELD"]]
        if len(users.unique()) < len(users):
            return None  # each of a user's test rows has a history of its own, and a teacher is asked one a user
    scorers = [_scorer(*one, config, split) for one in asked]
    known = [scorer for scorer in scorers if scorer is not None]
    if len(known) < len(asked):
        return None
    n_items = int(splits.dataset.item_num)

    def scores(users: NDArray[np.int64]) -> torch.Tensor:
        found = torch.full((len(users), n_items), -torch.inf)
        for scorer in known:
            scorer(users, found)
        return found

    return evaluate_scores(config, splits, scores, split, recorder)


def _scorer(
    teacher: Any, material: Material, items: NDArray[np.int64] | None, config: Any, split: Literal["valid", "test"]
) -> Callable[[NDArray[np.int64], torch.Tensor], None] | None:
    """What fills a teacher's scores into those of a batch's users ``[B, n_items]``; ``None`` where it cannot be judged.

    Rows that it does not know stay as they are.
    """
    listing = getattr(teacher, "form", "factors") == "topk"
    if listing and not _lists_do(teacher, config):
        return None
    asked = material.evaluation_instances(before=split)
    answered = teacher.keys(asked) != 0
    if not answered.any():
        return None
    answer = _listed(teacher, asked) if listing else _products(teacher, material, asked)

    def fill(users: NDArray[np.int64], scores: torch.Tensor) -> None:
        row = material.user_row[users]
        at = np.flatnonzero((row >= 0) & answered[row])
        if not len(at):
            return
        where = torch.from_numpy(at)
        if items is None:
            scores[where, 1:] = answer(row[at])
        else:
            scores[where[:, None], torch.from_numpy(items)] = answer(row[at])

    return fill


def judge_in_slices(
    taught: Taught, material: Material, splits: Splits, config: Any, split: Literal["valid", "test"] = "test"
) -> tuple[dict[str, float] | None, dict[str, Any]]:
    """Judge a run's teacher on the test rows, and on slices of them; of one a domain, each on its own rows.

    Returns:
        The run's metrics as of :func:`judge_teacher`, and those of the slices as of
        :func:`ckd_plugins.training.slices.slices`. A plugin's teacher that fails has none, and is warned about:
        whoever has come so far has a student, or a teacher, that is worth more than the numbers beside it.
    """
    try:
        return _in_slices(taught, material, splits, config, split)
    except FAULTS as error:
        if taught.origin is None or taught.origin.builtin:
            raise
        where = "test" if split == "test" else "validation"
        _log.warning(
            "teacher %r of %s fails on the %s rows, and gets no metrics of them: %s",
            taught.name,
            taught.origin,
            where,
            sentence(error),
        )
        return None, {}


def _in_slices(
    taught: Taught, material: Material, splits: Splits, config: Any, split: Literal["valid", "test"]
) -> tuple[dict[str, float] | None, dict[str, Any]]:
    recorder = RankRecorder(max(config["topk"]))
    asked: list[_Asked] = [
        (one.teacher, one.part.material, one.part.items) if one.part is not None else (one.teacher, material, None)
        for one in taught.parts or (taught,)
    ]
    result = _judge(asked, splits, config, split, recorder)
    if result is None:
        return None, {}
    return result, slices_of(recorder.ranks(), splits, config, material, result)


def _products(teacher: Any, material: Material, instances: Instances) -> Callable[[NDArray[np.int64]], torch.Tensor]:
    vectors = torch.from_numpy(teacher.encode(instances))
    if not vectors.isfinite().all():  # NaN is above every score
        raise TeacherError(f"{type(teacher).__name__}.encode gives vectors with NaN or infinite values")
    items = torch.from_numpy(teacher.item_factors(material.domain))
    unknown = torch.from_numpy(~teacher.known_items(material.domain))
    return lambda rows: (vectors[torch.from_numpy(rows)] @ items.T).masked_fill(unknown, -torch.inf)


def _listed(teacher: Any, instances: Instances) -> Callable[[NDArray[np.int64]], torch.Tensor]:
    return lambda rows: torch.from_numpy(teacher.scores(instances, rows))


def _lists_do(teacher: Any, config: Any) -> bool:
    """Whether the metrics look no further down than a list teacher's lists; GAUC ranks the whole catalogue."""
    return max(config["topk"]) <= teacher.k and "gauc" not in [str(m).lower() for m in config["metrics"]]
