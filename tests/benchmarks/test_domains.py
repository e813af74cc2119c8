"""The table of joint students: a row for each way, each made once, by slices."""

from __future__ import annotations

import shutil
from pathlib import Path

import domains
import pytest
from click.testing import CliRunner


@pytest.fixture
def shops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments that name two small domains, and a student that trains in a second."""
    monkeypatch.setenv("CKD_CACHE", str(tmp_path / "cache"))
    small = {"hidden_size": 16, "inner_size": 16, "epochs": 1, "train_batch_size": 256, "gpu_id": ""}
    monkeypatch.setattr(domains, "FASTER", small)
    given = ["--runs", str(tmp_path / "runs"), "--teacher", "recbole:model=ItemKNN"]
    for name, users in (("large", 120), ("small", 60)):
        folder = tmp_path / name
        folder.mkdir()
        lines = [f"u{u}\ti{(3 * u + t) % 60}\t{t + 1}" for u in range(users) for t in range(5 + u % 4)]
        (folder / f"{name}.inter").write_text(
            "\n".join(["user_id:token\titem_id:token\ttimestamp:float", *lines]) + "\n"
        )
        given += ["--dataset", str(folder)]
    return given


def test_a_row_for_each_way_and_each_run_once(shops: list[str], tmp_path: Path) -> None:
    """A row that is another's, a run that is made again, a table that says nothing of a domain."""
    page = tmp_path / "page.md"
    marks = [
        f"<!-- table: domains SASRec large+small {metric} -->\n<!-- end -->" for metric in ("ndcg@10", "recall@10")
    ]
    page.write_text("\n".join(marks) + "\n")
    done = CliRunner().invoke(domains.main, [*shops, "--write", str(page)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert "| ndcg@10 | seeds | all users | mean of domains | large | small |" in text
    rows = {line.split("|")[1].strip(): line.split("|")[3:-1] for line in text.splitlines() if "| 1 |" in line}
    assert [*rows] == [*list(domains.ROWS)[:4], "teacher recbole, one a domain"]
    for values in rows.values():
        everybody, mean, large, small = (float(value) for value in values[:4])
        assert abs(mean - (large + small) / 2) < 1e-4
        assert abs(everybody - (2 * large + small) / 3) < 1e-4
    shutil.rmtree(tmp_path / "cache")
    again = CliRunner().invoke(domains.main, shops, catch_exceptions=False)
    assert again.exit_code == 0
    assert not (tmp_path / "cache").exists()
    assert all(line in text for line in again.output.splitlines())


def test_pretrained_teachers_have_rows_of_their_own(tmp_path: Path) -> None:
    """A row that says pre-trained and has teachers that begin from nothing."""
    teaching = domains.Teaching("vqrec", 4.0, tmp_path)
    assert teaching.rows == [*domains.ROWS]
    given = {title: teaching.teachers(kind) for title, (_, kind) in domains.ROWS.items()}
    assert [title for title, one in given.items() if one and one[0] != "vqrec"] == [
        "each, distilled, pre-trained",
        "one, distilled, pre-trained",
    ]
    assert given["one, distilled, pre-trained"] == [{"name": "vqrec", "from": str(tmp_path), "freeze_encoder": False}]
    assert domains.Teaching("vqrec", 4.0, None).rows == list(domains.ROWS)[:4]


def test_one_domain_is_no_comparison(shops: list[str]) -> None:
    """A table with one domain twice."""
    done = CliRunner().invoke(domains.main, shops[:-2])
    assert done.exit_code == 2
    assert "name two domains or more" in done.output
