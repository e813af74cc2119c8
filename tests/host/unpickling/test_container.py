"""The numbers in files of torch's: forged sizes, forged archives, and files as torch writes them."""

from __future__ import annotations

import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from ckd_plugins.errors import CheckpointError
from ckd_plugins.host.checkpoint import read_checkpoint
from ckd_plugins.host.unpickling import read_object
from ckd_plugins.host.unpickling.names import Refused, Unreadable
from tests.host.unpickling.conftest import archive, call, name, number, storage, text, whole

FLOAT = name("torch", "FloatStorage")
FOUR = np.arange(4, dtype=np.float32).tobytes()


def sizes(*values: int) -> bytes:
    return pickle.MARK + b"".join(map(number, values)) + pickle.TUPLE


def tensor(offset: int, size: bytes, stride: bytes, elements: int = 4, kind: bytes = FLOAT) -> bytes:
    made = storage(kind, text("0"), number(elements))
    return whole(call(name("torch._utils", "_rebuild_tensor_v2"), made, number(offset), size, stride, pickle.NEWFALSE,
                      call(name("collections", "OrderedDict"))))  # fmt: skip


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (5,), (1,)),
        (4, (1,), (1,)),
        (2, (2, 2), (2, 1)),
        (0, (2,), (1 << 62,)),
        (1 << 70, (1,), (1,)),
        (0, (1, 2), (1 << 70, 4)),
        (0, (1 << 70,), (0,)),
        (0, (1 << 30, 1 << 30), (0, 0)),
        (0, (5,), (0,)),
        (-1, (2,), (1,)),
        (0, (-2,), (1,)),
        (0, (2,), (-1,)),
        (0, (2,), ()),
        (0, (1 << 40, 0), (1 << 70, 1)),
    ],
)
def test_a_tensor_stays_within_its_storage(
    tmp_path: Path, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    """Elsewhere in memory lies something of this process; and a stride of 0 makes a gigabyte out of a byte."""
    archive(tmp_path / "a.pth", tensor(offset, sizes(*size), sizes(*stride)), {"data/0": FOUR})
    try:
        found = read_object(tmp_path / "a.pth")["x"]
    except Unreadable:
        return
    assert found.numel() == 0, "more than there is"


def test_a_view_is_what_it_was(tmp_path: Path) -> None:
    """The counterpart: offsets and strides that stay within are kept."""
    archive(tmp_path / "a.pth", tensor(1, sizes(2, 1), sizes(2, 7)), {"data/0": FOUR})
    assert read_object(tmp_path / "a.pth")["x"].tolist() == [[1.0], [3.0]]


@pytest.mark.parametrize(("elements", "records"), [
    (5, {"data/0": FOUR}), (3, {"data/0": FOUR}), (4, {}), (4, {"data/1": FOUR}), (1 << 62, {"data/0": FOUR}),
    (-1, {"data/0": FOUR}),
])  # fmt: skip
def test_a_storage_has_the_size_that_is_said(tmp_path: Path, elements: int, records: dict[str, bytes]) -> None:
    """What is behind a storage is another one, or nothing."""
    archive(tmp_path / "a.pth", tensor(0, sizes(1), sizes(1), elements), records)
    with pytest.raises(Unreadable):
        read_object(tmp_path / "a.pth")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A hundred megabytes of zeros are a hundred kilobytes in a zip archive; of terabytes the memory is gone."""
    archive(tmp_path / "a.pth", tensor(0, sizes(4), sizes(1)), {"data/0": bytes(1 << 20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(Refused, match="compressed record"):
        read_object(tmp_path / "a.pth")


def test_records_that_share_their_bytes_are_a_bomb_too(tmp_path: Path) -> None:
    """Without compression: a thousand entries of the directory that point at one record."""
    archive(tmp_path / "a.pth", tensor(0, sizes(4), sizes(1)), {"data/0": bytes(1 << 16)})
    with zipfile.ZipFile(tmp_path / "a.pth", "a") as file:
        one = file.getinfo("archive/data/0")
        for key in range(1, 9):
            twin = zipfile.ZipInfo(f"archive/data/{key}")
            twin.header_offset, twin.CRC = one.header_offset, one.CRC
            twin.file_size = twin.compress_size = one.file_size
            file.filelist.append(twin)
            file.NameToInfo[twin.filename] = twin
        file._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="lie upon one another"):
        read_object(tmp_path / "a.pth")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_programs_are_none(tmp_path: Path) -> None:
    """Torch and Python may take different ones of two records of a name: what was checked is not what is loaded."""
    archive(tmp_path / "a.pth", tensor(0, sizes(4), sizes(1)), {"data/0": FOUR, "data.pkl": whole(pickle.NONE)})
    with pytest.raises(Refused, match="two records"):
        read_object(tmp_path / "a.pth")


def test_code_in_an_archive_is_refused(tmp_path: Path) -> None:
    """torch.load gives an archive with constants to torch.jit.load."""
    archive(tmp_path / "a.pth", whole(pickle.NONE), {"constants.pkl": whole(pickle.NONE)})
    with pytest.raises(Refused, match="TorchScript"):
        read_object(tmp_path / "a.pth")


def test_numbers_in_the_other_order_are_refused(tmp_path: Path) -> None:
    """They would be read as other numbers."""
    archive(tmp_path / "a.pth", whole(pickle.NONE), {"byteorder": b"big"})
    with pytest.raises(Unreadable, match="big-endian"):
        read_object(tmp_path / "a.pth")


@pytest.mark.parametrize("new", [True, False], ids=["archive", "legacy"])
def test_tensors_come_back_as_torch_wrote_them(tmp_path: Path, new: bool) -> None:
    """Views, shared storages, empty ones, every element type."""
    base = torch.arange(24.0).reshape(4, 6)
    written = {
        "base": base,
        "view": base[1:, ::2],
        "transposed": base.T,
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        **{str(t): torch.ones(3).to(t) for t in (torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.bool)},
    }
    torch.save(written, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    read = read_object(tmp_path / "a.pth")
    for key, tensor in written.items():
        assert read[key].dtype == tensor.dtype
        assert torch.equal(read[key], tensor.detach()), key
    read["base"][1, 0] = -1
    assert read["view"][0, 0] == -1, "what shared its numbers shares them"


@pytest.mark.parametrize("new", [True, False], ids=["archive", "legacy"])
def test_a_damaged_file_ends_in_one_line(tmp_path: Path, new: bool) -> None:
    """A download that broke off, or a bit that flipped, must not end in a traceback from within."""
    content = {"state_dict": {"w": torch.ones(3, 2), "i": torch.arange(4)}, "other": np.arange(3), "n": np.float64(1)}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    good, rng, refused = (tmp_path / "a.pth").read_bytes(), random.Random(0), list[str]()
    for _ in range(400):
        bad = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        (tmp_path / "b.pth").write_bytes(bad[: rng.choice([len(bad), len(bad), rng.randrange(1, len(bad))])])
        try:
            read_checkpoint(tmp_path / "b.pth")
        except CheckpointError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert not any("\n" in message for message in refused)
