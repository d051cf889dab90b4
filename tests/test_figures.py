"""Figures on disk: the same bytes on every run, with their font, their words and their origin."""

import base64
import hashlib
import html
import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import altair as alt
import polars as pl
import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader

import btviz
from btviz import plots
from btviz.errors import DataError, StoreError, UsageError
from btviz.plots.style.rendering import render, renumbered, svg
from btviz.reports.figures import write as figures
from btviz.taxonomy.categories import PKU_SAFERLHF


def chart_of(ds):
    return plots.category_shares(btviz.category_counts(ds), source=ds.population)


def words(pdf):
    return " ".join(PdfReader(io.BytesIO(pdf), strict=True).pages[0].extract_text().split())


_NEED_MORE = (btviz.category_structure, btviz.annotator_noise)

DRAWN = [key for key, figure in figures.FIGURES.items() if figure.table.function not in _NEED_MORE]
"""Figures that a few prompts have; the others are drawn in test_structure.py and test_annotator_noise.py."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("figures")


@pytest.fixture
def everything(tiny, make_dataset):
    """The annotations of the tiny data set, three for most pairs, and comparisons of every stratum."""
    texts = tiny.pairs.select("pair_id", "prompt", "response")
    rows = tiny.annotations.join(texts, on="pair_id").drop("pair_id", "prompt_id", "severity")
    compared = pl.DataFrame(
        {
            "prompt": [f"what is {place}" for place in range(12)],
            "response_0": "a number",
            "response_1": "a sum",
            "split": "train",
            "better": pl.Series([0, 1, 1] * 4, dtype=pl.UInt8),
            "safer": pl.Series([0, 1, 0, 1] * 3, dtype=pl.UInt8),
            "is_safe_0": [place < 6 for place in range(12)],
            "is_safe_1": [place % 6 > 2 for place in range(12)],
            "severity_0": pl.Series([0 if place < 6 else 2 for place in range(12)], dtype=pl.UInt8),
            "severity_1": pl.Series([0 if place % 6 > 2 else 1 for place in range(12)], dtype=pl.UInt8),
            "labels_0": pl.Series([0 if place < 6 else 1 << 6 for place in range(12)], dtype=pl.UInt32),
            "labels_1": pl.Series([0 if place % 6 > 2 else 1 << 8 for place in range(12)], dtype=pl.UInt32),
        }
    )
    return make_dataset(rows, comparisons=compared)


@pytest.fixture
def written(everything, folder):
    """All figures of one data set, drawn once for this module."""
    if not (folder / "manifest.json").exists():
        figures.write_all(everything, folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("key", DRAWN)
def test_every_pdf_gives_its_words_back(tiny, written, key):
    said = words((written / f"{key}.pdf").read_bytes())
    unsafe = int((~tiny.annotations["is_safe"]).sum())
    counted = {
        "annotator_agreement": "pairs annotated twice or more · n = 4",
        "vote_splits": "pairs annotated twice or more · n = 4",
        "quadrants": "comparisons with better and both safety labels · n = 12",
        "orthogonality": "comparisons with both labels · n = ",
        "reliability_surface": "observed p = 0.500 · n = 420 pairs of assumptions",
        "specification_curve": "",
        "composition": "annotations",
        "category_mix": "",
        "severity_order": "",
        "prompt_overlap": "",
    }
    parameters = json.loads((written / f"{key}.provenance.json").read_text())["table"]["parameters"]
    if "where" in parameters and "population" in parameters:
        n = tiny.annotations.height if parameters["where"] == "all" else unsafe
        assert f"tiny · annotations, {parameters['where']} · n = {n}" in said
    else:
        what = counted[figures.FIGURES[key].table.function.__name__]
        assert (f"tiny · {what}" if what else "tiny") in said
    if key in ("category_shares", "association", "association_unsafe"):
        assert [one.title for one in tiny.taxonomy.categories if one.title not in said] == []


def test_a_font_that_is_missing_would_be_seen():
    image = svg(alt.Chart(pl.DataFrame({"a": [1]})).mark_point().properties(title="Words"))
    nowhere = image.replace("sans-serif", "No Such Font")
    import vl_convert

    assert words(vl_convert.svg_to_pdf(nowhere)) == ""


@pytest.mark.parametrize("key", DRAWN)
def test_pdf_embeds_our_font_only(written, key):
    page = PdfReader(written / f"{key}.pdf").pages[0]
    names = {font.get_object()["/BaseFont"].partition("+")[2] for font in page["/Resources"]["/Font"].values()}
    assert names == {"BtvizSans-Regular", "BtvizSans-Bold"}


@pytest.mark.parametrize("key", DRAWN)
def test_svg_carries_a_glyph_for_every_character(written, key):
    image = (written / f"{key}.svg").read_text(encoding="utf-8")
    fonts = re.findall(r"font-weight:(\w+);src:url\(data:font/woff;base64,([^)]+)\)", image)
    assert [weight for weight, _ in fonts] == ["normal", "bold"]
    texts = set(html.unescape("".join(re.findall(r">([^<]+)</t(?:ext|span)", image))))
    for _, data in fonts:
        with TTFont(io.BytesIO(base64.b64decode(data))) as font:
            assert texts <= {chr(code) for code in font.getBestCmap()}
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]+"', "", image)


@pytest.mark.slow
@pytest.mark.parametrize("form", figures.FORMATS)
def test_same_bytes_twice_in_one_process(tiny, form):
    upset = plots.label_sets(btviz.label_sets(tiny), source="tiny")
    crosses = plots.association_matrix(btviz.cooccurrence(tiny), "tetrachoric")
    faint = alt.Chart(pl.DataFrame({"a": range(30)})).mark_point(opacity=0.5).encode(x="a:Q", color="a:Q")
    for chart in (upset, crosses, faint):
        assert len({render(chart, format=form) for _ in range(4)}) == 1


DRAW = """
import hashlib, sys
import polars as pl
from btviz import plots
from btviz.plots.style.rendering import render
table = pl.read_parquet(sys.argv[1])
for form in ("pdf", "png", "svg"):
    print(hashlib.sha256(render(plots.association_matrix(table, source="tiny"), format=form)).hexdigest())
"""


@pytest.mark.slow
def test_same_bytes_in_another_process(tiny, tmp_path):
    table = btviz.cooccurrence(tiny)
    table.write_parquet(tmp_path / "table.parquet")
    chart = plots.association_matrix(table, source="tiny")
    here = [hashlib.sha256(render(chart, format=form)).hexdigest() for form in ("pdf", "png", "svg")]
    command = [sys.executable, "-c", DRAW, str(tmp_path / "table.parquet")]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert here == there


def test_the_converter_alone_changes_its_mind(tiny):
    import vl_convert

    spec = plots.association_matrix(btviz.cooccurrence(tiny)).to_dict()
    assert len({vl_convert.vegalite_to_svg(spec) for _ in range(2)}) == 2


def test_renumbering_keeps_the_document(tiny):
    import vl_convert

    raw = vl_convert.svg_to_pdf(vl_convert.vegalite_to_svg(chart_of(tiny).to_dict()))
    assert words(renumbered(raw)) == words(raw) != ""
    assert renumbered(renumbered(raw)) == renumbered(raw)


def test_only_a_pdf_is_renumbered():
    with pytest.raises(DataError, match="cross-reference table"):
        renumbered(b"%PDF-1.7 nothing %%EOF")


def test_record_says_where_a_figure_comes_from(everything, written):
    record = json.loads((written / "association_unsafe.provenance.json").read_text())
    assert record["data"] == {
        "name": "tiny",
        "population": "tiny",
        "fingerprint": everything.fingerprint,
        "release": None,
        "is_synthetic": False,
    }
    assert record["btviz"] == btviz.__version__
    assert record["table"] == {
        "function": "btviz.cooccurrence",
        "part": None,
        "parameters": {"population": "annotations", "where": "unsafe", "intervals": True},
    }
    assert record["plot"]["function"] == "btviz.plots.association_matrix"
    assert record["plot"]["parameters"] == {"coefficient": "phi", "order": "similarity"}
    assert record["files"] == {
        name: hashlib.sha256((written / name).read_bytes()).hexdigest()
        for name in [f"association_unsafe.{form}" for form in figures.FORMATS]
    }


def test_recorded_functions_are_public_and_what_was_called():
    for figure in figures.FIGURES.values():
        assert getattr(btviz, figure.table.function.__name__) is figure.table.function
        assert getattr(plots, figure.plot.__name__) is figure.plot


def test_record_of_a_number_of_the_data_and_of_a_part_of_a_result(written):
    surface, forest = (
        json.loads((written / f"{key}.provenance.json").read_text())["table"] for key in ("reliability", "preferences")
    )
    assert surface == {"function": "btviz.reliability_surface", "part": None, "parameters": {"subject": 0.5}}
    assert forest == {"function": "btviz.orthogonality", "part": "table", "parameters": {}}


@pytest.mark.slow
def test_a_result_that_two_figures_show_is_computed_once(everything, tmp_path, monkeypatch):
    calls = []

    def orthogonality(ds):
        calls.append(ds)
        return btviz.orthogonality(ds, n_boot=40)

    chosen = {key: figures.FIGURES[key] for key in ("preferences", "null_distribution")}
    counted = {
        key: replace(figure, table=replace(figure.table, function=orthogonality)) for key, figure in chosen.items()
    }
    monkeypatch.setattr(figures, "FIGURES", counted)
    assert figures.write_all(everything, tmp_path)["file"].count() == 6
    assert len(calls) == 1


NEEDED = {
    "agreement": "one annotation per pair",
    "votes": "one annotation per pair",
    "quadrants": "these data hold no comparisons of two answers",
    "preferences": "these data hold no comparisons of two answers",
    "reliability": "these data hold no comparisons of two answers",
}


@pytest.mark.parametrize("key", NEEDED)
def test_a_figure_says_why_it_does_not_apply(key, make_dataset):
    row = {"prompt": ["what is tea"], "response": ["a drink"], "split": ["test"], "is_safe": [False]}
    ds = make_dataset(pl.DataFrame(row).with_columns(pl.lit(1, pl.UInt32).alias("labels")))
    with pytest.raises(UsageError, match=f"A figure of 'tiny' .* does not apply to it: {NEEDED[key]}"):
        figures.FIGURES[key].draw(ds)


def test_comparisons_without_a_label_are_not_drawn(everything):
    no_better = replace(
        everything, _read=lambda name: everything.table(name).with_columns(pl.lit(None).alias("better"))
    )
    with pytest.raises(UsageError, match="no comparison tells both the better and the safer answer"):
        figures.FIGURES["preferences"].draw(no_better)
    with pytest.raises(UsageError, match="no comparison tells the better answer and whether either is safe"):
        figures.FIGURES["quadrants"].draw(no_better)


def test_manifest_names_every_file(tiny, written):
    files = json.loads((written / "manifest.json").read_text())["files"]
    assert {(one["figure"], one["format"]) for one in files} == {
        *((key, form) for key in DRAWN for form in figures.FORMATS),
        *((key, None) for key in figures.FIGURES if key not in DRAWN),
        *((key, None) for key in figures.SCORE_FIGURES),
    }
    for one in (one for one in files if one["file"]):
        assert hashlib.sha256((written / one["file"]).read_bytes()).hexdigest() == one["sha256"]


def test_nothing_written_holds_a_text(everything, written):
    texts = [*everything.pairs["prompt"], *everything.pairs["response"]]
    for file in written.glob("*.[js][sv]*"):
        content = file.read_text(encoding="utf-8")
        assert not [text for text in texts if text in content], file.name


def test_second_run_writes_the_same(everything, written, tmp_path, monkeypatch):
    keys = ("labels_per_item",)
    monkeypatch.setattr(figures, "FIGURES", {key: figures.FIGURES[key] for key in keys})
    told = []
    table = figures.write_all(everything, tmp_path, progress=told.append)
    assert told == ["Labels per item", *(figure.title for figure in figures.SCORE_FIGURES.values())]
    assert table.columns == list(figures.MANIFEST)
    for file in [*table["file"].drop_nulls(), str(tmp_path / "labels_per_item.provenance.json")]:
        name = file.rpartition("/")[2]
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()


@pytest.mark.slow
def test_a_figure_these_data_cannot_show_is_reported(make_dataset, tmp_path):
    safe = {"prompt": ["what is spring"], "response": ["a season"], "split": ["test"], "is_safe": [True]}
    ds = make_dataset(pl.DataFrame(safe).with_columns(pl.lit(0, pl.UInt32).alias("labels")))
    table = figures.write_all(ds, tmp_path)
    missing = table.filter(pl.col("not_drawn").is_not_null())
    assert "label_sets" in missing["figure"].to_list()
    assert missing["file"].null_count() == missing.height
    assert "nothing to draw" in missing.filter(pl.col("figure") == "label_sets")["not_drawn"][0]


@pytest.mark.parametrize(
    "key", ["category_shares", "association", "association_unsafe", "label_sets", "labels_per_item"]
)
def test_answers_without_labels_have_no_figure_of_labels(key, tiny):
    bare = replace(
        tiny,
        _read=lambda name: tiny.table(name).clear() if name in {"annotations", "preferences"} else tiny.table(name),
    )
    with pytest.raises(UsageError, match="these data have no labels"):
        figures.FIGURES[key].draw(bare)


@pytest.mark.slow
def test_figures_of_comparisons_count_the_compared_answers(tmp_path):
    written = figures.write_all(btviz.load(comparisons(tmp_path)), tmp_path / "out")
    missing = written.drop_nulls("not_drawn").filter(pl.col("figure").is_in(figures.FIGURES))
    structure = ["category_network", "category_groups", "category_factors", "parallel_analysis"]
    assert missing["figure"].to_list() == [
        "split_overlap",
        *structure,
        "agreement",
        "disputed",
        "annotators",
        "votes",
        "specifications_phi",
    ]
    missing = missing.filter(~pl.col("figure").is_in(["severity", "split_overlap"]))
    assert missing["not_drawn"][:4].str.contains("vary over 8 or more effective prompts").all()
    assert missing["not_drawn"][4:8].str.contains("comparisons are released without the votes of several people").all()
    assert "No specification has an estimate" in missing["not_drawn"][8]
    assert "comparisons · pairs, all · n = 4" in words((tmp_path / "out" / "association.pdf").read_bytes())
    record = json.loads((tmp_path / "out" / "association.provenance.json").read_text())
    assert record["table"]["parameters"] == {"population": "pairs", "where": "all", "intervals": True}


def comparisons(folder):
    """Two comparisons of a mild answer and one that flags two of the 19 categories."""
    rows = []
    for number in range(2):
        row = {"prompt": f"what is tea {number}", "better_response_id": 0, "safer_response_id": 0}
        for side, flagged in enumerate(([], PKU_SAFERLHF.keys[:2])):
            row[f"response_{side}"] = f"a drink {side}"
            row[f"is_response_{side}_safe"] = not flagged
            row[f"response_{side}_harm_category"] = {key: key in flagged for key in PKU_SAFERLHF.keys}
            row[f"response_{side}_severity_level"] = 2 * bool(flagged)
        rows.append(json.dumps(row))
    path = folder / "comparisons.jsonl"
    path.write_text("\n".join(rows))
    return path


@pytest.mark.slow
def test_synthetic_data_are_named_on_the_picture_and_in_the_record(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", {"category_shares": figures.FIGURES["category_shares"]})
    object.__setattr__(tiny, "is_synthetic", True)
    figures.write_all(tiny, tmp_path)
    assert "synthetic sample" in words((tmp_path / "category_shares.pdf").read_bytes())
    assert json.loads((tmp_path / "category_shares.provenance.json").read_text())["data"]["is_synthetic"] is True
    assert "synthetic sample" in json.loads((tmp_path / "manifest.json").read_text())["data"]


def test_any_chart_can_be_saved(tmp_path):
    chart = alt.Chart(pl.DataFrame({"a": [1]})).mark_point().encode(x="a:Q")
    files = figures.save_figure(chart, tmp_path / "points.of.view", formats=["svg"], provenance={"made": "by hand"})
    assert [file.name for file in files] == ["points.of.view.svg", "points.of.view.provenance.json"]
    assert json.loads(files[-1].read_text())["made"] == "by hand"


def test_an_unknown_format_writes_nothing(tiny, tmp_path):
    with pytest.raises(UsageError, match="figure format 'jpg'"):
        figures.save_figure(chart_of(tiny), tmp_path / "a", formats=["svg", "jpg"])
    assert list(tmp_path.glob("a*")) == []


def test_a_folder_that_cannot_be_written(tiny, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError):
        figures.save_figure(chart_of(tiny), tmp_path / "file" / "a", formats=["svg"])


def test_png_is_sharp_enough_for_print(written):
    data = (written / "category_shares.png").read_bytes()
    assert int.from_bytes(data[16:20], "big") >= 504 * 300 / 72 * 0.97


def test_real_matrix_has_the_checked_numbers(shared_data):
    ds = btviz.load(shared_data / "beavertails" / "30k_test.jsonl")
    rows = plots.association_matrix(btviz.cooccurrence(ds)).to_dict()["datasets"]
    hate, bias = ds.taxonomy["hate-speech"].key, ds.taxonomy["discrimination"].key
    (cell,) = [row for data in rows.values() for row in data if (row["row"], row["col"]) == (bias, hate)]
    assert cell["text"] == ".49"
    assert cell["value"] == pytest.approx(0.487, abs=5e-4)
