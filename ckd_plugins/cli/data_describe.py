"""``ckd data describe``: datasets in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ckd_plugins.cli.json_output import json_option, print_json

if TYPE_CHECKING:
    from ckd_plugins.domains.describing import Description, Overlap, Spread
    from ckd_plugins.domains.domain import Domain

__all__ = ["describe_data"]


@click.command("describe")
@click.argument("datasets", nargs=-1, required=True)
@click.option(
    "--text-fields", help="Columns of the item files that make up a text, by commas; the usual ones by default."
)
@click.option("--picture", type=click.Path(path_type=Path), help="Draw it as well: a .png, .svg or .pdf file.")
@json_option()
def describe_data(datasets: tuple[str, ...], text_fields: str | None, picture: Path | None, as_json: bool) -> None:
    """Show users, items, density, lengths and texts of DATASETS, and what each two of them share.

    DATASETS are folders of RecBole's atomic files, or names below dataset/. All interactions count, held out or not.
    """
    from ckd_plugins.domains.describing import describe, overlaps
    from ckd_plugins.errors import ConfigError

    if picture is not None:
        from ckd_plugins.study.domain_pictures import check_picture

        check_picture(picture)
    fields = [field.strip() for field in text_fields.split(",") if field.strip()] if text_fields else None
    domains = [_read(dataset, fields) for dataset in datasets]
    names = [domain.name for domain in domains]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"two datasets are named {twice!r}; describe one at a time, or rename one")
    descriptions, shared = [describe(domain) for domain in domains], overlaps(domains)
    if picture is not None:
        from ckd_plugins.study.domain_pictures import draw_domains

        draw_domains(picture, domains, descriptions, shared)
    if as_json:
        told = {"domains": [asdict(d) for d in descriptions], "overlap": [asdict(o) for o in shared]}
        print_json(told)
    else:
        _print(descriptions, shared)


def _read(dataset: str, fields: Sequence[str] | None) -> Domain:
    from ckd_plugins.config import TEXT_FIELDS
    from ckd_plugins.domains.atomic import read_atomic
    from ckd_plugins.host.settings import find_dataset

    found = find_dataset(dataset)
    columns = found.columns("item")
    fields = [field for field in TEXT_FIELDS if field in columns] if fields is None else fields
    return read_atomic(found.folder, text_fields=fields, leave_one_out=False, order_field=None)


def _print(descriptions: Sequence[Description], shared: Sequence[Overlap]) -> None:
    from ckd_plugins.cli.tables import print_table

    heads = ("domain", "users", "items", "interactions", "density", "of a user", "of an item", "with text", "words")
    rows = [
        (
            d.name,
            f"{d.users:,}",
            f"{d.items:,}",
            f"{d.interactions:,}",
            f"{d.density:.4%}",
            _spread(d.length),
            _spread(d.popularity),
            f"{d.with_text / d.items:.1%}",
            _spread(d.words),
        )
        for d in descriptions
    ]
    print_table(heads, rows)
    click.echo("of a user, of an item, words: least / median / mean / most")
    if shared:
        click.echo()
        both = [
            (
                f"{o.first}, {o.second}",
                *(f"{o.users:,}", _share(o.users_share, o.users_are_numbers)),
                *(f"{o.items:,}", _share(o.items_share, o.items_are_numbers)),
            )
            for o in shared
        ]
        print_table(("shared by", "users", "share", "items", "share"), both)
        click.echo("share: of the domain that has fewer")
        if any(o.users_are_numbers or o.items_are_numbers for o in shared):
            click.echo("*: plain numbers, which mean the same in both only if one source has given them")


def _share(share: float, numbers: bool) -> str:
    return f"{share:.1%}{' *' if numbers else ''}"


def _spread(spread: Spread | None) -> str:
    return "" if spread is None else f"{spread.least:,} / {spread.median:g} / {spread.mean:.1f} / {spread.most:,}"
