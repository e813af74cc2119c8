"""Weights from a file in a model that was made on this run's data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from ckd_plugins.errors import StudentError

__all__ = ["restore"]


def restore(model: Any, weights: Mapping[str, Tensor], others: Mapping[str, Any] | None = None) -> None:
    """Give a RecBole model the weights of a file, and what its class keeps beside them (``other_parameter_name``).

    Attributes that the class does not name there are not set, whatever the file says.

    Raises:
        StudentError: names, kinds or sizes differ; the first difference is named.
    """
    wanted, found = ({name: tuple(v.shape) for name, v in w.items()} for w in (model.state_dict(), weights))
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise StudentError(
                f"{name!r} is {found.get(name, 'missing')} in the file and {wanted.get(name, 'unknown')} on these data"
            )
    model.load_state_dict(dict(weights))
    if others is None:
        return
    for name in getattr(model, "other_parameter_name", ()):
        made: Any = getattr(model, name)
        given: Any = others.get(name)
        if isinstance(given, np.ndarray) and isinstance(made, Tensor):
            given = torch.from_numpy(given)
        if isinstance(made, torch.nn.Module):  # its weights are among the model's
            continue
        if made is None and given is None:  # embeddings that it computes when it is asked, and had not been yet
            continue
        if _kind(given) == "nothing" or _kind(made) not in ("nothing", _kind(given)):
            raise StudentError(f"{name!r} is {_kind(given)} in the file and {_kind(made)} on these data")
        if made is not None and tuple(made.shape) != tuple(given.shape):
            raise StudentError(f"{name!r} is {tuple(given.shape)} in the file and {tuple(made.shape)} on these data")
        setattr(model, name, given.to(next(model.parameters()).device) if isinstance(given, Tensor) else given)


def _kind(value: Any) -> str:
    kinds: dict[str, type] = {"nothing": type(None), "a tensor": Tensor, "an array": np.ndarray}
    if scipy.sparse.issparse(value):
        return "a sparse matrix"
    return next((kind for kind, cls in kinds.items() if isinstance(value, cls)), f"a {type(value).__name__}")
