"""What UniM²Rec does beside what all teachers of texts do: images, alone and together with texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ckd_plugins.domains import Domain, TextEncoder
from ckd_plugins.errors import ConfigError, DataError
from ckd_plugins.teachers import UniM2Rec
from ckd_plugins.teachers.features import scaled
from ckd_plugins.teachers.windows import next_item_windows

from .conftest import SIZE, pictures, walks

Make = Callable[..., UniM2Rec]


@pytest.fixture
def make(words: TextEncoder) -> Make:
    def call(**options: Any) -> UniM2Rec:
        small: dict[str, Any] = dict.fromkeys(("dropout", "attention_dropout"), 0.1)
        small |= {"hidden_size": 16, "inner_size": 16, "n_layers": 1, "n_experts": 2, "batch_size": 128}
        small |= {"learning_rate": 5e-3, "pretrain_epochs": 1, "finetune_epochs": 1}
        return UniM2Rec(encoder=words, **{**small, **options})

    return call


def weights(teacher: UniM2Rec) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in teacher._weights().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in one.items())


def wordless(domain: Domain) -> Domain:
    """Texts that say how far along its chain an item is, and not which chain it is of."""
    return replace(domain, text=tuple(f"step{i % SIZE}" for i in range(domain.n_items)))


def test_what_only_images_say_is_learned(make: Make, tmp_path: Path) -> None:
    """Images that are read and then do not reach the scores would cost time and change nothing."""
    domain = wordless(walks())
    path = pictures(tmp_path / "v.npz", domain)
    best = {}
    for images in (None, str(path)):
        teacher = make(images=images, transductive=False, finetune_epochs=25, patience=25)
        best[images] = teacher.finetune(domain).valid or 0.0
    assert best[str(path)] > 0.7
    assert best[str(path)] > 1.5 * best[None]


def test_items_with_an_image_only_are_learned(make: Make, tmp_path: Path) -> None:
    """A domain of which half the items have no text, and the others no image."""
    whole = walks()
    path = pictures(tmp_path / "v.npz", whole, share=0.5)
    with np.load(path) as file:
        seen = set(file["tokens"].tolist())
    domain = replace(whole, text=tuple(None if i in seen else t for i, t in zip(whole.items, whole.text, strict=True)))
    best = {}
    for images in (None, str(path)):
        teacher = make(images=images, transductive=False, finetune_epochs=25, patience=25)
        best[images] = teacher.finetune(domain).valid or 0.0
    assert best[str(path)] > 1.5 * best[None]
    imageless = make(images=str(path)).finetune(replace(domain, text=(None,) * domain.n_items))
    assert imageless.valid is not None


def test_the_catalogue_holds_texts_and_images_side_by_side(make: Make, words: TextEncoder, tmp_path: Path) -> None:
    """Images by the file's order, or texts in the image's columns, would still train."""
    domain = walks(missing=3)
    path = pictures(tmp_path / "v.npz", domain, share=0.5)
    teacher = make(images=str(path), image_size=0.3, finetune_epochs=0)
    teacher.finetune(domain)
    table = teacher._weights()["content_embedding.weight"].numpy()
    with np.load(path) as file:
        images = dict(zip(file["tokens"].tolist(), file["vectors"], strict=True))
    assert table.shape == (domain.n_items + 1, words.dim + 12)
    assert not table[0].any()
    for row, token, text in zip(table[1:], domain.items, domain.text, strict=True):
        wanted = scaled(words.encode([text])[:1], 0.1)[0] if text else np.zeros(words.dim)
        np.testing.assert_allclose(row[: words.dim], wanted, rtol=1e-5)
        seen = images.get(token)
        wanted = seen / np.sqrt((seen**2).mean()) * 0.3 if seen is not None else np.zeros(12)
        np.testing.assert_allclose(row[words.dim :], wanted, rtol=1e-5)


def test_another_order_of_the_file_is_the_same_teacher(make: Make, tmp_path: Path) -> None:
    """What decides is which image an item has, not where it stands; and a path is no part of a teacher."""
    domain = walks()
    path = pictures(tmp_path / "v.npz", domain, share=0.5)
    with np.load(path) as file:
        order = np.random.default_rng(0).permutation(len(file["tokens"]))
        (tmp_path / "other").mkdir()
        np.save(tmp_path / "other" / "vectors.npy", file["vectors"][order])
        (tmp_path / "other" / "tokens.txt").write_text("\n".join(file["tokens"][order]))
    teachers = [make(images=str(p)) for p in (path, tmp_path / "other")]
    for teacher in teachers:
        teacher.pretrain([domain])
        teacher.finetune(domain)
    assert teachers[0].digest == teachers[1].digest


def test_images_that_match_nothing_are_no_images(make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Both must be the teacher of texts, bit for bit, and say so once rather than at each stage."""
    domain = walks()
    path = pictures(tmp_path / "v.npz", walks("elsewhere"))
    found = []
    for images in (None, str(path)):
        caplog.clear()
        teacher = make(images=images)
        teacher.pretrain([domain])
        teacher.finetune(domain)
        found.append(weights(teacher))
        said = [r.getMessage() for r in caplog.records if "text alone" in r.getMessage()]
        assert said == ["unim2rec: no item of 'walks' has an image; it runs on text alone (option images)"]
    assert "none for 'walks-0-0', 'walks-0-1', 'walks-0-2' and 57 more; no item for 'elsewhere-0-0'" in caplog.text
    assert same(*found)
    assert not any(k.startswith("image_adaptor") for k in found[0])


def test_domains_may_have_images_or_not(make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Pre-training joins catalogues of unlike coverage; what is learned of images must not depend on their order."""
    domains = [walks("one", 120, 1), walks("two", 120, 2), walks("three", 120, 3)]
    paths = {
        "one": pictures(tmp_path / "1.npz", domains[0]),
        "three": pictures(tmp_path / "3.npz", domains[2], share=0.3),
    }
    options = {"images": {name: str(path) for name, path in paths.items()}, "pretrain_epochs": 4}
    for order in ((0, 1, 2), (1, 2, 0)):
        teacher = make(**options)
        history = teacher.pretrain([domains[i] for i in order])
        assert history.epochs[-1].loss < history.epochs[0].loss
        assert teacher._sizes == (16, 12)
    assert "images of 'two': the option images has no path for it, only for 'one', 'three'" in caplog.text
    learned = weights(teacher)
    teacher.save(tmp_path / "saved")
    teacher.finetune(domains[1])  # of which there are no images: what was learned of them stays
    assert torch.equal(weights(teacher)["image_adaptor.w_gate"], learned["image_adaptor.w_gate"])
    loaded = UniM2Rec.load(tmp_path / "saved", encoder=teacher.encoder)
    assert same(weights(loaded), learned)


def test_images_that_come_after_pretraining_on_texts(make: Make, tmp_path: Path) -> None:
    """What was learned of texts is kept; the image adaptor starts anew."""
    teacher = make(finetune_epochs=0)
    teacher.pretrain([walks("one", 60, 1)])
    text_only = weights(teacher)
    domain = walks()
    teacher.images = str(pictures(tmp_path / "v.npz", domain))
    teacher.finetune(domain)
    now = weights(teacher)
    assert all(torch.equal(now[k], v) for k, v in text_only.items())
    assert now["image_adaptor.w_gate"].shape == (12, 2)


def test_the_loss_of_alignment_has_its_weight_and_works(make: Make, tmp_path: Path) -> None:
    """Without it the gate mixes spaces that have nothing to do with each other."""
    domain = walks()
    path, found, losses = str(pictures(tmp_path / "v.npz", domain)), [], []
    for weight in (0.0, 1.0):
        teacher = make(images=path, alignment_weight=weight, modality_drop=0.0, pretrain_epochs=8)
        losses.append(teacher.pretrain([domain]).epochs[0].loss)
        content = torch.from_numpy(teacher._content([domain]))
        model = teacher._network(content, catalogue=False).eval()
        model.load_state_dict(weights(teacher))
        with torch.no_grad():
            text, image = model.modalities(content)[0].unbind(dim=1)
            cosines = torch.nn.functional.cosine_similarity(text[:, None], image[None], dim=-1)
        cluster = torch.arange(domain.n_items) // SIZE
        found.append((cluster[cosines.argmax(dim=1)] == cluster).float().mean().item())
    assert losses[1] > losses[0] + 1
    assert found[1] > 0.9 > found[0]


def test_the_pretraining_loss_equals_its_definition(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Targets fused like histories, or items without an image aligned with zeros, fall to a low loss as well."""
    from ckd_plugins.teachers import unim2rec

    domain = walks(users=12, missing=20)
    teacher = make(images=str(pictures(tmp_path / "v.npz", domain, share=0.5)), alignment_weight=0.7, temperature=0.2)
    content = torch.from_numpy(teacher._content([domain]))
    inputs = torch.cat([torch.zeros_like(content[:1]), content])
    torch.manual_seed(0)
    model = teacher._network(inputs, catalogue=False).eval()
    for parameter in model.fusion.parameters():
        torch.nn.init.normal_(parameter)
    windows = next_item_windows(domain.offsets, domain.sequence.astype(np.int64) + 1, 50)
    (batch,) = windows.batches(1000)
    present = model.modalities(inputs)[1]
    # A history has texts where there are any, a target has images.
    left = [present & torch.tensor([True, False]), present & torch.tensor([False, True])]
    left = [torch.where(mask.any(dim=1, keepdim=True), mask, present) for mask in left]
    shown = np.unique(np.concatenate([[0], batch.items.ravel(), windows.flat[batch.position + 1]]))
    masks = iter([mask[torch.from_numpy(shown)] for mask in left])
    monkeypatch.setattr(unim2rec, "drop_modality", lambda *_: next(masks))
    with torch.no_grad():
        loss = teacher._pretrain_loss(model, inputs, batch, windows).item()
        vectors = model.modalities(inputs)[0]
        history, targets = (model.fusion(vectors, mask) for mask in left)
        total, unit = 0.0, torch.nn.functional.normalize
        wanted = windows.flat[batch.position + 1]
        read = model.states(history[torch.from_numpy(batch.items)])
        for p, (row, column) in enumerate(zip(batch.row, batch.column, strict=True)):
            state = read[row, column]
            negatives = [q for q in range(len(wanted)) if q == p or wanted[q] != wanted[p]]
            cosines = [(unit(state, dim=0) @ unit(targets[wanted[q]], dim=0)).item() / 0.2 for q in negatives]
            total += np.log(np.exp(cosines).sum()) - cosines[negatives.index(p)]
        both = [i for i in shown if present[i].all()]
        assert 2 < len(both) < len(shown)
        text, image = (unit(vectors[both, m], dim=-1).double().numpy() for m in (0, 1))
        logits = text @ image.T / 0.2
        rows, columns = (np.log(np.exp(logits).sum(axis)) - np.diag(logits) for axis in (1, 0))
    assert loss == pytest.approx(total / len(wanted) + 0.7 * (rows.mean() + columns.mean()) / 2, rel=1e-4)


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_histories_and_targets_lose_modalities_apart(
    make: Make, tmp_path: Path, ratio: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One draw for both would never ask a history's texts to find an image."""
    drawn: list[Tensor] = []
    from ckd_plugins.teachers import unim2rec

    stock = unim2rec.drop_modality

    def watched(present: Tensor, share: float) -> Tensor:
        drawn.append(stock(present, share))
        return drawn[-1]

    monkeypatch.setattr(unim2rec, "drop_modality", watched)
    domain = walks(users=60)
    make(images=str(pictures(tmp_path / "v.npz", domain)), modality_drop=ratio).pretrain([domain])
    assert all(torch.equal(a, b) == (ratio == 0) for a, b in zip(drawn[::2], drawn[1::2], strict=True))
    assert (drawn[0][1:].sum(dim=1) == (2 if ratio == 0 else 1)).all()


def test_sizes_that_do_not_fit_are_named(make: Make, tmp_path: Path) -> None:
    """Two vision models in one teacher; found before anything trains."""
    one, two = walks("one", 60, 1), walks("two", 60, 2)
    paths = {d.name: str(pictures(tmp_path / f"{d.name}.npz", d, dim=dim)) for d, dim in ((one, 12), (two, 8))}
    with pytest.raises(DataError, match="domain 'two': image vectors of size 8, where other domains have 12"):
        make(images=paths).pretrain([one, two])
    teacher = make(images=paths)
    teacher.pretrain([one])
    with pytest.raises(DataError, match="domain 'two': image vectors of size 8, where pre-training had 12"):
        teacher.finetune(two)
    with pytest.raises(ConfigError, match=r"modality_drop must be in \[0, 1\], not 1.5"):
        make(modality_drop=1.5)


def test_image_files_are_encoded_into_the_cache(make: Make, tmp_path: Path) -> None:
    """From pixels to factors, with a vision model in a local folder; the second stage reads the cache."""
    from PIL import Image
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, image_size=8, patch_size=4
    )
    ViTModel(config).save_pretrained(tmp_path / "vit")
    ViTImageProcessor(size={"height": 8, "width": 8}).save_pretrained(tmp_path / "vit")
    domain = walks(users=60)
    (tmp_path / "photos").mkdir()
    for n, token in enumerate(domain.items[:20]):
        Image.new("RGB", (9, 9), (12 * n, 200 - 9 * n, 40)).save(tmp_path / "photos" / f"{token}.png")
    options = {"image_encoder": str(tmp_path / "vit"), "cache_dir": str(tmp_path / "cache")}
    teacher = make(images=str(tmp_path / "photos"), **options)
    teacher.finetune(domain)
    (kept,) = (tmp_path / "cache").glob("images.*.safetensors")
    written = kept.stat().st_mtime_ns
    again = make(images={"walks": str(tmp_path / "photos")}, **options)
    again.finetune(domain)
    assert kept.stat().st_mtime_ns == written
    np.testing.assert_array_equal(teacher.item_factors(domain), again.item_factors(domain))
    assert teacher._sizes == (16, 8)
