"""MovieLens-100K by main genre: the demo's domains."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from ckd_plugins.domains.atomic import read_atomic
from ckd_plugins.domains.movielens import split_by_genre
from ckd_plugins.errors import DataError
from ckd_plugins.host.zoo import recbole_folder


@pytest.fixture(scope="module")
def source() -> Path:
    return recbole_folder() / "dataset_example" / "ml-100k"


@pytest.fixture(scope="module")
def folders(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return split_by_genre(source, tmp_path_factory.mktemp("genres"))


def table(folder: Path, suffix: str) -> pd.DataFrame:
    frame = pd.read_csv(folder / f"{folder.name}.{suffix}", sep="\t", dtype=str, keep_default_na=False)
    return frame.rename(columns=lambda c: c.partition(":")[0])


def test_the_domains_are_those_of_the_published_numbers(folders: dict[str, Path]) -> None:
    """The demo's metrics in the documentation hold for these data and no others."""
    sizes = {}
    for name in ("comedy", "drama"):
        rows = table(folders[name], "inter")
        train = read_atomic(folders[name], text_fields=("title",), leave_one_out=True).sequence
        sizes[name] = (rows["user_id"].nunique(), rows["item_id"].nunique(), len(rows), len(train))
    # Users, items, interactions, and those of them that are left to train on by leave-one-out.
    assert sizes == {"comedy": (811, 346, 23899, 22277), "drama": (932, 542, 39413, 37549)}
    assert list(folders)[:2] == ["drama", "comedy"], "most interactions first"


def test_users_and_items_have_five_interactions(folders: dict[str, Path]) -> None:
    """Dropping rare items once leaves users with too few; a user of two has nothing to train on."""
    for folder in folders.values():
        rows = table(folder, "inter")
        assert rows.groupby("user_id").size().min() >= 5
        assert rows.groupby("item_id").size().min() >= 5


def test_a_film_is_in_one_domain(folders: dict[str, Path], source: Path) -> None:
    """A target film that pre-trained the teachers in another domain would be leaked."""
    items = [set(table(folder, "item")["item_id"]) for folder in folders.values()]
    assert len(set().union(*items)) == sum(map(len, items))
    known = table(source, "inter").merge(table(source, "item"), on="item_id")
    for folder in folders.values():
        films, rows = table(folder, "item"), table(folder, "inter")
        assert set(films["item_id"]) == set(rows["item_id"])
        assert set(films["item_id"]) <= set(known["item_id"])


def test_interactions_are_unchanged(folders: dict[str, Path], source: Path) -> None:
    """Ratings and times go through a table of strings: nothing may be rounded."""
    keys = ["user_id", "item_id", "rating", "timestamp"]
    whole = set(map(tuple, table(source, "inter")[keys].to_numpy()))
    rows = list(map(tuple, table(folders["comedy"], "inter")[keys].to_numpy()))
    assert set(rows) <= whole
    assert len(set(rows)) == len(rows)


def test_our_reader_and_recboles_types_fit(folders: dict[str, Path]) -> None:
    """Teachers read these files by our reader, students by RecBole's."""
    domain = read_atomic(folders["comedy"], text_fields=("title", "categories"), leave_one_out=False)
    assert (domain.n_users, domain.n_items, len(domain.sequence)) == (811, 346, 23899)
    assert all(domain.text)
    header = (folders["comedy"] / "comedy.item").read_text(encoding="utf-8").partition("\n")[0]
    assert header.split("\t") == ["item_id:token", "title:token_seq", "release_year:token", "categories:token_seq"]


def test_what_is_there_is_kept(folders: dict[str, Path], source: Path) -> None:
    """A second demo must find the files that the first one's teachers were named by."""
    out = folders["comedy"].parent
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert split_by_genre(source, out) == folders
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == times


@pytest.mark.parametrize("swept", [True, False])
def test_a_killed_write_leaves_no_folder(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swept: bool
) -> None:
    """A folder without its .item file would be kept for good by the rule above."""
    stock, written = pd.DataFrame.to_csv, []

    def to_csv(self: pd.DataFrame, path: Path, **options: object) -> None:
        if path.suffix == ".item":
            raise KeyboardInterrupt
        written.append(path)
        stock(self, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_csv", to_csv)
        if not swept:
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            split_by_genre(source, tmp_path)
    assert len(written) == 1
    assert [p for p in tmp_path.iterdir() if not p.name.startswith(".")] == []
    folders = split_by_genre(source, tmp_path)
    assert all((folder / f"{folder.name}.item").is_file() for folder in folders.values())


def test_a_source_that_is_something_else_is_told(source: Path, tmp_path: Path) -> None:
    """A KeyError from pandas does not say which files were meant."""
    with pytest.raises(DataError, match=r"ml-100k\.inter does not exist; split_by_genre reads RecBole's atomic files"):
        split_by_genre(tmp_path / "ml-100k", tmp_path / "out")
    other = tmp_path / "other"
    other.mkdir()
    for suffix in ("inter", "item"):
        text = (source / f"ml-100k.{suffix}").read_text(encoding="utf-8").replace("class:", "genre:", 1)
        (other / f"other.{suffix}").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="other has no column 'class'; split_by_genre reads"):
        split_by_genre(other, tmp_path / "out")
    assert not (tmp_path / "out").exists()
