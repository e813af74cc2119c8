from __future__ import annotations

import json
from pathlib import Path

import pytest

from ckd_plugins.domains.importers import ImportLog, Item, import_dataset
from ckd_plugins.domains.importers.lcrec import LCRec
from ckd_plugins.errors import DataError


def write(folder: Path, users: object, items: object) -> Path:
    folder.mkdir()
    (folder / f"{folder.name}.inter.json").write_text(json.dumps(users))
    (folder / f"{folder.name}.item.json").write_text(json.dumps(items))
    return folder


def test_users_and_items_are_read_in_order(tmp_path: Path) -> None:
    """A list of categories and a missing brand are in some of the published files."""
    items = {"0": {"title": "Tea", "description": "x", "categories": ["A", "B"]}, "1": {"title": "Pot", "brand": "Bo"}}
    importer = LCRec(write(tmp_path / "O", {"7": [1, 0]}, items))
    assert [row[:3] for row in importer.interactions(ImportLog())] == [("7", "1", 1.0), ("7", "0", 2.0)]
    assert list(importer.items(ImportLog())) == [Item("0", "Tea", "", "A, B"), Item("1", "Pot", "Bo", "")]


def test_entries_of_another_kind_are_malformed(tmp_path: Path) -> None:
    """LC-Rec's index files look alike: lists of strings, not of items' fields."""
    folder = write(tmp_path / "O", {"0": [0, 1, 0], "1": 5}, {"0": ["<a_1>"], "1": {"title": "Tea"}})
    with pytest.raises(DataError, match=r"O\.inter\.json: 1 of 2 lines are malformed .* user '1' has no list of items"):
        import_dataset(LCRec(folder), tmp_path / "out")
    (folder / "O.inter.json").write_text('{"0": [0, 1, 0]}')
    with pytest.raises(DataError, match=r"O\.item\.json: 1 of 2 lines are malformed .* item '0' has no fields"):
        import_dataset(LCRec(folder), tmp_path / "out")
    assert not (tmp_path / "out").exists()
