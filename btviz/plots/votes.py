"""Stacked bars: how the annotators of a pair split over each category."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.annotators import META
from btviz.plots.intervals import PERCENT
from btviz.plots.naming import lookup, titles
from btviz.plots.rendering import LayerChart
from btviz.plots.shares import label_room
from btviz.plots.theme import MUTED, PAPER, SEQUENTIAL, config, heading, needed, percent
from btviz.taxonomy import Taxonomy

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
    drawn = _drawn(known)
    keys = drawn["key"].unique(maintain_order=True)
    names = {META: "Unsafe", **titles(keys.filter(keys != META), taxonomy=taxonomy)}
    names = {key: names[key] for key in keys}
    texts = drawn["text"].drop_nulls().to_list()
    size, room = label_room([*names.values()], texts=texts, width=width)
    caption = _caption(known, source=source)
    note = "Of the pairs that at least one annotator flags, how many flag it · right: these pairs"
    return LayerChart(
        layer=_layers(drawn, names, room=room - 8, size=size),
        width=room - 8,
        height=2.0 * size * len(names),
        title=heading("How the votes fall on a pair", caption, note, width=width),
        description=_description(drawn, names, caption=caption),
        config=config(size=size),
    )


def _drawn(known: pl.DataFrame) -> pl.DataFrame:
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


def _layers(drawn: pl.DataFrame, names: dict[str, str], *, room: float, size: float) -> list[alt.Chart]:
    y = alt.Y("key:N").scale(domain=list(names)).title(None).axis(labelExpr=lookup(names))
    base = alt.Chart(drawn).encode(y=y)
    axis = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], labelExpr=PERCENT, labelFlush=False)
    columns = 4 if room > 260 else 2
    legend = alt.Legend(orient="bottom", title=None, columns=columns, symbolType="square")
    occurring = [shown for shown in SHOWN.values() if shown[0] in drawn["votes"]]
    named, colours = zip(*occurring, strict=True)
    fill = alt.Color("votes:N").scale(domain=list(named), range=list(colours)).legend(legend)
    x = alt.X("from:Q").scale(domain=[0, 1], nice=False).axis(axis).title("Share of flagged pairs")
    return [
        base.mark_bar(height={"band": 0.72}, stroke=PAPER, strokeWidth=0.5).encode(x=x, x2="to:Q", color=fill),
        base.transform_filter("datum.text !== null")
        .mark_text(align="left", fontSize=size, fill=MUTED)
        .encode(x=alt.value(room + 8), text="text:N"),
    ]


def _caption(known: pl.DataFrame, *, source: str | None) -> str:
    fewest, most = int(known["n_pairs"].min()), int(known["n_pairs"].max())  # type: ignore[arg-type]
    n = f"n = {most:,}" if fewest == most else f"n = {fewest:,} to {most:,}"
    return " · ".join(part for part in (source, "pairs annotated twice or more", n) if part)


def _description(drawn: pl.DataFrame, names: dict[str, str], *, caption: str) -> str:
    """Text for those who do not see the picture: the unanimous share of each bar."""
    first = drawn.filter(pl.col("text").is_not_null())
    said = [f"{names[key]}: {percent(to)} of {text}" for key, to, text in first.select("key", "to", "text").rows()]
    return f"Stacked bars of votes on flagged pairs ({caption}). All annotators flag it: {'; '.join(said)}."
