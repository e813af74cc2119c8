"""Worker processes that are told what to do, one at a time."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

__all__ = ["Client"]

_HERE = Path(__file__).parent


class Client:
    """A worker in a process of its own; ``with Client(...) as worker: worker.do("epoch")``.

    Args:
        python: the interpreter.
        script: the worker's file beside this one.
        threads: of torch and the libraries below it.
        about: keyword arguments of the worker.
    """

    def __init__(self, python: str, script: str, threads: int, **about: Any) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 — lives as long as the process
        self._process = subprocess.Popen(
            [python, str(_HERE / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )
        self.data_seconds: float = self._send(about)["seconds"]

    def _send(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"{self._process.args} ended: {self._errors.read().strip()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def do(self, what: str, **options: Any) -> dict[str, Any]:
        """Let the worker do something: ``seconds``, ``peak_mb`` of its whole life, ``metrics``."""
        time.sleep(0.5)  # the threads of whoever worked before spin on for a while
        return self._send({"do": what, **options})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()
