"""RecBole's decision trees, which are no torch models: boosters of LightGBM and XGBoost over columns of numbers.

RecBole trains them on labelled rows and only ever computes AUC on labelled rows with them. A catalogue is ranked here
by predicting every pair of a user and an item.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ckd_plugins.host.zoo import shipped_settings

__all__ = ["is_tree", "nodes", "scores", "tree_defaults"]

_PAIRS = 1 << 22
"""Pairs that are predicted at once."""


def tree_defaults(name: str) -> dict[str, Any]:
    """RecBole's settings for a tree, which it does not find itself where file names have a case.

    ``Config`` looks for ``properties/model/LightGBM.yaml``; the file is called ``lightgbm.yaml``.
    """
    found = shipped_settings(name.lower())
    # The threshold is misspelt there, so that one-hot columns have none.
    if "token_num_threhold" in found:
        found["token_num_threshold"] = found.pop("token_num_threhold")
    # Both print to the console, past every logger.
    if "lgb_params" in found:
        found["lgb_params"]["verbosity"] = -1
    if "xgb_verbose_eval" in found:
        found["xgb_verbose_eval"] = False
    return found


def is_tree(model: Any) -> bool:
    """Whether a model is a booster, stock or as its trainer leaves it."""
    return not isinstance(model, torch.nn.Module) and hasattr(model, "trees_to_dataframe")


def nodes(booster: Any) -> int:
    """Number of nodes of a booster's trees."""
    return len(booster.trees_to_dataframe())


def scores(booster: Any, users: NDArray[np.int64], n_items: int) -> Tensor:
    """Predict every pair of a user and an item, from the columns (user id, item id).

    Args:
        booster: trained on these two columns in this order.
        users: ``[B]`` ids.
        n_items: size of the catalogue, padding included.

    Returns:
        float32 ``[B, n_items]``; padding's is ``-inf``.
    """
    found = torch.full((len(users), n_items), -torch.inf)
    step = max(1, _PAIRS // n_items)
    for start in range(0, len(users), step):
        part = users[start : start + step]
        pairs = np.stack([np.repeat(part, n_items - 1), np.tile(np.arange(1, n_items), len(part))], axis=1)
        found[start : start + step, 1:] = torch.from_numpy(_predict(booster, pairs).reshape(len(part), -1)).float()
    return found


def _predict(booster: Any, pairs: NDArray[np.int64]) -> NDArray[Any]:
    if type(booster).__module__.startswith("lightgbm"):
        return np.asarray(booster.predict(pairs))
    import xgboost

    return np.asarray(booster.predict(xgboost.DMatrix(pairs)))
