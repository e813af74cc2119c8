"""``ckd plugins``: what is installed, and whether it keeps the contract."""

from __future__ import annotations

import dataclasses

import click

from ckd_plugins._contract import check_plugin
from ckd_plugins.cli.json_output import json_option, print_json
from ckd_plugins.cli.tables import print_table
from ckd_plugins.errors import UnknownNameError
from ckd_plugins.registry import get_registry

__all__ = ["plugins"]

_STYLES = {"ok": "green", "conflict": "yellow", "broken": "red", "disabled": "dim"}


@click.group()
def plugins() -> None:
    """List the installed plugins, or check one of them."""


@plugins.command("list")
@json_option("Print JSON, built-ins included.")
@click.option("--all", "everything", is_flag=True, help="Show the built-in plugins too.")
@click.option("--hook", help="Show only plugins that implement this hook.")
def list_plugins(as_json: bool, everything: bool, hook: str | None) -> None:
    """List plugins: where they come from, what they add, and whether they work."""
    rows = [row for row in get_registry().plugins() if hook is None or hook in row.hooks]
    if as_json:
        print_json([dataclasses.asdict(row) for row in rows])
        return
    shown = [row for row in rows if everything or not row.builtin]
    if shown:
        cells = [
            (row.status, row.name, f"{row.distribution} {row.version}", ", ".join(row.components or row.hooks))
            for row in shown
        ]
        print_table(("status", "plugin", "distribution", "adds"), cells, [_STYLES[row.status] for row in shown])
    else:
        click.echo("No plugins of other packages are installed; 'ckd plugins list --all' shows the built-in ones.")
    for row in rows:
        if row.error:
            click.echo(f"{row.name}: {row.error}", err=True)


@plugins.command("check")
@click.argument("name", required=False)
@click.pass_context
def check(ctx: click.Context, name: str | None) -> None:
    """Check plugin NAME, or all: does all it registers import, with options that a config can set?

    Exit status 1 if anything is wrong.
    """
    registry = get_registry()
    rows = registry.plugins()
    if name is not None:
        known = [row.name for row in rows]
        rows = [row for row in rows if name in (row.name, row.distribution)]
        if not rows:
            raise UnknownNameError("plugin", name, known)
    findings = [(row.name, finding) for row in rows for finding in check_plugin(registry, row)]
    for plugin, finding in findings:
        click.echo(f"{plugin}: {finding}")
    if findings:
        ctx.exit(1)
    click.echo(f"{len(rows)} plugin{'' if len(rows) == 1 else 's'} checked, nothing is wrong.")
