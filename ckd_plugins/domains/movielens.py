"""MovieLens-100K as several domains: one a main genre, as RecBole atomic files."""

from __future__ import annotations

import csv
import os
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd

from ckd_plugins.domains.core import k_core
from ckd_plugins.errors import DataError

__all__ = ["split_by_genre"]

_SOURCE = "RecBole's atomic files of MovieLens-100K"


def split_by_genre(source: Path, out: Path, *, least_items: int = 60, core: int = 5) -> dict[str, Path]:
    """Write one dataset folder for each main genre of MovieLens-100K.

    A film's main genre is the one of its genres that is the most frequent in the catalogue, documentaries and
    animations aside, which keep their own: MovieLens lists genres alphabetically, so that their order says nothing.
    Users and items with fewer than ``core`` interactions in a domain are dropped until none is left.

    Args:
        source: folder with ``ml-100k.inter`` and ``ml-100k.item``.
        out: gets a folder a domain: ``<domain>.inter`` (``user_id``, ``item_id``, ``rating``, ``timestamp``) and
            ``<domain>.item`` (``item_id``, ``title``, ``release_year``, ``categories``). Existing ones are kept.
        least_items: genres with fewer films are left out.
        core: see above.

    Returns:
        Folders by domain, most interactions first.

    Raises:
        DataError: the source is not MovieLens-100K as RecBole ships it.
    """
    inter, items = _read(source / f"{source.name}.inter"), _read(source / f"{source.name}.item")
    for frame, column in ((inter, "timestamp"), (items, "class"), (items, "movie_title")):
        if column not in frame:
            raise DataError(f"{source} has no column {column!r}; split_by_genre reads {_SOURCE}")
    items["genre"] = _main_genres(items["class"])
    sizes = items["genre"].value_counts()
    frames: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {}
    for genre in sizes[sizes >= least_items].index:
        films = items[items["genre"] == genre]
        rows = _core(inter[inter["item_id"].isin(films["item_id"])], core)
        if len(rows):
            frames[_slug(genre)] = rows, films[films["item_id"].isin(rows["item_id"])]
    ordered = sorted(frames, key=lambda name: -len(frames[name][0]))
    return {name: _write(out / name, *frames[name]) for name in ordered}


def _main_genres(classes: pd.Series[str]) -> pd.Series[str]:
    listed = classes.str.split()
    frequency = Counter(genre for genres in listed for genre in genres)
    own = {"Animation", "Documentary"}

    def main(genres: list[str]) -> str:
        special = [g for g in genres if g in own]
        return special[0] if special else max(genres, key=lambda g: frequency[g], default="unknown")

    return listed.map(main)


def _core(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    users, items = (pd.factorize(rows[column])[0] for column in ("user_id", "item_id"))
    return rows[k_core(users, items, k)]


def _slug(genre: str) -> str:
    return "".join(c for c in genre.lower() if c.isalnum())


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path} does not exist; split_by_genre reads {_SOURCE}")
    frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)
    return frame.rename(columns=lambda c: c.partition(":")[0])


def _write(folder: Path, rows: pd.DataFrame, films: pd.DataFrame) -> Path:
    """Write a whole folder beside and rename it; one that is there was made from the same data."""
    if folder.is_dir():
        return folder
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    inter = rows[["user_id", "item_id", "rating", "timestamp"]]
    inter.columns = pd.Index(["user_id:token", "item_id:token", "rating:float", "timestamp:float"])
    item = films[["item_id", "movie_title", "release_year", "class"]]
    item.columns = pd.Index(["item_id:token", "title:token_seq", "release_year:token", "categories:token_seq"])
    for frame, suffix in ((inter, "inter"), (item, "item")):
        frame.to_csv(partial / f"{folder.name}.{suffix}", sep="\t", index=False, quoting=csv.QUOTE_NONE)
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(partial, ignore_errors=True)
    return folder
