"""The documentation says what the code says: generated parts, names, code blocks, commands, settings, links."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from ckd_plugins import hookspecs
from ckd_plugins._scheduled import over_epochs
from ckd_plugins.cli.main import ckd
from ckd_plugins.config import CkdConfig, load_config
from ckd_plugins.errors import UnknownNameError
from ckd_plugins.registry import Registry

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PAGES}


def blocks(*languages):
    """Every fenced block of these languages: (page and line, text)."""
    fence = re.compile(rf"^```(?:{'|'.join(languages)})\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [
        pytest.param(found[1], id=f"{page}:{text.count(chr(10), 0, found.start()) + 1}")
        for page, text in TEXTS.items()
        for found in fence.finditer(text)
    ]


def ckd_lines():
    """Every command line of ``ckd`` in a console block or in inline code: (page, arguments)."""
    found = {}
    for page, text in TEXTS.items():
        for block in re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True)
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words.pop(0)
                if words and words[0] == "ckd":
                    found[f"{page}: {line}"] = words[1:]
        prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        for code in re.findall(r"(?<!`)`ckd ([^`]+)`(?!`)", prose):
            found[f"{page}: ckd {code}"] = shlex.split(code)
    return [pytest.param(words, id=name) for name, words in found.items()]


def test_generated_parts_are_fresh(generate):
    """A setting, command, hook or component that changed without its page: run 'python docs/_generate.py'."""
    assert [str(page.relative_to(ROOT)) for page in generate.stale()] == []


def test_every_generated_part_is_on_a_page(generate):
    """A part that no page asks for is documented nowhere."""
    text = "\n".join(TEXTS.values())
    kinds = {record.kind for record in Registry(discover=False).records()} - {"command", "importer", "student"}
    wanted = {"settings", "commands", "hooks", "records", "students", "zoo", *(f"components {kind}" for kind in kinds)}
    wanted |= {f"api {module}" for module in generate.API}
    assert {name for name in wanted if f"<!-- generated: {name} -->" not in text} == set()


@pytest.mark.parametrize("hook", [name for name in vars(hookspecs) if name.startswith("ckd_")])
def test_every_hook_is_documented(hook):
    """A hook without a section: authors of plugins would never learn of it."""
    assert f"## `{hook}`" in TEXTS["docs/hooks.md"]


def test_every_component_is_documented():
    """A built-in that a config can name and no page describes."""
    text = "\n".join(TEXTS.values())
    records = Registry(discover=False).records()
    missing = [str(r) for r in records if r.kind != "command" and f"{{ #{r.kind}-{r.spec.name} }}" not in text]
    missing += [str(r) for r in records if r.kind == "command" and f"### `ckd {r.spec.name}`" not in text]
    assert missing == []


def test_arguments_that_the_host_fills_are_no_options(generate):
    """A page that offers an option which a run refuses: 'tau' of a loss is 'ckd.temperature'."""
    for kind, hidden in generate.FILLED_BY_HOST.items():
        part = generate.components(kind)
        assert [name for name in hidden if f"| `{name}` |" in part] == [], kind


@pytest.mark.parametrize("code", blocks("python"))
def test_python_compiles_and_imports_what_exists(code):
    """A block that a reader copies must at least compile, and name nothing that was renamed."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ckd_plugins":
            module = importlib.import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def test_the_examples_in_the_page_on_signals_run():
    """Their assertions are a promise."""
    examples = re.findall(r"^```python\n(.*?)^```", TEXTS["docs/concepts/signals.md"], re.DOTALL | re.MULTILINE)
    assert len(examples) == 2
    for code in examples:
        exec(compile(code, "signals.md", "exec"), {})


@pytest.mark.parametrize("words", ckd_lines())
def test_shell_commands_exist(words):
    """A command or an option in the text that the command line does not have."""
    command, context = ckd, click.Context(ckd, info_name="ckd")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words[0]
        try:
            command = command.get_command(context, name)
        except UnknownNameError as error:
            pytest.fail(str(error))
        assert command is not None, f"{context.command_path} has no sub-command {name!r}"
        context = click.Context(command, info_name=name, parent=context)
        words = words[1:]
    known = {option for parameter in command.get_params(context) for option in parameter.opts}
    assert [word for word in words if word.startswith("-") and word not in known] == []


@pytest.mark.parametrize("text", [p for p in blocks("yaml") if "ckd:" in p.values[0]])
def test_configs_are_valid(text, tmp_path):
    """A config that a reader copies must pass the checks of a run."""
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    _, config = load_config([path])
    registry = Registry(discover=False)
    for component in config.teachers:
        component.check(registry, "teacher", host=("encoder", "cache_dir", "seed"))
    if config.candidates is not None:
        config.candidates.check(registry, "candidates", host=("seed",))
    config.integrator.check(registry, "integrator")
    config.loss.check(registry, "loss", host=("tau",))
    config.balance.check(registry, "balance")
    over_epochs(config.weight, registry), over_epochs(config.temperature, registry)
    if config.curriculum is not None and "novelty" not in text:  # the example's own parts are not installed here
        config.curriculum.schedule.check(registry, "schedule", host=("until",))
        for name in config.curriculum.difficulty or ():
            registry.get("difficulty", name)


def test_every_setting_has_a_meaning():
    """A setting without a docstring is a row without a sentence."""

    def fields(model, prefix=""):
        for name, field in model.model_fields.items():
            yield f"{prefix}{name}", field
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, CkdConfig.__mro__[1]):
                yield from fields(inner, f"{name}.")

    assert [name for name, field in fields(CkdConfig) if not field.description] == []


@pytest.mark.parametrize("page", TEXTS)
def test_links_to_files_lead_somewhere(page):
    """A link that breaks when a page is moved; pictures are made by hand and may come later."""
    prose = re.sub(r"^```.*?^```", "", TEXTS[page], flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)[^)]*\)", prose)
    folder = (ROOT / page).parent
    assert [t for t in targets if "://" not in t and not (folder / t).exists()] == []
