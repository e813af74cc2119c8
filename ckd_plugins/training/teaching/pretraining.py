"""The datasets that teachers are pre-trained on."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from ckd_plugins.config import CkdConfig
from ckd_plugins.domains.atomic import read_atomic
from ckd_plugins.domains.domain import Domain
from ckd_plugins.host.settings import find_dataset

__all__ = ["domain_hash", "read_pretraining"]


def read_pretraining(
    config: CkdConfig, host: Any, data_path: str | None = None, names: Sequence[str] | None = None
) -> list[Domain]:
    """Read the datasets that teachers are pre-trained on, all their interactions.

    Args:
        config: names them in ``pretrain_domains``.
        host: the student's RecBole config; its names of fields hold for them too.
        data_path: where names, as opposed to folders, are looked for.
        names: others than the config's.

    Raises:
        DataError: one does not exist or is malformed.
    """
    domains = []
    for name in config.pretrain_domains if names is None else names:
        found = find_dataset(name, data_path)
        columns = found.columns("item")
        domains.append(
            read_atomic(
                found.folder,
                text_fields=[f for f in config.text.fields if f in columns],
                leave_one_out=False,
                user_field=host["USER_ID_FIELD"],
                item_field=host["ITEM_ID_FIELD"],
                order_field=host["TIME_FIELD"],
            )
        )
    return domains


def domain_hash(domain: Domain) -> str:
    """Digest of everything that a domain says, 16 hexadecimal digits."""
    parts = (domain.name, domain.items, domain.text, domain.described(), domain.users)
    digest = blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8)
    digest.update(domain.offsets.tobytes() + domain.sequence.tobytes())
    return digest.hexdigest()
