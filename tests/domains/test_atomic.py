from __future__ import annotations

from pathlib import Path

import pytest

from ckd_plugins.domains.atomic import read_atomic
from ckd_plugins.errors import DataError

INTER = "user_id:token\titem_id:token\ttimestamp:float\nu\ta\t2\nu\tb\t1\nv\tNA\t1\n"
ITEM = 'item_id:token\ttitle:token_seq\tgenre:token_seq\na\tThe "A\tx\nNA\t\t\nc\tC\ty\n'


def write(folder: Path, inter: str | None = INTER, item: str | None = ITEM) -> Path:
    folder = folder / "shop"
    folder.mkdir()
    for end, content in (("inter", inter), ("item", item)):
        if content is not None:
            (folder / f"shop.{end}").write_text(content, encoding="utf-8")
    return folder


def test_reads_what_recbole_reads(tmp_path: Path) -> None:
    """Quotes are no quoting and NA is a token, not a missing value."""
    domain = read_atomic(write(tmp_path), leave_one_out=False)
    assert (domain.name, domain.users) == ("shop", ("u", "v"))
    assert domain.items == ("a", "NA", "c", "b")
    assert domain.text == ("The A.", None, "C.", None)
    assert [domain.items[i] for i in domain.sequence] == ["b", "a", "NA"]


def test_leave_one_out_is_the_default(tmp_path: Path) -> None:
    """A domain that is evaluated on must not give its targets to training by an oversight."""
    domain = read_atomic(write(tmp_path))
    assert [domain.items[i] for i in domain.sequence] == ["b", "NA"]


def test_chosen_fields_and_order(tmp_path: Path) -> None:
    """Texts follow the fields named; without an order field the file's order holds."""
    domain = read_atomic(write(tmp_path), text_fields=("genre", "title"), order_field=None, leave_one_out=False)
    assert domain.text[0] == "x. The A."
    assert [domain.items[i] for i in domain.sequence] == ["a", "b", "NA"]


def test_text_columns_are_kept_apart_too(tmp_path: Path) -> None:
    """Cleaned as in the joined text, in the order of the fields, without the stops that join them."""
    domain = read_atomic(write(tmp_path), text_fields=("genre", "title"))
    assert list(domain.attributes.items()) == [("genre", ("x", "", "y", "")), ("title", ("The A", "", "C", ""))]
    assert domain.described()[0] == (("genre", "x"), ("title", "The A"))


def test_without_an_item_file_there_are_no_texts(tmp_path: Path) -> None:
    """Teachers that read histories only need no item file."""
    assert set(read_atomic(write(tmp_path, item=None)).text) == {None}


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({"inter": None}, {}, "does not exist; a dataset is"),
        ({"inter": INTER.splitlines()[0] + "\n"}, {}, "no interactions"),
        ({"inter": "user_id:token\tx:token\ttimestamp:float\nu\ta\t1\n"}, {}, "no column 'item_id'"),
        ({"inter": "user_id:token\titem_id:token\nu\ta\n"}, {}, "order_field"),
        ({"inter": INTER.replace("u\ta", "u\t")}, {}, "line 2: empty 'item_id'"),
        ({"inter": INTER.replace("\t2", "\ttwo")}, {}, "line 2: timestamp is 'two'"),
        ({"inter": "a\tb\n1\t2\t3\t4\t5\n1\t2\n"}, {}, "no tab-separated"),
        ({"item": ITEM + "a\tagain\tz\n"}, {}, "'a' has more than one row"),
        ({}, {"text_fields": ("name",)}, "no column 'name'; text_fields can name: item_id, title, genre"),
        ({"item": None}, {"text_fields": ("title",)}, "text_fields asks for title"),
        ({"item": "id:token\na\n"}, {}, "no column 'item_id'"),
    ],
)
def test_bad_files(tmp_path: Path, files: dict[str, str | None], options: dict[str, object], message: str) -> None:
    """One line that names the file, what is wrong, and what to do."""
    folder = write(tmp_path, **files)
    with pytest.raises(DataError, match=message) as error:
        read_atomic(folder, **options)
    assert "\n" not in str(error.value)
    assert "shop" in str(error.value)
