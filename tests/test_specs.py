from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ckd_plugins import CommandSpec, DifficultySpec, LossSpec, StudentSpec, TeacherSpec, specs


def test_a_student_may_name_a_model_of_recboles() -> None:
    """A record that only gives other defaults would have to bring a class."""
    spec = StudentSpec(name="TinySASRec", factory="SASRec")
    assert spec.recbole_model == "SASRec"
    assert StudentSpec(name="Mine", factory="package.module:Mine").recbole_model is None
    assert StudentSpec(name="Mine", factory=int).recbole_model is None


def test_other_records_may_not() -> None:
    """For a loss, a bare word is a typo."""
    with pytest.raises(ValueError, match=r"LossSpec 'tv': factory 'TotalVariation' must read"):
        LossSpec(name="tv", factory="TotalVariation")


def test_a_dataset_needs_a_class_of_its_own() -> None:
    """RecBole looks a dataset up by the class's name: for one of its own models the record's would be ignored."""
    with pytest.raises(ValueError, match="a dataset needs a model class of its own"):
        StudentSpec(name="Alias", factory="GRU4Rec", dataset="package.module:Dataset")


FAMILIES = "'sequential' or 'general' or 'graph' or 'feature_interaction' or 'knowledge' or 'autoencoder' or None"


@pytest.mark.parametrize(
    ("record", "given", "says"),
    [
        (CommandSpec, {"summary": None}, "summary should be str, got None"),
        (CommandSpec, {"summary": 5}, "summary should be str, got 5"),
        (CommandSpec, {"summary": "two\nlines"}, "summary should be one line, got 'two\\nlines'"),
        (CommandSpec, {"summary": "a line\n"}, "summary should be one line, got 'a line\\n'"),
        (CommandSpec, {"factory": 5}, "factory should be str or callable, got 5"),
        (StudentSpec, {"packages": "FlagEmbedding"}, "packages should be a tuple of str, got 'FlagEmbedding'"),
        (StudentSpec, {"packages": ("a", 3)}, "packages should be a tuple of str, got ('a', 3)"),
        (StudentSpec, {"family": "Sequential"}, f"family should be {FAMILIES}, got 'Sequential'"),
        (StudentSpec, {"reader": "Mine"}, "reader 'Mine' must read 'package.module:attribute'"),
        (StudentSpec, {"rows": 3}, "rows should be str or callable or None, got 3"),
        (StudentSpec, {"dataset": "m"}, "dataset 'm' must read 'package.module:attribute'"),
        (StudentSpec, {"defaults": "mine.yaml"}, "defaults 'mine.yaml' must read 'package:path/inside.yaml'"),
        (StudentSpec, {"defaults": {"epochs": 3}}, "defaults should be str or None, got {'epochs': 3}"),
        (TeacherSpec, {"needs": "text"}, "needs should be a tuple of 'text' or 'image' or 'history', got 'text'"),
        (TeacherSpec, {"needs": ("txt",)}, "needs should be a tuple of 'text' or 'image' or 'history', got ('txt',)"),
        (DifficultySpec, {"teachers": "two"}, "teachers should be an int of 0 or more, got 'two'"),
        (DifficultySpec, {"teachers": -1}, "teachers should be an int of 0 or more, got -1"),
        (DifficultySpec, {"teachers": True}, "teachers should be an int of 0 or more, got True"),
        (DifficultySpec, {"changes": "no"}, "changes should be bool, got 'no'"),
    ],
)
def test_a_field_of_a_wrong_type_is_told(record: Any, given: dict[str, Any], says: str) -> None:
    """A summary of None took 'ckd --help' down for everybody; packages as a text had single letters installed."""
    with pytest.raises(ValueError) as caught:
        record(**{"name": "x", "factory": "package.module:x", **given})
    assert str(caught.value) == f"{record.__name__} 'x': {says}"


def test_a_name_ends_where_it_ends() -> None:
    """'$' in a pattern lets a line's end through."""
    for given in ({"name": "x\n", "factory": "m:x"}, {"name": "x", "factory": "m:x\n"}):
        with pytest.raises(ValueError):
            LossSpec(**given)


def test_a_list_stands_for_a_tuple() -> None:
    """An author's list must not make a record that cannot be hashed."""
    spec = StudentSpec(name="x", factory="m:x", packages=["a", "b"])  # type: ignore[arg-type]
    assert spec.packages == ("a", "b")
    assert hash(spec) == hash(StudentSpec(name="x", factory="m:x", packages=("a", "b")))


def test_a_plugins_own_kind_of_record_may_have_fields_of_any_type() -> None:
    """Only what is ours is checked: types of others may be there for type checkers alone."""

    @dataclass(frozen=True, kw_only=True)
    class MySpec(LossSpec):
        extra: NowhereDefined = None  # type: ignore[name-defined] # noqa: F821

    assert MySpec(name="x", factory="m:x", extra=3).extra == 3
    with pytest.raises(ValueError, match="MySpec 'x': summary should be str, got 5"):
        MySpec(name="x", factory="m:x", summary=5)


def test_every_type_of_a_field_is_one_that_is_checked() -> None:
    """A new field of another type would end in a TypeError of isinstance when the first record is made."""
    for name in specs.__all__:
        if name.endswith("Spec") and name != "Spec":
            getattr(specs, name)(name="x", factory="package.module:x")
