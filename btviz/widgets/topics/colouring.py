"""What the colour of a place on the map stands for, and which colourings a data set offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.plots.style.theme import GROUPS
from btviz.taxonomy.categories import Category
from btviz.widgets.inspector.index import PairIndex
from btviz.widgets.topics.places import Floats, Places, TopicLayer

GREY = "#adadad"
"""Places that are shown but not meant."""

UNKNOWN = "#e3e3e3"
"""Places of which nothing is known."""

SHARES = ("#a6c8e4", "#5b9bcb", "#1f6fae", "#08396b")

SAFE_TO_UNSAFE = ("#1f6fae", "#7fa8c9", "#b3a79d", "#cf8f55", "#a8530a")

LOW_TO_HIGH = ("#fde0a6", "#f4b266", "#dc7b4a", "#b0413e", "#6d1a36", "#2d0b26")

_PERCENT = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, eq=False)
class Colouring:
    """A colour for each place."""

    title: str
    codes: NDArray[np.uint8]
    colours: tuple[str, ...]
    legend: tuple[tuple[int, str], ...]


def by_topic(topic_of_place: NDArray[np.int64], *, shown: Sequence[int]) -> Colouring:
    """Colour at most eight topics; the others, and outliers, are grey."""
    codes = np.zeros(len(topic_of_place), np.uint8)
    for place, topic in enumerate(shown, start=1):
        codes[topic_of_place == topic] = place
    legend = ((0, "other topics and outliers"),)
    return Colouring("The largest topics have a colour", codes, (GREY, *GROUPS[: len(shown)]), legend)


def by_safety(places: Places, index: PairIndex) -> Colouring:
    """Colour by the share of pairs that are unsafe, among those labelled."""
    share = places.mean(index.is_unsafe, known=index.is_safe | index.is_unsafe)
    codes, colours = _binned(share, SAFE_TO_UNSAFE, edges=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    legend = ((1, "all pairs safe"), (3, "mixed"), (5, "all unsafe"), *_unknown(codes, "not labelled"))
    return Colouring("Pairs at a point that are unsafe", codes, colours, legend)


def by_category(places: Places, index: PairIndex, *, category: Category) -> Colouring:
    """Colour by the share of pairs with one category; places without it are grey."""
    share = places.mean(index.taxonomy.flags(index.labels)[:, category.bit], known=index.categorised)
    return _against_grey(category.title, share, none="no pair", some="of its pairs", unknown="not labelled")


def by_disagreement(places: Places, index: PairIndex) -> Colouring:
    """Colour by the share of pairs whose annotations disagree on safe or unsafe."""
    share = places.mean(index.disputed, known=index.n_annotations > 1)
    return _against_grey(
        "Annotators disagree on safe or unsafe", share, none="no pair", some="of its pairs", unknown="annotated once"
    )


def by_severity(places: Places, ds: Dataset) -> Colouring:
    """Colour by the highest severity of any pair at a place."""
    levels = ds.taxonomy.severities
    severity = ds.items["severity"]
    known = severity.is_not_null().to_numpy() & (places.of_row >= 0)
    highest = np.full(len(places), -1, np.int64)
    np.maximum.at(highest, places.of_row[known], severity.fill_null(0).to_numpy()[known].astype(np.int64))
    ramp = (GREY, *LOW_TO_HIGH[1 : len(levels)])
    legend = tuple((number + 1, level) for number, level in enumerate(levels))
    codes = (highest + 1).astype(np.uint8)
    return Colouring("Highest severity at a point", codes, (UNKNOWN, *ramp), (*legend, *_unknown(codes, "not rated")))


def by_score(places: Places, index: PairIndex, *, scores: pl.DataFrame, title: str) -> Colouring:
    """Colour by the mean score of the pairs at a place."""
    rows = pl.DataFrame({"pair_id": index.pair_ids}).join(scores, on="pair_id", how="left", maintain_order="left")
    values = rows["score"].cast(pl.Float64).to_numpy()
    mean = places.mean(np.nan_to_num(values), known=np.isfinite(values))
    known = mean[np.isfinite(mean)]
    low, high = np.quantile(known, [0.02, 0.98]) if len(known) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, len(LOW_TO_HIGH) + 1)
    codes, colours = _binned(mean, LOW_TO_HIGH, edges=edges)
    legend = ((1, f"≤ {edges[1]:.3g}"), (4, f"{edges[3]:.3g} – {edges[4]:.3g}"), (6, f"≥ {edges[5]:.3g}"))
    return Colouring(f"Mean {title}", codes, colours, (*legend, *_unknown(codes, "no score")))


def _against_grey(title: str, share: Floats, *, none: str, some: str, unknown: str) -> Colouring:
    bins, _ = _binned(share, SHARES, edges=_PERCENT)
    codes = np.where(np.isnan(share), 0, np.where(share > 0, bins + 1, 1)).astype(np.uint8)
    legend = ((1, none), (2, f"up to 25 % {some}"), (3, "50 %"), (4, "75 %"), (5, "100 %"), *_unknown(codes, unknown))
    return Colouring(title, codes, (UNKNOWN, GREY, *SHARES), legend)


def _binned(
    values: Floats, colours: Sequence[str], *, edges: Sequence[float] | Floats
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Number 1 .. k of the bin that a value falls in, the upper edge included; 0 where there is none."""
    inner = np.asarray(edges, np.float64)[1:-1]
    codes = np.searchsorted(inner, np.nan_to_num(values), side="left") + 1
    return np.where(np.isnan(values), 0, codes).astype(np.uint8), (UNKNOWN, *colours)


def _unknown(codes: NDArray[np.uint8], words: str) -> tuple[tuple[int, str], ...]:
    return ((0, words),) if (codes == 0).any() else ()


TOPIC = "topic"


@dataclass(frozen=True, eq=False)
class Offer:
    """A colouring that can be asked for."""

    title: str
    group: str
    make: Callable[[TopicLayer], Colouring]
    why_not: str = ""


def offers(ds: Dataset, *, places: Places, index: PairIndex, scores: pl.DataFrame | None) -> dict[str, Offer]:
    """Colourings by name: "topic", "safety", "disagreement", "severity", "category:SLUG", "score:MODEL"."""
    rated = "severity" in ds.items.columns and ds.items["severity"].count() > 0
    twice = "" if index.dispute_measurable else "most pairs were annotated once"
    colourings = {
        TOPIC: Offer("Topic", "", lambda layer: by_topic(layer.of_place, shown=layer.coloured)),
        "safety": Offer("Safety", "", lambda _: by_safety(places, index)),
        "disagreement": Offer("Disagreement", "", lambda _: by_disagreement(places, index), twice),
        "severity": Offer(
            "Severity", "", lambda _: by_severity(places, ds), "" if rated else "no severity is released"
        ),
    }
    for category in ds.taxonomy.categories:
        colourings[f"category:{category.slug}"] = _category(category, places=places, index=index)
    return colourings | _scores(scores, places=places, index=index)


def _category(category: Category, *, places: Places, index: PairIndex) -> Offer:
    return Offer(category.title, "One category", lambda _: by_category(places, index, category=category))


def _scores(scores: pl.DataFrame | None, *, places: Places, index: PairIndex) -> dict[str, Offer]:
    if scores is None:
        return {}
    missing = {"pair_id", "score"} - set(scores.columns)
    if missing:
        raise UsageError(
            f"Colours by score were asked for of a table without {sorted(missing)}. Give the table of btviz.score()."
        )
    keys = [name for name in ("model", "kind", "target") if name in scores.columns]
    parts = scores.partition_by(keys, as_dict=True) if keys else {("score",): scores}
    colourings = {}
    for key, part in parts.items():
        title = " · ".join(str(value) for value in key if value is not None)
        colourings[f"score:{title}"] = _score(part.select("pair_id", "score"), title, places=places, index=index)
    return colourings


def _score(scores: pl.DataFrame, title: str, *, places: Places, index: PairIndex) -> Offer:
    if scores["pair_id"].is_duplicated().any():
        raise UsageError(
            f"Colours by the scores {title!r} were asked for, but some pairs have several of them. "
            "Give one score a pair, model and target."
        )
    return Offer(title, "Score", lambda _: by_score(places, index, scores=scores, title=title))
