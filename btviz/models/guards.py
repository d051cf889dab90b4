"""Guards: models that say in words whether an answer is safe, each described by a small file.

The file says what the model reads, what is put into its mouth before the verdict, and which words are verdicts. Those
in `btviz/resources/guards` are bundled; `docs/guards.md` says how to write one, and what of each was verified.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from btviz.errors import DataError, NotFoundError
from btviz.store import expanded, fingerprint
from btviz.taxonomy.categories import TAXONOMIES

SAFE, UNSAFE = "safe", "unsafe"

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FIELD = re.compile(r"\{(prompt|response|policy)\}")
_KEYS = {
    "title", "models", "checked", "template", "special_tokens", "options", "prefix", "least_mass", "threshold",
    "verdicts", "policies", "categories",
}  # fmt: skip
_POLICY_KEYS = {"target", "text", "options"}
_CATEGORY_KEYS = {"code", "title", *TAXONOMIES}


@dataclass(frozen=True)
class Policy:
    """One question that a guard is asked of an answer, in a pass of its own."""

    target: str
    text: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GuardCategory:
    """A category that a guard may name, by its code, and the released categories that speak of the same harm."""

    code: str
    title: str
    counterparts: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Guard:
    """How a guard is asked, and how its answer is read.

    Attributes
    ----------
    name, title : str
        Stem of its file, and what the model is called.
    models : tuple of str
        Patterns of the names of checkpoints that it describes, in lower case.
    checked : str
        What of it was verified, and what was not.
    template : str or None
        What the model reads, with ``{prompt}``, ``{response}`` and ``{policy}``; None: its tokenizer's chat template.
    special_tokens : bool
        Whether the tokenizer adds its beginning of sequence to `template`.
    options : Mapping
        What the chat template is given beside the chat.
    prefixes : tuple of str
        What stands before the verdict; of several each but the last is followed by a verdict on another question.
    verdicts : Mapping
        Words of each class; the first class is "safe", another "unsafe".
    least_mass : float
        Probability that verdicts must have together, else the verdict is unknown.
    threshold : float
        Probability of "unsafe" above which it flags.
    policies : tuple of Policy
        Questions of which each takes a pass; empty where the template holds all.
    categories : tuple of GuardCategory
        Categories that it may name.
    """

    name: str
    title: str
    models: tuple[str, ...]
    checked: str
    template: str | None
    special_tokens: bool
    options: Mapping[str, Any]
    prefixes: tuple[str, ...]
    verdicts: Mapping[str, tuple[str, ...]]
    least_mass: float
    threshold: float
    policies: tuple[Policy, ...]
    categories: tuple[GuardCategory, ...]

    @property
    def fingerprint(self) -> str:
        """Of everything that scores depend on."""
        policies = [(policy.target, policy.text, repr(sorted(policy.options.items()))) for policy in self.policies]
        verdicts = [(name, *words) for name, words in self.verdicts.items()]
        asked = (self.template, self.special_tokens, repr(sorted(self.options.items())), self.prefixes)
        return fingerprint(*map(repr, asked), repr(verdicts), repr(policies), self.least_mass)

    @property
    def labels(self) -> tuple[str, ...]:
        """Targets of its scores: "unsafe" and, of policies, each; or the classes beside "safe"."""
        if not self.policies:
            return tuple(name for name in self.verdicts if name != SAFE)
        return tuple(dict.fromkeys([UNSAFE, *(policy.target for policy in self.policies)]))

    @property
    def questions(self) -> tuple[Policy, ...]:
        """What it is asked, each in a pass of its own."""
        return self.policies or (Policy(UNSAFE),)

    @property
    def starts(self) -> tuple[str, ...]:
        """What is put into its mouth: one start, or where verdicts on other questions come first, a tree of them.

        Breadth first: after the first come its continuations by each class, then theirs.
        """
        words = [variants[0] for variants in self.verdicts.values()]
        level, starts = [self.prefixes[0]], [self.prefixes[0]]
        for prefix in self.prefixes[1:]:
            level = [f"{start} {word}{prefix}" for start in level for word in words]
            starts += level
        return tuple(starts)

    def written(self, prompt: str, response: str, *, policy: str = "") -> str:
        """What the model reads, of a guard with a template of its own; braces in texts stay what they are."""
        texts = {"prompt": prompt, "response": response, "policy": policy}
        return _FIELD.sub(lambda found: texts[found[1]], self.template or "")


@lru_cache(maxsize=1)
def bundled_guards() -> Mapping[str, Guard]:
    """Guards that come with btviz, by name."""
    folder = files("btviz") / "resources" / "guards"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    stems = [file.name.removesuffix(".toml") for file in found]
    return {stem: _parsed(file.read_text(encoding="utf-8"), name=stem) for stem, file in zip(stems, found, strict=True)}


def read_guard(name_or_file: str | Path) -> Guard:
    """Read the description of a guard.

    Parameters
    ----------
    name_or_file : str or Path
        Name of one that is bundled, or a file of one's own; see docs/guards.md.

    Returns
    -------
    Guard

    Raises
    ------
    NotFoundError
        If it is neither.
    DataError
        If the file does not describe a guard.
    """
    bundled = bundled_guards()
    if str(name_or_file) in bundled:
        return bundled[str(name_or_file)]
    file = expanded(name_or_file)
    if not file.is_file():
        raise NotFoundError(
            f"Asked for the guard {str(name_or_file)!r}; there is no such file, and bundled are {', '.join(bundled)}. "
            "Name one of these, or write a file for it: docs/guards.md."
        )
    return _parsed(file.read_text(encoding="utf-8"), name=file.stem)


def guard_of(name: str) -> Guard | None:
    """Return the bundled guard that describes a checkpoint of this name."""
    lowered = name.lower().replace("_", "-")
    fitting = (g for g in bundled_guards().values() if any(fnmatch(lowered, pattern) for pattern in g.models))
    return next(fitting, None)


def _parsed(text: str, *, name: str) -> Guard:
    try:
        stated = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _unfit(name, f"it is not TOML ({error})") from error
    _expect_keys(stated, _KEYS, name=name)
    prefix = stated.get("prefix", "")
    guard = Guard(
        name=name,
        title=str(stated.get("title", name)),
        models=tuple(_strings(stated.get("models", []), "models", name=name)),
        checked=str(stated.get("checked", "by nobody yet")),
        template=stated.get("template"),
        special_tokens=stated.get("special_tokens", True) is True,
        options=_table(stated.get("options", {}), "options", name=name),
        prefixes=(prefix,) if isinstance(prefix, str) else tuple(_strings(prefix, "prefix", name=name)),
        verdicts=_verdicts(stated.get("verdicts"), name=name),
        least_mass=_share(stated.get("least_mass", 0.5), "least_mass", name=name),
        threshold=_share(stated.get("threshold", 0.5), "threshold", name=name),
        policies=tuple(_policy(row, name=name) for row in _rows(stated.get("policies", []), "policies", name=name)),
        categories=tuple(
            _category(row, name=name) for row in _rows(stated.get("categories", []), "categories", name=name)
        ),
    )
    _check_whole(guard)
    return guard


def _check_whole(guard: Guard) -> None:
    """Refuse what is fit in its parts, and not together."""
    template = guard.template
    if template is not None and not (isinstance(template, str) and "{response}" in template):
        raise _unfit(guard.name, "its template has no place for {response}")
    if not guard.prefixes:
        raise _unfit(guard.name, "its prefix is an empty list")
    targets = [policy.target for policy in guard.policies]
    codes = [category.code for category in guard.categories]
    for what, names in {"policies": targets, "categories": codes}.items():
        if len(set(names)) < len(names):
            raise _unfit(guard.name, f"two of its {what} have one name")
    if template is not None and any(policy.text for policy in guard.policies) and "{policy}" not in template:
        raise _unfit(guard.name, "its template has no place for {policy}, and its policies have texts")


def _verdicts(stated: object, *, name: str) -> Mapping[str, tuple[str, ...]]:
    table = _table(stated, "verdicts", name=name)
    if not {SAFE, UNSAFE} <= set(table) or not all(_SLUG.fullmatch(key) for key in table):
        raise _unfit(name, "its verdicts must be named, safe and unsafe among them, in small letters")
    verdicts = {
        key: tuple(_strings(table[key], f"verdicts.{key}", name=name))
        for key in [SAFE, *(k for k in table if k != SAFE)]
    }
    words = [word for variants in verdicts.values() for word in variants]
    if not all(verdicts.values()) or not all(word.strip() for word in words) or len(set(words)) < len(words):
        raise _unfit(name, "each verdict takes words of its own")
    return verdicts


def _policy(row: Mapping[str, Any], *, name: str) -> Policy:
    _expect_keys(row, _POLICY_KEYS, name=name)
    target = row.get("target")
    if not isinstance(target, str) or not _SLUG.fullmatch(target):
        raise _unfit(name, "a policy has no target, which is a name in small letters with hyphens")
    return Policy(target, str(row.get("text", "")), _table(row.get("options", {}), "options", name=name))


def _category(row: Mapping[str, Any], *, name: str) -> GuardCategory:
    _expect_keys(row, _CATEGORY_KEYS, name=name)
    counterparts = {}
    for key, taxonomy in TAXONOMIES.items():
        counterparts[key] = tuple(_strings(row.get(key, []), key, name=name))
        known = {category.slug for category in taxonomy.categories}
        if unknown := [slug for slug in counterparts[key] if slug not in known]:
            raise _unfit(name, f"{key} has no categories {unknown}")
    if not isinstance(row.get("code"), str):
        raise _unfit(name, "a category has no code")
    return GuardCategory(row["code"], str(row.get("title", row["code"])), counterparts)


def _expect_keys(stated: Mapping[str, Any], known: set[str], *, name: str) -> None:
    if unknown := sorted(set(stated) - known):
        raise _unfit(name, f"it says {unknown}, which no guard has; known are {sorted(known)}")


def _rows(stated: object, what: str, *, name: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(stated, list) or not all(isinstance(row, dict) for row in stated):
        raise _unfit(name, f"its {what} are no tables ([[{what}]])")
    return stated


def _table(stated: object, what: str, *, name: str) -> Mapping[str, Any]:
    if not isinstance(stated, dict):
        raise _unfit(name, f"its {what} are no table ([{what}])")
    return stated


def _strings(stated: object, what: str, *, name: str) -> list[str]:
    if not isinstance(stated, list) or not all(isinstance(value, str) for value in stated):
        raise _unfit(name, f"{what} is no list of texts")
    return stated


def _share(stated: object, what: str, *, name: str) -> float:
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not 0 <= stated <= 1:
        raise _unfit(name, f"{what} is no probability")
    return float(stated)


def _unfit(name: str, problem: str) -> DataError:
    return DataError(f"The guard {name!r} was to be read; {problem}. Mend the file: docs/guards.md says what it holds.")
