"""The table of teachers is made of what is there, and says what is the plain student's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import teachers
from click.testing import CliRunner


def measured(value: float) -> dict[str, float]:
    return {"recall@10": value, "ndcg@10": value / 2, "recall@50": value * 2, "ndcg@50": value}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A plain student and two teachers, as earlier runs left them."""
    folder = tmp_path / "runs"
    plain = {"test_result": measured(0.1), "best_valid_result": {"ndcg@10": 0.06}, "ckd": {"seconds": {"fit": 90.0}}}
    epochs = [{"seconds": 60.0}, {"seconds": 150.0}]  # since the beginning
    card: dict[str, Any] = {
        "finetuning": {"epochs": epochs},
        "results": {"validation": {"ndcg@10": 0.07}, "test": measured(0.12)},
    }
    kept = {
        "shop-plain/one/result.json": plain,
        "shop-vqrec/card.json": card,
        "shop-unisrec-pretrained/card.json": card,
    }
    for name, content in kept.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(json.dumps(content))
    return folder


def test_the_table_is_put_into_the_page(runs: Path, tmp_path: Path) -> None:
    """Training everything again to mend a page would take hours."""
    (tmp_path / "shop").mkdir()
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table: teachers shop -->\nold\n<!-- end -->\nafter\n")
    asked = ["--data", str(tmp_path), "--dataset", "shop", "--runs", str(runs), "--write", str(page)]
    done = CliRunner().invoke(
        teachers.main, [*asked, "--teacher", "vqrec", "--teacher", "unisrec-pretrained"], catch_exceptions=False
    )
    assert done.exit_code == 0
    lines = page.read_text().splitlines()
    assert lines[4:7] == [
        "| plain SASRec, d = 64 |  | 1.5 | 0.0600 | 0.1000 | 0.0500 | 0.2000 | 0.1000 |",
        "| VQ-Rec |  | 2.5 | 0.0700 | 0.1200 (+20%) | 0.0600 | 0.2400 | 0.1200 |",
        "| UniSRec | toys, games | 2.5 | 0.0700 | 0.1200 (+20%) | 0.0600 | 0.2400 | 0.1200 |",
    ]
    assert lines[-1] == "after"
