"""Which rows of a batch are distilled."""

from __future__ import annotations

import torch

from ckd_plugins.students.rows import BatchRows, Rows


class Batch(dict):
    def __len__(self):
        return len(next(iter(self.values())))


def batch(**columns: list[int]) -> Batch:
    return Batch({k: torch.tensor(v) for k, v in columns.items()})


def test_a_tiled_batch_gives_each_positive_once():
    """Guards against a positive counting k times because it has k sampled negatives."""
    rows = BatchRows()(batch(ckd_row=[4, 2, 4, 2, 4, 2], item_id=[7, 8] * 3, neg_item_id=[1, 2, 3, 4, 5, 6]))
    assert rows == Rows(slice(0, 2), rows.ids, rows.targets)
    assert (rows.ids.tolist(), rows.targets.tolist()) == ([4, 2], [7, 8])


def test_sampled_negatives_of_a_pointwise_batch_are_left_out():
    """Guards against a sampled negative that stands for its positive's row."""
    rows = BatchRows()(batch(ckd_row=[4, 2, 4, 2], item_id=[7, 8, 1, 2], label=[1, 1, 0, 0]))
    assert (rows.positions, rows.targets.tolist()) == (slice(0, 2), [7, 8])


def test_labelled_and_unknown_rows_are_left_out_together():
    """Guards against positions that point at the wrong rows once both filters have cut."""
    rows = BatchRows()(batch(ckd_row=[4, -1, 6, 7], item_id=[1, 2, 3, 4], label=[0, 1, 1, 1]))
    assert (rows.positions.tolist(), rows.ids.tolist(), rows.targets.tolist()) == ([2, 3], [6, 7], [3, 4])
    assert BatchRows()(batch(ckd_row=[4, 5], item_id=[1, 2], label=[0, 0])) is None


def test_rows_of_a_resampled_batch_are_not_taken_for_tiles():
    """Guards against dropping rows when a sampler with replacement draws the first row twice."""
    rows = BatchRows()(batch(ckd_row=[4, 2, 4, 1], item_id=[1, 2, 3, 4], neg_item_id=[1, 2, 3, 4]))
    assert rows.ids.tolist() == [4, 2, 4, 1]
