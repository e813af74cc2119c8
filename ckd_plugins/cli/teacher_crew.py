"""Who asks the teachers of ``ckd teacher cache``: ``--workers``, ``--ray`` or ``torchrun``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckd_plugins.errors import ConfigError

if TYPE_CHECKING:
    from ckd_plugins.training.asking import Crew

__all__ = ["asked_by"]


@contextlib.contextmanager
def asked_by(workers: int | None, cluster: str | None) -> Iterator[Crew | None]:
    """Give those who ask, while a block prepares what they ask.

    A process of ``torchrun`` that is not its first gets ``None``: it has asked all that there was to ask, and is done.

    Args:
        workers: processes of this machine; ``None`` and 1 mean this one.
        cluster: address of a Ray cluster, ``""`` for one that Ray finds or starts; ``None`` for none.

    Raises:
        ConfigError: more than one of the three is wanted.
        EnvironmentProblem: there is no Ray.
    """
    from ckd_plugins.training.asking import Ranks, RayCluster, ThisProcess, Workers

    wanted = [("--workers", workers is not None), ("--ray", cluster is not None), ("torchrun", Ranks.given())]
    named = [name for name, is_wanted in wanted if is_wanted]
    if len(named) > 1:
        raise ConfigError(f"{' and '.join(named)} both say who asks the teachers; use one of them")
    if cluster is not None:
        yield RayCluster(cluster or None)
    elif Ranks.given():
        ranks = Ranks()
        if ranks.rank:
            ranks.serve()
            yield None
            return
        with ranks:
            yield ranks
    else:
        yield ThisProcess() if workers in (None, 1) else Workers(workers)
