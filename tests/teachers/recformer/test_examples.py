from __future__ import annotations

import numpy as np

from ckd_plugins.teachers.recformer.examples import Rows, draw

OFFSETS = np.array([0, 5, 6, 6, 8, 15])
FLAT = np.arange(100, 115)


def test_a_drawn_target_follows_its_history_within_one_user() -> None:
    """A history that runs into another user's, or holds its target, would be a leak."""
    rng = np.random.default_rng(0)
    seen: set[int] = set()
    for _ in range(200):
        rows = draw(FLAT, OFFSETS, rng)
        assert rows.start.tolist() == [0, 6, 8]
        assert (rows.stop > rows.start).all()
        np.testing.assert_array_equal(rows.target, FLAT[rows.stop])
        seen |= set(rows.target.tolist())
    assert seen == {101, 102, 103, 104, 107, *range(109, 115)}


def test_pre_training_draws_from_the_second_half() -> None:
    """The published pre-training leaves short histories to fine-tuning."""
    rng = np.random.default_rng(0)
    seen = {t for _ in range(200) for t in draw(FLAT, OFFSETS, rng, second_half=True).target.tolist()}
    assert seen == {102, 103, 104, 107, *range(111, 115)}


def rows() -> Rows:
    start = np.array([0, 0, 2, 4, 9, 3])
    stop = np.array([1, 4, 5, 9, 9, 14])
    return Rows(FLAT - 100, start, stop, np.arange(6))


def test_batches_hold_every_row_once_newest_item_first() -> None:
    """A lost row is a user who never trains; an order of oldest first loses the newest to the cut."""
    cost = np.array([3, 9, 7, 9, 1, 20])
    for rng, most in ((None, 40), (np.random.default_rng(0), 2)):
        found: dict[int, list[int]] = {}
        for batch in rows().batches(cost, most, rng):
            assert len(batch.row) * cost[batch.row].max() <= 40 if rng is None else len(batch.row) <= 2
            for r, items, target in zip(batch.row, batch.items, batch.target, strict=True):
                assert int(r) not in found
                found[int(r)] = [int(i) for i in items if i]
                assert target == r
        assert found == {
            r: [int(i) + 1 for i in (FLAT - 100)[rows().start[r] : rows().stop[r]][::-1]] for r in range(6)
        }


def test_rows_share_batches_with_rows_of_like_cost() -> None:
    """Padding to the longest of all would cost several times the work."""
    rng = np.random.default_rng(0)
    n = 640
    many = Rows(np.zeros(n, np.int64), np.arange(n), np.arange(n) + 1, np.zeros(n, np.int64))
    cost = rng.integers(1, 100, n)
    work = sum(len(b.row) * cost[b.row].max() for b in many.batches(cost, 16, rng))
    assert work < 1.25 * cost.sum()
    orders = [np.concatenate([b.row for b in many.batches(cost, 16, rng)]).tolist() for _ in range(2)]
    assert orders[0] != orders[1]


def test_tokens_are_counted_to_the_cut() -> None:
    """Counts that are off spoil the batches of like length."""
    lengths = np.arange(1, 16)
    wanted = [
        min(30, 1 + sum(lengths[FLAT[p] - 100] for p in range(a, b)))
        for a, b in zip(rows().start, rows().stop, strict=True)
    ]
    assert rows().tokens(lengths, 30).tolist() == wanted


def test_only_the_newest_items_are_kept() -> None:
    """A history is cut at its oldest end."""
    cut = rows().newest(3)
    assert (cut.stop - cut.start).tolist() == [1, 3, 3, 3, 0, 3]
    assert cut.stop.tolist() == rows().stop.tolist()


def test_no_rows_give_no_batches() -> None:
    """A run without anything to answer must not fail."""
    none = np.zeros(0, np.int64)
    assert list(Rows(none, none, none, none).batches(none, 8)) == []
    assert list(Rows(none, none, none, none).batches(none, 8, np.random.default_rng(0))) == []
