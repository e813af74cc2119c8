"""Test results of several runs as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from ckd_plugins.cli.tables import print_table
from ckd_plugins.study.rows import Row, bigger_is_better, comparison, gain_metric, gains
from ckd_plugins.study.slices import by_slice

__all__ = ["print_results"]

_STYLES = {"teacher": "dim", "plain": None, "distilled": "green"}


def print_results(results: Sequence[Mapping[str, Any]], metrics: Sequence[str] | None = None) -> None:
    """Print teachers, plain and distilled runs with test metrics, seconds and parameters.

    A column says what distillation gains in the metric of validation, where a model has a plain run as well. Of merged
    domains a second table has that metric for each, and for cold items and short histories.

    Args:
        results: what ``distill`` returned.
        metrics: which metrics; by default the first four of the last run.
    """
    rows = comparison(results)
    shown = list(metrics or list(results[-1]["test_result"])[:4])
    metric = gain_metric(results, shown)
    gained = gains(rows, metric, bigger=bigger_is_better(results, metric))
    heads = ["", "model", *shown, *([f"gain in {metric}"] if gained else []), "train", "parameters"]
    cells = [
        [
            row.kind,
            row.name,
            *(f"{row.metrics[m]:.4f}" if row.metrics and m in row.metrics else "-" for m in shown),
            *([_gain(row, gained)] if gained else []),
            _seconds(row),
            f"{row.parameters:,}" if row.parameters else "",
        ]
        for row in rows
    ]
    print_table(heads, cells, [_STYLES[row.kind] for row in rows])
    domains = any("domains" in result["ckd"].get("slices", {}) for result in results)
    if domains and (sliced := by_slice(rows, metric)) is not None:
        cells = [
            [row.kind, row.name, *("-" if value is None else f"{value:.4f}" for value in values)]
            for row, values in sliced.rows
        ]
        click.echo(f"\n{metric} by slice (users)")
        print_table(["", "model", *sliced.heads], cells, [_STYLES[row.kind] for row, _ in sliced.rows])


def _seconds(row: Row) -> str:
    return "reused" if row.reused else f"{row.seconds:.1f} s"


def _gain(row: Row, gained: Mapping[str, float]) -> str:
    return f"{100 * gained[row.name]:+.1f}%" if row.kind == "distilled" and row.name in gained else ""
