from __future__ import annotations

import numpy as np
import torch

from ckd_plugins.teachers.pretraining import in_batch
from ckd_plugins.teachers.windows import next_item_windows


def test_renumbered_items_are_the_same_items() -> None:
    """A slip between the two numberings would contrast a sequence with another's next item."""
    flat = np.array([7, 3, 9, 3, 5, 5, 8], np.int64)
    windows = next_item_windows(np.array([0, 4, 7]), flat, 3)
    for batch in windows.batches(100):
        seen = in_batch(batch, windows, "cpu")
        assert seen.present[0] == 0
        assert len(seen.present.unique()) == len(seen.present)
        assert torch.equal(seen.present[seen.items], torch.from_numpy(batch.items))
        assert seen.present[seen.target].tolist() == flat[batch.position + 1].tolist()


def test_newest_is_each_rows_last_state() -> None:
    """The sequence-sequence loss compares whole sequences, not their beginnings."""
    windows = next_item_windows(np.array([0, 4, 6]), np.arange(1, 7), 3)
    (batch,) = windows.batches(100)
    seen = in_batch(batch, windows, "cpu")
    lengths = (seen.items > 0).sum(dim=1)
    assert seen.row[seen.newest].tolist() == [0, 1]
    assert (seen.column[seen.newest] == lengths - 1).all()
