"""The room's public names."""

from __future__ import annotations

import subprocess
import sys


def test_public_names_are_what_they_say_in_any_order_of_imports():
    """Guards against ``students.attach`` that is a module once a module of that name was imported."""
    code = (
        "import ckd_plugins.students.attachment, ckd_plugins.students as s; "
        "assert callable(s.attach) and all(getattr(s, n) for n in s.__all__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
