"""What is kept of a finished run: its metrics and each user's rank, a few kilobytes, in the repository.

The runs take days on a small machine. With their records beside the code, tables are made anew without them, a row can
be added on another machine, and anybody can test other hypotheses on the same ranks.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import click
import numpy as np

Record = dict[str, Any]
KEPT = ("best_valid_score", "best_valid_result", "test_result")


def read_record(path: Path) -> Record | None:
    """A run's record; ``None`` where it is not finished."""
    return dict(json.loads(path.read_text())) if path.is_file() else None


def write_record(path: Path, key: Mapping[str, Any], run: Path) -> Record:
    """Make the record of a finished run.

    Args:
        path: of the record.
        key: all that makes a run another one.
        run: its folder, with ``result.json`` and the ranks of its test.

    Raises:
        click.ClickException: a user has several held-out items.
    """
    from ckd_plugins._version import __version__
    from ckd_plugins.training.per_user import read_per_user
    from ckd_plugins.training.run import write_json

    result = json.loads((run / "result.json").read_text())
    found = read_per_user(run / "per_user-test.npz")
    if len(found.users) != len(found.user):
        raise click.ClickException(f"{run}: the ablation keeps one held-out item a user; split by leave one out")
    record: Record = {
        "key": dict(key),
        "package": __version__,
        **{name: result[name] for name in KEPT},
        "seconds": {name: round(spent, 1) for name, spent in result["ckd"]["seconds"].items()},
        "users": blake2b("\n".join(found.user).encode(), digest_size=8).hexdigest(),
        "k": found.k,
        "ranks": base64.b85encode(zlib.compress(found.rank.astype("<u2").tobytes(), 9)).decode(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, record)
    return record


def by_user(record: Record, metric: str) -> np.ndarray:
    """A metric of each user, ``[U]``, by the order of their tokens."""
    from ckd_plugins.training.per_user import PerUser

    rank = np.frombuffer(zlib.decompress(base64.b85decode(record["ranks"])), "<u2").astype(np.int32)
    place = np.arange(len(rank))
    return PerUser(place, place, rank, place, place, record["k"]).values(metric)
