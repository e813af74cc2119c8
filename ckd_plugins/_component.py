"""What a config says of something registered: its name and its options."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic_core import CoreSchema

from ckd_plugins._admission import Record
from ckd_plugins._options import read_options
from ckd_plugins.errors import ConfigError

__all__ = ["Component", "Lookup", "Name", "Section", "all_options"]

Name = Annotated[str, Field(min_length=1)]


class Lookup(Protocol):
    """What is asked of a registry here; :class:`ckd_plugins.registry.Registry` is one."""

    def record(self, kind: str, name: str) -> Record:
        """The record that is registered under a name, and where it comes from."""
        ...


def all_options(given: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
    """The options of a mapping in a config: all that it holds, and what it holds under ``options``.

    Args:
        given: as the config has it.
        own: its keys that are no options.

    Raises:
        ValueError: ``options`` is no mapping.
    """
    nested = given.get("options")
    if nested is not None and not isinstance(nested, Mapping):
        raise ValueError("has 'options' that are no mapping")
    beside = {key: value for key, value in given.items() if key not in own and key != "options"}
    return {str(key): value for key, value in {**(nested or {}), **beside}.items()}


class Section(BaseModel):
    """Settings that belong together; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)

    _implied: ClassVar[Mapping[str, Component]] = {}
    """Of settings that are ``None`` by default: the component that options without a name belong to."""

    @model_validator(mode="before")
    @classmethod
    def _options_of_defaults(cls, given: Any) -> Any:
        """Let options without a name be those of the component that a setting is by default."""
        if not isinstance(given, Mapping):
            return given
        named = dict(given)
        for key, value in given.items():
            default = cls._implied.get(key) or (cls.model_fields[key].default if key in cls.model_fields else None)
            if isinstance(default, Component) and isinstance(value, Mapping) and "name" not in value:
                named[key] = {"name": default.name, **default.options, **value}
        return named

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler(schema)
        properties = handler.resolve_ref_schema(found)["properties"]
        for key, field in cls.model_fields.items():
            if isinstance(field.default, Component):
                about = {name: value for name, value in properties[key].items() if name != "$ref"}
                properties[key] = {**_name_or_mapping(), **about}
        return found


def _name_or_mapping(**more: Any) -> dict[str, Any]:
    name = {"type": "string", "minLength": 1}
    mapping = {"type": "object", "properties": {"name": name}, "additionalProperties": True, **more}
    return {"anyOf": [name, mapping]}


class Component(Section):
    """Something registered, and its options: ``kl``, or ``{name: kl, tau: 2}``."""

    name: Name
    """The name it is registered under."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of its factory."""

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"name": given}
        if isinstance(given, Component):
            return given
        if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
            raise ValueError("should be a name, or a mapping with 'name' and options")
        for key in ("as", "from"):
            if key in given:
                raise ValueError(f"has {key!r}, which is for teachers only")
        return {"name": given["name"], "options": all_options(given, ["name"])}

    @model_serializer
    def _to_short_form(self) -> str | dict[str, Any]:
        return {"name": self.name, **self.options} if self.options else self.name

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**_name_or_mapping(required=["name"]), "description": cls.__doc__}

    def check(self, registry: Lookup, kind: str, host: Iterable[str] = ()) -> dict[str, Any]:
        """Check name and options without building anything; returns the options in the factory's types.

        Args:
            registry: where names are looked up.
            kind: what the component must be, as :meth:`Registry.get` has it.
            host: names of arguments that the caller of :meth:`build` will add.

        Raises:
            UnknownNameError: nothing of that kind has the name.
            ConfigError: an option is unknown, missing or of a wrong type; or a package is missing.
            PluginError: a plugin's code does not import.
        """
        record = registry.record(kind, self.name)
        factory = record.load()
        with record.guarded("take its options"):
            return read_options(factory).check(str(record), self.options, set(host))

    def resolve(self, registry: Lookup, kind: str, host: Iterable[str] = ()) -> dict[str, Any]:
        """All options that are in force, defaults included: what decides what the component does.

        Arguments and errors are those of :meth:`check`.
        """
        hidden, factory = set(host), registry.record(kind, self.name).load()
        return {**read_options(factory).defaults(hidden), **self.check(registry, kind, hidden)}

    def build(self, registry: Lookup, kind: str, **host: Any) -> Any:
        """Build the component: its factory, called with the options.

        Args:
            registry: where names are looked up.
            kind: what the component must be, as :meth:`Registry.get` has it.
            host: arguments from the host. A factory gets those that it names in its signature; they are no options.

        Raises:
            UnknownNameError: nothing of that kind has the name.
            ConfigError: an option is unknown, missing, of a wrong type or refused by the factory; or a package is
                missing.
            PluginError: a plugin's code does not import, or its factory fails.
        """
        options = self.check(registry, kind, host)
        record = registry.record(kind, self.name)
        factory = record.load()
        takes = read_options(factory)
        options |= {name: value for name, value in host.items() if takes.open_ended or name in takes.parameters}
        with record.guarded("be built"):
            try:
                return factory(**options)
            except ValueError as error:
                raise ConfigError(f"{record}: {error}") from error
