from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ckd_plugins.errors import ConfigError, DataError
from ckd_plugins.host.settings import build_config, find_dataset

ROWS = [(u, i, t) for u in "abc" for t, i in enumerate("pqrst")]


def test_dataset_by_folder_by_name_and_from_the_wheel(write_dataset: Callable[..., Path]) -> None:
    """A user names a dataset as it comes to hand."""
    folder = write_dataset("shop", ROWS)
    assert find_dataset(folder).folder == folder
    assert find_dataset("shop", folder.parent).name == "shop"
    assert find_dataset("ml-100k").columns("inter")["timestamp"] == "float"


def test_missing_dataset_says_where_it_was_looked_for(tmp_path: Path) -> None:
    """RecBole tries to download and fails with a traceback."""
    with pytest.raises(DataError, match=r"dataset 'shop' not found \(looked for .*shop\.inter\); give its folder"):
        find_dataset("shop", tmp_path)


def test_a_softmax_model_needs_no_settings(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """Stock RecBole refuses SASRec until train_neg_sample_args is nulled and the time column loaded by hand."""
    config = build_config("SASRec", find_dataset(write_dataset("shop", ROWS)), {"gpu_id": ""}, tmp_path)
    assert config["train_neg_sample_args"]["distribution"] == "none"
    assert config["load_col"] == {"inter": ["user_id", "item_id", "timestamp"]}


def test_the_users_settings_win(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """Filling gaps must not overrule anybody."""
    given = {"loss_type": "BPR", "load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "gpu_id": ""}
    config = build_config(
        "SASRec", find_dataset(write_dataset("shop", ROWS)), given, tmp_path, defaults={"n_layers": 7}
    )
    assert config["train_neg_sample_args"]["distribution"] == "uniform"
    assert config["n_layers"] == 7


def test_feature_interaction_models_do_not_embed_the_time(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """With the time loaded for a split by time, FM would learn it as a feature."""
    settings = {
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"},
        "metrics": ["NDCG"],
        "valid_metric": "NDCG@10",
        "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1},
        "gpu_id": "",
    }
    config = build_config("FM", find_dataset(write_dataset("shop", ROWS)), settings, tmp_path)
    assert config["unused_col"] == {"inter": ["timestamp"]}


def test_feature_interaction_models_run_on_a_users_own_data(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """Stock RecBole gives them labels for ml-100k only, and elsewhere fails with KeyError: 'label'."""
    config = build_config("DeepFM", find_dataset(write_dataset("shop", ROWS)), {"gpu_id": ""}, tmp_path)
    assert config["train_neg_sample_args"]["distribution"] == "uniform"
    assert config["eval_args"]["mode"] == {"valid": "full", "test": "full"}
    assert config["valid_metric"] == "MRR@10"


def test_labels_of_the_data_are_used(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """Click logs have labels, and sampling over them would be another task."""
    folder = write_dataset("shop", [("a", "p", 1)], header="user_id:token\titem_id:token\tlabel:float")
    config = build_config("DeepFM", find_dataset(folder), {"gpu_id": ""}, tmp_path)
    assert config["load_col"]["inter"] == ["user_id", "item_id", "label"]
    assert config["eval_args"]["mode"]["test"] == "labeled"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; its first line must name the fields"),
        (b"user_id\titem_id\n", "field 'user_id' in the header has no type; write it as user_id:token"),
        ("user_id:token\tname\xe9:token\n".encode("latin-1"), "is not UTF-8 text; convert it"),
    ],
)
def test_a_malformed_header_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    """RecBole unpacks, decodes or indexes its way into a traceback."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.inter").write_bytes(content)
    with pytest.raises(DataError, match=message):
        find_dataset(tmp_path / "shop").columns("inter")


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    """Spreadsheets write one, and then 'user_id' is missing although it stands there."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.inter").write_text("user_id:token\titem_id:token\n", encoding="utf-8-sig")
    assert list(find_dataset(tmp_path / "shop").columns("inter")) == ["user_id", "item_id"]


def test_knowledge_models_load_their_graph(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """RecBole's defaults load no graph outside ml-100k, and fail with a TypeError."""
    folder = write_dataset("shop", ROWS)
    with pytest.raises(DataError, match=r"shop\.kg does not exist, and CKE needs a knowledge graph"):
        build_config("CKE", find_dataset(folder), {"gpu_id": ""}, tmp_path)
    (folder / "shop.kg").write_text("head_id:token\trelation_id:token\ttail_id:token\ne1\tr\te2\n")
    (folder / "shop.link").write_text("item_id:token\tentity_id:token\np\te1\n")
    config = build_config("CKE", find_dataset(folder), {"gpu_id": ""}, tmp_path)
    assert config["load_col"]["kg"] == ["head_id", "relation_id", "tail_id"]
    assert config["load_col"]["link"] == ["item_id", "entity_id"]


def test_a_missing_time_column_is_named(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """RecBole fails deep inside sorting."""
    folder = write_dataset("shop", [("a", "p")], header="user_id:token\titem_id:token")
    with pytest.raises(DataError, match=r"shop\.inter has no column 'timestamp', which SASRec needs"):
        build_config("SASRec", find_dataset(folder), {}, tmp_path)


def test_the_command_line_is_not_read(
    write_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RecBole takes any --key=value on the process's command line as a setting."""
    monkeypatch.setattr(sys, "argv", ["pytest", "--learning_rate=9"])
    config = build_config("BPR", find_dataset(write_dataset("shop", ROWS)), {"gpu_id": ""}, tmp_path)
    assert config["learning_rate"] == 0.001


def test_strings_are_not_evaluated(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """RecBole evals every string of a config dictionary: a config from the web would run code."""
    mark = tmp_path / "ran"
    evil = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    config = build_config(
        "BPR", find_dataset(write_dataset("shop", ROWS)), {"note": evil, "gpu_id": ""}, tmp_path / "run"
    )
    assert config["note"] == evil
    assert not mark.exists()


@pytest.mark.parametrize(("name", "value"), [("epochs", "abc"), ("epochs", 0), ("seed", 1.5), ("epochs", True)])
def test_numbers_of_a_wrong_kind_are_told(
    write_dataset: Callable[..., Path], tmp_path: Path, name: str, value: object
) -> None:
    """RecBole takes whatever it gets and fails somewhere else."""
    with pytest.raises(ConfigError, match=f"{name} must be a whole number of at least"):
        build_config("BPR", find_dataset(write_dataset("shop", ROWS)), {name: value, "gpu_id": ""}, tmp_path / "run")


def test_settings_are_written_down(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """A run must be repeatable from its folder."""
    build_config("BPR", find_dataset(write_dataset("shop", ROWS)), {"embedding_size": 8, "gpu_id": ""}, tmp_path)
    assert yaml.safe_load((tmp_path / "recbole.yaml").read_text())["embedding_size"] == 8


def test_what_recbole_refuses_is_one_line(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """RecBole's own exceptions carry neither model nor dataset."""
    folder = write_dataset("shop", ROWS)
    with pytest.raises(ConfigError, match=r"RecBole refuses the settings of BPR on shop: .*no metric named 'Nope'"):
        build_config("BPR", find_dataset(folder), {"metrics": ["Nope"], "gpu_id": ""}, tmp_path)


def test_a_folder_named_like_the_bundled_dataset_is_used(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """RecBole sends every dataset named ml-100k to its own copy."""
    folder = write_dataset("ml-100k", ROWS)
    config = build_config("BPR", find_dataset(folder), {"gpu_id": ""}, tmp_path)
    assert Path(config["data_path"]) == folder
