"""What a config says of something registered: its name and its options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic_core import CoreSchema

from ckd_plugins._options import read_options
from ckd_plugins.errors import ConfigError
from ckd_plugins.specs import Spec

__all__ = ["Component", "Lookup", "Name", "Section"]

Name = Annotated[str, Field(min_length=1)]


class Lookup(Protocol):
    """What is asked of a registry here; :class:`ckd_plugins.registry.Registry` is one."""

    def get(self, kind: str, name: str) -> Spec:
        """The record registered under a name."""
        ...


class Section(BaseModel):
    """Settings that belong together; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _options_of_defaults(cls, given: Any) -> Any:
        """Let options without a name be those of the component that a setting is by default."""
        if not isinstance(given, Mapping):
            return given
        named = dict(given)
        for key, value in given.items():
            default = cls.model_fields[key].default if key in cls.model_fields else None
            if isinstance(default, Component) and isinstance(value, Mapping) and "name" not in value:
                named[key] = {"name": default.name, **default.options, **value}
        return named


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
        options = {str(k): v for k, v in given.items() if k not in ("name", "options")}
        return {"name": given["name"], "options": {**(given.get("options") or {}), **options}}

    @model_serializer
    def _to_short_form(self) -> str | dict[str, Any]:
        return {"name": self.name, **self.options} if self.options else self.name

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        name = {"type": "string", "minLength": 1}
        mapping = {"type": "object", "properties": {"name": name}, "required": ["name"], "additionalProperties": True}
        return {"anyOf": [name, mapping], "description": cls.__doc__}

    def check(self, registry: Lookup, kind: str, host: Iterable[str] = ()) -> dict[str, Any]:
        """Check name and options without building anything; returns the options in the factory's types.

        Args:
            registry: where names are looked up.
            kind: what the component must be, as :meth:`Registry.get` has it.
            host: names of arguments that the caller of :meth:`build` will add.

        Raises:
            UnknownNameError: nothing of that kind has the name.
            ConfigError: an option is unknown, missing or of a wrong type; or the component's code does not import.
        """
        factory = self._load(registry, kind)
        return read_options(factory).check(self._called(kind), self.options, set(host))

    def resolve(self, registry: Lookup, kind: str, host: Iterable[str] = ()) -> dict[str, Any]:
        """All options that are in force, defaults included: what decides what the component does.

        Arguments and errors are those of :meth:`check`.
        """
        hidden = set(host)
        return {**read_options(self._load(registry, kind)).defaults(hidden), **self.check(registry, kind, hidden)}

    def build(self, registry: Lookup, kind: str, **host: Any) -> Any:
        """Build the component: its factory, called with the options.

        Args:
            registry: where names are looked up.
            kind: what the component must be, as :meth:`Registry.get` has it.
            host: arguments from the host. A factory gets those that it names in its signature; they are no options.

        Raises:
            UnknownNameError: nothing of that kind has the name.
            ConfigError: an option is unknown, missing, of a wrong type or refused by the factory.
        """
        factory = self._load(registry, kind)
        takes = read_options(factory)
        options = takes.check(self._called(kind), self.options, host)
        options |= {name: value for name, value in host.items() if takes.open_ended or name in takes.parameters}
        try:
            return factory(**options)
        except ValueError as error:
            raise ConfigError(f"{self._called(kind)}: {error}") from error

    def _load(self, registry: Lookup, kind: str) -> Any:
        spec = registry.get(kind, self.name)
        try:
            return spec.load()
        except ImportError as error:
            packages = getattr(spec, "packages", ())
            remedy = f"; install it with: pip install {' '.join(packages)}" if packages else ""
            raise ConfigError(f"{self._called(kind)} cannot be imported: {error}{remedy}") from error

    def _called(self, kind: str) -> str:
        return f"{kind.replace('_', ' ')} {self.name!r}"
