"""Layouts of the released files: which keys a row has, and what each may hold.

A `Layout` names the canonical column that each released key becomes. From it follow both
ways of reading: `Layout.check` for one parsed row at a time, and `grammar`, a regular
expression that a line must match as a whole before the fast reader may have it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import polars as pl

from btviz.data.reading.record import Finding
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF, TAXONOMIES, Taxonomy

Kind = Literal["text", "flag", "categories", "category", "code"]

Produces = Literal["annotations", "preferences", "prompts"]

_TEXT = (
    r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]'
    r"|\\u(?:[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2})"
    r'|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})+"'
)

_ANSWERED = ("response", "answer", "output", "completion", "is_", "category", "harm")

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Field:
    """One released key."""

    key: str
    column: str
    kind: Kind = "text"
    codes: tuple[int, ...] = ()
    required: bool = True

    @property
    def dtype(self) -> pl.DataType:
        """Type of the canonical column."""
        match self.kind:
            case "flag":
                return pl.Boolean()
            case "categories" | "category":
                return pl.UInt32()
            case "code":
                return pl.Int8()
            case _:
                return pl.String()


@dataclass(frozen=True)
class Layout:
    """The fields of one kind of file, and the table its rows become."""

    name: str
    produces: Produces
    fields: tuple[Field, ...]
    taxonomy: Taxonomy | None = None
    not_kept: frozenset[str] = frozenset()

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Canonical columns and their types."""
        return {field.column: field.dtype for field in self.fields}

    def released_schema(self, order: Sequence[str]) -> dict[str, pl.DataType]:
        """Types of the released keys, in the order a file has them, for the fast reader."""
        by_key = {field.key: field for field in self.fields}
        return {key: self._released_type(by_key[key]) for key in order}

    def _released_type(self, field: Field) -> pl.DataType:
        if field.kind == "categories":
            return pl.Struct(dict.fromkeys(self._taxonomy.keys, pl.Boolean()))
        # the NDJSON reader knows no small integers
        return {"category": pl.String(), "code": pl.Int64()}.get(field.kind, field.dtype)

    @property
    def _taxonomy(self) -> Taxonomy:
        return self.taxonomy or BEAVERTAILS

    def canonical(self) -> list[pl.Expr]:
        """Expressions from released columns to canonical ones."""
        return [self._canonical(field).cast(field.dtype).alias(field.column) for field in self.fields]

    def _canonical(self, field: Field) -> pl.Expr:
        column = pl.col(field.key)
        if field.kind == "categories":
            bits = [column.struct.field(c.key).cast(pl.UInt32) * (1 << c.bit) for c in self._taxonomy.categories]
            return pl.sum_horizontal(bits)
        if field.kind == "category":
            masks = {key: self._taxonomy.mask([key]) for key in self._taxonomy.keys}
            return column.replace_strict(masks, default=None, return_dtype=pl.UInt32)
        return column

    def grammar(self, order: Sequence[str], sample: Mapping[str, Any]) -> str | None:
        """Regular expression of the lines that the fast reader takes without loss.

        Keys in the order of `order`, and categories in the order they have in `sample`; no key
        missing, extra or repeated, every value of its type, no lone surrogate, no empty text.
        None where the file as a whole has keys that the layout does not know or keep.
        """
        by_key = {field.key: field for field in self.fields}
        objects = [sample[field.key] for field in self.fields if field.kind == "categories"]
        if set(order) != set(by_key) or any(set(categories) != set(self._taxonomy.keys) for categories in objects):
            return None
        members = [rf"{_quoted(key)}\s*:\s*{self._pattern(by_key[key], sample[key])}" for key in order]
        return r"^\s*\{\s*" + r"\s*,\s*".join(members) + r"\s*\}\s*$"

    def _pattern(self, field: Field, sample: Any) -> str:
        match field.kind:
            case "text":
                return _TEXT
            case "flag":
                return "(?:true|false)"
            case "code":
                return "(?:" + "|".join(map(str, field.codes)) + ")"
            case "category":
                return "(?:" + "|".join(_quoted(key) for key in self._taxonomy.keys) + ")"
            case "categories":
                flags = [rf"{_quoted(key)}\s*:\s*(?:true|false)" for key in sample]
                return r"\{\s*" + r"\s*,\s*".join(flags) + r"\s*\}"

    def holds_losslessly(self, frame: pl.DataFrame) -> bool:
        """Whether every released column has its exact type, no null and no value out of range."""
        by_key = {field.key: field for field in self.fields}
        wanted = self.released_schema(list(by_key))
        if set(frame.columns) - self.not_kept != set(by_key):
            return False
        return all(_holds(frame[key], wanted[key], by_key[key]) for key in by_key)

    def check(self, record: Mapping[str, Any]) -> tuple[list[Any] | None, list[Finding]]:
        """Canonical values of one row, or None where it must be rejected, and what was found."""
        findings: list[Finding] = []
        values = [self._value(field, record, findings) for field in self.fields]
        known = {field.key for field in self.fields} | self.not_kept
        findings += [Finding("extra key", _name(key)) for key in record if key not in known]
        return (None if any(f.rejects for f in findings) else values), findings

    def _value(self, field: Field, record: Mapping[str, Any], findings: list[Finding]) -> Any:
        if field.key not in record:
            findings.append(Finding("missing key", field.key, rejects=True))
            return None
        value = record[field.key]
        if field.kind == "categories":
            return self._mask(field, value, findings)
        problem = self._complaint(field, value)
        if problem:
            findings.append(Finding(problem, f"{field.key} is {_type(value)}", rejects=True))
            return None
        return self._taxonomy.mask([value]) if field.kind == "category" else value

    def _complaint(self, field: Field, value: Any) -> str | None:
        match field.kind:
            case "text":
                if not isinstance(value, str):
                    return "wrong type"
                return "lone surrogate" if _SURROGATE.search(value) else None
            case "flag":
                return None if isinstance(value, bool) else "wrong type"
            case "code":
                if isinstance(value, bool) or not isinstance(value, int):
                    return "wrong type"
                return None if value in field.codes else "out of range"
            case _:
                return None if value in self._taxonomy.keys else "unknown category"

    def _mask(self, field: Field, value: Any, findings: list[Finding]) -> int | None:
        if not isinstance(value, Mapping):
            findings.append(Finding("wrong type", f"{field.key} is {_type(value)}", rejects=True))
            return None
        keys = self._taxonomy.keys
        findings += [Finding("missing category", key, rejects=True) for key in keys if key not in value]
        for key, flag in value.items():
            if not isinstance(flag, bool):
                findings.append(Finding("wrong type", f"category {_name(key)} is {_type(flag)}", rejects=True))
            elif key not in keys:
                # a false flag loses nothing; a true one could not be kept
                findings.append(Finding("unknown category", _name(key), rejects=flag))
        return self._taxonomy.mask(key for key in keys if value.get(key) is True)


def _holds(column: pl.Series, wanted: pl.DataType, field: Field) -> bool:
    if column.has_nulls():
        return False
    if field.kind == "code":
        return column.dtype.is_integer() and column.is_in(field.codes).all()
    if isinstance(wanted, pl.Struct):
        same = isinstance(column.dtype, pl.Struct) and column.dtype == wanted
        return same and not any(column.struct.field(name).has_nulls() for name in wanted.to_schema())
    return column.dtype == wanted


def _quoted(key: str) -> str:
    return re.escape(json.dumps(key)).replace(r"\ ", " ")


def _type(value: Any) -> str:
    names = {str: "a string", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), "an object" if isinstance(value, Mapping) else "a list")


def _name(key: Any) -> str:
    """A key as it may be printed: short, and with nothing a terminal would act on."""
    return repr(str(key))[:60]


def _annotations(name: str, taxonomy: Taxonomy, *fields: Field, not_kept: Iterable[str] = ()) -> Layout:
    texts = (Field("prompt", "prompt"), Field("response", "response"), Field("is_safe", "is_safe", "flag"))
    return Layout(name, "annotations", (*texts, *fields), taxonomy, frozenset(not_kept))


def _answer_fields(i: int) -> list[Field]:
    head = f"response_{i}"
    return [
        Field(head, head),
        Field(f"is_response_{i}_safe", f"is_safe_{i}", "flag"),
        Field(f"{head}_harm_category", f"labels_{i}", "categories", required=False),
        Field(f"{head}_severity_level", f"severity_{i}", "code", (0, 1, 2, 3), required=False),
        Field(f"{head}_source", f"source_{i}", required=False),
    ]


LAYOUTS = (
    _annotations("beavertails", BEAVERTAILS, Field("category", "labels", "categories")),
    _annotations(
        "saferlhf-qa",
        PKU_SAFERLHF,
        Field("harm_category", "labels", "categories"),
        Field("severity_level", "severity", "code", (0, 1, 2, 3)),
        Field("response_source", "source", required=False),
        not_kept=("prompt_source", "sha256"),
    ),
    Layout(
        "preferences",
        "preferences",
        (
            Field("prompt", "prompt"),
            *_answer_fields(0),
            *_answer_fields(1),
            Field("better_response_id", "better", "code", (0, 1), required=False),
            Field("safer_response_id", "safer", "code", (0, 1)),
            Field("prompt_source", "prompt_source", required=False),
        ),
        None,
        frozenset({"response_0_sha256", "response_1_sha256"}),
    ),
    Layout(
        "single-preferences",
        "preferences",
        (
            Field("prompt", "prompt"),
            Field("response_0", "response_0"),
            Field("response_1", "response_1"),
            Field("better_response_id", "better", "code", (-1, 0, 1)),
        ),
        None,
        frozenset(
            {
                "response_0_source",
                "response_1_source",
                "prompt_source",
                "response_0_sha256",
                "response_1_sha256",
            }
        ),
    ),
    Layout(
        "evaluation",
        "prompts",
        (Field("prompt", "prompt"), Field("category", "labels", "category")),
        BEAVERTAILS,
        frozenset({"category_id"}),
    ),
    Layout("prompts", "prompts", (Field("prompt", "prompt"),)),
)
"""Every layout that is recognised; the first whose required keys are all there is taken."""


def recognise(record: Mapping[str, Any], *, taxonomy: Taxonomy | None = None) -> Layout | None:
    """The layout of a file, narrowed to the optional keys that `record` has; None if none fits.

    Its categories are those of `taxonomy` or, if that is not given, of the release they belong to.
    """
    for layout in LAYOUTS:
        if layout.name == "prompts" and any(key.startswith(_ANSWERED) for key in record):
            continue  # a misspelt file of answers must not pass for one of prompts
        if all(field.key in record for field in layout.fields if field.required):
            fields = tuple(field for field in layout.fields if field.key in record)
            narrowed = replace(layout, fields=fields, not_kept=layout.not_kept & frozenset(record))
            return _with_taxonomy(narrowed, record, taxonomy)
    return None


def _with_taxonomy(layout: Layout, record: Mapping[str, Any], taxonomy: Taxonomy | None) -> Layout:
    if layout.name == "prompts":  # nothing else is needed of them, so nothing else is odd
        return replace(layout, not_kept=frozenset(record) - {"prompt"})
    objects = [record[f.key] for f in layout.fields if f.kind == "categories" and isinstance(record[f.key], Mapping)]
    if taxonomy is not None:
        return replace(layout, taxonomy=taxonomy) if layout.taxonomy is not None or objects else layout
    if layout.taxonomy is not None or not objects:
        return layout
    overlap = {name: len(set(t.keys) & set(objects[0])) for name, t in TAXONOMIES.items()}
    return replace(layout, taxonomy=TAXONOMIES[max(overlap, key=lambda name: overlap[name])])
