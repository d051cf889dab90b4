from __future__ import annotations

import json
import warnings

import numpy as np
import polars as pl
import pytest
from chart_contents import words
from click.testing import CliRunner
from small_data import dataset_from_rows, hashed_words

import btviz
from btviz.cli import app
from btviz.errors import UsageError
from btviz.models import fit_probe
from btviz.reports.corrections import EFFECTS, Sides, phi_of, share_of
from btviz.session import Corrections
from btviz.stats.agreement import COEFFICIENTS, rating_sums
from btviz.texts.embedding import CallableEncoder

pytestmark = pytest.mark.filterwarnings("ignore:sample")


@pytest.fixture(scope="module")
def sample(samples):
    return samples["sample"]


@pytest.fixture(scope="module")
def rows(sample):
    """Corrections of every kind: 30 answers flipped, 25 labelled with privacy, 20 comparisons turned."""
    turned = sample.preferences.unique("prompt_id", maintain_order=True).head(20)
    flipped = sample.pairs.sample(30, seed=1)
    return [
        *({"pair_id": pair, "field": "is_safe", "after": not safe}
          for pair, safe in flipped.select("pair_id", "is_safe").rows()),
        *({"pair_id": pair, "field": "privacy", "after": True} for pair in sample.pairs["pair_id"].sample(25, seed=2)),
        *({"pair_id": row["pair_id_0"], "field": f"safer:{row['pair_id_1']:016x}", "after": row["safer"] != 0}
          for row in turned.to_dicts()),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def effects(sample, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return btviz.compare_corrections(sample, rows)


def of(effects, statistic, level):
    return effects.table.filter(statistic=statistic, level=level).row(0, named=True)


@pytest.mark.slow
def test_both_sides_are_what_the_other_tables_say(effects, sample):
    assert effects.table.schema == EFFECTS
    for ds, side in ((sample, "before"), (effects.after, "after")):
        shares = btviz.category_counts(ds, population="pairs")
        found = effects.table.filter(statistic="share").slice(1)
        assert found[side].to_list() == shares["share"].to_list()
        phis = {(row["row"], row["col"]): row["phi"] for row in btviz.cooccurrence(ds, population="pairs").to_dicts()}
        keys = {category.slug: category.key for category in ds.taxonomy.categories}
        for row in effects.table.filter(statistic="phi").to_dicts():
            first, second = (keys[slug] for slug in row["level"].split(" + "))
            assert row[side] == pytest.approx(phis[first, second], abs=1e-12)
        alpha = btviz.annotator_agreement(ds).filter(category=keys["privacy"]).row(0, named=True)
        found = of(effects, "krippendorff_alpha", "privacy")
        names = ("krippendorff_alpha", "krippendorff_alpha_low")
        assert [found[side], found[f"{side}_low"]] == pytest.approx([alpha[name] for name in names])
        p = btviz.orthogonality(ds, n_boot=40).table.row(0, named=True)
        found = of(effects, "p", "all")
        assert (found[side], found[f"{side}_low"], found[f"{side}_high"]) == pytest.approx(
            (p["p"], p["p_low"], p["p_high"])
        )


def test_a_difference_counts_what_was_corrected(effects, rows):
    row = of(effects, "share", "privacy")
    new = effects.after.corrections.filter(pl.col("field") == "privacy", pl.col("status") == "applied").height
    assert row["difference"] == pytest.approx(new / row["n_after"])
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert 0 < row["n_prompts_changed"] <= new
    untouched = of(effects, "share", "animal-abuse")
    assert (untouched["difference"], untouched["difference_low"], untouched["undefined"]) == (
        0,
        None,
        "no prompt is changed",
    )
    assert of(effects, "p", "all")["n_prompts_changed"] == 20


def test_the_interval_of_a_difference_is_the_jackknife_over_prompts():
    rng = np.random.default_rng(3)
    n = rng.integers(3, 9, 300).astype(float)
    first, both = rng.binomial(n.astype(int), 0.4), rng.binomial(n.astype(int), 0.1)
    later = np.minimum(first + rng.integers(0, 3, 300), n)
    before = np.column_stack([n, first, np.maximum(both, 1), np.minimum(both, first)])
    after = np.column_stack([n, later, np.maximum(both, 1), np.minimum(both, later)])
    sides = Sides(before[:, None], after[:, None])
    found = sides.difference(phi_of)
    gap = [(phi_of(after.sum(0) - a) - phi_of(before.sum(0) - b)).item() for a, b in zip(after, before, strict=True)]
    error = np.sqrt(299 / 300 * ((np.array(gap) - np.mean(gap)) ** 2).sum())
    assert found.estimate[0] == pytest.approx(phi_of(after.sum(0)).item() - phi_of(before.sum(0)).item())
    assert (found.high[0] - found.low[0]) / 2 == pytest.approx(1.96 * error, rel=0.06)
    shares = Sides(before[:, None, :2], after[:, None, :2])
    assert shares.share_difference().low[0] == pytest.approx(shares.difference(share_of).low[0])


def test_few_changed_prompts_have_a_wide_interval_of_gains_and_losses():
    n = np.full(200, 4.0)
    hits = np.tile([1.0, 2.0], 100)
    later = hits.copy()
    later[:3] += 1
    few = Sides(np.column_stack([n, hits])[:, None], np.column_stack([n, later])[:, None]).share_difference()
    assert few.is_bounded[0]
    assert few.low[0] < 3 / 800 < few.high[0]
    assert few.high[0] > 3 / 200 * 0.9, "as if all four answers of a prompt had been changed"


def test_few_changed_prompts_have_a_wide_interval_of_alpha_too():
    votes = np.tile([0, 1, 3, 3], 50)
    later = votes.copy()
    later[[1, 5, 9]] = 3
    three = np.full(200, 3)
    sums = [rating_sums(three, counts)[:, None] for counts in (votes, later)]
    sides = Sides.of(*sums, prompts=np.arange(200, dtype=np.uint64) // 2)
    plain, found = sides.difference(COEFFICIENTS["krippendorff_alpha"]), sides.alpha_difference()
    assert found.estimate[0] == plain.estimate[0] > 0
    assert found.low[0] < plain.low[0] < found.estimate[0] < plain.high[0] < found.high[0]


def test_what_is_not_known_says_why(tiny):
    pair = tiny.pairs.filter(response="in march")["pair_id"].item()
    table = btviz.compare_corrections(tiny, [{"pair_id": pair, "field": "labels", "after": "unethical"}]).table
    assert "p" not in table["statistic"]
    assert table.filter(pl.col("difference_low").is_null())["undefined"].null_count() == 0
    silent = dataset_from_rows(None, comparisons=pl.DataFrame({
        "prompt": ["a", "b"], "response_0": ["c", "d"], "response_1": ["e", "f"], "is_safe_0": [True, False],
        "is_safe_1": [False, True]}))  # fmt: skip
    first = silent.pairs["pair_id"][0]
    shares = btviz.compare_corrections(silent, [{"pair_id": first, "field": "labels", "after": "privacy"}]).table
    assert shares.filter(statistic="share", level="unsafe").select("n_before", "n_after").rows() == [(4, 4)]
    table = btviz.compare_corrections(silent, []).table
    reasons = dict(table.filter(pl.col("statistic") != "share").select("statistic", "undefined").rows())
    assert {"phi", "krippendorff_alpha", "p"} == set(reasons)
    assert all(reasons.values())


@pytest.mark.slow
def test_a_probe_is_judged_before_and_after(sample, rows):
    emb = btviz.embed(sample, encoder=CallableEncoder(hashed_words, name="hashed words", version="1"), text="qa")
    found = btviz.compare_corrections(sample, rows, emb=emb)
    row = of(found, "probe_accuracy", "fitted as released")
    scores = fit_probe(sample, emb, kind="cost").out_of_fold.join(sample.pairs, on="pair_id")
    after = fit_probe(sample, emb, kind="cost").out_of_fold.join(found.after.pairs, on="pair_id")
    assert row["before"] == pytest.approx((scores["is_safe"] == (scores["score"] <= 0)).mean())
    assert row["after"] == pytest.approx((after["is_safe"] == (after["score"] <= 0)).mean())
    assert row["n_prompts_changed"] <= 30
    assert of(found, "probe_accuracy", "fitted on corrected labels")["before"] == row["before"]


@pytest.mark.slow
def test_sentences_and_picture_say_what_moved(effects):
    said = " ".join(effects.sentences().split())
    assert f"privacy {of(effects, 'share', 'privacy')['before']:.4f} to" in said
    assert "13 of 15 did not move" in said
    assert "are called safe and have a category" in said
    chart = btviz.plots.correction_effects(effects.table, source=effects.after.population)
    shown = words(chart)
    assert "P(better = safer)" in shown
    assert "privacy × sexual" in shown
    assert effects.after.population in shown
    none = effects.table.filter(pl.col("n_prompts_changed") == 0)
    with pytest.raises(UsageError, match="nothing to draw"):
        btviz.plots.correction_effects(none)


def test_nothing_corrected_moves_nothing(sample):
    effects = btviz.compare_corrections(sample, [])
    assert effects.after.fingerprint == sample.fingerprint
    assert effects.table["difference"].drop_nulls().unique().to_list() == [0.0]
    assert "nothing is other than before" in effects.sentences()


# Written, and read again.


def corrected(sample, rows):
    return sample.corrected(rows)


@pytest.mark.slow
def test_what_is_exported_loads_as_the_corrected_data(sample, rows, tmp_path, recwarn):
    done = corrected(sample, rows)
    written = btviz.export(done, tmp_path / "out", texts=True)
    assert any("CORRECTIONS.md" in sentence for sentence in written.sentences())
    recwarn.clear()
    again = btviz.load(tmp_path / "out")
    assert again.fingerprint == done.fingerprint
    assert again.pairs.drop("source").equals(done.pairs.drop("source"))
    assert not [one for one in recwarn.list if "passed over" in str(one.message)]
    btviz.export(done, tmp_path / "out", texts=True, replace=True)
    first = btviz.export(sample, tmp_path / "plain", texts=True)
    assert not any("CORRECTIONS" in sentence for sentence in first.sentences())
    assert not (tmp_path / "plain" / "CORRECTIONS.md").exists()


def test_corrected_comparisons_load_as_they_were_written(tmp_path):
    """Rows that were apart by what was corrected come in the order of the files once they are alike."""
    kinds = [("a", "b", 1, False), ("a", "b", 0, True), ("b", "a", 0, True), ("a", "b", 1, True)]
    lines = [
        {"prompt": "p", "response_0": x, "response_1": y, "safer_response_id": safer, "is_response_0_safe": safe,
         "is_response_1_safe": True} for x, y, safer, safe in kinds
    ]  # fmt: skip
    file = tmp_path / "some.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ds = btviz.load(file)
    first, second = ds.pairs["pair_id"]
    done = ds.corrected([{"pair_id": first, "field": f"safer:{second:016x}", "after": True}])
    btviz.export(done, tmp_path / "out", texts=True)
    again = btviz.load(tmp_path / "out")
    assert again.fingerprint == done.fingerprint != ds.fingerprint
    assert again.preferences.equals(done.preferences)


def test_the_data_card_says_what_was_changed_and_holds_no_text(sample, rows, tmp_path):
    marker = "a reason that quotes what was written"
    done = corrected(sample, [row | {"why": marker, "reviewer": "AB | <b>"} for row in rows])
    btviz.export(done, tmp_path / "out.jsonl", texts=False, population="pairs")
    card = (tmp_path / "out.jsonl.md").read_text()
    assert sample.fingerprint in card
    assert done.fingerprint in card
    changed = done.corrections.filter(pl.col("status") == "applied", pl.col("field") == "privacy").height
    assert f"| privacy | unknown | true | {changed} |" in card
    assert marker not in card
    assert "<b>" not in card
    texts = {*sample.pairs["prompt"], *sample.pairs["response"]}
    assert not [text for text in texts if text in card]


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.slow
@pytest.mark.usefixtures("kept_samples")
def test_commands_list_take_in_hand_on_and_take_back(tmp_path, rows):
    ds = btviz.load("sample")
    table = pl.DataFrame(
        [{**row, "pair_id": f"0x{row['pair_id']:016x}", "after": str(row["after"]).lower()} for row in rows]
    )
    table.write_csv(tmp_path / "in.csv")
    done = call("corrections", "import", "sample", tmp_path / "in.csv", "--reviewer", "AB", "--json")
    assert json.loads(done.stdout)["added"] == len(rows)
    assert (
        "0 of 75 rows added" in call("corrections", "import", "sample", tmp_path / "in.csv", "--reviewer", "AB").stdout
    )
    listed = json.loads(call("corrections", "list", "sample", "--json").stdout)
    corrected_ds = ds.corrected(Corrections(ds))
    assert (listed["corrected"], listed["fingerprint"]) == (corrected_ds.name, corrected_ds.fingerprint)
    assert len(listed["corrections"]) == len(rows)
    shown = call("corrections", "list", "sample").stdout
    assert "The latest 20 are shown" in shown
    stats = json.loads(call("stats", "corrections", "sample", "--json").stdout)
    assert {row["statistic"] for row in stats["effects"]} == {"share", "phi", "krippendorff_alpha", "p"}
    assert "prompts changed" in call("stats", "corrections", "sample", "--file", tmp_path / "in.csv").stdout
    assert "75 rows written" in call("corrections", "export", "sample", tmp_path / "out.parquet").stdout
    assert pl.read_parquet(tmp_path / "out.parquet").height == len(rows)
    assert call("export", "sample", tmp_path / "release", "--corrected", "--texts").exit_code == 0
    assert btviz.load(tmp_path / "release").fingerprint == corrected_ds.fingerprint
    assert "put back" in call("corrections", "undo", "sample", "--reviewer", "AB").stdout
    assert "Nothing of CD is left" in call("corrections", "undo", "sample", "--reviewer", "CD").stdout
