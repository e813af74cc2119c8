"""What it costs to write what teachers say: writes the tables in docs/concepts/signals.md.

    python benchmarks/signals.py --write docs/concepts/signals.md
    python benchmarks/signals.py --synthetic 10000000 --write docs/concepts/signals.md

The first asks each ``--teacher`` about ``--data`` by one process and by two, and compares one forward pass for all of a
user's prefixes with a row for each, on users of the larger ``--prefixes``. The teachers' weights do not matter: they
are trained for an epoch. The second writes and reads a store of random fp16 vectors in a temporary folder (6 GB for 10
million rows of 300). What memory is told of runs in a process of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from memory import Peak
from pages import write_table
from precision import bytes_of

from ckd_plugins.domains.atomic import read_atomic
from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.domains.instances import Instances
from ckd_plugins.signals import Layout, Provenance, Store, StoreWriter
from ckd_plugins.teachers.unisrec import UniSRec

PARTS = ("prefixes", "writing")
ITEMS, WIDTH, BATCH, CANDIDATES = 10_000, 300, 2048, 64
"""Of synthetic stores, and of how they are read."""


# Writing, by one process and by two.


def cached(teacher: str, data: Path, cache: Path, workers: int) -> dict[str, Any]:
    """Let ``ckd teacher cache`` ask a teacher; returns its report, and the memory of all its processes."""
    command = [sys.executable, "-m", "ckd_plugins", "teacher", "cache", f"{teacher}:finetune_epochs=1", "-d", str(data)]
    command += ["--set", f"ckd.cache_dir={cache}", "--workers", str(workers), "--json", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, Peak(process.pid) as peak:
        told, _ = process.communicate()
    if process.returncode:
        raise click.ClickException(f"{' '.join(command)} ended with {process.returncode}")
    return {**json.loads(told)[teacher], "own": peak.own, "mapped": peak.mapped}


def writing(teachers: tuple[str, ...], data: Path, cache: Path, rounds: int) -> Iterator[str]:
    """Markdown lines. The best of some rounds: what else the machine does only ever adds."""
    yield "| teacher | processes | instances/s | times one's | bytes an instance | memory, own | mapped |"
    yield "|---|---|---|---|---|---|---|"
    for teacher in teachers:
        if not any((cache / "teachers").glob(f"{teacher}-*")):
            cached(teacher, data, cache, 1)  # trains it: the memory of that is not counted
        alone = 0.0
        for workers in (1, 2):
            best: dict[str, Any] | None = None
            for _ in range(rounds):
                shutil.rmtree(cache / "signals", ignore_errors=True)
                about = cached(teacher, data, cache, workers)
                click.echo(f"{teacher}, {workers}: {about['seconds']['cache']:.1f} s", err=True)
                if best is None or about["seconds"]["cache"] < best["seconds"]["cache"]:
                    best = about
            assert best is not None
            store = Store.open(best["store"])
            rate = len(store) / best["seconds"]["cache"]
            alone = alone or rate
            yield (
                f"| {teacher} | {workers} | {rate:,.0f} | {rate / alone:.2f} | {bytes_of(store)} "
                f"| {best['own'] / 1e6:,.0f} MB | {best['mapped'] / 1e6:,.0f} MB |"
            )


# All prefixes in one forward pass.


class Random(TextEncoder):
    """Vectors that stand for texts; what they say does not matter here."""

    name, dim, identity = "random", 384, "random"

    def encode(self, texts: Any) -> np.ndarray:
        """Return ``[len(texts), dim]``."""
        return np.random.default_rng(0).standard_normal((len(texts), self.dim), dtype=np.float32)


def apart(instances: Instances) -> Instances:
    """The same rows, each with a history of its own: nothing is shared."""
    flat = np.concatenate([instances.history(row) for row in range(len(instances))])
    stop = np.cumsum(instances.lengths)
    return replace(instances, flat=flat, start=stop - instances.lengths, stop=stop)


def of_users(domain: Domain, users: np.ndarray) -> Domain:
    """The domain with some of its users and all of its items."""
    parts = [domain.sequence[domain.offsets[u] : domain.offsets[u + 1]] for u in users]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    names = tuple(domain.users[u] for u in users)
    held = {"valid": domain.valid[users], "test": domain.test[users]}
    return replace(domain, users=names, offsets=offsets, sequence=np.concatenate(parts), **held)


def prefixes(data: Path, users: int, longest: int, rounds: int, seed: int) -> Iterator[str]:
    """Markdown lines. The best of some rounds, but for the slowest way.

    Raises:
        AssertionError: the vectors are not the same to 1e-5.
    """
    whole = read_atomic(data)
    lengths = np.diff(whole.offsets)
    eligible = np.flatnonzero((lengths > 1) & (lengths <= longest + 1))  # longer ones have windows that move
    domain = of_users(whole, np.random.default_rng(seed).choice(eligible, min(users, len(eligible)), replace=False))
    teacher = UniSRec(encoder=Random(), finetune_epochs=1, finetune_seconds=1.0, max_length=longest)
    teacher.finetune(domain)
    sample = domain.train_instances(longest)
    rows = np.arange(len(sample))
    ways: dict[str, Callable[[], np.ndarray]] = {
        "all prefixes of a user in one pass": lambda: teacher.encode(sample),
        "a row for each prefix, in batches": lambda: teacher.encode(apart(sample)),
        "one by one": lambda: np.concatenate([teacher.encode(sample, rows[r : r + 1]) for r in rows]),
    }
    shared = teacher.encode(sample)  # the catalogue's vectors are made by this one
    yield f"| {data.name}: {domain.n_users:,} users, {len(sample):,} instances | seconds | instances/s | times |"
    yield "|---|---|---|---|"
    fastest = 0.0
    for name, ask in ways.items():
        best = np.inf
        for _ in range(1 if name == "one by one" else rounds):
            started = time.perf_counter()
            found = ask()
            best = min(best, time.perf_counter() - started)
            np.testing.assert_allclose(found, shared, rtol=0, atol=1e-5)
        fastest = fastest or best
        yield f"| {name} | {best:.2f} | {len(sample) / best:,.0f} | {best / fastest:.1f} |"


# Ten million synthetic instances.


def synthetic_keys(rows: int) -> np.ndarray:
    """Distinct keys in no order: an odd factor permutes 64-bit numbers."""
    return np.arange(1, rows + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def write_synthetic(path: Path, rows: int, width: int) -> dict[str, float]:
    """Write a store of random vectors; a block is drawn once, and turned by a place for each shard."""
    rng = np.random.default_rng(0)
    hashes = dict.fromkeys(("weights_hash", "data_hash", "split_hash", "text_hash"), "h")
    source = Provenance(teacher="synthetic", dataset="made", max_length=50, temperature=1.0, **hashes)
    layout = Layout.factors(rng.standard_normal((ITEMS, width), np.float32))
    with Peak() as peak:
        started = time.perf_counter()
        items = [f"i{n}" for n in range(ITEMS)]
        with StoreWriter(path, source, layout, keys=synthetic_keys(rows), items=items) as writer:
            block = rng.standard_normal((min(rows, writer.manifest.shard_size), width), np.float32)
            for shard in writer.pending():
                writer.write(shard, vectors=np.roll(block, shard.index, axis=0)[: len(shard.rows)])
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "own": peak.own, "mapped": peak.mapped}


def read_synthetic(path: Path, rows: int) -> dict[str, float]:
    """Read every row once, in an order of chance, as training does: scores of ``CANDIDATES`` items a batch."""
    with Peak() as peak:
        started = time.perf_counter()
        store = Store.open(path, verify=False)
        signal = store.bind(synthetic_keys(rows), ["[PAD]", *store.items])
        opened = time.perf_counter() - started
        order = np.random.default_rng(1).permutation(rows)
        candidates = torch.arange(1, CANDIDATES + 1)
        for start in range(0, rows, BATCH):
            scores = signal.scores(torch.from_numpy(order[start : start + BATCH]), candidates)
        assert bool(torch.isfinite(scores).all())
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "opened": opened, "own": peak.own, "mapped": peak.mapped}


def in_a_process(function: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """Call in a fresh process, so that nobody else's memory is counted."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def synthetic(rows: int, width: int, scratch: Path | None) -> Iterator[str]:
    """Markdown lines.

    Raises:
        click.ClickException: the disk has no room.
    """
    need = rows * (2 * width + 8)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        free = shutil.disk_usage(folder).free
        if free < 1.2 * need:
            raise click.ClickException(f"{folder} has {free / 1e9:.1f} GB free, {1.2 * need / 1e9:.1f} GB are needed")
        path = Path(folder, "store")
        wrote = in_a_process(write_synthetic, path, rows, width)
        read = in_a_process(read_synthetic, path, rows)
        size = sum(file.stat().st_size for file in path.iterdir())
    about_it = f"{rows:,} instances of {width} in fp16, {size / 1e9:.2f} GB"
    yield f"| {about_it} | seconds | instances/s | memory, own | mapped |"
    yield "|---|---|---|---|---|"
    told = {"written, checksums and flushes included": wrote, f"read in an order of chance, {BATCH:,} a batch": read}
    for name, about in told.items():
        yield (
            f"| {name} | {about['seconds']:.0f} | {rows / about['seconds']:,.0f} | {about['own'] / 1e6:,.0f} MB "
            f"| {about['mapped'] / 1e6:,.0f} MB |"
        )


@click.command()
@click.option("--data", default=Path("../shared/data/office"), type=click.Path(exists=True, path_type=Path))
@click.option("--prefixes", "large", default=Path("../shared/data/games"), type=click.Path(exists=True, path_type=Path))
@click.option("--users", default=500, show_default=True, help="Of --prefixes, a sample.")
@click.option("--longest", default=50, show_default=True, help="Items of a history that are read.")
@click.option("--teacher", "teachers", multiple=True, default=("unisrec", "vqrec"), show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--cache", type=click.Path(path_type=Path), default=Path("ckd_runs/signals"), show_default=True)
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), default=PARTS, show_default=True)
@click.option("--synthetic", "rows", type=int, help="Only this: rows of a synthetic store.")
@click.option("--width", default=WIDTH, show_default=True, help="Of a synthetic vector.")
@click.option("--scratch", type=click.Path(exists=True, path_type=Path), help="Where the synthetic store is put.")
@click.option("--write", "page", type=click.Path(path_type=Path), help="Page whose tables are replaced.")
def main(
    data: Path,
    large: Path,
    users: int,
    longest: int,
    teachers: tuple[str, ...],
    rounds: int,
    cache: Path,
    parts: tuple[str, ...],
    rows: int | None,
    width: int,
    scratch: Path | None,
    page: Path | None,
) -> None:
    """Measure, and make the tables."""
    if rows is not None:
        write_table("\n".join(synthetic(rows, width, scratch)), "signals synthetic", page)
        return
    if "prefixes" in parts:
        write_table("\n".join(prefixes(large.resolve(), users, longest, rounds, seed=0)), "signals prefixes", page)
    if "writing" in parts:
        write_table("\n".join(writing(teachers, data.resolve(), cache.resolve(), rounds)), "signals writing", page)


if __name__ == "__main__":
    main()
