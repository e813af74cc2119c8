from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.errors import DataError
from ckd_plugins.teachers import UniSRec
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


def test_an_empty_path_is_no_folder() -> None:
    """It would be the folder in which the command was given, read as a whole."""
    with pytest.raises(DataError, match=r"option 'data' of teacher 'reader' is empty"):
        check_files(Reader, {"data": ""}, "teacher 'reader'")


def test_published_files_teach_without_texts(run: Any, tmp_path: Path) -> None:
    """The authors' data come without item texts; what is in the files decides what is reused, not where they lie."""
    bare = write_shop(tmp_path / "data", "bare", texts=False)
    (bare / "bare.item").unlink()
    (bare / "bare.item2index").write_text("".join(f"bare{i}\t{i}\n" for i in range(60)))
    rows = np.random.default_rng(0).standard_normal((60, 24)).astype(np.float32)
    source = UniSRec(hidden_size=16, max_length=20, n_experts=2, projection=False)
    network = source._network(torch.zeros(1, 24), catalogue=False)
    torch.save({"state_dict": network.state_dict()}, tmp_path / "uni.pth")

    def teacher(name: str, **options: Any) -> Any:
        paths = {
            "checkpoint": str(tmp_path / "uni.pth"),
            "item_vectors": str(tmp_path / name),
            "item_index": str(bare / "bare.item2index"),
        }
        given = {"name": "unisrec", **paths, **options}
        return run(dataset=bare, epochs=1, ckd={"teachers": [given]})["ckd"]["teachers"]["unisrec"]

    for name in ("one", "same"):
        rows.tofile(tmp_path / name)
    (rows + 1).tofile(tmp_path / "other")
    as_it_is = {"finetune_epochs": 0, "transductive": False}
    assert set(teacher("one", **as_it_is)["seconds"]) == {"finetune", "cache"}
    assert teacher("same", **as_it_is)["seconds"] == {}
    assert set(teacher("other", **as_it_is)["seconds"]) == {"finetune", "cache"}
    assert set(teacher("one", finetune_epochs=2)["seconds"]) == {"finetune", "cache"}
    with pytest.raises(DataError, match="reads item texts"):
        run(dataset=bare, epochs=1, ckd={"teachers": [{"name": "unisrec", "checkpoint": str(tmp_path / "uni.pth")}]})


@pytest.mark.parametrize(("model", "student"), [("BPR", "DMF"), ("LightGCN", "BPR"), ("SASRec", "GRU4Rec")])
def test_a_run_that_was_kept_teaches_as_well_as_it_was(run: Any, model: str, student: str) -> None:
    """From one run's checkpoint to the next run's teacher: the same numbers on the same test rows."""
    before = run(model, epochs=12, learning_rate=0.02)
    teacher = {"name": "recbole", "model": model, "checkpoint": before["ckd"]["checkpoint"], "k": 60}
    taught = run(student, epochs=1, ckd={"teachers": [teacher]})["ckd"]["teachers"]["recbole"]
    assert taught["test_result"]["ndcg@10"] == pytest.approx(before["test_result"]["ndcg@10"], abs=1e-4)
    assert before["test_result"]["ndcg@10"] > 0.1


def test_a_run_of_another_split_is_refused(run: Any) -> None:
    """It fits in every size, was trained on what is tested, and would look like the best of teachers."""
    at_random = {"split": {"RS": [8, 1, 1]}, "order": "RO", "mode": "full", "group_by": "user"}
    before = run("BPR", epochs=1, eval_args=at_random, seed=7)
    teacher = {"name": "recbole", "model": "BPR", "checkpoint": before["ckd"]["checkpoint"]}
    section = {"teachers": [teacher]}
    for settings, said in (
        (
            {},
            r"teacher 'recbole': its file was trained with split=.*'RS': \[0\.8, 0\.1, 0\.1\].* has .*'LS'",
        ),
        ({"eval_args": at_random, "seed": 8}, "its file was trained with seed=7, and this run has 8"),
    ):
        with pytest.raises(DataError, match=said) as caught:
            run("BPR", epochs=1, ckd=section, **settings)
        assert "\n" not in str(caught.value)
    shares = {**at_random, "split": {"RS": [0.8, 0.1, 0.1]}}
    assert run("BPR", epochs=1, eval_args=shares, seed=7, ckd=section)["ckd"]["teachers"]


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
