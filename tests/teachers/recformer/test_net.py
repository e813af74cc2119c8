from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ckd_plugins.teachers.recformer.backbone import Backbone
from ckd_plugins.teachers.recformer.net import Net
from ckd_plugins.teachers.recformer.shape import NetShape
from ckd_plugins.teachers.recformer.tokens import ItemTokens, TokenBatch

SHAPE = NetShape(
    vocabulary=30,
    hidden_size=16,
    n_layers=2,
    n_heads=2,
    inner_size=24,
    positions=60,
    item_positions=6,
    begin=0,
    pad=1,
    activation="gelu",
    norm_eps=1e-5,
    window=4,
    pooling="first",
    projection=False,
)


def network(shape: NetShape) -> Net:
    """With weights large enough for every part to show."""
    torch.manual_seed(0)
    net = Net(shape).eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.4)
    return net


def batch(multiple: int = 4) -> TokenBatch:
    rng = np.random.default_rng(0)
    lengths = [5, 3, 6]
    offsets = np.cumsum([0, *lengths])
    kinds = np.concatenate([[1, 1] + [2] * (n - 2) for n in lengths]).astype(np.uint8)
    tokens = ItemTokens(rng.integers(2, 30, offsets[-1]).astype(np.int32), kinds, kinds > 0, offsets)
    return tokens.assemble(np.array([[3, 1, 2], [2, 0, 0]]), begin=0, pad=1, longest=50, multiple=multiple)


def norm(x: Tensor, module: nn.LayerNorm) -> Tensor:
    mean, variance = x.mean(), x.var(unbiased=False)
    return (x - mean) / torch.sqrt(variance + module.eps) * module.weight + module.bias


def reference(net: Net, tokens: TokenBatch, row: int) -> Tensor:
    """States of the real tokens of one row, token by token in float64."""
    e, shape = net.embeddings, net.shape
    x = []
    for t in range(int(tokens.real[row].sum())):
        summed = (
            e.word_embeddings.weight[tokens.ids[row, t]]
            + e.position_embeddings.weight[shape.pad + 1 + t]
            + e.token_type_embeddings.weight[tokens.kinds[row, t]]
            + e.item_position_embeddings.weight[tokens.positions[row, t]]
        )
        x.append(norm(summed, e.LayerNorm))
    n, d = len(x), shape.hidden_size // shape.n_heads
    for index in range(shape.n_layers):
        layer = net.encoder.layer[index]
        own = dict(layer.attention.self.named_children())
        mixed = []
        for t in range(n):
            everything = shape.window is not None and t == 0
            suffix = "_global" if everything else ""
            heads = []
            for h in range(shape.n_heads):
                part = slice(h * d, (h + 1) * d)
                query = own[f"query{suffix}"](x[t])[part]
                seen = [
                    s for s in range(n) if shape.window is None or t == 0 or s == 0 or abs(s - t) <= shape.window // 2
                ]
                scores = torch.stack([query @ own[f"key{suffix}"](x[s])[part] for s in seen]) / d**0.5
                weight = torch.softmax(scores, 0)
                values = torch.stack([own[f"value{suffix}"](x[s])[part] for s in seen])
                heads.append((weight.unsqueeze(1) * values).sum(0))
            mixed.append(torch.cat(heads))
        x = [
            norm(layer.attention.output.dense(m) + v, layer.attention.output.LayerNorm)
            for m, v in zip(mixed, x, strict=True)
        ]
        inner = (
            layer.intermediate["dense"] if isinstance(layer.intermediate, nn.ModuleDict) else layer.intermediate.dense
        )
        x = [norm(layer.output.dense(F.gelu(inner(v))) + v, layer.output.LayerNorm) for v in x]
    return torch.stack(x)


@pytest.mark.parametrize("window", [4, None])
def test_states_are_those_of_a_reference_in_loops(window: int | None) -> None:
    """Embeddings that are not summed, a window or a global token that sees too much: all would still train."""
    net, tokens = network(replace(SHAPE, window=window)).double(), batch()
    with torch.no_grad():
        states = net.states(tokens)
        for row in range(2):
            wanted = reference(net, tokens, row)
            torch.testing.assert_close(states[row, : len(wanted)], wanted, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("window", [4, None])
def test_padding_changes_nothing(window: int | None) -> None:
    """A vector that depended on what shares its batch would differ from run to run."""
    net = network(replace(SHAPE, window=window, pooling="mean"))
    with torch.no_grad():
        for pooling in ("first", "mean", "newest"):
            net.shape = replace(net.shape, pooling=pooling)
            narrow, wide = (net.vectors(batch(m), history=True) for m in (4, 24))
            torch.testing.assert_close(narrow, wide, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pooling", ["first", "mean", "newest"])
def test_pooled_is_what_it_says(pooling: str) -> None:
    """The mean must leave padding out, and the newest item is the first one of the text."""
    net, tokens = network(replace(SHAPE, pooling=pooling)), batch()
    states = torch.randn(*tokens.ids.shape, 16)
    read = {"first": [0], "mean": range(15), "newest": range(1, 7)}[pooling]
    wanted = torch.stack([states[0, t] for t in read]).mean(0)
    torch.testing.assert_close(net.pool(states, tokens, history=True)[0], wanted)


def test_projection_is_of_histories_and_starts_as_nothing() -> None:
    """Were items turned too, a history of one item would have that item's vector again."""
    net, tokens = Net(replace(SHAPE, projection=True)).eval(), batch()
    with torch.no_grad():
        before = net.vectors(tokens, history=True)
        torch.testing.assert_close(before, net.vectors(tokens, history=False))
        nn.init.normal_(net.projection.weight)
        assert not torch.allclose(before, net.vectors(tokens, history=True))
        torch.testing.assert_close(before, net.vectors(tokens, history=False))


def test_words_are_not_trained() -> None:
    """As published: the table of words is most of the values and holds what was learned from much more text."""
    net = Net(SHAPE)
    assert [n for n, p in net.named_parameters() if not p.requires_grad] == ["embeddings.word_embeddings.weight"]


def test_masked_words_loss_is_cross_entropy_over_the_given_words() -> None:
    """An index into the smaller vocabulary that is off by one would teach wrong words."""
    net, tokens = network(SHAPE).double(), batch()
    words = torch.unique(torch.cat([tokens.ids[tokens.kinds > 0], torch.tensor([7, 29])]))
    chosen = torch.zeros_like(tokens.real)
    chosen[0, [2, 9]], chosen[1, 1] = True, True
    with torch.no_grad():
        states = net.states(tokens)
        got = net.masked_words(states, tokens, chosen, words)
        table, losses = net.embeddings.word_embeddings.weight, []
        for row, at in ((0, 2), (0, 9), (1, 1)):
            hidden = norm(F.gelu(net.lm_head.dense(states[row, at])), net.lm_head.layer_norm)
            logits = {int(w): hidden @ table[w] + net.lm_head.bias[w] for w in words}
            own = logits[int(tokens.ids[row, at])]
            losses.append(torch.logsumexp(torch.stack(list(logits.values())), 0) - own)
    torch.testing.assert_close(got, torch.stack(losses).mean())
    assert float(net.masked_words(states, tokens, torch.zeros_like(chosen), words)) == 0


@pytest.mark.parametrize("kind", ["bert", "longformer"])
def test_begins_as_the_language_model(make_backbone: Callable[..., str], kind: str) -> None:
    """Weights read into wrong places would make a random model of a pre-trained one."""
    from transformers import AutoModel

    folder = make_backbone(kind)
    model = Backbone(folder)
    shape = model.shape(n_layers=None, window=None, item_positions=6, pooling="first", projection=False)
    assert (shape.window, shape.longest) == ((8, 64) if kind == "longformer" else (None, 66))
    net = Net(shape).eval()
    left = net.load_state_dict(model.weights(shape), strict=False)
    assert not left.unexpected_keys
    assert all(k.startswith("lm_head.") for k in left.missing_keys)
    ids = torch.randint(6, shape.vocabulary, (2, 16))
    ids[:, 0] = shape.begin
    ids[1, 11:] = shape.pad
    kinds = torch.where(ids == shape.pad, 3, 2)
    kinds[:, 0] = 0
    tokens = TokenBatch(ids, kinds, torch.ones_like(ids), ids > 5)
    extra = {"global_attention_mask": torch.eye(16, dtype=torch.long)[:1].repeat(2, 1)} if kind == "longformer" else {}
    with torch.no_grad():
        wanted = AutoModel.from_pretrained(folder).eval()(ids, attention_mask=tokens.real.long(), **extra)
        got = net.states(tokens)
    torch.testing.assert_close(got[tokens.real], wanted.last_hidden_state[tokens.real], atol=1e-5, rtol=1e-4)


def test_a_bert_becomes_a_longformer(bert: str) -> None:
    """A window that holds the whole text is full attention, when the first token's own matrices are copies."""
    model = Backbone(bert)
    states = []
    for window in (None, 32):
        shape = model.shape(n_layers=2, window=window, item_positions=6, pooling="first", projection=False)
        net = Net(shape).eval()
        net.load_state_dict(model.weights(shape), strict=False)
        with torch.no_grad():
            states.append(net.states(batch(32))[batch(32).real])
    torch.testing.assert_close(*states, atol=1e-5, rtol=1e-4)
    assert model.shape(n_layers=1, window=None, item_positions=6, pooling="first", projection=False).n_layers == 1
