"""A component's options: the keyword parameters of its factory, checked before the factory is called."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from ckd_plugins.errors import ConfigError, did_you_mean

__all__ = ["Options", "read_options"]

_SCALARS = (int, float, bool, str, type(None))
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Options:
    """What a factory takes.

    Args:
        parameters: by name; an annotation is a type, ``inspect.Parameter.empty``, or text that only type checkers can
            read.
        open_ended: the factory takes any further keyword.
    """

    def __init__(self, parameters: Mapping[str, inspect.Parameter], open_ended: bool) -> None:
        self.parameters, self.open_ended = dict(parameters), open_ended

    def describe(self, hidden: Collection[str] = ()) -> str:
        """``"tau=1.0, k (required)"``, without the parameters that the host fills."""
        shown = [p for name, p in self.parameters.items() if name not in hidden]
        words = [f"{p.name} (required)" if p.default is p.empty else f"{p.name}={p.default!r}" for p in shown]
        return ", ".join(words) or "none"

    def check(self, what: str, given: Mapping[str, Any], host: Collection[str] = ()) -> dict[str, Any]:
        """Check a user's options and bring them into the types that the factory asks for.

        Args:
            what: the component, for messages: ``"loss 'kl'"``.
            given: the options as read from a config.
            host: parameters that the host fills; they are no options.

        Raises:
            ConfigError: an option is unknown, missing, or of a wrong type.
        """
        settable = [name for name in self.parameters if name not in host]
        for name in given:
            if name not in settable and (name in host or not self.open_ended):
                near = did_you_mean(name, settable)
                raise ConfigError(f"unknown option {name!r} of {what}{near} (options: {self.describe(host)})")
        for name in settable:
            if self.parameters[name].default is inspect.Parameter.empty and name not in given:
                raise ConfigError(f"{what} needs the option {name!r} (options: {self.describe(host)})")
        return {
            name: _coerce(f"option {name!r} of {what}", self.parameters[name].annotation, value)
            if name in self.parameters
            else value
            for name, value in given.items()
        }

    def defaults(self, hidden: Collection[str] = ()) -> dict[str, Any]:
        """Default values of the options, without the parameters that the host fills."""
        shown = {name: p.default for name, p in self.parameters.items() if name not in hidden}
        return {name: value for name, value in shown.items() if value is not inspect.Parameter.empty}


def read_options(factory: Callable[..., Any]) -> Options:
    """Read the options off a factory's signature.

    A class whose constructor passes ``**kwargs`` on also takes what its base's constructor takes.
    """
    parameters: dict[str, inspect.Parameter] = {}
    for function, bound in _constructors(factory):
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            return Options(parameters, True)
        listed = list(signature.parameters.values())[1 if bound else 0 :]
        for parameter in listed:
            if parameter.kind in _NAMED:
                annotation = _evaluate(parameter.annotation, function)
                parameters.setdefault(parameter.name, parameter.replace(annotation=annotation))
        # torch.nn.Module has **kwargs in its signature and accepts none.
        if not any(p.kind is p.VAR_KEYWORD for p in listed) or function.__module__.startswith("torch."):
            return Options(parameters, False)
    return Options(parameters, True)


def _constructors(factory: Callable[..., Any]) -> list[tuple[Callable[..., Any], bool]]:
    if not inspect.isclass(factory):
        return [(inspect.unwrap(factory), False)]
    own = [c.__dict__["__init__"] for c in factory.__mro__ if "__init__" in c.__dict__ and c is not object]
    return [(init, True) for init in own] or [(factory, False)]


def _evaluate(annotation: Any, function: Callable[..., Any]) -> Any:
    # One by one, not typing.get_type_hints: a single name that only a type checker sees would hide all the others.
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, getattr(function, "__globals__", {}))
    except Exception:
        return annotation


def _coerce(what: str, annotation: Any, value: Any) -> Any:
    if annotation in (inspect.Parameter.empty, Any) or isinstance(annotation, str):
        return value
    from pydantic import TypeAdapter, ValidationError
    from pydantic.errors import PydanticUserError

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        # Strict for scalars: 'true' is no number and '3' no integer; a YAML list may well become a tuple.
        return adapter.validate_python(value, strict=_scalar(annotation))
    except PydanticUserError:
        return value  # a type that YAML cannot spell, or that only type checkers can read; the factory knows better
    except ValidationError as error:
        reason = error.errors()[0]["msg"].replace("Input should", "should").removeprefix("Value error, ")
        raise ConfigError(f"{what} {reason}, got {value!r}") from None


def _scalar(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _scalar(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return all(_scalar(argument) for argument in get_args(annotation))
    return origin is Literal or annotation in _SCALARS
