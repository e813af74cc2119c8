from __future__ import annotations

from pathlib import Path

import pytest

from ckd_plugins.config import CkdConfig
from ckd_plugins.errors import DataError
from ckd_plugins.training.teaching import read_pretraining

FIELDS = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id", "TIME_FIELD": "timestamp"}


def test_pretraining_reads_every_interaction(shop: Path) -> None:
    """A held-out split of a domain that nobody is tested on is data thrown away."""
    (domain,) = read_pretraining(CkdConfig.parse({"pretrain_domains": [str(shop)]}), FIELDS)
    assert len(domain.sequence) == len((shop / "shop.inter").read_text().splitlines()) - 1
    assert all(domain.text)


def test_a_pretraining_dataset_that_is_not_there_is_named(tmp_path: Path) -> None:
    """FileNotFoundError tells a path, not which setting named it."""
    with pytest.raises(DataError, match=r"dataset '.*nowhere' not found"):
        read_pretraining(CkdConfig.parse({"pretrain_domains": [str(tmp_path / "nowhere")]}), FIELDS)
