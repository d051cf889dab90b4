"""Columns of a score file: which are scores, of what, and with which sign."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from btviz.dataset import Dataset
from btviz.errors import DataError, UsageError
from btviz.scoring.filetables import FileTable
from btviz.scoring.formats import shown_columns
from btviz.scoring.protocol import KINDS, as_scores
from btviz.taxonomy import Taxonomy

GUESSED = {
    "helpful_score": "reward",
    "reward": "reward",
    "reward_score": "reward",
    "cost": "cost",
    "cost_score": "cost",
    "harmless_score": "-cost",
}
"""Columns that are taken for scores where none is named: higher harmlessness is lower cost."""

_LARGEST = 3.4028235e38
"""As models give no larger ones, a score beyond float32 is a fault of the file, and its square has no value."""

SEVERITY = "severity"
OVERALL = (SEVERITY, "unsafe")
"""Targets of a moderator that are no category; the second is the probability of any harm."""


@dataclass(frozen=True, eq=False)
class FileScores:
    """Scores of one file.

    Attributes
    ----------
    scores : DataFrame
        A table of scores; `model` is the column's name, or the moderator's.
    report : DataFrame
        One row per column of scores, as in `btviz.scoring.imported.ScoreFile`.
    """

    scores: pl.DataFrame
    report: pl.DataFrame


def scores_of(
    file: FileTable,
    rows: pl.DataFrame,
    *,
    owner: Dataset,
    columns: Mapping[str, str] | None = None,
    moderator: str | None = None,
) -> FileScores:
    """Read the scores of a file.

    Parameters
    ----------
    file : FileTable
        What was read.
    rows : DataFrame
        `pair_id` of each of its rows.
    owner : Dataset
        Whose answers count; scores of other answers are left out.
    columns : Mapping, optional
        Score column to its meaning, see `meaning_of`; by default the columns of `GUESSED` that
        are there.
    moderator : str, optional
        Model that all columns of moderation are of; by default each is one of its own.

    Raises
    ------
    UsageError
        If a column is missing or its meaning is unknown, or a moderator is named and no column is of moderation.
    DataError
        If a score is no finite number, or that of a moderator no probability.
    """
    meanings = _meanings(file, columns)
    file.check_flat(list(meanings))
    if moderator is not None and not any(meaning.startswith("moderation") for meaning in meanings.values()):
        raise UsageError(
            f"{file.path.name} was to be read for scores of the moderator {moderator!r}; no column is named as such. "
            "Say which: COLUMN=moderation:TARGET (--column)."
        )
    known = owner.pairs.select("pair_id")
    tables, reports = [], []
    for name, meaning in meanings.items():
        kind, target, turned = meaning_of(meaning, owner.taxonomy)
        score = _numbers(file, name) * (-1.0 if turned else 1.0)
        if kind == "moderation" and target != SEVERITY:  # that is an expected level
            _check_probabilities(file, name, score)
        matched = rows.select("pair_id", score.alias("score")).join(known, on="pair_id", how="semi")
        scored = matched.drop_nulls("score")
        model = moderator if moderator is not None and kind == "moderation" else name
        stamp = {"model": model, "kind": kind, "target": target}
        tables.append(as_scores(scored.with_columns(pl.lit(v, pl.String).alias(k) for k, v in stamp.items())))
        counts = {
            "rows": rows.height,
            "matched": matched.height,
            "unmatched": rows.height - matched.height,
            "repeated": scored.height - scored.unique().height,
            "missing": matched.height - scored.height,
        }
        note = _note(scored["score"], kind, turned)
        reports.append({"file": file.path.name, "column": name, **stamp, "turned": turned, **counts, "note": note})
    return FileScores(
        pl.concat(tables), pl.DataFrame(reports, schema_overrides={"target": pl.String, "note": pl.String})
    )


def meaning_of(meaning: str, taxonomy: Taxonomy) -> tuple[str, str | None, bool]:
    """Read what a column is: its kind, its target, and whether its sign is turned."""
    turned, plain = meaning.startswith("-"), meaning.removeprefix("-")
    kind, _, target = plain.partition(":")
    if kind not in KINDS or bool(target) != (kind == "moderation") or (turned and kind == "moderation"):
        raise UsageError(
            f"A column was to be {meaning!r}; it may be reward, cost, -reward, -cost (sign turned) or "
            f"moderation:TARGET, where a target is a category or {' or '.join(OVERALL)}. Write one of these."
        )
    slug = target if target in ("", *OVERALL) else taxonomy[target].slug
    return kind, slug or None, turned


def _meanings(file: FileTable, columns: Mapping[str, str] | None) -> Mapping[str, str]:
    found = columns or {name: meaning for name, meaning in GUESSED.items() if name in file.frame.columns}
    missing = [name for name in found if name not in file.frame.columns]
    if not found or missing:
        raise UsageError(
            f"{file.path.name} was to be read for scores; "
            + (f"it has no column {missing[0]!r}" if missing else "no column of it is known to be a score")
            + f". It has {shown_columns(file.frame.columns)}. Say which are scores: COLUMN=reward, COLUMN=cost or "
            "COLUMN=-cost (--column)."
        )
    return found


def _numbers(file: FileTable, name: str) -> pl.Series:
    column = file.frame[name]
    if column.dtype != pl.String and not column.dtype.is_numeric() and column.dtype != pl.Null:
        raise DataError(
            f"The column {name!r} of {file.path.name} was to be scores; its values are {column.dtype}. Name a column "
            "of numbers."
        )
    if column.dtype == pl.String:
        column = column.replace("", None)
    numbers = column.cast(pl.Float64, strict=False)
    lost = int(numbers.null_count() - column.null_count())
    vast = int((numbers.fill_nan(None).abs() > _LARGEST).sum())
    if lost or vast:
        raise DataError(
            f"The column {name!r} of {file.path.name} was to be scores; {lost + vast:,} of its values are no "
            "finite numbers that 32 bits hold, written with a decimal point. Mend the file, or leave the values out."
        )
    return numbers.fill_nan(None)


def _check_probabilities(file: FileTable, name: str, score: pl.Series) -> None:
    outside = int((~score.drop_nulls().is_between(0, 1)).sum())
    if outside:
        raise DataError(
            f"The column {name!r} of {file.path.name} was to be probabilities of a moderator; {outside:,} of its "
            f"{score.count():,} values lie outside 0..1. Write logits as 1 / (1 + exp(-x)), per cent divided by 100."
        )


def _note(score: pl.Series, kind: str, turned: bool) -> str | None:
    if not len(score):
        return None
    notes = []
    if turned and kind == "cost":
        notes.append("sign turned; that cost 0 is the boundary of harm is not known of this file")
    top = int((score == (score.min() if turned else score.max())).sum()) / len(score)
    if top > 0.05 and not math.isclose(top, 1.0):
        notes.append(f"{top:.1%} of the scores share one extreme value")
    return "; ".join(notes) or None
