"""Columns of a score file: which are scores, of what, and with which sign.

Which answer each row of a score file is about, of which policy, and to which item.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.reading.flat_tables import FileTable, shown_columns
from btviz.data.tables import with_ids
from btviz.errors import DataError, UsageError
from btviz.models.protocol import KINDS, as_scores
from btviz.taxonomy.categories import Taxonomy

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
    """Scores of one file."""

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
    """Read the scores of a file."""
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


PROMPTS = ("prompt", "question", "instruction")


RESPONSES = ("response", "answer", "output", "completion")


ITEMS = ("index", "id")


POLICIES = ("policy", "source")


@dataclass(frozen=True)
class AnswerColumns:
    """Columns that the user named; None where one of the usual names is to be found."""

    prompt: str | None = None
    response: str | None = None
    policy: str | None = None


def answer_rows(
    file: FileTable, columns: AnswerColumns, *, known: pl.Series | None, policies: Sequence[str] = ()
) -> pl.DataFrame:
    """Identify the answer of each row of a file."""
    by_id = known is not None and "pair_id" in file.frame.columns and not (columns.prompt or columns.response)
    rows = _by_id(file, known) if by_id and known is not None else None
    rows = _by_texts(file, columns) if rows is None else rows
    policy, item = _policy_column(file, columns.policy), file.first_of(ITEMS)
    file.check_flat([name for name in (policy, item) if name])
    return rows.with_columns(
        policy=_texts(file, policy, otherwise=file.name if known is None or file.name in policies else None),
        item=_texts(file, item, otherwise=None),
    )


def settle_items(answers: pl.DataFrame) -> pl.DataFrame:
    """Let answers meet on the prompt where the files number no items, or number their own rows."""
    policies = pl.col("policy").n_unique()
    counted = answers.with_columns(here=policies.over("item", "prompt_id"), all=policies.over("prompt_id"))
    by_prompt = counted.filter(pl.col("all") > 1).group_by("policy", "prompt_id").agg((pl.col("here") > 1).any())
    # rows in another order have a few numbers in common by chance, so a prompt that meets by item says nothing
    met = by_prompt.group_by("policy").agg(pl.col("here").mean())
    own_rows = bool((met["here"] < 0.5).any())
    prompt = pl.col("prompt_id").cast(pl.String)
    return answers.with_columns((prompt if own_rows else pl.coalesce("item", prompt)).alias("item"))


def _by_id(file: FileTable, known: pl.Series) -> pl.DataFrame | None:
    """Rows by the ids that they state; None where these are ids of the file's own, beside texts to go by."""
    has_texts = bool(file.first_of(PROMPTS) and file.first_of(RESPONSES))
    try:
        ids = [None if value is None else int(str(value), 0) for value in file.frame["pair_id"]]
        rows = pl.DataFrame({"pair_id": pl.Series(ids, dtype=pl.UInt64)})
    except (ValueError, OverflowError, TypeError) as error:
        if has_texts:
            return None
        raise DataError(
            f"{file.path.name} has a column pair_id whose values are no 64-bit ids. Write them as text: 123 or 0x7b."
        ) from error
    if has_texts and not rows["pair_id"].is_in(known.implode()).any():
        return None
    return rows.with_columns(pl.lit(None, pl.UInt64).alias("prompt_id"))


def _by_texts(file: FileTable, columns: AnswerColumns) -> pl.DataFrame:
    own = {
        "prompt": _text_column(file, "prompt", given=columns.prompt, usual=PROMPTS),
        "response": _text_column(file, "response", given=columns.response, usual=RESPONSES),
    }
    file.check_flat(list(own.values()))
    written = file.frame.select(pl.col(column).cast(pl.String).alias(name) for name, column in own.items())
    if written.select(pl.any_horizontal(pl.all().is_null()).any()).item():
        raise DataError(f"{file.path.name} was to be matched by its texts; a row lacks one. Take it out.")
    return with_ids(written)


def _text_column(file: FileTable, name: str, *, given: str | None, usual: tuple[str, ...]) -> str:
    found = file.first_of([given] if given else usual)
    if found is None:
        raise UsageError(
            f"{file.path.name} was to be read for a {name}; it has the columns "
            f"{shown_columns(file.frame.columns)}, and {given or ' / '.join(usual)} is not among "
            f"them. Name yours: {name}=COLUMN (--{name} COLUMN)."
        )
    return found


def _policy_column(file: FileTable, given: str | None) -> str | None:
    if given and given not in file.frame.columns:
        raise UsageError(
            f"{file.path.name} was to be read for policies; it has no column {given!r}. It has "
            f"{shown_columns(file.frame.columns)}. Name one of these."
        )
    return given or file.first_of(POLICIES)


def _texts(file: FileTable, column: str | None, *, otherwise: str | None) -> pl.Series | pl.Expr:
    return pl.lit(otherwise, pl.String) if column is None else file.frame[column].cast(pl.String).replace("", None)
