"""Schemas of the tables, stable identifiers, and the tables that follow from others.

Rows of `annotations` are what a release holds; `pairs` and `votes` are functions of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.words import word_counts
from btviz.errors import DataError

ID = pl.UInt64()

ANNOTATIONS = pl.Schema(
    {
        "pair_id": ID,
        "prompt_id": ID,
        "split": pl.String(),
        "is_safe": pl.Boolean(),
        "labels": pl.UInt32(),
        "severity": pl.UInt8(),
    }
)

PAIRS = pl.Schema(
    {
        "pair_id": ID,
        "prompt_id": ID,
        "prompt": pl.String(),
        "response": pl.String(),
        "source": pl.String(),
        "n_annotations": pl.UInt32(),
        "n_unsafe": pl.UInt32(),
        "is_safe": pl.Boolean(),
        "labels": pl.UInt32(),
        "severity": pl.UInt8(),
        "prompt_words": pl.UInt32(),
        "response_words": pl.UInt32(),
    }
)

VOTES = pl.Schema({"pair_id": ID, "category": pl.String(), "votes": pl.UInt32(), "n_annotations": pl.UInt32()})

PREFERENCES = pl.Schema(
    {
        "prompt_id": ID,
        "pair_id_0": ID,
        "pair_id_1": ID,
        "split": pl.String(),
        "prompt_source": pl.String(),
        "better": pl.UInt8(),
        "safer": pl.UInt8(),
        "overall": pl.UInt8(),
        "is_safe_0": pl.Boolean(),
        "is_safe_1": pl.Boolean(),
        "labels_0": pl.UInt32(),
        "labels_1": pl.UInt32(),
        "severity_0": pl.UInt8(),
        "severity_1": pl.UInt8(),
        "source_0": pl.String(),
        "source_1": pl.String(),
    }
)

PROMPTS = pl.Schema(
    {"prompt_id": ID, "split": pl.String(), "prompt": pl.String(), "labels": pl.UInt32(), "is_safe": pl.Boolean()}
)
"""Prompts without an answer, and what is labelled of a prompt alone: safety and categories of what was asked."""

CONVERSATIONS = pl.Schema(
    {
        "conversation_id": pl.String(),
        "turn": pl.Int64(),
        "prompt": pl.String(),
        "response": pl.String(),
        "pair_id": ID,
    }
)
"""One row per turn; `turn` counts from 1, `pair_id` is that of the turn's own prompt and response."""

KEYS = pl.Schema({"pair_id": ID, "key": pl.String(), "value": pl.String()})
"""What pairs are called outside: see `btviz.data.keys`."""

PROBLEMS = pl.Schema(
    {
        "file": pl.String(),
        "line": pl.UInt64(),
        "kind": pl.String(),
        "action": pl.String(),
        "detail": pl.String(),
    }
)
"""What reading found odd."""

SCHEMAS = {
    "annotations": ANNOTATIONS,
    "pairs": PAIRS,
    "votes": VOTES,
    "preferences": PREFERENCES,
    "prompts": PROMPTS,
    "conversations": CONVERSATIONS,
    "keys": KEYS,
}
"""Column names and types of every table, by table name."""

PLACE = "place"

UNLABELLED = "unlabelled"

HALF = "half"

# names of tables as an enumeration are written in half the time of text
_PLACED = pl.Enum(["annotations", "preferences", "prompts", UNLABELLED, HALF])

PLACES = pl.Schema({"table": _PLACED, PLACE: pl.UInt32(), "pair_id": ID})
"""Where rows stood in the files: a row for each of `annotations`, `preferences` and `prompts`, in their order; and one
for each row that says nothing of its answer (`UNLABELLED`), and each comparison with one answer missing (`HALF`), with
its pair."""

ANNOTATION_ORDER = ("pair_id", "split", "labels", "severity", "is_safe")

ORDERS = ("better", "safer", "overall")
"""What a comparison may say of its two answers."""

PREFERENCE_ORDER = ("prompt_id", "pair_id_0", "pair_id_1", "split", *ORDERS)

PROMPT_ORDER = ("prompt_id", "split", "labels", "is_safe")


_PROMPT = hashlib.blake2b(digest_size=8, person=b"btviz:prompt")
_PAIR = hashlib.blake2b(digest_size=8, person=b"btviz:pair")


def prompt_id(prompt: str) -> int:
    """64-bit identifier of a prompt: a function of its text alone, the same for ever."""
    return int.from_bytes(_digest(_PROMPT, prompt.encode()), "little")


def pair_id(prompt: str, response: str) -> int:
    """64-bit identifier of a (prompt, response) pair."""
    return int.from_bytes(_digest(_begun(prompt.encode()), response.encode()), "little")


def pair_ids_in(column: pl.Series) -> pl.Series:
    """Pair ids as numbers, from numbers, decimal text or hexadecimal text with ``0x``."""
    try:
        return pl.Series("pair_id", [None if value is None else int(str(value), 0) for value in column], dtype=ID)
    except (ValueError, OverflowError, TypeError) as error:
        raise DataError(
            f"The column {column.name!r} was to hold pair ids; some of its values are no 64-bit ids. Write them as "
            "text: 123 or 0x7b."
        ) from error


def _digest(start: hashlib.blake2b, text: bytes) -> bytes:
    """Hash of a text after what was hashed before."""
    state = start.copy()  # a third of the time of a new one
    state.update(text)
    return state.digest()


def _begun(prompt: bytes) -> hashlib.blake2b:
    """The hash of a pair after its prompt, whose length keeps the two texts apart."""
    state = _PAIR.copy()
    state.update(len(prompt).to_bytes(8, "little") + prompt)
    return state


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts as the distinct ones and which of them each row has, so that what takes time is done once.

    Attributes
    ----------
    distinct : Series
        Each text once, and null if there is one.
    places : ndarray
        Place of each row's text in `distinct`.
    """

    distinct: pl.Series
    places: NDArray[np.uint32]

    @classmethod
    def of(cls, column: pl.Series) -> Texts:
        """Find the distinct texts of a column."""
        # grouping and scattering is several times faster than a join on long texts, or than grouping two columns
        groups = column.alias("text").to_frame().with_row_index("row").group_by("text").agg("row")
        places = np.empty(len(column), np.uint32)
        counts = groups["row"].list.len().to_numpy()
        places[groups["row"].explode().to_numpy()] = np.repeat(np.arange(groups.height, dtype=np.uint32), counts)
        return cls(groups["text"], places)

    def encoded(self) -> list[bytes]:
        """The distinct texts as bytes; none where one is null."""
        encoded: list[bytes] = self.distinct.fill_null("").cast(pl.Binary).to_list()
        return encoded

    def are_missing(self) -> pl.Series:
        """Whether each row has no text."""
        return self.distinct.is_null().gather(self.places)


def with_ids(
    frame: pl.DataFrame, *, response: str = "response", suffix: str = "", texts: Mapping[str, Texts] | None = None
) -> pl.DataFrame:
    """Add `prompt_id` and ``pair_id<suffix>`` to a frame of texts.

    Each distinct text is hashed once, whatever the number of rows. Without an answer there is no pair, and its id is
    null: answers that are missing are not one and the same. `texts` are those of its columns, if they are known.
    """
    texts = texts or {name: Texts.of(frame[name]) for name in ("prompt", response)}
    prompts, answers = texts["prompt"], texts[response]
    prompt_texts, is_missing = prompts.encoded(), prompts.are_missing()
    if "prompt_id" not in frame.columns:
        ids = _numbers(_digest(_PROMPT, prompt) for prompt in prompt_texts)[prompts.places]
        frame = frame.with_columns(pl.Series("prompt_id", ids, ID).set(is_missing, None))
    pairs, places = np.unique(prompts.places.astype(np.uint64) << 32 | answers.places, return_inverse=True)
    ids = _numbers(_pair_digests(prompt_texts, answers.encoded(), pairs))[places]
    is_missing |= answers.are_missing()
    return frame.with_columns(pl.Series(f"pair_id{suffix}", ids, ID).set(is_missing, None))


def _pair_digests(prompts: list[bytes], answers: list[bytes], pairs: NDArray[np.uint64]) -> Iterator[bytes]:
    """Hashes of pairs, each of which is the place of its prompt and that of its answer, by prompts."""
    last, begun = -1, _PAIR
    for prompt, answer in zip((pairs >> 32).tolist(), (pairs & 0xFFFFFFFF).tolist(), strict=True):
        if prompt != last:
            last, begun = prompt, _begun(prompts[prompt])
        yield _digest(begun, answers[answer])


def _numbers(digests: Iterable[bytes]) -> NDArray[np.uint64]:
    return np.frombuffer(b"".join(digests), "<u8")


def annotations_of(rows: pl.DataFrame, *, more: Sequence[str] = ()) -> pl.DataFrame:
    """Rows of the table `annotations`: those that label their answer; with `more` of their columns."""
    schema = pl.Schema({**ANNOTATIONS, **{name: rows.schema[name] for name in more}})
    return conform(rows.filter(says_something(rows)), schema)


def says_something(rows: pl.DataFrame) -> pl.Expr:
    """Which rows have an answer and label it."""
    said = [pl.col(name).is_not_null() for name in ("is_safe", "labels", "severity") if name in rows.columns]
    answered = [pl.col("response").is_not_null()] if "response" in rows.columns else []
    return pl.all_horizontal(*answered, pl.any_horizontal(*said)) if said and answered else pl.lit(value=False)


def items_of(pairs: pl.DataFrame, prompts: pl.DataFrame) -> pl.DataFrame:
    """What is mapped and listed one by one: pairs or, where there are none, each prompt once, in the columns of pairs.

    A prompt's id stands for that of a pair, its answer is null, and its labels are those on which all its rows agree.
    """
    if pairs.height or prompts.is_empty():
        return pairs
    agreed = (pl.when(pl.col(n).n_unique() == 1).then(pl.col(n).first()).alias(n) for n in ("is_safe", "labels"))
    distinct = prompts.group_by("prompt_id").agg(pl.col("prompt").first(), *agreed)
    zero = (pl.lit(0, pl.UInt32).alias(n) for n in ("n_annotations", "n_unsafe"))
    items = distinct.with_columns(pl.col("prompt_id").alias("pair_id"), *zero, *word_counts("prompt"))
    return conform(items, PAIRS).sort("pair_id")


def conform(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Give a frame exactly the columns of `schema`; absent ones become null."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )
