from __future__ import annotations

import torch

from ckd_plugins.teachers.nets.modalities import UniM2RecModel
from ckd_plugins.teachers.nets.sequence import Shape
from ckd_plugins.teachers.unisrec import UniSRecModel

SHAPE = Shape("transformer", 8, 1, 2, 8, 10, 0.1, 0.1, True)


def content(texts: int = 6, images: int = 4) -> torch.Tensor:
    """Padding; both; text only; image only; neither."""
    torch.manual_seed(1)
    rows = torch.randn(5, texts + images)
    rows[0] = rows[4] = 0
    rows[2, texts:] = 0
    rows[3, :texts] = 0
    return rows


def made(images: int = 4, *, transductive: bool = False) -> UniM2RecModel:
    torch.manual_seed(0)
    inputs = content(images=images)
    model = UniM2RecModel(SHAPE, (6, images), 2, 0.1, inputs, transductive=transductive).eval()
    for parameter in model.fusion.parameters():
        torch.nn.init.normal_(parameter)
    return model


def test_an_item_is_what_its_modalities_say() -> None:
    """Image-only items that were mixed with the adaptor's answer to no text would all lean the same way."""
    model, rows = made(), content()
    vectors = model.catalogue()
    text, image = model.text_adaptor(rows[:, :6]), model.image_adaptor(rows[:, 6:])
    assert torch.equal(vectors[2], text[2])
    assert torch.equal(vectors[3], image[3])
    assert torch.equal(vectors[4], model.fusion.no_content)
    share = torch.stack([text[1], image[1]]).mul(model.fusion.weight).sum(1).add(model.fusion.bias).softmax(0)
    torch.testing.assert_close(vectors[1], share[0] * text[1] + share[1] * image[1])
    assert model.modalities(rows)[1].tolist() == [[False] * 2, [True] * 2, [True, False], [False, True], [False] * 2]


def test_permuted_items_have_permuted_vectors() -> None:
    """An item's vector must not depend on its place or its neighbours."""
    model, rows = made(), content()
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(model.item_vectors(rows[order]), model.item_vectors(rows)[order])
    torch.testing.assert_close(model.item_vectors(rows[1:2]), model.item_vectors(rows)[1:2])


def test_own_vectors_are_added_for_the_whole_catalogue_only() -> None:
    """Other catalogues' rows, in pre-training, have no vectors of their own."""
    model, rows = made(transductive=True), content()
    assert model.item_embedding is not None
    assert torch.equal(model.catalogue(), model.item_vectors(rows) + model.item_embedding.weight)


def test_on_text_alone_it_is_unisrec() -> None:
    """Both the image adaptor that is left out and the one that no item uses must leave the text as it is."""
    for images in (0, 4):
        model = made(images)
        inputs = content(images=images)
        inputs[:, 6:] = 0
        unisrec = UniSRecModel(SHAPE, (6, 2, 0.1), inputs[:, :6].contiguous()).eval()
        known = unisrec.state_dict()
        weights = {k.replace("text_adaptor", "moe_adaptor"): v for k, v in model.state_dict().items()}
        unisrec.load_state_dict({k: weights.get(k, v) for k, v in known.items()})
        assert set(known) - set(weights) == {"plm_embedding.weight"}
        has_text = [1, 2]
        items = model.item_vectors(inputs)[has_text]
        torch.testing.assert_close(items, unisrec.catalogue()[has_text])
        torch.testing.assert_close(model.states(items[None]), unisrec.states(items[None]))


def test_what_carries_over_leaves_the_catalogue_behind() -> None:
    """Another domain's items have other vectors, and as many as it has."""
    kept = made(transductive=True).transferable()
    assert {k.split(".")[0] for k in kept} >= {"text_adaptor", "image_adaptor", "fusion", "trm_encoder"}
    assert not [k for k in kept if k.startswith(("content_embedding", "item_embedding"))]
