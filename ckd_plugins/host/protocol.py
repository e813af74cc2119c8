"""How models are ranked that RecBole judges by labels or by sampled items when nobody says how.

Feature interaction models have ``AUC`` and ``LogLoss`` of labelled rows as RecBole's default, DIN and DIEN of 100
sampled items. Families cannot be compared by that: here they are ranked as RecBole's sequential models are, each
user's last interaction among the whole catalogue, the one before for validation, unless the user asks for labels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["asks_for_values", "protocol", "reads_features"]

_CLICK = ("DIN", "DIEN")
"""Sequential models that read features; RecBole's configurator knows them by name, too."""
_METRICS: dict[str, Any] = {"metrics": ["Recall", "MRR", "NDCG", "Hit", "Precision"], "valid_metric": "MRR@10"}
_BY_TIME = {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"}
_AT_RANDOM = {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "RO", "group_by": "user", "mode": "full"}


def reads_features(kind: str, model: str) -> bool:
    """Whether a model reads whatever features of items and users are loaded."""
    return kind == "CONTEXT" or model in _CLICK


def protocol(kind: str, model: str, given: Mapping[str, Any], columns: Collection[str]) -> dict[str, Any]:
    """Settings that make such a model learn from sampled negatives and rank; none for other models, and for labels.

    Args:
        kind: the model's type in RecBole, in capitals.
        model: its name.
        given: the user's settings.
        columns: what is loaded from ``.inter``, or could be.
    """
    if not reads_features(kind, model) or asks_for_values(given):
        return {}
    by_time = str(given.get("TIME_FIELD", "timestamp")) in columns
    settings = {"eval_args": dict(_BY_TIME if by_time else _AT_RANDOM), **_METRICS}
    if kind != "CONTEXT":
        return settings
    no_negatives = "train_neg_sample_args" in given and not given["train_neg_sample_args"]
    if given.get("threshold") or no_negatives or str(given.get("LABEL_FIELD", "label")) in columns:
        return {}
    # RecBole's settings for ml-100k make labels of the ratings.
    return {**settings, "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1}, "threshold": None}


def asks_for_values(given: Mapping[str, Any]) -> bool:
    """Whether the user's settings name labelled evaluation or metrics of predicted values (AUC, LogLoss, RMSE ...)."""
    from recbole.evaluator.register import metric_types
    from recbole.utils import EvaluatorType

    mode = (given.get("eval_args") or {}).get("mode")
    if "labeled" in (mode.values() if isinstance(mode, Mapping) else (mode,)):
        return True
    named = given.get("metrics") or ()
    metrics = [*named] if isinstance(named, list | tuple) else [named]
    metrics.append(str(given.get("valid_metric") or ""))
    kinds = {metric_types.get(str(metric).partition("@")[0].lower()) for metric in metrics}
    return EvaluatorType.VALUE in kinds
