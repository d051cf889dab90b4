"""`btviz stats orthogonality`: one JSON document, or tables in plain words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from wording import says

from btviz.cli.stats import orthogonality_command

pytestmark = pytest.mark.usefixtures("kept_samples")


def called(*arguments: str) -> Result:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(orthogonality_command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result


@pytest.mark.slow
def test_json_holds_every_table() -> None:
    document = json.loads(called("sample", "--json", "--n-boot", "50").stdout)
    assert document["is_synthetic"]
    assert {"table", "bias", "pooled", "adjusted", "null", "cycles", "margin"} <= document.keys()
    assert document["table"][0]["grouping"] == "all"
    assert document["null"][0]["turns"] == 9999
    assert document["cycles"]["prompts"] > 0


@pytest.mark.slow
def test_the_verdict_of_each_stratum_is_a_sentence() -> None:
    printed = called("sample", "--n-boot", "50").stdout
    for level in ("all", "both_safe", "mixed", "both_unsafe"):
        assert f"\n{level}: synthetic, true p = " in printed
    assert says(printed, "the odds ratio of better and safer is")
    assert len(printed.splitlines()) <= 45, "a screen"
    everything = called("sample", "--n-boot", "50", "--all").stdout
    assert "odds_ratio_mh_by_position" in everything
    assert says(everything, "three or more answers")


@pytest.mark.slow
def test_small_p_values_are_not_nought_and_contrasts_stand_beside() -> None:
    printed = called("sample", "--n-boot", "50", "--all").stdout
    first = next(line for line in printed.splitlines() if line.startswith("all "))
    assert "0.002" in first  # Holm over 18 rows
    assert says(printed, "p by prompt", "naive interval")
    assert "< 0.001" in printed
    assert " 0.000" not in printed


@pytest.mark.slow
def test_mixed_comparisons_that_break_the_rule_are_counted() -> None:
    printed = called("sample", "--n-boot", "50").stdout
    assert "mixed comparisons, 0 break the rule" in printed
    assert "Errors of the labels" not in printed  # nothing was published about synthetic data


def compared(folder: Path) -> str:
    """Sixty comparisons of one safe answer, in which better is safer in nine of ten and the rule broken twice."""
    rows = [
        {
            "prompt": f"what is {number}",
            "response_0": "a number",
            "response_1": "a sum",
            "better_response_id": (number + (number % 10 == 9)) % 2,
            "safer_response_id": number % 2,
            "is_response_0_safe": (number % 2 == 0) == (number > 1),
            "is_response_1_safe": (number % 2 == 1) == (number > 1),
        }
        for number in range(60)
    ]
    file = folder / "mine_train.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return str(file)


@pytest.mark.slow
def test_a_report_of_real_comparisons_tells_broken_rules_and_refuted_errors(tmp_path: Path) -> None:
    file = compared(tmp_path)
    printed = called(file, "--n-boot", "50").stdout
    assert says(printed, "60 mixed comparisons", "2 break")
    assert says(printed, "refuted", "independent errors", "62.39", "60.91 %")
    document = json.loads(called(file, "--n-boot", "50", "--json").stdout)
    assert document["reliability"]["refuted"] is True


def test_a_share_without_an_interval_refutes_nothing(tmp_path: Path) -> None:
    file = Path(compared(tmp_path))
    file.write_text("\n".join(file.read_text().splitlines()[:5]))  # five comparisons, all alike: p = 1
    assert "refuted" not in called(str(file), "--n-boot", "50").stdout


def test_data_without_comparisons_are_not_measured(tmp_path: Path) -> None:
    file = tmp_path / "asked.jsonl"
    file.write_text(json.dumps({"prompt": "what is tea", "response": "a drink", "is_safe": True}))
    printed = called(str(file)).stdout
    assert says(printed, "nothing is measured", "no comparison has both labels")
    assert "three or more answers" not in printed
    assert json.loads(called(str(file), "--json").stdout)["reliability"] is None
