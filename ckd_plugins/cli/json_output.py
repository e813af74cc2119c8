"""``--json``: the JSON is all that a command writes to standard output, whatever plugins and workers print."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import partial
from typing import Any, TypeVar

import click

__all__ = ["json_option", "print_json", "printing_aside"]

F = TypeVar("F", bound=Callable[..., Any])

_ASIDE = "ckd_plugins.json"
_OUT, _ERR = 1, 2
"""Descriptors of standard output and standard error, as child processes inherit them."""


@contextmanager
def printing_aside() -> Iterator[None]:
    """Send what is printed to standard error while a block runs: by this process, and by those that it starts."""
    flush = partial(print, end="", file=sys.stdout, flush=True)
    flush()
    with redirect_stdout(sys.stderr), ExitStack() as after:
        if sys.__stdout__ is not None and sys.__stderr__ is not None:  # else their numbers may be those of files
            kept = os.dup(_OUT)
            after.callback(os.close, kept)
            os.dup2(_ERR, _OUT)
            after.callback(os.dup2, kept, _OUT)
        after.callback(flush)  # what was printed to a stream that somebody has kept
        yield


def json_option(about: str = "Print JSON.") -> Callable[[F], F]:
    """The option ``--json``, as ``as_json``: with it, only :func:`print_json` reaches standard output.

    Args:
        about: its line in the help.
    """
    return click.option("--json", "as_json", is_flag=True, is_eager=True, callback=_begin, help=about)


def print_json(value: object, default: Callable[[Any], Any] | None = None) -> None:
    """Print what a command with :func:`json_option` found.

    Args:
        value: what JSON can hold.
        default: turns into that what JSON cannot hold.
    """
    text = json.dumps(value, indent=2, default=default)
    aside: ExitStack = click.get_current_context().meta[_ASIDE]
    aside.close()
    click.echo(text)
    aside.enter_context(printing_aside())


def _begin(context: click.Context, option: click.Parameter, given: bool) -> bool:
    if given and not context.resilient_parsing:
        aside = context.meta[_ASIDE] = context.with_resource(ExitStack())
        aside.enter_context(printing_aside())
    return given
