"""The built-in choice of a reader: the last to be asked."""

from __future__ import annotations

from typing import Any

from ckd_plugins.hookspecs import hookimpl

__all__ = ["ckd_choose_reader"]


@hookimpl(trylast=True)
def ckd_choose_reader(model: Any, probe: Any) -> Any:
    """Try the readers of the model's family, cheapest first, and take the first that the probe accepts."""
    from ckd_plugins.students.choose import choose_reader

    return choose_reader(model, probe)
