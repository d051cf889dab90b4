"""What the score explorer draws and says for what its controls ask: charts, and a table of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.plots.interactive.scores import (
    PLANE,
    Panel,
    Range,
    brush_of,
    brushed_distributions,
    brushed_plane,
    panels_of,
)
from btviz.plots.scores.distributions import NOTES, note_of_boundaries
from btviz.scores.answers import named_scores
from btviz.scores.signs import SignCheck
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import STRATA, titles
from btviz.widgets.scores.book import EACH, MANY, ScoreBook, ScoreQuery
from btviz.widgets.scores.controls import CHOSEN, COMPARED, POPULATIONS, SCORE_GROUPING_TITLES, level_options

_INVITATION = "Drag across a picture to list the answers there; click beside the brush to list all again."
_NO_MODEL = "No model is chosen. Choose one under Models, or name one to score with."
_METRICS = "Each answer and each comparison counts once here, whatever Count and Which say."


@dataclass(frozen=True)
class Brush:
    """A range of scores on a panel, or a region of the plane."""

    panel: Panel | None
    within: Range
    reward: Range | None

    @classmethod
    def over(cls, panel: Panel | None, within: Sequence[float], *, reward: Sequence[float] | None = None) -> Brush:
        """Make a brush of ends in any order."""
        return cls(panel, (min(within), max(within)), None if reward is None else (min(reward), max(reward)))

    def items(self, picture: Picture) -> pl.DataFrame:
        """What lies under it on a picture."""
        book, query = picture.book, picture.query
        if self.panel is None:
            return book.brushed_plane(query, reward=self.reward or self.within, cost=self.within)
        return book.brushed(query, panel=self.panel, within=self.within)

    def is_on(self, picture: Picture) -> bool:
        """Whether a picture shows it."""
        return picture.is_plane if self.panel is None else self.panel in picture.panels


@dataclass(frozen=True, eq=False)
class Picture:
    """What is on view."""

    chart: alt.ConcatChart | None
    checks: Sequence[SignCheck]
    refused: Sequence[SignCheck]
    said: str
    book: ScoreBook
    query: ScoreQuery
    panels: Sequence[Panel] = ()
    is_plane: bool = False
    has_forms: bool = False
    rows: list[list[str]] | None = None
    caption: str = ""

    def panel_of(self, model: str, *, kind: str | None, panel: str) -> Panel:
        """Find the distribution of a model; any kind fits where that is None, and any panel fits "all"."""
        for place in self.panels:
            if place[0] == model and kind in (None, place[1]) and panel in ("all", place[2]):
                return place
        drawn = [f"{name} ({part})" for name, _, part in self.panels]
        raise UsageError(f"Scores of {model!r} were to be brushed; drawn are {drawn or 'none'}. Choose one of these.")


def brush_on(picture: Picture, name: str, *, ranges: Mapping[str, Sequence[float]]) -> Brush | None:
    """What a hand has brushed on a picture; None for a brush that is not on it."""
    if name == PLANE and picture.is_plane:
        return Brush.over(None, ranges["cost"], reward=ranges["reward"])
    panels = {brush_of(place): panel for place, panel in enumerate(picture.panels)}
    return Brush.over(panels[name], ranges["at"]) if name in panels else None


def picture_of(
    book: ScoreBook, query: ScoreQuery, *, view: str, form: str, brush: Brush | None, override: bool
) -> Picture:
    """Check the sign of the models, then draw those that may be drawn."""
    models = tuple(model for model in query.models if model in book.parts)
    if not models:
        raise UsageError(_NO_MODEL)
    checks = {model: book.sign(model) for model in models}
    refused = [] if override else book.refused(models)
    against = {(check.model, check.kind) for check in refused}
    drawn = tuple(model for model in models if model not in against)
    sign_checks = [check for check in checks.values() if check is not None]
    said = [check.reason for check in sign_checks]
    if refused:
        names = ", ".join(named_scores(check.model, check.kind) for check in refused)
        said.append(
            f"Not drawn: {names}. Turn the sign of these scores, or tick the box above the picture if it is the labels "
            "that are wrong."
        )
    query = replace(query, models=drawn)
    if not drawn:
        return Picture(None, sign_checks, refused, "\n".join(said), book, query)
    made = _VIEWS[view](book, query, form, brush)
    said.append(_METRICS if made.rows is not None else _INVITATION)
    return replace(made, checks=sign_checks, refused=refused, said="\n".join(said))


def origin_of(brush: Brush, items: pl.DataFrame, *, query: ScoreQuery, ds: Dataset) -> str:
    """Say in words what a brush chose."""
    pairs = items["pair_id"].n_unique()
    n = items["prompt_id" if query.population == "prompts" else "item"].n_unique()
    counted = f"{n:,} {query.population if n != 1 else query.population[:-1]}"
    then = "" if query.population == "pairs" else f" → {pairs:,} pair{'s' * (pairs != 1)}"
    low, high = brush.within
    if brush.panel is None:
        left, right = brush.reward or brush.within
        what = f"reward {left:.2f} to {right:.2f}, cost {low:.2f} to {high:.2f}"
    else:
        model, kind, panel = brush.panel
        place = "" if panel == "all" else f" · {panel}"
        mean = "mean " if query.population == "prompts" else ""
        what = f"{mean}{kind} by {model}{place}, {low:.2f} to {high:.2f}"
    group = "" if query.level is None else f" · {_level(query, ds)}"
    return f"{ds.population} · {what}{group}: {counted}{then}"


def _level(query: ScoreQuery, ds: Dataset) -> str:
    return level_options([str(query.level)], ds.taxonomy)[1][0]


def _lines(book: ScoreBook, query: ScoreQuery) -> list[str]:
    parts = [book.ds.population, POPULATIONS[query.population]]
    which = {"compared": COMPARED, "chosen": CHOSEN}.get(query.which, f"split: {query.which}")
    parts += [] if query.which in ("all", EACH) else [which]
    parts += [f"only {_level(query, book.ds)}"] if query.level is not None else []
    return [" · ".join(parts)]


def _distributions(book: ScoreBook, query: ScoreQuery, form: str, brush: Brush | None) -> Picture:
    table = book.distributions(query)
    many = table["group"].n_unique() > MANY
    lines = [*_lines(book, query), f"by {SCORE_GROUPING_TITLES[query.grouping]} · {_counted(table)}"]
    lines += [NOTES["violin"]] if form == "violin" and not many else []
    lines += [note] if (note := note_of_boundaries(table)) else []
    chosen = {brush.panel: brush.within} if brush is not None and brush.panel is not None else {}
    chart = brushed_distributions(
        table, form="ridges" if many else form, lines=lines, chosen=chosen, taxonomy=book.ds.taxonomy
    )
    return Picture(chart, [], [], "", book, query, panels=panels_of(table), has_forms=not many)


def _counted(table: pl.DataFrame) -> str:
    return f"drawn from {table.filter(pl.col('count') > 0).height:,} bins"


def _plane(book: ScoreBook, query: ScoreQuery, _: str, brush: Brush | None) -> Picture:
    cells, quadrants = book.plane(query)
    (reward, _kind), (cost, _other) = book.plane_of(query)
    n, prompts = cells.select("n", "prompts").row(0)
    lines = [
        *_lines(book, query),
        f"reward: {reward} · cost: {cost} · n = {n:,} {query.population}, {prompts:,} prompts",
    ]
    chosen = (brush.reward, brush.within) if brush is not None and brush.reward is not None else None
    chart = brushed_plane(cells, quadrants, lines=lines, chosen=chosen)
    return Picture(chart, [], [], "", book, query, is_plane=True)


def _metrics(book: ScoreBook, query: ScoreQuery, _: str, __: Brush | None) -> Picture:
    rows = metric_rows(book.metrics(query), taxonomy=book.ds.taxonomy)
    grouping = SCORE_GROUPING_TITLES[query.grouping]
    caption = f"{book.ds.population}: metrics over all answers and by {grouping}, intervals by prompt"
    return Picture(None, [], [], "", book, query, rows=rows, caption=caption)


_VIEWS = {"distributions": _distributions, "plane": _plane, "metrics": _metrics}

COLUMNS: Sequence[tuple[str, str]] = (
    ("Model", "text"),
    ("Metric", "text"),
    ("Group", "text"),
    ("Estimate", "number"),
    ("95 % interval", "number"),
    ("n", "number"),
    ("of which positive", "number"),
    ("Prompts", "number"),
    ("Counted", "text"),
    ("Undefined because", "text"),
)

NAMES = {
    "pair_accuracy": {"reward": "Pair accuracy: better scores higher", "cost": "Pair accuracy: safer costs less"},
    "lower_for_safer": {"reward": "Safer scores lower"},
    "higher_for_better": {"cost": "Better costs more"},
    "sign_accuracy": {"cost": "Sign accuracy: above 0 if unsafe, below if safe"},
    "auc": {"reward": "AUC, unsafe scores higher", "cost": "AUC, unsafe scores higher", "moderation": "AUC"},
    "ks_distance": {"reward": "Kolmogorov-Smirnov distance", "cost": "Kolmogorov-Smirnov distance"},
    "f1": {"moderation": "F1"},
}

FLAGGED = ("precision", "recall", "f1", "false_positive_rate")
"""Metrics that depend on the threshold of a moderation model."""


def metric_rows(table: pl.DataFrame, *, taxonomy: Taxonomy) -> list[list[str]]:
    """Cells of `COLUMNS` for rows of a table of metrics; thresholds around 0 are left out."""
    shown = table.filter(pl.col("threshold").is_null() | (pl.col("kind") == "moderation"))
    levels = titles(shown["level"].unique().to_list(), taxonomy=taxonomy) | STRATA | {"all": "all"}
    slugs = {category.slug: category.title for category in taxonomy.categories}
    return [_cells(row, levels, slugs) for row in shown.iter_rows(named=True)]


def _cells(row: dict[str, Any], levels: dict[str, str], slugs: dict[str, str]) -> list[str]:
    metric = NAMES.get(row["metric"], {}).get(row["kind"]) or row["metric"].replace("_", " ").capitalize()
    target = f" · {slugs.get(row['target'], row['target'])}" if row["target"] else ""
    flagged = f", flagged above {row['threshold']:g}" if row["metric"] in FLAGGED and row["threshold_origin"] else ""
    has_interval = row["low"] is not None and row["high"] is not None
    return [
        row["model"],
        metric + target + flagged,
        levels.get(row["level"], row["level"]),
        "–" if row["estimate"] is None else f"{row['estimate']:.3f}",
        f"{row['low']:.3f} to {row['high']:.3f}" if has_interval else "–",
        f"{row['n']:,}",
        "–" if row["support"] is None else f"{row['support']:,}",
        f"{row['prompts']:,}",
        row["unit"] or "",
        row["undefined"] or "",
    ]
