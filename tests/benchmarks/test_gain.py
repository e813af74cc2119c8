from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gain
import pytest
from click.testing import CliRunner


def result(seed: int, value: float, taught: bool) -> dict[str, Any]:
    metrics = dict.fromkeys(gain.METRICS, value)
    teachers = {"unisrec": {"test_result": dict.fromkeys(gain.METRICS, 0.3)}} if taught else {}
    about = {"model": "SASRec", "dataset": "shop", "seed": seed, "teachers": teachers}
    return {"test_result": metrics, "ckd": about}


def write(runs: Path, **results: dict[str, Any]) -> None:
    for name, content in results.items():
        (runs / name).mkdir(parents=True)
        (runs / name / "result.json").write_text(json.dumps(content))


def test_gains_are_paired_by_seed() -> None:
    """The gain of means hides that one seed lost."""
    pairs = [(result(1, 0.1, False), result(1, 0.2, True)), (result(2, 0.2, False), result(2, 0.1, True))]
    made = gain.table(pairs, ["unisrec"])
    assert "| gain, seed by seed | +25.0% (-50.0 to +100.0) |" in made
    assert "| plain | 0.1500 ± 0.0707 |" in made


def test_the_page_gets_the_table_between_its_marks(tmp_path: Path) -> None:
    """A table typed by hand goes stale; the rest of the page must stay."""
    write(tmp_path / "runs", a=result(7, 0.1, False), b=result(7, 0.12, True))
    page = tmp_path / "results.md"
    page.write_text("before\n<!-- table: SASRec shop unisrec -->\nold\n<!-- end -->\nafter\n")
    arguments = ["--dataset", str(tmp_path / "shop"), "--seeds", "7", "--runs", str(tmp_path / "runs")]
    done = CliRunner().invoke(gain.main, [*arguments, "--write", str(page)])
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert "+20.0%" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")


def test_an_unfinished_or_other_run_is_not_taken(tmp_path: Path) -> None:
    """Another seed's or another teacher's run in its place would make the pair unfair."""
    write(tmp_path, a=result(7, 0.1, False), b=result(8, 0.12, True))
    (tmp_path / "c").mkdir()
    results = gain.finished(tmp_path)
    assert gain.find(results, "SASRec", "shop", 7, []) is not None
    assert gain.find(results, "SASRec", "shop", 7, ["unisrec"]) is None
    assert gain.find(results, "LightGCN", "shop", 7, []) is None


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5]])
def test_one_seed_has_no_deviation(values: list[float]) -> None:
    """A deviation of 0.0000 for one seed reads as certainty."""
    assert ("±" in gain.mean_and_sd(values)) == (len(values) > 1)
