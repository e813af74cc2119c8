"""MovieLens-100K and MovieLens-1M as GroupLens publishes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ckd_plugins.domains.importers.archive import File, member
from ckd_plugins.domains.importers.base import Importer, Interaction, Item
from ckd_plugins.domains.importers.log import ImportLog, Malformed
from ckd_plugins.domains.importers.reading import read_lines
from ckd_plugins.errors import DataError

__all__ = ["MovieLens"]

_GENRES_100K = (
    *(
        "unknown",
        "Action",
        "Adventure",
        "Animation",
        "Children's",
        "Comedy",
        "Crime",
        "Documentary",
        "Drama",
        "Fantasy",
    ),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""``u.genre``, in the order of the flags in ``u.item``."""


class _Layout(NamedTuple):
    ratings: str
    films: str
    separator: str
    film_columns: int


_LAYOUTS = (_Layout("u.data", "u.item", "\t", 24), _Layout("ratings.dat", "movies.dat", "::", 3))


class MovieLens(Importer):
    """MovieLens-100K (``u.data``, ``u.item``) or MovieLens-1M (``ratings.dat``, ``movies.dat``), by Harper and Konstan.

    The title with its year is the text's title, the genres are its categories. Many ratings of a user have one and the
    same second: they keep the order of the file.

    Args:
        path: the published ``.zip``, or the folder that it unpacks to.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path).expanduser()
        found = [layout for layout in _LAYOUTS if member(self.path, layout.ratings)]
        if not found:
            names = " and no ".join(layout.ratings for layout in _LAYOUTS)
            raise DataError(f"{self.path} has no {names}; give MovieLens-100K's or MovieLens-1M's zip or folder")
        self._layout = found[0]

    def sources(self) -> list[Path]:
        """The archive or the folder."""
        return [self.path]

    def interactions(self, log: ImportLog) -> Iterator[Interaction]:
        """Yield the ratings in the order of the file."""

        def rating(line: bytes) -> Interaction:
            user, item, stars, seconds = self._split(line, 4)
            return Interaction(user, item, float(seconds), float(stars))

        return read_lines(self._file(self._layout.ratings), rating, log)

    def items(self, log: ImportLog) -> Iterator[Item]:
        """Yield the films."""

        def film(line: bytes) -> Item:
            if self._layout.separator == "::":
                token, title, genres = self._split(line, 3)
                return Item(token, title, "", ", ".join(genres.split("|")))
            token, title, *_, flags = line.decode("latin-1").split("|", 5)
            on = flags.split("|")
            if len(on) != len(_GENRES_100K):
                raise Malformed(f"{len(on)} genres, not {len(_GENRES_100K)}")
            return Item(token, title, "", ", ".join(g for g, flag in zip(_GENRES_100K, on, strict=True) if flag == "1"))

        return read_lines(self._file(self._layout.films), film, log)

    def _file(self, name: str) -> File:
        found = member(self.path, name)
        if found is None:
            raise DataError(f"{self.path} has no {name}; fetch it again")
        return found

    def _split(self, line: bytes, columns: int) -> list[str]:
        parts = line.decode("latin-1").split(self._layout.separator)
        if len(parts) != columns:
            raise Malformed(f"{len(parts)} columns, not {columns}")
        return parts
