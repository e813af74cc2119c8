"""Options of teachers that are paths: there before anything runs, counted by what is in them, or in place of texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ckd_plugins._options import read_options
from ckd_plugins.domains.content import content_digest
from ckd_plugins.errors import DataError
from ckd_plugins.registry import Record

__all__ = ["by_content", "check_files", "needs_encoder", "reads_text"]


def by_content(factory: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a teacher's options with paths replaced by digests of what lies there.

    Args:
        factory: the teacher's class; its ``files`` are paths, lists of paths or mappings to paths, its ``models`` are
            folders or names of another kind, which stay as they are.
        options: all options in force.

    Raises:
        DataError: a file is not there or cannot be read.
    """
    options = dict(options)
    for name in getattr(factory, "files", ()):
        options[name] = _digests(options.get(name))
    for name in getattr(factory, "models", ()):
        if options.get(name) is not None and Path(options[name]).expanduser().is_dir():
            options[name] = content_digest(options[name])
    return options


def check_files(factory: Any, options: Mapping[str, Any], what: str) -> None:
    """Find out whether the files that options name are there.

    Args:
        factory: the teacher's class.
        options: as the user gave them.
        what: the teacher, for messages.

    Raises:
        DataError: one is not.
    """
    for name in getattr(factory, "files", ()):
        for path in _paths(options.get(name)):
            if not path:
                raise DataError(f"option {name!r} of {what} is empty; give a file or folder, or leave it out")
            if not Path(path).expanduser().exists():
                raise DataError(f"option {name!r} of {what}: {str(path)!r} does not exist; give a file or folder")


def reads_text(record: Record, options: Mapping[str, Any]) -> bool:
    """Whether a teacher reads item texts, given its options as the user gave them."""
    if "text" not in getattr(record.spec, "needs", ()):
        return False
    return all(options.get(name) is None for name in getattr(record.load(), "instead_of_text", ()))


def needs_encoder(record: Record, options: Mapping[str, Any]) -> bool:
    """Whether a teacher asks the run's text encoder; one that has a language model of its own does not."""
    takes = read_options(record.load())
    return reads_text(record, options) and (takes.open_ended or "encoder" in takes.parameters)


def _digests(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _digests(path) for key, path in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_digests(path) for path in value]
    return None if value is None else content_digest(value)


def _paths(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _paths(part)
    elif value is not None:
        yield value
