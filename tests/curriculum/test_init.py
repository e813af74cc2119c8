from __future__ import annotations

import subprocess
import sys

import pytest

from ckd_plugins import curriculum


def test_every_public_name_is_there():
    """Guards against a name in __all__ that cannot be imported."""
    for name in curriculum.__all__:
        assert getattr(curriculum, name).__name__ == name
    assert set(curriculum.__all__) <= set(dir(curriculum))


def test_unknown_names_are_attribute_errors():
    """Guards against hasattr() that raises something else."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        curriculum.nothing  # noqa: B018


def test_listing_the_components_does_not_load_torch():
    """Guards the start of the command line, which lists components on every call."""
    code = (
        "import sys; from ckd_plugins.curriculum import builtin as b;"
        "[list(h()) for h in (b.ckd_register_difficulties, b.ckd_register_schedules)];"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
