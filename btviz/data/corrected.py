"""Corrections applied to the tables of a data set.

A correction says what is true of a pair, so it goes into every row that speaks of it: all annotations of the pair, and
its side of all comparisons. Their numbers stay. What it says and the majority says already changes nothing, and a row
that is silent of a field stays silent, unless no row speaks of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from btviz.data.corrections import CORRECTIONS, REVIEW, Claims, claims_of, field_text, stated
from btviz.data.tables import (
    ANNOTATION_ORDER,
    ID,
    ORDERS,
    PAIRS,
    PLACE,
    PREFERENCE_ORDER,
    PROMPT_ORDER,
    conform,
    items_of,
)
from btviz.data.votes import Tally, compared_labels
from btviz.errors import UsageError
from btviz.taxonomy.categories import Taxonomy

APPLIED, PARTLY, SAME = "applied", "applied in part", "already so"

CORRECTION_STATUSES = {
    APPLIED: "the data are now as it says",
    PARTLY: "some of its categories are in conflict with another correction, and stay as released",
    SAME: "the data said so before",
    "conflict": "another reviewer, or the same one at the same time, says otherwise, or confirmed what was released; "
    "the field stays as released",
    "replaced": "the same reviewer said something else later",
    "taken back": "the reviewer took an earlier correction back",
    "review": "it says that a reviewer looked, and changes nothing",
    "no such pair": "the data do not hold the pair",
    "no such comparison": "the data do not compare these two answers",
    "not labelled": "no row says anything of the answer, so there is none to correct",
    "not understood": "the field or the value is none of this data set; `detail` says why",
}
"""What may have become of a correction, and what that means."""

NOT_APPLIED = (PARTLY, "conflict", "no such pair", "no such comparison", "not labelled", "not understood")
"""Of these a warning is given."""

FINDINGS = pl.Schema({**CORRECTIONS, "status": pl.String(), "detail": pl.String()})
"""Columns of the table that says what became of each correction."""

_BOTH = ("0", "1")

_SORTED_BY = {"annotations": ANNOTATION_ORDER, "preferences": PREFERENCE_ORDER, "prompts": PROMPT_ORDER}

_BIT = pl.col("target").replace_strict({f"#{bit}": 1 << bit for bit in range(32)}, default=None, return_dtype=pl.UInt32)
"""The bit of a category that a claim speaks of, null for other claims."""


@dataclass(frozen=True, eq=False)
class Corrected:
    """Tables after corrections, and what became of each of these.

    Attributes
    ----------
    tables : dict of str to DataFrame
        `annotations`, `votes`, `pairs`, `preferences`, `prompts`, `places`.
    findings : DataFrame
        `FINDINGS`: a row for each correction.
    n_applied : int
        Fields of pairs that are other than they were, all categories of a pair as one field.
    n_contradictory : int
        Corrected pairs that are now called safe and have a category, or are called unsafe and have none.
    """

    tables: dict[str, pl.DataFrame]
    findings: pl.DataFrame
    n_applied: int
    n_contradictory: int


def corrected_tables(read: Callable[[str], pl.DataFrame], table: pl.DataFrame, *, taxonomy: Taxonomy) -> Corrected:
    """Apply corrections.

    Parameters
    ----------
    read : callable
        Gives a table of the data set by name.
    table : DataFrame
        As `btviz.data.corrections.corrections_table` gives it.
    taxonomy : Taxonomy
        Of the data set.

    Returns
    -------
    Corrected
        New tables; those that were read stay as they are.
    """
    before = {name: read(name) for name in ("annotations", "pairs", "preferences", "prompts")}
    claims = claims_of(table, taxonomy)
    checked = _checked(claims, before)
    held = _held(claims.settled, before)
    refused = checked.filter("refused").select("pair_id", "target").unique()
    changes = held.filter(pl.col("problem").is_null(), pl.col("value").ne_missing(pl.col("released")))
    changes = changes.join(refused, on=["pair_id", "target"], how="anti", maintain_order="left")
    tables = _changed(before, changes, taxonomy=taxonomy, places=read("places"))
    items = items_of(before["pairs"], before["prompts"])
    doubts = claims.problems | _unlike_before(table, items, taxonomy=taxonomy)
    status = _statuses(table, claims, checked=checked, details=doubts)
    findings = conform(pl.concat([table, status], how="horizontal"), FINDINGS)
    field = pl.when(pl.col("target").str.starts_with("#")).then(pl.lit("labels")).otherwise("target")
    n_applied = changes.select("pair_id", field.alias("field")).n_unique()
    now = tables["pairs"].filter(pl.col("pair_id").is_in(changes["pair_id"].implode()))
    contradictory = now.filter(pl.col("is_safe") == (pl.col("labels") != 0))
    return Corrected(tables, findings, n_applied, contradictory.height if tables["pairs"]["labels"].count() else 0)


def _held(claims: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Claims beside what is `released` of their target, and the `problem` where there is nothing to correct."""
    of_pairs = ~pl.col("target").str.contains(":", literal=True)
    both = [_held_by_pairs(claims.filter(of_pairs), tables), _held_by_comparisons(claims.filter(~of_pairs), tables)]
    return pl.concat([part.select(*claims.columns, "released", "problem") for part in both])


def _held_by_pairs(claims: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    items = items_of(tables["pairs"], tables["prompts"])
    compared = pl.concat([tables["preferences"][f"pair_id_{side}"] for side in _BOTH])
    labelled = (pl.col("n_annotations") > 0) | pl.col("pair_id").is_in(compared.implode())
    if tables["pairs"].is_empty():
        labelled = pl.lit(value=True)
    known = items.select("pair_id", "is_safe", "labels", pl.col("severity").cast(pl.Int16), labelled.alias("labelled"))
    has = (pl.col("labels") & _BIT) != 0
    return claims.join(known, on="pair_id", how="left", maintain_order="left").with_columns(
        pl.when(pl.col("target") == "is_safe")
        .then(pl.col("is_safe").cast(pl.Int16))
        .when(pl.col("target") == "severity")
        .then("severity")
        .when(pl.col("labels").is_not_null())
        .then(has.cast(pl.Int16))
        .alias("released"),
        pl.when(pl.col("labelled").is_null())
        .then(pl.lit("no such pair"))
        .when(~pl.col("labelled"))
        .then(pl.lit("not labelled"))
        .alias("problem"),
    )


def _held_by_comparisons(claims: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    rows = _in_order(tables["preferences"].with_row_index("row"))
    orders = [
        rows.group_by("pair_id", "other").agg(
            pl.lit(kind).alias("kind"),
            pl.when(pl.col(kind).n_unique() == 1).then(pl.col(kind).first()).alias("released"),
        )
        for kind in ORDERS
    ]
    known = pl.concat(orders).with_columns(pl.lit(value=True).alias("there"))
    sided = _sided(claims).join(known, on=["pair_id", "kind", "other"], how="left", maintain_order="left")
    problem = pl.when(pl.col("there").is_null()).then(pl.lit("no such comparison"))
    return sided.with_columns(problem.alias("problem"))


def _sided(claims: pl.DataFrame) -> pl.DataFrame:
    """Claims of comparisons with their `kind` and the id of the `other` answer."""
    parts = pl.col("target").str.split_exact(":", 1).struct
    ids = claims["target"].str.split(":").list.last()
    return claims.with_columns(
        parts.field("field_0").alias("kind"), pl.Series("other", [int(text, 16) for text in ids], ID)
    )


def _in_order(preferences: pl.DataFrame) -> pl.DataFrame:
    """Comparisons by the smaller id first: of each kind 1 if that one is preferred, 0 if the other, 2 if open."""
    first = pl.col("pair_id_0") < pl.col("pair_id_1")
    return preferences.filter(pl.col("pair_id_0") != pl.col("pair_id_1")).select(
        "row",
        pl.when(first).then("pair_id_0").otherwise("pair_id_1").alias("pair_id"),
        pl.when(first).then("pair_id_1").otherwise("pair_id_0").alias("other"),
        first.alias("in_order"),
        *(((pl.col(kind) == 0) == first).cast(pl.Int16).fill_null(2).alias(kind) for kind in ORDERS),
    )


def _checked(claims: Claims, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Every claim of every row, with what is released of its target."""
    about = ["pair_id", "target"]
    found = _held(claims.rows.select(*about, pl.lit(None, pl.Int16).alias("value")).unique(), tables).drop("value")
    checked = claims.rows.join(found, on=about, how="left", maintain_order="left")
    return checked.with_columns(_refused(checked, claims.confirmed))


def _refused(checked: pl.DataFrame, confirmed: pl.DataFrame) -> pl.Series:
    """Claims on what another reviewer confirmed to be right as released, and says nothing else of."""
    own = checked.filter("holds", pl.col("value").is_not_null()).select("pair_id", "target", "reviewer").unique()
    about = checked.with_row_index("claim").select("claim", "pair_id", "target")
    opposed = about.join(confirmed, on="pair_id").join(own, on=["pair_id", "target", "reviewer"], how="anti")
    differs = checked["value"].ne_missing(checked["released"]) & ~checked["target"].str.contains(":", literal=True)
    is_opposed = pl.int_range(checked.height, dtype=pl.UInt32, eager=True).is_in(opposed["claim"].unique().implode())
    return (is_opposed & differs & checked["holds"] & checked["value"].is_not_null()).alias("refused")


def _unlike_before(table: pl.DataFrame, items: pl.DataFrame, *, taxonomy: Taxonomy) -> dict[int, str]:
    """Rows whose reviewer saw something else than the data have: of a pair, the first step of each reviewer alone."""
    first = (pl.col("time").min().over("pair_id", "reviewer").eq_missing(pl.col("time"))).alias("first")
    rows = table.with_row_index("row").with_columns(first).filter("first", pl.col("before").is_not_null())
    told = rows.join(items.select("pair_id", "is_safe", "labels", "severity"), on="pair_id", how="inner")
    found = {}
    for row in told.iter_rows(named=True):
        try:
            saw = stated(row["pair_id"], row["field"] or "", after=row["before"], taxonomy=taxonomy)
        except UsageError:
            continue
        if ":" in saw.field or saw.field == REVIEW:
            continue
        has = field_text(saw.field, row, taxonomy=taxonomy)
        if has != saw.after:
            found[row["row"]] = f"the reviewer saw {saw.after}, and these data have {has or 'nothing'}"
    return found


def _statuses(
    table: pl.DataFrame, claims: Claims, *, checked: pl.DataFrame, details: Mapping[int, str]
) -> pl.DataFrame:
    """What became of each correction: `status` and `detail`."""
    value, holds = pl.col("value"), pl.col("holds")
    conflict = pl.col("conflict") | pl.col("refused")
    differs = holds & ~conflict & value.is_not_null() & value.ne_missing(pl.col("released"))
    of_rows = checked.group_by("row").agg(
        pl.col("problem").first(),
        holds.any().alias("holds"),
        (holds & value.is_not_null()).any().alias("says"),
        (holds & value.is_not_null() & conflict).any().alias("conflict"),
        differs.any().alias("changes"),
    )
    status = (
        pl.when(pl.col("problem").is_not_null())
        .then("problem")
        .when(~pl.col("holds"))
        .then(pl.lit("replaced"))
        .when(~pl.col("says"))
        .then(pl.lit("taken back"))
        .when(pl.col("conflict"))
        .then(pl.when("changes").then(pl.lit(PARTLY)).otherwise(pl.lit("conflict")))
        .when("changes")
        .then(pl.lit(APPLIED))
        .otherwise(pl.lit(SAME))
    )
    known = dict(of_rows.select("row", status.alias("status")).iter_rows())
    words = [
        "not understood" if row in claims.problems else "review" if row in claims.reviews else known[row]
        for row in range(table.height)
    ]
    said = [details.get(row) for row in range(table.height)]
    return pl.DataFrame({"status": pl.Series(words, dtype=pl.String), "detail": pl.Series(said, dtype=pl.String)})


def _changed(
    before: Mapping[str, pl.DataFrame], changes: pl.DataFrame, *, taxonomy: Taxonomy, places: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    edits = _edits(changes, before)
    numbered = {name: _numbered(before[name], places.filter(pl.col("table") == name)) for name in _SORTED_BY}
    edited = {
        "annotations": _edited(numbered["annotations"], edits, key="pair_id", ends=""),
        "preferences": _preferences(numbered["preferences"], edits, changes),
        "prompts": _prompts(numbered["prompts"], edits, before["pairs"]),
    }
    ordered = {name: table.sort(*_SORTED_BY[name], PLACE) for name, table in edited.items()}
    tables = {name: table.drop("row", PLACE) for name, table in ordered.items()}
    tally = Tally.of(tables["annotations"], taxonomy)
    return {
        **tables,
        "votes": tally.votes(),
        "pairs": _pairs(before["pairs"], tally, tables["preferences"]),
        "places": _places(places, {name: table["row"] for name, table in ordered.items()}),
    }


def _numbered(table: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Rows with their number, and where they stood in the files, which orders those that are alike otherwise."""
    stood = places[PLACE] if places.height == table.height else pl.int_range(table.height, dtype=pl.UInt32, eager=True)
    return table.with_row_index("row").with_columns(stood.alias(PLACE))


def _places(places: pl.DataFrame, rows: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Where rows stood in the files, in the order that they have now; `rows` says where each was before."""
    moved = [places.filter(~pl.col("table").cast(pl.String).is_in([*rows]))]
    for name, order in rows.items():
        old = places.filter(pl.col("table") == name)
        moved.append(old[order.to_list()] if old.height == len(order) else old)
    return pl.concat([*moved[1:], moved[0]])


def _prompts(prompts: pl.DataFrame, edits: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Prompts with the new values where there are no answers: beside answers a correction is of an answer."""
    return _edited(prompts, edits, key="prompt_id", ends="") if pairs.is_empty() else prompts


def _pairs(pairs: pl.DataFrame, tally: Tally, preferences: pl.DataFrame) -> pl.DataFrame:
    annotated = tally.majority()
    compared = compared_labels(preferences).join(annotated, on="pair_id", how="anti")
    labels = pl.concat([annotated, compared.select(annotated.columns)])
    rest = pairs.drop(name for name in labels.columns if name != "pair_id")
    return rest.join(labels, on="pair_id", how="left", maintain_order="left").select(
        pl.col(name).fill_null(0) if name in ("n_annotations", "n_unsafe") else pl.col(name) for name in PAIRS
    )


def _edits(changes: pl.DataFrame, before: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One row a pair: new values, bits to set and to clear, and whether any row speaks of a field so far."""
    edits = (
        changes.filter(~pl.col("target").str.contains(":", literal=True))
        .group_by("pair_id")
        .agg(
            pl.col("value").filter(pl.col("target") == "is_safe").first().cast(pl.Boolean).alias("safe"),
            pl.col("value").filter(pl.col("target") == "severity").first().cast(pl.UInt8).alias("level"),
            _BIT.filter(pl.col("value") == 1).sum().cast(pl.UInt32).alias("set"),
            _BIT.filter(pl.col("value") == 0).sum().cast(pl.UInt32).alias("clear"),
        )
    )
    items = items_of(before["pairs"], before["prompts"])
    silent = (pl.col(name).is_null().alias(f"no_{name}") for name in ("is_safe", "labels", "severity"))
    return edits.join(items.select("pair_id", *silent), on="pair_id", how="left").sort("pair_id")


def _edited(rows: pl.DataFrame, edits: pl.DataFrame, *, key: str, ends: str) -> pl.DataFrame:
    """Rows with the new values of the pair in the column `key`; `ends` is the end of the names of its fields."""
    whole = rows.join(edits, left_on=key, right_on="pair_id", how="left", maintain_order="left")
    safe, labels, level = (pl.col(f"{name}{ends}") for name in ("is_safe", "labels", "severity"))
    touched = ((pl.col("set") | pl.col("clear")) != 0).fill_null(value=False)
    new = {
        f"is_safe{ends}": pl.when(pl.col("safe").is_not_null() & (safe.is_not_null() | pl.col("no_is_safe")))
        .then("safe")
        .otherwise(safe),
        f"labels{ends}": pl.when(touched & (labels.is_not_null() | pl.col("no_labels")))
        .then((labels.fill_null(0) & ~pl.col("clear")) | pl.col("set"))
        .otherwise(labels),
    }
    if f"severity{ends}" in rows.columns:
        new[f"severity{ends}"] = (
            pl.when(pl.col("level").is_not_null() & (level.is_not_null() | pl.col("no_severity")))
            .then("level")
            .otherwise(level)
        )
    return whole.with_columns(expression.alias(name) for name, expression in new.items()).select(rows.columns)


def _preferences(preferences: pl.DataFrame, edits: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    for side in _BOTH:
        preferences = _edited(preferences, edits, key=f"pair_id_{side}", ends=f"_{side}")
    orders = _sided(changes.filter(pl.col("target").str.contains(":", literal=True)))
    rows = _in_order(preferences)
    for kind, said in _by_kind(orders):
        is_second = (pl.col("value") == 1) != pl.col("in_order")
        new = rows.join(said, on=["pair_id", "other"]).select(
            "row", pl.when(pl.col("value") != 2).then(is_second.cast(pl.UInt8)).alias("new"), "value"
        )
        whole = preferences.join(new, on="row", how="left", maintain_order="left")
        changed = pl.when(pl.col("value").is_not_null()).then("new").otherwise(kind).alias(kind)
        preferences = whole.with_columns(changed).drop("new", "value")
    return preferences


def _by_kind(orders: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for kind in ORDERS:
        said = orders.filter(pl.col("kind") == kind).select("pair_id", "other", "value")
        if said.height:
            yield kind, said
