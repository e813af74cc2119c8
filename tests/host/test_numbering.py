from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ckd_plugins.host.numbering import numbered
from ckd_plugins.host.rows import item_tokens, user_tokens

from .conftest import BY_TIME

Make = Callable[..., Path]


def test_tokens_are_numbered_as_they_say(prepare: Callable[..., object], write_dataset: Make) -> None:
    """Weights that go by ids would be other users' and items'; RecBole numbers by what comes first in the file."""
    rows = [(str(u), str((5 * u + 3 * t) % 12), t) for u in (7, 2, 5, 0, 3) for t in range(6)]
    place = write_dataset("loose", rows)
    with numbered({"user_id": 8, "item_id": 14}):
        made = prepare("BPR", place, eval_args=BY_TIME, user_inter_num_interval=None)
    assert user_tokens(made.splits, made.config) == ("[PAD]", *map(str, range(8)))
    assert item_tokens(made.splits, made.config) == ("[PAD]", *map(str, range(14)))
    assert made.model.item_embedding.weight.shape[0] == 15
    inter = made.splits.dataset.inter_feat
    pairs = set(zip(inter["user_id"].tolist(), inter["item_id"].tolist(), strict=True))
    assert pairs == {(int(u) + 1, int(i) + 1) for u, i, _ in rows}
    after = prepare("BPR", place, eval_args=BY_TIME, user_inter_num_interval=None)
    assert user_tokens(after.splits, after.config)[1:3] == ("7", "2"), "RecBole is as it was"
