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
    assert encoder.settings == {"words": 512, "version": 2}
    assert encoder.lengths(texts).tolist() == [9, 13, 4]


def test_words_are_those_of_the_script():
    encoder = load_encoder("words")
    care, repair, stranger = encoder.encode(["怎样照顾自行车", "怎样修理自行车", "茶壶在花园里"])
    assert care @ repair > 0.5
    assert abs(care @ stranger) < 0.2
    joined, parted = encoder.encode(["क्षत्रिय", "क्ष त्रिय"])  # a virama and vowel signs are parts of a word
    assert joined @ parted < 0.5


def test_vectors_of_latin_texts_are_those_of_plain_counts():
    from sklearn.feature_extraction.text import HashingVectorizer

    texts = ["Don't say I don't: a well-known café, 3 cafés, x2 and foo_bar", "ÇA va? iyi!", ""]
    plain = HashingVectorizer(n_features=512, dtype=np.float32).transform(texts).toarray()
    np.testing.assert_allclose(load_encoder("words").encode(texts)[:2], plain[:2], atol=1e-6)
