"""Both MovieLens layouts, in a folder and in a zip."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from ckd_plugins.domains.importers import Filters, ImportLog, Interaction, Item, import_dataset
from ckd_plugins.domains.importers.movielens import MovieLens
from ckd_plugins.errors import DataError
from ckd_plugins.host.zoo import recbole_folder

FLAGS = {"Comedy": 5, "Drama": 8}


def flags(*genres: str) -> str:
    return "|".join("1" if n in [FLAGS[g] for g in genres] else "0" for n in range(19))


LAYOUTS = {
    "ml-100k": {
        "u.data": b"196\t242\t3\t881250949\n186\t302\t4\t891717742\n",
        "u.item": f"242|Kolya (1996)|24-Jan-1997||http://x/?Kolya%20(1996)|{flags('Comedy')}\n"
        f"302|Misérables, Les (1995)|01-Jan-1995|||{flags('Comedy', 'Drama')}\n".encode("latin-1"),
    },
    "ml-1m": {
        "ratings.dat": b"196::242::3::881250949\n186::302::4::891717742\n",
        "movies.dat": "242::Kolya (1996)::Comedy\n302::Misérables, Les (1995)::Comedy|Drama\n".encode("latin-1"),
    },
}


def write(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    for file, content in LAYOUTS[name].items():
        (folder / file).write_bytes(content)
    return folder


def pack(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{folder.name}/{file.name}")
    return path


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("packed", [True, False])
def test_both_layouts_are_read(name: str, packed: bool, tmp_path: Path) -> None:
    """Films are in Latin-1, genres once flags and once words."""
    folder = write(tmp_path, name)
    importer, log = MovieLens(pack(folder) if packed else folder), ImportLog(0.0)
    assert list(importer.interactions(log)) == [
        Interaction("196", "242", 881250949.0, 3.0),
        Interaction("186", "302", 891717742.0, 4.0),
    ]
    assert list(importer.items(log)) == [
        Item("242", "Kolya (1996)", "", "Comedy"),
        Item("302", "Misérables, Les (1995)", "", "Comedy, Drama"),
    ]
    assert [file.lines for file in log.files] == [2, 2]


def test_the_summary_names_files_within_the_archive(tmp_path: Path) -> None:
    """And an archive can be described at all: its handle cannot be copied."""
    summary = import_dataset(MovieLens(pack(write(tmp_path, "ml-1m"))), tmp_path / "out", Filters(k_core=0))
    assert [Path(file["path"]).name for file in summary.files] == ["ratings.dat", "movies.dat"]
    assert (summary.users, summary.items, summary.with_text) == (2, 2, 2)


def test_recboles_copy_of_movielens_100k_is_the_same(tmp_path: Path) -> None:
    """RecBole ships the 100,000 ratings; written back as u.data they must give its users, items and times."""
    source = recbole_folder() / "dataset_example" / "ml-100k"
    inter = pd.read_csv(source / "ml-100k.inter", sep="\t", dtype=str)
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    inter.to_csv(folder / "u.data", sep="\t", index=False, header=False)
    (folder / "u.item").write_bytes(LAYOUTS["ml-100k"]["u.item"])
    summary = import_dataset(MovieLens(folder), tmp_path / "out" / "ml-100k", Filters(k_core=0), ImportLog())
    assert (summary.users, summary.items, summary.interactions) == (943, 1682, 100_000)
    written = pd.read_csv(tmp_path / "out" / "ml-100k" / "ml-100k.inter", sep="\t", dtype=str)
    assert sorted(map(tuple, written.to_numpy())) == sorted(map(tuple, inter.to_numpy()))


def test_what_is_no_movielens_is_told(tmp_path: Path) -> None:
    """A zip within the zip, or another release, has none of the files."""
    with pytest.raises(DataError, match=r"has no u\.data and no ratings\.dat; give MovieLens-100K's or"):
        MovieLens(tmp_path)
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"a\.zip has no u\.data"):
        MovieLens(tmp_path / "a.zip")


def test_a_film_with_too_few_flags_is_malformed(tmp_path: Path) -> None:
    """Genres would be those of the columns beside."""
    folder = write(tmp_path, "ml-100k")
    (folder / "u.item").write_bytes(b"242|Kolya|24-Jan-1997|||0|1\n")
    log = ImportLog(1.0)
    assert list(MovieLens(folder).items(log)) == []
    assert log.files[0].examples == ["line 1: 2 genres, not 19"]
