"""``ckd doctor``: will a run work on this machine, and if not, what mends it."""

from __future__ import annotations

import dataclasses

import click

from ckd_plugins.cli.json_output import json_option, print_json
from ckd_plugins.cli.tables import print_table
from ckd_plugins.host.doctor import Check, apply_fixes, diagnose, shell_line

__all__ = ["doctor"]

_STYLES = {"ok": "green", "warn": "yellow", "error": "red"}


@click.command()
@click.option("--fix", is_flag=True, help="Run the pip commands that mend what is missing, then check again.")
@json_option()
@click.pass_context
def doctor(ctx: click.Context, fix: bool, as_json: bool) -> None:
    """Check this machine, its packages and its plugins.

    Exit status 1 if something would stop a run; a warning does not.
    """
    checks = diagnose()
    if fix and any(check.fix for check in checks):
        apply_fixes(checks, tell=lambda line: click.echo(f"+ {line}", err=as_json))
        checks = diagnose()
    if as_json:
        print_json([dataclasses.asdict(check) for check in checks])
    else:
        _show(checks)
    ctx.exit(1 if any(check.status == "error" for check in checks) else 0)


def _show(checks: list[Check]) -> None:
    rows = [(check.status, check.name, check.detail) for check in checks]
    print_table(("", "check", "found"), rows, [_STYLES[check.status] for check in checks])
    bad = [check for check in checks if check.status != "ok"]
    if not bad:
        click.echo("Nothing is wrong.")
    for check in bad:
        command = f": {shell_line(check.fix)}" if check.fix else ""
        click.echo(f"{check.name}: {check.remedy}{command}")
    if any(check.fix for check in bad):
        click.echo("'ckd doctor --fix' runs these commands.")
