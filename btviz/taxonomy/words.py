"""What people read in place of keys and numbers: titles of categories, names of strata, percentages.

Keys are unique within a taxonomy, titles are for people. Pictures, sentences and views all take
their words from here, so that one thing has one name.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from btviz.taxonomy.categories import TAXONOMIES, Category, Taxonomy

WIDTH = 110
"""Most characters of a line: notebooks break longer ones within words."""

_TIE = "\N{NO-BREAK SPACE}"

STRATA = {"both_safe": "both safe", "mixed": "one safe, one not", "both_unsafe": "both unsafe"}
"""Comparisons by the safety of their two answers."""

LEVELS = {"all": "All comparisons"} | {stratum: name.capitalize() for stratum, name in STRATA.items()}
"""Levels of comparisons where a line begins with them."""

COMPARED = LEVELS | {"mixed": f"{LEVELS['mixed']} (safer is forced)"}
"""The same where *better* is held against *safer*: the labels of a mixed comparison leave no choice of the latter."""


GROUPINGS = {
    "all": "",
    "stratum": "Safety of the two answers",
    "category": "Harm category of either answer",
    "severity": "Higher severity of the two",
    "source": "Answering models",
    "prompt_source": "Source of the prompt",
}
"""What comparisons are grouped by, in the order of tables, and the heading of each grouping."""


DIFFERENCES = {
    "safety": "Safety",
    "severity": "Severity, where safety is equal",
    "categories": "Categories, where both are equal",
    "none": "Nothing that is recorded",
}
"""What differs first between the two answers of a comparison."""

HEADINGS = GROUPINGS | {"difference": "What differs first between the two answers"}
"""Headings of the groupings of all tables of comparisons."""


def percent(share: float | None) -> str:
    """Put a share into words.

    Parameters
    ----------
    share : float or None
        0 .. 1; None where it is undefined.

    Returns
    -------
    str
        ``9.2 %``, ``< 0.1 %`` where rounding would hide that there is one, ``–`` for None.
    """
    if share is None:
        return "–"
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def known_categories(keys: Iterable[str], *, taxonomy: Taxonomy | None = None) -> dict[str, Category]:
    """Categories by released key, from `taxonomy` or else the one that knows most of `keys`.

    Keys that no taxonomy knows stand for themselves.
    """
    wanted = list(dict.fromkeys(keys))
    candidates = [taxonomy] if taxonomy else list(TAXONOMIES.values())
    best = max(candidates, key=lambda candidate: len(set(wanted) & set(candidate.keys)))
    places = dict(zip(best.keys, best.categories, strict=True))
    return {key: places.get(key) or Category(key, key, key, "", "", bit) for bit, key in enumerate(wanted)}


def titles(keys: Iterable[str], *, taxonomy: Taxonomy | None = None) -> dict[str, str]:
    """Titles of categories.

    Parameters
    ----------
    keys : iterable of str
        Released keys.
    taxonomy : Taxonomy, optional
        Theirs; by default the one that knows most of them.

    Returns
    -------
    dict of str to str
        Title by released key; a key that no taxonomy knows is its own title.
    """
    return {key: category.title for key, category in known_categories(keys, taxonomy=taxonomy).items()}


def title_of(name: str, taxonomy: Taxonomy) -> str:
    """Title of one category.

    Parameters
    ----------
    name : str
        Its key or slug.
    taxonomy : Taxonomy
        Where it is looked for.

    Returns
    -------
    str
        Its title; `name` itself where that is no category.
    """
    return next((category.title for category in taxonomy.categories if name in {category.key, category.slug}), name)


def level_name(grouping: str, *, level: str, taxonomy: Taxonomy | None = None) -> str:
    """Name of one level of a grouping of comparisons, where a line begins with it."""
    if grouping == "category":
        return titles([level], taxonomy=taxonomy)[level]
    if grouping == "difference":
        return DIFFERENCES[level]
    return level if grouping in ("source", "prompt_source") else COMPARED.get(level, level.capitalize())


STEERING = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb"
    r"\U000e0000-\U000e007f]"
)
"""Characters in names that steer a terminal or turn the direction of reading, as a regular expression."""


def folded(text: str) -> str:
    """Break text at spaces, but neither before a percent sign nor within an interval.

    Parameters
    ----------
    text : str
        A sentence or more.

    Returns
    -------
    str
        The same in lines of at most `WIDTH` characters.
    """
    return textwrap.fill(_tied(text), WIDTH, break_long_words=False, break_on_hyphens=False).replace(_TIE, " ")


def _tied(text: str) -> str:
    return re.sub(r"(?<=\d) (?=%)|(?<=,) (?=[^\s\]]+\])", _TIE, text)


def unfolded(text: str) -> list[str]:
    """Undo `folded`, for pages that fold text themselves.

    Parameters
    ----------
    text : str
        Folded texts below each other.

    Returns
    -------
    list of str
        The texts, each in one line.
    """
    texts: list[str] = []
    last = 0
    for line in text.splitlines():
        first_word = _tied(line).partition(" ")[0]
        if texts and last + 1 + len(first_word) > WIDTH:  # it had not fit
            texts[-1] += f" {line}"
        else:
            texts.append(line)
        last = len(line)
    return texts
