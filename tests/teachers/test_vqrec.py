from __future__ import annotations

import numpy as np
import pytest
import torch

from ckd_plugins.domains import Domain, TextEncoder
from ckd_plugins.errors import ConfigError
from ckd_plugins.teachers import VQRec

OPTIONS = {"hidden_size": 16, "inner_size": 16, "digits": 4, "code_size": 8}


def test_an_items_vector_is_the_mean_of_its_codes_vectors(domain: Domain, words: TextEncoder) -> None:
    """A digit that reads another digit's rows would mix meanings without an error."""
    teacher = VQRec(encoder=words, finetune_epochs=1, **OPTIONS)
    teacher.finetune(domain)
    model = teacher._finetuned()
    codes, table = model.pq_codes.numpy(), model.pq_code_embedding.weight.detach().numpy()
    assert (codes[0] == 0).all()
    digit = (codes[1:] - 1) // 9
    assert (digit == np.arange(4)).all()
    assert ((codes[1:] - 1) % 9 < 8).all()
    vectors = table[codes[1:]].mean(axis=1)
    wanted = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(teacher.item_factors(domain), wanted, atol=1e-5)


def test_a_code_means_the_same_in_every_domain(domain: Domain, words: TextEncoder) -> None:
    """Fine-tuning with another codebook would throw away what the code vectors learned."""
    from .conftest import walks

    teacher = VQRec(encoder=words, finetune_epochs=0, pretrain_epochs=1, **OPTIONS)
    teacher.pretrain([walks("one", 60, 1), walks("two", 60, 2)])
    learned = teacher._weights()["centroids"].clone()
    teacher.finetune(domain)
    assert torch.equal(teacher._weights()["centroids"], learned)
    other = VQRec(encoder=words, finetune_epochs=0, **OPTIONS)
    other.finetune(domain)
    assert not torch.equal(other._weights()["centroids"], learned)


def test_disturbed_codes_keep_their_digits(domain: Domain, words: TextEncoder) -> None:
    """Semi-synthetic negatives are items that could exist; a share of their digits is the target's."""
    teacher = VQRec(encoder=words, finetune_epochs=0, fake_share=0.75, **OPTIONS)
    teacher.finetune(domain)
    codes = teacher._finetuned().inputs[1:].repeat(50, 1)
    torch.manual_seed(0)
    fake = teacher._disturbed(codes)
    assert ((fake - 1) // 9 == torch.arange(4)).all()
    assert ((fake - 1) % 9 < 8).all()
    # A digit that is drawn anew falls on its old value one time in eight.
    assert (fake == codes).float().mean().item() == pytest.approx(0.25 + 0.75 / 8, abs=0.02)


def test_digits_that_do_not_divide(domain: Domain, words: TextEncoder) -> None:
    """One line that names the setting."""
    with pytest.raises(ConfigError, match="digits 5 must divide"):
        VQRec(encoder=words, **{**OPTIONS, "digits": 5}).finetune(domain)
