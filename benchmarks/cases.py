"""One function per thing measured: ours, and what a user would write instead.

Each prepares what it needs, then times only the work, and runs in a process of its own.
"""

from __future__ import annotations

import itertools
import lzma
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.browser import BROWSER_CASES
from benchmarks.embedding import EMBEDDING_CASES, REOPENING_CASES
from benchmarks.lasso import LASSO_CASES
from benchmarks.maps import MAP_CASES
from benchmarks.populations import timed
from benchmarks.probes import PROBE_CASES
from benchmarks.quality import QUALITY_CASES
from benchmarks.scoring import SCORING_CASES
from benchmarks.stability import STABILITY_CASES
from benchmarks.topics import TOPIC_CASES

Case = Callable[[Path], float | str]
"""Gives seconds, or what it found as Markdown."""


# Loading ----------------------------------------------------------------------------------------


def cold_jsonl(folder: Path) -> float:
    return _cold(folder, "replica_train.jsonl")


def cold_xz(folder: Path) -> float:
    return _cold(folder, "replica_train.jsonl.xz")


def _cold(folder: Path, name: str) -> float:
    import btviz

    load = btviz.load  # imports the loader, as the others import pandas
    shutil.rmtree(folder / "store", ignore_errors=True)
    (folder / "sources.json").unlink(missing_ok=True)

    def work() -> None:
        ds = load(folder / name)
        assert ds.annotations.height == 333_963
        assert ds.pairs.height == 110_822

    return timed(work)


def warm(folder: Path) -> float:
    import btviz

    btviz.load(folder / "replica_train.jsonl")

    def work() -> None:
        ds = btviz.load(folder / "replica_train.jsonl")
        assert ds.annotations.height == 333_963
        assert ds.pairs.height == 110_822

    return timed(work)


def pandas_jsonl(folder: Path) -> float:
    return _pandas(folder / "replica_train.jsonl")


def pandas_xz(folder: Path) -> float:
    return _pandas(folder / "replica_train.jsonl.xz")


def _pandas(path: Path) -> float:
    import pandas as pd

    def work() -> None:
        frame = pd.read_json(path, lines=True)
        flags = pd.json_normalize(frame["category"])
        assert len(frame.join(flags)) == 333_963

    return timed(work)


def pandas_pairs(folder: Path) -> float:
    """To the same tables as ours: annotations, and unique pairs with the majority of their labels."""
    import pandas as pd

    def work() -> None:
        frame = pd.read_json(folder / "replica_train.jsonl", lines=True)
        flags = pd.json_normalize(frame["category"])
        rows = frame.drop(columns="category").join(flags)
        majority = rows.groupby(["prompt", "response"]).mean() >= 0.5
        assert len(majority) == 110_822

    return timed(work)


def datasets_style_polars(folder: Path) -> float:
    import polars as pl

    def work() -> None:
        frame = pl.read_ndjson(folder / "replica_train.jsonl")
        assert frame.unnest("category").height == 333_963

    return timed(work)


def only_xz(folder: Path) -> float:
    return timed(lambda: lzma.decompress((folder / "replica_train.jsonl.xz").read_bytes()))


# Co-occurrence ----------------------------------------------------------------------------------


def cooccurrence(folder: Path) -> float:
    import btviz

    ds = btviz.load(folder / "replica_train.jsonl")
    cooccurrence = btviz.cooccurrence
    assert ds.annotations.height
    return timed(lambda: cooccurrence(ds))


def pandas_cooccurrence(folder: Path) -> float:
    import pandas as pd

    import btviz

    ds = btviz.load(folder / "replica_train.jsonl")
    masks = ds.annotations["labels"].to_numpy()
    frame = pd.DataFrame({key: (masks >> bit & 1).astype(bool) for bit, key in enumerate(ds.taxonomy.keys)})

    def work() -> None:
        frame.corr()
        for row, col in itertools.combinations(frame.columns, 2):
            pd.crosstab(frame[row], frame[col])

    return timed(work)


def cooccurrence_100m(folder: Path) -> float:
    import btviz

    def work() -> None:
        table = btviz.cooccurrence(btviz.scan(folder / "annotations_100m.parquet"))
        assert table["n"][0] == 100_000_000

    return timed(work)


# Resampling -------------------------------------------------------------------------------------

REPLICATES = 10_000


def bootstrap_phi(folder: Path) -> float:
    """10,000 cluster-bootstrap replicates of all 91 phi over pairs, prompts drawn, from the tables on."""
    import numpy as np

    import btviz
    from btviz.stats.association import TwoByTwo, phi
    from btviz.stats.resampling import bootstrap, cluster_sums

    ds = btviz.load("replica")
    assert ds.pairs.height == 110_822
    row, col = np.triu_indices(len(ds.taxonomy))

    def phis(totals: np.ndarray) -> np.ndarray:
        counts = np.rint(totals).astype(np.int64)
        margins, joint = counts[:, 1:][:, row == col], counts[:, 1:][:, row != col]
        first, second = np.triu_indices(len(ds.taxonomy), 1)
        return phi(TwoByTwo(counts[:, :1], margins[:, first], margins[:, second], joint))

    def work() -> None:
        flags = ds.taxonomy.flags(ds.pairs["labels"])
        columns = np.column_stack([np.ones(len(flags), bool), flags[:, row] & flags[:, col]])
        bootstrap(cluster_sums(columns, clusters=ds.pairs["prompt_id"].to_numpy()), phis, n_boot=REPLICATES)

    return timed(work)


def bootstrap_phi_loop(folder: Path) -> float:
    """The same as a plain loop over drawn prompts: 3 replicates, scaled to 10,000."""
    import numpy as np
    import pandas as pd

    import btviz

    ds = btviz.load("replica")
    masks = ds.pairs["labels"].to_numpy()
    frame = pd.DataFrame({key: (masks >> bit & 1).astype(float) for bit, key in enumerate(ds.taxonomy.keys)})
    groups = list(frame.groupby(ds.pairs["prompt_id"].to_numpy()).indices.values())
    draw = np.random.default_rng(0)
    few = 3

    def work() -> None:
        for _ in range(few):
            rows = np.concatenate([groups[i] for i in draw.integers(len(groups), size=len(groups))])
            frame.iloc[rows].corr()

    return timed(work) * REPLICATES / few


def bootstrap_share(folder: Path) -> float:
    """10,000 replicates of P(better = safer), prompts drawn."""
    from btviz.stats.resampling import bootstrap

    sums = _sums_by_prompt()
    return timed(lambda: bootstrap(sums, lambda t: t[:, :1] / t[:, 1:], n_boot=REPLICATES))


def scipy_share(folder: Path) -> float:
    """The same by scipy.stats.bootstrap on the sums by prompt, vectorised, in batches that fit memory."""
    from scipy.stats import bootstrap

    same, count = _sums_by_prompt().T

    def share(a: Any, b: Any, axis: int = -1) -> Any:
        return a.sum(axis=axis) / b.sum(axis=axis)

    return timed(
        lambda: bootstrap(
            (same, count), share, paired=True, vectorized=True, n_resamples=REPLICATES, batch=200, method="percentile"
        )
    )


def _sums_by_prompt() -> Any:
    import polars as pl

    import btviz

    rows = btviz.load("replica").preferences.drop_nulls(["better", "safer"])
    same = (pl.col("better") == pl.col("safer")).sum()
    return rows.group_by("prompt_id").agg(same.alias("same"), pl.len()).sort("prompt_id").drop("prompt_id").to_numpy()


def orthogonality(folder: Path) -> float:
    """The full report of the replica, adjusted model included."""
    import btviz

    ds = btviz.load("replica")
    assert ds.preferences.height == 82_118
    report = btviz.orthogonality
    return timed(lambda: report(ds).adjusted)


# Clicks -----------------------------------------------------------------------------------------


def click(folder: Path) -> float:
    """Seconds of the slowest of all 182 cells and 14 bars, selection to page of pairs."""
    import btviz

    ds = btviz.load(folder / "replica_train.jsonl")
    explorer = btviz.widgets.CategoryExplorer(ds)
    keys = ds.taxonomy.keys
    cells = [timed(lambda r=r, c=c: explorer.click(r, c)) for r, c in itertools.permutations(keys, 2)]
    bars = [timed(lambda c=c: explorer.click(c)) for c in keys]
    return max(cells + bars)


# What the cases read ----------------------------------------------------------------------------


def prepare(folder: Path) -> None:
    """Write the full-size replica in the released form, compressed too, and the 100-million-row file."""
    import polars as pl

    from btviz.data import synthetic

    plain = folder / "replica_train.jsonl"
    if not plain.exists():
        made = synthetic.generate("replica")
        flags = [
            (pl.col("labels") & (1 << category.bit) != 0).alias(category.key) for category in made.taxonomy.categories
        ]
        rows = made.rows.select("prompt", "response", "is_safe", pl.struct(flags).alias("category"))
        rows.sample(fraction=1, shuffle=True, seed=0).write_ndjson(plain)
    packed = folder / "replica_train.jsonl.xz"
    if not packed.exists():
        packed.write_bytes(lzma.compress(plain.read_bytes(), preset=1))
    if not (folder / "annotations_100m.parquet").exists():
        _write_100m(folder)


def _write_100m(folder: Path) -> None:
    import polars as pl
    from polars.io.plugins import register_io_source

    import btviz
    from btviz.data import ANNOTATIONS

    rows = btviz.load(folder / "replica_train.jsonl").annotations
    copies = -(-100_000_000 // rows.height)

    def source(*_: Any) -> Any:
        left = 100_000_000
        for copy in range(copies):
            part = rows.head(left).with_columns(pl.col("pair_id") ^ pl.lit(copy, pl.UInt64))
            left -= part.height
            yield part

    target = folder / "annotations_100m.parquet"
    partial = target.with_suffix(".partial")
    register_io_source(source, schema=ANNOTATIONS).sink_parquet(partial, compression="lz4")
    partial.rename(target)


CASES: dict[str, Case] = {
    case.__name__: case
    for case in (
        cold_jsonl,
        pandas_jsonl,
        pandas_pairs,
        datasets_style_polars,
        cold_xz,
        pandas_xz,
        only_xz,
        warm,
        cooccurrence,
        pandas_cooccurrence,
        cooccurrence_100m,
        bootstrap_phi,
        bootstrap_phi_loop,
        bootstrap_share,
        scipy_share,
        orthogonality,
        click,
    )
}
CASES |= SCORING_CASES | PROBE_CASES | EMBEDDING_CASES | MAP_CASES | TOPIC_CASES
CASES |= REOPENING_CASES | LASSO_CASES | BROWSER_CASES | QUALITY_CASES | STABILITY_CASES

ONCE = {
    "cold_xz", "pandas_xz", "only_xz", "cooccurrence_100m", "bootstrap_phi_loop", "scoring_plain_loop", "scoring_card",
    *PROBE_CASES, *BROWSER_CASES, *EMBEDDING_CASES, *MAP_CASES, *TOPIC_CASES, *LASSO_CASES, *QUALITY_CASES,
    *STABILITY_CASES,
} - {"embed_qa", "plain_encode_qa"}  # fmt: skip
"""Cases that are not repeated, because of how long they take or repeat themselves."""

NEED_FILES = (
    "cold", "pandas", "datasets", "only", "warm", "cooccurrence", "bootstrap", "scipy", "orthogonality", "click",
    "scoring",
)  # fmt: skip
"""Beginnings of cases that read what `prepare` writes."""
