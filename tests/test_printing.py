"""Figures as an author asks for them: widths, sizes, names, what goes with each, and whether they would differ now."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from pypdf import PdfReader
from small_data import dataset_from_rows

import btviz
from btviz import figures
from btviz.cli import app
from btviz.data.dataset import Dataset
from btviz.errors import DataError, UsageError
from btviz.reports.figures import verify_all, write_paper
from btviz.reports.figures.printing import Printing, latex_text, width_in_points
from btviz.reports.figures.write import chosen, write_printed
from btviz.reports.tables import estimate, write_tables


@pytest.fixture(scope="module")
def tiny() -> Dataset:
    place = pl.col("place")
    rows = pl.DataFrame({"place": range(90)}).select(
        pl.format("Asked {}", place % 30).alias("prompt"),
        pl.format("Answered {}", place).alias("response"),
        pl.lit("train").alias("split"),
        (place % 3 == 0).alias("is_safe"),
        pl.when(place % 3 > 0).then(1 + place % 2 + 4 * (place % 5 == 0)).otherwise(0).cast(pl.UInt32).alias("labels"),
    )
    return dataset_from_rows(rows)


def width_of(path: Path) -> float:
    return float(PdfReader(path).pages[0].mediabox.width)


def manifest(folder: Path) -> dict[str, dict[str, object]]:
    return {row["figure"]: row for row in json.loads((folder / "manifest.json").read_text("utf-8"))["figures"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "style", "points"),
    [
        ("column", "icml", 234.0),
        ("text", "neurips", 396.0),
        ("column", "acl", 7.7 / 2.54 * 72),
        ("9cm", "default", 255.118),
    ],
)
def test_a_pdf_is_exactly_as_wide_as_asked(tiny: Dataset, tmp_path: Path, width: str, style: str, points: float):
    figures.write_all(
        tiny, tmp_path, only=["category_shares", "association"], width=width, style=style, formats=["pdf"]
    )
    drawn = sorted(tmp_path.glob("*.pdf"))
    assert [path.stem for path in drawn] == ["association", "category_shares"]
    assert [width_of(path) for path in drawn] == pytest.approx([points, points], abs=0.01)
    assert {row["text_points"] for row in manifest(tmp_path).values()} == {8.0}


@pytest.mark.slow
def test_text_has_the_size_asked(tiny: Dataset, tmp_path: Path):
    figures.write_all(tiny, tmp_path, only=["category_shares"], width="slide", formats=["svg"])
    image = (tmp_path / "category_shares.svg").read_text("utf-8")
    frame = re.search(r'width="([\d.]+)" height="[\d.]+" viewBox="\S+ 0 ([\d.]+) ', image)
    assert frame is not None
    assert float(frame[1]) == 720
    assert float(frame[1]) / float(frame[2]) == pytest.approx(2)  # labels of 8 units
    assert manifest(tmp_path)["category_shares"]["text_points"] == 16


@pytest.mark.slow
def test_what_is_too_narrow_for_its_text_says_how_large_that_is(tiny: Dataset, tmp_path: Path):
    figures.write_all(tiny, tmp_path, only=["category_shares"], width=110, formats=["pdf"])
    assert width_of(tmp_path / "category_shares.pdf") == pytest.approx(110, abs=0.01)
    assert 1 < float(str(manifest(tmp_path)["category_shares"]["text_points"])) < 8


@pytest.mark.slow
def test_a_figure_too_narrow_for_a_column_takes_the_width_of_the_page(tiny: Dataset, tmp_path: Path):
    printing = Printing(110.0, formats=("pdf",), wider=504.0)
    write_printed(tiny, tmp_path, printing=printing, only=["category_shares"])
    assert width_of(tmp_path / "category_shares.pdf") == pytest.approx(504, abs=0.01)
    assert "begin{figure*}" in (tmp_path / "category_shares.tex").read_text("utf-8")
    assert set(verify_all(tiny, tmp_path)["state"]) == {"same"}


@pytest.mark.slow
def test_with_a_figure_come_its_data_its_caption_and_its_words(tiny: Dataset, tmp_path: Path):
    written = figures.write_all(tiny, tmp_path, only=["category_shares"], formats=["pdf"], width="column", title=False)
    assert written["format"].to_list() == ["pdf"]
    counted = btviz.category_counts(tiny)
    data = pl.read_parquet(tmp_path / "category_shares.parquet")
    assert data["n_category"].to_list() == counted["n_category"].to_list()
    assert pl.read_csv(tmp_path / "category_shares.csv")["n_category"].to_list() == data["n_category"].to_list()
    latex = (tmp_path / "category_shares.tex").read_text("utf-8")
    assert "\\includegraphics[width=3.389in,height=0.82\\textheight,keepaspectratio]{category_shares.pdf}" in latex
    assert "annotations, all" in latex
    assert "n = 90" in latex
    words = manifest(tmp_path)["category_shares"]
    assert str(words["caption"]).startswith("Category shares. tiny · annotations, all · n = 90")
    assert "Bar chart" in str(words["alternative_text"])
    said = " ".join(PdfReader(tmp_path / "category_shares.pdf").pages[0].extract_text().split())
    assert "How often" not in said


@pytest.mark.slow
def test_scope_turns_to_unsafe_rows(tiny: Dataset, tmp_path: Path):
    figures.write_all(tiny, tmp_path, only=["category_shares"], formats=["svg"], scope="unsafe")
    assert set(pl.read_parquet(tmp_path / "category_shares.parquet")["n"]) == {60}


@pytest.mark.slow
def test_models_are_called_as_asked_and_forms_differ(tiny: Dataset, tmp_path: Path):
    scores = tiny.pairs.select(
        "pair_id",
        pl.lit("old_name").alias("model"),
        pl.lit("cost").alias("kind"),
        pl.lit(None, pl.String).alias("target"),
        (pl.col("n_unsafe") + pl.col("response_words") * 0.0 + pl.int_range(pl.len()) / 100)
        .cast(pl.Float64)
        .alias("score"),
    )
    asked = {"only": ["fig6"], "formats": ["svg"], "scores": scores, "rename": {"old_name": "New name"}}
    images = []
    for form in ("violin", "histogram"):
        figures.write_all(tiny, tmp_path / form, form=form, **asked)
        images.append((tmp_path / form / "scores_by_safety.svg").read_text("utf-8"))
    assert images[0] != images[1]
    assert all("New name" in image and "old_name" not in image for image in images)


@pytest.mark.slow
def test_a_folder_is_held_against_what_would_be_drawn_now(tiny: Dataset, tmp_path: Path):
    figures.write_all(tiny, tmp_path, only=["category_shares", "agreement"], formats=["svg"], width="column")
    assert set(verify_all(tiny, tmp_path)["state"]) == {"same"}
    (tmp_path / "category_shares.svg").write_text("<svg/>", "utf-8")
    (tmp_path / "category_shares.tex").unlink()
    states = dict(verify_all(tiny, tmp_path).rows())
    assert states == {
        "category_shares.svg": "changed since",
        "category_shares.tex": "missing",
        "category_shares.csv": "same",
        "category_shares.parquet": "same",
        "category_shares.provenance.json": "same",
    }
    fewer = dataset_from_rows(
        tiny.annotations.join(tiny.pairs.select("pair_id", "prompt", "response"), on="pair_id").head(80)
    )
    assert dict(verify_all(fewer, tmp_path).rows())["category_shares.csv"] == "would differ"


def test_a_folder_without_a_manifest_is_refused(tiny: Dataset, tmp_path: Path):
    with pytest.raises(DataError, match="has no manifest"):
        verify_all(tiny, tmp_path)
    (tmp_path / "manifest.json").write_text('{"printing": []}', "utf-8")
    with pytest.raises(DataError, match="has no manifest"):
        verify_all(tiny, tmp_path)


def test_figures_are_found_by_key_and_by_the_number_of_the_published_one():
    assert chosen(["Fig3"]) == {"association", "association_unsafe", "specifications_phi"}
    assert chosen(["agreement", "fig6"]) == {"agreement", "scores_by_safety", "scores_by_safety_violins"}
    assert chosen(["fig1"]) == {"category_shares", "composition", "category_mix"}
    with pytest.raises(UsageError, match="fig1, fig3"):
        chosen(["fig99"])


@pytest.mark.parametrize(
    "asked",
    [{"width": "wide"}, {"width": "1pt"}, {"font_size": 400}, {"formats": ["gif"]}, {"style": "cvpr", "width": "text"}],
)
def test_what_cannot_be_printed_writes_nothing(tiny: Dataset, tmp_path: Path, asked: dict[str, object]):
    with pytest.raises(UsageError):
        figures.write_all(tiny, tmp_path / "out", only=["category_shares"], **asked)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_widths_are_read_in_every_unit():
    assert width_in_points("2in") == pytest.approx(width_in_points("5.08 cm")) == width_in_points(144)


def test_signs_of_latex_are_written_out():
    assert latex_text("50 % of a_b & {c} \\ φ ≥ 茶") == (r"50 \% of a\_b \& \{c\} \textbackslash{} $\varphi$ $\ge$ ?")


@pytest.mark.slow
def test_the_command_takes_all_of_it(tmp_path: Path):
    line = ["figures", "sample", "--only", "category_shares", "--width", "column", "--style", "icml", "--format", "pdf"]
    result = CliRunner().invoke(app, [*line, "--no-title", "--scope", "unsafe", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert width_of(tmp_path / "category_shares.pdf") == 234
    again = ["figures", "sample", "--verify", "--out", str(tmp_path)]
    assert CliRunner().invoke(app, again).exit_code == 0
    (tmp_path / "category_shares.pdf").write_bytes(b"")
    assert CliRunner().invoke(app, again).exit_code == 1
    wrong = CliRunner().invoke(app, [*line, "--rename", "nothing", "--out", str(tmp_path)])
    assert wrong.exit_code == 2
    assert "OLD=NEW" in wrong.output


@pytest.mark.slow
def test_a_paper_names_each_figure_once_and_compiles_where_latex_is(tiny: Dataset, tmp_path: Path):
    page = write_paper(tiny, tmp_path, only=["category_shares", "label_sets"], style="icml")
    assert set(verify_all(tiny, tmp_path / "figures")["state"]) == {"same"}
    assert re.findall(r"\\input\{figures/(\w+)\.tex\}", page.read_text("utf-8")) == ["category_shares", "label_sets"]
    assert "columnsep=0.2500in" in page.read_text("utf-8")
    latex = shutil.which("pdflatex")
    if latex is None:
        pytest.skip("pdflatex is not here, so the page was written and not compiled")
    line = [latex, "-interaction=nonstopmode", "-halt-on-error", page.name]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    said = " ".join(p.extract_text() for p in PdfReader(tmp_path / "main.pdf").pages)
    assert "Figure 1: Category shares." in " ".join(said.split())
    assert "Overfull" not in (tmp_path / "main.log").read_text("utf-8", "replace")


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (0.2400, 0.2239, 0.2553, "0.240 [0.224, 0.255]"),
        (24.0, 22.39, 25.53, "24.0 [22.4, 25.5]"),
        (1234.5, 1000.0, 1500.0, "1,234 [1,000, 1,500]"),
        (0.5, None, None, "0.50"),
        (None, None, None, "–"),
        (0.123456, 0.1234559, 0.1234561, "0.1235 [0.1235, 0.1235]"),
    ],
)
def test_numbers_are_rounded_as_their_intervals_allow(value, low, high, shown):
    assert estimate(value, low=low, high=high) == shown


@pytest.mark.slow
def test_tables_come_in_three_forms_with_the_shares_that_were_counted(tiny: Dataset, tmp_path: Path):
    written = write_tables(tiny, tmp_path, only=["categories", "agreement"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["categories.csv", "categories.html", "categories.tex"]
    assert "one annotation per pair" in written.filter(table="agreement")["not_made"][0]
    counted = btviz.category_counts(tiny).sort("n_category", descending=True)
    table = pl.read_csv(tmp_path / "categories.csv")
    assert table["n"].to_list() == counted["n_category"].to_list()
    first = float(table["% of all"].cast(pl.String)[0].split()[0])
    assert first == pytest.approx(100 * counted["share"][0], abs=0.5)
    latex = (tmp_path / "categories.tex").read_text("utf-8")
    assert latex.count("\\\\\n") == 15
    assert "\\toprule" in latex
    assert "\\% of unsafe" in latex
    with pytest.raises(UsageError, match="categories, agreement"):
        write_tables(tiny, tmp_path, only=["nothing"])


@pytest.mark.slow
def test_tables_of_models_and_policies_stand_in_the_published_form(tmp_path: Path):
    for name, shift in (("before", 0.0), ("after", 2.0)):
        rows = [
            {"prompt": f"question {k}", "response": f"{name} {k}", "cost": k % 7 - shift * (k % 3)} for k in range(60)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    files = [part for name in ("before", "after") for part in ("--from", str(tmp_path / f"{name}.jsonl"))]
    assert CliRunner().invoke(app, ["score", "two-policies", *files]).exit_code == 0
    written = write_tables(btviz.load("two-policies"), tmp_path / "out", only=["win_rates", "accuracies"])
    rates = pl.read_csv(tmp_path / "out" / "win_rates.csv")
    assert rates.columns == ["Policy", "By", "Items", "Wins over before, %"]
    assert rates.row(0)[:3] == ("after", "cost (harmlessness)", 60)
    wins = sum((k % 3 > 0) + 0.5 * (k % 3 == 0) for k in range(60)) / 60
    assert float(rates.row(0)[3].split(" ")[0]) == pytest.approx(100 * wins, abs=0.6)
    (reason,) = written.filter(table="accuracies")["not_made"].drop_nulls()
    assert "no reward or cost model that is kept has scored answers with labels" in reason
