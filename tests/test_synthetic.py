import hashlib
import os
import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btviz.data import synthetic
from btviz.data.releases.published import label_statistics
from btviz.data.synthetic import facts, label_model, preferences, vocabulary
from btviz.data.synthetic.design import one_member, spread
from btviz.data.tables import PREFERENCES
from btviz.errors import UsageError
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF

KEYS = ["prompt", "response"]
ROWS = {
    "prompt": pl.String,
    "response": pl.String,
    "source": pl.String,
    "split": pl.String,
    "is_safe": pl.Boolean,
    "labels": pl.UInt32,
    "severity": pl.UInt8,
}


def digest(made):
    """Hash of everything made, in its order."""
    frames = (made.rows, made.comparisons, made.targets)
    return hashlib.sha256("".join(frame.write_csv() for frame in frames).encode()).hexdigest()


@pytest.fixture(scope="module")
def replica():
    return synthetic.generate("replica")


@pytest.fixture(scope="module")
def replica_saferlhf():
    return synthetic.generate("replica-saferlhf")


@pytest.fixture(scope="module", params=synthetic.SYNTHETIC_NAMES)
def made(request):
    """Every data set, at a size that is quick to make."""
    return synthetic.generate(request.param, n_pairs=3_000, seed=3)


def obtained(made, statistic):
    """Target and obtained, by level."""
    rows = made.targets.filter(statistic=statistic).select("level", "target", "obtained").iter_rows()
    return {level: (target, found) for level, target, found in rows}


def off(made, statistic):
    """Relative distance of obtained from target, by level."""
    return {level: abs(found / target - 1) for level, (target, found) in obtained(made, statistic).items()}


# -- sizes -------------------------------------------------------------------------------------


def test_replica_has_the_exact_totals(replica):
    rows, comparisons = replica.rows, replica.comparisons
    splits = dict(rows["split"].value_counts().iter_rows())
    assert (rows.height, splits) == (333_963, {"train": 300_567, "test": 33_396})
    assert rows.select(KEYS).n_unique() == 110_822
    assert rows["prompt"].n_unique() == 16_195
    assert comparisons.height == 82_118
    assert dict(comparisons["split"].value_counts().iter_rows()) == {"train": 73_907, "test": 8_211}


def test_replica_has_the_published_multiplicities(replica):
    copies = replica.rows.group_by([*KEYS, "split"]).len("n").group_by("split", "n").len("pairs")
    found = {(split, n): pairs for split, n, pairs in copies.select("split", "n", "pairs").iter_rows()}
    assert found == facts.multiplicities()
    assert found["train", 3] == 99_360


def test_replica_saferlhf_has_one_annotation_of_each_pair(replica_saferlhf):
    rows = replica_saferlhf.rows
    assert rows.height == rows.select(KEYS).n_unique() == 265_000
    assert rows["prompt"].n_unique() == 44_600
    assert replica_saferlhf.comparisons.height == 82_118


@pytest.mark.parametrize("name", ["sample", "sample-saferlhf"])
def test_sample_has_5000_pairs(name):
    assert synthetic.generate(name).rows.select(KEYS).n_unique() == 5_000


def test_splits_share_prompts_but_no_pair(replica):
    train, test = (replica.rows.filter(split=split) for split in ("train", "test"))
    assert test.join(train, on=KEYS, how="semi").height == 0
    shared = test.select("prompt").unique().join(train.select("prompt").unique(), on="prompt", how="semi").height
    assert shared / test["prompt"].n_unique() > 0.99  # as published: 7,759 of 7,766


# -- statistics that were aimed at --------------------------------------------------------------


def test_replica_meets_the_category_counts(replica):
    distance = off(replica, "share of annotations")
    assert distance["unsafe"] < 0.002
    assert max(distance.values()) < 0.01


def test_replica_meets_the_disagreement(replica):
    distance = off(replica, "share of pairs disputed")
    assert len(distance) == 16
    assert distance["is_safe"] < 0.01
    assert distance["label set"] < 0.01
    assert max(distance.values()) < 0.05


def test_replica_meets_the_rest(replica):
    assert max(off(replica, "rows").values()) == 0
    assert max(off(replica, "share of prompts").values()) < 0.03
    assert max(off(replica, "mean words").values()) < 0.05


def test_majorities_come_near_the_published_ones_which_were_not_aimed_at(replica):
    """Counts of the test split of 330k, scaled; nothing was fitted to them."""
    published = label_statistics()["beavertails_330k"]
    majority = replica.rows.group_by(KEYS).agg(
        (BEAVERTAILS.has(key).sum() * 2 >= pl.len()).alias(key) for key in BEAVERTAILS.keys
    )
    found = majority.select(pl.col(BEAVERTAILS.keys).mean()).row(0, named=True)
    shares = {k: n / 11_088 for k, n in published["test_majority_category_positive_pairs"].items()}
    frequent = {key: share for key, share in shares.items() if share > 0.04}
    assert len(frequent) == 7
    assert {key: found[key] for key in frequent} == pytest.approx(frequent, rel=0.15)
    assert found == pytest.approx(shares, abs=0.012)


def test_targets_are_the_published_numbers(replica):
    shares, disputed = obtained(replica, "share of annotations"), obtained(replica, "share of pairs disputed")
    assert shares["violence,aiding_and_abetting,incitement"][0] == pytest.approx(79_544 / 300_567)
    assert shares["unsafe"][0] == 0.5536
    assert disputed["non_violent_unethical_behavior"][0] == 0.239
    assert disputed["label set"][0] == pytest.approx(1 - 46_953 / 99_734)


def test_obtained_is_counted_in_the_rows(replica):
    rows = replica.rows
    of_pair = rows.group_by(KEYS).agg(pl.col("is_safe").n_unique() > 1)["is_safe"]
    assert obtained(replica, "share of pairs disputed")["is_safe"][1] == pytest.approx(of_pair.mean())
    assert obtained(replica, "share of annotations")["unsafe"][1] == pytest.approx(1 - rows["is_safe"].mean())


def test_replica_saferlhf_meets_categories_severities_and_joint_counts(replica_saferlhf):
    shares = obtained(replica_saferlhf, "share of annotations")
    assert len(shares) == 4 + 19 + 19 * 3 + 171
    distance = {level: abs(found - target) * 265_000 for level, (target, found) in shares.items()}
    assert max(distance.values()) < 60  # of 265,000 annotations
    relative = {k: abs(f / t - 1) for k, (t, f) in shares.items() if t > 0.01}
    assert len(relative) > 60
    assert max(relative.values()) < 0.01
    impossible = [level for level, (target, _) in shares.items() if target == 0]
    assert len(impossible) == 2
    assert [shares[level][1] for level in impossible] == [0, 0]


def test_replica_saferlhf_has_the_correlation_that_follows_from_the_joint_counts(replica_saferlhf):
    """Economic and white-collar crime: phi 0.568 over all answers, 0.526 over unsafe ones."""
    labels = replica_saferlhf.rows["labels"].to_numpy()
    bits = [PKU_SAFERLHF[name].bit for name in ("economic-crime", "white-collar-crime")]
    for rows, phi in ((labels, 0.568), (labels[labels > 0], 0.526)):
        assert np.corrcoef(*(rows >> bit & 1 for bit in bits))[0, 1] == pytest.approx(phi, abs=1e-3)


def test_saferlhf_targets_are_the_published_numbers(replica_saferlhf):
    shares = obtained(replica_saferlhf, "share of annotations")
    assert shares["safe"][0] == pytest.approx(71_689 / 147_814)
    assert shares["Cybercrime, moderate"][0] == pytest.approx(18_651 / 147_814)
    assert shares["Endangering National Security and Insulting Behavior"][0] == pytest.approx(111 / 147_814)


@pytest.mark.parametrize("name", ["replica", "replica_saferlhf"])
def test_preferences_have_the_published_structure(name, request):
    made = request.getfixturevalue(name)
    c = made.comparisons
    same = c["better"] == c["safer"]
    assert same.mean() == pytest.approx(56_109 / 73_907, abs=1e-4)
    n_safe = c["is_safe_0"].cast(int) + c["is_safe_1"].cast(int)
    counts = {2: 30_438, 1: 4_556 + 6_257, 0: 32_656}
    p = {2: preferences.P_BOTH_SAFE, 1: preferences.P_MIXED}
    for safe, count in counts.items():
        assert (n_safe == safe).mean() == pytest.approx(count / 73_907, abs=1e-4)
        assert same.filter(n_safe == safe).mean() == pytest.approx(p.get(safe, 0.7738), abs=1e-4)
    mixed = c.filter(n_safe == 1)
    assert mixed["is_safe_1"].mean() == pytest.approx(6_257 / 10_813, abs=1e-4)
    assert (mixed["safer"] == mixed["is_safe_1"].cast(int)).all()
    others = c.filter(n_safe != 1)
    assert others["better"].mean() == pytest.approx(0.5, abs=0.01)


def test_assumptions_are_named_and_carry_the_probabilities(made):
    assumed = made.targets.filter(kind="assumption", statistic="better is safer")
    assert assumed["target"].to_list() == [made.assumptions[f"p_{name}"] for name in preferences.STRATA]
    assert set(made.targets["kind"]) == {"published", "assumption"}
    assert made.targets.filter(pl.col("source") == "").is_empty()


# -- the models behind ----------------------------------------------------------------------------


def test_raking_meets_the_margins_of_a_table_worked_by_hand():
    """Weights 1, 2 / 3, 4 with equal margins: the odds ratio 2/3 stays, so a/(1/2-a) = sqrt(2/3)."""
    rows, columns = np.array([0, 1]), np.array([0, 2])
    fitted = label_model.rake(np.array([1.0, 2.0, 3.0, 4.0]), features=[rows, columns], goals=[0.5, 0.5])
    root = np.sqrt(2 / 3)
    first = 0.5 * root / (1 + root)
    assert fitted == pytest.approx([first, 0.5 - first, 0.5 - first, first], rel=1e-3)


def test_annotators_change_no_count_and_disagree_as_published():
    """Disagreement of three annotators, by drawing them instead of by formula."""
    population = label_model.beavertails()
    assert population.shares @ population.kernel == pytest.approx(population.shares, rel=1e-5)
    rng = np.random.default_rng(0)
    behind = rng.choice(len(population.masks), size=60_000, p=population.shares)
    edges = population.kernel.cumsum(axis=1)[behind]
    seen = np.stack([(edges < rng.random((60_000, 1))).sum(axis=1) for _ in range(3)])
    safe = (population.masks[np.minimum(seen, len(population.masks) - 1)] == 0).sum(axis=0)
    assert np.isin(safe, [1, 2]).mean() == pytest.approx(0.277, abs=0.008)


def test_state_0_is_the_safe_one():
    for population in (label_model.beavertails(), label_model.saferlhf()):
        assert population.masks[0] == 0
        assert population.masks[1:].min() > 0
        assert population.shares.sum() == pytest.approx(1)
    assert label_model.saferlhf().severities[0] == 0


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=8), st.integers(1, 300), st.integers(0, 9))
def test_spread_keeps_every_count_within_one_of_its_expectation(shares, n, seed):
    shares = np.array(shares) / sum(shares)
    drawn = spread(shares[None], rows=np.zeros(n, dtype=np.int64), rng=np.random.default_rng(seed))
    counts = np.bincount(drawn, minlength=len(shares))
    assert np.abs(counts.cumsum() - n * shares.cumsum()).max() <= 1 + 1e-6


@given(st.lists(st.floats(0, 1e6), min_size=1).filter(sum), st.integers(0, 10**6))
def test_apportioned_numbers_sum_and_are_near(shares, total):
    counts = facts.apportion(shares, total)
    assert counts.sum() == total
    assert np.abs(counts - np.array(shares) / sum(shares) * total).max() <= 1 + 1e-6


def test_one_member_is_a_member_and_any_of_them():
    masks = np.tile([0b1, 0b1010, 1 << 18 | 1], 400)
    bits = one_member(masks, rng=np.random.default_rng(0))
    assert (masks >> bits & 1 == 1).all()
    assert set(bits[1::3]) == {1, 3}
    assert set(bits[2::3]) == {0, 18}


# -- tables ---------------------------------------------------------------------------------------


def test_tables_have_the_agreed_columns(made):
    assert dict(made.rows.schema) == ROWS
    ids = {"prompt_id", "pair_id_0", "pair_id_1"}
    texts = {"prompt": pl.String, "response_0": pl.String, "response_1": pl.String}
    unsaid = {"overall"}  # both kinds are told apart here
    assert dict(made.comparisons.schema) == texts | {k: v for k, v in PREFERENCES.items() if k not in ids | unsaid}


def test_rows_agree_with_themselves(made):
    rows = made.rows
    assert (rows["is_safe"] == (rows["labels"] == 0)).all()
    assert rows["labels"].max() < 1 << len(made.taxonomy)
    if made.taxonomy == PKU_SAFERLHF:
        assert (rows["is_safe"] == (rows["severity"] == 0)).all()
        assert rows["severity"].max() == 3
        assert rows["source"].n_unique() == 3
    else:
        assert rows["severity"].null_count() == rows["source"].null_count() == rows.height


@settings(max_examples=25)
@given(st.sampled_from(synthetic.SYNTHETIC_NAMES), st.integers(1, 60), st.integers(0, 2**40))
def test_any_size_gives_consistent_tables(name, n_pairs, seed):
    made = synthetic.generate(name, n_pairs=n_pairs, seed=seed)
    rows, c = made.rows, made.comparisons
    assert rows.select(KEYS).n_unique() == n_pairs
    assert (rows["is_safe"] == (rows["labels"] == 0)).all()
    for side in (0, 1):
        pairs = rows.select("prompt", pl.col("response").alias(f"response_{side}")).unique()
        assert c.join(pairs, on=["prompt", f"response_{side}"], how="semi").height == c.height
        assert (c[f"is_safe_{side}"] == (c[f"labels_{side}"] == 0)).all()
    assert (c["response_0"] != c["response_1"]).all()
    either = pl.concat_list("response_0", "response_1").list.sort()
    assert c.select("prompt", either).n_unique() == c.height
    forced = c.filter(pl.col("is_safe_0") != pl.col("is_safe_1"))
    assert (forced["safer"] == forced["is_safe_1"].cast(int)).all()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("simple", {}), ("sample", {"n_pairs": 0}), ("sample", {"seed": -1}), ("sample", {"n_pairs": 10**9})],
)
def test_wrong_requests_are_refused(name, arguments):
    with pytest.raises(UsageError):
        synthetic.generate(name, **arguments)


# -- the same every time --------------------------------------------------------------------------


def test_same_seed_same_rows_and_another_seed_others():
    one, again, other = (digest(synthetic.generate("sample", n_pairs=400, seed=s)) for s in (5, 5, 6))
    assert one == again != other


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sample", "sample-saferlhf"])
def test_rows_depend_on_neither_threads_nor_hash_seed(name):
    code = (
        "import sys; from btviz import synthetic;"
        f"m = synthetic.generate({name!r}, n_pairs=1500);"
        "sys.stdout.write(''.join(f.write_csv() for f in (m.rows, m.comparisons, m.targets)))"
    )
    settings = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    run = subprocess.run([sys.executable, "-c", code], env=os.environ | settings, capture_output=True, check=True)
    assert hashlib.sha256(run.stdout).hexdigest() == digest(synthetic.generate(name, n_pairs=1500))


# -- texts ----------------------------------------------------------------------------------------


def test_every_text_is_distinct(replica, replica_saferlhf):
    for made in (replica, replica_saferlhf):
        pairs = made.rows.select(KEYS).unique()
        assert pairs["response"].n_unique() == pairs.height


def test_texts_hold_only_words_of_the_vocabulary(made):
    texts = pl.concat([made.rows[column].unique() for column in KEYS])
    assert texts.str.contains(r"^[A-Za-z ,.?-]+$").all()
    words = set(texts.str.to_lowercase().str.extract_all(r"\w+").explode())
    assert words <= vocabulary.vocabulary()
    assert len(words) > 600


def test_vocabulary_is_plain_and_harmless():
    words = vocabulary.vocabulary()
    assert {word for word in words if not re.fullmatch(r"[a-z]+", word)} == set()
    unwanted = (
        r"kill|gun|bomb|drug|weapon|hate|blood|wound|corpse|steal|thief|poison|"
        r"alcohol|beer|wine|sex|nude|politic|vote|war|army|race|relig"
    )
    whole = {word for word in words if re.fullmatch(rf"({unwanted})(s|ed|ing)?", word)}
    assert whole == set()


def test_each_category_has_subtopics_of_its_own():
    things = vocabulary.WORDS.things
    assert len(things) == 19 * vocabulary.SUBTOPICS
    for i, first in enumerate(things):
        assert all(len(set(first) & set(second)) <= 2 for second in things[i + 1 :])


def test_a_prompt_uses_the_words_of_one_subtopic(replica):
    prompt = replica.rows["prompt"].unique().head(500)
    places = [set(row) for row in vocabulary.WORDS.places]
    named = [sum(any(f" near the {place}" in text for place in row) for row in places) for text in prompt]
    assert min(named) == 1
    assert np.mean(named) < 1.1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sample", "sample-saferlhf"])
def test_a_linear_safety_probe_does_as_well_as_on_the_real_file(name):
    """AUC 0.794 on 30k_test, TF-IDF, grouped by prompt: here 0.75 to 0.85."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict

    rows = synthetic.generate(name).rows.group_by(KEYS, maintain_order=True)
    pairs = rows.agg(pl.col("is_safe").mean() > 0.5).head(3_500)
    words = TfidfVectorizer().fit_transform((pairs["prompt"] + " " + pairs["response"]).to_list())
    safe = pairs["is_safe"].to_numpy()
    folds = GroupKFold(5)
    scores = cross_val_predict(
        LogisticRegression(), words, safe, groups=pairs["prompt"], cv=folds, method="predict_proba"
    )
    assert 0.75 < roc_auc_score(safe, scores[:, 1]) < 0.85


def test_more_helpful_answers_are_longer(replica):
    longer = pl.col("response_1").str.len_chars() > pl.col("response_0").str.len_chars()
    agree = replica.comparisons.select(longer == (pl.col("better") == 1)).to_series().mean()
    assert 0.55 < agree < 0.75
