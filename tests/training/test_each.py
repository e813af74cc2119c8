from __future__ import annotations

import json
from pathlib import Path

import pytest

from ckd_plugins.errors import CkdError, ConfigError
from ckd_plugins.study.report import write_report

from .conftest import write_shop

EACH = {"domains": {"students": "each"}}


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [write_shop(tmp_path / "two", "shop"), write_shop(tmp_path / "two", "stall", seed=1, users=60)]


def test_one_call_trains_a_student_for_each_domain(run, two, tmp_path):
    """Each must be what it would be alone, and the whole the mean over all users."""
    result = run("SASRec", ["unisrec"], dataset=two, epochs=1, ckd=EACH)
    alone = {one.name: run("SASRec", ["unisrec"], dataset=one, epochs=1) for one in two}
    about = result["ckd"]
    for part in about["runs"]:
        assert part["test_result"] == alone[part["ckd"]["dataset"]]["test_result"]
        assert Path(part["ckd"]["run_dir"]).parent == Path(about["run_dir"])
    for metric, value in result["test_result"].items():
        parts = {name: one["test_result"][metric] for name, one in alone.items()}
        assert value == pytest.approx((150 * parts["shop"] + 60 * parts["stall"]) / 210, abs=1e-4)
        assert about["slices"]["macro"][metric] == pytest.approx((parts["shop"] + parts["stall"]) / 2, abs=1e-4)
    assert about["teachers"]["unisrec"]["slices"]["all"]["users"] == 210
    assert about["slices"]["short_histories"]["users"] == sum(
        one["ckd"]["slices"]["short_histories"]["users"] for one in alone.values()
    )
    assert json.loads((Path(about["run_dir"]) / "result.json").read_text()) == result


def test_results_of_one_for_all_and_of_each_stand_in_one_report(run, two, tmp_path):
    """That comparison is what the setting is for."""
    results = [run("BPR", dataset=two, epochs=1), run("BPR", dataset=two, epochs=1, ckd=EACH)]
    assert results[0]["ckd"]["protocol"] == results[1]["ckd"]["protocol"] == "unseen items of the domain"
    page = write_report(tmp_path / "r.html", results, title="both").read_text()
    assert page.count("<th>stall (60)</th>") == 1
    assert "BPR on stall" in page


def test_a_mistake_in_the_second_domain_is_found_before_the_first_is_trained(run, two, tmp_path):
    """And nothing is left behind."""
    (two[1] / "stall.inter").write_text("user_id:token\tthing:token\n")
    with pytest.raises(CkdError, match="has no column 'item_id'"):
        run("SASRec", dataset=two, ckd=EACH)
    assert not (tmp_path / "runs").exists()


def test_each_of_one_is_a_mistake(run):
    """Somebody forgot the others."""
    with pytest.raises(ConfigError, match="one is named; name several"):
        run("SASRec", ckd=EACH)
