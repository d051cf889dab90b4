"""The table of metrics as a view shows it: words and numbers, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from btviz.plots.distributed import STRATA
from btviz.plots.naming import titles
from btviz.taxonomy import Taxonomy

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
