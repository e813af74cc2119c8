"""The built-in commands, as records."""

from __future__ import annotations

import click
import pytest

from ckd_plugins.cli.builtin import ckd_register_commands

COMMANDS = list(ckd_register_commands())


@pytest.mark.parametrize("spec", COMMANDS, ids=lambda spec: spec.name)
def test_every_command_loads_and_says_in_its_help_what_the_list_says(spec):
    """A command whose reference is misspelt shows only when it is called."""
    command = spec.load()
    assert isinstance(command, click.Command)
    assert command.name == spec.name
    assert spec.summary
    assert command.help
