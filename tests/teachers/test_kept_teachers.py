"""Every teacher that trains a network of its own can be stopped at any step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.domains import Domain
from ckd_plugins.teachers import Recformer, Teacher, UniM2Rec, UniSRec, VQRec
from ckd_plugins.teachers.keeping import Slot, kept_in

from .conftest import Words, pictures, walks

SMALL = {"pretrain_epochs": 2, "finetune_epochs": 3, "batch_size": 150, "learning_rate": 5e-3}
TEXT: dict[str, Any] = {**SMALL, "hidden_size": 16, "inner_size": 16, "n_layers": 1, "encoder": Words()}
READING: dict[str, Any] = {
    **SMALL,
    "finetune_epochs": 4,
    "second_stage": 2,
    "batch_size": 30,
    "max_tokens": 32,
    "attribute_tokens": 6,
    "warmup": 5,
}
KINDS = ("unisrec", "vqrec", "unim2rec", "recformer", "recformer, vectors stay")


class Stopped(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
def domains() -> list[Domain]:
    return [walks("one", 80, 1), walks("two", 80, 2)]


@pytest.fixture
def make(tmp_path: Path, domains: list[Domain], bert: str) -> Callable[[str], Teacher]:
    images = pictures(tmp_path / "images.npz", *domains, share=0.7)

    def one(kind: str) -> Teacher:
        match kind:
            case "unisrec":
                return UniSRec(**TEXT)
            case "vqrec":
                return VQRec(**TEXT, digits=4, code_size=8, rotations=1)
            case "unim2rec":
                return UniM2Rec(**TEXT, images=str(images))
            case _:
                return Recformer(**READING, backbone=bert, item_rate=0.0 if "stay" in kind else 4.0)

    return one


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_teacher_is_the_one_that_nobody_stopped(
    kind: str, make: Callable[[str], Teacher], domains: list[Domain], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that is taken up in another state is another teacher, and only its numbers would tell.

    Item vectors made from half an epoch's weights, say, or a learning rate that begins again.
    """
    stock, left = Slot.write, -1

    def write(slot: Slot, *state: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Stopped
        stock(slot, *state)

    monkeypatch.setattr(Slot, "write", write)

    def made() -> Teacher:
        teacher = make(kind)
        teacher.pretrain(domains)
        teacher.finetune(domains[0])
        return teacher

    expected = made().digest
    with kept_in(tmp_path / "whole", "a", every=0.0):
        assert made().digest == expected
    writes = -1 - left
    for _ in range(writes - 1):  # a process for each step
        left = 2
        with pytest.raises(Stopped), kept_in(tmp_path / "kept", "a", every=0.0):
            made()
    assert writes > 18
    left = -1
    with kept_in(tmp_path / "kept", "a", every=0.0):
        assert made().digest == expected
