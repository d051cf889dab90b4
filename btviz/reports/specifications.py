"""One claim under every defensible choice of rows, rules and coefficient: the specification curve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset, expect_dataset
from btviz.data.releases import RELEASES, published
from btviz.errors import UsageError, choice
from btviz.labels.population import answers
from btviz.machine.progress import bar
from btviz.preference.comparisons import STRATA, comparisons_of, lacking
from btviz.stats.association import COEFFICIENTS, Floats, TwoByTwo, ratio
from btviz.stats.clustered import ClusterInterval, phi_interval, share_interval
from btviz.taxonomy.categories import Taxonomy

CLAIMS = ("phi", "p")
"""What a curve is of."""

CHOICES = ("data", "split", "counted", "subset", "duplicates", "ties", "weighting", "coefficient")
"""Columns that say what was chosen."""

SPECIFICATIONS = pl.Schema(
    {
        "specification": pl.Int64(),
        "of": pl.String(),
        "row": pl.String(),
        "col": pl.String(),
        **dict.fromkeys(CHOICES, pl.String()),
        "estimate": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "n": pl.Int64(),
        "prompts": pl.Int64(),
        "equal_choices": pl.Int64(),
        "printed": pl.Float64(),
        "holds_printed": pl.Boolean(),
        "undefined": pl.String(),
    }
)

RELEASED, ONCE = "as released", "each once"
BY_ITEM, BY_PROMPT = "items alike", "prompts alike"

VOTES: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "half is enough": lambda votes: 2 * votes >= pl.col("rows"),
    "more than half": lambda votes: 2 * votes > pl.col("rows"),
    "any vote": lambda votes: votes > 0,
    "every vote": lambda votes: votes == pl.col("rows"),
}
"""When a label holds for a pair that several rows label."""

_HITS, _ROWS = pl.col("hits"), pl.col("rows")

REPEATS: dict[str, pl.Expr] = {
    "contradictions left out": pl.when((_HITS == 0) | (_HITS == _ROWS)).then(_HITS / _ROWS),
    "majority, ties left out": pl.when(2 * _HITS != _ROWS).then((2 * _HITS > _ROWS).cast(pl.Float64)),
    "majority, ties as half": ((2 * _HITS - _ROWS).sign() + 1) / 2,
}
"""What a comparison says that several rows answer differently."""

_OF_PHI = ("phi", "phi_over_extreme", "tetrachoric", "yules_q")
_BY_ORDER = "phi in the released order"
_BILLION = 1e9
_FLAGS = ("a", "b", "unsafe")


@dataclass(frozen=True, eq=False)
class _Items:
    """What is counted under some choices: one row an item, `prompt_id` first."""

    chosen: dict[str, str | None]
    frame: pl.DataFrame


def specification_curve(
    ds: Dataset | Sequence[Dataset],
    *,
    of: str | None = None,
    categories: tuple[str, str] | None = None,
    printed: float | None = None,
) -> pl.DataFrame:
    """Estimate one quantity under every defensible combination of choices (Simonsohn, Simmons & Nelson 2020).

    Parameters
    ----------
    ds : Dataset or sequence of Dataset
        Data, or several releases beside each other.
    of : {"p", "phi"}, optional
        P(better = safer), or the association of two harm categories. By default p where comparisons tell both
        labels, else phi.
    categories : tuple of two released keys, optional
        For phi; by default the pair of which a coefficient was printed about a release with these categories.
    printed : float, optional
        Value to hold against; by default what was printed: the coefficient of the categories, or p from the counts
        that PKU-SafeRLHF publishes of its train split.

    Returns
    -------
    DataFrame
        One row per specification, by ascending estimate:

        - `specification` (1 ..), `of`; `row`, `col`: the categories, null for p;
        - the choices `data` (name), `split` ("all", or one), `counted` (annotations, answers of comparisons, pairs,
          prompts; or comparisons), `subset` ("all" or "unsafe"; of comparisons "all", "not mixed" or a stratum),
          `duplicates` ("as released", "each once": equal labels of one pair, or rows on the same two answers),
          `ties` (`VOTES` or `REPEATS`: how rows on one item are pooled; null where they are not), `weighting`
          ("items alike", "prompts alike": a prompt weighs 1) and `coefficient`;
        - `estimate`, `low`, `high`: the coefficient (-1 .. 1), or p (0 .. 1), with its 95 % interval by prompt: of p
          and phi from `btviz.stats.clustered`; of other coefficients their values at the ends of phi's and the
          observed margins. "phi in the released order" is (1 + phi) / 2, which is p if the order tells nothing;
        - `n` (items), `prompts`; `equal_choices`: other combinations that count the very same items, not repeated;
        - `printed`, `holds_printed`: whether the interval holds it, as far as it was rounded; `undefined`: why a value
          is null.

    Raises
    ------
    UsageError
        If an option is unknown, or the data have not what it needs.
    DataError
        If they are prompts without answers.
    """
    data_sets = [ds] if isinstance(ds, Dataset) else list(ds)
    for each in data_sets:
        expect_dataset(each)
    if not data_sets:
        raise UsageError("A specification curve of no data set was asked for. Give one, or several releases.")
    of = _usual(data_sets[0]) if of is None else choice(of, CLAIMS, what="quantity")
    couple = _couple(data_sets[0], categories) if of == "phi" else None
    value, tolerance = _printed(couple) if printed is None else (printed, 0.0)
    rows = [row for each in data_sets for row in _rows(each, couple=couple)]
    known = pl.DataFrame(rows, schema_overrides={"estimate": pl.Float64, "low": pl.Float64, "high": pl.Float64})
    holds = pl.when(pl.col("low").is_not_null() & pl.col("estimate").is_not_null()).then(
        pl.lit(value, pl.Float64).is_between(pl.col("low") - tolerance, pl.col("high") + tolerance)
    )
    return (
        known.with_columns(pl.col(pl.Float64).fill_nan(None))
        .sort("estimate", nulls_last=True, maintain_order=True)
        .with_row_index("specification", offset=1)
        .with_columns(
            pl.lit(of).alias("of"),
            pl.lit(couple[0] if couple else None, pl.String).alias("row"),
            pl.lit(couple[1] if couple else None, pl.String).alias("col"),
            pl.lit(value, pl.Float64).alias("printed"),
            holds.alias("holds_printed"),
            _why().alias("undefined"),
        )
        .select(list(SPECIFICATIONS))
        .cast(SPECIFICATIONS)
    )


def _usual(ds: Dataset) -> str:
    return "phi" if ds.preferences.drop_nulls(["better", "safer"]).is_empty() else "p"


def _couple(ds: Dataset, categories: tuple[str, str] | None) -> tuple[str, str]:
    """The two categories: those asked for, or of which something was printed."""
    if categories is not None:
        first, second = (ds.taxonomy[key].key for key in categories)
        return first, second
    if (couple := printed_couple(ds.taxonomy)) is not None:
        return couple
    raise UsageError(
        f"A specification curve of {ds.name!r} was asked for; no coefficient was printed of its categories. Name two "
        f"of {list(ds.taxonomy.keys)}: categories=(first, second)."
    )


def printed_couple(taxonomy: Taxonomy) -> tuple[str, str] | None:
    """Two categories of which a coefficient was printed; None where none was."""
    for name, release in RELEASES.items():
        known = published.find(name, "phi")
        if release.taxonomy == taxonomy.name and known.height:
            return known["category"][0], known["other"][0]
    return None


def _printed(couple: tuple[str, str] | None) -> tuple[float | None, float]:
    """What was printed of two categories, in either order, or of p; and how far rounding may have moved it."""
    if couple is None:
        same, other = (
            published.find("pku-saferlhf", f"{which}_selection", split="train")["value"][0]
            for which in ("same", "different")
        )
        return float(same / (same + other)), 0.0
    for name in RELEASES:
        for row in published.find(name, "phi").iter_rows(named=True):
            if {row["category"], row["other"]} == set(couple):
                return float(row["value"]), float(row["tolerance"])
    return None, 0.0


def _why() -> pl.Expr:
    return (
        pl.when(pl.col("estimate").is_null())
        .then(pl.lit("a label occurs in no item, or in all, or a cell is empty"))
        .when(pl.col("low").is_null())
        .then(pl.lit("fewer than 20 effective prompts, or the end is not defined"))
    )


# -- items ----------------------------------------------------------------------------------------


def _rows(ds: Dataset, *, couple: tuple[str, str] | None) -> Iterator[dict[str, Any]]:
    """Every specification of one data set; combinations that count the very same items come once."""
    seen: dict[tuple[object, ...], dict[str, Any]] = {}
    made = _of_comparisons(ds) if couple is None else _of_labels(ds, couple)
    found = [items for items in made if items.frame.height]
    measure = _same if couple is None else _associated
    with bar(f"Estimating {len(found):,} specifications", total=len(found)) as update:
        for done, items in enumerate(found, 1):
            for row, key in measure(items):
                if key in seen:
                    seen[key]["equal_choices"] += 1
                else:
                    seen[key] = {"data": ds.name, **items.chosen, **row, "equal_choices": 0}
            update(done)
    yield from seen.values()


def _by_split(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    splits = rows["split"].drop_nulls().unique().sort().to_list()
    yield "all", rows
    if len(splits) > 1:
        yield from ((split, rows.filter(split=split)) for split in splits)


def _of_labels(ds: Dataset, couple: tuple[str, str]) -> Iterator[_Items]:
    """Items that carry either, both or none of two categories."""
    counted = "annotations" if ds.annotations.height else "answers"
    source = ds.annotations if ds.annotations.height else answers(ds.preferences)
    known = source.drop_nulls(["labels", "is_safe"])
    if known.is_empty():
        other = "Use data labelled by category"
        if lacking(ds) is None:
            other += (
                ', or estimate P(better = safer), which its comparisons tell: --of p in the shell, of="p" in Python'
            )
        raise UsageError(
            f"The association of two categories in {ds.name!r} was asked for; no row of it names a category. {other}."
        )
    flags = [ds.taxonomy.has(key).cast(pl.Int64).alias(name) for name, key in zip(_FLAGS, couple, strict=False)]
    rows = known.select(
        "prompt_id", "pair_id", "split", "labels", *flags, (~pl.col("is_safe")).cast(int).alias("unsafe")
    )
    for split, part in _by_split(rows):
        for (unit, duplicates, ties), items in _units(part, counted):
            for subset in ("all", "unsafe"):
                inside = items if subset == "all" else items.filter(unsafe=1)
                chosen = {"split": split, "counted": unit, "subset": subset, "duplicates": duplicates, "ties": ties}
                yield _Items(chosen, inside.select("prompt_id", *_FLAGS))


def _units(rows: pl.DataFrame, counted: str) -> Iterator[tuple[tuple[str, str, str | None], pl.DataFrame]]:
    """Rows, distinct rows, pairs by every rule of votes, and prompts by every rule."""
    yield (counted, RELEASED, None), rows
    yield (counted, ONCE, None), rows.unique(["pair_id", "labels", "unsafe"], maintain_order=True)
    votes = rows.group_by("pair_id", maintain_order=True).agg(
        pl.col("prompt_id").first(), pl.len().alias("rows"), *(pl.col(name).sum() for name in _FLAGS)
    )
    for ties, rule in VOTES.items():
        pairs = votes.with_columns(rule(pl.col(name)).cast(pl.Int64).alias(name) for name in _FLAGS)
        yield ("pairs", ONCE, ties), pairs
        yield ("prompts", ONCE, ties), pairs.group_by("prompt_id", maintain_order=True).agg(pl.col(_FLAGS).max())


def _of_comparisons(ds: Dataset) -> Iterator[_Items]:
    """Comparisons, each with the share of its rows in which the better answer is the safer one."""
    if (lack := lacking(ds)) is not None:
        raise UsageError(lack)
    turned = (pl.min_horizontal("pair_id_0", "pair_id_1"), pl.max_horizontal("pair_id_0", "pair_id_1"))
    rows = comparisons_of(ds).frame.select(
        *("prompt_id", "split", "stratum"),
        pl.struct(first=turned[0], second=turned[1]).alias("answers"),
        *(pl.col(name).cast(pl.Float64) for name in ("same", "better", "safer")),
    )
    present = [name for name in STRATA if name in rows["stratum"].to_list()]
    subsets = {"all": pl.lit(value=True), **{name: pl.col("stratum") == name for name in present}}
    if len(present) > 1 and "mixed" in present:
        subsets["not mixed"] = pl.col("stratum") != "mixed"
    for split, part in _by_split(rows):
        for subset, where in subsets.items():
            inside = part.filter(where)
            chosen = {"split": split, "counted": "comparisons", "subset": subset}
            yield _Items({**chosen, "duplicates": RELEASED, "ties": None}, inside.drop("answers"))
            once = inside.group_by("prompt_id", "answers", maintain_order=True).agg(
                pl.len().cast(pl.Int64).alias("rows"), pl.col("same").sum().alias("hits")
            )
            for ties, rule in REPEATS.items():
                pooled = once.select("prompt_id", rule.alias("same")).drop_nulls()
                yield _Items({**chosen, "duplicates": ONCE, "ties": ties}, pooled)


# -- estimates ------------------------------------------------------------------------------------

Measured = Iterator[tuple[dict[str, Any], tuple[object, ...]]]
"""Rows of the table, each with a key that is the same where the very same items are counted."""


def _weighted(items: _Items, columns: Sequence[pl.Expr]) -> Iterator[tuple[str, Floats]]:
    """Sums by prompt of the items, all alike, and with a weight of 1 for each prompt; the items come first."""
    sums = items.frame.group_by("prompt_id").agg(pl.len().alias("items"), *columns).sort("prompt_id")
    plain = sums.drop("prompt_id").cast(pl.Float64).to_numpy()
    if items.chosen["counted"] != "prompts":
        yield BY_ITEM, plain
    yield BY_PROMPT, ratio(plain, plain[:, :1])


def _row(items: _Items, weighting: str, *, coefficient: str, ends: Sequence[float]) -> dict[str, Any]:
    estimate, low, high = ends
    counts = {"n": items.frame.height, "prompts": items.frame["prompt_id"].n_unique()}
    chosen = {"weighting": weighting, "coefficient": coefficient}
    return {**chosen, "estimate": estimate, "low": low, "high": high, **counts}


def _ends(interval: ClusterInterval) -> tuple[float, float, float]:
    return float(interval.estimate[0]), float(interval.low[0]), float(interval.high[0])


def _associated(items: _Items) -> Measured:
    """Coefficients of two labels."""
    both = (pl.col("a") & pl.col("b")).sum().alias("both")
    for weighting, sums in _weighted(items, [pl.col("a").sum(), pl.col("b").sum(), both]):
        n, first, second, joint = np.hsplit(sums, 4)
        ends = _ends(phi_interval(first, second, both=joint, n=n))
        shares = ratio(sums.sum(axis=0), n.sum())
        for coefficient in _OF_PHI:
            values = _beside(ends, shares, coefficient=coefficient)
            key = (coefficient, sums.tobytes())
            yield _row(items, weighting, coefficient=coefficient, ends=ends if coefficient == "phi" else values), key


def _beside(ends: Sequence[float], shares: Floats, *, coefficient: str) -> list[float]:
    """A coefficient and its ends where phi has these; an end beyond which a cell is empty is the coefficient's own."""
    estimate, *others = (_at(phi, shares, coefficient=coefficient) for phi in ends)
    limits = (-1.0, 1.0)
    known = zip(ends[1:], others, limits, strict=True)
    return [estimate, *(limit if np.isfinite(phi) and not np.isfinite(end) else end for phi, end, limit in known)]


def _at(phi: float, shares: Floats, *, coefficient: str) -> float:
    """A coefficient at the margins of some shares where phi has a given value, from counts per billion items."""
    _, row, col, _ = shares
    joint = row * col + phi * np.sqrt(row * (1 - row) * col * (1 - col))
    joint = np.clip(joint, max(row + col - 1, 0.0), min(row, col))
    if not np.isfinite(joint):
        return np.nan
    counts = np.rint(_BILLION * np.array([[1.0], [row], [col], [joint]])).astype(np.int64)
    compute = next(entry.value for entry in COEFFICIENTS if entry.key == coefficient)
    return np.nan if compute is None else float(compute(TwoByTwo(*counts))[0])


def _same(items: _Items) -> Measured:
    """P(better = safer); and, where the released order is kept, what phi of both labels would say of it."""
    for weighting, sums in _weighted(items, [pl.col("same").sum()]):
        n, hits = np.hsplit(sums, 2)
        ends = _ends(share_interval(hits, n))
        yield _row(items, weighting, coefficient="p", ends=ends), ("p", sums.tobytes())
    if items.chosen["duplicates"] == ONCE:
        return
    both = (pl.col("better") * pl.col("safer")).sum().alias("both")
    for weighting, sums in _weighted(items, [pl.col("better").sum(), pl.col("safer").sum(), both]):
        n, first, second, joint = np.hsplit(sums, 4)
        halves = [(1 + phi) / 2 for phi in _ends(phi_interval(first, second, both=joint, n=n))]
        yield _row(items, weighting, coefficient=_BY_ORDER, ends=halves), (_BY_ORDER, sums.tobytes())
