"""Tables of scores made by hand."""

from __future__ import annotations

import polars as pl

from btviz.models.protocol import OPTIONAL, SCORES


def scores(pair_ids, values, *, model="m", kind="cost", target=None):
    """Scores of one model, without a published threshold."""
    n = len(pair_ids)
    columns = {"pair_id": pair_ids, "model": [model] * n, "kind": [kind] * n, "target": [target] * n, "score": values}
    return pl.DataFrame(columns | dict.fromkeys(OPTIONAL, [None] * n), schema=SCORES)
