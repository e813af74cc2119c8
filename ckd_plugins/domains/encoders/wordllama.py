"""WordLlama's static vectors from its PyPI package: thousands of texts a second, without a language model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.content import content_digest
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.errors import EnvironmentProblem

__all__ = ["WordLlama"]

_INSTALL = "pip install 'ckd-plugins[wordllama]'"
_WEIGHTS = Path("weights/l2_supercat_256.safetensors")
_TOKENIZER = Path("tokenizers/l2_supercat_tokenizer_config.json")
_BLOCK = 128  # texts at once; their tokens' vectors are held in memory


class WordLlama(TextEncoder):
    """The mean of WordLlama's vectors of a text's tokens (256 d), as the package ``wordllama`` carries them.

    Word order does not count, and every token counts the same. A hundred times as fast as a small language model: for
    tests, first looks and large catalogues.

    Raises:
        EnvironmentProblem: if the package is not installed, or is a version without these files.
    """

    name = "wordllama"
    dim = 256

    def __init__(self) -> None:
        self._folder = _package()

    @cached_property
    def identity(self) -> str:
        """Digest of the weights and the tokenizer."""
        begin = content_digest(self._folder / _TOKENIZER)
        return content_digest(self._folder / _WEIGHTS, begin=begin)

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """See :meth:`TextEncoder.encode`."""
        tokenizer, table = self._loaded
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for begin in range(0, len(texts), _BLOCK):
            found = tokenizer.encode_batch_fast(list(texts[begin : begin + _BLOCK]), add_special_tokens=False)
            ids = [encoding.ids for encoding in found]
            lengths = np.array([len(i) for i in ids])
            some = np.flatnonzero(lengths)
            if not len(some):
                continue
            start = np.cumsum(lengths[some]) - lengths[some]
            sums = np.add.reduceat(table[np.concatenate([ids[i] for i in some])], start, axis=0)
            vectors[begin + some] = sums / lengths[some, None].astype(np.float32)
        return vectors

    @cached_property
    def _loaded(self) -> tuple[Any, npt.NDArray[np.float32]]:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._folder / _TOKENIZER))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        # Half precision on disk; sums are made in single.
        return tokenizer, load_file(self._folder / _WEIGHTS)["embedding.weight"].astype(np.float32)


def _package() -> Path:
    # Found without an import: the package sets up logging for the whole process, and 0.4.0 looks for its tokenizer in a
    # folder that it does not have and then downloads it.
    spec = find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations or find_spec("tokenizers") is None:
        raise EnvironmentProblem(f"text encoder 'wordllama' needs its package: {_INSTALL}")
    folder = Path(spec.submodule_search_locations[0])
    missing = [str(file) for file in (_WEIGHTS, _TOKENIZER) if not (folder / file).is_file()]
    if missing:
        raise EnvironmentProblem(f"text encoder 'wordllama': {folder} has no {missing[0]}; get it anew: {_INSTALL}")
    return folder
