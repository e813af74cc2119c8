"""The speed-ups of a model instance, each tried on the model itself before it is kept."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from ckd_plugins.config import Speed
from ckd_plugins.host.loaders import row_lengths
from ckd_plugins.host.speed.check import applied, shortest_and_longest
from ckd_plugins.host.speed.dropout import cheap_dropout
from ckd_plugins.host.speed.layers import fuse_activations, last_position_only
from ckd_plugins.host.speed.softmax import defer_logits, defers
from ckd_plugins.host.speed.sparse import sparse_products

__all__ = ["speed_up"]


def speed_up(model: Any, loader: Any, config: Any, speed: Speed) -> tuple[str, ...]:
    """Make an instance faster, where that changes neither its loss nor its gradients.

    Class, parameters and ``state_dict`` stay; what is replaced are methods of the instance and of its modules. In
    evaluation mode a change must leave loss and gradients of a few rows as they are, or it is undone.

    Args:
        model: a RecBole model instance.
        loader: its train loader.
        config: its RecBole config.
        speed: which changes are wanted.

    Returns:
        The names of those made, as the settings of ``ckd.speed`` have them.
    """
    if not isinstance(model, nn.Module):
        return ()  # a decision tree
    inner = getattr(loader, "general_dataloader", loader)
    lengths = row_lengths(inner._dataset, config)
    made: list[str] = []
    if lengths is not None and len(lengths):
        rows = shortest_and_longest(lengths)

        def batch() -> Any:
            return inner.collate_fn(rows)

        for change in (fuse_activations, last_position_only) if speed.layers else ():
            if applied(partial(change, model), model, batch):
                made.append("layers")
        defer = partial(defer_logits, model, inner._dataset.item_num)
        if speed.softmax and applied(defer, model, batch, lambda: defers(model)):
            made.append("softmax")
    if speed.sparse and sparse_products(model, loader):
        made.append("sparse")
    # Not before the checks: in evaluation mode dropout does nothing, before and after.
    if speed.dropout and cheap_dropout(model) is not None:
        made.append("dropout")
    return tuple(dict.fromkeys(made))
