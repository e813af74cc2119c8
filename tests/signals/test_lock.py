from __future__ import annotations

import pytest

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.lock import WriterLock


def test_released_lock_can_be_taken_again(tmp_path):
    """A second release, as after an error in the first writer's set-up, must not free another writer's lock."""
    first, second = WriterLock(tmp_path / "a"), WriterLock(tmp_path / "a")
    first.acquire()
    first.release()
    second.acquire()
    first.release()
    with pytest.raises(SignalError, match="another writer"):
        first.acquire()
    second.release()
    assert not list(tmp_path.glob("*.owner"))


def test_holder_that_has_not_yet_said_who_it_is(tmp_path):
    """Between taking the lock and writing its name there is a moment: the refusal must still be a SignalError."""
    first = WriterLock(tmp_path / "a")
    first.acquire()
    (tmp_path / "a.owner").unlink()
    with pytest.raises(SignalError, match=r"see .*a\.owner"):
        WriterLock(tmp_path / "a").acquire()
    first.release()
