"""Pictures of a comparison, as SVG that stands inside an HTML page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ckd_plugins.errors import EnvironmentProblem
from ckd_plugins.study.rows import Row

__all__ = ["bars", "curves", "watch"]

_COLOURS = {"teacher": "#8c8c8c", "plain": "#4c78a8", "distilled": "#e45756"}
_COLUMNS = 5
"""Panels side by side."""


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
            axes.plot(*zip(*points, strict=True), ".-", color=_COLOURS[kind], label=kind) if points else None
        axes.set_title(model, fontsize=9)
        _by_epoch(axes, 9)
    panels[0][0].set_ylabel("validation score")
    if panels[0][0].get_legend_handles_labels()[0]:
        panels[0][0].legend(frameon=False)
    return _svg(pyplot, figure)


def _by_epoch(axes: Any, fontsize: int) -> None:
    """An axis of whole epochs, one if there is but one, and no frame."""
    axes.set_xlabel("epoch", fontsize=fontsize)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.spines[["top", "right"]].set_visible(False)


def watch(result: Mapping[str, Any]) -> str:
    """What happened inside a distilled run, by epoch: shares, weights, teachers, gate, rows in use, seconds."""
    pyplot = _pyplot()
    panels = _panels(result)
    epochs = [entry["epoch"] + 1 for entry in result["ckd"]["history"]]
    rows = -(-len(panels) // _COLUMNS)
    figure, grid = pyplot.subplots(rows, _COLUMNS, figsize=(2.5 * _COLUMNS, 2.4 * rows), squeeze=False)
    figure.subplots_adjust(hspace=0.55, wspace=0.3)
    for axes, panel in zip(grid.flat, panels, strict=False):
        for name, values in panel.lines.items():
            shown = [float("nan") if v is None else v for v in values]
            axes.plot(epochs, shown, ".-", clip_on=False, label=name or None)  # a single epoch is a dot, and no line
        axes.set_title(panel.title, fontsize=8)
        _by_epoch(axes, 7)
        axes.set_xlim(0.5, max(epochs, default=1) + 0.5)
        axes.set_ylim(0, max(1.0 if panel.share else 0.0, axes.get_ylim()[1]))
        axes.tick_params(labelsize=7)
        if panel.legend:
            axes.legend(frameon=False, fontsize=7)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    return _svg(pyplot, figure)


@dataclass(frozen=True)
class _Panel:
    title: str
    lines: dict[str, list[float | None]]
    """By name; ``None`` where an epoch did not log it."""
    share: bool = True
    """Whether the axis runs to 1 at least."""
    legend: bool = False


def _panels(result: Mapping[str, Any]) -> list[_Panel]:
    """What there is to draw: panels of numbers that no epoch logged are left out where a run need not have them."""
    history, teachers = result["ckd"]["history"], list(result["ckd"]["teachers"])

    def of(name: str) -> list[float | None]:
        return [entry.get(name) for entry in history]

    def of_each(measure: str) -> dict[str, list[float | None]]:
        return {name: of(f"{measure}/{name}") for name in teachers}

    always = [
        _Panel("share of the loss", {"distillation": [_share(entry) for entry in history]}),
        _Panel("weight of each teacher", of_each("weight"), legend=bool(teachers)),
        _Panel("confidence", of_each("confidence"), share=False),  # over a catalogue it is of the order of .01
        _Panel("consistency", of_each("consistency")),
        _Panel("gate (effective share)", {"": of("gate/effective")}),
    ]
    seconds = {"whole": of("step_seconds"), "distillation, forward": of("distillation_seconds")}
    weights = {"weight": of("schedule/weight"), "balanced": of("balance/distillation"), "own": of("balance/own")}
    temperature = {"": of("schedule/temperature")}
    sometimes = [
        _Panel("competence (share of rows)", {"": of("competence")}),
        _Panel("rows in use", {"": of("rows")}, share=False),
        _Panel("seconds a step", seconds, share=False, legend=True),
        _Panel("weights of the losses", _logged(weights), share=False, legend=True),
        _Panel("temperature", temperature, share=False),
    ]
    return always + [panel for panel in sometimes if _logged(panel.lines)]


def _logged(lines: Mapping[str, list[float | None]]) -> dict[str, list[float | None]]:
    return {name: values for name, values in lines.items() if any(value is not None for value in values)}


def _share(entry: Mapping[str, float]) -> float | None:
    total = entry.get("loss")
    part = entry.get("distillation_loss")
    return part / total if part is not None and total else None
