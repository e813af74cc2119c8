from __future__ import annotations

import json
import sys
from pathlib import Path

import upstream
from click.testing import CliRunner

REPORT = """<testsuites><testsuite>
<testcase classname="tests.a.TestA" name="test_fine">
  <properties><property name="ckd" value="data" /></properties></testcase>
<testcase classname="tests.a.TestA" name="test_bad">
  <failure message="ValueError: no&#10;more">trace</failure></testcase>
<testcase classname="tests.a.TestA" name="test_slow">
  <failure message="Failed: Timeout (&gt;120.0s)">t</failure></testcase>
<testcase classname="" name="tests.b"><error message="collection failure">trace</error></testcase>
<testcase classname="tests.a.TestA" name="test_not"><skipped message="no GPU">where</skipped></testcase>
</testsuite></testsuites>"""

SUITE = """
import unittest

from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.quick_start import objective_function, run_recbole

SETTINGS = {"model": "BPR", "dataset": "ml-100k", "epochs": 1, "user_inter_num_interval": "[60,80]", "state": "ERROR"}


class TestHost(unittest.TestCase):
    def test_data(self):
        config = Config(config_dict=SETTINGS)
        train, valid, test = data_preparation(config, create_dataset(config))
        self.assertIn("ckd_row", train._dataset.inter_feat)

    def test_objective(self):
        found = objective_function(config_dict=SETTINGS, saved=False)
        self.assertGreater(found["test_result"]["recall@10"], 0)

    def test_best_weights_are_read(self):
        self.assertTrue(run_recbole("BPR", "ml-100k", config_dict=SETTINGS)["test_result"])

    def test_sequences(self):
        given = {**SETTINGS, "model": "SASRec", "train_neg_sample_args": None, "MAX_ITEM_LIST_LENGTH": 10}
        self.assertTrue(objective_function(config_dict=given, saved=False))

    def test_wrong(self):
        self.fail("as upstream has it")
"""


def outcomes(**given: str) -> upstream.Outcomes:
    return {name: {"outcome": outcome, "reason": "why"} for name, outcome in given.items()}


def test_a_report_is_read() -> None:
    """A time-out is a failure of its own kind, and a file that cannot be collected is one failed test."""
    found = upstream.read_report(REPORT)
    assert {name: at["outcome"] for name, at in found.items()} == {
        "tests.a.TestA::test_fine": "passed",
        "tests.a.TestA::test_bad": "failed",
        "tests.a.TestA::test_slow": "timed out",
        "tests.b": "failed",
        "tests.a.TestA::test_not": "skipped",
    }
    assert found["tests.a.TestA::test_fine"]["used"] == "data"
    assert found["tests.a.TestA::test_bad"]["reason"] == "ValueError: no"


def test_a_test_that_vanished_counts_as_failed() -> None:
    """A file of tests that no longer imports would pass otherwise: none of its tests fails."""
    stock = outcomes(a="passed", b="passed", c="failed", d="passed", e="timed out")
    ours = outcomes(a="passed", b="timed out", c="failed", e="passed")
    assert upstream.fails_only_in(ours, stock) == ["b", "d"]
    assert upstream.fails_only_in(stock, ours) == ["e"]
    made = upstream.table(stock, ours)
    assert "| passed | 3 | 2 |" in made
    assert "Fail only with our host: 2.\n\n- `b`: timed out, why\n- `d`: was not found" in made
    assert "Fail only in stock RecBole: 1.\n\n- `e`: timed out, why" in made
    assert "Fail only with our host: none." in upstream.table(stock, stock)


def test_a_suite_is_run_with_our_host(tmp_path: Path) -> None:
    """The host has to be at work inside the tests, or their passing says nothing; one that fails in both is no news."""
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_host.py").write_text(SUITE)
    names = ("data", "objective", "best_weights_are_read", "sequences", "wrong")
    stock = {f"tests.test_host.TestHost::test_{name}": {"outcome": "passed", "reason": ""} for name in names}
    page = tmp_path / "page.md"
    page.write_text("<!-- table: upstream -->\n<!-- end -->\n")
    arguments = ["--tests", str(tests), "--write", str(page)]
    for name, known in (("stock", tmp_path / "stock.json"), ("ours", tmp_path / "ours.json")):
        arguments += [f"--{'stock' if name == 'stock' else 'our'}-outcomes", str(known)]
    (tmp_path / "stock.json").write_text(json.dumps(stock))

    done = CliRunner().invoke(upstream.main, arguments)
    assert done.exit_code == 1, done.output
    assert "Fail only with our host: 1.\n\n- `tests.test_host.TestHost::test_wrong`: failed, " in page.read_text()
    ours = json.loads((tmp_path / "ours.json").read_text())
    used = {name.partition("::test_")[2]: at["used"] for name, at in ours.items()}
    assert used == {
        "data": "data dataset",
        "objective": "data dataset trainer",
        "best_weights_are_read": "data dataset trainer",
        "sequences": "data dataset dropout layers softmax trainer trim",
        "wrong": "",
    }

    stock["tests.test_host.TestHost::test_wrong"]["outcome"] = "failed"
    (tmp_path / "stock.json").write_text(json.dumps(stock))
    assert CliRunner().invoke(upstream.main, arguments).exit_code == 0


def test_a_file_that_ends_the_process_is_a_failure(tmp_path: Path) -> None:
    """A crash leaves no report, and must not read as a suite without tests."""
    (tmp_path / "test_crash.py").write_text("import os\n\n\ndef test_crash():\n    os._exit(3)\n")
    found = upstream.run_suite(Path(sys.executable), tmp_path, {"PYTHONPATH": ""}, 60)
    assert found["tests/test_crash.py"]["outcome"] == "failed"
    assert "ended with 3" in found["tests/test_crash.py"]["reason"]


def test_stock_has_to_come_from_somewhere(tmp_path: Path) -> None:
    """Without either there is nothing to compare with."""
    done = CliRunner().invoke(upstream.main, ["--tests", str(tmp_path)])
    assert done.exit_code == 2
    assert "give --stock-python" in done.output
