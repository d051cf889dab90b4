"""How far annotators agree on each category: dots with intervals, the published value beside."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError, choice
from btviz.plots.intervals import marks, row_chart, span, value_axis
from btviz.plots.naming import titles
from btviz.plots.rendering import LayerChart
from btviz.plots.shares import label_room
from btviz.plots.theme import BLACK, config, heading, needed, percent
from btviz.taxonomy import Taxonomy

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
    size, room = label_room([*names.values()], texts=drawn["text"].to_list(), width=width)
    caption = _caption(table, source=source)
    notes = [title, *_notes(drawn, table, published=published)]
    return LayerChart(
        layer=_layers(drawn, names, room=room - 8, size=size, percents=coefficient in _SHARES),
        width=room - 8,
        height=1.9 * size * len(names),
        title=heading("How far annotators agree", caption, *notes, width=width),
        description=_description(drawn, names, title=title, caption=caption),
        config=config(size=size),
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


def _layers(drawn: pl.DataFrame, names: dict[str, str], *, room: float, size: float, percents: bool) -> list[alt.Chart]:
    """Dots with their intervals, and ticks of what was published."""
    columns = [name for name in ("value", "low", "high", "printed") if name in drawn.columns]
    low, high = span(drawn, columns, within=(0.0, 0.05))
    scale = alt.Scale(domain=[low, high], nice=False)
    x = alt.X("value:Q", scale=scale, axis=value_axis(room=room, percents=percents), title=None)
    base = row_chart(drawn, names)
    layers = marks(base, x=x, scale=scale, room=room, size=size)
    if "printed" in drawn.columns:
        tick = base.transform_filter("datum.printed !== null").mark_tick(thickness=1.4, size=1.3 * size, color=BLACK)
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
        told = table[f"{published}_split"] if f"{published}_split" in table.columns else pl.Series([], dtype=pl.String)
        splits = told.drop_nulls().unique().sort().to_list()
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
