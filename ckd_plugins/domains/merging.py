"""Several domains written as one dataset: RecBole's atomic files with items named ``domain/item``.

Files are read and written line by line; only the tokens are held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Literal

from ckd_plugins._whole import whole_folder
from ckd_plugins.domains.naming import DOMAIN_FIELD, SEPARATOR
from ckd_plugins.errors import ConfigError, DataError
from ckd_plugins.host.settings import DatasetPath

__all__ = ["Counts", "Fields", "Merged", "Users", "merge_cached", "merge_domains"]

Users = Literal["apart", "joined"]
_VERSION = "1"
"""Raised when the same sources give other files."""
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Fields:
    """Names of the columns that merging reads."""

    user: str = "user_id"
    item: str = "item_id"
    order: str = "timestamp"


@dataclass
class Counts:
    """What one domain brought."""

    users: int = 0
    items: int = 0
    interactions: int = 0


@dataclass(frozen=True)
class Merged:
    """What :func:`merge_domains` wrote."""

    folder: Path
    counts: Mapping[str, Counts]
    """By domain."""
    shared_users: int
    """Users that two domains or more know by one token."""
    left_out: tuple[str, ...]
    """Columns of ``.inter`` that not every domain has, as ``domain: column``."""


@dataclass
class _Source:
    name: str
    folder: Path
    columns: dict[str, dict[str, str]]
    """By ending: column -> type."""
    users: dict[str, list[float]] = field(default_factory=dict)
    """Token -> number of interactions, least and largest value of the order column."""
    items: dict[str, None] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)

    def path(self, ending: str) -> Path:
        return self.folder / f"{self.name}.{ending}"


def merge_domains(
    folders: Sequence[str | Path], out: str | Path, *, users: Users = "apart", fields: Fields | None = None
) -> Merged:
    """Write domains as one dataset.

    Items are named ``domain/item``, and a column ``domain`` travels along in ``.inter`` and ``.item``. ``.inter`` has
    the columns that all domains have, ``.item`` and ``.user`` those of any, empty where a domain has none; every item
    has a line in ``.item``, and a domain without texts does not take those of others away.

    Users ``apart`` are named ``domain/user``: one who is in two domains is two users, so that leave-one-out holds out
    the last interactions *in each domain*, and one domain's student cannot see another's. Users ``joined`` keep their
    token, and their history is that of all domains in the order of time: leave-one-out holds out the last two of all.

    Args:
        folders: datasets; a folder's name is the domain's.
        out: the new dataset's folder, whose name is the dataset's. Must not exist.
        users: see above.
        fields: names of columns.

    Raises:
        ConfigError: fewer than two domains, two of one name, or ``out`` exists or cannot be written.
        DataError: a file or column is missing, a line has too few or too many cells, a column has two types, a dataset
            is merged already, or users are to be joined whose times cannot be compared.
    """
    folder, fields = Path(out).absolute(), fields or Fields()
    sources = _sources([Path(one) for one in folders], fields)
    if folder.exists():
        raise ConfigError(f"{str(out)!r} exists; name a folder that does not")
    try:
        with whole_folder(folder) as partial:
            left_out = _write_interactions(sources, partial / f"{folder.name}.inter", users, fields)
            shared = _shared_users(sources)
            if users == "joined" and shared:
                _refuse_positions(sources, fields)
            _write_side(sources, partial / f"{folder.name}.item", "item", fields.item, users)
            if any("user" in source.columns for source in sources):
                _write_side(sources, partial / f"{folder.name}.user", "user", fields.user, users)
    except UnicodeDecodeError as error:
        raise DataError(f"a file of the domains is not UTF-8 text ({error}); convert it") from error
    except OSError as error:
        raise ConfigError(f"{str(folder)!r} cannot be written: {error.strerror or error}; name another") from error
    return Merged(folder, {source.name: source.counts for source in sources}, len(shared), left_out)


def merge_cached(folders: Sequence[Path], cache: Path, *, users: Users = "apart", fields: Fields | None = None) -> Path:
    """Merge domains into a folder that is named by the content of their files, or find that it is there.

    Args:
        folders: datasets.
        cache: gets ``<digest>/<names joined by +>``.
        users: as of :func:`merge_domains`.
        fields: as of :func:`merge_domains`.

    Raises:
        ConfigError, DataError: as of :func:`merge_domains`.
    """
    fields = fields or Fields()
    digest = blake2b(repr((_VERSION, users, fields)).encode(), digest_size=8)
    for source in _sources(folders, fields):
        for ending in source.columns:
            digest.update(f"\0{source.name}.{ending}\0".encode())
            with source.path(ending).open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    name = "+".join(Path(one).name for one in folders)
    if len(name) > _LONGEST_NAME:
        name = f"{len(folders)}-domains"
    folder = cache / digest.hexdigest() / name
    if not folder.is_dir():
        try:
            merge_domains(folders, folder, users=users, fields=fields)
        except ConfigError:
            if not folder.is_dir():  # else another process was faster
                raise
    return folder


def _sources(folders: Sequence[Path], fields: Fields) -> list[_Source]:
    """Check what can be told by the headers."""
    if len(folders) < 2:
        raise ConfigError("merging needs two domains or more; give their folders")
    sources: dict[str, _Source] = {}
    for given in folders:
        folder = given.absolute()
        dataset = DatasetPath(folder.name, folder)
        found = {ending: dataset.columns(ending) for ending in ("inter", "item", "user")}
        source = _Source(folder.name, folder, {ending: columns for ending, columns in found.items() if columns})
        if "inter" not in source.columns:
            raise DataError(f"{source.path('inter')} does not exist; a dataset is a folder with <its name>.inter in it")
        if folder.name in sources:
            raise ConfigError(
                f"{str(sources[folder.name].folder)!r} and {str(folder)!r} are of one name, which items are named by; "
                f"name every domain once, and folders differently"
            )
        for ending, column in (("inter", fields.user), ("inter", fields.item), ("item", fields.item)):
            if column not in source.columns.get(ending, {column: ""}):
                raise DataError(f"{source.path(ending)} has no column {column!r}; rename the one that holds it")
        if DOMAIN_FIELD in source.columns["inter"]:
            raise DataError(f"{source.path('inter')} has a column 'domain': it is merged already; merge its parts")
        sources[folder.name] = source
    return list(sources.values())


def _lines(path: Path, width: int) -> Iterator[list[str]]:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        next(file)
        for number, line in enumerate(file, start=2):
            cells = line.rstrip("\r\n").split("\t")
            if len(cells) != width:
                raise DataError(f"{path}, line {number}: {len(cells)} cells, and the header has {width}; mend the line")
            yield cells


def _kinds(sources: Sequence[_Source], ending: str, *, everywhere: bool) -> dict[str, str]:
    """Columns of the merged file and their types."""
    kinds: dict[str, str] = {}
    for source in sources:
        for name, kind in source.columns.get(ending, {}).items():
            if kinds.setdefault(name, kind) != kind:
                raise DataError(
                    f"{source.path(ending)}: column {name!r} is of type {kind}, and {kinds[name]} in another domain; "
                    f"make them one"
                )
    if everywhere:
        kinds = {name: k for name, k in kinds.items() if all(name in s.columns[ending] for s in sources)}
    return kinds


def _write_interactions(sources: Sequence[_Source], path: Path, users: Users, fields: Fields) -> tuple[str, ...]:
    kinds = _kinds(sources, "inter", everywhere=True)
    with path.open("w", encoding="utf-8", newline="\n") as out:
        _write_header(out, kinds)
        for source in sources:
            columns = list(source.columns["inter"])
            at = [columns.index(name) for name in kinds]
            user, item = columns.index(fields.user), columns.index(fields.item)
            order = columns.index(fields.order) if fields.order in columns else None
            for number, cells in enumerate(_lines(source.path("inter"), len(columns)), start=2):
                for place, what in ((user, fields.user), (item, fields.item)):
                    if not cells[place]:
                        raise DataError(f"{source.path('inter')}, line {number}: empty {what!r}; drop the row")
                _note(source, cells[user], "" if order is None else cells[order], number)
                source.items.setdefault(cells[item])
                cells[item] = f"{source.name}{SEPARATOR}{cells[item]}"
                if users == "apart":
                    cells[user] = f"{source.name}{SEPARATOR}{cells[user]}"
                out.write("\t".join([*(cells[place] for place in at), source.name]) + "\n")
            source.counts = Counts(len(source.users), len(source.items), sum(int(n[0]) for n in source.users.values()))
            if not source.users:
                raise DataError(f"{source.path('inter')} has a header but no interactions; check how it was written")
    return tuple(f"{s.name}: {name}" for s in sources for name in s.columns["inter"] if name not in kinds)


def _note(source: _Source, user: str, order: str, line: int) -> None:
    """Keep what tells whether the order column counts positions."""
    try:
        value = float(order or 0)
    except ValueError:
        raise DataError(f"{source.path('inter')}, line {line}: {order!r} is no time; mend the row") from None
    seen = source.users.setdefault(user, [0, value, value])
    seen[0], seen[1], seen[2] = seen[0] + 1, min(seen[1], value), max(seen[2], value)


def _shared_users(sources: Sequence[_Source]) -> set[str]:
    known: set[str] = set()
    shared: set[str] = set()
    for source in sources:
        shared |= known & source.users.keys()
        known |= source.users.keys()
    return shared


def _refuse_positions(sources: Sequence[_Source], fields: Fields) -> None:
    """Refuse to put interactions of two domains in order by columns that count each user's own."""
    for source in sources:
        if fields.order in source.columns["inter"] and all(
            least in (0, 1) and largest - least == count - 1 for count, least, largest in source.users.values()
        ):
            raise DataError(
                f"{source.path('inter')}: {fields.order!r} counts each user's interactions and tells no time, so that "
                f"those of two domains have no common order; keep users apart"
            )


def _write_side(sources: Sequence[_Source], path: Path, ending: str, key: str, users: Users) -> None:
    """Write ``.item`` or ``.user``: a line for each token; of joined users the first domain's."""
    kinds = {key: "token", **_kinds(sources, ending, everywhere=False)}
    apart, written = ending == "item" or users == "apart", set[str]()
    with path.open("w", encoding="utf-8", newline="\n") as out:
        _write_header(out, kinds, domain=apart)
        for source in sources:
            columns = list(source.columns.get(ending, {key: ""}))
            at, place = [columns.index(name) if name in columns else None for name in kinds], columns.index(key)
            lines = _lines(source.path(ending), len(columns)) if ending in source.columns else iter(())
            for cells in _and_missing(lines, source.items if ending == "item" else source.users, place, len(columns)):
                if apart:
                    cells[place] = f"{source.name}{SEPARATOR}{cells[place]}"
                if cells[place] in written:
                    continue
                written.add(cells[place])
                row = ["" if one is None else cells[one] for one in at]
                out.write("\t".join([*row, source.name] if apart else row) + "\n")


def _and_missing(lines: Iterator[list[str]], tokens: Mapping[str, Any], place: int, width: int) -> Iterator[list[str]]:
    """The lines, and an empty one for each token that none is for."""
    missing = dict.fromkeys(tokens)
    for cells in lines:
        missing.pop(cells[place], None)
        yield cells
    for token in missing:
        yield [token if at == place else "" for at in range(width)]


def _write_header(out: IO[str], kinds: Mapping[str, str], *, domain: bool = True) -> None:
    kinds = {**kinds, **({DOMAIN_FIELD: "token"} if domain else {})}
    out.write("\t".join(f"{name}:{kind}" for name, kind in kinds.items()) + "\n")
