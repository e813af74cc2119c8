"""The ablation makes each run once, tells rows apart, and compares users with themselves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ablation
import ablation_rows
import ablation_runs
import ablation_tables
import click
import numpy as np
import pytest
from ablation_records import by_user, write_record
from ablation_runs import Places, Teacher, Work, claim
from ablation_tables import Cell, gains_table, rows_table
from click.testing import CliRunner, Result
from filelock import FileLock

from ckd_plugins.training.per_user import PerUser, write_per_user

TEACHERS = "recbole:model=EASE,recbole:model=ItemKNN"
SMALL = {"hidden_size": 16, "inner_size": 16, "epochs": 1, "train_batch_size": 256, "gpu_id": ""}
Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """``call("--tune")``: the benchmark on a small shop, with a small SASRec and a grid of two."""
    monkeypatch.setenv("CKD_CACHE", str(tmp_path / "cache"))
    shop = tmp_path / "data" / "shop"
    shop.mkdir(parents=True)
    lines = [f"u{u}\ti{(3 * u + t) % 30}\t{t + 1}" for u in range(80) for t in range(5 + u % 4)]
    (shop / "shop.inter").write_text("\n".join(["user_id:token\titem_id:token\ttimestamp:float", *lines]) + "\n")
    family = ablation_rows.FAMILIES["SASRec"]
    small = replace(
        family, settings={**family.settings, **SMALL, "topk": [10, 20]}, grid={"learning_rate": (1e-3, 1e-2)}
    )
    monkeypatch.setitem(ablation_rows.FAMILIES, "SASRec", small)
    monkeypatch.setattr(ablation_tables, "SHOWN", ("recall@10", "ndcg@10"))
    fixed = ["--data", str(shop.parent), "--datasets", "shop", "--teachers", TEACHERS, "--runs", str(tmp_path / "runs")]
    fixed += ["--records", str(tmp_path / "records")]

    def invoke(*given: str, family: str = "SASRec") -> Result:
        return CliRunner().invoke(ablation.main, [*fixed, "--families", family, *given], catch_exceptions=False)

    return invoke


def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "runs", tmp_path / "records")


def students(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "runs" / "students").glob("*/*/result.json"))


def test_from_tuning_to_the_page(call: Call, tmp_path: Path) -> None:
    """A run made twice, a row trained with another row's settings, a table that is not of the runs."""
    rows = ["--rows", "plain,tuned,distilled,first", "--seeds", "7"]
    refused = call(*rows)
    assert refused.exit_code == 2
    assert "run with --tune first" in refused.output
    assert call("--tune").exit_code == 0
    chosen = json.loads((tmp_path / "records" / "tuned" / "shop-SASRec.json").read_text())
    assert chosen["valid"] == max(one["valid"] for one in chosen["tried"])
    assert len(students(tmp_path)) == 2
    page = tmp_path / "page.md"
    page.write_text(
        "a\n<!-- table: ablation SASRec shop -->\n<!-- end -->\n<!-- table: ablation gains -->\n<!-- end -->\nz\n"
    )
    done = call(*rows, "--write", str(page))
    assert done.exit_code == 0, done.output
    kept = students(tmp_path)
    assert len(kept) == 2 + 4
    text = page.read_text()
    assert "| plain | `plain` | 1 |" in text
    assert "| recbole-EASE alone | `first` | 1 |" in text
    assert "| shop | SASRec, over plain, tuned | 1 | ndcg@10 |" in text
    results = {path: json.loads(path.read_text()) for path in kept}
    assert {len(one["ckd"]["teachers"]) for one in results.values()} == {0, 1, 2}
    shutil.rmtree(tmp_path / "runs")  # another machine has the records only
    page.write_text(page.read_text().replace("| plain | `plain` | 1 |", "| lost |"))
    again = call(*rows, "--write", str(page))
    assert page.read_text() == text
    assert f"4 of 4 runs are finished, with a record in {tmp_path / 'records'}; the others take 0" in again.output
    assert not students(tmp_path)
    page.write_text(text.replace("| plain | `plain` | 1 |", "| lost |"))
    # Of the families that are asked for one is not tuned yet: the tables of the other can be made.
    planned = call(*rows, "--only-plan", "--write", str(page), family="SASRec,DeepFM")
    assert planned.exit_code == 0, planned.output
    assert page.read_text() == text


@pytest.mark.parametrize("family", ["LightGCN", "DeepFM"])
def test_other_families_settings_run(call: Call, tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that RecBole does not take, or teachers refused because validation ranks otherwise than theirs."""
    about = ablation_rows.FAMILIES[family]
    quick = {**about.settings, "epochs": 2, "eval_step": 2, "topk": [10, 20], "gpu_id": ""}
    if family == "DeepFM":  # the shop has 30 items
        quick["eval_args"] = {**quick["eval_args"], "mode": {"valid": "uni10", "test": "full"}}
    monkeypatch.setitem(ablation_rows.FAMILIES, family, replace(about, settings=quick, grid={"learning_rate": (1e-2,)}))
    assert call("--tune", family=family).exit_code == 0
    done = call("--rows", "plain,distilled", "--seeds", "7", family=family)
    assert done.exit_code == 0, done.output
    assert "over plain | 1 | ndcg@10 |" in done.output
    results = [json.loads(path.read_text()) for path in students(tmp_path)]
    assert {one["ckd"]["protocol"] for one in results} == {"unseen items"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--datasets", "sohp"), "no dataset 'sohp'"),
        (("--seeds", "2024..2020"), "'2024..2020' is neither 2020..2024 nor 2020,2021"),
        (("--rows", "unifrom"), "no row 'unifrom'; there are plain, tuned"),
    ],
)
def test_what_is_misspelt_is_not_finished(call: Call, given: tuple[str, ...], says: str) -> None:
    """'0 of 0 runs are finished', and exit code 0."""
    done = call("--only-plan", *given)
    assert done.exit_code == 2
    assert says in done.output


def test_a_plan_says_what_waits_for_tuning(call: Call) -> None:
    """With a folder of records of one's own, a row was '0 of 0 runs', without a word of what to do."""
    assert (
        "  shop SASRec: all rows but the plain one wait for --tune" in call("--only-plan", "--rows", "uniform").output
    )


def test_records_elsewhere_go_by_what_the_repository_tuned(tmp_path: Path) -> None:
    """To make a row of the page anew, its tuning had to be made anew, too, or copied by hand."""
    kept = json.loads((ablation_runs.RECORDS / "tuned" / "office-SASRec.json").read_text())["settings"]
    assert ablation_runs.tuned(Path("office"), "SASRec", places(tmp_path)) == kept
    (tmp_path / "records" / "tuned").mkdir(parents=True)
    (tmp_path / "records" / "tuned" / "office-SASRec.json").write_text('{"settings": {"learning_rate": 1.0}}')
    assert ablation_runs.tuned(Path("office"), "SASRec", places(tmp_path)) == {"learning_rate": 1.0}


def test_a_run_that_another_process_has_is_left_to_it(call: Call, tmp_path: Path) -> None:
    """Two processes that train the same student, or wait for one another."""
    rows = ["--rows", "plain", "--seeds", "7,8"]
    assert "0 of 2" in call(*rows, "--only-plan").output
    works = ablation.plan(tmp_path / "data", ["shop"], ["SASRec"], ["plain"], [7, 8], TEACHERS, places(tmp_path))
    with claim(tmp_path / "runs" / "locks" / f"{works[0].name}.lock") as ours:
        assert ours
        done = call(*rows)
    assert done.exit_code == 0
    assert "1 runs are another process's" in done.output
    assert [work.result() is not None for work in works] == [False, True]


def test_the_claim_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    """A killed process's runs would never be made."""
    path = tmp_path / "locks" / "one.lock"
    path.parent.mkdir()
    held = f"""
import filelock, time
lock = filelock.FileLock({str(path)!r})
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", held], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        with claim(path) as ours:
            assert not ours
        process.kill()
    with claim(path) as ours:
        assert ours


def test_a_failed_run_does_not_stop_the_others(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours of runs that wait because of one; or an exit code that says all went well."""
    broken = replace(ablation_rows.ROWS["SASRec"]["plain"], title="broken", ckd={"weight": -1})
    monkeypatch.setitem(ablation_rows.ROWS["SASRec"], "broken", broken)
    done = call("--rows", "plain,broken", "--seeds", "7,8")
    assert done.exit_code == 1
    assert "2 runs failed" in done.output
    assert "'ckd.weight' should be greater than or equal to 0" in done.output
    assert len(students(tmp_path)) == 2


def test_runs_are_told_apart_by_all_that_decides_them(tmp_path: Path) -> None:
    """A finished run taken for one with another seed, setting or teacher; a title that makes a run another one."""
    teacher = Teacher("a", tmp_path / "a", "recipe")
    work = Work(tmp_path / "shop", "SASRec", "title", 1, {"epochs": 2}, {"weight": 1.0}, (teacher,), places(tmp_path))
    others = [
        {"dataset": tmp_path / "other"}, {"family": "LightGCN"}, {"seed": 2}, {"settings": {"epochs": 3}},
        {"ckd": {"weight": 4.0}}, {"teachers": ()}, {"teachers": (replace(teacher, label="b"),)},
        {"teachers": (replace(teacher, recipe="another"),)},
    ]  # fmt: skip
    names = {replace(work, **other).name for other in others}
    assert len(names) == len(others)
    assert work.name not in names
    assert replace(work, title="renamed", teachers=(replace(teacher, folder=tmp_path),)).name == work.name


def test_a_teacher_of_each_dataset(tmp_path: Path) -> None:
    """Office's fine-tuned teacher asked about another dataset's items."""
    for name in ("office", "scientific"):
        folder = tmp_path / f"unisrec-{name}"
        folder.mkdir()
        (folder / "config.json").write_text('{"teacher": "unisrec", "domain": "x"}')
    named = f"{tmp_path}/unisrec-{{dataset}},vqrec"
    for name in ("office", "scientific"):
        found = ablation_runs.teachers_of(tmp_path / name, named, tmp_path / "runs")
        assert [teacher.folder.name for teacher in found] == [f"unisrec-{name}", f"{name}-vqrec"]


def recorded(folder: Path, ranks: list[int]) -> dict[str, Any]:
    """The record of a run with these ranks."""
    folder.mkdir(parents=True)
    count = np.ones(len(ranks), np.int32)
    users = np.array([f"u{place}" for place in range(len(ranks))])
    about = PerUser(users, users, np.array(ranks, np.int32), count, count, 50)
    write_per_user(folder / "per_user-test.npz", about)
    metrics = {metric: float(about.values(metric).mean()) for metric in ablation_tables.SHOWN}
    result = {"test_result": metrics, "best_valid_result": metrics, "best_valid_score": 0.1}
    (folder / "result.json").write_text(json.dumps({**result, "ckd": {"seconds": {"fit": 1.0}}}))
    return write_record(folder / "record.json", {"seed": 1}, folder)


def cell(folder: Path, title: str, reference: str | None, ranks: dict[int, list[int]]) -> Cell:
    results = {seed: recorded(folder / f"{title}-{seed}", found) for seed, found in ranks.items()}
    return Cell(title, reference, results)


def test_a_record_keeps_each_users_metric(tmp_path: Path) -> None:
    """A table of records that says something else than the runs did."""
    ranks = np.random.default_rng(0).integers(0, 51, 300).tolist()
    record = recorded(tmp_path / "run", ranks)
    assert json.loads((tmp_path / "run" / "record.json").read_text()) == record
    assert len(record["ranks"]) < 2 * len(ranks)
    for metric, mean in record["test_result"].items():
        assert np.isclose(by_user(record, metric).mean(), mean)


def test_a_record_is_of_one_target_a_user(tmp_path: Path) -> None:
    """Two targets of one user would be two users."""
    (tmp_path / "result.json").write_text(json.dumps({name: {} for name in ("test_result", "ckd")}))
    twice, ones = np.array(["u", "u"]), np.ones(2, np.int32)
    write_per_user(tmp_path / "per_user-test.npz", PerUser(twice, np.array(["i", "j"]), ones, ones, ones, 50))
    with pytest.raises(click.ClickException, match="one held-out item a user"):
        write_record(tmp_path / "record.json", {}, tmp_path)
    assert not (tmp_path / "record.json").exists()


def test_rows_are_compared_over_the_seeds_that_both_have(tmp_path: Path) -> None:
    """A lucky seed that only one of two rows has; p values of many rows as if each were the only one."""
    rng = np.random.default_rng(0)
    before = {seed: rng.integers(0, 30, 200).tolist() for seed in (1, 2)}
    better = {seed: [max(1, rank // 2) if rank else 0 for rank in ranks] for seed, ranks in before.items()}
    by_name = {
        "plain": cell(tmp_path, "plain", None, before),
        "tuned": cell(tmp_path, "tuned", "plain", {2: before[2]}),
        "distilled": cell(tmp_path, "distilled", "tuned", {**better, 3: [1] * 200}),
    }
    lines = list(rows_table(by_name))
    assert lines[3].startswith("| tuned | `tuned` | 1 |")
    assert lines[3].endswith("| +0.0% (+0.0 to +0.0) | 1.000 | +0.0000, 0 of 1 | plain |")
    assert lines[4].startswith("| distilled | `distilled` | 3 | **")
    one = ablation_tables.compared(by_name["plain"], by_name["distilled"], "ndcg@10")
    assert (one.seeds, one.users) == (2, 200)
    gains = list(gains_table({("shop", "SASRec"): by_name}))
    assert len(gains) == 2 + 4
    assert gains[2].startswith("| shop | SASRec, over plain | 2 | recall@10 |")
    assert gains[4].startswith("| shop | SASRec, over tuned | 1 | recall@10 |")
    assert "<.001" in gains[3]


def test_validation_is_compared_seed_by_seed(tmp_path: Path) -> None:
    """A difference of means that one seed makes, or that a seed makes which only one of two rows has."""
    before, after, shifted = (0.1, 0.2, 0.3), (0.12, 0.19, 0.35, 0.9), (0.2, 0.3, 0.4)
    one, other, higher = (
        Cell("", None, {seed: {"best_valid_result": {"ndcg@10": value}} for seed, value in enumerate(values)})
        for values in (before, after, shifted)
    )
    # Of +.02, -.01 and +.05: t = 2 / sqrt(3), of two degrees of freedom, where p = 1 - t / sqrt(2 + t^2).
    assert ablation_tables.by_validation(one, other) == "+0.0200, 2 of 3, p .368"
    assert ablation_tables.by_validation(one, one) == "+0.0000, 0 of 3"
    assert ablation_tables.by_validation(one, higher) == "+0.1000, 3 of 3"


def test_the_best_row_is_one_that_has_all_seeds(tmp_path: Path) -> None:
    """A row of one lucky seed shown as the choice above one of three seeds."""
    lucky = cell(tmp_path, "lucky", None, {1: [1] * 200})
    assert lucky.test("ndcg@10") == 1
    others = {
        name: cell(tmp_path, name, None, {s: [rank] * 200 for s in (1, 2)}) for name, rank in (("a", 9), ("b", 5))
    }
    marked = [line.split(" | ")[0] for line in rows_table({"lucky": lucky, **others}) if "**" in line]
    assert marked == ["| b"]


def test_other_users_are_not_compared(tmp_path: Path) -> None:
    """Pairs of different people, silently."""
    one, other = cell(tmp_path, "a", None, {1: [1, 2, 3]}), cell(tmp_path, "b", None, {1: [1, 2]})
    with pytest.raises(click.ClickException, match="other users"):
        ablation_tables.compared(one, other, "ndcg@10")


@pytest.mark.parametrize(("given", "seeds"), [("2020..2022", [2020, 2021, 2022]), ("1,5", [1, 5]), ("3", [3])])
def test_seeds(given: str, seeds: list[int]) -> None:
    """An end that is left out is a seed less in every table."""
    assert ablation.seeds_of(None, None, given) == seeds  # type: ignore[arg-type]


def test_a_mistyped_row_is_one_line(call: Call) -> None:
    """Nothing run and nothing said."""
    done = call("--rows", "plan", "--only-plan")
    assert done.exit_code == 2
    assert "no row 'plan'; there are plain, tuned, distilled" in done.output


def test_the_locks_file_is_no_claim(tmp_path: Path) -> None:
    """A lock file that was left behind would keep everybody out."""
    (tmp_path / "one.lock").write_text("")
    with claim(tmp_path / "one.lock") as ours:
        assert ours
    with FileLock(tmp_path / "one.lock"), claim(tmp_path / "one.lock") as ours:
        assert not ours
