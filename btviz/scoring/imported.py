"""Scores made elsewhere: columns of a file matched with the answers of a data set, or its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from btviz.dataset import Dataset
from btviz.errors import DataError, UsageError
from btviz.scoring.formats import read_frame
from btviz.scoring.owndata import own_dataset
from btviz.scoring.policies import ANSWERS
from btviz.scoring.protocol import KINDS, SCORES, SCORES_ORDER
from btviz.tables import with_ids
from btviz.taxonomy import Taxonomy

PROMPTS = ("prompt", "question", "instruction")
RESPONSES = ("response", "answer", "output", "completion")
ITEMS = ("index", "id")
POLICIES = ("policy", "source")
GUESSED = {
    "helpful_score": "reward",
    "reward": "reward",
    "reward_score": "reward",
    "cost": "cost",
    "cost_score": "cost",
    "harmless_score": "-cost",
}
"""Columns that are taken for scores where none is named: higher harmlessness is lower cost."""


@dataclass(frozen=True)
class ScoreFile:
    """What was read from score files.

    Attributes
    ----------
    scores : DataFrame
        A table of scores; `model` is the column's name.
    dataset : Dataset
        Whose answers were scored: the one given, or one made of the files' own texts.
    answers : DataFrame
        `policy`, `item`, `prompt_id`, `pair_id`: one row per row of the files that was matched.
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
    taxonomy: Taxonomy | None = None,
) -> ScoreFile:
    """Read scores that were made elsewhere.

    Parameters
    ----------
    paths : path-like or sequence of them
        JSON lines, JSON, Parquet or CSV files.
    ds : Dataset, optional
        Data set whose answers were scored, matched by `pair_id` (as decimal text, hexadecimal
        with ``0x``, or number) if the file has that column, else by the exact prompt and response.
        Without it the files' own prompts and answers become a data set.
    columns : Mapping, optional
        Score column to what it is: "reward", "cost", "moderation:TARGET" (a category's slug or
        "severity"); with a leading "-" its sign is turned. By default the columns of `GUESSED`
        that are there.
    prompt, response : str, optional
        Columns of the texts; by default the first of `PROMPTS` and `RESPONSES` that is there.
    policy : str, optional
        Column that names the answering model; by default one of `POLICIES`, else what `ds` knows
        of an answer, else each file is a policy, named as the file.
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
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise UsageError("Scores were to be read; no file was named. Name one or more.")
    files = _opened([Path(path) for path in given])
    texts = {"prompt": prompt, "response": response, "policy": policy}
    answers = [_answers(file, texts, needs_texts=ds is None) for file in files]
    owner = ds if ds is not None else own_dataset(answers, [file.path for file in files], taxonomy=taxonomy)
    known = owner.pairs.select("pair_id", "prompt_id", "source")
    read = [_read(file, rows, known, owner, columns) for file, rows in zip(files, answers, strict=True)]
    scores = _once(pl.concat([table for part in read for table in part.tables]))
    found = (rows.drop("prompt_id").join(known, on="pair_id") for rows in answers)
    named = pl.coalesce("policy", "source", "file").alias("policy")
    matched = _asked(pl.concat([rows.with_columns(named).select(list(ANSWERS)) for rows in found]))
    report = pl.concat([part.report for part in read])
    if scores.is_empty():
        raise DataError(
            f"Scores of {owner.name} were to be read; of {report['rows'].sum():,} rows none matched an answer. "
            "Texts have to be the same to the letter: check the columns and the data set."
        )
    return ScoreFile(scores, owner, matched.sort("policy", "item", "pair_id"), report)


@dataclass(frozen=True, eq=False)
class _File:
    path: Path
    frame: pl.DataFrame
    name: str


@dataclass(frozen=True, eq=False)
class _Read:
    tables: list[pl.DataFrame]
    report: pl.DataFrame


def _opened(paths: Sequence[Path]) -> list[_File]:
    """Read files, each with a name of its own: that of its folder, too, where two files have one name."""
    stems = [path.name.split(".json")[0].split(".csv")[0].split(".parquet")[0] for path in paths]
    names = [
        stem if stems.count(stem) == 1 else f"{path.resolve().parent.name}/{stem}"
        for path, stem in zip(paths, stems, strict=True)
    ]
    return [_File(path, read_frame(path), name) for path, name in zip(paths, names, strict=True)]


def _asked(answers: pl.DataFrame) -> pl.DataFrame:
    """Answers with what was asked as their item: the prompt, where the file numbers none or numbers its rows."""
    policies = pl.col("policy").n_unique()
    shares = answers.select(
        own=(policies.over("item", "prompt_id") > 1).any(), prompt=(policies.over("prompt_id") > 1).any()
    ).row(0, named=True)
    prompt = pl.col("prompt_id").cast(pl.String)
    item = prompt if shares["prompt"] and not shares["own"] else pl.coalesce("item", prompt)
    return answers.with_columns(item.alias("item"))


def _answers(file: _File, texts: Mapping[str, str | None], *, needs_texts: bool) -> pl.DataFrame:
    """One row per row of the file: `ANSWERS` and, where the file has them, `prompt` and `response`."""
    frame = file.frame
    if "pair_id" in frame.columns and not needs_texts:
        ids = _ids(frame["pair_id"], file)
        rows = pl.DataFrame({"pair_id": ids}).with_columns(pl.lit(None, pl.UInt64).alias("prompt_id"))
    else:
        own = {name: _column(file, name, texts[name], known) for name, known in _TEXTS.items()}
        _check_flat(file, list(own.values()))
        written = frame.select(pl.col(column).cast(pl.String).alias(name) for name, column in own.items())
        if written.select(pl.any_horizontal(pl.col("prompt", "response").is_null()).any()).item():
            raise DataError(f"{file.path.name} was to be matched by its texts; a row lacks one. Take it out.")
        rows = with_ids(written)
    named = texts["policy"] or next((name for name in POLICIES if name in frame.columns), None)
    if texts["policy"] and texts["policy"] not in frame.columns:
        raise UsageError(
            f"{file.path.name} has no column {texts['policy']!r}; it has {frame.columns}. Name one of them."
        )
    item = next((name for name in ITEMS if name in frame.columns), None)
    _check_flat(file, [name for name in (named, item) if name])
    by_file = pl.lit(file.name if needs_texts else None, pl.String).alias("policy")
    return rows.with_columns(
        pl.lit(file.name).alias("file"),
        by_file if named is None else frame[named].cast(pl.String).alias("policy"),
        pl.lit(None, pl.String).alias("item") if item is None else frame[item].cast(pl.String).alias("item"),
    )


def _check_flat(file: _File, columns: Sequence[str]) -> None:
    nested = [name for name, dtype in file.frame.schema.items() if name in columns and dtype.is_nested()]
    if nested:
        raise DataError(
            f"{file.path.name} was to be read for texts, names and numbers; its columns {nested} hold lists or "
            "objects. Write one value in each, or name other columns."
        )


_TEXTS = {"prompt": PROMPTS, "response": RESPONSES}


def _column(file: _File, name: str, given: str | None, known: Sequence[str]) -> str:
    found = [given] if given else [column for column in known if column in file.frame.columns]
    if found and found[0] in file.frame.columns:
        return found[0]
    raise UsageError(
        f"{file.path.name} was to be read for a {name}; it has the columns {file.frame.columns}, and "
        f"{given or ' / '.join(known)} is not among them. Name yours: {name}=COLUMN."
    )


def _ids(column: pl.Series, file: _File) -> pl.Series:
    try:
        texts = [None if value is None else int(str(value), 0) for value in column]
        return pl.Series("pair_id", texts, dtype=pl.UInt64)
    except (ValueError, OverflowError, TypeError) as error:
        raise DataError(
            f"{file.path.name} has a column pair_id whose values are no 64-bit ids. Write them as text: 123 or 0x7b."
        ) from error


def _read(
    file: _File, rows: pl.DataFrame, known: pl.DataFrame, owner: Dataset, columns: Mapping[str, str] | None
) -> _Read:
    found = columns or {name: meaning for name, meaning in GUESSED.items() if name in file.frame.columns}
    missing = [name for name in found if name not in file.frame.columns]
    if not found or missing:
        raise UsageError(
            f"{file.path.name} was to be read for scores; "
            + (f"it has no column {missing[0]!r}" if missing else "no column of it is known to be a score")
            + f". It has {file.frame.columns}. Say which are scores: COLUMN=reward, COLUMN=cost or COLUMN=-cost."
        )
    _check_flat(file, list(found))
    tables, reports = [], []
    for name, meaning in found.items():
        kind, target, turned = meaning_of(meaning, owner.taxonomy)
        score = _numbers(file, name) * (-1.0 if turned else 1.0)
        table = rows.select("pair_id", score.alias("score")).join(known.select("pair_id"), on="pair_id", how="semi")
        scored = table.drop_nulls("score")
        stamp = {"model": name, "kind": kind, "target": target}
        tables.append(scored.with_columns(pl.lit(v, pl.String).alias(k) for k, v in stamp.items()).select(list(SCORES)))
        reports.append(
            {"file": file.path.name, "column": name, **stamp, "turned": turned, "rows": rows.height}
            | {"matched": table.height, "unmatched": rows.height - table.height}
            | {"repeated": scored.height - scored.unique().height, "missing": table.height - scored.height}
            | {"note": _note(scored["score"], kind, turned)}
        )
    return _Read(tables, pl.DataFrame(reports, schema_overrides={"target": pl.String, "note": pl.String}))


def meaning_of(meaning: str, taxonomy: Taxonomy) -> tuple[str, str | None, bool]:
    """Read what a column is: its kind, its target, and whether its sign is turned."""
    turned, plain = meaning.startswith("-"), meaning.removeprefix("-")
    kind, _, target = plain.partition(":")
    if kind not in KINDS or bool(target) != (kind == "moderation") or (turned and kind == "moderation"):
        raise UsageError(
            f"A column was to be {meaning!r}; it may be reward, cost, -reward, -cost (sign turned) or "
            "moderation:TARGET. Write one of these."
        )
    slug = target if target in ("", "severity") else taxonomy[target].slug
    return kind, slug or None, turned


def _numbers(file: _File, name: str) -> pl.Series:
    column = file.frame[name]
    if column.dtype == pl.String:
        column = column.replace("", None)
    numbers = column.cast(pl.Float64, strict=False)
    lost = int(numbers.null_count() - column.null_count())
    infinite = int(numbers.is_infinite().sum())
    if lost or infinite:
        raise DataError(
            f"The column {name!r} of {file.path.name} was to be scores; {lost + infinite:,} of its values are no "
            "finite numbers. Mend the file, or leave the values out."
        )
    return numbers.fill_nan(None)


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
