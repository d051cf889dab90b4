"""Errors of annotators by category: latent prevalence beside the majority's, missed cases, false alarms."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.labels.annotators import META
from btviz.plots.style.captions import doubts, folded, heading
from btviz.plots.style.intervals import DOT, row_chart, span, value_axis
from btviz.plots.style.rendering import HConcatChart
from btviz.plots.style.rows import Rows, rows_beside
from btviz.plots.style.theme import ACCENT, BLACK, MUTED, SEQUENTIAL, TEXT_SIZE, config, needed
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import percent, titles

_PANELS = {
    "prevalence": "Share of pairs",
    "sensitivity": "Sensitivity",
    "false_positive_rate": "False-positive rate",
}

_GAP = 2.5
"""Between the panels, relative to a label."""

_TIGHT = 1.5
"""The same of narrow panels."""

_NARROW = 45.0
"""Least room of a panel, in points, beside labels of the usual size."""

_ENDINGS = ("", "_low", "_high", "_lowest", "_highest")

_UNDEFINED = "no model"


def annotator_noise(
    table: pl.DataFrame,
    *,
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.HConcatChart:
    """Draw how often a category truly holds, how often annotators see it, and how often they flag it by mistake.

    Parameters
    ----------
    table : DataFrame
        `btviz.annotator_noise(ds).table`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles come from; found by the keys if not given.

    Returns
    -------
    alt.HConcatChart
        One row a category, safety on top, and a panel for each parameter: a dot with its 95 % interval by prompt, a
        pale bar for what is compatible with the votes if every pair has error rates of its own, and a black tick for
        the share by majority.

    Raises
    ------
    UsageError
        If a column is missing, or no category has a model.
    """
    columns = [f"{name}{ending}" for name in _PANELS for ending in _ENDINGS]
    needed(table, "category", "n_pairs", "prevalence_majority", "undefined", *columns, call="annotator_noise")
    if table["prevalence"].null_count() == table.height:
        reasons = "; ".join(table["undefined"].drop_nulls().unique(maintain_order=True))
        raise UsageError(f"There is nothing to draw: no category has a model of its annotators. Reason: {reasons}.")
    ordered = table.sort(pl.col("category") != META, -pl.col("prevalence_majority"), maintain_order=True)
    names = {META: "Unsafe", **titles(ordered["category"].filter(ordered["category"] != META), taxonomy=taxonomy)}
    names = {key: names[key] for key in ordered["category"]}
    rows = _rows(names, width=width)
    size = rows.size
    caption = f"{int(table['n_pairs'].max()):,} pairs with three votes or more"  # type: ignore[arg-type]
    caption = " · ".join(part for part in (source, caption) if part)
    note = (
        "Dot: latent class, with 95 % interval by prompt · Pale: compatible with the votes if each pair has error "
        "rates of its own and most votes on it are right · Tick: by majority"
    )
    return HConcatChart(
        hconcat=[_panel(ordered, rows, name=name, is_first=place == 0) for place, name in enumerate(_PANELS)],
        spacing=(_GAP if rows.room >= _NARROW else _TIGHT) * size,
        title=heading(
            "What annotators miss, and what they flag by mistake", caption, note, *_said(table), width=width, size=size
        ),
        description=_description(ordered, names, caption=caption),
        config=config(size=size),
    )


def _rows(names: dict[str, str], *, width: str | float) -> Rows:
    """Rows with the room of one panel; where that is narrow, what has no model says so inside of the last one."""
    gaps = 8 + _GAP * TEXT_SIZE * (len(_PANELS) - 1)
    for texts in ([_UNDEFINED], [""]):
        rows = rows_beside(names, texts=texts, width=width, least=len(_PANELS) * _NARROW + gaps)
        each = (rows.room - gaps) / len(_PANELS)
        if each >= _NARROW:
            return rows._replace(room=each)
    gaps = 8 + _TIGHT * TEXT_SIZE * (len(_PANELS) - 1)
    rows = rows_beside(names, texts=[""], width=width, lines=3)
    return rows._replace(room=max((rows.room - gaps) / len(_PANELS), 20.0))


def _said(table: pl.DataFrame) -> list[str]:
    """One line a doubt that all categories share."""
    known = table.filter(pl.col("prevalence").is_not_null())
    shared = known["doubt"].drop_nulls().unique()
    return doubts(known) if len(shared) == 1 and not known["doubt"].null_count() else []


def _panel(ordered: pl.DataFrame, rows: Rows, *, name: str, is_first: bool) -> alt.LayerChart:
    names, size, room, _ = rows
    is_share = name == "prevalence"
    drawn = ordered.select(
        pl.col("category").alias("key"),
        *(pl.col(f"{name}{ending}").alias((ending or "_value")[1:]) for ending in _ENDINGS),
        *([pl.col("prevalence_majority").alias("majority")] if is_share else []),
    )
    ends = span(drawn, [column for column in drawn.columns if column != "key"], within=(0.0, 0.05))
    scale = alt.Scale(domain=list(ends), nice=False)
    axis = value_axis(room=room, percents=True)
    if room < _NARROW:
        axis.values = list(ends)  # between them there is no room for another label
        axis.labelFlush = True
    base = row_chart(drawn, names)
    if not is_first:
        base = base.encode(y=alt.Y("key:N", scale=alt.Scale(domain=list(names)), title=None, axis=None))
    known = base.transform_filter("datum.value !== null")
    layers = [
        base.transform_filter("datum.lowest !== null")
        .mark_bar(height={"band": 0.62}, fill=SEQUENTIAL[1])
        .encode(x=alt.X("lowest:Q", scale=scale, axis=axis, title=None), x2=alt.X2("highest:Q")),
        known.transform_filter("datum.low !== null")
        .mark_rule(strokeWidth=1.8, stroke=ACCENT)
        .encode(x=alt.X("low:Q", scale=scale), x2=alt.X2("high:Q")),
        known.mark_point(
            size=0.5 * DOT * (size / TEXT_SIZE) ** 2, opacity=1, fill=ACCENT, stroke=ACCENT, strokeWidth=0.5
        ).encode(x=alt.X("value:Q", scale=scale)),
    ]
    if is_share:
        layers.append(
            base.mark_tick(thickness=1.4, size=1.1 * size, color=BLACK).encode(x=alt.X("majority:Q", scale=scale))
        )
    if name == [*_PANELS][-1]:
        missing = base.transform_filter("datum.value === null").transform_calculate(text=f"'{_UNDEFINED}'")
        layers.append(
            missing.mark_text(align="left", fontSize=size, fill=MUTED).encode(
                x=alt.value(0.0 if room < _NARROW else room + 8), text=alt.Text("text:N")
            )
        )
    words = _PANELS[name].replace("-", "- ") if room < _NARROW else _PANELS[name]
    head = folded(words, room=(room + _TIGHT * size) / 1.1, size=size)
    title = alt.TitleParams(
        head, fontSize=size, fontWeight="bold", anchor="start", frame="group", offset=4, orient="top"
    )
    return alt.LayerChart(layer=layers, width=room, height=rows.height(1.9) * len(names), title=title)


def _description(ordered: pl.DataFrame, names: dict[str, str], *, caption: str) -> str:
    """Text for those who do not see the picture: each category's three numbers."""
    known = ordered.drop_nulls("prevalence")
    said = [
        f"{names[row['category']]}: {percent(row['prevalence'])} ({percent(row['prevalence_majority'])} by majority), "
        f"sensitivity {percent(row['sensitivity'])}, false-positive rate {percent(row['false_positive_rate'])}"
        for row in known.to_dicts()
    ]
    return f"Dots of three parameters by category ({caption}). {'; '.join(said)}."
