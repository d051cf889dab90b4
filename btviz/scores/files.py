"""Scores made elsewhere: files whose columns are matched with the answers of a data set, or make one of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from btviz.data.assemble import fingerprint_of
from btviz.data.dataset import Dataset
from btviz.data.reading.flat_tables import FileTable, open_tables, shown_columns
from btviz.data.tables import PAIRS, PROBLEMS, SCHEMAS, conform, with_ids
from btviz.data.words import word_counts
from btviz.errors import DataError, UsageError
from btviz.models.protocol import KINDS, SCORES_ORDER, as_scores
from btviz.scores.policies import ANSWERS, settle_items
from btviz.taxonomy.categories import BEAVERTAILS, Taxonomy

_TOGETHER = (
    "That data set was made of score files and takes no other answers. To compare these with them, read all files "
    "together under a new name: btviz score NEW --from FILE --from FILE."
)


@dataclass(frozen=True)
class ScoreFile:
    """What was read from score files.

    Attributes
    ----------
    scores : DataFrame
        A table of scores; `model` is the column's name, or the moderator's.
    dataset : Dataset
        Whose answers were scored: the one given, or one made of the files' own texts.
    answers : DataFrame
        `policy`, `item`, `prompt_id`, `pair_id`: one row per row of the files that was matched, and whose
        policy is known.
    report : DataFrame
        Per file and score: `file`, `column`, `model`, `kind`, `target`, `turned` (sign), `rows`,
        `matched`, `unmatched` (no such answer in the data set), `repeated` (equal score of an
        answer met before), `missing` (no score), `note`.
    """

    scores: pl.DataFrame
    dataset: Dataset
    answers: pl.DataFrame
    report: pl.DataFrame


def read_scores(
    paths: str | Path | Sequence[str | Path],
    ds: Dataset | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    prompt: str | None = None,
    response: str | None = None,
    policy: str | None = None,
    moderator: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> ScoreFile:
    """Read scores that were made elsewhere.

    Parameters
    ----------
    paths : path-like or sequence of them
        JSON lines, JSON, Parquet or CSV files.
    ds : Dataset, optional
        Data set whose answers were scored, matched by `pair_id` (as decimal text, hexadecimal
        with ``0x``, or number) if the file has that column, with ids of the data set or no texts, and
        neither `prompt` nor `response` is named; else by the exact prompt and response.
        Without it the files' own prompts and answers become a data set.
    columns : Mapping, optional
        Score column to what it is: "reward", "cost", "moderation:TARGET" (a category's slug,
        "severity", or "unsafe" for the probability of any harm); with a leading "-" its sign is turned.
        By default the columns of `btviz.scores.files.GUESSED` that are there.
    prompt, response : str, optional
        Columns of the texts; by default the first that is there of `PROMPT_COLUMNS` and `RESPONSE_COLUMNS` in
        `btviz.scores.files`.
    policy : str, optional
        Column that names the answering model; by default one of `POLICY_COLUMNS` there, else what `ds`
        knows of an answer. Without `ds` each file that names none is a policy, named as the file, and
        again with the `ds` that was made of it.
    moderator : str, optional
        Name of the model that all columns of moderation are of, as one with an output for each category
        has them; by default each column is a model of its own.
    taxonomy : Taxonomy, optional
        Meaning of targets where the files make a data set of their own.

    Returns
    -------
    ScoreFile

    Raises
    ------
    UsageError
        If a column is missing or an option is unknown.
    DataError
        If a score is no finite number, one answer has two different scores, or nothing matched.
    """
    path_list = [paths] if isinstance(paths, str | Path) else list(paths)
    if not path_list:
        raise UsageError("Scores were to be read; no file was named. Name one or more.")
    files = open_tables([Path(path) for path in path_list])
    texts = AnswerColumns(prompt, response, policy)
    known = None if ds is None else ds.pairs["pair_id"]
    policies = [] if ds is None else ds.facts.get("policies", [])
    answers = [answer_rows(file, texts, known=known, policies=policies) for file in files]
    owner = ds if ds is not None else own_dataset(answers, [file.path for file in files], taxonomy=taxonomy)
    read = [
        scores_of(file, rows, owner=owner, columns=columns, moderator=moderator)
        for file, rows in zip(files, answers, strict=True)
    ]
    scores = _once(pl.concat([part.scores for part in read]))
    report = pl.concat([part.report for part in read])
    if scores.is_empty():
        n_rows = sum(rows.height for rows in answers)
        by = "texts, which have to be the same to the letter" if "prompt" in answers[0].columns else "pair_id"
        advice = _TOGETHER if policies else "Check the columns and the data set."
        raise DataError(
            f"Scores of {owner.name} were to be read; of {n_rows:,} rows none matched an answer with a score, by "
            f"{by}. {advice}"
        )
    return ScoreFile(scores, owner, _matched(answers, owner), report)


def _matched(answers: Sequence[pl.DataFrame], owner: Dataset) -> pl.DataFrame:
    """Rows of the files that are answers of the data set by a known policy, each with its item."""
    known = owner.pairs.select("pair_id", "prompt_id", "source")
    policy = pl.coalesce("policy", "source").alias("policy")
    matches = [
        rows.drop("prompt_id").join(known, on="pair_id").with_columns(policy).drop_nulls("policy") for rows in answers
    ]
    settled = settle_items(pl.concat([rows.select(list(ANSWERS)) for rows in matches]))
    return settled.sort("policy", "item", "pair_id")


def _once(scores: pl.DataFrame) -> pl.DataFrame:
    """Each answer once: rows that repeat a score are one, rows that contradict each other an error."""
    unique = scores.unique()
    keys = ["pair_id", "model", "kind", "target"]
    contrary = unique.filter(unique.select(keys).is_duplicated())
    if contrary.height:
        raise DataError(
            f"An answer has one score of a model; {contrary.select(keys).unique().height:,} answers have several in "
            f"these files, the first under {contrary['model'][0]!r}. Keep one, or name the columns apart."
        )
    return unique.sort(*SCORES_ORDER)


def own_dataset(answers: Sequence[pl.DataFrame], paths: Sequence[Path], *, taxonomy: Taxonomy | None) -> Dataset:
    """Make a data set of answers without labels."""
    columns = ["pair_id", "prompt_id", "prompt", "response", "policy"]
    if any(name not in frame.columns for frame in answers for name in columns):
        raise UsageError("A data set was to be made of score files; one has no prompts and answers. Name its data set.")
    rows = pl.concat([frame.select(columns) for frame in answers])
    unlabelled = (pl.lit(0, pl.UInt32).alias(name) for name in ("n_annotations", "n_unsafe"))
    texts = rows.unique("pair_id").drop("policy").with_columns(*word_counts("prompt", "response"), *unlabelled)
    source = rows.group_by("pair_id").agg(pl.col("policy").min().alias("source"))
    pairs = conform(texts.join(source, on="pair_id"), PAIRS).sort("pair_id")
    tables = {name: schema.to_frame() for name, schema in SCHEMAS.items()}
    tables |= {"pairs": pairs, "problems": PROBLEMS.to_frame()}
    names = [path.name.split(".")[0] if len(paths) == 1 else path.resolve().parent.name for path in paths]
    return Dataset(
        name=names[0],
        taxonomy=taxonomy or BEAVERTAILS,
        fingerprint=fingerprint_of([pairs.select("pair_id", "source")]),
        is_synthetic=False,
        release=None,
        facts={"files": [], "policies": rows["policy"].unique().sort().to_list()},
        _read=tables.__getitem__,
    )


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
    meanings = columns or {name: meaning for name, meaning in GUESSED.items() if name in file.frame.columns}
    missing = [name for name in meanings if name not in file.frame.columns]
    if not meanings or missing:
        raise UsageError(
            f"{file.path.name} was to be read for scores; "
            + (f"it has no column {missing[0]!r}" if missing else "no column of it is known to be a score")
            + f". It has {shown_columns(file.frame.columns)}. Say which are scores: COLUMN=reward, COLUMN=cost or "
            "COLUMN=-cost (--column)."
        )
    return meanings


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


PROMPT_COLUMNS = ("prompt", "question", "instruction")
RESPONSE_COLUMNS = ("response", "answer", "output", "completion")
ITEM_COLUMNS = ("index", "id")
POLICY_COLUMNS = ("policy", "source")


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
    policy, item = _policy_column(file, columns.policy), file.first_of(ITEM_COLUMNS)
    file.check_flat([name for name in (policy, item) if name])
    return rows.with_columns(
        policy=_texts(file, policy, otherwise=file.name if known is None or file.name in policies else None),
        item=_texts(file, item, otherwise=None),
    )


def _by_id(file: FileTable, known: pl.Series) -> pl.DataFrame | None:
    """Rows by the ids that they state; None where these are ids of the file's own, beside texts to go by."""
    has_texts = bool(file.first_of(PROMPT_COLUMNS) and file.first_of(RESPONSE_COLUMNS))
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
    text_columns = {
        "prompt": _text_column(file, "prompt", column=columns.prompt, usual=PROMPT_COLUMNS),
        "response": _text_column(file, "response", column=columns.response, usual=RESPONSE_COLUMNS),
    }
    file.check_flat(list(text_columns.values()))
    written = file.frame.select(pl.col(column).cast(pl.String).alias(name) for name, column in text_columns.items())
    if written.select(pl.any_horizontal(pl.all().is_null()).any()).item():
        raise DataError(f"{file.path.name} was to be matched by its texts; a row lacks one. Take it out.")
    return with_ids(written)


def _text_column(file: FileTable, name: str, *, column: str | None, usual: tuple[str, ...]) -> str:
    column_name = file.first_of([column] if column else usual)
    if column_name is None:
        raise UsageError(
            f"{file.path.name} was to be read for a {name}; it has the columns "
            f"{shown_columns(file.frame.columns)}, and {column or ' / '.join(usual)} is not among "
            f"them. Name yours: {name}=COLUMN (--{name} COLUMN)."
        )
    return column_name


def _policy_column(file: FileTable, column: str | None) -> str | None:
    if column and column not in file.frame.columns:
        raise UsageError(
            f"{file.path.name} was to be read for policies; it has no column {column!r}. It has "
            f"{shown_columns(file.frame.columns)}. Name one of these."
        )
    return column or file.first_of(POLICY_COLUMNS)


def _texts(file: FileTable, column: str | None, *, otherwise: str | None) -> pl.Series | pl.Expr:
    return pl.lit(otherwise, pl.String) if column is None else file.frame[column].cast(pl.String).replace("", None)
