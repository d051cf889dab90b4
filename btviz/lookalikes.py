"""Names that a reader cannot tell apart, or cannot see whole."""

from __future__ import annotations

import re
import unicodedata

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

    Compatibility forms, case, letters of other alphabets that look Latin, kinds of dashes and
    runs of spaces are levelled.
    """
    levelled = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    seen = ("-" if unicodedata.category(c) == "Pd" else _LATIN.get(c, c) for c in levelled)
    return " ".join("".join(seen).split())


def oddity(name: str) -> str | None:
    """What in a name a reader would not see: a hidden character, or a word of two alphabets."""
    for place, character in enumerate(name, start=1):
        hidden = unicodedata.category(character) in {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
        if hidden or (character.isspace() and character != _VISIBLE_SPACE):
            return f"character {place} is U+{ord(character):04X}, which cannot be seen"
    for word in re.findall(r"[^\W\d_]+", name):
        alphabets = sorted({_alphabet(letter) for letter in word})
        if len(alphabets) > 1 and not set(alphabets) <= _WRITTEN_TOGETHER:
            return f"one of its words mixes {' and '.join(alphabets)} letters"
    return None


_WRITTEN_TOGETHER = {"Cjk", "Hiragana", "Katakana", "Katakana-Hiragana"}


def _alphabet(letter: str) -> str:
    return unicodedata.name(letter, "unnamed").split()[0].capitalize()
