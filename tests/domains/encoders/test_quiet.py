"""Whatever happens while a model loads, transformers is as talkative afterwards as before."""

from __future__ import annotations

import pytest
from transformers.utils import logging

from ckd_plugins.domains.encoders.quiet import quiet_transformers


@pytest.mark.parametrize("reports", [True, False])
def test_a_failed_load_leaves_the_users_settings(reports: bool) -> None:
    """A user's own progress bars would be gone for the rest of the process."""
    before = logging.is_progress_bar_enabled(), logging.get_verbosity()

    def load() -> None:
        with quiet_transformers(reports=reports):
            assert not logging.is_progress_bar_enabled()
            assert (logging.get_verbosity() == before[1]) == reports
            raise KeyError

    with pytest.raises(KeyError):
        load()
    assert (logging.is_progress_bar_enabled(), logging.get_verbosity()) == before
