"""What is loaded fast is what RecBole loads: frames, columns, batches, random numbers."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.config import Speed
from ckd_plugins.errors import DataError
from ckd_plugins.host.data import Splits, load_splits
from ckd_plugins.host.needs import needs
from ckd_plugins.host.rows import training_rows
from ckd_plugins.host.settings import build_config, find_dataset
from ckd_plugins.host.speed.fetching import RowNumbers
from ckd_plugins.host.speed.histories import Histories
from ckd_plugins.host.speed.loading import quick_loading
from ckd_plugins.training.sample import sample_dataset, sample_settings

STOCK = Speed(dataset=False, arrays=False)
BY_USER = {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "RO", "mode": "full", "group_by": "user"}
WHOLE = {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "TO", "mode": "full", "group_by": None}
BY_TIME = {"split": {"TS": [0.8, 0.1, 0.1]}, "order": "TO", "mode": "full", "group_by": "user"}
LAST = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"}
SAMPLED = {**LAST, "mode": "uni20"}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("SASRec", {"train_neg_sample_args": None}),
    ("SASRec", {"train_neg_sample_args": None, "eval_args": BY_USER | {"order": "TO"}}),
    ("SASRec", {"train_neg_sample_args": None, "eval_args": WHOLE}),
    ("SASRec", {"train_neg_sample_args": None, "eval_args": BY_TIME}),
    ("SASRec", {"train_neg_sample_args": None, "eval_args": SAMPLED}),
    ("SASRec", {"train_neg_sample_args": None, "save_dataloaders": True}),
    ("BERT4Rec", {"train_neg_sample_args": None}),
    ("GRU4Rec", {"loss_type": "BPR"}),
    ("SASRecF", {"train_neg_sample_args": None, "selected_features": ["kind", "tags"], "numerical_features": []}),
    ("FPMC", {}),
    ("SHAN", {"train_neg_sample_args": None}),
    ("DIN", {"eval_args": SAMPLED}),
    ("DIEN", {"eval_args": SAMPLED}),
    ("BPR", {"eval_args": LAST}),
    ("BPR", {"eval_args": BY_USER}),
    ("BPR", {"eval_args": BY_TIME}),
    ("BPR", {"eval_args": SAMPLED}),
    ("BPR", {"eval_args": WHOLE | {"order": "RO"}, "repeatable": True}),
    ("LightGCN", {"eval_args": LAST}),
    ("DeepFM", {"eval_args": LAST}),
    ("MultiVAE", {"eval_args": BY_USER}),
]


@pytest.fixture
def shop(write_dataset: Callable[..., Path]) -> Path:
    """Users of 1 to 70 interactions, times that tie, rows out of order, features of every kind, gaps among them."""
    rng = random.Random(5)
    lengths = [1, 2, 3, 4, 70, 55, *(rng.randint(3, 30) for _ in range(50))]
    rows = [
        (f"u{u}", f"i{rng.randint(0, 80)}", rng.randint(1, 40), round(rng.uniform(1, 5), 3))
        for u, n in enumerate(lengths)
        for _ in range(n)
    ]
    rng.shuffle(rows)
    items = [
        f"i{i}\t{('', 'a', 'b')[i % 3]}\t{' '.join(f't{t}' for t in range(i % 4))}\t{i / 7 if i % 5 else ''}"
        for i in range(75)
    ]
    return write_dataset(
        "shop",
        rows,
        "user_id:token\titem_id:token\ttimestamp:float\trating:float",
        item=["item_id:token\tkind:token\ttags:token_seq\tprice:float", *items],
        user=["user_id:token\tage:token", *(f"u{u}\t{u % 5}" for u in range(40))],
    )


def load(name: str, folder: Path, settings: dict[str, Any], tmp_path: Path, speed: Speed) -> tuple[Any, Splits]:
    given = {
        "load_col": {"inter": "*", "item": "*", "user": "*"},
        "MAX_ITEM_LIST_LENGTH": 10,
        "train_batch_size": 64,
        "eval_batch_size": 300,
        "gpu_id": "",
        "epochs": 1,
        **settings,
    }
    config = build_config(name, find_dataset(folder), given, tmp_path / ("on" if speed.dataset else "off"))
    return config, load_splits(config, speed)


def same(expected: Any, found: Any) -> bool:
    """Equal in every bit, type and the order of columns."""
    if isinstance(expected, torch.Tensor):
        return expected.dtype == found.dtype and torch.equal(expected, found)
    if isinstance(expected, tuple):
        return len(expected) == len(found) and all(map(same, expected, found))
    if expected is None:
        return found is None
    left, right = expected.interaction, found.interaction
    return list(left) == list(right) and len(expected) == len(found) and all(same(left[k], right[k]) for k in left)


def drawn(splits: Splits) -> list[Any]:
    """Batches of two epochs and of both evaluations, and what random numbers come after them."""
    random.seed(1)
    loaders = (splits.train, splits.train, splits.valid, splits.test)
    batches = [batch for loader in loaders for batch in loader]
    state = torch.from_numpy(np.append(np.random.get_state()[1], np.random.get_state()[2]).astype(np.int64))
    return [*batches, torch.get_rng_state(), state]


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_every_batch_is_the_same_bit_for_bit(name: str, settings: dict[str, Any], shop: Path, tmp_path: Path) -> None:
    """Another row, another order or another draw is another training, and its result no longer RecBole's."""
    config, stock = load(name, shop, settings, tmp_path, STOCK)
    expected = drawn(stock)
    for speed in (Speed(), Speed(arrays=False)):
        _, fast = load(name, shop, settings, tmp_path / str(speed.arrays), speed)
        found = drawn(fast)
        assert len(expected) == len(found)
        assert all(map(same, expected, found))
    for phase in ("dataset", "train", "valid", "test"):
        left, right = (getattr(s, phase) for s in (stock, fast))
        left, right = (x if phase == "dataset" else x._dataset for x in (left, right))
        assert same(left.inter_feat, right.inter_feat)
        assert (left.inter_matrix() != right.inter_matrix()).nnz == 0
        assert left.item_counter == right.item_counter
        assert left.field2seqlen == right.field2seqlen
    rows = [vars(training_rows(splits, config)) for splits in (stock, fast)]
    for key, value in rows[0].items():
        assert np.array_equal(value, rows[1][key]), key


@pytest.mark.parametrize("mode", ["valid_only", "test_only", "valid_and_test"])
@pytest.mark.parametrize("name", ["BPR", "SASRec"])
def test_one_row_or_two_are_left_out(name: str, mode: str, shop: Path, tmp_path: Path) -> None:
    """The one row that is left out in the wrong part."""
    from recbole.data import create_dataset

    settings = {"eval_args": {**LAST, "split": {"LS": mode}}, "train_neg_sample_args": None, "gpu_id": ""}
    if name == "BPR":
        del settings["train_neg_sample_args"]
    settings["load_col"] = {"inter": ["user_id", "item_id", "timestamp"]}
    config = build_config(name, find_dataset(shop), settings, tmp_path)
    stock = create_dataset(config).build()
    with quick_loading(config):
        fast = create_dataset(config).build()
    assert [len(part) > 0 for part in fast] == [True, mode != "test_only", mode != "valid_only"]
    for expected, found in zip(stock, fast, strict=True):
        assert same(expected.inter_feat, found.inter_feat)


@pytest.mark.parametrize("interval", ["[3,inf)", "[2,20]", "(2,9);[12,40]"])
@pytest.mark.parametrize("feats", [{"inter": "*"}, {"inter": "*", "item": "*", "user": "*"}])
def test_filters_drop_the_same_rows(interval: str, feats: dict[str, str], shop: Path, tmp_path: Path) -> None:
    """A user that is kept, or a feature's row that is dropped, though its count says otherwise."""
    settings = {
        "load_col": feats,
        "user_inter_num_interval": interval,
        "item_inter_num_interval": "[4,inf)",
        "filter_inter_by_user_or_item": False,
        "eval_args": LAST,
        "topk": [5],
        "valid_metric": "MRR@5",
    }
    (_, stock), (_, fast) = (load("BPR", shop, settings, tmp_path, speed) for speed in (STOCK, Speed()))
    assert same(stock.dataset.inter_feat, fast.dataset.inter_feat)
    assert stock.dataset.field2token_id == fast.dataset.field2token_id
    assert same(stock.dataset.get_item_feature(), fast.dataset.get_item_feature())
    assert same(stock.dataset.get_user_feature(), fast.dataset.get_user_feature())


def test_a_numerical_feature_in_a_history_is_the_same(shop: Path, tmp_path: Path) -> None:
    """Pairs of value and weight in every history: a column of another shape."""
    settings = {"train_neg_sample_args": None, "numerical_features": ["rating"]}
    (_, stock), (_, fast) = (load("SASRec", shop, settings, tmp_path, speed) for speed in (STOCK, Speed()))
    assert fast.train_dataset.inter_feat["rating_list"].shape[1:] == (10, 2)
    assert all(map(same, drawn(stock), drawn(fast)))


def test_general_models_need_no_time(write_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """A split that asks for a column which data without times lack."""
    rows = [(f"u{u}", f"i{(u + 3 * t) % 20}") for u in range(20) for t in range(6)]
    folder = write_dataset("plain", rows, "user_id:token\titem_id:token")
    settings = {"load_col": {"inter": ["user_id", "item_id"]}, "eval_args": BY_USER}
    expected, found = (drawn(load("BPR", folder, settings, tmp_path, speed)[1]) for speed in (STOCK, Speed()))
    assert all(map(same, expected, found))


@pytest.mark.parametrize("name", ["KGCN", "CKE", "GRU4RecKG", "DIEN", "FDSA"])
def test_models_with_files_of_their_own(name: str, tmp_path: Path) -> None:
    """A knowledge graph, item vectors or a dataset class of the model's, which load and augment in their own ways."""
    from recbole.utils import KGDataLoaderState

    wanted, made = needs(name), []
    for speed in (STOCK, Speed()):
        folder = tmp_path / str(speed.dataset)
        config = build_config(name, sample_dataset(folder, wanted), sample_settings(name, wanted), folder)
        splits = load_splits(config, speed)
        if hasattr(splits.train, "set_mode"):
            splits.train.set_mode(KGDataLoaderState.RSKG)
        made.append(drawn(splits))
    assert all(map(same, *made))


def test_recboles_classes_are_put_back(shop: Path, tmp_path: Path) -> None:
    """A plain RecBole run in the same process that is no longer RecBole's, after an error above all."""
    from recbole.data.dataloader import FullSortEvalDataLoader
    from recbole.data.dataset import Dataset, SequentialDataset, dataset
    from recbole.sampler import Sampler

    def methods() -> list[Any]:
        classes = (Dataset, SequentialDataset, Sampler, FullSortEvalDataLoader)
        return [dataset.pd, *(vars(owner).get(name) for owner in classes for name in vars(owner))]

    before = methods()
    config, _ = load("SASRec", shop, {"train_neg_sample_args": None}, tmp_path, Speed())
    with quick_loading(config):
        assert methods() != before
    with pytest.raises(DataError):
        load("SASRec", shop, {"train_neg_sample_args": None, "val_interval": {"x": "[1,2]"}}, tmp_path, Speed())
    assert all(a is b for a, b in zip(before, methods(), strict=True))


def test_histories_are_not_written_out(shop: Path, tmp_path: Path) -> None:
    """Fifty numbers a row for each column: what the memory of a large dataset goes into."""
    _, splits = load("SASRec", shop, {"train_neg_sample_args": None}, tmp_path, Speed())
    for dataset in (splits.dataset, splits.train_dataset, splits.valid._dataset, splits.test._dataset):
        assert isinstance(dataset.inter_feat, Histories)
        assert dataset.inter_feat.interaction.is_sliced("item_id_list")
    assert isinstance(vars(splits.train)["dataset"], RowNumbers)


def test_a_loaded_dataset_is_copied_and_stored(shop: Path, tmp_path: Path) -> None:
    """Models deep-copy the interactions, and RecBole pickles datasets."""
    for name, settings in (("SASRec", {"train_neg_sample_args": None}), ("BPR", {"eval_args": LAST})):
        _, splits = load(name, shop, settings, tmp_path, Speed())
        for made in (copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))):
            assert same(splits.train_dataset.inter_feat, made(splits.train_dataset.inter_feat))
        user = int(splits.valid._dataset.inter_feat["user_id"][0])
        stored = pickle.loads(pickle.dumps(splits.valid))
        assert same(next(iter(splits.valid)), next(iter(stored)))
        if name == "BPR":
            assert torch.equal(stored.uid2history_item[[user]][0], splits.valid.uid2history_item[user])


def test_a_user_who_has_every_item_is_refused_in_recboles_words(
    write_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    """A sampler that looks for a negative for ever."""
    rows = [(f"u{u}", f"i{i}", i) for u in range(4) for i in range(6 if u else 12)]
    folder = write_dataset("all", rows)
    for speed in (STOCK, Speed()):
        with pytest.raises(Exception, match="interacted with all items"):
            load("BPR", folder, {"load_col": {"inter": "*"}, "eval_args": LAST}, tmp_path, speed)
