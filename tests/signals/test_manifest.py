from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from ckd_plugins.errors import SignalError
from ckd_plugins.signals import Column, Manifest, Provenance
from ckd_plugins.signals.manifest import FORMAT, ShardRecord


@pytest.fixture
def manifest(provenance) -> Manifest:
    return Manifest(
        provenance=provenance,
        kind="factors",
        rows=5,
        items=2,
        shard_size=4,
        columns={"vectors": Column("float16", (3,))},
        arrays={"keys": Column("uint64", (5,)), "item_vectors": Column("float32", (2, 3))},
        checksums={"keys.npy": "aa", "item_vectors.npy": "bb", "items.json": "cc"},
        created="2026-01-01T00:00:00Z",
        package="0.1",
        shards=(ShardRecord(4, {"vectors": "dd"}), ShardRecord(1, {"vectors": "ee"})),
    )


def test_json_round_trip(manifest):
    """A field that is lost or changes its type on the way would be compared as different for ever."""
    assert Manifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize("field", ["teacher", "weights_hash", "data_hash", "split_hash", "text_hash", "max_length"])
def test_mismatch_names_the_field_both_values_and_the_command(manifest, field):
    """A store of other weights or another split must be refused, and the user told how to make the right one."""
    with pytest.raises(SignalError) as error:
        manifest.check({field: "7"}, "/s")
    told = str(error.value)
    mine = asdict(manifest.provenance)[field]
    assert told == (
        f"/s: {field} is {mine!r} and this run needs '7'; rebuild it with 'ckd teacher cache unisrec --dataset games'"
    )


def test_the_first_difference_is_named_in_the_manifests_order(manifest):
    """With other weights and another text, the weights are what the user changed."""
    with pytest.raises(SignalError, match="weights_hash"):
        manifest.check({"text_hash": "x", "weights_hash": "x"})


def test_what_fits_passes(manifest, provenance):
    """1 and 1.0 are one temperature, a summary is for people, and what is not asked is not compared."""
    manifest.check({})
    manifest.check({**asdict(provenance), "summary": "another", "max_length": "50"})
    one = replace(provenance, temperature=1)
    replace(manifest, provenance=one).check({"temperature": 1.0})


def test_unknown_expectation_is_refused(manifest):
    """A misspelt field would never be compared, and every store would fit."""
    with pytest.raises(SignalError, match="wieghts"):
        manifest.check({"wieghts": "x"})


def test_edited_manifest_is_refused(manifest):
    """A hash changed by hand to make a store "fit" must not be believed."""
    with pytest.raises(SignalError, match="changed or damaged"):
        Manifest.from_json(manifest.to_json().replace(b'"w1"', b'"w2"'))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"format": 1}', b"\xff"])
def test_what_is_no_manifest_is_refused_in_one_line(data):
    """A truncated manifest must be a SignalError, not a KeyError from inside."""
    with pytest.raises(SignalError, match="/s: the manifest"):
        Manifest.from_json(data, "/s")


def test_a_later_format_is_refused_before_its_fields_are_read(manifest):
    """A store of a later version may have fields of which this one knows nothing: say so, not "damaged"."""
    later = {**json.loads(manifest.to_json()), "format": FORMAT + 1, "new": 0}
    with pytest.raises(SignalError, match="upgrade ckd-plugins"):
        Manifest.from_json(json.dumps(later).encode())


def test_shards_cover_the_rows_once(manifest):
    """An off-by-one at the last shard would lose rows or read past the end."""
    assert [manifest.shard_range(i) for i in range(manifest.n_shards)] == [(0, 4), (4, 5)]


def test_plan_leaves_out_what_may_differ_between_two_writers_of_one_store(manifest):
    """A new time stamp or summary must not throw away hours of finished shards."""
    later = replace(manifest, created="x", package="y", shards=(), provenance=replace(manifest.provenance, summary=""))
    assert later.plan() == manifest.plan()
    assert replace(manifest, rows=6).plan() != manifest.plan()


def test_provenance_is_frozen(provenance: Provenance):
    """What was compared must be what was opened."""
    with pytest.raises(AttributeError):
        provenance.teacher = "x"  # type: ignore[misc]
