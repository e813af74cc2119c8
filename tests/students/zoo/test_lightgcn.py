"""LightGCN by torch-geometric is RecBole's LightGCN, faster."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

RANDOM = {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "RO", "mode": "full", "group_by": "user"}


@pytest.fixture
def pair(zoo_case, case):
    ours, theirs = zoo_case("LightGCNPyG", eval_args=RANDOM), case("LightGCN", eval_args=RANDOM)
    return ours, theirs


def test_it_starts_from_the_same_weights(pair):
    """Another order of random numbers in the constructor, and metrics can no longer be compared seed by seed."""
    ours, theirs = (c.model.state_dict() for c in pair)
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_matrix_is_the_same_and_symmetric(pair):
    """The backward pass multiplies by the matrix itself: for one that is not symmetric, gradients would be wrong."""
    ours, theirs = (c.model.norm_adj_matrix.to_dense() for c in pair)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
    assert torch.equal(ours, ours.T)
    assert pair[0].model.norm_adj_matrix.layout is torch.sparse_csr


def test_loss_and_gradients_are_recboles(pair):
    """A faster step that is another step."""
    batch = pair[1].batch()
    found = []
    for c in pair:
        loss = c.model.calculate_loss(batch)
        found.append((loss, torch.autograd.grad(loss, list(c.model.parameters()))))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-6, atol=0)
    for ours, theirs in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-8)


def test_its_weights_rank_alike_in_recboles_model(pair):
    """A checkpoint that only we can serve."""
    ours, theirs = (c.model for c in pair)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(torch.randn_like(parameter))
        theirs.load_state_dict(ours.state_dict())
        batch = pair[1].batch()
        a, b = (model.full_sort_predict(batch) for model in (ours, theirs))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_pair_that_was_seen_twice_is_one_edge(pair):
    """RecBole builds the matrix from a dictionary of pairs; a sum of duplicates would weigh them double."""
    ours = pair[0].model
    train = ours.interaction_matrix
    again = train.copy()
    again.data = again.data * 2
    before = ours.get_norm_adj_mat().to_dense()
    ours.interaction_matrix = again
    assert torch.equal(ours.get_norm_adj_mat().to_dense(), before)


def test_it_can_be_copied_and_pickled(pair):
    """Torch cannot copy a CSR tensor, and RecBole copies every model to count its FLOPs."""
    model = pair[0].model
    batch = pair[1].batch()
    with torch.no_grad():
        expected = model.full_sort_predict(batch)
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            twin.restore_user_e = twin.restore_item_e = None
            assert torch.equal(twin.full_sort_predict(batch), expected)
            assert twin.user_embedding.weight is not model.user_embedding.weight
