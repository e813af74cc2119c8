"""Checkpoints of other people: weights and plain values, and nothing that runs.

A RecBole checkpoint is a pickle that holds, beside the weights, a ``Config`` object; ``weights_only=True`` refuses
it, and a plain ``torch.load`` executes whatever the file says. Neither is used here: :mod:`ckd_plugins.host.unpickling`
reads the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ckd_plugins.errors import CheckpointError
from ckd_plugins.host.unpickling import read_object
from ckd_plugins.host.unpickling.names import Refused, Unreadable

__all__ = ["Checkpoint", "read_checkpoint"]


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds."""

    path: Path
    tensors: dict[str, Tensor]
    """The weights by their names, on the CPU: of the file's ``state_dict``, or of the file itself where it is one."""
    values: dict[str, Any]
    """All else: ``epoch``, ``optimizer``, ``config`` (RecBole's ``Config`` as a mapping of its attributes) ..."""

    @property
    def settings(self) -> dict[str, Any]:
        """The RecBole settings in force in the run that wrote the file; empty where it names none."""
        config = self.values.get("config")
        found = config.get("final_config_dict", config) if isinstance(config, dict) else {}
        return dict(found) if isinstance(found, dict) else {}


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read ``.pth``, ``.pt``, ``.bin`` or ``.safetensors``, told by what is in the file.

    Args:
        path: what ``torch.save`` (today's format, or the one before torch 1.6), ``pickle`` or safetensors wrote.

    Raises:
        CheckpointError: there is no such file, it is damaged, it is no checkpoint, or it asks for anything but
            tensors, arrays, plain values and RecBole's settings; the message names what it asked for.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder, and a checkpoint is a file; a teacher's folder is named by 'from'")
    try:
        content = _safetensors(path) if _is_safetensors(path) else read_object(path)
    except Refused as refused:
        raise CheckpointError(
            f"{path} is refused: it asks for {refused}, which could run code; load it where you trust it and save its "
            f"state_dict alone"
        ) from None
    except (Unreadable, OSError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {reason}") from error
    except (RecursionError, MemoryError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint: it is nested too deeply, or too large"
        ) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} is no checkpoint: it holds a {type(content).__name__} and no named weights")
    weights = content.get("state_dict", content)
    if not isinstance(weights, Mapping):
        raise CheckpointError(f"{path} is no checkpoint: its 'state_dict' is a {type(weights).__name__}")
    tensors = {str(name): value for name, value in weights.items() if isinstance(value, Tensor)}
    rest = {str(name): value for name, value in weights.items() if not isinstance(value, Tensor)}
    if weights is not content:
        rest |= {str(name): value for name, value in content.items() if name != "state_dict"}
    return Checkpoint(path, tensors, rest)


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{"


def _safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {**(file.metadata() or {}), **{name: file.get_tensor(name) for name in file.keys()}}  # noqa: SIM118
    except SafetensorError as error:
        raise Unreadable(f"it is no safetensors file, or a damaged one ({error})") from error
