"""The table of precision: errors against numbers that can be told by hand, and rows that are the same in all stores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import precision
import pytest
import torch
from click.testing import CliRunner

from ckd_plugins.signals import FactorSignal, Layout, Provenance, StoreWriter


def signal(scores: list[list[float]], temperature: float = 1.0) -> FactorSignal:
    """A teacher with these scores for items 1, 2, ..."""
    table = torch.nn.functional.pad(torch.tensor(scores), (1, 0))
    return FactorSignal.from_arrays(table, torch.eye(table.shape[1]), temperature=temperature)


def test_errors_are_those_told_by_hand() -> None:
    """A number in the docs that nobody can check would be believed."""
    exact = signal([[0.0, 0.0, 0.0, 0.0], [8.0, 4.0, 2.0, 0.0]], temperature=2.0)
    other = signal([[0.0, 0.0, 0.0, 0.0], [8.0, 2.0, 4.0, 0.0]], temperature=2.0)
    told = precision.compare(exact, other, rows=2, items=4, top=2)
    assert told["median"] == 0.0
    assert told["worst"] == pytest.approx(1.0)
    assert (told["agree"], told["worst_agree"]) == (0.75, 0.5)
    p = np.exp([4.0, 2.0, 1.0, 0.0]) / np.exp([4.0, 2.0, 1.0, 0.0]).sum()
    assert told["any"] == pytest.approx(p[1] - p[2])
    assert told["worst_confidence"] == pytest.approx(0.0)
    assert precision.compare(exact, exact, rows=2, items=4)["any"] == 0.0


def test_the_table_has_a_row_for_each_teacher_and_way_of_storing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows in another order in one of the stores would show as errors of rounding."""
    rng = np.random.default_rng(0)
    vectors, items = rng.standard_normal((40, 16)), rng.standard_normal((12, 16))
    hashes = dict.fromkeys(("weights_hash", "data_hash", "split_hash", "text_hash"), "h")
    source = Provenance(teacher="unisrec", dataset="shop", max_length=5, temperature=0.5, **hashes)

    def stores(data: Path, teachers: str, config: Path | None, cache: Path, dtype: str) -> dict[str, Path]:
        order = np.arange(40) if dtype == "float32" else rng.permutation(40)
        path, keys = tmp_path / dtype, np.arange(1, 41, dtype=np.uint64)[order]
        layout = Layout.factors(items, dtype)
        with StoreWriter(path, source, layout, keys=keys, items=[f"i{n}" for n in range(12)]) as writer:
            for shard in writer.pending():
                writer.write(shard, vectors=vectors[order][shard.rows])
        return {"unisrec": path}

    monkeypatch.setattr(precision, "stores", stores)
    (tmp_path / "shop").mkdir()
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table: precision shop -->\nold\n<!-- end -->\nafter\n")
    done = CliRunner().invoke(
        precision.main, ["--data", str(tmp_path / "shop"), "--write", str(page)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    lines = page.read_text().splitlines()
    assert (lines[0], lines[-1], "old" in lines) == ("before", "after", False)
    rows = {cells[2]: cells for cells in ([c.strip() for c in line.split("|")] for line in lines) if len(cells) > 5}
    assert (rows["float16"][3], rows["int8"][3]) == ("32", "20")
    assert 0 < float(rows["float16"][5]) < 0.02 < float(rows["int8"][5]) < 0.5
