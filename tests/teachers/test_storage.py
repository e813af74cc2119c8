from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ckd_plugins.errors import TeacherError
from ckd_plugins.teachers import UniSRec, VQRec
from ckd_plugins.teachers.storage import read, weights_digest, write

WEIGHTS = {"a": torch.ones(2, 3), "b": torch.arange(3)}


def test_written_is_read(tmp_path: Path) -> None:
    """Types and shapes must survive; tokens may be in any script."""
    write(tmp_path / "new" / "t", {"teacher": "x", "items": ["é"]}, {**WEIGHTS, "a": torch.ones(3, 2).T})
    config, weights = read(tmp_path / "new" / "t", "x")
    assert config["items"] == ["é"]
    assert torch.equal(weights["a"], WEIGHTS["a"])
    assert weights["b"].dtype == torch.int64


def test_digest_sees_every_change() -> None:
    """Stores of knowledge are bound to it."""
    base = weights_digest({"x": 1}, WEIGHTS)
    assert base == weights_digest({"x": 1}, dict(reversed(WEIGHTS.items())))
    assert base != weights_digest({"x": 2}, WEIGHTS)
    assert base != weights_digest({"x": 1}, {**WEIGHTS, "a": torch.ones(3, 2)})
    assert base != weights_digest({"x": 1}, {**WEIGHTS, "a": torch.ones(2, 3) * 2})


def test_what_is_no_saved_teacher(tmp_path: Path) -> None:
    """One line that names the folder and what to do; never a half-loaded teacher."""
    with pytest.raises(TeacherError, match="no saved teacher"):
        UniSRec.load(tmp_path)
    write(tmp_path, {"teacher": "unisrec"}, WEIGHTS)
    with pytest.raises(TeacherError, match="'unisrec', not 'vqrec'"):
        VQRec.load(tmp_path)
    with pytest.raises(TeacherError, match="train it again"):
        UniSRec.load(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "format": 99}))
    with pytest.raises(TeacherError, match="format 99"):
        UniSRec.load(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(TeacherError, match="holds the teacher None"):
        UniSRec.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(TeacherError, match="no saved teacher"):
        UniSRec.load(tmp_path)
