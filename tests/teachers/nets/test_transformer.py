from __future__ import annotations

import numpy as np
import pytest
import torch

from ckd_plugins.teachers.nets.recurrent import GRUEncoder
from ckd_plugins.teachers.nets.transformer import TransformerEncoder


def test_equals_the_equations_in_float64() -> None:
    """Post-norm, scaled by the head's size, causal: each of these wrong still trains."""
    torch.manual_seed(0)
    encoder = TransformerEncoder(1, 2, 8, 6, 0.5, 0.5).double().eval()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    x = np.random.default_rng(0).standard_normal((5, 8))
    w = {k.removeprefix("layer.0."): v.detach().numpy() for k, v in encoder.named_parameters()}

    def linear(name: str, value: np.ndarray) -> np.ndarray:
        return value @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(name: str, value: np.ndarray) -> np.ndarray:
        centred = value - value.mean(-1, keepdims=True)
        return centred / np.sqrt(value.var(-1, keepdims=True) + 1e-12) * w[f"{name}.weight"] + w[f"{name}.bias"]

    q, k, v = (linear(f"multi_head_attention.{n}", x) for n in ("query", "key", "value"))
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        logits = q[:, part] @ k[:, part].T / np.sqrt(4)
        logits[np.triu_indices(5, 1)] = -np.inf
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        heads.append(weights / weights.sum(-1, keepdims=True) @ v[:, part])
    h = norm("multi_head_attention.LayerNorm", linear("multi_head_attention.dense", np.concatenate(heads, -1)) + x)
    inner = torch.nn.functional.gelu(torch.tensor(linear("feed_forward.dense_1", h))).numpy()
    wanted = norm("feed_forward.LayerNorm", linear("feed_forward.dense_2", inner) + h)
    np.testing.assert_allclose(encoder(torch.tensor(x)[None])[0].detach().numpy(), wanted, rtol=1e-9)


@pytest.mark.parametrize(
    "encoder", [TransformerEncoder(2, 2, 8, 6, 0.0, 0.0), GRUEncoder(2, 8, 6, 0.0)], ids=["transformer", "gru"]
)
def test_no_state_sees_what_comes_later(encoder: torch.nn.Module) -> None:
    """A leak of the next item makes training trivial and the teacher useless; padding is on the right as well."""
    x = torch.randn(2, 6, 8)
    changed = x.clone()
    changed[:, 4:] = torch.randn(2, 2, 8)
    first, second = encoder.eval()(x), encoder(changed)
    torch.testing.assert_close(first[:, :4], second[:, :4])
    assert not torch.allclose(first[:, 4:], second[:, 4:])
