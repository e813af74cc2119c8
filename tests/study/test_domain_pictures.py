from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from ckd_plugins.domains.describing import describe, overlaps
from ckd_plugins.domains.domain import Domain
from ckd_plugins.errors import ConfigError
from ckd_plugins.study.domain_pictures import check_picture, draw_domains

TEA = Domain.from_interactions("tea", ["u", "u", "v"], ["a", "b", "a"], texts={"a": "x", "b": None})
POT = Domain.from_interactions("pot", ["u", "w"], ["c", "c"], texts={"c": "x"})


def test_every_domain_and_share_is_in_the_picture(tmp_path: Path) -> None:
    """A panel that stays empty, or a share that stands at the wrong two domains."""
    path = tmp_path / "p.svg"
    draw_domains(path, [TEA, POT], [describe(TEA), describe(POT)], overlaps([TEA, POT]))
    texts = [e.text for e in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("tea") == texts.count("pot") == 6, "legend, coverage, and two axes of two tables"
    assert texts.count("50.0%") == 2, "one of two users is shared, in both directions"
    assert texts.count("0.0%") == 2, "no item is"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_one_domain_has_no_table_and_the_ending_decides(kind: str, tmp_path: Path) -> None:
    """Matplotlib would take the kind from the name beside, which has another ending."""
    path = tmp_path / f"p.{kind}"
    draw_domains(path, [TEA], [describe(TEA)], [])
    assert path.read_bytes().startswith({"png": b"\x89PNG", "pdf": b"%PDF"}[kind])


@pytest.mark.parametrize("name", ["p.jpeg", "gone/p.png", "p"])
def test_a_place_that_will_not_do_is_told_before_anything_is_read(name: str, tmp_path: Path) -> None:
    """Reading takes seconds to minutes; the error would come after it."""
    with pytest.raises(ConfigError, match=r"is no place for a picture; name a file \(\.png, \.svg, \.pdf\)"):
        check_picture(tmp_path / name)
    check_picture(tmp_path / "p.png")
