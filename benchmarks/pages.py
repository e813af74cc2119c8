"""Tables that benchmarks put into the pages of ``docs/``."""

from __future__ import annotations

from pathlib import Path

import click


def write_table(made: str, name: str, page: Path | None) -> None:
    """Print a table, and replace the one between ``<!-- table: NAME -->`` and ``<!-- end -->`` of a page.

    Raises:
        click.UsageError: the page has no such marks.
    """
    click.echo(made)
    if page is None:
        return
    begin, end = f"<!-- table: {name} -->", "<!-- end -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    if not found:
        raise click.UsageError(f"{page} has no line {begin}")
    page.write_text(f"{before}{begin}\n{made}\n{end}{rest.partition(end)[2]}", encoding="utf-8")
