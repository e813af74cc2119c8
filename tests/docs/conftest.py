"""The generator of the documentation, loaded from where it lies."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def generate():
    path = ROOT / "docs" / "_generate.py"
    spec = importlib.util.spec_from_file_location("ckd_docs_generate", path)
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = before
