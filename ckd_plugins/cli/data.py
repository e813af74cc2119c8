"""``ckd data``: datasets, imported, merged and looked at."""

from __future__ import annotations

import click

from ckd_plugins.cli.data_describe import describe_data
from ckd_plugins.cli.data_import import import_data
from ckd_plugins.cli.data_merge import merge

__all__ = ["data"]


@click.group()
def data() -> None:
    """Import datasets, merge them and describe them."""


# One line a command; each has a file of its own.
data.add_command(import_data)
data.add_command(merge)
data.add_command(describe_data)
