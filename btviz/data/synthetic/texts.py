"""Synthetic prompts and answers: templates filled from the vocabulary, each text distinct."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.synthetic import vocabulary
from btviz.data.synthetic.design import Design, one_member
from btviz.data.synthetic.facts import Floats, Ints
from btviz.data.synthetic.vocabulary import SUBTOPICS, WORDS

TONE_OF_SAFE = 0.9
"""Log-odds of careful wording in a safe answer, and of hasty wording in an unsafe one.

Set so that a linear probe of safety, grouped by prompt, reaches an AUC of about 0.8, as on 30k_test."""

TONE_OF_PREFERENCE = 0.35
"""How much the safer of two answers is more careful: log-odds per standard deviation."""

NOISE_OF_LENGTH = 1.8
"""How loosely the number of practical steps follows helpfulness, whose own spread is 1."""


def prompts(design: Design, *, rng: np.random.Generator) -> pl.Series:
    """One distinct question per prompt, of about 13 words."""

    def draw(rows: Ints) -> pl.Series:
        n, topic = len(rows), design.subtopic[rows]
        return _joined(
            _any(vocabulary.ASKS, n, rng),
            _of_topic(WORDS.doings, topic, rng),
            "the",
            _any(vocabulary.ADJECTIVES, n, rng),
            _of_topic(WORDS.things, topic, rng),
            "near the",
            _of_topic(WORDS.places, topic, rng),
            _some(vocabulary.WHENS, rng.random(n) < 0.5, rng),
            end="?",
        )

    return _distinct(draw, len(design.theme))


def responses(design: Design, *, rng: np.random.Generator) -> pl.Series:
    """One distinct answer per pair, of about 60 words."""
    tone = np.where(design.state == 0, TONE_OF_SAFE, -TONE_OF_SAFE) + TONE_OF_PREFERENCE * design.safety
    careful = 1 / (1 + np.exp(-tone))
    steps = 0.8 + design.helpfulness + NOISE_OF_LENGTH * rng.standard_normal(len(design.state))

    def draw(rows: Ints) -> pl.Series:
        subtopics = design.subtopic[design.prompt[rows]]
        other = one_member(design.topics[rows], rng=rng) * SUBTOPICS
        other += rng.integers(SUBTOPICS, size=len(rows))
        first, second, third = (_toned(place, careful[rows], rng) for place in range(3))
        detail = [_some(vocabulary.DETAILS[place], steps[rows] > place + 0.5, rng) for place in range(3)]
        return _joined(first, _advice(subtopics, rng), second, _aside(other, rng), *detail, third)

    return _distinct(draw, len(design.state))


def _advice(topic: Ints, rng: np.random.Generator) -> pl.Series:
    n = len(topic)
    return _joined(
        "Take the",
        _any(vocabulary.ADJECTIVES, n, rng),
        _of_topic(WORDS.things, topic, rng),
        "to the",
        _of_topic(WORDS.places, topic, rng),
        "and",
        _of_topic(WORDS.doings, topic, rng),
        "it beside the",
        _of_topic(WORDS.things, topic, rng),
        end=".",
    )


def _aside(topic: Ints, rng: np.random.Generator) -> pl.Series:
    n = len(topic)
    return _joined(
        "The",
        _of_topic(WORDS.things, topic, rng),
        "by the",
        _of_topic(WORDS.places, topic, rng),
        "goes well with any",
        _any(vocabulary.ADJECTIVES, n, rng),
        _of_topic(WORDS.things, topic, rng),
        end=".",
    )


def _toned(place: int, careful: Floats, rng: np.random.Generator) -> pl.Series:
    kind = np.where(rng.random(len(careful)) < careful, 0, 1)
    phrases = (vocabulary.CAREFUL[place], vocabulary.HASTY[place])
    return _of_topic(phrases, kind, rng)


def _some(options: tuple[str, ...], wanted: npt.NDArray[np.bool_], rng: np.random.Generator) -> pl.Series:
    """One of `options`, or null where none is wanted."""
    return pl.select(pl.when(pl.Series(wanted)).then(_any(options, len(wanted), rng))).to_series()


def _any(options: tuple[str, ...], n: int, rng: np.random.Generator) -> pl.Series:
    return pl.Series(options).gather(rng.integers(len(options), size=n))


def _of_topic(options: tuple[tuple[str, ...], ...], topic: Ints, rng: np.random.Generator) -> pl.Series:
    width = len(options[0])
    flat = pl.Series([word for row in options for word in row])
    return flat.gather(topic * width + rng.integers(width, size=len(topic)))


def _joined(*parts: pl.Series | str, end: str = "") -> pl.Series:
    """Join texts by spaces, row by row; a null part is left out."""
    columns = [pl.lit(part) for part in parts]
    return pl.select(pl.concat_str(columns, separator=" ", ignore_nulls=True) + end).to_series()


def _distinct(draw: Callable[[Ints], pl.Series], n: int) -> pl.Series:
    """Draw n texts, and draw again those that repeat an earlier one, until all differ."""
    texts = draw(np.arange(n))
    while not (fresh := texts.is_first_distinct()).all():
        again = np.flatnonzero(~fresh.to_numpy())
        texts = texts.scatter(again, draw(again))
    return texts
