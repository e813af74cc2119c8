from __future__ import annotations

import numpy as np
import pytest
import torch

from ckd_plugins.distillation.integrators import (
    Best,
    Confidence,
    ConfidenceConsistency,
    Consistency,
    Entropy,
    FixedIntegrator,
    Learned,
    UniformIntegrator,
)
from ckd_plugins.distillation.losses import KLDivergence


def bound(integrator, teachers=3):
    """A learned gate that is no longer even, whatever the dtype of what it is shown."""
    integrator.bind([f"t{k}" for k in range(teachers)])
    torch.nn.init.constant_(integrator.outer, 0.7)
    return integrator


ALL = {
    "confidence_consistency": ConfidenceConsistency,
    "confidence": Confidence,
    "consistency": Consistency,
    "entropy": Entropy,
    "best": Best,
    "learned": lambda: bound(Learned(hidden=4)),
    "uniform": UniformIntegrator,
    "fixed": lambda: FixedIntegrator(weights=[1.0, 2.0, 3.0]),
}
SYMMETRIC = [name for name in ALL if name not in ("fixed", "learned")]


@pytest.fixture(params=ALL)
def integrator(request):
    return ALL[request.param]()


def batch(rows=7, items=11, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(3, rows, items, generator=generator, dtype=dtype)
    known = torch.rand(3, rows, generator=generator) > 0.3
    known[:, 0], known[:, 1] = True, False
    mask = torch.rand(3, rows, items, generator=generator) > 0.2
    target = torch.randint(items, (rows,), generator=generator)
    mask[:, torch.arange(rows), target] = True
    return logits, known, target, mask


def same(a, b):
    for name in ("log_probs", "gate", "weights", "confidence", "consistency"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), msg=lambda m, n=name: f"{n}: {m}")


def test_the_target_is_the_weighted_mean_of_the_teachers(integrator, reference):
    """Guards against pooling logits instead of probabilities, and against masked items with mass."""
    logits, known, target, mask = batch()
    result = integrator(logits, known, target, mask)
    p, confidence, consistency = reference.opinions(logits.tolist(), known.tolist(), target.tolist(), mask.tolist())
    torch.testing.assert_close(result.confidence, torch.from_numpy(confidence))
    torch.testing.assert_close(result.consistency, torch.from_numpy(consistency))
    for b in range(7):
        if known[:, b].any():
            wanted = sum(float(result.weights[k, b].detach()) * p[k][b] for k in range(3))
            np.testing.assert_allclose(result.log_probs[b].exp().numpy(), wanted, atol=1e-14)


def test_weights_and_gate_keep_their_promises(integrator):
    """Guards against weights on ignorance, and against an integrator that changes the strength of distillation."""
    logits, known, target, mask = batch()
    result = integrator(logits, known, target, mask)
    row_known = known.any(0)
    torch.testing.assert_close(result.weights.sum(0), row_known.double())
    assert (result.weights[~known] == 0).all()
    assert (result.gate[~row_known] == 0).all()
    assert result.gate[row_known].mean().item() == pytest.approx(1)
    assert (result.gate >= 0).all()


def test_rows_that_nobody_knows_get_a_proper_distribution(integrator):
    """Guards against a row without mass: a loss of infinity times a gate of 0 is NaN."""
    logits, known, target, _ = batch()
    probs = integrator(logits, known, target).log_probs.exp()
    torch.testing.assert_close(probs.sum(-1), torch.ones(7, dtype=torch.float64))
    torch.testing.assert_close(probs[1], torch.full((11,), 1 / 11, dtype=torch.float64))


def test_an_unknown_teachers_scores_do_not_matter(integrator):
    """Guards against the opinion of a teacher on rows it was never asked about leaking into consistency or target."""
    logits, known, target, mask = batch()
    other = torch.where(known.unsqueeze(-1), logits, torch.randn_like(logits) * 50)
    same(integrator(logits, known, target, mask), integrator(other, known, target, mask))


def test_permuting_the_candidates_permutes_the_target(integrator):
    """Guards against anything that depends on a candidate's position."""
    logits, known, target, mask = batch()
    order = torch.randperm(11, generator=torch.Generator().manual_seed(1))
    place = order.argsort()
    plain = integrator(logits, known, target, mask)
    moved = integrator(logits[..., order], known, place[target], mask[..., order])
    torch.testing.assert_close(moved.log_probs, plain.log_probs[:, order])
    torch.testing.assert_close(moved.weights, plain.weights)
    torch.testing.assert_close(moved.gate, plain.gate)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_permuting_the_teachers_permutes_the_weights_only(name):
    """Guards against a first teacher that is treated differently."""
    logits, known, target, mask = batch()
    order = torch.tensor([2, 0, 1])
    plain = ALL[name]()(logits, known, target, mask)
    moved = ALL[name]()(logits[order], known[order], target, mask[order])
    torch.testing.assert_close(moved.log_probs, plain.log_probs)
    torch.testing.assert_close(moved.weights, plain.weights[order])
    torch.testing.assert_close(moved.gate, plain.gate)


def test_a_constant_added_to_a_teachers_scores_changes_nothing(integrator):
    """Guards against integrating raw scores, whose origin means nothing."""
    logits, known, target, mask = batch()
    shift = torch.randn(3, 7, 1, dtype=torch.float64) * 20
    same(integrator(logits, known, target, mask), integrator(logits + shift, known, target, mask))


@pytest.mark.parametrize("name", ["uniform", "confidence", "entropy", "best"])
def test_a_teacher_given_twice_counts_twice_where_scores_are_its_own(name):
    """Guards against hidden interaction: doubling both of two teachers must not move the target."""
    logits, known, target, _ = batch()
    twice = [0, 1, 0, 1]
    once = ALL[name]()(logits[:2], known[:2], target)
    double = ALL[name]()(logits[twice], known[twice], target)
    torch.testing.assert_close(double.log_probs, once.log_probs)
    torch.testing.assert_close(double.gate, once.gate)


def test_equal_teachers_leave_the_distribution_alone(integrator):
    """Guards against a pool that sharpens or flattens what all teachers agree on."""
    logits, _, target, _ = batch()
    known = torch.ones(3, 7, dtype=torch.bool)
    result = integrator(logits[:1].expand(3, -1, -1), known, target)
    torch.testing.assert_close(result.log_probs, torch.log_softmax(logits[0], -1))
    torch.testing.assert_close(result.consistency, torch.ones(3, 7, dtype=torch.float64))


@pytest.mark.parametrize("name", SYMMETRIC)
def test_one_teacher_is_its_own_target(name):
    """Guards against division by K - 1 = 0 teachers."""
    logits, known, target, mask = batch()
    known[0, 2] = True
    result = ALL[name]()(logits[:1], known[:1], target, mask[:1])
    torch.testing.assert_close(
        result.log_probs[2].exp(), torch.softmax(logits[0, 2].masked_fill(~mask[0, 2], -1e9), -1)
    )
    assert result.consistency[0, 2] == 1
    assert result.weights[0, 2] == 1


def test_chunks_of_rows_give_the_whole(integrator):
    """Guards against a row that sees another: the full catalogue is integrated in chunks."""
    logits, known, target, mask = batch()
    whole = integrator.integrate(logits, known, target, mask)
    cuts = [slice(0, 3), slice(3, 7)]
    parts = [integrator.integrate(logits[:, c], known[:, c], target[c], mask[:, c]) for c in cuts]
    torch.testing.assert_close(torch.cat([p.log_probs for p in parts]), whole.log_probs)
    torch.testing.assert_close(torch.cat([p.gate for p in parts]), whole.gate)


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_extreme_scores_stay_finite(integrator, size):
    """Guards against NaN from a teacher with a very low temperature."""
    logits, known, target, mask = batch(dtype=torch.float32)
    result = integrator(logits.sign() * size, known, target, mask)
    for name in ("log_probs", "gate", "weights", "confidence", "consistency"):
        assert torch.isfinite(getattr(result, name)).all(), name


def test_float32_is_close_to_float64(integrator):
    """Guards against cancellation in the divergence of near-equal teachers over many candidates."""
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(1, 4, 20_000, generator=generator, dtype=torch.float64) * 4
    logits = common + 1e-3 * torch.randn(3, 4, 20_000, generator=generator, dtype=torch.float64)
    known, target = torch.ones(3, 4, dtype=torch.bool), torch.tensor([0, 1, 2, 3])
    fine, coarse = integrator(logits, known, target), integrator(logits.float(), known, target)
    torch.testing.assert_close(coarse.consistency.double(), fine.consistency, atol=2e-5, rtol=0)
    torch.testing.assert_close(coarse.log_probs.double(), fine.log_probs, atol=1e-3, rtol=0)


def test_one_integrated_target_has_the_gradient_of_the_sum_over_teachers(reference):
    """Guards the claim that one target is enough: grad sum_k w_k KL(p_k || q) = grad KL(sum_k w_k p_k || q)."""
    logits, _, target, _ = batch()
    known = torch.ones(3, 7, dtype=torch.bool)
    result = ConfidenceConsistency()(logits, known, target)
    student = torch.randn(7, 11, dtype=torch.float64, requires_grad=True)
    (one,) = torch.autograd.grad(KLDivergence()(student, result)["kl"].sum(), student)
    log_q, p = torch.log_softmax(student, -1), torch.softmax(logits, -1)
    apart = sum((result.weights[k] * (p[k] * (p[k].log() - log_q)).sum(-1)).sum() for k in range(3))
    (many,) = torch.autograd.grad(apart, student)
    torch.testing.assert_close(one, many)


def test_a_learned_integrator_gets_finite_gradients():
    """Guards against NaN gradients from log 0 where a weight is 0: later integrators have parameters."""

    class Learned(ConfidenceConsistency):
        def __init__(self):
            super().__init__()
            self.bias = torch.nn.Parameter(torch.zeros(3, 1, dtype=torch.float64))

        def score(self, opinions):
            return super().score(opinions) + self.bias

    logits, known, target, mask = batch()
    integrator = Learned()
    result = integrator(logits, known, target, mask)
    student = torch.randn(7, 11, dtype=torch.float64)
    everyone = (mask & known.unsqueeze(-1)).any(0) | ~known.any(0).unsqueeze(-1)
    (KLDivergence()(student, result, everyone)["kl"] * result.gate).sum().backward()
    assert torch.isfinite(integrator.bias.grad).all()
    assert (integrator.bias.grad != 0).any()
