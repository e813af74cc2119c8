from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def longformer(make_backbone: Callable[..., str]) -> str:
    return make_backbone("longformer")
