from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.errors import EnvironmentProblem, TeacherError
from ckd_plugins.teachers.recformer.backbone import Backbone


def test_a_folder_without_a_model_is_one_clear_line(tmp_path: Path) -> None:
    """The library would look for it on the hub and speak of connections."""
    with pytest.raises(TeacherError, match="it has no config"):
        Backbone(tmp_path)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    """Weights of another layout would be read as far as names agree."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(TeacherError, match=r"type 'gpt2'; known are bert.*longformer"):
        Backbone(tmp_path)


def test_a_damaged_folder_is_one_clear_line(tmp_path: Path) -> None:
    """A half-copied model."""
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(TeacherError, match="cannot be loaded") as caught:
        Backbone(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_failed_download_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network, transformers fails in many lines; and only a hub name may reach for it."""
    import transformers

    asked: list[tuple[str, bool]] = []

    def fail(source: str, *, local_files_only: bool, **_: Any) -> None:
        asked.append((source, local_files_only))
        raise OSError("We couldn't connect to 'https://huggingface.co'\nand more\nlines")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", fail)
    with pytest.raises(EnvironmentProblem, match=r"backbone_id 'a/b' cannot be had.*couldn't connect") as caught:
        Backbone("a/b", hub=True)
    assert "\n" not in str(caught.value)
    assert asked == [("a/b", False)]


def test_a_folder_is_never_looked_for_elsewhere(bert: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a folder lacks must not be downloaded silently."""
    import transformers

    seen: list[bool] = []
    for kind in ("AutoConfig", "AutoTokenizer"):
        real = getattr(transformers, kind).from_pretrained

        def spy(source: str, *, real: Any = real, **options: Any) -> Any:
            seen.append(options["local_files_only"])
            return real(source, **options)

        monkeypatch.setattr(getattr(transformers, kind), "from_pretrained", spy)
    Backbone(bert)
    assert seen
    assert all(seen)
