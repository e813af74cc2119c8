"""The card of a teacher: what it was made from and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ckd_plugins import __version__
from ckd_plugins.errors import TeacherError
from ckd_plugins.training.teaching.card import add_results
from ckd_plugins.training.teaching.source import read_card

from .conftest import write_shop

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    """The folder of a teacher that a run has pre-trained and fine-tuned."""
    other = write_shop(tmp_path / "other", "other", seed=3, users=60)
    result = run("BPR", ["unisrec"], ckd={"pretrain_domains": [str(other)]})
    return Path(result["ckd"]["teachers"]["unisrec"]["folder"])


def test_a_card_tells_data_seed_options_metrics_and_versions(folder: Path) -> None:
    """A folder in a cache whose name is a hash says nothing of how to make it again."""
    card = json.loads((folder / "card.json").read_text())
    lines = (folder.parents[2] / "other" / "other" / "other.inter").read_text().splitlines()
    assert card["pretraining"]["domains"] == [
        {
            "name": "other",
            "users": 60,
            "items": 60,
            "interactions": len(lines) - 1,
            "items_with_text": 60,
            "hash": card["made_from"]["pretraining"][0],
        }
    ]
    domain = card["finetuning"]["domain"]
    assert (domain["name"], domain["users"], domain["validation_targets"]) == ("shop", 150, 150)
    assert (domain["data_hash"], domain["split_hash"]) == (card["made_from"]["data"], card["made_from"]["split"])
    epochs = card["finetuning"]["epochs"]
    best = max(epochs, key=lambda epoch: epoch["valid"])
    assert (
        card["finetuning"]["best_valid_ndcg@10"]
        == best["valid"]
        == epochs[card["finetuning"]["best_epoch"] - 1]["valid"]
    )
    assert card["finetuning"]["seconds"] > 0
    assert card["made_from"]["options"]["hidden_size"] == 16
    assert card["made_from"]["seed"] == 2020
    assert card["versions"]["torch"] == torch.__version__
    assert card["versions"]["ckd-plugins"] == __version__
    assert card["parameters"] > 0
    assert card["text_encoder"] == "words-1"


def test_people_read_the_same(folder: Path) -> None:
    """A number that is in one of the two files only is believed by nobody."""
    card, page = read_card(folder), (folder / "README.md").read_text()
    assert page.startswith("---\nlibrary_name: ckd-plugins\ntags:\n- recommender-systems\n")
    assert "\n# unisrec, fine-tuned on shop\n" in page
    for part in (
        f"| pre-training | other | 60 | 60 | {card['pretraining']['domains'][0]['interactions']} |",
        f"`{card['finetuning']['domain']['data_hash']}, split ",
        f"| 1 | {card['finetuning']['epochs'][0]['loss']:.4f} | {card['finetuning']['epochs'][0]['valid']:.4f} |",
        "| `hidden_size` | `16` |",
        f"| torch | {torch.__version__} |",
        f"| weights | `{card['digest']}` |",
        'teachers=[{"from": "FOLDER"}]',
    ):
        assert part in page, part
    assert "## Results" not in page


def test_results_are_added_to_both(folder: Path) -> None:
    """What was measured later belongs to what was measured."""
    add_results(folder, {"validation": {"ndcg@10": 0.25}, "test": None})
    add_results(folder, {"test": {"ndcg@10": 0.125}})
    assert read_card(folder)["results"] == {"validation": {"ndcg@10": 0.25}, "test": {"ndcg@10": 0.125}}
    assert (
        "|  | ndcg@10 |\n| --- | --- |\n| validation | 0.2500 |\n| test | 0.1250 |"
        in (folder / "README.md").read_text()
    )


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"stage": "x"}'])
def test_a_damaged_card_is_told(tmp_path: Path, text: str) -> None:
    """Taken for no card, a fine-tuned teacher would be refused for a reason that is not the reason."""
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(TeacherError, match=r"card\.json .*train the teacher again"):
        read_card(tmp_path)
