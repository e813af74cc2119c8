"""What a run costs by the number of interactions, from 50,000 to 5 million: writes the table in docs/performance.md.

    python benchmarks/scaling.py --write docs/performance.md

Synthetic data: ten interactions a user on average, a catalogue of fixed size whose popularity falls as 1 / rank. Each
size runs in a process of its own. An epoch of the largest sizes is told from its first batches, which are shuffled.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from pages import write_table
from speed import COMMON, SASREC
from speed_client import Client

ITEMS = 5_000
MODELS: dict[str, dict[str, Any]] = {"SASRec": SASREC, "BPR": {}}


def write_interactions(folder: Path, interactions: int, seed: int = 0) -> Path:
    """Write ``<folder>/made<interactions>`` in RecBole's format; users differ in length, from 5 up."""
    draw = np.random.default_rng(seed)
    lengths = 4 + draw.geometric(1 / 6, size=interactions // 10)
    user = np.repeat(np.arange(len(lengths)), lengths)
    time = np.arange(len(user)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    popularity = 1 / np.arange(1, ITEMS + 1)
    item = np.searchsorted(np.cumsum(popularity) / popularity.sum(), draw.random(len(user)))
    made = folder / f"made{interactions}"
    made.mkdir(parents=True)
    with (made / f"{made.name}.inter").open("w") as file:
        file.write("user_id:token\titem_id:token\ttimestamp:float\n")
        np.savetxt(file, np.stack([user, item, time], axis=1), fmt="%d", delimiter="\t")
    return made


def row(model: str, dataset: Path, interactions: int, batches: int, threads: int) -> str:
    """Measure one size in a process of its own."""
    settings = {**COMMON, **MODELS[model]}
    about = {"model": model, "dataset": str(dataset), "settings": settings}
    with Client(sys.executable, "speed_own.py", threads, **about) as worker:
        idle = worker.do("memory")
        worker.do("epoch", batches=batches)  # warm
        trained = worker.do("epoch", batches=batches)
    million = interactions / 1e6
    cells = (
        model,
        f"{interactions:,}",
        f"{worker.data_seconds:.2f} s",
        f"{worker.data_seconds / million:.2f} s",
        f"{trained['seconds']:.1f} s",
        f"{trained['seconds'] / million:.1f} s",
        f"{idle['peak_mb']:.0f} MB",
        f"{trained['peak_mb']:.0f} MB",
    )
    return f"| {' | '.join(cells)} |"


@click.command()
@click.option("--size", "sizes", multiple=True, type=int, default=(50_000, 500_000, 5_000_000), show_default=True)
@click.option("--batches", default=60, show_default=True, help="Batches of an epoch that are timed.")
@click.option("--threads", default=2, show_default=True)
@click.option("--write", "page", type=click.Path(path_type=Path), help="Page whose table is replaced.")
def main(sizes: tuple[int, ...], batches: int, threads: int, page: Path | None) -> None:
    """Measure each size."""
    lines = [
        "| model | interactions | data and split | a million | epoch | a million | memory, data | memory, all |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            dataset = write_interactions(Path(scratch), size)
            for model in MODELS:
                lines.append(row(model, dataset, size, batches, threads))
                click.echo(lines[-1])
    write_table("\n".join(lines), "scaling", page)


if __name__ == "__main__":
    main()
