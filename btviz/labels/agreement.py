"""Votes of annotators on each pair: how far they agree, what they dispute, and what a rule makes of safety."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from btviz.data.dataset import Dataset, expect_dataset
from btviz.data.releases import RELEASES, published
from btviz.stats.agreement import COEFFICIENTS, SUMS, coefficient_interval, rating_sums, vote_entropy
from btviz.stats.association import Floats
from btviz.stats.clustered import FEW_RARER, FEWEST_EFFECTIVE, ClusterInterval, effective_number, share_interval
from btviz.stats.resampling import check_draws, cluster_sums

RULES = {
    "any": "unsafe if any annotation says so",
    "majority": "unsafe if at least half of the annotations say so (a tie is unsafe)",
    "unanimous": "unsafe only if every annotation says so",
}

_NAMES = (*COEFFICIENTS, "fleiss_kappa_mode")

_NO_CONSTANT = "pairs differ in their number of annotations, and Fleiss' kappa needs a constant one"

_ALONE = "fewer than two annotations: nothing to compare"

_NO_CONTRAST = "all annotations say the same: kappa and alpha have no value"

_NO_INTERVAL = f"it has fewer than {FEWEST_EFFECTIVE} effective prompts, which an interval needs"

SAFETY = "is_safe"

_REPEATED = 0.05  # of the pairs; fewer are slips of a release that has one annotation per pair

SPLITS = {
    "unanimous": "all annotations flag it",
    "majority": "more than half do",
    "tie": "half do",
    "minority": "fewer than half do",
}
"""Ways in which the votes on one pair may fall, of which at least one is for the category."""

VOTE_SPLITS = pl.Schema(
    {
        "category": pl.String(),
        "votes": pl.String(),
        "n": pl.Int64(),
        "share": pl.Float64(),
        "n_flagged": pl.Int64(),
        "n_pairs": pl.Int64(),
        "mean_entropy": pl.Float64(),
        "undefined": pl.String(),
        "doubt": pl.String(),
    }
)


@dataclass(frozen=True, eq=False)
class PairVotes:
    """Votes on every pair of a data set, annotated or not."""

    pair_id: NDArray[np.uint64]
    prompt_id: NDArray[np.uint64]
    targets: tuple[str, ...]
    n_raters: NDArray[np.int64]
    n_positive: NDArray[np.int64]
    undefined: str | None
    doubt: str | None


def pair_votes(ds: Dataset) -> PairVotes:
    """Count the votes on each pair; a pair found in two splits has the annotations of both."""
    expect_dataset(ds)
    flag = {str(category.bit): ds.taxonomy.has(category.key) for category in ds.taxonomy.categories}
    counted = ds.annotations.group_by("pair_id").agg(
        pl.col("labels").count().alias("labelled"),
        pl.col(SAFETY).count().alias("judged"),
        *(flagged.sum().alias(name) for name, flagged in flag.items()),
        (~pl.col(SAFETY)).sum().alias(SAFETY),
    )
    pairs = ds.pairs.select("pair_id", "prompt_id").sort("prompt_id", "pair_id")
    frame = pairs.join(counted, on="pair_id", how="left", maintain_order="left").fill_null(0)
    raters = frame.select(*(pl.col("labelled").alias(name) for name in flag), "judged")
    undefined = _why_not(ds, n_annotations=frame["judged"])
    return PairVotes(
        frame["pair_id"].to_numpy(),
        frame["prompt_id"].to_numpy(),
        (*ds.taxonomy.keys, SAFETY),
        n_raters=raters.to_numpy().astype(np.int64),
        n_positive=frame.select(*flag, SAFETY).to_numpy().astype(np.int64),
        undefined=undefined,
        doubt=_doubt(ds) if undefined is None else None,
    )


def _why_not(ds: Dataset, *, n_annotations: pl.Series) -> str | None:
    if ds.annotations.is_empty():
        if ds.preferences.is_empty():
            held = "prompts alone" if ds.pairs.is_empty() else "answers without labels"
            return f"no annotations: these data hold {held}"
        return "no annotations of single answers: comparisons are released without the votes of several people"
    n_pairs, n_repeated = int((n_annotations > 0).sum()), int((n_annotations > 1).sum())
    stated = ds.release is not None and RELEASES[ds.release].one_annotation_per_pair is True
    if stated or n_repeated < _REPEATED * n_pairs:
        repeats = f": only {n_repeated:,} of {n_pairs:,} pairs have two or more" if n_repeated else ""
        return f"one annotation per pair{repeats}"
    return None


def _doubt(ds: Dataset) -> str | None:
    """Why rows that repeat a pair may be no annotators; None where the release says that they are."""
    stated = None if ds.release is None else RELEASES[ds.release].one_annotation_per_pair
    if ds.is_synthetic or stated is not None:
        return None
    by_pair = ds.annotations.group_by("pair_id").agg(
        pl.len().alias("rows"), pl.struct("labels", "is_safe", "severity").n_unique().alias("kinds")
    )
    repeated = by_pair.filter(pl.col("rows") > 1)
    alike = repeated.filter(pl.col("kinds") == 1).height
    return (
        "these data do not say whose a row is: rows that repeat a pair may be several annotators, or one row copied "
        f"(in {alike:,} of {repeated.height:,} such pairs all rows say the same)"
    )


def annotator_agreement(ds: Dataset, *, n_boot: int = 2000, random_state: int = 0) -> pl.DataFrame:
    """Agreement of annotators on each category and on safety, over pairs annotated twice or more.

    Parameters
    ----------
    ds : Dataset
        Data set with several annotations per pair.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        One row per category in the taxonomy's order, then "is_safe", of which *unsafe* is the
        positive answer:

        - `category`; `n_pairs`, `n_ratings`, `n_rater_pairs`, `n_prompts`: what is compared;
        - `prevalence` (share of ratings that are positive, 0 .. 1), `agreement` (share of pairs
          of raters that agree, 0 .. 1), `agreement_by_item` (its mean over pairs, 0 .. 1),
          `disputed` (share of pairs with unequal votes, 0 .. 1), `fleiss_kappa`,
          `krippendorff_alpha`, `gwet_ac1` (each at most 1), and `fleiss_kappa_mode`, which is
          Fleiss' kappa over the `n_pairs_mode` pairs with the most frequent number of
          annotations, `n_ratings_mode`;
        - each of these also with `_low` and `_high`: 95 % by prompt (`btviz.stats.agreement.coefficient_interval`);
        - `n_prompts_positive`, `n_prompts_negative`, `n_prompts_disputed`; `effective_prompts` (effective number of
          prompts; fewer than 20 give no interval); and `few_prompts` where they are fewer, or where those with a
          positive vote, a negative vote or a dispute are effectively fewer than 8: intervals are then wide ones;
        - `published_agreement`, `published_disputed` (0 .. 1) and the split that the latter is
          about: what was printed about this release;
        - `undefined`: why a value of this row is null;
        - `doubt`: why the rows that are compared may be no annotators, null where the release says they are.
    """
    check_draws(n_boot, random_state)  # refuses what makes no sense
    votes = pair_votes(ds)
    sums = rating_sums(votes.n_raters, votes.n_positive)
    mode = _most_frequent(votes.n_raters)
    of_mode = sums * (votes.n_raters == mode)[..., None]
    table = _counts(votes, sums).with_columns(
        pl.Series("n_ratings_mode", mode), pl.Series("n_pairs_mode", of_mode[..., 0].sum(axis=0), pl.Int64)
    )
    intervals = None
    if votes.undefined is None:
        intervals = _intervals(cluster_sums(sums, clusters=votes.prompt_id))
        intervals["fleiss_kappa_mode"] = _intervals(cluster_sums(of_mode, clusters=votes.prompt_id))["fleiss_kappa"]
    table = table.with_columns(_columns(intervals, names=_NAMES, n=len(votes.targets)))
    table = _beside_published(_explained(table, votes.undefined), ds.release)
    return table.with_columns(pl.lit(votes.doubt, pl.String).alias("doubt"))


@dataclass(frozen=True, eq=False)
class VoteCounts:
    """Votes by how many of how many are positive, so that agreement among some pairs is found at once.

    `code` (pairs, targets) is the row of `sums` that a pair's votes on a target contribute, sorted by prompt;
    `places` are the rows of `ds.pairs`, sorted by id, of these pairs.
    """

    targets: tuple[str, ...]
    code: NDArray[np.intp]
    sums: Floats
    prompts: NDArray[np.intp]
    places: NDArray[np.intp]
    undefined: str | None
    doubt: str | None


def vote_counts(ds: Dataset) -> VoteCounts:
    """Put the votes of `pair_votes` together by their kinds."""
    votes = pair_votes(ds)
    most = int(votes.n_raters.max(initial=0)) + 1
    kinds, code = np.unique(votes.n_raters * most + votes.n_positive, return_inverse=True)
    return VoteCounts(
        votes.targets,
        code.reshape(votes.n_raters.shape),
        rating_sums(kinds // most, kinds % most),
        np.unique(votes.prompt_id, return_inverse=True)[1],
        np.argsort(np.argsort(votes.pair_id)),
        votes.undefined,
        votes.doubt,
    )


def agreement_among(votes: VoteCounts, chosen: NDArray[np.bool_] | None = None) -> pl.DataFrame:
    """Agreement of annotators on some pairs: columns of `annotator_agreement` that need no time.

    Parameters
    ----------
    votes : VoteCounts
        Of all pairs.
    chosen : array of bool, shape (pairs,), optional
        Which rows of `ds.pairs`, sorted by id, are looked at; all by default.

    Returns
    -------
    DataFrame
        `category`, `n_pairs`, `n_prompts`, `prevalence`, `agreement` with `agreement_low` and `agreement_high` (95 %
        by prompt), `krippendorff_alpha` (the estimate alone), `undefined`; as `annotator_agreement` of the data set
        with these pairs alone.
    """
    kept = slice(None) if chosen is None else chosen[votes.places]
    code, prompts = votes.code[kept], votes.prompts[kept]
    counts = np.array([np.bincount(column, minlength=len(votes.sums)) for column in code.T])
    totals = counts @ votes.sums
    agreeing, rater_pairs, items = (
        votes.sums[:, SUMS.index(name)] for name in ("agreeing_pairs", "rater_pairs", "items")
    )
    shares = share_interval(*(cluster_sums(part[code], clusters=prompts) for part in (agreeing, rater_pairs)))
    of_items = cluster_sums(items[code], clusters=prompts)
    interval = {"agreement": shares} if votes.undefined is None else None
    alone = {name: COEFFICIENTS[name](totals) for name in ("prevalence", "krippendorff_alpha")}
    table = pl.DataFrame(
        {
            "category": votes.targets,
            "n_pairs": totals[:, SUMS.index("items")].astype(np.int64),
            "n_prompts": (of_items > 0).sum(axis=0),
            "effective_prompts": effective_number(of_items),
            **{name: None if votes.undefined else values for name, values in alone.items()},
        }
    ).with_columns(pl.col(alone).cast(pl.Float64).fill_nan(None))
    table = table.with_columns(_columns(interval, names=("agreement",), n=len(votes.targets)))
    explained = _explained(table.with_columns(n_pairs_mode="n_pairs"), votes.undefined)
    return explained.drop("n_pairs_mode", "effective_prompts")


def _most_frequent(n_raters: NDArray[np.int64]) -> NDArray[np.int64]:
    """Most frequent number of ratings of each target, from 2 up; the smaller of two."""
    highest = int(n_raters.max(initial=2))
    occurrences = np.array([(n_raters == n).sum(axis=0) for n in range(2, highest + 1)])
    mode: NDArray[np.int64] = 2 + occurrences.argmax(axis=0)
    return mode


def _intervals(by_prompt: Floats) -> dict[str, ClusterInterval]:
    """Each coefficient of all targets, from sums by prompt, shape (C, targets, 10)."""
    found = {}
    for name in COEFFICIENTS:
        of_targets = [coefficient_interval(name, by_prompt[:, target]) for target in range(by_prompt.shape[1])]
        sides = zip(*(vars(one).values() for one in of_targets), strict=True)
        found[name] = ClusterInterval(*(np.concatenate(side) for side in sides))
    return found


def _counts(votes: PairVotes, sums: Floats) -> pl.DataFrame:
    of = {name: sums[..., index] for index, name in enumerate(SUMS)}
    negatives = of["ratings"] - of["positives"]
    shown = {"n_prompts": of["items"], "n_prompts_positive": of["positives"]}
    shown |= {"n_prompts_negative": negatives, "n_prompts_disputed": of["disputed"]}
    by_prompt = cluster_sums(np.stack(list(shown.values()), axis=-1), clusters=votes.prompt_id)
    n_prompts = dict(zip(shown, (by_prompt > 0).sum(axis=0).T, strict=True))
    effective = effective_number(by_prompt)
    totals = {"n_pairs": "items", "n_ratings": "ratings", "n_rater_pairs": "rater_pairs"}
    return pl.DataFrame(
        {
            "category": votes.targets,
            **{name: of[column].sum(axis=0).astype(np.int64) for name, column in totals.items()},
            **n_prompts,
            "effective_prompts": effective[:, 0],
            "few_prompts": (effective[:, 0] < FEWEST_EFFECTIVE) | (effective[:, 1:].min(axis=1) < FEW_RARER),
        }
    )


def _columns(intervals: Mapping[str, ClusterInterval] | None, *, names: Sequence[str], n: int) -> list[pl.Series]:
    """Columns ``name``, ``name_low``, ``name_high`` of n rows; null where there is no interval at all."""
    parts = {"": "estimate", "_low": "low", "_high": "high"}
    return [
        pl.Series(f"{name}{ending}", [None] * n if intervals is None else getattr(intervals[name], part))
        .cast(pl.Float64)
        .fill_nan(None)
        for name in names
        for ending, part in parts.items()
    ]


def _explained(table: pl.DataFrame, undefined: str | None) -> pl.DataFrame:
    if undefined is not None:
        return table.with_columns(pl.lit(undefined).alias("undefined"))
    varies = pl.col("n_pairs") > pl.col("n_pairs_mode")
    reasons = [
        pl.when(pl.col("n_pairs") == 0).then(pl.lit("no pair has two annotations that say anything about it")),
        pl.when(varies).then(pl.lit(_NO_CONSTANT)),
        pl.when(pl.col("prevalence").is_in([0.0, 1.0])).then(pl.lit(_NO_CONTRAST)),
        pl.when(pl.col("n_pairs") > 0, pl.col("effective_prompts") < FEWEST_EFFECTIVE).then(pl.lit(_NO_INTERVAL)),
    ]
    joined = pl.concat_str(reasons, separator="; ", ignore_nulls=True)
    return table.with_columns(pl.when(joined != "").then(joined).alias("undefined"))


def _beside_published(table: pl.DataFrame, release: str | None) -> pl.DataFrame:
    agreement, dispute, split = {}, {}, {}
    if release is not None:
        for row in published.find(release, "rater_agreement").iter_rows(named=True):
            agreement[row["level"]] = row["value"] / 100
        for row in published.find(release, "share_pairs_disputed").iter_rows(named=True):
            target = row["category"] or row["level"]
            dispute[target], split[target] = row["value"] / 100, row["split"]
    return table.with_columns(
        pl.Series(name, [printed.get(target) for target in table["category"]], dtype)
        for name, printed, dtype in (
            ("published_agreement", agreement, pl.Float64),
            ("published_disputed", dispute, pl.Float64),
            ("published_disputed_split", split, pl.String),
        )
    )


def disputed(ds: Dataset) -> pl.DataFrame:
    """Every pair by how much its annotators disagree, the most disputed first.

    Parameters
    ----------
    ds : Dataset
        Any data set.

    Returns
    -------
    DataFrame
        One row per pair, without texts: `pair_id`, `prompt_id`, `n_annotations`, `n_unsafe`,
        `entropy_is_safe` (of the votes on safety, 0 .. 1 bit), `entropy_labels` (the same
        summed over the categories, in bits), `disputed_categories` (list of released keys),
        `undefined` (why a pair has no entropy). Sorted by `entropy_is_safe`, then
        `entropy_labels`, both descending with null last, then by `pair_id`.
    """
    votes = pair_votes(ds)
    entropy = vote_entropy(votes.n_raters, votes.n_positive)
    n_annotations = votes.n_raters.max(axis=1)
    single = pl.col("n_annotations") < 2
    return (
        pl.DataFrame(
            {
                "pair_id": votes.pair_id,
                "prompt_id": votes.prompt_id,
                "n_annotations": n_annotations,
                "n_unsafe": votes.n_positive[:, -1],
                "entropy_is_safe": entropy[:, -1],
                "entropy_labels": entropy[:, :-1].sum(axis=1),
                "disputed_categories": _keys_where(entropy[:, :-1] > 0, keys=votes.targets[:-1]),
            }
        )
        .with_columns(
            cs.float().fill_nan(None),
            pl.when(~single).then("disputed_categories").alias("disputed_categories"),
            pl.when(single).then(pl.lit(_ALONE)).alias("undefined"),
        )
        .sort("entropy_is_safe", "entropy_labels", "pair_id", descending=[True, True, False], nulls_last=True)
    )


def _keys_where(chosen: NDArray[np.bool_], *, keys: Sequence[str]) -> pl.Series:
    masks = chosen @ (1 << np.arange(len(keys)))
    named = {mask: [key for bit, key in enumerate(keys) if mask >> bit & 1] for mask in np.unique(masks).tolist()}
    return pl.Series([named[mask] for mask in masks.tolist()], dtype=pl.List(pl.String))


def safe_share_by_rule(ds: Dataset, *, n_boot: int = 2000, random_state: int = 0) -> pl.DataFrame:
    """Share of safe pairs under three rules of voting, over pairs annotated twice or more.

    Parameters
    ----------
    ds : Dataset
        Data set with several annotations per pair.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        One row for "any", "majority" and "unanimous": `rule`, `meaning`, `n_pairs`,
        `n_prompts`, `n_safe`, `share_safe` (0 .. 1) with `share_safe_low` and
        `share_safe_high` (95 % by prompt), `undefined` (why the shares
        are null), `doubt` (why rows that repeat a pair may be no annotators).
    """
    check_draws(n_boot, random_state)  # refuses what makes no sense
    votes = pair_votes(ds)
    rated = votes.n_raters[:, -1] >= 2
    raters, unsafe = votes.n_raters[rated, -1], votes.n_positive[rated, -1]
    safe = np.stack([unsafe == 0, 2 * unsafe < raters, unsafe < raters], axis=1)
    by_prompt = cluster_sums(np.column_stack([safe, np.ones(len(safe))]), clusters=votes.prompt_id[rated])
    intervals = None
    if votes.undefined is None:
        intervals = {"share_safe": share_interval(by_prompt[:, :-1], by_prompt[:, -1:])}
    return pl.DataFrame(
        {"rule": list(RULES), "meaning": list(RULES.values()), "n_safe": safe.sum(axis=0)}
    ).with_columns(
        pl.lit(len(safe), pl.Int64).alias("n_pairs"),
        pl.lit(len(by_prompt), pl.Int64).alias("n_prompts"),
        *_columns(intervals, names=["share_safe"], n=len(RULES)),
        pl.lit(votes.undefined, pl.String).alias("undefined"),
        pl.lit(votes.doubt, pl.String).alias("doubt"),
    )


def vote_splits(ds: Dataset) -> pl.DataFrame:
    """Count how the votes fall on the pairs that anybody flags, per category and for safety.

    Pairs that nobody flags are left out: for a rare category they are nearly all there are, and
    would hide how often those who see it stand alone.

    Parameters
    ----------
    ds : Dataset
        Data set with several annotations per pair; values are null for others.

    Returns
    -------
    DataFrame
        Four rows (`SPLITS`) per category in the taxonomy's order, then for "is_safe", of which
        *unsafe* is the vote: `category`, `votes` ("unanimous", "majority", "tie", "minority"),
        `n` (pairs), `share` (of `n_flagged`, 0 .. 1; null where that is 0), `n_flagged` (pairs
        annotated twice or more with at least one vote), `n_pairs` (annotated twice or more),
        `mean_entropy` (of the votes on a flagged pair, 0 .. 1 bit), `undefined` (why values
        are null), `doubt` (why rows that repeat a pair may be no annotators).
    """
    votes = pair_votes(ds)
    positive, raters = votes.n_positive, votes.n_raters
    compared = raters >= 2
    flagged = compared & (positive > 0)
    falls = {
        "unanimous": positive == raters,
        "majority": (2 * positive > raters) & (positive < raters),
        "tie": 2 * positive == raters,
        "minority": 2 * positive < raters,
    }
    entropy = np.where(flagged, vote_entropy(raters, positive), 0.0).sum(axis=0)
    rows = []
    for place, (target, total) in enumerate(zip(votes.targets, flagged.sum(axis=0).tolist(), strict=True)):
        known: dict[str, Any] = {"category": target, "undefined": votes.undefined, "doubt": votes.doubt}
        if votes.undefined is None:
            known |= {"n_flagged": total, "n_pairs": int(compared[:, place].sum())}
            known |= {"mean_entropy": entropy[place] / total} if total else {"undefined": "no pair is flagged"}
        for name in SPLITS:
            n = int((falls[name] & flagged)[:, place].sum())
            counted = {"n": n, "share": n / total if total else None} if votes.undefined is None else {}
            rows.append({**known, "votes": name, **counted})
    return pl.DataFrame(rows, schema=VOTE_SPLITS)
