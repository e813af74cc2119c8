"""``python -m ckd_plugins`` is ``ckd``."""

from __future__ import annotations

from ckd_plugins.cli.main import main

if __name__ == "__main__":
    main()
