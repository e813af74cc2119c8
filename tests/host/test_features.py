from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ckd_plugins.host.features import SideFeatures, side_features
from ckd_plugins.host.settings import find_dataset

IDS = {"user": "user_id", "item": "item_id"}
Write = Callable[..., Path]


def chosen(folder: Path | str, taken: tuple[str, ...] = ("user_id", "item_id", "timestamp")) -> SideFeatures:
    return side_features(find_dataset(folder), IDS, taken)


def test_movielens_gets_what_recboles_authors_chose() -> None:
    """The rule must find by itself what people find sensible: no movie title, no postal code."""
    assert chosen("ml-100k").columns == {
        "item": ["item_id", "release_year", "class"],
        "user": ["user_id", "age", "gender", "occupation"],
    }
    assert chosen("ml-100k").separator is None


def test_text_and_vectors_are_no_features(toys: Path) -> None:
    """A title's words, embedded for each pair, cost more than the rest of the model and name the item twice."""
    found = chosen(toys)
    assert found.columns == {
        "item": ["item_id", "categories", "colour", "price"],
        "user": ["user_id", "age", "height"],
    }
    assert found.floats == ["height", "price"]


def test_a_column_without_a_difference_is_left_out(write_dataset: Write) -> None:
    """RecBole makes a table of no columns of an empty one; the Amazon files have empty brands."""
    header = "item_id:token\tbrand:token_seq\tkind:token\tprice:float\tnew:token"
    lines = [f"i{i}\t\tgame\t3\t{'yes' if i < 3 else ''}" for i in range(6)]
    folder = write_dataset("shop", [("a", "i1", 1)], item=[header, *lines])
    assert chosen(folder).columns == {"item": ["item_id", "new"]}


@pytest.mark.parametrize(
    ("columns", "separator"),
    [
        ({"categories": "Office Paper, Pens;Office Paper, Ink"}, ", "),
        ({"categories": "Office Paper, Pens;Office Paper, Ink", "brand": "Lucky Star;Good Star"}, ", "),
        ({"genres": "Drama War;Drama Love;War Love"}, None),
        ({"categories": "Office Paper, Pens;Office, Ink", "genres": "Drama War;Drama Love;War Love;War"}, None),
        ({"brand": "Lucky Star;Good Luck"}, None),
    ],
)
def test_commas_part_lists_only_where_all_lists_bear_it(
    write_dataset: Write, columns: dict[str, str], separator: str | None
) -> None:
    """By spaces 'Office Paper, Pens' is three words, one with a comma; by commas 'Drama War' is one genre."""
    lists = [cells.split(";") for cells in columns.values()]
    lines = [f"i{i}\t" + "\t".join(cells[i % len(cells)] for cells in lists) for i in range(24)]
    header = "item_id:token\t" + "\t".join(f"{name}:token_seq" for name in columns)
    found = chosen(write_dataset("shop", [("a", "i1", 1)], item=[header, *lines]))
    assert found.columns["item"] == ["item_id", *columns]
    assert found.separator == separator


def test_a_field_has_one_source(write_dataset: Write) -> None:
    """RecBole keeps one source a field: the same name in two files ends in a KeyError."""
    item = ["item_id:token\tcity:token\ttimestamp:token", *(f"i{i}\tc{i % 2}\t{i % 3}" for i in range(6))]
    user = ["user_id:token\tcity:token", *(f"u{i}\tc{i % 2}" for i in range(6))]
    found = chosen(write_dataset("shop", [("a", "i1", 1)], item=item, user=user)).columns
    assert sorted(name for names in found.values() for name in names) in (
        ["city", "item_id"],
        ["city", "user_id"],
    )


def test_short_lines_and_other_ids_are_borne(write_dataset: Write) -> None:
    """The choice is a default; whether a file can be read at all is said by who reads it."""
    item = ["item_id:token\tkind:token", "i1\ta", "i2\ta", "i3", "i4\tb", "i5\tb"]
    folder = write_dataset("shop", [("a", "i1", 1)], item=item, user=["uid:token\tage:token", "u\t1"])
    assert chosen(folder).columns == {"item": ["item_id", "kind"]}
