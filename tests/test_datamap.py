import hashlib
import json
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_embeddings import clustered, embeddings_of
from sklearn.manifold import trustworthiness

import btviz
from btviz import fit_data_map, map_quality
from btviz.errors import UsageError
from btviz.store import fingerprint
from btviz.texts.datamap import fit
from btviz.texts.datamap import fit as landmarks
from btviz.texts.datamap import fit as layout
from btviz.texts.embedding import Embeddings
from btviz.texts.neighbors import nearest_neighbors

SEEDS = st.integers(0, 2**32 - 1)
RELAXED = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def as_points(emb, plane):
    plane = np.asarray(plane, float)[emb.rows]
    return pl.DataFrame({"pair_id": emb.pairs["pair_id"], "x": plane[:, 0], "y": plane[:, 1]})


def value(table, statistic, texts="all"):
    return table.filter(statistic=statistic, texts=texts)["value"].item()


# The map -----------------------------------------------------------------------------------------------------


def write_rows(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows))


def benign_rows():
    rows = []
    for n in range(120):
        group = ("tea", "magnets", "rivers", "chess")[n % 4]
        flags = {category.key: n % 7 == 0 and category.bit == 3 for category in btviz.taxonomy.BEAVERTAILS.categories}
        row = {"prompt": f"tell me about {group} {n // 4}", "category": flags, "is_safe": n % 7 != 0}
        rows += [row | {"response": f"{group} answer {n} {copy}"} for copy in range(1 + n % 2)]
    return rows


def embedded(ds):
    """Vectors that are a function of each prompt alone: a direction of its group and one of its own."""
    texts = ds.pairs.unique("prompt_id").sort("prompt_id")

    def direction(text):
        seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
        return np.random.default_rng(seed).normal(size=24)

    vectors = np.stack([1.5 * direction(t.split()[3]) + direction(t) for t in texts["prompt"]])
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return Embeddings(
        text_ids=texts["prompt_id"].to_numpy(),
        vectors=vectors,
        pairs=ds.pairs.sort("pair_id").select("pair_id", text_id="prompt_id"),
        text="prompt",
        encoder="made",
        fingerprint=fingerprint(vectors.tobytes()),
    )


@pytest.mark.slow
def test_shuffled_rows_of_a_file_give_the_same_map(tmp_path, monkeypatch):
    rows = benign_rows()
    maps = {}
    for order in ("as written", "shuffled"):
        monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path / order))
        write_rows(tmp_path / f"{order}.jsonl", rows)
        emb = embedded(btviz.load(tmp_path / f"{order}.jsonl"))
        maps[order] = fit_data_map(emb), fit_data_map(emb, landmarks=40)
        random.Random(1).shuffle(rows)
    assert maps["as written"][0].equals(maps["shuffled"][0])
    assert maps["as written"][1].equals(maps["shuffled"][1])
    points = maps["shuffled"][0]
    assert points.height == 180
    assert points["pair_id"].is_sorted()
    shared = points.join(emb.pairs, on="pair_id").group_by("text_id").agg(pl.col("x", "y").n_unique(), pl.len())
    assert shared.height == 120
    assert shared["len"].max() == 2
    assert shared["x"].max() == shared["y"].max() == 1


def test_the_map_is_stored_and_depends_on_its_options(monkeypatch):
    emb = embeddings_of(clustered(80))
    points = fit_data_map(emb)
    assert points.schema == {"pair_id": pl.UInt64, "x": pl.Float32, "y": pl.Float32}
    others = [fit_data_map(emb, random_state=1), fit_data_map(emb, n_neighbors=5), fit_data_map(emb, min_dist=0.5)]
    assert not any(points.equals(other) for other in others)
    monkeypatch.setattr(fit, "lay_out", None)
    assert fit_data_map(emb).equals(points)
    assert fit_data_map(emb, landmarks=80).drop("landmark").equals(points)


def test_a_map_keeps_groups_together():
    emb = embeddings_of(clustered(200, spread=0.3, seed=5))
    quality = map_quality(fit_data_map(emb), emb)
    assert value(quality, "trustworthiness") > 0.93
    draw = np.random.default_rng(0).normal(size=(200, 2))
    assert value(map_quality(as_points(emb, draw), emb), "trustworthiness") < 0.6


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 7, 15, 16, 20])
def test_few_texts_have_a_map(n):
    points = fit_data_map(embeddings_of(clustered(20)[:n]))
    assert points.height == n
    assert np.isfinite(points.select("x", "y").to_numpy()).all()


@pytest.mark.parametrize("n", [2, 20])
def test_equal_vectors_have_a_map(n):
    points = fit_data_map(embeddings_of(np.ones((n, 4))))
    assert np.isfinite(points.select("x", "y").to_numpy()).all()


def test_equal_vectors_lie_together_in_a_map_of_others():
    emb = embeddings_of(np.concatenate([clustered(100), np.tile(clustered(1, seed=9), (10, 1))]))
    plane = fit_data_map(emb).select("x", "y").to_numpy()
    assert np.ptp(plane[100:], axis=0).max() < np.ptp(plane, axis=0).max() / 4


def test_vectors_of_one_dimension_have_a_map():
    assert fit_data_map(embeddings_of(np.array([[1.0], [-1.0]] * 6))).height == 12


def test_opposite_vectors_keep_a_place():
    plane = fit_data_map(embeddings_of([[1, 0], [-1, 0]] * 2 + [[0, 1]])).select("x", "y").to_numpy()
    assert np.isfinite(plane).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"random_state": -1}, "random_state=-1"),
        ({"n_neighbors": 1}, "of at least 2"),
        ({"min_dist": 1.5}, "Use 0 to 1"),
        ({"landmarks": 9}, "of at least 10"),
    ],
)
def test_wrong_options_of_a_map(options, message):
    with pytest.raises(UsageError, match=message):
        fit_data_map(embeddings_of(clustered(30)), **options)


def test_start_is_the_principal_plane():
    vectors = embeddings_of(clustered(300)).vectors
    plane = layout.start(vectors, random_state=0)
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    expected = left[:, :2] * size[:2]
    expected *= 10 / np.abs(expected).max()
    signs = np.sign((expected * plane).sum(axis=0))
    np.testing.assert_allclose(plane, expected * signs, atol=2e-3)
    assert len(np.unique(plane, axis=0)) == 300
    assert not np.array_equal(plane, layout.start(vectors, random_state=1))


def test_start_does_not_see_the_last_bits_of_the_decomposition(monkeypatch):
    vectors = embeddings_of(clustered(300)).vectors
    plane = layout.start(vectors, random_state=0)
    values, axes = np.linalg.eigh(np.cov(vectors.T))
    noisy = -axes + 1e-9 * np.random.default_rng(0).normal(size=axes.shape)
    monkeypatch.setattr(np.linalg, "eigh", lambda matrix: (values, noisy))
    np.testing.assert_array_equal(plane, layout.start(vectors, random_state=0))


# Landmarks ---------------------------------------------------------------------------------------------------


def test_landmarks_are_a_map_of_their_own_and_the_others_lie_beside_them():
    emb = embeddings_of(clustered(200))
    points = fit_data_map(emb, landmarks=120, random_state=3)
    assert points["landmark"].sum() == 120
    rows = landmarks.drawn(emb, 120, random_state=3)
    assert np.flatnonzero(points["landmark"]).tolist() == rows.tolist()
    own = fit_data_map(landmarks.subset(emb, rows), random_state=3)
    assert points.filter("landmark").drop("landmark").equals(own)
    inside = points.filter(~pl.col("landmark"))
    for axis in ("x", "y"):
        assert inside[axis].min() >= own[axis].min()
        assert inside[axis].max() <= own[axis].max()


def test_a_text_equal_to_a_landmark_falls_on_it():
    base = embeddings_of(clustered(30)).vectors
    plane = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    placed = landmarks.place(base, base, points=plane)
    np.testing.assert_allclose(placed, plane, atol=1e-6)


def test_place_by_hand():
    """Distances 0.2 and 1 to two landmarks: beyond the nearest 0 and 0.8, mean 0.4, weights 1 and exp(-2).

    The mean is then ``share`` of the way to the second, and a tenth of that is gone.
    """
    sine = 0.6
    placed = landmarks.place(
        np.array([[0.8, sine, 0]], np.float32),
        np.array([[1, 0, 0], [0, 0, 1]], np.float32),
        points=np.array([[0, 0], [10, 20]], np.float32),
    )
    share = np.exp(-2) / (1 + np.exp(-2))
    np.testing.assert_allclose(placed, [[share, 2 * share]], rtol=1e-4)


def test_quality_of_a_landmark_map_is_told_apart():
    emb = embeddings_of(clustered(200))
    quality = map_quality(fit_data_map(emb, landmarks=150), emb)
    n = {texts: rows["n_texts"].unique().item() for (texts,), rows in quality.group_by("texts")}
    assert n == {"all": 200, "landmarks": 150, "placed": 50}
    for statistic in ("trustworthiness", "continuity", "neighbor_recall"):
        parts = 0.75 * value(quality, statistic, "landmarks") + 0.25 * value(quality, statistic, "placed")
        assert value(quality, statistic) == pytest.approx(parts)


# Quality -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@RELAXED
@given(n=st.integers(5, 60), k=st.integers(1, 20), seed=SEEDS)
def test_trustworthiness_and_continuity_against_scikit_learn(n, k, seed):
    draw = np.random.default_rng(seed)
    emb = embeddings_of(draw.normal(size=(n, 6)))
    plane = draw.normal(size=(n, 2))
    table = map_quality(as_points(emb, plane), emb, n_neighbors=k)
    if 2 * k >= n:
        assert table["value"].null_count() == 3
        assert table["undefined"].to_list() == [f"{k} neighbours need more than {2 * k} texts"] * 3
        return
    forward = trustworthiness(emb.vectors, plane, n_neighbors=k, metric="cosine")
    assert value(table, "trustworthiness") == pytest.approx(forward, abs=1e-9)
    # Continuity is the trustworthiness of the way back: vectors as a "map" of the plane, near by cosine.
    unit = emb.vectors.astype(float) / np.linalg.norm(emb.vectors.astype(float), axis=1, keepdims=True)
    back = trustworthiness(plane, unit, n_neighbors=k)
    assert value(table, "continuity") == pytest.approx(back, abs=1e-9)
    high = np.argsort(1 - unit @ unit.T + 9 * np.eye(n), axis=1)[:, :k]
    low = np.argsort(((plane[:, None] - plane) ** 2).sum(2) + 1e9 * np.eye(n), axis=1)[:, :k]
    kept = np.mean([len(set(a) & set(b)) / k for a, b in zip(high.tolist(), low.tolist(), strict=True)])
    assert value(table, "neighbor_recall") == pytest.approx(kept)
    assert table["standard_error"].to_list() == [0.0] * 3


def test_quality_by_hand():
    """Six texts on an arc, in the plane on a line, with the first and the last exchanged; one neighbour each.

    Judged by their nearest: 1 (now at place 5) has 4 (place 4) beside it and its true neighbour is 2,
    so the ranks are worked out below from the two orders.
    """
    angle = np.array([0.0, 0.1, 0.21, 0.33, 0.46, 0.6])
    emb = embeddings_of(np.column_stack([np.cos(angle), np.sin(angle)]))
    place = np.array([5.05, 1.0, 2.1, 3.3, 4.6, 0.0])
    table = map_quality(as_points(emb, np.column_stack([place, np.zeros(6)])), emb, n_neighbors=1)
    # nearest on the map: 0->4, 1->5 (1.0 against 1.1), 2->1, 3->2, 4->0, 5->1
    # rank of these by angle: 4 for 0 is 4th; 5 for 1 is 5th; 1, 1; 0 for 4 is 5th; 1 for 5 is 4th
    false = [3, 4, 0, 0, 4, 3]
    assert value(table, "trustworthiness") == pytest.approx(1 - 2 / (6 * (12 - 3 - 1)) * sum(false))
    # nearest by angle: 0->1, 1->0, 2->1, 3->2, 4->3, 5->4; rank on the map: 1 for 0 is 4th (4, 3, 2 before it);
    # 0 for 1 is 5th; 1; 1; 3 for 4 is 2nd (0 before it); 4 for 5 is 4th (1, 2, 3 before it)
    torn = [3, 4, 0, 0, 1, 3]
    assert value(table, "continuity") == pytest.approx(1 - 2 / (6 * 8) * sum(torn))
    assert value(table, "neighbor_recall") == pytest.approx(2 / 6)


def test_a_perfect_map_is_perfect():
    angle = np.linspace(0, 3, 50) ** 1.1
    arc = np.column_stack([np.cos(angle), np.sin(angle)])
    emb = embeddings_of(arc)
    assert map_quality(as_points(emb, arc), emb, n_neighbors=4)["value"].to_list() == [1.0] * 3


@pytest.mark.slow
def test_a_sample_estimates_the_whole_and_says_how_well():
    emb = embeddings_of(clustered(400))
    points = as_points(emb, layout.start(emb.vectors, random_state=0))
    whole = map_quality(points, emb)
    parts = [map_quality(points, emb, max_texts=300, random_state=seed) for seed in range(60)]
    assert {part["n_judged"].unique().item() for part in parts} == {300}
    seen = np.array([part["value"] for part in parts])
    stated = np.mean([part["standard_error"] for part in parts], axis=0)
    assert (np.abs(seen.mean(axis=0) - whole["value"].to_numpy()) < 4 * stated / np.sqrt(60)).all()
    np.testing.assert_allclose(seen.std(axis=0), stated, rtol=0.3)


def test_a_sample_of_a_landmark_map_does_not_judge_landmarks_alone():
    emb = embeddings_of(clustered(200))
    points = as_points(emb, layout.start(emb.vectors, random_state=0))
    rows = landmarks.drawn(emb, 50, random_state=0)
    marked = points.with_columns(pl.Series("landmark", np.isin(np.arange(200), rows)))
    table = map_quality(marked, emb, max_texts=50)
    assert value(table, "neighbor_recall") != value(table, "neighbor_recall", "landmarks")


def test_pairs_that_share_a_text_count_once():
    emb = embeddings_of(clustered(40))
    twice = pl.concat([emb.pairs, emb.pairs.with_columns(pl.col("pair_id") + 1000)])
    shared = embeddings_of(clustered(40), pairs=twice)
    plane = np.random.default_rng(0).normal(size=(40, 2))
    assert map_quality(as_points(shared, plane), shared).equals(map_quality(as_points(emb, plane), emb))


def test_equal_points_on_the_map_are_no_nearer_than_another():
    emb = embeddings_of(clustered(30))
    table = map_quality(as_points(emb, np.zeros((30, 2))), emb, n_neighbors=3)
    assert value(table, "continuity") == 1.0


def test_a_map_of_something_else_is_refused():
    emb = embeddings_of(clustered(30))
    points = as_points(emb, np.zeros((30, 2)))
    with pytest.raises(UsageError, match="2 of them have no place"):
        map_quality(points[2:], emb)
    with pytest.raises(UsageError, match="1 of them have no place"):
        map_quality(points.with_columns(x=pl.when(pl.col("pair_id") == 17).then(float("nan")).otherwise("x")), emb)
    with pytest.raises(UsageError, match="at least 1"):
        map_quality(points, emb, n_neighbors=0)


def test_graph_of_the_map_is_the_shared_one(monkeypatch):
    emb = embeddings_of(clustered(60))
    fit_data_map(emb)
    monkeypatch.setattr("btviz.texts.neighbors.graph.exact_neighbors", None)
    assert nearest_neighbors(emb).indices.shape == (60, 30)
