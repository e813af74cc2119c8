"""Lines of files as they are found: packed or not, cut off, with rubbish in between."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ckd_plugins.domains.importers import ImportLog, read_lines, reading
from ckd_plugins.domains.importers.reading import load_json
from ckd_plugins.errors import DataError


def numbers(path: Path, log: ImportLog, skip: int = 0) -> list[int]:
    return list(read_lines(path, int, log, skip=skip))


def test_packed_and_plain_are_told_by_content(tmp_path: Path) -> None:
    """Browsers unpack files and keep the name."""
    for name, content in (("a.gz", b"1\r\n2\n3"), ("b.json", gzip.compress(b"1\r\n2\n3"))):
        (tmp_path / name).write_bytes(content)
        assert numbers(tmp_path / name, ImportLog()) == [1, 2, 3]


def test_malformed_lines_are_counted_and_shown_by_number(tmp_path: Path) -> None:
    """One broken line of a million must not end an import, and must be found again."""
    path = tmp_path / "a"
    path.write_bytes(b"head\n1\nx\n" + b"2\n" * 200 + b"\xff\n")
    log = ImportLog(max_malformed=0.02)
    assert numbers(path, log, skip=1) == [1] + [2] * 200
    (file,) = log.files
    assert (file.lines, file.malformed) == (204, 2)
    assert file.examples[0].startswith("line 3: invalid literal")
    assert file.examples[1].startswith("line 204: ")


def test_more_than_the_share_is_fatal(tmp_path: Path) -> None:
    """Half a dataset would be trained on as if it were the whole."""
    path = tmp_path / "a"
    path.write_bytes(b"1\n" * 97 + b"x\n" * 3)
    with pytest.raises(DataError, match=r"3 of 100 lines are malformed \(3.0%, allowed are 1.0%\): line 98: "):
        numbers(path, ImportLog())
    assert len(numbers(path, ImportLog(0.03))) == 97


def test_another_format_is_given_up_early(tmp_path: Path) -> None:
    """A wrong file of gigabytes would be read to its end for an error that its first lines show."""
    path, read = tmp_path / "a", []
    path.write_bytes(b"x\n" * 5000)

    def parse(line: bytes) -> int:
        read.append(line)
        return int(line)

    with pytest.raises(DataError, match="is it of this format"):
        list(read_lines(path, parse, ImportLog(1.0)))
    assert len(read) < 1100


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b[:40] + b"\0" * 40 + b[80:]])
def test_a_damaged_archive_is_told(tmp_path: Path, damage: object) -> None:
    """A download that broke off is no short dataset."""
    path = tmp_path / "a.gz"
    path.write_bytes(damage(gzip.compress("".join(f"{n * 7919 % 10007}\n" for n in range(5000)).encode())))
    with pytest.raises(DataError, match=r"a\.gz cannot be read: .*; fetch it again"):
        numbers(path, ImportLog(1.0))


def test_a_line_without_end_is_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small archive can hold a line of gigabytes."""
    monkeypatch.setattr(reading, "_LONGEST", 1 << 10)
    path, seen = tmp_path / "a.gz", []
    path.write_bytes(gzip.compress(b"1\n" + b"0" * 100_000 + b"\n" + b"3\n" * 200))
    log = ImportLog()
    assert list(read_lines(path, lambda line: seen.append(len(line)) or int(line), log)) == [1] + [3] * 200
    assert max(seen) == 1
    assert log.files[0].examples == ["line 2: longer than 0 MiB"]


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    """A bar that stops at 98% looks like a hang."""
    told = []

    class Task:
        def __init__(self, title: str, total: int) -> None:
            told.append((title, total))

        def __enter__(self):
            return lambda done, note: told.append((done, note))

        def __exit__(self, *_: object) -> None:
            told.append("end")

    path = tmp_path / "a"
    path.write_bytes(b"1\n" * 40_000)
    assert len(numbers(path, ImportLog(task=Task))) == 40_000
    assert told[0] == ("reading a", 80_000)
    assert told[1][1] == "16,384 lines"
    assert told[-2:] == [(80_000, "40,000 lines, 0 malformed"), "end"]


def test_a_json_file_of_another_kind_is_told(tmp_path: Path) -> None:
    """A list where a mapping was meant shows as an AttributeError far away."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps([1]))
    with pytest.raises(DataError, match=r"a\.json holds a list, not a dict"):
        load_json(path, dict, ImportLog())
    path.write_text('{"1": ')
    with pytest.raises(DataError, match=r"a\.json cannot be read as JSON"):
        load_json(path, dict, ImportLog())
