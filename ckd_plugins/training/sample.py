"""A slice of MovieLens-100K that any of RecBole's models can be built and trained on within a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ckd_plugins.host.needs import Needs
from ckd_plugins.host.settings import DatasetPath, find_dataset

__all__ = ["sample_dataset", "sample_settings"]

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
_SMALLER = {
    "SASRecCPR": {"reranker_CAN_NUM": 20},
    "GRU4RecCPR": {"reranker_CAN_NUM": 20},
    "NCL": {"num_clusters": 8},
    "RaCT": {"metrics_k": 10},
}
"""Sizes that are larger by default than the slice's catalogue."""


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
        "user_inter_num_interval": "[20,30]",
        "item_inter_num_interval": "[5,inf)",
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
    """The dataset, from RecBole's wheel; where a model reads vectors of entities and relations, with random ones."""
    stock = find_dataset("ml-100k")
    if "ent" not in needs.files:
        return stock
    own = folder / "ml-100k"
    if not own.is_dir():
        own.mkdir(parents=True)
        for path in stock.folder.glob("ml-100k.*"):
            (own / path.name).symlink_to(path)
        entities, relations = _graph_tokens(stock)
        _write_vectors(own / "ml-100k.ent", "ent", entities)
        _write_vectors(own / "ml-100k.rel", "rel", relations)
    return DatasetPath("ml-100k", own)


def _graph_tokens(stock: DatasetPath) -> tuple[list[str], list[str]]:
    entities: dict[str, None] = {}
    relations: dict[str, None] = {}
    with (stock.folder / "ml-100k.kg").open(encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            head, relation, tail = line.rstrip("\n").split("\t")
            entities[head] = entities[tail] = relations[relation] = None
    with (stock.folder / "ml-100k.link").open(encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            entities[line.rstrip("\n").split("\t")[1]] = None
    return list(entities), list(relations)


def _write_vectors(path: Path, name: str, tokens: list[str], dim: int = 64) -> None:
    vectors = np.random.default_rng(0).standard_normal((len(tokens), dim)).round(2)
    lines = [f"{name}_id:token\t{name}_emb:float_seq"]
    lines += [f"{token}\t{' '.join(map(str, vector))}" for token, vector in zip(tokens, vectors, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
