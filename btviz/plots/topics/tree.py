"""The tree of topics: scales side by side, each topic beside the one that it is a part of."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.arguments import expect_table
from btviz.plots.style.captions import heading
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.theme import GROUPS, INK, MUTED, PADDING, PAPER, TEXT_SIZE, config, points, text_width
from btviz.plots.style.theme import OTHERS as GREY

COLOURS = GROUPS[:7]
"""Of the largest topics of the coarsest scale, and of all their parts; the others are grey."""

HIERARCHY = {
    "node": "whole numbers",
    "scale": "whole numbers",
    "topic": "whole numbers",
    "name": "text",
    "n_pairs": "whole numbers",
}

ROW = 12.0
"""Height that the smallest topic of the finest scale shown would like, in points."""

TALLEST = 620.0

_GAP = 3.0  # between scales, in points


def topic_tree(
    hierarchy: pl.DataFrame,
    *,
    scales: tuple[int, ...] | None = None,
    stability: pl.DataFrame | None = None,
    scale: int | None = None,
    source: str | None = None,
    item: str = "pair",
    width: str | float = "double",
) -> alt.LayerChart:
    """Draw topics of several scales as a tree, coarse ones on the left.

    Parameters
    ----------
    hierarchy : DataFrame
        `Topics.hierarchy`: `node`, `scale`, `topic`, `parent`, `name`, `n_pairs`.
    scales : tuple of int, optional
        Scales to draw; the four coarsest from the first on without.
    stability : DataFrame, optional
        From `topic_stability`, with `scale`: names of unstable topics are faint there.
    scale : int, optional
        Scale of `stability`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    item : str
        What is counted: ``ds.item``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.

    Returns
    -------
    alt.LayerChart
        A box a topic, as tall as it has pairs (outliers leave gaps), in the colour of its topic at the coarsest
        scale. Fields `row` (scale) and `col` (topic) are reported by a click; parameters `chosen_row` and
        `chosen_col`, texts that are empty at first, outline a box.

    Raises
    ------
    UsageError
        If a column is missing.
    """
    expect_table(hierarchy, HIERARCHY, name="hierarchy", source="fit_topics(...).hierarchy")
    shown = scales or tuple(sorted(set(hierarchy["scale"])))[:4]
    known = stability is not None and "unstable" in stability.columns and scale in shown
    unstable = set(stability.filter("unstable")["topic"]) if stability is not None and known else set()
    boxes = _boxes(hierarchy, shown, unstable={(scale, topic) for topic in unstable})
    room = points(width) - 2 * PADDING
    column = room / max(len(shown), 1)
    smallest = max(hierarchy.filter(pl.col("scale").is_in(shown)).group_by("scale").len()["len"], default=1)
    tall = min(TALLEST, max(120.0, ROW * smallest))
    total = max([1.0, *boxes["bottom"]])
    legible = (boxes["bottom"] - boxes["top"]) * tall / total >= TEXT_SIZE * 1.05
    fits = pl.Series([text_width(name, size=TEXT_SIZE) <= column - 10 for name in boxes["name"]], dtype=pl.Boolean)
    named = boxes.filter(legible & fits)
    return LayerChart(
        layer=_layers(boxes, named, column=column, total=total),
        width=room,
        height=tall,
        params=[alt.VariableParameter(name=name, value="") for name in ("chosen_row", "chosen_col")],
        title=heading(
            "Topics and their parts", *_lines(hierarchy, shown, unstable, source=source, item=item), width=width
        ),
        description=f"Tree of topics at {len(shown)} scales; the finest has {smallest} topics.",
        config=config(),
    )


def _boxes(hierarchy: pl.DataFrame, shown: tuple[int, ...], *, unstable: set[tuple[int | None, int]]) -> pl.DataFrame:
    """Place of each topic: its column, and from where to where, in pairs; children within their parent."""
    kept = hierarchy.filter(pl.col("scale").is_in(shown))
    parents = dict(hierarchy.select("node", "parent").iter_rows())
    known = set(kept["node"])
    children: dict[int | None, list[dict[str, object]]] = {}
    for row in kept.sort("n_pairs", descending=True, maintain_order=True).iter_rows(named=True):
        above = parents[row["node"]]
        while above is not None and above not in known:
            above = parents[above]
        children.setdefault(above, []).append(row)
    placed: list[tuple[object, ...]] = []

    def lay(node: int | None, start: float, colour: str | None) -> float:
        for number, row in enumerate(children.get(node, [])):
            own = colour or (COLOURS[number] if number < len(COLOURS) else GREY)
            size = float(row["n_pairs"])  # type: ignore[arg-type]  # whole numbers
            end = max(start + size, lay(int(row["node"]), start, own))  # type: ignore[call-overload]  # a whole number
            faint = (row["scale"], row["topic"]) in unstable
            placed.append((str(row["scale"]), str(row["topic"]), row["name"], row["n_pairs"], start, end, own, faint))
            start = end
        return start

    lay(None, 0.0, None)
    columns = {"row": pl.String, "col": pl.String, "name": pl.String, "n_pairs": pl.Int64}
    columns |= {"top": pl.Float64, "bottom": pl.Float64, "colour": pl.String, "faint": pl.Boolean}
    place = {str(scale): number for number, scale in enumerate(shown)}
    table = pl.DataFrame(placed, schema=columns, orient="row")
    return table.with_columns(pl.col("row").replace_strict(place, return_dtype=pl.Float64, default=0).alias("place"))


def _layers(boxes: pl.DataFrame, named: pl.DataFrame, *, column: float, total: float) -> list[alt.Chart]:
    across = alt.Scale(domain=[0.0, float(boxes["place"].n_unique())], nice=False)
    down = alt.Scale(domain=[total, 0], nice=False)
    right = 1 - _GAP / column
    ends = boxes.with_columns((pl.col("place") + right).alias("right"))
    x, y = alt.X("place:Q").scale(across).axis(None), alt.Y("top:Q").scale(down).axis(None)
    base = alt.Chart(ends).encode(x=x, x2="right:Q", y=y, y2="bottom:Q")
    says = [alt.Tooltip("name:N", title="Topic"), alt.Tooltip("row:N", title="Scale")]
    says.append(alt.Tooltip("n_pairs:Q", title="Number", format=","))
    cell = alt.selection_point(name="cell", fields=["row", "col"], toggle=False)
    faint = alt.when("datum.faint").then(alt.value(MUTED)).otherwise(alt.value(INK))
    middle = named.with_columns(((pl.col("top") + pl.col("bottom")) / 2).alias("middle"))
    words = alt.Chart(middle).encode(x=x, y=alt.Y("middle:Q").scale(down).axis(None), text="name:N")
    return [
        base.mark_rect(stroke=PAPER, strokeWidth=1, opacity=0.32).encode(
            fill=alt.Fill("colour:N", scale=None, legend=None)
        ),
        words.mark_text(align="left", baseline="middle", dx=4, fontSize=TEXT_SIZE).encode(fill=faint),
        base.transform_filter("datum.row === chosen_row && datum.col === chosen_col").mark_rect(
            fill=None, stroke=INK, strokeWidth=2
        ),
        base.mark_rect(opacity=0, cursor="pointer").encode(tooltip=says).add_params(cell),
    ]


def _lines(
    hierarchy: pl.DataFrame, shown: tuple[int, ...], unstable: set[int], *, source: str | None, item: str
) -> list[str]:
    numbers = dict(hierarchy.group_by("scale").len().iter_rows())
    counted = hierarchy.filter(pl.col("scale") == shown[0])["n_pairs"].sum() if shown else 0
    scales = ", ".join(f"{numbers.get(scale, 0)} at scale {scale}" for scale in shown)
    faint = "faint names: seldom found again in fits to parts of the prompts" if unstable else ""
    return [
        " · ".join(part for part in (source, f"{item}s in topics of the coarsest scale · n = {counted:,}") if part),
        " · ".join(part for part in (f"topics from left to right: {scales}", "height: their number", faint) if part),
    ]
