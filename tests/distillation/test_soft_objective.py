"""Targets that were integrated before give what integrating in the batch gives, whichever way they reach the loss."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ckd_plugins.distillation import Objective
from ckd_plugins.distillation.candidates import Full
from ckd_plugins.distillation.integrators import ConfidenceConsistency
from ckd_plugins.distillation.losses import KLDivergence, ListMLE, Loss, ReverseKL, SoftCrossEntropy, StandardizedMSE
from ckd_plugins.distillation.soft_objective import SoftObjective
from ckd_plugins.distillation.soft_targets import SoftTargets, integrate
from ckd_plugins.errors import ConfigError, StudentError

N_ROWS, N_ITEMS = 20, 15
ROWS = torch.tensor([0, 3, 7, 1, 12, 19, 4, 8, 9])
NAMES = ["a", "b"]


@pytest.fixture
def signals(table_signal):
    """Two teachers; one lacks rows, none knows rows 3 and 4."""
    draw = torch.Generator().manual_seed(0)
    made = []
    for k, name in enumerate(NAMES):
        rows = torch.rand(N_ROWS, generator=draw) > 0.3 * k
        rows[3:5] = False
        table = 2 * torch.randn(N_ROWS, N_ITEMS, generator=draw, dtype=torch.float64)
        made.append(table_signal(name, table, temperature=0.5 + k, rows=rows))
    return made


@pytest.fixture
def item_of_row():
    return torch.randint(1, N_ITEMS, (N_ROWS,), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def targets(signals, item_of_row):
    """``targets(top)``: the signals integrated, lists of ``top`` items."""

    def make(top: int = N_ITEMS - 1) -> SoftTargets:
        integrator = ConfidenceConsistency()
        integrator.bind(NAMES)
        blocks = list(integrate(signals, integrator, item_of_row, N_ITEMS, top))
        return SoftTargets(**{name: torch.cat([b[name] for b in blocks]) for name in blocks[0]})

    return make


@pytest.fixture
def student():
    table = torch.randn(N_ROWS, N_ITEMS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    table[:, 0] = -1e4  # padding, which the source "full" leaves out and a model's own softmax has
    return table.requires_grad_()


def read(student: Tensor):
    def scores(chosen) -> Tensor:
        items = chosen.items.expand(len(ROWS), -1) if chosen.items.dim() == 1 else chosen.items
        return student[ROWS].gather(1, items)

    return scores


@pytest.mark.parametrize("loss", [KLDivergence(), SoftCrossEntropy(), KLDivergence(tau=2.0), StandardizedMSE()])
def test_whole_lists_are_the_full_catalogue(signals, targets, student, item_of_row, loss: Loss) -> None:
    """Rows, items or gates mixed up on the way to the list and back would train on another row's opinion."""
    integrator = ConfidenceConsistency()
    source = Full()
    source.bind(N_ITEMS, torch.ones(N_ITEMS))
    online = Objective(signals, source, integrator, loss, weight=0.7)
    wanted = online(ROWS, item_of_row[ROWS], read(student))
    over = "list" if isinstance(loss, StandardizedMSE) else "catalogue"
    once = SoftObjective(targets(), NAMES, loss, n_items=N_ITEMS, over=over, weight=0.7)
    found = once(ROWS, item_of_row[ROWS], read(student))
    # half precision keeps three digits of a probability
    torch.testing.assert_close(found.loss, wanted.loss, rtol=5e-3, atol=1e-4)
    for name in wanted.terms:
        torch.testing.assert_close(found.terms[name].double(), wanted.terms[name].double(), rtol=5e-3, atol=1e-3)
    torch.testing.assert_close(
        torch.autograd.grad(found.loss, student)[0],
        torch.autograd.grad(wanted.loss, student)[0],
        rtol=1e-2,
        atol=1e-4,
    )


def test_a_cut_list_is_the_likeliest_items_scaled_up(signals, targets, item_of_row) -> None:
    """A list of arbitrary items, or one that does not sum to 1, would pull the student's whole softmax down."""
    whole, cut = targets(), targets(4)
    known = whole.gate > 0
    assert known.sum() == N_ROWS - 2
    likeliest = whole.probs.float().topk(4).values
    torch.testing.assert_close(cut.mass[known], likeliest.sum(1)[known], rtol=2e-3, atol=1e-3)
    torch.testing.assert_close(cut.probs.float().sum(1), known.float(), rtol=2e-3, atol=2e-3)
    dense = torch.zeros(N_ROWS, N_ITEMS).scatter_(1, whole.ids.long(), whole.probs.float())
    torch.testing.assert_close(
        (dense.gather(1, cut.ids.long()) / cut.mass[:, None].clamp_min(1e-9))[known],
        cut.probs.float()[known],
        rtol=5e-3,
        atol=1e-3,
    )


@pytest.mark.parametrize("loss", [KLDivergence(), SoftCrossEntropy()])
@pytest.mark.parametrize("top", [4, N_ITEMS - 1])
def test_what_a_shared_softmax_takes_is_what_is_read(targets, student, item_of_row, loss: Loss, top: int) -> None:
    """The fast way must not be another loss than the slow one."""
    once = SoftObjective(targets(top), NAMES, loss, n_items=N_ITEMS, over="catalogue", weight=0.7)
    wanted = once(ROWS, item_of_row[ROWS], read(student))
    listed = once.listed(ROWS)
    assert listed is not None
    batch, weights = listed
    rows = -(weights * torch.log_softmax(student[ROWS], dim=1).gather(1, batch.ids)).sum(dim=1)
    found = once.taken(batch, rows.detach())
    torch.testing.assert_close(rows.sum() + found.loss, wanted.loss)
    assert not found.loss.requires_grad
    for name in wanted.terms:
        torch.testing.assert_close(found.terms[name].double(), wanted.terms[name].double())
    torch.testing.assert_close(
        torch.autograd.grad(rows.sum(), student)[0], torch.autograd.grad(wanted.loss, student)[0]
    )


def test_what_is_listed_follows_weight_and_factor(targets):
    """A schedule and a balance set them between batches; the softmax would go on with the ones it began with."""
    once = SoftObjective(targets(), NAMES, KLDivergence(), n_items=N_ITEMS, over="catalogue", weight=1.0)
    listed = once.listed(ROWS)
    assert listed is not None
    once.weight, once.factor = 3.0, 0.5
    later = once.listed(ROWS)
    assert later is not None
    torch.testing.assert_close(later[1], 1.5 * listed[1])


@pytest.mark.parametrize(
    ("loss", "over", "weight"),
    [
        (KLDivergence(tau=2.0), "catalogue", 1.0),
        (ReverseKL(), "catalogue", 1.0),
        (ListMLE(), "list", 1.0),
        (KLDivergence(), "list", 1.0),
        (KLDivergence(), "catalogue", 0.0),
    ],
)
def test_other_losses_read_the_scores(targets, student, item_of_row, loss: Loss, over: str, weight: float) -> None:
    """A loss at another temperature is not in the student's own softmax; weight 0 must do nothing at all."""
    once = SoftObjective(targets(4), NAMES, loss, n_items=N_ITEMS, over=over, weight=weight)
    assert once.listed(ROWS) is None
    found = once(ROWS, item_of_row[ROWS], read(student))
    assert bool(torch.isfinite(found.loss))
    assert found.loss.requires_grad == (weight > 0)
    if weight:
        gradient = torch.autograd.grad(found.loss, student)[0]
        assert bool(torch.isfinite(gradient).all())
        assert float(gradient[3:5].abs().max()) == 0  # nobody knows these rows


def test_mistakes_are_told(targets, item_of_row) -> None:
    """A negative weight pushes the student away from its teachers; scores of a wrong shape would be broadcast."""
    with pytest.raises(ConfigError, match="0 or more"):
        SoftObjective(targets(), NAMES, KLDivergence(), n_items=N_ITEMS, over="list", weight=-1.0)
    once = SoftObjective(targets(4), NAMES, KLDivergence(), n_items=N_ITEMS, over="list")
    with pytest.raises(StudentError, match="scores"):
        once(ROWS, item_of_row[ROWS], lambda chosen: torch.zeros(len(ROWS), 3))
