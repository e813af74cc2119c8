"""For mkdocs: mathematics becomes MathML when the site is built, so that pages need neither a script nor a network."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

_FORMULA = re.compile(r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', re.DOTALL)


def on_page_content(output: str, /, **_: Any) -> str:
    """Replace each formula of a page."""

    def formula(found: re.Match[str]) -> str:
        inline, block = found[2], found[3]
        source = html.unescape(inline if inline is not None else block).strip()
        return convert(source, display="inline" if inline is not None else "block")

    return _FORMULA.sub(formula, output)
