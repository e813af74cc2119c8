"""Properties are checked without a clock (the machine may be busy) and without a folder of examples."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("curriculum", deadline=None, database=None)
settings.load_profile("curriculum")
