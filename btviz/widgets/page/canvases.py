"""What stands in the middle of the page: matrix, network, contrast, agreement, strata, map and plane.

Each is an answer to the selection: numbers and words for the front end, which draws them. Orders, axes and scales come
from all pairs and stay as they are when the selection moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.labels.agreement import SAFETY, VoteCounts, agreement_among
from btviz.labels.associations import cooccurrence
from btviz.labels.counts import category_contrast
from btviz.plots import COEFFICIENTS
from btviz.preference.comparisons import Comparisons, comparisons_of, levels_of
from btviz.preference.shares import level_sums
from btviz.session import Condition, Tables
from btviz.stats.association import TwoByTwo, phi
from btviz.stats.clustered import phi_interval, share_interval
from btviz.stats.resampling import cluster_sums
from btviz.taxonomy.words import LEVELS
from btviz.widgets.inspector.index import PairIndex
from btviz.widgets.page.facets import MOST_TOPICS, Mask

FEW_PROMPTS = 50

LEAST_PHI = 0.1
"""A line of the network stands for a phi that is not smaller, whatever is selected."""

BY_VOTES = frozenset({"safety", "categories", "dispute", "votes", "severity"})
"""Facets whose values are what annotators said."""

Xy = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scope:
    """What is selected, as canvases need it."""

    ids: pl.Series | None
    mask: Mask | None
    index: PairIndex
    views: frozenset[str] = frozenset()
    """By what they were selected."""

    @property
    def n(self) -> int:
        """Pairs."""
        return len(self.index) if self.mask is None else int(self.mask.sum())

    @cached_property
    def prompts(self) -> int:
        """Their prompts."""
        codes = self.index.prompt_code
        return len(np.unique(codes if self.mask is None else codes[self.mask]))

    @property
    def heading(self) -> str:
        """Population and number, for the head of a canvas."""
        return f"{self.n:,} of {len(self.index):,} pairs under {self.prompts:,} prompt{'s' * (self.prompts != 1)}"

    @property
    def doubt(self) -> str:
        """What is to be said where prompts are few."""
        return f"Fewer than {FEW_PROMPTS} prompts: chance weighs much here." if self.prompts < FEW_PROMPTS else ""


def matrix(ds: Dataset, scope: Scope, *, coefficient: str) -> dict[str, Any]:
    """Association of every two categories among the pairs selected."""
    known = ds.items.select("pair_id", "labels", "is_safe")
    if scope.mask is not None:
        known = known.filter(pl.Series(scope.mask))
    table = cooccurrence(known.drop_nulls().lazy(), population="pairs", taxonomy=ds.taxonomy)
    categories = ds.taxonomy.categories
    place = {category.key: number for number, category in enumerate(categories)}
    cells = [
        [place[row], place[col], _finite(value), both]
        for row, col, value, both in table.select("row", "col", coefficient, "n_both").rows()
    ]
    return {
        "name": "matrix",
        "title": "Which categories occur together",
        "coefficient": coefficient,
        "coefficients": [[key, one.title] for key, one in COEFFICIENTS.items() if key != "phi_expected"],
        "signed": coefficient in ("phi", "tetrachoric", "yules_q", "phi_over_extreme"),
        "labels": [category.title for category in categories],
        "keys": [category.slug for category in categories],
        "cells": cells,
        "heading": f"{scope.heading}; labels by majority",
        "doubt": scope.doubt,
    }


def network(ds: Dataset, scope: Scope) -> dict[str, Any]:
    """Categories as circles, and lines between those of which phi among the pairs selected is not small."""
    index = scope.index
    labelled = index.categorised if scope.mask is None else index.categorised & scope.mask
    flags = ds.taxonomy.flags(index.labels[labelled]).astype(np.int64)
    n, one = len(flags), flags.sum(axis=0)
    row, col = np.triu_indices(len(ds.taxonomy), 1)
    both = (flags.T @ flags)[row, col]
    values = phi(TwoByTwo(np.full(len(row), n), one[row], one[col], both))
    shown = np.flatnonzero(np.abs(np.nan_to_num(values)) >= LEAST_PHI)
    row, col, values, both = row[shown], col[shown], values[shown], both[shown]
    sums = cluster_sums(
        np.column_stack([np.ones(n), flags, flags[:, row] & flags[:, col]]), clusters=index.prompt_code[labelled]
    )
    split = 1 + len(ds.taxonomy)
    joint = 1 - 0.05 / max(1, split * (split - 1) // 2 - (split - 1))
    found = phi_interval(sums[:, 1 + row], sums[:, 1 + col], both=sums[:, split:], n=sums[:, :1], confidence=joint)
    edges = [
        [int(a), int(b), float(value), _finite(low), _finite(high), int(k)]
        for a, b, value, low, high, k in zip(row, col, values, found.low, found.high, both, strict=True)
    ]
    own = "Chosen by labels: categories that are independent look opposed here." if scope.views & BY_VOTES else ""
    return {
        "name": "network",
        "title": "Network of categories",
        "labels": [category.title for category in ds.taxonomy.categories],
        "keys": [category.slug for category in ds.taxonomy.categories],
        "shares": (one / n).tolist() if n else [],
        "edges": sorted(edges, key=lambda edge: abs(edge[2])),
        "least": LEAST_PHI,
        "heading": f"{scope.heading}; labels by majority. Circles: shares. Lines: phi of {LEAST_PHI} or more either "
        "way, joint 95 % intervals by prompt",
        "doubt": " ".join(words for words in (own, scope.doubt) if words),
    }


def agreement(ds: Dataset, scope: Scope, *, votes: VoteCounts) -> dict[str, Any]:
    """Share of two annotators of one pair who say the same, of each category and of safety."""
    table = agreement_among(votes, scope.mask)
    titles = {category.key: category.title for category in ds.taxonomy.categories} | {SAFETY: "Safe or unsafe"}
    columns = ("category", "n_pairs", "agreement", "agreement_low", "agreement_high", "krippendorff_alpha", "undefined")
    rows = [
        {"label": titles[key], "grouping": "all" if key == SAFETY else "category", "n": n, "p": p}
        | {"low": low, "high": high, "alpha": alpha, "why": why}
        for key, n, p, low, high, alpha, why in table.select(columns).rows()
    ]
    own = "Chosen by what annotators said, so agreement is in part what was chosen." if scope.views & BY_VOTES else ""
    return {
        "name": "agreement",
        "title": "Do annotators agree?",
        "rows": rows if votes.undefined is None and table["n_pairs"].sum() else [],
        "heading": f"{scope.heading}, as far as two or more annotated them; 95 % intervals by prompt, and "
        "Krippendorff's alpha",
        "doubt": " ".join(words for words in (own, scope.doubt, votes.doubt or "") if words),
    }


def topic_names(tables: Tables) -> dict[int, str]:
    """Neutral names of the topics, by number; empty where they are not known."""
    if "topics" not in tables.others:
        return {}
    return dict(tables["topics"].select("topic", "name").sort("topic").head(MOST_TOPICS).rows())


def contrast(tables: Tables, scope: Scope, *, topic: int | None = None) -> dict[str, Any]:
    """Share of each category among the pairs selected, beside that among the rest or among those of a topic."""
    ds, names = tables.ds, topic_names(tables)
    against = None if topic is None else tables["assignments"].filter(pl.col("topic") == topic)["pair_id"]
    table = category_contrast(ds, ds.items["pair_id"] if scope.ids is None else scope.ids, against=against)
    titles = {category.key: category.title for category in ds.taxonomy.categories}
    kind = "lift" if against is None else "ratio"
    columns = ("category", "n_category", "share", "share_rest", kind, f"{kind}_low", f"{kind}_high", "undefined")
    rows = [
        {"label": titles[key], "n": n, "share": share, "rest": rest, "ratio": ratio, "low": low, "high": high}
        | {"why": why}
        for key, n, share, rest, ratio, low, high, why in table.select(columns).rows()
    ]
    n, n_rest = table.select("n", "n_rest").row(0) if table.height else (0, 0)
    own = "The lift of what was chosen by is the choice itself." if "categories" in scope.views else ""
    other = "the rest" if topic is None else names[topic]
    what = "lift over all pairs" if against is None else f"share over that of {other}"
    return {
        "name": "contrast",
        "title": f"Selection against {other}",
        "rows": rows,
        "other": other,
        "against": topic,
        "topics": [[number, name] for number, name in names.items()],
        "heading": f"{scope.heading}, {n:,} labelled; {other}: {n_rest:,} pairs. Sorted by {what}; 95 % intervals by "
        "prompt",
        "doubt": " ".join(words for words in (own, scope.doubt) if words),
    }


def strata(ds: Dataset, scope: Scope, *, comparisons: Comparisons) -> dict[str, Any]:
    """P(better = safer) by stratum and category, among comparisons in which a selected pair takes part."""
    frame = comparisons.frame
    if scope.ids is not None:
        frame = frame.filter(pl.any_horizontal(pl.col("pair_id_0", "pair_id_1").is_in(scope.ids.implode())))
    within = Comparisons(frame, ds.taxonomy)
    levels = [level for level in levels_of(within) if level.grouping in ("all", "stratum", "category")]
    sums = level_sums(within, levels)
    interval = share_interval(sums.hits, sums.n)
    titles = {c.key: c.title for c in ds.taxonomy.categories} | LEVELS
    n, hits = sums.n.sum(axis=0), sums.hits.sum(axis=0)
    rows = [
        {
            "label": titles.get(level.name, level.name),
            "grouping": level.grouping,
            "n": int(n[k]),
            "prompts": int(sums.prompts[k]),
            "p": float(hits[k] / n[k]) if n[k] else None,
            "low": _finite(interval.low[k]),
            "high": _finite(interval.high[k]),
        }
        for k, level in enumerate(levels)
    ]
    return {
        "name": "strata",
        "title": "Is the better answer the safer one?",
        "rows": rows if frame.height else [],
        "heading": f"{frame.height:,} of {comparisons.frame.height:,} comparisons: those with a selected answer; "
        "95 % intervals by prompt",
        "doubt": "" if frame.height == 0 else scope.doubt,
    }


@dataclass(frozen=True, eq=False)
class Plane:
    """Pairs as points on two axes; sent to the browser once.

    Attributes
    ----------
    name, title : str
        Of the canvas.
    rows : ndarray
        Row of `ds.items` of each point.
    xy : ndarray
        Shape (points, 2).
    axes : tuple of str
        Titles; "" for an axis without a meaning.
    labels : sequence of dict
        Words at places, with what a click on them chooses.
    choose : callable
        Takes a rectangle (x0, x1, y0, y1); returns for each clause its view, words, table and conditions.
    """

    name: str
    title: str
    rows: NDArray[np.intp]
    xy: Xy
    axes: tuple[str, str]
    labels: list[dict[str, Any]]
    choose: Callable[[float, float, float, float], list[tuple[str, str, str, list[Condition]]]]

    def describe(self, index: PairIndex) -> dict[str, Any]:
        """What goes with the buffers of places and of roles."""
        return {
            "name": self.name,
            "title": self.title,
            "n": len(self.rows),
            "all": len(index),
            "axes": list(self.axes),
            "labels": self.labels,
        }

    def buffers(self, index: PairIndex) -> list[bytes]:
        """Places (float32), and roles (0 safe, 1 unsafe, 2 neither) of the points."""
        roles = np.where(index.is_unsafe, 1, np.where(index.is_safe, 0, 2)).astype(np.uint8)
        return [np.ascontiguousarray(self.xy, np.float32).tobytes(), roles[self.rows].tobytes()]

    def lit(self, mask: Mask | None) -> bytes:
        """Which points are selected, a bit each."""
        return b"" if mask is None else np.packbits(mask[self.rows], bitorder="little").tobytes()


def map_of(tables: Tables, index: PairIndex) -> Plane | None:
    """The data map, with names of topics where they are known."""
    if "points" not in tables.others:
        return None
    points = tables["points"].select("pair_id", "x", "y")
    rows, xy = _placed(points, index)

    def choose(x0: float, x1: float, y0: float, y1: float) -> list[tuple[str, str, str, list[Condition]]]:
        tests = [Condition("x", "between", (x0, x1)), Condition("y", "between", (y0, y1))]
        return [("map", "a region of the map", "points", tests)]

    return Plane("map", "Map of texts", rows, xy, ("", ""), _topic_labels(tables, points), choose)


def _topic_labels(tables: Tables, points: pl.DataFrame) -> list[dict[str, Any]]:
    if "topics" not in tables.others:
        return []
    placed = tables["assignments"].join(points, on="pair_id").group_by("topic").agg(pl.col("x", "y").median())
    named = (
        tables["topics"].select("topic", "name").sort("topic").head(MOST_TOPICS).join(placed, on="topic").sort("topic")
    )
    return [{"facet": "topics", "value": topic, "label": name, "x": x, "y": y} for topic, name, x, y in named.rows()]


def plane_of(tables: Tables, index: PairIndex) -> Plane | None:
    """Reward against cost, of the first model of each kind."""
    if "scores" not in tables.others:
        return None
    scores = tables["scores"].filter(pl.col("target").is_null(), pl.col("score").is_finite())
    models: Mapping[str, list[str]] = {
        kind: sorted(scores.filter(pl.col("kind") == kind)["model"].unique()) for kind in ("reward", "cost")
    }
    if not all(models.values()):
        return None
    x, y = ((kind, models[kind][0]) for kind in ("reward", "cost"))
    parts = [
        scores.filter(pl.col("kind") == kind, pl.col("model") == model).select("pair_id", pl.col("score").alias(axis))
        for (kind, model), axis in ((x, "x"), (y, "y"))
    ]
    rows, xy = _placed(parts[0].join(parts[1], on="pair_id").sort("pair_id"), index)

    def choose(x0: float, x1: float, y0: float, y1: float) -> list[tuple[str, str, str, list[Condition]]]:
        return [_scored(x, (x0, x1)), _scored(y, (y0, y1))]

    axes = tuple(f"{kind.capitalize()} by {model}" for kind, model in (x, y))
    return Plane("plane", "Reward and cost", rows, xy, (axes[0], axes[1]), [], choose)


def _scored(of: tuple[str, str], ends: tuple[float, float]) -> tuple[str, str, str, list[Condition]]:
    kind, model = of
    words = f"{kind} by {model} {ends[0]:.2f} to {ends[1]:.2f}"
    same = [Condition("model", "is", model), Condition("kind", "is", kind), Condition("target", "is")]
    return f"{kind}:{model}", words, "scores", [*same, Condition("score", "between", ends)]


def comparisons_at_hand(ds: Dataset) -> Comparisons | None:
    """Comparisons that tell the better and the safer answer; None where there are none."""
    if ds.preferences.is_empty():
        return None
    found = comparisons_of(ds)
    return found if found.frame.height else None


def _placed(table: pl.DataFrame, index: PairIndex) -> tuple[NDArray[np.intp], Xy]:
    kept = table.unique("pair_id", keep="first").sort("pair_id")
    ids = kept["pair_id"].to_numpy()
    rows = np.searchsorted(index.pair_ids, ids).clip(max=len(index) - 1)
    known = index.pair_ids[rows] == ids
    return rows[known], kept.select("x", "y").to_numpy()[known].astype(np.float32)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None
