"""A setting that is a number, or a number that changes over the epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, TypeAdapter, WrapValidator, model_serializer, model_validator
from pydantic_core import CoreSchema

from ckd_plugins._component import Component, Lookup, Section

__all__ = ["NotNegative", "Number", "Positive", "Scheduled", "over_epochs"]

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Scheduled(Section):
    """A number that goes from one value to another: ``{name: linear, from: 0, to: 4, epochs: 10}``."""

    ramp: Component
    """How it goes there."""
    first: Number = Field(alias="from")
    """Its value in the first epoch; written ``from``."""
    last: Number = Field(alias="to")
    """Its value from ``epochs`` on; written ``to``."""
    epochs: Annotated[int, Field(strict=True, ge=1)]
    """How many epochs the way takes."""

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        missing = [key for key in ("name", "from", "to", "epochs") if key not in given]
        if missing:
            raise ValueError(
                f"lacks {missing[0]!r}: a schedule of a number reads {{name: linear, from: 0, to: 4, epochs: 10}}"
            )
        ramp = {key: value for key, value in given.items() if key not in ("from", "to", "epochs")}
        return {"ramp": ramp, **{key: given[key] for key in ("from", "to", "epochs")}}

    @model_serializer
    def _to_short_form(self) -> dict[str, Any]:
        name, options = self.ramp.name, self.ramp.options
        return {"name": name, "from": self.first, "to": self.last, "epochs": self.epochs, **options}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        number = {"type": "number"}
        fields = {
            "name": {"type": "string", "minLength": 1},
            "from": number,
            "to": number,
            "epochs": {"type": "integer", "minimum": 1},
        }
        return {
            "type": "object",
            "properties": fields,
            "required": list(fields),
            "additionalProperties": True,
            "description": cls.__doc__,
        }


def over_epochs(setting: float | Scheduled, registry: Lookup) -> Callable[[int], float]:
    """Return what a setting is in each epoch, counted from 0.

    Raises:
        UnknownNameError: no ramp has the name.
        ConfigError: an option of the ramp is unknown, missing, or refused.
    """
    if not isinstance(setting, Scheduled):
        number = setting
        return lambda epoch: number
    first, last, epochs = setting.first, setting.last, setting.epochs
    ramp = setting.ramp.build(registry, "ramp")

    def value(epoch: int) -> float:
        # The ends exactly, whatever a ramp makes of them: a weight of 0 switches distillation off.
        if epoch >= epochs:
            return last
        share = float(ramp(epoch / epochs)) if epoch else 0.0
        return first if share == 0 else first + (last - first) * share

    return value


def _number_or_schedule(number: Any) -> WrapValidator:
    """Choose by what was given, so that an error is of the one that was meant."""
    numbers: TypeAdapter[float] = TypeAdapter(number)

    def choose(given: Any, _: Any) -> float | Scheduled:
        if not isinstance(given, Mapping | Scheduled):
            return numbers.validate_python(given)
        found = Scheduled.model_validate(given)
        for end in (found.first, found.last):
            numbers.validate_python(end)
        return found

    return WrapValidator(choose)


_NOT_NEGATIVE = Annotated[Number, Field(ge=0)]
_POSITIVE = Annotated[Number, Field(gt=0)]

NotNegative = Annotated[_NOT_NEGATIVE | Scheduled, _number_or_schedule(_NOT_NEGATIVE)]
"""A number of 0 or more, or a schedule of such."""
Positive = Annotated[_POSITIVE | Scheduled, _number_or_schedule(_POSITIVE)]
"""A number above 0, or a schedule of such."""
