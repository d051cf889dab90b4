"""Words of texts in any script: what one is, how many a text has, and which.

A word is a run of letters, digits, marks and joiners, as the BeaverTails paper counts. Some scripts put no
blanks between words, so there a run is a clause: it is divided by a dictionary.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import polars as pl

WORD = r"\w+"
r"""A word where words are divided by blanks. The BeaverTails paper counts ``\b\w+\b``, which finds the same
words more slowly."""

UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""A letter of a script without blanks whose words a dictionary knows."""

_SHORT, _AT_ONCE = 4096, 4096
"""Bytes of texts that are counted together, and how many of them: all are held at once."""

_IN_WORDS = bytes(chr(code).isascii() and (chr(code).isalnum() or chr(code) == "_") for code in range(256))
"""For each byte whether it is of a word, in ASCII."""

_KANA = r"[\p{Hiragana}\p{Katakana}]"

_CHINESE = r"^[\u{4E00}-\u{9FD5}\x00-\x7F]+$"
"""Letters that jieba's dictionary has; it takes others for signs."""

SPACED_RULE = "runs of letters, digits and marks, as the BeaverTails paper counts"

UNSPACED_RULE = (
    f"{SPACED_RULE}; Chinese is divided by jieba's dictionary, and Japanese, Thai, Lao, Khmer and Burmese by ICU's"
)


def count_words(texts: pl.Series) -> pl.Series:
    """Count the words of each text.

    Parameters
    ----------
    texts : Series of str
        Null where there is no text.

    Returns
    -------
    Series of UInt32
        Words by `words_of`; null where there is no text.
    """
    size = texts.str.len_bytes()
    is_plain = ((size == texts.str.len_chars()) & (size <= _SHORT)).fill_null(value=False)
    counts = texts.set(is_plain, None).str.count_matches(WORD)
    counts = counts.scatter(is_plain.arg_true(), _count_in_ascii(texts.filter(is_plain)))
    unspaced = _rows_unspaced(texts)
    return counts.scatter(unspaced, words_of(texts.gather(unspaced)).list.len()) if len(unspaced) else counts


def _count_in_ascii(texts: pl.Series) -> pl.Series:
    """Count the words of short texts in ASCII by where they begin: what `WORD` finds, in half the time."""
    counts = [np.zeros(0, np.uint32)]
    for part in texts.to_frame().iter_slices(_AT_ONCE):
        column = part.to_series()
        joined = column.str.join("\n").item()
        is_in_word = np.frombuffer(f"\n{joined}\n".encode().translate(_IN_WORDS), np.bool_)
        begins = is_in_word[1:] > is_in_word[:-1]
        sizes = column.str.len_bytes().to_numpy().astype(np.int64) + 1  # with the line end after each
        counts.append(np.add.reduceat(begins, sizes.cumsum() - sizes, dtype=np.uint32))
    return pl.Series(np.concatenate(counts))


def word_counts(*columns: str) -> list[pl.Expr]:
    """Columns `<column>_words` with the words of columns of texts."""
    return [pl.col(name).map_batches(count_words, return_dtype=pl.UInt32()).alias(f"{name}_words") for name in columns]


def rule_of(*texts: pl.Series) -> str:
    """Say by which rule the words of some texts are counted."""
    return UNSPACED_RULE if any(len(_rows_unspaced(column)) for column in texts) else SPACED_RULE


def words_of(texts: pl.Series, *, pattern: str = WORD) -> pl.Series:
    """Words of each text, in their order.

    Parameters
    ----------
    texts : Series of str
        Null where there is no text.
    pattern : str
        What is divided by dictionary if it holds a letter of `UNSPACED`, and is a word otherwise.

    Returns
    -------
    Series of lists of str
        Null where there is no text.
    """
    words = texts.str.extract_all(pattern)
    unspaced = _rows_unspaced(texts)
    if unspaced.is_empty():
        return words
    place = np.arange(len(texts))
    place[unspaced] = len(texts) + np.arange(len(unspaced))
    return pl.concat([words, _divided(texts.gather(unspaced), pattern)]).gather(place)


def _rows_unspaced(texts: pl.Series) -> pl.Series:
    """Rows of the texts with a letter of `UNSPACED`; texts in ASCII, which are most, are not searched."""
    wide = (texts.str.len_bytes() > texts.str.len_chars()).arg_true()
    return wide.filter(texts.gather(wide).str.contains(UNSPACED))


def _divided(texts: pl.Series, pattern: str) -> pl.Series:
    """Words of texts that have a letter of `UNSPACED`; each distinct run is divided once."""
    japanese = texts.str.contains(_KANA)
    found = pl.DataFrame({"row": range(len(texts)), "japanese": japanese, "run": texts.str.extract_all(pattern)})
    rows = found.explode("run", empty_as_null=True)
    key = ["run", "japanese"]
    runs = rows.select(key).unique().filter(pl.col("run").str.contains(UNSPACED))
    by_jieba = runs["run"].str.contains(_CHINESE) & ~runs["japanese"]
    parts = [_cut(run, by_jieba=chinese) for run, chinese in zip(runs["run"], by_jieba, strict=True)]
    divided = runs.with_columns(pl.Series("words", parts, pl.List(pl.String)))
    words = pl.coalesce("words", pl.concat_list("run")).alias("words")
    rows = rows.join(divided, on=key, how="left", maintain_order="left").select("row", words).explode("words")
    return rows.group_by("row", maintain_order=True).agg(pl.col("words").drop_nulls())["words"]


def _cut(run: str, *, by_jieba: bool) -> list[str]:
    """Divide a run; together the parts are the run."""
    if by_jieba:
        import rjieba  # noqa: PLC0415  # it reads its dictionary

        return rjieba.cut(run)
    from icu4py.breakers import WordBreaker  # noqa: PLC0415  # megabytes that most data never need

    return list(WordBreaker(run, "en"))


_NEAR = 64
"""Code points around a cut that decide where it may be."""


def beginning(text: str, *, most: int) -> str:
    """As much of a text as fits into `most` code points without parting a letter from its marks, or an emoji."""
    if len(text) <= most:
        return text
    from icu4py.breakers import CharacterBreaker  # noqa: PLC0415  # as above

    start = max(most - _NEAR, 0)
    letters = CharacterBreaker(text[start : most + _NEAR], "en")
    ends = (end for end in accumulate(map(len, letters), initial=start) if start < end <= most)
    return text[: max(ends, default=most)]  # what is longer than `_NEAR` is no letter of any script
