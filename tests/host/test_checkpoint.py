"""Files that would run code if they were loaded as ``torch.load`` loads them."""

from __future__ import annotations

import collections
import contextlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from ckd_plugins.errors import CheckpointError
from ckd_plugins.host.checkpoint import read_checkpoint

Build = Callable[[Path], Any]


class Runs:
    """Pickles as a call, with more to come."""

    def __init__(self, function: Any, *arguments: Any, rest: tuple[Any, ...] = ()) -> None:
        self.call = (function, arguments, *rest)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call

    def __call__(self, *arguments: Any) -> Any:
        """Pickle calls what a call gives only if it can be called."""


class Stateful:
    """Runs when its state is set."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __setstate__(self, state: dict[str, Any]) -> None:
        Path(state["mark"]).touch()


def touch(path: str) -> dict[str, Any]:
    Path(path).touch()
    return {}


def objects(mark: Path) -> Any:
    array = np.empty(1, dtype=object)
    array[0] = Runs(touch, str(mark))
    return array


def ordered(mark: Path) -> Any:
    made = collections.OrderedDict(a=1)
    made.state = Runs(touch, str(mark))  # type: ignore[attr-defined]
    return made


def hooked(mark: Path) -> Any:
    """A tensor whose hooks are made by a call."""
    return Runs(torch._utils._rebuild_parameter, torch.ones(1), False, Runs(touch, str(mark)))


PAYLOADS: dict[str, tuple[str, Build]] = {
    "os.system": (r"(posix|nt)\.system", lambda mark: Runs(os.system, f"touch {mark}")),
    "eval": (r"builtins\.eval", lambda mark: Runs(eval, f"open({str(mark)!r}, 'w')")),
    "exec": (r"builtins\.exec", lambda mark: Runs(exec, f"open({str(mark)!r}, 'w')")),
    "getattr": (
        r"builtins\.(getattr|__import__)",
        lambda mark: Runs(Runs(getattr, Runs(__import__, "os"), "system"), f"touch {mark}"),
    ),
    "open": (r"_?io\.open", lambda mark: Runs(open, str(mark), "w")),
    "torch.save": (r"torch\.serialization\.save", lambda mark: Runs(torch.save, [1], str(mark))),
    "numpy.save": (r"numpy\.save", lambda mark: Runs(np.save, str(mark), [1])),
    "setstate": (r"(test_checkpoint\.Stateful|copyreg\._reconstructor)", Stateful),
    "state": (r"test_checkpoint\.touch", lambda mark: Runs(collections.OrderedDict, rest=(Runs(touch, str(mark)),))),
    "items": (
        r"test_checkpoint\.touch",
        lambda mark: Runs(collections.OrderedDict, rest=(None, None, iter([("a", Runs(touch, str(mark)))]))),
    ),
    "array of objects": (r"test_checkpoint\.touch", objects),
    "ordered dict": (r"test_checkpoint\.touch", ordered),
    "hooks": (r"test_checkpoint\.touch", hooked),
    "factory": (r"test_checkpoint\.touch", lambda mark: Runs(collections.defaultdict, Runs(touch, str(mark)))),
}  # fmt: skip
"""By what they do: what the error must name, and an object that creates the file ``mark`` when it is loaded."""


def in_config(payload: Any) -> Any:
    from recbole.config import Config

    config = Config.__new__(Config)
    vars(config).update(final_config_dict={"model": "BPR", "x": payload}, model="BPR")
    return {"state_dict": {"w": torch.ones(2)}, "config": config}


def bare(content: Any, path: Path, protocol: int) -> None:
    path.write_bytes(pickle.dumps(content, protocol=protocol))


def archive(content: Any, path: Path) -> None:
    torch.save(content, path)


def archive_as_recboles(content: Any, path: Path) -> None:
    torch.save(content, path, pickle_protocol=4)


def legacy(content: Any, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


CONTAINERS: dict[str, Callable[[Any, Path], None]] = {
    **{f"pickle {n}": lambda payload, path, n=n: bare({"x": payload}, path, n) for n in (0, 2, 4, 5)},
    "archive": lambda payload, path: archive({"state_dict": {}, "x": payload}, path),
    "archive, alone": archive,
    "legacy": lambda payload, path: legacy({"state_dict": {}, "x": payload}, path),
    "state_dict": lambda payload, path: archive({"state_dict": {"w": payload}}, path),
    "config": lambda payload, path: archive_as_recboles(in_config(payload), path),
    "config, legacy": lambda payload, path: legacy(in_config(payload), path),
    "optimizer": lambda payload, path: archive({"state_dict": {}, "optimizer": {"state": {0: payload}}}, path),
}


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_code_in_a_file_does_not_run(tmp_path: Path, container: str, payload: str) -> None:
    """A plain torch.load executes whatever the file says, wherever in the file it says it."""
    mark, file = tmp_path / "ran", tmp_path / "evil.pth"
    named, build = PAYLOADS[payload]
    if payload == "hooks" and container.startswith("pickle"):
        named = r"torch\.storage\._load_from_bytes"  # a bare pickle has a tensor's file within it
    CONTAINERS[container](build(mark), file)
    with pytest.raises(CheckpointError, match=rf"evil\.pth is refused: it asks for .*{named}") as caught:
        read_checkpoint(file)
    assert not list(tmp_path.glob("ran*"))
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_files_are_what_they_seem(tmp_path: Path, payload: str) -> None:
    """If loading them as usual did nothing, the tests above would show nothing."""
    mark = tmp_path / "ran"
    archive({"state_dict": {}, "x": PAYLOADS[payload][1](mark)}, tmp_path / "evil.pth")
    with contextlib.suppress(TypeError, AttributeError):  # after the deed
        torch.load(tmp_path / "evil.pth", weights_only=False)
    assert any(tmp_path.glob("ran*"))


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
    with pytest.raises(CheckpointError, match=r"script\.pth is refused: .* TorchScript archive"):
        read_checkpoint(tmp_path / "script.pth")
    assert "code ran" not in capfd.readouterr().out


def test_an_array_of_objects_on_its_own_does_not_run(tmp_path: Path) -> None:
    """Numpy's files of objects are pickles behind a header."""
    mark = tmp_path / "ran"
    np.save(tmp_path / "evil.npy", objects(mark), allow_pickle=True)
    with pytest.raises(CheckpointError, match=r"evil\.npy cannot be read .* numpy array"):
        read_checkpoint(tmp_path / "evil.npy")
    assert not mark.exists()
    np.load(tmp_path / "evil.npy", allow_pickle=True)
    assert mark.exists(), "the file is harmless: this test shows nothing"


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("new", [True, False], ids=["archive", "legacy"])
def test_what_a_checkpoint_of_recboles_holds(
    prepare: Callable[..., Any], tmp_path: Path, new: bool, protocol: int
) -> None:
    """Values that come back as something else, or a class of RecBole's that was made."""
    config = prepare("SASRec").config
    run = {
        "config": config,
        "epoch": 3,
        "best_valid_score": np.float64(0.25),
        "state_dict": torch.nn.Linear(3, 2).state_dict(),
        "other_parameter": {"counts": np.arange(6).reshape(2, 3).T, "none": None, "seen": {1, 2}},
    }
    torch.save(run, tmp_path / "run.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    read = read_checkpoint(tmp_path / "run.pth")
    assert set(read.tensors) == {"weight", "bias"}
    for name, tensor in read.tensors.items():
        assert torch.equal(tensor, run["state_dict"][name])
    assert (read.values["epoch"], read.values["best_valid_score"]) == (3, 0.25)
    np.testing.assert_array_equal(read.values["other_parameter"]["counts"], run["other_parameter"]["counts"])
    assert read.values["other_parameter"]["seen"] == {1, 2}
    assert type(read.values["config"]) is dict
    assert read.values["config"]["model_class"] == "recbole.model.sequential_recommender.sasrec.SASRec"
    wanted = config.final_config_dict
    assert set(read.settings) == set(wanted)
    same = {k for k, v in read.settings.items() if type(v) is type(wanted[k]) and v == wanted[k]}
    odd = {k: read.settings[k] for k in set(wanted) - same}
    assert odd == {"MODEL_TYPE": 2, "MODEL_INPUT_TYPE": 1, "eval_type": 1, "device": "cpu"}


def test_a_class_of_somebodys_in_the_settings_is_a_name(prepare: Callable[..., Any], tmp_path: Path) -> None:
    """A published model's settings mention its class, which is not installed here; elsewhere a name is refused."""
    config = prepare("BPR").config
    mine = type("Theirs", (), {"__module__": __name__, "__qualname__": "Theirs"})
    globals()["Theirs"] = mine
    config.model_class = mine
    torch.save({"state_dict": {}, "config": config}, tmp_path / "theirs.pth", pickle_protocol=4)
    torch.save({"state_dict": {}, "model": mine}, tmp_path / "other.pth", pickle_protocol=4)
    del globals()["Theirs"]
    assert read_checkpoint(tmp_path / "theirs.pth").values["config"]["model_class"] == f"{__name__}.Theirs"
    with pytest.raises(CheckpointError, match=r"other\.pth is refused: it asks for .*\.Theirs"):
        read_checkpoint(tmp_path / "other.pth")


def test_weights_without_anything_else(tmp_path: Path) -> None:
    """Language models come as one flat mapping, pickled or not."""
    weights = {"a.weight": torch.randn(3, 4).half(), "b": torch.arange(5)}
    torch.save(collections.OrderedDict(weights), tmp_path / "w.bin")
    safetensors.torch.save_file(weights, tmp_path / "w.safetensors", metadata={"format": "pt"})
    for name, rest in (("w.bin", {}), ("w.safetensors", {"format": "pt"})):
        read = read_checkpoint(tmp_path / name)
        assert read.values == rest
        assert set(read.tensors) == set(weights)
        assert all(torch.equal(read.tensors[k], w) and read.tensors[k].dtype == w.dtype for k, w in weights.items())


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    """A wrong path must not end in a traceback."""
    (tmp_path / "text.pth").write_text("no checkpoint")
    (tmp_path / "empty.pth").touch()
    (tmp_path / "zip.pth").write_bytes(b"PK\x03\x04 and nothing more")
    (tmp_path / "cut.safetensors").write_bytes(b"\x40" + bytes(7) + b"{")
    (tmp_path / "old.tar").write_bytes(bytes(257) + b"ustar" + bytes(300))
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"state_dict": 3}, tmp_path / "three.pth")
    torch.save({"w": torch.ones(100)}, tmp_path / "whole.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:400])
    expected = {
        "text.pth": "no pickle", "empty.pth": "empty", "zip.pth": "zip archive", "cut.safetensors": "no safetensors",
        "old.tar": "tar archive", "list.pth": "holds a list", "three.pth": "'state_dict' is a int",
        "cut.pth": "damaged",
        "no.pth": "No such file", ".": "is a folder",
    }  # fmt: skip
    for name, message in expected.items():
        with pytest.raises(CheckpointError, match=message) as caught:
            read_checkpoint(tmp_path / name)
        assert "\n" not in str(caught.value)
