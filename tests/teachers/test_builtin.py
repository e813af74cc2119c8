from __future__ import annotations

import subprocess
import sys

from ckd_plugins.teachers import Teacher, builtin


def test_every_record_leads_to_a_teacher() -> None:
    """A misspelt reference would fail only when a user asks for it."""
    for spec in builtin.ckd_register_teachers():
        assert issubclass(spec.load(), Teacher)
        assert spec.load().name == spec.name
        assert spec.summary


def test_listing_teachers_loads_no_heavy_library() -> None:
    """Start-up of the command line depends on it."""
    code = (
        "import sys; from ckd_plugins.teachers import builtin; list(builtin.ckd_register_teachers());"
        "print([m for m in ('torch', 'pandas', 'transformers', 'numpy') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_public_names_resolve() -> None:
    """A name in __all__ that cannot be imported is a broken promise."""
    import ckd_plugins.teachers as room

    assert all(getattr(room, name) is not None for name in room.__all__)
    assert dir(room) == room.__all__
