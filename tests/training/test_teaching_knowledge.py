"""What a teacher said, stored: the right rows and items, and asked again where it was damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.store import Store
from ckd_plugins.training.teaching.knowledge import _shard_size

from .conftest import Recorder
from .fakes import LastItem, Teach, vectors


def test_scores_are_the_teachers(ask: Teach, prepare: Any) -> None:
    """Rows, items or padding off by one would teach noise with the same loss curve."""
    taught, at = ask("last"), prepare("SASRec").material.instances
    rows = torch.arange(0, len(at), 11)
    table = torch.from_numpy(vectors(at.items))
    expected = table[at.flat[at.stop[rows] - 1].astype(np.int64)] @ table.T
    items = torch.arange(1, len(at.items) + 1)
    assert taught.signal.known(rows).all()
    assert taught.signal.temperature == 0.5
    torch.testing.assert_close(taught.signal.scores(rows, items), expected, rtol=2e-3, atol=2e-2)
    assert not taught.signal.known_items(torch.tensor([0])).any()


def test_items_that_a_teacher_does_not_know_are_masked(ask: Teach, prepare: Any) -> None:
    """They would be taught as items that score 0, and the others under their neighbours' numbers."""
    whole, part, at = ask("last").signal, ask("partial").signal, prepare("SASRec").material.instances
    rows, items = torch.arange(0, len(at), 11), torch.arange(1, len(at.items) + 1)
    known = torch.arange(len(items)) % 3 != 0
    assert torch.equal(part.known_items(items), known)
    assert torch.equal(part.scores(rows, items)[:, known], whole.scores(rows, items)[:, known])


@pytest.mark.parametrize("vectors", ["float16", "int8"])
def test_the_best_are_stored_beside_where_that_is_asked_for(ask: Teach, vectors: str) -> None:
    """A run without lists must not find one with, nor the other way round; and no teacher is trained again for them."""
    plain, listed = ask("partial"), ask("partial", signals={"vectors": vectors, "top": 3})
    assert listed.store.name.removeprefix(plain.store.name) == {"float16": "-top3", "int8": "-int8-top3"}[vectors]
    assert set(listed.seconds) == {"cache"}
    rows, items = torch.arange(0, 50), torch.arange(1, len(listed.signal._items))
    assert plain.signal.best(rows, 3) is None
    scores = listed.signal.scores(rows, items).masked_fill(~listed.signal.known_items(items), -torch.inf)
    assert torch.equal(listed.signal.best(rows, 3), scores.topk(3).indices + 1)
    torch.testing.assert_close(
        listed.signal.log_probs(rows, items).exp(), (scores / 0.5).softmax(1), atol=1e-5, rtol=1e-4
    )
    assert ask("partial", signals={"vectors": vectors, "top": 3}).reused
    assert ask("lister", signals={"top": 3}).store == ask("lister").store  # a list is all that it has


def test_a_teacher_says_what_holds_outside_its_lists(ask: Teach) -> None:
    """Its option would do nothing."""
    signal = ask("lister").signal
    assert signal.known_items(torch.tensor([4, 5, 6, 8]), torch.tensor([3])).tolist() == [[False, True, False, True]]


def test_another_family_asks_for_its_own_rows_only(ask: Teach) -> None:
    """Fine-tuning again for each student would triple the cost of a study."""
    sequential, users = ask("last"), ask("last", "MultiVAE")
    assert users.folder == sequential.folder
    assert users.store != sequential.store
    assert set(users.seconds) == {"cache"}
    assert LastItem.calls["finetune"] == 1


def damage(store: Path) -> None:
    path = max(store.glob("*.npy"), key=lambda p: p.stat().st_size)
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "how", [damage, lambda s: (s / "manifest.json").write_text("{"), lambda s: (s / "items.json").unlink()]
)
def test_a_damaged_store_is_asked_again(ask: Teach, recorder: Recorder, how: Callable[[Path], Any]) -> None:
    """A full disk or a half copy must not end in wrong scores, nor in an error that only deleting mends."""
    first = ask("last")
    rows, items = torch.arange(50), torch.arange(1, 40)
    expected = first.signal.scores(rows, items)
    how(first.store)
    second = ask("last")
    assert set(second.seconds) == {"cache"}
    assert LastItem.calls["finetune"] == 1
    assert torch.equal(second.signal.scores(rows, items), expected)
    assert any("asking the teacher again" in line for line in recorder.lines)
    Store.open(second.store, verify=True)


def test_a_store_of_other_weights_is_asked_again(ask: Teach, recorder: Recorder) -> None:
    """A teacher that somebody replaced in the cache must not be answered for by its predecessor."""
    first = ask("last")
    (first.folder / "config.json").write_text(json.dumps({"shade": 9, "seed": 0}))
    second = ask("last")
    assert set(second.seconds) == {"cache"}
    assert any("weights_hash" in line for line in recorder.lines)


@pytest.mark.parametrize(("rows", "size"), [(100, 4096), (34_746, 4096), (200_001, 12_501), (10_000_000, 65_536)])
def test_there_is_a_shard_for_each_of_several_processes(rows: int, size: int) -> None:
    """With all rows in one shard, a second process has nothing to do; with tiny ones, prefixes share no pass."""
    assert _shard_size(rows) == size


def test_an_interrupted_cache_is_no_store(ask: Teach, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Rows that were never asked about would read as zeros."""
    with monkeypatch.context() as patch:
        patch.setattr(LastItem, "encode", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ask("last")
    for folder in (tmp_path / "cache" / "signals").glob("[!.]*"):
        with pytest.raises(SignalError):
            Store.open(folder)
    taught = ask("last")
    assert set(taught.seconds) == {"cache"}
    assert taught.signal.known(torch.arange(50)).all()


def test_teachers_are_made_softer_without_being_asked_again(run: Any, fakes: None) -> None:
    """A factor that does nothing, that trains the teacher anew, or that finds the targets of another factor."""
    found = {}
    for factor in (1.0, 8.0):
        for targets in ("once", "batch"):
            section = {"teachers": ["last"], "teacher_temperature": factor, "targets": targets}
            about = run("SASRec", ckd=section, epochs=1)["ckd"]
            found[factor, targets] = about["history"][0]["confidence/last"]
            asked = about["teachers"]["last"]
    assert asked["reused"]
    for targets in ("once", "batch"):
        assert abs(found[8.0, targets] - found[1.0, targets]) > 1e-3


def _spoilt(found: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(found))[:, None] == 3, np.nan, found)


@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("encode", _spoilt, "shard 0 of .*: vectors hold NaN or infinite values; mend the teacher$"),
        (
            "encode",
            lambda found: found[:, :5],
            r"shard 0 of .*: vectors has shape \(\d+, 5\), \(\d+, 8\) belongs there",
        ),
        ("item_factors", _spoilt, "item_vectors hold NaN or infinite values"),
        ("item_factors", lambda found: found[1:], r"item_factors has shape \(59, 8\); .* each of 60 items"),
        ("item_factors", lambda found: np.concatenate([found, found]), "item_factors has shape"),
    ],
)
def test_what_cannot_be_stored_names_the_teacher(
    ask: Teach, monkeypatch: pytest.MonkeyPatch, name: str, spoil: Callable[[np.ndarray], np.ndarray], says: str
) -> None:
    """A shard's number told nobody which of several teachers is to be mended, and float32 holds no more NaN."""
    own = getattr(LastItem, name)
    monkeypatch.setattr(LastItem, name, lambda *args: spoil(own(*args)))
    with pytest.raises(SignalError, match=f"^teacher 'mine' of plugin 'test-teachers': {says}"):
        ask("last", **{"as": "mine"})
