"""`btviz stats artefacts`: how far labels are told by parts of pairs, on one screen, and why something is not told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from btviz.cli.report import ABSENT, json_option, plain, print_json, print_table, table_rows, tell
from btviz.taxonomy import folded

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset

_ALL = ("outcome", "unit", "baseline", "n", "support", "prompts", "base_rate", "auc", "low", "high", "gain")
_STRONGEST = ("outcome", "support", "from", "auc", "low", "high", "qa", "qa_low", "qa_high", "gain")


@click.command("artefacts")
@click.argument("name")
@click.option("--encoder", help="what prompts and pairs are read by: words, static, minilm or a model; else by TF-IDF")
@click.option("--outcome", "outcomes", multiple=True, help="unsafe, better, safer or a category; by default all")
@click.option("--all", "everything", is_flag=True, help="Print every baseline of every outcome.")
@click.option("--seed", default=0, show_default=True, help="seed of the folds")
@json_option
def stats_artefacts(
    name: str, *, encoder: str | None, outcomes: tuple[str, ...], everything: bool, seed: int, as_json: bool
) -> None:
    """Predict the labels of NAME from the prompt, lengths, refusal or the answering model alone.

    One row an outcome: what tells most of it, beside prompt and answer together; --all has every baseline.
    """
    from btviz import artefact_baselines, embed, load

    ds = load(name)
    emb = None if encoder is None else embed(ds, text="qa", encoder=encoder)
    table = artefact_baselines(ds, emb, outcomes=outcomes or None, random_state=seed)
    if as_json:
        print_json({"name": ds.name, "is_synthetic": ds.is_synthetic, "artefacts": table.to_dicts()})
        return
    _print_artefacts(table, ds, everything=everything)


def _print_artefacts(table: pl.DataFrame, ds: Dataset, *, everything: bool) -> None:
    """Areas, what was read, and which rows have dashes and why."""
    import polars as pl

    named = table.with_columns(_short("outcome", ds))
    title = f"Area under the ROC curve of labels told from parts of pairs of {ds.population}, held out by prompt"
    if everything:
        shown = named.filter(pl.col("auc").is_not_null() | (pl.col("baseline") != "source"))
        print_table(table_rows(shown, _ALL), _ALL, title=f"{title}; n: units")
    else:
        print_table(table_rows(_strongest(named), _STRONGEST), _STRONGEST, title=title)
    tell(
        "\n"
        + folded(
            f"{_units(table)}. An area of 0.5 is chance; gain: that of prompt and answer together (qa) less this one."
        )
    )
    if not everything:
        tell("from: what tells most alone, of prompt, lengths, refusal and source; all of them: --all.")
    for baseline, features in table.select("baseline", "features").unique(maintain_order=True).rows():
        tell(folded(plain(f"{baseline}: {features}.")))
    for line in _lacking(named):
        tell(folded(plain(f"{ABSENT} {line}.")))


def _short(column: str, ds: Dataset) -> pl.Expr:
    """Categories by their slug; other outcomes as they are."""
    import polars as pl

    return pl.col(column).replace({category.key: category.slug for category in ds.taxonomy.categories})


def _strongest(table: pl.DataFrame) -> pl.DataFrame:
    """A row an outcome: the baseline of the largest area, beside the whole pair; categories by that area."""
    import polars as pl

    pair = table.filter(baseline="qa").select("outcome", qa="auc", qa_low="low", qa_high="high")
    alone = table.filter(pl.col("baseline") != "qa").sort("auc", descending=True, nulls_last=True, maintain_order=True)
    first = alone.unique("outcome", keep="first", maintain_order=True).with_columns(
        pl.when(pl.col("auc").is_not_null()).then("baseline").alias("from")
    )
    general = pl.col("outcome").is_in(["unsafe", "better", "safer"])
    order = table["outcome"].unique(maintain_order=True).to_list()
    place = pl.when(general).then(pl.col("outcome").replace_strict(order, range(len(order)), return_dtype=pl.Int64))
    return first.join(pair, on="outcome").sort(
        place, pl.col("auc"), descending=[False, True], nulls_last=True, maintain_order=True
    )


def _units(table: pl.DataFrame) -> str:
    """How many units there are of either kind, and of how many prompts; of the outcome with most."""
    most = table.sort("n", descending=True).unique("unit", keep="first", maintain_order=True)
    return " and ".join(
        f"{n:,} {unit}s of {prompts:,} prompts" for unit, n, prompts in most.select("unit", "n", "prompts").rows()
    )


def _lacking(table: pl.DataFrame) -> list[str]:
    """Each reason of a dash with the rows that it is about: a baseline in all of them, or outcomes."""
    import polars as pl

    gaps, n_outcomes, lines = table.drop_nulls("undefined"), table["outcome"].n_unique(), []
    for reason in gaps["undefined"].unique(maintain_order=True):
        rows = gaps.filter(undefined=reason)
        counts = rows.group_by("baseline", maintain_order=True).agg(pl.col("outcome"))
        whole = [name for name, outcomes in counts.rows() if len(outcomes) == n_outcomes]
        parts = [", ".join(whole)] if whole else []
        for outcome, baselines in (
            rows.filter(~pl.col("baseline").is_in(whole))
            .group_by("outcome", maintain_order=True)
            .agg("baseline")
            .rows()
        ):
            known = table.filter(pl.col("outcome") == outcome, pl.col("auc").is_not_null())["baseline"].to_list()
            parts.append(outcome if set(known) <= set(baselines) else f"{outcome} ({', '.join(baselines)})")
        lines.append(f"{', '.join(parts)}: {reason}")
    return lines
