from __future__ import annotations

import torch

from ckd_plugins.distillation.integrators import Best


def test_the_teacher_that_knew_it_best_teaches_alone(reference):
    """Guards against the likeliest item deciding instead of the real choice, and against ignorant teachers."""
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(3, 9, 6, generator=generator, dtype=torch.float64)
    known = torch.rand(3, 9, generator=generator) > 0.3
    known[:, 0], known[:, 1] = True, False
    target = torch.randint(6, (9,), generator=generator)
    result = Best()(logits, known, target)
    gate = []
    for b in range(9):
        confidence = {k: reference.softmax(logits[k, b].tolist())[target[b]] for k in range(3) if known[k, b]}
        best = max(confidence, key=confidence.get, default=None)
        assert result.weights[:, b].tolist() == [float(k == best) for k in range(3)]
        gate.append(confidence.get(best, 0.0))
        if best is not None:
            torch.testing.assert_close(result.log_probs[b], torch.log_softmax(logits[best, b], -1))
    wanted = torch.tensor(gate, dtype=torch.float64)
    torch.testing.assert_close(result.gate, wanted * int(known.any(0).sum()) / wanted.sum())


def test_equals_share():
    """Guards against the order of teachers deciding where two are equally right."""
    logits = torch.tensor([[[2.0, 0.0, 1.0]], [[2.0, 0.0, 1.0]], [[0.0, 2.0, 0.0]]])
    result = Best()(logits, torch.ones(3, 1, dtype=torch.bool), torch.tensor([0]))
    assert result.weights[:, 0].tolist() == [0.5, 0.5, 0.0]


def test_the_gate_can_be_switched_off():
    """Guards against an ablation that is none; also where no teacher gives the choice anything."""
    logits, known = torch.zeros(2, 2, 3), torch.tensor([[True, False], [True, False]])
    mask = torch.tensor([True, True, False]).expand(2, 2, 3)
    result = Best(gate=False)(logits, known, torch.tensor([2, 0]), mask)
    assert result.gate.tolist() == [1.0, 0.0]
    assert result.weights.tolist() == [[0.5, 0.0], [0.5, 0.0]]
    assert Best()(logits, known, torch.tensor([2, 0]), mask).gate.tolist() == [0.0, 0.0]
