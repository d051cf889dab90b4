"""Encoders by name: "minilm", "static", "words", a folder, or a model of the hub."""

from __future__ import annotations

import os
from pathlib import Path

from btviz.embedding.encoder import Encoder
from btviz.embedding.minilm import minilm_folder
from btviz.embedding.static import StaticEncoder
from btviz.embedding.transformer import READ, TransformerEncoder
from btviz.embedding.words import WordEncoder
from btviz.errors import FetchError, NotFoundError, UsageError
from btviz.store import Store


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
        folder, shown = Path(name).expanduser(), str(name)
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
