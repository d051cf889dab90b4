"""Texts that an encoder trained on English cannot place: in other scripts, and by a cheap rule in other languages."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

MULTILINGUAL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
"""An encoder of some fifty languages, 0.5 GB, which the hub offers under Apache 2.0."""

WORTH_SAYING = 0.05
"""Share of texts from which on it is said that an English encoder is the wrong one."""

FEWEST_WORDS = 8
"""A text of fewer words is not judged by its words."""

FEWEST_TEXTS = 5
"""In Latin letters single texts are lists of names, or misjudged."""

LOOKED_AT = 10_000
"""Of more texts, every so many-th is looked at."""

_ENGLISH = re.compile(r"(static \()?(minilm|(.*/)?(all-(minilm|mpnet|distilroberta)|bge-\w+-en).*)\)?", re.IGNORECASE)

_COMMON = """
the and what how you your with that this from would should why which their they when where about have there because
of to a in is it he was for on are as i his be at one had by not but all were we can do she if will up other out an or
my me so some her him into has more no could who does did any don t s
""".split()  # noqa: SIM905  # a word list is easier to read than a list of quoted words
"""The commonest words of English: of real English prompts fewer than one in a thousand have so few of them."""


class LanguageWarning(UserWarning):
    """Texts are in languages that an encoder was not trained on."""


@dataclass(frozen=True)
class Languages:
    """What scripts and languages texts are in.

    Attributes
    ----------
    n : int
        Texts looked at.
    other_script : int
        Texts most of whose letters are not Latin.
    judged : int
        Of the others, those of `FEWEST_WORDS` words or more.
    other_language : int
        Of those judged, texts of whose words fewer than one in five are among the commonest of English.
    """

    n: int
    other_script: int
    judged: int
    other_language: int

    @property
    def share_of_script(self) -> float:
        """Share of texts in other scripts than Latin."""
        return self.other_script / max(self.n, 1)

    @property
    def share_of_language(self) -> float:
        """Share of the texts judged that seem not to be English."""
        return self.other_language / max(self.judged, 1) if self.other_language >= FEWEST_TEXTS else 0.0


def languages_of(texts: pl.Series) -> Languages:
    """Count texts by script, and those in Latin letters by whether they seem to be English."""
    texts = texts.drop_nulls()
    texts = texts.gather_every(-(-len(texts) // LOOKED_AT) or 1)
    # in ASCII there are no other letters, so most texts are not searched
    wide = texts.filter(texts.str.len_bytes() > texts.str.len_chars())
    foreign = wide.str.count_matches(r"\p{Latin}") * 2 < wide.str.count_matches(r"\p{L}")
    latin = pl.concat([texts.filter(texts.str.len_bytes() == texts.str.len_chars()), wide.filter(~foreign)])
    words = latin.str.to_lowercase().str.extract_all(r"\w+")
    words = words.filter(words.list.len() >= FEWEST_WORDS)
    common = words.list.eval(pl.element().is_in(_COMMON)).list.sum()
    strange = common * 5 < words.list.len()
    return Languages(len(texts), int(foreign.sum()), len(words), int(strange.sum()))


def language_note(encoder: str, texts: pl.Series, *, what: str = "texts") -> str | None:
    """Say that texts are not what an encoder was trained on, and which encoder is.

    Parameters
    ----------
    encoder : str
        Name of the encoder; of others than those known to be English there is nothing to say.
    texts : Series of str
        Distinct texts.
    what : str
        What such texts are called.

    Returns
    -------
    str or None
        None where fewer than `WORTH_SAYING` of the texts are in other scripts or languages.
    """
    if _ENGLISH.fullmatch(encoder) is None:
        return None
    found = languages_of(texts)
    said = []
    if found.share_of_script >= WORTH_SAYING:
        said.append(f"{found.share_of_script:.0%} of {found.n:,} {what} looked at are in other scripts than Latin")
    if found.share_of_language >= WORTH_SAYING:
        judged = f"{found.judged:,} {what} in Latin letters with {FEWEST_WORDS} words or more"
        said.append(f"{found.share_of_language:.0%} of {judged} have few of the commonest English words")
    if not said:
        return None
    return (
        f"The encoder {encoder} was trained on English; {', and '.join(said)}, so what it finds alike there may be "
        f'alike in nothing. Use a multilingual one, such as encoder="{MULTILINGUAL}" (--encoder on the command line; '
        '0.5 GB from the hub), or "words", which counts the words of any script.'
    )
