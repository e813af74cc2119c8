"""A sample of the interactions that a teacher was pre-trained on, by which a run finds its own test data among them.

The interactions themselves are not in a teacher's folder. Of each domain the lowest hashes of its (user, item) pairs
are: which pairs are in the sample depends on the pairs alone, so that the share of a sample that two sets have in
common estimates the share of all (Broder, "On the resemblance and containment of documents", 1997).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.keys import token_hashes
from ckd_plugins.errors import TeacherError

__all__ = ["pair_hashes", "read_seen", "sample", "shared", "write_seen"]

UInt64 = NDArray[np.uint64]

LIMIT = 1 << 14
"""Pairs of a domain that are kept: 128 KB. A dataset with fewer interactions is kept whole."""


def pair_hashes(users: Sequence[str], items: Sequence[str]) -> UInt64:
    """``uint64 [N]``: a hash for each pair of tokens."""
    mixed = token_hashes(users) * np.uint64(0x9E3779B97F4A7C15) ^ token_hashes(items)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def sample(domain: Domain) -> UInt64:
    """The lowest hashes of a domain's pairs, ascending, ``LIMIT`` at most."""
    user = np.repeat(np.arange(domain.n_users), np.diff(domain.offsets))
    users = [domain.users[u] for u in user.tolist()]
    items = [domain.items[i] for i in domain.sequence.tolist()]
    return np.unique(pair_hashes(users, items))[:LIMIT]


def shared(kept: UInt64, pairs: Iterable[tuple[str, str]]) -> tuple[int, int]:
    """How many of some pairs a sample's domain holds.

    Args:
        kept: what :func:`sample` gave.
        pairs: user and item tokens.

    Returns:
        How many are in the sample, of how many that would be there if the domain held them.
    """
    users, items = zip(*pairs, strict=True) if (pairs := list(pairs)) else ((), ())
    hashes = np.unique(pair_hashes(users, items))
    if len(kept) == LIMIT:
        hashes = hashes[hashes <= kept[-1]]
    return int(np.isin(hashes, kept).sum()), len(hashes)


def write_seen(path: Path, samples: Mapping[str, UInt64]) -> None:
    """Write samples by domain."""
    save_file({name: torch.from_numpy(kept.view(np.int64)) for name, kept in samples.items()}, path)


def read_seen(path: Path) -> dict[str, UInt64]:
    """Read what :func:`write_seen` wrote; nothing where there is no file.

    Raises:
        TeacherError: the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        return {name: kept.numpy().view(np.uint64) for name, kept in load_file(path).items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise TeacherError(f"{path} cannot be read ({error}); train the teacher again") from error
