"""Writes the generated parts of the documentation: settings, commands, hooks, components, API pages.

A page marks such a part with ``<!-- generated: NAME -->`` and ``<!-- end generated -->``; everything between is
replaced by what the code says. Run ``python docs/_generate.py`` after a change; ``--check`` only says what is stale.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from _rst import to_markdown

from ckd_plugins import hookspecs, specs
from ckd_plugins._admission import REGISTRATIONS
from ckd_plugins._docstrings import arguments, attribute_docs, sections
from ckd_plugins._options import read_options
from ckd_plugins.config import json_schema
from ckd_plugins.registry import Registry
from ckd_plugins.students.table import read_table, summary

__all__ = ["main", "pages", "render", "stale"]

DOCS = Path(__file__).parent

_BLOCK = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end generated -->)", re.DOTALL)

FILLED_BY_HOST = {
    "candidates": ("seed",),
    "loss": ("tau",),
    "teacher": ("encoder", "cache_dir", "seed"),
    "schedule": ("until",),
    "difficulty": ("evidence",),
    "importer": ("path",),
}
"""Arguments of factories that a run fills and a config cannot set, as ``ckd_plugins.training`` has it."""

API = ("ckd_plugins", *(f"ckd_plugins.{room}" for room in (
    "specs", "hookspecs", "registry", "config", "errors", "domains", "domains.importers", "teachers", "signals",
    "students", "distillation",
    "distillation.candidates", "distillation.integrators", "distillation.losses", "distillation.balances",
    "distillation.ramps", "distillation.trials", "curriculum",
    "curriculum.difficulty", "curriculum.schedules", "training", "study.statistics", "testing",
)))  # fmt: skip
"""Modules whose ``__all__`` is the public surface."""


# Pages.


def pages() -> list[Path]:
    """Every page with a generated part."""
    return [path for path in sorted(DOCS.rglob("*.md")) if _BLOCK.search(path.read_text(encoding="utf-8"))]


def render(page: Path) -> str:
    """Return a page as it should be."""

    def block(found: re.Match[str]) -> str:
        name, _, argument = found[2].partition(" ")
        return f"{found[1]}\n{_BLOCKS[name](argument).strip()}\n\n{found[3]}"

    return _BLOCK.sub(block, page.read_text(encoding="utf-8"))


def stale() -> list[Path]:
    """The pages whose generated parts are not what the code says."""
    return [page for page in pages() if page.read_text(encoding="utf-8") != render(page)]


# Settings.


_COMPONENTS = ("Component", "TeacherComponent")
_PLACES = {"TeacherOrder": "curriculum.teachers"}
"""Where a section stands, if not under its own name."""


def _place(section: str) -> str:
    return _PLACES.get(section, section.lower())


def settings(_: str = "") -> str:
    """Every setting of the ``ckd`` section, from the JSON schema of the pydantic models."""
    schema = json_schema()
    sections = {"": schema["properties"]["ckd"], **{f"{_place(k)}.": v for k, v in schema["$defs"].items()}}
    out: list[str] = []
    for prefix, section in sections.items():
        if not section.get("properties") or prefix in ("component.", "scheduled."):
            continue
        out += [f"### `ckd{'.' + prefix[:-1] if prefix else ''}`", "", _sentence(section.get("description", "")), ""]
        rows = []
        for name, field in section["properties"].items():
            inner = schema["$defs"].get(field.get("$ref", "").rsplit("/", 1)[-1], {})
            meaning = field.get("description") or inner.get("description", "")
            rows.append((f"`{prefix}{name}`", _type(field, schema), _default(field), _sentence(meaning)))
        out += [_table(("setting", "value", "default", "meaning"), rows), ""]
    return "\n".join(out)


def _type(field: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[-1]
        if name == "Scheduled":
            return "[schedule](concepts/distillation.md#schedules)"
        if name == "Measure":
            return "[measure](concepts/curriculum.md#measures-of-difficulty)"
        return "[component](#components)" if name in _COMPONENTS else f"[section](#ckd{_place(name).replace('.', '')})"
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(part, schema) for part in field["anyOf"]))
    if "allOf" in field:
        return _type(field["allOf"][0], schema)
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    kind = field.get("type", "any")
    if kind == "array":
        return f"list of {_plural(_type(field['items'], schema))}"
    if kind == "object":
        inner = field.get("additionalProperties")
        return f"mapping to {_plural(_type(inner, schema))}" if isinstance(inner, dict) else "mapping"
    limits = {"exclusiveMinimum": "above", "minimum": "at least", "exclusiveMaximum": "below", "maximum": "at most"}
    words = {"string": "text", "boolean": "`true` or `false`", "null": "`null`"}.get(kind, kind)
    if field.get("format") == "path":
        words = "path"
    return " ".join([words, *(f"{word} {field[key]:g}" for key, word in limits.items() if key in field)])


def _plural(words: str) -> str:
    return re.sub(r"^(number|component|text)\b", r"\1s", words.replace("[component]", "[components]"))


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return "of the platform"
    return f"`{_yaml(field['default'])}`"


def _yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_yaml(inner) for inner in value) + "]"
    return {None: "null", True: "true", False: "false"}.get(value, str(value)) if _plain(value) else str(value)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool)


# Commands.


def commands(_: str = "") -> str:
    """Every command of ``ckd``, from click."""
    import click

    from ckd_plugins.cli.main import ckd

    out: list[str] = []

    def describe(command: click.Command, name: str, parent: click.Context | None) -> None:
        with click.Context(command, info_name=name, parent=parent, terminal_width=1000, max_content_width=1000) as ctx:
            path = ctx.command_path
            usage = " ".join([path, *command.collect_usage_pieces(ctx)])
            out.extend([f"{'#' * (2 + path.count(' '))} `{path}`", "", f"```text\n{usage}\n```", ""])
            out.extend([_unwrap(inspect.cleandoc(command.help or "")), ""])
            records = [p.get_help_record(ctx) for p in command.params]
            rows = [(f"`{r[0]}`", _sentence(r[1])) for r in records if r and r[1]]
            out.extend([_table(("option", "meaning"), rows), ""] if rows else [])
            if isinstance(command, click.Group):
                for child in sorted(c for c in command.list_commands(ctx) if parent is not None or c in builtin):
                    inner = command.get_command(ctx, child)
                    if inner is not None:
                        describe(inner, child, ctx)

    # Built-ins only: a page must not depend on what else is installed where it is written.
    builtin = {record.spec.name for record in _registry().records("command")}
    describe(ckd, "ckd", None)
    return "\n".join(out)


# Hooks.


def hooks(_: str = "") -> str:
    """Every hook: a section with its kind, signature, arguments, example and, for start-up hooks, its record."""
    out: list[str] = []
    for name, function in vars(hookspecs).items():
        if not name.startswith("ckd_"):
            continue
        first = getattr(function, f"{hookspecs.PROJECT}_spec")["firstresult"]
        kind = "start-up" if name in REGISTRATIONS else "decision, first answer wins" if first else "observer"
        signature = inspect.signature(function)
        arguments = ", ".join(p.replace(annotation=p.empty).name for p in signature.parameters.values())
        parts = sections(inspect.getdoc(function) or "")
        out += [f"## `{name}` {{ #{name} }}", "", f"*{kind}* · `{name}({arguments})`", "", _sentence(parts[""]), ""]
        for title in ("Args", "Returns"):
            if title in parts:
                out += [f"**{title}**", "", _items(parts[title]), ""]
        if name in REGISTRATIONS:
            _, record = REGISTRATIONS[name]
            out += [f"Yields [`{record.__name__}`](#{record.__name__.lower()}) records.", ""]
        out += ["```python", _program(parts["Example"]), "```", ""]
    return "\n".join(out)


def records(_: str = "") -> str:
    """Every record that a start-up hook yields, with its fields."""
    out: list[str] = []
    for name in specs.__all__:
        cls = getattr(specs, name)
        if not (isinstance(cls, type) and issubclass(cls, specs.Spec) and cls is not specs.Spec):
            continue
        meanings = attribute_docs(cls)
        own = {f.name: f for f in vars(cls)["__dataclass_fields__"].values()}
        rows = [
            (f"`{field}`", "required" if field in ("name", "factory") else f"`{own[field].default!r}`"
             if repr(own[field].default)[0] != "<" else "`()`", _sentence(meanings.get(field, "")))
            for field in own
        ]  # fmt: skip
        out += [f"### {name}", "", _sentence(sections(inspect.getdoc(cls) or "")[""]), ""]
        out += [_table(("field", "default", "meaning"), rows), ""]
    return "\n".join(out)


# Components.


def components(kind: str) -> str:
    """The built-in components of a kind, with the options that a config can set."""
    out: list[str] = []
    for record in _registry().records(kind):
        factory = record.spec.load()
        doc = sections(inspect.getdoc(factory) or "")
        out += [f"### {kind.replace('_', ' ')}: `{record.spec.name}` {{ #{kind}-{record.spec.name} }}", ""]
        out += [to_markdown(doc[""]).strip(), ""]
        teachers = getattr(record.spec, "teachers", 0)
        needs = getattr(record.spec, "needs", (f"{teachers} teacher{'s' * (teachers > 1)}",) if teachers else ())
        if needs:
            out += [f"Needs: {', '.join(needs)}.", ""]
        meanings = {**attribute_docs(factory), **arguments(doc.get("Args", ""))}
        rows = []
        for name, parameter in read_options(factory).parameters.items():
            if name in FILLED_BY_HOST.get(kind, ()):
                continue
            default = "required" if parameter.default is parameter.empty else f"`{_short(parameter.default)}`"
            rows.append((f"`{name}`", default, _sentence(meanings.get(name, ""))))
        if rows:
            out += [_table(("option", "default", "meaning"), rows), ""]
    return "\n".join(out)


def zoo(_: str = "") -> str:
    """The students of our own, with the settings that stand below a user's."""
    out: list[str] = []
    for record in _registry().records("student"):
        spec: Any = record.spec
        doc = sections(inspect.getdoc(spec.load()) or "")
        package, _, path = spec.defaults.partition(":")
        settings = files(package).joinpath(path).read_text(encoding="utf-8").strip()
        out += [f"### student: `{spec.name}` {{ #student-{spec.name} }}", "", to_markdown(doc[""]).strip(), ""]
        if spec.packages:
            out += [f"Needs: {', '.join(spec.packages)}.", ""]
        out += ["```yaml", settings, "```", ""]
    return "\n".join(out)


def students(_: str = "") -> str:
    """What was measured of every model."""
    rows = [
        (f"`{r.name}`", r.family.replace("_", " "), r.reader, str(r.passes or ""), r.calls, ", ".join(r.speed),
         ", ".join(f"`{n}`" if n.startswith(".") else n for n in r.needs), r.status, r.note)
        for r in read_table()
    ]  # fmt: skip
    heads = ("model", "family", "reader", "passes", "calls", "speed", "needs", "status", "note")
    return f"{summary(read_table())}\n\n{_table(heads, rows)}"


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_short(v) for v in value) + "]"
    return f"{value:.4g}" if isinstance(value, float) else _yaml(value)


# API.


def api(module: str) -> str:
    """One mkdocstrings directive for each public name of a module, or a link where another page describes it."""
    loaded = import_module(module)
    out: list[str] = []
    for name in (name for name in loaded.__all__ if name != "__version__"):
        value = getattr(loaded, name)
        described = inspect.isclass(value) or inspect.isfunction(value)
        page = _page_of(value, name)
        path = f"{value.__module__}.{value.__qualname__}" if described else f"{page}.{name}"
        if not described and name not in attribute_docs(import_module(page)):
            out += ["", f"`{name}`"]
        else:
            out += ["", f"::: {path}" if page == module else f"[`{name}`][{path}]"]
    return "\n".join(out)


def _page_of(value: Any, name: str) -> str:
    """The module on whose page a public object is described: the innermost that exports it."""
    exporting = [m for m in API if name in import_module(m).__all__ and getattr(import_module(m), name) is value]
    return max(exporting, key=len)


# Reading docstrings.


def _items(section: str) -> str:
    named = arguments(section)
    return "\n".join(f"- `{k}`: {_sentence(v)}" for k, v in named.items()) if named else _sentence(section)


def _program(example: str) -> str:
    lines = [line[4:] for line in example.split("\n") if line.startswith((">>>", "..."))]
    text = "\n".join(line.partition("  # doctest:")[0] for line in lines)
    return re.sub(r"(?<=[^\n])\n@", "\n\n\n@", text)


def _sentence(text: str) -> str:
    return " ".join(to_markdown(text).split())


def _unwrap(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") or " " for cell in row) + " |" for row in lines)


def _registry() -> Registry:
    return Registry(discover=False)


_BLOCKS: dict[str, Callable[[str], str]] = {
    "settings": settings,
    "commands": commands,
    "hooks": hooks,
    "records": records,
    "components": components,
    "zoo": zoo,
    "students": students,
    "api": api,
}


def main(arguments: list[str]) -> int:
    """Write the stale pages, or with ``--check`` name them and return 1."""
    found = stale()
    for page in found:
        print(page.relative_to(DOCS.parent))
        if "--check" not in arguments:
            page.write_text(render(page), encoding="utf-8")
    return 1 if found and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
