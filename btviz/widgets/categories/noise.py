"""The tab of noisy labels: those that are likely to be wrong, by category and direction, and the pairs behind."""

from __future__ import annotations

import ipywidgets
import polars as pl

from btviz.data.dataset import Dataset
from btviz.models import noisy_labels, planted_flips
from btviz.session import Selection, hex_id
from btviz.taxonomy.words import percent
from btviz.texts import Embeddings, embed
from btviz.widgets.parts.background import Background, Report
from btviz.widgets.parts.chartview import ProgressLine, TableView
from btviz.widgets.parts.view import View

ENCODER = "minilm"
"""Encoder of prompts with their answers, where no embeddings are given."""

_WHAT = (
    "Labels that similar texts of other prompts, a probe that did not see them, and split votes speak against: "
    "candidates for a second look, not errors found. Choose a line to list its pairs, the likeliest to be wrong first."
)

SHOWN = 20
"""Ranks that the table of the chosen line has; the list of pairs has them all."""

_RANKS = [
    ("rank", "number"),
    ("pair", "text"),
    ("probability", "number"),
    ("contradicted by", "number"),
    ("neighbours", "number"),
    ("probe says otherwise", "number"),
    ("votes", "text"),
]

_COLUMNS = [
    ("label", "text"),
    ("direction", "text"),
    ("pairs", "number"),
    ("precision", "number"),
    ("by chance", "number"),
    ("recall", "number"),
]

_CAPTION = (
    "How the ranking finds labels flipped on purpose: share of flips among those named (precision, with a 95 % "
    "interval by prompt and by draw of flips), what labels in random order give (by chance), and share of the flips "
    "that are named (recall). A short list of missed harms is no sign that few were missed."
)

Found = tuple[pl.DataFrame, pl.DataFrame]


class NoiseView(View, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """List labels that are likely to be wrong; a choice becomes the selection."""

    def __init__(self, ds: Dataset, *, selection: Selection, embeddings: Embeddings | None = None) -> None:
        self._ds, self._selection, self._embeddings = ds, selection, embeddings
        self._found: Found | None = None
        self._background = Background(self._progress)
        self.button = ipywidgets.Button(description="Find noisy labels")
        self.button.on_click(lambda _: self.find())
        self.line = ProgressLine()
        self.candidates = ipywidgets.Select(options=[], rows=10, layout={"width": "auto", "display": "none"})
        self.candidates.observe(self._choose, names="value")
        self.ranking = TableView()
        self.quality = TableView()
        super().__init__(
            [
                ipywidgets.HTML(f"<div>{_WHAT}</div>"),
                *(self.button, self.line, self.candidates, self.ranking, self.quality),
            ]
        )
        self._until_closed(self._background.close)

    @property
    def table(self) -> pl.DataFrame | None:
        """What was found; see `btviz.noisy_labels`. None before it was looked for; waits while it is."""
        found: Found | None = self._background.wait()
        return None if found is None else found[0]

    def find(self) -> None:
        """Look for them, beside the kernel; texts without embeddings are embedded first, and kept."""
        self.button.disabled = True
        self._background.run(self._work, on_done=self._done, on_error=self._fail)

    def _work(self, report: Report) -> Found:
        report(None)
        emb = self._embeddings or embed(self._ds, text="qa", encoder=ENCODER)
        self._embeddings = emb
        return noisy_labels(self._ds, emb), planted_flips(self._ds, emb, at=())

    def _progress(self, share: float | None) -> None:
        words = "Embedding texts" if self._embeddings is None else "Holding labels against similar texts and a probe"
        self.line.working(words, share=share)

    def _fail(self, why: str) -> None:
        self.button.disabled = False
        self.line.said(why)

    def _done(self, made: Found) -> None:
        self.button.disabled = False
        self._found = found, flips = made
        n = found["pair_id"].n_unique()
        self.line.said(
            f"{found.height:,} labels of {n:,} pairs are wrong with a probability of 10 % or more, if 2 % of the harms "
            "of each label were missed and as many made up."
        )
        counts = found.group_by("target", "direction", maintain_order=True).len()
        named = [(row, self._title(row[0])) for row in counts.rows()]
        self.candidates.unobserve(self._choose, names="value")
        self.candidates.options = [
            (f"{title}: {direction}, {n:,} pair{'s' * (n != 1)}", (target, direction))
            for (target, direction, n), title in named
        ]
        self.candidates.value = None
        self.ranking.clear()
        self.candidates.layout.display = None if named else "none"
        self.candidates.observe(self._choose, names="value")
        self._show_quality(flips.filter(pl.col("k").is_null()), counts)

    def _show_quality(self, flips: pl.DataFrame, counts: pl.DataFrame) -> None:
        number = {(target, direction): n for target, direction, n in counts.rows()}
        rows = [
            [
                self._title(row["target"]),
                row["direction"],
                f"{number.get((row['target'], row['direction']), 0):,}",
                _with_ends(row, "precision"),
                _share(row["chance"]),
                _with_ends(row, "recall"),
            ]
            for row in flips.to_dicts()
        ]
        self.quality.show(_COLUMNS, rows, caption=_CAPTION)

    def _title(self, target: str) -> str:
        return self._ds.taxonomy[target].title if target in self._ds.taxonomy.keys else "Safety"  # not a mapping

    def _choose(self, change: dict[str, tuple[str, str] | None]) -> None:
        if change["new"] is None or self._found is None:
            return
        target, direction = change["new"]
        chosen = self._found[0].filter(target=target, direction=direction).sort("rank")
        n = f"{chosen.height:,} pair{'s' * (chosen.height != 1)}"
        origin = f"Noisy labels, {self._title(target)}, {direction}: {n}, the likeliest to be wrong first"
        self._show_ranks(chosen)
        self._selection.set(chosen, origin=origin, value="probability")

    def _show_ranks(self, chosen: pl.DataFrame) -> None:
        """The first ranks, as they are listed below, and what speaks against each label."""
        rows = [
            [
                *(str(place), hex_id(row["pair_id"]), percent(row["probability"]), percent(row["contradiction"])),
                *(f"{row['n_neighbors']:,}", _share(row["probe"]), f"{row['n_against']} of {row['n_votes']} against"),
            ]
            for place, row in enumerate(chosen.head(SHOWN).to_dicts(), start=1)
        ]
        rest = chosen.height - len(rows)
        caption = (
            f"Probability of being wrong; knowing the label alone it is {_fine(chosen['baseline'][0])}. Share of the "
            f"similar texts that contradict the label, and probability of the other label by the probe"
            f"{f'; {rest:,} more are listed' * (rest > 0)}."
        )
        self.ranking.show(_RANKS, rows, caption=caption)


def _share(value: float | None) -> str:
    return "–" if value is None else percent(value)


def _fine(share: float) -> str:
    """A share that may be a small one."""
    return f"{100 * share:.2g} %"


def _with_ends(row: dict[str, float | None], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    ends = "" if low is None or high is None else f" [{percent(low)}, {percent(high)}]"
    return f"{_share(row[name])}{ends}"
