from __future__ import annotations

from typing import Any

import torch

from ckd_plugins.students.readers.base import Catalogue, select
from ckd_plugins.students.readers.pointwise import ExpandedRows, expand


def test_candidates_lists_are_embedded_once_each(case: Any) -> None:
    """With every pair's lists the distillation of a model with long titles takes gigabytes, and most of its time."""
    one = case("DeepFM", embedding_size=4)
    model, batch, positions = one.model.eval(), one.batch(), torch.arange(6)
    features = one.splits.dataset.get_item_feature()
    catalogue = Catalogue(one.splits.dataset.item_num, "item_id", features.interaction)
    candidates = torch.stack([torch.tensor([row % 3 + 1, 7, 8, 9]) for row in range(6)])
    expected = model.forward(expand(select(batch, positions), candidates, 6, catalogue)).reshape(6, 4)
    seen: list[int] = []
    model.token_seq_embedding_table[0].register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    scores = ExpandedRows(model, catalogue).scores(batch, positions, candidates)
    assert seen == [6], "items 1, 2, 3, 7, 8 and 9, of 24 pairs"
    torch.testing.assert_close(scores, expected)
    weights = torch.arange(24.0).reshape(6, 4)
    table = model.token_seq_embedding_table[0].weight
    found, stock = (torch.autograd.grad((s * weights).sum(), table)[0] for s in (scores, expected))
    torch.testing.assert_close(found, stock, rtol=1e-5, atol=1e-6)
