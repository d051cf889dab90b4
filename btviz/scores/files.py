"""Scores made elsewhere: files whose columns are matched with the answers of a data set, or make one of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from btviz.data.dataset import Dataset, expect_answers
from btviz.data.fingerprint import fingerprint_of
from btviz.data.reading.flat_tables import FileTable, open_tables
from btviz.data.reading.record import shown_columns
from btviz.data.tables import PAIRS, PROBLEMS, SCHEMAS, conform
from btviz.data.words import word_counts
from btviz.errors import DataError, UsageError
from btviz.models.protocol import BOUNDARY, KINDS, PRESUMED, SCORES_ORDER, UNKNOWN, as_scores
from btviz.scores.identity import TEXTS, AnswerColumns, AnswerFile, AnswerRows, answer_rows
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
    policies : tuple of str
        Their policies, in the order of the files and of their rows: the first is what others are compared with.
    report : DataFrame
        Per file and score: `file`, `column`, `model`, `kind`, `target`, `turned` (sign), `by` (what rows were
        matched by), `rows` (two for each row of the file that is about two answers), `matched`, `unmatched` (no such
        answer in the data set, or several), `repeated` (equal score of an answer met before), `missing` (no
        score), `note`.
    """

    scores: pl.DataFrame
    dataset: Dataset
    answers: pl.DataFrame
    policies: tuple[str, ...]
    report: pl.DataFrame


def read_scores(  # noqa: PLR0913  # all but two by name, each with a default that suits most files
    paths: str | Path | Sequence[str | Path],
    ds: Dataset | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    prompt: str | None = None,
    response: str | None = None,
    policy: str | None = None,
    by: str | None = None,
    moderator: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> ScoreFile:
    """Read scores that were made elsewhere.

    Parameters
    ----------
    paths : path-like or sequence of them
        JSON lines, JSON, Parquet or CSV files. A row may be about two answers: texts or ids, and scores, in
        columns such as ``response_0``, ``response_1``, ``cost_0``, ``cost_1`` (see `btviz.scores.identity.SIDES`),
        or in lists. These make one model, named without the side: ``cost``.
    ds : Dataset, optional
        Data set whose answers were scored, matched by `pair_id` (as decimal text, hexadecimal
        with ``0x``, or number) if the file has that column, with ids of the data set or no texts, and
        neither `prompt` nor `response` is named; else by the exact prompt and response; without texts by an id
        that the data set knows, see `by`. Without it the files' own prompts and answers become a data set.
    columns : Mapping, optional
        Score column to what it is: "reward", "cost", "moderation:TARGET" (a category's slug,
        "severity", or "unsafe" for the probability of any harm); with a leading "-" its sign is turned, and with
        "@NUMBER" behind "cost" that number is where harm begins in the file, which becomes 0.
        By default the columns of `btviz.scores.files.GUESSED` that are there.
    prompt, response : str, optional
        Columns of the texts; by default the first that is there of `PROMPT_COLUMNS` and `RESPONSE_COLUMNS` in
        `btviz.scores.identity`.
    policy : str, optional
        Column that names the answering model; by default one of `POLICY_COLUMNS` there, else what `ds`
        knows of an answer. Without `ds` each file that names none is a policy, named as the file, and
        again with the `ds` that was made of it.
    by : str, optional
        Id to match by, as ``COLUMN`` or ``COLUMN=KEY``: ``pair_id``, a hash of the answer, ``line`` (beside the
        column ``file``), or a key in ``ds.keys``; see `btviz.data.keys.matched_pairs`.
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
    if ds is not None:
        expect_answers(ds, what="Scores")
    files = open_tables([Path(path) for path in path_list])
    named = AnswerColumns(prompt, response, policy, by)
    policies = [] if ds is None else ds.facts.get("policies", [])
    answers = [answer_rows(file, named, ds=ds, policies=policies) for file in files]
    rows = [each.rows for each in answers]
    owner = ds if ds is not None else own_dataset(rows, [file.path for file in files], taxonomy=taxonomy)
    read = [scores_of(each, owner=owner, columns=columns, moderator=moderator) for each in answers]
    scores = _once(pl.concat([part.scores for part in read]))
    if scores.is_empty():
        advice = _TOGETHER if policies else "Check the columns and the data set."
        raise DataError(
            f"Scores of {owner.name} were to be read; of {sum(each.height for each in rows):,} rows none matched an "
            f"answer with a score, by {_words(answers[0].by)}.{_several(answers)} {advice}"
        )
    matches = _matched(rows, owner)
    order = tuple(dict.fromkeys(name for match in matches for name in match["policy"].unique(maintain_order=True)))
    return ScoreFile(scores, owner, _settled(matches), order, pl.concat([part.report for part in read]))


def _words(by: str) -> str:
    return "texts, which have to be the same to the letter" if by == TEXTS else by


def _several(answers: Sequence[AnswerRows]) -> str:
    n = sum(each.n_ambiguous for each in answers)
    return f" Of these, {n:,} name what several answers have: add the prompt, or say which answer." if n else ""


def _matched(answers: Sequence[pl.DataFrame], owner: Dataset) -> list[pl.DataFrame]:
    """Rows of each file that are answers of the data set by a known policy."""
    known = owner.pairs.select("pair_id", "prompt_id", "source")
    policy = pl.coalesce("policy", "source").alias("policy")
    return [
        rows.drop("prompt_id")
        .join(known, on="pair_id", maintain_order="left")
        .with_columns(policy)
        .drop_nulls("policy")
        for rows in answers
    ]


def _settled(matches: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All of them, each with its item."""
    return settle_items(pl.concat([rows.select(list(ANSWERS)) for rows in matches])).sort("policy", "item", "pair_id")


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
    rows = pl.concat([frame.select(columns) for frame in answers]).drop_nulls("pair_id")
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
        facts={"files": [], "policies": rows["policy"].unique(maintain_order=True).to_list()},
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
    answers: AnswerRows,
    *,
    owner: Dataset,
    columns: Mapping[str, str] | None = None,
    moderator: str | None = None,
) -> FileScores:
    """Read the scores of a file."""
    file, rows = answers.file.table, answers.rows
    meanings = _meanings(answers.file, columns)
    file.check_flat(list(meanings))
    if moderator is not None and not any(meaning.startswith("moderation") for meaning in meanings.values()):
        raise UsageError(
            f"{file.path.name} was to be read for scores of the moderator {moderator!r}; no column is named as such. "
            "Say which: COLUMN=moderation:TARGET (--column)."
        )
    known = owner.pairs.select("pair_id")
    tables, reports = [], []
    for name, meaning in meanings.items():
        what = meaning_of(meaning, owner.taxonomy)
        score = what.oriented(_numbers(file, name))
        if what.kind == "moderation" and what.target != SEVERITY:  # that is an expected level
            _check_probabilities(file, name, score)
        matched = rows.select("pair_id", score.alias("score")).join(known, on="pair_id", how="semi")
        scored = matched.drop_nulls("score")
        model = moderator if moderator is not None and what.kind == "moderation" else name
        stamp = {"model": model, "kind": what.kind, "target": what.target}
        columns_of = {**stamp, BOUNDARY: what.boundary}
        tables.append(as_scores(scored.with_columns(pl.lit(v, pl.String).alias(k) for k, v in columns_of.items())))
        counts = {
            "rows": rows.height,
            "matched": matched.height,
            "unmatched": rows.height - matched.height,
            "repeated": scored.height - scored.unique().height,
            "missing": matched.height - scored.height,
        }
        note = _note(scored["score"], what, n_ambiguous=answers.n_ambiguous)
        read = {"file": file.path.name, "column": name, **stamp, "turned": what.turned, "by": answers.by}
        reports.append({**read, **counts, "note": note})
    return FileScores(
        pl.concat(tables), pl.DataFrame(reports, schema_overrides={"target": pl.String, "note": pl.String})
    )


@dataclass(frozen=True)
class Meaning:
    """What a column of scores is.

    Attributes
    ----------
    kind, target : str
        As in a table of scores.
    turned : bool
        Whether high means the opposite in the file.
    origin : float or None
        Of a cost: where harm begins in the file.
    """

    kind: str
    target: str | None = None
    turned: bool = False
    origin: float | None = None

    def oriented(self, numbers: pl.Series) -> pl.Series:
        """Scores as the convention has them: high is more helpful or more harmful, and harm begins at 0."""
        from_origin = numbers - (self.origin or 0.0)
        return -from_origin if self.turned else from_origin

    @property
    def boundary(self) -> str | None:
        """What is known of the cost 0: one of `btviz.models.protocol.BOUNDARIES`."""
        if self.kind != "cost" or self.origin is not None:
            return None
        return UNKNOWN if self.turned else PRESUMED


def meaning_of(meaning: str, taxonomy: Taxonomy) -> Meaning:
    """Read what a column is: its kind, its target, whether its sign is turned, and where its harm begins."""
    turned, (plain, at, origin) = meaning.startswith("-"), meaning.removeprefix("-").partition("@")
    kind, _, target = plain.partition(":")
    is_moderation = kind == "moderation"
    if kind not in KINDS or bool(target) != is_moderation or (turned and is_moderation) or (at and kind != "cost"):
        raise UsageError(
            f"A column was to be {meaning!r}; it may be reward, cost, -reward, -cost (sign turned), cost@NUMBER or "
            "-cost@NUMBER (harm begins there) or moderation:TARGET, where a target is a category or "
            f"{' or '.join(OVERALL)}. Write one of these."
        )
    slug = target if target in ("", *OVERALL) else taxonomy[target].slug
    return Meaning(kind, slug or None, turned, _origin(origin) if at else None)


def _origin(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"A cost was to begin at {text!r}, which is no number. Write one, such as cost@0.5.")
    return number


def _meanings(file: AnswerFile, columns: Mapping[str, str] | None) -> Mapping[str, str]:
    there = file.table.frame.columns
    meanings: dict[str, str] = {}
    for name, meaning in (columns or {name: GUESSED[name] for name in GUESSED if name in there}).items():
        column = name if name in there else file.stems.get(name, name)
        if meanings.setdefault(column, meaning) != meaning:
            raise UsageError(
                f"{file.table.path.name} was to be read for {name!r} as {meaning!r}; it and the same column of the "
                f"other answer are one model's, and that was to be {meanings[column]!r}. Name them alike."
            )
    missing = [name for name in meanings if name not in there]
    if not meanings or missing:
        raise UsageError(
            f"{file.table.path.name} was to be read for scores; "
            + (f"it has no column {missing[0]!r}" if missing else "no column of it is known to be a score")
            + f". It has {shown_columns(there)}. Say which are scores: COLUMN=reward, COLUMN=cost or "
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


def _note(score: pl.Series, what: Meaning, *, n_ambiguous: int) -> str | None:
    notes = [f"{n_ambiguous:,} rows name what several answers have, and are not matched"] if n_ambiguous else []
    if not len(score):
        return "; ".join(notes) or None
    if what.boundary == UNKNOWN:
        notes.append("sign turned; that cost 0 is the boundary of harm is not known of this file")
    top = int((score == (score.min() if what.turned else score.max())).sum()) / len(score)
    if top > 0.05 and not math.isclose(top, 1.0):
        notes.append(f"{top:.1%} of the scores share one extreme value")
    return "; ".join(notes) or None
