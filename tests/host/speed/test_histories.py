"""An ``Interaction`` whose histories are slices answers as one that has them written out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction, cat_interactions

from ckd_plugins.host.speed.histories import Columns, Histories, _Flat, take_rows

WIDTH = 4
START, LENGTH = torch.tensor([0, 0, 1, 5, 7]), torch.tensor([1, 3, 4, 2, 1])


def make() -> tuple[Histories, Interaction]:
    rng = torch.Generator().manual_seed(0)
    flats = {
        "item_id_list": torch.arange(1, 9),
        "rating_list": torch.rand(8, generator=rng),
        "double_list": torch.rand(8, generator=rng, dtype=torch.float64),
        "tags_list": torch.arange(24).view(8, 3),
        "pairs_list": torch.rand(8, 2, generator=rng),
    }
    plain = {"user_id": torch.tensor([1, 1, 1, 2, 3]), "rating": torch.tensor([3.0, 1.0, 2.0, 1.0, 5.0])}
    written = {
        name: torch.stack(
            [
                torch.cat([flat[s : s + n], flat.new_zeros((WIDTH - n, *flat.shape[1:]))])
                for s, n in zip(START.tolist(), LENGTH.tolist(), strict=True)
            ]
        )
        for name, flat in flats.items()
    }
    columns = Columns({**plain, **{n: _Flat(f, WIDTH) for n, f in flats.items()}}, START, LENGTH, WIDTH)
    return Histories(columns), Interaction({**plain, **written})


def same(expected: Any, found: Any) -> bool:
    left, right = expected.interaction, found.interaction
    return (
        list(left) == list(right) and len(expected) == len(found) and all(torch.equal(left[k], right[k]) for k in left)
    )


INDICES: list[Callable[[], Any]] = [
    lambda: [2, 0, -1],
    lambda: np.array([1, 1, 4]),
    lambda: torch.tensor([2, 1]),
    lambda: slice(1, 3),
    lambda: slice(None),
    lambda: range(1, 4),
    lambda: np.array([True, False, True, True, False]),
    lambda: [False, True, True, False, True],
    lambda: torch.tensor([False, True, True, False, True]),
    list,
    lambda: 3,
    lambda: np.int64(2),
    lambda: -1,
]


@pytest.mark.parametrize("index", INDICES)
def test_rows_are_taken_as_by_recbole(index: Callable[[], Any]) -> None:
    """A mask read as row numbers, or a row's history that runs on into the user's future."""
    sliced, written = make()
    assert same(written[index()], sliced[index()])
    assert type(sliced[index()]) is Interaction


CHANGES: list[Callable[[Any], Any]] = [
    lambda inter: inter.sort("rating"),
    lambda inter: inter.sort(["user_id", "rating"], ascending=[True, True]),
    lambda inter: inter.sort("item_id_list"),
    lambda inter: (torch.manual_seed(4), inter.shuffle())[1],
    lambda inter: inter.drop("rating_list"),
    lambda inter: inter.add_prefix("neg_"),
    lambda inter: (inter.add_prefix("neg_"), inter.sort("neg_rating"))[1],
    lambda inter: inter.update(Interaction({"item_id_list": torch.zeros(5, 2), "new": torch.ones(5)})),
    lambda inter: inter.__setitem__("rating_list", torch.ones(5)),
    lambda inter: inter.__delitem__("tags_list"),
    lambda inter: inter.interaction.pop("pairs_list"),
    lambda inter: inter.to("cpu"),
    lambda inter: inter.to("cpu", "user_id"),
    lambda inter: inter.cpu(),
    lambda inter: inter.repeat(2),
    lambda inter: inter.repeat_interleave(2),
    lambda inter: copy.copy(inter),
    lambda inter: copy.deepcopy(inter),
    lambda inter: cat_interactions([inter[[0]], inter[[1]]])[[1, 0]],
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_method_does_what_recboles_does(change: Callable[[Any], Any]) -> None:
    """RecBole reaches past the methods into the dict of columns."""
    sliced, written = make()
    found, expected = change(sliced), change(written)
    assert same(written, sliced)
    if isinstance(expected, Interaction):
        assert {k: v.tolist() for k, v in expected.interaction.items()} == {
            k: v.tolist() for k, v in found.interaction.items()
        }


def test_names_and_words_are_recboles() -> None:
    """Attributes, ``in``, ``columns`` and the text of an error message."""
    sliced, written = make()
    assert str(sliced) == str(written)
    assert sliced.columns == written.columns
    assert torch.equal(sliced.item_id_list, written.item_id_list)
    assert "tags_list" in sliced
    assert "tags" not in sliced
    with pytest.raises(IndexError):
        sliced[[5]]
    assert {k: v.tolist() for k, v in sliced.numpy().items()} == {k: v.tolist() for k, v in written.numpy().items()}


def test_a_column_that_is_asked_for_again_and_again_is_kept() -> None:
    """FEARec reads one row out of the whole column for each row of each batch."""
    sliced, _ = make()
    first = [sliced["item_id_list"] for _ in range(2)]
    assert first[0] is not first[1]
    assert sliced["item_id_list"] is sliced["item_id_list"]


def test_rows_for_a_split_stay_slices() -> None:
    """The train split written out after all."""
    sliced, written = make()
    taken = take_rows(sliced, np.array([3, 1]))
    assert taken.interaction.is_sliced("item_id_list")
    assert same(written[[3, 1]], taken)
    assert same(written[[3, 1]], take_rows(written, np.array([3, 1])))
