from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ckd_plugins.domains import Domain
from ckd_plugins.errors import DataError
from ckd_plugins.teachers.imports.gather import gather_items, gather_lists, gather_vectors


@pytest.fixture(scope="module")
def letters() -> Domain:
    return Domain.from_interactions("letters", ["u"] * 6, list("abcdef"))


def lists(table: dict[str, Any], domain: Domain, k: int = 9, **options: Any) -> dict[int, list[tuple[str, float]]]:
    """``{key: [(item, score), ...]}``, best first."""
    given = {"catalogue": None, "once": False, "distances": False, **options}
    found, _ = gather_lists(pd.DataFrame(table), "f", domain=domain, k=k, **given)
    rows = zip(found["keys"], found["ids"], found["scores"], strict=True)
    return {int(u): [(domain.items[i], float(s)) for i, s in zip(a, b, strict=True) if i >= 0] for u, a, b in rows}


def test_items_lie_in_the_domains_order(letters: Domain) -> None:
    """A vector in another item's place."""
    table = pd.DataFrame({"item": ["e", "x", "b"], "vector": [[5.0, 1], [9, 9], [2, 1]]})
    found, line = gather_items(table, "f", letters)
    assert list(found["known"]) == [False, True, False, False, True, False]
    np.testing.assert_array_equal(found["item_vectors"][[1, 4]], [[2, 1], [5, 1]])
    assert not found["item_vectors"][~found["known"]].any()
    assert "knows 2 of 6 items" in line
    assert "item 'x'" in line


@pytest.mark.parametrize(
    ("items", "vectors", "message"),
    [
        (["a", "a"], [[1.0], [2.0]], "item 'a' comes twice"),
        (["a", "b"], [[1.0], [2.0, 3.0]], "have 1 to 2 numbers"),
        (["a", "b"], [[1.0], [math.nan]], "'vector' holds .*nan.* where a finite number"),
        (["a", "b"], [[1.0], [1e300]], "where a finite number"),
        (["a", "b"], [["x"], ["y"]], "does not hold numbers"),
        (["1", "2"], [[1.0], [2.0]], "none of the 6 items .* item '1', item '2', the data item 'a', item 'b'"),
        ([1, 2], [[1.0], [2.0]], "something else than text"),
    ],
)
def test_vectors_that_cannot_be_used(items: list[Any], vectors: list[Any], message: str, letters: Domain) -> None:
    """Each of these would end in NaN losses, or in a teacher of the wrong items."""
    with pytest.raises(DataError, match=message):
        gather_items(pd.DataFrame({"item": items, "vector": vectors}), "f", letters)


def test_a_column_under_another_name_is_named(letters: Domain) -> None:
    """``embedding`` is what half of all files call it."""
    with pytest.raises(DataError, match="has no 'vector', only 'item', 'embedding'; rename"):
        gather_items(pd.DataFrame({"item": ["a"], "embedding": [[1.0]]}), "f", letters)


def test_rows_are_sorted_by_key_and_the_first_counts() -> None:
    """Answers are found by bisection."""
    key = np.array([9, 3, 9, 0], np.uint64)
    keys, vectors = gather_vectors(pd.DataFrame({"key": key, "vector": [[1], [2], [3], [4]]}), "f", "key", once=False)
    assert (keys.tolist(), vectors.tolist()) == ([3, 9], [[2], [1]])


def test_wide_and_long_lists_agree_with_a_loop(letters: Domain) -> None:
    """Scores must stay with their items, and the best come first, whatever the file's order."""
    rng = np.random.default_rng(0)
    wide = [(key, list(rng.permutation([*"abcdef", "x", "y"])[:5]), list(rng.normal(size=5))) for key in (7, 2, 5)]
    expected = {
        key: sorted(((i, s) for i, s in zip(items, scores, strict=True) if i < "x"), key=lambda p: -p[1])[:3]
        for key, items, scores in wide
    }
    rows = [(key, i, s) for key, items, scores in wide for i, s in zip(items, scores, strict=True)]
    long = dict(zip(("key", "item", "score"), zip(*rng.permutation(np.array(rows, object)), strict=True), strict=True))
    as_wide = dict(zip(("key", "items", "scores"), zip(*wide, strict=True), strict=True))
    for table in (as_wide, long):
        found = lists(table, letters, k=3)
        assert list(found) == [2, 5, 7]
        for key, listed in expected.items():
            assert [i for i, _ in found[key]] == [i for i, _ in listed]
            np.testing.assert_allclose([s for _, s in found[key]], [s for _, s in listed], rtol=1e-6)


def test_ranks_stand_for_scores_and_strangers_keep_theirs(letters: Domain) -> None:
    """An item at rank 3 is no better for the two above it not being in the data."""
    found = lists({"key": [1], "items": [["x", "c", "y", "a"]]}, letters)
    assert found == {1: [("c", pytest.approx(-math.log(2))), ("a", pytest.approx(-math.log(4)))]}


def test_numbers_are_looked_up_and_negative_ones_fill(letters: Domain) -> None:
    """Another program's numbers, as DLLM2Rec and HetComp write them."""
    ranked = [np.array([2.0, 0.0]), np.array([1.0, -1.0])]
    found = lists({"key": [1, 2], "items": ranked}, letters, catalogue=list("fed"))
    assert {key: [i for i, _ in row] for key, row in found.items()} == {1: ["d", "f"], 2: ["e"]}
    for wrong in (3.0, 0.5):
        with pytest.raises(DataError, match=f"lists item {wrong:g}, and item_tokens has tokens for 0 to 2"):
            lists({"key": [1], "items": [[wrong]]}, letters, catalogue=list("fed"))
    with pytest.raises(DataError, match="something else than text"):
        lists({"key": [1], "items": [[1]]}, letters)


def test_distances_are_good_when_low(letters: Domain) -> None:
    """The teacher would be turned upside down."""
    found = lists({"key": [1], "items": [["a", "b"]], "scores": [[0.5, 0.1]]}, letters, distances=True)
    assert [i for i, _ in found[1]] == ["b", "a"]


def test_repetitions(letters: Domain) -> None:
    """A store refuses lists with an item twice; a model that is asked twice gives two lists."""
    table = {"key": [1, 1], "items": [["a", "b", "a"], ["c"]]}
    assert [i for i, _ in lists(table, letters)[1]] == ["a", "b"]
    with pytest.raises(DataError, match="user 'u' comes twice"):
        lists({**table, "user": ["u", "u"]}, letters, once=True)


def test_scores_that_do_not_fit(letters: Domain) -> None:
    """Scores one place off rank other items."""
    with pytest.raises(DataError, match="not as many scores as items"):
        lists({"key": [1], "items": [["a", "b"]], "scores": [[0.5]]}, letters)
    with pytest.raises(DataError, match="'score' holds nan"):
        lists({"key": [1], "items": [["a", "b"]], "scores": [[0.5, math.nan]]}, letters)


def test_a_row_whose_items_are_all_strangers_has_no_list(letters: Domain) -> None:
    """An empty list cannot be stored; the row is unknown."""
    assert list(lists({"key": [1, 2], "items": [["x"], ["a"]]}, letters)) == [2]
    with pytest.raises(DataError, match=r"none of the 6 items .* item 'x'"):
        lists({"key": [1], "items": [["x"]]}, letters)
