"""How well rankings find flipped labels, all evidence against each kind alone: ``python -m benchmarks.label_noise``.

Flips of `planted_flips`, by direction, in `is_safe` and over all categories, which are ranked as one list. Differences
are paired: of the same flips in the same draws, with the wider ends of an interval by prompt and of Student's t over
draws. The slope of calibration is that of a logistic regression of "was flipped" on the log-odds that a label is wrong
(1 is right). The real rows have one vote each; the sample's, made up, have three.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

import btviz
from benchmarks.populations import REAL
from btviz.models.label_noise.evidence import KINDS, Evidence, Values, logistic
from btviz.models.label_noise.flips import FALSE_ALARM, MISSED_HARM, flipped
from btviz.scores.calibration import logistic_fit
from btviz.scores.differences import mean_interval
from btviz.stats.quantiles import t_quantile
from btviz.stats.separation import auc_difference, auc_interval
from btviz.texts.label_noise import contradiction

RATE = 0.02
FEWEST_NEIGHBORS = 10
WAYS = ("all", *KINDS)


@dataclass
class Seen:
    """Ranked labels of one direction, draw after draw."""

    wrong: dict[str, list[Values]] = field(default_factory=lambda: {way: [] for way in WAYS})
    caught: dict[str, list[Values]] = field(default_factory=lambda: {way: [] for way in WAYS})
    is_flip: list[Values] = field(default_factory=list)
    prompt: list[Values] = field(default_factory=list)

    def add(self, wrong: dict[str, Values], is_flip: Values, *, prompt: Values) -> None:
        """Add a draw; among as many first labels as there are flips, which flips are found."""
        for way, odds in wrong.items():
            self.wrong[way].append(odds)
            first = np.argsort(-odds.round(9), kind="stable")[: int(is_flip.sum())]
            self.caught[way].append(np.isin(np.flatnonzero(is_flip), first).astype(float))
        self.is_flip.append(is_flip)
        self.prompt.append(prompt)

    def lines(self, ways: tuple[str, ...]) -> Iterator[str]:
        """Area, recall and slope of each way of ranking, and how much less than by all evidence."""
        flip, prompt = np.concatenate(self.is_flip), np.concatenate(self.prompt)
        flips_prompt = prompt[flip]
        for way in ways:
            odds, caught = np.concatenate(self.wrong[way]), np.concatenate(self.caught[way])
            area = auc_interval(odds, flip, clusters=prompt).estimate[0]
            slope = logistic_fit(odds, flip, clusters=prompt)
            said = f"{way:9} AUC {area:.3f}, recall {caught.mean():.3f}"
            if np.ptp(odds) > 0:
                share = logistic(odds).mean()
                said += f", slope {slope.coefficients[1]:.2f} [{slope.low[1]:.2f}, {slope.high[1]:.2f}]"
                said += f", said {share:.4f} of {flip.mean():.4f}"
            if way != "all":
                whole = np.concatenate(self.wrong["all"])
                gain, low, high = auc_difference(whole, odds, positive=flip, clusters=prompt)
                reach = _reach(
                    [_gain(*parts) for parts in zip(self.wrong["all"], self.wrong[way], self.is_flip, strict=True)]
                )
                said += f"; all has AUC {gain:+.3f} [{min(low, gain - reach):+.3f}, {max(high, gain + reach):+.3f}]"
                apart = np.concatenate(self.caught["all"]) - caught
                found = mean_interval(apart, flips_prompt)
                pairs = zip(self.caught["all"], self.caught[way], strict=True)
                reach, mean = _reach([float((a - b).mean()) for a, b in pairs]), float(apart.mean())
                low, high = min(found.low[0], mean - reach), max(found.high[0], mean + reach)
                said += f", recall {mean:+.3f} [{low:+.3f}, {high:+.3f}]"
            yield said


def _gain(first: Values, other: Values, flip: Values) -> float:
    number = np.arange(len(flip))
    return float(auc_difference(first, other, positive=flip, clusters=number)[0])


def _reach(values: list[float]) -> float:
    """Half the width of Student's interval of a mean of draws."""
    return float(t_quantile(0.95, df=len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5


def measured(ds: btviz.Dataset, emb: btviz.Embeddings, *, draws: int) -> Iterator[str]:
    """Lines for each direction of safety and of all categories."""
    known = Evidence.of(ds, emb)
    several = bool((known.n_votes > 1).mean() > 0.5)
    ways = WAYS if several else WAYS[:-1]
    seen = {(what, way): Seen() for what in ("is_safe", "any category") for way in (MISSED_HARM, FALSE_ALARM)}
    for draw in range(draws):
        labels, planted = flipped(known, share=RATE, seed=[0, draw])
        near = [contradiction(known.near, column) for column in labels.harm.T]
        against, count = (np.column_stack(columns) for columns in zip(*near, strict=True))
        parts = (against, count, known.held_out(labels.harm))
        wrong = {
            way: known.judged(labels, parts, rate=RATE, kinds=KINDS if way == "all" else (way,)).wrong for way in ways
        }
        is_flip = np.zeros(labels.harm.shape, bool)
        for place, rows in enumerate(planted):
            is_flip[rows, place] = True
        for (what, direction), found in seen.items():
            columns = np.arange(len(known.targets)) if what != "is_safe" else np.array([0])
            columns = columns[1:] if what != "is_safe" else columns
            ranked = np.zeros(labels.harm.shape, bool)
            ranked[:, columns] = (count >= FEWEST_NEIGHBORS)[:, columns]
            ranked &= (labels.harm == (direction == FALSE_ALARM)) & np.isfinite(wrong["all"])
            prompt = np.broadcast_to(known.near.prompt_of_pair[:, None], ranked.shape)[ranked]
            found.add({way: odds[ranked] for way, odds in wrong.items()}, is_flip[ranked], prompt=prompt)
    for (what, direction), found in seen.items():
        yield f"{what}, {direction}: {int(np.concatenate(found.is_flip).sum()):,} flips in {draws} draws"
        yield from (f"  {line}" for line in found.lines(ways))


def main() -> None:
    """Print lines for the real rows, where they are here, and for the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--encoder", default="minilm")
    asked = parser.parse_args()
    for name in (*([str(REAL)] if REAL.exists() else []), "sample"):
        ds = btviz.load(name)
        print(f"{ds.population}, {asked.encoder}", flush=True)
        emb = btviz.embed(ds, text="qa", encoder=asked.encoder)
        for line in measured(ds, emb, draws=asked.draws):
            print(line, flush=True)


if __name__ == "__main__":
    main()
