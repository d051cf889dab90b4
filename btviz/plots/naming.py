"""What a picture calls a category: keys are unique within a taxonomy, titles are for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from btviz.taxonomy import TAXONOMIES, Category, Taxonomy


def known(keys: Iterable[str], *, taxonomy: Taxonomy | None = None) -> dict[str, Category]:
    """Categories by released key, from `taxonomy` or else the one that knows all `keys`.

    Keys that no taxonomy knows stand for themselves.
    """
    wanted = list(dict.fromkeys(keys))
    candidates = [taxonomy] if taxonomy else list(TAXONOMIES.values())
    best = max(candidates, key=lambda one: len(set(wanted) & set(one.keys)))
    places = dict(zip(best.keys, best.categories, strict=True))
    return {key: places.get(key) or Category(key, key, key, "", "", bit) for bit, key in enumerate(wanted)}


def titles(keys: Iterable[str], *, taxonomy: Taxonomy | None = None) -> dict[str, str]:
    """Title by released key."""
    return {key: category.title for key, category in known(keys, taxonomy=taxonomy).items()}


def lookup(names: Mapping[str, str]) -> str:
    """Vega expression that turns the key on an axis into its name."""
    return f"({json.dumps(dict(names), ensure_ascii=False)})[datum.value]"
