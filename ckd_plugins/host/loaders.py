"""What may be changed on a RecBole train loader without subclassing it: the order of rows and the width of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["on_batch", "row_lengths", "rows_a_batch", "set_row_order", "trim_batches"]


def _inner(loader: Any) -> Any:
    """The loader of interactions; a knowledge graph's loader has it inside."""
    return getattr(loader, "general_dataloader", loader)


def set_row_order(loader: Any, sampler: Iterable[int]) -> Callable[[], None]:
    """Draw the train rows in a sampler's order, as many as it yields.

    The torch sampler is replaced on the batch sampler, which torch allows at any time; the loader's own attribute
    ``_sampler`` is RecBole's negative sampler and is not touched.

    Returns:
        A function that puts the stock order back.
    """
    batches = _inner(loader).batch_sampler
    stock = batches.sampler
    batches.sampler = sampler

    def restore() -> None:
        batches.sampler = stock

    return restore


def rows_a_batch(loader: Any) -> int:
    """Positive rows that a train batch has; sampled negatives come on top."""
    return int(_inner(loader).step)


def on_batch(loader: Any, call: Callable[[], None]) -> None:
    """Call a function each time a train batch has been made."""
    inner = _inner(loader)
    stock = inner.collate_fn

    def collate(index: Any) -> Any:
        batch = stock(index)
        call()
        return batch

    inner.collate_fn = collate


def row_lengths(dataset: Any, config: Any) -> NDArray[np.int64] | None:
    """``[R]`` history length of each train row as the student sees it, or ``None`` where rows have no history."""
    field = config["ITEM_LIST_LENGTH_FIELD"]
    features = dataset.inter_feat
    return features[field].numpy().astype(np.int64) if field in features else None


def trim_batches(loader: Any, model: Any, config: Any) -> bool:
    """Cut each training batch of histories to its longest row, where that changes nothing.

    RecBole pads every history on the right to ``MAX_ITEM_LIST_LENGTH``. For a model that masks the padding, columns
    that hold nothing else are work without effect. Whether a model is of that kind is found out on its own loss: in
    evaluation mode, on the batch of the shortest rows, cut and uncut must agree.

    Returns:
        Whether batches are cut from now on.
    """
    length_field = config["ITEM_LIST_LENGTH_FIELD"]
    inner = _inner(loader)
    lengths = row_lengths(inner._dataset, config)
    width = config["MAX_ITEM_LIST_LENGTH"]
    if lengths is None or len(lengths) == 0 or int(lengths.min()) >= width:
        return False
    stock = inner.collate_fn

    def collate(index: Any) -> Any:
        return _cut(stock(index), length_field, width)

    shortest = np.argsort(lengths, kind="stable")[:64]
    if not _loss_agrees(model, inner, stock, collate, shortest.tolist()):
        return False
    inner.collate_fn = collate
    return True


def _cut(interaction: Any, length_field: str, width: int) -> Any:
    longest = int(interaction[length_field].max())
    if longest < width:
        columns = interaction.interaction
        for name, value in columns.items():
            if value.dim() >= 2 and value.shape[1] == width:
                columns[name] = value[:, :longest]
    return interaction


def _loss_agrees(model: Any, loader: Any, stock: Any, collate: Any, rows: list[int]) -> bool:
    was_training = model.training
    state = np.random.get_state()
    cuda = [model.device] if str(getattr(model, "device", "cpu")).startswith("cuda") else []
    losses: list[torch.Tensor] = []
    model.eval()
    try:
        with torch.random.fork_rng(devices=cuda), torch.no_grad():
            for make in (stock, collate):
                torch.manual_seed(0)
                np.random.seed(0)
                loss = model.calculate_loss(make(rows).to(model.device))
                losses.append(torch.stack(loss).sum() if isinstance(loss, tuple) else loss)
    except (RuntimeError, IndexError, ValueError, AssertionError):
        return False  # the model counts on the full width
    finally:
        np.random.set_state(state)
        model.train(was_training)
    return bool(torch.allclose(losses[0], losses[1], rtol=1e-5, atol=1e-6))
