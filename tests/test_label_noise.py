import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_embeddings import embeddings_of
from scipy import stats

from btviz import nearest_neighbors, noisy_labels, planted_flips
from btviz.errors import UsageError
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
    assert table.columns == [
        "target", "rank", "pair_id", "label", "contradiction", "n_neighbors", "direction",
        "planted_precision", "planted_chance",
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
    """Of 300 labels 6 are true; 2 % of either flipped leave 5 of 11 right: in random order 6 of 11 are flips."""
    draw = np.random.default_rng(0)
    lie = 1 << 8
    ds = annotated(make_dataset, [lie] * 6 + [0] * 294, prompts=range(300), texts=range(300))
    emb = embedded(ds, draw.normal(size=(300, 8)))
    table = planted_flips(ds, emb, targets=[BEAVERTAILS.keys[8]], at=(5,))
    found = {(row["direction"], row["k"]): row for row in table.iter_rows(named=True)}
    alarms, missed = found["false alarm", 5], found["missed harm", 5]
    assert (alarms["n_planted"], missed["n_planted"]) == (6, 1)
    assert alarms["chance"] == pytest.approx(6 / 11)
    assert missed["chance"] == pytest.approx(1 / 289)
    assert alarms["precision_low"] < alarms["chance"] < alarms["precision_high"]  # vectors at random rank at random
    assert missed["recall"] <= 0.2


def test_shares_of_flips_are_recounted_in_plain_python(make_dataset, monkeypatch):
    monkeypatch.setattr(label_noise, "nearest_neighbors", lambda emb: nearest_neighbors(emb, 15))
    ds, emb = two_groups(make_dataset, flipped=(6, 7, 9))
    pairs = ds.pairs.sort("pair_id").select(pl.col("response").str.split(" ").list.get(1).cast(int), "is_safe")
    texts, safe = pairs["response"].to_list(), pairs["is_safe"].to_numpy()
    near = [[texts.index(other) for other in nearest_neighbors(emb, 15).indices[text]] for text in texts]
    table = planted_flips(ds, emb, targets=["is_safe"], at=(3,), planted=0.2, n_draws=4, random_state=3)
    for direction, says_safe in (("missed harm", True), ("false alarm", False)):
        hits = caught = planted = 0
        for rng in np.random.default_rng(3).spawn(4):
            unsafe, safes = np.flatnonzero(~safe), np.flatnonzero(safe)
            chosen = {*rng.choice(unsafe, round(0.2 * len(unsafe)), replace=False).tolist()}
            chosen |= {*rng.choice(safes, round(0.2 * len(safes)), replace=False).tolist()}
            label = [bool(value) != (pair in chosen) for pair, value in enumerate(safe)]
            against = [sum(label[other] != label[pair] for other in near[pair]) for pair in range(len(safe))]
            named = [
                pair for pair in sorted(range(len(safe)), key=lambda p: (-against[p], p)) if label[pair] is says_safe
            ]
            flips = {pair for pair in chosen if label[pair] is says_safe}
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
    contradiction, count = label_noise._contradiction(label_noise._neighborhoods(ds, emb), label)
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
    table = noisy_labels(ds, embedded(ds, np.ones((1, 3))), targets=["is_safe"])
    assert table.select("rank", "label", "contradiction", "n_neighbors").rows() == [(1, False, 1.0, 12)]


def test_equal_contradiction_goes_by_neighbours_and_then_by_id():
    contradiction = np.array([0.9, 1.0, 0.9, 0.9 + 1e-15, np.nan, 1.0])
    count = np.array([20.0, 10.0, 30.0, 20.0, 0.0, 9.0])
    assert label_noise._ranked(contradiction, count, min_neighbors=10).tolist() == [1, 2, 0, 3]


def test_ranks_do_not_depend_on_the_seed_but_the_precision_does(make_dataset, monkeypatch):
    monkeypatch.setattr(label_noise, "nearest_neighbors", lambda emb: nearest_neighbors(emb, 15))
    draw = np.random.default_rng(0)
    ds = annotated(make_dataset, (draw.integers(2, size=60) << 8).tolist(), prompts=range(60), texts=range(60))
    emb = embedded(ds, draw.normal(size=(60, 3)))
    tables = [noisy_labels(ds, emb, min_contradiction=0.5, random_state=seed) for seed in (0, 0, 1)]
    assert tables[0].equals(tables[1])
    planted = ["planted_precision", "planted_chance"]
    assert tables[0].drop(planted).equals(tables[2].drop(planted))
    assert not tables[0].equals(tables[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_contradiction": 0.4}, "Use 0.5 to 1"),
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
    assert label_noise.reach_over_draws(hits, share=mean) == pytest.approx((high - low) / 2)
    assert label_noise.reach_over_draws(hits[:1], share=mean) == 0
