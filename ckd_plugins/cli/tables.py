"""Tables: drawn on a terminal, plain columns in a pipe, so that ``grep`` and ``awk`` work and nothing is cut off."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

__all__ = ["print_table"]


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str | None] = ()) -> None:
    """Print a table to standard output.

    Args:
        columns: headings.
        rows: cells, as many a row as there are columns.
        styles: a rich style per row, used on a terminal only.
    """
    if sys.stdout.isatty():
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(*columns, box=SIMPLE_HEAD)
        for number, row in enumerate(rows):
            style = styles[number] if number < len(styles) else None
            table.add_row(*(Text(cell, style=(style or "") if not at else "") for at, cell in enumerate(row)))
        Console().print(table)
        return
    widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
    for row in [columns, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
