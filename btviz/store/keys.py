"""What an entry is a function of, and canonical fingerprints of values."""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from btviz.errors import UsageError, a_type

JSON: TypeAlias = "str | int | float | bool | Mapping[str, JSON] | Sequence[JSON] | None"
Part: TypeAlias = "str | bytes | int | float | bool | Mapping[str, Part] | Sequence[Part] | None"

FORMAT = 1
"""How an entry lies on disk; part of every digest, so that no entry is opened as one of another form."""

WORDS = {
    "datasets": "the data, read and checked",
    "drawing-library": "the drawing library",
    "embeddings": "the vectors of these texts",
    "encoders": "the encoder",
    "figures": "the picture",
    "map-quality": "the quality of the map",
    "maps": "the data map",
    "neighbors": "the neighbours of each text",
    "score-plans": "the plan of what to score",
    "scores": "the scores of this model",
    "topic-layers": "the topics at every scale",
    "topic-stability": "the stability of the topics",
    "topics": "the words of the topics",
    "vectors": "the vectors of this encoder",
}
"""What a person calls the entries of a kind."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_name(name: str, *, what: str) -> str:
    """Return `name` if it is safe as one component of a path on every system.

    Parameters
    ----------
    name : str
        What somebody chose.
    what : str
        Of what it is the name, for the message.

    Returns
    -------
    str
        `name`, unchanged.

    Raises
    ------
    UsageError
        Unless it is 1 to 100 of ``A-Za-z0-9._-``, starts with a letter or digit and does
        not end in a dot.
    """
    if isinstance(name, str) and _NAME.fullmatch(name) and not name.endswith("."):
        return name
    raise UsageError(
        f"{name!r} was given as {what}; a name has 1 to 100 of A-Z a-z 0-9 . _ - and starts with a letter "
        "or digit. Rename it."
    )


def fingerprint(*parts: Part) -> str:
    """Hash values such that values of another type or structure differ.

    ``1``, ``1.0``, ``"1"``, ``b"1"`` and ``True`` all differ, as do ``("ab",)`` and
    ``("a", "b")``. The order of a mapping's keys does not matter; lists equal tuples, so
    that a value keeps its fingerprint through JSON.

    Parameters
    ----------
    *parts : str, bytes, int, float, bool, None, or mappings (with text keys) and sequences of them
        What to hash. All NaN are one; 0.0 and -0.0 are two.

    Returns
    -------
    str
        32 hexadecimal characters (BLAKE2b-128). The same on every machine and version.

    Raises
    ------
    UsageError
        If a value has another type.

    Examples
    --------
    >>> fingerprint("a", {"x": 1, "y": 2}) == fingerprint("a", {"y": 2, "x": 1})
    True
    """
    return hashlib.blake2b(_encode(parts), digest_size=16, person=b"btviz:key").hexdigest()


def _encode(value: Part) -> bytes:
    match value:
        case None:
            tag, body = b"N", b""
        case bool():  # before int, of which it is a subclass
            tag, body = b"T" if value else b"F", b""
        case int():
            tag, body = b"I", str(int(value)).encode()
        case float():
            tag, body = b"D", b"nan" if math.isnan(value) else struct.pack(">d", value)
        case str():
            tag, body = b"S", value.encode("utf-8", "surrogatepass")
        case bytes():
            tag, body = b"B", value
        case list() | tuple():
            tag, body = b"L", b"".join(map(_encode, value))
        case Mapping() if all(isinstance(name, str) for name in value):
            tag, body = b"M", b"".join(sorted(_encode(name) + _encode(item) for name, item in value.items()))
        case _:
            raise UsageError(
                f"A fingerprint was asked of {a_type(value)}; it takes text, bytes, int, float, bool, "
                "None, lists, and mappings with text keys. Convert it first."
            )
    return tag + len(body).to_bytes(8, "big") + body


@dataclass(frozen=True, eq=False)
class Key:
    """What an entry is a function of; keys with the same digest are equal.

    Attributes
    ----------
    kind : str
        Folder under the store: "datasets", "figures", "embeddings".
    inputs : sequence of str
        Fingerprints of the inputs; kept as a tuple.
    params : Mapping
        Parameters, JSON-able and finite. A copy is kept.
    version : int
        Raised when the computation changes.
    digest : str
        32 hexadecimal characters; a function of all the others.

    Raises
    ------
    UsageError
        If `kind` is no safe folder name, or `params` would not survive JSON unchanged.
    """

    kind: str
    inputs: Sequence[str]
    params: Mapping[str, JSON] = field(default_factory=dict)
    version: int = 1
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        check_name(self.kind, what="the kind of a stored entry")
        if isinstance(self.inputs, str):
            raise UsageError(f"The inputs of a key were given as {self.inputs!r}; give a tuple of fingerprints.")
        object.__setattr__(self, "inputs", tuple(self.inputs))
        object.__setattr__(self, "params", _through_json(self.params))
        parts = (FORMAT, self.kind, self.inputs, self.params, self.version)
        object.__setattr__(self, "digest", fingerprint(*parts))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __str__(self) -> str:
        return f"{self.kind}/{self.digest}"

    @property
    def words(self) -> str:
        """What it is, for a person: "the data map"."""
        return WORDS.get(self.kind, f"the stored {self.kind.replace('-', ' ')}")

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Key:
        """The key whose `to_document` gave this."""
        return cls(document["kind"], tuple(document["inputs"]), document["params"], document["version"])

    def to_document(self) -> dict[str, JSON]:
        """Everything the digest is made of, as JSON."""
        return {"kind": self.kind, "inputs": self.inputs, "params": self.params, "version": self.version}


def _through_json(params: Mapping[str, JSON]) -> dict[str, JSON]:
    fingerprint(params)  # refuses keys that are no text, which JSON would turn into text
    try:
        return cast("dict[str, JSON]", json.loads(json.dumps(dict(params), allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"A key was asked for with params {params!r}; they are not JSON ({error}). "
            "Use text, finite numbers, lists and mappings."
        ) from error
