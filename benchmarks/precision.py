"""What fp16 and int8 vectors do to a teacher's scores, against float32: writes the table in docs/concepts/signals.md.

    python benchmarks/precision.py --data ../shared/data/office --write docs/concepts/signals.md

The teachers are fine-tuned once, asked once for each way of storing, and read through the signal that students read.
Every catalogue item is scored for ``--rows`` instances. Errors are in units of the softmax: scores divided by the
teacher's temperature. Confidence is the probability of the likeliest item; "any" is the largest error of any item's
probability, so that it bounds the error for the item that the user really chose.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from pages import write_table

from ckd_plugins.signals import Signal, Store

STORED = ("float16", "int8")
_BLOCK = 256


def stores(data: Path, teachers: str, config: Path | None, cache: Path, dtype: str) -> dict[str, Path]:
    """The store of each teacher, made first where it is missing."""
    from ckd_plugins.training.prepare import prepare_teachers
    from ckd_plugins.training.progress import Console

    chosen = {"ckd.teachers": teachers, "ckd.cache_dir": str(cache), "ckd.signals": dtype}
    files = [] if config is None else [str(config)]
    prepared = prepare_teachers(data, files, chosen, reporter=Console(False))
    return {name: Path(about["store"]) for name, about in prepared.items()}


def compare(exact: Signal, rounded: Signal, rows: int, items: int, top: int = 10) -> dict[str, Any]:
    """Errors of ``rounded`` against ``exact`` for all rows and items 1 to ``items``.

    Returns:
        ``median`` and ``worst`` error of a score over temperature, ``spread`` (standard deviation of a row's, median
        row), ``agree`` (share of the ``top`` best that are the same, mean) and ``worst_agree`` (worst row),
        ``confidence`` (median error) and ``worst_confidence``, ``any`` (worst error of any probability).
    """
    candidates = torch.arange(1, items + 1)
    errors, spread, agree, confident, anywhere = [], [], [], [], []
    for start in range(0, rows, _BLOCK):
        block = torch.arange(start, min(rows, start + _BLOCK))
        a, b = (s.scores(block, candidates).double() / s.temperature for s in (exact, rounded))
        errors.append((a - b).abs().flatten().float())
        spread.append(a.std(1))
        best_a, best_b = (s.topk(min(top, items), dim=1).indices for s in (a, b))
        agree.append((best_a[:, :, None] == best_b[:, None, :]).any(2).double().mean(1))
        p, q = a.softmax(1), b.softmax(1)
        confident.append((p.amax(1) - q.amax(1)).abs())
        anywhere.append((p - q).abs().amax(1))
    error, match, conf = torch.cat(errors), torch.cat(agree), torch.cat(confident)
    return {
        "median": float(np.median(error.numpy())),
        "worst": float(error.max()),
        "spread": float(torch.cat(spread).median()),
        "agree": float(match.mean()),
        "worst_agree": float(match.min()),
        "confidence": float(conf.median()),
        "worst_confidence": float(conf.max()),
        "any": float(torch.cat(anywhere).max()),
    }


def bytes_of(store: Store) -> int:
    """Bytes that an instance takes, its key not counted."""
    return sum(
        int(np.prod(column.shape)) * np.dtype(column.dtype).itemsize for column in store.manifest.columns.values()
    )


def table(by_dtype: dict[str, dict[str, Path]], rows: int, seed: int) -> Iterator[str]:
    """Markdown lines."""
    yield (
        "| teacher | vectors | bytes an instance | error of a score: median | worst | spread of a row's scores "
        "| same top 10: mean | worst row | error of confidence: median | worst | any |"
    )
    yield "|---" * 11 + "|"
    for name, path in by_dtype["float32"].items():
        reference = Store.open(path)
        picked = np.random.default_rng(seed).permutation(len(reference))[:rows]
        keys, tokens = reference.keys[picked], ["[PAD]", *reference.items]
        exact = reference.bind(keys, tokens)
        for dtype in STORED:
            store = Store.open(by_dtype[dtype][name])
            told = compare(exact, store.bind(keys, tokens), len(keys), len(reference.items))
            yield (
                f"| {name} | {dtype} | {bytes_of(store)} | {told['median']:.1e} | {told['worst']:.1e} "
                f"| {told['spread']:.2f} | {told['agree']:.2%} | {told['worst_agree']:.0%} "
                f"| {told['confidence']:.1e} | {told['worst_confidence']:.1e} | {told['any']:.1e} |"
            )


@click.command()
@click.option("--data", default=Path("../shared/data/office"), type=click.Path(exists=True, path_type=Path))
@click.option(
    "--teachers", default="unisrec:finetune_epochs=8,vqrec:finetune_epochs=8", help="As of 'ckd teacher cache'."
)
@click.option("--config", type=click.Path(exists=True, path_type=Path), help="YAML with settings of the run.")
@click.option("--cache", type=click.Path(path_type=Path), default=Path("ckd_runs/precision"), show_default=True)
@click.option("--rows", default=4096, show_default=True, help="Instances that are compared.")
@click.option("--seed", default=0, show_default=True, help="Of the choice of instances.")
@click.option("--write", "page", type=click.Path(path_type=Path), help="Page whose table is replaced.")
def main(data: Path, teachers: str, config: Path | None, cache: Path, rows: int, seed: int, page: Path | None) -> None:
    """Make what is missing, and the table."""
    by_dtype = {
        dtype: stores(data.resolve(), teachers, config, cache.resolve(), dtype) for dtype in ("float32", *STORED)
    }
    write_table("\n".join(table(by_dtype, rows, seed)), f"precision {data.resolve().name}", page)


if __name__ == "__main__":
    main()
