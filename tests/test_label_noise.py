import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_embeddings import embeddings_of
from scipy import stats
from sklearn.linear_model import LogisticRegression

from btviz import nearest_neighbors, noisy_labels, planted_flips
from btviz.errors import UsageError
from btviz.models.label_noise.evidence import Evidence, Labels, Weighed, combined, prior_odds
from btviz.models.label_noise.flips import Limits, Ranking, flipped, reach_over_draws
from btviz.models.label_noise.splits import split_evidence, wrong_splits
from btviz.taxonomy.categories import BEAVERTAILS
from btviz.texts import label_noise
from btviz.texts.embedding import Embeddings

COLUMNS = {"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32}
RELAXED = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def annotated(make_dataset, labels, *, prompts, texts):
    """One pair per entry: its mask (0 is safe), its prompt, and which text its response stands for."""
    rows = [
        (f"about {p}", f"text {t} of {n}", "train", m == 0, m)
        for n, (m, p, t) in enumerate(zip(labels, prompts, texts, strict=True))
    ]
    return make_dataset(pl.DataFrame(rows, schema=COLUMNS, orient="row"))


def embedded(ds, vectors):
    """Text t of the responses has row t of `vectors`."""
    made = embeddings_of(vectors)
    pairs = ds.pairs.sort("pair_id").select(
        "pair_id", text_id=(pl.col("response").str.split(" ").list.get(1).cast(pl.UInt64) + 1) * 10
    )
    return Embeddings(made.text_ids, made.vectors, pairs, "response", "made", made.fingerprint)


def two_groups(make_dataset, flipped=()):
    """Forty pairs of as many prompts around two directions: safe ones and liars."""
    lie = 1 << 8
    group = np.arange(40) % 2
    labels = [lie * int(g) ^ (lie if n in flipped else 0) for n, g in enumerate(group)]
    vectors = np.eye(2)[group] + np.random.default_rng(0).normal(scale=0.05, size=(40, 2))
    ds = annotated(make_dataset, labels, prompts=range(40), texts=range(40))
    return ds, embedded(ds, vectors)


def number_of(ds, pair_ids):
    found = ds.pairs.filter(pl.col("pair_id").is_in(pair_ids.implode()))["response"]
    return {int(text.split()[1]) for text in found}


def test_the_odd_ones_out_are_named_first(make_dataset, monkeypatch):
    monkeypatch.setattr(label_noise, "nearest_neighbors", lambda emb: nearest_neighbors(emb, 15))
    ds, emb = two_groups(make_dataset, flipped=(6, 7))
    table = noisy_labels(ds, emb, min_contradiction=0.8)
    assert table["target"].unique(maintain_order=True).to_list() == ["is_safe", BEAVERTAILS.keys[8]]
    for (target,), rows in table.group_by("target"):
        assert number_of(ds, rows["pair_id"]) == {6, 7}
        assert rows["rank"].to_list() == [1, 2]
        liars = dict(zip(rows["pair_id"], rows["label"], strict=True))
        six = ds.pairs.filter(pl.col("response").str.starts_with("text 6 "))["pair_id"].item()
        assert liars[six] is (target != "is_safe")  # text 6 stands among safe ones and is said to lie
    assert table["n_neighbors"].unique().to_list() == [15]
    assert (table["probability"] > 5 * table["baseline"]).all()
    assert table.select("n_votes", "n_against").unique().rows() == [(1, 0)]
    assert ((table["probe"] > 0.5) & (table["probe"] < 1)).all()  # it, too, has the other label
    assert table.columns == [
        "target", "rank", "pair_id", "label", "contradiction", "n_neighbors", "direction",
        "planted_precision", "planted_chance", "probability", "baseline", "probe", "n_votes", "n_against",
    ]  # fmt: skip
    directions = dict(table.select("target", (pl.col("direction") + pl.col("label").cast(pl.String))).rows())
    assert set(table.select("target", "label", "direction").unique().rows()) == {
        (target, label, "false alarm" if label is (target != "is_safe") else "missed harm")
        for target in directions
        for label in (False, True)
    }


def test_clear_groups_give_every_planted_flip_away(make_dataset, monkeypatch):
    monkeypatch.setattr(label_noise, "nearest_neighbors", lambda emb: nearest_neighbors(emb, 15))
    ds, emb = two_groups(make_dataset)
    table = planted_flips(ds, emb, targets=["is_safe"], at=(1, 20, 21), planted=0.05, min_contradiction=0.8)
    assert table["chance"].to_list() == pytest.approx([0.05] * 6)  # one of twenty of either value, then 20 of each
    columns = ["direction", "k", "n_named", "precision", "recall", "n_planted", "n_ranked", "n_draws"]
    assert table.select(columns).rows() == [
        (direction, k, named, share, 1.0, 1, 20.0, 20)
        for direction in ("missed harm", "false alarm")
        for k, named, share in ((1, 1.0, 1.0), (20, 20.0, 0.05), (None, 1.0, 1.0))
    ]
    assert noisy_labels(ds, emb).is_empty()


def test_a_rare_category_is_held_against_the_flips_among_its_few_labels(make_dataset):
    """Of 300 labels 6 are true; one is hidden and one made up: in random order 1 of 6 that see harm is a flip."""
    draw = np.random.default_rng(0)
    lie = 1 << 8
    ds = annotated(make_dataset, [lie] * 6 + [0] * 294, prompts=range(300), texts=range(300))
    emb = embedded(ds, draw.normal(size=(300, 8)))
    table = planted_flips(ds, emb, targets=[BEAVERTAILS.keys[8]], at=(5,))
    found = {(row["direction"], row["k"]): row for row in table.iter_rows(named=True)}
    alarms, missed = found["false alarm", 5], found["missed harm", 5]
    assert (alarms["n_planted"], missed["n_planted"]) == (1, 1)
    assert alarms["chance"] == pytest.approx(1 / 6)
    assert missed["chance"] == pytest.approx(1 / 294)
    assert missed["recall"] <= 0.2


def test_shares_of_flips_are_recounted_in_plain_python(make_dataset, monkeypatch):
    monkeypatch.setattr(label_noise, "nearest_neighbors", lambda emb: nearest_neighbors(emb, 15))
    ds, emb = two_groups(make_dataset, flipped=(6, 7, 9))
    table = planted_flips(ds, emb, targets=["is_safe"], at=(3,), planted=0.2, n_draws=4, random_state=3)
    known, unsafe = Evidence.of(ds, emb), (~ds.pairs.sort("pair_id")["is_safe"]).to_numpy()
    for direction, says_unsafe in (("missed harm", False), ("false alarm", True)):
        hits = caught = planted = 0
        for draw in range(4):
            labels, turned = flipped(known, share=0.2, seed=[3, draw])
            label = [bool(value) != (pair in set(turned[0].tolist())) for pair, value in enumerate(unsafe)]
            assert labels.harm[:, 0].tolist() == label
            assert sum(label) == sum(unsafe)  # as many are made up as are hidden
            odds = known.weighed(labels, rate=0.2).wrong[:, 0].round(9).tolist()
            named = [
                pair for pair in sorted(range(len(odds)), key=lambda p: (-odds[p], p)) if label[pair] is says_unsafe
            ]
            flips = {pair for pair in turned[0].tolist() if label[pair] is says_unsafe}
            assert len(flips) == round(0.2 * sum(unsafe))
            found = len(flips & {*named[:3]})
            hits, caught, planted = hits + found, caught + found, planted + len(flips)
        row = table.filter(direction=direction, k=3).row(0, named=True)
        assert (row["precision"], row["recall"]) == (pytest.approx(hits / 12), pytest.approx(caught / planted))


def test_labels_without_any_order_hide_the_flips(make_dataset):
    draw = np.random.default_rng(0)
    ds = annotated(make_dataset, (draw.integers(2, size=300) << 8).tolist(), prompts=range(300), texts=range(300))
    emb = embedded(ds, draw.normal(size=(300, 8)))
    table = planted_flips(ds, emb, targets=["is_safe"], at=(100,), planted=0.1)
    for row in table.filter(k=100).iter_rows(named=True):
        assert row["precision_low"] <= row["chance"] <= row["precision_high"]


@pytest.mark.slow
@RELAXED
@given(data=st.data(), n=st.integers(2, 40), n_texts=st.integers(1, 12), n_prompts=st.integers(1, 6))
def test_contradiction_against_plain_python(make_dataset, data, n, n_texts, n_prompts):
    """Reference: for each pair, a loop over all texts near its own, and all pairs of other prompts that have them."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    draw = np.random.default_rng(seed)
    texts = draw.integers(n_texts, size=n)
    ds = annotated(
        make_dataset, (draw.integers(2, size=n) << 3).tolist(), prompts=draw.integers(n_prompts, size=n), texts=texts
    )
    emb = embedded(ds, draw.normal(size=(n_texts, 4)) + 0.01)
    graph = nearest_neighbors(emb).indices
    pairs = ds.pairs.sort("pair_id").with_columns(pl.col("response").str.split(" ").list.get(1).cast(int).alias("text"))
    rows = pairs.select("prompt_id", "text", "is_safe").rows()
    label = np.array([float(row[2]) for row in rows])
    label[draw.random(n) < 0.2] = np.nan
    contradiction, count = label_noise.contradiction(label_noise.neighborhoods(ds, emb), label)
    for own, (prompt, text, _) in enumerate(rows):
        units = {}
        for other, (their_prompt, their_text, _) in enumerate(rows):
            if their_text in {text, *graph[text].tolist()} and their_prompt != prompt and not np.isnan(label[other]):
                units.setdefault((their_prompt, their_text), []).append(label[other])
        means = [np.mean(unit) for unit in units.values()]
        assert count[own] == (0 if np.isnan(label[own]) else len(means))
        if means and not np.isnan(label[own]):
            assert contradiction[own] == pytest.approx(abs(label[own] - np.mean(means)), abs=1e-9)


def test_answers_to_the_same_prompt_are_no_neighbours(make_dataset):
    ds = annotated(make_dataset, [8] + [0] * 20, prompts=[0] * 21, texts=range(21))
    emb = embedded(ds, np.random.default_rng(0).normal(size=(21, 3)))
    assert noisy_labels(ds, emb, min_neighbors=1).is_empty()
    assert planted_flips(ds, emb, min_neighbors=1).is_empty()


def test_the_same_text_under_another_prompt_is_a_neighbour(make_dataset):
    ds = annotated(make_dataset, [8] + [0] * 12, prompts=range(13), texts=[0] * 13)
    table = noisy_labels(ds, embedded(ds, np.ones((1, 3))), targets=["is_safe"], min_probability=0)
    assert table.select("rank", "label", "contradiction", "n_neighbors").row(0) == (1, False, 1.0, 12)
    assert table["contradiction"][1:].to_list() == pytest.approx([1 / 12] * 12)


def test_equal_probability_goes_by_neighbours_and_then_by_id():
    column = np.array([[0.9], [1.0], [0.9], [0.9 + 1e-15], [np.nan], [1.0]])
    count = np.array([[20.0], [10.0], [30.0], [20.0], [0.0], [9.0]])
    limits = Limits(0.0, 0.0, 10, 0.02, 1, ("neighbors",))
    labels = Labels(np.ones((6, 1)), np.zeros((6, 1), np.int64))
    ranking = Ranking.of(labels, Weighed(column, column, count, column), place=0, limits=limits, planted=np.array([2]))
    assert ranking.order.tolist() == [1, 2, 0, 3]
    assert ranking.ranked(sees_harm=True)[1].tolist() == [False, True, False, False]


def test_ranks_do_not_depend_on_the_seed_but_the_precision_does(make_dataset, monkeypatch):
    monkeypatch.setattr(label_noise, "nearest_neighbors", lambda emb: nearest_neighbors(emb, 15))
    draw = np.random.default_rng(0)
    ds = annotated(make_dataset, (draw.integers(2, size=60) << 8).tolist(), prompts=range(60), texts=range(60))
    emb = embedded(ds, draw.normal(size=(60, 3)))
    tables = [noisy_labels(ds, emb, min_probability=0, random_state=seed) for seed in (0, 0, 1)]
    assert tables[0].equals(tables[1])
    planted = ["planted_precision", "planted_chance"]
    assert tables[0].drop(planted).equals(tables[2].drop(planted))
    assert not tables[0].equals(tables[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_contradiction": 1.4}, "Use 0 to 1"),
        ({"min_probability": -0.1}, "Use 0 to 1"),
        ({"evidence": ()}, "at least one of neighbors"),
        ({"evidence": ["words"]}, "There is no evidence 'words'"),
        ({"min_neighbors": 0}, "at least 1 of each"),
        ({"n_draws": 0}, "at least 1 of each"),
        ({"planted": 0.5}, "less than 0.5"),
        ({"targets": ["lies"]}, "There is no target 'lies'"),
    ],
)
def test_wrong_options(make_dataset, options, message):
    with pytest.raises(UsageError, match=message):
        noisy_labels(*two_groups(make_dataset), **options)


def test_pairs_without_vectors_are_refused(make_dataset):
    ds, emb = two_groups(make_dataset)
    less = Embeddings(emb.text_ids, emb.vectors, emb.pairs[3:], "response", "made", "x")
    with pytest.raises(UsageError, match="3 have no vector"):
        noisy_labels(ds, less)


def test_intervals_of_flips_allow_for_what_the_flips_of_a_draw_share():
    hits = [np.repeat([True, False], [caught, 10 - caught]) for caught in (3, 8, 4, 7)]
    mean, deviation = np.mean([0.3, 0.8, 0.4, 0.7]), np.std([0.3, 0.8, 0.4, 0.7], ddof=1)
    low, high = stats.t.interval(0.95, 3, loc=mean, scale=deviation / 2)
    assert reach_over_draws(hits, share=mean) == pytest.approx((high - low) / 2)
    assert reach_over_draws(hits[:1], share=mean) == 0


def test_weights_of_one_target_are_ridge_regression_without_the_fold():
    """Reference: scikit-learn, whose C is one over the penalty; its weights shrink towards those of all targets."""
    draw = np.random.default_rng(0)
    texts = draw.normal(size=(2, 300, 1))
    harm = (texts[0] + 0.5 * texts[1] + draw.normal(size=(300, 1)) > 1).astype(float)
    fold = np.arange(300) % 3
    odds = combined(texts, harm, fold=fold)
    for number in range(3):
        rows = fold != number
        n_harm = harm[rows].sum() + 0.5
        base = np.log(n_harm / (rows.sum() + 1 - n_harm))
        x = texts[:, rows, 0].T
        shared = LogisticRegression(C=1.0, tol=1e-10).fit(x, harm[rows, 0]).coef_[0]  # one target is all targets
        # towards `shared` with penalty 10: scikit-learn shrinks towards 0 only, so hold the gradient instead
        held = texts[:, ~rows, 0].T
        own = np.linalg.lstsq(np.column_stack([np.ones(len(held)), held]), odds[~rows, 0] + base, rcond=None)[0]
        p = 1 / (1 + np.exp(-(own[0] + x @ own[1:])))
        assert (harm[rows, 0] - p).sum() == pytest.approx(0, abs=1e-3)
        assert x.T @ (harm[rows, 0] - p) == pytest.approx(10 * (own[1:] - shared), abs=1e-3)


def test_the_probe_of_a_pair_knows_no_label_of_its_fold(make_dataset):
    ds, emb = two_groups(make_dataset)
    known = Evidence.of(ds, emb)
    before = known.held_out(known.labels.harm)
    inside = known.fold == 2
    harm = known.labels.harm.copy()
    harm[inside] = np.random.default_rng(0).integers(2, size=harm[inside].shape)
    after = known.held_out(harm)
    assert np.array_equal(before[inside], after[inside], equal_nan=True)
    assert not np.allclose(before[~inside, 0], after[~inside, 0])
    assert np.isnan(before[:, 1]).all()  # a category that nobody named has no probe


def test_split_votes_speak_against_a_majority():
    """Ten of three votes for harm, four of them by two to one: errors are (4 + ½) of (30 + 1)."""
    harm = np.array([1.0] * 10 + [0.0] * 10 + [1.0])
    n = np.array([3] * 20 + [1])
    against = np.array([1] * 4 + [0] * 6 + [1] * 2 + [0] * 8 + [0])
    found = split_evidence(n, against, harm=harm)
    error = 4.5 / 31
    wrong = np.array([error**3, 3 * (1 - error) * error**2])
    assert wrong_splits(3, value=0, error=error) == pytest.approx(wrong / wrong.sum())
    right = np.array([8.5, 2.5]) / 11
    assert found[10:12] == pytest.approx([np.log(wrong[1] / wrong.sum() / right[1])] * 2)
    assert found[12] == pytest.approx(np.log(wrong[0] / wrong.sum() / right[0]))
    assert found[20] == 0
    assert wrong_splits(4, value=1, error=0.5) == pytest.approx(np.array([1, 4, 6]) / 11)  # a tie counts as harm
    assert len(wrong_splits(4, value=0, error=0.5)) == 2


def test_labels_are_as_often_wrong_as_was_said():
    harm = np.array([[1.0]] * 10 + [[0.0]] * 40 + [[np.nan]])
    odds = prior_odds(harm, rate=0.2)[:, 0]
    chance = 1 / (1 + np.exp(-odds))
    assert chance[0] == pytest.approx(0.2)
    assert chance[10] == pytest.approx(2 / 40)
    assert np.nansum(chance[:10]) == pytest.approx(chance[10:50].sum())


@pytest.mark.slow
def test_all_evidence_finds_more_planted_flips_than_each_kind_alone(make_dataset):
    """Harm follows every other group of a circle (neighbours), a direction (the probe) and three votes each."""
    draw = np.random.default_rng(0)
    n, lie = 400, 1 << 8
    group, along = draw.integers(8, size=n), draw.normal(size=n)
    harm = np.where(group % 2, 1.5, -1.5) + 2 * along > draw.logistic(size=n) * 0.5
    votes = np.where(draw.random((n, 3)) < 0.12, ~harm[:, None], harm[:, None])
    rows = [
        (f"about {i}", f"text {i} of {i}", "train", not vote, lie * int(vote)) for i in range(n) for vote in votes[i]
    ]
    ds = make_dataset(pl.DataFrame(rows, schema=COLUMNS, orient="row"))
    circle = 3 * np.exp(2j * np.pi * group / 8)
    vectors = np.column_stack([circle.real, circle.imag, along, draw.normal(scale=0.7, size=(n, 6))])
    emb = embedded(ds, vectors)
    key, recall = BEAVERTAILS.keys[8], {}
    for kinds in (("neighbors",), ("probe",), ("votes",), ("neighbors", "probe", "votes")):
        table = planted_flips(ds, emb, at=(), evidence=kinds, planted=0.1, n_draws=8, targets=[key])
        for row in table.drop_nulls("k").iter_rows(named=True):
            recall[row["direction"], len(kinds), kinds[0]] = row["recall"]
    for direction in ("missed harm", "false alarm"):
        alone = [recall[direction, 1, kind] for kind in ("neighbors", "probe", "votes")]
        assert recall[direction, 3, "neighbors"] > max(alone) + 0.03, (direction, alone)
