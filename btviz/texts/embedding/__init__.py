"""Texts to vectors: encoders, and runs that embed each distinct text once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.texts.embedding.encoders import CallableEncoder, Encoder, load_encoder
    from btviz.texts.embedding.languages import LanguageWarning, language_note
    from btviz.texts.embedding.result import PLURALS, TEXTS, Embeddings, text_id
    from btviz.texts.embedding.run import embed

__getattr__, __dir__, __all__ = lazy_exports(__name__)
