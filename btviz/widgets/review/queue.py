"""`ReviewQueue`: pairs one by one, by keyboard: confirm, relabel, unsure, skip, note; a break after so many texts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import traitlets

from btviz.arguments import whole_number
from btviz.data.corrections import REVIEW, REVIEWS
from btviz.data.dataset import Dataset
from btviz.data.tables import ID
from btviz.errors import UsageError
from btviz.reports.corrections import compare_corrections
from btviz.reports.review import REASONS, review_queue, review_results
from btviz.session import ContentPolicy, Corrections, Notes, from_hex, guarded_words, hex_id, redacted
from btviz.widgets import front
from btviz.widgets.inspector.index import index_pairs
from btviz.widgets.inspector.inspector import Inspector, Message
from btviz.widgets.inspector.pairs import cards_of
from btviz.widgets.parts.background import Background

BREAK_AFTER = 25
"""Pairs whose texts are read before a break is proposed."""

NOTE_TAG = "review"
"""Tag of the notes that are taken here."""


class ReviewQueue(Inspector):
    """Work through a queue of labels that should be looked at again.

    Parameters
    ----------
    ds : Dataset
        As released.
    queue : DataFrame, optional
        From `btviz.review_queue`, which makes one by default; any table with `pair_id` will do.
    corrections : Corrections, optional
        Where what is said goes; those of the data folder by default.
    reviewer : str, optional
        Who reviews, where `corrections` are not given.
    policy : ContentPolicy, optional
        Decides which texts may be read; the one of this session by default.
    break_after : int
        Pairs to be read before a break; until it is ended, no text is shown. 0: no break.
    blind : bool
        Tell why a pair is in the queue only after something was said of it, so that controls look like the others.

    Notes
    -----
    What a reviewer says is kept at once, so a queue is left and taken up where it stands. Texts come as in every
    inspector, and words that mark guarded categories are covered in them until they are asked for.

    Examples
    --------
    >>> queue = btviz.review_queue(ds, emb=emb, n=50)
    >>> btviz.widgets.ReviewQueue(ds, queue, reviewer="AB")
    >>> btviz.review_results(ds, queue, corrections=Corrections(ds)).by_reason
    """

    _esm = front.script("review")
    _css = front.style("review")

    state = traitlets.Dict(read_only=True).tag(sync=True)
    cards = traitlets.List[Any](read_only=True).tag(sync=True)

    def __init__(
        self,
        ds: Dataset,
        queue: pl.DataFrame | None = None,
        *,
        corrections: Corrections | None = None,
        reviewer: str | None = None,
        policy: ContentPolicy | None = None,
        break_after: int = BREAK_AFTER,
        blind: bool = True,
    ) -> None:
        super().__init__(ds, policy=policy)
        self.corrections = corrections or Corrections(ds, reviewer=reviewer)
        self.queue = _checked(ds, review_queue(ds) if queue is None else queue)
        self.notes = Notes(ds)
        self._index = index_pairs(ds)
        self._break_after, self._blind = whole_number(break_after, name="break_after", least=0), blind
        self._since_break: set[int] = set()
        self._rests = False
        self._bare: set[int] = set()
        self._jobs = Background(lambda _: self.send({"kind": "say", "text": "Comparing before and after…"}))
        self._until_closed(self._jobs.close)
        self._place = 0
        self._place = self._next_open()
        self._show()

    @property
    def verdicts(self) -> dict[int, str]:
        """What this reviewer last said of each pair of the queue: confirmed, relabelled, unsure or skipped."""
        rows = self.corrections.table.filter(field=REVIEW, reviewer=self.corrections.reviewer).sort("time")
        said = dict(rows.select("pair_id", "after").iter_rows())
        return {pair: said[pair] for pair in self.queue["pair_id"] if said.get(pair) in REVIEWS}

    @property
    def results(self) -> Any:
        """What all reviewers did with this queue; see `btviz.review_results`."""
        return review_results(self.ds, self.queue, corrections=self.corrections)

    def _answers(self) -> dict[str, Callable[[Message], None]]:
        return super()._answers() | {
            "ready": lambda _: self._show(),
            "confirm": lambda _: self._say("confirmed"),
            "unsure": lambda _: self._say("unsure"),
            "skip": lambda _: self._say("skipped"),
            "relabel": self._relabel,
            "note": self._note,
            "undo": lambda _: self._undo(),
            "go": self._go,
            "words": self._show_words,
            "resume": lambda _: self._resume(),
            "effects": lambda _: self._compare(),
        }

    @property
    def _pair(self) -> int:
        return int(self.queue["pair_id"][self._place])

    def _say(self, verdict: str) -> None:
        self.corrections.add(self._pair, field=REVIEW, after=verdict)
        self._advance()

    def _relabel(self, message: Message) -> None:
        """Keep what differs from what this reviewer has so far, and that the pair was relabelled, in one step."""
        pair, other, now = self._pair, self._other, self._labels()
        rows: list[tuple[int, str, object]] = []
        if message["safe"] is not None and message["safe"] != now["safe"]:
            rows.append((pair, "is_safe", message["safe"]))
        if sorted(message["labels"]) != sorted(now["labels"]):
            rows.append((pair, "labels", list(message["labels"])))
        if other is not None and message.get("order") is not None:
            rows.append((pair, f"{self._order}:{hex_id(other)}", message["order"]))
        if other is not None and message.get("other_safe") is not None:
            rows.append((other, "is_safe", message["other_safe"]))
        if not rows:
            raise UsageError(
                "A pair was to be relabelled; its labels are as they were. Change one, or confirm them (c)."
            )
        self.corrections.add_all([*rows, (pair, REVIEW, "relabelled")])
        self._advance()

    def _note(self, message: Message) -> None:
        self.notes.add(self._pair, tag=NOTE_TAG, note=message["text"])
        self.send({"kind": "say", "text": f"Noted, under the tag {NOTE_TAG!r}."})

    def _undo(self) -> None:
        before = self.verdicts
        if not self.corrections.undo():
            raise UsageError("A step was to be taken back; none of yours is left here. Go on with the next pair.")
        changed = [pair for pair, said in before.items() if self.verdicts.get(pair) != said]
        if changed:
            self._place = self.queue["pair_id"].to_list().index(changed[-1])
        self._show()

    def _go(self, message: Message) -> None:
        self._place = min(max(self._place + int(message["by"]), 0), self.queue.height - 1)
        self._show()

    def _advance(self) -> None:
        self._place = self._next_open()
        self._show()

    def _next_open(self) -> int:
        """The next pair of which this reviewer has said nothing; the present one where there is none."""
        done, pairs = self.verdicts, self.queue["pair_id"].to_list()
        order = [*range(self._place, len(pairs)), *range(self._place)]
        return next((place for place in order if pairs[place] not in done), self._place)

    def _compare(self) -> None:
        """Say what the corrections so far change, once that is computed."""
        table = self.corrections.table

        def job(_: object) -> str:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is not applied is in the sentences
                return compare_corrections(self.ds, table).sentences()

        self._jobs.run(
            job,
            on_done=lambda said: self.send({"kind": "effects", "text": said}),
            on_error=lambda words: self.send({"kind": "say", "text": words}),
        )

    def _reveal(self, message: Message) -> None:
        wanted = {from_hex(pair) for pair in message["pairs"]}
        new = wanted - self._since_break
        if self._rests or (self._break_after and new and len(self._since_break) >= self._break_after):
            self._rests = True
            self._show()
            return
        super()._reveal(message)
        self._since_break |= wanted
        self._show()

    def _show_words(self, message: Message) -> None:
        self._bare |= {from_hex(pair) for pair in message["pairs"]}
        self._reveal(message)

    def _resume(self) -> None:
        self._since_break.clear()
        self._rests = False
        self._show()

    def _texts(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        parts = super()._texts(row)
        if row["pair_id"] in self._bare:
            return parts
        words = guarded_words(self.ds, self.policy)
        return [part | {"text": None if part["text"] is None else redacted(part["text"], words)} for part in parts]

    @property
    def _other(self) -> int | None:
        """The other answer, where it is the order of two that is in doubt."""
        return self.queue["other"][self._place] if "other" in self.queue.columns else None

    @property
    def _order(self) -> str:
        return str(self.queue["target"][self._place])

    def _labels(self) -> dict[str, Any]:
        """Labels of the pair as this reviewer has them: as released, with the own corrections so far."""
        own = self.corrections.table.filter(pair_id=self._pair, reviewer=self.corrections.reviewer)
        row = self.ds.items.row(int(self._index.rows_of(pl.Series([self._pair], dtype=ID))[0]), named=True)
        known = self.corrections.values_of(self._pair, own)
        mask = known.get("labels", row["labels"])
        names = [] if mask is None else [category.slug for category in self.ds.taxonomy.members(mask)]
        return {"safe": known.get("is_safe", row["is_safe"]), "labels": names}

    def _show(self) -> None:
        done, pairs = self.verdicts, self.queue["pair_id"]
        verdict = done.get(self._pair)
        counts = {name: sum(said == name for said in done.values()) for name in REVIEWS}
        reason = self.queue["reason"][self._place] if "reason" in self.queue.columns else None
        shown = [self._pair, *([] if self._other is None else [self._other])]
        rows = self._index.rows_in_order(pl.Series(shown, dtype=ID))
        with self.hold_sync():
            self.set_trait(
                "state",
                {
                    "name": self.ds.population,
                    "reviewer": self.corrections.reviewer,
                    "place": self._place + 1,
                    "n": len(pairs),
                    "done": len(done),
                    "counts": counts,
                    "verdict": verdict,
                    "reason": None
                    if reason is None or (self._blind and verdict is None)
                    else REASONS.get(reason, reason),
                    "order": None if self._other is None else self._order,
                    "read": self.policy.n_read,
                    "since": len(self._since_break),
                    "breakAfter": self._break_after,
                    "rests": self._rests,
                    **self._labels(),
                },
            )
            self.set_trait("cards", cards_of(rows, ds=self.ds, index=self._index))


def _checked(ds: Dataset, queue: pl.DataFrame) -> pl.DataFrame:
    if "pair_id" not in queue.columns:
        raise UsageError(
            f"A queue was to be reviewed; of its columns {queue.columns} none is pair_id. Pass what btviz.review_queue "
            "gives, or a table with pair_id."
        )
    known = queue.filter(pl.col("pair_id").is_in(ds.items["pair_id"].implode()))
    if known.is_empty():
        raise UsageError(
            f"A queue of {queue.height:,} pairs was to be reviewed; {ds.name!r} holds none of them. Make one of these "
            "data: btviz.review_queue(ds)."
        )
    return known
