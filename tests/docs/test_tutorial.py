"""The plugins in the tutorial and in the README work as printed."""

from __future__ import annotations

import importlib
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from ckd_plugins._contract import check_plugin
from ckd_plugins.config import Component
from ckd_plugins.curriculum import Evidence
from ckd_plugins.errors import ConfigError

ROOT = Path(__file__).parents[2]


def python_blocks(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def tutorial(tmp_path, monkeypatch):
    """The tutorial's files, importable for one test: name of the file to text."""
    files = {}
    for code in python_blocks("docs/plugins.md"):
        head = re.match(r"# (\S+\.py)\n", code)
        if head:
            files[head[1]] = code
            (tmp_path / head[1]).parent.mkdir(exist_ok=True)
            (tmp_path / head[1]).write_text(code, encoding="utf-8")
    (tmp_path / "ckd_my_parts" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield files
    for name in [name for name in sys.modules if name.startswith("ckd_my_parts")]:
        del sys.modules[name]


def test_the_tutorials_plugin_keeps_its_promises(tutorial, ckd_manager):
    """A renamed class or hook would make the first plugin of every reader fail."""
    ckd_manager.register(importlib.import_module("ckd_my_parts.plugin"), "my_parts")
    row = next(row for row in ckd_manager.plugins() if row.name == "my_parts")
    assert check_plugin(ckd_manager, row) == []
    chosen = Component(name="total_variation", options={"power": 2.0})
    assert chosen.build(ckd_manager, "loss", tau=1.0).power == 2.0
    with pytest.raises(ConfigError, match="power must be above 0"):
        Component(name="total_variation", options={"power": -1.0}).build(ckd_manager, "loss", tau=1.0)
    evidence = Evidence(np.array([1, 2, 1]), np.array([0, 0]), np.array([3, 0]), np.array([2, 1]), np.ones(3))
    measure = ckd_manager.get("difficulty", "repetition").load()
    assert measure(evidence)[0] == pytest.approx(2 / 3)
    assert np.isnan(measure(evidence)[1])


def test_the_tutorials_test_passes(tutorial, ckd_manager):
    """Its last step is a test that readers copy."""
    scope = {}
    exec(compile(tutorial["tests/test_parts.py"], "test_parts.py", "exec"), scope)
    scope["test_the_loss_reaches_the_student"](ckd_manager)
    ckd_manager.unregister("my_parts")
    scope["test_the_parts_keep_the_contract"](ckd_manager)


def test_the_readmes_plugin_works(ckd_manager):
    """The first plugin that anyone reads."""
    code = next(code for code in python_blocks("README.md") if "hookimpl" in code)
    assert len([line for line in code.splitlines() if line]) <= 15
    plugin = types.ModuleType("my_loss")
    exec(compile(code, "README.md", "exec"), vars(plugin))
    ckd_manager.register(plugin, "my_loss")
    loss = Component(name="total_variation").build(ckd_manager, "loss", tau=1.0)
    same = torch.randn(2, 5)
    target = types.SimpleNamespace(log_probs=same.log_softmax(dim=-1))
    assert loss(same, target)["total_variation"].abs().max() < 1e-6
