from __future__ import annotations

import numpy as np
import torch

from ckd_plugins.teachers.nets.fusion import GatedFusion

PRESENT = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 1, 0]], dtype=torch.bool)


def drawn(size: int = 5, n: int = 3) -> GatedFusion:
    torch.manual_seed(0)
    fusion = GatedFusion(size, n).double()
    for parameter in fusion.parameters():
        torch.nn.init.normal_(parameter)
    return fusion


def test_equals_the_equation_in_float64() -> None:
    """A gate that looks at missing modalities, or a softmax over the wrong axis, would train as well."""
    fusion, vectors = drawn(), np.random.default_rng(0).standard_normal((6, 3, 5))
    weight, bias, none = (p.detach().numpy() for p in (fusion.weight, fusion.bias, fusion.no_content))
    wanted = []
    for row, here in zip(vectors, PRESENT.numpy(), strict=True):
        logits = {m: row[m] @ weight[m] + bias[m] for m in range(3) if here[m]}
        total = sum(np.exp(a) for a in logits.values())
        wanted.append(sum(np.exp(a) / total * row[m] for m, a in logits.items()) if logits else none)
    found = fusion(torch.tensor(vectors), PRESENT).detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def test_one_modality_is_taken_over_bit_for_bit() -> None:
    """An item with one modality must be what that modality says, whatever stands in the other's place."""
    fusion, vectors = drawn().float(), torch.randn(6, 3, 5) * 100
    fused = fusion(vectors, PRESENT)
    assert torch.equal(fused[2], vectors[2, 1])
    assert torch.equal(fused[3], vectors[3, 2])
    assert torch.equal(fused[4], fusion.no_content)
    other = vectors.clone()
    other[~PRESENT] = 7.0
    assert torch.equal(fusion(other, PRESENT), fused)


def test_shares_are_even_at_the_start() -> None:
    """A gate that starts by shutting a modality out gives it no gradient to come back by."""
    shares = GatedFusion(5, 3).shares(torch.randn(6, 3, 5), PRESENT)
    torch.testing.assert_close(shares, PRESENT / PRESENT.sum(dim=1, keepdim=True).clamp(min=1))


def test_gradients() -> None:
    """Missing modalities get none, rows without any no NaN."""
    fusion, vectors = drawn(), torch.randn(6, 3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: fusion(v, PRESENT), vectors)
    fusion(vectors, PRESENT).square().sum().backward()
    assert vectors.grad is not None
    assert not vectors.grad[~PRESENT].any()
    assert vectors.grad[PRESENT].any(dim=1).all()
    for parameter in fusion.parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.any()
