"""``ckd teacher list`` and ``show``: what can be named, and what has been trained."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from ckd_plugins.cli.json_output import json_option, print_json
from ckd_plugins.errors import ConfigError

__all__ = ["list_teachers", "show"]


@click.command("list")
@click.option("--config", "-c", "files", multiple=True, type=click.Path(), help="RecBole YAML with a ckd: section.")
@click.option("--cache-dir", type=click.Path(path_type=Path), help="Another cache than the config's.")
@click.option(
    "--dir", "folders", multiple=True, type=click.Path(path_type=Path), help="Show the teachers in this folder, too."
)
@json_option()
def list_teachers(files: tuple[str, ...], cache_dir: Path | None, folders: tuple[Path, ...], as_json: bool) -> None:
    """List the teachers that can be named, and those that have been trained: in the cache, and in folders."""
    from ckd_plugins.cli.tables import print_table
    from ckd_plugins.config import load_config
    from ckd_plugins.registry import get_registry

    _, config = load_config(files)
    known = [
        (r.spec.name, ", ".join(getattr(r.spec, "needs", ())), r.spec.summary)
        for r in get_registry().records("teacher")
    ]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"--dir {str(folder)!r} is no folder; name one that holds teachers")
    cached = _teachers_in([(cache_dir or config.cache_dir) / "teachers"])
    found = _teachers_in(folders)
    if as_json:
        listed = [{"name": name, "needs": needs, "summary": summary} for name, needs, summary in known]
        about = [_about(folder) for folder in found]
        print_json({"teachers": listed, "cached": [str(f) for f in cached], "folders": about})
        return
    print_table(("teacher", "needs", "what it is"), known)
    for folder in cached:
        click.echo(f"cached: {folder}")
    if found:
        click.echo()
        rows = [tuple(str(value) for value in _about(folder).values()) for folder in found]
        print_table(("folder", "teacher", "stage", "trained on", "made"), rows)


@click.command("show")
@click.argument("teacher", metavar="NAME|DIR")
@json_option()
def show(teacher: str, as_json: bool) -> None:
    """Show a teacher: of a NAME its options, of a trained one in the folder DIR what it was made from."""
    from ckd_plugins.registry import get_registry

    if (Path(teacher) / "config.json").is_file() and teacher not in get_registry().names("teacher"):
        _show_folder(Path(teacher), as_json)
    elif "/" in teacher or teacher.startswith((".", "~")):
        raise ConfigError(f"{teacher!r} holds no saved teacher; give a folder with its config.json")
    else:
        _show_registered(teacher, as_json)


def _teachers_in(places: Iterable[Path]) -> list[Path]:
    """Folders with a teacher, those given or one below; a name that begins with a dot is half written."""
    found = [f.parent for place in places for f in [*place.glob("config.json"), *place.glob("[!.]*/config.json")]]
    return sorted(dict.fromkeys(found))


def _about(folder: Path) -> dict[str, str]:
    from ckd_plugins.errors import TeacherError
    from ckd_plugins.training.teaching.source import read_card

    try:
        card = read_card(folder)
    except TeacherError:
        card = {}
    return {
        "folder": str(folder),
        "teacher": str(card.get("teacher", "?")),
        "stage": {"pretrain": "pre-trained", "finetune": "fine-tuned"}.get(card.get("stage", ""), "no card"),
        "trained_on": ", ".join(_domains(card)),
        "made": str(card.get("made", "")),
    }


def _domains(card: Mapping[str, Any]) -> list[str]:
    before = [domain["name"] for domain in (card.get("pretraining") or {}).get("domains", ())]
    return before + ([card["finetuning"]["domain"]["name"]] if card.get("finetuning") else [])


def _show_registered(name: str, as_json: bool) -> None:
    import inspect

    from ckd_plugins._docstrings import arguments, attribute_docs, in_a_terminal, sections
    from ckd_plugins._options import read_options
    from ckd_plugins.cli.tables import print_table
    from ckd_plugins.registry import get_registry
    from ckd_plugins.training.teaching.source import HOST

    record = get_registry().record("teacher", name)
    spec: Any = record.spec
    factory = record.load()
    meanings = attribute_docs(factory) | arguments(sections(inspect.getdoc(factory) or "").get("Args", ""))
    options: list[dict[str, Any]] = [
        {
            "name": option,
            "required": parameter.default is parameter.empty,
            "default": None if parameter.default is parameter.empty else parameter.default,
            "meaning": in_a_terminal(meanings.get(option, "")),
        }
        for option, parameter in read_options(factory).parameters.items()
        if option not in HOST
    ]
    if as_json:
        about = {"name": spec.name, "summary": spec.summary, "needs": list(spec.needs), "from": str(record.origin)}
        print_json({**about, "options": options}, default=str)
        return
    click.echo(f"{spec.name}: {spec.summary}")
    click.echo(f"needs: {', '.join(spec.needs) or 'nothing'}; from {record.origin}\n")
    rows = [
        (o["name"], "required" if o["required"] else json.dumps(o["default"], default=str), o["meaning"])
        for o in options
    ]
    print_table(("option", "default", "meaning"), rows)


def _show_folder(folder: Path, as_json: bool) -> None:
    from ckd_plugins.cli.tables import print_table
    from ckd_plugins.cli.teacher_training import metrics
    from ckd_plugins.training.teaching.source import read_card

    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    card = read_card(folder)
    if as_json:
        print_json({"folder": str(folder), "bytes": size, "card": card or None})
        return
    if not card:
        click.echo(f"{folder} holds a teacher ({size / 1e6:.1f} MB) without a card.json: nothing else is known of it")
        return
    about = _about(folder)
    rows = [
        ("teacher", about["teacher"]),
        ("stage", about["stage"]),
        *[("pre-trained on", _counted(d)) for d in (card["pretraining"] or {}).get("domains", ())],
        *([("fine-tuned on", _counted(card["finetuning"]["domain"]))] if card["finetuning"] else []),
        *[
            (f"best epoch, {stage}", f"{told['best_epoch']} of {len(told['epochs'])}, {_valid(told)}")
            for stage, told in (("pre-training", card["pretraining"]), ("fine-tuning", card["finetuning"]))
            if told and told.get("epochs")
        ],
        *[(split, metrics(result)) for split, result in card["results"].items()],
        ("seed", str(card["made_from"]["seed"])),
        ("parameters", f"{card['parameters']:,}"),
        ("size", f"{size / 1e6:.1f} MB"),
        ("made", f"{card['made']} with {', '.join(f'{k} {v}' for k, v in card['versions'].items() if k != 'teacher')}"),
        ("weights", card["digest"]),
        *[(f"option {key}", json.dumps(value)) for key, value in card["made_from"]["options"].items()],
    ]
    print_table(("what", ""), rows)


def _counted(domain: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{domain[key]:,} {key}" for key in ("users", "items", "interactions") if key in domain)
    return f"{domain['name']} ({counts})" if counts else str(domain["name"])


def _valid(told: Mapping[str, Any]) -> str:
    valid = told["best_valid_ndcg@10"]
    return f"{told['seconds']:.1f} s" + ("" if valid is None else f", valid NDCG@10 {valid:.4f}")
