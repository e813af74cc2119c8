from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from ckd_plugins.domains import Domain, TextEncoder
from ckd_plugins.teachers import UniSRec
from ckd_plugins.teachers.features import text_features

PUBLISHED = {
    "position_embedding.weight": (50, 300),
    "LayerNorm.weight": (300,),
    "LayerNorm.bias": (300,),
    **{
        f"trm_encoder.layer.{layer}.{name}": shape
        for layer in (0, 1)
        for name, shape in {
            **{f"multi_head_attention.{n}.weight": (300, 300) for n in ("query", "key", "value", "dense")},
            **{f"multi_head_attention.{n}.bias": (300,) for n in ("query", "key", "value", "dense")},
            "multi_head_attention.LayerNorm.weight": (300,),
            "multi_head_attention.LayerNorm.bias": (300,),
            "feed_forward.dense_1.weight": (256, 300),
            "feed_forward.dense_1.bias": (256,),
            "feed_forward.dense_2.weight": (300, 256),
            "feed_forward.dense_2.bias": (300,),
            "feed_forward.LayerNorm.weight": (300,),
            "feed_forward.LayerNorm.bias": (300,),
        }.items()
    },
    "moe_adaptor.w_gate": (768, 8),
    "moe_adaptor.w_noise": (768, 8),
    **{f"moe_adaptor.experts.{k}.bias": (768,) for k in range(8)},
    **{f"moe_adaptor.experts.{k}.lin.weight": (300, 768) for k in range(8)},
}


def test_names_and_shapes_are_those_of_the_published_checkpoint() -> None:
    """UniSRec-FHCKM-300.pth could not be loaded otherwise."""
    teacher = UniSRec(hidden_size=300, projection=False)
    pretrained = teacher._network(torch.zeros(3, 768), catalogue=False)
    assert {k: tuple(v.shape) for k, v in pretrained.state_dict().items()} == PUBLISHED
    catalogue = teacher._network(torch.zeros(3, 768), catalogue=True).state_dict()
    extra = {k: tuple(v.shape) for k, v in catalogue.items() if k not in PUBLISHED}
    assert extra == {"plm_embedding.weight": (3, 768), "item_embedding.weight": (3, 300)}


def test_text_vectors_are_not_trained(domain: Domain, words: TextEncoder) -> None:
    """They are the language model's, and another domain's teacher reads the same."""
    teacher = UniSRec(encoder=words, hidden_size=16, n_experts=2, finetune_epochs=2)
    teacher.finetune(domain)
    stored = teacher._weights()["plm_embedding.weight"].numpy()
    np.testing.assert_array_equal(stored[1:], text_features(domain, words, size=0.1))
    assert not stored[0].any()


def test_scores_are_the_equations_of_the_transductive_form(domain: Domain, words: TextEncoder) -> None:
    """The state and v + e, both of length 1: what students read must be what was trained."""
    teacher = UniSRec(
        encoder=words, hidden_size=16, n_layers=1, n_heads=2, inner_size=8, n_experts=2, finetune_epochs=1
    )
    teacher.finetune(domain)
    model = teacher._finetuned()
    with torch.no_grad():
        v = model.moe_adaptor(model.plm_embedding.weight) + model.item_embedding.weight
        instances = domain.test_instances()
        history = torch.from_numpy(instances.history(3).astype(np.int64) + 1)
        f = model.LayerNorm(v[history] + model.position_embedding.weight[: len(history)])
        s = model.projection(model.trm_encoder(f[None])[0, -1])
        wanted = torch.cosine_similarity(s[None], v[1:])
    scores = teacher.encode(instances, [3]) @ teacher.item_factors(domain).T
    np.testing.assert_allclose(scores[0], wanted.numpy(), atol=1e-5)


def test_word_drop_is_used_where_it_is_given(domain: Domain, words: TextEncoder) -> None:
    """A second set of vectors that is ignored would go unnoticed: the loss looks the same."""
    options = {"hidden_size": 16, "n_experts": 2, "pretrain_epochs": 1, "sequence_weight": 1.0, "word_drop_share": 1.0}
    texts = words.encode([t or "" for t in domain.text])
    losses = []
    for word_drop in (None, [texts], [-texts]):
        teacher = UniSRec(encoder=words, **options)
        losses.append(teacher.pretrain([domain], word_drop=word_drop).epochs[0].loss)
        assert teacher._word_drop is None
    assert len(set(losses)) == 3


def test_sequence_loss_has_its_weight(domain: Domain, words: TextEncoder) -> None:
    """At 0 the second forward pass is saved, at 1 the loss holds both terms in full."""
    losses = []
    for weight in (0.0, 1e-3, 1.0):
        teacher = UniSRec(encoder=words, hidden_size=16, n_experts=2, pretrain_epochs=1, sequence_weight=weight)
        losses.append(teacher.pretrain([domain]).epochs[0].loss)
    assert losses[1] - losses[0] < 0.5 < 1 < losses[2] - losses[0]


def test_parameters_are_those_of_the_saved_weights(domain: Domain, words: TextEncoder, tmp_path: Path) -> None:
    """A report that counts a teacher too small makes serving it look cheap."""
    teacher = UniSRec(encoder=words, hidden_size=16, n_experts=2, finetune_epochs=1)
    teacher.finetune(domain)
    teacher.save(tmp_path)
    assert teacher.parameters == sum(v.size for v in load_file(tmp_path / "model.safetensors").values())
