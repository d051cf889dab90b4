import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_embeddings import clustered, embeddings_of
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from btviz import more_like, near_duplicates, nearest_neighbors, prompt_duplicates
from btviz.errors import NotFoundError, UsageError
from btviz.stats.components import components
from btviz.store import Store
from btviz.texts.neighbors import graph, grid, similar
from btviz.texts.neighbors import graph as descent

SEEDS = st.integers(0, 2**32 - 1)
RELAXED = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def cosine_distances(emb):
    wide = emb.vectors.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    return 1 - wide @ wide.T


@RELAXED
@given(n=st.integers(2, 60), d=st.integers(1, 12), k=st.integers(1, 35), seed=SEEDS)
def test_exact_graph_against_all_distances(n, d, k, seed):
    emb = embeddings_of(np.random.default_rng(seed).normal(size=(n, d)) + 1e-3)
    found = nearest_neighbors(emb, k)
    k = min(k, n - 1)
    truth = cosine_distances(emb)
    np.fill_diagonal(truth, np.inf)
    assert found.indices.shape == found.distances.shape == (n, k)
    assert (found.indices != np.arange(n)[:, None]).all()
    assert all(len(set(row)) == k for row in found.indices.tolist())
    np.testing.assert_allclose(found.distances, np.sort(truth, axis=1)[:, :k], atol=3e-6)
    np.testing.assert_allclose(found.distances, np.take_along_axis(truth, found.indices, axis=1), atol=3e-6)
    assert (np.diff(found.distances, axis=1) >= 0).all()


@pytest.mark.slow
@RELAXED
@given(kinds=st.lists(st.integers(0, 3), min_size=2, max_size=40), k=st.integers(1, 10))
def test_equal_vectors_are_at_distance_zero_and_go_by_id(kinds, k):
    """Reference: the definition, sorted in plain Python, on vectors that the grid holds exactly."""
    corners = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
    between = {0: 0.0, 1: 1.0, 2: 2.0, 3: 1.0}
    found = nearest_neighbors(embeddings_of(corners[kinds]), k)
    for own, kind in enumerate(kinds):
        others = [(between[abs(kind - other)], row) for row, other in enumerate(kinds) if row != own]
        expected = sorted(others)[:k]
        assert found.indices[own].tolist() == [row for _, row in expected]
        assert found.distances[own].tolist() == [distance for distance, _ in expected]


def test_exact_graph_depends_on_no_block_and_no_thread(monkeypatch):
    emb = embeddings_of(clustered(700))
    points = grid.Grid.of(emb.vectors)

    def all_rows():
        return [np.concatenate(part) for part in zip(*grid.nearest_others(points, emb.vectors, k=20), strict=True)]

    many = all_rows()
    monkeypatch.setattr(grid, "_BLOCK", 7)
    monkeypatch.setattr(grid, "cpu_count", lambda: 1)
    for a, b in zip(many, all_rows(), strict=True):
        np.testing.assert_array_equal(a, b)


@RELAXED
@given(seed=SEEDS, d=st.integers(1, 400))
def test_squared_distances_are_whole_numbers_without_error(seed, d):
    """Reference: Python's unlimited integers."""
    emb = embeddings_of(np.random.default_rng(seed).normal(size=(5, d)))
    whole = [[round(float(x) * 2**21) for x in row] for row in emb.vectors]
    expected = [[sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) for y in whole] for x in whole]
    assert grid.Grid.of(emb.vectors).squared(emb.vectors).tolist() == expected
    first, second = np.array(list(itertools.product(range(5), repeat=2))).T
    assert grid.squared_between(emb.vectors[first], emb.vectors[second]).tolist() == np.ravel(expected).tolist()


def test_blocks_cover_all_rows_and_stay_small():
    for n, against in ((0, 1), (1, 1), (1000, 1), (1000, 10**6), (3, 10**9)):
        parts = list(grid.blocks(n, against=against))
        assert [row for part in parts for row in range(part.start, part.stop)] == list(range(n))
        assert all(part.stop - part.start <= max(2**22 // against, 1) for part in parts)


@pytest.mark.parametrize("wrong", [np.full((3, 2), 2.0), np.zeros((3, 2)), np.full((3, 2), np.nan)])
def test_vectors_of_another_length_are_refused(wrong):
    with pytest.raises(UsageError, match="3 of them have not unit length"):
        grid.Grid.of(wrong)


def test_half_precision_vectors_are_taken():
    emb = embeddings_of(clustered(50, d=384))
    half = emb.vectors.astype(np.float16).astype(np.float32)
    near, _ = grid.Grid.of(half).nearest(half, 5, own=np.arange(50))
    assert (near[:, 0] == nearest_neighbors(emb, 1).indices[:, 0]).mean() > 0.9


def test_the_graph_is_computed_once_and_serves_fewer_neighbours(monkeypatch):
    emb = embeddings_of(clustered(100))
    wide = nearest_neighbors(emb)
    assert wide.indices.shape == (100, 30)
    assert wide.recall == 1.0
    monkeypatch.setattr(graph, "_exact", None)
    few = nearest_neighbors(emb, 7)
    np.testing.assert_array_equal(few.indices, wide.indices[:, :7])
    np.testing.assert_array_equal(few.distances, wide.distances[:, :7])
    assert few.fingerprint == emb.fingerprint
    assert "7 of each of 100 texts, exact" in repr(few)
    with pytest.raises(TypeError):
        nearest_neighbors(emb, 31)  # more than is stored: computed


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_text(n):
    emb = embeddings_of(np.ones((n, 3)))
    found = nearest_neighbors(emb)
    assert found.indices.shape == (n, max(n - 1, 0))
    assert near_duplicates(emb).height == (2 if n == 2 else 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_neighbors": 0}, "at least 1"),
        ({"method": "annoy"}, "There is no method"),
        ({"method": "nndescent", "n_threads": 10_000}, "10000 threads were asked for"),
    ],
)
def test_wrong_options_of_the_graph(options, message):
    with pytest.raises(UsageError, match=message):
        nearest_neighbors(embeddings_of(clustered(40)), **options)


def test_too_many_texts_for_the_exact_graph(monkeypatch):
    monkeypatch.setattr(graph, "LARGEST", 39)
    with pytest.raises(UsageError, match="goes up to 39"):
        nearest_neighbors(embeddings_of(clustered(40)), method="exact")


def test_many_texts_go_to_the_descent_with_its_settings_in_the_key(monkeypatch):
    asked = []

    def approximate(vectors, k, **options):
        asked.append(options)
        return np.zeros((len(vectors), k), np.int32), np.zeros((len(vectors), k), np.float32), 0.875

    monkeypatch.setattr(graph, "approximate", approximate)
    monkeypatch.setattr(graph, "EXACT_UP_TO", 39)
    monkeypatch.setattr(graph, "cpu_count", lambda: 16)
    emb = embeddings_of(clustered(40))
    found = [nearest_neighbors(emb, n_threads=n) for n in (None, 1, 2)]
    assert [f.method for f in found] == ["nndescent"] * 3
    assert found[0].recall == 0.875
    assert asked == [{"n_threads": 2, "random_state": 0}, {"n_threads": 1, "random_state": 0}]
    nearest_neighbors(emb, random_state=3)
    assert asked[2:] == [{"n_threads": 2, "random_state": 3}]
    assert len([p for p in (Store().root / "neighbors").iterdir() if not p.name.startswith(".")]) == 3


# The descent itself: one fit, because its first call compiles for half a minute ------------------------------


@pytest.fixture(scope="module")
def descended(tmp_path_factory):
    emb = embeddings_of(np.concatenate([clustered(600), np.ones((40, 16))]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTVIZ_DATA_DIR", str(tmp_path_factory.mktemp("descent")))
        return emb, nearest_neighbors(emb, method="nndescent", n_threads=1), nearest_neighbors(emb)


@pytest.mark.slow
def test_descent_finds_what_the_exact_graph_has(descended):
    emb, found, exact = descended
    assert found.indices.shape == exact.indices.shape
    assert (found.indices != np.arange(len(emb))[:, None]).all()
    truth = grid.Grid.of(emb.vectors).squared(emb.vectors)
    np.testing.assert_array_equal(
        found.distances, grid.cosine(np.take_along_axis(truth, found.indices.astype(int), axis=1))
    )
    order = np.lexsort((found.indices, found.distances), axis=1)
    np.testing.assert_array_equal(order, np.broadcast_to(np.arange(30), order.shape))
    same = np.mean([len(set(a) & set(b)) / 30 for a, b in zip(found.indices[:600], exact.indices[:600], strict=True)])
    assert same > 0.9


@pytest.mark.slow
def test_recall_of_the_descent_counts_equally_near_texts_as_found(descended):
    emb, found, exact = descended
    audited = np.random.default_rng(0).choice(640, 500, replace=False)
    hits = (found.distances[audited] <= exact.distances[audited, -1:]).mean()
    assert found.recall == pytest.approx(hits)
    assert descent._recall(emb.vectors, np.asarray(exact.indices), random_state=0) == 1.0
    wrong = exact.indices.copy()
    wrong[:, :15] = np.argmax(grid.Grid.of(emb.vectors).squared(emb.vectors), axis=1)[:, None]
    assert descent._recall(emb.vectors, wrong, random_state=0) == 0.5


def test_rows_the_descent_left_short_are_looked_up(monkeypatch):
    emb = embeddings_of(clustered(50))
    exact = nearest_neighbors(emb, 5)
    rows = np.concatenate([np.arange(50)[:, None], exact.indices], axis=1)
    rows[3, 2] = -1
    rows[4] = -1
    rows[5, 0] = rows[5, 1]  # the row itself was not found, and a neighbour stands there twice
    rows[5, 1] = nearest_neighbors(emb, 6).indices[5, 5]
    monkeypatch.setattr(descent, "_search", lambda *a, **k: rows)
    indices, distances, recall = descent.approximate(emb.vectors, 5, n_threads=1, random_state=0)
    np.testing.assert_array_equal(indices, exact.indices)
    np.testing.assert_array_equal(distances, exact.distances)
    assert recall == 1.0


# More like this ----------------------------------------------------------------------------------------------


def test_more_like_one_text_is_the_same_from_the_graph_and_from_all_vectors():
    emb = embeddings_of(np.concatenate([clustered(80), np.ones((9, 16))]))
    graph_ = nearest_neighbors(emb)
    for row in (0, 40, 85):
        by_scan = more_like(emb, [emb.text_ids[row]], n=12)
        assert by_scan.equals(more_like(emb, [emb.text_ids[row]], n=12, neighbors=graph_))
        assert by_scan["text_id"].to_list() == emb.text_ids[graph_.indices[row, :12]].tolist()
    assert more_like(emb, emb.text_ids[:1], n=50, neighbors=graph_).height == 50


def test_more_like_several_texts_is_near_their_middle():
    emb = embeddings_of([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [-1, 0, 0]])
    table = more_like(emb, [20, 10, 20])
    assert table.schema == {"rank": pl.UInt32, "text_id": pl.UInt64, "distance": pl.Float32, "n_pairs": pl.UInt32}
    assert table["text_id"].to_list() == [40, 30, 50]
    np.testing.assert_allclose(table["distance"], [0, 1, 1 + np.sqrt(0.5)], atol=1e-6)
    assert table["rank"].to_list() == [1, 2, 3]


def test_more_like_pairs_counts_each_text_once_and_tells_the_pairs():
    pairs = pl.DataFrame(
        {"pair_id": [1, 2, 3, 4, 5], "text_id": [10, 10, 20, 30, 30]},
        schema={"pair_id": pl.UInt64, "text_id": pl.UInt64},
    )
    emb = embeddings_of([[1, 0], [0, 1], [1, 0.9]], pairs=pairs)
    assert more_like(emb, pair_ids=[1, 2, 3]).equals(more_like(emb, [10, 20]))
    assert more_like(emb, pair_ids=pl.Series([1, 2]), n=1).select("text_id", "n_pairs").row(0) == (30, 2)


def test_more_like_a_vector_of_any_length_leaves_out_nothing():
    emb = embeddings_of([[1, 0], [0, 1], [-1, 0]])
    assert more_like(emb, vector=[0.0, 7.0])["text_id"].to_list() == [20, 10, 30]
    assert more_like(emb, emb.text_ids).height == 0


def test_more_like_takes_equally_near_texts_in_the_order_of_ids():
    emb = embeddings_of([[1, 0]] + [[0, 1]] * 50)
    assert more_like(emb, [10], n=4)["text_id"].to_list() == [20, 30, 40, 50]


@pytest.mark.parametrize(
    ("asked", "kind", "message"),
    [
        ({}, UsageError, "by nothing"),
        ({"text_ids": [10], "vector": [1, 0]}, UsageError, "by text_ids and vector"),
        ({"text_ids": []}, UsageError, "no texts"),
        ({"vector": [0, 0]}, UsageError, "length 0"),
        ({"vector": [1, 0, 0]}, UsageError, r"shape \(3,\)"),
        ({"vector": [np.nan, 0]}, UsageError, "length nan"),
        ({"text_ids": [10, 30]}, UsageError, "name fewer texts"),
        ({"text_ids": [11]}, NotFoundError, "1 of them"),
        ({"pair_ids": [10, 17]}, NotFoundError, "2 pairs were asked for; 1 of them"),
        ({"text_ids": [10], "n": 0}, UsageError, "at least 1"),
    ],
)
def test_more_like_says_what_is_wrong(asked, kind, message):
    with pytest.raises(kind, match=message):
        more_like(embeddings_of([[1, 0], [0, 1], [-1, 0]]), **asked)


def test_more_like_refuses_the_graph_of_other_embeddings():
    with pytest.raises(UsageError, match="other embeddings"):
        more_like(embeddings_of([[1, 0]]), [10], neighbors=nearest_neighbors(embeddings_of([[0, 1]])))


# Near duplicates ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@RELAXED
@given(n=st.integers(1, 60), seed=SEEDS, threshold=st.sampled_from([0.0, 0.02, 0.1, 0.5, 2.0]))
def test_groups_are_the_connected_components_of_all_close_pairs(n, seed, threshold):
    emb = embeddings_of(clustered(n, d=4, spread=0.15, seed=seed))
    close = grid.cosine(grid.Grid.of(emb.vectors).squared(emb.vectors)) <= np.float32(threshold)
    _, label = connected_components(coo_array(close), directed=False)
    expected = {frozenset(emb.text_ids[label == g].tolist()) for g in set(label.tolist()) if (label == g).sum() > 1}
    table = near_duplicates(emb, threshold)
    groups = table.group_by("group", maintain_order=True).agg("text_id", pl.col("n_texts").first(), "n_pairs")
    assert {frozenset(ids) for ids in groups["text_id"]} == expected
    assert groups["group"].to_list() == list(range(1, len(expected) + 1))
    assert groups["n_texts"].to_list() == sorted(map(len, expected), reverse=True)


def test_a_group_wider_than_the_graph_stays_whole(monkeypatch):
    """Two far halves of a chain, each text with 30 nearer ones: only the search beyond the graph joins them."""
    angle = np.concatenate([np.linspace(0, 0.01, 40), np.linspace(0.1, 0.11, 40)])
    emb = embeddings_of(np.column_stack([np.cos(angle), np.sin(angle)]))
    assert near_duplicates(emb, 0.006)["n_texts"].to_list() == [80] * 80
    assert nearest_neighbors(emb).indices[:40].max() < 40
    monkeypatch.setattr(similar, "blocks", lambda n, *, against: [])
    assert near_duplicates(emb, 0.006)["n_texts"].to_list() == [40] * 80


def test_near_duplicates_by_hand():
    pairs = pl.DataFrame(
        {"pair_id": range(1, 8), "text_id": [10, 10, 20, 30, 40, 50, 50]},
        schema={"pair_id": pl.UInt64, "text_id": pl.UInt64},
    )
    emb = embeddings_of([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0.1], [0, 0, 1]], pairs=pairs)
    table = near_duplicates(emb)
    assert table.select("group", "text_id", "n_texts", "n_pairs").rows() == [
        (1, 10, 2, 3), (1, 30, 2, 3), (2, 20, 2, 2), (2, 40, 2, 2),
    ]  # fmt: skip
    np.testing.assert_allclose(table["distance"], [0, 0, 1 - 1 / np.sqrt(1.01), 1 - 1 / np.sqrt(1.01)], atol=1e-6)
    assert table.schema["text_id"] == pl.UInt64
    with pytest.raises(UsageError, match="0 to 2"):
        near_duplicates(emb, -0.1)


@RELAXED
@given(n=st.integers(1, 50), edges=st.lists(st.tuples(st.integers(0, 49), st.integers(0, 49)), max_size=80))
def test_joining_against_scipy(n, edges):
    ends = np.array([(a % n, b % n) for a, b in edges], np.int64).reshape(-1, 2)
    root = components(ends[:, 0], ends[:, 1], known=np.arange(n))
    matrix = coo_array((np.ones(len(ends)), ends.T), shape=(n, n))
    _, label = connected_components(matrix, directed=False)
    assert root.tolist() == [np.flatnonzero(label == own).min() for own in label]


def test_near_duplicates_of_prompts_are_counted_by_split_and_across(make_dataset):
    """Words in another order are near; the same prompt in both splits is one prompt, not a duplicate."""
    prompts = [
        ("how do magnets attract iron", "train"),
        ("how do iron magnets attract", "test"),
        ("when does spring begin", "train"),
        ("spring when does begin", "train"),
        ("what is good green tea", "train"),
        ("what is good green tea", "test"),
        ("who painted that ceiling", "test"),
    ]
    rows = pl.DataFrame(prompts, schema=["prompt", "split"], orient="row")
    labels = pl.lit(0, pl.UInt32)
    ds = make_dataset(rows.with_columns(response=pl.lit("an answer"), is_safe=labels == 0, labels=labels))
    table = prompt_duplicates(ds)
    counts = table.select("split", "prompts", "near_duplicate", "near_other_split").rows()
    assert counts == [(None, 6, 4, None), ("test", 3, 1, 1), ("train", 4, 3, 1)]
    assert table["share"].to_list() == pytest.approx([4 / 6, 1 / 3, 3 / 4])
    assert prompt_duplicates(ds, threshold=2)["near_duplicate"].to_list() == [6, 3, 4]
    assert not set(table["rule"]) & {text for text, _ in prompts}
