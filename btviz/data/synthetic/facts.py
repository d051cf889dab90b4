"""The published label statistics, read once and turned into arrays by bit of the taxonomy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from btviz.data.releases.published import label_statistics
from btviz.taxonomy.categories import Taxonomy

Floats = npt.NDArray[np.float64]

Ints = npt.NDArray[np.int64]

UNSAFE_SHARE = 0.5536
"""Share of unsafe annotations in BeaverTails-330k (BeaverTails paper, section 3)."""

MIXED_PROMPTS = 10_729 / 16_851
"""Share of BeaverTails-330k prompts with safe and unsafe answers (a third party's count)."""

MEAN_WORDS = {"prompt": 13.61, "response": 61.38}
"""Words per text (BeaverTails paper, section 3)."""

BEAVERTAILS_PROMPTS = 16_195
"""Prompts of BeaverTails-330k: 16,188 in train and 7,766 in test, 7,759 of them in both."""

SAFERLHF_PAIRS, SAFERLHF_PROMPTS = 265_000, 44_600
"""Pairs of PKU-SafeRLHF-QA and prompts of PKU-SafeRLHF, as rounded on their cards."""


def by_bit(counts: dict[str, float], taxonomy: Taxonomy) -> Floats:
    """Values of a dict keyed by category, in the order of the taxonomy's bits."""
    return np.array([counts[key] for key in taxonomy.keys], dtype=np.float64)


def multiplicities() -> dict[tuple[str, int], int]:
    """Pairs by split and number of annotations, over the whole of BeaverTails-330k."""
    facts = label_statistics()["beavertails_330k"]
    tables = {"train": facts["annotations_per_pair_train"], "test": facts["test_annotations_per_pair"]}
    return {(split, int(n)): pairs for split, table in tables.items() for n, pairs in table.items()}


def comparisons() -> dict[str, float]:
    """Counts of PKU-SafeRLHF (train) that the preferences aim at, and the rows of both splits."""
    facts = label_statistics()["pku_saferlhf_dual_train"]
    rows = {entry["configuration"]: entry["rows"] for entry in facts["safety_configurations"]}
    return {
        "train": facts["rows"],
        "test": facts["test_rows"],
        "both_safe": rows["both_safe"],
        "safe_0": rows["response_0_safe_response_1_unsafe"],
        "safe_1": rows["response_0_unsafe_response_1_safe"],
        "both_unsafe": rows["both_unsafe"],
        "same": facts["same_selected_response"],
    }


def apportion(shares: npt.ArrayLike, total: int) -> Ints:
    """Whole numbers in proportion to `shares` that sum to `total` (largest remainders)."""
    weights = np.asarray(shares, dtype=np.float64)
    exact = weights / weights.sum() * total
    counts: Ints = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return counts
