"""Annotators: how far they agree on each category, as dots with intervals, and how their votes split, as bars."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError, choice
from btviz.plots.style.captions import doubts, heading
from btviz.plots.style.intervals import PERCENT, marks, row_chart, span, value_axis
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.rows import Rows, columns_of, label_axis, rows_beside
from btviz.plots.style.theme import BLACK, MUTED, PAPER, SEQUENTIAL, config, needed
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import percent, titles

AGREEMENT = {
    "alpha": ("krippendorff_alpha", "Krippendorff's alpha", ""),
    "ac1": ("gwet_ac1", "Gwet's AC1", ""),
    "kappa": ("fleiss_kappa_mode", "Fleiss' kappa, over pairs with the most frequent number of annotations", ""),
    "agreement": ("agreement", "Share of pairs of annotators who agree", "published_agreement"),
    "disputed": ("disputed", "Share of pairs with unequal votes", "published_disputed"),
}
"""What can be drawn: its column, its name, and the column of what was published about it."""

META = "is_safe"

_SHARES = ("agreement", "disputed")


def agreement(
    table: pl.DataFrame,
    *,
    coefficient: str = "alpha",
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.LayerChart:
    """Draw the agreement of annotators on safety and on each category, highest first.

    Parameters
    ----------
    table : DataFrame
        From `annotator_agreement`: `category`, `n_pairs`, `few_prompts`, `undefined`, and the
        coefficient with its `_low` and `_high`; `published_agreement` and `published_disputed`
        for the two that were printed.
    coefficient : {"alpha", "ac1", "kappa", "agreement", "disputed"}
        What to draw; see `AGREEMENT`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles come from; found by the keys if not given.

    Returns
    -------
    alt.LayerChart
        One row a category, safety on top: a dot with its 95 % interval by prompt, hollow where
        few prompts carry it; a black tick where a value was published.

    Raises
    ------
    UsageError
        If a column is missing, the coefficient is unknown, or it has no value in any row.
    """
    column, title, published = AGREEMENT[choice(coefficient, AGREEMENT, what="coefficient")]
    ends = [f"{column}_low", f"{column}_high"]
    beside = [published] if published else []
    needed(table, "category", "n_pairs", "few_prompts", "undefined", column, *ends, *beside, call="annotator_agreement")
    drawn = _drawn(table, column=column, published=published, percents=coefficient in _SHARES)
    names = {META: "Safe or unsafe", **titles(drawn.filter(pl.col("key") != META)["key"], taxonomy=taxonomy)}
    names = {key: names[key] for key in drawn["key"]}
    rows = rows_beside(names, texts=drawn["text"].to_list(), width=width)
    rows = rows._replace(room=rows.room - 8)
    caption = _caption(table, source=source)
    notes = [title, *_notes(drawn, table, published=published), *doubts(table)]
    return LayerChart(
        layer=_layers(drawn, rows, percents=coefficient in _SHARES),
        width=rows.room,
        height=rows.height(1.9) * len(names),
        title=heading("How far annotators agree", caption, *notes, width=width),
        description=_description(drawn, names, title=title, caption=caption),
        config=config(size=rows.size),
    )


def _drawn(table: pl.DataFrame, *, column: str, published: str, percents: bool) -> pl.DataFrame:
    """One row per category, safety first, then by descending value; undefined ones last."""
    if table[column].null_count() == table.height:
        reasons = "; ".join(table["undefined"].drop_nulls().unique(maintain_order=True))
        raise UsageError(f"There is nothing to draw: {column} has no value in any row. Reason: {reasons}.")
    value = pl.col(column)
    written = value.map_elements(percent if percents else "{:.2f}".format, return_dtype=pl.String)
    return table.sort(pl.col("category") != META, -value, nulls_last=True, maintain_order=True).select(
        pl.col("category").alias("key"),
        value.alias("value"),
        pl.col(f"{column}_low").alias("low"),
        pl.col(f"{column}_high").alias("high"),
        (~pl.col("few_prompts")).alias("solid"),
        written.fill_null("undefined").alias("text"),
        *([pl.col(published).alias("printed")] if published and table[published].null_count() < table.height else []),
    )


def _layers(drawn: pl.DataFrame, rows: Rows, *, percents: bool) -> list[alt.Chart]:
    """Dots with their intervals, and ticks of what was published."""
    columns = [name for name in ("value", "low", "high", "printed") if name in drawn.columns]
    low, high = span(drawn, columns, within=(0.0, 0.05))
    scale = alt.Scale(domain=[low, high], nice=False)
    x = alt.X("value:Q", scale=scale, axis=value_axis(room=rows.room, percents=percents), title=None)
    base = row_chart(drawn, rows.names)
    layers = marks(base, x=x, scale=scale, room=rows.room, size=rows.size)
    if "printed" in drawn.columns:
        tick = base.transform_filter("datum.printed !== null").mark_tick(
            thickness=1.4, size=1.3 * rows.size, color=BLACK
        )
        layers.append(tick.encode(x=alt.X("printed:Q", scale=scale)))
    return layers


def _caption(table: pl.DataFrame, *, source: str | None) -> str:
    fewest, most = int(table["n_pairs"].min()), int(table["n_pairs"].max())  # type: ignore[arg-type]
    n = f"n = {most:,}" if fewest == most else f"n = {fewest:,} to {most:,}"
    return " · ".join(part for part in (source, "pairs annotated twice or more", n) if part)


def _notes(drawn: pl.DataFrame, table: pl.DataFrame, *, published: str) -> list[str]:
    few = drawn.filter(~pl.col("solid"), pl.col("value").is_not_null()).height
    notes = ["Bar: 95 % interval by prompt"]
    if few:
        notes[0] += f" · hollow: too few prompts for its coverage to be sure ({few} of {drawn.height})"
    if "printed" in drawn.columns:
        column = (
            table[f"{published}_split"] if f"{published}_split" in table.columns else pl.Series([], dtype=pl.String)
        )
        splits = column.drop_nulls().unique().sort().to_list()
        notes.append(f"Tick: published, {', '.join(splits)} split" if splits else "Tick: published")
    return notes


def _description(drawn: pl.DataFrame, names: dict[str, str], *, title: str, caption: str) -> str:
    """Text for those who do not see the picture: safety, and both ends."""
    known = drawn.drop_nulls("value")
    said = [f"{names[META]}: {text}." for text in known.filter(key=META)["text"]]
    others = known.filter(pl.col("key") != META)
    for word, row in zip(("Highest", "Lowest"), (others.head(1), others.tail(1)), strict=True):
        said += [f"{word}: {names[key]}, {text}." for key, text in row.select("key", "text").rows()]
    return f"Dots of agreement on each category: {title} ({caption}). {' '.join(said)}"


SHOWN = {
    "unanimous": ("All flag it", SEQUENTIAL[5]),
    "majority": ("More than half", SEQUENTIAL[3]),
    "tie": ("Half", "#f0b429"),
    "minority": ("Fewer than half", SEQUENTIAL[1]),
}
"""Legend and colour of each way in which votes fall; a tie stands out."""


def vote_splits(
    table: pl.DataFrame,
    *,
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.LayerChart:
    """Draw how votes fall on the pairs that anybody flags, safety first, then by unanimity.

    Parameters
    ----------
    table : DataFrame
        From `vote_splits`: `category`, `votes`, `n`, `share`, `n_flagged`, `n_pairs`, `undefined`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles come from; found by the keys if not given.

    Returns
    -------
    alt.LayerChart
        One bar a category, of the shares of unanimous, majority, tied and minority votes; the
        number of pairs beside it.

    Raises
    ------
    UsageError
        If a column is missing, or no pair is flagged.
    """
    needed(table, "category", "votes", "n", "share", "n_flagged", "n_pairs", "undefined", call="vote_splits")
    known = table.filter(pl.col("share").is_not_null())
    if known.is_empty():
        reasons = "; ".join(table["undefined"].drop_nulls().unique(maintain_order=True))
        raise UsageError(f"There is nothing to draw: no split of votes has a value. Reason: {reasons}.")
    drawn = _drawn_votes(known)
    keys = drawn["key"].unique(maintain_order=True)
    names = {META: "Unsafe", **titles(keys.filter(keys != META), taxonomy=taxonomy)}
    names = {key: names[key] for key in keys}
    texts = drawn["text"].drop_nulls().to_list()
    rows = rows_beside(names, texts=texts, width=width)
    rows = rows._replace(room=rows.room - 8)
    caption = _caption(known, source=source)
    note = "Of the pairs that at least one annotator flags, how many flag it · right: these pairs"
    return LayerChart(
        layer=_vote_layers(drawn, rows),
        width=rows.room,
        height=rows.height(2.0) * len(names),
        title=heading("How the votes fall on a pair", caption, note, *doubts(table), width=width),
        description=_votes_description(drawn, names, caption=caption),
        config=config(size=rows.size),
    )


def _drawn_votes(known: pl.DataFrame) -> pl.DataFrame:
    """One row per part of a bar, from left to right; the first of each carries the text."""
    first = pl.col("votes") == next(iter(SHOWN))
    unanimity = pl.col("share").filter(first).first().over("category")
    place = pl.col("votes").replace_strict({name: i for i, name in enumerate(SHOWN)}, return_dtype=pl.Int64)
    ordered = known.with_columns(unanimity.alias("unanimity"), place.alias("place")).sort(
        pl.col("category") != META, -pl.col("unanimity"), "category", "place"
    )
    end = pl.col("share").cum_sum().over("category")
    return ordered.filter(first | (pl.col("n") > 0)).select(
        pl.col("category").alias("key"),
        pl.col("votes").replace_strict({name: title for name, (title, _) in SHOWN.items()}).alias("votes"),
        (end - pl.col("share")).clip(0, 1).alias("from"),
        end.clip(0, 1).alias("to"),
        pl.when(first).then(pl.col("n_flagged").map_elements("{:,}".format, return_dtype=pl.String)).alias("text"),
    )


def _vote_layers(drawn: pl.DataFrame, rows: Rows) -> list[alt.Chart]:
    y = alt.Y("key:N").scale(domain=list(rows.names)).title(None).axis(label_axis(rows.names))
    base = alt.Chart(drawn).encode(y=y)
    values = [0, 0.25, 0.5, 0.75, 1] if rows.room > 130 else [0, 0.5, 1]
    axis = alt.Axis(values=values, labelExpr=PERCENT, labelFlush=False)
    columns = columns_of([name for name, _ in SHOWN.values()], room=rows.room)
    legend = alt.Legend(orient="bottom", title=None, columns=columns, symbolType="square")
    occurring = [shown for shown in SHOWN.values() if shown[0] in drawn["votes"]]
    named, colours = zip(*occurring, strict=True)
    fill = alt.Color("votes:N").scale(domain=list(named), range=list(colours)).legend(legend)
    x = alt.X("from:Q").scale(domain=[0, 1], nice=False).axis(axis).title("Share of flagged pairs")
    return [
        base.mark_bar(height={"band": 0.72}, stroke=PAPER, strokeWidth=0.5).encode(x=x, x2=alt.X2("to:Q"), color=fill),
        base.transform_filter("datum.text !== null")
        .mark_text(align="left", fontSize=rows.size, fill=MUTED)
        .encode(x=alt.value(rows.room + 8), text=alt.Text("text:N")),
    ]


def _votes_description(drawn: pl.DataFrame, names: dict[str, str], *, caption: str) -> str:
    """Text for those who do not see the picture: the unanimous share of each bar."""
    first = drawn.filter(pl.col("text").is_not_null())
    said = [f"{names[key]}: {percent(to)} of {text}" for key, to, text in first.select("key", "to", "text").rows()]
    return f"Stacked bars of votes on flagged pairs ({caption}). All annotators flag it: {'; '.join(said)}."
