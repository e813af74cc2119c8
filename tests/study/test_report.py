"""The report: one HTML page that needs nothing else and says what the results say."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.errors import ConfigError, EnvironmentProblem
from ckd_plugins.study.report import check_report, write_report

Result = Callable[..., dict[str, Any]]
TWO = {"unisrec": 0.2345, "vqrec": 0.3}
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Parses strictly enough: tags must nest; collects table cells, ids, attributes and text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


@pytest.fixture
def written(tmp_path: Path, result: Result) -> Callable[..., Page]:
    def write(results: list[dict[str, Any]] | None = None, **options: Any) -> Page:
        runs = results or [result("SASRec", 0.1), result("SASRec", 0.123456, TWO, run_dir="/runs/2", curriculum=True)]
        path = write_report(tmp_path / "deep" / "report.html", runs, **{"title": "A study", **options})
        return Page(path.read_text(encoding="utf-8"))

    return write


def test_the_page_is_whole(written: Callable[..., Page]) -> None:
    """Browsers forgive a tag that is never closed by drawing the rest inside it."""
    page = written()
    assert page.open == []
    assert {tag: page.counts[tag] for tag in ("html", "table", "h1", "title", "svg")} == {
        "html": 1,
        "table": 1,
        "h1": 1,
        "title": 1,
        "svg": 3,
    }


def test_numbers_are_the_results(written: Callable[..., Page]) -> None:
    """A column shifted by one would still look like a table."""
    heads, *rows = written().rows
    assert heads == ["what", "model", "recall@10", "ndcg@10", "gain", "train, s", "epochs", "parameters"]
    assert rows == [
        ["teacher", "unisrec", "0.4690", "0.2345", "", "21.5", "", "1,000"],
        ["teacher", "vqrec", "0.6000", "0.3000", "", "21.5", "", "1,000"],
        ["plain", "SASRec", "0.2000", "0.1000", "", "12.3", "3", "123,456"],
        ["distilled", "SASRec", "0.2469", "0.1235", "+23.5%", "12.3", "3", "123,456"],
    ]


def test_what_was_not_measured_is_a_dash(written: Callable[..., Page], result: Result) -> None:
    """0.0000 would be a result."""
    page = written(
        [result("FM", metrics={"auc": 0.7}), result("FM", 0, {"unisrec": None}, metrics={"auc": 0.8}, reused=True)]
    )
    assert page.rows[0][2] == "auc"
    assert page.rows[1] == ["teacher", "unisrec", "–", "", "reused", "", "1,000"]
    assert page.rows[3][2:4] == ["0.8000", "+14.3%"]


def test_metrics_are_the_runs_own_unless_told(written: Callable[..., Page], result: Result) -> None:
    """A run at topk 5 has no ndcg@10: the page would be empty."""
    five = {"recall@5": 0.2, "mrr@5": 0.1, "ndcg@5": 0.15, "hit@5": 0.2, "precision@5": 0.04}
    assert written([result(metrics=five)]).rows[0][2:6] == ["recall@5", "mrr@5", "ndcg@5", "hit@5"]
    assert written([result(metrics=five)], metrics=("ndcg@5",)).rows[0][2:4] == ["ndcg@5", "train, s"]


def test_the_page_needs_nothing_else(written: Callable[..., Page]) -> None:
    """A report is mailed, archived and opened without a network."""
    page = written()
    assert not {"script", "link", "iframe", "img", "object"} & set(page.counts)
    for tag, name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "data", "action"):
            assert value.startswith("#"), f"<{tag} {name}={value!r}>"
        if name == "style":
            assert "url(" not in value.replace("url(#", ""), value


def test_references_within_the_pictures_are_there(written: Callable[..., Page]) -> None:
    """A clip path that is not found hides the curve."""
    page = written()
    ids = {value for _, name, value in page.attributes if name == "id"}
    wanted = {m for _, _, value in page.attributes for m in re.findall(r"^#(.+)$|url\(#([^)]+)\)", value)}
    assert {one or other for one, other in wanted} <= ids


def test_names_are_text_not_markup(written: Callable[..., Page], result: Result) -> None:
    """A dataset's folder may be called anything; its name must not become part of the page."""
    evil = "<script>alert('x')</script>&amp;"
    run = result("SASRec", run_dir=f"/runs/{evil}")
    page = written([run], title=evil, summary=evil, protocol=evil)
    assert "script" not in page.counts
    assert page.open == []
    assert page.text.count(evil) == 5  # title, h1, summary, protocol, folder


def test_where_the_runs_are_and_how_they_were_made(written: Callable[..., Page]) -> None:
    """A table whose runs cannot be found again proves nothing."""
    page = written(summary="Two teachers.", protocol="Leave one out.")
    for part in ("Two teachers.", "Leave one out.", "/runs/1", "/runs/2", "seed 2020", "Teachers: unisrec, vqrec"):
        assert part in page.text


def test_the_same_results_give_the_same_page(tmp_path: Path, result: Result) -> None:
    """Whoever draws again must see at once that nothing changed."""
    runs = [result("SASRec", 0.1), result("SASRec", 0.2, TWO)]
    pages = [write_report(tmp_path / f"{n}.html", runs, title="t").read_bytes() for n in (1, 2)]
    assert pages[0] == pages[1]


def test_nothing_to_report_is_told(tmp_path: Path) -> None:
    """An IndexError says nothing."""
    with pytest.raises(ConfigError, match="a report needs the result of one run at least"):
        write_report(tmp_path / "r.html", [], title="t")
    assert not (tmp_path / "r.html").exists()


def test_without_jinja_the_extra_is_named(tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not among the dependencies that pip installs by default."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'ckd-plugins\[report\]'"):
        write_report(tmp_path / "r.html", [result()], title="t")


def test_runs_of_one_kind_have_no_gain(written: Callable[..., Page], result: Result) -> None:
    """An empty column asks what should be in it, and so does a note on it."""
    for page in (written([result()]), written([result(teachers=TWO)])):
        assert "gain" not in page.rows[0]
        assert "Gain:" not in page.text


def test_a_loss_that_grows_is_no_gain(written: Callable[..., Page], result: Result) -> None:
    """Less is better: +20% would be praise for the worse run."""
    page = written([result(metrics={"logloss": 0.5}), result(teachers={"u": None}, metrics={"logloss": 0.6})])
    assert page.rows[3][2:4] == ["0.6000", "-20.0%"]
    assert "less is better" in page.text


def test_the_gain_is_in_the_metric_of_validation(written: Callable[..., Page], result: Result) -> None:
    """The note below the table must name the metric that was compared."""
    valid = {"best_valid_score": 0.3, "best_valid_result": {"recall@10": 0.3, "ndcg@10": 0.2}}
    page = written(
        [result(metrics={"recall@10": 0.2, "ndcg@10": 0.1}), result(teachers=TWO, ndcg=0.3) | valid],
    )
    assert page.rows[4][4] == "+200.0%"
    assert "Gain: recall@10 of" in page.text
    assert "RECALL@10" in page.text


def test_a_check_leaves_nothing(tmp_path: Path) -> None:
    """A run that is refused afterwards would leave an empty page and its folders."""
    check_report(tmp_path / "a" / "b" / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_a_check_keeps_an_older_report(tmp_path: Path) -> None:
    """It is replaced when there is something to replace it with."""
    (tmp_path / "r.html").write_text("old")
    check_report(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text() == "old"


@pytest.mark.parametrize("where", [".", "file/r.html", "file/deep/r.html", "x" * 300 + ".html", "new/" + "x" * 300])
def test_a_report_that_cannot_be_is_one_line(tmp_path: Path, result: Result, where: str) -> None:
    """Found out by the check, before training; and by the writing, for whoever did not check."""
    (tmp_path / "file").write_text("")
    for attempt in (check_report, lambda path: write_report(path, [result()], title="t")):
        with pytest.raises(ConfigError, match=r"report '.*' cannot be written: [A-Z].*; name another file") as caught:
            attempt(tmp_path / where)
        assert "\n" not in str(caught.value)
        if attempt is check_report:
            assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_a_check_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Neither is among the dependencies that pip installs by default."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'ckd-plugins\[report\]'"):
        check_report(tmp_path / "r.html")
