"""Scores made elsewhere: files whose columns are matched with the answers of a data set, or make one of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from btviz.data.dataset import Dataset, expect_answers
from btviz.data.fingerprint import fingerprint_of
from btviz.data.reading.flat_tables import FileTable, open_tables
from btviz.data.reading.record import shown_columns
from btviz.data.tables import PAIRS, PROBLEMS, SCHEMAS, conform
from btviz.data.words import word_counts
from btviz.errors import DataError, UsageError
from btviz.models.protocol import KINDS, SCORES, SCORES_ORDER, as_scores
from btviz.models.records import PRESUMED, UNKNOWN, ScoreRecord
from btviz.scores.answers import valid_scores
from btviz.scores.identity import CHOSEN, TEXTS, AnswerColumns, AnswerFile, AnswerRows, answer_rows
from btviz.scores.policies import ANSWERS, settle_items
from btviz.scores.score_columns import SAFE, STATED, UNSAFE, Meaning, meanings_of, numbers_in, scored
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
    scorer: str | None = None,
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
        "severity", "unsafe" for the probability of any harm, "safe" for that of none, or "categories" for lists of
        those that are flagged); with a leading "-" its sign is turned, and with "@NUMBER" behind "cost" that number
        is where harm begins in the file, which becomes 0. Behind it may stand the model, and of cost and moderation
        its threshold: ``cost:"Beaver v1":0.0``; several columns may be one model's. Of a moderator, values may be
        probabilities, true and false, or texts such as "yes", "safe", or "unsafe" and, on the next line, codes of
        categories. By default the columns of `btviz.scores.score_columns.GUESSED` that are there; a file with the
        columns of a table of scores is read as one.
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
    scorer : str, optional
        Column that names whose score a row holds, of a file with a row for each answer and model; by default one of
        `SCORER_COLUMNS`.
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
    read = [scores_of(each, owner=owner, columns=columns, moderator=moderator, scorer=scorer) for each in answers]
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
    parts = [_with_one_record(part) for part in scores.partition_by("model", "kind", "target")]
    unique = pl.concat([scores.clear(), *parts]).unique()
    keys = ["pair_id", "model", "kind", "target"]
    contrary = unique.filter(unique.select(keys).is_duplicated())
    if contrary.height:
        raise DataError(
            f"An answer has one score of a model; {contrary.select(keys).unique().height:,} answers have several in "
            f"these files, the first under {contrary['model'][0]!r}. Keep one, or name the columns apart."
        )
    return unique.sort(*SCORES_ORDER)


def _with_one_record(part: pl.DataFrame) -> pl.DataFrame:
    """Scores of a model from several files, with what all of them say, and the doubts of each."""
    kind, boundaries = str(part["kind"][0]), set(part["boundary"].unique())
    boundary = next((name for name in (UNKNOWN, PRESUMED) if name in boundaries), None)
    record = ScoreRecord.of(kind, records=part["record"].unique().sort().to_list(), boundary=boundary)
    columns = record.columns()
    return part.with_columns(pl.lit(columns[name], pl.String).alias(name) for name in ("boundary", "record"))


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
    scorer: str | None = None,
) -> FileScores:
    """Read the scores of a file."""
    file, rows = answers.file.table, answers.rows
    if columns is None and _is_table_of_scores(file):
        return _own_table(answers, owner=owner)
    meanings = _meanings(answers.file, columns)
    if moderator is not None and not any(meaning.startswith("moderation") for meaning in meanings.values()):
        raise UsageError(
            f"{file.path.name} was to be read for scores of the moderator {moderator!r}; no column is named as such. "
            "Say which: COLUMN=moderation:TARGET (--column)."
        )
    by_scorer = _scorers(file, scorer)
    tables, reports = [], []
    for name, meaning in meanings.items():
        said = Meaning.of(meaning, owner.taxonomy)
        if said.kind != "moderation":
            file.check_flat([name])
        given = moderator if moderator is not None and said.kind == "moderation" else said.model
        for what, numbers in scored(file, name, what=said, taxonomy=owner.taxonomy):
            for model, inside in ((given or name, None),) if by_scorer is None else by_scorer:
                part = numbers if inside is None else numbers.set(~inside, None)
                asked = rows if inside is None else rows.filter(inside)
                column = _Column(
                    name, model, what, part if inside is None else part.filter(inside), columns is not None
                )
                table, report = column.matched(asked, answers=answers, owner=owner)
                tables.append(table)
                reports.append(report)
    if not tables:
        raise DataError(
            f"{file.path.name} was to be read for the categories that a moderator names; none of its "
            f"{rows.height:,} rows names any. Give a column of its verdicts, too: COLUMN=moderation:unsafe."
        )
    return FileScores(pl.concat(tables), pl.DataFrame(reports, schema_overrides=_REPORTED))


_REPORTED = {"target": pl.String, "note": pl.String}


ASSUMED = "assumed from the column's name"


@dataclass(frozen=True, eq=False)
class _Column:
    """Numbers of a column that are one model's."""

    name: str
    model: str
    what: Meaning
    numbers: pl.Series
    stated: bool

    def matched(
        self, rows: pl.DataFrame, *, answers: AnswerRows, owner: Dataset
    ) -> tuple[pl.DataFrame, dict[str, object]]:
        """Scores of the answers that the rows are about, and how many matched."""
        file, what = answers.file.table, self.what
        score = what.oriented(self.numbers)
        known = rows.select("pair_id", score.alias("score")).join(owner.pairs, on="pair_id", how="semi")
        scores = known.drop_nulls("score")
        stamp = {"model": self.model, "kind": what.kind, "target": UNSAFE if what.target == SAFE else what.target}
        record = replace(what.record(self.numbers), direction_source=STATED if self.stated else ASSUMED)
        columns = {**stamp, **record.columns()}
        table = as_scores(scores.with_columns(pl.lit(v, SCORES[k]).alias(k) for k, v in columns.items()))
        counts = {
            "rows": rows.height,
            "matched": known.height,
            "unmatched": rows.height - known.height,
            "repeated": scores.height - scores.unique().height,
            "missing": known.height - scores.height,
        }
        turned = what.turned or what.target == SAFE
        read = {"file": file.path.name, "column": self.name, **stamp, "turned": turned, "by": answers.by}
        return table, {**read, **counts, "note": _note(scores["score"], what, n_ambiguous=answers.n_ambiguous)}


SCORER_COLUMNS = ("scorer", "score_model", "reward_model", "rater")
"""Columns that name whose score a row holds, in files with a row for each answer and model."""


def _scorers(file: FileTable, column: str | None) -> list[tuple[str, pl.Series]] | None:
    """Models that the rows of a file in long form are of, and which rows; None where each row has all scores."""
    if column is not None and column not in file.frame.columns:
        raise UsageError(
            f"{file.path.name} was to be read for whose score each row holds; it has no column {column!r}. It has "
            f"{shown_columns(file.frame.columns)}. Name one of these."
        )
    name = column or file.first_of(SCORER_COLUMNS)
    if name is None:
        return None
    file.check_flat([name])
    names = file.frame[name].cast(pl.String)
    if names.null_count() or (names == "").any():
        raise DataError(
            f"{file.path.name} has whose score each row holds in its column {name!r}; "
            f"{int((names.fill_null('') == '').sum()):,} rows name nobody. Write a name in each."
        )
    return [(str(each), names == each) for each in names.unique(maintain_order=True)]


def _is_table_of_scores(file: FileTable) -> bool:
    """Whether a file is a table of scores, as btviz has them, by ids or by texts: a row for each model and target."""
    if not {"model", "kind", "score"} <= set(file.frame.columns):
        return False
    return bool(file.frame["kind"].cast(pl.String).is_in(KINDS).all())


def _own_table(answers: AnswerRows, *, owner: Dataset) -> FileScores:
    """Scores of a file that is a table of scores, with all that it knows of them."""
    file = answers.file.table
    file.check_flat([name for name in SCORES if name in file.frame.columns])
    frame = file.frame.with_columns(answers.rows["pair_id"])
    frame = frame if "target" in frame.columns else frame.with_columns(target=pl.lit(None, pl.String))
    texts = [name for name in ("target", "boundary", "record", "threshold") if name in frame.columns]
    frame = frame.with_columns(pl.when(pl.col(name).cast(pl.String) != "").then(name).alias(name) for name in texts)
    numbers = [name for name in ("score", "threshold") if name in frame.columns]
    frame = frame.with_columns(numbers_in(file, name, column=frame[name]) for name in numbers)
    known = frame.join(owner.pairs, on="pair_id", how="semi")
    table = valid_scores(as_scores(known)).drop_nulls("score")
    reports = []
    for (model, kind, target), part in frame.group_by("model", "kind", "target", maintain_order=True):
        inside = part.join(owner.pairs, on="pair_id", how="semi")
        counts = {"rows": part.height, "matched": inside.height, "unmatched": part.height - inside.height}
        lacking = {"repeated": 0, "missing": inside["score"].null_count(), "note": None}
        stamp = {"model": str(model), "kind": str(kind), "target": target, "turned": False, "by": answers.by}
        reports.append({"file": file.path.name, "column": "score", **stamp, **counts, **lacking})
    return FileScores(table, pl.DataFrame(reports, schema_overrides=_REPORTED))


def _meanings(file: AnswerFile, columns: Mapping[str, str] | None) -> Mapping[str, str]:
    there = file.table.frame.columns
    meanings: dict[str, str] = {}
    for name, meaning in meanings_of(columns, there=there, compared=file.ends == CHOSEN).items():
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


def _note(score: pl.Series, what: Meaning, *, n_ambiguous: int) -> str | None:
    notes = [f"{n_ambiguous:,} rows name what several answers have, and are not matched"] if n_ambiguous else []
    if not len(score):
        return "; ".join(notes) or None
    if what.boundary == UNKNOWN:
        notes.append("sign turned; that cost 0 is the boundary of harm is not known of this file")
    at_end = int((score == (score.min() if what.turned else score.max())).sum())
    if what.kind != "moderation" and 1 < at_end < len(score) and at_end > 0.05 * len(score):
        notes.append(f"{at_end / len(score):.1%} of the scores share one extreme value")
    return "; ".join(notes) or None
