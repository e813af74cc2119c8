"""The group ``ckd``: finds its sub-commands in the registry and turns errors into one line and an exit status.

Exit status: 0 success, 1 the command found something wrong, 2 a mistake that the user can mend, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from ckd_plugins import __version__
from ckd_plugins.cli.json_output import printing_aside
from ckd_plugins.errors import CkdError, PluginError, UnknownNameError
from ckd_plugins.registry import Registry, get_registry

__all__ = ["ckd", "main"]


class RegistryGroup(click.Group):
    """A group whose sub-commands are the registry's ``command`` records, imported one by one when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all sub-commands."""
        return _registry().names("command")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a sub-command.

        Raises:
            UnknownNameError: there is none of that name.
            PluginError: it does not import, or is no click command.
        """
        if cmd_name.startswith("-"):
            return None
        record = _registry().record("command", cmd_name)
        with printing_aside():
            command = record.load()
        if not isinstance(command, click.Command):
            kind = type(command).__name__
            raise PluginError(f"command {cmd_name!r} of {record.origin} is a {kind}, not a click.Command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of sub-commands from their records: importing all of them takes seconds."""
        records = sorted(_registry().records("command"), key=lambda record: record.spec.name)
        with formatter.section("Commands"):
            formatter.write_dl([(record.spec.name, record.spec.summary) for record in records])

    def invoke(self, ctx: click.Context) -> Any:
        """Run; an interrupt ends with status 130, as shells expect."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("ckd: interrupted", err=True)
            ctx.exit(130)


def _registry() -> Registry:
    """The registry; what plugins print when they are imported is no command's output, and no part of its JSON."""
    with printing_aside():
        return get_registry()


@click.command(
    "ckd",
    cls=RegistryGroup,
    epilog="CKD_NO_PLUGINS=1 runs without plugins of other packages, CKD_DISABLE=a,b without some; "
    "CKD_STRICT=1 shows where a broken one fails.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="ckd", message="%(prog)s %(version)s")
def ckd() -> None:
    """Distil what pre-trained recommenders know into any RecBole model."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the console script.

    Args:
        arguments: the command line without the program's name; ``sys.argv`` by default.
    """
    try:
        ckd.main(args=None if arguments is None else list(arguments), prog_name="ckd")
    except CkdError as error:
        if os.environ.get("CKD_STRICT"):
            traceback.print_exception(error)
        message = str(error)
        if isinstance(error, UnknownNameError) and error.kind == "command":
            message += "; see 'ckd --help'"
        click.echo(f"ckd: error: {message}", err=True)
        sys.exit(2)
    sys.exit(0)
