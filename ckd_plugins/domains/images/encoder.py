"""Image files to vectors by a vision model of transformers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ckd_plugins.domains.content import content_digest
from ckd_plugins.domains.encoders.quiet import quiet_transformers
from ckd_plugins.domains.images.base import first_few
from ckd_plugins.errors import DataError, EnvironmentProblem

__all__ = ["VisionEncoder"]

_log = logging.getLogger("ckd_plugins")
_READ = (".safetensors", ".bin", ".json")
_TOLD = 1000  # images between two lines in the log
_FIRST = ("cls_token", "class_embedding")


class VisionEncoder:
    """A vision model of transformers: CLIP, SigLIP, ViT, DINOv2, Swin, ConvNeXt and their like.

    An image's vector is the model's image embedding if it has one (CLIP, SigLIP), else the last layer's first state if
    that stands for the whole image (ViT, DINOv2), else the mean over the last layer's places. Poolers are not asked:
    published weights often lack them, and they would be random.

    Args:
        model: a local folder with ``config.json``, ``preprocessor_config.json`` and weights, or a hub's id. A folder is
            read as it is; an id is looked up by transformers, which downloads unless ``HF_HUB_OFFLINE=1`` is set.
        batch_size: images in one forward pass.
        device: where to run.
    """

    def __init__(self, model: str | Path, *, batch_size: int = 32, device: str = "cpu") -> None:
        self.model, self.batch_size, self.device = str(model), batch_size, device
        self._local = Path(model).expanduser().is_dir()

    @cached_property
    def identity(self) -> str:
        """Digest of a folder's configuration and weights, or the hub's id and commit: the key of cached vectors."""
        if not self._local:
            with self._loading() as (transformers, where):
                config = transformers.AutoConfig.from_pretrained(where)
            return f"{self.model} {config._commit_hash}"
        folder = Path(self.model).expanduser()
        return content_digest(folder, keep=lambda file: file.parent == folder and file.suffix in _READ)

    def encode(self, files: Sequence[Path]) -> npt.NDArray[np.float32]:
        """Return ``float32 [len(files), d]``; zeros, and a line in the log, where a file cannot be read as an image.

        Raises:
            DataError: if the model cannot be loaded, or no file can be read.
            EnvironmentProblem: if transformers or Pillow is not installed.
        """
        processor, model = self._loaded
        vectors, broken = np.zeros((0, 0), np.float32), []
        for begin in range(0, len(files), self.batch_size):
            images, rows = [], []
            for row, file in enumerate(files[begin : begin + self.batch_size], start=begin):
                image = _opened(file)
                if image is None:
                    broken.append(file.name)
                else:
                    images.append(image)
                    rows.append(row)
            if images:
                made = self._forward(processor, model, images)
                if not vectors.size:
                    vectors = np.zeros((len(files), made.shape[1]), np.float32)
                vectors[rows] = made
            if begin // _TOLD != (begin + self.batch_size) // _TOLD:
                _log.info("images: %d of %d encoded (%s)", begin + self.batch_size, len(files), self.model)
        if not vectors.size:
            raise DataError(f"none of {len(files)} image files can be read, {files[0]} among them; check what they are")
        if broken:
            words = "images: %d of %d cannot be read and count as missing: %s"
            _log.warning(words, len(broken), len(files), first_few(broken))
        return vectors

    def _forward(self, processor: Any, model: Any, images: list[Any]) -> npt.NDArray[np.float32]:
        pixels = processor(images=images, return_tensors="pt")["pixel_values"].to(self.device)
        with torch.inference_mode():
            if hasattr(model, "get_image_features"):
                answer = model.get_image_features(pixel_values=pixels)
                pooled: Tensor = answer if isinstance(answer, Tensor) else answer.pooler_output
            else:
                states: Tensor = model(pixel_values=pixels).last_hidden_state
                if states.ndim == 4:  # convolutional: [B, d, height, width]
                    pooled = states.mean(dim=(2, 3))
                elif any(name.endswith(_FIRST) for name, _ in model.named_parameters()):
                    pooled = states[:, 0]
                else:
                    pooled = states.mean(dim=1)
        return pooled.float().cpu().numpy()

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        with self._loading() as (transformers, where):
            processor = transformers.AutoImageProcessor.from_pretrained(where, local_files_only=self._local)
            model = transformers.AutoModel.from_pretrained(where, local_files_only=self._local)
        return processor, model.float().eval().to(self.device)

    @contextmanager
    def _loading(self) -> Iterator[tuple[Any, str]]:
        try:
            import PIL  # noqa: F401
            import transformers
        except ImportError as error:
            raise EnvironmentProblem("images need transformers and pillow: pip install 'ckd-plugins[image]'") from error
        try:
            with quiet_transformers():
                yield transformers, str(Path(self.model).expanduser()) if self._local else self.model
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"image encoder {self.model!r} cannot be loaded ({reason}); give a folder with a vision model or a "
                f"hub's id"
            ) from error


def _opened(file: Path) -> Any:
    """The image in RGB, ``None`` if there is none in the file."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
