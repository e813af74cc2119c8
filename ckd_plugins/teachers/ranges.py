"""Which values the options of teachers that are trained here may have: told when one is made, not when it fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from ckd_plugins.errors import ConfigError

__all__ = ["check_ranges"]

_Range = tuple[Callable[[float], bool], str]
_COUNT: _Range = (lambda value: value >= 1, "1 or more")
_AMOUNT: _Range = (lambda value: value >= 0, "0 or more")
_SIZE: _Range = (lambda value: value > 0, "above 0")
_SHARE: _Range = (lambda value: 0 <= value <= 1, "in [0, 1]")
_DROPOUT: _Range = (lambda value: 0 <= value < 1, "in [0, 1)")

RANGES = {
    **dict.fromkeys(
        (
            "attribute_tokens", "batch_size", "code_size", "digits", "hidden_size", "inner_size", "max_attributes",
            "max_length", "max_tokens", "n_experts", "n_heads", "n_layers", "patience", "second_patience",
            "valid_users",
        ),
        _COUNT,
    ),
    **dict.fromkeys(
        (
            "alignment_weight", "finetune_epochs", "item_rate", "masked_weight", "pretrain_epochs", "rotations",
            "seed", "sequence_weight", "warmup",
        ),
        _AMOUNT,
    ),
    **dict.fromkeys(
        ("clip", "finetune_seconds", "image_size", "learning_rate", "pretrain_seconds", "temperature", "text_size"),
        _SIZE,
    ),
    **dict.fromkeys(("fake_share", "item_drop", "masked_share", "modality_drop", "word_drop_share"), _SHARE),
    **dict.fromkeys(("adaptor_dropout", "attention_dropout", "dropout"), _DROPOUT),
}  # fmt: skip
"""By the option's name, which means the same in every teacher."""


def check_ranges(teacher: Any) -> None:
    """Check a teacher's options; one that is ``None`` is switched off.

    Raises:
        ConfigError: an option is out of its range, the vectors cannot be shared among the heads, or the device is not
            there.
    """
    for option, (inside, words) in RANGES.items():
        value = getattr(teacher, option, None)
        if value is not None and not (math.isfinite(value) and inside(value)):
            raise ConfigError(f"teacher {teacher.name!r}: option {option} must be {words}, not {value}")
    size, heads = getattr(teacher, "hidden_size", 0), getattr(teacher, "n_heads", 1)
    if size % heads and getattr(teacher, "sequence_encoder", "transformer") == "transformer":
        raise ConfigError(f"teacher {teacher.name!r}: n_heads={heads} must divide hidden_size={size}")
    if teacher.device != "cpu":
        _check_device(teacher.name, teacher.device)


def _check_device(name: str, device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # of torch that was built without the device: an assertion
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"teacher {name!r}: option device is {device!r}, which this machine or its torch does not have ({reason}); "
            f"'ckd doctor' lists the accelerators"
        ) from None
