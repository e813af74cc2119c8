from __future__ import annotations

import numpy as np
import pytest

from ckd_plugins.domains import Domain
from ckd_plugins.teachers import user_lists
from ckd_plugins.teachers.user_lists import UserLists


def table(domain: Domain) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((domain.n_users, domain.n_items)).astype(np.float32)


def test_each_user_gets_back_what_was_kept(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user with another's list; a list too short to have k items when the known ones are masked."""
    given = table(domain)
    monkeypatch.setattr(user_lists, "_BLOCK", 7 * domain.n_items)
    lists = UserLists.of(domain, 10, lambda users: given[users])
    found = np.full((3, domain.n_items), -np.inf, np.float32)
    lists.fill(found, np.array([17, -1, 4]))
    assert np.isneginf(found[1]).all()
    for row, user in ((0, 17), (2, 4)):
        kept = np.isfinite(found[row])
        known = domain.offsets[user + 1] - domain.offsets[user] + 1
        assert kept.sum() == 11 + known
        np.testing.assert_array_equal(found[row, kept], given[user, kept])
        assert found[row, kept].min() > given[user, ~kept].max()


def test_a_list_ends_with_the_catalogue(domain: Domain) -> None:
    """K beyond the catalogue would ask for items that there are not."""
    lists = UserLists.of(domain, 1000, lambda users: table(domain)[users])
    assert set(np.diff(lists.offsets)) == {domain.n_items}


def test_a_user_without_interactions_has_none() -> None:
    """RecBole does not know such a user: its scores would be those of padding."""
    empty = Domain("d", ("a", "b", "c"), (None,) * 3, ("u", "v"), [0, 0, 2], [0, 1], [-1, -1], [-1, -1])
    lists = UserLists.of(empty, 1, lambda users: np.ones((len(users), 3), np.float32) * users[:, None])
    assert lists.offsets.tolist() == [0, 0, 3]
    assert set(lists.scores) == {1.0}
