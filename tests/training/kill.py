"""Run by test_killed.py: makes a teacher in children that are killed, and then in one that is not; for each plan.

    python kill.py STAGE DATA PLACE '[{"share": [0.2, 0.7]}, {"step": [1, 5]}]'

A child is killed after a share of the processor time that a whole making takes (of a clock, a busy machine would let it
end before), or in the middle of the n-th step in which it writes a file. Children are forked, so that RecBole and torch
are imported once.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from ckd_plugins import TextEncoderSpec, hookimpl
from ckd_plugins.config import CkdConfig
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.domains.keys import token_hashes
from ckd_plugins.host.compat import prepare
from ckd_plugins.registry import Registry, using
from ckd_plugins.teachers import keeping, storage, unisrec  # noqa: F401, so that children need not import it
from ckd_plugins.training.finetune import finetune_teacher
from ckd_plugins.training.pretrain import pretrain_teacher
from ckd_plugins.training.teaching import making


class Words(TextEncoder):
    name, dim, identity = "words", 16, "words-1"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        rows = [np.mean([vector(int(h)) for h in token_hashes(t.split())], axis=0) for t in texts]
        return np.array(rows, np.float32)


@functools.cache
def vector(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(Words.dim)


class Plugin:
    @hookimpl
    def ckd_register_text_encoders(self):
        yield TextEncoderSpec(name="words", factory=Words)


def make(stage: str, data: Path, out: Path) -> None:
    making.kept_in = functools.partial(keeping.kept_in, every=0.0)  # after every batch
    options = {"hidden_size": 16, "max_length": 10, "batch_size": 200, "pretrain_epochs": 4, "finetune_epochs": 5}
    component = CkdConfig.parse({"teachers": [{"name": "unisrec", **options}]}).teachers[0]
    section = {
        "text": {"encoder": "words"},
        "cache_dir": str(out.parent / "cache"),
        "pretrain_domains": str(data / "other"),
    }
    settings = {"gpu_id": "", "ckd": section}
    if stage == "pretrain":
        pretrain_teacher(component, out, None, settings)
    else:
        finetune_teacher(component, data / "shop", out, None, settings)


def child(work: Callable[[], None], seconds: float | None = None) -> tuple[int, float]:
    """Run in a child; the kernel ends it after some seconds of processor time.

    Returns 0, or minus the signal, and the processor's seconds.
    """
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if seconds is not None:
                signal.setitimer(signal.ITIMER_PROF, seconds)  # nobody handles its signal: the process is gone
            work()
            status = 0
        finally:
            os._exit(status)
    _, status, used = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def until_step(work: Callable[[], None], last: int) -> None:
    """Die by SIGKILL in the middle of the ``last``-th thing that is done to a file."""
    done = 0

    def counted(stock: Callable[..., object], *, half: bool = False) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            nonlocal done
            done += 1
            if done == last:
                if half:
                    stock(*args, **named)
                    path = Path(str(args[1]))
                    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return stock(*args, **named)

        return call

    Path.replace = counted(Path.replace)
    Path.rename = counted(Path.rename)
    keeping.save_file = counted(keeping.save_file, half=True)
    storage.save_file = counted(storage.save_file, half=True)
    work()


def main(stage: str, data: str, place: str, plans: str) -> None:
    torch.set_num_threads(1)
    prepare()
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])  # imports torch's compiler: a second and a half a child
    registry = Registry(discover=False)
    registry.register(Plugin(), "words")
    told = []
    with using(registry):
        for number, plan in enumerate([{}, *json.loads(plans)]):
            work = functools.partial(make, stage, Path(data), Path(place, str(number), "out"))
            ends = [child(work, share * told[0]["seconds"]) for share in plan.get("share", ())]
            ends += [child(functools.partial(until_step, work, step)) for step in plan.get("step", ())]
            status, seconds = child(work)
            killed = sum(end in (-signal.SIGKILL, -signal.SIGPROF) for end, _ in ends)
            told.append({"killed": killed, "status": status, "seconds": seconds})
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
