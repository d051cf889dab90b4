"""The parallel layout: the same on any number of threads, UMAP's graph and forces, and its stages."""

import numba
import numpy as np
import polars as pl
import pytest
from made_embeddings import clustered, embeddings_of

from btviz import fit_data_map
from btviz.errors import UsageError
from btviz.texts.datamap import fit, kernels, layout
from btviz.texts.neighbors import nearest_neighbors


def graph_of(vectors, k=14):
    near = nearest_neighbors(embeddings_of(vectors), k)
    return layout.membership_graph(near.indices, near.distances)


def laid_out(vectors, *, seed=0, **options):
    first = fit.start(embeddings_of(vectors).vectors, random_state=seed)
    return layout.lay_out(first, graph_of(vectors), min_dist=0.0, random_state=seed, **options)


def test_what_is_compiled_is_kept_in_the_data_folder_where_the_program_is_read_only(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(folder))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    for writable, kept in ((True, ""), (False, str(folder / "compiled"))):
        monkeypatch.setattr(kernels.os, "access", lambda path, mode, writable=writable: writable)
        with kernels.kept_in_the_data_folder():
            assert kept == numba.config.CACHE_DIR
        assert not numba.config.CACHE_DIR
    with kernels.kept_in_the_data_folder():
        scrambled = numba.njit(kernels.scrambled.py_func, cache=True)
    assert scrambled(np.uint32(3)) == kernels.scrambled(np.uint32(3))
    assert list((folder / "compiled").rglob("*.nbc"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "mine")  # who names a folder has it
    with kernels.kept_in_the_data_folder():
        assert numba.config.CACHE_DIR == "mine"


@pytest.fixture(scope="module")
def vectors():
    return clustered(400)


# The same bytes ----------------------------------------------------------------------------------------------


def test_the_number_of_threads_makes_no_difference(vectors, monkeypatch):
    alone = laid_out(vectors, n_threads=1, epochs=20)
    monkeypatch.setattr(layout, "ROWS_OF_A_PART", 10)
    for n_threads in (1, 2, 7, None):
        assert laid_out(vectors, n_threads=n_threads, epochs=20).tobytes() == alone.tobytes()
    assert laid_out(vectors, seed=1, epochs=20).tobytes() != alone.tobytes()


def test_parts_cover_every_row_once(monkeypatch):
    monkeypatch.setattr(layout, "ROWS_OF_A_PART", 10)
    for n in (3, 10, 25, 1000):
        seen = []
        with layout.on_every_row(n, n_threads=3) as on_all:
            on_all(lambda part, seen=seen: seen.extend(range(*part)))
        assert sorted(seen) == list(range(n))


# Against UMAP ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_memberships_are_those_of_umap(vectors):
    umap_ = pytest.importorskip("umap.umap_")
    twice = np.concatenate([vectors[:80], vectors[:30], vectors[:30]])  # equal vectors are their own nearest
    near = nearest_neighbors(embeddings_of(twice), 14)
    own = np.arange(len(twice))[:, None]
    theirs, *_ = umap_.fuzzy_simplicial_set(
        twice,
        15,
        np.random.RandomState(0),
        "cosine",
        knn_indices=np.hstack([own, near.indices]),
        knn_dists=np.hstack([np.zeros_like(own, np.float32), near.distances]),
    )
    ours = layout.membership_graph(near.indices, near.distances)
    assert abs(ours - theirs).max() < 1e-4
    assert abs(ours - ours.T).max() == 0


def test_forces_are_the_gradients_of_umap_loss():
    """Of ``-log p`` and ``-log(1 - p)`` by finite differences, at a and b as UMAP prints them for min_dist 0.1."""
    pull, push = layout.forces(0.1)
    squared = kernels.squared_distances()
    cells = np.flatnonzero((squared > 0.05) & (squared < 50))
    distance, a, b = np.sqrt(squared[cells]), 1.577, 0.895

    def slope(loss):
        return (loss(distance + 1e-5) - loss(distance - 1e-5)) / 2e-5

    def p(d):
        return 1 / (1 + a * d ** (2 * b))

    np.testing.assert_allclose(pull[cells] * distance, -slope(lambda d: -np.log(p(d))), rtol=0.01)
    np.testing.assert_allclose(push[cells] * distance, -slope(lambda d: -np.log(1 - p(d))), rtol=0.03)


def test_two_texts_pull_each_other_by_opposite_forces():
    step = layout.first_step(
        np.array([[0, 0], [3, 4]], np.float32),
        layout.membership_graph(np.array([[1], [0]], np.int32), np.array([[0.1], [0.1]], np.float32)),
        min_dist=0.0,
        random_state=0,
    )._replace(n_pushed=np.uint32(0))
    kernels.phases(step, (0, 2))
    kernels.move(step, (0, 2))
    gap = step.moved - step.places
    np.testing.assert_allclose(gap[0], -gap[1], rtol=1e-6)
    pull, _ = layout.forces(0.0)
    cell = np.abs(kernels.squared_distances() - 25).argmin()
    np.testing.assert_allclose(gap[0], 2 * -pull[cell] * np.array([3, 4]), rtol=0.02)  # each end leads once an epoch


def test_an_edge_pulls_as_often_as_its_weight_says():
    sparse = pytest.importorskip("scipy.sparse")
    weights = np.array([1.0, 0.5, 0.1])
    rows, cols = np.array([0, 0, 0, 1, 2, 3]), np.array([1, 2, 3, 0, 0, 0])
    graph = sparse.csr_matrix((np.tile(weights, 2).astype(np.float32), (rows, cols)), shape=(4, 4))
    places = np.array([[0, 0], [5, 0], [0, 5], [5, 5]], np.float32)
    first = layout.first_step(places, graph, min_dist=0.0, random_state=3)._replace(n_pushed=np.uint32(0))
    kernels.phases(first, (0, 4))
    once = np.abs([layout.forces(0.0)[0][np.abs(kernels.squared_distances() - at).argmin()] for at in (25, 25, 50)])
    total = np.zeros(4)
    for epoch in range(200):
        step = first._replace(epoch=np.uint32(epoch))
        kernels.move(step, (0, 4))
        total += np.abs(step.moved - step.places).max(axis=1)
    np.testing.assert_allclose(total[1:] / (5 * once) / 400, weights, atol=0.01)


# Coarse, then all --------------------------------------------------------------------------------------------


@pytest.fixture
def coarse_at_40(monkeypatch):
    monkeypatch.setattr(fit, "COARSE", 40)


@pytest.mark.usefixtures("coarse_at_40")
def test_stages_begin_with_a_coarse_map_and_end_with_the_whole(vectors, monkeypatch):
    monkeypatch.setattr(fit, "EVERY_SECONDS", 0)
    monkeypatch.setattr(fit, "SHARE_OF_SHOWING", np.inf)
    emb, seen = embeddings_of(vectors), []
    points = fit_data_map(emb, on_stage=seen.append)
    assert seen[0].points.height == 40
    assert seen[0].points["pair_id"].is_in(points["pair_id"].implode()).all()
    assert {stage.points.height for stage in seen} == {40, 400}
    assert seen[-1].share == 1
    assert seen[-1].points.equals(points)
    again = []
    assert fit_data_map(emb, on_stage=again.append).equals(points)
    assert [stage.share for stage in again] == [1]


@pytest.mark.usefixtures("coarse_at_40")
def test_a_run_that_was_stopped_leaves_nothing_and_the_next_gives_the_same(vectors, tmp_path, monkeypatch):
    class StopError(Exception):
        pass

    def stop(stage):
        raise StopError

    emb = embeddings_of(vectors)
    points = fit_data_map(emb)
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path / "another"))
    with pytest.raises(StopError):
        fit_data_map(emb, on_stage=stop)
    assert not [*(tmp_path / "another").rglob("points.npy")]
    assert fit_data_map(emb).equals(points)


def test_a_start_from_some_rows_is_the_mean_of_neighbours():
    sparse = pytest.importorskip("scipy.sparse")
    chain = sparse.csr_matrix(np.diag([1.0, 3.0, 1.0, 1.0], 1) + np.diag([1.0, 3.0, 1.0, 1.0], -1))
    chain.resize(6, 6)  # the last hangs on nothing
    start = layout.spread(np.array([[0, 0], [8, 4]], np.float32), chain, rows=np.array([0, 2]), random_state=0)
    expected = [[0, 0], [6, 3], [8, 4], [8, 4], [8, 4], [0, 0]]
    np.testing.assert_allclose(start, expected, atol=0.06)
    assert len(np.unique(start, axis=0)) == 6


# Odd data ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["parallel", pytest.param("umap", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(np.ones((12, 4)), id="all equal"),
        pytest.param(np.repeat(clustered(6), 5, axis=0), id="duplicates"),
        pytest.param(np.kron(np.eye(3), np.ones((20, 1))) + 0.01 * np.eye(60, 3), id="apart"),
    ],
)
def test_odd_vectors_have_a_map(rows, method):
    plane = fit_data_map(embeddings_of(rows), method=method).select("x", "y").to_numpy()
    assert np.isfinite(plane).all()
    assert np.abs(plane).max() < 100


@pytest.mark.usefixtures("coarse_at_40")
def test_equal_texts_have_a_coarse_map_too():
    plane = fit_data_map(embeddings_of(np.ones((100, 4)))).select(pl.col("x", "y").is_finite().all())
    assert plane.row(0) == (True, True)


def test_an_unknown_method_is_refused():
    with pytest.raises(UsageError, match="method"):
        fit_data_map(embeddings_of(clustered(20)), method="tsne")
