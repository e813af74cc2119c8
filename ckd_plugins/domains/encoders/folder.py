"""Any local folder of a transformers or sentence-transformers model as a text encoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ckd_plugins.domains.content import content_digest
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.domains.encoders.batching import within_budget
from ckd_plugins.domains.encoders.quiet import quiet_transformers
from ckd_plugins.errors import DataError, EnvironmentProblem

__all__ = ["FolderEncoder"]

Pooling = Literal["mean", "cls"]
_READ = (".safetensors", ".bin", ".json", ".model")
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")


class FolderEncoder(TextEncoder):
    """A language model from a local folder; its last layer's states are pooled into one vector a text.

    A sentence-transformers folder says itself how to pool, where to cut and whether to normalise; its arguments below
    override that. A bare transformers folder is pooled by the mean over tokens and not normalised (``pooling="cls"``
    with ``bert-base-uncased`` gives UniSRec's published features).

    Args:
        path: the folder, with ``config.json``, the tokenizer's files and ``model.safetensors``.
        pooling: ``"mean"`` over tokens, or the first token's state ``"cls"``.
        normalize: scale vectors to length 1.
        max_length: tokens of a text that are read.
        batch_tokens: tokens in one forward pass, padding included.
        device: where to run.

    Raises:
        DataError: if the folder is no such model, or pools in a way that is not known here.
        EnvironmentProblem: if transformers is not installed.
    """

    name = "folder"

    def __init__(
        self,
        path: str | Path,
        *,
        pooling: Pooling | None = None,
        normalize: bool | None = None,
        max_length: int | None = None,
        batch_tokens: int = 4096,
        device: str = "cpu",
    ) -> None:
        self.path = Path(path)
        if not (self.path / "config.json").is_file():
            raise DataError(f"{self.path} holds no language model: it has no config.json; export the model there")
        said = _sentence_transformers_settings(self.path)
        config = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
        longest = int(config.get("max_position_embeddings", 512))
        self.pooling: Pooling = pooling or said.get("pooling", "mean")
        self.normalize = bool(said.get("normalize", False) if normalize is None else normalize)
        self.max_length = min(int(max_length or said.get("max_length") or longest), longest)
        self.batch_tokens, self.device = batch_tokens, device
        self.dim = int(config.get("hidden_size") or config["dim"])

    @cached_property
    def identity(self) -> str:
        """Digest of the folder's configuration, vocabulary and weights, and of the settings."""
        settings = f"{self.pooling} {self.normalize} {self.max_length}"
        return content_digest(self.path, keep=self._decides, begin=settings)

    def _decides(self, file: Path) -> bool:
        return file.parent == self.path and (file.suffix in _READ or file.name == "vocab.txt")

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """See :meth:`TextEncoder.encode`; texts of like length share a batch."""
        tokenizer, model = self._loaded
        ids: list[list[int]] = []
        if texts:
            ids = tokenizer(list(texts), truncation=True, max_length=self.max_length)["input_ids"]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        vectors = np.zeros((len(ids), self.dim), dtype=np.float32)
        with torch.inference_mode():
            for rows in within_budget([len(ids[i]) for i in order], self.batch_tokens):
                chosen = [order[r] for r in rows]
                padded, mask = _pad([ids[i] for i in chosen], tokenizer.pad_token_id or 0)
                mask = mask.to(self.device)
                states = model(input_ids=padded.to(self.device), attention_mask=mask).last_hidden_state
                vectors[chosen] = self._pool(states, mask).float().cpu().numpy()
        return vectors

    def _pool(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.pooling == "cls":
            pooled = states[:, 0]
        else:
            weight = mask.unsqueeze(-1).to(states.dtype)
            pooled = (states * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        return torch.nn.functional.normalize(pooled, dim=-1) if self.normalize else pooled

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise EnvironmentProblem(
                f"text encoder {self.name!r} needs transformers: pip install transformers"
            ) from error
        try:
            with quiet_transformers():
                tokenizer = AutoTokenizer.from_pretrained(self.path, local_files_only=True)
                model = AutoModel.from_pretrained(self.path, local_files_only=True)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{self.path} cannot be loaded as a language model ({reason}); export it again") from error
        return tokenizer, model.float().eval().to(self.device)


def _sentence_transformers_settings(path: Path) -> dict[str, Any]:
    """What a sentence-transformers folder says about pooling, normalisation and length; ``{}`` for another folder."""
    if not (path / "modules.json").is_file():
        return {}
    modules = json.loads((path / "modules.json").read_text(encoding="utf-8"))
    kinds = {str(m["type"]).rsplit(".", 1)[-1]: str(m["path"]) for m in modules}
    unknown = [kind for kind in kinds if kind not in _KNOWN_MODULES]
    if unknown:
        raise DataError(f"{path} has a module of type {unknown[0]!r}; known are {', '.join(_KNOWN_MODULES)}")
    said: dict[str, Any] = {"normalize": "Normalize" in kinds}
    length = path / "sentence_bert_config.json"
    if length.is_file():
        said["max_length"] = json.loads(length.read_text(encoding="utf-8")).get("max_seq_length")
    if "Pooling" in kinds:
        pooling = json.loads((path / kinds["Pooling"] / "config.json").read_text(encoding="utf-8"))
        chosen = [key for key, on in pooling.items() if key.startswith("pooling_mode_") and on is True]
        names = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
        if len(chosen) != 1 or chosen[0] not in names:
            raise DataError(f"{path} pools by {' + '.join(chosen) or 'nothing'}; known are the mean and the cls token")
        said["pooling"] = names[chosen[0]]
    return said


def _pad(ids: list[list[int]], pad: int) -> tuple[Tensor, Tensor]:
    width = max(map(len, ids))
    padded = torch.tensor([row + [pad] * (width - len(row)) for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
    return padded, mask
