"""A data set with the scores that are to be drawn of it, their signs checked first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import DataError, UsageError
from btviz.models.protocol import SCORES_ORDER
from btviz.scores.labelled import checked
from btviz.scores.saved import kept_answers, kept_scores
from btviz.scores.signs import SignCheck, check_sign
from btviz.store import fingerprint


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of one data set, and whether they may be drawn.

    Attributes
    ----------
    ds : Dataset
        What was scored.
    scores : DataFrame
        A table of scores, in the order of its keys.
    answers : DataFrame
        `btviz.scores.policies.ANSWERS`.
    signs : sequence of SignCheck
        What the labels say of the direction of each reward and cost model.
    refusal : str or None
        Why none of them is drawn: the sign of one is reversed.
    n_strange : int
        Scores left out because their pairs are not in the data set, as of data that have changed since.
    """

    ds: Dataset
    scores: pl.DataFrame
    answers: pl.DataFrame
    signs: Sequence[SignCheck] = ()
    refusal: str | None = None
    n_strange: int = 0

    @classmethod
    def of(cls, ds: Dataset, *, scores: pl.DataFrame | None = None, override_sign: bool = False) -> Scored:
        """Take scores, by default those kept for the data set, and check their signs.

        Parameters
        ----------
        ds : Dataset
            What was scored.
        scores : DataFrame, optional
            A table of scores.
        override_sign : bool
            Draw scores that point against the labels, too.

        Warns
        -----
        SignWarning
            If the labels do not tell which way a score points.
        """
        given = checked(kept_scores(ds) if scores is None else scores).sort(*SCORES_ORDER, "kind")
        table = given.filter(pl.col("pair_id").is_in(ds.pairs["pair_id"].implode()))
        n_strange = given.height - table.height
        try:
            signs = check_sign(table, ds, override=override_sign)
        except DataError as error:
            return cls(ds, table, kept_answers(ds), refusal=str(error), n_strange=n_strange)
        return cls(ds, table, kept_answers(ds), signs, n_strange=n_strange)

    def having(self, *kinds: str) -> pl.DataFrame:
        """Scores of some kinds.

        Raises
        ------
        UsageError
            If there are none, or a sign is reversed; the message says what to do.
        """
        if self.ds.pairs.is_empty():
            raise UsageError(f"A figure of the scores of {self.ds.name!r} was asked for; it has no answers to score.")
        if self.refusal is not None:
            raise UsageError(self.refusal)
        if self.n_strange and self.scores.is_empty():
            raise UsageError(
                f"A figure of the scores of {self.ds.name!r} was asked for; none of the {self.n_strange:,} scores "
                f"given is of an answer in it. Score this data set: btviz score {self.ds.name} --model MODEL."
            )
        found = self.scores.filter(pl.col("kind").is_in(kinds))
        if found.drop_nulls("score").is_empty():
            of = "" if self.scores.is_empty() else f"{' or '.join(kinds)} "
            raise UsageError(
                f"A figure of the scores of {self.ds.name!r} was asked for; no {of}model has scored it. Run btviz "
                f"score {self.ds.name} --model MODEL, or --probes for small models fitted on its labels."
            )
        return found

    def facts(self) -> dict[str, Any]:
        """Which models have scored what, what their signs are, a fingerprint of the table, and what was left out."""
        models = self.scores.group_by("model", "kind").agg(
            pl.col("pair_id").n_unique().alias("pairs"), pl.col("score").null_count().alias("undefined")
        )
        return {
            "models": models.sort("kind", "model").to_dicts(),
            "fingerprint": fingerprint(self.scores.write_csv()),
            "signs": [asdict(check) for check in self.signs],
            "not_in_the_data": self.n_strange,
        }
