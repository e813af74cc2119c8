"""A balance weighs the own loss and the objective of a stock model, whichever way the objective reaches the step."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from ckd_plugins.host.speed.softmax import defer_logits
from ckd_plugins.students import attach, choose_reader

SMALL = {"n_layers": 1, "n_heads": 1, "hidden_size": 16, "inner_size": 16}


class Objective:
    """Cross-entropy of the item 1, read or taken along, with a weight and a factor."""

    def __init__(self, weight: float = 1.0) -> None:
        self.weight, self.factor, self.taken_batches = weight, 1.0, 0

    def listed(self, rows):
        ids = torch.ones(len(rows), 1, dtype=torch.long)
        return SimpleNamespace(ids=ids), torch.full((len(rows), 1), self.weight * self.factor / len(rows))

    def taken(self, batch, loss):
        self.taken_batches += 1
        return SimpleNamespace(loss=torch.zeros(()), terms={})

    def __call__(self, rows, targets, read):
        scores = read(torch.arange(read._reader._n_items))
        loss = -torch.log_softmax(scores, dim=1)[:, 1].mean()
        return SimpleNamespace(loss=self.weight * self.factor * loss, terms={})


class Given:
    """Shares that are given, and what was seen of the losses."""

    def __init__(self, own: float, distillation: float, apart: bool = False) -> None:
        self.given, self.apart = (own, distillation), apart
        self.seen: list[tuple[float, float, bool]] = []

    def shares(self):
        return self.given

    def see(self, own, distillation, parameters):
        separate = False
        if self.apart:
            theirs = torch.autograd.grad(distillation, parameters, retain_graph=True, allow_unused=True)
            mine = torch.autograd.grad(own, parameters, retain_graph=True, allow_unused=True)
            pairs = zip(mine, theirs, strict=True)
            separate = any(a is not None and b is not None and not torch.allclose(a, b) for a, b in pairs)
        self.seen.append((float(own.detach()), float(distillation.detach()), separate))


def losses_of(model, batch, reader):
    """The own loss and the objective's, and their gradients, each alone."""
    own = model.calculate_loss(batch)
    mine = torch.autograd.grad(own, list(model.parameters()), allow_unused=True)
    taken = {}

    class Keeps(Objective):
        def __call__(self, rows, targets, read):
            taken["loss"] = super().__call__(rows, targets, read).loss
            return SimpleNamespace(loss=taken["loss"], terms={})

        listed = None

    with attach(model, Keeps(), reader):
        model.calculate_loss(batch)
    theirs = torch.autograd.grad(taken["loss"], list(model.parameters()), allow_unused=True)
    return float(own), float(taken["loss"]), mine, theirs


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("apart", [True, False])
def test_the_step_is_a_times_own_plus_b_times_weight_times_distillation(case, shared, apart):
    """In the shared softmax both are one number: weights that are applied afterwards would weigh both alike."""
    case = case("SASRec", **SMALL)
    model, batch = case.model, case.batch()
    model.eval()
    own, other, mine, theirs = losses_of(model, batch, choose_reader(model, case.probe()))
    if shared:
        defer_logits(model, case.splits.dataset.item_num)
    a, b, weight = 0.5, 3.0, 2.0
    objective, balance = Objective(weight), Given(a, b, apart)
    with attach(model, objective, choose_reader(model, case.probe()), balance=balance) as handle:
        for _ in range(2):
            loss = model.calculate_loss(batch)
        terms = handle.pop_terms()
    assert (objective.taken_batches > 0) == (shared and not apart)
    assert float(loss) == pytest.approx(a * own + b * weight * other, rel=1e-5)
    assert terms["own_loss"] == pytest.approx(a * own, rel=1e-5)
    assert terms["distillation_loss"] == pytest.approx(b * weight * other, rel=1e-5)
    assert terms["loss"] == pytest.approx(float(loss), rel=1e-5)
    assert (terms["balance/own"], terms["balance/distillation"]) == pytest.approx((a, b * weight))
    assert balance.seen[-1] == (pytest.approx(own, rel=1e-5), pytest.approx(other, rel=1e-5), apart)
    found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    for gradient, first, second in zip(found, mine, theirs, strict=True):
        if gradient is None:
            assert first is None
            continue
        parts = [x * y for x, y in ((first, a), (second, b * weight)) if x is not None]
        torch.testing.assert_close(gradient, torch.stack(parts).sum(dim=0), rtol=2e-4, atol=1e-6)


def test_shares_of_one_change_nothing(case):
    """What a balance begins with must be the plain distillation, to the last bit."""
    case = case("SASRec", **SMALL)
    model, batch = case.model, case.batch()
    model.eval()
    found = []
    for balance in (None, Given(1.0, 1.0)):
        with attach(model, Objective(), choose_reader(model, case.probe()), balance=balance):
            loss = model.calculate_loss(batch)
        found.append([float(loss), *torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)])
    assert found[0][0] == found[1][0]
    assert all((a is b) or torch.equal(a, b) for a, b in zip(found[0][1:], found[1][1:], strict=True))


def test_a_batch_without_rows_to_teach_keeps_the_own_losss_share(case):
    """Its step was of the whole own loss: with a share of e^-5 a hundred and fifty times that of the other batches."""
    case = case("BPR")
    model, batch = case.model, case.batch()
    own = float(model.calculate_loss(batch))
    reader = choose_reader(model, case.probe())
    with attach(model, Objective(), reader, rows=lambda interaction: None, balance=Given(0.5, 3.0)):
        assert float(model.calculate_loss(batch)) == pytest.approx(0.5 * own)


def test_weight_zero_asks_no_balance(case):
    """An epoch of a schedule that begins at 0 is a plain one; a division by the weight would be one by zero."""
    case = case("BPR")
    balance = Given(0.5, 3.0)
    with attach(case.model, Objective(0.0), choose_reader(case.model, case.probe()), balance=balance) as handle:
        case.model.calculate_loss(case.batch())
        assert handle.pop_terms() == {}
        assert handle.pop_seconds() == 0
    assert balance.seen == []


def test_a_softmax_that_disagrees_is_found_under_a_faint_weight(case):
    """A schedule that begins with 1e-7 would pass any check of the weighted losses, and share the wrong softmax."""
    case = case("SASRec", **SMALL)
    model, batch = case.model, case.batch()
    defer_logits(model, case.splits.dataset.item_num)

    class Wrong(Objective):
        def __call__(self, rows, targets, read):
            return SimpleNamespace(loss=super().__call__(rows, targets, read).loss + self.weight, terms={})

    objective = Wrong(1e-7)
    with attach(model, objective, choose_reader(model, case.probe())):
        for _ in range(3):
            model.calculate_loss(batch)
    assert objective.taken_batches == 1
