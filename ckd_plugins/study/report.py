"""A comparison on one HTML page that needs nothing else: tables, pictures, where the runs are."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from ckd_plugins._version import __version__
from ckd_plugins.errors import ConfigError, EnvironmentProblem
from ckd_plugins.study.pictures import bars, curves, watch
from ckd_plugins.study.rows import bigger_is_better, comparison, gain_metric, gains
from ckd_plugins.study.slices import by_slice

__all__ = ["check_report", "write_report"]


def check_report(path: Path) -> None:
    """Find out before any training whether a report can be made and written; nothing is left behind.

    Raises:
        EnvironmentProblem: matplotlib or jinja2 is not installed.
        ConfigError: the file cannot be written.
    """
    try:
        import jinja2  # noqa: F401
        import markupsafe  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError:
        raise EnvironmentProblem("reports need matplotlib and jinja2: pip install 'ckd-plugins[report]'") from None
    # Tried, not asked for: neither root nor a read-only or full disk is told by permission bits.
    new: list[Path] = []
    try:
        new += [one for one in (path, *path.parents) if not one.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        for one in new:
            with contextlib.suppress(OSError):  # never made, or somebody else's file lies there by now
                one.unlink() if one == path else one.rmdir()


def _runs(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The runs that a result was put together from, named by their domains, or itself."""
    return [
        {**run, "ckd": {**run["ckd"], "model": f"{run['ckd']['model']} on {run['ckd']['dataset']}"}}
        for run in result["ckd"].get("runs", [])
    ] or [result]


def _unwritable(path: Path, error: OSError) -> ConfigError:
    is_file = isinstance(error, (FileExistsError, NotADirectoryError))
    reason = "Its folder is a file" if is_file else error.strerror or str(error)
    return ConfigError(f"report {str(path)!r} cannot be written: {reason}; name another file")


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
        metrics: which test metrics to show. By default the first four of the last run. Drawn, and compared for the
            gain, is the one that runs are validated by, or the last one if that is not among them.
        protocol: a sentence on how the test was done.

    Raises:
        EnvironmentProblem: matplotlib or jinja2 is not installed.
        ConfigError: there is nothing to report, or the file cannot be written.
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
    metric = gain_metric(results, metrics)
    bigger = bigger_is_better(results, metric)
    source = files("ckd_plugins.study").joinpath("report.html.j2").read_text(encoding="utf-8")
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    single = [one for result in results for one in _runs(result)]
    distilled = [result for result in single if result["ckd"]["teachers"]]
    page = template.render(
        title=title,
        summary=summary,
        metrics=metrics,
        rows=rows,
        metric=metric,
        bigger=bigger,
        gains=gains(rows, metric, bigger=bigger),
        slices=by_slice(rows, metric),
        protocol=protocol,
        bars=Markup(bars(rows, metric)),
        curves=Markup(curves(single)),
        watched={result["ckd"]["model"]: Markup(watch(result)) for result in distilled},
        version=__version__,
        seed=results[0]["ckd"]["seed"],
        teachers=list(dict.fromkeys(name for result in distilled for name in result["ckd"]["teachers"])),
        folders=[result["ckd"]["run_dir"] for result in single],
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error) from error
    return path
