"""Scores made elsewhere: columns of a file matched with the answers of a data set, or its own.

A data set made of the prompts and answers that a score file brings along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from btviz.data.assemble import fingerprint_of
from btviz.data.dataset import Dataset
from btviz.data.reading.flat_tables import open_tables
from btviz.data.tables import ANNOTATIONS, PAIRS, PREFERENCES, PROBLEMS, PROMPTS, VOTES, WORD, conform
from btviz.errors import DataError, UsageError
from btviz.models.protocol import SCORES_ORDER
from btviz.scores.columns import AnswerColumns, answer_rows, scores_of, settle_items
from btviz.scores.policies import ANSWERS
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
        By default the columns of `btviz.scores.columns.GUESSED` that are there.
    prompt, response : str, optional
        Columns of the texts; by default the first that is there of `PROMPTS` and `RESPONSES` in
        `btviz.scores.columns`.
    policy : str, optional
        Column that names the answering model; by default one of `POLICIES` there, else what `ds`
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
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise UsageError("Scores were to be read; no file was named. Name one or more.")
    files = open_tables([Path(path) for path in given])
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
    found = [
        rows.drop("prompt_id").join(known, on="pair_id").with_columns(policy).drop_nulls("policy") for rows in answers
    ]
    settled = settle_items(pl.concat([rows.select(list(ANSWERS)) for rows in found]))
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
    counts = (pl.col(text).str.count_matches(WORD).alias(f"{text}_words") for text in ("prompt", "response"))
    texts = (
        rows.unique("pair_id")
        .drop("policy")
        .with_columns(*counts, *(pl.lit(0, pl.UInt32).alias(name) for name in ("n_annotations", "n_unsafe")))
    )
    source = rows.group_by("pair_id").agg(pl.col("policy").min().alias("source"))
    pairs = conform(texts.join(source, on="pair_id"), PAIRS).sort("pair_id")
    empty = {"annotations": ANNOTATIONS, "votes": VOTES, "preferences": PREFERENCES, "prompts": PROMPTS}
    tables = {name: schema.to_frame() for name, schema in empty.items()}
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
