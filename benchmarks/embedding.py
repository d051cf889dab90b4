"""Embedding: ours, and `SentenceTransformer.encode` with its defaults; and reopening what is stored."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.populations import PROMPTS, REAL, REAL_QA, REPLICA_QA, Population, forget, timed
from benchmarks.running import stage

FEW_TEXTS = 600


def embed_qa(folder: Path) -> float:
    """600 QA texts, real ones where they are here, to vectors in fixed shapes; model loaded before."""
    import btviz

    encoder = btviz.load_encoder("minilm")
    texts = _qa_texts()
    encoder.encode(texts[:32])
    return timed(lambda: encoder.encode(texts))


def plain_encode_qa(folder: Path) -> float:
    """The same by `SentenceTransformer.encode` with its defaults."""
    return _plain(_qa_texts())


def embed_real(folder: Path) -> float:
    """The 3,021 real pairs, to the store."""
    return _embedded(REAL_QA)


def plain_encode_real(folder: Path) -> float:
    """The same texts by `SentenceTransformer.encode`."""
    return _plain(_texts(REAL_QA))


def embed_prompts(folder: Path) -> float:
    """Each distinct prompt of the replica, to the store."""
    return _embedded(PROMPTS)


def plain_encode_prompts(folder: Path) -> float:
    """The same distinct prompts by `SentenceTransformer.encode`."""
    return _plain(_texts(PROMPTS))


def static_replica(folder: Path) -> float:
    """All QA texts of the replica by the static model, distilled before: fewer texts than rows by a factor of 3."""
    return _embedded(REPLICA_QA)


def static_distilled(folder: Path) -> float:
    """Making the static model, as happens once."""
    import btviz

    forget(folder, "encoders")
    encoder = btviz.load_encoder("static")
    return timed(lambda: encoder.encode(["distils"]))


def _embedded(population: Population) -> float:
    import btviz

    ds = population.dataset()
    btviz.load_encoder(population.encoder).encode(["loads the model's packages"])
    population.forget_vectors()

    def work() -> None:
        found = population.embeddings(ds)
        assert found.facts["new"] == len(found)
        assert population is not REPLICA_QA or ds.annotations.height > 3 * len(found)

    return timed(work)


def _plain(texts: list[str]) -> float:
    from sentence_transformers import SentenceTransformer

    from btviz.texts.embedding.encoders import minilm_folder

    model = SentenceTransformer(str(minilm_folder()), device="cpu", local_files_only=True)
    model.encode(texts[:32])
    return timed(lambda: model.encode(texts, show_progress_bar=False))


def _texts(population: Population) -> list[str]:
    from btviz.texts.embedding.result import texts_of

    return texts_of(population.dataset(), population.text)[0]["text"].to_list()


def _qa_texts() -> list[str]:
    return _texts(REAL_QA if REAL.is_file() else REPLICA_QA)[:FEW_TEXTS]


# Reopening ----------------------------------------------------------------------------------------


def prompts_reopened(folder: Path) -> float:
    """Data, vectors, map, its quality and topics of the replica's prompts, in a process that has imported nothing."""
    return _reopened(PROMPTS)


def qa_reopened(folder: Path) -> float:
    """The same of all QA texts of the replica."""
    return _reopened(REPLICA_QA)


def _reopened(population: Population) -> float:
    made = [sys.executable, "-m", "benchmarks.embedding", population.name]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL)  # what is not there yet
    return timed(lambda: _open(population))


def _open(population: Population) -> Any:
    import btviz

    with stage("data"):
        ds = population.dataset()
    with stage("vectors"):
        emb = population.embeddings(ds)
    with stage("map and its quality"):
        points = btviz.fit_data_map(emb)
        btviz.map_quality(points, emb)
    with stage("topics"):
        return btviz.fit_topics(ds, points, embeddings=emb)


EMBEDDING_CASES: dict[str, Callable[[Path], float]] = {
    case.__name__: case
    for case in (
        embed_qa,
        plain_encode_qa,
        embed_real,
        plain_encode_real,
        embed_prompts,
        plain_encode_prompts,
        static_distilled,
        static_replica,
    )
}
REOPENING_CASES: dict[str, Callable[[Path], float]] = {case.__name__: case for case in (prompts_reopened, qa_reopened)}


if __name__ == "__main__":
    _open(next(one for one in (PROMPTS, REPLICA_QA) if one.name == sys.argv[1]))
