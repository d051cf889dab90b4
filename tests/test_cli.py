from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import patience
import polars as pl
import pytest
from click.testing import CliRunner, Result
from wording import says

import btviz
from btviz.cli import app, report
from btviz.data import catalog
from btviz.data import releases as sources
from btviz.errors import DataError, FetchError, MissingExtraError, NotFoundError, StoreError, UsageError
from btviz.reports.figures import write
from btviz.reports.figures.of_data import FIGURES
from btviz.reports.figures.of_scores import SCORE_FIGURES
from btviz.taxonomy.categories import BEAVERTAILS

pytestmark = pytest.mark.usefixtures("kept_samples")

MARKER = "zebra crossing"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def done(*arguments: str) -> Result:
    result = call(*arguments)
    assert result.exit_code == 0, result.stderr
    return result


def row(prompt: str, *flagged: str) -> str:
    categories = {key: key in flagged for key in BEAVERTAILS.keys}
    record = {"prompt": prompt, "response": MARKER, "category": categories, "is_safe": not flagged}
    return json.dumps(record)


def write_released(folder: Path) -> Path:
    """Four rows: nothing; hate; hate and discrimination; hate and discrimination."""
    hate, bias = BEAVERTAILS["hate-speech"].key, BEAVERTAILS["discrimination"].key
    rows = [row("a"), row("b", hate), row("c", hate, bias), row("d", hate, bias)]
    path = folder / "mine_test.jsonl"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def released_file(tmp_path: Path) -> Path:
    return write_released(tmp_path)


@dataclass(frozen=True)
class Drawn:
    """All figures of the released file: where they are, and what was printed, as JSON and for people."""

    out: Path
    document: Result
    words: Result


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    folder = tmp_path_factory.mktemp("drawn")
    command = ("figures", str(write_released(folder)), "--out", str(folder / "figures"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTVIZ_DATA_DIR", str(folder / "data"))
        return Drawn(folder / "figures", done(*command, "--json"), done(*command))


@pytest.fixture
def one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw one figure: these tests are about where figures go and what precedes them."""
    monkeypatch.setattr(write, "FIGURES", {"association": FIGURES["association"]})


def test_version():
    assert done("--version").stdout == f"btviz {btviz.__version__}\n"


def test_help_names_every_command():
    listed = done("--help").stdout
    for command in ("demo", "data", "stats", "map", "figures", "lab"):
        assert f"\n  {command} " in listed


@pytest.mark.parametrize("arguments", [["data", "list"], ["data", "list", "--files"]])
def test_released_data_sets_are_listed(arguments):
    listed = done(*arguments).stdout
    assert all(name in listed for name in sources.RELEASES)


def test_the_list_as_json_has_what_was_published():
    listed = json.loads(done("data", "list", "--json").stdout)
    assert [entry["name"] for entry in listed["released"]] == list(sources.RELEASES)
    train = listed["released"][1]["files"][0]
    assert train["rows"] == 300_567
    assert train["bytes"] == 31_061_396
    assert len(train["sha256"]) == 64
    assert "sample" in listed["synthetic"]
    assert listed["added"] == []


def test_add_takes_local_copies(released_file):
    report = json.loads(done("data", "add", "mine", str(released_file), "--json").stdout)
    assert report["release"] is None
    (file,) = report["files"]
    assert (file["split"], file["rows_in"], file["rows_kept"], file["rows_rejected"]) == ("test", 4, 4, 0)
    assert json.loads(done("data", "list", "--json").stdout)["added"] == ["mine"]
    assert "mine" in done("data", "list").stdout


def test_add_takes_a_split(released_file):
    report = json.loads(done("data", "add", "mine", str(released_file), "--split", "train", "--json").stdout)
    assert report["files"][0]["split"] == "train"


@pytest.mark.filterwarnings("default")
def test_add_says_what_it_could_not_keep(released_file):
    with released_file.open("a") as file:
        file.write("{broken\n")
    result = done("data", "add", "mine", str(released_file))
    assert "1 of 5 rows could not be kept" in result.stderr
    assert "Oddities were found, 1 in all" in result.stderr
    assert "5" in result.stdout


def test_categories_are_counted(released_file):
    rows = json.loads(done("stats", "categories", str(released_file), "--json").stdout)
    counts = {row["category"]: row["n_category"] for row in rows}
    assert counts[BEAVERTAILS["hate-speech"].key] == 3
    assert counts[BEAVERTAILS["discrimination"].key] == 2
    assert sum(counts.values()) == 5


def test_cooccurrence_by_hand(released_file):
    arguments = ["stats", "cooccurrence", str(released_file), "--population", "pairs", "--json"]
    rows = json.loads(done(*arguments).stdout)
    hate, bias = BEAVERTAILS["hate-speech"].key, BEAVERTAILS["discrimination"].key
    (cell,) = [row for row in rows if (row["row"], row["col"]) == (hate, bias)]
    assert cell["n_both"] == 2
    assert cell["phi"] == pytest.approx((2 * 1 - 1 * 0) / (3 * 1 * 2 * 2) ** 0.5)


def test_tables_for_people_name_population_and_rule(released_file):
    shown = done("stats", "cooccurrence", str(released_file), "--where", "unsafe").stdout
    assert "n = 3 annotations, where unsafe: " in shown
    by_split = done("stats", "categories", str(released_file), "--by", "split").stdout
    assert "split" in by_split.splitlines()[1]


def test_show_counts_what_is_there(released_file):
    shown = json.loads(done("data", "show", str(released_file), "--json").stdout)
    found = {q["quantity"]: q["value"] for q in shown["quantities"] if q["split"] is None and not q["level"]}
    assert (found["rows"], found["unique_pairs"], found["unsafe_rows"]) == (4, 4, 3)
    assert found["share_safe"] == 25
    assert shown["files"][0]["rows_kept"] == 4
    text = done("data", "show", str(released_file)).stdout
    assert "share safe" in text
    assert "25.00 %" in text
    (near,) = shown["near_duplicates"]
    assert near["prompts"] == found["unique_prompts"]
    assert "Prompts that say nearly what another says" in text
    without = done("data", "show", str(released_file), "--no-near-duplicates", "--json").stdout
    assert json.loads(without)["near_duplicates"] is None


def test_show_prints_published_numbers_beside_real_ones(shared_data):
    file = shared_data / "beavertails" / "30k_test.jsonl"
    assert (
        "recognised as beavertails-30k by the published hashes"
        in done("data", "add", "beavertails-30k", str(file)).stdout
    )
    lines = done("data", "show", "beavertails-30k").stdout.splitlines()
    heading = next(line for line in lines if line.startswith("quantity"))
    assert heading.split() == ["quantity", "of", "test", "published", "published,", "all"]
    (rows,) = [line.split() for line in lines if line.startswith("rows ")]
    assert rows == ["rows", "annotations", "3,021", "3,021", "30,207"]
    (pairs,) = [line.split() for line in lines if line.startswith("unique pairs ")]
    assert pairs[-3:] == ["3,019", "3,019", "–"]
    (hate,) = [line.split() for line in lines if line.startswith("hate-speech ")]
    assert hate == ["hate-speech", "302", "17.43", "%", "16.40", "%"]
    assert any(line.split() == ["30k_test.jsonl", "repeated", "pair", "kept", "2"] for line in lines)


def test_show_of_the_sample_sets_target_against_obtained():
    lines = done("data", "show", "sample").stdout.splitlines()
    header = next(line for line in lines if line.startswith("statistic"))
    assert header.split() == ["statistic", "level", "target", "obtained", "source"]
    assert any("our assumption" in line for line in lines)
    assert "synthetic sample" in lines[0]


def test_show_has_a_line_per_quantity_and_a_column_per_split():
    lines = done("data", "show", "sample").stdout.splitlines()
    assert next(line for line in lines if line.startswith("quantity")).split() == [
        "quantity", "of", "all", "test", "train",
    ]  # fmt: skip
    rows = next(line.split() for line in lines if line.startswith("rows "))
    assert rows == ["rows", "annotations", "15,060", "1,503", "13,557"]
    assert len([line for line in lines if line.startswith("hate-speech ")]) == 1
    assert "published" not in lines[2]


def test_a_name_alone_is_no_proof_of_a_release(released_file):
    added = done("data", "add", "beavertails-330k", str(released_file)).stdout
    assert says(added, "beavertails-330k", "name", "no published hash")


def test_a_data_set_is_forgotten_and_can_be_added_again(released_file):
    done("data", "add", "mine", str(released_file))
    assert "mine is forgotten" in done("data", "remove", "mine").stdout
    assert call("data", "remove", "mine").exit_code == 3
    assert "Load it with" in done("data", "add", "mine", str(released_file)).stdout


def test_a_pipe_has_no_width(released_file, tmp_path, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)  # some libraries set it for their own tables
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    path = released_file.rename(folder / released_file.name)
    assert f"{path}  test" in done("data", "add", "mine", str(path)).stdout


def test_figures_are_written_and_listed(drawn):
    listed = json.loads(drawn.document.stdout)
    files = {Path(file["file"]) for file in listed["files"] if file["file"]}
    assert {file.suffix for file in files} == {".svg", ".pdf", ".png"}
    assert all(file.parent == drawn.out and file.stat().st_size > 500 for file in files)
    shown = drawn.words.stdout
    assert "association.svg .pdf .png" in shown
    assert shown.startswith(f"Figures of mine_test, in {drawn.out}")
    assert says(shown, "Not drawn", "Agreement of annotators", "Disputed pairs", "Votes on a pair")
    assert says(shown, "no comparisons")


def test_figures_that_cannot_be_drawn_are_an_error_where_there_is_no_other(tmp_path):
    prompts = tmp_path / "asked.jsonl"
    prompts.write_text('{"prompt": "what is tea"}\n')
    result = call("figures", str(prompts), "--out", str(tmp_path / "out"), "--json")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "holds prompts without answers" in result.stderr
    shown = done("demo", str(prompts), "--out", str(tmp_path / "out")).stdout
    assert shown.count("not drawn") == len(FIGURES) + len(SCORE_FIGURES)
    assert shown.count("holds prompts without answers") == 1
    assert shown.count("it has no answers to score") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("one_figure")
def test_figures_go_to_a_folder_of_their_own(released_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done("figures", str(released_file))
    assert (tmp_path / "figures" / "mine_test" / "association.svg").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("one_figure")
def test_the_demo_fetches_a_released_data_set_first(released_file, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(sources, "fetch", lambda name: asked.append(name) or [released_file])
    report = json.loads(done("demo", "beavertails-330k", "--out", str(tmp_path), "--json").stdout)
    assert asked == ["beavertails-330k"]
    assert report["made"]["annotations"] == 4
    done("demo", "beavertails-330k", "--out", str(tmp_path))
    assert asked == ["beavertails-330k"]


def test_what_is_fetched_is_added(released_file, monkeypatch):
    monkeypatch.setattr(sources, "fetch", lambda name, *, force: [released_file])
    assert json.loads(done("data", "fetch", "beavertails-30k", "--json").stdout) == {
        "beavertails-30k": [str(released_file)]
    }
    assert json.loads(done("data", "show", "beavertails-30k", "--json").stdout)["files"][0]["rows_kept"] == 4


@pytest.mark.parametrize(
    "arguments",
    [["data", "add", "mine"], ["data", "show"], ["stats", "categories"], ["stats", "cooccurrence"]],
)
def test_no_text_is_printed(released_file, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    for options in ([], ["--json"]):
        result = done(*arguments, str(released_file), *options)
        assert MARKER not in result.stdout + result.stderr


def test_no_text_is_printed_of_figures(drawn):
    for result in (drawn.document, drawn.words):
        assert result.stdout
        assert MARKER not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("asked"), 2),
        (MissingExtraError("asked"), 2),
        (NotFoundError("asked"), 3),
        (DataError("asked"), 4),
        (StoreError("asked"), 5),
        (FetchError("asked"), 6),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_kind_of_error_has_its_exit_code(monkeypatch, error, code):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(catalog, "load", fail)
    result = call("stats", "categories", "sample", "--json")
    assert result.exit_code == code
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    if code != 130:
        assert result.stderr == "Error: asked\n"


def test_an_unforeseen_error_does_not_quote_the_data(monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError(MARKER)

    monkeypatch.setattr(catalog, "load", fail)
    result = call("stats", "categories", "sample")
    assert result.exit_code == 70
    assert "ZeroDivisionError in test_cli.py, line" in result.stderr
    assert MARKER not in result.stderr
    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(app, ["--debug", "stats", "categories", "sample"], catch_exceptions=False)


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["data", "add", "mine"], ["stats", "categories"], ["lab", "--port", "0"], ["figures"]],
)
def test_a_wrong_call_exits_with_2(arguments):
    result = call(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["stats", "categories", "beavertail-30k"], 3, "Did you mean 'beavertails-30k'"),
        (["stats", "categories", "beavertails-30k"], 3, "btviz data fetch beavertails-30k"),
        (["stats", "categories", "sample", "--population", "pair"], 2, "Did you mean 'pairs'"),
        (["data", "add", "mine", "nowhere.jsonl"], 2, "nowhere.jsonl"),
        (["data", "fetch", "beavertail-30k"], 2, "Did you mean 'beavertails-30k'"),
    ],
)
def test_a_message_says_what_to_do(arguments, code, hint):
    result = call(*arguments)
    assert result.exit_code == code
    assert hint in result.stderr


@pytest.mark.slow
def test_a_warning_is_one_line_on_standard_error(released_file, tmp_path):
    with released_file.open("a") as file:
        file.write("{broken\n")
    result = subprocess.run(
        [sys.executable, "-m", "btviz", "stats", "categories", str(released_file), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    json.loads(result.stdout)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Warning: ")]
    assert "1 of 5 rows" in line


@pytest.mark.slow
def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m btviz data list --json | head -n 1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert result.stdout == "{\n"
    assert result.stderr == ""


SLOW = """
import signal, sys, time
import polars as pl

import btviz
from btviz.cli import app

def slow(name):
    print("started", flush=True)
    time.sleep(3600)

signal.signal(signal.SIGINT, signal.default_int_handler)
btviz.load = slow
app(["stats", "categories", "sample"])
"""


def test_an_interrupt_exits_with_130():
    process = subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=patience.SECONDS)
    assert process.returncode == 130
    assert errors.strip() == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (333_963, "333,963"), (0.48712, "0.487"), (None, "–"), (True, "yes"), ([], "–"), (["a", "b"], "a, b"),
        ("x", "x"),
    ],
)  # fmt: skip
def test_cells_are_readable(value, shown):
    assert report.format_cell(value) == shown


@pytest.mark.parametrize(
    ("size", "shown"), [(None, "–"), (999, "999 B"), (1000, "1.0 kB"), (31_061_396, "31.1 MB"), (2.6e9, "2.6 GB")]
)
def test_sizes_are_readable(size, shown):
    assert report.format_bytes(size) == shown


def test_numbers_stand_to_the_right_and_nothing_is_lost_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "24")
    report.print_table([["[red]hate speech, offensive", 333_963], ["x", None]], ["category", "n"], title="T")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 24
    assert "".join(line[:14].strip() for line in lines[2:-1]).startswith("[red]hate")
    assert lines[-1].endswith(" –")


def test_words_give_way_before_numbers_on_a_narrow_terminal(capsys, monkeypatch):
    names = ["grouping", "comparisons recorded", "low", "high"]
    rows = [["controversial politics", 123_456, 0.25, 0.75], ["x", 1, None, 0.125]]
    monkeypatch.setenv("COLUMNS", "46")
    report.print_table(rows, names)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 46
    assert [sum(number in line for line in lines) for number in ("123,456", "0.250", "0.750", "0.125")] == [1] * 4
    monkeypatch.setenv("COLUMNS", "20")  # too narrow for any: then the terminal folds rows
    report.print_table(rows, names)
    assert any(line.split()[-3:] == ["123,456", "0.250", "0.750"] for line in capsys.readouterr().out.splitlines())


def test_reasons_that_differ_in_a_number_are_one(capsys):
    reasons = ["worth 6 of 0.5", "worth 1,019 of 0.5", "worth 11 of 0.5", "no label", None]
    report.print_reasons(pl.DataFrame({"undefined": reasons}))
    assert capsys.readouterr().out == "–: no label.\n–: worth 6 to 1,019 of 0.5.\n"


def test_json_refuses_what_json_cannot_say():
    with pytest.raises(ValueError, match="not JSON compliant"):
        report.print_json({"phi": float("nan")})
