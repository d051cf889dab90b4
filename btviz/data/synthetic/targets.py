"""What the synthetic data aim at: sizes, published statistics, assumptions, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import polars as pl

from btviz.data.releases.published import label_statistics
from btviz.data.synthetic import facts, preferences, texts
from btviz.data.synthetic.design import PROMPT_VARIETY
from btviz.data.words import count_words
from btviz.taxonomy.categories import Taxonomy

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

Goal = tuple[str, str, float, float | None, str]
"""A row of the table, but for its kind."""

BEAVERTAILS = "BeaverTails-330k"

SAFERLHF = "PKU-SafeRLHF, dual preferences, train"

ASSUMED = "our assumption"


@dataclass(frozen=True)
class Size:
    """How many of everything."""

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
        "tone": texts.TONE_OF_SAFE,
        "prompt_variety": PROMPT_VARIETY,
        "texts": "benign pastimes stand in for categories; tone follows safety, length helpfulness",
    }
    if size.severities:
        return common | {
            "label_sets": "at most four categories, otherwise of largest entropy given the published counts",
            "annotations": "one of each pair",
            "sources": "three made-up answering models, equally often, and three makers of prompts",
            "severity_gap": preferences.SEVERITY_GAP,
            "shares": "published over the answers of comparisons, and applied to all pairs",
            "pair_splits": "in the proportion of the preferences",
        }
    return common | {
        "label_sets": "only those of 30k_test",
        "annotators": "independent given the set behind the pair; as calibrated on three annotators",
        "preferences": "structure of PKU-SafeRLHF, which has 19 categories",
    }


def table(rows: pl.DataFrame, *, comparisons: pl.DataFrame, taxonomy: Taxonomy, size: Size) -> pl.DataFrame:
    """Compare what was aimed at with what the rows hold."""
    label_goals = _saferlhf(rows, taxonomy) if size.severities else _beavertails(rows, taxonomy)
    goals = [*_sizes(rows, comparisons, size), *_splits(rows, size), *label_goals, *_preferences(comparisons)]
    kinds = ["assumption" if goal[-1] == ASSUMED else "published" for goal in goals]
    return pl.DataFrame(
        [(*goal[:-1], kind, goal[-1]) for goal, kind in zip(goals, kinds, strict=True)], SCHEMA, orient="row"
    )


def _sizes(rows: pl.DataFrame, comparisons: pl.DataFrame, size: Size) -> Iterator[Goal]:
    cells = size.multiplicities
    per_pair = sum(n * pairs for (_, n), pairs in cells.items()) / sum(cells.values())
    source = "PKU-SafeRLHF-QA, rounded" if size.severities else BEAVERTAILS
    yield "rows", "annotations", size.pairs * per_pair, rows.height, source
    yield "rows", "pairs", size.pairs, rows.select("prompt", "response").n_unique(), source
    yield "rows", "prompts", size.prompts, rows["prompt"].n_unique(), source
    yield "rows", "comparisons", size.comparisons, comparisons.height, SAFERLHF


def _splits(rows: pl.DataFrame, size: Size) -> Iterator[Goal]:
    """Pairs by split and number of annotations; prompts by the splits they occur in."""
    pairs = rows.group_by("prompt", "response").agg(pl.col("split").first(), n=pl.len())
    total = sum(size.multiplicities.values())
    for (split, n), goal in size.multiplicities.items():
        share = ((pairs["split"] == split) & (pairs["n"] == n)).mean()
        yield "share of pairs", f"{split}, annotated {n} times", goal / total, _number(share), _split_source(size)
    if size.severities:
        return
    leak = label_statistics()["leakage"]["330k"]
    splits = pairs.group_by("prompt").agg(pl.col("split").unique())["split"]
    for split in ("train", "test"):
        goal = leak[f"unique_{split}_prompts"] / facts.BEAVERTAILS_PROMPTS
        yield "share of prompts", f"in {split}", goal, _number(splits.list.contains(split).mean()), BEAVERTAILS
    goal = leak["shared_prompts"] / facts.BEAVERTAILS_PROMPTS
    yield "share of prompts", "in both", goal, _number((splits.list.len() == 2).mean()), BEAVERTAILS


def _split_source(size: Size) -> str:
    return ASSUMED if size.severities else BEAVERTAILS


def _beavertails(rows: pl.DataFrame, taxonomy: Taxonomy) -> Iterator[Goal]:
    many = label_statistics()["beavertails_330k"]
    shares = rows.select((~pl.col("is_safe")).mean(), **_flags(taxonomy, pl.Expr.mean)).row(0, named=True)
    yield "share of annotations", "unsafe", facts.UNSAFE_SHARE, shares["is_safe"], BEAVERTAILS
    for key, count in many["train_category_true_counts"].items():
        yield "share of annotations", key, count / many["train_rows"], shares[key], BEAVERTAILS
    disputed = rows.group_by("prompt", "response").agg(
        pl.col("is_safe").n_unique() > 1,
        **_flags(taxonomy, lambda flag: flag.n_unique() > 1),
        whole=pl.col("labels").n_unique() > 1,
        majority=(~pl.col("is_safe")).sum() * 2 >= pl.len(),
    )
    disputed_shares = disputed.select(pl.exclude("prompt", "response").mean()).row(0, named=True)
    for key, percent in many["share_of_pairs_with_disagreement_pct_train"].items():
        yield "share of pairs disputed", key, percent / 100, disputed_shares[key], BEAVERTAILS
    whole = 1 - many["pairs_agreeing_on_full_category_vector_train"] / many["train_unique_pairs"]
    yield "share of pairs disputed", "label set", whole, disputed_shares["whole"], BEAVERTAILS
    both = disputed.group_by("prompt").agg(pl.col("majority").n_unique() > 1)["majority"].mean()
    source = "BeaverTails-330k, a third party's count; by majority is our reading"
    yield "share of prompts", "with safe and unsafe answers", facts.MIXED_PROMPTS, _number(both), source
    for text, goal in facts.MEAN_WORDS.items():
        words = count_words(rows[text].unique()).mean()
        yield "mean words", text, goal, _number(words), "BeaverTails paper, section 3"


def _flags(taxonomy: Taxonomy, function: Callable[[pl.Expr], pl.Expr]) -> dict[str, pl.Expr]:
    return {key: function(taxonomy.has(key)) for key in taxonomy.keys}


def _saferlhf(rows: pl.DataFrame, taxonomy: Taxonomy) -> Iterator[Goal]:
    published = label_statistics()["pku_saferlhf_dual_train"]
    severity = rows["severity"].to_numpy()
    has = dict(zip(taxonomy.keys, taxonomy.flags(rows["labels"]).T, strict=True))
    at = {name: severity == level for level, name in enumerate(taxonomy.severities)}
    margins = published["response_level_marginals"]["severity_level"]
    cells = [(name, margins[str(level)], at[name]) for level, name in enumerate(at)]
    for key, counts in published["category_by_severity_response_positions"].items():
        cells.append((key, sum(counts.values()), has[key]))
        cells += [(f"{key}, {name}", counts[str(level)], has[key] & at[name]) for level, name in enumerate(at) if level]
    for a, b, count in published["category_joint_counts"]:
        if taxonomy[a].bit < taxonomy[b].bit:  # each unordered pair is listed in both orders
            cells.append((f"{a} and {b}", count, has[a] & has[b]))
    for level, count, rows_with in cells:
        yield "share of annotations", level, count / (2 * published["rows"]), float(rows_with.mean()), SAFERLHF


def _preferences(comparisons: pl.DataFrame) -> Iterator[Goal]:
    seen, strata = facts.comparisons(), preferences.strata_shares()
    same = comparisons["better"] == comparisons["safer"]
    n_unsafe = 2 - comparisons["is_safe_0"].cast(pl.Int8) - comparisons["is_safe_1"].cast(pl.Int8)
    yield "share of comparisons", "better is safer", seen["same"] / seen["train"], _number(same.mean()), SAFERLHF
    for stratum, name in enumerate(preferences.STRATA):
        inside = n_unsafe == stratum
        yield "share of comparisons", name, float(strata[stratum]), _number(inside.mean()), SAFERLHF
        p = float(preferences.p_by_stratum()[stratum])
        yield "better is safer", name, p, _number(same.filter(inside).mean()), ASSUMED
    mixed = comparisons.filter(n_unsafe == 1)
    last = seen["safe_1"] / (seen["safe_0"] + seen["safe_1"])
    yield "share of mixed comparisons", "response_1 is safe", last, _number(mixed["is_safe_1"].mean()), SAFERLHF
    forced = (mixed["safer"] == mixed["is_safe_1"].cast(pl.UInt8)).mean()
    yield "share of mixed comparisons", "the safe answer is safer", 1.0, _number(forced), SAFERLHF


def _number(value: object) -> float | None:
    """A mean as a float, or null where there was nothing to average."""
    return float(value) if isinstance(value, int | float) else None
