"""``ckd students``: which models can be distilled, how their scores are read, and what they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from ckd_plugins.cli.json_output import json_option, print_json
from ckd_plugins.cli.tables import print_table
from ckd_plugins.registry import Registry, get_registry
from ckd_plugins.students.table import StudentRow, read_table, summary

__all__ = ["students"]

_HEADS = ("model", "family", "reader", "passes", "calls", "speed", "needs", "status")


@click.command()
@click.argument("models", nargs=-1)
@click.option("--family", help="Show one family only: sequential, graph, feature_interaction and so on.")
@click.option("--notes", is_flag=True, help="Add why a model needs a second pass, and what is worked round.")
@json_option("Print JSON, with all that was measured.")
def students(models: Sequence[str], family: str | None, notes: bool, as_json: bool) -> None:
    """Show which models can be distilled and how.

    Without MODELS: RecBole's models and this package's own, as they were measured with this version, and the students
    of other packages. With MODELS: measures these now, on a slice of MovieLens-100K; for a model of your own too.

    PASSES is how often the rows of a batch go through the model in a distilled step, its own loss included. CALLS are
    those of forward, by the own loss and by reading: expanded rows make one more, of each row's candidates in the
    item's place, since other items are other rows to such a model.

    SPEED names what makes the model faster, each found to leave its loss and gradients as they are (settings of
    ckd.speed); what is not named would change it, or there is nothing to do.
    """
    registry = get_registry()
    rows = _measure(models, registry) if models else _known(registry)
    if family is not None:
        families = sorted({row.family for row in rows})
        rows = [row for row in rows if row.family == family]
        if not rows:
            raise click.BadParameter(f"no model is of family {family!r}; there are {', '.join(families)}")
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    cells = [_cells(row, notes) for row in rows]
    styles = ["" if row.is_student else "dim" for row in rows]
    print_table((*_HEADS, "note") if notes else _HEADS, cells, styles)
    click.echo(summary(rows))


def _known(registry: Registry) -> list[StudentRow]:
    rows = read_table()
    measured = {row.name for row in rows}
    others = [record.spec for record in registry.records("student") if record.spec.name not in measured]
    rows += [
        StudentRow(spec.name, getattr(spec, "family", None) or "", f"not measured: ckd students {spec.name}")
        for spec in others
    ]
    return sorted(rows, key=lambda row: row.name.lower())


def _measure(models: Sequence[str], registry: Registry) -> list[StudentRow]:
    import tempfile
    from pathlib import Path

    from ckd_plugins.host.journal import recbole_log
    from ckd_plugins.host.zoo import model_class
    from ckd_plugins.training.subscribe import subscribe
    from ckd_plugins.training.survey import survey

    for name in models:
        model_class(subscribe(name, registry).model)  # a misspelt name shows before anything is measured
    with tempfile.TemporaryDirectory() as scratch, recbole_log(Path(scratch)):
        return [survey(name, Path(scratch), registry) for name in models]


def _cells(row: StudentRow, notes: bool) -> tuple[str, ...]:
    passes = str(row.passes) if row.is_student else ""
    cells = (
        row.name,
        row.family.replace("_", " "),
        row.reader,
        passes,
        row.calls,
        ", ".join(row.speed),
        ", ".join(row.needs),
        row.status,
    )
    return (*cells, row.note) if notes else cells
