"""A teacher that other processes find as an installed plugin, and a store for it to fill."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ckd_plugins.testing import write_distribution

TELLER = Path(__file__).with_name("teller.py")

Place = Callable[..., Path]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """``place("a", once="die")``: a folder with the teacher, its plugin installed here and for processes to come."""
    site = tmp_path / "site"
    write_distribution(site, "tellers", modules={"teller": TELLER.read_text()}, entry_points={"teller": "teller"})
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=":")

    def make(name: str, **quirks: str) -> Path:
        folder = tmp_path / name / "teacher"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"marks": str(tmp_path / name), **quirks}))
        return folder

    return make


def content(store: Path) -> dict[str, bytes]:
    """Every byte of a store."""
    return {file.name: file.read_bytes() for file in sorted(store.iterdir())}
