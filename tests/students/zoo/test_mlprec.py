"""The small student for serving."""

from __future__ import annotations

import pytest
import torch

from ckd_plugins.errors import ConfigError


@pytest.fixture
def mlp(zoo_case):
    return zoo_case("MLPRec", train_neg_sample_args=None)


def test_padding_changes_nothing(mlp):
    """A user's vector that depends on how far its batch was padded: cut batches and single requests would differ."""
    model, batch = mlp.model.eval(), mlp.batch()
    item_seq, lengths = batch["item_id_list"], batch["item_length"]
    with torch.no_grad():
        wide = model(item_seq, lengths)
        for row in range(0, len(lengths), 37):
            alone = model(item_seq[row : row + 1, : lengths[row]], lengths[row : row + 1])
            torch.testing.assert_close(alone[0], wide[row], rtol=1e-5, atol=1e-6)


def test_order_counts(mlp):
    """A mean alone forgets what was seen last."""
    model = mlp.model.eval()
    forward, backward = torch.tensor([[1, 2, 3]]), torch.tensor([[3, 2, 1]])
    with torch.no_grad():
        assert not torch.allclose(model(forward, torch.tensor([3])), model(backward, torch.tensor([3])))


def test_predict_is_full_sort_of_one(mlp):
    """Sampled and full evaluation of one model must agree."""
    model, batch = mlp.model.eval(), mlp.batch()
    with torch.no_grad():
        full = model.full_sort_predict(batch).gather(1, batch["item_id"][:, None])[:, 0]
        torch.testing.assert_close(model.predict(batch), full, rtol=1e-5, atol=1e-6)


def test_it_is_small_and_traces(mlp):
    """A student for serving must be smaller than SASRec's 64-d default, and leave Python behind."""
    model, batch = mlp.model.eval(), mlp.batch()
    table = model.item_embedding.weight.numel()
    assert sum(p.numel() for p in model.parameters()) - table < 10_000
    arguments = (batch["item_id_list"], batch["item_length"])
    traced = torch.export.export(model, arguments).module()
    with torch.no_grad():
        torch.testing.assert_close(traced(*arguments), model(*arguments))


def test_another_loss_is_refused(zoo_case):
    """BPR would silently be trained as a softmax."""
    with pytest.raises(ConfigError, match="loss_type is 'BPR'"):
        zoo_case("MLPRec", loss_type="BPR")
