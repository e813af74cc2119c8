"""What a teacher has seen, told by a sample of hashes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ckd_plugins.domains.domain import Domain
from ckd_plugins.errors import TeacherError
from ckd_plugins.training.teaching import seen
from ckd_plugins.training.teaching.seen import pair_hashes, read_seen, sample, shared, write_seen

RNG = np.random.default_rng(0)
PAIRS = sorted({(f"u{u}", f"i{i}") for u, i in RNG.integers(0, 200, (6000, 2)).tolist()})


def domain(pairs: list[tuple[str, str]]) -> Domain:
    users, items = zip(*pairs, strict=True)
    return Domain.from_interactions("d", users, items)


def test_a_small_dataset_is_counted_exactly() -> None:
    """Half of the pairs, the other way round, and pairs that meet by user and by item only."""
    kept = sample(domain(PAIRS[::2]))
    assert shared(kept, PAIRS[::2]) == (len(PAIRS[::2]), len(PAIRS[::2]))
    assert shared(kept, PAIRS) == (len(PAIRS[::2]), len(PAIRS))
    assert shared(kept, [(i, u) for u, i in PAIRS]) == (0, len(PAIRS))
    assert shared(kept, PAIRS[1::2]) == (0, len(PAIRS[1::2]))
    assert shared(kept, []) == (0, 0)


def test_a_sample_estimates_the_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample of the domain that does not sample the run by the same rule finds next to nothing of a copy."""
    monkeypatch.setattr(seen, "LIMIT", 500)
    kept = sample(domain(PAIRS))
    assert len(kept) == 500
    found, of = shared(kept, PAIRS[: len(PAIRS) // 2])
    assert 150 < of < 350
    assert found == of
    strangers = [(u, f"other{i}") for u, i in PAIRS]
    found, of = shared(kept, [*PAIRS[: len(PAIRS) // 4], *strangers[: len(PAIRS) // 4]])
    assert 0.35 < found / of < 0.65


def test_hashes_of_pairs_do_not_meet() -> None:
    """Users and items are often both numbered from 1: (1, 2) is not (2, 1), and neither is (3, 0)."""
    numbers = [str(n) for n in range(300)]
    users, items = np.repeat(numbers, 300).tolist(), np.tile(numbers, 300).tolist()
    assert len(np.unique(pair_hashes(users, items))) == 90_000


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    """Read as empty, it would let every leak through."""
    path = tmp_path / "seen.safetensors"
    assert read_seen(path) == {}
    kept = sample(domain(PAIRS))
    write_seen(path, {"d": kept})
    assert np.array_equal(read_seen(path)["d"], kept)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(TeacherError, match="cannot be read"):
        read_seen(path)
