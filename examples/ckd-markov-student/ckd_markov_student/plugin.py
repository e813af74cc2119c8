"""The hooks of this plugin."""

from __future__ import annotations

from collections.abc import Iterator

from ckd_plugins import StudentSpec, hookimpl

__all__ = ["ckd_register_students"]


@hookimpl
def ckd_register_students() -> Iterator[StudentSpec]:
    """Register ``MarkovRec``, and RecBole's GRU4Rec with settings for small data."""
    yield StudentSpec(
        name="MarkovRec",
        factory="ckd_markov_student.model:MarkovRec",
        summary="a factorised Markov chain: the next item by the last one alone",
        defaults="ckd_markov_student:markov.yaml",
    )
    yield StudentSpec(
        name="SmallGRU4Rec",
        factory="GRU4Rec",
        summary="RecBole's GRU4Rec with 32 hidden values",
        defaults="ckd_markov_student:small_gru4rec.yaml",
    )
