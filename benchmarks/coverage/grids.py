"""Grids of shares, phi, lift, ratios of shares and AUC."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from benchmarks.coverage.cells import SIZES, Seen, blocks, sizes
from btviz.stats.clustered import lift_interval, phi_interval, ratio_interval, share_interval
from btviz.stats.separation import auc_interval

SHARES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.8, 0.95, 0.98)
MARGINS = ((0.01, 0.05), (0.05, 0.05), (0.05, 0.3), (0.1, 0.1), (0.2, 0.4), (0.5, 0.8))
AREAS = (0.5, 0.75, 0.95)
MOST_ITEMS = 30_000  # in a draw of an AUC, which are made one by one


def shares(prompts: int, *, draws: int) -> Iterator[str]:
    """Shares of items whose prompts have inclinations of a beta distribution."""
    for kind, correlation, p in itertools.product(SIZES, (0.0, 0.3, 0.8), SHARES):
        if kind == "single" and correlation:
            continue
        seed = [prompts, SIZES.index(kind), round(1000 * correlation), round(1000 * p)]
        rng, seen = np.random.default_rng(seed), Seen()
        for some in blocks(prompts, draws):
            n = sizes(rng, kind, prompts=prompts, draws=some)
            found = share_interval(_hits(rng, n, p=p, correlation=correlation), n)
            seen.add(found.low, found.high, truth=p, effective=found.effective, bounded=found.is_bounded)
        yield seen.line(f"share {p:g}, {prompts} prompts, {kind}, correlation {correlation:g}", spread=p * (1 - p))


def _hits(rng: np.random.Generator, n: np.ndarray, *, p: float, correlation: float) -> np.ndarray:
    k = (1 - correlation) / correlation if correlation else math.inf
    return rng.binomial(n, rng.beta(p * k, (1 - p) * k, n.shape) if correlation else p)


def phis(prompts: int, *, draws: int) -> Iterator[str]:
    """Phi of labels that a prompt invites: one, the other, both or none; four of five items follow."""
    for kind, (first, second), together in itertools.product(SIZES[:3], MARGINS, ("never", "by chance", "often")):
        follow = 1.0 if kind == "single" else 0.8
        x, y = first / follow, second / follow
        if y > 1 or (together == "never" and x + y > 1):
            continue
        both = {"never": 0.0, "by chance": x * y, "often": x * y + (min(x, y) - x * y) / 2}[together]
        margins, joint = (x * follow, y * follow), both * follow**2
        spread = math.sqrt(np.prod([m * (1 - m) for m in margins]))
        truth = (joint - margins[0] * margins[1]) / spread
        rng, seen = np.random.default_rng([prompts, *(round(1000 * m) for m in (first, second)), len(together)]), Seen()
        for some in blocks(prompts, draws):
            n = sizes(rng, kind, prompts=prompts, draws=some)
            # one uniform number says what a prompt invites
            at = rng.random(n.shape)
            invited = (at >= both).astype(int) + (at >= x) + (at >= x + y - both)  # both, first, second, none
            met = rng.binomial(n, follow**2)
            only = rng.binomial(n - met, (follow - follow**2) / (1 - follow**2) if follow < 1 else 0.0)
            rest = rng.binomial(n - met - only, (follow - follow**2) / (1 - follow) if follow < 1 else 0.0)
            alone = rng.binomial(n, follow)
            row = np.where(invited == 0, met + only, np.where(invited == 1, alone, 0))
            col = np.where(invited == 0, met + rest, np.where(invited == 2, alone, 0))
            found = phi_interval(row, col, both=np.where(invited == 0, met, 0), n=n)
            seen.add(found.low, found.high, truth=truth, effective=found.effective, bounded=found.is_bounded)
        yield seen.line(f"phi {truth:.3f}, margins {first:g} and {second:g}, {prompts} prompts, {kind}")


def lifts(prompts: int, *, draws: int) -> Iterator[str]:
    """Lift of a category in a topic that some prompts belong to, whole."""
    for kind, topic, overall, lift in itertools.product(SIZES[:3], (0.05, 0.2, 0.5), (0.02, 0.1, 0.3), (0.3, 1.0, 1.8)):
        rng = np.random.default_rng([prompts, SIZES.index(kind), *(round(1000 * v) for v in (topic, overall, lift))])
        outside, seen = overall * (1 - topic * lift) / (1 - topic), Seen()
        for some in blocks(prompts, draws):
            n = sizes(rng, kind, prompts=prompts, draws=some)
            inside = rng.random(n.shape) < topic
            correlation = 0.0 if kind == "single" else 0.3
            k = (1 - correlation) / correlation if correlation else math.inf
            p = np.where(inside, overall * lift, outside)
            hits = rng.binomial(n, rng.beta(p * k, (1 - p) * k) if correlation else p)
            found = lift_interval(hits * inside, n * inside, of=(hits, n))
            seen.add(found.low, found.high, truth=lift, effective=found.effective, bounded=found.is_bounded)
        yield seen.line(f"lift {lift:g} of share {overall:g}, topic {topic:g}, {prompts} prompts, {kind}")


def ratios(prompts: int, *, draws: int) -> Iterator[str]:
    """Share among chosen items over that among the others; prompts have items on both sides."""
    for kind, chosen, other, ratio in itertools.product(SIZES[:3], (0.2, 0.5), (0.02, 0.1, 0.3), (0.3, 1.0, 3.0)):
        rng = np.random.default_rng([prompts, SIZES.index(kind), *(round(1000 * v) for v in (chosen, other, ratio))])
        seen, correlation = Seen(), 0.0 if kind == "single" else 0.3
        k = (1 - correlation) / correlation if correlation else math.inf
        for some in blocks(prompts, draws):
            n = sizes(rng, kind, prompts=prompts, draws=some)
            inside = rng.binomial(n, chosen)
            both = rng.beta(other * k, (1 - other) * k, n.shape) if correlation else other
            hits, rest = rng.binomial(inside, both * min(ratio, 1)), rng.binomial(n - inside, both / max(ratio, 1))
            found = ratio_interval(hits, inside, over=(rest, n - inside))
            seen.add(found.low, found.high, truth=ratio, effective=found.effective, bounded=found.is_bounded)
        yield seen.line(f"ratio {ratio:g} of share {other:g}, {chosen:g} chosen, {prompts} prompts, {kind}")


def areas(prompts: int, *, draws: int) -> Iterator[str]:
    """AUC of a normal score, a third of whose variance is that of prompts, which carry one class or both."""
    for kind, share, area, mixed in itertools.product(SIZES[:3], (0.05, 0.3), AREAS, (False, True)):
        if kind == "single" and mixed:
            continue
        gap = NormalDist().inv_cdf(area) * math.sqrt(2)
        rng = np.random.default_rng([prompts, SIZES.index(kind), *(round(1000 * v) for v in (share, area)), mixed])
        seen = Seen()
        for _ in range(draws):
            n = sizes(rng, kind, prompts=prompts, draws=1)[:, 0]
            prompt = np.repeat(np.arange(prompts), n)
            positive = rng.random(len(prompt)) < share if mixed else (rng.random(prompts) < share)[prompt]
            noise = math.sqrt(1 / 3) * rng.standard_normal(prompts)[prompt]
            score = gap * positive + noise + math.sqrt(2 / 3) * rng.standard_normal(len(prompt))
            found = auc_interval(score, positive, clusters=prompt)
            seen.add(found.low, found.high, truth=area, effective=found.effective, bounded=found.is_bounded)
        how = "both classes" if mixed else "one class"
        yield seen.line(f"AUC {area:g}, {share:.0%} positive, {prompts} prompts of {how}, {kind}")
