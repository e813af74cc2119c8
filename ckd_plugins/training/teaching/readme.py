"""A teacher's card as a page for people, in the form that model hubs show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["readme"]


def readme(card: Mapping[str, Any]) -> str:
    """Return Markdown, with the front matter of a model card.

    Args:
        card: what ``card.json`` holds.
    """
    pretrained, finetuned = card["pretraining"], card["finetuning"]
    name, domain = card["teacher"], (finetuned or {}).get("domain", {}).get("name", "")
    others = [d["name"] for d in (pretrained or {}).get("domains", ())]
    title = f"{name}, fine-tuned on {domain}" if finetuned else f"{name}, pre-trained on {_listed(others)}"
    what = f"A recommender, {card['summary']}." if card["summary"] else "A recommender."
    use = "It teaches students of that dataset and split" if finetuned else "It is to be fine-tuned on another dataset"
    parts = [
        _front(card, [*others, *([domain] if domain else [])]),
        f"# {title}",
        f"{what} {use}, with [ckd-plugins]({_HOME}). It has {card['parameters']:,} values and reads the newest "
        f"{card['max_length']} items of a history.",
        "## Use",
        _use(name, finetuned=bool(finetuned)),
        "## Data",
        _data(pretrained, finetuned),
        *_metrics(card["results"]),
        *_stage("Pre-training", pretrained),
        *_stage("Fine-tuning", finetuned),
        "## Made from",
        _table(("", ""), _facts(card)),
        "Options in force (a file or folder stands here by a hash of what is in it):",
        _table(("option", "value"), [(f"`{k}`", f"`{_plain(v)}`") for k, v in card["made_from"]["options"].items()]),
    ]
    return "\n\n".join(parts) + "\n"


_HOME = "https://pypi.org/project/ckd-plugins/"


def _front(card: Mapping[str, Any], datasets: Sequence[str]) -> str:
    tags = ["recommender-systems", "sequential-recommendation", "knowledge-distillation", "teacher", card["teacher"]]
    lines = ["library_name: ckd-plugins", "tags:", *(f"- {tag}" for tag in tags), "ckd_datasets:"]
    return "\n".join(["---", *lines, *(f"- {_quoted(name)}" for name in datasets), "---"])


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _use(name: str, *, finetuned: bool) -> str:
    lines = ["ckd distill SASRec --dataset DATASET --teachers ./FOLDER"]
    if not finetuned:
        lines.insert(0, f"ckd teacher finetune {name} --from FOLDER --dataset DATASET --out FINETUNED")
    python = ["from ckd_plugins import distill", "", _CALL]
    return "\n".join(["```console", *(f"$ {line}" for line in lines), "```", "", "```python", *python, "```"])


_CALL = 'distill("SASRec", "DATASET", teachers=[{"from": "FOLDER"}])'


def _data(pretrained: Mapping[str, Any] | None, finetuned: Mapping[str, Any] | None) -> str:
    rows = [_data_row("pre-training", domain, domain.get("hash")) for domain in (pretrained or {}).get("domains", ())]
    if finetuned:
        domain = finetuned["domain"]
        rows.append(_data_row("fine-tuning", domain, f"{domain['data_hash']}, split {domain['split_hash']}"))
    return _table(("for", "dataset", "users", "items", "interactions", "hash"), rows)


def _data_row(what: str, domain: Mapping[str, Any], digest: str | None) -> tuple[str, ...]:
    numbers = (f"{domain[key]:,}" if key in domain else "" for key in ("users", "items", "interactions"))
    return (what, domain["name"], *numbers, f"`{digest}`" if digest else "")


def _metrics(results: Mapping[str, Mapping[str, float]]) -> list[str]:
    if not results:
        return []
    names = list(dict.fromkeys(name for result in results.values() for name in result))
    rows = [(split, *(f"{r[n]:.4f}" if n in r else "" for n in names)) for split, r in results.items()]
    return ["## Results", "Full ranking, leave one out.", _table(("", *names), rows)]


def _stage(title: str, told: Mapping[str, Any] | None) -> list[str]:
    if not told or not told.get("epochs"):
        return []
    best, seconds = told["best_epoch"], told["seconds"]
    head = f"{len(told['epochs'])} epochs in {seconds:,.1f} s, ended by {told['stopped_by']}; kept: epoch {best}."
    rows = [
        (str(e["number"]), f"{e['loss']:.4f}", "" if e["valid"] is None else f"{e['valid']:.4f}")
        for e in told["epochs"]
    ]
    return [f"## {title}", head, _table(("epoch", "loss", "valid NDCG@10"), rows)]


def _facts(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("seed", str(card["made_from"]["seed"])), ("made", card["made"]), ("weights", f"`{card['digest']}`")]
    if card["text_encoder"]:
        facts.append(("text encoder", f"`{card['text_encoder']}`"))
    return facts + [(name, text) for name, text in card["versions"].items()]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _plain(value: Any) -> str:
    return str(value).replace("\n", " ")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
