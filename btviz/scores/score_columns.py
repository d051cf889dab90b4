"""Columns of score files: what a user says of one, and its values as scores, from numbers, verdicts or lists."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import polars as pl

from btviz.data.reading.flat_tables import FileTable
from btviz.errors import DataError, UsageError
from btviz.models.protocol import KINDS, SEVERITY
from btviz.models.records import OTHER, PRESUMED, PROBABILITY, UNKNOWN, VERDICT, ScoreRecord
from btviz.taxonomy.categories import Taxonomy

GUESSED = {
    "helpful_score": "reward",
    "reward": "reward",
    "reward_score": "reward",
    "cost": "cost",
    "cost_score": "cost",
    "harmless_score": "-cost",
}
"""Columns that are taken for scores where none is named: higher harmlessness is lower cost."""

UNSAFE = "unsafe"
OVERALL = (SEVERITY, UNSAFE)
"""Targets of a moderator that are no category; the second is the probability of any harm."""

SAFE, CATEGORIES = "safe", "categories"
"""What a column of a moderator may be besides: the probability of no harm, or lists of the categories it names."""

STATED = "stated when they were read"

_LARGEST = 3.4028235e38
"""As models give no larger ones, a score beyond float32 is a fault of the file, and its square has no value."""


@dataclass(frozen=True)
class Meaning:
    """What a column of scores is.

    Attributes
    ----------
    kind, target : str
        As in a table of scores; a target may also be "safe" or "categories".
    model : str or None
        Whose scores they are.
    turned : bool
        Whether high means the opposite in the file.
    threshold : float or None
        Of a cost: where harm begins in the file, which becomes 0. Of a moderator: what it flags above.
    """

    kind: str
    target: str | None = None
    model: str | None = None
    turned: bool = False
    threshold: float | None = None

    @classmethod
    def of(cls, text: str, taxonomy: Taxonomy) -> Meaning:
        """Read what a user says of a column, such as ``reward``, ``-cost@0.5``, ``moderation:unsafe:"Guard 3":0.4``.

        Raises
        ------
        UsageError
            If it is written otherwise, or a target is no category.
        """
        turned, (plain, at, origin) = text.startswith("-"), _partition(text.removeprefix("-"), "@")
        kind, *rest = _parts(plain)
        is_moderation = kind == "moderation"
        target = rest.pop(0) if is_moderation and rest else None
        model = rest.pop(0) if rest else None
        threshold = rest.pop(0) if rest else origin if at else None
        if (
            (
                kind not in KINDS
                or rest
                or text.count('"') % 2
                or (model is not None and model != model.strip())
                or (turned and is_moderation)
                or (at and (kind != "cost" or ":" in plain))
            )
            or (threshold is not None and kind == "reward")
            or (is_moderation and not target)
        ):
            raise UsageError(
                f"A column was to be {text!r}; it may be reward, cost, -reward, -cost (sign turned), cost@NUMBER or "
                "-cost@NUMBER (harm begins there) or moderation:TARGET, where a target is a category, "
                f"{', '.join(OVERALL)}, {SAFE} or {CATEGORIES}; with :MODEL behind it, and of cost and moderation "
                ':NUMBER, such as cost:"Beaver v1":0.0. Write one of these.'
            )
        known = target in (None, *OVERALL, SAFE, CATEGORIES)
        slug = target if known else taxonomy[str(target)].slug
        number = None if threshold is None else _number(threshold)
        if is_moderation and number is not None and not 0 <= number <= 1:
            raise UsageError(f"A moderator was to flag above {number:g}; probabilities are 0 .. 1. Give one of these.")
        return cls(kind, slug, model or None, turned, number)

    @property
    def boundary(self) -> str | None:
        """What is known of the cost 0: one of `btviz.models.records.BOUNDARIES`."""
        if self.kind != "cost" or self.threshold is not None:
            return None
        return UNKNOWN if self.turned else PRESUMED

    def oriented(self, numbers: pl.Series) -> pl.Series:
        """Scores as the convention has them: high is more helpful or more harmful, and harm begins at 0."""
        if self.kind == "moderation":
            return 1 - numbers if self.target == SAFE else numbers
        from_origin = numbers - (self.threshold or 0.0)
        return -from_origin if self.turned else from_origin

    def record(self, numbers: pl.Series) -> ScoreRecord:
        """What is known of the scores, as the file has them."""
        maker = "elsewhere, and read from a file"
        if self.kind == "moderation":
            values, is_level = numbers.drop_nulls(), self.target == SEVERITY
            verdict = not is_level and set(values.unique()) == {0.0, 1.0}
            stated = self.threshold is not None
            return ScoreRecord(
                "moderation",
                threshold=self.threshold,
                threshold_source=STATED if stated else None,
                scale=None if is_level else VERDICT if verdict else PROBABILITY,
                low=None if is_level else 0.0,
                high=None if is_level else 1.0,
                turned=self.target == SAFE,
                maker=maker,
            )
        within = bool(numbers.count()) and bool(numbers.drop_nulls().is_between(0, 1).all())
        ends = [end + 0.0 for end in self.oriented(pl.Series([0.0, 1.0])).sort()] if within else [None, None]
        rescaled = f"less {self.threshold:g}, where harm begins" if self.threshold else None
        return ScoreRecord(
            self.kind,
            boundary=self.boundary,
            threshold_source=STATED if self.threshold is not None else None,
            scale=OTHER if within else None,
            low=ends[0],
            high=ends[1],
            turned=self.turned,
            rescaled=rescaled,
            maker=maker,
        )


def _partition(text: str, sign: str) -> tuple[str, str, str]:
    """Parts beside the last such sign that no quotes enclose."""
    places = [i for i, letter in enumerate(text) if letter == sign and text.count('"', 0, i) % 2 == 0]
    return (text[: places[-1]], sign, text[places[-1] + 1 :]) if places else (text, "", "")


def _parts(text: str) -> list[str]:
    """Parts between colons that no quotes enclose, without these."""
    ends = [i for i, letter in enumerate(text) if letter == ":" and text.count('"', 0, i) % 2 == 0]
    return [text[first + 1 : last].strip('"') for first, last in pairwise([-1, *ends, len(text)])]


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(
            f"A threshold was to be {text!r}, which is no number. Write one, such as cost@0.5 or cost:NAME:0.5; a name "
            "with a colon in it stands in double quotes."
        )
    return number


def scored(file: FileTable, name: str, *, what: Meaning, taxonomy: Taxonomy) -> Iterator[tuple[Meaning, pl.Series]]:
    """Numbers of a column, as the file has them; of texts and lists of a moderator one column for each category."""
    if what.kind != "moderation":
        yield what, numbers_in(file, name)
        return
    column = file.frame[name]
    if what.target == CATEGORIES:
        yield from _flags(file, name, column, what=what, taxonomy=taxonomy)
        return
    numbers = _verdicts(file, name, column, what=what)
    if what.target != SEVERITY:  # that is an expected level
        _check_probabilities(file, name, numbers)
    yield what, numbers
    if what.target == UNSAFE and column.dtype == pl.String:
        yield from _flags(file, name, _codes(column, numbers), what=what, taxonomy=taxonomy)


_CODE = r"^[A-Z]{1,3}\d{1,2}$"
"""Code of a category, as guards write them behind a verdict: S1, O3. Other words there may be an explanation."""


def _codes(column: pl.Series, numbers: pl.Series) -> pl.Series:
    """Codes of categories behind each verdict, none of one that says safe."""
    behind = column.str.extract(r"(?s)^\s*\w+[\s:,]+(\S.*)$").alias("codes")
    listed = pl.col("codes").str.split(",").list.eval(pl.element().str.strip_chars())
    coded = listed.list.eval(pl.element().filter(pl.element().str.contains(_CODE)))
    known = pl.when(pl.col("verdict").is_not_null()).then(coded.fill_null([]))
    return pl.DataFrame({"codes": behind, "verdict": numbers}).select(known).to_series()


def numbers_in(file: FileTable, name: str, *, column: pl.Series | None = None) -> pl.Series:
    """Finite numbers of a column of a file, null where there is none."""
    column = file.frame[name] if column is None else column
    if column.dtype != pl.String and not column.dtype.is_numeric() and column.dtype != pl.Null:
        raise DataError(
            f"The column {name!r} of {file.path.name} was to be scores; its values are {column.dtype}. Name a column "
            "of numbers."
        )
    if column.dtype == pl.String:
        column = column.replace("", None)
    numbers = column.cast(pl.Float64, strict=False)
    lost = int(numbers.null_count() - column.null_count())
    vast = int((numbers.fill_nan(None).abs() > _LARGEST).sum())
    if lost or vast:
        raise DataError(
            f"The column {name!r} of {file.path.name} was to be scores; {lost + vast:,} of its values are no "
            "finite numbers that 32 bits hold, written with a decimal point. Mend the file, or leave the values out."
        )
    return numbers.fill_nan(None)


_WORDS = {
    **dict.fromkeys(("unsafe", "yes", "true", "harmful", "flagged", "violation", "toxic"), 1.0),
    **dict.fromkeys(("safe", "no", "false", "harmless", "unharmful", "benign", "unflagged", "ok"), 0.0),
}
"""What the first word of a verdict says of harm: "yes" and "true" say that there is what the column is about."""

_OF_SAFETY = re.compile(r"(?i)(?:^|[_.\- ])(?:safe|harmless|is_?safe)(?:$|[_.\- ])")
_SAYS = ("safe", "unsafe", "harmful", "harmless", "unharmful", "benign", "toxic")
"""Words that mean the same whatever the column is about."""


def _verdicts(file: FileTable, name: str, column: pl.Series, *, what: Meaning) -> pl.Series:
    """Verdicts as 0 and 1, probabilities as they are."""
    if column.dtype == pl.Boolean:
        _check_side(file, name, what)
        return column.cast(pl.Float64)
    if column.dtype != pl.String or column.replace("", None).cast(pl.Float64, strict=False).count() == column.count():
        return numbers_in(file, name)
    word = column.str.to_lowercase().str.extract(r"^\W*(\w+)")
    numbers = word.replace_strict(_WORDS, default=None, return_dtype=pl.Float64)
    known = word.drop_nulls().unique()
    if not known.is_in(_SAYS).all():
        _check_side(file, name, what)
    elif what.target == SAFE:  # "safe" is what this column calls likely
        numbers = 1 - numbers
    lost = numbers.is_null() & column.is_not_null() & (column != "")
    if lost.any():
        row = int(lost.arg_true()[0]) + 1
        raise DataError(
            f"The column {name!r} of {file.path.name} was to be verdicts of a moderator; {int(lost.sum()):,} of "
            f"{column.count():,} begin with no word that is known as one, the first in row {row:,}. Known are "
            f"{', '.join(_WORDS)}. Write one of these, a probability, or nothing."
        )
    return numbers


def _check_side(file: FileTable, name: str, what: Meaning) -> None:
    """Refuse yes and no of a column that is named after safety, where they were to say yes to harm."""
    if _OF_SAFETY.search(name) and what.target != SAFE:
        raise UsageError(
            f"The column {name!r} of {file.path.name} was to be {what.target!r}, so that yes and true say unsafe; by "
            f"its name they say safe. Write {name}=moderation:{SAFE}, or rename the column."
        )


def _check_probabilities(file: FileTable, name: str, score: pl.Series) -> None:
    outside = int((~score.drop_nulls().is_between(0, 1)).sum())
    if outside:
        raise DataError(
            f"The column {name!r} of {file.path.name} was to be probabilities of a moderator; {outside:,} of its "
            f"{score.count():,} values lie outside 0..1. Write logits as 1 / (1 + exp(-x)), per cent divided by 100."
        )


def _flags(
    file: FileTable, name: str, column: pl.Series, *, what: Meaning, taxonomy: Taxonomy
) -> Iterator[tuple[Meaning, pl.Series]]:
    """Numbers of each category that lists name anywhere, as 0 and 1, or for which objects have a value."""
    if isinstance(column.dtype, pl.Struct):
        values = {key: numbers_in(file, name, column=part) for key, part in _fields(column).items()}
    else:
        values = {key: listed.cast(pl.Float64) for key, listed in _listed(file, name, column)}
    by_target: dict[str, pl.Series] = {}
    for key, numbers in values.items():  # of names that mean the same category the highest counts
        target = _slug(key, taxonomy)
        both = pl.DataFrame([numbers.alias("one"), by_target.get(target, numbers).alias("other")])
        by_target[target] = both.select(pl.max_horizontal("one", "other")).to_series()
    for target, numbers in by_target.items():
        _check_probabilities(file, name, numbers)
        yield replace(what, target=target), numbers


def _fields(column: pl.Series) -> Mapping[str, pl.Series]:
    """Values of an object by its keys; true and false as 1 and 0."""
    parts = {field.name: column.struct.field(field.name) for field in column.dtype.fields}  # type: ignore[attr-defined]  # a struct
    return {key: part.cast(pl.Float64) if part.dtype == pl.Boolean else part for key, part in parts.items()}


def _listed(file: FileTable, name: str, column: pl.Series) -> Iterator[tuple[str, pl.Series]]:
    """Categories of a column of lists, and which rows name each."""
    if column.dtype == pl.String:
        column = column.str.split(",").list.eval(pl.element().str.strip_chars().replace("", None).drop_nulls())
    if column.dtype in (pl.Null, pl.List(pl.Null)) or not column.count():
        return
    if column.dtype != pl.List(pl.String):
        raise DataError(
            f"The column {name!r} of {file.path.name} was to be lists of categories; its values are {column.dtype}. "
            'Write lists of names, objects of true and false or of probabilities, or a text such as "insult, privacy".'
        )
    categories = column.explode().drop_nulls().unique().sort()
    if len(categories) > _MOST or (categories.str.len_chars() > _LONGEST).any():
        raise DataError(
            f"The column {name!r} of {file.path.name} was to be lists of categories; it has {len(categories):,} "
            f"different ones, or some longer than {_LONGEST} letters, so they are texts. Name a column of categories."
        )
    for category in categories:
        yield category, column.list.contains(category)


_MOST, _LONGEST = 100, 60
"""Categories of a moderator, and letters of the name of one, at most: beyond that a column holds texts."""


def _slug(category: str, taxonomy: Taxonomy) -> str:
    """Slug of a category by any of its names; what is none of this taxonomy keeps its name, as the code of a guard."""
    try:
        return taxonomy[category].slug
    except UsageError:
        return re.sub(r"[^a-z0-9]+", "-", category.lower()).strip("-") or UNKNOWN


def meanings_of(columns: Mapping[str, str] | None, *, there: list[str], compared: bool) -> dict[str, str]:
    """What the columns are: as the user says, else those of known names that are there."""
    if columns:
        return dict(columns)
    guessed: dict[str, Any] = dict(GUESSED)
    if compared:  # the chosen answer has the higher score, as rewards have
        guessed |= {"score": "reward", "scores": "reward"}
    return {name: guessed[name] for name in guessed if name in there}
