"""``python -m benchmarks.claims [--draws N]``: how often sentences claim something of data in which there is nothing.

Every function of `btviz.reports.sentences` is fed with data that were drawn without association and without difference:
labels, scores and votes are exchangeable, but answers to one prompt resemble each other. What is counted are decisions
(`btviz.taxonomy.findings.Decision`), and among them the claims: each may be made in 5 % of the cases at most. A verdict
is fed with a share on the edge of its margin, where either of its claims would be wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import math
import re
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

import btviz
from btviz.data.dataset import Dataset
from btviz.data.synthetic.conversations import sample_conversations
from btviz.preference import flags_against_safer, implied_trade_off, quadrants, simulate_scores
from btviz.preference.shares import reasons_of
from btviz.reports import sentences
from btviz.scores.conversations import turn_drift, turn_scores
from btviz.scores.differences import margin_summary, score_margins
from btviz.scores.plane import reward_against_cost, reward_and_cost, score_quadrants
from btviz.scores.policies import policy_answers, policy_scores
from btviz.stats.clustered import share_interval
from btviz.stats.separation import auc_interval
from btviz.taxonomy.findings import Decision

Rng = np.random.Generator

CLAIM_NOTHING = {
    "attainable": "counts labels that contradict each other, and what follows for any score",
    "data": "says what the data are and counts them",
    "plan": "says how many prompts assumed effects would take",
    "published_counts": "restates the verdicts on published counts, which carry their doubt and no interval by prompt",
    "published_numbers": "counts comparisons of numbers with what was printed",
    "saying_why": "prints a reason in place of an error",
    "scored": "counts scores",
    "simulation": "says what was planted, so the truth is known",
    "specifications": "counts the choices whose intervals hold a printed value, and ranks none",
}
"""Functions that decide nothing about data, and why."""

CLAIM_BY_SELECTION = {
    "structure": "names stable pairs and states how many of them are expected to be noise, by the bound of "
    "`btviz.category_structure`",
}
"""Functions whose claims have an error rate of their own, which they state."""

N_BOOT = 200
PROMPTS = 120


@dataclasses.dataclass
class Seen:
    """What was decided in how many draws, and how often that was a claim."""

    draws: int = 0
    decided: int = 0
    claims: int = 0
    squares: float = 0.0

    def add(self, sides: list[int]) -> None:
        claims = sum(side != 0 for side in sides)
        self.draws += 1
        self.decided += len(sides)
        self.claims += claims
        self.squares += (claims - 0.05 * len(sides)) ** 2

    @property
    def rate(self) -> float:
        return self.claims / self.decided if self.decided else 0.0

    @property
    def error(self) -> float:
        """Standard error of the rate at 5 %, from sums by draw: decisions of one draw go together."""
        return math.sqrt(self.squares) / self.decided if self.decided else 0.0

    @property
    def is_too_often(self) -> bool:
        """Whether claims exceed 5 % by more than three errors, and by more than one claim."""
        return self.claims > max(0.05 * self.decided + 3 * self.error * self.decided, 1)


@contextlib.contextmanager
def listening() -> Iterator[list[int]]:
    """Sides of all decisions that are made."""
    sides: list[int] = []
    made = Decision.__init__

    def heard(decision: Decision, side: int) -> None:
        sides.append(side)
        made(decision, side)

    Decision.__init__ = heard  # type: ignore[method-assign]  # for the time of listening
    try:
        yield sides
    finally:
        Decision.__init__ = made  # type: ignore[method-assign]


OPEN = re.compile(r"(whether|which) [^.;:]* is not decided")

CLAIM_WORDS = re.compile(
    r"(more|less) (often )?than|(more|less) often|is favoured|which differ|strata differ|it (falls|rises)"
    r"|scores (higher|lower)[.,;:]"
    r"|(positive|negative)\b|oppose|\b(high|low|larg|small|strong|weak)est\b|\b(best|worst|most often|least often)\b"
    r"|better than chance, all intervals at once,|^associated|practically orthogonal"
)
"""Words that only a decision may put into a sentence."""


def claims_of(name: str, text: str, sides: list[int]) -> list[int]:
    """Sides of what a text decides; no text may claim anything that was not decided."""
    said = " ".join(text.split())
    if name == "reliability":  # whether assumptions are refuted is decided in the table
        sides = [int(re.search(r" 0 of [\d,]+ assumptions", said) is None)]
    bare = OPEN.sub("", said)
    if not any(sides) and (found := CLAIM_WORDS.search(bare)) is not None:
        raise AssertionError(f"{name} decides nothing and says {found.group()!r}: {said}")
    if "None" in said or "nan" in said or "none was computed" in said:
        raise AssertionError(f"{name} does not say why something is missing: {said}")
    return sides


def with_tables(ds: Dataset, **tables: pl.DataFrame) -> Dataset:
    """A data set some of whose tables are others."""
    return dataclasses.replace(ds, _read=lambda name: tables.get(name, ds.table(name)))


def preferences(ds: Dataset, rng: Rng, *, p: float = 0.5) -> Dataset:
    """Comparisons of some prompts whose labels are drawn: alike within a prompt, and equal in a share p of them."""
    rows = ds.preferences
    chosen = rng.permutation(rows["prompt_id"].unique().sort().to_numpy())[:PROMPTS]
    rows = rows.filter(pl.col("prompt_id").is_in(chosen.tolist()))
    swapped = pl.Series(rng.random(rows.height) < 0.5)  # or the positions of the sample's own labels would stay
    sides = [name.removesuffix("_0") for name in rows.columns if name.endswith("_0")]
    rows = rows.with_columns(
        pl.when(swapped).then(f"{name}_{1 - side}").otherwise(f"{name}_{side}").alias(f"{name}_{side}")
        for name in sides
        for side in (0, 1)
    )
    prompt = np.unique(rows["prompt_id"].to_numpy(), return_inverse=True)[1]
    better = rng.random(rows.height) < rng.beta(2, 2, PROMPTS)[prompt]
    same = rng.random(rows.height) < rng.beta(8 * p, 8 * (1 - p), PROMPTS)[prompt]
    drawn = {"better": better, "safer": better == same}
    columns = (pl.Series(name, values).cast(rows.schema[name]) for name, values in drawn.items())
    return with_tables(ds, preferences=rows.with_columns(*columns))


def compared(ds: Dataset, rng: Rng) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is said of labels of which neither tells the other."""
    drawn = preferences(ds, rng)
    found = btviz.orthogonality(drawn, n_boot=N_BOOT, random_state=int(rng.integers(2**31)))
    yield "quadrants", lambda: sentences.quadrants(quadrants(drawn), drawn)
    yield "position_bias", lambda: sentences.position_bias(found.bias, drawn)
    yield "strata", lambda: sentences.strata(found, drawn)
    yield "by_group", lambda: sentences.by_group(found, drawn)
    yield "chance", lambda: sentences.chance(found, drawn)
    yield "adjusted", lambda: sentences.adjusted(found.adjusted, drawn)
    order = btviz.severity_order(drawn)
    yield "severity", lambda: sentences.severity(order, drawn)
    yield "orders", lambda: sentences.orders(found.cycles, drawn)
    yield "flags", lambda: sentences.flags(flags_against_safer(drawn, n_boot=N_BOOT), drawn)
    single = preferences(ds, rng)
    yield "trade_off", lambda: sentences.trade_off(implied_trade_off(drawn, single=single, n_boot=N_BOOT))
    p, low, high = found.table.select("p", "p_low", "p_high").row(0)
    surface = btviz.reliability_surface(p, low=low, high=high)
    yield "reliability", lambda: sentences.reliability(surface, drawn)
    edge = btviz.orthogonality(preferences(ds, rng, p=0.55), n_boot=N_BOOT)
    yield "verdicts", lambda: sentences.verdicts(real(edge, ds))


def real(found: Any, ds: Dataset) -> Any:
    """Verdicts of synthetic comparisons, as they would be of a release: by its own words."""
    from btviz.preference.verdicts import Margin, verdict
    from btviz.taxonomy.findings import Finding

    words = [
        verdict(Finding.of(row, "p", items="comparisons"), level=row["level"], named=ds.name, margin=Margin())
        for row in found.table.iter_rows(named=True)
    ]
    return SimpleNamespace(table=found.table.with_columns(verdict=pl.Series(words)))


def scores_of(ds: Dataset, rng: Rng, *, kind: str) -> pl.DataFrame:
    """Scores that know nothing of labels, but resemble each other within a prompt."""
    pairs = ds.pairs
    prompt = np.unique(pairs["prompt_id"].to_numpy(), return_inverse=True)[1]
    score = rng.normal(size=int(prompt.max()) + 1)[prompt] + rng.normal(size=pairs.height)
    return pairs.select("pair_id").with_columns(
        pl.lit(f"made-{kind}").alias("model"),
        pl.lit(kind).alias("kind"),
        pl.lit(None, pl.String).alias("target"),
        pl.Series("score", score),
    )


def scored(ds: Dataset, rng: Rng) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is said of scores that tell nothing."""
    drawn = preferences(ds, rng)
    pairs = ds.pairs.join(drawn.preferences.select("prompt_id").unique(), on="prompt_id", how="semi")
    drawn = with_tables(drawn, pairs=pairs, preferences=drawn.preferences)
    both = pl.concat([scores_of(drawn, rng, kind="cost"), scores_of(drawn, rng, kind="reward")])
    metrics = btviz.score_metrics(both, drawn, n_boot=N_BOOT)
    yield "accuracies", lambda: sentences.accuracies(metrics, drawn)
    yield "middles", lambda: sentences.middles(both, drawn)
    plane = reward_and_cost(both, drawn)
    association = reward_against_cost(plane, n_boot=N_BOOT)
    corners = score_quadrants(plane, drawn, n_boot=N_BOOT)
    yield "plane", lambda: sentences.plane(corners, drawn, association=association)
    yield "margins", lambda: sentences.margins(margin_summary(score_margins(both, drawn), n_boot=N_BOOT), drawn)
    from btviz.scores.signs import sign_checks

    yield "signs", lambda: sentences.signs(sign_checks(both, drawn, n_boot=N_BOOT), drawn)
    table = policy_scores(policy_answers(drawn), both)
    first, second = table["policy"].unique().sort().to_list()[:2]
    met = btviz.compare_policies(table, before=first, after=second, n_boot=N_BOOT)
    yield "policies", lambda: sentences.policies(met, drawn)
    talks = sample_conversations()
    cost = scores_of(SimpleNamespace(pairs=talks.unique("pair_id").with_columns(prompt_id="pair_id")), rng, kind="cost")
    talked = turn_scores(talks, cost)
    talk = np.unique(talked["conversation_id"].to_numpy(), return_inverse=True)[1]  # the sample's share answers
    drawn_scores = rng.normal(size=int(talk.max()) + 1)[talk] + rng.normal(size=len(talk))
    drift = turn_drift(talked.with_columns(score=pl.Series(drawn_scores)))
    yield "turns", lambda: sentences.turns(drift, of="talks")
    simulated = simulate_scores(between=0.0, within=0.0, prompts=PROMPTS, random_state=int(rng.integers(2**31)))
    associated = btviz.score_association(simulated, n_boot=N_BOOT)
    yield "scores", lambda: sentences.scores(associated, "simulated answers")


def share_rows(rng: Rng, *, p: float, names: list[str]) -> list[dict[str, Any]]:
    """Shares that are the same at every name, with their intervals by prompt."""
    prompts = PROMPTS // 2
    n = np.ceil(rng.lognormal(0.7, 0.7, (prompts, len(names))))
    found = share_interval(rng.binomial(n.astype(int), rng.beta(4 * p, 4 * (1 - p), n.shape)), n)
    reasons = reasons_of(found, nothing="nothing")
    return [
        {
            "name": name,
            "estimate": float(found.estimate[place]),
            "low": None if np.isnan(found.low[place]) else float(found.low[place]),
            "high": None if np.isnan(found.high[place]) else float(found.high[place]),
            "n": int(n[:, place].sum()),
            "prompts": prompts,
            "support": int(n[:, place].sum()),
            "undefined": reasons[place],
        }
        for place, name in enumerate(names)
    ]


def categories(ds: Dataset, rng: Rng) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is said of categories among which nothing differs."""
    keys = list(ds.taxonomy.keys)
    rates = [
        row | {"category": row["name"], "metric": metric, "training": training}
        for metric, training, p in (
            ("recall", "all", 0.7),
            ("recall", "without", 0.7),
            ("false_positive_rate", "all", 0.2),
            ("false_positive_rate", "without", 0.2),
        )
        for row in share_rows(rng, p=p, names=keys)
    ]
    yield "left_out", lambda: sentences.left_out(pl.DataFrame(rates), ds)
    known = {"unit": "pair", "metric": "sign_accuracy", "grouping": "category", "left_out": 0, "threshold": None}
    moved = [row | known | {"level": row["name"]} for row in share_rows(rng, p=0.6, names=keys)]
    yield "transferred", lambda: sentences.transferred(pl.DataFrame(moved), ds, to=ds)
    flagged = {"model": "m", "kind": "moderation", "metric": "f1", "grouping": "all", "unit": "pair"}
    flagged |= {"threshold": 0.5, "threshold_origin": "given"}
    found = [row | flagged | {"target": row["name"]} for row in share_rows(rng, p=0.4, names=keys)]
    yield "moderation", lambda: sentences.moderation(pl.DataFrame(found), ds)
    alphas = [
        row
        | {"category": row["name"], "krippendorff_alpha": row["estimate"], "n_pairs": row["n"], "few_prompts": False}
        | {"krippendorff_alpha_low": row["low"], "krippendorff_alpha_high": row["high"], "n_prompts": row["prompts"]}
        | {"agreement": row["estimate"], "agreement_low": row["low"], "agreement_high": row["high"]}
        | {"published_agreement": None, "doubt": None}
        for row in share_rows(rng, p=0.4, names=[*keys, "is_safe"])
    ]
    yield "agreement", lambda: sentences.agreement(pl.DataFrame(alphas), ds)
    split = rng.choice(["train", "test"], ds.annotations.height)
    halves = with_tables(ds, annotations=ds.annotations.with_columns(split=pl.Series(split)))
    moved_labels = btviz.split_shift(halves, n_permutations=99, random_state=int(rng.integers(2**31)))
    yield "shift", lambda: sentences.shift(moved_labels, halves)
    mixed = btviz.category_mix([part(ds, rng, "half"), part(ds, rng, "another half")])
    yield "mix", lambda: sentences.mix(mixed, ds.taxonomy)
    told = [area(rng, outcome, among=len(keys)) for outcome in ("unsafe", "better", "safer", *keys)]
    yield "artefacts", lambda: sentences.artefacts(pl.DataFrame(told), ds)


def part(ds: Dataset, rng: Rng, name: str) -> Dataset:
    """Annotations of half of the prompts, drawn at random, under a name."""
    prompts = rng.permutation(ds.annotations["prompt_id"].unique().sort().to_numpy())
    rows = ds.annotations.filter(pl.col("prompt_id").is_in(prompts[: len(prompts) // 2].tolist()))
    return dataclasses.replace(with_tables(ds, annotations=rows), name=name)


def area(rng: Rng, outcome: str, *, among: int) -> dict[str, Any]:
    """AUC of scores that tell nothing of an outcome."""
    prompt = np.repeat(np.arange(PROMPTS), 3)
    label = rng.random(len(prompt)) < rng.beta(1, 3, PROMPTS)[prompt]
    score = rng.normal(size=PROMPTS)[prompt] + rng.normal(size=len(prompt))
    one, joint = (auc_interval(score, label, clusters=prompt, confidence=1 - 0.05 / k) for k in (1, among))
    return {
        "outcome": outcome,
        "baseline": "prompt",
        "unit": "pair",
        "n": len(prompt),
        "prompts": PROMPTS,
        "support": int(label.sum()),
        "auc": float(one.estimate[0]),
        "low": float(one.low[0]),
        "high": float(one.high[0]),
        "low_joint": float(joint.low[0]),
        "high_joint": float(joint.high[0]),
        "undefined": None,
    }


SOURCES = {"compared": compared, "scored": scored, "categories": categories}
"""What draws data without anything to find, and says what is said of them."""


def tried(draws: dict[str, int], *, seed: int = 0) -> dict[str, Seen]:
    """Decisions of each function over so many draws of each source."""
    ds = btviz.load("sample-saferlhf")
    seen: dict[str, Seen] = {}
    for place, (source, drawn) in enumerate(SOURCES.items()):
        for rng in np.random.default_rng([seed, place]).spawn(draws[source]):
            for name, say in drawn(ds, rng):
                with listening() as sides:
                    text = say()
                seen.setdefault(name, Seen()).add(claims_of(name, text, sides))
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims", description="Claims where there is nothing.")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    start = time.process_time()
    seen = tried(dict.fromkeys(SOURCES, asked.draws) | {"categories": 5 * asked.draws}, seed=asked.seed)
    print("sentence | draws | decisions | claims | error")
    print(" | ".join(["---"] * 5))
    for name, found in sorted(seen.items()):
        flag = " TOO OFTEN" if found.is_too_often else ""
        print(f"{name} | {found.draws} | {found.decided} | {found.rate:.1%} | {found.error:.1%}{flag}")
    print(f"\n{time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main()
