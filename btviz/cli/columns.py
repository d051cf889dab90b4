"""The option ``--columns``: what a user says of the columns of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import click

HELP = (
    "Where columns come from: prompt=question is_safe=harmful:unsafe, one after the other. Values: COLUMN; "
    "COLUMN:unsafe (true says unsafe); COLUMN>0.5 (a score); COLUMN:separator=; (names in one text); COLUMN:from=0 "
    "(numbers); cat_* (a column for each category); :from-labels. See help('btviz.data.reading.mapping')."
)

columns_option = click.option("--columns", "pairs", metavar="COLUMN=VALUE...", multiple=True, help=HELP)


class TakesColumns(click.Command):
    """A command whose option ``--columns`` takes all that follows it and has a sign of equality."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give each pair an option of its own, which is what click knows."""
        return super().parse_args(ctx, list(_spread(args)))


def _spread(args: Iterable[str]) -> Iterator[str]:
    within = False
    for arg in args:
        if arg == "--columns":
            within = True
        elif within and "=" in arg and not arg.startswith("-"):
            yield from ("--columns", arg)
        else:
            if within and arg.startswith("-"):
                within = False
            elif within:
                raise click.UsageError(f"--columns takes COLUMN=VALUE, and {arg!r} has no sign of equality.")
            yield arg


def mapping_of(pairs: Iterable[str]) -> dict[str, str] | None:
    """The mapping that pairs give; None if there are none."""
    columns: dict[str, Any] = {}
    for pair in pairs:
        column, sign, value = pair.partition("=")
        if not sign or column in columns:
            found = "it is there twice" if sign else "it has no sign of equality"
            raise click.UsageError(f"--columns {pair!r} was given; {found}. Write --columns prompt=question")
        columns[column] = value
    return columns or None
