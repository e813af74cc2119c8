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
from ckd_plugins.errors import DataError, EnvironmentProblem

__all__ = ["FolderEncoder"]

Pooling = Literal["mean", "cls"]
_READ = (".safetensors", ".bin", ".json", ".model")
_VOCABULARIES = ("vocab.txt", "merges.txt")
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")
_SIZES = ("hidden_size", "dim", "d_model", "n_embd")  # what architectures call the size of their states


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
        self.path = Path(path).expanduser()
        if not self.path.is_dir():
            raise DataError(
                f"folder {str(path)!r} does not exist; models of the Hugging Face Hub are read by the text encoder "
                f"'huggingface'"
            )
        if not (self.path / "config.json").is_file():
            raise DataError(f"{self.path} holds no language model: it has no config.json; export the model there")
        said = _sentence_transformers_settings(self.path)
        config = _json(self.path / "config.json")
        size = next((config[name] for name in _SIZES if name in config), None)
        if size is None:
            raise DataError(f"{self.path / 'config.json'} has none of {', '.join(_SIZES)}; it is no text model's")
        # A tokenizer says how many tokens there are positions for; RoBERTa's configuration counts two too many.
        tokenizer = self.path / "tokenizer_config.json"
        tokens = _json(tokenizer).get("model_max_length") if tokenizer.is_file() else None
        longest = min(int(config.get("max_position_embeddings", 512)), int(tokens or 512))
        self.pooling: Pooling = pooling or said.get("pooling", "mean")
        self.normalize = bool(said.get("normalize", False) if normalize is None else normalize)
        self.max_length = min(int(max_length or said.get("max_length") or longest), longest)
        self.batch_tokens, self.device = batch_tokens, device
        self.dim = int(size)

    @cached_property
    def identity(self) -> str:
        """Digest of the folder's configuration, vocabulary and weights, and of the settings."""
        settings = f"{self.pooling} {self.normalize} {self.max_length}"
        return content_digest(self.path, keep=self._decides, begin=settings)

    def _decides(self, file: Path) -> bool:
        return file.parent == self.path and (file.suffix in _READ or file.name in _VOCABULARIES)

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """See :meth:`TextEncoder.encode`; texts of like length share a batch."""
        tokenizer, model = self._loaded
        ids: list[list[int]] = []
        if texts:
            ids = tokenizer(list(texts), truncation=True, max_length=self.max_length)["input_ids"]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        vectors = np.zeros((len(ids), self.dim), dtype=np.float32)
        with torch.inference_mode():
            for rows in _batches([len(ids[i]) for i in order], self.batch_tokens):
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
            from transformers.utils import logging
        except ImportError as error:
            raise EnvironmentProblem(
                f"text encoder {self.name!r} needs transformers: pip install transformers"
            ) from error
        # The bar over a model of a second's loading would break into the caller's own progress.
        bar = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            # Code that comes with a model is refused: nothing from outside is executed.
            given = {"local_files_only": True, "trust_remote_code": False}
            tokenizer = AutoTokenizer.from_pretrained(self.path, **given)
            model = AutoModel.from_pretrained(self.path, **given)
        except (OSError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(f"{self.path} cannot be loaded as a language model ({reason}); export it again") from error
        finally:
            if bar:
                logging.enable_progress_bar()
        if getattr(model.config, "is_encoder_decoder", False):
            model = model.get_encoder()
        # Weights in half precision are computed with in single: on a CPU half is slow, and sums lose digits.
        return tokenizer, model.float().eval().to(self.device)


def _sentence_transformers_settings(path: Path) -> dict[str, Any]:
    """What a sentence-transformers folder says about pooling, normalisation and length; ``{}`` for another folder."""
    if not (path / "modules.json").is_file():
        return {}
    modules = _json(path / "modules.json")
    kinds = {str(m["type"]).rsplit(".", 1)[-1]: str(m["path"]) for m in modules}
    unknown = [kind for kind in kinds if kind not in _KNOWN_MODULES]
    if unknown:
        raise DataError(f"{path} has a module of type {unknown[0]!r}; known are {', '.join(_KNOWN_MODULES)}")
    said: dict[str, Any] = {"normalize": "Normalize" in kinds}
    length = path / "sentence_bert_config.json"
    if length.is_file():
        said["max_length"] = _json(length).get("max_seq_length")
    if "Pooling" in kinds:
        pooling = _json(path / kinds["Pooling"] / "config.json")
        chosen = [key for key, on in pooling.items() if key.startswith("pooling_mode_") and on is True]
        names = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
        if len(chosen) != 1 or chosen[0] not in names:
            raise DataError(f"{path} pools by {' + '.join(chosen) or 'nothing'}; known are the mean and the cls token")
        said["pooling"] = names[chosen[0]]
    return said


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}); export the model again") from error


def _batches(lengths: list[int], batch_tokens: int) -> list[range]:
    """Consecutive ranges over ascending ``lengths`` whose padded size stays within ``batch_tokens``."""
    batches, first = [], 0
    for end in range(1, len(lengths) + 1):
        if end == len(lengths) or lengths[end] * (end + 1 - first) > batch_tokens:
            batches.append(range(first, end))
            first = end
    return batches


def _pad(ids: list[list[int]], pad: int) -> tuple[Tensor, Tensor]:
    width = max(map(len, ids))
    padded = torch.tensor([row + [pad] * (width - len(row)) for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
    return padded, mask
