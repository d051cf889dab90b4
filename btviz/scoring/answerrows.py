"""Which answer each row of a score file is about, of which policy, and to which item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from btviz.errors import DataError, UsageError
from btviz.scoring.filetables import FileTable
from btviz.scoring.formats import shown_columns
from btviz.tables import with_ids

PROMPTS = ("prompt", "question", "instruction")
RESPONSES = ("response", "answer", "output", "completion")
ITEMS = ("index", "id")
POLICIES = ("policy", "source")


@dataclass(frozen=True)
class AnswerColumns:
    """Columns that the user named; None where one of the usual names is to be found.

    Attributes
    ----------
    prompt, response : str or None
        Of the texts; usual are `PROMPTS` and `RESPONSES`.
    policy : str or None
        Of the answering model; usual are `POLICIES`.
    """

    prompt: str | None = None
    response: str | None = None
    policy: str | None = None


def answer_rows(
    file: FileTable, columns: AnswerColumns, *, known: pl.Series | None, policies: Sequence[str] = ()
) -> pl.DataFrame:
    """Identify the answer of each row of a file.

    Parameters
    ----------
    file : FileTable
        What was read.
    columns : AnswerColumns
        Where to find texts and policies.
    known : Series of uint64 or None
        Ids of the answers that a data set has. Without one the file has to bring its texts, and if it names
        no policy it is one itself.
    policies : sequence of str
        Files of which the data set was made: such a file is a policy again if it names none.

    Returns
    -------
    DataFrame
        As many rows as the file: `pair_id`, `prompt_id`, `policy`, `item`; with `prompt` and `response`
        unless the rows were identified by a column `pair_id`.

    Raises
    ------
    UsageError
        If a column is missing.
    DataError
        If a text is missing, an id is no id, or a column holds lists or objects.
    """
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
    """Let answers meet on the prompt where the files number no items, or number their own rows.

    Parameters
    ----------
    answers : DataFrame
        `policy`, `item`, `prompt_id` of all files.

    Returns
    -------
    DataFrame
        The same rows. `item` is the prompt where it was null; and everywhere, if some policy shares fewer than
        half of its prompts with others by item too, so that the numbers cannot be those of what was asked.
    """
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
