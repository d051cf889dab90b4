"""The score explorer without a browser: what it checks, draws, chooses, scores and keeps."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import patience
import polars as pl
import pytest
import vl_convert
from counting_model import CountingModel
from fake_front import Front, chart_of, control, inside, rows_drawn, state_of, tell

import btviz
from btviz.errors import NotFoundError, UsageError
from btviz.scores.answers import by_model, counted_items, groupings_of
from btviz.session.content import ContentPolicy
from btviz.session.selection import Selection
from btviz.widgets import ScoreExplorer
from btviz.widgets.parts.chartview import TableView
from btviz.widgets.scores import book as module
from btviz.widgets.scores.book import ScoreBook, ScoreQuery
from btviz.widgets.scores.runner import ScoreJob, ScoreRunner

DESPITE_SIGN = "Draw although the sign is reversed"


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
def samples(samples):
    return [samples["sample-saferlhf"], samples["sample"]]


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
    Front(chart_of(explorer)).tell("brush", name=name, ranges=ranges)


def titles(explorer):
    spec = chart_of(explorer).spec
    return json.dumps([part.get("title") for part in [spec, *spec["concat"]]])


def panels(explorer):
    """Titles of the pictures beside each other: a model, and of what split."""
    return [part["title"]["text"] for part in chart_of(explorer).spec.get("concat", ())]


def runner_of(explorer):
    [runner] = [part for part in inside(explorer) if isinstance(part, ScoreRunner)]
    return runner


def run_line(explorer):
    """What is said of a run: its words, and whether it is under way."""
    return runner_of(explorer).line.state


def table_of(explorer):
    [table] = [part for part in inside(explorer) if isinstance(part, TableView)]
    return table.content


@pytest.mark.slow
def test_the_sign_is_said_before_anything_is_drawn_and_a_reversed_model_is_refused(ds):
    explorer = ScoreExplorer(ds, scores=scores_of(ds, sign=-1.0), policy=ContentPolicy())
    assert re.search(r"made-cost points the other way: AUC\(cost, unsafe\) is 0\.0", explorer.said)
    assert "Not drawn: cost of made-cost" in explorer.said
    assert panels(explorer) == ["made-reward"]
    assert "made-cost" not in json.dumps(chart_of(explorer).spec)
    control(explorer, DESPITE_SIGN).value = True
    assert panels(explorer) == ["made-reward", "made-cost"]
    control(explorer, DESPITE_SIGN).value = False
    explorer.controls["models"].value = (("made-cost", "cost"),)
    assert chart_of(explorer).spec == {}


@pytest.mark.slow
def test_the_checks_are_those_of_check_sign(explorer, ds):
    cost = next(check for check in explorer.checks if check.kind == "cost")
    same = btviz.check_sign(scores_of(ds).filter(kind="cost"), ds, n_boot=60)
    assert [cost] == same


@pytest.mark.slow
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


@pytest.mark.slow
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
        before = chart_of(explorer).spec
        explorer.controls[name].value = value
        assert chart_of(explorer).spec not in ({}, before), name


@pytest.mark.slow
def test_it_draws_bins_and_not_answers(explorer, ds):
    assert panels(explorer) == ["made-reward", "made-cost"]
    for view in ("distributions", "plane"):
        explorer.controls["view"].value = view
        assert "pair_id" not in json.dumps(chart_of(explorer).spec)
        assert len(json.dumps(chart_of(explorer).spec)) < 400_000
    cells = [row["count"] for row in rows_drawn(explorer) if "cost_low" in row and "reward_low" in row]
    assert sum(cells) == ds.pairs.height


@pytest.mark.slow
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
    asked = ScoreQuery((("made-cost", "cost"), ("made-reward", "reward")), population="prompts")
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
    assert explorer.brushed == {"score": (0.5, 1.5)}
    brush(explorer, "brush_1")
    assert explorer.selection.pair_ids is None
    assert explorer.brushed == {}


@pytest.mark.slow
def test_a_region_of_the_plane_lists_the_answers_in_it(explorer, ds):
    explorer.controls["view"].value = "plane"
    brush(explorer, "brush_plane", reward=[0.0, 1.0], cost=[2.0, 0.0])
    both = scores_of(ds).pivot("kind", index="pair_id", values="score")
    expected = both.filter(pl.col("reward").is_between(0, 1), pl.col("cost").is_between(0, 2))
    assert set(explorer.selection.pair_ids) == set(expected["pair_id"])
    explorer.brush_plane(reward=(1.0, 0.0), cost=(0.0, 2.0))
    assert explorer.brushed == {"reward": (0.0, 1.0), "cost": (0.0, 2.0)}
    assert set(explorer.selection.pair_ids) == set(expected["pair_id"])


def test_a_brush_follows_the_group_that_is_shown(explorer, ds):
    explorer.controls["level"].value = "unsafe"
    explorer.brush("made-cost", within=(0.0, 1.0))
    unsafe = ds.pairs.filter(~pl.col("is_safe"))["pair_id"]
    assert explorer.selection.pair_ids.is_in(unsafe.implode()).all()
    assert "unsafe" in explorer.selection.origin
    spec = chart_of(explorer).spec
    assert next(one for one in spec["params"] if one["name"] == "brush_1")["value"] == {"x": [0.0, 1.0]}
    with pytest.raises(UsageError, match="drawn are"):
        explorer.brush("no-such-model", within=(0, 1))
    with pytest.raises(UsageError, match="not drawn"):
        explorer.brush_plane(reward=(0, 1), cost=(0, 1))


@pytest.mark.slow
def test_lists_show_what_is_chosen(explorer):
    """The browser goes by `index`, which `value` moves only as long as the list listens to itself."""
    every = tuple(range(len(explorer.controls["models"].options)))
    assert explorer.controls["models"].index == every
    explorer.score_with(CountingModel(tokens_per_batch=10_000))
    assert explorer.controls["models"].index == (*every, len(every))
    explorer.controls["level"].value = "unsafe"
    assert explorer.controls["level"].options[explorer.controls["level"].index][1] == "unsafe"


@pytest.mark.slow
def test_a_brush_counts_an_answer_in_several_groups_once(samples):
    ds = samples[1]
    explorer = ScoreExplorer(ds, scores=scores_of(ds), policy=ContentPolicy())
    explorer.controls["grouping"].value = "category"
    explorer.brush("made-cost", within=(1.0, 3.0))
    assert explorer.selection.origin.endswith(f": {explorer.selected.height:,} pairs")
    explorer.controls["population"].value = "annotations"
    annotated = ds.annotations.filter(pl.col("pair_id").is_in(explorer.selection.pair_ids.implode()))
    assert f": {annotated.height:,} annotations → " in explorer.selection.origin


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_plane_is_brushed_by_the_models_it_draws(ds):
    scores = scores_of(ds)
    turned = scores.filter(kind="cost").with_columns(pl.lit("a-turned-cost").alias("model"), -pl.col("score"))
    explorer = ScoreExplorer(ds, scores=pl.concat([turned, scores]), policy=ContentPolicy())
    explorer.controls["view"].value = "plane"
    explorer.brush_plane(reward=(-9.0, 9.0), cost=(2.0, 9.0))
    high = scores.filter(pl.col("score").is_between(2.0, 9.0), kind="cost")["pair_id"]
    assert set(explorer.selection.pair_ids) == set(high)


@pytest.mark.slow
def test_it_shares_its_selection(ds):
    shared = Selection()
    explorer = ScoreExplorer(ds, scores=scores_of(ds), selection=shared, policy=ContentPolicy())
    explorer.brush("made-cost", within=(0.0, 1.0))
    assert len(shared.pair_ids) == explorer.selected.height
    few = ds.pairs["pair_id"].head(300)
    shared.set(few, origin="the map")
    assert explorer.brushed == {}
    assert chart_of(explorer).spec["usermeta"] == {"drawing": 1}  # which takes away what a hand drew
    assert all("value" not in param for param in chart_of(explorer).spec["params"])
    explorer.controls["which"].value = "chosen"
    n_safe = ds.pairs["is_safe"].head(300).sum()
    assert f"safe n = {n_safe} \\u00b7 unsafe n = {300 - n_safe}" in titles(explorer)
    assert shared.origin == "the map"  # a brush that stayed would have its answers listed again
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


@pytest.mark.slow
def test_many_groups_are_drawn_as_ridges(explorer, ds):
    explorer.controls["grouping"].value = "category"
    assert explorer.controls["form"].disabled
    assert len(explorer.controls["level"].options) == len(ds.taxonomy.categories) + 2
    assert len(json.dumps(chart_of(explorer).spec)) < 900_000


@pytest.mark.slow
def test_ridges_of_two_models_fit_a_laptop(samples):
    explorer = ScoreExplorer(samples[1], scores=scores_of(samples[1]), policy=ContentPolicy())
    explorer.controls["grouping"].value = "category"
    drawn = vl_convert.vegalite_to_svg(chart_of(explorer).spec)
    assert float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn)[1]) < 1100


@pytest.mark.slow
def test_splits_of_a_model_stand_beside_each_other(explorer):
    explorer.score_with(CountingModel(tokens_per_batch=10_000))
    explorer.controls["which"].value = "each split"
    models = ("made-reward", "counting", "made-cost")
    assert panels(explorer) == [f"{model} · {split}" for model in models for split in ("train", "test")]


def test_a_violin_says_what_its_marks_are(explorer):
    explorer.controls["form"].value = "violin"
    assert "dot: median" in titles(explorer)


@pytest.mark.slow
def test_the_table_of_metrics_is_that_of_score_metrics(explorer, ds):
    explorer.controls["view"].value = "metrics"
    rows = {(row[0], row[1], row[2], row[8]): row for row in table_of(explorer)["rows"]}
    table = btviz.score_metrics(scores_of(ds), ds, n_boot=60)
    auc = table.filter(metric="auc", model="made-cost", grouping="all").row(0, named=True)
    shown = rows["made-cost", "AUC, unsafe scores higher", "all", "pair"]
    assert shown[3:8] == [
        f"{auc['estimate']:.3f}", f"{auc['low']:.3f} to {auc['high']:.3f}", f"{auc['n']:,}", f"{auc['support']:,}",
        f"{auc['prompts']:,}",
    ]  # fmt: skip
    assert table_of(explorer)["caption"].startswith("sample-saferlhf (synthetic sample)")


@pytest.mark.slow
def test_a_model_is_scored_with_from_here(explorer, ds):
    before = explorer.scores.height
    explorer.score_with(CountingModel(tokens_per_batch=10_000))
    assert explorer.scores.height == before + ds.pairs.height
    assert "counting" in panels(explorer)
    assert f"Scored {ds.pairs.height:,} pairs" in run_line(explorer)["words"]
    assert control(explorer, "Stop").disabled


@pytest.mark.slow
def test_pictures_of_a_run_take_little_of_its_time(ds, monkeypatch):
    """Each takes a second on a clock that only they move on; a run of some hundred batches has time for few."""
    clock, pictures, book = [0.0], [], ScoreBook(ds, scores_of(ds))

    def so_far(job):
        pictures.append(clock[0])
        clock[0] += 1.0
        return book

    monkeypatch.setattr("btviz.widgets.scores.runner.time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(ScoreJob, "_so_far", so_far)

    def fail(*_):
        clock[0] += 1.0

    model = CountingModel(name="slow", fail=fail, tokens_per_batch=10_000)
    ScoreJob(book, model, kind=None).run(lambda _: None)
    assert len(pictures) > 1
    assert len(pictures) <= 1 + 0.05 * clock[0]


def test_what_goes_wrong_in_a_run_is_said(explorer, tmp_path):
    control(explorer, "Score with").value = str(tmp_path / "nothing")
    control(explorer, "Score").click()
    assert "nothing" in run_line(explorer)["words"]
    assert not run_line(explorer)["running"]
    control(explorer, "Score with").value = " "
    control(explorer, "Score").click()
    assert "Name a model" in run_line(explorer)["words"]

    def fail(*_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        explorer.score_with(CountingModel(name="broken", fail=fail))
    assert "could not be used: ZeroDivisionError" in run_line(explorer)["words"]
    with pytest.raises(NotFoundError):
        btviz.load_score_model(tmp_path / "nothing")


class HeldModel(CountingModel):
    """Scores a batch whenever it is let, and writes down what; a text of odd length gets 1, else 0."""

    def __init__(self):
        super().__init__(name="slow", tokens_per_batch=10_000)
        self.gate, self.scored = threading.Semaphore(0), []

    def score_encoded(self, rows, *, length=None):
        self.gate.acquire(timeout=patience.SECONDS)
        self.scored += [bytes(row.astype(np.uint8)) for row in rows]
        return np.array([len(row) % 2 for row in rows], np.float32)

    def odd_ones(self, ds, *, first):
        """Pairs that got 1, among the first so many that were scored."""
        ids = {f"{p}|{r}".encode(): pair for pair, p, r in ds.pairs.select("pair_id", "prompt", "response").iter_rows()}
        return {ids[text] for text in self.scored[:first] if len(text) % 2}


def counts_in(explorer, panel):
    """How many answers the picture of a model counts; 0 where there is none."""
    parts = chart_of(explorer).spec.get("concat", ())
    words = " ".join(line for part in parts if part["title"]["text"] == panel for line in part["title"]["subtitle"])
    return sum(int(n.replace(",", "")) for n in re.findall(r"n = ([\d,]+)", words))


async def next_picture(explorer, model):
    """Let batches be scored until a picture shows more of them; how many answers it shows."""
    before = counts_in(explorer, "slow")
    while counts_in(explorer, "slow") <= before:
        model.gate.release()
        await asyncio.sleep(0.02)
    return counts_in(explorer, "slow")


async def ended(explorer, model=None):
    """Wait until a run has ended, and its last picture is there."""
    if model is not None:
        model.gate.release(10_000)
    while runner_of(explorer).runs.is_running or run_line(explorer)["running"]:
        await asyncio.sleep(0.02)
    while "slow" in panels(explorer) and "slow" not in set(explorer.scores["model"]):
        await asyncio.sleep(0.02)


@pytest.fixture
def drawn_at_once(monkeypatch):
    """Pictures of a run follow it as fast as they are made."""
    monkeypatch.setattr("btviz.widgets.scores.runner.EVERY_SECONDS", 0.0)
    monkeypatch.setattr("btviz.widgets.scores.runner.SHARE_OF_PICTURES", 1.0)


@pytest.mark.slow
@pytest.mark.usefixtures("drawn_at_once")
def test_a_run_is_drawn_while_it_lasts_and_can_be_stopped(explorer, ds):
    model = HeldModel()

    async def cell():
        explorer.score_with(model)
        shown = await next_picture(explorer, model)
        assert control(explorer, "Score").disabled  # a second press would end the run without a word
        words = run_line(explorer)["words"]
        explorer.stop()
        await ended(explorer, model)
        return shown, words

    shown, words = asyncio.run(cell())
    assert 0 < shown < ds.pairs.height
    assert re.search(r"\d of [\d,]+ pairs · [\d,]+ tokens/s", words)
    assert "slow" not in set(explorer.scores["model"])
    assert panels(explorer) == ["made-reward", "made-cost"]
    assert run_line(explorer)["words"].startswith("Stopped.")
    assert len(model.scored) < ds.pairs.height
    assert control(explorer, "Stop").disabled
    assert not control(explorer, "Score").disabled


@pytest.mark.slow
@pytest.mark.usefixtures("drawn_at_once")
def test_a_brush_on_the_picture_of_a_run_that_was_stopped_lists_what_it_shows(explorer, ds):
    model = HeldModel()

    async def cell():
        explorer.score_with(model)
        n = await next_picture(explorer, model)
        place = panels(explorer).index("slow")
        explorer.stop()
        brush(explorer, f"brush_{place}", at=[0.5, 1.5])  # before the loop can bring the next picture
        listed = explorer.selection.pair_ids, explorer.selection.origin
        await ended(explorer, model)
        return n, *listed

    n, listed, origin = asyncio.run(cell())
    assert 0 < n < ds.pairs.height
    assert set(listed) == model.odd_ones(ds, first=n)
    assert origin.endswith(f"cost by slow, 0.50 to 1.50: {len(listed):,} pairs")


@pytest.mark.slow
@pytest.mark.usefixtures("drawn_at_once")
def test_what_lies_under_a_brush_follows_a_run(explorer, ds):
    model = HeldModel()

    def check(n):
        expected = model.odd_ones(ds, first=n)
        assert set(explorer.selection.pair_ids) == expected
        assert explorer.selection.origin.endswith(f"0.50 to 1.50: {len(expected):,} pairs")

    async def cell():
        explorer.score_with(model)
        await next_picture(explorer, model)
        explorer.brush("slow", within=(0.5, 1.5))  # on the picture that was in work, if one was
        shown = [counts_in(explorer, "slow")]
        check(shown[0])
        for _ in range(2):
            shown.append(await next_picture(explorer, model))
            check(shown[-1])
        await ended(explorer, model)
        explorer.checks  # noqa: B018  # waits for the last picture
        check(ds.pairs.height)
        return shown

    first, second, third = asyncio.run(cell())
    assert 0 < first < second < third < ds.pairs.height


@pytest.mark.slow
@pytest.mark.usefixtures("drawn_at_once")
def test_a_run_does_not_turn_the_pages_of_a_list_that_stays_the_same(explorer):
    """A list that is set anew begins with its first page, under the eyes of whoever reads it."""
    model, told = HeldModel(), []

    async def cell():
        explorer.score_with(model)
        await next_picture(explorer, model)
        explorer.brush("made-cost", within=(0.0, 1.0))
        explorer.selection.observe(lambda: told.append(explorer.selection.origin))
        await next_picture(explorer, model)
        assert told == []
        explorer.brush("made-cost", within=(0.0, 1.5))
        assert len(told) == 1
        explorer.stop()
        await ended(explorer, model)

    asyncio.run(cell())


def test_closing_ends_a_run(ds):
    explorer, seen = ScoreExplorer(ds, policy=ContentPolicy()), threading.Event()

    async def cell():
        explorer.score_with(CountingModel(name="slow", fail=lambda *_: seen.set()))
        while not seen.is_set():
            await asyncio.sleep(0.02)
        explorer.close()
        await ended(explorer)

    asyncio.run(cell())
    assert explorer.scores.is_empty()


@pytest.mark.slow
def test_the_run_of_a_closed_view_is_waited_for(ds):
    """As when a cell runs again while its view scores: the same model is not refused."""
    seen, go = threading.Event(), threading.Event()
    model = CountingModel(name="slow", tokens_per_batch=40_000, fail=lambda *_: (seen.set(), go.wait(60)))
    first, second = (ScoreExplorer(ds, policy=ContentPolicy()) for _ in range(2))

    async def until(happened):
        while not happened():
            await asyncio.sleep(0.02)

    async def cells():
        first.score_with(model)
        await until(seen.is_set)
        first.close()
        second.score_with(model)
        await until(lambda: "Waiting for another view" in second.runner.line.state["words"])
        assert "slow" in second.runner.line.state["words"]
        go.set()
        await until(lambda: not second.runner.runs.is_running)

    asyncio.run(asyncio.wait_for(cells(), 120))
    assert first.scores.is_empty()
    assert set(second.scores["pair_id"]) == set(ds.pairs["pair_id"])


@pytest.mark.slow
def test_without_scores_it_says_what_to_do(ds):
    explorer = ScoreExplorer(ds, policy=ContentPolicy())
    assert "name one to score with" in chart_of(explorer).said
    explorer.score_with(CountingModel(tokens_per_batch=40_000))
    assert panels(explorer) == ["counting"]


def test_the_plane_says_which_kind_is_missing(explorer):
    explorer.controls["models"].value = (("made-cost", "cost"),)
    explorer.controls["view"].value = "plane"
    assert "no reward model is chosen" in chart_of(explorer).said
    assert chart_of(explorer).spec == {}


@pytest.mark.slow
def test_nothing_that_is_saved_holds_a_text(explorer, ds):
    explorer.policy.reveal_all = True
    explorer.brush("made-cost", within=(0.0, 1.0))
    explorer.controls["view"].value = "metrics"
    saved = state_of(explorer)
    texts = ds.pairs["response"].head(200).to_list() + ds.pairs["prompt"].head(200).to_list()
    assert not [text for text in texts if text and text in saved]
    assert "run its cell" in repr(explorer)
    tell(chart_of(explorer), "hide")
    assert explorer.inspector.policy.reveal_all is False


def bare_explorer(folder):
    """An explorer of scores from a file, of answers without labels."""
    rows = [{"prompt": f"question {k}", "response": "an answer", "reward": k / 7, "cost": 6 - k / 5} for k in range(60)]
    (folder / "policy.jsonl").write_text("\n".join(map(json.dumps, rows)))
    read = btviz.read_scores(folder / "policy.jsonl")
    return ScoreExplorer(read.dataset, scores=read.scores, policy=ContentPolicy())


@pytest.mark.slow
def test_answers_without_labels_are_not_called_contradictory(ds, tmp_path):
    explorer = bare_explorer(tmp_path)
    assert "not checkable" in explorer.said
    assert {name for _, name in explorer.controls["grouping"].options} == {"source", "all"}
    assert [card["labelled"] for card in explorer.inspector.cards] == [False] * 5
    labelled = ScoreExplorer(ds, scores=scores_of(ds), policy=ContentPolicy())
    assert [card["labelled"] for card in labelled.inspector.cards] == [True] * 5
