from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckd_plugins.domains.merging import merge_domains
from ckd_plugins.errors import ConfigError
from ckd_plugins.training.domain_material import take_apart

from .conftest import write_shop

EACH = {"domains": {"teachers": "each"}}


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [write_shop(tmp_path / "two", "shop"), write_shop(tmp_path / "two", "stall", seed=1, users=60)]


@pytest.fixture
def merged(two: list[Path], tmp_path: Path) -> Path:
    return merge_domains(two, tmp_path / "both").folder


@pytest.mark.parametrize("model", ["SASRec", "LightGCN", "MultiVAE"])
def test_a_part_is_what_the_domain_would_be_alone(prepare: Any, two: list[Path], merged: Path, model: str) -> None:
    """Sequences, histories, targets and validation: a slip in the renumbering would teach other items."""
    whole = prepare(model, merged).material
    parts = take_apart(whole)
    assert [part.name for part in parts] == ["shop", "stall"]
    for part, folder in zip(parts, two, strict=True):
        alone, at = prepare(model, folder).material, part.material

        def named(material: Any, prefix: str) -> dict[str, Any]:
            d = material.domain
            return {
                prefix + d.users[u]: (
                    [prefix + d.items[i] for i in d.sequence[d.offsets[u] : d.offsets[u + 1]]],
                    prefix + d.items[d.valid[u]],
                )
                for u in range(d.n_users)
            }

        assert named(at, "") == named(alone, f"{part.name}/")
        assert dict(zip(at.domain.items, at.domain.text, strict=True)) == {
            f"{part.name}/{i}": t for i, t in zip(alone.domain.items, alone.domain.text, strict=True)
        }
        names = np.array(whole.tokens, dtype=object)
        assert names[part.items].tolist() == list(at.domain.items)
        for row in range(0, len(part.rows), 7):
            there = whole.instances.history(part.rows[row])
            assert [whole.domain.items[i] for i in there] == [at.domain.items[i] for i in at.instances.history(row)]
            target = whole.domain.items[whole.instances.target[part.rows[row]]]
            assert target == at.domain.items[at.instances.target[row]]
            assert (
                whole.instances.users[whole.instances.user[part.rows[row]]]
                == at.instances.users[at.instances.user[row]]
            )
    known = np.concatenate([part.rows for part in parts])
    assert sorted(known) == np.flatnonzero(whole.instances.lengths > 0).tolist()


def test_joined_users_have_no_domain(prepare: Any, merged: Path, tmp_path: Path) -> None:
    """Half of a history is not what a teacher of one domain was asked about."""
    table = merged / "both.inter"
    joined = tmp_path / "joined"
    joined.mkdir()
    lines = [line.split("\t") for line in table.read_text().splitlines()]
    lines[1:] = [[cells[0].partition("/")[2], *cells[1:]] for cells in lines[1:]]
    (joined / "joined.inter").write_text("\n".join("\t".join(cells) for cells in lines) + "\n")
    with pytest.raises(ConfigError, match="needs users apart"):
        take_apart(prepare("SASRec", joined).material)


def test_one_domain_is_refused(run: Any) -> None:
    """Silently shared, the setting would be believed."""
    with pytest.raises(ConfigError, match="dataset 'shop' is not merged"):
        run("SASRec", ["unisrec"], ckd=EACH)


@pytest.mark.parametrize("targets", ["once", "batch"])
def test_each_domain_has_a_teacher_of_its_own(run: Any, two: list[Path], targets: str) -> None:
    """It must be the teacher that the domain alone would have, and be judged as that one is."""
    result = run("SASRec", ["unisrec"], dataset=two, epochs=1, ckd={**EACH, "targets": targets})
    told = result["ckd"]["teachers"]["unisrec"]
    assert set(told["domains"]) == {"shop", "stall"}
    alone = run("SASRec", ["unisrec"], dataset=two[1], epochs=1)["ckd"]["teachers"]["unisrec"]
    part = told["slices"]["domains"]["stall"]
    assert {m: part[m] for m in alone["test_result"]} == pytest.approx(alone["test_result"], abs=0.02)
    assert told["parameters"] == 2 * alone["parameters"]
    assert result["ckd"]["targets"] == targets
    known = [entry["known/unisrec"] for entry in result["ckd"]["history"]]
    assert known == pytest.approx([1.0])
