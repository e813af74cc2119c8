"""Amazon's releases, written here in the layout of each as its page shows it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ckd_plugins.domains.importers import Filters, ImportLog, Interaction, Item, import_dataset
from ckd_plugins.domains.importers.amazon import Amazon
from ckd_plugins.errors import DataError

ANN, BOB = "A2SUAM1J3GNN3B", "A1KLRMWW2FWPL4"


def pack(path: Path, lines: list[str]) -> Path:
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    return path


def release_2014(folder: Path) -> Path:
    review = {"reviewerID": ANN, "asin": "0000013714", "reviewerName": "J. \"J\" O'D", "helpful": [2, 3],
              "reviewText": "I bought this", "overall": 5.0, "summary": "Heavenly!", "unixReviewTime": 1252800000,
              "reviewTime": "09 13, 2009"}  # fmt: skip
    meta = {"asin": "0000013714", "title": "Girl's \"Tutu\" &amp; Skirt", "price": 3.17, "imUrl": "http://x/1.jpg",
            "related": {"also_bought": ["B00JHONN1S"]}, "salesRank": {"Toys & Games": 211836}, "brand": "Coxlures",
            "categories": [["Sports & Outdoors", "Other Sports", "Dance"], ["Sports & Outdoors", "Dance"]]}  # fmt: skip
    pack(folder / "meta_Sports_and_Outdoors.json.gz", [repr(meta), repr({"asin": "B00JHONN1S", "categories": [["X"]]})])
    second = json.dumps({**review, "asin": "B00JHONN1S", "unixReviewTime": 1252886400, "overall": 2.0})
    return pack(folder / "reviews_Sports_and_Outdoors_5.json.gz", [json.dumps(review), second])


def release_2018(folder: Path) -> Path:
    review = {"image": ["https://x"], "overall": 5.0, "vote": "2", "verified": True, "reviewTime": "09 13, 2009",
              "reviewerID": ANN, "asin": "0000013714", "style": {"Format:": " Hardcover"}, "reviewerName": "J",
              "reviewText": "I bought", "summary": "Heavenly!", "unixReviewTime": 1252800000}  # fmt: skip
    meta = {"asin": "0000013714", "title": "Girl's \"Tutu\" &amp; Skirt", "feature": ["B"], "description": [""],
            "price": "$3.17", "imageURL": "x", "also_buy": ["B00JHONN1S"], "rank": "1,2 in Toys", "brand": "Coxlures",
            "category": ["Sports & Outdoors", "Other Sports", "Dance"], "details": "<table>"}  # fmt: skip
    others = [json.dumps({**meta, "title": "again"}), '{"asin": "B00JHONN1S", "category": ["X"]}']
    pack(folder / "meta_Sports_and_Outdoors.json.gz", [json.dumps(meta), *others])
    second = json.dumps({**review, "asin": "B00JHONN1S", "unixReviewTime": 1252886400, "overall": 2.0})
    return pack(folder / "Sports_and_Outdoors.json.gz", [json.dumps(review), second])


def release_2023(folder: Path) -> Path:
    review = {"rating": 5.0, "title": "Heavenly!", "text": "I bought", "images": [], "asin": "B000000001",
              "parent_asin": "0000013714", "user_id": ANN, "timestamp": 1252800000123, "helpful_vote": 0,
              "verified_purchase": True}  # fmt: skip
    meta = {"main_category": "AMAZON FASHION", "title": "Girl's \"Tutu\" &amp; Skirt", "average_rating": 4.8,
            "rating_number": 10, "features": [], "description": [], "price": None, "images": [], "videos": [],
            "store": "A Store", "categories": ["Sports & Outdoors", "Other Sports", "Dance"],
            "details": {"Brand": "Coxlures"}, "parent_asin": "0000013714", "bought_together": None}  # fmt: skip
    other = {
        "main_category": "X",
        "title": None,
        "store": None,
        "categories": [],
        "details": {},
        "parent_asin": "B00JHONN1S",
    }
    pack(folder / "meta_Sports_and_Outdoors.jsonl.gz", [json.dumps(meta), json.dumps(other)])
    second = json.dumps({**review, "parent_asin": "B00JHONN1S", "timestamp": 1252886400000, "rating": 2.0})
    return pack(folder / "Sports_and_Outdoors.jsonl.gz", [json.dumps(review), second])


@pytest.mark.parametrize(
    ("write", "first"),
    [(release_2014, 1252800000.0), (release_2018, 1252800000.0), (release_2023, 1252800000.123)],
)
def test_each_release_is_read(write: Callable[[Path], Path], first: float, tmp_path: Path) -> None:
    """Every field has another name in another release; a key of the wrong one gives an empty dataset."""
    importer, log = Amazon(write(tmp_path)), ImportLog(0.0)
    assert list(importer.interactions(log)) == [
        Interaction(ANN, "0000013714", first, 5.0),
        Interaction(ANN, "B00JHONN1S", 1252886400.0, 2.0),
    ]
    items = list(importer.items(log))
    assert items[0] == Item(
        "0000013714", 'Girl\'s "Tutu" &amp; Skirt', "Coxlures", "Sports & Outdoors, Other Sports, Dance"
    )
    assert items[-1] == Item("B00JHONN1S", "", "", "X")


def test_an_import_of_each_release_has_the_same_texts(tmp_path: Path) -> None:
    """Texts of two releases are compared and merged; entities, nested categories, repeats are the releases' own."""
    texts = set()
    for write in (release_2014, release_2018, release_2023):
        folder, out = tmp_path / write.__name__, tmp_path / "out" / write.__name__
        folder.mkdir()
        write(folder)
        summary = import_dataset(Amazon(folder), out, Filters(k_core=0))
        assert (summary.users, summary.items, summary.with_text) == (1, 2, 2)
        assert summary.columns == ["user_id", "item_id", "rating", "timestamp"]
        assert summary.left_out == ({"item described again (the first counts)": 1} if write is release_2018 else {})
        texts.add((out / f"{out.name}.item").read_text(encoding="utf-8").partition("\n")[2])
    categories = "Sports & Outdoors, Other Sports, Dance"
    assert texts == {f'0000013714\tGirl\'s "Tutu" & Skirt\tCoxlures\t{categories}\nB00JHONN1S\t\t\tX\n'}


RATINGS = {
    "ratings_Toys.csv": [f"{ANN},0000013714,5.0,1252800000", f"{BOB},B00JHONN1S,2.0,1252886400"],  # 2014
    "Toys.csv": [f"0000013714,{ANN},5.0,1252800000", f"B00JHONN1S,{BOB},2.0,1252886400"],  # 2018
    "Toys_5.csv": [
        "user_id,parent_asin,rating,timestamp,history",  # 2023
        f"{ANN},0000013714,5.0,1252800000000,",
        f"{BOB},B00JHONN1S,2.0,1252886400000,B000000001 B000000002",
    ],
}


@pytest.mark.parametrize("name", RATINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_ratings_are_told_by_their_columns(name: str, end: str, tmp_path: Path) -> None:
    """In 2014 users come first, in 2018 items: read the wrong way round, users become items without any error."""
    (tmp_path / name).write_text(end.join(RATINGS[name]) + end, newline="")
    assert list(Amazon(tmp_path / name).interactions(ImportLog(0.0))) == [
        Interaction(ANN, "0000013714", 1252800000.0, 5.0),
        Interaction(BOB, "B00JHONN1S", 1252886400.0, 2.0),
    ]


def test_ratings_that_could_be_either_ask_for_the_release(tmp_path: Path) -> None:
    """A guess would be wrong half of the time."""
    (tmp_path / "Toys.csv").write_text("a,b,5.0,3\nc,d,4.0,4\n")
    with pytest.raises(DataError, match=r"say whether users come first \(--set release=2014\)"):
        Amazon(tmp_path / "Toys.csv").interactions(ImportLog())
    with pytest.raises(DataError, match="does not begin with user_id,parent_asin"):
        Amazon(tmp_path / "Toys.csv", release=2023).interactions(ImportLog())
    rows = [row[:2] for row in Amazon(tmp_path / "Toys.csv", release=2018).interactions(ImportLog())]
    assert rows == [("b", "a"), ("d", "c")]
    rows = [row[:2] for row in Amazon(tmp_path / "Toys.csv", release=2014).interactions(ImportLog())]
    assert rows == [("a", "b"), ("c", "d")]


def test_malformed_reviews_are_found_again(tmp_path: Path) -> None:
    """What is missing or of another kind is said with the line's number."""
    path = release_2018(tmp_path)
    good = gzip.decompress(path.read_bytes()).decode().splitlines()
    bad = [
        '{"reviewerID": "A", "asin": "B"}',
        '{"reviewerID": 5, "asin": "B", "unixReviewTime": 1}',
        '{"overall": 5',
        "[]",
    ]
    pack(path, [*good, *bad, *good])
    log = ImportLog(0.6)
    assert len(list(Amazon(path).interactions(log))) == 4
    assert log.files[0].examples == [
        "line 3: no 'unixReviewTime'",
        "line 4: 5 is no token",
        "line 5: no JSON: Expecting ',' delimiter, column 14",
        "line 6: a list, not a mapping",
    ]


def test_files_are_found_by_their_published_names(tmp_path: Path) -> None:
    """Texts of another category's metadata would match no item."""
    reviews = release_2014(tmp_path)
    pack(tmp_path / "meta_Toys.json.gz", [])
    assert Amazon(reviews).sources() == [reviews, tmp_path / "meta_Sports_and_Outdoors.json.gz"]
    assert Amazon(tmp_path).sources() == Amazon(reviews).sources()
    assert Amazon(reviews, metadata=tmp_path / "meta_Toys.json.gz").sources()[1] == tmp_path / "meta_Toys.json.gz"
    with pytest.raises(DataError, match=r"gone does not exist; metadata names the file"):
        Amazon(reviews, metadata=tmp_path / "gone")
    pack(tmp_path / "ratings_Toys.csv", [])
    with pytest.raises(DataError, match=r"holds 2 files of reviews or ratings \(ratings_Toys.csv, reviews_Sports"):
        Amazon(tmp_path)
    (tmp_path / "plain.txt").write_text("")
    assert Amazon(tmp_path / "plain.txt").sources() == [tmp_path / "plain.txt"]
