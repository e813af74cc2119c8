"""Settings without effect are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ckd_plugins import distill
from ckd_plugins.config import CkdConfig
from ckd_plugins.training.idle import idle

from .conftest import Recorder

RAMP = {"name": "linear", "from": 0.0, "to": 4.0, "epochs": 10}
JOIN = {"difficulty": None, "teachers": {"epochs": 4}}


@pytest.mark.parametrize(
    ("section", "epochs", "once", "names"),
    [
        ({}, 1, False, []),
        ({}, 1, None, []),
        ({"curriculum": True}, 5, None, ["ckd.curriculum is a matter of 5 epochs, and the run has at most 5"]),
        ({"curriculum": True}, 6, None, []),
        ({"weight": RAMP}, 10, False, ["ckd.weight is a matter of 10 epochs"]),
        ({"weight": RAMP}, 11, False, []),
        ({"weight": RAMP}, 1, None, []),
        ({"temperature": {**RAMP, "from": 1.0}}, 2, False, ["ckd.temperature is a matter of 10"]),
        ({"curriculum": JOIN}, 4, False, ["ckd.curriculum.teachers is a matter of 4"]),
        ({"curriculum": {**JOIN, "epochs": 7}}, 9, False, ["ckd.curriculum.epochs has no effect"]),
        ({"targets": {"when": "batch", "top": 7}}, 9, False, ["ckd.targets.top has no effect"]),
        ({"targets": {"top": 7, "over": "list"}}, 9, False, ["ckd.targets.over has", "ckd.targets.top has"]),
        ({"targets": {"top": 7}}, 9, True, []),
        ({"targets": {"top": 7}}, 9, None, []),
        ({"domains": {"competence": "within"}}, 9, True, ["ckd.domains.competence has no effect"]),
        ({"domains": {"competence": "within"}, "curriculum": True}, 9, True, []),
    ],
)
def test_each_is_one_line(section: dict[str, Any], epochs: int, once: bool | None, names: list[str]) -> None:
    """A run whose weight never left 0 was a plain one with the name of a distilled one."""
    config = CkdConfig.parse(section)
    found = list(idle(config, epochs, once))
    assert found == list(idle(CkdConfig.parse(config.model_dump(mode="json")), epochs, once))
    assert len(found) == len(names)
    for line, name in zip(found, names, strict=True):
        assert line.startswith(name)


def test_a_run_says_them(shop: Path, tmp_path: Path, recorder: Recorder) -> None:
    """Whoever starts a run must read it."""
    section = {"curriculum": True, "run_dir": str(tmp_path / "runs")}
    distill("BPR", shop, None, {"epochs": 2, "lerning_rate": 0.1, "gpu_id": "", "ckd": section}, reporter=recorder)
    assert any("ckd.curriculum is a matter of 5 epochs, and the run has at most 2" in line for line in recorder.lines)
    assert any("'lerning_rate' is none of RecBole's or of BPR" in line for line in recorder.lines)
