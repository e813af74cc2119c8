"""Models that RecBole pre-trains in runs of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ckd_plugins.host.data import load_splits
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.needs import needs
from ckd_plugins.host.settings import build_config
from ckd_plugins.host.stages import build_pretrained, stages_before
from ckd_plugins.training.sample import sample_dataset, sample_settings


def config_of(name: str, folder: Path, **settings: Any) -> Any:
    wanted = needs(name)
    given = {**sample_settings(name, wanted), **settings}
    return build_config(name, sample_dataset(folder, wanted), given, folder)


CASES = [
    ("S3Rec", {}, ("pretrain",)),
    ("S3Rec", {"train_stage": "finetune"}, ()),
    ("RaCT", {}, ("actor_pretrain", "critic_pretrain")),
    ("RaCT", {"train_stage": "critic_pretrain"}, ("critic_pretrain",)),
    ("SASRec", {"train_neg_sample_args": None}, ()),
]


@pytest.mark.parametrize(("name", "settings", "stages"), CASES)
def test_which_stages_a_run_has_to_do(
    name: str, settings: dict[str, Any], stages: tuple[str, ...], tmp_path: Path
) -> None:
    """A user who has pre-trained weights would have them trained over; one who has none, a model that never ranked."""
    assert stages_before(config_of(name, tmp_path, **settings)) == stages


@pytest.mark.parametrize("name", ["S3Rec", "RaCT"])
def test_weights_go_from_stage_to_stage_and_end_in_the_last(name: str, tmp_path: Path) -> None:
    """RecBole ends a run after one stage: it would test a model that never learnt to rank."""
    config = config_of(name, tmp_path)
    seen: list[tuple[str, int, int]] = []
    with recbole_log(tmp_path):
        splits = load_splits(config)
        model = build_pretrained(config, splits, tmp_path, lambda *step: seen.append(step), epochs=2)
    stages = stages_before(config_of(name, tmp_path))
    assert seen == [(stage, epoch, 2) for stage in stages for epoch in (1, 2)]
    assert config["train_stage"] == model.train_stage == "finetune"
    assert Path(config["pre_model_path"]).is_absolute()
    kept = torch.load(config["pre_model_path"], weights_only=True)["state_dict"]
    assert all(torch.equal(value, kept[key]) for key, value in model.state_dict().items() if key in kept)
    assert sorted(path.name for path in tmp_path.glob("*.pth")) == sorted(f"{stage}.pth" for stage in stages)
