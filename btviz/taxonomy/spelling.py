"""Categories by whatever files call them: key, slug, title, other spellings, and lists of names in one text.

Two spellings are the same where they differ in capitals, blanks, hyphens and underscores only; a name without any
mark, as camelCase is, where its letters are those of one category. A name may hold the
very mark that divides a list of names (``hate_speech,offensive_language``): then the taxonomy decides, and the longest
name that leaves a reading of the rest is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF, Taxonomy

DIVIDERS = ",;|/\n\t"
"""Marks that divide names where a file does not say which does."""

NOTHING = frozenset({"", "none", "no", "nan", "null", "n/a", "na", "safe", "benign", "harmless", "unharmful"})
"""Texts that stand where no category is named, as `plain_name` writes them."""

OTHER_SPELLINGS: Mapping[str, Mapping[str, str]] = {
    BEAVERTAILS.name: {
        "misinformation regarding ethics, laws, and safety": "misinformation",
        "misinformation re. ethics, laws and safety": "misinformation",
        "misinformation regarding ethics, laws, safety": "misinformation",
        "non-violent unethical behaviour": "unethical",
        "terrorism, organised crime": "terrorism",
        "drug abuse, weapons, banned substances": "drugs-weapons",
        "financial crime, property crime, theft": "financial-crime",
    },
    PKU_SAFERLHF.name: {
        "endangering national security": "national-security",
        "disrupting public order": "public-order",
        "white collar crime": "white-collar-crime",
        **{f"S{number}": category.slug for number, category in enumerate(PKU_SAFERLHF.categories, 1)},
    },
    "aegis-2": {"guns/illegal weapons": "weapons", "sexual minor": "sexual-minor", "pii": "privacy"},
    "openai-moderation": {
        "sexual/minors": "sexual-minors",
        "hate/threatening": "hate-threatening",
        "violence/graphic": "violence-graphic",
    },
}
"""How authors spell categories elsewhere, in the papers and in what their models print: slugs, by taxonomy."""


@lru_cache(maxsize=4096)  # a sample of rows is read against each known taxonomy
def plain_name(name: str) -> str:
    """A name without capitals, and with one blank for each run of blanks, hyphens, underscores and full stops."""
    return " ".join(re.split(r"[\s_.\-]+", name.casefold())).strip()


@lru_cache(maxsize=64)
def _bits(taxonomy: Taxonomy, dividers: str) -> dict[tuple[str, ...], int]:
    """Bits of categories by the pieces of each of their names."""
    others = ((name, taxonomy[slug].bit) for name, slug in OTHER_SPELLINGS.get(taxonomy.name, {}).items())
    named = (
        (name, c.bit) for field in ("title", "slug", "key") for c in taxonomy.categories for name in [getattr(c, field)]
    )
    return {_pieces(name, dividers): bit for name, bit in (*others, *named)}


@lru_cache(maxsize=64)
def _letters(taxonomy: Taxonomy) -> dict[str, int]:
    """Bits of categories by the letters of their names alone; without those that two categories have."""
    bits: dict[str, set[int]] = {}
    for pieces, bit in _bits(taxonomy, DIVIDERS).items():
        bits.setdefault(_unmarked("".join(pieces)), set()).add(bit)
    return {letters: next(iter(found)) for letters, found in bits.items() if len(found) == 1}


def _unmarked(name: str) -> str:
    return re.sub(r"[\W_]+", "", name)


def _pieces(text: str, dividers: str) -> tuple[str, ...]:
    return tuple(plain_name(piece) for piece in re.split(f"[{re.escape(dividers)}]", text))


def bit_of(name: str, taxonomy: Taxonomy) -> int | None:
    """The bit of the category that a name spells; None if it spells none."""
    pieces = _pieces(name.strip("[]() "), DIVIDERS)
    bit = _bits(taxonomy, DIVIDERS).get(pieces)
    return _letters(taxonomy).get(_unmarked(pieces[0])) if bit is None and len(pieces) == 1 else bit


def bits_of(text: str, taxonomy: Taxonomy, *, dividers: str = DIVIDERS) -> set[int] | None:
    """Bits of the categories that a text lists by name; None if some of it is no name.

    Parameters
    ----------
    text : str
        One name, or several with one of `dividers` between any two.
    taxonomy : Taxonomy
        Whose names they are.
    dividers : str
        Marks that may divide names; they may occur inside names as well.

    Returns
    -------
    set of int, or None
        Empty where the text says that there is none, as "" and "none" do.
    """
    if plain_name(text) in NOTHING and (plain_name(text),) not in _bits(taxonomy, dividers):
        return set()
    names, pieces = _bits(taxonomy, dividers), _pieces(text, dividers)
    longest = max(map(len, names), default=1)
    readings: list[set[int] | None] = [None] * len(pieces) + [set()]
    for start in range(len(pieces) - 1, -1, -1):
        for end in range(min(len(pieces), start + longest), start, -1):
            bit, rest = names.get(pieces[start:end]), readings[end]
            if bit is None and end == start + 1:
                bit = _letters(taxonomy).get(_unmarked(pieces[start]))
            if bit is not None and rest is not None:
                readings[start] = {bit, *rest}
                break
        if readings[start] is None and not pieces[start]:  # a mark at the end, or two in a row, divide nothing
            readings[start] = readings[start + 1]
    return readings[0]


def best_taxonomy(names: Iterable[str], taxonomies: Iterable[Taxonomy]) -> Taxonomy | None:
    """The taxonomy that knows most of some names, the first of several; None if none knows any."""
    wanted = list(dict.fromkeys(names))
    known = [
        (sum(bits_of(name, taxonomy) not in (None, set()) for name in wanted), taxonomy) for taxonomy in taxonomies
    ]
    count, best = max(known, key=lambda pair: pair[0], default=(0, None))
    return best if count else None
