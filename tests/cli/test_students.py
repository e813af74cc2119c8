"""`ckd students`: which models can be distilled, and how."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ckd_plugins import StudentSpec, UnknownNameError, hookimpl
from ckd_plugins.cli.students import students
from ckd_plugins.registry import Registry, using


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(students, arguments, catch_exceptions=False)


@pytest.fixture(autouse=True)
def registry() -> Any:
    with using(Registry(discover=False)) as made:
        yield made


def test_the_table_has_every_model_and_says_how_many_are_students() -> None:
    """The first question of somebody with a model in mind."""
    result = invoke()
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines[0] == "model family reader passes calls speed needs status"
    assert "LightGCN graph propagated embeddings 1 1+0 sparse student" in lines
    assert "BERT4Rec sequential second pass 2 1+1 layers, dropout student" in lines
    assert any(line.startswith("SASRecPlus sequential every position 1") for line in lines)
    assert lines[-1].startswith("88 of 98 models are students, ")


def test_a_family_and_notes() -> None:
    """Why a model needs a second pass is part of the truth, and too long for every listing."""
    result = invoke("--family", "autoencoder", "--notes")
    assert "full_sort_predict does not go through forward" in result.output
    assert "SASRec" not in result.output


def test_an_unknown_family_names_the_known() -> None:
    """An empty table tells nothing."""
    result = CliRunner().invoke(students, ["--family", "sequence"])
    assert result.exit_code == 2
    assert "no model is of family 'sequence'" in result.output
    assert "sequential" in result.output


def test_json_has_all_that_was_measured() -> None:
    """For scripts: calls of forward as well."""
    rows = {row["name"]: row for row in json.loads(invoke("--json").output)}
    assert rows["DeepFM"]["extra_calls"] == 1
    assert rows["KTUP"]["draws"] is True


def test_a_model_can_be_measured_now(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is of this package's making; a user's RecBole, or own model, may differ."""
    monkeypatch.chdir(tmp_path)
    (row,) = json.loads(invoke("BPR", "--json").output)
    assert (row["reader"], row["passes"], row["own_calls"]) == ("embedding tables", 1, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_students_of_another_package_says_how_to_measure_it(registry: Registry) -> None:
    """It would be missing from the table, as if it could not be used."""

    class Other:
        @hookimpl
        def ckd_register_students(self) -> Any:
            yield StudentSpec(name="OtherRec", factory="BPR", family="general")

    registry.register(Other(), "other")
    lines = [" ".join(line.split()) for line in invoke().output.splitlines()]
    assert "OtherRec general not measured: ckd students OtherRec" in lines


def test_a_misspelt_model_is_told_before_anything_is_measured() -> None:
    """The first model would be built for minutes before the second's name is read."""
    with pytest.raises(UnknownNameError, match="did you mean 'SASRec'"):
        invoke("BPR", "SASReck")
