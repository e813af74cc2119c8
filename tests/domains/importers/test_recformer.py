from __future__ import annotations

import json
from pathlib import Path

import pytest

from ckd_plugins.domains.importers import ImportLog, Item, import_dataset
from ckd_plugins.domains.importers.recformer import Recformer
from ckd_plugins.errors import DataError

FILES = {
    "train": {"0": [0, 1], "1": [2, 2], "2": [1]},
    "val": {"0": [2], "1": [0]},
    "test": {"0": [1], "1": [1]},
    "umap": {"ANN": 0, "BOB": 1, "CAL": 2},
    "smap": {"B2": 0, "B0": 1, "B1": 2},
    "meta_data": {
        "B0": {"title": "Tea", "brand": "Bo", "category": "Kitchen Tea"},
        "B9": {"title": "never sold", "brand": "", "category": ""},
        "B2": {"title": "Pot", "brand": "", "category": ""},
    },
}


def write(folder: Path, **changed: object) -> Path:
    folder.mkdir()
    for name, content in {**FILES, **changed}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_tokens_come_back_and_targets_follow_the_history(tmp_path: Path) -> None:
    """Recformer numbers its items in an order of its own; ASINs make them comparable."""
    importer, log = Recformer(write(tmp_path / "R")), ImportLog()
    assert [row[:3] for row in importer.interactions(log)] == [
        *(("ANN", "B2", 1.0), ("ANN", "B0", 2.0), ("ANN", "B1", 3.0), ("ANN", "B0", 4.0)),
        *(("BOB", "B1", 1.0), ("BOB", "B1", 2.0), ("BOB", "B2", 3.0), ("BOB", "B0", 4.0)),
    ]
    assert log.left_out == {"user without a validation and a test target": 1}
    assert list(importer.items(log)) == [Item("B2", "Pot"), Item("B0", "Tea", "Bo", "Kitchen Tea"), Item("B1")]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"smap": {"B2": 0, "B0": 1}}, "user '0': '2' is not in umap.json or smap.json"),
        ({"umap": {"ANN": 0, "CAL": 2}}, "user '1': '1' is not in umap.json or smap.json"),
        ({"train": {"0": 5, "1": [2, 2]}}, "user '0' has no lists of items"),
    ],
)
def test_files_that_do_not_fit_are_malformed(changed: dict[str, object], why: str, tmp_path: Path) -> None:
    """Numbers of another run's map would be other items."""
    with pytest.raises(DataError, match=rf"train\.json: .* malformed .*{why}"):
        import_dataset(Recformer(write(tmp_path / "R", **changed)), tmp_path / "out")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """All six are needed."""
    folder = write(tmp_path / "R")
    (folder / "smap.json").unlink()
    with pytest.raises(DataError, match=r"smap\.json does not exist; a dataset of Recformer has train, val, test"):
        list(Recformer(folder).interactions(ImportLog()))
