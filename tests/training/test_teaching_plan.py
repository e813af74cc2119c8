"""How two teachers are told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ckd_plugins import __version__
from ckd_plugins.config import CkdConfig
from ckd_plugins.registry import Registry
from ckd_plugins.training import made_by
from ckd_plugins.training.progress import Silent
from ckd_plugins.training.teaching.plan import first_difference, make_plan

from .conftest import Recorder


@pytest.mark.parametrize(
    ("kept", "wanted", "told"),
    [
        ({"seed": 1}, {"seed": 1}, None),
        ({"seed": 1}, {"seed": 2}, "seed is 1 and this one needs 2"),
        ({"options": {"k": 1}}, {"options": {"k": 2}}, "option k is 1 and this one needs 2"),
        ({"options": {"k": 1, "old": 3}}, {"options": {"k": 1}}, "option old is 3 and this one needs None"),
    ],
)
def test_what_differs_is_named(kept: dict[str, object], wanted: dict[str, object], told: str | None) -> None:
    """An option that only the kept teacher has was told as 'option None'."""
    assert first_difference(kept, wanted) == told


def test_a_built_in_teachers_origin_is_as_it_was(prepare: Any, registry: Registry, recorder: Recorder) -> None:
    """Teachers that took hours would be trained again because their names are spelt otherwise."""
    config = CkdConfig.parse({"teachers": [{"name": "recbole", "model": "Pop"}]})
    (component,) = config.teachers
    plan = make_plan(component, prepare("SASRec").material, (), config, registry, recorder, 0)
    assert plan.made_from["origin"] == f"ckd-plugins {__version__}"
    assert plan.digest == plan.identity


def test_edited_code_asks_a_fine_tuned_teacher_of_a_folder_again(
    tmp_path: Path, registry: Registry, fakes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder stays the same, and what the old code had answered would be taken for the new one's."""
    (tmp_path / "config.json").write_text('{"domain": "shop", "teacher": "last"}')
    config = CkdConfig.parse({"teachers": [{"name": "last", "from": str(tmp_path)}]})
    (component,) = config.teachers
    found = []
    for source in ("a", "b"):
        monkeypatch.setattr(made_by, "_source", lambda code, source=source: source)
        plan = make_plan(component, None, (), config, registry, Silent(), 0)
        assert plan.used is not None
        found.append(plan.digest)
    assert found[0] != found[1]
    assert [len(digest) for digest in found] == [16, 16]
