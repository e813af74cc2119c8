from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from ckd_plugins.domains import Domain
from ckd_plugins.errors import DataError
from ckd_plugins.teachers.imports.rows import check_coverage, key_rows, row_keys, text

SEQUENCES = {"u": "a b c d e", "v": "b c a d", "w": "c d"}


@pytest.fixture
def small() -> Domain:
    """Users u, v, w: the last item is the test target, the one before that of validation."""
    users = [u for u, s in SEQUENCES.items() for _ in s.split()]
    items = [i for s in SEQUENCES.values() for i in s.split()]
    return Domain.from_interactions("small", users, items, leave_one_out=True)


def test_files_and_runs_give_one_key(small: Domain) -> None:
    """A key that a file's row and the run's row do not share leaves the row without its teacher."""
    rows = small.train_instances()
    told = [
        {
            "history": [small.items[i] for i in rows.history(r)],
            "user": small.users[rows.user[r]],
            "target": small.items[rows.target[r]],
            "length": len(rows.history(r)),
        }
        for r in range(len(rows))
    ]
    for columns, kind in [
        (["history"], "history"),
        (["user", "target"], "instance"),
        (["user", "length"], "instance"),
        (["user"], "user"),
    ]:
        table = pd.DataFrame(told)[columns]
        assert key_rows(table, "f", small, 50)[0] == kind
        np.testing.assert_array_equal(table["key"], row_keys(kind, rows, 50))


def test_keys_tell_apart_what_differs(small: Domain) -> None:
    """Two users, or two places of one user's, that share a key would share a list."""
    rows = small.train_instances()
    table = pd.DataFrame({"user": ["u", "u", "v", "u"], "target": ["b", "c", "b", "b"]})
    key_rows(table, "f", small, 50)
    assert table["key"].nunique() == 3
    assert table["key"][0] == table["key"][3]
    assert len(np.unique(row_keys("instance", rows, 50))) == len(rows)


def test_a_length_is_a_place_in_the_users_sequence(small: Domain) -> None:
    """Off by one, and each row would be taught what was said of the one before."""
    table = pd.DataFrame({"user": ["u", "u", "u", "x", "u"], "length": [2, 3, 4, 1, "?"]})
    key_rows(table, "f", small, 50)
    known = pd.DataFrame({"user": ["u", "u"], "target": ["c", "d"]})
    key_rows(known, "f", small, 50)
    assert list(table["key"][:2]) == list(known["key"])
    assert not set(table["key"][2:]) & set(row_keys("instance", small.test_instances(), 50))


def test_histories_count_by_their_newest_items(small: Domain) -> None:
    """A model that read ten items answers for every history that ends in them."""
    table = pd.DataFrame({"history": [["x", "a", "b"], np.array(["a", "b", "", ""]), []]})
    key_rows(table, "f", small, 2)
    assert table["key"][0] == table["key"][1] != 0
    assert table["key"][2] == 0


def test_coverage_is_of_what_a_run_can_ask(small: Domain, caplog: pytest.LogCaptureFixture) -> None:
    """A share of something else says nothing of how many rows are taught."""
    caplog.set_level(logging.INFO, "ckd_plugins")
    table = pd.DataFrame({"history": [["a"], ["a", "b"], ["a", "b"], ["z"]]})  # of a, ab, abc; b, bc
    _, line = key_rows(table, "f", small, 50)
    assert line == "f knows 2 of 5 histories of 'small' (40.0 %); 1 of the file's are not in the data: history 'z'"
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [("WARNING", line)]
    caplog.clear()
    check_coverage("items", "f", small, 5, 5, [], ["a"])
    assert [r.levelname for r in caplog.records] == ["INFO"]


def test_many_strangers_are_counted_and_few_named(small: Domain) -> None:
    """Ten thousand names in the log hide the count."""
    _, line = key_rows(pd.DataFrame({"user": ["u", *"12345"]}), "f", small, 50)
    assert line.endswith("5 of the file's are not in the data: user '1', user '2', user '3', ...")


def test_nothing_matched_shows_both_sides(small: Domain) -> None:
    """The usual cause is seen at once: numbers of another program's, or histories that were cut."""
    with pytest.raises(DataError, match=r"none of the 2 users .* the file has user '0', the data user 'u', .*\.inter"):
        key_rows(pd.DataFrame({"user": ["0"]}), "f", small, 50)
    with pytest.raises(DataError, match=r"history 'b a', the data history 'a'.* at most 2 items: .* max_length") as why:
        key_rows(pd.DataFrame({"history": [["b", "a"]]}), "f", small, 50)
    assert "\n" not in str(why.value)


@pytest.mark.parametrize("columns", [{"items": [["a"]]}, {"target": ["a"]}, {"length": [1]}])
def test_rows_without_a_name(small: Domain, columns: dict[str, list[object]]) -> None:
    """The order of rows means nothing: RecBole has its own."""
    with pytest.raises(DataError, match=r"does not say whose its rows are; .* row_tokens"):
        key_rows(pd.DataFrame(columns), "f", small, 50)


def test_tokens_are_text() -> None:
    """The item 007 is not 7."""
    with pytest.raises(DataError, match="'user' holds something else than text"):
        text(pd.Series([1, 2], name="user"), "f")
