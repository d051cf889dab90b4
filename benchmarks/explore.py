"""How long the page takes to answer a click on the full-size replica: facets alone, and all that is sent.

Run as ``python -m benchmarks.explore``; it prints the slowest and the median of clicks on every bar, on every canvas.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import polars as pl

import btviz


def made_parts(ds: btviz.Dataset) -> dict[str, pl.DataFrame]:
    """A map and the scores of two models, at random."""
    draw, ids = np.random.default_rng(0), ds.items["pair_id"]
    points = pl.DataFrame({"pair_id": ids, "x": draw.normal(size=len(ids)), "y": draw.normal(size=len(ids))})
    score = pl.DataFrame({"pair_id": ids, "score": draw.normal(size=len(ids))})
    named = [
        score.select("pair_id", model=pl.lit("made"), kind=pl.lit(kind), target=pl.lit(None, pl.String), score="score")
        for kind in ("reward", "cost")
    ]
    return {"points": points, "scores": pl.concat(named)}


def seconds(act: Any) -> float:
    """Processor time of a call: a machine that does other things says nothing by the clock."""
    start = time.process_time()
    act()
    return time.process_time() - start


def clicked(page: Any, facet: str, value: int) -> float:
    """Time of one click where nothing is selected yet."""
    page.selection.clear()
    return seconds(lambda: page.click(facet, value))


def main() -> None:
    """Print the times."""
    ds = btviz.load("replica")
    assert ds.annotations.height == 333_963
    ds.preferences  # noqa: B018  # read before anything is timed
    parts = made_parts(ds)
    made: list[Any] = []
    print(f"the page is made in {seconds(lambda: made.append(btviz.explore(ds, **parts))):.2f} s")
    [page] = made
    sent: list[dict[str, Any]] = []
    page.send = lambda content, _=None: sent.append(content)
    page._begin()
    [facets] = [message["facets"] for message in sent if message["kind"] == "facets"]
    print(f"facets alone: {1000 * seconds(page._send_facets):.0f} ms")
    clicks = [(facet["name"], k) for facet in facets for k in range(len(facet["labels"]))]
    for canvas in page._canvases:
        page.show(canvas)
        times = [clicked(page, name, k) for name, k in clicks]
        slowest = clicks[int(np.argmax(times))]
        print(
            f"{canvas}: {len(times)} clicks, median {1000 * statistics.median(times):.0f} ms, "
            f"slowest {1000 * max(times):.0f} ms ({slowest[0]})"
        )
    page.selection.clear()
    page.click("safety", "unsafe")
    print(f"facets alone, with a selection: {1000 * seconds(page._send_facets):.0f} ms")


if __name__ == "__main__":
    main()
