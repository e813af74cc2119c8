"""What stands for a function or a class that a pickle names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["Maker", "Name", "Refused", "Unreadable", "name_of"]

Maker = Callable[..., Any]
"""Gives what a call of the named thing stands for; it is our own code."""


class Refused(Exception):
    """What a file asks for and does not get; the text names it."""


class Unreadable(Exception):
    """A file is damaged, or of a kind that is not read; the text says why."""


class Name(type):
    """A name in a pickle. Using it gives what its maker gives; without a maker using it is refused.

    It is a class because some of pickle's instructions accept nothing else.
    """

    module: str
    full: str
    """``module.qualname``."""
    maker: Maker | None

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Stand for a call, or for the making of an object."""
        if cls.maker is None:
            raise Refused(cls.full)
        return cls.maker(*args, **kwargs)

    def __setstate__(cls, state: Any) -> NoReturn:
        """Refuse a state for the named thing itself, which would change it for the whole process."""
        raise Refused(f"a change of {cls.full}")


def name_of(module: str, qualname: str, maker: Maker | None = None) -> Name:
    """Return what stands for ``module.qualname``; nothing is imported."""

    def make(cls: Name, *args: Any, **kwargs: Any) -> Any:
        return cls(*args, **kwargs)

    named = {"module": module, "full": f"{module}.{qualname}", "maker": staticmethod(maker) if maker else None}
    return Name("Name", (), {**named, "__new__": make, "__module__": __name__})
