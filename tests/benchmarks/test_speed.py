from __future__ import annotations

import statistics
import sys
from itertools import count
from pathlib import Path
from typing import Any, Self

import noise
import pytest
import scaling
import speed
from speed_client import Client
from speed_stock import Part


class Worker:
    """Answers with the seconds it was made with, and remembers what it was asked."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.data_seconds = seconds, seconds
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def do(self, what: str, **options: Any) -> dict[str, Any]:
        self.asked.append((what, options))
        return {"seconds": self.seconds, "peak_mb": 100 * self.seconds}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Sides:
    def __init__(self) -> None:
        self.stock, self.own, self.distilled = Worker(10.0), Worker(1.0), Worker(1.2)

    def open_stock(self, case: speed.Case) -> Worker:
        return self.stock

    def open_own(self, case: speed.Case, *, teachers: bool = False, ckd: Any = None) -> Worker:
        return self.distilled if teachers else self.own


def test_rounds_are_in_turn_and_the_first_is_not_counted() -> None:
    """A first epoch takes memory and fills caches; counted, it would make whoever is slower at that look slow."""
    sides: Any = Sides()
    found = speed.measure(speed.Case("x", "SASRec", "office", 0.1, batches=4, teachers=True), sides, 3)
    assert found.stock == [10.0] * 3
    assert found.own == [1.0] * 3
    assert found.distilled == [1.2] * 3
    assert sides.stock.asked == [("epoch", {"batches": 4})] * 4
    assert [options.get("number") for _, options in sides.distilled.asked] == [None] * 4 + list(range(20))
    rows = list(speed.rows_of(speed.Case("x", "SASRec", "office", 0.08), found))
    assert rows[0] == "| x | 10.00 s | 1.00 s | **0.100** (0.100 to 0.100) | 0.08 |"
    assert rows[2] == "| x, three teachers : plain | 1.00 s | 1.20 s | **1.200** (1.200 to 1.200) | 1.10 |"
    assert rows[3].startswith("| x, twenty epochs, three teachers : plain | 20.0 s | 24.0 s | **1.200** |")


def test_a_ratio_is_of_rounds_not_of_medians() -> None:
    """A busy moment hits both sides of a round: their ratio stays, that of the medians does not."""
    assert speed.ratio([1.0, 4.0, 3.0], [10.0, 20.0, 20.0]) == "**0.150** (0.100 to 0.200)"
    assert statistics.median([1.0, 4.0, 3.0]) / statistics.median([10.0, 20.0, 20.0]) == pytest.approx(0.15)


def test_memory_is_the_peak_of_training_and_ranking() -> None:
    """Either may be the larger one."""
    sides: Any = Sides()
    found = speed.measure(speed.Case("x", "SASRec", "games", 0.5, do="memory", batches=8), sides, 5)
    assert sides.stock.asked == [("epoch", {"batches": 8}), ("evaluate", {})]
    assert list(speed.rows_of(speed.Case("x", "SASRec", "games", 0.5, do="memory"), found)) == [
        "| x | 1000 MB | 100 MB | **0.10** | 0.50 |"
    ]


def test_a_part_of_a_loader_ends_and_begins_anew() -> None:
    """A part that went on would be a whole epoch; one that is used up would time nothing."""
    part = Part([1, 2, 3, 4], 2)
    assert [list(part), list(part), len(part)] == [[1, 2], [1, 2], 2]


def test_a_worker_answers_and_an_error_names_its_cause(tmp_path: Path) -> None:
    """A worker that dies silently would leave the benchmark waiting for ever."""
    about = {"model": "BPR", "dataset": "ml-100k", "settings": {**speed.COMMON, "user_inter_num_interval": "[20,30]"}}
    with Client(sys.executable, "speed_own.py", 1, **about) as worker:
        assert worker.data_seconds > 0
        assert worker.do("epoch")["seconds"] > 0
        answer = worker.do("evaluate")
        assert 0 <= answer["metrics"]["ndcg@10"] <= 1
        assert answer["peak_mb"] > 100
        with pytest.raises(RuntimeError, match="has no attribute 'dance'"):
            worker.do("dance")


def test_made_interactions_are_as_many_as_asked(tmp_path: Path) -> None:
    """A table by the number of interactions must be of that number."""
    folder = scaling.write_interactions(tmp_path, 50_000)
    lines = (folder / f"{folder.name}.inter").read_text().splitlines()
    assert lines[0] == "user_id:token\titem_id:token\ttimestamp:float"
    assert len(lines) - 1 == pytest.approx(50_000, rel=0.03)
    users = [line.split("\t")[0] for line in lines[1:]]
    assert min(users.count(str(u)) for u in range(50)) >= 5


def test_a_difference_has_students_interval() -> None:
    """Five seeds have four degrees of freedom: the normal's 1.96 would call noise an effect."""
    steps = count()
    a = [0.1 + 0.01 * next(steps) for _ in range(5)]
    b = [0.1] * 5
    half = 2.776 * statistics.stdev([0.0, 0.01, 0.02, 0.03, 0.04]) / 5**0.5
    assert noise.difference(a, b) == f"+0.0200 [{0.02 - half:+.4f}, {0.02 + half:+.4f}]"
