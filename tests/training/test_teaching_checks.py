"""Mistakes that are found before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from ckd_plugins.config import CkdConfig
from ckd_plugins.errors import ConfigError, DataError, TeacherError, UnknownNameError
from ckd_plugins.registry import Registry
from ckd_plugins.training.teaching import check_teachers

pytestmark = pytest.mark.usefixtures("fakes")

CHECKS: list[tuple[str, dict[str, Any], bool, type[Exception], str]] = [
    ("unknown", {"teachers": ["lost"]}, True, UnknownNameError, r"unknown teacher 'lost'; did you mean 'last'\?"),
    (
        "option",
        {"teachers": [{"name": "last", "shades": 1}]},
        True,
        ConfigError,
        "unknown option 'shades' of teacher 'last'",
    ),
    ("type", {"teachers": [{"name": "last", "shade": "dark"}]}, True, ConfigError, "shade"),
    ("ours", {"teachers": [{"name": "last", "seed": 1}]}, True, ConfigError, "seed"),
    (
        "texts",
        {"teachers": ["unisrec"]},
        False,
        DataError,
        r"'unisrec' reads item texts and dataset 'd' has none .*title",
    ),
    (
        "encoder",
        {"teachers": ["unisrec"], "text": {"encoder": "wrods"}},
        True,
        UnknownNameError,
        "did you mean 'words'",
    ),
    (
        "file",
        {"teachers": ["last", {"name": "from-file", "checkpoint": "/nowhere/weights"}]},
        True,
        DataError,
        "option 'checkpoint' of teacher 'from-file': '/nowhere/weights' does not exist",
    ),
    (
        "contradiction",
        {"teachers": ["last", {"name": "imported", "topk": __file__, "rows": __file__}]},
        True,
        TeacherError,
        "'imported': rows belongs to items",
    ),
]


@pytest.mark.parametrize(("what", "section", "texts", "kind", "message"), CHECKS, ids=[c[0] for c in CHECKS])
def test_mistakes_are_found_before_anything_runs(
    registry: Registry, what: str, section: dict[str, Any], texts: bool, kind: type[Exception], message: str
) -> None:
    """After an hour of training the first teacher is too late for a typo in the second."""
    with pytest.raises(kind, match=message) as caught:
        check_teachers(CkdConfig.parse(section), registry, texts, "d")
    assert "\n" not in str(caught.value)


def test_a_teacher_without_texts_needs_no_encoder(registry: Registry) -> None:
    """The default encoder may not be installed where nobody asks it."""
    check_teachers(CkdConfig.parse({"teachers": ["last"], "text": {"encoder": "nobody"}}), registry, False, "d")
