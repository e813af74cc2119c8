"""UniM²Rec, reconstructed: item texts and images, whichever an item has, over domains."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from torch import Tensor

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.encoders.cache import encode_domain
from ckd_plugins.domains.images.base import ImageSource
from ckd_plugins.domains.images.encoder import VisionEncoder
from ckd_plugins.domains.images.features import image_features, open_images
from ckd_plugins.errors import DataError
from ckd_plugins.teachers.augment import drop_modality
from ckd_plugins.teachers.features import scaled
from ckd_plugins.teachers.losses import alignment, in_batch_contrastive
from ckd_plugins.teachers.nets.modalities import UniM2RecModel
from ckd_plugins.teachers.nets.sequence import SequenceModel
from ckd_plugins.teachers.pretraining import in_batch
from ckd_plugins.teachers.text_teacher import TextTeacher
from ckd_plugins.teachers.windows import Batch, Windows

__all__ = ["UniM2Rec"]

Float32 = npt.NDArray[np.float32]

_log = logging.getLogger("ckd_plugins")


@dataclass(kw_only=True, eq=False)
class UniM2Rec(TextTeacher):
    r"""A reconstruction of UniM²Rec (Sun et al., "Universal Multi-modal Multi-domain Pre-trained Recommendation").

    Only the abstract (arXiv 2311.01831) could be read, and no program or weights are public. From the abstract: item
    representations from text and image and user preferences over them, both pre-trained on all domains and carried over
    to new ones, for data whose item contents are seriously missing or noisy. All else is this package's: its results
    say nothing about the published method.

    **Items.** Each modality has UniSRec's mixture of whitening experts; a gate mixes what an item has
    (:class:`GatedFusion`). An item with text only gets the text's vector unchanged, one with an image only the image's;
    items with neither share a learned vector.

    **Sequences.** UniSRec's encoder, shared by all domains and modalities.

    **Pre-training**, with negatives from all domains of a batch, :math:`\ell_{si} + \lambda\,\ell_{ti}`: a sequence
    finds its next item, where in histories and in targets, each drawn anew, a share ``modality_drop`` of the items with
    both modalities lacks one of them; and the text of an item finds its image, and the image the text
    (:func:`alignment`).

    **Fine-tuning** is UniSRec's: inductive or transductive, with the pre-trained encoder as it is.

    Without images it is UniSRec on text alone, pre-trained without the sequence-sequence loss; beside the teacher
    ``unisrec`` it then adds little.
    """

    name: ClassVar[str] = "unim2rec"
    settled: ClassVar[tuple[str, ...]] = (*TextTeacher.settled, "n_experts", "image_size")
    files: ClassVar[tuple[str, ...]] = ("images",)
    models: ClassVar[tuple[str, ...]] = ("image_encoder",)

    images: str | dict[str, str] | None = None
    """Where item images or their vectors lie, by item token: one path for all domains, or a mapping from the names of
    domains (datasets, those for pre-training too) to paths; domains that it does not name have none. A path is a
    ``.npz`` with ``tokens`` and ``vectors``, a ``.safetensors`` with ``vectors`` and a JSON list ``tokens`` in its
    metadata, a folder with ``vectors.npy`` and ``tokens.txt`` (one a line), or a folder of image files ``<token>.jpg``,
    ``.jpeg``, ``.png`` or ``.webp``. A vector of zeros counts as no image."""
    image_encoder: str | None = None
    """Vision model for image files: a local folder, or a hub's id that transformers may download."""
    image_size: float | None = 0.1
    """Root mean square of an image vector's elements, as ``text_size``; ``None``: as given."""
    hidden_size: int = 256
    n_layers: int = 2
    n_heads: int = 2
    inner_size: int = 256
    dropout: float = 0.4
    attention_dropout: float = 0.3
    n_experts: int = 8
    """Whitening experts of each modality."""
    adaptor_dropout: float = 0.2
    projection: bool = True
    """A linear layer after the encoder (:class:`SequenceModel` says why)."""
    transductive: bool = True
    """Give each item of the domain a vector of its own beside its content; ``False`` for inductive fine-tuning."""
    modality_drop: float = 0.3
    """Share of the items with text and image that lack one of them, at random, in pre-training."""
    alignment_weight: float = 0.1
    """Weight of the loss that aligns an item's text and image in pre-training; 0 for none."""

    _sizes: tuple[int, int] = field(init=False, default=(0, 0), repr=False)
    _vision: VisionEncoder | None = field(init=False, default=None, repr=False)
    _said: bool = field(init=False, default=False, repr=False)

    # What items are made from.

    def _content(self, domains: Sequence[Domain]) -> Float32:
        """Text and image vectors side by side, zeros for what an item lacks; ``_sizes`` says how wide each is."""
        opened: dict[str, ImageSource] = {}
        texts, images = [], []
        for domain in domains:
            texts.append(self._text_vectors(domain))
            source = self._images(domain, opened)
            images.append(image_features(domain, source) if source is not None else None)
            if images[-1] is None and not domain.has_text.any():
                raise DataError(
                    f"domain {domain.name!r}: no item has a text or an image; name its columns in text_fields or its "
                    f"images in the option images, or use another teacher"
                )
        self._sizes = self._agreed(domains, texts, images)
        if not self._said and all(vectors is None for vectors in images):
            self._said = True
            names = ", ".join(repr(d.name) for d in domains)
            _log.warning("%s: no item of %s has an image; it runs on text alone (option images)", self.name, names)
        rows = []
        for text, image in zip(texts, images, strict=True):
            if image is None:
                image = np.zeros((len(text), self._sizes[1]), np.float32)
            elif self.image_size is not None:
                image = scaled(image, self.image_size)
            rows.append(np.concatenate([text, image], axis=1))
        return np.concatenate(rows)

    def _text_vectors(self, domain: Domain) -> Float32:
        encoder = self._text_encoder()
        if not domain.has_text.any():
            return np.zeros((domain.n_items, encoder.dim), np.float32)
        vectors, _ = encode_domain(domain, encoder, self.cache_dir)
        return vectors if self.text_size is None else scaled(vectors, self.text_size)

    def _images(self, domain: Domain, opened: dict[str, ImageSource]) -> ImageSource | None:
        """The domain's source of images, each path opened once; ``None`` if no path is given for the domain."""
        path = self.images.get(domain.name) if isinstance(self.images, dict) else self.images
        if path is None:
            if isinstance(self.images, dict):
                _log.warning("images of %r: the option images has no path for it, only for %s", domain.name,
                             ", ".join(map(repr, self.images)))  # fmt: skip
            return None
        if path not in opened:
            opened[path] = open_images(path, self._vision_encoder if self.image_encoder else None, self.cache_dir)
        return opened[path]

    def _vision_encoder(self) -> VisionEncoder:
        if self._vision is None:
            self._vision = VisionEncoder(cast(str, self.image_encoder), device=self.device)
        return self._vision

    def _agreed(
        self, domains: Sequence[Domain], texts: Sequence[Float32], images: Sequence[Float32 | None]
    ) -> tuple[int, int]:
        """Sizes of text and image vectors, the same in all domains and as in pre-training before; 0 for no images."""
        learned = _sizes(self._start) if self._start is not None else (0, 0)
        agreed = list(learned)
        for domain, *found in zip(domains, texts, images, strict=True):
            for m, (kind, vectors) in enumerate(zip(("text", "image"), found, strict=True)):
                if vectors is None:
                    continue
                agreed[m] = agreed[m] or vectors.shape[1]
                if vectors.shape[1] != agreed[m]:
                    before = "pre-training had" if learned[m] else "other domains have"
                    raise DataError(
                        f"domain {domain.name!r}: {kind} vectors of size {vectors.shape[1]}, where {before} "
                        f"{agreed[m]}; make all with one {kind} encoder"
                    )
        return agreed[0], agreed[1]

    # The network and its losses.

    def _network(self, inputs: Tensor, *, catalogue: bool) -> UniM2RecModel:
        content = inputs if catalogue else None
        return UniM2RecModel(
            self._shape(), self._sizes, self.n_experts, self.adaptor_dropout, content, transductive=self.transductive
        )

    def _pretrain_loss(self, model: SequenceModel, inputs: Tensor, batch: Batch, windows: Windows) -> Tensor:
        net, seen = cast(UniM2RecModel, model), in_batch(batch, windows, self.device)
        vectors, present = net.modalities(inputs[seen.present])
        # Drawn apart: a history's texts then have to find images, and the other way round.
        history, targets = (net.fusion(vectors, drop_modality(present, self.modality_drop)) for _ in range(2))
        states = net.states(F.embedding(seen.items, history))[seen.row, seen.column]
        loss = in_batch_contrastive(states, targets[seen.target], seen.target, self.temperature)
        if self.alignment_weight:
            text, image = vectors[present.all(dim=1)].unbind(dim=1)
            loss = loss + self.alignment_weight * alignment(text, image, self.temperature)
        return loss

    # On disk.

    def _restore(self, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        self._sizes = _sizes(weights)
        super()._restore(config, weights)

    def _empty(self, weights: dict[str, Tensor]) -> UniM2RecModel:
        return self._network(weights["content_embedding.weight"], catalogue=True)


def _sizes(weights: dict[str, Tensor]) -> tuple[int, int]:
    """Sizes of text and image vectors that weights were made for; 0 for a modality that they do not know."""
    text, image = (weights.get(f"{m}_adaptor.w_gate") for m in ("text", "image"))
    return len(text) if text is not None else 0, len(image) if image is not None else 0
