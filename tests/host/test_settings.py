from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize("model", ["DeepFM", "DIN"])
@pytest.mark.parametrize("dataset", ["shop", "ml-100k"])
def test_models_that_read_features_rank_as_sequential_ones_do(
    write_dataset: Callable[..., Path], tmp_path: Path, model: str, dataset: str
) -> None:
    """Stock RecBole gives labels for ml-100k, KeyError: 'label' elsewhere, and AUC over 100 sampled items for DIN."""
    found = find_dataset(write_dataset("shop", ROWS) if dataset == "shop" else dataset)
    sequential = build_config("SASRec", found, {"gpu_id": ""}, tmp_path)
    config = build_config(model, found, {"gpu_id": ""}, tmp_path)
    for name in ("split", "order", "mode"):
        assert config["eval_args"][name] == sequential["eval_args"][name]
    for name in ("metrics", "valid_metric", "topk", "eval_type"):
        assert config[name] == sequential[name]
    assert config["train_neg_sample_args"]["distribution"] == "uniform"


def test_without_a_time_column_they_rank_by_recboles_general_default(
    write_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    """Nobody knows which interaction was the last one."""
    folder = write_dataset("shop", [r[:2] for r in ROWS], header="user_id:token\titem_id:token")
    config = build_config("DeepFM", find_dataset(folder), {"gpu_id": ""}, tmp_path)
    general = build_config("BPR", find_dataset(folder), {"gpu_id": ""}, tmp_path)
    assert config["eval_args"] == general["eval_args"]
    assert config["metrics"] == general["metrics"]


@pytest.mark.parametrize(
    "asked",
    [
        {"threshold": {"rating": 4}},
        {"LABEL_FIELD": "rating", "metrics": ["AUC"]},
        {"eval_args": {"split": {"RS": [8, 1, 1]}, "order": "RO", "mode": "labeled"}},
        {"metrics": ["LogLoss"], "valid_metric": "LogLoss"},
        {"train_neg_sample_args": None},
    ],
)
def test_who_asks_for_labels_gets_recboles_protocol(tmp_path: Path, asked: dict[str, object]) -> None:
    """Click prediction is a task of its own; half of its settings and half of ranking's would be neither."""
    config = build_config("DeepFM", find_dataset("ml-100k"), {**asked, "gpu_id": ""}, tmp_path)
    assert config["eval_args"]["mode"]["test"] == "labeled"
    assert config["train_neg_sample_args"]["distribution"] == "none"
    assert config["eval_type"].name == "VALUE"


def test_a_threshold_brings_its_column(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """RecBole fails on a label that is made of a column which nobody loaded."""
    header = "user_id:token\titem_id:token\tstars:float"
    folder = write_dataset("shop", [("a", "p", 1)], header=header)
    config = build_config("FM", find_dataset(folder), {"threshold": {"stars": 3}, "gpu_id": ""}, tmp_path)
    assert config["load_col"]["inter"] == ["user_id", "item_id", "stars"]
    assert config["eval_args"]["mode"]["test"] == "labeled"


def test_own_columns_still_rank(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """Choosing columns is no word about the protocol; without the time among them there is no last interaction."""
    found = find_dataset(write_dataset("shop", ROWS))
    for columns, split in ((["user_id", "item_id", "timestamp"], "LS"), (["user_id", "item_id"], "RS"), ("*", "LS")):
        config = build_config("FM", found, {"load_col": {"inter": columns}, "gpu_id": ""}, tmp_path)
        assert list(config["eval_args"]["split"]) == [split]
        assert config["load_col"] == {"inter": columns}


@pytest.mark.parametrize(("model", "loads"), [("FM", True), ("DIN", True), ("SASRec", False), ("BPR", False)])
def test_side_features_are_loaded_for_models_that_read_them(
    toys: Path, tmp_path: Path, model: str, loads: bool
) -> None:
    """FM without features is a matrix factorisation; BPR with them only loads for nothing."""
    config = build_config(model, find_dataset(toys), {"gpu_id": ""}, tmp_path)
    assert ("item" in config["load_col"]) == loads
    assert ("user" in config["load_col"]) == loads
    assert bool(config["numerical_features"]) == loads


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"load_col": {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "title"]}}, "load_col"),
        ({"numerical_features": ["price"]}, "numerical_features"),
        ({"seq_separator": "|"}, "seq_separator"),
        ({"item_inter_num_interval": "[2,inf)"}, "item_inter_num_interval"),
        ({"filter_inter_by_user_or_item": True}, "filter_inter_by_user_or_item"),
    ],
)
def test_the_users_features_win(toys: Path, tmp_path: Path, given: dict[str, object], name: str) -> None:
    """A choice that is silently replaced cannot be studied."""
    config = build_config("FM", find_dataset(toys), {**given, "gpu_id": ""}, tmp_path)
    assert config[name] == given[name]


def test_columns_can_be_left_out_one_by_one(prepare: Callable[..., Any], toys: Path) -> None:
    """RecBole refuses load_col and unload_col for the same file."""
    run = prepare("FM", toys, user_inter_num_interval="[1,inf)", unload_col={"item": ["title", "vector", "price"]})
    assert set(run.splits.dataset.item_feat.columns) == {"item_id", "categories", "colour"}
    assert set(run.splits.dataset.user_feat.columns) == {"user_id", "age", "height"}


@pytest.mark.parametrize("model", ["FM", "DIN"])
def test_features_change_neither_catalogue_nor_test_rows(prepare: Callable[..., Any], toys: Path, model: str) -> None:
    """RecBole drops interactions of items without features, and ranks items that nobody ever touched."""
    lines = (toys / "toys.item").read_text().splitlines()
    (toys / "toys.item").write_text("\n".join([*lines[:4], *lines[6:], "i99\tNew\tToys 1\tred\t3\t0 0"]) + "\n")
    wide = {"user_inter_num_interval": "[1,inf)"} if model == "DIN" else {"user_inter_num_interval": None}
    held = {}
    for name in (model, "SASRec"):
        data = prepare(name, toys, **wide).splits
        inter = data.test._dataset.inter_feat
        users, items = data.dataset.field2id_token["user_id"], data.dataset.field2id_token["item_id"]
        held[name] = dict(zip(users[inter["user_id"]], items[inter["item_id"]], strict=True))
        assert sorted(items) == sorted(["[PAD]", *(f"i{i}" for i in range(20))])
    assert held[model] == held["SASRec"]


def test_the_test_item_is_each_users_last(prepare: Callable[..., Any], toys: Path) -> None:
    """The time column is dropped before training: were it dropped before the split, the file's order would decide."""
    data = prepare("DeepFM", toys, user_inter_num_interval="[1,inf)").splits
    rows = [line.split("\t") for line in (toys / "toys.inter").read_text().splitlines()[1:]]
    by_time = {u: [i for _, i in sorted((float(t), i) for v, i, t in rows if v == u)] for u, _, _ in rows}
    assert any([i for v, i, _ in rows if v == u][-1] != last[-1] for u, last in by_time.items())
    users, items = data.dataset.field2id_token["user_id"], data.dataset.field2id_token["item_id"]
    for place, loader in ((-1, data.test), (-2, data.valid)):
        inter = loader._dataset.inter_feat
        held = dict(zip(users[inter["user_id"]], items[inter["item_id"]], strict=True))
        assert held == {u: order[place] for u, order in by_time.items()}
    assert "timestamp" not in data.train_dataset.inter_feat
    assert data.times is not None


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


@pytest.mark.parametrize("name", ["eval_args", "load_col"])
def test_a_setting_that_must_be_a_mapping_says_so(name: str, tmp_path: Path) -> None:
    """An AttributeError from the middle of our own code."""
    with pytest.raises(ConfigError, match=f"{name} must be a mapping, not 'LS'"):
        build_config("DeepFM", find_dataset("ml-100k"), {name: "LS"}, tmp_path)
