"""The reStructuredText of our docstrings as Markdown: roles, mathematics and literal blocks, nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["to_markdown"]

_ROLE = re.compile(r":(?:class|func|meth|attr|data|mod|exc):`(~?)([^`<>]+)`")
_MATH = re.compile(r":math:`([^`]+)`")
_LITERAL = re.compile(r"(?<!`)``(?!`)")
_DIRECTIVE = re.compile(r"^(\s*)\.\. (math|code-block)::[ \t]*(.*)$")


def to_markdown(text: str, link: Callable[[str, str], str] | None = None) -> str:
    """Translate a docstring.

    Args:
        text: the docstring, cleaned of its common indentation.
        link: gives Markdown for (what a role refers to, what to show); by default the shown text as code.
    """
    show = link or (lambda target, shown: f"`{shown}`")

    def role(found: re.Match[str]) -> str:
        short, target = found.groups()
        return show(target, target.rsplit(".", 1)[-1] if short else target)

    text = "\n".join(_blocks(text.split("\n")))
    # A formula may run over a line's end, and Markdown's inline mathematics may not.
    text = _MATH.sub(lambda found: f"${' '.join(found[1].split())}$", text)
    return _LITERAL.sub("`", _ROLE.sub(role, text))


def _blocks(lines: list[str]) -> list[str]:
    out: list[str] = []
    at = 0
    while at < len(lines):
        if lines[at].lstrip().startswith(">>> "):
            at = _session(lines, at, out)
            continue
        found = _DIRECTIVE.match(lines[at])
        literal = lines[at].rstrip().endswith("::") and not found
        if not found and not literal:
            out.append(lines[at])
            at += 1
            continue
        indent = len(found[1]) if found else len(lines[at]) - len(lines[at].lstrip())
        first = [found[3]] if found and found[2] == "math" and found[3] else []
        body, end = _indented(lines, at + 1, indent)
        pad = " " * indent
        if found and found[2] == "math":
            out += ["", f"{pad}$$", *(pad + line for line in [*first, *body] if line), f"{pad}$$", ""]
        else:
            if literal:
                out += [lines[at].rstrip()[:-1], ""]
            out += [f"{pad}```python", *(pad + line for line in body), f"{pad}```", ""]
        at = end
    return out


def _session(lines: list[str], at: int, out: list[str]) -> int:
    """Fence an interactive session, which ends at an empty line."""
    pad = " " * (len(lines[at]) - len(lines[at].lstrip()))
    out.append(f"{pad}```pycon")
    while at < len(lines) and lines[at].strip():
        out.append(lines[at].partition("  # doctest:")[0])
        at += 1
    out.append(f"{pad}```")
    return at


def _indented(lines: list[str], at: int, indent: int) -> tuple[list[str], int]:
    """The lines that stand deeper than ``indent``, without their own indentation, and where they end."""
    end = at
    while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent):
        end += 1
    body = lines[at:end]
    while body and not body[-1].strip():
        body.pop()
    while body and not body[0].strip():
        body.pop(0)
    inner = min((len(line) - len(line.lstrip()) for line in body if line.strip()), default=0)
    return [line[inner:] for line in body], end
