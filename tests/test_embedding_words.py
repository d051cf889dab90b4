"""The encoder that only counts words."""

from __future__ import annotations

import numpy as np

from btviz.texts.embedding import load_encoder


def test_vectors_are_unit_and_depend_on_words_alone():
    encoder = load_encoder("words")
    same, other, swapped, empty = encoder.encode(["green tea", "iron", "Tea, GREEN!", "?"])
    assert np.allclose(np.linalg.norm([same, other, swapped, empty], axis=1), 1)
    assert np.allclose(same, swapped)
    assert abs(same @ other) == 0


def test_a_vector_is_the_same_alone_and_in_company():
    encoder, texts = load_encoder("words"), ["green tea", "iron and rain", "moon"]
    together = encoder.encode(texts)
    assert all(encoder.encode([text]).tobytes() == row.tobytes() for text, row in zip(texts, together, strict=True))
    assert encoder.settings == {"words": 512, "version": 1}
    assert encoder.lengths(texts).tolist() == [9, 13, 4]
