"""Data for teachers that are made ahead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.config import CkdConfig
from ckd_plugins.host.settings import find_dataset
from ckd_plugins.training.apart import open_data


@pytest.mark.parametrize("given", [{"topk": [20]}, {"metrics": ["Recall"]}])
def test_a_metric_of_validation_that_nobody_set_refuses_nothing(shop: Path, given: dict[str, Any]) -> None:
    """'ckd teacher finetune --set topk=[20]' was refused over a valid_metric that is ours, and read by nobody."""
    with open_data(find_dataset(shop), {**given, "gpu_id": ""}, CkdConfig()) as data:
        assert {name: data.host[name] for name in given} == given
