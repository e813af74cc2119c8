"""Readers of scores that are products, and what asks them."""

from __future__ import annotations

import pytest
import torch

from ckd_plugins.errors import StudentError
from ckd_plugins.students import VectorReader, choose_reader
from ckd_plugins.students.attachment import Read
from ckd_plugins.students.choose import vector_reader
from ckd_plugins.students.readers.positions import EveryPosition

# model, settings, the reader, the length of its vectors
CASES = [
    ("SASRec", {"loss_type": "CE", "hidden_size": 32}, "sequence output", 32),
    ("GRU4Rec", {"loss_type": "BPR", "embedding_size": 24}, "sequence output", 24),
    ("BPR", {"embedding_size": 16}, "embedding tables", 16),
    ("LightGCN", {"embedding_size": 16}, "propagated embeddings", 16),
    ("NGCF", {"embedding_size": 16, "hidden_size_list": [8, 8]}, "propagated embeddings", 32),
]


@pytest.mark.parametrize(("name", "settings", "reader_name", "width"), CASES, ids=[case[0] for case in CASES])
def test_the_products_of_the_vectors_are_what_the_model_ranks_by(case, name, settings, reader_name, width):
    """Guards against a representation that is not the one that scores come from, and one without gradient."""
    case = case(name, **settings)
    reader = vector_reader(case.model, case.probe())
    assert (reader.name, reader.width) == (reader_name, width)
    batch, items = case.batch(), torch.tensor([4, 1, 1, 9, 30])
    case.model.train()
    case.model.eval()
    with reader.watch():
        case.model.calculate_loss(batch)
    read = Read(reader, batch, torch.arange(5))
    vectors = read.vectors(items)
    assert vectors.shape == (5, 2, width)
    full = case.model.full_sort_predict(batch[torch.arange(5)]).view(5, -1)
    torch.testing.assert_close(vectors.prod(dim=1).sum(dim=1), full[torch.arange(5), items])
    torch.testing.assert_close(read(items).diagonal(), full[torch.arange(5), items])
    found = torch.autograd.grad(vectors.sum(), list(case.model.parameters()), allow_unused=True)
    assert any(g is not None and g.abs().max() > 0 for g in found)


@pytest.mark.parametrize("name", ["DeepFM", "MultiVAE", "NeuMF"])
def test_models_without_such_vectors_have_no_such_reader(case, name):
    """Guards against a hidden layer that is taken for what scores are products of."""
    case = case(name)
    assert vector_reader(case.model, case.probe()) is None
    reader = choose_reader(case.model, case.probe())
    with pytest.raises(StudentError, match=r"ExpandedRows|Replay.*reads no vectors"):
        Read(reader, case.batch(), slice(0, 2)).vectors(torch.tensor([1, 2]))


def test_states_of_every_position_are_vectors_too(zoo_case):
    """Students that subscribe with a reader of their own are not probed: it has to know its width by itself."""
    case = zoo_case("SASRecPlus")
    reader = EveryPosition(case.model)
    assert isinstance(reader, VectorReader)
    assert reader.width == case.model.item_embedding.embedding_dim
    batch = case.batch()
    with reader.watch():
        case.model.calculate_loss(batch)
    rows, items = reader.vectors(batch, torch.tensor([0, 3]))
    torch.testing.assert_close(rows @ items[[2, 5]].T, reader.scores(batch, torch.tensor([0, 3]), torch.tensor([2, 5])))
