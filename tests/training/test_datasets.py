from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ckd_plugins.config import CkdConfig
from ckd_plugins.errors import ConfigError, DataError
from ckd_plugins.host.rows import held_out_pairs
from ckd_plugins.training.datasets import find_datasets, open_dataset

from .conftest import write_shop


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [write_shop(tmp_path / "two", "shop"), write_shop(tmp_path / "two", "stall", seed=1, users=60)]


@pytest.fixture
def config(tmp_path: Path) -> CkdConfig:
    return CkdConfig.parse({"cache_dir": str(tmp_path / "cache")})


def test_a_list_and_commas_mean_the_same(two, config):
    """The command line has no lists."""
    one = open_dataset(two, None, {}, config)
    assert open_dataset(f"{two[0]}, {two[1]}", None, {}, config) == one
    assert open_dataset("shop,stall", two[0].parent, {}, config) == one
    assert one.name == "shop+stall"
    assert one.parts == tuple(two)
    assert one.columns("inter")["domain"] == "token"


def test_one_dataset_is_itself(two, config):
    """Nothing is merged, copied or renamed where there is one."""
    assert open_dataset(two[0], None, {}, config).folder == two[0]
    assert open_dataset([two[0]], None, {}, config).parts == ()
    assert not config.cache_dir.exists()


def test_a_missing_one_is_named(two):
    """Of five names, which was wrong?"""
    with pytest.raises(DataError, match="'stool' not found"):
        find_datasets("shop,stool", two[0].parent)


def test_users_are_joined_if_told(two, tmp_path):
    """The setting must reach the merging: positions are no times."""
    config = CkdConfig.parse({"cache_dir": str(tmp_path), "domains": {"users": "joined"}})
    with pytest.raises(DataError, match="tells no time"):
        open_dataset(two, None, {}, config)


def test_one_student_learns_two_domains(run, two):
    """The whole way: merged, split in each domain, trained, tested on all users."""
    result = run("SASRec", dataset=two, epochs=1)
    assert result["ckd"]["dataset"] == "shop+stall"
    assert 0 < result["test_result"]["recall@10"] < 1


def test_a_temperature_reaches_the_sampler(run, two):
    """A setting that changes nothing is a lie; the epoch keeps its length."""
    plain = run("SASRec", dataset=two, epochs=1)["ckd"]["history"][0]
    level = run("SASRec", dataset=two, epochs=1, ckd={"domains": {"temperature": 5.0}})["ckd"]["history"][0]
    assert level["rows"] == plain["rows"]
    assert level["train_loss"] != plain["train_loss"]


def test_settings_of_domains_need_domains(run, shop):
    """Silently ignored, they would be believed."""
    with pytest.raises(ConfigError, match=r"ckd.domains.temperature is set, and dataset 'shop' is not merged"):
        run("SASRec", ckd={"domains": {"temperature": 2.0}})


def test_a_domain_of_the_list_cannot_pretrain(run, two):
    """The teacher would see what the student is tested on, under another name."""
    with pytest.raises(DataError, match="names the student's own dataset 'stall'"):
        run("SASRec", ["unisrec"], dataset=two, ckd={"pretrain_domains": [str(two[1])]})


@pytest.fixture
def clocked(tmp_path: Path) -> list[Path]:
    """Two domains with users in common and times of one clock."""
    rng, folders = np.random.default_rng(0), []
    for name in ("tea", "lamps"):
        folder = tmp_path / "clocked" / name
        folder.mkdir(parents=True)
        lines = ["user_id:token\titem_id:token\ttimestamp:float"]
        for user in range(40):
            times = rng.choice(10_000, 6, replace=False)
            lines += [f"u{user}\ti{item}\t{t}" for item, t in zip(rng.permutation(30)[:6], times, strict=True)]
        (folder / f"{name}.inter").write_text("\n".join(lines) + "\n")
        folders.append(folder)
    return folders


def last_two(folders: list[Path], users: str) -> set[tuple[str, str]]:
    """What leave-one-out must hold out, by plain sorting."""
    seen: dict[str, list[tuple[float, str]]] = {}
    for folder in folders:
        for line in (folder / f"{folder.name}.inter").read_text().splitlines()[1:]:
            user, item, time = line.split("\t")
            key = user if users == "joined" else f"{folder.name}/{user}"
            seen.setdefault(key, []).append((float(time), f"{folder.name}/{item}"))
    return {(user, item) for user, rows in seen.items() for _, item in sorted(rows)[-2:]}


@pytest.mark.parametrize("users", ["apart", "joined"])
def test_what_is_held_out_and_that_no_history_holds_it(prepare, clocked, tmp_path, users):
    """The protocol of the page on many domains, and its claim that neither way lets a student see the answers."""
    config = CkdConfig.parse({"cache_dir": str(tmp_path / "cache"), "domains": {"users": users}})
    run = prepare("SASRec", open_dataset(clocked, None, {}, config).folder)
    held_out = held_out_pairs(run.splits, run.host)
    assert held_out == last_two(clocked, users)
    assert len(held_out) == (160 if users == "apart" else 80)
    at = run.material.instances
    for row in range(len(at)):
        seen = {at.items[i] for i in [*at.history(row), at.target[row]]}
        assert not {(at.users[at.user[row]], item) for item in seen} & held_out
