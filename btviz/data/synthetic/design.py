"""Who answers what: pairs with their label sets, gathered into prompts that share a theme."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from btviz.data.synthetic.facts import Floats, Ints
from btviz.data.synthetic.label_model import Population
from btviz.data.synthetic.vocabulary import SUBTOPICS

PROMPT_VARIETY = 0.55
"""How loosely answers are gathered by safety: the larger, the more prompts have both kinds.

Set so that, by majority, the share of prompts with safe and unsafe answers is `MIXED_PROMPTS`."""


@dataclass(frozen=True, eq=False)
class Design:
    """Pairs, ordered by prompt; every array but the last two has one entry per pair.

    Attributes
    ----------
    state : (n,) int64
        State of the population: the label set behind the pair.
    topics : (n,) int64
        Label set whose categories the words follow. It is the pair's own where that is
        unsafe, and one drawn alike where it is safe, so that the topic does not tell safety.
    prompt : (n,) int64
        Number of the prompt, not decreasing.
    safety, helpfulness : (n,) float64
        Standard normal within equal severity; what the preferences and the wording follow.
    theme, subtopic : (p,) int64
        Bit of the category that the prompt is about, and its sub-topic (a row of `WORDS`).
    """

    state: Ints
    topics: Ints
    prompt: Ints
    safety: Floats
    helpfulness: Floats
    theme: Ints
    subtopic: Ints


def draw_design(
    population: Population, *, n_pairs: int, n_prompts: int, concordance: float, rng: np.random.Generator
) -> Design:
    """Draw label sets and gather the pairs into prompts.

    Parameters
    ----------
    population : Population
        Label sets and how often each occurs.
    n_pairs, n_prompts : int
        Sizes, both at least 1.
    concordance : float
        Probability that the safer of two answers is also the more helpful, in [0.5, 1].
    rng : Generator
        Source of randomness.

    Returns
    -------
    Design
        `n_pairs` pairs of `n_prompts` prompts.
    """
    n_states = len(population.masks)
    state = spread(population.shares[None], rows=np.zeros(n_pairs, dtype=np.int64), rng=rng)
    unsafe_shares = np.where(np.arange(n_states) == 0, 0.0, population.shares)
    borrowed = spread(unsafe_shares[None], rows=np.zeros(n_pairs, dtype=np.int64), rng=rng)
    topics = population.masks[np.where(state == 0, borrowed, state)]
    theme = one_member(topics, rng=rng)
    likeness = (state > 0) + PROMPT_VARIETY * rng.standard_normal(n_pairs)
    order = np.lexsort((likeness, theme))
    state, topics, theme = state[order], topics[order], theme[order]
    sizes = _answers_per_prompt(n_pairs, n_prompts=n_prompts, rng=rng)
    prompt = np.repeat(np.arange(n_prompts), sizes)
    theme = theme[np.cumsum(sizes) - sizes]
    safety = rng.standard_normal(n_pairs)
    slope = np.sin(np.pi * (concordance - 0.5))  # orthant probability of two normal variables
    helpfulness = slope * safety + np.sqrt(1 - slope**2) * rng.standard_normal(n_pairs)
    subtopic = theme * SUBTOPICS + rng.integers(SUBTOPICS, size=n_prompts)
    return Design(state, topics, prompt, safety, helpfulness, theme, subtopic)


def annotate(population: Population, state: Ints, *, copies: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Pair number and reported state of every annotation; `copies` says how many a pair has."""
    pair = np.repeat(np.arange(len(state)), copies)
    if population.kernel is None:
        return pair, state[pair]
    return pair, spread(population.kernel, rows=state[pair], rng=rng)


def spread(shares: Floats, *, rows: Ints, rng: np.random.Generator) -> Ints:
    """Draw one column per entry of `rows`, each with the probabilities of its row of `shares`.

    Entries of one row are spread evenly over its distribution (one uniform number in each of
    n equal slices, in random order), so totals keep close to their expectation.
    """
    order = rng.permutation(len(rows))
    order = order[np.argsort(rows[order], kind="stable")]
    counts = np.bincount(rows, minlength=len(shares))
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    uniform = (rank + rng.random(len(rows))) / np.repeat(counts, counts)
    edges = np.cumsum(shares, axis=1)
    edges /= edges[:, -1:]
    stacked = (edges + np.arange(len(shares))[:, None]).ravel()
    columns = np.searchsorted(stacked, rows[order] + uniform, side="right") - rows[order] * shares.shape[1]
    drawn = np.empty(len(rows), dtype=np.int64)
    drawn[order] = np.minimum(columns, shares.shape[1] - 1)
    return drawn


def one_member(masks: Ints, *, rng: np.random.Generator) -> Ints:
    """Bit of one category of each (non-empty) label set, all with equal probability."""
    kinds, which = np.unique(masks, return_inverse=True)
    bits = [[bit for bit in range(32) if mask >> bit & 1] for mask in kinds.tolist()]
    widest = max(map(len, bits))
    padded = np.array([row + row[:1] * (widest - len(row)) for row in bits], dtype=np.int64)
    sizes = np.array([len(row) for row in bits])
    chosen: Ints = padded[which, (rng.random(len(masks)) * sizes[which]).astype(np.int64)]
    return chosen


def _answers_per_prompt(n_pairs: int, *, n_prompts: int, rng: np.random.Generator) -> Ints:
    """Answers in threes, as the release collected them, the threes spread at random."""
    more = rng.multinomial(max(n_pairs // 3 - n_prompts, 0), np.full(n_prompts, 1 / n_prompts))
    sizes: Ints = 3 * (1 + more.astype(np.int64))
    sizes[int(np.argmax(sizes))] += n_pairs - int(sizes.sum())
    return sizes
