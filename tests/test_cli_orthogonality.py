"""`btviz stats orthogonality`: one JSON document, or tables in plain words."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from btviz.cli.orthogonality import orthogonality_command


def called(*arguments: str) -> Result:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(orthogonality_command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result


def test_json_holds_every_table() -> None:
    document = json.loads(called("sample", "--json", "--n-boot", "50").stdout)
    assert document["is_synthetic"]
    assert {"table", "bias", "pooled", "adjusted", "null", "cycles", "margin"} <= document.keys()
    assert document["table"][0]["grouping"] == "all"
    assert document["null"][0]["turns"] == 9999
    assert document["cycles"]["prompts"] > 0


def test_the_verdict_of_each_stratum_is_a_sentence() -> None:
    printed = called("sample", "--n-boot", "50").stdout
    for level in ("all", "both_safe", "mixed", "both_unsafe"):
        assert f"\n{level}: planted: p = " in printed
    assert "odds_ratio_mh" in printed
