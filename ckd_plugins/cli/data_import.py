"""``ckd data import``: a published format, turned into a dataset folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ckd_plugins.cli.json_output import json_option, print_json

if TYPE_CHECKING:
    from ckd_plugins.domains.importers import Summary

__all__ = ["import_data"]


@click.command("import")
@click.argument("format_name", metavar="FORMAT")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--out", "-o", required=True, type=click.Path(path_type=Path), help="Folder to make: dataset/office.")
@click.option("--k-core", type=int, help="Interactions that users and items have at least: 5; 0 for prepared formats.")
@click.option("--max-history", type=int, help="Keep each user's last interaction and so many before it.")
@click.option("--min-rating", type=float, help="Drop interactions with a lower rating.")
@click.option(
    "--repeats",
    type=click.Choice(["all", "first", "last"]),
    default="all",
    show_default=True,
    help="What to keep where a user has an item at several times.",
)
@click.option("--need-text", is_flag=True, help="Drop items without any text.")
@click.option(
    "--malformed",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="Share of a file's lines that may be malformed.",
)
@click.option("--set", "-s", "settings", multiple=True, metavar="KEY=VALUE", help="An option of the format.")
@json_option("Print the summary as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def import_data(
    format_name: str,
    path: Path,
    out: Path,
    k_core: int | None,
    max_history: int | None,
    min_rating: float | None,
    repeats: Any,
    need_text: bool,
    malformed: float,
    settings: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Turn PATH, which is of a published FORMAT, into a folder of RecBole's atomic files with item texts.

    A name that is no FORMAT is answered with the list. Filters run in this order: rating, repeats, text, k-core,
    history. The folder appears when it is whole, with the summary in it as <name>.import.json.
    """
    from ckd_plugins.cli.distill import read_settings
    from ckd_plugins.config import Component
    from ckd_plugins.domains.importers import Filters, Importer, ImportLog, import_dataset
    from ckd_plugins.errors import DataError, PluginError
    from ckd_plugins.registry import get_registry
    from ckd_plugins.training.progress import Console

    registry = get_registry()
    record = registry.record("importer", format_name)
    component = Component(name=format_name, options=read_settings(settings))
    component.check(registry, "importer", host=("path",))
    if not path.exists():
        raise DataError(f"{path} does not exist; give a file or folder of the format {format_name!r}")
    filters = Filters(
        min_rating=min_rating, repeats=repeats, need_text=need_text, k_core=k_core, max_history=max_history
    )
    log = ImportLog(malformed, Console(quiet).task)
    importer = component.build(registry, "importer", path=path)
    if not isinstance(importer, Importer):
        raise PluginError(f"{record} gives a {type(importer).__name__}, not an Importer; tell its authors")
    summary = import_dataset(importer, out, filters, log)
    if as_json:
        print_json(asdict(summary))
    else:
        _print(summary)


def _print(summary: Summary) -> None:
    from ckd_plugins.cli.tables import print_table

    heads = ("step", "dropped", "users", "items", "interactions")
    rows = [(s.name, *(f"{n:,}" for n in (s.dropped, s.users, s.items, s.interactions))) for s in summary.steps]
    print_table(heads, rows)
    for reason, count in summary.left_out.items():
        click.echo(f"left out: {count:,} x {reason}")
    for file in summary.files:
        if file["malformed"]:
            shown = "; ".join(file["examples"]) + ("; ..." if file["malformed"] > len(file["examples"]) else "")
            click.echo(f"malformed: {file['malformed']:,} of {file['lines']:,} lines of {file['path']}: {shown}")
    click.echo(
        f"{summary.folder}: {summary.users:,} users, {summary.items:,} items ({summary.with_text:,} with text), "
        f"{summary.interactions:,} interactions, {summary.seconds:.1f} s"
    )
