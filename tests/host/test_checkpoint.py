from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from ckd_plugins.errors import CkdError
from ckd_plugins.host.checkpoint import read_checkpoint


class Runs:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize(
    ("function", "argument"),
    [(os.system, "touch {}"), (eval, "open({!r}, 'w')"), (exec, "open({!r}, 'w')")],
    ids=["os.system", "eval", "exec"],
)
def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, function: Any, argument: str) -> None:
    """A plain torch.load executes whatever the file says."""
    mark = tmp_path / "ran"
    evil = Runs(function, argument.format(str(mark)))
    torch.save({"state_dict": {}, "config": evil}, tmp_path / "evil.pth")
    with pytest.raises(CkdError, match="checkpoint refused: it asks for"):
        read_checkpoint(tmp_path / "evil.pth")
    assert not mark.exists()


def test_code_in_a_legacy_file_does_not_run(tmp_path: Path) -> None:
    """Torch's old format is a bare pickle and takes another way through torch.load."""
    mark = tmp_path / "ran"
    payload = {"state_dict": {}, "x": Runs(os.system, f"touch {mark}")}
    torch.save(payload, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(payload))
    for name in ("old.pth", "bare.pth"):
        with pytest.raises(CkdError):
            read_checkpoint(tmp_path / name)
    assert not mark.exists()


def test_recbole_classes_are_not_constructed(tmp_path: Path) -> None:
    """Even a class of RecBole may do things in its constructor; its name yields an inert record."""
    from recbole.config import Config

    torch.save({"state_dict": {"w": torch.ones(2)}, "config": Config.__new__(Config)}, tmp_path / "c.pth")
    content = read_checkpoint(tmp_path / "c.pth")
    assert type(content["config"]).__module__ == "ckd_plugins.host.checkpoint"
    assert torch.equal(content["state_dict"]["w"], torch.ones(2))


def test_a_registered_students_class_is_an_inert_record(tmp_path: Path) -> None:
    """A run's config holds the model's class: no checkpoint of a student of our own, or a plugin's, could be read."""
    from ckd_plugins.host.abstract import GeneralRecommender
    from ckd_plugins.host.zoo import register_student

    cls = type("CheckpointTestRec", (GeneralRecommender,), {"__module__": __name__})
    globals()["CheckpointTestRec"] = cls
    torch.save({"state_dict": {}, "config": cls}, tmp_path / "student.pth")
    with pytest.raises(CkdError, match=r"it asks for .*CheckpointTestRec"):
        read_checkpoint(tmp_path / "student.pth")
    register_student("CheckpointTestRec", cls)
    assert read_checkpoint(tmp_path / "student.pth")["config"] is not cls


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    """A wrong path must not end in a traceback."""
    (tmp_path / "text.pth").write_text("no checkpoint")
    torch.save({"weights": {}}, tmp_path / "other.pth")
    for name, message in (("text.pth", "cannot be read"), ("other.pth", "no RecBole checkpoint"), ("no.pth", "cannot")):
        with pytest.raises(CkdError, match=message):
            read_checkpoint(tmp_path / name)


class Script(torch.nn.Module):
    """A module whose file runs code as it is loaded; here, a print."""

    def __init__(self) -> None:
        super().__init__()
        self.w = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> tuple[int, bool]:
        return (self.w, True)

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]) -> None:
        print("the archive's code ran")
        self.w = state[0]
        self.training = state[1]


@pytest.mark.filterwarnings("ignore")
def test_code_in_a_torchscript_archive_does_not_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """torch.load hands such a file to torch.jit.load before a pickle module sees it."""
    torch.jit.script(Script()).save(str(tmp_path / "script.pth"))
    capfd.readouterr()
    with pytest.raises(CkdError, match=r"checkpoint refused: .* is a TorchScript archive") as caught:
        read_checkpoint(tmp_path / "script.pth")
    assert "\n" not in str(caught.value)
    assert "code ran" not in capfd.readouterr().out


def test_a_zip_that_is_no_archive_of_torchs_is_one_error(tmp_path: Path) -> None:
    """The check itself reads the file, and must not be what ends in a traceback."""
    (tmp_path / "zip.pth").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(CkdError, match="cannot be read as a checkpoint"):
        read_checkpoint(tmp_path / "zip.pth")
