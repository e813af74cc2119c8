from __future__ import annotations

from pathlib import Path

import pytest

from ckd_plugins.domains.merging import Fields, merge_cached, merge_domains
from ckd_plugins.domains.naming import item_domains, plain
from ckd_plugins.errors import ConfigError, DataError

INTER = "user_id:token\titem_id:token\ttimestamp:float"
TEA = [("ann", "i1", 100), ("ann", "i2", 300), ("bob", "i1", 150), ("bob", "i3", 900)]
LAMPS = [("ann", "i1", 200), ("ann", "i9", 250), ("cid", "i9", 400)]


def write(parent: Path, name: str, rows=TEA, header=INTER, item: str | None = None) -> Path:
    folder = parent / name
    folder.mkdir(parents=True)
    lines = [header, *("\t".join(map(str, row)) for row in rows)]
    (folder / f"{name}.inter").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if item is not None:
        (folder / f"{name}.item").write_text(item, encoding="utf-8")
    return folder


def table(path: Path) -> tuple[list[str], list[list[str]]]:
    head, *rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return head, rows


@pytest.fixture
def two(tmp_path):
    tea = write(tmp_path, "tea", item="item_id:token\ttitle:token_seq\ni2\tgreen tea\n")
    return [tea, write(tmp_path, "lamps", LAMPS)]


def test_items_of_one_token_in_two_domains_stay_two(two, tmp_path):
    """Amazon domains number their items alike: merged without the domain, tea 1 would be lamp 1."""
    merged = merge_domains(two, tmp_path / "both")
    head, rows = table(tmp_path / "both" / "both.inter")
    assert head == ["user_id:token", "item_id:token", "timestamp:float", "domain:token"]
    assert rows[0] == ["tea/ann", "tea/i1", "100", "tea"]
    assert rows[4] == ["lamps/ann", "lamps/i1", "200", "lamps"]
    assert len(rows) == 7
    assert merged.shared_users == 1
    assert merged.counts["tea"].interactions == 4
    assert merged.counts["lamps"].items == 2


def test_every_item_has_a_line_with_its_domain(two, tmp_path):
    """RecBole reads a missing line as a missing item, and a domain without texts must not lose its items."""
    merge_domains(two, tmp_path / "both")
    head, rows = table(tmp_path / "both" / "both.item")
    assert head == ["item_id:token", "title:token_seq", "domain:token"]
    assert rows == [
        ["tea/i2", "green tea", "tea"],
        ["tea/i1", "", "tea"],
        ["tea/i3", "", "tea"],
        ["lamps/i1", "", "lamps"],
        ["lamps/i9", "", "lamps"],
    ]


def test_joined_users_keep_their_token(two, tmp_path):
    """A joined user's history must be that of both domains."""
    merge_domains(two, tmp_path / "both", users="joined")
    _, rows = table(tmp_path / "both" / "both.inter")
    assert {row[0] for row in rows} == {"ann", "bob", "cid"}
    assert [row[1] for row in rows if row[0] == "ann"] == ["tea/i1", "tea/i2", "lamps/i1", "lamps/i9"]


def test_positions_are_no_times(two, tmp_path):
    """Interactions that are numbered 1, 2, 3 in each domain would be interleaved at random."""
    numbered = write(tmp_path, "numbered", [("ann", "i1", 1), ("ann", "i2", 2), ("bob", "i1", 1)])
    with pytest.raises(DataError, match=r"tells no time.*keep users apart"):
        merge_domains([two[0], numbered], tmp_path / "both", users="joined")
    assert not (tmp_path / "both").exists()
    merge_domains([two[0], numbered], tmp_path / "both")


def test_columns_that_not_all_have(two, tmp_path):
    """A rating that one domain lacks would be read as a number; it is left out and said."""
    rated = write(tmp_path, "rated", [("ann", "i1", 9, 5)], f"{INTER}\trating:float")
    assert merge_domains([*two, rated], tmp_path / "all").left_out == ("rated: rating",)
    assert table(tmp_path / "all" / "all.inter")[1][-1] == ["rated/ann", "rated/i1", "9", "rated"]


def test_user_files_are_merged(two, tmp_path):
    """Users' features must follow their new names; a joined one has one line."""
    for folder in two:
        (folder / f"{folder.name}.user").write_text(f"user_id:token\tfrom:token\nann\t{folder.name}\n")
    merge_domains(two, tmp_path / "apart")
    assert ["lamps/ann", "lamps", "lamps"] in table(tmp_path / "apart" / "apart.user")[1]
    merge_domains(two, tmp_path / "joined", users="joined")
    assert table(tmp_path / "joined" / "joined.user") == (
        ["user_id:token", "from:token"],
        [["ann", "tea"], ["bob", ""], ["cid", ""]],
    )


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([("ann", "i1")], INTER, "line 2: 2 cells, and the header has 3"),
        ([("ann", "", 3)], INTER, "line 2: empty 'item_id'"),
        ([("ann", "i1", "noon")], INTER, "line 2: 'noon' is no time"),
        ([], INTER, "no interactions"),
        (
            [("ann", "i1", "1")],
            "user_id:token\titem_id:token\ttimestamp:token",
            "'timestamp' is of type token, and flo",
        ),
        ([("ann", "1")], "user_id:token\ttimestamp:float", "has no column 'item_id'"),
        ([("a", "i", 1, "x")], f"{INTER}\tdomain:token", "it is merged already"),
        ([("ann", "i1", 1)], "user_id\titem_id:token\ttimestamp:float", "'user_id' in the header has no type"),
    ],
)
def test_bad_files_leave_nothing(two, tmp_path, rows, header, message):
    """Half a dataset would be trained on."""
    bad = write(tmp_path, "bad", rows, header)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match=message):
        merge_domains([two[0], bad], tmp_path / "both")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("text", ["user_id:token\titem_id:token\tgröße:float\n", f"{INTER}\nann\tgröße\t1\n"])
def test_a_file_that_is_no_text_is_one_line(two, tmp_path, text):
    """It was a traceback."""
    bad = write(tmp_path, "bad")
    (bad / "bad.inter").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"is not UTF-8 text.*; convert it"):
        merge_domains([two[0], bad], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_folders_that_do_not_do(two, tmp_path):
    """Two domains of one name would become one; an existing folder is somebody's."""
    again = write(tmp_path / "other", "tea")
    with pytest.raises(ConfigError, match="of one name"):
        merge_domains([two[0], again], tmp_path / "both")
    with pytest.raises(ConfigError, match="two domains or more"):
        merge_domains(two[:1], tmp_path / "both")
    with pytest.raises(ConfigError, match="exists"):
        merge_domains(two, two[0])


def test_the_cache_goes_by_content(two, tmp_path):
    """A dataset that changed must be merged again, and one that did not must keep its teachers."""
    first = merge_cached(two, tmp_path / "cache")
    assert first.name == "tea+lamps"
    assert merge_cached(two, tmp_path / "cache") == first
    assert merge_cached(two, tmp_path / "cache", users="joined") != first
    with (two[1] / "lamps.inter").open("a") as file:
        file.write("cid\ti1\t500\n")
    changed = merge_cached(two, tmp_path / "cache")
    assert changed != first
    assert len(table(changed / "tea+lamps.inter")[1]) == 8


def test_other_names_of_columns(tmp_path):
    """Fields are what RecBole is told they are."""
    names = Fields("who", "what", "when")
    folders = [write(tmp_path, n, [("ann", "i1", 5)], "who:token\twhat:token\twhen:float") for n in ("a", "b")]
    merge_domains(folders, tmp_path / "both", fields=names)
    assert table(tmp_path / "both" / "both.inter")[1] == [["a/ann", "a/i1", "5", "a"], ["b/ann", "b/i1", "5", "b"]]
    assert table(tmp_path / "both" / "both.item")[0] == ["what:token", "domain:token"]


def test_names_are_taken_apart():
    """An item's own name may hold the separator; padding has no domain."""
    names, index = item_domains([None, "b/x", "a/y/z", "b/y", "plain"])
    assert names == ("b", "a")
    assert index.tolist() == [-1, 0, 1, 0, -1]
    assert (plain("a/y/z"), plain("plain")) == ("y/z", "plain")
