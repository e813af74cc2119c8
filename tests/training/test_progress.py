"""Progress for people, for log files, and for nobody."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console as Rich

from ckd_plugins.training.progress import Console, Silent, heard

from .conftest import Recorder


def test_a_log_file_gets_a_line_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    """Bars redrawn into a file fill it with control characters."""
    console = Console()
    with console.task("train BPR", 3) as advance:
        for done in (1, 1.5, 3):
            advance(done, f"valid {done}")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("train BPR: 0.")
    assert err.endswith(" s, valid 3\n")
    assert "\x1b" not in err


def test_lines_are_neither_cut_nor_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """'[a/b]' in a path is no colour: rich would swallow it or raise; and grep needs whole lines."""
    console, line = Console(), f"unisrec: reused from /cache/{'x' * 120}/[bold]/[/nothing] (done before)"
    console.say(line)
    with console.task("read data[1]", 1) as advance:
        advance(1, "[red]note")
    err = capsys.readouterr().err.splitlines()
    assert err[0] == line
    assert err[1].startswith("read data[1]: ")
    assert err[1].endswith("[red]note")


def test_an_empty_note_keeps_the_last_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Between two validations the last score stays on the screen."""
    with Console().task("t", 2) as advance:
        advance(1, "valid 0.5")
        advance(2, "")
    assert capsys.readouterr().err.endswith("valid 0.5\n")


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Cron sends mail for every line."""
    console = Console(quiet=True)
    console.say("hello")
    with console.task("t", 1) as advance:
        advance(1, "n")
    assert capsys.readouterr() == ("", "")


def test_a_failed_task_is_not_reported_as_done(capsys: pytest.CaptureFixture[str]) -> None:
    """'train: 3.0 s' above an error reads as if training had ended well."""
    with pytest.raises(ZeroDivisionError), Console().task("train", 3):
        raise ZeroDivisionError
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_the_bar_and_the_time_left() -> None:
    """The time left is what a waiting person looks for."""
    console, screen = Console(), io.StringIO()
    console._console = Rich(file=screen, force_terminal=True, width=100, legacy_windows=False, markup=False)
    with console.task("train [x]", 4) as advance:
        advance(2, "valid 0.1")
        assert console._display is not None
        console._display.refresh()
    shown = screen.getvalue()
    assert "train [x]" in shown
    assert "2/4" in shown
    assert "-:--:--" in shown or "0:00:0" in shown
    assert "━" in shown


def test_a_task_within_a_task_shares_the_display() -> None:
    """Texts are encoded while a teacher is fine-tuned: rich before 14.1 raises for a second display."""
    console, screen = Console(), io.StringIO()
    console._console = Rich(file=screen, force_terminal=True, width=100, legacy_windows=False, highlight=False)
    with console.task("outer", 2) as outer:
        outer(1, "")
        display = console._display
        with console.task("inner", 5) as inner:
            inner(5, "")
            assert console._display is display
        outer(2, "")
    assert console._display is None
    shown = screen.getvalue()
    assert shown.index("inner: 0.0 s") < shown.index("outer: 0.0 s")


def test_a_library_call_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """distill() in somebody's program must not write to its screen."""
    silent = Silent()
    silent.say("x")
    with silent.task("t", 1) as advance:
        advance(1, "n")
    assert capsys.readouterr() == ("", "")


def test_what_is_logged_in_a_stage_is_shown(recorder: Recorder) -> None:
    """A run's log file swallows warnings: nobody would read that half the catalogue has no image."""
    log = logging.getLogger("ckd_plugins")
    handlers = list(log.handlers)
    with heard(recorder):
        log.warning("%d of %d items", 3, 7)
        logging.getLogger("other").warning("not ours")
    log.warning("after")
    assert recorder.lines == ["3 of 7 items"]
    assert log.handlers == handlers


def test_a_stage_within_a_run_says_it_once(recorder: Recorder) -> None:
    """A run is heard from end to end, and a teacher's training within it."""
    log = logging.getLogger("ckd_plugins")
    with heard(recorder):
        with heard(recorder):
            log.warning("inner")
        log.warning("outer")
    assert recorder.lines == ["inner", "outer"]


@pytest.mark.parametrize("own", [True, False])
def test_a_library_call_still_warns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    """The run's log file took the place of Python's last resort: an observer's fault was seen by nobody."""
    log = logging.getLogger("ckd_plugins")
    monkeypatch.setattr(log, "propagate", False)  # pytest's handlers are above
    if own:
        monkeypatch.setattr(log, "handlers", [logging.NullHandler()])
    with heard(Silent()), heard(Silent()):
        log.warning("a plugin failed")
        log.info("progress")
    assert capsys.readouterr().err == ("" if own else "a plugin failed\n"), "a program's own logging is left alone"
