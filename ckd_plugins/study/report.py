"""A comparison on one HTML page that needs nothing else: tables, pictures, where the runs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from ckd_plugins._version import __version__
from ckd_plugins.errors import ConfigError, EnvironmentProblem
from ckd_plugins.study.pictures import bars, curves, watch
from ckd_plugins.study.rows import comparison, gains

__all__ = ["write_report"]


def write_report(
    path: Path,
    results: Sequence[Mapping[str, Any]],
    *,
    title: str,
    summary: str = "",
    metrics: Sequence[str] | None = None,
    protocol: str = "",
) -> Path:
    """Write the comparison of several runs.

    Args:
        path: the HTML file.
        results: what ``distill`` returned, in the order in which they are shown.
        title: heading.
        summary: a sentence below it.
        metrics: which test metrics to show; the last one is drawn and decides the gain. By default the first four of
            the last run.
        protocol: a sentence on how the test was done.

    Raises:
        EnvironmentProblem: matplotlib or jinja2 is not installed.
        ConfigError: there is nothing to report.
    """
    if not results:
        raise ConfigError("a report needs the result of one run at least")
    metrics = list(metrics or list(results[-1]["test_result"])[:4])
    try:
        from jinja2 import Environment
        from markupsafe import Markup
    except ImportError:
        raise EnvironmentProblem("reports need matplotlib and jinja2: pip install 'ckd-plugins[report]'") from None
    rows = comparison(results)
    source = files("ckd_plugins.study").joinpath("report.html.j2").read_text(encoding="utf-8")
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    distilled = [result for result in results if result["ckd"]["teachers"]]
    page = template.render(
        title=title,
        summary=summary,
        metrics=metrics,
        rows=rows,
        gains=gains(rows, metrics[-1]),
        protocol=protocol,
        bars=Markup(bars(rows, metrics[-1])),
        curves=Markup(curves(results)),
        watched={result["ckd"]["model"]: Markup(watch(result)) for result in distilled},
        version=__version__,
        seed=results[0]["ckd"]["seed"],
        teachers=list(dict.fromkeys(name for result in distilled for name in result["ckd"]["teachers"])),
        folders=[result["ckd"]["run_dir"] for result in results],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path
