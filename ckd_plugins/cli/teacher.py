"""``ckd teacher``: teachers and what is cached of them."""

from __future__ import annotations

import json
from typing import Any

import click

__all__ = ["teacher"]


@click.group()
def teacher() -> None:
    """List teachers, or train and cache them ahead of their students."""


@teacher.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_teachers(as_json: bool) -> None:
    """List the teachers that can be named, and those that the cache holds."""
    from ckd_plugins.cli.tables import print_table
    from ckd_plugins.config import default_cache_dir
    from ckd_plugins.registry import get_registry

    known = [
        (r.spec.name, ", ".join(getattr(r.spec, "needs", ())), r.spec.summary)
        for r in get_registry().records("teacher")
    ]
    # A name that begins with a dot is half written.
    folders = sorted((default_cache_dir() / "teachers").glob("[!.]*/config.json"))
    if as_json:
        listed = [{"name": name, "needs": needs, "summary": summary} for name, needs, summary in known]
        click.echo(json.dumps({"teachers": listed, "cached": [str(f.parent) for f in folders]}, indent=2))
        return
    print_table(("teacher", "needs", "what it is"), known)
    for folder in folders:
        click.echo(f"cached: {folder.parent}")


@teacher.command("cache")
@click.argument("names")
@click.option("--dataset", "-d", required=True, help="Folder of a dataset, or its name below data_path.")
@click.option("--pretrain", "-p", default=None, help="Datasets to pre-train on, by commas.")
@click.option("--config", "-c", "files", multiple=True, type=click.Path(), help="RecBole YAML with a ckd: section.")
@click.option(
    "--set", "-s", "settings", multiple=True, metavar="KEY=VALUE", help="A setting: seed=1, ckd.text.encoder=folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def cache(
    names: str,
    dataset: str,
    pretrain: str | None,
    files: tuple[str, ...],
    settings: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Train the teachers NAMES (by commas) on a dataset, ask them about every train instance, and keep both."""
    from ckd_plugins.cli.distill import read_settings
    from ckd_plugins.cli.tables import print_table
    from ckd_plugins.training.prepare import prepare_teachers
    from ckd_plugins.training.progress import Console

    given: dict[str, Any] = {**read_settings(settings), "ckd.teachers": names}
    if pretrain is not None:
        given["ckd.pretrain_domains"] = pretrain
    prepared = prepare_teachers(dataset, files, given, reporter=Console(quiet))
    if as_json:
        click.echo(json.dumps(prepared, indent=2))
        return
    rows = [
        (
            name,
            "reused" if about["reused"] else f"{sum(about['seconds'].values()):.1f} s",
            ", ".join(f"{metric} {value:.4f}" for metric, value in (about["test_result"] or {}).items()),
            about["store"],
        )
        for name, about in prepared.items()
    ]
    print_table(("teacher", "made in", "test", "store"), rows)
