"""A teacher's softmax over the catalogue: by the product of all, and from stored lists with their log-sum-exp."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from made_teachers import Student
from precision import bytes_of
from speed import COMMON, SASREC
from torch import Tensor

from ckd_plugins.distillation.candidates import TeachersTop
from ckd_plugins.signals import FactorSignal

BATCH = 1024
TOP = 100


def median_ms(do: Callable[[Tensor], Any], rows: int, rounds: int) -> tuple[float, float]:
    """Clock and processor milliseconds of a batch of random rows."""
    draw, clock, processor = torch.Generator().manual_seed(0), [], []
    for turn in range(rounds + 1):
        batch = torch.randint(rows, (BATCH,), generator=draw)
        began = time.perf_counter(), time.process_time()
        do(batch)
        if turn:
            clock.append(1e3 * (time.perf_counter() - began[0]))
            processor.append(1e3 * (time.process_time() - began[1]))
    return statistics.median(clock), statistics.median(processor)


def by_product(signal: FactorSignal, rows: Tensor, items: Tensor) -> Tensor:
    """Probabilities ``[B, n]`` of all items."""
    return (signal.scores(rows, items) / signal.temperature).softmax(dim=1)


def by_list(signal: FactorSignal, rows: Tensor, items: Tensor, rest: str) -> Tensor:
    """Probabilities of all items from the list: ``rest`` of them ``"even"``, ``"none"``, or scaled away."""
    listed = signal.listed(rows)
    assert listed is not None
    probs = listed.log_probs.exp()
    if rest == "even":
        whole = (listed.outside / (len(items) - TOP))[:, None].repeat(1, len(items))
    else:
        whole = torch.zeros(len(rows), len(items))
        probs = probs / probs.sum(dim=1, keepdim=True)
    return whole.scatter_(1, listed.items - 1, probs)


def errors(signal: FactorSignal, rows: int, items: Tensor, way: Callable[[Tensor], Tensor], *, listed: bool) -> str:
    """Largest and mean error of a probability, against float64, on the list or of all items."""
    most, total, count = 0.0, 0.0, 0
    for batch in torch.arange(rows).split(BATCH):
        vectors = signal._gather(batch, torch.device("cpu")).double()
        exact = (vectors @ signal._table[items].double().T / signal.temperature).softmax(dim=1)
        found = way(batch).double()
        if listed:
            at = signal.best(batch, TOP)
            assert at is not None
            exact, found = exact.gather(1, at - 1), found.gather(1, at - 1)
        error = (found - exact).abs()
        most, total, count = max(most, float(error.max())), total + float(error.sum()), count + error.numel()
    return f"{most:.1e} | {total / count:.1e}"


def list_table(dataset: str, scratch: Path, rounds: int, rows: int) -> Iterator[str]:
    """The second table."""
    student = Student(dataset, {**COMMON, **SASREC}, 3, {"targets": "batch", "signals": {"top": TOP}}, scratch)
    signal, signals = student.signals[0], student.signals
    n, items = len(signal), torch.arange(1, len(student.material.tokens))
    targets = torch.from_numpy(student.material.instances.target).long() + 1
    plain = [
        FactorSignal(
            s._vectors, s._table, s._rows, torch.arange(len(items) + 1), name=s.name, temperature=s.temperature
        )
        for s in signals
    ]
    vectors = 2 * signal._vectors.shape[1]
    size = bytes_of(student.stores[0]) - vectors

    def some(batch: Tensor) -> Tensor:
        return torch.unique(targets[batch])

    def choose(teachers: Any, *, fresh: bool) -> Callable[[Tensor], Any]:
        source = TeachersTop(n=20)

        def bound() -> None:
            source.bind(len(items) + 1, torch.ones(len(items) + 1))
            source.bind_teachers(teachers)

        def do(batch: Tensor) -> Any:
            if fresh:
                bound()
            return source.choose(batch, targets[batch])

        bound()
        return do

    def line(title: str, do: Callable[[Tensor], Any], stored: int, error: str = "| ") -> str:
        clock, processor = median_ms(do, n, rounds)
        return f"| {title} | {clock:.1f} ms | {processor:.1f} ms | {stored} | {error} |"

    def probed(way: Callable[[Tensor], Tensor], *, listed: bool = False) -> str:
        return errors(signal, rows, items, way, listed=listed)

    columns = "clock | processor | bytes read of an instance | error: largest | mean"
    yield f"| {BATCH:,} rows, {len(items):,} items | {columns} |"
    yield "|---|---|---|---|---|---|"
    product = probed(lambda b: by_product(signal, b, items))
    yield line("softmax over all items, by product", lambda b: by_product(signal, b, items), vectors, product)
    exact = probed(lambda b: by_list(signal, b, items, "even"), listed=True)
    yield line(
        f"the {TOP} best and the mass of the rest, from the list",
        signal.listed,
        size,
        exact,
    )
    even = probed(lambda b: by_list(signal, b, items, "even"))
    yield line("all items, the rest's mass spread evenly", lambda b: by_list(signal, b, items, "even"), size, even)
    cut = probed(lambda b: by_list(signal, b, items, "none"))
    yield line("all items, the list scaled to 1", lambda b: by_list(signal, b, items, "none"), size, cut)
    yield line(
        "the batch's targets among all items, by product",
        lambda b: by_product(signal, b, items)[:, some(b) - 1],
        vectors,
        product,
    )
    yield line(
        "the batch's targets among all items, by log-sum-exp",
        lambda b: signal.log_probs(b, some(b)).exp(),
        vectors + 4,
        probed(lambda b: signal.log_probs(b, items).exp()),
    )
    yield line(
        "the own target among all items, by log-sum-exp",
        lambda b: signal.log_probs(b, targets[b][:, None]).exp(),
        vectors + 4,
    )
    yield line("`teachers_top`, 3 teachers, chosen by product (first epoch)", choose(plain, fresh=True), vectors)
    yield line("`teachers_top`, 3 teachers, chosen from lists", choose(signals, fresh=False), 4 * TOP)
    chosen = choose(signals, fresh=False)(torch.arange(BATCH))
    yield line(
        f"their scores of {chosen.items.shape[1]} such candidates a row (every epoch)",
        lambda b: [s.scores(b, chosen.items) for s in signals],
        vectors,
    )
