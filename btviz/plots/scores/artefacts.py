"""How far labels are told by parts of a pair: a forest with a panel for each part, beside the whole pair."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.captions import heading
from btviz.plots.style.intervals import span
from btviz.plots.style.rendering import ConcatChart
from btviz.plots.style.theme import ACCENT, FAINT, MUTED, PADDING, PAPER, TEXT_SIZE, config, needed, points, text_width
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import titles

PARTS = {"prompt": "Prompt", "lengths": "Lengths", "refusal": "Refusal", "source": "Answering model"}
"""Headings of the panels."""

OUTCOMES = {"unsafe": "Unsafe", "better": "Better", "safer": "Safer"}
UNITS = {"pair": "pairs", "comparison": "comparisons"}
NOTE = "Line: 95 % interval by prompt, of predictions held out · grey mark: prompt and answer together · dashed: chance"
HOLLOW = "hollow: no interval, or one that a few prompts decide"

ROW = 15.0
GAP = 12.0

NARROWEST = 52.0
"""Width of a panel, in points, in which its axis can still be read."""


def artefact_forest(
    table: pl.DataFrame, *, source: str | None = None, width: str | float = "double", taxonomy: Taxonomy | None = None
) -> alt.ConcatChart:
    """Draw how far each label is told by the prompt, lengths, refusal or the answering model alone.

    Parameters
    ----------
    table : DataFrame
        From `btviz.artefact_baselines`, or some of its outcomes.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles of categories come from; found by the keys if not given.

    Returns
    -------
    alt.ConcatChart
        A panel for each baseline that has a value, a row for each outcome, categories by the area that the prompt
        has: the area under the ROC curve with its interval, beside that of prompt and answer together. Hollow dots
        have no interval, or a doubtful one.

    Raises
    ------
    UsageError
        If a column is missing, nothing has a value, or names leave no room for the panels.
    """
    needed(
        table,
        *("outcome", "baseline", "unit", "n", "support", "prompts", "auc", "low", "high", "undefined"),
        call="artefact_baselines",
    )
    known = table.drop_nulls("auc")
    shown = [name for name in PARTS if not known.filter(baseline=name).is_empty()]
    if not shown:
        raise UsageError("No outcome of this table has an area under the curve for any baseline. `undefined` says why.")
    names = _names(known, taxonomy=taxonomy)
    room = points(width) - 2 * PADDING - max(text_width(name) for name in names.values()) - 12
    room = (room - (len(shown) - 1) * GAP) / len(shown)
    if room < NARROWEST:
        raise UsageError(
            f"{len(shown)} panels beside these names were to fit in {points(width):.0f} points; {room:.0f} are left "
            'for each. Use width="double", or fewer baselines.'
        )
    ends = span(known, ("auc", "low", "high"), within=(0.45, 0.8))
    caption = _caption(known, source=source)
    note = (
        f"{NOTE} · {HOLLOW}"
        if known.filter(pl.col("low").is_null() | pl.col("undefined").is_not_null()).height
        else NOTE
    )
    return ConcatChart(
        concat=[
            _panel(known, name, names=names, ends=ends, room=room, is_first=place == 0)
            for place, name in enumerate(shown)
        ],
        columns=len(shown),
        spacing=GAP,
        title=heading("What can be told without reading the pair?", caption, note, width=width),
        description=_description(known, names, caption=caption),
        config=config(),
    )


def _names(known: pl.DataFrame, *, taxonomy: Taxonomy | None) -> dict[str, str]:
    """Name of each outcome: safety and order first, then categories, most told by the prompt first."""
    first = [name for name in OUTCOMES if name in known["outcome"]]
    of_prompt = known.filter(pl.col("baseline") == "prompt", ~pl.col("outcome").is_in(first)).sort(
        "auc", descending=True
    )
    rest = known.filter(~pl.col("outcome").is_in([*first, *of_prompt["outcome"]]))["outcome"].unique(
        maintain_order=True
    )
    keys = [*first, *of_prompt["outcome"], *rest]
    named = OUTCOMES | titles([key for key in keys if key not in first], taxonomy=taxonomy)
    support = dict(known.select("outcome", "support").rows())
    return {key: f"{named[key]} ({support[key]:,})" for key in keys}


def _panel(
    known: pl.DataFrame, baseline: str, *, names: dict[str, str], ends: tuple[float, float], room: float, is_first: bool
) -> alt.LayerChart:
    whole = known.filter(baseline="qa").select("outcome", pl.col("auc").alias("whole"))
    rows = (
        known.filter(baseline=baseline)
        .join(whole, on="outcome", how="left")
        .select(
            pl.col("outcome").replace_strict(names).alias("name"),
            *("auc", "low", "high", "whole"),
            (pl.col("low").is_not_null() & pl.col("undefined").is_null()).alias("solid"),
        )
    )
    scale = alt.Scale(domain=list(ends), nice=False, zero=False)
    axis = alt.Axis(grid=True, gridColor=FAINT, values=[0.5, 0.75, 1.0], labelExpr="format(datum.value, '.2~f')")
    x = alt.X("auc:Q", scale=scale, axis=axis, title="AUC")
    domain = alt.Scale(domain=list(names.values()))
    y = alt.Y("name:N", scale=domain, title=None, axis=alt.Axis(labelLimit=0) if is_first else None)
    base = alt.Chart(rows).encode(y=y)
    fill = alt.when("datum.solid").then(alt.value(ACCENT)).otherwise(alt.value(PAPER))
    chance = alt.Chart(pl.DataFrame({"at": [0.5]})).mark_rule(stroke=MUTED, strokeDash=[3, 2])
    layers = [
        chance.encode(x=alt.X("at:Q", scale=scale)),
        base.transform_filter("datum.whole !== null")
        .mark_tick(color=MUTED, thickness=1.6, size=9)
        .encode(x=alt.X("whole:Q", scale=scale)),
        base.transform_filter("datum.low !== null")
        .mark_rule(strokeWidth=1.6, stroke=ACCENT)
        .encode(x=alt.X("low:Q", scale=scale), x2=alt.X2("high:Q")),
        base.mark_point(size=24, opacity=1, stroke=ACCENT, strokeWidth=1.2).encode(x=x, fill=fill),
    ]
    title = alt.TitleParams(text=PARTS[baseline], fontSize=TEXT_SIZE, frame="group", anchor="start", offset=4)
    return alt.LayerChart(layer=layers, width=room, height=ROW * len(names), title=title)


def _caption(known: pl.DataFrame, *, source: str | None) -> str:
    largest = known.group_by("unit", maintain_order=True).agg(pl.col("n", "prompts").max())
    counts = [f"n = {n:,} {UNITS[unit]} of {prompts:,} prompts" for unit, n, prompts in largest.rows()]
    return " · ".join(part for part in (source, *counts, "in brackets: those with the label") if part)


def _description(known: pl.DataFrame, names: dict[str, str], *, caption: str) -> str:
    """Text for those who do not see the picture: every area of the first outcome."""
    first = next(iter(names))
    areas = dict(known.filter(outcome=first).select("baseline", "auc").rows())
    said = ", ".join(f"{PARTS.get(name, 'prompt and answer').lower()} {auc:.2f}" for name, auc in areas.items())
    return f"Areas under the ROC curve of labels told from parts of a pair ({caption}). {names[first]}: {said}."
