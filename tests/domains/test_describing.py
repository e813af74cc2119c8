"""Numbers of a domain that is small enough to count by hand."""

from __future__ import annotations

from ckd_plugins.domains.describing import Description, Overlap, Spread, describe, overlaps
from ckd_plugins.domains.domain import Domain


def domain(name: str, pairs: list[tuple[str, str]], texts: dict[str, str | None] | None = None) -> Domain:
    users, items = zip(*pairs, strict=True)
    return Domain.from_interactions(name, users, items, texts=texts)


SHOP = domain(
    "shop",
    [("ann", "tea"), ("ann", "pot"), ("ann", "tea"), ("bob", "tea")],
    {"tea": "Green tea.", "pot": None, "jar": "A jar of glass."},
)


def test_the_counts_are_those_by_hand() -> None:
    """A repeat is an interaction, but no further pair; an unsold item is one of the catalogue."""
    assert describe(SHOP) == Description(
        name="shop",
        users=2,
        items=3,
        interactions=4,
        density=3 / 6,
        length=Spread(1, 2.0, 2.0, 3),
        popularity=Spread(0, 1.0, 4 / 3, 3),
        unseen=1,
        with_text=2,
        words=Spread(2, 3.0, 3.0, 4),
    )


def test_a_domain_without_texts_has_no_words() -> None:
    """The least of nothing is an error of numpy."""
    about = describe(domain("bare", [("u", "a")]))
    assert (about.with_text, about.words) == (0, None)


def test_shares_are_of_the_smaller_domain_and_numbers_are_told() -> None:
    """Sources number from 0: two of them seem to share all their users."""
    one = domain("one", [("0", "a"), ("1", "b"), ("2", "c")])
    two = domain("two", [("0", "c"), ("1", "d")])
    assert overlaps([one, two, SHOP]) == [
        Overlap("one", "two", 2, 1.0, True, 1, 0.5, False),
        Overlap("one", "shop", 0, 0.0, False, 0, 0.0, False),
        Overlap("two", "shop", 0, 0.0, False, 0, 0.0, False),
    ]
    assert overlaps([one]) == []
