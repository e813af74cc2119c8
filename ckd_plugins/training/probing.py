"""A probe of a run's student, on a few of its training rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ckd_plugins.errors import StudentError
from ckd_plugins.host.data import Splits
from ckd_plugins.students.probe import Probe

__all__ = ["make_probe"]


def make_probe(model: Any, splits: Splits, config: Any) -> Probe:
    """Draw a small batch and probe a model with it; random states and the loader's order are left as they were.

    Raises:
        StudentError: the model is not trained by gradients, or its own ranking fails.
    """
    item = config["ITEM_ID_FIELD"]
    try:
        return Probe(
            model,
            _small_batch(splits.train),
            splits.train_dataset.get_item_feature(),
            splits.dataset.num(item),
            item_field=item,
            label_field=config["LABEL_FIELD"],
        )
    except (RuntimeError, IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise StudentError(
            f"{type(model).__name__} cannot be a student: its own ranking fails on a small batch: {reason}"
        ) from error


def _small_batch(loader: Any, rows: int = 64) -> Any:
    """A few training rows as the model gets them, a knowledge graph's triples among their columns."""
    # A knowledge graph's loader cannot be iterated before its trainer has set its mode.
    inner = getattr(loader, "general_dataloader", loader)
    parts = [inner] if inner is loader else [inner, loader.kg_dataloader]
    state = np.random.get_state()
    before = [(part, part.generator.get_state(), part.batch_sampler.batch_size) for part in parts]
    try:
        with torch.random.fork_rng(devices=[]):
            for part in parts:
                part.batch_sampler.batch_size = min(rows, part.step)
            batch, *triples = (next(iter(part)) for part in parts)
            for columns in triples:
                batch.update(columns)
            return batch
    finally:
        for part, generator, size in before:
            part.batch_sampler.batch_size = size
            part.generator.set_state(generator)
        np.random.set_state(state)
