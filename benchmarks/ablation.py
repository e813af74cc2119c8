"""Distilled over plain and tuned plain, for three families of students, and what each part of the method adds.

    python benchmarks/ablation.py --tune
    python benchmarks/ablation.py
    python benchmarks/ablation.py --only-plan --write docs/results.md

Teachers are fine-tuned once (seed 2020) and cached for all runs. A run is known by its settings, seed and teachers: one
that has a record below ``--records`` is not made again, and two processes with one folder share the work. Everything is
chosen by validation; only the tables read the test split.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from ablation_rows import ROWS
from ablation_runs import (
    RECORDS,
    Places,
    Work,
    claim,
    make_teachers,
    minutes,
    teachers_of,
    tuned,
    tuning,
    work_of,
    write_tuned,
)
from ablation_tables import write_tables


def listed(context: click.Context, parameter: click.Parameter, value: str | None) -> list[str]:
    """``a,b`` as a list."""
    return [part.strip() for part in (value or "").split(",") if part.strip()]


def seeds_of(context: click.Context, parameter: click.Parameter, value: str) -> list[int]:
    """``2020..2024``, or ``2020,2022``."""
    first, dots, last = value.partition("..")
    try:
        seeds = list(range(int(first), int(last) + 1)) if dots else [int(part) for part in value.split(",")]
    except ValueError:
        seeds = []
    if not seeds:
        raise click.BadParameter(f"{value!r} is neither 2020..2024 nor 2020,2021")
    return seeds


def plan(
    data: Path, datasets: Sequence[str], families: Sequence[str], rows: Sequence[str], seeds: Sequence[int],
    named: str, places: Places, *, untuned: bool = True,
) -> list[Work]:  # fmt: skip
    """All runs of the table, seed by seed, so that whole rows come early; equal runs once.

    A row that needs what tuning chooses, before it has, is an error, or with ``untuned=False`` left out.
    """
    unknown = [row for row in rows if not any(row in ROWS[family] for family in families)]
    if unknown:
        known = dict.fromkeys(row for family in families for row in ROWS[family])
        raise click.UsageError(f"no row {unknown[0]!r}; there are {', '.join(known)}")
    found: dict[str, Work] = {}
    for seed in seeds:
        for dataset in datasets:
            teachers = teachers_of(data / dataset, named, places.runs)
            for family in families:
                ready = untuned or tuned(data / dataset, family, places) is not None
                for name, row in ROWS[family].items():
                    if (not rows or name in rows) and (ready or not row.tuned):
                        work = work_of(data / dataset, family, name, seed, teachers, places)
                        found.setdefault(work.name, work)
    return list(found.values())


def do(works: Sequence[Work], runs: Path) -> tuple[int, int]:
    """Do what is missing, one after the other; returns how many failed, and how many another process is at."""
    from ckd_plugins.errors import CkdError

    failed = elsewhere = 0
    for place, work in enumerate(works, start=1):
        if work.result() is not None:
            continue
        with claim(runs / "locks" / f"{work.name}.lock") as ours:
            if not ours:
                elsewhere += 1
                continue
            if work.result() is not None:  # finished while we looked
                continue
            click.echo(f"[{place}/{len(works)}] {work.dataset.name} {work.family} {work.title}")
            try:
                work.do()
            except CkdError as error:  # hours of other runs need not wait for somebody to look at it
                failed += 1
                click.echo(f"Error: {work.name}: {error}", err=True)
    return failed, elsewhere


@click.command()
@click.option("--data", default=Path("../shared/data"), type=click.Path(exists=True, path_type=Path), show_default=True)
@click.option("--datasets", default="office,scientific", callback=listed, show_default=True)
@click.option("--families", default=",".join(ROWS), callback=listed, show_default=True)
@click.option("--rows", callback=listed, help="Names of rows; by default all.")
@click.option("--seeds", default="2020..2024", callback=seeds_of, show_default=True)
@click.option(
    "--teachers",
    "named",
    default="vqrec,unim2rec",
    show_default=True,
    help="As ckd.teachers takes them; {dataset} in a folder's path stands for the dataset's name.",
)
@click.option("--runs", type=click.Path(path_type=Path), default=Path("ckd_runs/ablation"), show_default=True)
@click.option(
    "--records",
    type=click.Path(path_type=Path),
    default=RECORDS,
    help="What is kept of finished runs; in a new folder all are made again.  [default: beside this file]",
)
@click.option("--tune", is_flag=True, help="Try the plain students' grids (one seed), and keep the best by validation.")
@click.option("--only-plan", is_flag=True, help="Say what is missing and what it takes; run nothing.")
@click.option("--write", "page", type=click.Path(exists=True, path_type=Path), help="Page whose tables are replaced.")
def main(
    data: Path, datasets: list[str], families: list[str], rows: list[str], seeds: list[int], named: str, runs: Path,
    records: Path, tune: bool, only_plan: bool, page: Path | None,
) -> None:  # fmt: skip
    """Run what is missing, and make the tables of what is finished."""
    from ckd_plugins.errors import CkdError

    places = Places(runs.resolve(), records.resolve())
    try:
        run(data.resolve(), datasets, families, rows, seeds, named, places, tune, only_plan, page)
    except CkdError as error:
        raise click.UsageError(str(error)) from error


def run(
    data: Path, datasets: list[str], families: list[str], rows: list[str], seeds: list[int], named: str, places: Places,
    tune: bool, only_plan: bool, page: Path | None,
) -> None:  # fmt: skip
    """What the command does."""
    for family in families:
        if family not in ROWS:
            raise click.UsageError(f"no family {family!r}; there are {', '.join(ROWS)}")
    for dataset in datasets:
        # Tables are made of records alone.
        recorded = only_plan and any(places.records.glob(f"{dataset}-*.json"))
        if not recorded and not (data / dataset / f"{dataset}.inter").is_file():
            raise click.UsageError(f"no dataset {dataset!r}: {data / dataset / dataset}.inter is not there")
    if tune:
        grids = [(data / dataset, family) for dataset in datasets for family in families]
        works = [work for dataset, family in grids for _, work in tuning(dataset, family, places)]
    else:
        works = plan(data, datasets, families, rows, seeds, named, places, untuned=not only_plan)
    missing = [work for work in works if work.result() is None]
    done = [work for work in works if work not in missing]
    click.echo(
        f"{len(done)} of {len(works)} runs are finished, with a record in {places.records}; the others take "
        f"{minutes(missing, done):.0f} minutes"
    )
    if only_plan and not tune:
        for dataset in datasets:
            for family in families:
                if tuned(data / dataset, family, places) is None:
                    click.echo(f"  {dataset} {family}: all rows but the plain one wait for --tune")
    failed = elsewhere = 0
    if only_plan:
        for work in missing:
            click.echo(f"  {work.dataset.name} {work.family} {work.title}")
    else:
        if any(work.teachers for work in missing):
            for dataset in datasets:
                make_teachers(data / dataset, named, places.runs)
        failed, elsewhere = do(works, places.runs)
    if tune:
        for dataset, family in grids:
            write_tuned(dataset, family, places)
    elif page is not None or not only_plan:
        write_tables(data, datasets, families, seeds, named, places, page)
    if elsewhere:
        click.echo(f"{elsewhere} runs are another process's")
    if failed:
        raise click.ClickException(f"{failed} runs failed; see above")


if __name__ == "__main__":
    main()
