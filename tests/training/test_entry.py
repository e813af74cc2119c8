"""``distill`` end to end, as a user calls it."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from ckd_plugins.errors import CkdError, ConfigError, DataError, StudentError, UnknownNameError
from ckd_plugins.host.checkpoint import read_checkpoint
from ckd_plugins.training.entry import distill

from .conftest import FAST_TEACHER, STUDENT, add_side_features, write_shop

Run = Callable[..., dict[str, Any]]
FEATURES = {"train_neg_sample_args": {"distribution": "uniform", "sample_num": 1}}


@pytest.mark.parametrize(
    ("model", "settings"), [("SASRec", {}), ("LightGCN", {}), ("DeepFM", FEATURES), ("MultiVAE", {})]
)
def test_each_family_is_distilled_from_two_teachers(run: Run, model: str, settings: dict[str, Any]) -> None:
    """A family whose batches lose their rows on the way would train plainly without a word."""
    result = run(model, ["unisrec", "vqrec"], **settings)
    about = result["ckd"]
    last = about["history"][-1]
    assert last["distillation_loss"] > 0
    assert last["loss"] == pytest.approx(last["own_loss"] + last["distillation_loss"], rel=1e-4)
    assert last["weight/unisrec"] + last["weight/vqrec"] == pytest.approx(1.0, abs=1e-4)
    assert last["known/unisrec"] > 0.8
    assert set(about["teachers"]) == {"unisrec", "vqrec"}
    assert 0 <= result["test_result"]["ndcg@10"] <= 1


def test_a_model_that_reads_features_is_taught_and_ranked_without_settings(
    run: Run, tmp_path: Path, shop: Path
) -> None:
    """Stock RecBole fails without a label here; and features of another item in a candidate's row go unnoticed."""
    add_side_features(shop)
    teachers = [{"name": "unisrec", **FAST_TEACHER}]
    folders = {name: str(tmp_path / name) for name in ("run_dir", "cache_dir")}
    ckd = {"teachers": teachers, "text": {"encoder": "words"}, **folders}
    result = distill("DeepFM", shop, None, {"epochs": 2, "gpu_id": "", "ckd": ckd})
    about = result["ckd"]
    host = yaml.safe_load(Path(about["run_dir"], "recbole.yaml").read_text())
    assert host["load_col"]["item"] == ["item_id", "categories", "price"]
    assert host["load_col"]["user"] == ["user_id", "age"]
    assert host["eval_args"]["split"] == {"LS": "valid_and_test"}
    assert about["protocol"] == "unseen items"
    assert about["reader"] == "expanded rows"
    assert about["history"][-1]["distillation_loss"] > 0
    assert set(result["test_result"]) == {f"{m}@10" for m in ("recall", "mrr", "ndcg", "hit", "precision")}
    assert about["teachers"]["unisrec"]["test_result"].keys() == result["test_result"].keys()
    store = run("SASRec", ckd={**ckd})["ckd"]["teachers"]["unisrec"]["store"]
    assert store == about["teachers"]["unisrec"]["store"], "another split: the families cannot be compared"


def test_the_result_has_what_run_recbole_returns(run: Run) -> None:
    """Code written for run_recbole must go on working."""
    result = run()
    assert set(result) == {"best_valid_score", "valid_score_bigger", "best_valid_result", "test_result", "ckd"}
    assert result["valid_score_bigger"] is True
    assert result["best_valid_score"] == result["best_valid_result"]["ndcg@10"]


def test_the_signature_begins_as_run_recboles() -> None:
    """Positional calls of run_recbole must keep their meaning."""
    import inspect

    names = list(inspect.signature(distill).parameters)
    assert names[:6] == ["model", "dataset", "config_file_list", "config_dict", "saved", "queue"]


def test_weight_zero_is_the_plain_run_bit_for_bit(run: Run) -> None:
    """Probing, teachers or row ids that consume a random number would make every comparison unfair."""
    plain, zero = run("SASRec"), run("SASRec", ["unisrec"], ckd={"weight": 0})
    assert zero["test_result"] == plain["test_result"]
    weights = [read_checkpoint(Path(r["ckd"]["checkpoint"])).tensors for r in (plain, zero)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_distillation_changes_the_student(run: Run) -> None:
    """The counterpart of the test above: with a weight, something must happen."""
    plain, taught = run("SASRec"), run("SASRec", ["unisrec"])
    weights = [read_checkpoint(Path(r["ckd"]["checkpoint"])).tensors for r in (plain, taught)]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_student_comes_to_agree_with_its_teacher(run: Run) -> None:
    """Wrong rows, items or temperatures would still run, and teach noise that no student can learn."""
    teacher = {"name": "unisrec", "finetune_epochs": 30, "hidden_size": 32}
    settings = {"epochs": 20, "learning_rate": 0.004, "hidden_dropout_prob": 0.1, "attn_dropout_prob": 0.1}
    result = run("SASRec", ckd={"teachers": [teacher], "weight": 10.0}, **settings)
    divergence = [entry["distillation"] for entry in result["ckd"]["history"]]
    assert divergence[-1] < 0.4 * divergence[0]
    assert result["ckd"]["teachers"]["unisrec"]["test_result"]["ndcg@10"] > 0.5


def test_the_second_run_reuses_teacher_and_knowledge(run: Run) -> None:
    """Teachers cost minutes; a run that trains them again wastes them."""
    first, second = run("SASRec", ["unisrec"]), run("SASRec", ["unisrec"])
    assert not first["ckd"]["teachers"]["unisrec"]["reused"]
    assert second["ckd"]["teachers"]["unisrec"]["reused"]
    assert second["test_result"] == first["test_result"]


def test_another_family_reads_the_same_store(run: Run) -> None:
    """Knowledge is keyed by tokens and histories, not by a family's row numbers."""
    first, second = run("SASRec", ["unisrec"]), run("LightGCN", ["unisrec"])
    assert second["ckd"]["teachers"]["unisrec"]["store"] == first["ckd"]["teachers"]["unisrec"]["store"]
    assert second["ckd"]["teachers"]["unisrec"]["reused"]


@pytest.mark.parametrize("change", ["options", "seed", "domains", "data"])
def test_what_decides_a_teacher_makes_another_one(run: Run, tmp_path: Path, change: str) -> None:
    """A stale teacher taken from the cache would silently answer for other data."""
    other = write_shop(tmp_path / "data", "other", seed=5)
    first = run("SASRec", ["unisrec"])
    changed = {
        "options": lambda: run(
            "SASRec", ckd={"teachers": [{"name": "unisrec", "finetune_epochs": 1, "hidden_size": 16}]}
        ),
        "seed": lambda: run("SASRec", ["unisrec"], seed=1),
        "domains": lambda: run("SASRec", ["unisrec"], ckd={"pretrain_domains": [str(other)]}),
        "data": lambda: run("SASRec", ["unisrec"], user_inter_num_interval="[8,inf)"),
    }[change]()
    folders = [r["ckd"]["teachers"]["unisrec"]["folder"] for r in (first, changed)]
    assert folders[0] != folders[1]
    assert not changed["ckd"]["teachers"]["unisrec"]["reused"]


def test_a_damaged_teacher_is_trained_again(run: Run) -> None:
    """One truncated file must not block its configuration for good."""
    first = run("SASRec", ["unisrec"])
    weights = Path(first["ckd"]["teachers"]["unisrec"]["folder"], "model.safetensors")
    weights.write_bytes(weights.read_bytes()[:100])
    second = run("SASRec", ["unisrec"])
    assert "finetune" in second["ckd"]["teachers"]["unisrec"]["seconds"]
    assert second["test_result"] == first["test_result"]


def test_pretraining_domains_have_the_students_field_names(run: Run, tmp_path: Path) -> None:
    """With the names of another dataset, sequences would silently come in the order of the file."""
    other = write_shop(tmp_path / "data", "other", seed=5)
    path = other / "other.inter"
    path.write_text(path.read_text().replace("timestamp:float", "when:float", 1))
    with pytest.raises(DataError, match=r"other\.inter has no column 'timestamp'"):
        run("SASRec", ["unisrec"], ckd={"pretrain_domains": [str(other)]})


def test_a_curriculum_starts_with_the_easy_rows(run: Run) -> None:
    """A curriculum that is configured but not installed draws every row in every epoch."""
    result = run("SASRec", ["unisrec"], ckd={"curriculum": {"epochs": 2}}, epochs=3)
    rows = [entry["rows"] for entry in result["ckd"]["history"]]
    assert rows[0] < rows[1] < rows[2]
    assert result["ckd"]["history"][-1]["competence"] == 1.0


def test_a_curriculum_by_the_teachers_opinion(run: Run) -> None:
    """Difficulties that ask the teachers need their knowledge before the first epoch."""
    measures = {"teacher_confidence": 0.5, "teacher_disagreement": 0.5}
    result = run("BPR", ["unisrec", "vqrec"], ckd={"curriculum": {"difficulty": measures, "epochs": 2}})
    assert result["ckd"]["history"][0]["rows"] < result["ckd"]["history"][1]["rows"]


def test_nothing_is_written_outside_run_and_cache(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RecBole litters the working directory."""
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    result = run("SASRec", ["unisrec"])
    assert list(elsewhere.iterdir()) == []
    folder = Path(result["ckd"]["run_dir"])
    names = {path.name for path in folder.iterdir()}
    assert names == {"SASRec.pth", "events.jsonl", "recbole.log", "recbole.yaml", "result.json", "tensorboard"}
    assert json.loads((folder / "result.json").read_text())["test_result"] == result["test_result"]
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [one["event"] for one in events] == ["start", "epoch", "validation", "epoch", "validation", "end"]
    assert events[0]["mass"] == pytest.approx(1, abs=1e-3)  # of the shop's 60 items a row keeps all


def test_the_checkpoint_holds_no_teacher(run: Run) -> None:
    """What is served is the student alone, at the student's size."""
    plain, taught = run("SASRec"), run("SASRec", ["unisrec", "vqrec"])
    keys = [set(read_checkpoint(Path(r["ckd"]["checkpoint"])).tensors) for r in (plain, taught)]
    assert keys[0] == keys[1]
    sizes = [Path(r["ckd"]["checkpoint"]).stat().st_size for r in (plain, taught)]
    assert abs(sizes[0] - sizes[1]) < 2000


def test_the_result_goes_to_the_queue_too(shop: Path, tmp_path: Path) -> None:
    """run_recbole is called with a queue by multiprocessing code."""
    channel: queue.SimpleQueue[Any] = queue.SimpleQueue()
    ckd = {"run_dir": str(tmp_path / "runs")}
    result = distill("BPR", shop, None, {**STUDENT, "ckd": ckd}, False, channel)
    assert channel.get_nowait() is result
    assert result["ckd"]["checkpoint"] is None


def test_config_files_are_read(shop: Path, tmp_path: Path) -> None:
    """RecBole users keep their settings in YAML."""
    config = tmp_path / "run.yaml"
    config.write_text(
        f"model: BPR\ndataset: {shop}\nepochs: 1\nembedding_size: 8\ngpu_id: ''\n"
        f"learning_rate: 1e-2\nckd:\n  run_dir: {tmp_path / 'runs'}\n"
    )
    result = distill(config_file_list=[config])
    assert result["ckd"]["model"] == "BPR"
    assert result["ckd"]["epochs"] == 1


BAD: list[tuple[str, dict[str, Any], type[CkdError], str]] = [
    ("teacher", {"teachers": ["unisrek"]}, UnknownNameError, r"unknown teacher 'unisrek'; did you mean 'unisrec'\?"),
    (
        "option",
        {"ckd": {"teachers": [{"name": "unisrec", "finetune_epoks": 1}]}},
        ConfigError,
        "unknown option .finetune_epoks. of teacher 'unisrec'; did you mean .finetune_epochs.",
    ),
    ("setting", {"ckd": {"wieght": 1}}, ConfigError, r"unknown setting 'ckd.wieght'; did you mean 'weight'\?"),
    ("loss", {"teachers": ["unisrec"], "ckd": {"loss": "kll"}}, UnknownNameError, "unknown loss 'kll'"),
    (
        "encoder",
        {"ckd": {"teachers": ["unisrec"], "text": {"encoder": "bert"}}},
        UnknownNameError,
        "text encoder 'bert'",
    ),
    ("model", {"model": "SASReck"}, UnknownNameError, r"unknown model 'SASReck'; did you mean 'SASRec'\?"),
    (
        "student",
        {"model": "Pop", "teachers": ["unisrec"]},
        StudentError,
        "Pop cannot be a student: .*; it can be a teacher",
    ),
    ("filter", {"user_inter_num_interval": "[99,inf)"}, DataError, "dataset 'shop'.*user_inter_num_interval"),
    (
        "pretrain",
        {"teachers": ["unisrec"], "ckd": {"pretrain_domains": ["/nowhere/d"]}},
        DataError,
        "'/nowhere/d' not found",
    ),
]


@pytest.mark.parametrize(("what", "call", "kind", "message"), BAD, ids=[b[0] for b in BAD])
def test_a_mistake_is_one_line_and_leaves_nothing(
    run: Run, tmp_path: Path, what: str, call: dict[str, Any], kind: type[CkdError], message: str
) -> None:
    """A traceback, or half a run folder, is what RecBole leaves."""
    with pytest.raises(kind, match=message) as caught:
        run(**{"model": "SASRec", **call})
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "runs").glob("*"))
    assert not list((tmp_path / "cache").glob("teachers/*"))


def test_a_text_teacher_needs_texts(run: Run, tmp_path: Path) -> None:
    """Encoding empty strings would give every item the same vector."""
    bare = write_shop(tmp_path / "data", "bare", texts=False)
    with pytest.raises(DataError, match=r"teacher 'unisrec' reads item texts and dataset 'bare' has none"):
        run("SASRec", ["unisrec"], dataset=bare)


def test_a_missing_token_column_is_named(run: Run, shop: Path) -> None:
    """RecBole raises a KeyError from pandas."""
    path = shop / "shop.inter"
    path.write_text(path.read_text().replace("item_id:token", "article:token", 1))
    with pytest.raises(DataError, match=r"shop\.inter has no column 'item_id' \(it has user_id, article, timestamp\)"):
        run("BPR")


@pytest.mark.parametrize("name", ["copy/shop", "elsewhere/market"])
def test_a_copy_of_the_students_domain_may_not_pretrain(run: Run, shop: Path, tmp_path: Path, name: str) -> None:
    """A copy in another folder, or a file that holds more beside, has the same test interactions."""
    folder = tmp_path / name
    folder.mkdir(parents=True)
    for suffix in ("inter", "item"):
        text = (shop / f"shop.{suffix}").read_text()
        more = "stranger\tshop1\t1\nstranger\tshop2\t2\n" if suffix == "inter" else ""
        (folder / f"{folder.name}.{suffix}").write_text(text + more)
    with pytest.raises(
        DataError, match=r"holds \d+ of the \d+ interactions that the student is validated and tested on"
    ):
        run("SASRec", ["unisrec"], ckd={"pretrain_domains": [str(folder)]})


def test_a_cache_that_cannot_be_written_is_told_first(run: Run, tmp_path: Path) -> None:
    """It would be found out after the item texts were encoded, in a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cache_dir '.*file' cannot be made"):
        run("SASRec", ["unisrec"], ckd={"cache_dir": str(tmp_path / "file")})


def test_a_refused_run_leaves_no_empty_folder(run: Run, tmp_path: Path) -> None:
    """An empty ckd_runs in the working directory is litter."""
    with pytest.raises(DataError):
        run("BPR", user_inter_num_interval="[99,inf)")
    assert not (tmp_path / "runs").exists()


def test_a_loss_that_becomes_nan_is_told(run: Run) -> None:
    """RecBole's ValueError names neither the epoch nor a remedy."""
    with pytest.raises(StudentError, match=r"the loss became NaN in epoch 0; lower learning_rate or ckd.weight"):
        run("SASRec", ["unisrec"], learning_rate=1e30, epochs=1)


def test_the_students_own_domain_may_not_pretrain(run: Run, shop: Path) -> None:
    """Pre-training reads all interactions, the test targets among them."""
    with pytest.raises(DataError, match="would see its validation and test interactions"):
        run("SASRec", ["unisrec"], ckd={"pretrain_domains": [str(shop)]})
