"""What docstrings say of options: below attributes, and in the section ``Args``."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import is_dataclass
from itertools import pairwise
from typing import Any

__all__ = ["arguments", "attribute_docs", "in_a_terminal", "sections"]


def sections(doc: str) -> dict[str, str]:
    """Split a Google docstring: ``""`` is the text before the first section."""
    parts: dict[str, list[str]] = {"": []}
    current = ""
    for line in doc.split("\n"):
        heading = re.fullmatch(r"(Args|Returns|Raises|Example|Attributes):\s*", line)
        if heading:
            current = heading[1]
            parts[current] = []
        else:
            if line and not line[0].isspace():  # what is not indented is no part of a section
                current = ""
            parts[current].append(line)
    return {name: textwrap.dedent("\n".join(lines)).strip() for name, lines in parts.items()}


def arguments(section: str) -> dict[str, str]:
    """What a docstring's section ``Args`` says of each argument."""
    found: dict[str, str] = {}
    for line in section.split("\n"):
        head = re.match(r"(\w+): (.*)", line)
        if head:
            name = head[1]
            found[name] = head[2]
        elif found and line.strip():
            found[name] += " " + line.strip()
    return found


def in_a_terminal(text: str) -> str:
    """A docstring's sentence on one line, without markup: ``:class:`~a.b.C``` is ``C``."""
    named = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"\1", text)
    return " ".join(named.replace("``", "").split())


def attribute_docs(thing: Any) -> dict[str, str]:
    """Docstrings below attributes, of a class and its bases or of a module."""
    if inspect.ismodule(thing):
        return dict(_strings(ast.parse(inspect.getsource(thing)).body))
    if not is_dataclass(thing) or not isinstance(thing, type):
        return {}
    found: dict[str, str] = {}
    for cls in reversed(thing.__mro__):
        if is_dataclass(cls):
            tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
            found.update(_strings(getattr(tree, "body", [])))
    return found


def _strings(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for before, after in pairwise(body):
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            target: ast.expr | None = before.target if isinstance(before, ast.AnnAssign) else None
            if isinstance(before, ast.Assign):
                target = before.targets[0]
            if isinstance(target, ast.Name):
                yield target.id, inspect.cleandoc(after.value.value)
