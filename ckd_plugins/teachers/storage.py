"""A teacher on disk: ``config.json`` and ``model.safetensors``, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ckd_plugins._whole import whole
from ckd_plugins.errors import TeacherError

__all__ = ["read", "weights_digest", "write"]

FORMAT = 1


def write(folder: str | Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Write a teacher's settings and weights; the settings come last, so a folder with them is complete."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").unlink(missing_ok=True)
    save_file({k: v.detach().cpu().contiguous() for k, v in weights.items()}, folder / "model.safetensors")
    with whole(folder / "config.json") as beside:
        beside.write_text(json.dumps({"format": FORMAT, **config}, indent=1, ensure_ascii=False), encoding="utf-8")


def read(folder: str | Path, name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the settings and weights that :func:`write` wrote for the teacher ``name``.

    Raises:
        TeacherError: if the folder holds no such teacher, or one of another format.
    """
    folder = Path(folder)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise TeacherError(f"{folder} holds no saved teacher ({error}); give the folder that save() wrote") from error
    if not isinstance(config, dict) or config.get("teacher") != name:
        found = config.get("teacher") if isinstance(config, dict) else None
        raise TeacherError(f"{folder} holds the teacher {found!r}, not {name!r}; load it under its own name")
    if config.get("format") != FORMAT:
        raise TeacherError(f"{folder} has format {config.get('format')!r}, this version reads {FORMAT}; train it again")
    return config, weights


def weights_digest(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> str:
    """Return a hash of settings and weights, 32 hexadecimal digits."""
    digest = blake2b(json.dumps(config, sort_keys=True).encode(), digest_size=16)
    for key in sorted(weights):
        tensor = weights[key].detach().cpu().contiguous()
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
