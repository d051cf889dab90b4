"""What the synthetic data aim at: sizes, published statistics, assumptions, and what came out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import polars as pl

from btviz.synthetic import facts, preferences
from btviz.tables import WORD
from btviz.taxonomy import Taxonomy

SCHEMA = pl.Schema(
    {
        "statistic": pl.String(),
        "level": pl.String(),
        "target": pl.Float64(),
        "obtained": pl.Float64(),
        "kind": pl.String(),
        "source": pl.String(),
    }
)
Goal = tuple[str, str, float, float | None, str, str]

BEAVERTAILS_SOURCE = "BeaverTails-330k"
SAFERLHF_SOURCE = "PKU-SafeRLHF, dual preferences, train"


@dataclass(frozen=True)
class Size:
    """How many of everything.

    Attributes
    ----------
    pairs, prompts, comparisons : int
        Numbers of rows.
    multiplicities : dict
        Pairs by (split, annotations of a pair); only their proportions count.
    severities : bool
        Whether this is the SafeRLHF-like kind, with severities and 19 categories.
    """

    pairs: int
    prompts: int
    comparisons: int
    multiplicities: dict[tuple[str, int], int]
    severities: bool

    def scaled(self, pairs: int) -> Size:
        """The same proportions at another number of pairs."""
        prompts = max(1, round(self.prompts * pairs / self.pairs))
        comparisons = round(self.comparisons * pairs / self.pairs)
        return replace(self, pairs=pairs, prompts=prompts, comparisons=comparisons)


def full_size(name: str) -> Size:
    """Size of the release that a synthetic data set imitates."""
    seen = facts.comparisons()
    total = int(seen["train"] + seen["test"])
    if name.endswith("saferlhf"):
        split = {("train", 1): int(seen["train"]), ("test", 1): int(seen["test"])}
        return Size(facts.SAFERLHF_PAIRS, facts.SAFERLHF_PROMPTS, total, split, severities=True)
    cells = facts.multiplicities()
    return Size(sum(cells.values()), facts.BEAVERTAILS_PROMPTS, total, cells, severities=False)


def assumptions(size: Size) -> dict[str, str | float]:
    """What no publication states and was chosen here, by name."""
    p = preferences.p_by_stratum()
    common: dict[str, str | float] = {
        "p_both_safe": float(p[0]),
        "p_mixed": float(p[1]),
        "p_both_unsafe": float(p[2]),
        "p_by_stratum": "both safe and mixed are chosen; both unsafe then makes the published overall share",
        "comparison_splits": "drawn apart from the splits of the annotations",
        "comparison_labels": "those behind the pair, not a vote of its annotations",
        "answers_per_prompt": "multiples of three, one more three with equal chance for each prompt",
        "theme": "the answers of a prompt share one category, or would if they were unsafe",
        "texts": "benign pastimes stand in for categories; tone follows safety, length helpfulness",
    }
    if size.severities:
        return common | {
            "label_sets": "at most four categories, otherwise of largest entropy given the published counts",
            "annotations": "one of each pair",
            "answering_models": "three, equally often",
            "n_pairs": "165k answers of preferences are published by position; shares are applied to all pairs",
            "pair_splits": "in the proportion of the preferences",
        }
    return common | {
        "label_sets": "only those of 30k_test",
        "annotators": "independent given the set behind the pair; as calibrated on three annotators",
        "preferences": "structure of PKU-SafeRLHF, which has 19 categories",
    }


def table(rows: pl.DataFrame, *, comparisons: pl.DataFrame, taxonomy: Taxonomy, size: Size) -> pl.DataFrame:
    """Compare what was aimed at with what the rows hold.

    Returns
    -------
    DataFrame
        `statistic`, `level`, `target`, `obtained` (null where the rows hold nothing to count),
        `kind` ("published" or "assumption"), `source`.
    """
    own = _saferlhf(rows, taxonomy) if size.severities else _beavertails(rows, taxonomy)
    goals = [*_sizes(rows, comparisons, size), *own, *_preferences(comparisons)]
    return pl.DataFrame(goals, schema=SCHEMA, orient="row")


def _sizes(rows: pl.DataFrame, comparisons: pl.DataFrame, size: Size) -> Iterator[Goal]:
    source = "PKU-SafeRLHF-QA, rounded" if size.severities else BEAVERTAILS_SOURCE
    pairs = rows.select("prompt", "response").n_unique()
    per_pair = sum(n * count for (_, n), count in size.multiplicities.items()) / sum(size.multiplicities.values())
    yield "rows", "pairs", size.pairs, pairs, "published", source
    yield "rows", "prompts", size.prompts, rows["prompt"].n_unique(), "published", source
    yield "rows", "annotations", size.pairs * per_pair, rows.height, "published", source
    yield "rows", "comparisons", size.comparisons, comparisons.height, "published", SAFERLHF_SOURCE
    words = rows.unique(["prompt", "response"]).select(
        pl.col("prompt").unique().str.count_matches(WORD).mean().alias("prompt"),
    )
    yield "mean words", "prompt", 13.61, float(words["prompt"][0]), "published", BEAVERTAILS_SOURCE


def _beavertails(rows: pl.DataFrame, taxonomy: Taxonomy) -> Iterator[Goal]:
    many = facts.published()["beavertails_330k"]
    labels = rows["labels"].to_numpy()
    yield (
        "share of annotations",
        "unsafe",
        facts.UNSAFE_SHARE,
        float((labels > 0).mean()),
        "published",
        BEAVERTAILS_SOURCE,
    )
    for bit, key in enumerate(taxonomy.keys):
        share = float((labels >> bit & 1).mean())
        goal = many["train_category_true_counts"][key] / many["train_rows"]
        yield "share of annotations", key, goal, share, "published", BEAVERTAILS_SOURCE
    unlike = _disagreement(rows, taxonomy)
    percent = many["share_of_pairs_with_disagreement_pct_train"]
    for key in (*taxonomy.keys, "is_safe"):
        yield "share of disputed pairs", key, percent[key] / 100, unlike[key], "published", BEAVERTAILS_SOURCE
    goal = 1 - many["pairs_agreeing_on_full_category_vector_train"] / many["train_unique_pairs"]
    yield "share of disputed pairs", "label set", goal, unlike["label set"], "published", BEAVERTAILS_SOURCE


def _disagreement(rows: pl.DataFrame, taxonomy: Taxonomy) -> dict[str, float]:
    flags = {key: taxonomy.has(key) for key in taxonomy.keys} | {"is_safe": pl.col("is_safe")}
    by_pair = rows.group_by("prompt", "response").agg(
        *[(flag.any() & ~flag.all()).alias(key) for key, flag in flags.items()],
        (pl.col("labels").min() < pl.col("labels").max()).alias("label set"),
    )
    return dict(by_pair.select(pl.col(*flags, "label set").mean()).row(0, named=True))


def _saferlhf(rows: pl.DataFrame, taxonomy: Taxonomy) -> Iterator[Goal]:
    published = facts.published()["pku_saferlhf_dual_train"]
    positions = 2 * published["rows"]
    labels, severity = rows["labels"].to_numpy(), rows["severity"].to_numpy()
    has = {key: labels >> bit & 1 == 1 for bit, key in enumerate(taxonomy.keys)}
    for level, count in published["response_level_marginals"]["severity_level"].items():
        name = taxonomy.severities[int(level)]
        yield (
            "share of annotations",
            name,
            count / positions,
            float((severity == int(level)).mean()),
            "published",
            SAFERLHF_SOURCE,
        )
    for key, counts in published["category_by_severity_response_positions"].items():
        for level in (1, 2, 3):
            found = float((has[key] & (severity == level)).mean())
            name = f"{key}, {taxonomy.severities[level]}"
            yield "share of annotations", name, counts[str(level)] / positions, found, "published", SAFERLHF_SOURCE
    joint = {(a, b): count for a, b, count in published["category_joint_counts"]}
    for a, b in itertools.combinations(taxonomy.keys, 2):
        found = float((has[a] & has[b]).mean())
        yield "share of annotations", f"{a} and {b}", joint[a, b] / positions, found, "published", SAFERLHF_SOURCE


def _preferences(comparisons: pl.DataFrame) -> Iterator[Goal]:
    seen, p = facts.comparisons(), preferences.p_by_stratum()
    n_unsafe = 2 - pl.col("is_safe_0").cast(pl.Int8) - pl.col("is_safe_1")
    frame = comparisons.select("better", "safer", "is_safe_0", "is_safe_1", n_unsafe=n_unsafe)
    same = frame["better"] == frame["safer"]
    yield (
        "share of comparisons",
        "better is safer",
        seen["same"] / seen["train"],
        same.mean(),
        "published",
        SAFERLHF_SOURCE,
    )
    for stratum, name in enumerate(preferences.STRATA):
        inside = frame["n_unsafe"] == stratum
        goal = float(preferences.strata_shares()[stratum])
        yield "share of comparisons", name, goal, inside.mean(), "published", SAFERLHF_SOURCE
        yield "better is safer", name, float(p[stratum]), same.filter(inside).mean(), "assumption", ""
    mixed = frame.filter(n_unsafe=1)
    last = seen["safe_1"] / (seen["safe_0"] + seen["safe_1"])
    yield (
        "share of mixed comparisons",
        "response_1 is the safe one",
        last,
        mixed["is_safe_1"].mean(),
        "published",
        SAFERLHF_SOURCE,
    )
    forced = (mixed["safer"] == mixed["is_safe_1"].cast(pl.UInt8)).mean()
    yield "share of mixed comparisons", "safer is the safe one", 1.0, forced, "published", SAFERLHF_SOURCE
