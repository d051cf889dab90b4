import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from topic_data import SUBJECTS, planted

import btviz
from btviz.errors import NotFoundError, StoreError, UsageError
from btviz.texts.topics.book import FittedBook
from btviz.texts.topics.keywords import CountedTexts, keywords_in
from btviz.texts.topics.layers import fit_layers
from btviz.texts.topics.partition import (
    FEWEST_TEXTS,
    Rule,
    communities,
    divided,
    inside_shares,
    joined,
    shared_neighbors,
    suitable_neighbors,
    topics_of,
)
from btviz.texts.topics.refits import fitting_numbers, nearest_in, nearest_within, without_structure
from btviz.texts.topics.tables import class_tf_idf, fit_bertopic, load_bertopic, names_of


@pytest.fixture(scope="module", autouse=True)
def quiet_bertopic():
    load_bertopic()


@pytest.fixture
def six(make_dataset):
    return planted(make_dataset, loose=8)  # fewer than a topic has


def subjects_by_topic(topics, emb, truth):
    of_text = emb.pairs.join(topics.assignments, on="pair_id").select("text_id", "topic").unique()
    found = {}
    for text, topic in of_text.iter_rows():
        found.setdefault(topic, set()).add(truth[text])
    return found


# Communities ------------------------------------------------------------------------------------


def groups(n_groups=6, each=40, *, spread=0.12, seed=3):
    """Unit vectors around a few directions, and the direction of each."""
    rng = np.random.default_rng(seed)
    vectors = np.repeat(np.eye(n_groups, 24), each, axis=0) + rng.normal(0, spread, (n_groups * each, 24))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.repeat(np.arange(n_groups), each)


def test_shared_neighbors_by_hand():
    # sets with each text itself: {0, 1, 2}, {1, 0, 2}, {2, 0, 1}, {3, 2, 1}; the last is among nobody's nearest
    graph = shared_neighbors(np.array([[1, 2], [0, 2], [0, 1], [2, 1]])).toarray()
    assert graph == pytest.approx(np.array([[0, 1, 1, 0], [1, 0, 1, 0.5], [1, 1, 0, 0.5], [0, 0.5, 0.5, 0]]))
    short = shared_neighbors(np.array([[1, -1], [0, -1], [0, 1]])).toarray()  # -1 is no text
    assert short == pytest.approx(np.array([[0, 1, 2 / 3], [1, 0, 2 / 3], [2 / 3, 2 / 3, 0]]))
    assert shared_neighbors(np.empty((3, 0), np.int32)).nnz == 0


def test_shared_neighbors_are_those_of_sets():
    vectors, _ = groups()
    nearest = nearest_in(vectors, 7)
    sets = [{row, *near} for row, near in enumerate(nearest.tolist())]
    tied = [[j in sets[i] or i in sets[j] for j in range(len(sets))] for i in range(len(sets))]
    wanted = [[len(a & b) / len(a | b) * (i != j) * tied[i][j] for j, b in enumerate(sets)] for i, a in enumerate(sets)]
    np.testing.assert_allclose(shared_neighbors(nearest).toarray(), wanted, atol=1e-7)


def test_planted_groups_are_communities_joined_and_divided():
    from sklearn.metrics import adjusted_rand_score

    vectors, truth = groups()
    graph = shared_neighbors(nearest_in(vectors, 9))
    labels = communities(graph, 1, random_state=0)
    assert adjusted_rand_score(truth, labels) == 1
    fine = divided(graph, labels, resolution=8, random_state=0)
    assert fine.max() > labels.max()
    assert len(set(zip(fine.tolist(), labels.tolist(), strict=True))) == fine.max() + 1  # each lies in one
    again = joined(graph, fine, resolution=1)
    assert len(set(zip(fine.tolist(), again.tolist(), strict=True))) == fine.max() + 1
    assert sorted(set(again)) == list(range(again.max() + 1))
    assert adjusted_rand_score(truth, again) == 1
    assert joined(graph, fine, resolution=1e9).tolist() == fine.tolist()


def test_probabilities_are_shares_of_ties_and_the_limit_makes_outliers():
    vectors, truth = groups(spread=0.3)
    graph = shared_neighbors(nearest_in(vectors, 9))
    dense = graph.toarray()
    wanted = [dense[row, truth == group].sum() / dense[row].sum() for row, group in enumerate(truth)]
    assert inside_shares(graph, truth) == pytest.approx(wanted)
    loose, strict = (topics_of(graph, truth, min_probability=limit) for limit in (0.0, 0.8))
    assert (loose.labels == truth).all()
    assert (strict.labels >= 0).tolist() == [share >= 0.8 for share in wanted]
    assert strict.probabilities[strict.labels < 0].sum() == 0


def test_small_communities_are_outliers():
    vectors, truth = groups(3, FEWEST_TEXTS)
    graph = shared_neighbors(nearest_in(vectors, 4))
    labels = np.where(np.arange(len(truth)) == 0, 1, truth)  # the first group lacks a text
    found = topics_of(graph, labels, min_probability=0.0).labels
    assert set(found[labels == 0]) == {-1}
    assert sorted(set(found)) == [-1, 0, 1]


def test_nearest_within_a_part_are_those_found_anew():
    vectors, _ = groups()
    rows = np.sort(np.random.default_rng(1).permutation(len(vectors))[:190])
    within = nearest_within(nearest_in(vectors, 30), rows, k=7)
    np.testing.assert_array_equal(within, nearest_in(vectors[rows], 7))
    assert (nearest_within(nearest_in(vectors, 3), rows, k=7)[:, 3:] == -1).all()


def test_a_cloud_without_structure_has_the_same_mean_and_covariance():
    vectors, _ = groups(each=400)
    cloud = without_structure(vectors, random_state=0)
    assert np.linalg.norm(cloud, axis=1) == pytest.approx(np.ones(len(cloud)))
    shorter = (
        vectors.mean(axis=0) * np.dot(cloud.mean(axis=0), vectors.mean(axis=0)) / (vectors.mean(axis=0) ** 2).sum()
    )
    np.testing.assert_allclose(cloud.mean(axis=0), shorter, atol=0.03)
    wanted, found = np.cov(vectors.T), np.cov(cloud.T)
    assert np.corrcoef(wanted.ravel(), found.ravel())[0, 1] > 0.98


def test_how_many_neighbors_and_topics_suit():
    assert [suitable_neighbors(n) for n in (1, 2, 9, 180, 2_526, 100_000)] == [1, 1, 5, 8, 30, 30]
    assert [fitting_numbers(n) for n in (9, 180, 2_526, 100_000)] == [(2, 3), (5, 13), (20, 50), (20, 316)]


# Topics -----------------------------------------------------------------------------------------


def test_planted_subjects_are_found_with_their_words(six):
    ds, emb, points, truth = six
    topics = btviz.fit_topics(ds, points, embeddings=emb)
    assert topics.topics.height == 6
    found = subjects_by_topic(topics, emb, truth)
    for row in topics.topics.iter_rows(named=True):
        (subject,) = found[row["topic"]] - {-1}
        planted_words = set(list(SUBJECTS.values())[subject].split())
        assert set(row["keywords"][:5]) <= planted_words
        assert row["name"] == f"{ds.taxonomy.categories[subject].slug.replace('-', ' ')} 1"
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
    ds, emb, _, _ = planted(make_dataset, subjects=5, each=20)
    layer = fit_layers(ds, emb, rule=Rule(), scale=1).layer(1)
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
    for table in ("topics", "assignments", "hierarchy", "layers", "choice"):
        assert getattr(one, table).equals(getattr(other, table))


def test_second_call_reads_the_store(six, monkeypatch):
    ds, emb, points, _ = six
    one = btviz.fit_topics(ds, points, embeddings=emb)

    def never(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(FittedBook, "_make_layers", never)
    monkeypatch.setattr(FittedBook, "_make_table", never)
    assert btviz.fit_topics(ds, points, embeddings=emb).topics.equals(one.topics)
    with pytest.raises(AssertionError, match="again"):
        btviz.fit_topics(ds, points, embeddings=emb, scale=9)


def test_another_scale(six):
    ds, emb, points, _ = six
    topics = btviz.fit_topics(ds, points, embeddings=emb, scale=2)
    assert topics.scale == 2
    assert len(topics.scales) > 1
    for scale in topics.scales:
        other = topics.at(scale)
        row = topics.layers.filter(pl.col("scale") == scale).row(0, named=True)
        assert (other.scale, other.topics.height) == (scale, row["n_topics"])
        assert other.outlier_share == pytest.approx(row["outlier_share"])
        assert other.topics["n_texts"].min() >= FEWEST_TEXTS
    assert topics.layers["n_topics"].is_sorted()
    assert topics.at(2) is topics
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


def test_hierarchy_puts_every_topic_into_one_of_the_scale_before(six):
    ds, emb, _, _ = six
    topics = btviz.fit_topics(ds, embeddings=emb, scale=2)
    tree = topics.hierarchy
    assert tree["node"].to_list() == list(range(tree.height))
    assert tree["scale"].is_sorted()
    assert tree.group_by("scale", maintain_order=True).len().rows() == topics.layers.select("scale", "n_topics").rows()
    assert tree.filter(scale=topics.scales[0])["parent"].null_count() == topics.layers["n_topics"][0]
    for scale, before in zip(topics.scales[1:], topics.scales, strict=False):
        both = topics.at(scale).assignments.join(topics.at(before).assignments, on="pair_id", suffix="_before")
        pairs = both.filter(pl.col("topic") >= 0, pl.col("topic_before") >= 0).select("topic", "topic_before").unique()
        above = dict(tree.filter(scale=before).select("topic", "node").iter_rows())
        wanted = {topic: above[parent] for topic, parent in pairs.iter_rows()}
        assert len(wanted) == pairs.height
        assert dict(tree.filter(scale=scale).select("topic", "parent").iter_rows()) == wanted
    names = tree.filter(scale=2).select("name", "n_pairs", "n_texts")
    assert names.rows() == topics.topics.select("name", "n_pairs", "n_texts").rows()


def test_the_choice_of_the_scale_is_told(six):
    ds, emb, _, _ = six
    topics = btviz.fit_topics(ds, embeddings=emb)
    tried = topics.choice.filter(half="chosen on")
    excess = tried["overlap"] - tried["overlap_null"]
    near = excess >= excess.max() - tried["standard_error"][excess.arg_max()]
    assert topics.scale == tried.filter(near)["scale"].min()
    reported = topics.choice.filter(half="reported on")
    assert reported["scale"].to_list() == [topics.scale]
    assert reported["overlap"].item() > 0.7  # the subjects come back
    assert topics.choice["n_texts"].unique().to_list() == [len(emb) // 2]
    assert btviz.fit_topics(ds, embeddings=emb, scale=3).choice.is_empty()


def test_a_limit_of_probability_is_a_parameter(six):
    ds, emb, _, _ = six
    loose, strict = (btviz.fit_topics(ds, embeddings=emb, scale=4, min_probability=limit) for limit in (0.0, 0.7))
    assert loose.outlier_share < strict.outlier_share
    assert strict.assignments.filter(pl.col("topic") >= 0)["probability"].min() >= 0.7
    with pytest.raises(UsageError, match="Use 0 to 1"):
        btviz.fit_topics(ds, embeddings=emb, min_probability=1.5)


# Words and BERTopic -----------------------------------------------------------------------------


def test_words_are_those_of_bertopic_on_the_texts(six):
    """The same BERTopic, given texts and a plain vectorizer, finds the same words and weights."""
    from bertopic import BERTopic
    from bertopic.cluster import BaseCluster
    from bertopic.dimensionality import BaseDimensionalityReduction
    from bertopic.vectorizers import ClassTfidfTransformer
    from sklearn.feature_extraction.text import CountVectorizer

    ds, emb, _, _ = six
    labels = fit_layers(ds, emb, rule=Rule(), scale=1).layer(1).topics
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
    np.testing.assert_array_equal(class_tf_idf(counted, labels).toarray(), ours.c_tf_idf_.toarray())
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
    for topic, words, weights in topics.topics.select("topic", "keywords", "weights").rows():
        assert [(word, weight) for word, weight in model.get_topic(topic) if word] == list(
            zip(words, weights, strict=True)
        )
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


def test_names_are_neutral_and_unique(six):
    ds = six[0]
    kinds = {
        "top_category": ["privacy_violation", None, "privacy_violation", None, None],
        "n_labelled": [3, 2, 2, 0, 0],
    }
    names = names_of(pl.DataFrame(kinds), taxonomy=ds.taxonomy)
    assert names == ["privacy 1", "no category 1", "privacy 2", "topic 1", "topic 2"]


def test_contractions_are_stop_words():
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
    assert topics.choice.is_empty()
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


def test_texts_without_a_word_that_counts(make_dataset):
    ds, emb, points, _ = planted(make_dataset, subjects=2, each=20)
    pairs = ds.pairs.with_columns(prompt=pl.lit("what is it"))
    wordless = replace(ds, _read=lambda name: pairs if name == "pairs" else ds.table(name))
    topics = btviz.fit_topics(wordless, points, embeddings=emb)
    assert topics.topics["keywords"].to_list() == [[], []]


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
