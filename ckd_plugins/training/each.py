"""One student a domain, and what they come to together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ckd_plugins.config import CkdConfig, Domains
from ckd_plugins.host.settings import DatasetPath
from ckd_plugins.training.run import discard, new_run_folder, write_json

__all__ = ["distill_each", "together"]


def distill_each(
    model: str,
    parts: Sequence[DatasetPath],
    config: CkdConfig,
    train: Callable[[DatasetPath, CkdConfig], dict[str, Any]],
) -> dict[str, Any]:
    """Train a student for each domain, in folders below one, and put their results together.

    Args:
        model: the student's name.
        parts: the domains.
        config: the ``ckd`` section.
        train: does one run, with a ``ckd`` section of its own.
    """
    name = "+".join(part.name for part in parts)
    folder = new_run_folder(config.run_dir, model, name, len(config.teachers))
    alone = config.model_copy(update={"run_dir": folder, "domains": Domains()})
    try:
        results = [train(part, alone) for part in parts]
    except BaseException:
        if folder.is_dir() and not any(folder.iterdir()):
            discard(folder)
        raise
    result = together(results, name, folder, config)
    write_json(folder / "result.json", result)
    return result


def together(results: Sequence[Mapping[str, Any]], name: str, folder: Path, config: CkdConfig) -> dict[str, Any]:
    """Put the results of runs on several domains together, as if they were of one on all.

    Test metrics are means over all users, those of validation means over domains; seconds and parameters are sums.
    The results themselves are in ``["ckd"]["runs"]``.

    Args:
        results: what ``distill`` returned, one a domain.
        name: of all domains.
        folder: of the runs' folders.
        config: the ``ckd`` section.
    """
    abouts: list[Mapping[str, Any]] = [result["ckd"] for result in results]
    told = _slices({about["dataset"]: about["slices"] for about in abouts})
    first = abouts[0]
    return {
        "best_valid_score": float(np.mean([result["best_valid_score"] for result in results])),
        "valid_score_bigger": results[0]["valid_score_bigger"],
        "best_valid_result": _means([result["best_valid_result"] for result in results]),
        "test_result": _whole(told, [result["test_result"] for result in results]),
        "ckd": {
            "model": first["model"],
            "dataset": name,
            "run_dir": str(folder),
            "checkpoint": None,
            "per_user": {},
            **{key: first[key] for key in ("reader", "targets", "passes", "valid_metric", "speed", "seed")},
            "protocol": f"{first['protocol']} of the domain",
            "slices": told,
            "teachers": {label: _teacher(label, abouts) for label in first["teachers"]},
            "seconds": _sums(about["seconds"] for about in abouts),
            "epochs": max(about["epochs"] for about in abouts),
            "parameters": sum(about["parameters"] for about in abouts),
            "history": [],
            "config": config.model_dump(mode="json"),
            "runs": list(results),
        },
    }


def _teacher(label: str, abouts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The teachers of one label, one a domain, as one."""
    found = {about["dataset"]: about["teachers"][label] for about in abouts}
    judged = [one["test_result"] for one in found.values()]
    told = _slices({name: one["slices"] for name, one in found.items()})
    return {
        "test_result": None if None in judged else _whole(told, judged),
        "slices": told,
        "seconds": _sums(one["seconds"] for one in found.values()),
        "reused": all(one["reused"] for one in found.values()),
        "parameters": sum(one["parameters"] for one in found.values()),
    }


def _slices(by_domain: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Slices of all domains from those of each; none where one was not ranked in full."""
    if not all("all" in told for told in by_domain.values()):
        return {}
    domains = {name: told["all"] for name, told in by_domain.items()}
    macro = {m: v for m, v in _means(list(domains.values())).items() if m != "users"}
    found: dict[str, Any] = {"all": _weighted(domains.values()), "domains": domains, "macro": macro}
    for name in ("cold_items", "short_histories"):
        if some := [told[name] for told in by_domain.values() if name in told]:
            found[name] = _weighted(some)
    return found


def _whole(told: Mapping[str, Any], results: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Metrics of all users; where nobody knows how many there are, the mean over domains."""
    return {m: v for m, v in told["all"].items() if m != "users"} if told else _means(results)


def _weighted(slices: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Means over the users of several slices."""
    parts = list(slices)
    users = [part["users"] for part in parts]
    found = {m: float(np.average([part[m] for part in parts], weights=users)) for m in _common(parts)}
    return {**found, "users": sum(users)}


def _means(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {metric: float(np.mean([result[metric] for result in results])) for metric in _common(results)}


def _common(results: Sequence[Mapping[str, float]]) -> list[str]:
    return [metric for metric in results[0] if all(metric in result for result in results)]


def _sums(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            found[name] = found.get(name, 0.0) + value
    return found
