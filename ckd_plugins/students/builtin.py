"""The built-in students and the built-in choice of a reader, which is the last to be asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ckd_plugins.hookspecs import hookimpl
from ckd_plugins.specs import StudentSpec

__all__ = ["ckd_choose_reader", "ckd_register_students"]

_ZOO = "ckd_plugins.students.zoo"
_DEFAULTS = "ckd_plugins:properties/students"
_WINDOWS: dict[str, Any] = {
    "family": "sequential",
    "reader": "ckd_plugins.students.readers.positions:EveryPosition",
    "rows": f"{_ZOO}.positions:position_rows",
    "dataset": "ckd_plugins.host.windows:WindowDataset",
}
"""What a model that is trained on whole sequences subscribes with."""


@hookimpl
def ckd_register_students() -> Iterator[StudentSpec]:
    """Register the students of our own."""
    yield StudentSpec(
        name="SASRecPlus",
        factory=f"{_ZOO}.sasrecplus:SASRecPlus",
        summary="SASRec trained on all positions of a sequence at once",
        defaults=f"{_DEFAULTS}/SASRecPlus.yaml",
        **_WINDOWS,
    )
    yield StudentSpec(
        name="GRU4RecPlus",
        factory=f"{_ZOO}.gru4recplus:GRU4RecPlus",
        summary="GRU4Rec trained on all positions of a sequence at once",
        defaults=f"{_DEFAULTS}/GRU4RecPlus.yaml",
        **_WINDOWS,
    )
    yield StudentSpec(
        name="LightGCNPyG",
        factory=f"{_ZOO}.lightgcn:LightGCNPyG",
        summary="LightGCN by torch-geometric's LGConv on a sparse CSR matrix",
        family="graph",
        defaults=f"{_DEFAULTS}/LightGCNPyG.yaml",
        packages=("torch-geometric",),
    )
    yield StudentSpec(
        name="MLPRec",
        factory=f"{_ZOO}.mlprec:MLPRec",
        summary="a small perceptron over a pooled history, for serving",
        family="sequential",
        defaults=f"{_DEFAULTS}/MLPRec.yaml",
    )


@hookimpl(trylast=True)
def ckd_choose_reader(model: Any, probe: Any) -> Any:
    """Try the readers of the model's family, cheapest first, and take the first that the probe accepts."""
    from ckd_plugins.students.choose import choose_reader

    return choose_reader(model, probe)
