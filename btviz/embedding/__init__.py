"""Texts to vectors: encoders, and runs that embed each distinct text once."""

from btviz.embedding.result import Embeddings

__all__ = ["Embeddings"]
