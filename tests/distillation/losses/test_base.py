"""What every loss must do."""

from __future__ import annotations

import pytest
import torch

from ckd_plugins.distillation.losses import (
    JensenShannon,
    KLDivergence,
    ListMLE,
    Pairwise,
    ReverseKL,
    SoftCrossEntropy,
    StandardizedMSE,
)
from ckd_plugins.distillation.numerics import LOG_ZERO
from ckd_plugins.errors import ConfigError

ALL = {
    "kl": KLDivergence,
    "reverse_kl": ReverseKL,
    "js": JensenShannon,
    "mse": StandardizedMSE,
    "cross_entropy": SoftCrossEntropy,
    "listwise": lambda: ListMLE(top=3),
    "pairwise": lambda: Pairwise(top=3),
}
TEMPERED = {"kl": KLDivergence, "reverse_kl": ReverseKL, "js": JensenShannon, "cross_entropy": SoftCrossEntropy}


@pytest.fixture(params=ALL)
def name(request):
    return request.param


@pytest.fixture
def loss(name):
    return ALL[name]()


def total(terms):
    return sum(terms.values())


def test_terms_are_named_after_the_loss_and_one_number_a_row(loss, name, batch):
    """Guards against a loss that reduces over the batch: the gate could not weigh its rows."""
    student, target, mask = batch
    terms = loss(student, target, mask)
    assert list(terms) == [name]
    assert terms[name].shape == (6,)
    assert loss.citation.startswith("@")


def test_gradient_is_right(loss, batch):
    """Guards against a wrong derivative, with and without a mask."""
    student, target, mask = batch
    assert torch.autograd.gradcheck(lambda s: total(loss(s, target, mask)), (student.requires_grad_(),))


def test_gradient_is_right_without_a_mask(loss, batch, make_target):
    """Guards against a fast path that differs from the masked one."""
    student, _, _ = batch
    target = make_target(torch.log_softmax(student.flip(0) * 0.7, -1))
    assert torch.autograd.gradcheck(lambda s: total(loss(s, target)), (student.clone().requires_grad_(),))
    everything = torch.ones(6, 7, dtype=torch.bool)
    torch.testing.assert_close(total(loss(student, target)), total(loss(student, target, everything)))


def test_masked_candidates_do_not_matter(loss, batch):
    """Guards against the score of an item that is no candidate of the row moving the loss or being moved."""
    student, target, mask = batch
    elsewhere = torch.where(mask, student, torch.full_like(student, 77.0)).requires_grad_()
    torch.testing.assert_close(total(loss(elsewhere, target, mask)), total(loss(student, target, mask)))
    total(loss(elsewhere, target, mask)).sum().backward()
    assert (elsewhere.grad[~mask] == 0).all()


def test_a_mask_is_the_same_as_leaving_the_candidates_out(loss, batch, make_target):
    """Guards against means over all candidates where some are masked."""
    student, _, _ = batch
    mask = torch.tensor([True, False, True, True, False, True, True])
    log_probs = torch.log_softmax(student.flip(1)[:, mask], -1)
    wide = torch.full_like(student, LOG_ZERO)
    wide[:, mask] = log_probs
    short = total(loss(student[:, mask], make_target(log_probs)))
    torch.testing.assert_close(total(loss(student, make_target(wide), mask.expand(6, -1))), short)


def test_permuting_candidates_changes_nothing(loss, batch, make_target):
    """Guards against anything that depends on a candidate's position."""
    student, target, mask = batch
    order = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    moved = total(loss(student[:, order], make_target(target.log_probs[:, order]), mask[:, order]))
    torch.testing.assert_close(moved, total(loss(student, target, mask)))


def test_a_constant_added_to_the_students_scores_changes_nothing(loss, batch):
    """Guards against matching the origin of scores, which a ranking does not have."""
    student, target, mask = batch
    shift = torch.linspace(-30, 30, 6, dtype=torch.float64)[:, None]
    torch.testing.assert_close(total(loss(student + shift, target, mask)), total(loss(student, target, mask)))


def test_the_target_pulls_the_student_towards_itself(loss, batch):
    """Guards against a flipped sign: following the gradient must rank the target's best item first."""
    _, target, mask = batch
    scores = torch.zeros(6, 7, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([scores], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        total(loss(scores, target, mask)).sum().backward()
        optimizer.step()
    best = scores.detach().masked_fill(~mask, float("-inf")).argmax(-1)
    assert torch.equal(best, target.log_probs.argmax(-1))


@pytest.mark.parametrize("size", [1e4, 1e10])
def test_extreme_scores_stay_finite(loss, size, make_target):
    """Guards against NaN and infinity when a student or a teacher is very sure of something else."""
    pattern = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [-1.0, -1.0, 1.0, 1.0]])
    mask = torch.tensor([[True, True, True, False], [True] * 4, [True, False, True, False]])
    student = (pattern * size).requires_grad_()
    log_probs = torch.log_softmax((-pattern * size).masked_fill(~mask, -3e38), -1).masked_fill(~mask, LOG_ZERO)
    value = total(loss(student, make_target(log_probs), mask))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(student.grad).all()


def test_a_row_with_one_candidate_costs_nothing(loss, make_target):
    """Guards against 0 / 0 where a mask leaves a single candidate."""
    mask = torch.tensor([[False, True, False]])
    student = torch.tensor([[5.0, 1.0, 2.0]], requires_grad=True)
    value = total(loss(student, make_target(torch.tensor([[LOG_ZERO, 0.0, LOG_ZERO]])), mask))
    value.sum().backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert (student.grad == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_scores_are_computed_in_float32(loss, dtype, batch, make_target):
    """Guards against logarithms and sums in half precision; also under autocast."""
    student, target, mask = batch
    coarse, wanted = student.to(dtype), make_target(target.log_probs.float())
    fine = total(loss(coarse.float(), wanted, mask))
    assert fine.dtype == torch.float32
    torch.testing.assert_close(total(loss(coarse, wanted, mask)), fine)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(total(loss(coarse, wanted, mask)), fine)


@pytest.mark.parametrize("name", TEMPERED)
def test_the_temperature_scales_scores_and_gradient(name, batch):
    """Guards against a lost tau^2: raising the temperature would then switch distillation off."""
    student, target, mask = batch
    warm, plain = TEMPERED[name](tau=4.0), TEMPERED[name]()
    torch.testing.assert_close(total(warm(student, target, mask)), 16 * total(plain(student / 4, target, mask)))


@pytest.mark.parametrize("name", [*TEMPERED, "listwise", "pairwise"])
def test_the_temperature_must_be_positive(name):
    """Guards against a division by 0 that shows up as NaN many steps later."""
    with pytest.raises(ConfigError, match=f"loss {name}: tau must be above 0"):
        (TEMPERED | {"listwise": ListMLE, "pairwise": Pairwise})[name](tau=0.0)
