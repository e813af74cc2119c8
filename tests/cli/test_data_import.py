"""`ckd data import`: one line when something is wrong, a summary when not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins import ImporterSpec
from ckd_plugins.domains.importers import Importer, ImportLog, Interaction


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "Shop"
    folder.mkdir()
    users = {str(u): [u % 3, 3, 4, 5, 6] for u in range(10)}
    (folder / "Shop.inter.json").write_text(json.dumps(users))
    (folder / "Shop.item.json").write_text(json.dumps({str(i): {"title": f"Thing {i}"} for i in range(7)}))
    return folder


def test_the_summary_says_what_was_dropped_and_why(ckd: Callable[..., Any], shop: Path, tmp_path: Path) -> None:
    """A dataset that is smaller than the paper's: which filter was it?"""
    done = ckd(
        "data", "import", "lcrec", shop, "--out", tmp_path / "data" / "shop", "--k-core", "4", "--max-history", "2"
    )
    assert done.status == 0, done.err
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0] == "step dropped users items interactions"
    assert lines[1:5] == [
        "read 0 10 7 50",
        "same user, item and time again 0 10 7 50",
        "not in the 4-core 6 10 5 44",
        "before a user's last 3 14 10 3 30",
    ]
    assert lines[-1].startswith(f"{tmp_path / 'data' / 'shop'}: 10 users, 3 items (3 with text), 30 interactions, ")


def test_json_and_an_import_that_a_run_can_read(ckd: Callable[..., Any], shop: Path, tmp_path: Path) -> None:
    """Progress goes to standard error: what reads the summary must not meet it."""
    out = tmp_path / "data" / "shop"
    done = ckd("data", "import", "lcrec", shop, "-o", out, "--json", "-q")
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out) == json.loads((out / "shop.import.json").read_text())
    assert json.loads(done.out)["interactions"] == 50


def test_an_importer_of_a_plugin_is_a_format(
    ckd: Callable[..., Any], tmp_plugin: Any, shop: Path, tmp_path: Path
) -> None:
    """The hook that nobody calls would be dead; a record that leads elsewhere is its author's mistake."""

    class Walks(Importer):
        def __init__(self, path: Path, *, steps: int = 3) -> None:
            self.steps = steps

        def interactions(self, log: ImportLog) -> Iterator[Interaction]:
            return (Interaction(f"u{u}", f"i{t}", float(t)) for u in range(4) for t in range(self.steps))

    @tmp_plugin
    def ckd_register_importers():
        yield ImporterSpec(name="walks", factory=Walks, summary="walks")
        yield ImporterSpec(name="wrong", factory=lambda path: path, summary="wrong")
        yield ImporterSpec(name="fails", factory=lambda path: {}["walks"], summary="fails")

    done = ckd(
        "data", "import", "walks", shop, "-o", tmp_path / "out", "--set", "steps=7", "--k-core", "2", "--json", "-q"
    )
    assert json.loads(done.out)["interactions"] == 28, done.err
    done = ckd("data", "import", "wrong", shop, "-o", tmp_path / "other", "-q")
    assert done.status == 2
    assert "gives a PosixPath, not an Importer; tell its authors" in done.err
    done = ckd("data", "import", "fails", shop, "-o", tmp_path / "other", "-q")
    assert done.status == 2
    assert "importer 'fails' of plugin 'tmp_plugin_1' cannot be built: KeyError: 'walks'; tell its authors" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lcreck", "Shop"], "unknown importer 'lcreck'; did you mean 'lcrec'?"),
        (["lcrec", "Shopp"], "Shopp does not exist; give a file or folder of the format 'lcrec'"),
        (["lcrec", "Shop", "--set", "tokens=asin"], "unknown option 'tokens' of importer 'lcrec' (options: none)"),
        (["lcrec", "Shop", "--k-core", "-1"], "k_core is -1; give 0 or more"),
        (["lcrec", "Shop", "--k-core", "99"], "nothing is left after 'not in the 99-core', of 50 interactions before"),
        (["unisrec", "Shop"], "Shop has no file *.train.inter; give the dataset's folder"),
        (["unisrec", "Shop", "--set", "item_tokens=isbn"], "option 'item_tokens' of importer 'unisrec' should be"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    arguments: list[str], message: str, ckd: Callable[..., Any], shop: Path, tmp_path: Path
) -> None:
    """A traceback, or half a dataset, for a misspelt name."""
    name, path, *more = arguments
    done = ckd("data", "import", name, tmp_path / path, "--out", tmp_path / "out", *more, "--quiet")
    assert done.status == 2
    assert len(done.err.strip().splitlines()) == 1
    assert message in done.err
    assert not (tmp_path / "out").exists()
