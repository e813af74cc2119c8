"""The published files give the datasets that are used everywhere else again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckd_plugins.domains.atomic import read_atomic
from ckd_plugins.domains.importers import Filters, Importer, import_dataset
from ckd_plugins.domains.importers.lcrec import LCRec
from ckd_plugins.domains.importers.unisrec import UniSRec

DATA = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.parametrize(
    ("name", "importer", "filters"),
    [
        ("office", LCRec(DATA / "lcrec" / "Office"), Filters()),
        ("scientific", UniSRec(DATA / "unisrec" / "Scientific"), Filters(max_history=50)),
    ],
    ids=["office", "scientific"],
)
def test_the_files_are_the_same_byte_for_byte(name: str, importer: Importer, filters: Filters, tmp_path: Path) -> None:
    """Results on an import that differs anywhere could not be compared with those that are printed."""
    import_dataset(importer, tmp_path / name, filters)
    for ending in ("inter", "item"):
        file = f"{name}.{ending}"
        assert (tmp_path / name / file).read_bytes() == (DATA / name / file).read_bytes(), file


def rows(part: str) -> list[tuple[str, tuple[str, ...], str]]:
    lines = (DATA / "unisrec" / "Scientific" / f"Scientific.{part}.inter").read_text(encoding="utf-8").splitlines()[1:]
    return [(user, tuple(history.split()), target) for user, history, target in (line.split("\t") for line in lines)]


def test_leave_one_out_gives_unisrecs_own_rows_again(tmp_path: Path) -> None:
    """Without the part of long histories that only training rows show, 43 training rows would be lost."""
    summary = import_dataset(UniSRec(DATA / "unisrec" / "Scientific"), tmp_path / "scientific")
    assert (summary.users, summary.items, summary.interactions) == (8442, 4385, 59427)
    domain = read_atomic(tmp_path / "scientific")
    for part, made in (
        ("train", domain.train_instances(50)),
        ("valid", domain.valid_instances(50)),
        ("test", domain.test_instances(50)),
    ):
        items = np.array(made.items)
        ours = [
            (made.users[u], tuple(items[made.flat[a:b]].tolist()), str(items[t]))
            for u, a, b, t in zip(made.user, made.start, made.stop, made.target, strict=True)
        ]
        assert sorted(ours) == sorted(rows(part)), part


def test_recbole_makes_unisrecs_own_rows(recbole_rows: Callable[..., Any], tmp_path: Path) -> None:
    """What a student is trained and judged on is RecBole's doing, not our reader's."""
    import_dataset(UniSRec(DATA / "unisrec" / "Scientific"), tmp_path / "scientific")
    made = recbole_rows(tmp_path / "scientific")
    for part in ("train", "valid", "test"):
        assert sorted(made[part]) == sorted(rows(part)), part


def test_asins_stand_for_the_numbers(tmp_path: Path) -> None:
    """Numbers of two datasets look like the same items; ASINs say which are."""
    import_dataset(UniSRec(DATA / "unisrec" / "Scientific", item_tokens="asin"), tmp_path / "s")
    lines = (DATA / "unisrec" / "Scientific" / "Scientific.item2index").read_text(encoding="utf-8").splitlines()
    asin = {number: token for token, number in (line.split("\t") for line in lines)}
    numbered, named = read_atomic(tmp_path / "s"), None
    import_dataset(UniSRec(DATA / "unisrec" / "Scientific"), tmp_path / "n")
    named, numbered = numbered, read_atomic(tmp_path / "n")
    assert named.items == tuple(asin[i] for i in numbered.items)
    assert named.sequence.tolist() == numbered.sequence.tolist()
    assert named.text == numbered.text
