"""A model of the Hugging Face Hub as a text encoder: fetched into the Hub's own cache, and read from there."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ckd_plugins.domains.encoders.folder import FolderEncoder, Pooling
from ckd_plugins.errors import DataError, EnvironmentProblem

__all__ = ["HuggingFace"]

_FILES = ("*.json", "*.txt", "*.model")
# Older models have the second kind instead, which transformers loads as tensors only.
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_INSTALL = "pip install 'ckd-plugins[text]'"


class HuggingFace(FolderEncoder):
    """A transformers or sentence-transformers model by its id on the Hugging Face Hub.

    The Hub's client looks the id up before anything is trained, and keeps the files in its own cache (``HF_HOME``).
    Without a network, or with ``HF_HUB_OFFLINE=1``, what is in that cache is used. Vectors and teachers are kept under
    the model's content, not under its id: if the Hub's ``main`` moves on, they are made anew; a ``revision`` pins it.
    Pooling as for ``folder``.

    Args:
        model: id, such as ``sentence-transformers/all-MiniLM-L6-v2``, or a local folder.
        revision: branch, tag or commit; by default ``main``.
        pooling: ``"mean"`` over tokens, or one token's state: the first's ``"cls"``, or ``"lasttoken"``.
        normalize: scale vectors to length 1.
        max_length: tokens of a text that are read.
        batch_tokens: tokens in one forward pass, padding included.
        device: where to run.

    Raises:
        DataError: if the model is neither to be had nor in the cache, or is no such model.
        EnvironmentProblem: if transformers is not installed.
    """

    name = "huggingface"

    def __init__(
        self,
        model: str,
        *,
        revision: str | None = None,
        pooling: Pooling | None = None,
        normalize: bool | None = None,
        max_length: int | None = None,
        batch_tokens: int = 4096,
        device: str = "cpu",
    ) -> None:
        super().__init__(
            model if Path(model).expanduser().is_dir() else snapshot(model, revision),
            pooling=pooling,
            normalize=normalize,
            max_length=max_length,
            batch_tokens=batch_tokens,
            device=device,
        )


@cache  # all teachers of a process read one snapshot, and the Hub is asked once
def snapshot(model: str, revision: str | None = None) -> Path:
    """Return the folder in the Hub's cache that holds the model's files, after downloading what is missing."""
    try:
        from huggingface_hub import constants, snapshot_download
    except ImportError as error:
        raise EnvironmentProblem(f"text encoder 'huggingface' needs its package: {_INSTALL}") from error
    reason = "its weights are missing"
    cause: Exception | None = None
    try:
        for weights in _WEIGHTS:
            folder = Path(snapshot_download(model, revision=revision, allow_patterns=[*_FILES, weights]))
            if any(folder.glob(weights)):
                return folder
    except Exception as error:  # the network library's, which is another one from version to version
        cause, reason = error, (str(error.__cause__ or error).splitlines() or [type(error).__name__])[0]
    command = f"hf download {model}" if revision is None else f"hf download {model} --revision {revision}"
    raise DataError(
        f"language model {model!r} is not, or not wholly, in {constants.HF_HUB_CACHE} and cannot be downloaded "
        f"({reason}); run '{command}' where there is a network, set HF_HOME to where it put the model, or give a folder"
    ) from cause
