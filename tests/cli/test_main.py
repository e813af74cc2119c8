"""The command line as a process: help at once, errors in one line, the right exit status."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from ckd_plugins import CommandSpec, ConfigError, __version__
from ckd_plugins.cli.main import ckd, main


def ckd_process(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ckd_plugins", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


@click.command()
@click.option("--how", default="fine")
def sample(how):
    """A command for tests."""
    if how == "interrupted":
        raise KeyboardInterrupt
    if how == "mistaken":
        raise ConfigError("the setting is wrong; change it")
    if how == "defective":
        raise ZeroDivisionError
    click.echo(how)


NO_COMMAND = 3


@pytest.fixture
def with_sample(tmp_plugin):
    @tmp_plugin
    def ckd_register_commands():
        yield CommandSpec(name="sample", factory="sample_module_of_nobody:sample", summary="cannot be imported")
        yield CommandSpec(name="works", factory=sample, summary="works")
        yield CommandSpec(name="odd", factory=lambda: None, summary="is no command")


def exit_status(*arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return caught.value.code


def test_help_lists_commands_without_importing_them(with_sample):
    """One broken or slow command would break or slow down the help of all."""
    result = CliRunner().invoke(ckd, ["--help"])
    assert result.exit_code == 0
    shown = " ".join(result.output.split())
    for line in ("doctor ", "plugins ", "sample cannot be imported", "works works"):
        assert line in shown


def test_a_user_mistake_is_one_line_and_status_2(with_sample, capsys):
    """A traceback for a typo in a config hides what to do."""
    assert exit_status("works", "--how", "mistaken") == 2
    assert capsys.readouterr().err == "ckd: error: the setting is wrong; change it\n"


def test_an_interrupt_is_status_130(with_sample, capsys):
    """A shell loop over runs stops on 130 only."""
    assert exit_status("works", "--how", "interrupted") == 130
    assert capsys.readouterr().err == "ckd: interrupted\n"


def test_a_defect_keeps_its_traceback(with_sample):
    """A bug report without a traceback is worthless."""
    with pytest.raises(ZeroDivisionError):
        main(["works", "--how", "defective"])


def test_success_is_status_0(with_sample, capsys):
    """Scripts depend on it."""
    assert exit_status("works") == 0
    assert capsys.readouterr().out == "fine\n"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("wroks", "unknown command 'wroks'; did you mean 'works'? (known: "),
        ("sample", "command 'sample' of plugin 'tmp_plugin_1' cannot be imported: ModuleNotFoundError: No module "),
        ("odd", "command 'odd' of plugin 'tmp_plugin_1' is a function, not a click.Command"),
    ],
)
def test_a_command_that_cannot_run_says_why(with_sample, capsys, name, says):
    """Whose command it is decides whom to tell."""
    assert exit_status(name) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "says"),
    [("import sys; sys.exit(0)", "SystemExit: 0"), ("def (", "SyntaxError: invalid syntax (their_cli.py, line 1)")],
)
def test_a_command_whose_module_exits_or_is_broken_says_so(plugin_site, tmp_plugin, capsys, source, says):
    """An exit on import looked like success to every script."""
    plugin_site("theirs", modules={"their_cli": source})

    @tmp_plugin
    def ckd_register_commands():
        yield CommandSpec(name="theirs", factory="their_cli:command", summary="is not theirs to end")

    assert exit_status("theirs") == 2
    told = capsys.readouterr().err
    assert told.startswith(f"ckd: error: command 'theirs' of plugin 'tmp_plugin_1' cannot be imported: {says}; tell ")
    assert told.count("\n") == 1


def test_an_unknown_option_is_clicks_usage_error(capsys):
    """An option is no command: it must not get 'unknown command --x'."""
    assert exit_status("--nonsense") == 2
    assert "No such option" in capsys.readouterr().err


def test_strict_shows_where_a_plugin_fails(with_sample, capsys, monkeypatch):
    """The one line is for users; authors need the place."""
    monkeypatch.setenv("CKD_STRICT", "1")
    assert exit_status("works", "--how", "mistaken") == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("ckd: error: the setting is wrong; change it\n")


def test_the_process_help_is_quick_and_light():
    """Half a second of the processor, which a busy machine's clock does not tell; torch alone takes two."""
    times = []
    for _ in range(3):
        before = os.times()
        done = ckd_process("--help", CKD_NO_PLUGINS="1")
        after = os.times()
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
        assert done.returncode == 0, done.stderr
    code = (
        "import sys, ckd_plugins.cli.main as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: print([x for x in ('torch', 'recbole', 'pydantic', 'rich') if x in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    assert min(times) < 1.0, "0.3 s on an idle machine; a whole second only on a slow and busy one"


def test_the_process_tells_a_wrong_command():
    """Exit status and output of the real process, not of click's test runner."""
    done = ckd_process("plugin")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ckd: error: unknown command 'plugin'; did you mean 'plugins'? (known: ")
    assert done.stderr.count("\n") == 1


def test_the_process_survives_a_broken_plugin(plugin_site):
    """A package that was installed for something else must not take the command line down."""
    plugin_site("bad", "0.3", modules={"bad_m": "import sys; sys.exit('boom')"}, entry_points={"bad": "bad_m"})
    done = ckd_process("--version")
    assert (done.returncode, done.stdout) == (0, f"ckd {__version__}\n")
    done = ckd_process("--help")
    assert done.returncode == 0
    assert done.stderr.startswith("plugin 'bad' (bad 0.3) is left out: import of 'bad_m' failed: SystemExit: boom")
    assert done.stderr.count("\n") == 1
    done = ckd_process("--help", CKD_STRICT="1")
    assert done.returncode == 2
    assert "SystemExit: boom" in done.stderr
    assert "ckd: error: plugin 'bad'" in done.stderr
