import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from topic_data import SUBJECTS, planted

import btviz
from btviz.errors import NotFoundError, StoreError, UsageError
from btviz.texts.topics.book import FittedBook
from btviz.texts.topics.density import density_tree, offered_scales, usual_scale
from btviz.texts.topics.keywords import CountedTexts, keywords_in
from btviz.texts.topics.layers import fit_layers
from btviz.texts.topics.tables import fit_bertopic, load_bertopic, names_of


@pytest.fixture(scope="module", autouse=True)
def quiet_bertopic():
    load_bertopic()


@pytest.fixture
def six(make_dataset):
    return planted(make_dataset, loose=12)


def subjects_by_topic(topics, emb, truth):
    of_text = emb.pairs.join(topics.assignments, on="pair_id").select("text_id", "topic").unique()
    found = {}
    for text, topic in of_text.iter_rows():
        found.setdefault(topic, set()).add(truth[text])
    return found


# Density ----------------------------------------------------------------------------------------


def blobs(seed=3):
    rng = np.random.default_rng(seed)
    dense = [rng.normal(centre, 1, (60, 2)) for centre in rng.uniform(-15, 15, (12, 2))]
    return np.concatenate([*dense, rng.uniform(-18, 18, (80, 2))]).astype(np.float32)


@pytest.mark.parametrize("size", [10, 15, 30])
def test_clusters_are_those_of_hdbscan(size):
    from sklearn.cluster import HDBSCAN
    from sklearn.metrics import adjusted_rand_score

    places = blobs()
    ours = density_tree(places).cut(size)
    # scikit-learn counts the point itself among its neighbours
    reference = HDBSCAN(
        min_cluster_size=size, min_samples=3, max_cluster_size=max(80, 4 * size), algorithm="brute", copy=True
    ).fit(places.astype(np.float64))
    assert ours.labels.max() == reference.labels_.max()
    assert adjusted_rand_score(ours.labels, reference.labels_) > 0.99
    # equal distances may be joined in another order, which moves a point or two, and the end of a cluster
    assert np.mean(np.abs(ours.probabilities - reference.probabilities_) < 1e-6) > 0.9


def test_hand_made_clusters():
    line = np.array([[x, 0] for x in (0, 1, 2, 3, 100, 101, 102, 103, 1000)], np.float32)
    clusters = density_tree(line).cut(3)
    assert len(set(clusters.labels[:4])) == len(set(clusters.labels[4:8])) == 1
    assert sorted({int(clusters.labels[0]), int(clusters.labels[4])}) == [0, 1]
    assert clusters.labels[8] == -1
    assert clusters.probabilities[8] == 0


@pytest.mark.parametrize("n", [0, 1, 2, 3, 9])
def test_too_few_points_are_outliers(n):
    clusters = density_tree(np.arange(2 * n, dtype=np.float32).reshape(n, 2)).cut(5)
    assert clusters.labels.tolist() == [-1] * n


def test_points_at_one_place_divide_into_nothing():
    assert set(density_tree(np.zeros((50, 2), np.float32)).cut(5).labels) <= {-1}


def test_a_topic_of_nearly_everything_is_divided():
    """Two far strays and a cloud of many groups: the widest gap alone would give two clusters."""
    rng = np.random.default_rng(0)
    cloud = [rng.normal((3 * i, 3 * j), 0.3, (40, 2)) for i in range(5) for j in range(4)]
    places = np.concatenate([*cloud, rng.normal((500, 500), 0.3, (25, 2))]).astype(np.float32)
    labels = density_tree(places).cut(20).labels
    assert labels.max() + 1 == 21
    assert np.bincount(labels[labels >= 0]).max() <= 0.1 * len(places)


def test_usual_scale_grows_with_the_root():
    assert [usual_scale(n) for n in (9, 700, 3_000, 17_000, 100_000)] == [5, 15, 30, 70, 150]
    assert offered_scales(3_000) == (10, 15, 20, 30, 50, 70, 100, 150)
    assert 25 in offered_scales(3_000, scale=25)
    with pytest.raises(UsageError, match="at least 2"):
        offered_scales(3_000, scale=1)


# Topics -----------------------------------------------------------------------------------------


def test_planted_subjects_are_found_with_their_words(six):
    ds, emb, points, truth = six
    topics = btviz.fit_topics(ds, points, embeddings=emb, scale=20)
    assert topics.topics.height == 6
    found = subjects_by_topic(topics, emb, truth)
    for row in topics.topics.iter_rows(named=True):
        (subject,) = found[row["topic"]] - {-1}
        planted_words = set(list(SUBJECTS.values())[subject].split())
        assert set(row["keywords"][:5]) <= planted_words
        assert set(row["name"].split(", ")) <= planted_words
        assert row["top_category"] == ds.taxonomy.keys[subject]
    assert 0 < topics.outlier_share < 0.1


def test_columns_are_the_contract_and_counts_add_up(six):
    ds, emb, points, _ = six
    topics = btviz.fit_topics(ds, points, embeddings=emb)
    assert {"topic", "n_pairs", "name", "keywords", "share_unsafe", "share_animal-abuse"} <= set(topics.topics.columns)
    assert topics.assignments.columns == ["pair_id", "topic", "probability", "reassigned"]
    assert topics.assignments["pair_id"].to_list() == sorted(ds.pairs["pair_id"])
    counts = topics.assignments.filter(pl.col("topic") >= 0).group_by("topic").len().sort("topic")
    assert counts["len"].to_list() == topics.topics["n_pairs"].to_list()
    assert topics.topics["n_pairs"].is_sorted(descending=True)
    assert topics.assignments.filter(pl.col("topic") < 0)["probability"].sum() == 0
    assert topics.assignments["probability"].is_between(0, 1).all()
    unsafe = topics.assignments.join(ds.pairs.select("pair_id", ~pl.col("is_safe")), on="pair_id")
    shares = unsafe.filter(pl.col("topic") >= 0).group_by("topic").agg(pl.col("is_safe").mean()).sort("topic")
    np.testing.assert_allclose(topics.topics["share_unsafe"], shares["is_safe"])
    assert topics.topics["share_unsafe"].is_between(0.4, 0.6).all()  # every second pair of each subject


def test_equal_sizes_are_numbered_by_the_smallest_text_id(make_dataset):
    _, emb, points, _ = planted(make_dataset, subjects=5, each=20)
    layer = fit_layers(points, emb, scale=15).layer(15)
    sizes = np.bincount(layer.topics[layer.topics >= 0])
    first = [emb.text_ids[layer.topics == topic].min() for topic in range(len(sizes))]
    order = sorted(range(len(sizes)), key=lambda topic: (-sizes[topic], first[topic]))
    assert order == list(range(len(sizes)))
    assert len(set(sizes)) < len(sizes)  # there is a tie


def test_rows_in_another_order_give_the_same_topics(six, monkeypatch, tmp_path):
    ds, emb, points, _ = six
    one = btviz.fit_topics(ds, points, embeddings=emb)
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path / "another"))  # nothing is read from the store
    other = btviz.fit_topics(ds, points.sample(fraction=1, shuffle=True, seed=7), embeddings=emb)
    for table in ("topics", "assignments", "hierarchy", "layers"):
        assert getattr(one, table).equals(getattr(other, table))


def test_second_call_reads_the_store(six, monkeypatch):
    ds, emb, points, _ = six
    one = btviz.fit_topics(ds, points, embeddings=emb)

    def never(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(FittedBook, "_make_layers", never)
    monkeypatch.setattr(FittedBook, "_make_tables", never)
    assert btviz.fit_topics(ds, points, embeddings=emb).topics.equals(one.topics)
    with pytest.raises(AssertionError, match="again"):
        btviz.fit_topics(ds, points, embeddings=emb, scale=9)


def test_another_scale(six):
    ds, emb, points, _ = six
    topics = btviz.fit_topics(ds, points, embeddings=emb, scale=12)
    assert topics.scale == 12
    assert 12 in topics.scales
    for scale in topics.scales:
        other = topics.at(scale)
        row = topics.layers.filter(pl.col("scale") == scale).row(0, named=True)
        assert (other.scale, other.topics.height) == (scale, row["n_topics"])
        assert other.outlier_share == pytest.approx(row["outlier_share"])
        inside = other.topics["n_texts"]
        assert inside.is_empty() or inside.min() >= scale
    assert topics.at(12) is topics
    with pytest.raises(UsageError, match="fit_topics"):
        topics.at(13)


def test_outliers_are_reassigned_with_a_flag(six):
    ds, emb, points, _ = six
    plain = btviz.fit_topics(ds, points, embeddings=emb)
    given = btviz.fit_topics(ds, points, embeddings=emb, reassign_outliers=True)
    assert given.outlier_share == 0
    assert given.facts["reassign_outliers"]
    assert not plain.assignments["reassigned"].any()
    was_outlier = plain.assignments["topic"] == -1
    assert given.assignments["reassigned"].to_list() == was_outlier.to_list()
    assert given.assignments.filter("reassigned")["probability"].sum() == 0
    assert "reassigned" in repr(given)
    assert "reassigned" not in repr(plain)


def test_hierarchy_joins_every_topic_once(six):
    ds, emb, points, _ = six
    topics = btviz.fit_topics(ds, points, embeddings=emb)
    tree, k = topics.hierarchy, topics.topics.height
    assert tree["node"].to_list() == list(range(k, 2 * k - 1))
    assert sorted([*tree["left"], *tree["right"]]) == list(range(2 * k - 2))
    assert tree["distance"].is_sorted()
    assert tree["topics"][-1].to_list() == list(range(k))
    assert tree["n_pairs"][-1] == topics.topics["n_pairs"].sum()
    union = tree.row(0, named=True)
    words = {word for topic in union["topics"] for word in topics.topics["keywords"][topic]}
    assert len(set(union["keywords"][:4]) & words) == 4


# Words and BERTopic -----------------------------------------------------------------------------


def test_words_are_those_of_bertopic_on_the_texts(six):
    """The same BERTopic, given texts and a plain vectorizer, finds the same words and weights."""
    from bertopic import BERTopic
    from bertopic.cluster import BaseCluster
    from bertopic.dimensionality import BaseDimensionalityReduction
    from bertopic.vectorizers import ClassTfidfTransformer
    from sklearn.feature_extraction.text import CountVectorizer

    ds, emb, points, _ = six
    labels = fit_layers(points, emb).layer(5).topics
    texts = ds.pairs.unique("prompt_id").sort("prompt_id").select("prompt", "prompt_id")
    one_prompt = texts.select(pl.col("prompt").alias("text"), first_prompt="prompt_id", last_prompt="prompt_id")
    counted = CountedTexts(one_prompt, emb.vectors)
    ours = fit_bertopic(counted, labels, n_words=10)
    plain = BERTopic(
        language="multilingual",
        nr_topics=1000,
        umap_model=BaseDimensionalityReduction(),
        hdbscan_model=BaseCluster(),
        vectorizer_model=CountVectorizer(vocabulary=counted.words.to_list()),
        ctfidf_model=ClassTfidfTransformer(reduce_frequent_words=True),
    ).fit(texts["prompt"].to_list(), embeddings=emb.vectors, y=labels)
    assert ours.topics_ == plain.topics_ == labels.tolist()
    columns = [plain.vectorizer_model.vocabulary_[word] for word in ours.vectorizer_model.get_feature_names_out()]
    np.testing.assert_allclose(ours.c_tf_idf_.toarray(), plain.c_tf_idf_.toarray()[:, columns], atol=1e-12)
    np.testing.assert_allclose(ours.topic_embeddings_, plain.topic_embeddings_, atol=1e-6)
    # maximal marginal relevance picks among the best by weight
    best = sorted(plain.get_topic(0), key=lambda found: -found[1])
    assert ours.get_topic(0)[0][0] in {word for word, _ in best}


def test_bertopic_object_is_plain_and_agrees(six):
    from bertopic import BERTopic
    from sklearn.feature_extraction.text import CountVectorizer

    ds, emb, points, _ = six
    topics = btviz.fit_topics(ds, points, embeddings=emb)
    model = topics.bertopic()
    assert type(model) is BERTopic
    assert type(model.vectorizer_model) is CountVectorizer
    info = model.get_topic_info()
    assert info["Topic"].tolist() == [-1, *topics.topics["topic"]]
    assert info["Count"].tolist()[1:] == topics.topics["n_texts"].to_list()
    assert [w for w, _ in model.get_topic(2)] == topics.topics["keywords"][2].to_list()
    assert set(model.get_representative_docs(0)) <= set(ds.pairs["prompt"])
    row = emb.rows[topics.assignments["topic"].to_numpy() == 3][0]
    assert model.transform(["unread"], embeddings=emb.vectors[row : row + 1])[0] == [3]
    assert model.visualize_barchart().data != ()


@pytest.mark.slow
def test_importing_bertopic_leaves_warnings_alone():
    import subprocess
    import sys

    code = (
        "import warnings; before = list(warnings.filters)\n"
        "from btviz.texts.topics.tables import load_bertopic; load_bertopic()\n"
        "new = [f for f in warnings.filters if f not in before]\n"
        "assert not [f for f in new if f[0] == 'ignore' and f[2] in (UserWarning, FutureWarning)], new"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_are_distinct_and_contractions_are_stop_words():
    assert names_of([["a", "b", "c", "d"], ["a", "b", "c", "e"], [], []]) == [
        "a, b, c",
        "a, b, c, e",
        "no words",
        "no words (3)",
    ]
    words = keywords_in(pl.Series(["Don't you think it’s the neighbour's cat? He could've 42 x2 cats"]))["word"]
    assert words.to_list() == ["neighbour's", "cat", "x2", "cats"]


# Saving -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_saved_topics_come_back_and_hold_no_text(six, tmp_path):
    from bertopic import BERTopic

    ds, emb, points, _ = six
    topics = btviz.fit_topics(ds, points, embeddings=emb)
    folder = topics.save(tmp_path / "kept" / "topics")
    back = btviz.load_topics(folder)
    for scale in topics.scales:
        assert back.at(scale).topics.equals(topics.at(scale).topics)
        assert back.at(scale).assignments.equals(topics.at(scale).assignments)
        assert back.at(scale).hierarchy.equals(topics.at(scale).hierarchy)
    assert dict(back.facts) == dict(topics.facts)
    assert back.fingerprint == topics.fingerprint
    assert {file.suffix for file in folder.iterdir()} == {".json", ".parquet", ".safetensors"}
    content = b"".join(file.read_bytes() for file in folder.iterdir())
    tables = [pl.read_parquet(file) for file in folder.glob("*.parquet")]
    assert b"What about the" not in content
    assert not [t for t in tables for c in t.select(pl.selectors.string()) if c.str.contains("please").any()]
    for model in (back.bertopic(), BERTopic.load(str(folder))):
        assert [w for w, _ in model.get_topic(1)] == topics.topics["keywords"][1].to_list()
        assert model.topics_ == topics.bertopic().topics_
    other = next(scale for scale in topics.scales if scale != topics.scale)
    with pytest.raises(NotFoundError, match="holds that of scale"):
        back.at(other).bertopic()


@pytest.mark.slow
def test_saving_replaces_topics_and_nothing_else(six, tmp_path):
    ds, emb, points, _ = six
    topics = btviz.fit_topics(ds, points, embeddings=emb)
    folder = topics.save(tmp_path / "topics")
    assert topics.save(folder) == folder
    assert btviz.load_topics(folder).save(tmp_path / "copy").is_dir()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("keep me")
    with pytest.raises(UsageError, match="something else"):
        topics.save(mine)
    assert (mine / "notes.txt").read_text() == "keep me"
    with pytest.raises(NotFoundError, match="nothing was saved"):
        btviz.load_topics(tmp_path / "nowhere")


@pytest.mark.slow
def test_a_changed_file_is_found_when_loading(six, tmp_path):
    ds, emb, points, _ = six
    folder = btviz.fit_topics(ds, points, embeddings=emb).save(tmp_path / "topics")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"embedding_model": "elsewhere/model"}))
    with pytest.raises(StoreError, match=r"config\.json"):
        btviz.load_topics(folder)


# Little data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", [1, 3])
def test_a_handful_of_texts_are_outliers(make_dataset, each):
    ds, emb, points, _ = planted(make_dataset, subjects=3, each=each)
    topics = btviz.fit_topics(ds, points, embeddings=emb)
    assert topics.topics.is_empty()
    assert topics.outlier_share == 1
    assert topics.hierarchy.is_empty()
    with pytest.raises(UsageError, match="no topic"):
        topics.bertopic()


@pytest.mark.slow
def test_all_outliers_can_be_saved_described_and_reassigned(make_dataset, tmp_path):
    ds, emb, points, _ = planted(make_dataset, subjects=3, each=3)
    topics = btviz.fit_topics(ds, points, embeddings=emb, reassign_outliers=True)
    assert topics.outlier_share == 1  # there is no topic to give them to
    back = btviz.load_topics(topics.save(tmp_path / "none"))
    assert back.assignments.equals(topics.assignments)
    with pytest.raises(NotFoundError, match="holds none"):
        back.bertopic()
    agreement = btviz.topic_agreement(ds, topics, n_boot=40)
    assert agreement.ami is None
    assert "nothing to agree on" in agreement.undefined
    assert agreement.undescribed.is_empty()


def test_small_topics_on_request(make_dataset):
    ds, emb, points, truth = planted(make_dataset, subjects=3, each=3)
    topics = btviz.fit_topics(ds, points, embeddings=emb, scale=3)
    assert topics.topics["n_texts"].to_list() == [3, 3, 3]
    assert all(len(found) == 1 for found in subjects_by_topic(topics, emb, truth).values())


def test_texts_without_a_word_that_counts(make_dataset):
    ds, emb, points, _ = planted(make_dataset, subjects=2, each=20)
    pairs = ds.pairs.with_columns(prompt=pl.lit("what is it"))
    wordless = replace(ds, _read=lambda name: pairs if name == "pairs" else ds.table(name))
    topics = btviz.fit_topics(wordless, points, embeddings=emb)
    assert topics.topics["keywords"].to_list() == [[], []]
    assert topics.topics["name"].to_list() == ["no words", "no words (1)"]


def test_a_map_or_embeddings_of_other_data_are_refused(six, tiny):
    ds, emb, points, _ = six
    with pytest.raises(UsageError, match="no place for"):
        btviz.fit_topics(ds, points.head(20), embeddings=emb)
    with pytest.raises(UsageError, match="Embed this data set"):
        btviz.fit_topics(tiny, points, embeddings=emb)
    with pytest.raises(UsageError, match="1 to 30"):
        btviz.fit_topics(ds, points, embeddings=emb, n_words=0)
    broken = points.with_columns(x=pl.when(pl.col("pair_id") == points["pair_id"][0]).then(float("nan")).otherwise("x"))
    with pytest.raises(UsageError, match="no place for 1 of"):
        btviz.fit_topics(ds, broken, embeddings=emb)
