"""The tables of reading: pairs that belong together, errors told by hand, and a thread with the right vectors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import made_teachers
import numpy as np
import pytest
import reading
import reading_ahead
import reading_lists
import torch
from reading import Spent

from ckd_plugins.host.data import ROW_FIELD
from ckd_plugins.signals import Best, FactorSignal
from ckd_plugins.signals.best import find_best


def test_a_variant_is_compared_round_by_round() -> None:
    """A busy moment hits both of a pair; medians of either side alone would compare a busy round with a quiet one."""
    found = {
        "plain": [Spent(100, 50), Spent(200, 50), Spent(1000, 50)],
        "taught": [Spent(110, 60), Spent(240, 55), Spent(1050, 75)],
    }
    plain, taught = reading.compared(found)
    assert plain == "| plain | 200 ms |  | 50 ms |  |"
    assert taught == "| taught | 240 ms | **1.10** (1.05 to 1.20) | 60 ms | **1.20** (1.10 to 1.50) |"


def test_variants_take_turns_and_the_first_round_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first batch takes memory and opens maps; whoever came first would be slow."""
    asked: list[str] = []

    def steps(student: Any, batches: int) -> Spent:
        asked.append(student)
        return Spent(len(asked), batches)

    monkeypatch.setattr(reading, "steps", steps)
    students: Any = {"a": "A", "b": "B"}
    found = reading.turns(students, 2, 5)
    assert asked == ["A", "B"] * 3
    assert found == {"a": [Spent(3, 5), Spent(5, 5)], "b": [Spent(4, 5), Spent(6, 5)]}


def listed(scores: list[float], n: int) -> FactorSignal:
    """One row with these scores for items 1, 2, ..., and its list."""
    vectors, table = np.array([scores], np.float32), np.eye(len(scores), dtype=np.float32)
    best = Best(*map(torch.from_numpy, find_best(vectors, None, table, 1.0, n)))
    items = torch.arange(-1, len(scores))
    return FactorSignal(
        *map(torch.from_numpy, (vectors, table)),
        torch.zeros(1, dtype=torch.int64),
        items,
        name="t",
        temperature=1.0,
        best=best,
    )


def test_errors_are_those_told_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number in the docs that nobody can check would be believed."""
    monkeypatch.setattr(reading_lists, "TOP", 2)
    signal, items = listed([math.log(4), math.log(3), math.log(2), 0.0], 2), torch.arange(1, 5)  # .4 .3 .2 .1

    def told(rest: str, on_list: bool) -> list[float]:
        def way(rows: torch.Tensor) -> torch.Tensor:
            return reading_lists.by_list(signal, rows, items, rest)

        return [float(n) for n in reading_lists.errors(signal, 1, items, way, listed=on_list).split("|")]

    assert told("even", False) == pytest.approx([0.05, 0.025], rel=0.05)  # .15 and .15 for .2 and .1
    assert max(told("even", True)) < 1e-6
    assert told("none", False) == pytest.approx([0.2, 0.15], rel=0.05)  # 4/7, 3/7, 0, 0
    exact = reading_lists.errors(signal, 1, items, lambda r: reading_lists.by_product(signal, r, items), listed=False)
    assert max(float(n) for n in exact.split("|")) < 1e-6


def test_a_thread_ahead_gives_each_batch_its_own_vectors() -> None:
    """Off by one batch, the table would tell the time of a wrong step; unused, that of no thread at all."""
    generator = torch.Generator().manual_seed(0)
    vectors, table = torch.randn(20, 4, generator=generator), torch.randn(6, 4, generator=generator)
    plain, signals = FactorSignal.from_arrays(vectors, table), [FactorSignal.from_arrays(vectors, table)] * 1
    batches = [{ROW_FIELD: rows} for rows in torch.randperm(20, generator=generator).split(6)]
    ahead = reading_ahead.Ahead(batches, signals)
    items, seen = torch.arange(6), []
    for batch in ahead:
        rows = batch[ROW_FIELD]
        assert torch.equal(signals[0].scores(rows, items), plain.scores(rows, items))
        other = rows.flip(0)
        assert torch.equal(signals[0].scores(other, items), plain.scores(other, items))
        seen.append(rows)
    assert torch.equal(torch.cat(seen), torch.cat([b[ROW_FIELD] for b in batches]))
    assert ahead.hits == len(batches)


def test_made_teachers_have_the_spread_of_trained_ones(tmp_path: Path) -> None:
    """Scores of another spread would have other errors, and tails that take other paths."""
    keys, items = np.arange(1, 301, dtype=np.uint64), [f"i{n}" for n in range(200)]
    store = made_teachers.write_teacher(tmp_path / "t", keys, items, width=300, seed=0, dtype="float16", top=5)
    signal = store.bind(keys, ["[PAD]", *items])
    scores = signal.scores(torch.arange(300), torch.arange(1, 201)) / signal.temperature
    assert float(scores.std()) == pytest.approx(made_teachers.SPREAD, rel=0.05)
    assert signal.best(torch.arange(2), 5) is not None
    copy = tmp_path / "t" / "vectors.npy"
    before = copy.read_bytes()
    reading_ahead.drop_pages(tmp_path / "t")
    assert copy.read_bytes() == before
