"""Whose the rows of a file are, and how much of a domain a file answers for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.instances import Instances
from ckd_plugins.domains.keys import token_hashes, window_keys
from ckd_plugins.errors import DataError

__all__ = ["Kind", "check_coverage", "key_rows", "row_keys", "text"]

UInt64 = npt.NDArray[np.uint64]

Kind = Literal["user", "history", "instance"]

_log = logging.getLogger("ckd_plugins")


def row_keys(kind: Kind, instances: Instances, max_length: int) -> UInt64:
    """Return what tells rows apart, ``uint64 [R]``, 0 for a row without a history.

    Args:
        kind: by ``"user"``; by ``"history"``, its newest ``max_length`` items; or by ``"instance"``, user and target.
        instances: the rows, of a run or of a file.
        max_length: used for histories only.
    """
    if kind == "history":
        return instances.keys(max_length)
    keys = instances.user_keys()
    if kind == "instance":
        pairs = np.stack([keys, token_hashes(instances.items)[instances.target]], axis=1).reshape(-1)
        start = np.arange(len(keys)) * 2
        keys = np.where(keys == 0, keys, window_keys(pairs, start, start + 2))
    return keys


def key_rows(table: pd.DataFrame, file: str, domain: Domain, max_length: int) -> tuple[Kind, str]:
    """Add the column ``key`` to a table: by ``history``, by ``user`` and ``target`` or ``length``, or by ``user``.

    ``length`` is how many training interactions of the user came before; the row is about the next one.

    Returns:
        What the rows are, and how many of those of training and validation the table answers for.

    Raises:
        DataError: the table does not say whose its rows are, or none is one of the domain's.
    """
    named = [n for n in ("history", "user", "target", "length") if n in table]
    kind: Kind = "history" if "history" in named else "instance" if len(named) > 1 else "user"
    named = named[:1] if kind == "history" else named[:2]
    if named[:1] not in (["history"], ["user"]):
        raise DataError(
            f"{file} does not say whose its rows are; it needs 'user', 'user' and 'target', 'user' and 'length', or "
            f"'history' (it has {', '.join(map(repr, table))}), or the option row_tokens"
        )
    asked = _asked(domain, max_length)
    table["key"] = row_keys(kind, _instances(table, named, file, domain), max_length)
    ours = np.setdiff1d(row_keys(kind, asked, max_length), [0])
    strangers = [_label(row) for row in table.loc[~table["key"].isin(ours), named].to_dict("records")]
    some, hint = asked.take(np.arange(min(3, len(asked)))), ""
    examples = [_label({"user": domain.users[u]}) for u in some.user]
    if kind == "history":
        examples = [_label({"history": [domain.items[i] for i in some.history(r)]}) for r in range(len(some))]
        if (longest := int(table["history"].map(len).max())) < max_length:
            hint = f"; its histories have at most {longest} items: if they were cut, set max_length to that"
    what = {"user": "users", "history": "histories", "instance": "instances"}[kind]
    found = int(np.isin(ours, table["key"]).sum())
    return kind, check_coverage(what, file, domain, found, len(ours), strangers, examples, hint)


def _label(row: Mapping[Any, Any]) -> str:
    """A row for a message; of a history the newest items."""
    words = {k: v if np.ndim(v) == 0 else " ".join([t for t in v if t][-4:]) for k, v in row.items()}
    return ", ".join(f"{name} {value!r}" for name, value in words.items())


def _asked(domain: Domain, max_length: int) -> Instances:
    """The rows of training and validation."""
    train, valid = domain.train_instances(max_length), domain.valid_instances(max_length)
    parts = ("start", "stop", "target", "user")
    start, stop, target, user = (np.concatenate([getattr(train, p), getattr(valid, p)]) for p in parts)
    return Instances(domain.items, domain.sequence, start, stop, target, domain.users, user)


def _instances(table: pd.DataFrame, named: Sequence[str], file: str, domain: Domain) -> Instances:
    none = np.zeros(len(table), np.int64)
    if named[0] == "history":
        flat = text(table["history"].explode().dropna(), file)
        flat = flat[flat != ""]  # what fills short rows of a matrix
        codes, words = pd.factorize(flat)
        stop = np.cumsum(flat.groupby(level=0).size().reindex(range(len(table)), fill_value=0).to_numpy())
        return Instances((*words, ""), codes.astype(np.int32), np.append(0, stop[:-1]), stop, none.astype(np.int32))
    user, users = pd.factorize(text(table["user"], file))
    target = table.get("target")
    if target is None and len(named) > 1:
        asked = _asked(domain, max(1, len(domain.sequence)))
        tokens = {"user": np.array(domain.users, object)[asked.user], "length": asked.lengths}
        known = pd.DataFrame({**tokens, "target": np.array(domain.items, object)[asked.target]})
        length = pd.to_numeric(table["length"], errors="coerce")
        target = table[["user"]].assign(length=length).merge(known, how="left")["target"].fillna("")
    codes, words = pd.factorize(text(target, file)) if target is not None else (none, ("",))
    # A history of one item that nobody reads: rows without any have no key.
    return Instances(tuple(words), np.zeros(1, np.int32), none, none + 1, codes.astype(np.int32), tuple(users), user)


def text(column: pd.Series[Any], file: str) -> pd.Series[Any]:
    """Return tokens, which are text: of the item 007 a number would have made 7.

    Raises:
        DataError: they are something else.
    """
    if not column.map(lambda token: isinstance(token, str)).all():
        raise DataError(f"{file}: {column.name!r} holds something else than text; write tokens as the .inter file does")
    return column


def check_coverage(
    what: str,
    file: str,
    domain: Domain,
    found: int,
    of: int,
    strangers: Sequence[str],
    examples: Sequence[str],
    hint: str = "",
) -> str:
    """Log how much of a domain a file knows, and what of the file the domain does not.

    Args:
        what: ``"items"``, ``"users"`` ...
        file: its name.
        domain: who asks.
        found: how many of the domain's are known.
        of: how many there are.
        strangers: those of the file that the domain has not.
        examples: some of the domain's.
        hint: more for the message when nothing is known.

    Returns:
        The line that was logged.

    Raises:
        DataError: nothing is known.
    """
    few, ours = ", ".join(strangers[:3]), ", ".join(examples[:3])
    if not found:
        raise DataError(
            f"{file} knows none of the {of} {what} of {domain.name!r}: the file has {few or 'none'}, the data {ours}; "
            f"write tokens as the .inter file has them{hint}"
        )
    line = f"{file} knows {found} of {of} {what} of {domain.name!r} ({100 * found / of:.1f} %)"
    if strangers:
        more = ", ..." if len(strangers) > 3 else ""
        line += f"; {len(strangers)} of the file's are not in the data: {few}{more}"
    _log.log(logging.INFO if found == of else logging.WARNING, "%s", line)
    return line
