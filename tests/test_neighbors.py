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
from btviz.texts.neighbors import graph, grid, lists, search, similar

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


@pytest.fixture
def other_blocks(monkeypatch):
    """Smaller blocks and tiles, none of which fits the others."""

    def set_them():
        for name, size in (("BLOCK", 70), ("_TILE", 31), ("_PAIRS", 100), ("_JUDGED_AT_ONCE", 17)):
            monkeypatch.setattr(search, name, size)
        monkeypatch.setattr(lists, "_BLOCK", 37)

    return set_them


def test_exact_graph_depends_on_no_block_and_no_thread(other_blocks):
    emb = embeddings_of(np.concatenate([clustered(650), np.ones((50, 16))]))
    many = search.exact_neighbors(emb.vectors, 20, n_threads=2)
    other_blocks()
    for a, b in zip(many, search.exact_neighbors(emb.vectors, 20, n_threads=1), strict=True):
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


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([2.0, 2.0], r"have not unit length \(the first: 2.83\). Divide each"),
        ([0.0, 0.0], r"have not unit length \(the first: 0\). Divide each"),
        ([np.nan, 1.0], "have not unit length, and 3 hold numbers that are not finite. Encode"),
        ([np.inf, 0.0], "have not unit length, and 3 hold numbers that are not finite. Encode"),
    ],
)
def test_vectors_of_another_length_are_refused(wrong, said):
    vectors = np.array([[1.0, 0.0]] * 5 + [wrong] * 3, np.float32)
    for refusing in (grid.Grid.of, lambda v: search.exact_neighbors(v, 3, n_threads=1)):
        with pytest.raises(UsageError, match=f"8 vectors; 3 of them {said}"):
            refusing(vectors)


def test_half_precision_vectors_are_taken():
    emb = embeddings_of(clustered(50, d=384))
    half = emb.vectors.astype(np.float16).astype(np.float32)
    near, _ = grid.Grid.of(half).nearest(half, 2)
    assert (near[:, 1] == nearest_neighbors(emb, 1).indices[:, 0]).mean() > 0.9


def test_the_graph_is_computed_once_and_serves_fewer_neighbours(monkeypatch):
    emb = embeddings_of(clustered(100))
    wide = nearest_neighbors(emb)
    assert wide.indices.shape == (100, 30)
    assert wide.recall == 1.0
    monkeypatch.setattr(graph, "exact_neighbors", None)
    few = nearest_neighbors(emb, 7)
    np.testing.assert_array_equal(few.indices, wide.indices[:, :7])
    np.testing.assert_array_equal(few.distances, wide.distances[:, :7])
    assert few.fingerprint == emb.fingerprint
    assert "7 of each of 100 texts, exact: all compared" in repr(few)
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
        ({"n_threads": 0}, "at least 1"),
    ],
)
def test_wrong_options_of_the_graph(options, message):
    with pytest.raises(UsageError, match=message):
        nearest_neighbors(embeddings_of(clustered(40)), **options)


def test_many_points_are_ranked_in_parts(monkeypatch):
    points = grid.rounded(embeddings_of(np.concatenate([clustered(60), np.ones((40, 16))])).vectors)
    whole = grid.Grid.of_points(points).ranked(points, 12, own=np.arange(100))
    monkeypatch.setattr(grid, "_BITS", 4)
    for a, b in zip(whole, grid.Grid.of_points(points).ranked(points, 12, own=np.arange(100)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_many_texts_go_to_lists_with_their_settings_in_the_key(monkeypatch):
    monkeypatch.setattr(graph, "EXACT_UP_TO", 39)
    emb = embeddings_of(clustered(40))
    found = [nearest_neighbors(emb, n_threads=n) for n in (None, 1, 2)]
    assert [f.method for f in found] == ["ivf"] * 3
    nearest_neighbors(emb, random_state=3)
    assert len([p for p in (Store().root / "neighbors").iterdir() if not p.name.startswith(".")]) == 2


# Lists: 3,000 texts in 100 lists, of which each is compared with some --------------------------------------------


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    spread = np.random.default_rng(7).normal(size=(200, 24))
    emb = embeddings_of(np.concatenate([clustered(2700, d=24, groups=60), spread, np.ones((100, 24))]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTVIZ_DATA_DIR", str(tmp_path_factory.mktemp("lists")))
        return emb, nearest_neighbors(emb, method="ivf"), nearest_neighbors(emb)


def test_lists_find_what_the_exact_graph_has(listed):
    emb, found, exact = listed
    assert found.indices.shape == exact.indices.shape
    assert (found.indices != np.arange(len(emb))[:, None]).all()
    truth = grid.cosine(grid.Grid.of(emb.vectors).squared(emb.vectors))
    np.testing.assert_array_equal(found.distances, np.take_along_axis(truth, found.indices.astype(int), axis=1))
    order = np.lexsort((found.indices, found.distances), axis=1)
    np.testing.assert_array_equal(order, np.broadcast_to(np.arange(30), order.shape))
    recall = (found.distances <= exact.distances[:, -1:]).mean()
    assert 0.99 < recall < 1  # not all lists were searched
    assert found.recall == pytest.approx(recall, abs=5 * found.recall_error + 1e-9)
    assert found.recall_error > 0
    assert f"ivf: recall {found.recall:.4f} ±" in repr(found)


def test_equal_texts_in_lists_go_by_id(listed):
    emb, found, exact = listed
    equal = np.arange(len(emb) - 100, len(emb))
    np.testing.assert_array_equal(found.indices[equal], exact.indices[equal])
    assert (found.distances[equal] == 0).all()


def test_lists_depend_on_no_block_and_no_thread(listed, other_blocks):
    emb, found, _ = listed
    other_blocks()
    indices, distances, facts = graph.in_lists(emb.vectors, 30, n_threads=1, random_state=0)
    np.testing.assert_array_equal(indices, found.indices)
    np.testing.assert_array_equal(distances, found.distances)
    assert facts["recall"] == found.recall


def test_the_order_of_texts_changes_neither_lists_nor_neighbours(listed, monkeypatch):
    """Where the same texts are drawn; ids are hashes of texts, so that rows of a data set always come in one order."""
    emb, found, _ = listed
    shuffled = np.random.default_rng(3).permutation(len(emb))
    now_at = np.argsort(shuffled)

    class SameTexts:
        def __init__(self, seed):
            self.draw = np.random.Generator(np.random.PCG64(seed))

        def choice(self, n, size, *, replace):
            return now_at[self.draw.choice(n, size, replace=replace)]

    monkeypatch.setattr(np.random, "default_rng", SameTexts)
    indices, distances, facts = graph.in_lists(emb.vectors[shuffled], 30, n_threads=2, random_state=0)
    np.testing.assert_array_equal(distances, found.distances[shuffled])
    apart = (np.diff(found.distances, axis=1) > 0).all(axis=1)
    apart &= found.distances[:, -1] < np.inf
    back = shuffled[indices]
    assert (back[:, :29][apart[shuffled]] == found.indices[shuffled][:, :29][apart[shuffled]]).all()
    assert facts["recall"] == found.recall


def test_recall_counts_what_was_found_of_the_true_neighbours(listed, monkeypatch):
    emb, found, exact = listed
    monkeypatch.setattr(graph, "_lists_needed", lambda *a, **k: 1)
    _, distances, facts = graph.in_lists(emb.vectors, 30, n_threads=1, random_state=0)
    judged = np.array_split(np.random.default_rng(0).choice(len(emb), 1000, replace=False), 2)[1]
    hits = (distances[judged] <= exact.distances[judged, -1:]).mean(axis=1)
    assert facts["recall"] == pytest.approx(hits.mean())
    assert facts["recall"] < found.recall
    assert facts["recall_error"] == pytest.approx(hits.std(ddof=1) / np.sqrt(500))


def test_each_text_is_in_the_list_of_its_nearest_centre(listed):
    emb = listed[0]
    points = grid.rounded(emb.vectors).astype(np.float32)
    made = lists.Lists.of(points, 100, least=31, random_state=0)
    assert np.array_equal(np.sort(made.members), np.arange(len(emb)))
    assert np.diff(made.starts).min() >= 31
    whole = [[round(float(x) * 4000 / 2**21) for x in point] for point in points[::50]]
    scores = np.array(whole) @ made.centres.astype(np.int64).T
    own = np.empty(len(emb), int)
    own[made.members] = made.of_places(np.arange(len(emb)))
    np.testing.assert_array_equal(own[::50], scores.argmax(axis=1))
    np.testing.assert_array_equal(
        lists.nearest_centres(points[::50], made.centres, n=7), np.argsort(-scores, axis=1, kind="stable")[:, :7]
    )


@pytest.mark.parametrize("made", [np.ones((200, 5)), np.eye(300), -np.ones((70, 1))])
def test_lists_of_equal_and_of_unrelated_texts(made):
    emb = embeddings_of(made)
    found, exact = nearest_neighbors(emb, method="ivf"), nearest_neighbors(emb)
    np.testing.assert_array_equal(found.distances, exact.distances)
    assert found.recall == 1.0


def test_texts_nearly_equal_beyond_single_precision_keep_their_order():
    """Reference: angles, which say exactly who is nearer."""
    angle = np.random.default_rng(0).permutation(np.linspace(0, 0.002, 400))
    emb = embeddings_of(np.column_stack([np.cos(angle), np.sin(angle)]))
    truth = grid.Grid.of(emb.vectors).squared(emb.vectors)
    np.fill_diagonal(truth, np.inf)
    for method in ("exact", "ivf"):
        found = nearest_neighbors(emb, method=method)
        np.testing.assert_array_equal(found.distances, grid.cosine(np.sort(truth, axis=1)[:, :30]))


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
    columns = {"rank": pl.UInt32, "text_id": pl.UInt64, "distance": pl.Float32, "n_pairs": pl.UInt32}
    assert table.schema == columns | {"similarity": pl.Float32}
    assert (table["similarity"] + table["distance"]).to_list() == [1.0] * 3
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
