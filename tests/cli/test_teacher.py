"""``ckd teacher``: what is there, and teachers made ahead of their students."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .conftest import Done, fast

Ckd = Callable[..., Done]


def options(*more: str) -> list[str]:
    """Of a teacher that takes a second; its name is the argument."""
    return [*fast("ckd.teachers=[]", *more)[-2:], "--set", "ckd.text.encoder=words", "--set", "gpu_id=''"]


def test_a_cached_teacher_is_found_by_its_student(ckd: Ckd, tiny: Path) -> None:
    """What is made ahead under another name, seed or split is made in vain."""
    made = ckd("teacher", "cache", "unisrec", "-d", tiny, *options(), "--json", "-q")
    assert made.status == 0, made.err
    about = json.loads(made.out)["unisrec"]
    assert not about["reused"]
    assert about["instances"] > 0
    by_time = "eval_args={split: {LS: valid_and_test}, order: TO, mode: full, group_by: user}"
    student = ["--set", "ckd.text.encoder=words", "--set", "gpu_id=''", "--set", "epochs=1", "--set", by_time]
    done = ckd("distill", "BPR", "-d", tiny, "-t", "unisrec", *student, "--json", "-q")
    assert done.status == 0, done.err
    teacher = json.loads(done.out)["ckd"]["teachers"]["unisrec"]
    assert teacher["folder"] == about["folder"]
    assert "finetune" not in teacher["seconds"]


def test_a_second_call_says_reused(ckd: Ckd, tiny: Path) -> None:
    """0.0 s would read as a measurement."""
    first, second = (ckd("teacher", "cache", "unisrec", "-d", tiny, *options(), "-q") for _ in range(2))
    assert first.out.splitlines()[1].split()[1] != "reused"
    assert second.out.splitlines()[1].split()[:2] == ["unisrec", "reused"]


def test_the_list_has_what_can_be_named_and_what_is_cached(ckd: Ckd, tiny: Path, tmp_path: Path) -> None:
    """A half-written folder that a killed run left is no teacher."""
    (tmp_path / "cache" / "teachers" / ".vqrec-tiny-1.99").mkdir(parents=True)
    (tmp_path / "cache" / "teachers" / ".vqrec-tiny-1.99" / "config.json").write_text("{}")
    listed = json.loads(ckd("teacher", "list", "--json").out)
    assert {"unisrec", "vqrec"} <= {teacher["name"] for teacher in listed["teachers"]}
    assert listed["cached"] == []
    folder = json.loads(ckd("teacher", "cache", "unisrec", "-d", tiny, *options(), "--json", "-q").out)["unisrec"][
        "folder"
    ]
    done = ckd("teacher", "list")
    assert f"cached: {folder}" in done.out.splitlines()
    assert "99" not in done.out.replace(folder, "")


def test_a_mistake_is_one_line(ckd: Ckd, tiny: Path, tmp_path: Path) -> None:
    """As in every command."""
    done = ckd("teacher", "cache", "unisrek", "-d", tiny)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("ckd: error: unknown teacher 'unisrek'; did you mean 'unisrec'?")
    assert done.err.count("\n") == 1
    assert ckd("teacher", "cache", ",", "-d", tiny).err == "ckd: error: no teacher is named; give at least one\n"
    assert not (tmp_path / "cache").exists()


def test_int8_vectors_are_a_store_of_their_own(ckd: Ckd, tiny: Path) -> None:
    """Kept under one name, two runs would make each other's store anew at every start."""
    small = ["--set", "ckd.signals=int8"]
    first, other, again = (
        json.loads(ckd("teacher", "cache", "unisrec", "-d", tiny, *options(), "--json", "-q", *more).out)["unisrec"]
        for more in ([], small, small)
    )
    assert other["folder"] == first["folder"]
    assert other["store"] == f"{first['store']}-int8"
    assert set(other["seconds"]) == {"cache"}
    assert again["reused"]
    assert {file.stem for file in Path(other["store"]).glob("*.npy")} == {"keys", "codes", "scales", "item_vectors"}
