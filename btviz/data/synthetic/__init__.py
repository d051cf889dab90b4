"""Synthetic data sets: benign texts of our own with the published label statistics.

No released text may be shipped, so examples, tests and benchmarks run on these. Only the
labels imitate the releases; the texts are about harmless pastimes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from btviz.data.synthetic import facts, label_model, preferences, targets, texts
from btviz.data.synthetic.design import Design, annotate, draw_design
from btviz.data.synthetic.facts import Floats, Ints, apportion
from btviz.data.synthetic.label_model import Population
from btviz.errors import UsageError, choice
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF, Taxonomy

SYNTHETIC_NAMES = ("sample", "replica", "sample-saferlhf", "replica-saferlhf")
"""Data sets that `generate` makes."""

VERSION = 3
"""Raised when the same seed gives other rows, so that stored ones are made anew."""

SAMPLE_PAIRS = 5_000
"""Pairs of a sample, unless asked otherwise."""

MOST_PAIRS = 5_000_000
"""Largest size: beyond it the templates would run out of distinct prompts."""

ANSWERING = ("model-a", "model-b", "model-c")
"""Made-up names in place of the three answering models."""

PROMPTING = {"generator-a": 0.636, "generator-b": 0.14, "generator-c": 0.224}
"""Made-up makers of prompts, with the shares of the real ones (PKU-SafeRLHF paper, secondary source)."""


@dataclass(frozen=True, eq=False)
class Synthetic:
    """What `generate` made."""

    taxonomy: Taxonomy
    rows: pl.DataFrame
    comparisons: pl.DataFrame
    targets: pl.DataFrame
    assumptions: dict[str, str | float]


def generate(name: str, *, seed: int = 0, n_pairs: int | None = None) -> Synthetic:
    """Make a synthetic data set; the same arguments give the same rows in the same order.

    Parameters
    ----------
    name : {"sample", "replica", "sample-saferlhf", "replica-saferlhf"}
        The first two imitate BeaverTails-330k (14 categories, several annotations of a
        pair) and also have preferences; the others PKU-SafeRLHF (19 categories, severities,
        one annotation of a pair).
    seed : int
        Seed of the random numbers, at least 0.
    n_pairs : int, optional
        Pairs to make, 1 to `MOST_PAIRS`. By default 5,000 for a sample and the size of the
        release for a replica; prompts, annotations and comparisons are in proportion.

    Returns
    -------
    Synthetic
        Annotations, comparisons, and how close they come to what was aimed at.

    Raises
    ------
    UsageError
        If there is no such name, or a number is out of range.
    """
    full = targets.full_size(choice(name, SYNTHETIC_NAMES, what="synthetic data set"))
    if n_pairs is None:
        n_pairs = SAMPLE_PAIRS if name.startswith("sample") else full.pairs
    if not 1 <= n_pairs <= MOST_PAIRS or seed < 0:
        raise UsageError(
            f"Asked for {n_pairs} synthetic pairs from seed {seed}. "
            f"Use 1 to {MOST_PAIRS} pairs and a seed of at least 0."
        )
    size = full.scaled(n_pairs)
    population = label_model.saferlhf() if size.severities else label_model.beavertails()
    streams = [np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(seed).spawn(4)]
    seen = facts.comparisons()
    design = draw_design(
        population,
        n_pairs=size.pairs,
        n_prompts=size.prompts,
        concordance=seen["same"] / seen["train"],
        rng=streams[0],
    )
    taxonomy = PKU_SAFERLHF if size.severities else BEAVERTAILS
    pairs = _pairs(design, size, rng=streams[1])
    rows = _rows(design, population, pairs=pairs, rng=streams[2])
    comparisons = _comparisons(design, population, pairs=pairs, size=size, rng=streams[3])
    table = targets.table(rows, comparisons=comparisons, taxonomy=taxonomy, size=size)
    return Synthetic(taxonomy, rows, comparisons, table, targets.assumptions(size))


def _pairs(design: Design, size: targets.Size, *, rng: np.random.Generator) -> pl.DataFrame:
    """One row per pair, in the order of the design: texts, source, split, number of annotations."""
    cells = list(size.multiplicities)
    cell = np.repeat(np.arange(len(cells)), apportion(list(size.multiplicities.values()), size.pairs))
    cell = rng.permutation(cell)
    source = pl.Series(ANSWERING).gather(rng.integers(3, size=size.pairs)) if size.severities else None
    return pl.DataFrame(
        {
            "prompt": texts.prompts(design, rng=rng).gather(design.prompt),
            "response": texts.responses(design, rng=rng),
            "source": pl.repeat(None, size.pairs, dtype=pl.String, eager=True) if source is None else source,
            "split": pl.Series([split for split, _ in cells]).gather(cell),
            "copies": pl.Series([n for _, n in cells]).gather(cell),
        }
    )


def _rows(design: Design, population: Population, *, pairs: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    pair, state = annotate(population, design.state, copies=pairs["copies"].to_numpy(), rng=rng)
    shuffle = rng.permutation(len(pair))
    pair, state = pair[shuffle], state[shuffle]
    return (
        pairs[pair]
        .select("prompt", "response", "source", "split")
        .with_columns(
            pl.Series("is_safe", state == 0),
            pl.Series("labels", population.masks[state], pl.UInt32),
            _severity("severity", population, state),
        )
    )


def _comparisons(
    design: Design,
    population: Population,
    *,
    pairs: pl.DataFrame,
    size: targets.Size,
    rng: np.random.Generator,
) -> pl.DataFrame:
    made = preferences.compare(design, population, total=size.comparisons, rng=rng)
    sides = {0: made.first, 1: made.second}
    n = len(made.first)
    state = {side: design.state[pair] for side, pair in sides.items()}
    seen = facts.comparisons()
    split = np.repeat([0, 1], apportion([seen["train"], seen["test"]], n))
    return pl.DataFrame(
        {
            "prompt": pairs["prompt"].gather(made.first),
            **{f"response_{side}": pairs["response"].gather(pair) for side, pair in sides.items()},
            "split": pl.Series(["train", "test"]).gather(rng.permutation(split)),
            "prompt_source": _prompt_source(design.prompt[made.first], size, rng=rng),
            "better": pl.Series(made.better, dtype=pl.UInt8),
            "safer": pl.Series(made.safer, dtype=pl.UInt8),
            **{f"is_safe_{side}": state[side] == 0 for side in sides},
            **{f"labels_{side}": pl.Series(population.masks[state[side]], dtype=pl.UInt32) for side in sides},
            **{f"severity_{side}": _severity("", population, state[side]) for side in sides},
            **{f"source_{side}": pairs["source"].gather(pair) for side, pair in sides.items()},
        }
    )


def _severity(name: str, population: Population, state: Ints) -> pl.Series:
    if population.severities is None:
        return pl.repeat(None, len(state), dtype=pl.UInt8, eager=True).alias(name)
    return pl.Series(name, population.severities[state], pl.UInt8)


def _prompt_source(prompt: Ints, size: targets.Size, *, rng: np.random.Generator) -> pl.Series:
    if not size.severities:
        return pl.repeat(None, len(prompt), dtype=pl.String, eager=True)
    shares: Floats = np.array(list(PROMPTING.values()))
    of_prompt = rng.choice(len(shares), size=size.prompts, p=shares)
    return pl.Series(list(PROMPTING)).gather(of_prompt[prompt])
