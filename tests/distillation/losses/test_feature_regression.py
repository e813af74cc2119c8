from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ckd_plugins.distillation.losses import FeatureRegression
from ckd_plugins.distillation.losses.base import VectorShape
from ckd_plugins.distillation.target import Target, TeacherVectors
from ckd_plugins.errors import ConfigError

B, WIDTH, WIDTHS = 6, 4, (3, 5)
SQUARES = ((2.0, 0.5), (7.0, 0.0))


@pytest.fixture
def parts(make_target):
    """Vectors of a student and of two teachers, of which the second lacks two items; float64."""
    generator = torch.Generator().manual_seed(3)
    student = torch.randn(B, 2, WIDTH, generator=generator, dtype=torch.float64)
    vectors = tuple(torch.randn(B, 2, w, generator=generator, dtype=torch.float64) for w in WIDTHS)
    known = torch.ones(2, B, 2, dtype=torch.bool)
    known[1, 2:4, 1] = False
    weights = torch.rand(2, B, generator=generator, dtype=torch.float64)
    weights = weights / weights.sum(0)
    target = make_target(torch.zeros(B, 1, dtype=torch.float64))
    return student, replace(target, weights=weights, vectors=TeacherVectors(vectors, known))


def bound(**options):
    loss = FeatureRegression(**options)
    loss.bind_vectors(WIDTH, [VectorShape(w, s) for w, s in zip(WIDTHS, SQUARES, strict=True)])
    return loss.double()


def total(terms):
    return sum(terms.values())


def test_equation(parts):
    """Guards against one projection for all teachers, weights of another row, and errors on items that are unknown."""
    student, target = parts
    loss = bound()
    found = loss(student, target)
    found = {name: term.detach() for name, term in found.items()}
    assert list(found) == ["regression_rows", "regression_items"]
    for at, side in enumerate(("rows", "items")):
        for b in range(B):
            wanted = 0.0
            for k in range(2):
                layer = loss.estimators[f"{side}-{k}"].experts[0]
                weight, bias = (p.detach().numpy() for p in (layer.weight, layer.bias))
                gap = target.vectors.vectors[k][b, at].numpy() - (weight @ student[b, at].numpy() + bias)
                if target.vectors.known[k, b, at]:
                    wanted += float(target.weights[k, b]) * np.sum(gap**2) / (SQUARES[k][at] or 1.0)
            assert float(found[f"regression_{side}"][b]) == pytest.approx(wanted, rel=1e-12), (side, b)


@pytest.mark.parametrize("of", ["rows", "items"])
def test_one_side_is_that_side_of_both(parts, of):
    """Guards against the wrong vectors under an option's name, and parameters that nobody trains."""
    loss = bound(of=of)
    assert list(loss(*parts)) == [f"regression_{of}"]
    assert all(name.startswith(f"estimators.{of}-") for name, _ in loss.named_parameters())
    total(loss(*parts)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in loss.parameters())


@pytest.mark.parametrize("experts", [1, 3])
def test_gradient_is_right(parts, experts):
    """Guards against a wrong derivative for the student; of a drawn selection with the same draw."""
    student, target = parts
    loss = bound(experts=experts)

    def work(given):
        loss.set_epoch(0)
        return total(loss(given, target))

    assert torch.autograd.gradcheck(work, (student.requires_grad_(),))


def test_vectors_of_another_length_can_be_learned(parts):
    """Guards against a projection that stays as it was drawn: it and the student must reach the teacher together."""
    student, target = parts
    loss, mine = bound(), student.clone().requires_grad_()
    optimizer = torch.optim.Adam([mine, *loss.parameters()], lr=0.05)
    before = float(total(loss(mine, target)).sum())
    for _ in range(300):
        optimizer.zero_grad()
        total(loss(mine, target)).sum().backward()
        optimizer.step()
    assert float(total(loss(mine, target)).sum()) < 0.2 * before


def test_the_scale_of_a_teacher_does_not_matter():
    """Guards against long vectors that drown the other teachers': 1 is the error of an estimate of 0."""
    for size in (1e-2, 1.0, 1e3):
        vectors = size * torch.ones(B, 2, 3)
        loss = FeatureRegression()
        loss.bind_vectors(WIDTH, [VectorShape(3, (3 * size**2, 3 * size**2))])
        with torch.no_grad():
            for parameter in loss.parameters():
                parameter.zero_()
        target = TeacherVectors((vectors,), torch.ones(1, B, 2, dtype=torch.bool))
        terms = loss(torch.ones(B, 2, WIDTH), _target(target))
        torch.testing.assert_close(total(terms), torch.full((B,), 2.0))


def _target(vectors):
    ones = torch.ones(1, B)
    return Target(log_probs=ones.T, gate=ones[0], weights=ones, confidence=ones, consistency=ones, vectors=vectors)


def test_the_temperature_falls_exponentially_and_stays():
    """DE's annealing: guards against one that never ends, starts late, or goes below its end."""
    loss = FeatureRegression(experts=4, first=2.0, last=0.02, epochs=10)
    found = []
    for epoch in range(13):
        loss.set_epoch(epoch)
        found.append(loss.temperature)
    wanted = [2.0 * math.exp(math.log(0.01) * min(epoch, 10) / 10) for epoch in range(13)]
    assert found == pytest.approx(wanted, rel=1e-9)


def test_an_epoch_draws_the_same_noise_whatever_was_before(parts):
    """Guards against a resumed run that is another run, and against equal noise in all batches and epochs."""
    loss = bound(experts=3)
    first, second = total(loss(*parts)), total(loss(*parts))
    assert not torch.equal(first, second)
    loss.set_epoch(1)
    later = total(loss(*parts))
    fresh = bound(experts=3)
    fresh.load_state_dict(loss.state_dict())
    fresh.set_epoch(1)
    assert torch.equal(total(fresh(*parts)), later)
    fresh.set_epoch(0)
    assert torch.equal(total(fresh(*parts)), first)


def test_the_students_random_numbers_do_not_shift(parts):
    """Guards against a student that is another one because of how a projection was drawn."""
    before = torch.get_rng_state()
    loss = bound(experts=3)
    loss(*parts)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_vectors_are_computed_in_float32(parts, dtype):
    """Guards against squared errors in half precision."""
    student, target = parts
    loss = bound().float()
    coarse = student.to(dtype)
    target = replace(target, weights=target.weights.float())
    assert total(loss(coarse, target)).dtype == torch.float32
    torch.testing.assert_close(total(loss(coarse, target)), total(loss(coarse.float(), target)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"experts": 0}, "experts must be 1 or more, not 0"),
        ({"epochs": 0}, "epochs must be 1 or more, not 0"),
        ({"last": 0.0}, "last must be above 0"),
        ({"first": 0.1, "last": 0.5}, "at most first, not 0.5 with first 0.1"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    """Guards against a division by a temperature of 0, and a selection that warms up."""
    with pytest.raises(ConfigError, match=message):
        FeatureRegression(**options)


def test_without_vectors_it_says_so(batch):
    """Guards against scores taken for vectors where somebody ties the parts by hand."""
    student, target, _ = batch
    with pytest.raises(ConfigError, match="compares vectors"):
        FeatureRegression()(student, target)
