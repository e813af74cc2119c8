from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckd_plugins.errors import DataError
from ckd_plugins.training.teacher_files import by_content, check_files

from .conftest import FAST_TEACHER, write_shop


class Reader:
    files, models = ("data",), ("model",)


def write(folder: Path, **texts: str) -> dict[str, str]:
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {name: str(folder / name) for name in texts}


def test_mappings_and_lists_count_by_what_lies_at_their_paths(tmp_path: Path) -> None:
    """A teacher would be reused after the images of one domain have changed."""
    at = write(tmp_path, a="1", b="2", same="1")

    def digest(data: Any) -> str:
        return repr(by_content(Reader, {"data": data, "other": 3}))  # as the cache's key is made from it

    assert digest({"x": at["a"], "y": at["b"]}) == digest({"y": at["b"], "x": at["same"]})
    assert digest({"x": at["a"]}) != digest({"x": at["b"]})
    assert digest({"x": at["a"]}) != digest({"y": at["a"]})
    assert digest([at["a"], at["b"]]) == digest((at["same"], at["b"])) != digest([at["b"], at["a"]])
    assert digest(None) == repr({"data": None, "other": 3})
    assert at["a"] not in digest({"x": at["a"]})


def test_a_model_is_a_folder_or_a_name(tmp_path: Path) -> None:
    """A hub's id has no content here; another model in the same folder is another model."""
    (tmp_path / "one").mkdir()
    write(tmp_path / "one", weights="1")
    first = by_content(Reader, {"data": None, "model": str(tmp_path / "one")})["model"]
    (tmp_path / "one").rename(tmp_path / "two")
    assert by_content(Reader, {"data": None, "model": str(tmp_path / "two")})["model"] == first
    write(tmp_path / "two", weights="2")
    assert by_content(Reader, {"data": None, "model": str(tmp_path / "two")})["model"] != first
    assert by_content(Reader, {"model": "owner/name"})["model"] == "owner/name"
    assert by_content(Reader, {"model": None})["model"] is None


def test_other_teachers_options_stay_as_they_are() -> None:
    """Teachers of other packages need not know of files."""
    assert by_content(object, {"data": "nowhere"}) == {"data": "nowhere"}
    check_files(object, {"data": "nowhere"}, "teacher 'x'")


@pytest.mark.parametrize("how", [str, lambda p: {"x": p}, lambda p: [p]], ids=["path", "mapping", "list"])
def test_a_file_that_is_not_there_is_found_before_anything_runs(how: Any, tmp_path: Path) -> None:
    """After an hour of training the first teacher is too late for a typo in the second's path."""
    there = write(tmp_path, a="1")["a"]
    check_files(Reader, {"data": how(there)}, "teacher 'x'")
    check_files(Reader, {}, "teacher 'x'")
    with pytest.raises(DataError, match=r"option 'data' of teacher 'x': '.*gone' does not exist") as caught:
        check_files(Reader, {"data": how(f"{tmp_path}/gone")}, "teacher 'x'")
    assert "\n" not in str(caught.value)


def test_a_run_with_images_is_another_when_they_change(run: Any, shop: Path, tmp_path: Path) -> None:
    """From the config's mapping to the student's signal; mended vectors must not be answered for by the old."""
    other = write_shop(tmp_path / "data", "other", seed=3)
    rng = np.random.default_rng(0)
    looks = {f: rng.standard_normal((40, 6)) for f in ("shop", "other")}

    def teacher(shade: float) -> Any:
        for name, vectors in looks.items():
            tokens = np.array([f"{name}{i}" for i in range(40)])
            np.savez(tmp_path / f"{name}.npz", tokens=tokens, vectors=vectors * (1 + shade * (np.arange(6) == 2)))
        images = {name: str(tmp_path / f"{name}.npz") for name in looks}
        unim2rec = {"name": "unim2rec", **FAST_TEACHER, "images": images}
        result = run(dataset=shop, epochs=1, ckd={"teachers": [unim2rec], "pretrain_domains": [str(other)]})
        return result["ckd"]["teachers"]["unim2rec"]["seconds"]

    assert set(teacher(0.0)) == {"pretrain", "finetune", "cache"}
    assert teacher(0.0) == {}
    assert set(teacher(1.0)) == {"pretrain", "finetune", "cache"}
