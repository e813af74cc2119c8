"""What a config says of a teacher: a component that may have a label, and may come from a folder.

``as`` and ``from`` are words of Python, so that no factory can have an option of that name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import GetJsonSchemaHandler, model_serializer, model_validator
from pydantic_core import CoreSchema

from ckd_plugins._component import Component, all_options
from ckd_plugins._config_files import parse_value

__all__ = ["TeacherComponent", "labelled", "saved_name"]

_LABEL = re.compile(r"^[A-Za-z][A-Za-z0-9_.-]*$")
_OPTION = re.compile(r":(?=[A-Za-z_]\w*=)")
"""A colon begins an option only before ``key=``: ``device=cuda:0`` is one option."""


class TeacherComponent(Component):
    """A teacher and its options: ``unisrec``, or ``{name: recbole, model: EASE, as: ease}``.

    In text: ``recbole:model=EASE:k=50``; a path stands for the teacher in that folder.
    """

    label: str = ""
    """What signal, logs and results call it (``as``); the name, or what tells it from the others of that name."""
    source: Path | None = None
    """The folder that a trained teacher is taken from (``from``)."""

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, given: Any) -> Any:
        if isinstance(given, TeacherComponent):
            return given
        if isinstance(given, Component):
            return {"name": given.name, "options": given.options}
        if not isinstance(given, str | Mapping):
            raise ValueError("should be a name, or a mapping with 'name' and options")
        fields: dict[str, Any] = _from_text(given) if isinstance(given, str) else dict(given)
        label, source = fields.pop("as", fields.pop("label", "")), fields.pop("from", fields.pop("source", None))
        if label and (not isinstance(label, str) or not _LABEL.match(label)):
            raise ValueError(f"has the label {label!r}; a label is made of letters, digits, '_', '-' and '.'")
        if source is not None:
            if not isinstance(source, str | Path):
                raise ValueError(f"has 'from' {source!r}, which is no path of a folder")
            source = Path(source).expanduser()
            if "name" not in fields:
                fields["name"] = saved_name(source)
        if not isinstance(fields.get("name"), str):
            raise ValueError("should be a name, or a mapping with 'name' and options")
        options = all_options(fields, ["name"])
        return {"name": fields["name"], "options": options, "label": label or "", "source": source}

    @model_serializer
    def _to_short_form(self) -> str | dict[str, Any]:
        own = {"as": self.label} if self.label not in ("", self.name) else {}
        if self.source is not None:
            own["from"] = str(self.source)
        return {"name": self.name, **own, **self.options} if own or self.options else self.name

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        text = {"type": "string", "minLength": 1}
        mapping = {
            "type": "object",
            "properties": {"name": text, "as": text, "from": text},
            "anyOf": [{"required": ["name"]}, {"required": ["from"]}],
            "additionalProperties": True,
        }
        return {"anyOf": [text, mapping], "description": (cls.__doc__ or "").partition("\n")[0]}


def _from_text(text: str) -> dict[str, Any]:
    """``name:key=value:key=value``, or a folder in the name's place; values are YAML as in a config file."""
    head, *pairs = _OPTION.split(text.strip())
    is_path = "/" in head or "\\" in head or head.startswith((".", "~"))
    fields: dict[str, Any] = {"from" if is_path else "name": head}
    if not is_path and ":" in head:
        raise ValueError("should give options as name:key=value")
    for key, _, value in (pair.partition("=") for pair in pairs):
        try:
            fields[key] = parse_value(value)
        except yaml.YAMLError as error:
            raise ValueError(f"has an option {key!r} that is no YAML ({str(error).partition(chr(10))[0]})") from None
    return fields


def saved_name(folder: Path) -> str:
    """The name of the teacher that a folder holds.

    Raises:
        ValueError: it holds none.
    """
    for name in ("card.json", "config.json"):
        try:
            about = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(about, Mapping) and isinstance(about.get("teacher"), str):
            return str(about["teacher"])
    raise ValueError(
        f"names the folder {str(folder)!r}, which holds no saved teacher; give one that 'ckd teacher pretrain' or "
        f"'ckd teacher finetune' wrote"
    )


def labelled(teachers: Sequence[TeacherComponent]) -> tuple[TeacherComponent, ...]:
    """Give every teacher a label of its own.

    Several without a label and of one name are told apart by the first thing in which all of them differ, folder or
    option: ``recbole-ItemKNN`` and ``recbole-EASE``.

    Raises:
        ValueError: nothing tells two apart, or two have one label.
    """
    given = [t.name for t in teachers if not t.label]
    chosen: list[TeacherComponent] = []
    for teacher in teachers:
        label = teacher.label
        if not label and given.count(teacher.name) == 1:
            label = teacher.name
        elif not label:
            label = _difference(teacher, [t for t in teachers if t.name == teacher.name and not t.label])
        chosen.append(teacher.model_copy(update={"label": label}))
    labels = [t.label for t in chosen]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"should tell teachers apart: {label!r} is the label of two; give each its own by 'as'")
    return tuple(chosen)


def _difference(teacher: TeacherComponent, group: Sequence[TeacherComponent]) -> str:
    for key in dict.fromkeys(["from", *(key for one in group for key in one.options)]):
        words = [_word(one.source if key == "from" else one.options.get(key)) for one in group]
        if None not in words and len(set(words)) == len(group):
            own = _word(teacher.source if key == "from" else teacher.options.get(key))
            return f"{teacher.name}-{own}" if own else teacher.name
    raise ValueError(
        f"should tell teachers apart: {teacher.name!r} is named twice; give each a label, {{name: {teacher.name}, as: "
        f"...}}"
    )


def _word(value: Any) -> str | None:
    """A value as part of a label; ``None`` for what is none."""
    if value is None:
        return ""
    if not isinstance(value, str | int | float | Path):
        return None
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(value).name if isinstance(value, str | Path) else str(value)) or None
