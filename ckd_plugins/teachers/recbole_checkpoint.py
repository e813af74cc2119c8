"""A checkpoint that RecBole wrote: a model's weights, and the settings that it was made with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ckd_plugins.errors import TeacherError
from ckd_plugins.host.checkpoint import read_checkpoint
from ckd_plugins.host.zoo import shipped_settings

__all__ = ["Trained", "read_trained"]

_LEFT = frozenset({"phase", "teacher", "train_method", "train_stage", "use_pretrain", "warm_up"})
"""Settings that only say how a model comes to its first weights. RecBole evaluates ``teacher`` as Python and loads what
``warm_up`` and all ``..._path`` name as pickles."""
_WORD = re.compile(r"[\w.+-]{1,40}")


@dataclass(frozen=True)
class Trained:
    """What a checkpoint holds of a trained model."""

    settings: dict[str, Any]
    """The model's own settings, those that RecBole's YAML of it has."""
    max_length: int | None
    """Newest items of a history that it reads, if the file says so."""
    weights: dict[str, Tensor]
    others: dict[str, Any]
    """What the model keeps beside its weights: matrices of models without gradients, computed embeddings."""


def read_trained(path: str, model: str, dataset: str) -> Trained:
    """Read a checkpoint of a model that was trained on a dataset.

    Args:
        path: RecBole's ``.pth``, or one of another program with the same ``state_dict``.
        model: RecBole's name of the model.
        dataset: the run's dataset; users and items are known by their numbers there.

    Raises:
        CheckpointError: the file cannot be read, or is refused.
        TeacherError: it is of another model or dataset, or a setting of it is no plain value.
    """
    read = read_checkpoint(path)
    for name, wanted in (("model", model), ("dataset", dataset)):
        if (found := read.settings.get(name, wanted)) != wanted:
            raise TeacherError(f"checkpoint {path!r} is of the {name} {found!r}, and the teacher's is {wanted!r}")
    own = {name for name in shipped_settings(model) if name not in _LEFT and not name.endswith("path")}
    settings = {name: value for name, value in read.settings.items() if name in own}
    for name, value in settings.items():
        if not _is_plain(value):
            raise TeacherError(f"checkpoint {path!r}: its setting {name!r} is no number, word or list of them")
    length = read.settings.get("MAX_ITEM_LIST_LENGTH")
    others = read.values.get("other_parameter")
    return Trained(
        settings,
        length if isinstance(length, int) and length > 0 else None,
        read.tensors,
        others if isinstance(others, dict) else {},
    )


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(part) for part in value)
    return value is None or isinstance(value, bool | int | float) or _is_word(value)


def _is_word(value: Any) -> bool:
    """Strings go into RecBole's code, where a word chooses among branches; no path and no expression is one."""
    return isinstance(value, str) and _WORD.fullmatch(value) is not None
