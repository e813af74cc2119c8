"""What is written down of a trained teacher: for programs ``card.json``, for people ``README.md``."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ckd_plugins._version import __version__
from ckd_plugins._whole import whole
from ckd_plugins.domains.domain import Domain
from ckd_plugins.teachers.history import History
from ckd_plugins.training.run import write_json
from ckd_plugins.training.teaching.plan import Plan
from ckd_plugins.training.teaching.pretraining import domain_hash
from ckd_plugins.training.teaching.readme import readme
from ckd_plugins.training.teaching.seen import read_seen, sample, write_seen
from ckd_plugins.training.teaching.source import CARD, SEEN, Source, read_card

__all__ = ["add_results", "describe"]

FORMAT = 1
_PACKAGES = ("torch", "numpy", "recbole", "transformers")


def describe(plan: Plan, teacher: Any, histories: Mapping[str, History], folder: Path) -> None:
    """Write a teacher's card, its text for people, and a sample of what it was pre-trained on, into its folder.

    Args:
        plan: what it was made from.
        teacher: the trained teacher.
        histories: what ``pretrain`` and ``finetune`` returned, as far as they ran and learned something.
        folder: where it has been saved.
    """
    source, material = plan.source, plan.material
    card = {
        "format": FORMAT,
        "teacher": plan.component.name,
        "stage": "pretrain" if material is None else "finetune",
        "summary": plan.record.spec.summary,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "identity": plan.identity,
        "digest": teacher.digest,
        "made_from": plan.made_from,
        "parameters": teacher.parameters,
        "max_length": teacher.max_length,
        "temperature": teacher.temperature,
        "text_encoder": plan.encoder.identity if plan.encoder is not None else None,
        "pretraining": _before(source) if source is not None else None,
        "finetuning": None,
        "results": {},
        "versions": _versions(plan),
    }
    if "pretrain" in histories:
        domains = [{**_counts(d), "hash": domain_hash(d)} for d in plan.pretraining]
        card["pretraining"] = {"domains": domains, **_told(histories["pretrain"])}
    if material is not None and "finetune" in histories:
        about = {
            **_counts(material.domain),
            "validation_targets": int((material.domain.valid >= 0).sum()),
            "data_hash": material.data_hash,
            "split_hash": material.split_hash,
        }
        card["finetuning"] = {"domain": about, **_told(histories["finetune"])}
    seen = read_seen(source.folder / SEEN) if source is not None else {}
    learned = plan.pretraining if "pretrain" in histories else ()
    if samples := seen | {domain.name: sample(domain) for domain in learned}:
        write_seen(folder / SEEN, samples)
    _write(folder, card)


def add_results(folder: Path, results: Mapping[str, Mapping[str, float] | None]) -> None:
    """Add what a teacher was measured to reach to its card; earlier results of the same splits are replaced."""
    card = read_card(folder)
    if card:
        card["results"] = {**card["results"], **{name: dict(r) for name, r in results.items() if r is not None}}
        _write(folder, card)


def _write(folder: Path, card: Mapping[str, Any]) -> None:
    text = json.loads(json.dumps(card, default=str))
    with whole(folder / "README.md") as beside:
        beside.write_text(readme(text), encoding="utf-8")
    write_json(folder / CARD, text)


def _before(source: Source) -> dict[str, Any]:
    """Pre-training as the folder that a teacher comes from tells it."""
    told: Mapping[str, Any] | None = source.card.get("pretraining")
    domains = [{"name": name} for name in source.config.get("pretrained_on", ())]
    return {**(told or {"domains": domains}), "folder": source.folder.name, "content": source.content}


def _counts(domain: Domain) -> dict[str, Any]:
    return {
        "name": domain.name,
        "users": domain.n_users,
        "items": domain.n_items,
        "interactions": len(domain.sequence),
        "items_with_text": int(np.sum([text is not None for text in domain.text])),
    }


def _told(history: History) -> dict[str, Any]:
    return {
        "best_epoch": history.best,
        "best_valid_ndcg@10": history.valid,
        "stopped_by": history.stopped,
        "seconds": round(history.seconds, 3),
        "epochs": [{k: v for k, v in asdict(epoch).items() if k not in ("stage", "of")} for epoch in history.epochs],
    }


def _versions(plan: Plan) -> dict[str, str]:
    found = {"python": platform.python_version(), "ckd-plugins": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, "teacher": str(plan.made_from["origin"])}
