"""A domain as a RecBole dataset whose training and validation parts are exactly the domain's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.domain import Domain
from ckd_plugins.host.settings import DatasetPath

__all__ = ["OWN_SETTINGS", "write_dataset"]

Int64 = npt.NDArray[np.int64]

_NAME = "domain"
_VALID, _THIRD = 1 << 23, 1 << 24  # times after all training; whole numbers that float32 holds exactly

OWN_SETTINGS = frozenset(
    {
        "MAX_ITEM_LIST_LENGTH", "benchmark_filename", "checkpoint_dir", "data_path", "dataset", "eval_args",
        "filter_inter_by_user_or_item", "item_inter_num_interval", "load_col", "metrics", "model", "rm_dup_inter",
        "seed", "threshold", "topk", "unload_col", "unused_col", "user_inter_num_interval", "val_interval",
        "valid_metric",
    }
)  # fmt: skip
"""RecBole settings that follow from the domain and the run."""


def write_dataset(domain: Domain, folder: Path, kind: str, seed: int) -> tuple[DatasetPath, dict[str, Any]]:
    """Write a domain as atomic files, and give the settings under which RecBole splits it as the domain is split.

    A token in the files is the index of a user or an item in the domain: no token can be misread. All items are there,
    those without interactions too. RecBole's split by leaving out the last would take a training interaction from
    users without a validation target; so the time of a training interaction is its place in its user's sequence, every
    validation target comes later, and the split is by ratio over all rows in the order of time, with the ratios of
    what is there. RecBole wants a third part: one validation target again, which nobody evaluates.

    Args:
        domain: has validation targets; its test targets are not looked at.
        folder: gets the files.
        kind: RecBole's type of the model. For ``"SEQUENTIAL"`` RecBole makes rows of prefixes, so that a user's first
            interaction is none. A ``"DECISIONTREE"`` learns from labels: as many items that the user did not choose
            are drawn uniformly.
        seed: of that draw.

    Returns:
        Where the dataset lies, and the settings.
    """
    length = np.diff(domain.offsets)
    user = np.repeat(np.arange(domain.n_users), length)
    place = np.arange(len(user)) - np.repeat(domain.offsets[:-1], length)
    held = np.flatnonzero((domain.valid >= 0) & (length > 0))
    parts = [
        _part(user, domain.sequence, place),
        _part(held, domain.valid[held], np.full(len(held), _VALID)),
        _part(held[:1], domain.valid[held[:1]], np.full(1, _THIRD)),
    ]
    columns = "user_id:token\titem_id:token\ttimestamp:float"
    load = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id"]}
    settings: dict[str, Any] = {"load_col": load}
    labelled = kind == "DECISIONTREE"
    if kind in ("CONTEXT", "DECISIONTREE"):  # both would take the time for a feature
        settings["unused_col"] = {"inter": ["timestamp"]}
    if kind == "CONTEXT":  # without labels they learn from sampled negatives
        settings["train_neg_sample_args"] = {"distribution": "uniform", "sample_num": 1}
    if labelled:
        parts = _with_negatives(parts, domain.n_items, np.random.default_rng(seed))
        columns += "\tlabel:float"
        load["inter"].append("label")
        # RecBole's epochs grow all trees anew, or another hundred on top.
        settings |= {"metrics": ["AUC"], "valid_metric": "AUC", "epochs": 1}
    else:
        cut = min(10, domain.n_items - 1)
        settings |= {"metrics": ["NDCG"], "topk": [cut], "valid_metric": f"NDCG@{cut}"}
    # RecBole drops what follows the point of ratio times rows: half a row more is rounding-proof.
    rows = [len(part) for part in parts]
    rows[0] -= int((length > 0).sum()) if kind == "SEQUENTIAL" else 0
    ratios = [(n + 0.5) / sum(rows) for n in rows[1:]]
    settings["eval_args"] = {
        "split": {"RS": [1 - sum(ratios), *ratios]},
        "order": "TO",
        "group_by": "none",
        "mode": "labeled" if labelled else "full",
    }
    own = folder / _NAME
    own.mkdir(parents=True)
    table = np.concatenate(parts)
    with (own / f"{_NAME}.inter").open("w", encoding="utf-8") as file:
        file.write(columns + "\n")
        np.savetxt(file, table, fmt="%d", delimiter="\t")
    tokens = "\n".join(map(str, range(domain.n_items)))
    (own / f"{_NAME}.item").write_text(f"item_id:token\n{tokens}\n", encoding="utf-8")
    return DatasetPath(_NAME, own), settings


def _part(user: Int64, item: npt.NDArray[Any], time: Int64) -> Int64:
    return np.stack([user, item.astype(np.int64), time], axis=1)


def _with_negatives(parts: list[Int64], n_items: int, rng: np.random.Generator) -> list[Int64]:
    """Each part with a column of ones, and as many rows of pairs that no part holds, with zeros."""
    pairs = np.concatenate(parts)
    known = np.unique(pairs[:, 0] * n_items + pairs[:, 1])
    found = []
    for part in parts:
        item = rng.integers(n_items, size=len(part))
        for _ in range(20):  # somebody may know nearly everything; what is left then is a little noise
            clash = np.isin(part[:, 0] * n_items + item, known)
            item[clash] = rng.integers(n_items, size=int(clash.sum()))
        drawn = np.stack([part[:, 0], item, part[:, 2], np.zeros(len(part), np.int64)], axis=1)
        found.append(np.concatenate([np.insert(part, 3, 1, axis=1), drawn]))
    return found
