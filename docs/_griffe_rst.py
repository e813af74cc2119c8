"""For mkdocstrings: docstrings are translated to Markdown before they are rendered."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import griffe

sys.path.insert(0, str(Path(__file__).parent))

from _rst import to_markdown


class Roles(griffe.Extension):
    """Translates roles to links, where what they refer to has a place in the API reference, and mathematics."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Translate one object's docstring."""
        if obj.docstring is None or obj.is_alias:
            return

        def link(target: str, shown: str) -> str:
            try:
                path = obj.resolve(target)
            except Exception:
                path = target
            return f'<autoref optional identifier="{path}"><code>{shown}</code></autoref>'

        obj.docstring.value = to_markdown(obj.docstring.value, link)
