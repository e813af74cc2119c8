"""Options of trained teachers that are out of their range."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from ckd_plugins.errors import ConfigError
from ckd_plugins.teachers import VQRec
from ckd_plugins.teachers.network_teacher import NetworkTeacher
from ckd_plugins.teachers.ranges import RANGES
from ckd_plugins.teachers.recformer.teacher import Recformer
from ckd_plugins.teachers.unim2rec import UniM2Rec
from ckd_plugins.teachers.unisrec import UniSRec

TEACHERS: list[type[NetworkTeacher]] = [VQRec, UniSRec, UniM2Rec, Recformer]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"hidden_size": 0}, "option hidden_size must be 1 or more, not 0"),
        ({"dropout": 5.0}, r"option dropout must be in \[0, 1\), not 5.0"),
        ({"learning_rate": -1.0}, "option learning_rate must be above 0, not -1.0"),
        ({"learning_rate": float("nan")}, "option learning_rate must be above 0, not nan"),
        ({"temperature": 0.0}, "option temperature must be above 0, not 0.0"),
        ({"batch_size": 0}, "option batch_size must be 1 or more, not 0"),
        ({"finetune_epochs": -1}, "option finetune_epochs must be 0 or more, not -1"),
        ({"fake_share": 1.5}, r"option fake_share must be in \[0, 1\], not 1.5"),
        ({"hidden_size": 33, "sequence_encoder": "transformer"}, "n_heads=2 must divide hidden_size=33"),
        ({"device": "cuda:99"}, r"option device is 'cuda:99', which this machine .*; 'ckd doctor' lists"),
        ({"device": "gpu"}, "option device is 'gpu', which this machine"),
    ],
)
def test_what_cannot_be_is_told_at_once(options: dict[str, Any], says: str) -> None:
    """A traceback after texts were encoded; a batch size of 0 that trained nothing; 'lower the learning rate'."""
    with pytest.raises(ConfigError, match=f"^teacher 'vqrec': {says}") as told:
        VQRec(**options)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("teacher", TEACHERS)
def test_every_number_has_a_range(teacher: type[NetworkTeacher]) -> None:
    """A new option is forgotten here, and its 0 is a traceback again."""
    numbers = {f.name for f in fields(teacher) if f.init and f.type in ("int", "float", "int | None", "float | None")}
    assert not numbers - {*RANGES, "attention_window", "second_stage"}


@pytest.mark.parametrize("teacher", TEACHERS)
def test_defaults_are_in_range(teacher: type[NetworkTeacher]) -> None:
    """A range that refuses what is shipped."""
    teacher()


def test_a_recurrent_network_has_no_heads() -> None:
    """A size refused for the sake of an option that is not used."""
    VQRec(hidden_size=33)
