"""The score explorer without a browser: what it checks, draws, chooses, scores and keeps."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import vl_convert
from counting_model import CountingModel

import btviz
from btviz.errors import NotFoundError, UsageError
from btviz.scores.distributions import counted_items, groupings_of
from btviz.scores.labelled import by_model
from btviz.session.content import ContentPolicy
from btviz.session.selection import Selection
from btviz.widgets import ScoreExplorer
from btviz.widgets.scores import book as module
from btviz.widgets.scores.book import Asked, ScoreBook
from btviz.widgets.scores.runner import ScoreJob


def scores_of(ds, *, sign=1.0):
    """A cost that unsafe answers have more of, and an unrelated reward."""
    rng = np.random.default_rng(0)
    pairs = ds.pairs.select("pair_id", unsafe=(~pl.col("is_safe")).cast(pl.Float64))
    noise = {kind: pl.Series(rng.normal(size=pairs.height)) for kind in ("cost", "reward")}
    parts = [
        pairs.select(
            "pair_id",
            pl.lit(f"made-{kind}").alias("model"),
            pl.lit(kind).alias("kind"),
            pl.lit(None, pl.String).alias("target"),
            (sign * slope * pl.col("unsafe") + noise[kind]).alias("score"),
        )
        for kind, slope in (("cost", 2.0), ("reward", 0.0))
    ]
    return pl.concat(parts)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTVIZ_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        loaded = [btviz.load(name) for name in ("sample-saferlhf", "sample")]
        for ds in loaded:
            ds.preferences, ds.pairs, ds.annotations  # noqa: B018  # read while the folder is set
        return loaded


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch):
    monkeypatch.setattr(module, "N_BOOT", 60)


@pytest.fixture
def ds(samples):
    return samples[0]


@pytest.fixture
def explorer(ds):
    return ScoreExplorer(ds, scores=scores_of(ds), policy=ContentPolicy())


def brush(explorer, name, **ranges):
    explorer._canvas.chart._handle_custom_msg({"kind": "brush", "name": name, "ranges": ranges}, [])


def rows_of(chart):
    return [row for rows in chart.spec["datasets"].values() for row in rows]


def titles(explorer):
    return json.dumps(
        [part.get("title") for part in [explorer._canvas.chart.spec, *explorer._canvas.chart.spec["concat"]]]
    )


def test_the_sign_is_said_before_anything_is_drawn_and_a_reversed_model_is_refused(ds):
    explorer = ScoreExplorer(ds, scores=scores_of(ds, sign=-1.0), policy=ContentPolicy())
    assert "The cost of made-cost points the other way: AUC(cost, unsafe) is 0.0" in explorer.said
    assert "Not drawn: cost of made-cost" in explorer.said
    assert [panel[0] for panel in explorer._canvas.picture.panels] == ["made-reward"]
    assert "made-cost" not in json.dumps(explorer._canvas.chart.spec)
    explorer._canvas.override.value = True
    assert [panel[0] for panel in explorer._canvas.picture.panels] == ["made-reward", "made-cost"]
    explorer._canvas.override.value = False
    explorer.controls["models"].value = (("made-cost", "cost"),)
    assert explorer._canvas.chart.spec == {}


def test_the_checks_are_those_of_check_sign(explorer, ds):
    cost = next(check for check in explorer.checks if check.kind == "cost")
    same = btviz.check_sign(scores_of(ds).filter(kind="cost"), ds, n_boot=60)
    assert [cost] == same


def test_population_and_n_stand_on_the_pictures(explorer, ds):
    safe = ds.pairs["is_safe"].sum()
    assert "sample-saferlhf (synthetic sample) \\u00b7 each answer once" in titles(explorer)
    assert f"safe n = {safe:,}" in titles(explorer)
    explorer.controls["population"].value = "prompts"
    n = ds.pairs.filter("is_safe")["prompt_id"].n_unique()
    assert "each prompt once" in titles(explorer)
    assert f"safe n = {n:,}" in titles(explorer)
    explorer.controls["view"].value = "plane"
    assert f"n = {ds.pairs['prompt_id'].n_unique():,} prompts" in titles(explorer)


def test_every_control_moves_the_picture(explorer):
    changes = {
        "form": "ecdf",
        "grouping": "stratum",
        "population": "annotations",
        "which": "test",
        "level": "mixed",
        "models": (("made-cost", "cost"), ("made-reward", "reward")),
        "view": "plane",
    }
    explorer.controls["models"].value = (("made-cost", "cost"),)
    assert set(changes) == set(explorer.controls)
    for name, value in changes.items():
        before = explorer._canvas.chart.spec
        explorer.controls[name].value = value
        assert explorer._canvas.chart.spec not in ({}, before), name


def test_it_draws_bins_and_not_answers(explorer, ds):
    assert explorer._canvas.picture.panels == [("made-reward", "reward", "all"), ("made-cost", "cost", "all")]
    for view in ("distributions", "plane"):
        explorer.controls["view"].value = view
        assert "pair_id" not in json.dumps(explorer._canvas.chart.spec)
        assert len(json.dumps(explorer._canvas.chart.spec)) < 400_000
    cells = [row["count"] for row in rows_of(explorer._canvas.chart) if "cost_low" in row and "reward_low" in row]
    assert sum(cells) == ds.pairs.height


def test_the_plane_says_of_its_labels_what_is_true(explorer, tmp_path):
    note = "no label here shows that this cost parts safe from harmful"
    explorer.controls["view"].value = "plane"
    for population in ("pairs", "annotations", "prompts"):
        explorer.controls["population"].value = population
        assert "Dashed: reward" in titles(explorer)
        assert note not in titles(explorer)
    bare = bare_explorer(tmp_path)
    bare.controls["view"].value = "plane"
    assert note in titles(bare)


def test_a_label_counts_on_whichever_answer_to_a_prompt_it_is(ds):
    asked = Asked((("made-cost", "cost"), ("made-reward", "reward")), population="prompts")
    beside = ScoreBook(ds, scores_of(ds)).plane_items(asked).filter(~pl.col("counts"))["pair_id"][0]
    pairs = ds.pairs.with_columns(pl.when(pl.col("pair_id") == beside).then("is_safe"))
    partly = replace(ds, _read=lambda name: pairs if name == "pairs" else ds.table(name))
    _, quadrants = ScoreBook(partly, scores_of(ds)).plane(asked)
    assert quadrants["n_labelled"].unique().to_list() == [1]


def test_a_brush_lists_the_answers_under_it(explorer, ds):
    brush(explorer, "brush_1", at=[1.5, 0.5])
    expected = scores_of(ds).filter(pl.col("score").is_between(0.5, 1.5), kind="cost")
    assert set(explorer.selection.pair_ids) == set(expected["pair_id"])
    assert explorer.selected.height == expected.height
    assert f"cost by made-cost, 0.50 to 1.50: {expected.height:,} pairs" in explorer.selection.origin
    brush(explorer, "brush_1")
    assert explorer.selection.pair_ids is None


def test_a_region_of_the_plane_lists_the_answers_in_it(explorer, ds):
    explorer.controls["view"].value = "plane"
    brush(explorer, "brush_plane", reward=[0.0, 1.0], cost=[2.0, 0.0])
    both = scores_of(ds).pivot("kind", index="pair_id", values="score")
    expected = both.filter(pl.col("reward").is_between(0, 1), pl.col("cost").is_between(0, 2))
    assert set(explorer.selection.pair_ids) == set(expected["pair_id"])
    explorer.brush_plane(reward=(1.0, 0.0), cost=(0.0, 2.0))
    assert set(explorer.selection.pair_ids) == set(expected["pair_id"])


def test_a_brush_follows_the_group_that_is_shown(explorer, ds):
    explorer.controls["level"].value = "unsafe"
    explorer.brush("made-cost", within=(0.0, 1.0))
    unsafe = ds.pairs.filter(~pl.col("is_safe"))["pair_id"]
    assert explorer.selection.pair_ids.is_in(unsafe.implode()).all()
    assert "unsafe" in explorer.selection.origin
    spec = explorer._canvas.chart.spec
    assert next(one for one in spec["params"] if one["name"] == "brush_1")["value"] == {"x": [0.0, 1.0]}
    with pytest.raises(UsageError, match="drawn are"):
        explorer.brush("no-such-model", within=(0, 1))
    with pytest.raises(UsageError, match="not drawn"):
        explorer.brush_plane(reward=(0, 1), cost=(0, 1))


def test_lists_show_what_is_chosen(explorer):
    """The browser goes by `index`, which `value` moves only as long as the list listens to itself."""
    every = tuple(range(len(explorer.controls["models"].options)))
    assert explorer.controls["models"].index == every
    explorer.score_with(CountingModel(tokens_per_batch=10_000))
    assert explorer.controls["models"].index == (*every, len(every))
    explorer.controls["level"].value = "unsafe"
    assert explorer.controls["level"].options[explorer.controls["level"].index][1] == "unsafe"


def test_a_brush_counts_an_answer_in_several_groups_once(samples):
    ds = samples[1]
    explorer = ScoreExplorer(ds, scores=scores_of(ds), policy=ContentPolicy())
    explorer.controls["grouping"].value = "category"
    explorer.brush("made-cost", within=(1.0, 3.0))
    assert explorer.selection.origin.endswith(f": {explorer.selected.height:,} pairs")
    explorer.controls["population"].value = "annotations"
    annotated = ds.annotations.filter(pl.col("pair_id").is_in(explorer.selection.pair_ids.implode()))
    assert f": {annotated.height:,} annotations → " in explorer.selection.origin


def test_what_lies_under_a_brush_follows_the_controls(explorer, ds):
    explorer.brush("made-cost", within=(0.0, 1.0))
    answers = set(explorer.selection.pair_ids)
    explorer.controls["population"].value = "prompts"
    assert explorer.selection.origin.startswith(f"{ds.population} · mean cost by made-cost, 0.00 to 1.00")
    assert set(explorer.selection.pair_ids) != answers
    explorer.controls["view"].value = "metrics"
    explorer.controls["population"].value = "pairs"
    assert set(explorer.selection.pair_ids) != answers  # nothing is drawn that it could lie on
    explorer.controls["view"].value = "distributions"
    assert set(explorer.selection.pair_ids) == answers


def test_the_plane_is_brushed_by_the_models_it_draws(ds):
    scores = scores_of(ds)
    turned = scores.filter(kind="cost").with_columns(pl.lit("a-turned-cost").alias("model"), -pl.col("score"))
    explorer = ScoreExplorer(ds, scores=pl.concat([turned, scores]), policy=ContentPolicy())
    explorer.controls["view"].value = "plane"
    explorer.brush_plane(reward=(-9.0, 9.0), cost=(2.0, 9.0))
    high = scores.filter(pl.col("score").is_between(2.0, 9.0), kind="cost")["pair_id"]
    assert set(explorer.selection.pair_ids) == set(high)


def test_it_shares_its_selection(ds):
    shared = Selection()
    explorer = ScoreExplorer(ds, scores=scores_of(ds), selection=shared, policy=ContentPolicy())
    explorer.brush("made-cost", within=(0.0, 1.0))
    assert len(shared.pair_ids) == explorer.selected.height
    few = ds.pairs["pair_id"].head(300)
    shared.set(few, origin="the map")
    assert explorer._brush is None
    assert explorer._canvas.chart.spec["usermeta"] == {"drawing": 1}  # which takes away what a hand drew
    assert all("value" not in param for param in explorer._canvas.chart.spec["params"])
    explorer.controls["which"].value = "chosen"
    assert explorer._book.items(explorer._choices.asked)["pair_id"].n_unique() == 300
    assert "those chosen in another view" in titles(explorer)


def test_scores_are_counted_once_an_answer_an_annotation_or_a_prompt(samples):
    ds = samples[1]
    part = next(one for one in by_model(scores_of(ds)) if one.kind == "cost")
    found = {
        name: counted_items(part, ds, population=name).filter("counts") for name in ("pairs", "annotations", "prompts")
    }
    assert found["pairs"].height == ds.pairs.filter(pl.col("is_safe").is_not_null()).height
    assert found["annotations"].height == ds.annotations.height
    by_label = ds.pairs.drop_nulls("is_safe").select("prompt_id", "is_safe").n_unique()
    assert found["prompts"].height == by_label
    row = found["prompts"].row(0, named=True)
    mean = part.scores.join(ds.pairs.filter(prompt_id=row["prompt_id"], is_safe=row["group"] == "safe"), on="pair_id")[
        "score"
    ].mean()
    assert row["value"] == pytest.approx(mean)


def test_groupings_are_those_that_the_data_know(samples):
    assert groupings_of(samples[1]) == ["is_safe", "split", "category", "stratum", "all"]
    topics = samples[0].pairs.select("pair_id", topic=pl.int_range(pl.len()) % 3)
    assert "topic" in groupings_of(samples[0], topics=topics)
    part = next(by_model(scores_of(samples[0])))
    items = counted_items(part, samples[0], by="topic", topics=topics)
    assert set(items["group"]) == {"topic 0", "topic 1", "topic 2"}


def test_many_groups_are_drawn_as_ridges(explorer, ds):
    explorer.controls["grouping"].value = "category"
    assert explorer.controls["form"].disabled
    assert len(explorer.controls["level"].options) == len(ds.taxonomy.categories) + 2
    assert len(json.dumps(explorer._canvas.chart.spec)) < 900_000


def test_ridges_of_two_models_fit_a_laptop(samples):
    explorer = ScoreExplorer(samples[1], scores=scores_of(samples[1]), policy=ContentPolicy())
    explorer.controls["grouping"].value = "category"
    drawn = vl_convert.vegalite_to_svg(explorer._canvas.chart.spec)
    assert float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn)[1]) < 1100


def test_splits_of_a_model_stand_beside_each_other(explorer):
    explorer.score_with(CountingModel(tokens_per_batch=10_000))
    explorer.controls["which"].value = "each split"
    panels = explorer._canvas.picture.panels
    assert [panel for _, _, panel in panels] == ["train", "test"] * 3
    assert [model for model, _, _ in panels[::2]] == ["made-reward", "counting", "made-cost"]


def test_a_violin_says_what_its_marks_are(explorer):
    explorer.controls["form"].value = "violin"
    assert "dot: median" in titles(explorer)


def test_the_table_of_metrics_is_that_of_score_metrics(explorer, ds):
    explorer.controls["view"].value = "metrics"
    rows = {(row[0], row[1], row[2], row[8]): row for row in explorer._canvas.table.content["rows"]}
    table = btviz.score_metrics(scores_of(ds), ds, n_boot=60)
    auc = table.filter(metric="auc", model="made-cost", grouping="all").row(0, named=True)
    shown = rows["made-cost", "AUC, unsafe scores higher", "all", "pair"]
    assert shown[3:8] == [
        f"{auc['estimate']:.3f}", f"{auc['low']:.3f} to {auc['high']:.3f}", f"{auc['n']:,}", f"{auc['support']:,}",
        f"{auc['prompts']:,}",
    ]  # fmt: skip
    assert explorer._canvas.table.content["caption"].startswith("sample-saferlhf (synthetic sample)")


def test_a_model_is_scored_with_from_here(explorer, ds):
    before = explorer.scores.height
    explorer.score_with(CountingModel(tokens_per_batch=10_000))
    assert explorer.scores.height == before + ds.pairs.height
    assert ("counting", "cost", "all") in explorer._canvas.picture.panels
    assert f"Scored {ds.pairs.height:,} pairs" in explorer._runner.line.state["words"]
    assert explorer._runner.fields["stop"].disabled


def test_pictures_of_a_run_take_little_of_its_time(explorer, monkeypatch):
    """Each takes a second on a clock that only they move on; a run of some hundred batches has time for few."""
    clock, pictures = [0.0], []

    def so_far(job):
        pictures.append(clock[0])
        clock[0] += 1.0
        return explorer._book

    monkeypatch.setattr("btviz.widgets.scores.runner.time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(ScoreJob, "_so_far", so_far)

    def fail(*_):
        clock[0] += 1.0

    model = CountingModel(name="slow", fail=fail, tokens_per_batch=10_000)
    book = explorer._book
    ScoreJob(book, model, kind=None).run(lambda _: None)
    assert len(pictures) > 1
    assert len(pictures) <= 1 + 0.05 * clock[0]


def test_what_goes_wrong_in_a_run_is_said(explorer, tmp_path):
    explorer._runner.fields["model"].value = str(tmp_path / "nothing")
    explorer._runner.fields["score"].click()
    assert "nothing" in explorer._runner.line.state["words"]
    assert not explorer._runner.line.state["running"]
    explorer._runner.fields["model"].value = " "
    explorer._runner.fields["score"].click()
    assert "Name a model" in explorer._runner.line.state["words"]

    def fail(*_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        explorer.score_with(CountingModel(name="broken", fail=fail))
    assert "could not be used: ZeroDivisionError" in explorer._runner.line.state["words"]
    with pytest.raises(NotFoundError):
        explorer._runner.runs.run(lambda _: btviz.load_score_model(tmp_path / "nothing"), on_done=lambda f: f.result())


def test_a_run_is_drawn_while_it_lasts_and_can_be_stopped(explorer, ds, monkeypatch):
    monkeypatch.setattr("btviz.widgets.scorejob.EVERY_SECONDS", 0.0)
    go, seen = threading.Event(), []

    def fail(rows, _):
        seen.append(rows)
        if len(seen) > 3:
            go.wait(30)

    async def cell():
        explorer.score_with(CountingModel(name="slow", fail=fail))
        while explorer._live is None or ("slow", "cost", "all") not in getattr(explorer._canvas.picture, "panels", ()):
            await asyncio.sleep(0.02)
        shown = explorer._live.parts["slow", "cost"].scores.height
        assert explorer._runner.fields["score"].disabled  # a second press would end the run without a word
        words = explorer._runner.line.state["words"]
        explorer.stop()
        go.set()
        while explorer._runner.runs.is_running or explorer._canvas.background.is_running:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.05)
        return shown, words

    shown, words = asyncio.run(asyncio.wait_for(cell(), 120))
    assert 0 < shown < ds.pairs.height
    assert "pairs · " in words
    assert "tokens/s" in words
    assert ("slow", "cost") not in explorer._book.parts
    assert explorer._runner.line.state["words"].startswith("Stopped.")
    assert len(seen) < 10  # of some thousand batches
    assert explorer._runner.fields["stop"].disabled
    assert not explorer._runner.fields["score"].disabled


def scored_so_far(explorer, n, *, name="slow"):
    """A book as of a run that has scored the first n answers, half of them 1."""
    pairs = explorer.ds.pairs.head(n).select("pair_id", score=(pl.int_range(pl.len()) % 2).cast(pl.Float64))
    added = pairs.with_columns(model=pl.lit(name), kind=pl.lit("cost"), target=pl.lit(None, pl.String))
    return explorer._book.with_scores(added)


def test_a_brush_on_the_picture_of_a_run_that_was_stopped_lists_what_it_shows(explorer):
    async def cell():
        assert explorer._news(scored_so_far(explorer, 600))
        while ("slow", "cost", "all") not in explorer._canvas.picture.panels:
            await asyncio.sleep(0.02)
        place = explorer._canvas.picture.panels.index(("slow", "cost", "all"))
        explorer._run_ended()
        brush(explorer, f"brush_{place}", at=[0.5, 1.5])  # before the loop can bring the next picture
        listed = explorer.selection.pair_ids, explorer.selection.origin
        while explorer._canvas.background.is_running or len(explorer._canvas.picture.panels) > 2:
            await asyncio.sleep(0.02)
        return listed

    listed, origin = asyncio.run(asyncio.wait_for(cell(), 120))
    assert set(listed) == set(explorer.ds.pairs["pair_id"].head(600)[1::2])
    assert origin.endswith("cost by slow, 0.50 to 1.50: 300 pairs")


def test_what_lies_under_a_brush_follows_a_run(explorer, ds):
    explorer._turn_to(scored_so_far(explorer, 600), is_live=True)
    explorer.brush("slow", within=(0.5, 1.5))
    for n, is_live in ((600, True), (800, True), (1000, False)):
        explorer._turn_to(scored_so_far(explorer, n), is_live=is_live)
        assert set(explorer.selection.pair_ids) == set(ds.pairs["pair_id"].head(n)[1::2])
        assert explorer.selection.origin.endswith(f"0.50 to 1.50: {n // 2:,} pairs")


def test_a_run_does_not_turn_the_pages_of_a_list_that_stays_the_same(explorer):
    """A list that is set anew begins with its first page, under the eyes of whoever reads it."""
    explorer._turn_to(scored_so_far(explorer, 600), is_live=True)
    explorer.brush("made-cost", within=(0.0, 1.0))
    told = []
    explorer.selection.observe(lambda: told.append(explorer.selection.origin))
    explorer._turn_to(scored_so_far(explorer, 800), is_live=True)
    assert told == []
    explorer.brush("made-cost", within=(0.0, 1.5))
    assert len(told) == 1


def test_closing_ends_a_run(ds):
    explorer, seen = ScoreExplorer(ds, policy=ContentPolicy()), threading.Event()

    async def cell():
        explorer.score_with(CountingModel(name="slow", fail=lambda *_: seen.set()))
        while not seen.is_set():
            await asyncio.sleep(0.02)
        explorer.close()
        while explorer._runner.runs.is_running:
            await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(cell(), 120))
    assert explorer.scores.is_empty()


def test_without_scores_it_says_what_to_do(ds):
    explorer = ScoreExplorer(ds, policy=ContentPolicy())
    assert "name one to score with" in explorer._canvas.chart.said
    explorer.score_with(CountingModel(tokens_per_batch=10_000))
    assert explorer._canvas.picture.panels == [("counting", "cost", "all")]


def test_the_plane_says_which_kind_is_missing(explorer):
    explorer.controls["models"].value = (("made-cost", "cost"),)
    explorer.controls["view"].value = "plane"
    assert "no reward model is chosen" in explorer._canvas.chart.said
    assert explorer._canvas.chart.spec == {}


def test_nothing_that_is_saved_holds_a_text(explorer, ds):
    explorer.policy.reveal_all = True
    explorer.brush("made-cost", within=(0.0, 1.0))
    explorer.controls["view"].value = "metrics"
    widgets = (
        explorer._canvas.chart,
        explorer.inspector,
        explorer._canvas.table,
        explorer._runner.line,
        *explorer.controls.values(),
    )
    saved = json.dumps([widget.get_state() for widget in widgets], default=str)
    texts = ds.pairs["response"].head(200).to_list() + ds.pairs["prompt"].head(200).to_list()
    assert not [text for text in texts if text and text in saved]
    assert "run its cell" in repr(explorer)
    explorer._canvas.chart._handle_custom_msg({"kind": "hide"}, [])
    assert explorer.inspector.policy.reveal_all is False


def bare_explorer(folder):
    """An explorer of scores from a file, of answers without labels."""
    rows = [{"prompt": f"question {k}", "response": "an answer", "reward": k / 7, "cost": -k / 5} for k in range(60)]
    (folder / "policy.jsonl").write_text("\n".join(map(json.dumps, rows)))
    read = btviz.read_scores(folder / "policy.jsonl")
    return ScoreExplorer(read.dataset, scores=read.scores, policy=ContentPolicy())


def test_answers_without_labels_are_not_called_contradictory(ds, tmp_path):
    explorer = bare_explorer(tmp_path)
    assert "not checkable" in explorer.said
    assert {name for _, name in explorer.controls["grouping"].options} == {"source", "all"}
    assert [card["labelled"] for card in explorer.inspector.cards] == [False] * 5
    labelled = ScoreExplorer(ds, scores=scores_of(ds), policy=ContentPolicy())
    assert [card["labelled"] for card in labelled.inspector.cards] == [True] * 5
