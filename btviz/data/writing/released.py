"""Rows as they are released: the tables of a data set turned back into the columns of a released file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.fingerprint import alone
from btviz.data.keys import LINE, key_names, side_of, with_keys
from btviz.data.tables import HALF, ID, ORDERS, PLACE, PREFERENCES, UNLABELLED, conform
from btviz.data.votes import Tally, compared_labels
from btviz.data.writing.turns import answered_in_messages, asked_in_messages, with_history
from btviz.errors import choice
from btviz.taxonomy.categories import PKU_SAFERLHF, Taxonomy

ALONE = "answers"
"""Rows that say nothing of their answer."""

SUBSETS = ("all", "safe", "unsafe")

SIDES = ("0", "1")


@dataclass(frozen=True)
class Wanted:
    """Which rows are asked for.

    A comparison is as safe as the less safe of its answers, and has the categories and the pairs of both.

    Attributes
    ----------
    where : str
        One of `SUBSETS`: by the safety that the row states.
    labels : int or None
        Rows that have one of these categories.
    splits : tuple of (str or None) or None
        Rows of one of these splits.
    pair_ids : Series or None
        Rows about one of these pairs.
    """

    where: str = "all"
    labels: int | None = None
    splits: tuple[str | None, ...] | None = None
    pair_ids: pl.Series | None = None

    def of_split(self, table: pl.DataFrame) -> pl.DataFrame:
        """Rows of the splits asked for."""
        if self.splits is None:
            return table
        return table.filter(pl.col("split").is_in(pl.Series(self.splits, dtype=pl.String).implode(), nulls_equal=True))

    def of(self, table: pl.DataFrame) -> pl.DataFrame:
        """Rows of a table of answers, comparisons or prompts, in its order."""
        ends = [f"_{side}" for side in SIDES] if "pair_id_0" in table.columns else [""]
        conditions = [*self._safety(table, ends), *self._any(table, ends)]
        return table.filter(reduce(pl.Expr.and_, conditions)) if conditions else table

    def _safety(self, table: pl.DataFrame, ends: list[str]) -> list[pl.Expr]:
        choice(self.where, SUBSETS, what="subset")
        if self.where == "all":
            return []
        if "is_safe" + ends[0] not in table.columns:  # nobody said of a prompt whether it is safe
            return [pl.lit(value=False)]
        every_safe = pl.all_horizontal(pl.col(f"is_safe{end}") for end in ends)
        return [every_safe if self.where == "safe" else ~every_safe]

    def _any(self, table: pl.DataFrame, ends: list[str]) -> list[pl.Expr]:
        conditions = []
        if self.labels is not None:
            named = [(pl.col(f"labels{end}").fill_null(0) & pl.lit(self.labels, pl.UInt32)) != 0 for end in ends]
            conditions.append(pl.any_horizontal(named))
        if self.pair_ids is not None:
            ids = self.pair_ids.cast(ID).implode()
            about = [pl.col(f"pair_id{end}").is_in(ids) for end in ends if f"pair_id{end}" in table.columns]
            conditions.append(pl.any_horizontal(about) if about else pl.lit(value=False))
        return conditions


def wanted_rows(ds: Dataset, population: str, *, wanted: Wanted) -> pl.DataFrame:
    """Canonical rows of a population that are asked for, without texts, in the order of the files."""
    if population == "pairs":
        return wanted.of(_pairs(ds, wanted))
    rows = all_rows(ds, population)
    if population == ALONE:  # of these, a split is not kept
        none = rows.clear() if wanted.splits is not None and None not in wanted.splits else rows
        return wanted.of(none)
    return wanted.of(wanted.of_split(rows))


def all_rows(ds: Dataset, population: str) -> pl.DataFrame:
    """Every row of a population, in the order of the files where that is known."""
    if population == ALONE:
        return _unlabelled(ds)
    rows = ds.table(population)
    places = _places(ds, population)[PLACE]
    if population != "preferences":
        return rows[places.arg_sort()] if len(places) == rows.height else rows
    halves = _halves(ds)
    placed = pl.concat([places, halves[PLACE]])
    every = pl.concat([rows, halves.drop(PLACE)])
    return every[placed.arg_sort(nulls_last=True)] if len(placed) == every.height else every


def _places(ds: Dataset, table: str) -> pl.DataFrame:
    return ds.table("places").filter(pl.col("table") == table)


_SAID = ("is_safe", "labels", "severity")


def _unlabelled(ds: Dataset) -> pl.DataFrame:
    """Rows that say nothing of an answer, as often as there are any; where that is not known, each answer once."""
    silent = _places(ds, UNLABELLED).sort(PLACE).select("pair_id")
    rest = alone(ds.pairs, ds.preferences).filter(_says_nothing()).select("pair_id")
    rows = pl.concat([silent, rest.filter(~pl.col("pair_id").is_in(silent["pair_id"].implode()))])
    nothing = (pl.lit(None).cast(ds.pairs.schema[name]).alias(name) for name in _SAID)
    prompts = ds.pairs.select("pair_id", "prompt_id")
    return rows.join(prompts, on="pair_id", how="left", maintain_order="left").with_columns(*nothing)


def _halves(ds: Dataset) -> pl.DataFrame:
    """Comparisons with an answer that is missing: what they say of the other one, on its side, and their place."""
    placed = {**PREFERENCES, PLACE: pl.UInt32()}
    labelled = alone(ds.pairs, ds.preferences).filter(~_says_nothing())
    stood = _places(ds, HALF).select("pair_id", PLACE)
    labelled = labelled.join(stood, on="pair_id", how="left", maintain_order="left")
    if labelled.is_empty():
        return ds.preferences.clear().with_columns(pl.lit(None, pl.UInt32).alias(PLACE))
    second = ds.keys.filter(pl.col("key") == f"{LINE}_1")["pair_id"].unique()
    is_second = pl.col("pair_id").is_in(second.implode())
    sided = []
    for side, of_side in zip(SIDES, (~is_second, is_second), strict=True):
        names = {name: f"{name}_{side}" for name in ("pair_id", *_SAID)}
        said = (pl.col(name).alias(new) for name, new in names.items())
        sided.append(conform(labelled.filter(of_side).select("prompt_id", PLACE, *said), pl.Schema(placed)))
    return pl.concat(sided)


def _says_nothing() -> pl.Expr:
    return pl.all_horizontal(pl.col(_SAID).is_null())


def _pairs(ds: Dataset, wanted: Wanted) -> pl.DataFrame:
    """Pairs as they first stand in the files, with the labels that the rows of the splits asked for give them."""
    columns = ["pair_id", "prompt_id", "is_safe", "labels", "severity", "n_annotations", "n_unsafe"]
    pairs = ds.pairs.join(_first_places(ds), on="pair_id", how="left", maintain_order="left")
    pairs = pairs.sort("first", nulls_last=True, maintain_order=True)
    if wanted.splits is None:
        return pairs.select(columns)
    annotated = Tally.of(wanted.of_split(ds.annotations), ds.taxonomy).majority()
    compared = compared_labels(wanted.of_split(ds.preferences)).join(annotated, on="pair_id", how="anti")
    labels = pl.concat([annotated, compared.select(annotated.columns)])
    return pairs.select("pair_id", "prompt_id").join(labels, on="pair_id", maintain_order="left").select(columns)


def _first_places(ds: Dataset) -> pl.DataFrame:
    """Each pair, with the number of the row that it `first` stands in: rows of one answer, then comparisons."""
    compared = all_rows(ds, "preferences").select(pl.concat_list("pair_id_0", "pair_id_1").alias("pair_id"))
    rows = [
        _with_places(ds.annotations.select("pair_id"), _places(ds, "annotations")[PLACE]),
        _places(ds, UNLABELLED).select("pair_id", PLACE),
    ]
    answers = pl.concat(rows).sort(PLACE, maintain_order=True).select("pair_id")
    stood = pl.concat([answers, compared.explode("pair_id")]).drop_nulls().with_row_index("first")
    return stood.unique("pair_id", keep="first")


def _with_places(rows: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
    """Rows with the number that they had in the files; of rows that were made, their own."""
    known = places if len(places) == rows.height else pl.int_range(rows.height, dtype=pl.UInt32, eager=True)
    return rows.with_columns(known.alias(PLACE))


TEXTS = ("prompt", "response", "response_0", "response_1", "messages")

_ALWAYS = (*TEXTS, "pair_id", "pair_id_0", "pair_id_1", "prompt_id")

_SAFETY_BESIDE = {f"response_{side}_harm_category": f"is_response_{side}_safe" for side in SIDES}


@dataclass(frozen=True)
class Released:
    """Rows in released columns, and how many of them have turns before the last that are not in them."""

    rows: pl.DataFrame
    without_turns: int = 0


def released_rows(ds: Dataset, rows: pl.DataFrame) -> Released:
    """Released columns of canonical rows, in their order, ids first; a column in which nothing is known is left out.

    Where some row is the end of a conversation, texts are lists of messages.
    """
    shape = _comparisons if "pair_id_0" in rows.columns else _answers if "pair_id" in rows.columns else _questions
    shaped = shape(ds, rows)
    without_turns = int(shaped["is_ambiguous"].sum()) if "is_ambiguous" in shaped.columns else 0
    columns = shaped.drop("is_ambiguous", strict=False).get_columns()
    known = {column.name for column in columns if column.null_count() < shaped.height} | set(_ALWAYS)
    # where categories are known, safety that is not must be said not to be: else it would be derived from them
    known |= {safety for labels, safety in _SAFETY_BESIDE.items() if labels in known}
    return Released(shaped.select(column.name for column in columns if column.name in known), without_turns)


def _answers(ds: Dataset, rows: pl.DataFrame) -> pl.DataFrame:
    texts = ds.pairs.select("pair_id", "prompt", "response", pl.col("source").alias("response_source"))
    whole = with_history(ds, rows.join(texts, on="pair_id", how="left", maintain_order="left"))
    category, severity = ("harm_category" if ds.taxonomy == PKU_SAFERLHF else "category"), "severity_level"
    more = [name for name in ("n_annotations", "n_unsafe", "split") if name in rows.columns]
    talks = ["prompt", "response"]
    if whole["history"].count():
        asked = asked_in_messages(whole["history"], whole["prompt"])
        whole, talks = whole.with_columns(answered_in_messages(asked, whole["response"])), ["messages"]
    return whole.select(
        "pair_id",
        "prompt_id",
        *talks,
        flags_of(rows["labels"], ds.taxonomy).alias(category),
        "is_safe",
        pl.col("severity").alias(severity),
        "response_source",
        *more,
        "is_ambiguous",
    )


_OF_SIDES = {
    "source": "response_{}_source",
    "is_safe": "is_response_{}_safe",
    "severity": "response_{}_severity_level",
    "labels": "response_{}_harm_category",
}
"""Released columns of one answer in a comparison."""


def _comparisons(ds: Dataset, rows: pl.DataFrame) -> pl.DataFrame:
    whole = with_history(ds, compared_texts(ds, rows), ends=[f"_{side}" for side in SIDES])
    if whole["history"].count():
        whole = whole.with_columns(asked_in_messages(whole["history"], whole["prompt"]))
    whole = whole.with_columns(flags_of(rows[f"labels_{side}"], ds.taxonomy).alias(f"labels_{side}") for side in SIDES)
    return whole.select(
        "pair_id_0",
        "pair_id_1",
        "prompt_id",
        "prompt",
        "response_0",
        "response_1",
        "prompt_source",
        *(pl.col(f"{name}_{side}").alias(key.format(side)) for name, key in _OF_SIDES.items() for side in SIDES),
        *(pl.col(order).alias(f"{order}_response_id") for order in ORDERS),
        "split",
        "is_ambiguous",
    )


def compared_texts(ds: Dataset, comparisons: pl.DataFrame) -> pl.DataFrame:
    """Comparisons with their prompt and both answers."""
    prompts = ds.pairs.select("prompt_id", "prompt").unique("prompt_id")
    whole = comparisons.join(prompts, on="prompt_id", how="left", maintain_order="left")
    for side in SIDES:
        renamed = {"pair_id": f"pair_id_{side}", "response": f"response_{side}"}
        answers = ds.pairs.select(pl.col(name).alias(new) for name, new in renamed.items())
        whole = whole.join(answers, on=f"pair_id_{side}", how="left", maintain_order="left")
    return whole


def _questions(ds: Dataset, rows: pl.DataFrame) -> pl.DataFrame:
    """Prompts without answers: the one category of each by its key, or an object where some have none or several."""
    one = rows["labels"].drop_nulls().bitwise_count_ones().eq(1).all()
    return rows.select(
        "prompt_id",
        "prompt",
        (_key_of(rows["labels"], ds.taxonomy) if one else flags_of(rows["labels"], ds.taxonomy)).alias("category"),
        "is_safe",
        "split",
    )


def flags_of(labels: pl.Series, taxonomy: Taxonomy) -> pl.Series:
    """Masks as objects of a boolean for each category, by its released key; null stays null."""
    flags = pl.DataFrame({"labels": labels}).select(
        pl.when(pl.col("labels").is_not_null()).then(pl.struct(taxonomy.has(key).alias(key) for key in taxonomy.keys))
    )
    return flags.to_series()


def _key_of(labels: pl.Series, taxonomy: Taxonomy) -> pl.Series:
    keys = {1 << bit: key for bit, key in enumerate(taxonomy.keys)}
    return labels.replace_strict(keys, default=None, return_dtype=pl.String)


_BETWEEN = " | "


def outside_keys(
    ds: Dataset, rows: pl.DataFrame, *, texts: bool, taken: Iterable[str]
) -> tuple[pl.DataFrame, dict[str, str]]:
    """A column for each key that the data set has, and where a key is left out and why.

    A pair may stand in many rows of a file. What a row itself is called is then not known, and it is left empty; unless
    there are no texts: then all that its pair is called stands there, divided by " | ", and file and line, too.
    """
    names = [name for name in key_names(ds) if name not in taken and not (texts and name == LINE)]
    columns: list[pl.Series] = []
    untold: dict[str, str] = {}
    for name in names:
        for column, values in _values(ds, rows, name):
            if column in taken:
                continue
            several = values.list.len() > 1
            if texts and several.any():
                untold[column] = f"in {several.sum():,} rows, whose pair has several"
            whole = values.list.join(_BETWEEN)
            blank = whole == "" if not texts else (whole == "") | several
            columns.append(whole.set(blank, None).alias(column))
    return pl.DataFrame([column for column in columns if column.null_count() < rows.height]), untold


def _values(ds: Dataset, rows: pl.DataFrame, name: str) -> list[tuple[str, pl.Series]]:
    """Values of a key for each row, as columns of lists."""
    if "pair_id" in rows.columns:
        return [(name, _lists(ds, rows["pair_id"], name))]
    keys = [key for key in ds.keys["key"].unique().sort() if side_of(key)[0] == name and side_of(key)[1] is not None]
    lists = {key: _lists(ds, rows[f"pair_id_{side_of(key)[1]}"].alias("pair_id"), key) for key in keys}
    ends = [key for key in keys if key in (f"{name}_0", f"{name}_1")]
    if len(ends) == len(keys) == 2:  # the file may have had one such column for the row, or one for each answer
        shared = lists[ends[0]].list.set_intersection(lists[ends[1]])
        if shared.list.len().ge(1).all():
            return [(name, shared)]
    return list(lists.items())


def _lists(ds: Dataset, pair_ids: pl.Series, key: str) -> pl.Series:
    return with_keys(pair_ids.to_frame(), ds, keys=[key])[key]
