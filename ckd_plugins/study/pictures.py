"""Pictures of a comparison, as SVG that stands inside an HTML page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from ckd_plugins.errors import EnvironmentProblem
from ckd_plugins.study.rows import Row

__all__ = ["bars", "curves", "watch"]

_COLOURS = {"teacher": "#8c8c8c", "plain": "#4c78a8", "distilled": "#e45756"}


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise EnvironmentProblem("reports need matplotlib and jinja2: pip install 'ckd-plugins[report]'") from None
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "ckd", "font.size": 9})
    import matplotlib.pyplot as pyplot

    return pyplot


def _svg(pyplot: Any, figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def bars(rows: Sequence[Row], metric: str) -> str:
    """A bar for each row that has the metric."""
    pyplot = _pyplot()
    shown = [(row, row.metrics[metric]) for row in rows if row.metrics is not None and metric in row.metrics]
    figure, axes = pyplot.subplots(figsize=(6.5, 0.6 + 0.28 * max(2, len(shown))))
    for at, (row, value) in enumerate(shown):
        axes.barh(at, value, color=_COLOURS[row.kind], height=0.7)
        axes.annotate(f"{value:.4f}", (value, at), (3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_yticks(range(len(shown)), [f"{row.kind} {row.name}" for row, _ in shown], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(metric.upper())
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    return _svg(pyplot, figure)


def curves(results: Sequence[Mapping[str, Any]]) -> str:
    """Validation score by epoch, a panel for each model, plain beside distilled."""
    pyplot = _pyplot()
    models = list(dict.fromkeys(result["ckd"]["model"] for result in results))
    figure, panels = pyplot.subplots(1, len(models), figsize=(3.4 * len(models), 2.6), squeeze=False)
    for axes, model in zip(panels[0], models, strict=True):
        for about in (result["ckd"] for result in results if result["ckd"]["model"] == model):
            kind = "distilled" if about["teachers"] else "plain"
            points = [(e["epoch"] + 1, e["valid_score"]) for e in about["history"] if "valid_score" in e]
            axes.plot(*zip(*points, strict=True), color=_COLOURS[kind], label=kind) if points else None
        axes.set_title(model, fontsize=9)
        axes.set_xlabel("epoch")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("validation score")
    if panels[0][0].get_legend_handles_labels()[0]:
        panels[0][0].legend(frameon=False)
    return _svg(pyplot, figure)


def watch(result: Mapping[str, Any]) -> str:
    """What happened inside a distilled run, by epoch: share of the loss, teachers' weights, confidence, competence."""
    pyplot = _pyplot()
    history = result["ckd"]["history"]
    epochs = [entry["epoch"] + 1 for entry in history]
    teachers = list(result["ckd"]["teachers"])
    panels: dict[str, dict[str, list[float | None]]] = {
        "share of the loss": {
            "distillation": [_share(entry) for entry in history],
        },
        "weight of each teacher": {name: [e.get(f"weight/{name}") for e in history] for name in teachers},
        "confidence": {name: [e.get(f"confidence/{name}") for e in history] for name in teachers},
        "consistency": {name: [e.get(f"consistency/{name}") for e in history] for name in teachers},
        "competence (share of rows in use)": {"": [e.get("competence", 1.0) for e in history]},
    }
    figure, grid = pyplot.subplots(1, len(panels), figsize=(2.5 * len(panels), 2.2))
    for axes, (title, lines) in zip(grid, panels.items(), strict=True):
        for name, values in lines.items():
            axes.plot(epochs, [float("nan") if v is None else v for v in values], label=name or None)
        axes.set_title(title, fontsize=8)
        axes.set_xlabel("epoch", fontsize=7)
        axes.set_ylim(0, max(1.0, axes.get_ylim()[1]))
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    if teachers:
        grid[1].legend(frameon=False, fontsize=7)
    return _svg(pyplot, figure)


def _share(entry: Mapping[str, float]) -> float | None:
    total = entry.get("loss")
    part = entry.get("distillation_loss")
    return part / total if part is not None and total else None
