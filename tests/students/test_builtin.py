"""The built-in answer to ``ckd_choose_reader``."""

from __future__ import annotations

import subprocess
import sys

import pluggy

from ckd_plugins import hookspecs
from ckd_plugins.hookspecs import hookimpl
from ckd_plugins.students import builtin


def test_a_plugin_answers_before_the_built_in(case):
    """Guards against a plugin's own reader that is never asked for."""

    class Plugin:
        @hookimpl
        def ckd_choose_reader(self, model, probe):
            return "mine" if type(model).__name__ == "BPR" else None

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(Plugin())
    manager.register(builtin)
    bpr, gcn = case("BPR"), case("LightGCN")
    assert manager.hook.ckd_choose_reader(model=bpr.model, probe=bpr.probe()) == "mine"
    assert manager.hook.ckd_choose_reader(model=gcn.model, probe=gcn.probe()).name == "propagated embeddings"


def test_listing_the_room_imports_neither_torch_nor_recbole():
    """Guards against seconds of start-up for ``ckd plugins list``."""
    code = "import sys, ckd_plugins.students.builtin as b; sys.exit(bool({'torch', 'recbole'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
