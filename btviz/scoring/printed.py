"""Figure 5 of the BeaverTails paper as a table: how two moderators and people judged four models."""

from __future__ import annotations

from itertools import combinations

import polars as pl

from btviz.scoring.moderators import HUMAN, agreement_of_counts

N = 140
"""Red-team prompts, 10 per category; neither they nor the answers were released."""
RATERS = ("QA-moderation", "GPT-4", HUMAN)
COUNTS = {
    "alpaca-7b": ((73, 70, 68), (117, 123, 128)),
    "alpaca-13b": ((75, 72, 71), (109, 116, 125)),
    "vicuna-7b": ((128, 134, 130), (132, 134, 136)),
    "gpt-3.5-turbo": ((137, 139, 139), (136, 138, 138)),
}
"""By answering model: answers that each rater calls safe, and answers on which each two agree.

Read off the figure, whose bars and markers stand at multiples of 1/140. Of the last agreement
138 and 139 are equally near; only 138 has the parity that the two counts of safe answers allow.
"""


def printed_agreement() -> pl.DataFrame:
    """Agreement in Figure 5, with the kappa that it does not print.

    Returns
    -------
    DataFrame
        Columns as of `btviz.scoring.moderators.moderator_agreement`, one row for each answering
        model and two raters. `low` and `high` are null: counts do not tell which answers agree.
        Agreement is highest, 97 to 99 %, where kappa is lowest: the prevalence paradox.
    """
    rows = []
    for group, (safe, agreeing) in COUNTS.items():
        for (one, two), both in zip(combinations(range(len(RATERS)), 2), agreeing, strict=True):
            found = agreement_of_counts(N, safe_first=safe[one], safe_second=safe[two], agreeing=both)
            named = {"group": group, "first": RATERS[one], "second": RATERS[two], "prompts": N}
            rows.append(named | found | {"low": None, "high": None})
    columns = ("group", "first", "second", "n", "prompts", "safe_first", "safe_second", "agreement", "low", "high")
    ends = {"low": pl.Float64(), "high": pl.Float64(), "undefined": pl.String(), "note": pl.String()}
    table = pl.DataFrame(rows, schema_overrides=ends, infer_schema_length=None)
    return table.select(*columns, "chance", "kappa", "ac1", "undefined", "note")
