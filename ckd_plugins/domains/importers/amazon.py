"""Amazon reviews and metadata as published in 2014, 2018 and 2023."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from ckd_plugins.domains.importers.amazon_files import find_files, first_lines
from ckd_plugins.domains.importers.amazon_ratings import rating_parser
from ckd_plugins.domains.importers.base import Importer, Interaction, Item
from ckd_plugins.domains.importers.log import ImportLog
from ckd_plugins.domains.importers.reading import read_lines
from ckd_plugins.domains.importers.records import parser_of, words

__all__ = ["Amazon", "item_of", "review_of"]


class Amazon(Importer):
    """Amazon reviews with metadata (McAuley et al.: releases of 2014, 2018 and 2023), packed or not.

    Interactions are reviews (``reviews_X_5.json.gz``, ``X.json.gz``, ``X.jsonl.gz``) or ratings (``ratings_X.csv``,
    ``X.csv``, the 2023 benchmark's ``X.csv.gz``); records are JSON or Python literals, told line by line. Items are
    ``asin`` in 2014 and 2018 and ``parent_asin`` in 2023. Texts are the metadata's title, brand (2023: the brand among
    the details, else the store) and categories, joined by commas without repeats. An item described twice has its
    first description. Times of 2023 are in milliseconds and become seconds.

    Args:
        path: the file of reviews or ratings, or a folder with one of these.
        metadata: the file of metadata; by default ``meta_X`` beside the reviews, and no texts if there is none.
        release: decides the order of a headerless ``.csv`` (2014: user, item; 2018: item, user), which otherwise
            is told by what the columns look like.
    """

    def __init__(
        self, path: Path, *, metadata: Path | None = None, release: Literal[2014, 2018, 2023] | None = None
    ) -> None:
        self.path, self.metadata = find_files(path, metadata)
        self.release = release

    def sources(self) -> list[Path]:
        """The file of reviews, and that of metadata if there is one."""
        return [self.path, *([self.metadata] if self.metadata else [])]

    def interactions(self, log: ImportLog) -> Iterator[Interaction]:
        """Yield the reviews in the order of the file."""
        lines = first_lines(self.path)
        if lines and lines[0].lstrip().startswith(b"{"):
            return read_lines(self.path, parser_of(review_of), log)
        skip, parse = rating_parser(self.path, lines, self.release)
        return read_lines(self.path, parse, log, skip=skip)

    def items(self, log: ImportLog) -> Iterator[Item]:
        """Yield the metadata of all products."""
        return read_lines(self.metadata, parser_of(item_of), log) if self.metadata else iter(())


def review_of(record: dict[str, Any]) -> Interaction:
    """Return a review's interaction.

    Raises:
        KeyError: a field is missing.
        ValueError, TypeError: it is no number.
    """
    if "reviewerID" in record:
        rating = record.get("overall")
        user, item, time = record["reviewerID"], record["asin"], float(record["unixReviewTime"])
    else:
        rating = record.get("rating")
        user, item, time = record["user_id"], record["parent_asin"], float(record["timestamp"]) / 1000
    return Interaction(_token(user), _token(item), time, float("nan") if rating is None else float(rating))


def item_of(record: dict[str, Any]) -> Item:
    """Return a product's token and text.

    Raises:
        KeyError: it has no token.
    """
    details = record.get("details")
    brand = record.get("brand") or (details.get("Brand") if isinstance(details, dict) else None) or record.get("store")
    categories = record.get("categories") or record.get("category") or record.get("main_category")
    token = record["parent_asin"] if "parent_asin" in record else record["asin"]
    return Item(_token(token), words(record.get("title")), words(brand), words(categories))


def _token(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no token")
    return value.strip()
