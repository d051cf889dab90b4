"""A taxonomy of one's own, from a small TOML file.

The file names the taxonomy and lists its categories, at most 32::

    name = "three-harms"

    [[category]]
    key = "deceit"                    # as the data files spell it
    title = "Deceit"                  # for axes and tables
    group = "information"             # categories of a group share a colour; at most eight
    definition = "Making others believe what is false."        # optional
    beavertails = ["misinformation", "unethical"]              # optional
    pku-saferlhf = ["manipulation"]                            # optional

    [[category]]
    key = "rudeness"
    ...

``beavertails`` and ``pku-saferlhf`` list the released categories that speak of the same harms,
by slug, key or title, many to many: a category may list several, be listed by several, or
list none. They are what `compare_categories` and `compare_releases` go by. An optional
``slug`` (made from the key if left out) is the short name for command lines. Names that a
reader cannot tell apart, or cannot see whole, are refused.
"""

from __future__ import annotations

import os
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from btviz.errors import DataError, UsageError, choice
from btviz.taxonomy.categories import TAXONOMIES, Category, Link, Taxonomy

MOST_CATEGORIES = 32
"""Bits of a label mask."""

MOST_GROUPS = 8
"""Colours that are told apart."""

_REQUIRED = ("key", "title", "group")

_OPTIONAL = ("slug", "definition")

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def read_taxonomy(path: str | os.PathLike[str], /) -> Taxonomy:
    """Read a taxonomy of one's own from a TOML file; see the module for its format.

    Parameters
    ----------
    path : path-like
        The file, in UTF-8.

    Returns
    -------
    Taxonomy
        Categories in the order of the file, with their `links` to released ones.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If it is no TOML, a field is missing, unknown or of the wrong type, a name occurs twice
        or cannot be told from another, a released category is unknown, or there are too many
        categories or groups.
    """
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"A taxonomy was to be read; {file} is no file. Check the spelling and the folder.")
    try:
        document = tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file.name} was to be read as a taxonomy; its byte {error.start:,} is not UTF-8. Save it as UTF-8."
        ) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or brackets without end, as well
        raise DataError(
            f"{file.name} was to be read as a taxonomy; it is no TOML ({error}). Mend it at that place; "
            'help("btviz.taxonomy.taxonomy_file") shows the format.'
        ) from error
    return taxonomy_of(document, file=file.name)


def own_taxonomy(taxonomy: Taxonomy | str | os.PathLike[str] | None) -> Taxonomy | None:
    """The taxonomy, read if it is a file; None for a released one, which needs no telling."""
    if taxonomy is None or isinstance(taxonomy, Taxonomy):
        return None if taxonomy in TAXONOMIES.values() else taxonomy
    return read_taxonomy(taxonomy)


def taxonomy_of(document: Mapping[str, Any], *, file: str) -> Taxonomy:
    """Taxonomy of what such a file holds; `file` is what messages call it."""
    _check_fields(document, required=("name", "category"), optional=(), what="the file", file=file)
    name = _text(document, "name", what="the file", file=file)
    if name in TAXONOMIES:
        raise _wrong(file, f"its name {name!r} is that of a released taxonomy", "Choose another name")
    tables = document["category"]
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise _wrong(file, "`category` is not a list of tables", "Begin each category with a line [[category]]")
    if len(tables) > MOST_CATEGORIES:
        problem = f"it lists {len(tables)} categories, and {MOST_CATEGORIES} are the most there is room for"
        raise _wrong(file, problem, "Merge or leave out some")
    categories = tuple(_category(table, bit=bit, file=file) for bit, table in enumerate(tables))
    _check_names(categories, file=file)
    pairs = zip(tables, categories, strict=True)
    links = [link for table, category in pairs for link in _links(table, category, file=file)]
    return Taxonomy(name, categories, links=tuple(links))


def document_of(taxonomy: Taxonomy) -> dict[str, Any]:
    """What a file of that taxonomy would hold, links by released key."""
    fields = (*_REQUIRED, *_OPTIONAL)
    rows: list[dict[str, Any]] = [{name: getattr(c, name) for name in fields} for c in taxonomy.categories]
    for row in rows:
        for name in TAXONOMIES:
            row[name] = [link.other for link in taxonomy.links if (link.key, link.taxonomy) == (row["key"], name)]
    return {"name": taxonomy.name, "category": rows}


def _category(table: Mapping[str, Any], *, bit: int, file: str) -> Category:
    what = f"category {bit + 1}"
    _check_fields(table, required=_REQUIRED, optional=(*_OPTIONAL, *TAXONOMIES), what=what, file=file)
    key, title, group = (_text(table, name, what=what, file=file) for name in _REQUIRED)
    slug = _text(table, "slug", what=what, file=file) if "slug" in table else _slug_of(key)
    if not _SLUG.fullmatch(slug):
        problem = f"the slug of {what} is {slug!r}"
        raise _wrong(file, problem, "Give a `slug` of small letters, digits and single hyphens, such as hate-speech")
    definition = table.get("definition", "")
    if not isinstance(definition, str):
        raise _wrong(file, f"`definition` of {what} is {_kind(definition)}", "Write it as text in quotes")
    return Category(key, slug, title, definition, group, bit)


def _slug_of(key: str) -> str:
    return "-".join(re.findall("[a-z0-9]+", key.lower()))


def _links(table: Mapping[str, Any], category: Category, *, file: str) -> list[Link]:
    links = []
    for name, released in TAXONOMIES.items():
        listed = table.get(name, [])
        if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
            raise _wrong(file, f"`{name}` of {category.key!r} is no list of texts", f'Write {name} = ["...", "..."]')
        for entry in listed:
            try:
                link = Link(category.key, name, released[entry].key)
            except UsageError as error:
                raise DataError(f"{file} was to be read as a taxonomy; under {category.key!r}: {error}") from error
            if link in links:
                raise _wrong(file, f"{category.key!r} lists {entry!r} of {name} twice", "Leave one out")
            links.append(link)
    return links


def _check_names(categories: Sequence[Category], *, file: str) -> None:
    """No two categories share a name, or have names that look alike; few enough groups."""
    for field in ("key", "slug", "title"):
        names = [getattr(category, field) for category in categories]
        looks, most = Counter(map(skeleton, names)).most_common(1)[0]
        if most > 1:
            first, second = [name for name in names if skeleton(name) == looks][:2]
            same, alike = (
                f"two categories have the {field} {first!r}",
                f"the {field}s {first!a} and {second!a} look alike",
            )
            raise _wrong(file, same if first == second else alike, f"Give each category a {field} of its own")
    groups = {skeleton(category.group): category.group for category in categories}
    if len({category.group for category in categories}) > len(groups):
        raise _wrong(file, "two groups differ only in letters that look alike", "Spell each group in one way")
    if len(groups) > MOST_GROUPS:
        raise _wrong(file, f"it has {len(groups)} groups, and {MOST_GROUPS} colours are told apart", "Merge some")


def _check_fields(
    table: Mapping[str, Any], *, required: Sequence[str], optional: Sequence[str], what: str, file: str
) -> None:
    missing = [name for name in required if name not in table]
    if missing:
        line = "[[category]], with its fields below" if missing[0] == "category" else f'{missing[0]} = "..."'
        raise _wrong(file, f"{what} has no `{missing[0]}`", f"Add a line: {line}")
    for name in table:
        try:
            choice(name, [*required, *optional], what=f"field of {what}")
        except UsageError as error:
            raise DataError(f"{file} was to be read as a taxonomy. {error}") from error


def _text(table: Mapping[str, Any], name: str, *, what: str, file: str) -> str:
    value = table[name]
    if not isinstance(value, str):
        raise _wrong(file, f"`{name}` of {what} is {_kind(value)}", "Write it as text in quotes")
    if not value.strip() or value != value.strip():
        raise _wrong(file, f"`{name}` of {what} is empty, or begins or ends with a space", "Write a word")
    if odd := oddity(value):
        raise _wrong(file, f"in `{name}` of {what}, {value!a}, {odd}", "Type it anew")
    return value


def _kind(value: object) -> str:
    kinds = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list", dict: "a table"}
    return kinds.get(type(value), "a date or time")


def _wrong(file: str, found: str, advice: str) -> DataError:
    return DataError(f"{file} was to be read as a taxonomy; {found}. {advice}.")


_LATIN = dict(
    zip(
        # Cyrillic, then Greek letters that look like Latin ones, in lower case
        "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u051b\u051d"
        "\u03b1\u03b9\u03bd\u03bf\u03c1\u03c5\u03c7",
        "aeopcyxijsdhqw" + "aivopux",
        strict=True,
    )
)

_VISIBLE_SPACE = " "


def skeleton(name: str) -> str:
    """What a name looks like: equal for names that a reader would take for the same.

    Compatibility forms, case, letters of other alphabets that look Latin, kinds of dashes, runs of spaces,
    and characters that join letters are levelled.
    """
    levelled = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    seen = ("-" if unicodedata.category(c) == "Pd" else _LATIN.get(c, c) for c in levelled if c not in _JOINERS)
    return " ".join("".join(seen).split())


def oddity(name: str) -> str | None:
    """What in a name a reader would not see: a hidden character, or a word of two alphabets."""
    for place, character in enumerate(name, start=1):
        hidden = unicodedata.category(character) in {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
        if character in _JOINERS and place > 1 and _alphabet(name[place - 2]) in _JOINED:
            continue
        if hidden or (character.isspace() and character != _VISIBLE_SPACE):
            return f"character {place} is U+{ord(character):04X}, which cannot be seen"
    for word in re.findall(r"[^\W\d_]+", name):
        alphabets = sorted({_alphabet(letter) for letter in word})
        if len(alphabets) > 1 and not set(alphabets) <= _WRITTEN_TOGETHER:
            return f"one of its words mixes {' and '.join(alphabets)} letters"
    return None


_JOINERS = "\u200c\u200d"

_JOINED = {"Arabic", "Devanagari", "Bengali", "Gujarati", "Kannada", "Malayalam", "Sinhala", "Tamil", "Telugu"}
"""Alphabets whose spelling needs characters that join letters or keep them apart."""

_WRITTEN_TOGETHER = {"Cjk", "Hiragana", "Katakana", "Katakana-Hiragana"}


def _alphabet(letter: str) -> str:
    return unicodedata.name(letter, "unnamed").split()[0].capitalize()
