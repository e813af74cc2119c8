"""The teachers that come with the package."""

from __future__ import annotations

from collections.abc import Iterator

from ckd_plugins.hookspecs import hookimpl
from ckd_plugins.specs import TeacherSpec

__all__ = ["ckd_register_teachers"]


@hookimpl
def ckd_register_teachers() -> Iterator[TeacherSpec]:
    """Register ``recbole``, ``recformer``, ``unim2rec``, ``unisrec`` and ``vqrec``."""
    yield TeacherSpec(
        name="recbole",
        factory="ckd_plugins.teachers.recbole_model:RecBoleModel",
        summary="any RecBole model that needs interactions only: {name: recbole, model: ItemKNN}",
        needs=("history",),
    )
    yield TeacherSpec(
        name="recformer",
        factory="ckd_plugins.teachers.recformer:Recformer",
        summary="a language model that reads histories as text (Li et al., KDD 2023)",
        needs=("text", "history"),
    )
    yield TeacherSpec(
        name="unim2rec",
        factory="ckd_plugins.teachers.unim2rec:UniM2Rec",
        summary="texts and images, whichever an item has (a reconstruction of Sun et al., arXiv 2311.01831)",
        needs=("text", "history"),
    )
    yield TeacherSpec(
        name="unisrec",
        factory="ckd_plugins.teachers.unisrec:UniSRec",
        summary="text vectors through whitening experts, SASRec's encoder (Hou et al., KDD 2022)",
        needs=("text", "history"),
    )
    yield TeacherSpec(
        name="vqrec",
        factory="ckd_plugins.teachers.vqrec:VQRec",
        summary="texts as product-quantised codes with learned vectors (Hou et al., WWW 2023)",
        needs=("text", "history"),
    )
