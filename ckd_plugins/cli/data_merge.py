"""``ckd data merge``: several domains as one dataset."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click

from ckd_plugins.cli.json_output import json_option, print_json
from ckd_plugins.errors import ConfigError

__all__ = ["merge"]


@click.command()
@click.argument("domains", nargs=-1)
@click.option("--out", "-o", required=True, type=click.Path(path_type=Path), help="The new dataset's folder.")
@click.option(
    "--users",
    type=click.Choice(["apart", "joined"]),
    default="apart",
    show_default=True,
    help="Whether one who is in two domains is two users, or one whose history is that of both.",
)
@json_option("Print the counts as JSON.")
def merge(domains: tuple[str, ...], out: Path, users: Literal["apart", "joined"], as_json: bool) -> None:
    """Write DOMAINS (folders of datasets, or names below dataset/) as one dataset, with items named domain/item."""
    from ckd_plugins.cli.tables import print_table
    from ckd_plugins.domains.merging import merge_domains
    from ckd_plugins.host.settings import find_dataset

    if len(domains) < 2:
        raise ConfigError(f"merging needs two domains or more, and {len(domains)} is given; name their folders")
    merged = merge_domains([find_dataset(one).folder for one in domains], out, users=users)
    if as_json:
        counts = {name: asdict(one) for name, one in merged.counts.items()}
        print_json({"folder": str(merged.folder), "domains": counts, "shared_users": merged.shared_users})
        return
    rows = [[name, f"{one.users:,}", f"{one.items:,}", f"{one.interactions:,}"] for name, one in merged.counts.items()]
    print_table(["domain", "users", "items", "interactions"], rows)
    kept = "joined" if users == "joined" else "kept apart"
    click.echo(f"Users in several domains: {merged.shared_users:,}, {kept}")
    if merged.left_out:
        click.echo(f"Left out, as not every domain has it: {', '.join(merged.left_out)}")
    click.echo(f"Dataset: {merged.folder}")
