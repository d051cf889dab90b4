"""Structure of the harm categories in pictures: network, loadings, scree and dendrogram; all print in one colour."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import altair as alt
import polars as pl

from btviz.plots.labels.matrix import COEFFICIENTS, LEGIBLE
from btviz.plots.style.captions import folded, heading, population
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.rows import label_axis, rows_beside
from btviz.plots.style.theme import (
    BLACK,
    FAINT,
    INK,
    MUTED,
    PADDING,
    PAPER,
    TEXT_SIZE,
    config,
    needed,
    points,
    text_width,
)
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import titles

DASHES = {"more often": [1, 0], "less often": [5, 3]}
"""Lines of pairs that occur together more and less often than chance would, all other categories given."""

STRENGTHS = (1.0, 2.0, 4.0)
"""Sizes of a log odds ratio that the key of the network shows."""

_WIDTH = 1.1  # points of line per unit of log odds ratio
_THICKEST = 5.5
_RING = 120.0
_NODE = 9.0
_LINE = 10.0
_SMALLEST = 40.0  # ring beside names; where it would be smaller, numbers stand there, and the names below
_LISTED = 11.0
_KEY_ROW = 14.0
_KEY_LINE = 26.0
_ROOMY = 20.0  # narrowest cell for numbers of the usual size
_ABOVE = 26.0  # room above and below the ring


def category_network(
    table: pl.DataFrame,
    *,
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.LayerChart:
    """Draw which categories are associated given all others, as a network on a ring.

    Parameters
    ----------
    table : DataFrame
        ``category_structure(ds).pairs``: `row`, `col`, `row_order`, `col_order`, `is_stable`, `log_odds_ratio`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles come from; found by the keys if not given.

    Returns
    -------
    alt.LayerChart
        Similar categories side by side; a line for each stable pair, as wide as its log odds ratio is far from 0,
        dashed where it is below 0.

    Raises
    ------
    UsageError
        If a column is missing, or the table holds more than one population.
    """
    needed(table, "row", "col", "row_order", "col_order", "is_stable", "log_odds_ratio", call="category_structure")
    caption = population(table, source=source)
    order = _in_order(table)
    names = titles(order, taxonomy=taxonomy)
    room = points(width) - 2 * PADDING
    beside = max(text_width(name) for name in names.values()) + _NODE
    ring = min(_RING, (room - 2 * beside) / 2 - 4)
    listed = {} if ring >= _SMALLEST else {key: str(place) for place, key in enumerate(order, start=1)}
    ring = min(_RING, 0.36 * room) if listed else ring
    nodes = _nodes(order, names=listed or names, ring=ring, table=table)
    edges = _edges(table, nodes=nodes)
    key, taken = _key(room)
    below = taken + _LISTED * len(listed)
    box = (room / 2, ring + _ABOVE, below)
    return LayerChart(
        layer=[
            *_lines(edges, box=box),
            *_dots(nodes, box=box),
            *_placed(key, box=box),
            *_list(listed, names, box=box, under=taken),
        ],
        width=room,
        height=2 * (ring + _ABOVE) + below,
        title=heading(
            "Which categories go together, all others given",
            caption,
            f"Lines: {edges.height} of {table['is_stable'].count()} pairs, stable in halves of the prompts · "
            "width: size of the log odds ratio",
            width=width,
        ),
        description=_told(edges, names=names, caption=caption),
        config=config(),
    )


def _in_order(table: pl.DataFrame) -> list[str]:
    """Categories that take part, in the order of the dendrogram's leaves."""
    sides = [table.select(pl.col(side).alias("key"), pl.col(f"{side}_order").alias("order")) for side in ("row", "col")]
    return pl.concat(sides).drop_nulls().unique().sort("order")["key"].to_list()


def _nodes(order: Sequence[str], *, names: Mapping[str, str], ring: float, table: pl.DataFrame) -> pl.DataFrame:
    joined = set(table.filter("is_stable")["row"]) | set(table.filter("is_stable")["col"])
    rows = []
    for place, key in enumerate(order):
        angle = 2 * math.pi * (place + 0.5) / len(order)
        x, y = math.sin(angle), math.cos(angle)
        rows.append(
            {
                "key": key,
                "name": names[key],
                "x": ring * x,
                "y": ring * y,
                "label_x": (ring + _NODE) * x,
                "label_y": (ring + _NODE) * y,
                "align": "left" if x > 0.05 else "right" if x < -0.05 else "center",
                "joined": key in joined,
            }
        )
    return _apart(pl.DataFrame(rows))


def _apart(nodes: pl.DataFrame) -> pl.DataFrame:
    """The same, labels of one side a line from each other; one in the middle stands clear of both sides."""
    heights = dict(nodes.select("key", "label_y").rows())
    for side in ("left", "right"):
        keys = nodes.filter(align=side).sort("label_y")["key"].to_list()
        for lower, upper in itertools.pairwise(keys):
            heights[upper] = max(heights[upper], heights[lower] + _LINE)
    moved = nodes.with_columns(pl.col("key").replace_strict(heights, return_dtype=pl.Float64).alias("label_y"))
    below = pl.when(pl.col("label_y") < 0).then(-_LINE).otherwise(_LINE)
    return moved.with_columns(pl.col("label_y") + pl.when(pl.col("align") == "center").then(below).otherwise(0.0))


def _edges(table: pl.DataFrame, *, nodes: pl.DataFrame) -> pl.DataFrame:
    place = nodes.select("key", "x", "y")
    ratio = pl.col("log_odds_ratio")
    ends = place.rename({"x": "x2", "y": "y2"})
    stable = table.filter("is_stable").join(place, left_on="row", right_on="key", maintain_order="left")
    joined = stable.join(ends, left_on="col", right_on="key", maintain_order="left")
    return joined.select(
        *("row", "col", "log_odds_ratio", "x", "y", "x2", "y2"),
        pl.when(ratio < 0).then(pl.lit("less often")).otherwise(pl.lit("more often")).alias("sign"),
        (ratio.abs() * _WIDTH).clip(0.4, _THICKEST).alias("stroke"),
    ).sort("stroke")


def _axes(box: tuple[float, float, float]) -> tuple[alt.Scale, alt.Scale]:
    """Scales on which a unit is a point, so that the ring is round; below it there is room for the key."""
    across, down, below = box
    return alt.Scale(domain=[-across, across], nice=False), alt.Scale(domain=[-down - below, down], nice=False)


def _lines(edges: pl.DataFrame, *, box: tuple[float, float, float]) -> list[alt.Chart]:
    across, down = _axes(box)
    charts = []
    for sign, dash in DASHES.items():
        base = alt.Chart(edges.filter(sign=sign)).encode(
            x=alt.X("x:Q", scale=across, axis=None),
            y=alt.Y("y:Q", scale=down, axis=None),
            x2=alt.X2("x2:Q"),
            y2=alt.Y2("y2:Q"),
        )
        charts.append(
            base.mark_rule(stroke=INK, strokeDash=dash, opacity=0.75).encode(
                strokeWidth=alt.StrokeWidth("stroke:Q", scale=None, legend=None)
            )
        )
    return charts


def _dots(nodes: pl.DataFrame, *, box: tuple[float, float, float]) -> list[alt.Chart]:
    across, down = _axes(box)
    at = alt.Chart(nodes).encode(x=alt.X("x:Q", scale=across, axis=None), y=alt.Y("y:Q", scale=down, axis=None))
    fill = alt.when("datum.joined").then(alt.value(INK)).otherwise(alt.value(PAPER))
    charts = [at.mark_point(shape="circle", size=42, opacity=1, stroke=INK, strokeWidth=1).encode(fill=fill)]
    for align in ("left", "right", "center"):
        some = alt.Chart(nodes.filter(align=align)).encode(
            x=alt.X("label_x:Q", scale=across, axis=None),
            y=alt.Y("label_y:Q", scale=down, axis=None),
            text=alt.Text("name:N"),
        )
        charts.append(some.mark_text(align=align, baseline="middle", fontSize=TEXT_SIZE))
    return charts


def _key(room: float) -> tuple[list[dict[str, Any]], float]:
    """What dashes and widths mean: each with its place, counted from below the ring, and the height of all."""
    signs = [(dash, 2.0, f"{sign} than chance") for sign, dash in DASHES.items()]
    sizes = [([1, 0], size, f"{size:g}") for size in STRENGTHS]
    taken = {text: _KEY_LINE + 8 + text_width(text) for *_, text in (*signs, *sizes)}
    fits = sum(taken.values()) + 12 * (len(taken) - 1) <= room
    lines = [[*signs, *sizes]] if fits else [*([sign] for sign in signs), sizes]
    entries = []
    for row, line in enumerate(lines):
        left = -(sum(taken[text] for *_, text in line) + 12 * (len(line) - 1)) / 2
        for dash, size, text in line:
            entries.append({"x": left, "row": row, "dash": dash, "size": size, "text": text})
            left += taken[text] + 12
    return entries, 26.0 + _KEY_ROW * (len(lines) - 1)


def _placed(key: list[dict[str, Any]], *, box: tuple[float, float, float]) -> list[alt.Chart]:
    """The key, below the ring."""
    across, down = _axes(box)
    charts = []
    for entry in key:
        left, y = entry["x"], -box[1] - 14.0 - _KEY_ROW * entry["row"]
        ends = {"x": [left], "x2": [left + _KEY_LINE], "y": [y], "at": [left + _KEY_LINE + 5], "text": [entry["text"]]}
        base = alt.Chart(pl.DataFrame(ends)).encode(y=alt.Y("y:Q", scale=down, axis=None))
        line = base.mark_rule(stroke=INK, strokeDash=entry["dash"], strokeWidth=entry["size"] * _WIDTH, opacity=0.75)
        label = base.mark_text(align="left", baseline="middle", fontSize=TEXT_SIZE, fill=MUTED)
        charts += [
            line.encode(x=alt.X("x:Q", scale=across, axis=None), x2=alt.X2("x2:Q")),
            label.encode(x=alt.X("at:Q", scale=across, axis=None), text=alt.Text("text:N")),
        ]
    return charts


def _list(
    listed: Mapping[str, str], names: Mapping[str, str], *, box: tuple[float, float, float], under: float
) -> list[alt.Chart]:
    """What the numbers on the ring stand for, a line each below the key."""
    across, down = _axes(box)
    first = -box[1] - under - _LISTED / 2
    left = -box[0] + text_width("00")
    charts = []
    sides: tuple[tuple[Mapping[str, str], float, Literal["left", "right"]], ...]
    sides = ((listed, left, "right"), (names, left + 6, "left"))
    for texts, x, align in sides:
        rows = [{"x": x, "y": first - _LISTED * place, "text": texts[key]} for place, key in enumerate(listed)]
        if rows:
            at = alt.Chart(pl.DataFrame(rows)).mark_text(align=align, baseline="middle", fontSize=TEXT_SIZE)
            x_at, y_at = alt.X("x:Q", scale=across, axis=None), alt.Y("y:Q", scale=down, axis=None)
            charts.append(at.encode(x=x_at, y=y_at, text=alt.Text("text:N")))
    return charts


def _told(edges: pl.DataFrame, *, names: Mapping[str, str], caption: str) -> str:
    strongest = edges.sort(pl.col("log_odds_ratio").abs(), descending=True).head(1).to_dicts()
    most = "".join(
        f" Strongest: {names[row['row']]} with {names[row['col']]}, log odds ratio {row['log_odds_ratio']:.2f}."
        for row in strongest
    )
    return f"Network of {len(names)} harm categories with {edges.height} lines ({caption}).{most}"


def _in_colour(limits: tuple[float, float], *, length: float) -> alt.Color:
    legend = COEFFICIENTS["phi"].legend(limits, length=length)
    legend.title = "Loading"
    return alt.Color("loading:Q").scale(COEFFICIENTS["phi"].scale(limits)).legend(legend)


def _as_text(column: str) -> pl.Expr:
    return pl.col(column).map_elements(COEFFICIENTS["phi"].text, return_dtype=pl.String)


def factor_loadings(
    table: pl.DataFrame,
    *,
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.LayerChart:
    """Draw the loadings of categories on factors as a coloured matrix.

    Parameters
    ----------
    table : DataFrame
        ``category_structure(ds).loadings``: `category`, `order`, `factor`, `loading`, `communality`, `rotation`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles come from; found by the keys if not given.

    Returns
    -------
    alt.LayerChart
        One row a category, in the order of the dendrogram; one column a factor, and the communality beside them.

    Raises
    ------
    UsageError
        If a column is missing, there is no factor, or the table holds more than one population.
    """
    needed(table, "category", "order", "factor", "loading", "communality", "rotation", call="category_structure")
    caption = population(table, source=source)
    order = table.sort("order")["category"].unique(maintain_order=True).to_list()
    names = titles(order, taxonomy=taxonomy)
    shown = COEFFICIENTS["phi"]
    limits = shown.limits(table["loading"])
    m = len(set(table["factor"]))
    rows = rows_beside(names, texts=[""], width=width, least=_ROOMY * (m + 1))
    side = max(min(34.0, (rows.room + 4) / (m + 1)), LEGIBLE)
    size = TEXT_SIZE if side >= _ROOMY else TEXT_SIZE * 0.8
    drawn = table.select(
        "category",
        "loading",
        pl.format("F{}", "factor").alias("column"),
        _as_text("loading").alias("text"),
        shown.is_dark(pl.col("loading"), limits=limits).alias("dark"),
    )
    beside = table.unique("category", keep="first", maintain_order=True).select(
        "category", pl.lit("h²").alias("column"), _as_text("communality").alias("text")
    )
    columns = [*(f"F{place}" for place in range(1, m + 1)), "h²"]
    base, communalities = (_on_factors(part, names=rows.names, columns=columns) for part in (drawn, beside))
    ink = alt.when(alt.datum.dark).then(alt.value(PAPER)).otherwise(alt.value(BLACK))
    return LayerChart(
        layer=[
            base.mark_rect(stroke=PAPER, strokeWidth=1).encode(
                color=_in_colour(limits, length=min(180, side * (m + 1)))
            ),
            base.mark_text(fontSize=size).encode(text=alt.Text("text:N"), color=ink),
            communalities.mark_text(fontSize=size, fill=MUTED).encode(text=alt.Text("text:N")),
        ],
        width=side * (m + 1),
        height=max(17.0, rows.height(1.0)) * len(names),
        title=heading(
            "What lies behind the categories",
            caption,
            f"Loadings on {m} factors of the tetrachoric correlations, {table['rotation'][0]} · h²: variance explained",
            width=width,
        ),
        description=f"Matrix of the loadings of {len(names)} harm categories on {m} factors ({caption}).",
        config=config(),
    )


def _on_factors(part: pl.DataFrame, *, names: Mapping[str, str | list[str]], columns: Sequence[str]) -> alt.Chart:
    return alt.Chart(part).encode(
        x=alt.X("column:N").scale(domain=list(columns)).title(None).axis(labelAngle=0, orient="top"),
        y=alt.Y("category:N").scale(domain=list(names)).title(None).axis(label_axis(names)),
    )


def parallel_analysis(
    table: pl.DataFrame, *, source: str | None = None, width: str | float = "double"
) -> alt.LayerChart:
    """Draw the eigenvalues of the tetrachoric matrix against those of data without association.

    Parameters
    ----------
    table : DataFrame
        ``category_structure(ds).eigenvalues``: `place`, `factor`, `factor_mean`, `factor_high`, `n_draws`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.

    Returns
    -------
    alt.LayerChart
        Eigenvalues of factors as points on a line, filled as long as they exceed the 95 % quantile of chance; that
        quantile dashed, and the mean dotted.

    Raises
    ------
    UsageError
        If a column is missing, or the table holds more than one population.
    """
    needed(table, "place", "factor", "factor_mean", "factor_high", "n_draws", call="category_structure")
    caption = population(table, source=source)
    drawn = table.sort("place").with_columns(
        (pl.col("factor") > pl.col("factor_high")).cast(pl.Int64).cum_min().cast(pl.Boolean).alias("exceeds")
    )
    _, size, room, _ = rows_beside({"": "00.0"}, texts=["95 % of chance"], width=width)
    places = alt.Axis(values=drawn["place"].to_list(), format="d", labelAngle=0)
    base = alt.Chart(drawn).encode(x=alt.X("place:Q", title="Factor", axis=places, scale=alt.Scale(nice=False)))
    y = alt.Axis(grid=True, gridColor=FAINT, tickCount=5)

    def line(column: str) -> alt.Chart:
        return base.encode(y=alt.Y(f"{column}:Q", title="Eigenvalue", axis=y))

    fill = alt.when("datum.exceeds").then(alt.value(INK)).otherwise(alt.value(PAPER))
    n_factors, n_draws = int(drawn["exceeds"].sum()), drawn["n_draws"][0]
    ends = [("factor", "observed", -7), ("factor_high", "95 % of chance", -7), ("factor_mean", "mean of chance", 9)]
    tags = alt.Chart(pl.DataFrame(_tags(drawn, ends)))
    return LayerChart(
        layer=[
            line("factor").mark_line(stroke=INK, strokeWidth=1.5),
            line("factor_high").mark_line(stroke=INK, strokeWidth=1, strokeDash=[5, 3]),
            line("factor_mean").mark_line(stroke=MUTED, strokeWidth=1, strokeDash=[1, 2]),
            line("factor").mark_point(shape="circle", size=36, opacity=1, stroke=INK, strokeWidth=1).encode(fill=fill),
            tags.mark_text(align="left", fontSize=size, fill=MUTED).encode(
                x=alt.value(room + 4), y=alt.Y("y:Q"), text=alt.Text("text:N")
            ),
        ],
        width=room,
        height=160,
        title=heading(
            f"Factors beyond chance: {n_factors}",
            caption,
            f"Eigenvalues of the tetrachoric matrix, communalities of one factor on its diagonal · {n_draws} "
            "draws of the same margins without association",
            width=width,
        ),
        description=f"{n_factors} of {drawn.height} eigenvalues exceed 95 % of those by chance ({caption}).",
        config=config(size=size),
    )


def _tags(drawn: pl.DataFrame, ends: list[tuple[str, str, int]]) -> list[dict[str, object]]:
    """Names of the lines at their right ends, kept apart."""
    last = drawn.row(-1, named=True)
    high, low = (max if best else min for best in (True, False))
    columns = [name for name, *_ in ends]
    top, bottom = high(high(drawn[name]) for name in columns), low(low(drawn[name]) for name in columns)
    gap = (top - bottom) * 10 / 160
    rows: list[dict[str, object]] = []
    above = math.inf
    for name, text, _ in sorted(ends, key=lambda end: -last[end[0]]):
        above = min(last[name], above - gap)
        rows.append({"y": above, "text": text})
    return rows


def category_dendrogram(
    table: pl.DataFrame,
    *,
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.LayerChart:
    """Draw how categories join into groups, the most similar first.

    Parameters
    ----------
    table : DataFrame
        ``category_structure(ds).merges``: `left`, `right`, `height`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles come from; found by the keys if not given.

    Returns
    -------
    alt.LayerChart
        Categories in the order of the association matrix; a bracket where two groups join, at the mean phi between
        them.

    Raises
    ------
    UsageError
        If a column is missing, or the table holds more than one population.
    """
    needed(table, "left", "right", "height", call="category_structure")
    caption = population(table, source=source)
    last = table.row(-1, named=True)
    order = [*last["left"], *last["right"]]
    names = titles(order, taxonomy=taxonomy)
    rows = rows_beside(names, texts=[""], width=width)
    brackets = _brackets(table, order=order)
    down = alt.Scale(domain=[len(order) - 0.5, -0.5], nice=False)
    places = {str(place): rows.names[key] for place, key in enumerate(order)}
    axis = label_axis(places)
    axis.values = list(range(len(order)))
    ends = alt.Scale(domain=[1, min(0.0, *brackets["to"])], nice=False)
    base = alt.Chart(brackets).encode(y=alt.Y("y:Q", scale=down, axis=axis, title=None))
    grid = alt.Axis(tickCount=6 if rows.room > 200 else 3, grid=True, gridColor=FAINT)
    across = alt.X("from:Q", scale=ends, title=folded("Mean φ between the two groups", room=rows.room), axis=grid)
    return LayerChart(
        layer=[base.mark_rule(stroke=INK, strokeWidth=1.2).encode(x=across, x2=alt.X2("to:Q"), y2=alt.Y2("y2:Q"))],
        width=rows.room,
        height=rows.height(2.0) * len(order),
        title=heading("How categories group", caption, "Joined by mean φ, the highest first", width=width),
        description=f"Dendrogram of {len(order)} harm categories ({caption}).",
        config=config(),
    )


def _brackets(table: pl.DataFrame, *, order: Sequence[str]) -> pl.DataFrame:
    """Lines of the tree: from each of two groups to where they join, and the line between them."""
    tops = {frozenset([key]): (1.0, float(place)) for place, key in enumerate(order)}
    rows = []
    for left, right, height in table.select("left", "right", "height").rows():
        value = 1 - height
        (one, first), (other, second) = (tops[frozenset(side)] for side in (left, right))
        rows += [
            {"from": one, "to": value, "y": first, "y2": first},
            {"from": other, "to": value, "y": second, "y2": second},
            {"from": value, "to": value, "y": first, "y2": second},
        ]
        tops[frozenset([*left, *right])] = (value, (first + second) / 2)
    return pl.DataFrame(rows)
