"""A setting that weighs a measure of difficulty and gives it options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic_core import CoreSchema

from ckd_plugins._component import Section, all_options
from ckd_plugins._scheduled import Number

__all__ = ["Measure"]


class Measure(Section):
    """How much a measure counts, and its options: ``0.5``, or ``{weight: 0.5, short_is_hard: true}``."""

    weight: Annotated[Number, Field(gt=0)] = 1.0
    """Beside the other measures'; only the ratio counts."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the measure."""

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, given: Any) -> Any:
        if isinstance(given, Measure):
            return given
        if not isinstance(given, Mapping):
            return {"weight": given}
        weight = {"weight": given["weight"]} if "weight" in given else {}
        return {**weight, "options": all_options(given, ["weight"])}

    @model_serializer
    def _to_short_form(self) -> float | dict[str, Any]:
        return {"weight": self.weight, **self.options} if self.options else self.weight

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        weight = {"type": "number", "exclusiveMinimum": 0}
        mapping = {"type": "object", "properties": {"weight": weight}, "additionalProperties": True}
        return {"anyOf": [weight, mapping], "description": cls.__doc__}
