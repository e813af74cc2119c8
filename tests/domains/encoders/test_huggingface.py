"""Models by id: from the Hub's cache on this machine, or from a hub that answers; all of it without a network."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from huggingface_hub import constants

from ckd_plugins.domains.encoders import huggingface
from ckd_plugins.domains.encoders.folder import FolderEncoder
from ckd_plugins.domains.encoders.huggingface import HuggingFace
from ckd_plugins.errors import DataError, EnvironmentProblem

COMMIT, OTHER = "a" * 40, "b" * 40
Cached = Callable[..., Path]


@pytest.fixture
def cached(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cached:
    """Put the tiny model into a Hub cache of its own, as the Hub's client lays it out, with the network cut off."""
    home = tmp_path / "hub"

    def refuse(*_: object) -> None:
        raise AssertionError("tried to reach the network")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    huggingface.snapshot.cache_clear()

    def put(revision: str = "main", commit: str = COMMIT) -> Path:
        repository = home / "models--acme--tiny"
        (repository / "refs").mkdir(parents=True, exist_ok=True)
        (repository / "refs" / revision).write_text(commit)
        (repository / "blobs").mkdir(exist_ok=True)
        snapshot = repository / "snapshots" / commit
        snapshot.mkdir(parents=True)
        for file in model_folder.iterdir():
            blob = repository / "blobs" / sha256(file.read_bytes()).hexdigest()
            shutil.copy(file, blob)
            (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
        return snapshot

    return put


def test_an_id_in_the_cache_is_read_without_a_network(cached: Cached, model_folder: Path) -> None:
    """Clusters compute where there is no network; vectors must be those of the same model in a folder."""
    cached()
    encoder, folder = HuggingFace("acme/tiny"), FolderEncoder(model_folder)
    assert (encoder.name, encoder.dim, encoder.identity) == ("huggingface", 16, folder.identity)
    np.testing.assert_array_equal(encoder.encode(["a b", "c"]), folder.encode(["a b", "c"]))


def test_a_revision_is_another_model(cached: Cached) -> None:
    """A pinned revision that is ignored gives the vectors of whatever is the newest."""
    cached()
    weights = cached("v1", OTHER) / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.unlink()
    weights.write_bytes(changed)
    assert HuggingFace("acme/tiny", revision="v1").path.name == OTHER
    assert HuggingFace("acme/tiny", revision="v1").identity != HuggingFace("acme/tiny").identity


def test_a_folder_is_read_as_it_is(cached: Cached, model_folder: Path) -> None:
    """Asking the Hub for the name of a folder would fail, or fetch a stranger's model."""
    assert HuggingFace(str(model_folder)).path == model_folder


def test_what_is_not_there_says_how_to_get_it(cached: Cached, tmp_path: Path) -> None:
    """Behind a traceback of the Hub's client nobody finds what to do."""
    for model in ("acme/tiny", "./no/such/folder"):
        with pytest.raises(DataError) as caught:
            HuggingFace(model)
        said = str(caught.value)
        assert "\n" not in said
        assert all(part in said for part in (model, str(tmp_path / "hub"), f"hf download {model}", "HF_HOME", "folder"))


def test_a_model_that_is_there_in_part(cached: Cached) -> None:
    """Transformers fetches a tokenizer alone if asked for it; the cache then knows the id but has no weights."""
    snapshot = cached()
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"weights are missing.*'hf download acme/tiny --revision main'"):
        HuggingFace("acme/tiny", revision="main")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub's client is an extra; the message must say which."""
    huggingface.snapshot.cache_clear()
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'ckd-plugins\[text\]'"):
        HuggingFace("acme/tiny")


@pytest.fixture
def hub(model_folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub that has one model, with code and an old format beside it, and what it has given."""
    files = {file.name: file.read_bytes() for file in model_folder.iterdir()}
    files |= {"modeling.py": b"raise SystemExit", "pytorch_model.bin": b"old", "README.md": b"read"}
    given: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            name = path.rpartition("/")[2]
            if path.startswith(f"/acme/tiny/resolve/{COMMIT}/") and name in files:
                self.answer(files[name])
                given.append(name) if self.command == "GET" else None
            elif path == "/api/models/acme/tiny/revision/main":
                siblings = [{"rfilename": name} for name in files]
                self.answer(json.dumps({"id": "acme/tiny", "sha": COMMIT, "siblings": siblings}).encode())
            elif path.startswith("/api/models/acme/tiny/tree/"):
                tree = [
                    {"type": "file", "path": n, "size": len(b), "oid": sha256(b).hexdigest()} for n, b in files.items()
                ]
                self.answer(json.dumps(tree).encode())
            else:
                self.send_error(404)

        do_HEAD = do_GET

        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{sha256(body).hexdigest()}"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", given
    server.shutdown()
    server.server_close()


def test_a_model_is_fetched_once_and_then_read_offline(
    hub: tuple[str, list[str]], model_folder: Path, tmp_path: Path
) -> None:
    """Code, and weights in formats that can hold code, have no business here; a second fetch costs gigabytes."""
    address, given = hub
    code = "from ckd_plugins.domains.encoders.huggingface import HuggingFace; print(HuggingFace('acme/tiny').identity)"
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "")
    env = {**os.environ, **proxies, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path)}
    for offline in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**env, "HF_HUB_OFFLINE": offline},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == FolderEncoder(model_folder).identity
    wanted = {f.name for f in model_folder.iterdir() if f.suffix in (".json", ".txt", ".safetensors")}
    assert sorted(given) == sorted(wanted)
