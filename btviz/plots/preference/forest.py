"""The forest plot of preferences: how often the better answer is the safer one, by group.

What p would be by chance alone, against the p that was observed.
"""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.labels.bars import label_room
from btviz.plots.style.intervals import HEADING, marks, row_chart, span, value_axis
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.theme import ACCENT, FAINT, MUTED, OTHERS, config, heading, lookup, needed, percent, titles
from btviz.stats.binning import bar_width, histogram
from btviz.taxonomy.categories import Taxonomy

GROUPING_TITLES = {
    "all": "",
    "stratum": "Safety of the two answers",
    "category": "Harm category of either answer",
    "severity": "Higher severity of the two",
    "source": "Answering models",
    "prompt_source": "Source of the prompt",
}
"""Heading of each grouping of comparisons."""


LEVELS = {
    "all": "All comparisons",
    "both_safe": "Both safe",
    "mixed": "One safe, one not (safer is forced)",
    "both_unsafe": "Both unsafe",
}
"""Names of levels that the data spell as keys."""


_COLUMNS = ("grouping", "level", "n", "prompts", "p", "p_low", "p_high", "naive_low", "naive_high", "undefined")


_KEY = pl.concat_str("grouping", "level", separator="/").alias("key")


def preference_forest(
    table: pl.DataFrame,
    *,
    source: str | None = None,
    margin: float = 0.1,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.LayerChart:
    """Draw P(better = safer) by group, with its intervals and the margin around one half.

    Parameters
    ----------
    table : DataFrame
        ``orthogonality(ds).table`` or some of its rows: `grouping`, `level`, `n`, `prompts`,
        `p`, `p_low`, `p_high`, `naive_low`, `naive_high`, `undefined`. The table of
        `orthogonality_of_counts` will do too.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    margin : float, default 0.1
        Bound on |2p - 1| whose band is drawn; ``orthogonality(ds).margin``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles of categories come from; found by the keys if not given.

    Returns
    -------
    alt.LayerChart
        One row a level, categories by descending p: a dot and its 95 % interval by prompt, the
        interval of independent comparisons in thin grey below; hollow dots have no interval by
        prompt, or one that the table calls doubtful.

    Raises
    ------
    UsageError
        If a column is missing, or no level has a comparison.
    """
    needed(table, *_COLUMNS, call="orthogonality")
    known = _ordered(table.filter(pl.col("p").is_not_null()))
    if known.is_empty():
        raise UsageError("No level of this table has a comparison with both labels, so there is nothing to draw.")
    drawn, names = _drawn(known), _names(known, taxonomy=taxonomy)
    size, room = label_room([*names.values()], texts=drawn["text"].to_list(), width=width)
    caption = _caption(known, source=source)
    return LayerChart(
        layer=_layers(drawn, names, margin=margin, room=room - 8, size=size),
        width=room - 8,
        height=1.9 * size * len(names),
        title=heading("Is the better answer the safer one?", caption, *_notes(drawn, margin=margin), width=width),
        description=_description(known, names, caption=caption),
        config=config(size=size),
    )


def _ordered(table: pl.DataFrame) -> pl.DataFrame:
    """Groupings in the order of `GROUPING_TITLES`, categories by descending p, other levels as they come."""
    place = pl.col("grouping").replace_strict(
        {name: i for i, name in enumerate(GROUPING_TITLES)}, default=len(GROUPING_TITLES)
    )
    by_p = pl.when(pl.col("grouping") == "category").then(-pl.col("p")).otherwise(0.0)
    return table.sort(place, by_p, maintain_order=True)


def level_name(grouping: str, *, level: str, taxonomy: Taxonomy | None = None) -> str:
    """What a picture calls one level of a grouping."""
    if grouping == "category":
        return titles([level], taxonomy=taxonomy)[level]
    return level if grouping in ("source", "prompt_source") else LEVELS.get(level, level.capitalize())


def _names(known: pl.DataFrame, *, taxonomy: Taxonomy | None) -> dict[str, str]:
    """Label of each row, headings among them."""
    categories = titles(known.filter(grouping="category")["level"], taxonomy=taxonomy)
    names: dict[str, str] = {}
    for grouping, level, key in known.select("grouping", "level", _KEY).rows():
        title = GROUPING_TITLES.get(grouping, grouping)
        if title:
            names.setdefault(HEADING + grouping, title)
        names[key] = categories[level] if grouping == "category" else level_name(grouping, level=level)
    return names


def _drawn(known: pl.DataFrame) -> pl.DataFrame:
    text = pl.struct("p", "n").map_elements(lambda row: f"{percent(row['p'])} of {row['n']:,}", return_dtype=pl.String)
    return known.select(
        _KEY,
        pl.col("p").alias("value"),
        pl.col("p_low").alias("low"),
        pl.col("p_high").alias("high"),
        "naive_low",
        "naive_high",
        (pl.col("p_low").is_not_null() & pl.col("undefined").is_null()).alias("solid"),
        text.alias("text"),
    )


def _layers(drawn: pl.DataFrame, names: dict[str, str], *, margin: float, room: float, size: float) -> list[alt.Chart]:
    """The band, the line at one half, naive intervals, and dots with their intervals."""
    low, high = (1 - margin) / 2, (1 + margin) / 2
    ends = span(drawn, ["value", "low", "high", "naive_low", "naive_high"], within=(low, high))
    scale = alt.Scale(domain=list(ends), nice=False)
    x = alt.X("value:Q", scale=scale, axis=value_axis(room=room, percents=True), title="P(better = safer)")
    base = row_chart(drawn, names)
    band = alt.Chart(pl.DataFrame({"from": [low], "to": [high], "half": [0.5]}))
    return [
        band.mark_rect(fill=FAINT).encode(x=alt.X("from:Q", scale=scale), x2="to:Q"),
        band.mark_rule(stroke=MUTED, strokeDash=[3, 2]).encode(x=alt.X("half:Q", scale=scale)),
        base.mark_rule(stroke=OTHERS, strokeWidth=0.9, yOffset=0.45 * size).encode(
            x=alt.X("naive_low:Q", scale=scale), x2="naive_high:Q"
        ),
        *marks(base, x=x, scale=scale, room=room, size=size),
    ]


def _caption(known: pl.DataFrame, *, source: str | None) -> str:
    parts = [source, "comparisons with both labels"]
    total = known.filter(grouping="all")
    if total.height == 1:
        n, prompts = total.select("n", "prompts").row(0)
        parts.append(f"n = {n:,}" + (f", of {prompts:,} prompts" if prompts else ""))
    return " · ".join(part for part in parts if part)


def _notes(drawn: pl.DataFrame, *, margin: float) -> list[str]:
    hollow = drawn.height - drawn["solid"].sum()
    return [
        f"Blue: 95 % interval by prompt · grey: as if comparisons were independent · band: |2p − 1| < {margin:g}",
        f"Hollow: no interval by prompt, or a doubtful one ({hollow} of {drawn.height})" if hollow else "",
    ]


def _description(known: pl.DataFrame, names: dict[str, str], *, caption: str) -> str:
    """Text for those who do not see the picture: all comparisons, and both ends."""
    ends = known.with_columns(_KEY).filter(pl.col("grouping") != "all").sort("p")
    said = [f"All: {percent(p)}." for p in known.filter(grouping="all")["p"]]
    for word, row in zip(("Lowest", "Highest"), (ends.head(1), ends.tail(1)), strict=True):
        said += [f"{word}: {names[key]}, {percent(p)}." for key, p in row.select("key", "p").rows()]
    return f"Forest plot of the share of comparisons whose better answer is the safer one ({caption}). {' '.join(said)}"


ROW = 44.0
"""Height of one level, in points."""


TALLEST = 0.82
"""Share of that height that the highest bar takes."""


BARS = 80
"""Most bars between the ends of the axis."""


STEPS = (0.0025, 0.005, 0.01, 0.02)
"""Widths of a bar."""


def null_distribution(
    table: pl.DataFrame, *, source: str | None = None, width: str | float = "double"
) -> alt.LayerChart:
    """Draw where P(better = safer) falls by chance alone, and where it was observed.

    Parameters
    ----------
    table : DataFrame
        ``orthogonality(ds).null`` or some of its levels: `grouping`, `level`, `p` (one row per
        random turn of the prompts) and `observed`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.

    Returns
    -------
    alt.LayerChart
        One row a level: a histogram of `p` in grey, scaled to its highest bar, and a blue line
        where it was observed.

    Raises
    ------
    UsageError
        If a column is missing, or there are no rows.
    """
    needed(table, "grouping", "level", "p", "observed", call="orthogonality")
    levels = _levels(table)
    bars = _bars(table, levels)
    names = {str(-place): LEVELS.get(level, level) for place, level in levels.select("place", "level").rows()}
    size, room = label_room([*names.values()], texts=levels["text"].to_list(), width=width)
    caption = _null_caption(table, levels, source=source)
    note = "Grey: harmlessness turned around in random prompts · blue: observed"
    return LayerChart(
        layer=_null_layers(bars, levels, names=names, room=room - 8, size=size),
        width=room - 8,
        height=ROW * levels.height,
        title=heading("What chance alone would give", caption, note, width=width),
        description=_null_description(levels, names, caption=caption),
        config=config(size=size),
    )


def _levels(table: pl.DataFrame) -> pl.DataFrame:
    """One row per level, as they come: what was observed, and the ends of what chance gave."""
    of_level = table.group_by("grouping", "level", maintain_order=True).agg(
        pl.len().alias("turns"),
        pl.col("observed").first(),
        pl.col("p").min().alias("least"),
        pl.col("p").max().alias("most"),
    )
    text = pl.col("observed").map_elements(percent, return_dtype=pl.String)
    return of_level.with_row_index("place").with_columns(pl.col("place").cast(pl.Int64), text.alias("text"))


def _bars(table: pl.DataFrame, levels: pl.DataFrame) -> pl.DataFrame:
    """Bars `from` .. `to` that stand on `foot` and end at `top`, the levels one below the other."""
    step = bar_width(*span(table, ["p", "observed"], within=(0.45, 0.55)), widths=STEPS, most=BARS)
    of_levels = []
    for grouping, level, place in levels.select("grouping", "level", "place").rows():
        left, counts = histogram(table.filter(grouping=grouping, level=level)["p"], step=step)
        top = TALLEST * counts / counts.max() - place
        of_levels.append(
            pl.DataFrame({"from": left, "to": left + step, "foot": [float(-place)] * len(left), "top": top})
        )
    return pl.concat(of_levels)


def _null_layers(
    bars: pl.DataFrame, levels: pl.DataFrame, *, names: dict[str, str], room: float, size: float
) -> list[alt.Chart]:
    """Bars, the line they stand on, and what was observed."""
    seen = levels.select(
        "observed", "text", (-pl.col("place").cast(pl.Float64)).alias("foot"), (0.92 - pl.col("place")).alias("end")
    )
    low, high = span(pl.concat([bars, seen], how="diagonal"), ["from", "to", "observed"], within=(0.45, 0.55))
    across = alt.Scale(domain=[low, high], nice=False, zero=False)
    down = alt.Scale(domain=[1 - levels.height, 1], nice=False)
    axis = value_axis(room=room, percents=True)
    labels = alt.Axis(values=[-place for place in levels["place"]], labelExpr=lookup(names), labelBaseline="bottom")
    y = alt.Y("foot:Q", scale=down, axis=labels, title=None)
    x = alt.X("from:Q", scale=across, axis=axis, title="P(better = safer)")
    of_bars, of_seen = alt.Chart(bars), alt.Chart(seen)
    return [
        of_bars.mark_rect(fill=OTHERS, stroke=None).encode(x=x, x2="to:Q", y=y, y2="top:Q"),
        of_seen.mark_rule(stroke=FAINT).encode(y=alt.Y("foot:Q", scale=down)),
        of_seen.mark_rule(stroke=ACCENT, strokeWidth=1.8).encode(
            x=alt.X("observed:Q", scale=across), y=alt.Y("foot:Q", scale=down), y2="end:Q"
        ),
        of_seen.mark_text(align="left", baseline="bottom", fontSize=size, fill=MUTED).encode(
            x=alt.value(room + 8), y=alt.Y("foot:Q", scale=down), text="text:N"
        ),
    ]


def _null_caption(table: pl.DataFrame, levels: pl.DataFrame, *, source: str | None) -> str:
    turns = f"n = {table.height:,} random turns"
    if levels["turns"].n_unique() == 1:
        turns = f"n = {levels['turns'][0]:,} random turns a row"
    return " · ".join(part for part in (source, "comparisons with both labels", turns) if part)


def _null_description(levels: pl.DataFrame, names: dict[str, str], *, caption: str) -> str:
    """Text for those who do not see the picture."""
    said = [
        f"{names[str(-row['place'])]}: observed {row['text']}, by chance {percent(row['least'])} to "
        f"{percent(row['most'])}."
        for row in levels.iter_rows(named=True)
    ]
    return f"Histograms of the share that chance alone would give ({caption}). {' '.join(said)}"
