"""The orthogonality lab without a browser: what it measures, says, lists and keeps."""

from __future__ import annotations

import asyncio
import threading

import patience
import polars as pl
import pytest
from fake_front import chart_of, click, rows_drawn, state_of, tell
from wording import says

import btviz
from btviz.errors import NotFoundError
from btviz.preference import shares
from btviz.preference.questions import Question, answer_of
from btviz.session.content import ContentPolicy
from btviz.session.selection import Selection
from btviz.widgets import OrthogonalityLab
from btviz.widgets.preference import lab as module

NEITHER = "<img src=x onerror='window.ran = true'>"


@pytest.fixture(scope="module")
def samples(samples):
    return [samples["sample-saferlhf"], samples["sample"]]


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch):
    monkeypatch.setattr(module, "REPLICATES", (200, 500, 2_000))
    monkeypatch.setattr(shares, "FLIPS", 999)


@pytest.fixture
def lab(samples):
    return OrthogonalityLab(samples[0], others=samples[1:], policy=ContentPolicy())


def drawn(lab):
    """Rows of the forest plot on view, by grouping and level."""
    return sorted({(row["grouping"], row["level"]) for row in rows_drawn(lab) if "solid" in row})


def null_levels(lab):
    return [(row["grouping"], row["level"]) for row in rows_drawn(lab) if "observed" in row]


def test_it_shows_the_strata_first(samples, lab):
    strata = [("stratum", level) for level in ("both_safe", "both_unsafe", "mixed")]
    assert drawn(lab) == [("all", "all"), *strata]
    assert set(null_levels(lab)) == {("all", "all"), *strata}
    assert lab.table.equals(answer_of(samples[0], Question(n_boot=500)).table)


@pytest.mark.slow
def test_population_and_n_stand_on_both_pictures(lab):
    titles = [chart["title"]["subtitle"] for chart in chart_of(lab).spec["concat"]]
    assert len(titles) == 2
    for subtitle in titles:
        words = " ".join(subtitle)
        assert "sample-saferlhf (synthetic sample)" in words
        assert "comparisons with both labels" in words
        assert "n = 1,549" in words
    lab.controls["weighting"].value = "prompts"
    for chart in chart_of(lab).spec["concat"]:
        assert "n = 537 prompts" in " ".join(chart["title"]["subtitle"])


@pytest.mark.slow
def test_every_control_moves_the_pictures(samples, lab):
    changes = {
        "grouping": "category",
        "within": "both_unsafe",
        "weighting": "prompts",
        "measure": "two_p_minus_1",
        "n_boot": 2000,
        "release": "sample (synthetic sample)",
    }
    assert set(changes) == set(lab.controls)
    for name, value in changes.items():
        before = chart_of(lab).spec
        lab.controls[name].value = value
        assert chart_of(lab).spec != before, name
    asked = Question(measure="two_p_minus_1", weighting="prompts", within="both_unsafe", n_boot=2000)
    assert lab.table.equals(answer_of(samples[1], asked).table)
    assert {grouping for grouping, _ in drawn(lab)} == {"all", "category"}


@pytest.mark.slow
def test_a_weighting_that_a_measure_lacks_is_not_offered(lab):
    lab.controls["weighting"].value = "prompts"
    lab.controls["measure"].value = "odds_ratio_mh"
    assert (lab.controls["weighting"].value, lab.controls["weighting"].disabled) == ("comparisons", True)
    lab.controls["measure"].value = "p"
    assert [value for _, value in lab.controls["weighting"].options] == ["comparisons", "prompts"]
    assert not lab.controls["weighting"].disabled


def test_a_click_lists_the_comparisons_that_were_counted(lab):
    click(lab, "stratum", "mixed")
    listed = lab.inspector.selected
    assert listed.height == lab.table.filter(level="mixed")["n"].item() == 227
    assert (listed["is_safe_0"] != listed["is_safe_1"]).all()
    assert set(lab.selection.pair_ids) == {*listed["pair_id_0"], *listed["pair_id_1"]}
    assert chart_of(lab).chosen == {"chosen_grouping": "stratum", "chosen_level": "mixed"}
    assert "227 comparisons" in lab.inspector.view["origin"]
    with pytest.raises(NotFoundError):
        lab.click("stratum", "none")


def test_of_many_levels_the_clicked_one_has_its_null_distribution_drawn(lab):
    lab.controls["grouping"].value = "category"
    assert null_levels(lab) == [("all", "all")]
    lab.click("category", "Violence")
    assert null_levels(lab) == [("all", "all"), ("category", "Violence")]


@pytest.mark.slow
def test_a_chosen_level_follows_the_controls_and_goes_where_it_is_none(lab):
    lab.click("stratum", "mixed")
    lab.controls["measure"].value = "kappa_by_position"
    assert lab.inspector.view["listed"] == 227
    lab.controls["release"].value = "sample (synthetic sample)"
    assert lab.inspector.view["listed"] == 542
    assert lab.inspector.view["name"] == "sample (synthetic sample)"
    lab.controls["within"].value = "both_safe"
    assert chart_of(lab).chosen == {"chosen_grouping": "", "chosen_level": ""}
    assert lab.selection.pair_ids is None
    assert lab.inspector.view["listed"] == lab.inspector.view["all"]


@pytest.mark.slow
def test_what_is_chosen_elsewhere_replaces_the_click(samples):
    selection = Selection()
    lab = OrthogonalityLab(samples[0], selection=selection, policy=ContentPolicy())
    lab.click("stratum", "mixed")
    selection.set(samples[0].preferences["pair_id_0"][:1], origin="elsewhere")
    assert chart_of(lab).chosen["chosen_level"] == ""
    assert lab.inspector.view["origin"] == "elsewhere"
    assert lab.inspector.view["listed"] >= 1


@pytest.mark.slow
def test_the_verdict_is_that_of_the_report(lab):
    assert lab.table["verdict"][0] in lab.said
    assert lab.said.startswith("All comparisons – synthetic, true p = 0.759")
    lab.click("stratum", "mixed")
    assert lab.table.filter(level="mixed")["verdict"].item() in lab.said
    lab.controls["weighting"].value = "prompts"
    assert "each prompt counted once" in lab.said


@pytest.mark.slow
def test_a_measure_by_position_says_so_with_the_position_bias(samples, lab):
    lab.controls["measure"].value = "phi_by_position"
    better, safer = (samples[0].preferences[name].mean() for name in ("better", "safer"))
    assert says(lab.said, "better", f"{100 * better:.1f} %", "safer", f"{100 * safer:.1f} %")
    lab.controls["measure"].value = "odds_ratio_mh"
    assert "order of the two answers" not in lab.said


@pytest.mark.slow
def test_a_grouping_that_the_release_lacks_is_said(lab):
    lab.controls["release"].value = "sample (synthetic sample)"
    lab.controls["grouping"].value = "severity"
    assert drawn(lab) == [("all", "all")]
    assert "No comparison tells its group here" in lab.said


def test_without_both_labels_nothing_is_drawn_and_the_words_say_why(make_dataset, tiny):
    rows = {"prompt": ["q", "r"], "response_0": ["a", "b"], "response_1": ["c", "d"], "better": [None, 1]}
    nothing = pl.DataFrame(schema={"prompt": pl.String, "response": pl.String})
    half = make_dataset(nothing, comparisons=pl.DataFrame(rows, schema_overrides={"better": pl.Int8}), name=NEITHER)
    lab = OrthogonalityLab(half, others=[tiny], policy=ContentPolicy())
    assert chart_of(lab).spec == {}
    assert says(lab.said, "2 comparisons", "1 do not tell the better", "2 do not tell the safer")
    assert lab.inspector.view["listed"] == 2
    for name, value in (("measure", "odds_ratio_mh_by_position"), ("grouping", "category"), ("within", "mixed")):
        lab.controls[name].value = value
        assert "no comparison has both labels" in lab.said
    lab.controls["release"].value = "tiny"
    assert "This data set holds no comparisons." in lab.said


@pytest.mark.slow
def test_one_comparison_is_enough_to_be_shown(make_dataset):
    rows = {"prompt": ["q"], "response_0": ["a"], "response_1": ["b"], "better": [1], "safer": [1]}
    nothing = pl.DataFrame(schema={"prompt": pl.String, "response": pl.String})
    lab = OrthogonalityLab(make_dataset(nothing, comparisons=pl.DataFrame(rows)), policy=ContentPolicy())
    for measure in [value for _, value in lab.controls["measure"].options]:
        lab.controls["measure"].value = measure
        assert drawn(lab) == [("all", "all")]
    lab.click("all", "all")
    assert lab.inspector.view["listed"] == 1


@pytest.mark.slow
def test_releases_of_the_catalogue_are_offered_and_read_when_chosen(samples, shared_data):
    btviz.data.add("mine", [shared_data / "pku-saferlhf" / "one_safe_pairs.jsonl"])
    lab = OrthogonalityLab(samples[0], policy=ContentPolicy())
    assert [value for _, value in lab.controls["release"].options] == ["sample-saferlhf (synthetic sample)", "mine"]
    lab.controls["release"].value = "mine"
    assert lab.inspector.view["all"] == 4114
    assert "4,114 do not tell the better answer" in lab.said


@pytest.mark.slow
def test_a_data_set_that_is_gone_is_said_and_the_others_stay(samples, monkeypatch):
    monkeypatch.setattr(module, "adopted", lambda: ["gone"])
    lab = OrthogonalityLab(samples[0], policy=ContentPolicy())
    lab.controls["release"].value = "gone"
    assert "gone" in chart_of(lab).said
    assert chart_of(lab).spec == {}
    with pytest.raises(NotFoundError):
        lab.table  # noqa: B018
    lab.controls["release"].value = "sample-saferlhf (synthetic sample)"
    assert drawn(lab)[0] == ("all", "all")


@pytest.mark.slow
def test_in_a_notebook_the_cell_ends_before_the_work_and_a_table_waits_for_it(samples):
    async def cells():
        lab = OrthogonalityLab(samples[0], policy=ContentPolicy())
        empty = chart_of(lab).spec == {}
        lab.controls["n_boot"].value = 500
        table = lab.table
        while chart_of(lab).busy or not chart_of(lab).spec:
            await asyncio.sleep(0.01)
        click(lab, "stratum", "mixed")
        while chart_of(lab).chosen["chosen_level"] != "mixed":
            await asyncio.sleep(0.01)
        return empty, table, lab.inspector.view["listed"]

    empty, table, listed = asyncio.run(cells())
    assert empty
    assert table.equals(answer_of(samples[0], Question(n_boot=500)).table)
    assert listed == 227


def test_nothing_that_is_saved_holds_a_text(samples, lab):
    lab.policy.reveal_all = True
    lab.click("all", "all")
    saved = state_of(lab)
    texts = samples[0].pairs["response"].head(200).to_list() + samples[0].pairs["prompt"].head(200).to_list()
    assert not [text for text in texts if text and text in saved]
    assert "run its cell" in repr(lab)


def test_the_key_that_hides_works_on_the_chart(lab):
    lab.policy.reveal_all = True
    tell(chart_of(lab), "hide")
    assert lab.policy.reveal_all is False


@pytest.mark.slow
def test_another_measure_of_the_same_comparisons_draws_p_no_second_time(samples, monkeypatch):
    asked = []

    def counted(ds, question, **options):
        asked.append((question.measure, options.get("shares") is not None))
        return answer_of(ds, question, **options)

    monkeypatch.setattr(module, "answer_of", counted)
    lab = OrthogonalityLab(samples[0], policy=ContentPolicy())
    for measure in ("two_p_minus_1", "phi_by_position", "p", "two_p_minus_1"):
        lab.controls["measure"].value = measure
    assert [(measure, known) for measure, known in asked if measure == "p"] == [("p", False)]
    assert all(known for measure, known in asked if measure != "p")
    assert lab.table.equals(answer_of(samples[0], Question(measure="two_p_minus_1", n_boot=500)).table)


@pytest.mark.slow
def test_the_bar_is_full_when_the_work_is_done_and_not_before(samples):
    shares = []
    work = module.Results(samples[0], [])
    question = Question(measure="odds_ratio_mh", n_boot=2000)
    (release,) = work.sources
    work.result(release, question, grouping="stratum", chosen=None, report=shares.append)
    assert shares == sorted(shares)
    assert [share for share in shares if share > 1 - 1e-9] == shares[-1:]
    again = []
    work.result(release, question, grouping="stratum", chosen=None, report=again.append)
    assert again == shares[-4:]  # all comparisons and three strata; nothing else was left to do


@pytest.mark.slow
def test_what_fails_unforeseen_is_said_and_a_click_meant_for_it_is_forgotten(samples, monkeypatch):
    async def cells():
        loop = asyncio.get_running_loop()
        heard, clicked = [], threading.Event()
        loop.set_exception_handler(lambda _, context: heard.append(context["exception"]))
        lab = OrthogonalityLab(samples[0], policy=ContentPolicy())
        while not chart_of(lab).spec:
            await asyncio.sleep(0.01)

        def broken(*_, **__):
            clicked.wait(patience.SECONDS)
            raise RuntimeError(NEITHER)

        monkeypatch.setattr(module, "answer_of", broken)
        lab.controls["within"].value = "mixed"
        click(lab, "stratum", "mixed")
        clicked.set()
        while not heard:
            await asyncio.sleep(0.01)
        said = chart_of(lab).said
        monkeypatch.setattr(module, "answer_of", answer_of)
        lab.controls["within"].value = "all"
        while not chart_of(lab).spec:
            await asyncio.sleep(0.01)
        return said, chart_of(lab).chosen["chosen_level"]

    said, chosen = asyncio.run(cells())
    assert says(said, "could not be computed", "RuntimeError")
    assert NEITHER not in said
    assert chosen == ""
