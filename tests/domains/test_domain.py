from __future__ import annotations

import numpy as np
import pytest

from ckd_plugins.domains.domain import Domain
from ckd_plugins.errors import DataError


def tokens(domain: Domain, indices: np.ndarray) -> list[str]:
    return [domain.items[i] for i in indices]


def small(**options: object) -> Domain:
    users = ["u", "v", "u", "u", "v", "w", "u"]
    items = ["a", "b", "c", "d", "a", "a", "b"]
    return Domain.from_interactions("small", users, items, [4, 1, 1, 2, 1, 1, 3], **options)


def test_sorted_by_user_and_time_and_ties_keep_their_order() -> None:
    """An unstable sort would give another training set on another machine."""
    domain = small()
    assert domain.users == ("u", "v", "w")
    assert domain.offsets.tolist() == [0, 4, 6, 7]
    assert tokens(domain, domain.sequence) == ["c", "d", "b", "a", "b", "a", "a"]
    assert domain.valid.tolist() == domain.test.tolist() == [-1, -1, -1]
    assert domain.popularity.tolist() == [3, 2, 1, 1]


def test_leave_one_out_as_recbole_does() -> None:
    """A target that stays in the sequence is a leak; a user with two items has a test target, with one has none."""
    domain = small(leave_one_out=True)
    assert tokens(domain, domain.sequence) == ["c", "d", "b", "a"]
    assert domain.offsets.tolist() == [0, 2, 3, 4]
    assert [domain.items[i] if i >= 0 else None for i in domain.valid] == ["b", None, None]
    assert [domain.items[i] if i >= 0 else None for i in domain.test] == ["a", "a", None]


def test_histories_hold_what_came_before_and_no_more() -> None:
    """A history that reaches its own target or another user's items would teach the answer."""
    domain = small(leave_one_out=True)
    train, valid, test = domain.train_instances(), domain.valid_instances(), domain.test_instances()
    rows = [
        [(tokens(domain, rows.history(r)), domain.items[rows.target[r]]) for r in range(len(rows))]
        for rows in (train, valid, test)
    ]
    assert rows == [[(["c"], "d")], [(["c", "d"], "b")], [(["c", "d", "b"], "a"), (["b"], "a")]]


def test_histories_are_capped() -> None:
    """Teachers and stores use the newest items; the oldest must be the ones that go."""
    domain = Domain.from_interactions("long", ["u"] * 6, list("abcdef"), leave_one_out=True)
    assert [tokens(domain, i.history(len(i) - 1)) for i in (domain.train_instances(2), domain.test_instances(2))] == [
        ["b", "c"],
        ["d", "e"],
    ]


def test_given_targets_and_catalogue() -> None:
    """Splits that the host made are taken as they are, and items without interactions stay in the catalogue."""
    domain = Domain.from_interactions(
        "d", ["u", "u"], ["b", "a"], texts={"z": "Zed.", "a": ""}, valid={"u": "z"}, test={"u": "a"}
    )
    assert domain.items == ("z", "a", "b")
    assert domain.text == ("Zed.", None, None)
    assert domain.has_text.tolist() == [True, False, False]
    assert (domain.valid.tolist(), domain.test.tolist()) == ([0], [1])


def test_hold_last_out_moves_the_last_interaction() -> None:
    """Early stopping on what is trained on would never stop."""
    domain = small().hold_last_out()
    assert tokens(domain, domain.sequence) == ["c", "d", "b", "b", "a"]
    assert domain.valid.tolist() == [0, 0, -1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "no interactions"),
        ((["u"], ["a", "b"]), "differ in length"),
        ((["u"], ["a"], [1, 2]), "differ in length"),
    ],
)
def test_bad_interactions(arguments: tuple[list[str], ...], message: str) -> None:
    """One line that says what is wrong, not an IndexError from the depths."""
    with pytest.raises(DataError, match=message) as error:
        Domain.from_interactions("d", *arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("targets", [{"x": "a"}, {"u": "x"}])
def test_unknown_targets(targets: dict[str, str]) -> None:
    """A target that is silently dropped would change what is measured."""
    with pytest.raises(DataError, match="'x'"):
        Domain.from_interactions("d", ["u"], ["a"], test=targets)


def test_arrays_that_disagree_are_refused() -> None:
    """A hand-built domain with wrong bounds would mix users' histories."""
    good = {
        "name": "d",
        "items": ("a",),
        "text": (None,),
        "users": ("u",),
        "offsets": np.array([0, 1]),
        "sequence": np.array([0]),
        "valid": np.array([-1]),
        "test": np.array([-1]),
    }
    Domain(**good)
    for change in (
        {"text": ()},
        {"offsets": np.array([0])},
        {"offsets": np.array([0, 2])},
        {"test": np.array([])},
        {"attributes": {"title": ()}},
    ):
        with pytest.raises(ValueError, match="domain 'd'"):
            Domain(**{**good, **change})
    with pytest.raises(ValueError, match="not both"):
        Domain.from_interactions("d", ["u"], ["a"], test={}, leave_one_out=True)


def test_attributes_stand_beside_the_joined_text() -> None:
    """A teacher that reads attributes needs them in the catalogue's order, and the text where there are none."""
    texts = {"a": "Red. Acme.", "b": None, "c": "Hat."}
    plain = Domain.from_interactions("d", ["u"], ["e"], texts=texts)
    assert plain.attributes == {}
    assert plain.described() == [(("text", "Red. Acme."),), (), (("text", "Hat."),), ()]
    attributes = {"title": {"a": "Red", "b": "Lost"}, "brand": {"a": "Acme"}, "size": {"x": "9"}, "made": {}}
    domain = Domain.from_interactions("d", ["u"], ["e"], texts=texts, attributes=attributes)
    assert domain.attributes == {"title": ("Red", "Lost", "", ""), "brand": ("Acme", "", "", "")}
    # An item without a text has no attributes either: masks follow the text.
    assert domain.described() == [(("title", "Red"), ("brand", "Acme")), (), (("text", "Hat."),), ()]
    assert domain.hold_last_out().attributes == domain.attributes
