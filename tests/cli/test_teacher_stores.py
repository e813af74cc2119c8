"""``ckd teacher cache --verify``, ``--export`` and ``--import``: the stores of the cache."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ckd_plugins.signals import Layout, Provenance, StoreWriter

from .conftest import Done

Ckd = Callable[..., Done]


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    """Put a store into the cache that the command reads."""

    def write(teacher: str = "unisrec", dataset: str = "tiny-shop") -> Path:
        path = tmp_path / "cache" / "signals" / f"{teacher}-{dataset}-{'0' * 16}-{'1' * 12}"
        hashes = dict.fromkeys(("weights_hash", "data_hash", "split_hash", "text_hash"), "h")
        source = Provenance(teacher=teacher, dataset=dataset, max_length=5, temperature=1.0, **hashes)
        keys, items = np.arange(1, 11, dtype=np.uint64), ["a", "b"]
        with StoreWriter(path, source, Layout.factors(np.ones((2, 3))), keys=keys, items=items, shard_size=4) as writer:
            for shard in writer.pending():
                writer.write(shard, vectors=np.ones((len(shard.rows), 3)))
        return path

    return write


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_whole_stores_are_said_to_be_whole(ckd: Ckd, store: Callable[..., Path]) -> None:
    """Silence would not tell a checked cache from an empty one."""
    first, second = store("unisrec"), store("vqrec")
    done = ckd("teacher", "cache", "--verify")
    assert (done.status, done.err) == (0, "")
    assert [line.split()[0] for line in done.out.splitlines()] == ["teacher", "unisrec", "vqrec"]
    assert all(" whole " in line for line in done.out.splitlines()[1:])
    told = json.loads(ckd("teacher", "cache", "--verify", "--json").out)
    assert [(one["store"], one["whole"], one["instances"]) for one in told] == [
        (str(first), True, 10),
        (str(second), True, 10),
    ]


def test_a_flipped_shard_is_named_with_the_command_that_makes_it_again(ckd: Ckd, store: Callable[..., Path]) -> None:
    """A script sees the status, and a person what to do."""
    damage(store() / "vectors.npy")
    store("vqrec")
    done = ckd("teacher", "cache", "--verify")
    assert done.status == 2
    assert "shard 2 of vectors.npy is damaged" in done.out
    assert done.err.count("\n") == 1
    assert done.err.startswith("ckd: error: 1 of 2 stores is damaged (the first: unisrec-tiny-shop-")
    assert done.err.endswith("rebuild with 'ckd teacher cache unisrec --dataset tiny-shop'\n")


@pytest.mark.parametrize("kept_as", ["", "-int8", "-top100", "-int8-top100"])
def test_a_store_whose_manifest_is_gone_still_has_its_command(
    ckd: Ckd, store: Callable[..., Path], kept_as: str
) -> None:
    """The folder's name tells teacher and dataset, dashes included."""
    path = store()
    (path / "manifest.json").write_bytes(b"{")
    path.rename(path.with_name(path.name + kept_as))
    (told,) = json.loads(ckd("teacher", "cache", "--verify", "--json").out)
    assert (told["teacher"], told["dataset"], told["whole"]) == ("unisrec", "tiny-shop", False)
    assert told["rebuild"] == "ckd teacher cache unisrec --dataset tiny-shop"


def test_teachers_and_dataset_narrow_it_down(ckd: Ckd, store: Callable[..., Path]) -> None:
    """A damaged store of somebody else's must not fail this one's check."""
    damage(store("vqrec") / "vectors.npy")
    store("unisrec")
    assert ckd("teacher", "cache", "unisrec", "--verify").status == 0
    assert ckd("teacher", "cache", "unisrec,vqrec", "--verify").status == 2
    assert ckd("teacher", "cache", "--verify", "-d", "some/where/tiny-shop").status == 2
    done = ckd("teacher", "cache", "unisrec", "--verify", "-d", "other")
    assert done.status == 2
    assert "there is no store of unisrec on other in" in done.err
    assert "did you mean 'unisrec'" in ckd("teacher", "cache", "unisrek", "--verify").err


def test_nothing_named_and_nothing_to_verify_is_one_line(ckd: Ckd) -> None:
    """NAMES and --dataset are needed for making, and must be asked for where they are missing."""
    done = ckd("teacher", "cache", "unisrec")
    assert (done.status, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert "--dataset" in done.err


def test_an_exported_store_teaches_a_student_of_another_family(ckd: Ckd, tiny: Path, tmp_path: Path) -> None:
    """Taken from one cache and put into another, it must be found there by a run with other rows and other item ids."""
    pytest.importorskip("pyarrow")
    words = ["--set", "ckd.text.encoder=words", "--set", "gpu_id=''"]
    file = tmp_path / "unisrec.parquet"
    made = ckd("teacher", "cache", "unisrec", "-d", tiny, *words, "--export", file, "--json", "-q")
    assert made.status == 0, made.err
    about = json.loads(made.out)["unisrec"]
    assert about["exported"] == str(file)
    store = Path(about["store"])
    before = {part.name: part.read_bytes() for part in store.iterdir()}
    shutil.rmtree(store)
    told = ckd("teacher", "cache", "--import", file)
    assert (told.status, told.err) == (0, "")
    assert told.out.splitlines()[1].split()[:2] == ["unisrec", "tiny"]
    assert {part.name: part.read_bytes() for part in store.iterdir()} == before
    by_time = "eval_args={split: {LS: valid_and_test}, order: TO, mode: full, group_by: user}"
    student = [*words, "--set", "epochs=1", "--set", by_time]
    done = ckd("distill", "BPR", "-d", tiny, "-t", "unisrec", *student, "--json", "-q")
    assert done.status == 0, done.err
    assert json.loads(done.out)["ckd"]["teachers"]["unisrec"]["seconds"] == {}


def test_a_damaged_store_is_made_again_by_the_command_that_is_printed(
    ckd: Ckd, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run opens a large store without its checksums: the remedy must look at them, and not say 'reused'."""
    command = ["teacher", "cache", "unisrec", "--dataset", str(tiny)]
    words = ["--set", "ckd.text.encoder=words", "--set", "gpu_id=''", "--json", "-q"]
    store = Path(json.loads(ckd(*command, *words).out)["unisrec"]["store"])
    monkeypatch.setattr("ckd_plugins.signals.store.VERIFY_BYTES", 0)
    good = (store / "vectors.npy").read_bytes()
    for hurt in (lambda: damage(store / "vectors.npy"), lambda: (store / "manifest.json").unlink()):
        hurt()
        assert ckd("teacher", "cache", "--verify").status == 2
        assert set(json.loads(ckd(*command, *words).out)["unisrec"]["seconds"]) == {"cache"}
        assert (store / "vectors.npy").read_bytes() == good
        assert ckd("teacher", "cache", "--verify").status == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["unisrec", "-d", "tiny", "--verify", "--export", "a.parquet"], "give one of them"),
        (["--verify", "--import", "a.parquet"], "give one of them"),
        (["unisrec", "--import", "a.parquet"], "name neither"),
        (["--import", "a.parquet"], "there is no file a.parquet"),
        (["unisrec,vqrec", "-d", "tiny", "--export", "a.parquet"], "2 teachers are named; name one"),
        (["unisrec", "-d", "tiny", "--export", "no/where/a.parquet"], "is no place for a file"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_made(
    ckd: Ckd, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    """A place that cannot be written to must be found out before hours of training."""
    pytest.importorskip("pyarrow")
    done = ckd("teacher", "cache", *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert reason in done.err
    assert not list((tmp_path / "cwd").iterdir())
