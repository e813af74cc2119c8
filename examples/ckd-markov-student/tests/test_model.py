"""The model against its definition, and its records."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from ckd_markov_student import plugin

from ckd_plugins.host.compat import prepare


def make() -> torch.nn.Module:
    """A chain over five items, padding among them."""
    prepare()  # imports of RecBole need today's numpy and scipy to be made ready
    from ckd_markov_student.model import MarkovRec

    names = {"USER_ID": "user_id", "ITEM_ID": "item_id", "ITEM_SEQ": "item_id_list", "ITEM_SEQ_LEN": "item_length"}
    model = MarkovRec.__new__(MarkovRec)
    torch.nn.Module.__init__(model)
    vars(model).update(names, POS_ITEM_ID="item_id", n_items=5)
    model.last_embedding, model.item_embedding = torch.nn.Embedding(5, 2), torch.nn.Embedding(5, 2)
    model.loss_fct = torch.nn.CrossEntropyLoss()
    return model


def test_only_the_last_item_counts() -> None:
    """Guards against taking padding, or the first item, for the last."""
    model = make()
    item_seq, lengths = torch.tensor([[1, 2, 0], [3, 1, 2], [2, 0, 0]]), torch.tensor([2, 3, 1])
    batch = {"item_id_list": item_seq, "item_length": lengths, "item_id": torch.tensor([3, 3, 3])}
    scores = model.full_sort_predict(batch)
    assert torch.equal(scores[0], scores[1])
    assert torch.equal(scores[0], scores[2])
    torch.testing.assert_close(model.predict(batch), scores[:, 3])
    torch.testing.assert_close(scores[0], model.item_embedding.weight @ model.last_embedding.weight[2])


def test_records_name_what_exists() -> None:
    """Guards against a record that the registry accepts and no run can use."""
    records = {record.name: record for record in plugin.ckd_register_students()}
    prepare()
    assert records["MarkovRec"].load().__name__ == "MarkovRec"
    assert records["SmallGRU4Rec"].recbole_model == "GRU4Rec"
    assert SimpleNamespace(**vars(records["SmallGRU4Rec"])).defaults.endswith("small_gru4rec.yaml")
