"""What to look at again: a queue of labels that something speaks against, with controls in between, and its results.

Controls are pairs that nothing speaks against, drawn by chance and mixed in, so that a reviewer cannot tell: how many
of them are relabelled says what a look alone does to labels, and whether the reasons find more than that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from btviz.arguments import whole_number
from btviz.data.corrections import AS_RELEASED, REVIEW, REVIEWS, KeptCorrections, claims_of, corrections_table
from btviz.data.dataset import Dataset, expect_dataset
from btviz.data.tables import ID, ORDERS
from btviz.errors import UsageError, choice
from btviz.labels import disputed, expect_labelled
from btviz.models import noisy_labels
from btviz.preference.shares import reasons_of
from btviz.stats.agreement import COEFFICIENTS, coefficient_interval, rating_sums
from btviz.stats.association import Floats
from btviz.stats.clustered import share_interval
from btviz.stats.resampling import cluster_sums, generator
from btviz.texts.embedding import Embeddings

CONTROL = "control"

REASONS = {
    "contradictory": "rows of the data contradict each other on the answer, or on a comparison of it",
    "noise": "similar texts, a probe or the votes make another label likely",
    "disagreement": "the probe and the similar texts contradict each other on the label",
    "disputed": "annotators disagree",
    CONTROL: "drawn by chance among pairs that nothing speaks against",
}
"""Why a pair is in the queue; of several reasons the first counts."""

QUEUE = pl.Schema(
    {
        "place": pl.Int64(),
        "pair_id": ID,
        "reason": pl.String(),
        "target": pl.String(),
        "strength": pl.Float64(),
        "other": ID,
        "reasons": pl.List(pl.String()),
        "random_state": pl.Int64(),
    }
)
"""Columns of a queue."""

_CANDIDATES = {"pair_id": ID, "target": pl.String(), "strength": pl.Float64(), "other": ID}

LEAST_PROBABILITY = 0.1
"""Probability of being wrong from which a label is queued as noise."""


def review_queue(
    ds: Dataset,
    *,
    emb: Embeddings | None = None,
    n: int = 100,
    controls: float = 0.2,
    reasons: Iterable[str] | None = None,
    random_state: int = 0,
) -> pl.DataFrame:
    """List pairs whose labels should be looked at again, controls in between.

    Parameters
    ----------
    ds : Dataset
        With labels.
    emb : Embeddings, optional
        Vectors of its answers: then labels that similar texts, a probe and votes contradict are queued, too
        (`btviz.noisy_labels`, which takes a while).
    n : int
        Pairs in the queue, at most.
    controls : float
        Share of them that are controls, 0 .. 0.9.
    reasons : iterable of str, optional
        Of `REASONS`; by default all that the data can give.
    random_state : int
        Seed of the controls, and of the places of everything.

    Returns
    -------
    DataFrame
        One row per pair, in the order to be worked through: `place` (from 1), `pair_id`, `reason` (of `REASONS`),
        `target` (is_safe, a slug, or a kind of comparison; null where all labels are meant), `strength` (what the
        pairs of one reason are ranked by: bits of disagreement, probability of being wrong; null for controls),
        `other` (the other answer of a contradictory comparison), `reasons` (all that hold), `random_state`. No text.

    Raises
    ------
    UsageError
        If an option is wrong.
    DataError
        If nothing is labelled.
    """
    expect_dataset(ds)
    expect_labelled(ds, what="Labels to be reviewed")
    whole_number(n, name="n", least=1)
    if not 0 <= controls <= 0.9:
        raise UsageError(f"A share of {controls} of the queue was to be controls. Use 0 to 0.9.")
    wanted = [choice(reason, REASONS, what="reason") for reason in (REASONS if reasons is None else reasons)]
    rng = generator(random_state)
    found = _candidates(ds, emb, wanted, random_state=random_state)
    listed = _by_turns(found, most=n - round(controls * n) if CONTROL in wanted else n)
    told = (
        pl.concat([table.select("pair_id") for table in found.values()])
        if found
        else pl.DataFrame({"pair_id": []}, schema={"pair_id": ID})
    )
    rows = listed.to_dicts()
    if CONTROL in wanted:
        share = controls / (1 - controls) if listed.height else controls
        n_controls = min(round(share * listed.height) if listed.height else round(controls * n), n - listed.height)
        rest = ds.items.filter(pl.col("labels").is_not_null() | pl.col("is_safe").is_not_null())["pair_id"]
        rest = rest.filter(~rest.is_in(told["pair_id"].implode()))
        drawn = rng.choice(rest.to_numpy(), min(n_controls, len(rest)), replace=False)
        rows = _mixed(rows, [{"pair_id": int(pair), "reason": CONTROL} for pair in drawn], rng=rng)
    every = _every_reason(found)
    return pl.DataFrame(
        [
            {**row, "place": place, "reasons": every.get(row["pair_id"], [CONTROL]), "random_state": random_state}
            for place, row in enumerate(rows, start=1)
        ],
        schema=QUEUE,
    )


def _mixed(
    rows: list[dict[str, Any]], drawn: list[dict[str, Any]], *, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Controls at places drawn by chance; the others keep their order."""
    total = len(rows) + len(drawn)
    places = set(rng.choice(total, len(drawn), replace=False).tolist())
    ordered, between = iter(rows), iter(drawn)
    return [next(between if place in places else ordered) for place in range(total)]


def _candidates(
    ds: Dataset, emb: Embeddings | None, wanted: Iterable[str], *, random_state: int
) -> dict[str, pl.DataFrame]:
    """Pairs by reason, the strongest first; reasons in the order in which they count."""
    makers: dict[str, Callable[[], pl.DataFrame]] = {
        "contradictory": lambda: _contradictory(ds),
        "disputed": lambda: _disputed(ds),
    }
    if emb is not None and {"noise", "disagreement"} & {*wanted}:
        noisy = noisy_labels(ds, emb, min_probability=0.0, n_draws=1, random_state=random_state)
        makers |= {"noise": lambda: _noise(ds, noisy), "disagreement": lambda: _disagreement(ds, noisy)}
    found = {reason: makers[reason]() for reason in REASONS if reason in makers and reason in wanted}
    return {reason: table.unique("pair_id", keep="first", maintain_order=True) for reason, table in found.items()}


def _disputed(ds: Dataset) -> pl.DataFrame:
    table = disputed(ds).filter((pl.col("entropy_is_safe") > 0) | (pl.col("entropy_labels") > 0))
    safety = pl.when(pl.col("entropy_is_safe") > 0).then(pl.lit("is_safe")).alias("target")
    return _shaped(
        table.select("pair_id", safety, pl.sum_horizontal("entropy_is_safe", "entropy_labels").alias("strength"))
    )


def _noise(ds: Dataset, noisy: pl.DataFrame) -> pl.DataFrame:
    likely = noisy.filter(pl.col("probability") >= LEAST_PROBABILITY).sort(
        "probability", "pair_id", descending=[True, False]
    )
    return _shaped(likely.select("pair_id", _slug(ds), pl.col("probability").alias("strength")))


def _disagreement(ds: Dataset, noisy: pl.DataFrame) -> pl.DataFrame:
    """Safety labels that either the probe or the similar texts contradict, and not both."""
    safety = noisy.filter(pl.col("target") == "is_safe").drop_nulls(["probe", "contradiction"])
    apart = (pl.col("probe") > 0.5) != (pl.col("contradiction") > 0.5)
    gap = (pl.col("probe") - pl.col("contradiction")).abs().alias("strength")
    return _shaped(
        safety.filter(apart).select("pair_id", _slug(ds), gap).sort("strength", "pair_id", descending=[True, False])
    )


def _slug(ds: Dataset) -> pl.Expr:
    names = {category.key: category.slug for category in ds.taxonomy.categories}
    return pl.col("target").replace(names).alias("target")


def _contradictory(ds: Dataset) -> pl.DataFrame:
    """Answers on whose safety rows contradict each other, and comparisons that stand there both ways."""
    sides = pl.concat(
        ds.preferences.select(pl.col(f"pair_id_{side}").alias("pair_id"), pl.col(f"is_safe_{side}").alias("is_safe"))
        for side in (0, 1)
    ).drop_nulls()
    both = sides.group_by("pair_id").agg(pl.len().alias("n"), pl.col("is_safe").n_unique().alias("kinds"))
    answers = both.filter(pl.col("kinds") > 1).select(
        "pair_id", pl.lit("is_safe").alias("target"), pl.col("n").cast(pl.Float64).alias("strength")
    )
    # comparisons first: of those both answers are on view, and their safety can be corrected there, too
    parts = [*(_shaped(_both_ways(ds, kind)) for kind in ORDERS), _shaped(answers)]
    return pl.concat(part.sort("strength", "pair_id", descending=[True, False]) for part in parts)


def _both_ways(ds: Dataset, kind: str) -> pl.DataFrame:
    low, high = pl.min_horizontal("pair_id_0", "pair_id_1"), pl.max_horizontal("pair_id_0", "pair_id_1")
    turned = (pl.col("pair_id_0") == low) == (pl.col(kind) == 0)
    rows = (
        ds.preferences.drop_nulls(kind)
        .filter(low != high)
        .select(low.alias("pair_id"), high.alias("other"), turned.alias("first"))
    )
    groups = rows.group_by("pair_id", "other").agg(pl.len().alias("n"), pl.col("first").n_unique().alias("kinds"))
    return groups.filter(pl.col("kinds") > 1).select(
        "pair_id", pl.lit(kind).alias("target"), pl.col("n").cast(pl.Float64).alias("strength"), "other"
    )


def _shaped(table: pl.DataFrame) -> pl.DataFrame:
    return table.select(
        (pl.col(name) if name in table.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in _CANDIDATES.items()
    )


def _by_turns(found: Mapping[str, pl.DataFrame], *, most: int) -> pl.DataFrame:
    """The first of every reason, then the second of every reason, and so on; each pair once."""
    ranked = [
        table.with_row_index("rank").with_columns(pl.lit(reason).alias("reason"), pl.lit(turn).alias("turn"))
        for turn, (reason, table) in enumerate(found.items())
    ]
    if not ranked:
        return pl.DataFrame(schema={**_CANDIDATES, "reason": pl.String()})
    turns = pl.concat(ranked).sort("rank", "turn").unique("pair_id", keep="first", maintain_order=True)
    return turns.head(most).drop("rank", "turn")


def _every_reason(found: Mapping[str, pl.DataFrame]) -> dict[int, list[str]]:
    every: dict[int, list[str]] = {}
    for reason, table in found.items():
        for pair in table["pair_id"]:
            every.setdefault(pair, []).append(reason)
    return every


@dataclass(frozen=True, eq=False)
class ReviewResults:
    """What reviewers did with a queue.

    Attributes
    ----------
    by_reason : DataFrame
        One row per reason, and "all": `reason`, `n` (pairs in the queue), `n_reviewed` (by somebody, skipped ones not),
        `n_relabelled` (by somebody), `share` (of those reviewed, 0 .. 1) with `share_low`, `share_high` (95 % by
        prompt), `n_unsure`, `undefined`.
    agreement : DataFrame
        Agreement of reviewers over pairs that two or more confirmed or relabelled: `category` (released key, or
        "is_safe"), `n_pairs`, `n_reviewers`, and `agreement`, `fleiss_kappa`, `krippendorff_alpha`, `gwet_ac1`, each
        with `_low` and `_high` (95 % by prompt), `undefined`.
    """

    by_reason: pl.DataFrame
    agreement: pl.DataFrame


_BY_REASON = pl.Schema(
    {
        "reason": pl.String(),
        **dict.fromkeys(("n", "n_reviewed", "n_relabelled"), pl.Int64()),
        **dict.fromkeys(("share", "share_low", "share_high"), pl.Float64()),
        "n_unsure": pl.Int64(),
        "undefined": pl.String(),
    }
)

_NAMES = ("agreement", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1")


def review_results(
    ds: Dataset,
    queue: pl.DataFrame,
    *,
    corrections: pl.DataFrame | KeptCorrections | Iterable[Mapping[str, Any]],
) -> ReviewResults:
    """Count what reviewers did with a queue, by reason, and how far they agree.

    Parameters
    ----------
    ds : Dataset
        As released.
    queue : DataFrame
        From `review_queue`.
    corrections : DataFrame, btviz.session.Corrections, or iterable of mappings
        Rows of the field "review" say who looked at what; the other rows, what they said.

    Returns
    -------
    ReviewResults
        Tables by reason, and of agreement.

    Raises
    ------
    UsageError
        If the queue is none.
    """
    if not {"pair_id", "reason"} <= set(queue.columns):
        raise UsageError("Results were asked for of a queue without pair_id and reason. Pass what review_queue gives.")
    looks = _looks(corrections_table(corrections))
    return ReviewResults(_by_reason(ds, queue, looks), _agreement(ds, queue, looks, corrections_table(corrections)))


def _looks(table: pl.DataFrame) -> pl.DataFrame:
    """The latest thing that each reviewer says of having looked at a pair: `pair_id`, `reviewer`, `after`."""
    rows = table.filter(pl.col("field") == REVIEW).with_columns(pl.col("reviewer").fill_null("")).sort("time")
    latest = rows.group_by("pair_id", "reviewer").agg(pl.col("after").last())
    return latest.filter(pl.col("after").is_in(REVIEWS), pl.col("after") != AS_RELEASED)


def _by_reason(ds: Dataset, queue: pl.DataFrame, looks: pl.DataFrame) -> pl.DataFrame:
    said = looks.group_by("pair_id").agg(
        (pl.col("after") != "skipped").any().alias("reviewed"),
        (pl.col("after") == "relabelled").any().alias("relabelled"),
        (pl.col("after") == "unsure").any().alias("unsure"),
    )
    prompts = ds.items.select("pair_id", "prompt_id")
    whole = (
        queue.select("pair_id", "reason").join(said, on="pair_id", how="left").join(prompts, on="pair_id", how="left")
    )
    whole = whole.with_columns(pl.col("reviewed", "relabelled", "unsure").fill_null(value=False))
    rows = []
    for reason in (*REASONS, "all"):
        part = whole if reason == "all" else whole.filter(pl.col("reason") == reason)
        if part.height:
            rows.append({"reason": reason, **_counted(part)})
    return pl.DataFrame(rows, schema=_BY_REASON)


def _counted(part: pl.DataFrame) -> dict[str, Any]:
    reviewed = part.filter("reviewed")
    counts = {"n": part.height, "n_reviewed": reviewed.height, "n_relabelled": int(reviewed["relabelled"].sum())}
    columns = np.column_stack([np.ones(reviewed.height), reviewed["relabelled"].cast(pl.Float64).to_numpy()])
    if not reviewed.height:
        return {**counts, "n_unsure": int(part["unsure"].sum()), "undefined": "none of them was reviewed"}
    sums = cluster_sums(columns, clusters=reviewed["prompt_id"].to_numpy())
    found = share_interval(sums[:, 1:], sums[:, :1])
    ends = {"share": found.estimate[0], "share_low": found.low[0], "share_high": found.high[0]}
    return {
        **counts,
        **{name: float(value) if np.isfinite(value) else None for name, value in ends.items()},
        "n_unsure": int(part["unsure"].sum()),
        "undefined": reasons_of(found, nothing="none of them was reviewed")[0],
    }


def _agreement(ds: Dataset, queue: pl.DataFrame, looks: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Every reviewer's label of each target, as released where nothing else was said; compared where two looked."""
    judged = looks.filter(pl.col("after").is_in(["confirmed", "relabelled"])).join(queue, on="pair_id", how="semi")
    shared = judged.filter(pl.len().over("pair_id") > 1).sort("pair_id", "reviewer")
    claims = claims_of(table.with_columns(pl.col("reviewer").fill_null("")), ds.taxonomy).rows
    held = claims.filter("holds", pl.col("value").is_not_null()).unique(["pair_id", "target", "reviewer"])
    items = ds.items.select("pair_id", "prompt_id", "is_safe", "labels")
    rows = shared.join(items, on="pair_id", how="left", maintain_order="left")
    targets = {**{category.key: f"#{category.bit}" for category in ds.taxonomy.categories}, "is_safe": "is_safe"}
    return pl.DataFrame([
        {"category": name, "n_reviewers": rows["reviewer"].n_unique(), **_of_target(rows, held, name, target, ds)}
        for name, target in targets.items()
    ], schema=_AGREEMENT)  # fmt: skip


_AGREEMENT = pl.Schema(
    {
        "category": pl.String(),
        "n_pairs": pl.Int64(),
        "n_reviewers": pl.Int64(),
        **{f"{name}{end}": pl.Float64() for name in _NAMES for end in ("", "_low", "_high")},
        "undefined": pl.String(),
    }
)


def _of_target(rows: pl.DataFrame, held: pl.DataFrame, name: str, target: str, ds: Dataset) -> dict[str, Any]:
    released = (~pl.col("is_safe")) if name == "is_safe" else ds.taxonomy.has(name)
    said = held.filter(pl.col("target") == target).select("pair_id", "reviewer", "value")
    value = (1 - pl.col("value")) if name == "is_safe" else pl.col("value")
    labels = rows.join(said, on=["pair_id", "reviewer"], how="left", maintain_order="left").select(
        "pair_id", "prompt_id", pl.coalesce(value, released.cast(pl.Int16)).alias("positive")
    )
    votes = (
        labels.drop_nulls("positive")
        .group_by("pair_id", maintain_order=True)
        .agg(pl.col("prompt_id").first(), pl.len().alias("n"), pl.col("positive").sum())
        .filter(pl.col("n") > 1)
    )
    if votes.is_empty():
        return {"n_pairs": 0, "undefined": "no pair was judged by two reviewers"}
    sums = cluster_sums(
        rating_sums(votes["n"].to_numpy(), votes["positive"].to_numpy()), clusters=votes["prompt_id"].to_numpy()
    )
    return {"n_pairs": votes.height, **_coefficients(sums)}


def _coefficients(sums: Floats) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in _NAMES:
        if not np.isfinite(COEFFICIENTS[name](sums.sum(axis=0, keepdims=True))[0]):
            values["undefined"] = "all reviewers say the same: kappa and alpha have no value"
            continue
        found = coefficient_interval(name, sums)
        ends = {"": found.estimate[0], "_low": found.low[0], "_high": found.high[0]}
        values |= {f"{name}{end}": float(value) if np.isfinite(value) else None for end, value in ends.items()}
        if not np.isfinite(found.low[0]):
            values.setdefault("undefined", reasons_of(found, nothing="nothing is compared")[0])
    return values
