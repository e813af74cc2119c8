from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest

from ckd_plugins.host.journal import recbole_log


def test_each_run_has_its_own_log(tmp_path: Path) -> None:
    """RecBole configures the root logger once, so a second run writes into the first one's file."""
    for name in ("one", "two"):
        with recbole_log(tmp_path / name):
            logging.getLogger().info("run %s", name)
    assert "run one" in (tmp_path / "one" / "recbole.log").read_text()
    assert "run one" not in (tmp_path / "two" / "recbole.log").read_text()


def test_the_users_logging_is_as_before(tmp_path: Path) -> None:
    """A library must not open up or close down its host's logging."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    with pytest.raises(ValueError), recbole_log(tmp_path):
        raise ValueError
    assert (root.level, root.handlers) == (level, handlers)


def test_colours_do_not_reach_the_file(tmp_path: Path) -> None:
    """RecBole colours its messages with terminal codes."""
    with recbole_log(tmp_path):
        logging.getLogger().info("\x1b[1;35mepoch\x1b[0m 1")
    assert (tmp_path / "recbole.log").read_text().rstrip().endswith("INFO epoch 1")


def test_other_peoples_warnings_stay(tmp_path: Path) -> None:
    """Only RecBole's age may be silenced."""
    with recbole_log(tmp_path), pytest.warns(FutureWarning, match="mine"):
        warnings.warn("mine", FutureWarning, stacklevel=1)
