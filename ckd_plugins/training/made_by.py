"""Whose code a component is, as far as that decides what may be reused of what it made."""

from __future__ import annotations

import functools
import inspect
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ckd_plugins.registry import Record

__all__ = ["made_by"]


def made_by(record: Record) -> tuple[str | None, ...]:
    """Distribution and version of a component; of one that is not built in, a digest of its source file as well.

    Whoever works on a plugin counts no version up between two runs, and one that is registered by hand has none. Of
    the plugin's modules only the factory's is looked at; where that has no file (a notebook's cell), none is.

    Args:
        record: of the component, whose code must import.
    """
    origin = record.origin
    known = (origin.distribution, origin.version)
    if origin.builtin or (digest := _source(_code(record.load()))) is None:
        return known
    return (*known, digest)


def _code(factory: Any) -> Any:
    """The class or function that a factory comes down to."""
    while isinstance(factory, functools.partial):
        factory = factory.func
    return factory if inspect.isclass(factory) or inspect.isroutine(factory) else type(factory)


@functools.cache  # a file that is edited later is not what this process has loaded
def _source(code: Any) -> str | None:
    try:
        file = inspect.getsourcefile(inspect.unwrap(code))
        return None if file is None else blake2b(Path(file).read_bytes(), digest_size=8).hexdigest()
    except (OSError, TypeError):
        return None
