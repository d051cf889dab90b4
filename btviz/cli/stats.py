"""`btviz stats`: the numbers behind the pictures, of categories, annotators and preferences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.annotators import stats_agreement, stats_annotators
from btviz.cli.artefacts import stats_artefacts
from btviz.cli.corrections import stats_corrections
from btviz.cli.judgements import stats_judgements
from btviz.cli.noise import stats_noise
from btviz.cli.preference import orthogonality_command
from btviz.cli.report import (
    ABSENT,
    format_cell,
    json_option,
    print_json,
    print_reasons,
    print_table,
    say,
    table_rows,
    tell,
)
from btviz.cli.scores import stats_scores
from btviz.taxonomy import folded

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset
    from btviz.labels import CategoryStructure


Command = Callable[..., Any]
SHOWN = 20

_OPTIONS = (
    click.argument("name"),
    click.option("--population", help="annotations, pairs or prompts; by default annotations, or pairs without any"),
    click.option("--where", default="all", show_default=True, help="all or unsafe"),
    click.option("--by", help="a table for each split or severity"),
    json_option,
)


def _with_options(command: Command) -> Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group("stats")
def stats_group() -> None:
    """Print statistics of the harm categories."""


@stats_group.command("categories")
@_with_options
def stats_categories(name: str, *, population: str | None, where: str, by: str | None, as_json: bool) -> None:
    """Count each harm category of NAME."""
    from btviz import category_counts, load

    ds = load(name)
    table = category_counts(ds, population=population, where=where, by=by)
    _say_population(ds, population)
    if as_json:
        print_json(table.to_dicts())
        return
    _print(ds, table, ["category", "n_category", "share"], by=by, title=f"Harm categories of {ds.population}")


@stats_group.command("cooccurrence")
@_with_options
def stats_cooccurrence(name: str, *, population: str | None, where: str, by: str | None, as_json: bool) -> None:
    """Associate every two harm categories of NAME; the strongest, either way, are shown, --json has all."""
    import polars as pl

    from btviz import cooccurrence, cooccurrence_tests, load

    ds = load(name)
    table = cooccurrence(ds, population=population, where=where, by=by, intervals=by is None)
    if by is None and where == "unsafe":
        table = _with_tests(table, cooccurrence_tests(ds, population=table["population"][0], where=where))
    _say_population(ds, population)
    if as_json:
        print_json(table.to_dicts())
        return
    once = table.filter(pl.col("row_order") < pl.col("col_order")).sort(
        pl.col("phi").abs(), descending=True, nulls_last=True
    )
    columns = ["row", "col", "n_both", "phi", "lift"]
    if by is None:
        once, columns = _judged(once, where=where)
    _print(ds, once.head(SHOWN), columns, by=by, title=f"The {SHOWN} strongest associations in {ds.population}")
    if by is None:
        tell(
            f"All at once: {once['holds_zero'].count():,} intervals of phi by prompt that hold together in 95 %; "
            f"{once.filter('holds_zero').height:,} of them reach across 0."
        )
        tell(folded(_COULD_SHOW[where]))


_COULD_SHOW = {
    "all": "Could show: of pairs that are not decided, phi below and above 0, and nearest to it, that a test of these "
    "prompts would find in 80 % of samples; a dash where it would find none that the margins allow.",
    "unsafe": "An unsafe item has some category, so that phi of independent ones lies below 0 here: an interval below "
    "0 does not show that two avoid each other. The odds ratio and p_holm, adjusted for all pairs tested, are of items "
    "with the same other categories, at least one; a dash where fewer than 5 joint items are expected. Could show: "
    "where p_holm is above 0.05, the odds ratios below and above 1 that this test would find in 80 % of samples.",
}


def _judged(once: pl.DataFrame, *, where: str) -> tuple[pl.DataFrame, list[str]]:
    """Pairs with their intervals or tests, and what undecided ones could have shown, as text; and the columns."""
    import polars as pl

    joint = _ends(once, "phi_low_joint", "phi_high_joint", around="[]").alias("all at once")
    if where == "all":
        could = _ends(once, "smallest_detectable_negative", "smallest_detectable")
        shown = once.with_columns(
            joint, (~pl.col("holds_zero")).alias("not 0"), pl.when("holds_zero").then(could).alias("could show")
        )
        return shown, ["row", "col", "n_both", "phi", "all at once", "not 0", "could show", "lift"]
    could = _ends(once, "odds_ratio_detectable_below", "odds_ratio_detectable_above")
    shown = once.with_columns(
        joint,
        pl.when(pl.col("p_holm") > _LEVEL).then(could).alias("could show"),
        pl.Series("p_holm", [format_cell(row[0]) for row in table_rows(once, ["p_holm"])]),
        pl.col("odds_ratio_conditional").alias("odds ratio"),
    )
    return shown, ["row", "col", "n_both", "phi", "all at once", "odds ratio", "p_holm", "could show"]


_LEVEL = 0.05


def _ends(table: pl.DataFrame, low: str, high: str, *, around: str = "") -> pl.Series:
    """Both ends of each row as text, a dash for one that is null; null where both are."""
    import polars as pl

    start, end = tuple(around) if around else ("", "")
    ends = [tuple(None if x is None else f"{x:.2f}" for x in pair) for pair in table.select(low, high).rows()]
    texts = [None if pair == (None, None) else f"{start}{pair[0] or ABSENT}, {pair[1] or ABSENT}{end}" for pair in ends]
    return pl.Series(texts, dtype=pl.String)


def _with_tests(table: pl.DataFrame, tests: pl.DataFrame) -> pl.DataFrame:
    """Add the tests of each pair to both of its orders."""
    import polars as pl

    columns = ["odds_ratio_conditional", "p_holm", "odds_ratio_detectable_below", "odds_ratio_detectable_above"]
    turned = tests.select(pl.col("col").alias("row"), pl.col("row").alias("col"), *columns)
    both = pl.concat([tests.select("row", "col", *columns), turned])
    return table.join(both, on=["row", "col"], how="left", maintain_order="left")


@stats_group.command("structure")
@click.argument("name")
@click.option("--population", default="pairs", show_default=True, help="annotations, pairs or prompts")
@click.option("--where", default="all", show_default=True, help="all or unsafe")
@click.option("--max-false", default=1.0, show_default=True, help="associations that may be noise, expected")
@click.option("--empty-cells", default="replaced", show_default=True, help="replaced, margins or added")
@click.option("--shuffled", default="prompts", show_default=True, help="prompts, or items as fa.parallel in R does")
@click.option("--factors", type=int, help="how many to extract; by default as many as exceed chance")
@click.option("--all", "everything", is_flag=True, help="Print every pair and the loadings, too.")
@json_option
def stats_structure(  # noqa: PLR0913  # an option each
    name: str,
    *,
    population: str,
    where: str,
    max_false: float,
    empty_cells: str,
    shuffled: str,
    factors: int | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Find which harm categories of NAME go together given all others, and the factors behind them."""
    from btviz import Factoring, category_structure, load
    from btviz.reports import sentences

    ds = load(name)
    method = Factoring(empty_cells=empty_cells, shuffled=shuffled, n_factors=factors)
    found = category_structure(ds, population=population, where=where, max_false=max_false, factoring=method)
    if as_json:
        print_json(
            {
                **{part: getattr(found, part).to_dicts() for part in _STRUCTURE},
                **{part: getattr(found, part) for part in ("n_factors", "n_factors_by_mean", "n_components")},
                "doubts": list(found.doubts),
            }
        )
        return
    _print_associations(ds, found, most=None if everything else _STRONGEST_SHOWN)
    if everything:
        tell("")
        _print_loadings(ds, found)
    tell(f"\n{sentences.structure(found, ds, with_pairs=everything)}")
    if not everything:
        tell("Every pair, the strongest in words, and loadings: --all.")


_STRONGEST_SHOWN = 14


def _print_associations(ds: Dataset, found: CategoryStructure, *, most: int | None) -> None:
    """The stable pairs, strongest association first to last; of more than `most` those furthest from 0."""
    stable = found.pairs.filter("is_stable")
    shown = stable if most is None else stable.top_k(most, by=stable["log_odds_ratio"].abs())
    columns = ["row", "col", "n_both", "phi", "selected", "log_odds_ratio", "low", "high"]
    in_order = shown.sort("log_odds_ratio", descending=True).to_dicts()
    cells = [[_short(ds, column, row[column]) for column in columns] for row in in_order]
    headings = [column.removesuffix("_ratio") for column in columns]  # 80 columns hold no more
    of = "" if shown.height == stable.height else f", the {shown.height} strongest of {stable.height}"
    print_table(cells, headings, title=f"Associations given all other categories in {ds.population}{of}")


_STRUCTURE = (
    *("categories", "pairs", "selection", "eigenvalues", "loadings", "factor_correlations", "fit", "sensitivity"),
    "merges",
)


def _print_loadings(ds: Dataset, found: CategoryStructure) -> None:
    if found.loadings.is_empty():
        return
    wide = found.loadings.sort("order", "factor").pivot("factor", index=["category", "communality"], values="loading")
    factors = [name for name in wide.columns if name not in {"category", "communality"}]
    cells = [[ds.taxonomy[row[0]].slug, *row[1:]] for row in wide.select("category", *factors, "communality").rows()]
    print_table(cells, ["category", *(f"F{name}" for name in factors), "h2"], title="Loadings")


def _say_population(ds: Dataset, population: str | None) -> None:
    """Say what is counted where that is not the usual."""
    if population is None and ds.annotations.is_empty():
        say(f"{ds.name} has no annotations of its own: its pairs are counted, as --population pairs does.")


def _print(ds: Dataset, table: pl.DataFrame, columns: list[str], *, by: str | None, title: str) -> None:
    shown = [by, *columns] if by else columns
    cells = [[_short(ds, column, row[column]) for column in shown] for row in table.to_dicts()]
    print_table(cells, shown, title=title)
    if table.height:
        first = table.row(0, named=True)
        n = "" if by else f"n = {first['n']:,} "
        tell(f"\n{n}{first['population']}, where {first['where']}: {first['rule']}.")


def _short(ds: Dataset, column: str, value: Any) -> Any:
    return ds.taxonomy[value].slug if column in {"category", "row", "col"} else value


@stats_group.command("specifications")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--of", type=click.Choice(["p", "phi"]), help="P(better = safer), or an association; by default p if known"
)
@click.option("--categories", nargs=2, metavar="A B", help="two categories; by default those of which phi was printed")
@click.option("--all", "everything", is_flag=True, help="Print every specification.")
@json_option
def stats_specifications(
    names: tuple[str, ...], *, of: str | None, categories: tuple[str, str] | None, everything: bool, as_json: bool
) -> None:
    """Estimate one quantity of NAME under every defensible choice of rows, rules and coefficient.

    One row an option: where the estimates lie that took it; --all has every specification.
    """
    from btviz import load, specification_curve
    from btviz.labels import expect_labelled
    from btviz.reports import sentences

    data_sets = [load(name) for name in names]
    for ds in data_sets:
        if ds.preferences.is_empty():
            expect_labelled(ds, what="Specifications")
    table = specification_curve(data_sets, of=of, categories=categories)
    if as_json:
        print_json(table.to_dicts())
        return
    varied = [name for name in _CHOICES if table[name].n_unique() > 1]
    if everything:
        columns = [*varied, "n", "prompts", "estimate", "low", "high", "holds_printed"]
        print_table(table.select(columns).rows(), [name.replace("_", " ") for name in columns], title="Specifications")
    else:
        rows, title = _by_option(table, varied), "Estimates by option; hold: intervals that hold the printed value"
        print_table(rows, ["choice", "option", "count", "least", "median", "greatest", "hold"], title=title)
        tell("\nEvery specification: --all.")
    tell(f"\n{sentences.specifications(table, data_sets[0])}")


def _by_option(table: pl.DataFrame, varied: Sequence[str]) -> list[list[Any]]:
    """For each option of each choice: specifications with an estimate, where these lie, and how many hold."""
    import polars as pl

    rows: list[list[Any]] = []
    for choice in varied:
        options = (
            table.drop_nulls([choice, "estimate"])
            .group_by(choice)
            .agg(
                pl.len(),
                pl.col("estimate").min().alias("least"),
                pl.col("estimate").median().alias("median"),
                pl.col("estimate").max().alias("greatest"),
                pl.col("holds_printed").sum().alias("held"),
                pl.col("holds_printed").count().alias("known"),
            )
        )
        for place, (option, *numbers, held, known) in enumerate(options.sort("median", choice).rows()):
            rows.append(["" if place else choice, option, *numbers, f"{held:,} of {known:,}" if known else None])
    return rows


@stats_group.command("compare")
@click.argument("name")
@click.argument("other", required=False)
@click.option("--where", default="all", show_default=True, help="categories of all rows, or of unsafe ones")
@click.option("--n-boot", default=2000, show_default=True, help="of no influence: intervals are in closed form")
@click.option("--seed", default=0, show_default=True, help="seed of the exchanges between splits")
@json_option
def stats_compare(name: str, other: str | None, *, where: str, n_boot: int, seed: int, as_json: bool) -> None:
    """Compare NAME with OTHER: categories, and better and safer; without OTHER, its two splits.

    OTHER may be a release whose rows are not here: then its published counts are taken.
    """
    from btviz import load, split_shift
    from btviz.reports import sentences

    ds = load(name)
    if other is None:
        shift = split_shift(ds, random_state=seed)
        if as_json:
            print_json({"shift": shift.to_dicts()})
            return
        columns = ["what", "share_a", "share_b", "difference", "low", "high", "p_value", "p_holm"]
        first = shift.row(0, named=True)
        heads = ["what", first["split_a"], first["split_b"], *columns[3:]]
        print_table(table_rows(shift, columns), heads, title=f"Labels of two splits of {ds.population}")
        print_reasons(shift)
        tell(f"\n{sentences.shift(shift, ds)}")
        return
    _compare(ds, other, where=where, n_boot=n_boot, seed=seed, as_json=as_json)


def _compare(ds: Dataset, other: str, *, where: str, n_boot: int, seed: int, as_json: bool) -> None:
    """What two data sets can be compared in; what they cannot is said."""
    from btviz import category_mix, compare_categories, compare_releases
    from btviz.errors import DataError, UsageError
    from btviz.reports import sentences

    second = _here_or_published(other)
    tables: dict[str, pl.DataFrame] = {}
    reasons: dict[str, str] = {}
    makers: dict[str, Callable[[], pl.DataFrame]] = {"category_mix": lambda: category_mix([ds, second], where=where)}
    if not isinstance(second, str):
        both = [ds, second]
        makers["releases"] = lambda: compare_releases(both, n_boot=n_boot, random_state=seed)
        makers["categories"] = lambda: compare_categories(ds, other=second, n_boot=n_boot, random_state=seed)
    for key, make in makers.items():
        try:
            tables[key] = make()
        except (DataError, UsageError) as error:
            reasons[key] = str(error)
    if (by_category := tables.get("categories")) is not None:
        for side, of in (("p", ds.name), ("p_other", other)):
            if not by_category[side].count():
                reasons["categories"] = (
                    f"P(better = safer) by category was to be compared; no comparison of {of!r} with a category tells "
                    "both labels. Use data that do."
                )
                tables.pop("categories", None)
    if as_json:
        print_json({**{key: table.to_dicts() for key, table in tables.items()}, "lacking": reasons})
        return
    if (mix := tables.get("category_mix")) is not None:
        _print_mix(mix)
    for key, (columns, title) in _COMPARED.items():
        if (table := tables.get(key)) is None:
            continue
        print_table(table_rows(table, columns), [column.replace("_", " ") for column in columns], title=title)
        print_reasons(table)
        tell("")
    if mix is not None:
        tell(sentences.mix(mix, ds.taxonomy))
    for reason in reasons.values():
        say(reason)


_COMPARED = {
    "releases": (
        ["name", "against", "n", "prompts", "crude", "standardised", "low", "high"],
        "P(better = safer), with the same mix of strata",
    ),
    "categories": (
        ["category", "n", "n_other", "p", "p_other", "difference", "low", "high"],
        "P(better = safer) by category",
    ),
}
"""Tables of a comparison: their columns, and titles."""


def _print_mix(mix: pl.DataFrame) -> None:
    """One line a category: both shares, and their difference."""
    import polars as pl

    apart = mix.drop_nulls("against")
    first, second = (mix.filter(pl.col("against").is_null(), name=apart[side][0]) for side in ("name", "against"))
    columns = [apart["category"], first["share"], second["share"], *(apart[name] for name in ("share", "low", "high"))]
    heads = ["category", "first", "second", "difference", "low", "high"]
    rows = zip(*(column.to_list() for column in columns), strict=True)
    counts = [f"{table['name'][0]} (n = {table['n'][0]:,}; {table['source'][0]})" for table in (first, second)]
    where = "unsafe " if mix["where"][0] == "unsafe" else ""
    title = folded(f"Shares of {where}rows with each category: {' and '.join(counts)}")
    print_table(rows, heads, title=title)
    print_reasons(apart)
    tell("")


def _here_or_published(name: str) -> Dataset | str:
    """A data set; or the name of a release of which rows are not here."""
    from btviz import load
    from btviz.data import RELEASES
    from btviz.errors import NotFoundError

    try:
        return load(name)
    except NotFoundError:
        if name not in RELEASES:
            raise
        say(f"Rows of {name} are not here: its published counts are taken. Get them: btviz data fetch {name}.")
        return name


_CHOICES = ("data", "split", "counted", "subset", "duplicates", "ties", "weighting", "coefficient")


stats_group.add_command(stats_agreement)

stats_group.add_command(stats_annotators)

stats_group.add_command(stats_noise)

stats_group.add_command(stats_corrections)

stats_group.add_command(orthogonality_command)

stats_group.add_command(stats_scores)

stats_group.add_command(stats_artefacts)

stats_group.add_command(stats_judgements)
