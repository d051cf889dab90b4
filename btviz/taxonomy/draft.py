"""The draft of a taxonomy file, from names that a file of data has for categories."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

from btviz.errors import DataError
from btviz.taxonomy.categories import TAXONOMIES, Taxonomy
from btviz.taxonomy.neighbours import NEIGHBOUR_TAXONOMIES
from btviz.taxonomy.spelling import bit_of, plain_name
from btviz.taxonomy.taxonomy_file import MOST_CATEGORIES, oddity, skeleton

_LONGEST = 100
"""Letters of a name."""

_HEAD = """# A draft. Give each category a title; categories of one group share a colour, and eight groups are the most.
# beavertails and pku-saferlhf list released categories that speak of the same harms, if any does.
"""


def drafted(names: Sequence[str], *, name: str, file: str) -> str:
    """A taxonomy file of these categories; those that a released taxonomy knows by name are linked to it."""
    categories = {skeleton(each): each for each in reversed(names) if each.strip()}
    keys = [each for each in names if categories.get(skeleton(each)) == each]
    odd = [each for each in keys if each != each.strip() or oddity(each) or len(each) > _LONGEST]  # a name
    if not keys or len(keys) > MOST_CATEGORIES or odd:
        found = f"it has {len(keys):,} names in that column" if not odd else f"{len(odd):,} of its names are no names"
        raise DataError(
            f"A taxonomy was to be drafted from {file}; {found}, and 1 to {MOST_CATEGORIES} are what it may hold. Say "
            "which column holds categories (--columns labels=COLUMN), or what divides them (labels=COLUMN:separator=;)."
        )
    slugs: dict[str, str] = {}
    for key in keys:
        slugs[key] = _slug(key, set(slugs.values()))
    title = "-".join(re.findall("[a-z0-9]+", name.lower())) or "mine"
    if title in {*TAXONOMIES, *NEIGHBOUR_TAXONOMIES}:
        title = f"{title}-mine"
    tables = "".join(_table(key, slugs[key]) for key in keys)
    return f"{_HEAD}name = {_quoted(title)}\n{tables}"


def divider_of(texts: Sequence[str]) -> str:
    """The mark that divides names in texts: what stands beside it occurs in other texts, too. Empty if none does."""
    for mark in ";|\n\t,/":
        pieces = Counter(piece.strip() for text in set(texts) for piece in set(text.split(mark)))
        joined = {piece.strip() for text in texts if mark in text for piece in text.split(mark)}
        if joined and sum(pieces[piece] > 1 for piece in joined) * 2 >= len(joined):
            return mark
    return ""


def _slug(key: str, taken: set[str]) -> str:
    """A short name; names of other scripts are numbered."""
    base = "-".join(re.findall("[a-z0-9]+", key.lower())) or f"category-{len(taken) + 1}"
    count = 2
    slug = base
    while slug in taken:
        slug, count = f"{base}-{count}", count + 1
    return slug


def _table(key: str, slug: str) -> str:
    known = {name: _known(key, taxonomy) for name, taxonomy in TAXONOMIES.items()}
    group = next(
        (t[slug].group for name, t in TAXONOMIES.items() if (slug_ := known[name]) for slug in [slug_]), "harms"
    )
    words = plain_name(key)
    lines = [
        "",
        "[[category]]",
        f"key = {_quoted(key)}",
        f"slug = {_quoted(slug)}",
        f"title = {_quoted(words[:1].upper() + words[1:])}",
        f"group = {_quoted(group)}",
        *(f"{name} = [{_quoted(other)}]" for name, other in known.items() if other),
    ]
    return "\n".join(lines) + "\n"


def _known(key: str, taxonomy: Taxonomy) -> str | None:
    bit = bit_of(key, taxonomy)
    return None if bit is None else taxonomy.categories[bit].slug


def _quoted(text: str) -> str:
    """A string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
