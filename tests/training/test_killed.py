"""A teacher whose making is killed at any moment is, when the command is repeated, the same teacher, byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .conftest import write_shop

# The first in the earlier half: what is left of a making is over sooner, and may have ended before the others' time.
SHARES = [
    np.random.default_rng(int.from_bytes(os.urandom(4), "little")).uniform(0.05, (0.5, 0.95, 0.95)).round(3).tolist()
    for _ in range(2)
]
PLANS: dict[str, list[dict[str, list[float]]]] = {
    "pretrain": [
        {"share": SHARES[0]},
        {"step": [1, 2, 3]},
        {"step": [13, 14, 15]},
        {"step": [4, 4, 4, 4, 4, 4, 4, 4]},  # the last ones are within the saving of the teacher
    ],
    "finetune": [{"share": SHARES[1]}, {"step": [5, 12, 7]}],
}
CASES = [(stage, number) for stage, plans in PLANS.items() for number in range(1, len(plans) + 1)]


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[dict[str, Any]]]]:
    """By stage: where plan ``n``'s teacher lies (0: nobody killed it), and how it went."""
    place = tmp_path_factory.mktemp("killed")
    write_shop(place / "data", "shop", users=60)
    write_shop(place / "data", "other", seed=3, users=60)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    found = {}
    for stage, plans in PLANS.items():
        (place / stage).mkdir()
        script = Path(__file__).with_name("kill.py")
        command = [sys.executable, str(script), stage, str(place / "data"), str(place / stage), json.dumps(plans)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=place, timeout=240)
        assert done.returncode == 0, done.stderr
        found[stage] = place / stage, json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(("stage", "number"), CASES, ids=[f"{s}-{n}-{next(iter(PLANS[s][n - 1]))}" for s, n in CASES])
def test_a_killed_teacher_is_made_as_if_nobody_had_killed_it(driven: Any, stage: str, number: int) -> None:
    """Hours of training are lost, or the weights depend on when the machine was taken away, or half a file is read."""
    place, told = driven[stage]
    about = told[number]
    assert (told[0]["status"], about["status"]) == (0, 0)
    assert about["killed"] >= 1
    for name in ("model.safetensors", "config.json"):
        expected, found = ((place / str(n) / "out" / name).read_bytes() for n in (0, number))
        assert found == expected, (name, PLANS[stage][number - 1])
    assert sorted(p.name for p in (place / str(number)).iterdir()) == ["cache", "out"]
