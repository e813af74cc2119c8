"""Interactions and item texts: domains, instances, readers of data formats, text encoders."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ckd_plugins.domains.atomic import read_atomic
    from ckd_plugins.domains.domain import Domain
    from ckd_plugins.domains.encoders.base import TextEncoder
    from ckd_plugins.domains.encoders.cache import encode_domain
    from ckd_plugins.domains.encoders.folder import FolderEncoder
    from ckd_plugins.domains.encoders.huggingface import HuggingFace
    from ckd_plugins.domains.encoders.minilm import MiniLM
    from ckd_plugins.domains.encoders.wordllama import WordLlama
    from ckd_plugins.domains.instances import Instances
    from ckd_plugins.domains.merging import Merged, merge_domains
    from ckd_plugins.domains.text import build_text

__all__ = [
    "Domain",
    "FolderEncoder",
    "HuggingFace",
    "Instances",
    "Merged",
    "MiniLM",
    "TextEncoder",
    "WordLlama",
    "build_text",
    "encode_domain",
    "merge_domains",
    "read_atomic",
]

_HOME = {
    "Domain": "domain",
    "FolderEncoder": "encoders.folder",
    "HuggingFace": "encoders.huggingface",
    "Instances": "instances",
    "Merged": "merging",
    "MiniLM": "encoders.minilm",
    "TextEncoder": "encoders.base",
    "WordLlama": "encoders.wordllama",
    "build_text": "text",
    "encode_domain": "encoders.cache",
    "merge_domains": "merging",
    "read_atomic": "atomic",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562): listing plugins loads neither torch nor pandas."""
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
