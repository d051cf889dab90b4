"""Texts to vectors: encoders, and runs that embed each distinct text once."""

from btviz.embedding.encoder import CallableEncoder, Encoder
from btviz.embedding.named import load_encoder
from btviz.embedding.result import Embeddings
from btviz.embedding.run import embed
from btviz.embedding.texts import text_id

__all__ = ["CallableEncoder", "Embeddings", "Encoder", "embed", "load_encoder", "text_id"]
