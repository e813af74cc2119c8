from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ckd_plugins.domains.images.vectors import VectorSource
from ckd_plugins.errors import DataError

TOKENS = ["007", "ä b", "x/y"]
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4)


def npz(path: Path, tokens: Any = TOKENS, vectors: Any = VECTORS) -> Path:
    np.savez(path / "v.npz", tokens=np.array(tokens), vectors=np.array(vectors))
    return path / "v.npz"


def safetensors(path: Path, tokens: Any = TOKENS, vectors: Any = VECTORS) -> Path:
    save_file({"vectors": torch.as_tensor(vectors)}, path / "v.safetensors", metadata={"tokens": json.dumps(tokens)})
    return path / "v.safetensors"


def npy(path: Path, tokens: Any = TOKENS, vectors: Any = VECTORS) -> Path:
    np.save(path / "vectors.npy", np.array(vectors))
    (path / "tokens.txt").write_text("".join(f"{t}\n" for t in tokens), encoding="utf-8")
    return path


FORMS = [npz, safetensors, npy]


@pytest.mark.parametrize("form", FORMS)
def test_rows_follow_tokens(form: Callable[..., Path], tmp_path: Path) -> None:
    """Rows in the file's order rather than the asked one would give items each other's images."""
    source = VectorSource(form(tmp_path))
    assert source.tokens == tuple(TOKENS)
    found = source.vectors(["x/y", "007"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, VECTORS[[2, 0]])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("tokens", "vectors", "message"),
    [
        (["a", "b", "a"], VECTORS, "token 'a' occurs twice"),
        (["a", "b"], VECTORS, r"shape \[3, 4\] for 2 tokens"),
        (["a", "b", "c"], VECTORS[0], r"shape \[4\]"),
        (["a", "b", "c"], VECTORS[:, :0], r"shape \[3, 0\]"),
    ],
    ids=["twice", "short", "flat", "empty"],
)
def test_what_does_not_fit_is_refused(
    form: Callable[..., Path], tokens: list[str], vectors: np.ndarray, message: str, tmp_path: Path
) -> None:
    """Each of these would shift images to other items, or fail in the middle of training."""
    with pytest.raises(DataError, match=message) as caught:
        VectorSource(form(tmp_path, tokens, vectors))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_numbers_that_are_none_are_refused(bad: float, tmp_path: Path) -> None:
    """One NaN makes every score NaN, also once float64 has been cut to float32."""
    vectors = VECTORS.astype(np.float64)
    vectors[1, 2] = bad
    source = VectorSource(npz(tmp_path, vectors=vectors))
    with pytest.raises(DataError, match="the vector of 'ä b' has elements that are no finite numbers"):
        source.vectors(TOKENS)
    np.testing.assert_array_equal(source.vectors(["007", "x/y"]), VECTORS[[0, 2]])


class Bomb:
    def __reduce__(self) -> Any:
        return exit, (66,)


@pytest.mark.parametrize("how", ["array", "npz", "plain"])
def test_nothing_is_unpickled(how: str, tmp_path: Path) -> None:
    """A pickle runs whatever its author liked."""
    objects = np.array([Bomb()] * 3, dtype=object)
    path = npy(tmp_path)
    if how == "npz":
        path = tmp_path / "v.npz"
        np.savez(path, tokens=np.array(TOKENS), vectors=objects)
    elif how == "array":
        np.save(tmp_path / "vectors.npy", objects, allow_pickle=True)
    else:
        (tmp_path / "vectors.npy").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match="holds no image vectors") as caught:
        VectorSource(path)
    assert "\n" not in str(caught.value)


def test_tokens_that_are_numbers_are_refused(tmp_path: Path) -> None:
    """The item 007 would be looked for as 7 and count as without an image."""
    with pytest.raises(DataError, match="tokens must be a list of strings, not int64"):
        VectorSource(npz(tmp_path, tokens=[7, 8, 9]))
    with pytest.raises(DataError, match="tokens must be a list of strings"):
        VectorSource(safetensors(tmp_path, tokens=[7, 8, 9]))


def test_half_precision_is_read(tmp_path: Path) -> None:
    """A NumPy array knows no bfloat16; published features come in it."""
    path = safetensors(tmp_path, vectors=torch.tensor(VECTORS).to(torch.bfloat16))
    np.testing.assert_array_equal(VectorSource(path).vectors(TOKENS), VECTORS)


@pytest.mark.parametrize("what", ["vectors.npy", "v.npz", "v.safetensors", "v.txt", "names"])
def test_other_files_say_what_to_give(what: str, tmp_path: Path) -> None:
    """A .npy alone does not say whose its rows are."""
    path = tmp_path / what
    if what == "vectors.npy":
        np.save(path, VECTORS)
    elif what == "names":
        path = tmp_path / "v.npz"
        np.savez(path, ids=np.array(TOKENS), vectors=VECTORS)
    else:
        path.write_bytes(b"not what its name says")
    with pytest.raises(DataError, match=r"holds no image vectors.*give a \.npz with") as caught:
        VectorSource(path)
    assert "\n" not in str(caught.value)
