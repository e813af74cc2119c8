"""Teachers in text and in mappings: labels that tell them apart, folders that they come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.config import CkdConfig, Component, TeacherComponent
from ckd_plugins.errors import ConfigError


def teachers(given: Any) -> tuple[TeacherComponent, ...]:
    return CkdConfig.parse({"teachers": given}).teachers


def labels(given: Any) -> list[str]:
    return [t.label for t in teachers(given)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a teacher's save writes, as far as its name goes."""
    (tmp_path / "pre").mkdir()
    (tmp_path / "pre" / "config.json").write_text(json.dumps({"teacher": "unisrec"}))
    return tmp_path / "pre"


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("unisrec", "unisrec", {}),
        ("recbole:model=EASE", "recbole", {"model": "EASE"}),
        ("recbole:model=EASE:k=50", "recbole", {"model": "EASE", "k": 50}),
        ("unisrec:device=cuda:0:dropout=0.1", "unisrec", {"device": "cuda:0", "dropout": 0.1}),
        ("unisrec:learning_rate=1e-3:transductive=false", "unisrec", {"learning_rate": 1e-3, "transductive": False}),
        (" unisrec:text_size=null ", "unisrec", {"text_size": None}),
    ],
)
def test_text_gives_options(text: str, name: str, options: dict[str, Any]) -> None:
    """A value with a colon, a number read as text: another teacher than the one that was meant."""
    (one,) = teachers(text)
    assert (one.name, one.options, one.label) == (name, options, name)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("unisrec,vqrec", ["unisrec", "vqrec"]),
        ("recbole:model=EASE", ["recbole"]),
        ("unisrec,recbole:model=ItemKNN,recbole:model=EASE", ["unisrec", "recbole-ItemKNN", "recbole-EASE"]),
        ("recbole:k=9:model=EASE,recbole:k=9:model=Pop", ["recbole-EASE", "recbole-Pop"]),
        ("unisrec,unisrec:hidden_size=64", ["unisrec", "unisrec-64"]),
        (
            [{"name": "recbole", "model": "EASE", "as": "ease"}, {"name": "recbole", "model": "Pop"}],
            ["ease", "recbole"],
        ),
        ([{"name": "a", "x": {"k": 1}, "y": 2}, {"name": "a", "x": {"k": 2}, "y": 3}], ["a-2", "a-3"]),
        ([{"name": "a", "file": "/p/one.bin"}, {"name": "a", "file": "/q/two.bin"}], ["a-one.bin", "a-two.bin"]),
    ],
)
def test_labels_tell_teachers_apart(given: Any, expected: list[str]) -> None:
    """Results are kept by label: two teachers of one label would be one."""
    assert labels(given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("unisrec,unisrec", r"'unisrec' is named twice; give each a label, \{name: unisrec, as: \.\.\.\}"),
        ("unisrec:k=1,unisrec:k=1", "'unisrec' is named twice"),
        ([{"name": "a", "as": "x"}, {"name": "b", "as": "x"}], "'x' is the label of two"),
        ([{"name": "a", "as": "b"}, "b"], "'b' is the label of two"),
        ([{"name": "a", "as": "1 2"}], "label '1 2'"),
        ([{"name": "a", "as": 3}], "label 3"),
        ("unisrec:hidden_size", "name:key=value"),
        ("unisrec:k=[1", "no YAML"),
        ([{"as": "x"}], "should be a name"),
        ([{"from": 3}], "'from' 3, which is no path"),
        ([7], "should be a name, or a mapping"),
        ("./nowhere", "'nowhere', which holds no saved teacher"),
    ],
)
def test_what_is_wrong_is_one_line(given: Any, message: str) -> None:
    """A traceback of pydantic's says neither which teacher nor what to write."""
    with pytest.raises(ConfigError, match=message) as caught:
        teachers(given)
    assert "\n" not in str(caught.value)
    assert "setting 'ckd.teachers" in str(caught.value)


@pytest.mark.parametrize("key", ["as", "from"])
@pytest.mark.parametrize("setting", ["loss", "integrator", "candidates"])
def test_only_teachers_have_labels_and_folders(setting: str, key: str) -> None:
    """Ignored without a word, a label elsewhere would look as if it did something."""
    with pytest.raises(ConfigError, match=f"ckd.{setting}' has '{key}', which is for teachers only"):
        CkdConfig.parse({setting: {"name": "kl", key: "x"}})


def test_a_path_is_the_teacher_in_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kind is what the folder says, its label that kind, and options may follow."""
    monkeypatch.chdir(folder.parent)
    for given in (f"{folder}:finetune_epochs=3", "./pre:finetune_epochs=3", [{"from": "pre", "finetune_epochs": 3}]):
        (one,) = teachers(given)
        assert (one.name, one.label, one.options) == ("unisrec", "unisrec", {"finetune_epochs": 3})
        assert one.source is not None
        assert one.source.resolve() == folder
    assert labels("unisrec,./pre") == ["unisrec", "unisrec-pre"]


def test_what_is_written_reads_as_the_same(folder: Path) -> None:
    """A run's result holds its config; run again from that, it must be the same run."""
    given = ["vqrec", {"name": "recbole", "model": "EASE", "as": "ease"}, {"from": str(folder), "dropout": 0.1}]
    first = CkdConfig.parse({"teachers": [*given, "recbole:model=Pop", "recbole:model=BPR"]})
    again = CkdConfig.parse(first.model_dump(mode="json"))
    assert again.teachers == first.teachers
    assert json.loads(json.dumps(first.model_dump(mode="json")))["teachers"][0] == "vqrec"
    (folder / "config.json").unlink()  # a result is read where the folder may be gone
    assert CkdConfig.parse(first.model_dump(mode="json")).teachers == first.teachers


def test_python_spells_it_out(folder: Path) -> None:
    """Both spellings mean the same; a plain component is a teacher without label and folder."""
    spelt = TeacherComponent(name="unisrec", label="u", source=folder, options={"dropout": 0.1})
    assert spelt == TeacherComponent.model_validate({"from": folder, "as": "u", "dropout": 0.1})
    assert teachers([Component(name="unisrec")])[0].label == "unisrec"
