"""``--json`` as a script reads it: standard output is JSON, whoever prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

from ckd_plugins import CommandSpec
from ckd_plugins.cli.json_output import json_option, print_json

CHATTY = """
from ckd_plugins import CommandSpec, hookimpl

print("imported")

@hookimpl
def ckd_register_commands():
    print("registering")
    yield CommandSpec(name="chat", factory="chatty_command:chat")
"""
COMMAND = """
import os, subprocess, sys
import click
from ckd_plugins.cli.json_output import json_option, print_json

print("command imported")

@click.command()
@json_option()
def chat(as_json):
    print("print")
    sys.__stdout__.write("a stream that somebody has kept\\n")
    os.write(1, b"a library in C\\n")
    subprocess.run([sys.executable, "-c", "print('a worker')"], check=True)
    click.echo("echo")
    if as_json:
        print_json({"answer": 42})
    print("afterwards")
"""


@pytest.fixture
def process(plugin_site: Callable[..., object]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line as a process, beside a plugin that prints wherever it can."""
    modules = {"chatty": CHATTY, "chatty_command": COMMAND}
    plugin_site("chatty-parts", modules=modules, entry_points={"chatty": "chatty"})

    def run(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ckd_plugins", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload,no-any-return]

    return run


def test_whatever_is_printed_is_not_in_the_json(process: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Guards against a print on import, in a hook, in a library or in a worker that breaks every pipeline."""
    done = process("chat", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"answer": 42}
    told = ("imported", "registering", "command imported", "print", "a stream that somebody has kept", "a library in C")
    for line in (*told, "a worker", "echo", "afterwards"):
        assert line in done.stderr.splitlines()


def test_a_command_of_our_own(process: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Plugins are imported before the command and its options are known."""
    done = process("plugins", "list", "--json")
    assert "chatty" in {row["name"] for row in json.loads(done.stdout)}
    assert done.stderr == "imported\nregistering\n"


def test_without_it_printing_is_as_ever(process: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Only what is printed on import goes aside: the rest is the command's output."""
    done = process("chat")
    assert sorted(done.stdout.splitlines()) == sorted(
        ["print", "a stream that somebody has kept", "a library in C", "a worker", "echo", "afterwards"]
    )


@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_stream_is_nobodys_problem(
    process: Callable[..., subprocess.CompletedProcess[str]], closed: int
) -> None:
    """A daemon may have neither: then a number may be that of a file, which must not be written over."""
    done = process("plugins", "list", "--json", preexec_fn=lambda: os.close(closed))
    assert done.returncode == 0, done.stderr
    if closed == 2:
        assert json.loads(done.stdout)


def test_an_error_leaves_the_streams_as_they_were() -> None:
    """In a notebook the next print would go to standard error."""

    @click.command()
    @json_option()
    def fails(as_json: bool) -> None:
        print_json([])
        raise ZeroDivisionError

    before = sys.stdout, os.fstat(1)
    result = CliRunner().invoke(fails, ["--json"])
    assert isinstance(result.exception, ZeroDivisionError)
    assert json.loads(result.stdout) == []
    assert (sys.stdout, os.fstat(1).st_ino) == (before[0], before[1].st_ino)


def test_a_plugins_own_option_of_that_name_is_its_own(
    tmp_plugin: Callable[..., object], ckd: Callable[..., object]
) -> None:
    """A command of a plugin that prints JSON by itself would print nothing."""

    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def own(as_json: bool) -> None:
        click.echo("[1]")

    @tmp_plugin
    def ckd_register_commands() -> object:
        yield CommandSpec(name="own", factory=own)

    assert ckd("own", "--json").out == "[1]\n"  # type: ignore[attr-defined]
