"""RecBole's own test suite, on stock RecBole and with this package's host in its place: what fails only with ours.

    python benchmarks/upstream.py --tests RecBole/tests --stock-python stock/bin/python --write docs/performance.md

``--tests`` is the folder ``tests`` of RecBole's repository, which no wheel has; ``--stock-python`` belongs to an
environment with RecBole's pins, pytest and pytest-timeout. Ours is the Python that runs this script, with
``upstream_plugin.py`` beside it: the tests stay as they are. Each file of tests runs in a process of its own, as in
RecBole's ``run_test.sh``, in a copy of the folder, as the tests write where they run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import click
from pages import write_table

HERE = Path(__file__).resolve().parent
OUTCOMES = ("passed", "failed", "timed out", "skipped")
USED = {
    "data": "the data",
    "trainer": "model and trainer",
    "dataset": "the dataset",
    "trim": "cut batches",
    "layers": "transformer layers",
    "softmax": "softmax",
    "sparse": "sparse products",
    "dropout": "dropout",
}
Outcomes = dict[str, dict[str, str]]
"""By a test's name: its ``outcome``, one of :data:`OUTCOMES`, the first line of its ``reason``, what of ours it
``used``."""


def run_suite(python: Path, tests: Path, environment: dict[str, str], timeout: int, options: str = "") -> Outcomes:
    """Run every file of tests with a Python; a file that ends its process counts as one failed test."""
    found: Outcomes = {}
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(tests, Path(scratch, "tests"))
        for file in sorted(Path(scratch, "tests").rglob("test_*.py")):
            name = str(file.relative_to(scratch))
            report = Path(scratch, "report.xml")
            report.unlink(missing_ok=True)
            # Not on the command line: RecBole takes what it finds there for settings of its own.
            added = f"-q -p no:cacheprovider --timeout {timeout} --junitxml {report} {options}"
            done = subprocess.run(
                [python, "-m", "pytest", name],
                cwd=scratch,
                env={**os.environ, **environment, "PYTEST_ADDOPTS": added},
                capture_output=True,
                text=True,
                check=False,
            )
            told = (done.stdout + done.stderr).strip().splitlines() or [""]
            click.echo(f"{name}: {told[-1].strip('= ')}")
            if report.exists():
                found |= read_report(report.read_text(encoding="utf-8"))
            else:
                found[name] = {"outcome": "failed", "reason": f"process ended with {done.returncode}, {told[-1]}"}
    return found


def read_report(text: str) -> Outcomes:
    """The outcomes in pytest's report in JUnit's form."""
    found: Outcomes = {}
    for case in ET.fromstring(text).iter("testcase"):
        outcome, reason, used = "passed", "", ""
        for child in case:
            if child.tag in ("failure", "error", "skipped"):
                reason = (child.get("message") or "").partition("\n")[0][:200]
                outcome = "skipped" if child.tag == "skipped" else "failed"
                outcome = "timed out" if "Timeout (>" in reason else outcome
        for kept in case.iter("property"):
            used = kept.get("value", "") if kept.get("name") == "ckd" else used
        name = "::".join(part for part in (case.get("classname"), case.get("name")) if part)
        found[name] = {"outcome": outcome, "reason": reason, "used": used}
    return found


def fails_only_in(one: Outcomes, other: Outcomes) -> list[str]:
    """Tests that pass in the other and not in this one, where they may be missing altogether."""
    return sorted(name for name, at in other.items() if _fine(at) and not _fine(one.get(name)))


def _fine(at: dict[str, str] | None) -> bool:
    return at is not None and at["outcome"] in ("passed", "skipped")


def table(stock: Outcomes, ours: Outcomes) -> str:
    """How many tests end how, and those that do not end the same, by name."""
    counts = [Counter(at["outcome"] for at in outcomes.values()) for outcomes in (stock, ours)]
    lines = ["| RecBole's own tests | stock RecBole | with our host |", "|---|---|---|"]
    lines += [f"| {outcome} | {counts[0][outcome]} | {counts[1][outcome]} |" for outcome in OUTCOMES]
    for part, words in USED.items():
        lines.append(f"| with {words} of ours | | {sum(part in at.get('used', '').split() for at in ours.values())} |")
    for title, names, reasons in (
        ("Fail only with our host", fails_only_in(ours, stock), ours),
        ("Fail only in stock RecBole", fails_only_in(stock, ours), stock),
    ):
        lines += ["", f"{title}: {len(names) or 'none'}."]
        lines += [""] * bool(names) + [f"- `{name}`: {_why(reasons.get(name))}" for name in names]
    return "\n".join(lines)


def _why(at: dict[str, str] | None) -> str:
    return "was not found" if at is None else f"{at['outcome']}, {at['reason']}"


@click.command()
@click.option("--tests", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--stock-python", type=click.Path(exists=True, path_type=Path), help="Python with RecBole's own pins.")
@click.option("--stock-outcomes", type=click.Path(path_type=Path), help="Read if the file exists; else made and kept.")
@click.option("--our-outcomes", type=click.Path(path_type=Path), help="Gets ours; never read.")
@click.option("--timeout", default=300, show_default=True, help="Seconds a test may take.")
@click.option("--write", type=click.Path(path_type=Path), help="Page whose table is replaced.")
def main(
    tests: Path,
    stock_python: Path | None,
    stock_outcomes: Path | None,
    our_outcomes: Path | None,
    timeout: int,
    write: Path | None,
) -> None:
    """Run RecBole's tests twice and compare; exit with 1 if any fails only with our host."""
    if stock_outcomes is not None and stock_outcomes.exists():
        stock: Outcomes = json.loads(stock_outcomes.read_text(encoding="utf-8"))
    elif stock_python is not None:
        stock = run_suite(
            stock_python.absolute(), tests, {"PYTHONPATH": "", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}, timeout
        )
        _keep(stock, stock_outcomes)
    else:
        raise click.UsageError("give --stock-python, or --stock-outcomes of an earlier run")
    path = os.pathsep.join((str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")))
    ours = run_suite(Path(sys.executable), tests, {"PYTHONPATH": path}, timeout, "-p upstream_plugin")
    _keep(ours, our_outcomes)
    write_table(table(stock, ours), "upstream", write)
    if fails_only_in(ours, stock):
        raise SystemExit(1)


def _keep(outcomes: Outcomes, file: Path | None) -> None:
    if file is not None:
        file.write_text(json.dumps(outcomes, indent=1, sort_keys=True), encoding="utf-8")


if __name__ == "__main__":
    main()
