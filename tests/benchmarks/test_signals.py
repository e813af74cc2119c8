"""The benchmark of writing: what it compares is the same, and what it measures is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import memory
import numpy as np
import pytest
import signals

from ckd_plugins.domains.instances import Instances


def test_rows_apart_have_the_histories_that_they_shared() -> None:
    """Another history takes another time, and the comparison would still look right."""
    flat = np.array([3, 1, 2, 0, 2], np.int32)
    shared = Instances(
        ("a", "b", "c", "d"), flat, np.array([0, 0, 3, 1]), np.array([2, 3, 5, 1]), np.zeros(4, np.int32)
    )
    alone = signals.apart(shared)
    assert [alone.history(r).tolist() for r in range(4)] == [shared.history(r).tolist() for r in range(4)]
    assert len(alone.flat) == 7


def test_ways_that_differ_are_no_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A speed-up of wrong vectors would go into the docs."""
    folder = tmp_path / "shop"
    folder.mkdir()
    rows = [f"u{user}\ti{(user + step) % 7}\t{step}" for user in range(9) for step in range(6)]
    (folder / "shop.inter").write_text("\n".join(["user_id:token\titem_id:token\ttimestamp:float", *rows]) + "\n")
    items = [f"i{item}\tthing {item}" for item in range(7)]
    (folder / "shop.item").write_text("\n".join(["item_id:token\ttitle:token_seq", *items]) + "\n")
    lines = list(signals.prefixes(folder, users=4, longest=5, rounds=1, seed=0))
    assert lines[0].startswith("| shop: 4 users, 12 instances |")
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| all prefixes of a user in one pass",
        "| a row for each prefix, in batches",
        "| one by one",
    ]
    assert lines[2].endswith("| 1.0 |")
    monkeypatch.setattr(signals, "apart", lambda instances: instances.take(np.arange(len(instances))[::-1]))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        list(signals.prefixes(folder, users=4, longest=5, rounds=1, seed=0))


def test_a_synthetic_store_is_written_read_and_gone(tmp_path: Path) -> None:
    """Six gigabytes that stay behind fill a disk on the third run."""
    lines = list(signals.synthetic(5000, 8, tmp_path))
    assert lines[0].startswith("| 5,000 instances of 8 in fp16, 0.00 GB |")
    assert [line.split()[1] for line in lines[2:]] == ["written,", "read"]
    assert list(tmp_path.iterdir()) == []


def peak(numbers: int) -> memory.Peak:
    """Of a new process that holds so many numbers: an old one would take them from what it has freed before."""
    code = f"import numpy as np; held = np.ones({numbers}); print(held[-1], flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with memory.Peak(process.pid) as found:
            assert process.stdout.readline() == "1.0\n"
        process.communicate("\n")
    return found


def test_peak_memory_is_a_process_s_own() -> None:
    """Mapped files counted as its own would hide what a change costs."""
    assert 120e6 < peak(16 << 20).own - peak(1).own < 150e6
