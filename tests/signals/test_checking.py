from __future__ import annotations

import pytest

from ckd_plugins.signals import Store
from ckd_plugins.signals.checking import check_store, stores_in


def flip(path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_every_damaged_shard_is_named(tmp_path, world, write_store):
    """Whoever mends a disk wants all of the damage, and not the first of it."""
    path = write_store(tmp_path / "s", world)
    assert check_store(path).whole
    size = (path / "vectors.npy").stat().st_size
    row = 4 * 4
    flip(path / "vectors.npy", size - 1)
    flip(path / "vectors.npy", size - 10 * row)
    flip(path / "items.json", (path / "items.json").read_bytes().index(b"i"))  # still JSON
    told = [damage.partition(" (")[0] for damage in check_store(path).damage]
    assert sorted(told) == [
        "items.json is damaged",
        "shard 0 of vectors.npy is damaged",
        "shard 2 of vectors.npy is damaged",
    ]


def test_a_truncated_file_names_the_first_shard_that_is_cut(tmp_path, world, write_store):
    """A copy that broke off: 10 rows in shards of 4, cut inside row 5."""
    path = write_store(tmp_path / "s", world)
    data = (path / "vectors.npy").read_bytes()
    (path / "vectors.npy").write_bytes(data[: len(data) - 4 * 16 - 8])
    (damage,) = check_store(path).damage
    assert damage.startswith("shard 1 of vectors.npy is truncated")


@pytest.mark.parametrize("name", ["vectors.npy", "keys.npy", "items.json", "manifest.json"])
def test_missing_files_are_damage_and_no_crash(tmp_path, world, write_store, name):
    """The check must tell of every store, those after the worst one included."""
    path = write_store(tmp_path / "s", world)
    (path / name).unlink()
    verdict = check_store(path)
    assert name in verdict.damage[0]
    assert (verdict.manifest is None) == (name == "manifest.json")


def test_a_large_store_is_checked_in_full(tmp_path, world, write_store, monkeypatch):
    """Opening leaves out the checksums of large stores: asking for the check must not."""
    path = write_store(tmp_path / "s", world)
    flip(path / "vectors.npy", -1)
    monkeypatch.setattr("ckd_plugins.signals.store.VERIFY_BYTES", 0)
    Store.open(path)
    assert not check_store(path).whole


def test_what_is_being_written_is_no_store(tmp_path, world, write_store):
    """A half-written store is not damaged: its writer goes on."""
    write_store(tmp_path / "s", world)
    (tmp_path / ".writing" / "t" / "store").mkdir(parents=True)
    assert stores_in(tmp_path) == [tmp_path / "s"]
    assert stores_in(tmp_path / "none") == []
