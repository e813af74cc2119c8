from __future__ import annotations

import subprocess
import sys

from ckd_plugins.domains import TextEncoder, builtin
from ckd_plugins.domains.importers import Importer


def test_every_record_leads_to_an_encoder() -> None:
    """A misspelt reference would fail only when a user asks for it."""
    for spec in builtin.ckd_register_text_encoders():
        assert issubclass(spec.load(), TextEncoder)
        assert spec.load().name == spec.name


def test_every_record_leads_to_an_importer() -> None:
    """As above, for ``ckd data import``."""
    for spec in builtin.ckd_register_importers():
        assert issubclass(spec.load(), Importer)


def test_listing_encoders_loads_no_heavy_library() -> None:
    """Start-up of the command line depends on it."""
    code = (
        "import sys; from ckd_plugins.domains import builtin; list(builtin.ckd_register_text_encoders());"
        "list(builtin.ckd_register_importers());"
        "print([m for m in ('torch', 'pandas', 'transformers', 'numpy') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_public_names_resolve() -> None:
    """A name in __all__ that cannot be imported is a broken promise."""
    import ckd_plugins.domains as room

    assert all(getattr(room, name) is not None for name in room.__all__)
    assert dir(room) == room.__all__
