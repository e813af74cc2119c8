"""``ckd data``: datasets made ready."""

from __future__ import annotations

import click

from ckd_plugins.cli.data_merge import merge

__all__ = ["data"]


@click.group()
def data() -> None:
    """Make datasets ready."""


data.add_command(merge)
