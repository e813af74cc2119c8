"""Models trained on whole sequences: what each position sees, stands for, and is read as."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from ckd_plugins.errors import ConfigError
from ckd_plugins.host.rows import training_rows
from ckd_plugins.students import attach
from ckd_plugins.students.readers.positions import EveryPosition
from ckd_plugins.students.zoo.positions import next_items, position_rows

NAMES = ["SASRecPlus", "GRU4RecPlus"]


@pytest.fixture(params=NAMES)
def windows(request, zoo_case):
    return zoo_case(request.param)


def prefixes(batch, positions):
    """Every position's prefix as a row of its own: padded items and lengths."""
    item_seq, width = batch["item_id_list"], batch["item_id_list"].shape[1]
    rows, steps = positions // width, positions % width
    inside = torch.arange(width) <= steps[:, None]
    return item_seq[rows] * inside, steps + 1


def test_a_position_is_encoded_as_its_prefix_alone(windows):
    """A position that sees the item it has to predict, or padding, learns something that is never served."""
    model, batch = windows.model.eval(), windows.batch()
    rows = position_rows(model)(batch)
    with torch.no_grad():
        states = model.encode(batch["item_id_list"]).flatten(0, 1)[rows.positions]
        alone = model.forward(*prefixes(batch, rows.positions))
    torch.testing.assert_close(states, alone, rtol=1e-4, atol=1e-5)


def test_scores_at_every_position_are_what_the_model_ranks_by(windows):
    """A reader of other positions than the objective's rows distils a teacher's answer into the wrong history."""
    model, batch = windows.model.eval(), windows.batch()
    rows = position_rows(model)(batch)
    reader, candidates = EveryPosition(model), torch.tensor([3, 1, 40, 7])
    with reader.watch():
        model.calculate_loss(batch)
    item_seq, lengths = prefixes(batch, rows.positions)
    with torch.no_grad():
        full = model.full_sort_predict({"item_id_list": item_seq, "item_length": lengths})
    shared = reader.scores(batch, rows.positions, candidates)
    own = reader.scores(batch, rows.positions, candidates.expand(len(rows.ids), -1))
    torch.testing.assert_close(shared, full[:, candidates], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(own, full[:, candidates], rtol=1e-5, atol=1e-5)
    gradients = torch.autograd.grad(shared.sum(), list(model.parameters()), allow_unused=True)
    assert any(g is not None and g.abs().max() > 0 for g in gradients)
    reader.forget()


def test_a_positions_row_is_its_history_and_target(windows):
    """Row ids that are off by one ask the teacher about the neighbour's history."""
    rows = training_rows(windows.splits, windows.config)
    for batch in windows.splits.train:
        found = position_rows(windows.model)(batch)
        item_seq, lengths = prefixes(batch, found.positions)
        assert torch.equal(found.targets, torch.from_numpy(rows.target[found.ids]).long())
        for row, items, length in zip(found.ids.tolist(), item_seq, lengths.tolist(), strict=True):
            history = rows.flat[rows.start[row] : rows.stop[row]]
            assert history[-length:].tolist() == items[:length].tolist()
            assert len(history) >= length  # a teacher is told of what lies before the window as well


def test_every_target_of_one_target_a_row_is_learnt_once(windows, case):
    """A window that leaves a target out, or has one twice, is another training set."""
    stock = case("SASRec", train_neg_sample_args=None)
    ours, theirs = (training_rows(c.splits, c.config) for c in (windows, stock))
    pairs = [sorted(zip(r.user.tolist(), r.target.tolist(), strict=True)) for r in (ours, theirs)]
    assert pairs[0] == pairs[1]
    assert np.bincount(ours.parent).max() == windows.config["MAX_ITEM_LIST_LENGTH"]
    assert len(windows.splits.train_dataset) < len(stock.splits.train_dataset) / 5
    for part in ("valid", "test"):
        a, b = (getattr(c.splits, part)._dataset.inter_feat for c in (windows, stock))
        assert torch.equal(a["item_id"], b["item_id"])
        assert torch.equal(a["item_id_list"], b["item_id_list"])


@pytest.mark.parametrize(("name", "stock"), [("SASRecPlus", "SASRec"), ("GRU4RecPlus", "GRU4Rec")])
def test_weights_serve_in_recboles_model(zoo_case, case, name, stock):
    """The same inference: a server that has RecBole's model needs nothing of ours."""
    ours, theirs = zoo_case(name), case(stock, train_neg_sample_args=None).model
    assert list(ours.model.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.model.state_dict())
    batch = ours.batch()
    with torch.no_grad():
        assert torch.equal(ours.model.eval().full_sort_predict(batch), theirs.eval().full_sort_predict(batch))


@pytest.mark.parametrize("loss", ["gbce", "sampled_softmax", "softmax"])
def test_every_loss_learns(zoo_case, loss):
    """A loss that runs and teaches nothing."""
    case = zoo_case("SASRecPlus", train_loss=loss, n_negatives=16, hidden_dropout_prob=0.0, attn_dropout_prob=0.0)
    model, batch = case.model, case.batch()[torch.arange(4)]  # few enough to learn by heart
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    rows = position_rows(model)(batch)

    def rank():
        with torch.no_grad():
            scores = model.encode(batch["item_id_list"]).flatten(0, 1)[rows.positions] @ model.item_embedding.weight.T
        return float((scores > scores.gather(1, rows.targets[:, None])).sum(dim=1).float().mean())

    before = rank()
    for _ in range(250):
        optimizer.zero_grad()
        model.calculate_loss(batch).backward()
        optimizer.step()
    assert rank() < before / 2


BAD = [({"train_loss": "bpr"}, "train_loss"), ({"n_negatives": 0}, "n_negatives"), ({"gbce_t": 2}, "gbce_t")]


@pytest.mark.parametrize(("settings", "named"), BAD)
def test_wrong_settings_are_named(zoo_case, settings, named):
    """A misspelt loss that silently becomes another."""
    with pytest.raises(ConfigError, match=named):
        zoo_case("SASRecPlus", **settings)


def test_every_target_counts_alike_however_batches_are_cut(windows):
    """Sequences of like length are drawn together: a mean a batch would weigh targets of short sequences more."""
    model = windows.model.eval()
    model.train_loss = "softmax"
    whole = next(iter(windows.splits.train))
    lengths = whole["item_length"]
    order = lengths.argsort()
    parts = [whole[order[: len(order) // 2]], whole[order[len(order) // 2 :]]]
    parameters = list(model.parameters())

    def gradient(batches):
        total = sum(model.calculate_loss(batch) * len(batch) for batch in batches) / len(whole)
        return torch.autograd.grad(total, parameters, allow_unused=True)

    for one, two in zip(gradient([whole]), gradient(parts), strict=True):
        assert (one is None) == (two is None)
        if one is not None:
            torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-6)
    shares = [position_rows(model)(part).scale for part in parts]
    assert shares[0] < 1 < shares[1]


def test_one_pass_and_an_untouched_own_loss(windows, push):
    """A distilled step whose own loss, or whose random numbers, are not the plain step's."""
    model, batch = windows.model, windows.batch()
    twin = copy.deepcopy(model)
    torch.manual_seed(3)
    plain = twin.calculate_loss(batch)
    after = torch.random.get_rng_state()
    with attach(model, push(), EveryPosition(model), rows=position_rows(model)) as handle:
        torch.manual_seed(3)
        model.calculate_loss(batch)
        assert torch.equal(torch.random.get_rng_state(), after)
        terms = handle.pop_terms()
    assert terms["own_loss"] == pytest.approx(float(plain), rel=1e-7)
    assert terms["distillation_loss"] > 0


def test_next_items_end_with_the_target():
    """The last position of a short row must not be told that padding follows."""
    item_seq = torch.tensor([[5, 6, 0], [1, 2, 3]])
    found = next_items(item_seq, torch.tensor([2, 3]), torch.tensor([7, 4]))
    assert found[0, :2].tolist() == [6, 7]
    assert found[1].tolist() == [2, 3, 4]
