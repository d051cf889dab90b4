"""How well cost and moderation probes do out of fold on real data, against the fixed penalty they had.

Run as ``python -m benchmarks.probe_quality``; it reads the real data that `benchmarks.populations` names,
prints a table and ends, or says that the data are missing.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import polars as pl

from benchmarks.populations import REAL

PAIRS = REAL.parents[1] / "pku-saferlhf" / "one_safe_pairs.jsonl"
N_BOOT = 2000
FORMER = 3e-2
"""The penalty that probes had before theirs was chosen inside the folds."""


def main() -> None:
    """Print cost, then moderation, for both ways and both encoders."""
    if not (REAL.is_file() and PAIRS.is_file()):
        print("Real data are missing, so nothing was measured.")
        return
    for encoder in ("words", "minilm"):
        cost(encoder)
        moderation(encoder)


def cost(encoder: str) -> None:
    """Pair accuracy with the paired difference by prompts drawn, and the slope without intercept."""
    import btviz

    ds = btviz.load(PAIRS)
    emb = btviz.embed(ds, text="qa", encoder=encoder)
    rows = ds.preferences.drop_nulls("safer").filter(pl.col("pair_id_0") != pl.col("pair_id_1"))
    margins = {}
    for name, l2 in (("chosen", None), ("former", FORMER)):
        start = time.process_time()
        probe = btviz.fit_probe(ds, emb, kind="cost", l2=l2)
        print(f"cost {encoder} {name}: {time.process_time() - start:.1f} s, settings {probe.card['settings']}")
        margins[name] = _margins(rows, probe.out_of_fold)
    drawn = _drawn(rows["prompt_id"].to_numpy())
    hits = {name: (found > 0) + 0.5 * (found == 0) for name, found in margins.items()}
    for name, found in margins.items():
        _say(f"cost {encoder} {name} pair accuracy, n={len(found)}", [hits[name] @ w / w.sum() for w in drawn])
        _say(f"cost {encoder} {name} slope, both orders", [_slope(found, w) for w in drawn[:400]])
    _say(f"cost {encoder} accuracy gained", [(hits["chosen"] - hits["former"]) @ w / w.sum() for w in drawn])


def moderation(encoder: str) -> None:
    """AUC of any harm, F1 against flagging everything, and macro F1, each flag at a half."""
    from sklearn.metrics import f1_score, roc_auc_score

    import btviz

    ds = btviz.load(REAL)
    emb = btviz.embed(ds, text="qa", encoder=encoder)
    keys = [category.slug for category in ds.taxonomy.categories]
    pairs = ds.pairs.drop_nulls("labels")
    truth = pairs.select(ds.taxonomy.has(key).alias(key) for key in ds.taxonomy.keys).to_numpy()
    drawn = _drawn(pairs["prompt_id"].to_numpy())[:400]
    for name, l2 in (("chosen", None), ("former", FORMER)):
        start = time.process_time()
        probe = btviz.fit_probe(ds, emb, kind="moderation", l2=l2)
        print(f"moderation {encoder} {name}: {time.process_time() - start:.1f} s, l2={probe.card['settings']['l2']}")
        wide = probe.out_of_fold.pivot("target", index="pair_id", values="score")
        chance = pairs.select("pair_id").join(wide, on="pair_id", how="left", maintain_order="left")
        p = np.nan_to_num(chance.select(keys).to_numpy().astype(float))
        harm, some = truth.any(axis=1), 1 - np.prod(1 - p, axis=1)
        flags, any_flag = p > 0.5, (p > 0.5).any(axis=1)
        title = f"moderation {encoder} {name}"
        _say(f"{title} AUC of any harm, n={len(p)}", [roc_auc_score(harm, some, sample_weight=w) for w in drawn])
        _say(f"{title} F1 of any harm", [_f1(harm, any_flag, w) for w in drawn])
        _say(f"{title} F1 less flagging all", [_f1(harm, any_flag, w) - _f1(harm, harm | True, w) for w in drawn])
        macro = [f1_score(truth, flags, average="macro", sample_weight=w, zero_division=0) for w in drawn]
        _say(f"{title} macro F1", macro)


def _margins(rows: pl.DataFrame, scores: pl.DataFrame) -> Any:
    """Cost of the less safe answer less that of the safer, of each comparison."""
    known = scores.select("pair_id", "score")
    for side in (0, 1):
        named = known.rename({"pair_id": f"pair_id_{side}", "score": f"cost_{side}"})
        rows = rows.join(named, on=f"pair_id_{side}", how="left", maintain_order="left")
    less = (rows["cost_1"] - rows["cost_0"]).to_numpy()
    return np.where((rows["safer"] == 0).to_numpy(), less, -less)


def _drawn(prompts: Any) -> list[Any]:
    """Weights of rows in samples of prompts drawn with replacement; the first are the rows as they are."""
    _, member = np.unique(prompts, return_inverse=True)
    rng, n = np.random.default_rng(0), int(member.max()) + 1
    samples = [np.bincount(rng.integers(0, n, n), minlength=n)[member].astype(float) for _ in range(N_BOOT)]
    return [np.ones(len(member)), *samples]


def _slope(margins: Any, weights: Any) -> float:
    """Logistic slope without intercept on both orders, by Newton's method: equal to that on one order."""
    slope = 0.0
    for _ in range(50):
        wrong = 1 / (1 + np.exp(slope * margins))
        step = (weights * margins * wrong).sum() / (weights * margins**2 * wrong * (1 - wrong)).sum()
        slope += step
        if abs(step) < 1e-9:
            break
    return slope


def _f1(truth: Any, flags: Any, weights: Any) -> float:
    return float(2 * weights[truth & flags].sum() / (weights[truth].sum() + weights[flags].sum()))


def _say(what: str, values: list[Any]) -> None:
    low, high = np.quantile(values[1:], [0.025, 0.975])
    print(f"{what}: {values[0]:.3f} [{low:.3f}, {high:.3f}]", flush=True)


if __name__ == "__main__":
    main()
