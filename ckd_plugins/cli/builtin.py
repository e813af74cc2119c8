"""The built-in sub-commands of ``ckd``. Listing them imports none of them."""

from __future__ import annotations

from collections.abc import Iterator

from ckd_plugins.hookspecs import hookimpl
from ckd_plugins.specs import CommandSpec

__all__ = ["ckd_register_commands"]

_COMMANDS = {
    "data": "Import datasets, merge them and describe them.",
    "demo": "From teachers to a report on bundled data, in minutes.",
    "distill": "Train a student with what teachers know.",
    "doctor": "Check this machine and its packages; --fix mends what pip can mend.",
    "students": "Show which models can be distilled and how; measure some anew.",
    "teacher": "Train teachers ahead of their students, and show what is known of them.",
    "plugins": "List the installed plugins, or check one of them.",
}


@hookimpl
def ckd_register_commands() -> Iterator[CommandSpec]:
    """Register the built-in sub-commands: ``<name>`` is ``ckd_plugins.cli.<name>:<name>``."""
    for name, summary in _COMMANDS.items():
        yield CommandSpec(name=name, factory=f"ckd_plugins.cli.{name}:{name}", summary=summary)
