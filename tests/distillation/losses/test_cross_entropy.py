from __future__ import annotations

import math

import torch

from ckd_plugins.distillation.losses import KLDivergence, SoftCrossEntropy


def test_equation(batch, reference):
    """Guards against labels and predictions swapped."""
    student, target, mask = batch
    value = SoftCrossEntropy(tau=2.0)(student, target, mask)["cross_entropy"]
    for b in range(6):
        q = reference.softmax((student[b] / 2).tolist(), mask[b].tolist())
        p = target.log_probs[b].exp().tolist()
        wanted = -4 * sum(a * math.log(c) for a, c in zip(p, q, strict=True) if a > 0)
        assert abs(float(value[b]) - wanted) < 1e-12


def test_gradient_is_that_of_the_divergence(batch):
    """Guards the claim of the docstring, and with it the comparison of the two in ablations."""
    student, target, mask = batch
    student.requires_grad_()
    (soft,) = torch.autograd.grad(SoftCrossEntropy()(student, target, mask)["cross_entropy"].sum(), student)
    (divergence,) = torch.autograd.grad(KLDivergence()(student, target, mask)["kl"].sum(), student)
    torch.testing.assert_close(soft, divergence)


def test_a_hard_label_is_ordinary_cross_entropy(make_target):
    """Guards against a value that does not compare with the student's own loss."""
    student, label = torch.randn(4, 5), torch.tensor([0, 4, 2, 2])
    target = make_target(torch.full((4, 5), -1e30).scatter(1, label[:, None], 0.0))
    wanted = torch.nn.functional.cross_entropy(student, label, reduction="none")
    torch.testing.assert_close(SoftCrossEntropy()(student, target)["cross_entropy"], wanted)
