"""Pictures that stand inside a page."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest

from ckd_plugins.errors import EnvironmentProblem
from ckd_plugins.study.pictures import bars, curves, watch
from ckd_plugins.study.rows import comparison

Result = Callable[..., dict[str, Any]]
TWO = {"unisrec": 0.2345, "vqrec": 0.3}
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    """Every text of a well-formed SVG."""
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def colours(svg: str) -> set[str]:
    return set(re.findall(r"#(?:8c8c8c|4c78a8|e45756)", svg))


def dots(svg: str) -> int:
    """How many points are marked: what a line's group uses beside the ticks."""
    root = ElementTree.fromstring(svg)
    lines = [group for group in root.iter(f"{SVG}g") if group.get("id", "").startswith("line2d_")]
    ticks = [g for g in root.iter(f"{SVG}g") if re.match(r"[xy]tick_", g.get("id", ""))]
    within = {line for tick in ticks for line in tick.iter(f"{SVG}g")}
    return sum(len(list(line.iter(f"{SVG}use"))) for line in lines if line not in within)


def ticks(svg: str) -> set[str]:
    """What stands below the horizontal axes."""
    groups = [g for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if g.get("id", "").startswith("xtick_")]
    return {"".join(text.text or "" for text in group.iter(f"{SVG}text")) for group in groups}


def test_each_row_with_the_metric_is_a_bar(result: Result) -> None:
    """A missing bar is a missing result; a teacher without ranking has none."""
    teachers = {**TWO, "knn": None}
    rows = comparison([result("SASRec", 0.1), result("SASRec", 0.1234, teachers), result("FM", metrics={"auc": 0.7})])
    found = texts(bars(rows, "ndcg@10"))
    assert "NDCG@10" in found
    assert {"0.2345", "0.3000", "0.1000", "0.1234"} <= set(found)
    assert {"teacher unisrec", "plain SASRec", "distilled SASRec"} <= set(found)
    assert not [text for text in found if "knn" in text or "FM" in text]
    assert colours(bars(rows, "ndcg@10")) == {"#8c8c8c", "#4c78a8", "#e45756"}


def test_no_bars_is_a_picture_still(result: Result) -> None:
    """A metric that nobody has must not end in matplotlib's traceback after hours of runs."""
    texts(bars([], "ndcg@10"))
    texts(bars(comparison([result("FM", metrics={"auc": 0.7})]), "ndcg@10"))


def test_curves_have_a_panel_a_model(result: Result) -> None:
    """Plain beside distilled, epoch by epoch."""
    svg = curves([result("SASRec"), result("SASRec", 0.2, TWO), result("BPR")])
    found = texts(svg)
    assert found.count("SASRec") == found.count("BPR") == 1
    assert {"plain", "distilled", "epoch", "validation score"} <= set(found)
    assert colours(svg) == {"#4c78a8", "#e45756"}


@pytest.mark.filterwarnings("error")
def test_a_run_without_validation_has_no_curve(result: Result) -> None:
    """eval_step 0 switches validation off."""
    run = result("SASRec")
    for entry in run["ckd"]["history"]:
        entry.pop("valid_score", None)
    texts(curves([run]))


@pytest.mark.filterwarnings("error")
def test_what_happens_inside_a_distillation(result: Result) -> None:
    """Which teacher is listened to, and from when on every row is in use."""
    found = texts(watch(result("SASRec", 0.1, TWO, curriculum=True)))
    titles = {"share of the loss", "weight of each teacher", "confidence", "consistency", *TWO}
    assert titles <= set(found)
    assert any(text.startswith("competence") for text in found)


@pytest.mark.filterwarnings("error")
def test_what_an_epoch_logs_is_drawn(result: Result) -> None:
    """A number that is only in the log is looked at by nobody."""
    run = result("SASRec", 0.1, TWO, curriculum=True)
    extra = {
        "gate/effective": "gate (effective share)",
        "step_seconds": "seconds a step",
        "distillation_seconds": "distillation, forward",
        "schedule/weight": "weights of the losses",
        "balance/distillation": "balanced",
        "schedule/temperature": "temperature",
    }
    for entry in run["ckd"]["history"]:
        entry |= dict.fromkeys(extra, 0.01)
    assert {"rows in use", *extra.values()} <= set(texts(watch(run)))


@pytest.mark.filterwarnings("error")
def test_what_a_run_need_not_have_is_no_empty_panel(result: Result) -> None:
    """Six empty frames below a picture look like a fault of the run."""
    found = set(texts(watch(result("SASRec", 0.1, TWO))))
    assert not found & {"rows in use", "weights of the losses", "temperature", "seconds a step"}
    assert not [text for text in found if text.startswith("competence")]


def test_one_epoch_is_drawn(result: Result) -> None:
    """A line of one point is nothing: a newcomer's first report, of a quick run, had nine empty frames."""
    run = result("SASRec", 0.1, TWO)
    for epochs in (1, 2):
        run["ckd"]["history"] = [
            {"epoch": epoch, "loss": 2.0, "distillation_loss": 1.0, "gate/effective": 0.5} for epoch in range(epochs)
        ]
        assert dots(watch(run)) == 2 * epochs + len(TWO)  # the legend has one for each teacher


def test_epochs_are_whole(result: Result) -> None:
    """Epoch 1.25."""
    run = result("SASRec", 0.1, TWO)
    for epochs in (1, 2):
        history = [{"epoch": epoch, "gate/effective": 0.5, "valid_score": 0.1} for epoch in range(epochs)]
        run["ckd"]["history"] = history
        for picture in (watch(run), curves([run])):
            assert ticks(picture) == {str(epoch + 1) for epoch in range(epochs)}


def test_a_small_confidence_is_seen(result: Result) -> None:
    """Over a catalogue it is some thousandths: on an axis up to 1 it was 0, for all teachers."""
    run = result("SASRec", 0.1, TWO)
    run["ckd"]["history"] = [{"epoch": epoch, "confidence/unisrec": 0.004} for epoch in (0, 1)]
    assert "0.0020" in texts(watch(run))


@pytest.mark.filterwarnings("error")
def test_terms_that_an_epoch_lacks_are_gaps(result: Result) -> None:
    """With weight 0 nothing of the distillation is logged, and one teacher has no consistency."""
    run = result("SASRec", 0.1, TWO)
    run["ckd"]["history"] = [{"epoch": 0, "loss": 2.0}, {"epoch": 1, "loss": 0.0, "distillation_loss": 0.0}]
    texts(watch(run))


def test_pictures_depend_on_the_results_alone(result: Result) -> None:
    """A report under version control must not change with every drawing."""
    run = result("SASRec", 0.1, TWO)
    assert watch(run) == watch(run)
    assert curves([run]) == curves([run])
    assert "<dc:date>" not in watch(run)


def test_no_figure_stays_open(result: Result) -> None:
    """Matplotlib keeps each in memory until it is closed, and warns at the twentieth."""
    before = plt.get_fignums()
    run = result("SASRec", 0.1, TWO)
    for _ in range(3):
        bars(comparison([run]), "ndcg@10"), curves([run]), watch(run)
    assert plt.get_fignums() == before


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not among the dependencies that pip installs by default."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        EnvironmentProblem, match=r"reports need matplotlib and jinja2: pip install 'ckd-plugins\[report\]'"
    ):
        bars([], "ndcg@10")
