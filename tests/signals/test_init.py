from __future__ import annotations

import subprocess
import sys

import pytest

from ckd_plugins import signals


def test_every_public_name_is_there():
    """A name in __all__ that cannot be imported breaks `from ckd_plugins.signals import *`."""
    assert set(dir(signals)) >= set(signals.__all__)
    for name in signals.__all__:
        assert getattr(signals, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Sginal'"):
        signals.Sginal  # noqa: B018


def test_writing_and_manifests_need_no_torch():
    """The command line lists stores and must start at once; torch takes seconds."""
    code = (
        "import sys; from ckd_plugins.signals import Layout, Manifest, StoreWriter; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
