from __future__ import annotations

from ckd_plugins.cli.data import data


def test_every_command_is_in_the_group() -> None:
    """A command that nobody added cannot be called."""
    assert {"import", "describe"} <= set(data.commands)
    assert all(command.help for command in data.commands.values())
