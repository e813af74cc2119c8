"""A slice of MovieLens-100K that any of RecBole's models can be built and trained on within a second."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ckd_plugins.host.needs import Needs
from ckd_plugins.host.settings import DatasetPath, find_dataset

__all__ = ["sample_dataset", "sample_settings"]

_USER, _ITEM, _ENTITY, _HEAD, _TAIL = (f"{name}_id:token" for name in ("user", "item", "entity", "head", "tail"))
_OF_A_USER, _OF_AN_ITEM = (20, 30), 5
"""Interactions: the least and the most of a user, and the least of an item."""
_COLUMNS = {
    "inter": ["user_id", "item_id", "rating", "timestamp"],
    "item": ["item_id", "release_year", "class"],
    "user": ["user_id", "age", "gender", "occupation"],
}
_FILES = {
    "kg": ["head_id", "relation_id", "tail_id"],
    "link": ["item_id", "entity_id"],
    "ent": ["ent_id", "ent_emb"],
    "rel": ["rel_id", "rel_emb"],
}
_SMALLER: dict[str, dict[str, Any]] = {
    "SASRecCPR": {"reranker_CAN_NUM": 20},
    "GRU4RecCPR": {"reranker_CAN_NUM": 20},
    "NCL": {"num_clusters": 8},
    "RaCT": {"metrics_k": 10},
    "RippleNet": {"n_memory": 4},
    "ConvNCF": {"cnn_channels": [1, 8, 8, 8, 8]},
}
"""Sizes that are larger by default than the slice's catalogue, or that take most of a minute."""


def sample_settings(name: str, needs: Needs) -> dict[str, Any]:
    """RecBole settings for one short epoch of a model on the slice, ranked after leaving each user's last two out."""
    files = {ending: columns for ending, columns in _FILES.items() if ending in needs.files}
    vectors = {
        "additional_feat_suffix": ["ent", "rel"],
        "preload_weight": {"ent_id": "ent_emb", "rel_id": "rel_emb"},
        "alias_of_entity_id": ["ent_id"],
        "alias_of_relation_id": ["rel_id"],
    }
    return {
        "user_inter_num_interval": "[{},{}]".format(*_OF_A_USER),
        "item_inter_num_interval": f"[{_OF_AN_ITEM},inf)",
        "entity_kg_num_interval": "[5,inf)",
        "MAX_ITEM_LIST_LENGTH": 10,
        "train_batch_size": 512,
        "eval_batch_size": 65536,
        "epochs": 1,
        "pretrain_epochs": 1,
        "gpu_id": "",
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"},
        "metrics": ["Recall", "NDCG"],
        "valid_metric": "NDCG@10",
        "topk": [10],
        "load_col": {**_COLUMNS, **files},
        **(vectors if "ent" in needs.files else {}),
        **_SMALLER.get(name, {}),
    }


def sample_dataset(folder: Path, needs: Needs) -> DatasetPath:
    """Write the slice, once for a folder, from the data in RecBole's wheel.

    RecBole would cut it out itself, by the intervals of :func:`sample_settings`, and read all of MovieLens-100K and its
    knowledge graph for it, each time. Where a model reads vectors of entities and relations they are random ones.

    Args:
        folder: gets a folder ``ml-100k``.
        needs: of the model.
    """
    own = folder / "ml-100k"
    if not own.is_dir():
        own.mkdir(parents=True)
        for ending, frame in _slice(find_dataset("ml-100k")).items():
            frame.to_csv(own / f"ml-100k.{ending}", sep="\t", index=False, quoting=csv.QUOTE_NONE)
    if "ent" in needs.files and not (own / "ml-100k.ent").is_file():
        graph = _read(own, "kg")
        links = _read(own, "link")[_ENTITY]
        _write_vectors(own / "ml-100k.ent", "ent", pd.concat([graph[_HEAD], graph[_TAIL], links]).unique().tolist())
        _write_vectors(own / "ml-100k.rel", "rel", graph["relation_id:token"].unique().tolist())
    return DatasetPath("ml-100k", own)


def _slice(stock: DatasetPath) -> dict[str, pd.DataFrame]:
    """What RecBole leaves over of users and items, and the part of the graph that is a step away from these items."""
    found = {ending: _read(stock.folder, ending) for ending in ("inter", "item", "user", "kg", "link")}
    rows = found["inter"]
    while True:
        users, items = (rows.groupby(column)[column].transform("size") for column in (_USER, _ITEM))
        kept = rows[users.between(*_OF_A_USER) & items.ge(_OF_AN_ITEM)]
        if len(kept) == len(rows):
            break
        rows = kept
    for ending, column in (("item", _ITEM), ("link", _ITEM), ("user", _USER)):
        found[ending] = found[ending][found[ending][column].isin(rows[column])]
    graph, linked = found["kg"], found["link"][_ENTITY]
    return {**found, "inter": rows, "kg": graph[graph[_HEAD].isin(linked) | graph[_TAIL].isin(linked)]}


def _read(folder: Path, ending: str) -> pd.DataFrame:
    path = folder / f"ml-100k.{ending}"
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)


def _write_vectors(path: Path, name: str, tokens: list[str], dim: int = 64) -> None:
    vectors = np.random.default_rng(0).standard_normal((len(tokens), dim)).round(2).tolist()
    lines = [f"{name}_id:token\t{name}_emb:float_seq"]
    lines += [f"{token}\t{' '.join(map(str, vector))}" for token, vector in zip(tokens, vectors, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
