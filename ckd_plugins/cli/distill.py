"""``ckd distill``: train one student with what teachers know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ckd_plugins.cli.json_output import json_option, print_json
from ckd_plugins.errors import ConfigError

__all__ = ["distill"]


@click.command()
@click.argument("model")
@click.option("--dataset", "-d", required=True, help="A dataset's folder or name; several, by commas, are merged.")
@click.option(
    *("--teachers", "-t"),
    default=None,
    help="By commas: names, names with options (recbole:model=EASE:k=50), folders; none trains plainly.",
)
@click.option("--pretrain", "-p", "pretrain", default=None, help="Datasets to pre-train the teachers on, by commas.")
@click.option("--config", "-c", "files", multiple=True, type=click.Path(), help="RecBole YAML with a ckd: section.")
@click.option("--set", "-s", "settings", multiple=True, metavar="KEY=VALUE", help="A setting: epochs=20, ckd.weight=4.")
@click.option("--each", is_flag=True, help="Of several datasets: a student for each, in place of one for all.")
@click.option("--plain", is_flag=True, help="Train the model plainly as well, to compare with.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a comparison as HTML.")
@json_option("Print the result as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def distill(
    model: str,
    dataset: str,
    teachers: str | None,
    pretrain: str | None,
    files: tuple[str, ...],
    settings: tuple[str, ...],
    each: bool,
    plain: bool,
    report: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train MODEL on a dataset, taught by teachers, and print test metrics.

    Teachers are trained and asked once; later runs on the same data find them in the cache.
    """
    given = read_settings(settings)
    if each:
        given["ckd.domains.students"] = "each"
    if pretrain is not None:
        given["ckd.pretrain_domains"] = pretrain
    from ckd_plugins.cli.results import print_results
    from ckd_plugins.training.entry import distill as run
    from ckd_plugins.training.progress import Console

    if report is not None:  # after an hour of training is too late
        from ckd_plugins.study.report import check_report

        check_report(report)
    reporter = Console(quiet)
    # The distilled run comes first: a mistake in its settings shows at once, not after a plain run's minutes.
    results: list[dict[str, Any]] = [run(model, dataset, files, given, teachers=teachers, reporter=reporter)]
    if plain and results[0]["ckd"]["teachers"]:
        results.insert(0, run(model, dataset, files, given, teachers=(), reporter=reporter))
    if as_json:
        print_json(results if plain else results[0])
    else:
        print_results(results)
        click.echo(f"Run folder: {results[-1]['ckd']['run_dir']}")
    if report is not None:  # last, so that a report that cannot be written takes nothing away
        from ckd_plugins.study.report import write_report

        write_report(report, results, title=f"{model} on {results[-1]['ckd']['dataset']}")


def read_settings(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Read ``key=value`` pairs; values are YAML as in a config file.

    Raises:
        ConfigError: a pair has no ``=``, or its value is no YAML.
    """
    import yaml

    from ckd_plugins.config import parse_value

    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {pair!r}: give a setting as KEY=VALUE")
        try:
            settings[key.strip()] = parse_value(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {pair!r}: the value is no YAML: {str(error).partition(chr(10))[0]}") from None
    return settings
