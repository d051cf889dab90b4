"""What every inspector shares: texts only on request, and only as far as the content policy allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import traitlets

from btviz.data.dataset import Dataset, expect_dataset
from btviz.data.words import beginning
from btviz.errors import BtvizError
from btviz.session import ContentPolicy, from_hex, hex_id, session_policy
from btviz.taxonomy.categories import Taxonomy
from btviz.widgets.parts.view import View

LONGEST_TEXT = 20_000
"""Characters of one text that are sent to the browser; the rest stays in `ds.pairs`."""


Message = Mapping[str, Any]


class Inspector(View, anywidget.AnyWidget):
    """Base of the inspectors: answers the browser, and sends a text when it is asked for.

    Traits that the browser shares (and a saved notebook keeps) hold no text; a text crosses only
    as a message that answers "reveal".
    """

    categories = traitlets.List[Any](read_only=True).tag(sync=True)
    policy_state = traitlets.Dict(read_only=True).tag(sync=True)

    def __init__(self, ds: Dataset, *, policy: ContentPolicy | None) -> None:
        expect_dataset(ds)
        super().__init__()
        self.ds = ds
        self.policy = policy or session_policy()
        self._hidings = self.policy.hidings
        self.set_trait("categories", categories_of(ds.taxonomy, self.policy))
        self._until_closed(self.policy.observe(self._policy_changed))
        self.on_msg(self._answer)
        self._policy_changed()

    def _answers(self) -> dict[str, Callable[[Message], None]]:
        """What is done on each kind of message."""
        return {
            "reveal": self._reveal,
            "hide": lambda _: self.policy.hide_all(),
            "opt_in": self._opt_in,
            "name": self._name,
            "topic_words": self._opt_in_to_words,
        }

    def _answer(self, _: object, message: Message, __: object) -> None:
        self.send({"kind": "heard"})
        try:
            self._answers()[message["kind"]](message)
        except BtvizError as error:
            self.send({"kind": "say", "text": str(error)})

    def _policy_changed(self) -> None:
        if self.policy.hidings != self._hidings:  # before the state: what is hidden is not asked for again
            self._hidings = self.policy.hidings
            self.send({"kind": "hide"})
        named = sorted(self.policy.named)
        words = self.policy.reveal_words if self.policy.offers_words else None
        self.set_trait("policy_state", {"reveal_all": self.policy.reveal_all, "named": named, "words": words})

    def _reveal(self, message: Message) -> None:
        wanted = [from_hex(pair) for pair in message["pairs"]]
        for row in self.policy.texts(self.ds, wanted, asked=True).iter_rows(named=True):
            self.send({"kind": "text", "pair": hex_id(row["pair_id"]), "texts": self._texts(row)})

    def _texts(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        parts = ("prompt",) if self.ds.item == "prompt" else ("prompt", "response")
        shown = {part: None if row[part] is None else beginning(row[part], most=LONGEST_TEXT) for part in parts}
        return [
            {
                "part": part,
                "text": shown[part],
                "cut": len(row[part] or "") - len(shown[part] or ""),
                "withheld": [
                    category.title for category in self.policy.withheld(row[f"{part}_labels"], self.ds.taxonomy)
                ],
            }
            for part in parts
        ]

    def _opt_in(self, message: Message) -> None:
        self.policy.reveal_all = message["on"]

    def _opt_in_to_words(self, message: Message) -> None:
        self.policy.reveal_words = message["on"]

    def _name(self, message: Message) -> None:
        (self.policy.name if message["on"] else self.policy.unname)(message["slug"])


def categories_of(taxonomy: Taxonomy, policy: ContentPolicy) -> list[dict[str, Any]]:
    """Categories in the order of their bits, with what hovering over one shows."""
    guarded = {category.slug for category in policy.guarded(taxonomy)}
    return [
        {
            "slug": category.slug,
            "title": category.title,
            "definition": category.definition,
            "guarded": category.slug in guarded,
        }
        for category in taxonomy.categories
    ]
