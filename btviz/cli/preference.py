"""`btviz stats orthogonality`: how often the better of two answers is the safer one, and what stands beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import format_cell, json_option, print_json, print_reasons, print_table, table_rows, tell
from btviz.errors import NotFoundError
from btviz.taxonomy import folded, percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from btviz.data import Dataset
    from btviz.preference import Orthogonality, SeverityOrder


_SHARES = ("n", "prompts", "p", "p_low", "p_high", "p_value")


@click.command("orthogonality")
@click.argument("name")
@click.option("--n-boot", default=2000, show_default=True, help="of no influence: intervals are in closed form")
@click.option("--seed", default=0, show_default=True, help="seed of the tests")
@click.option("--margin", default=0.1, show_default=True, help="bound on |2p - 1| that counts as orthogonal")
@click.option("--all", "everything", is_flag=True, help="Print every measure, position, cycles and severity, too.")
@json_option
def orthogonality_command(name: str, *, n_boot: int, seed: int, margin: float, everything: bool, as_json: bool) -> None:
    """Measure how often the better of two answers in NAME is the safer one."""
    from btviz import load
    from btviz.labels import expect_labelled
    from btviz.preference import counts_known, lacking, orthogonality, severity_order

    try:
        ds = load(name)
    except NotFoundError:
        if not counts_known(name):
            raise
        counted = orthogonality(name, n_boot=n_boot, random_state=seed, margin=margin)
        _report_counts(counted, name, as_json=as_json)
        return
    if ds.preferences.is_empty():
        expect_labelled(ds, what="Comparisons by better and safer")
    result = orthogonality(ds, n_boot=n_boot, random_state=seed, margin=margin)
    order = severity_order(ds, random_state=seed)
    if as_json:
        about = {"name": ds.name, "release": ds.release, "is_synthetic": ds.is_synthetic, "counted_from": None}
        print_json({**about, "lacking": lacking(ds), **_document(result), "severity_order": _order_document(order)})
        return
    if (reason := lacking(ds)) is not None:
        tell(folded(f"Over all comparisons nothing is measured: {reason}") + "\n")
        if result.bias["n"].sum():
            _print_bias(result)
    else:
        slugs = {key: ds.taxonomy[key].slug for key in ds.taxonomy.keys}  # not a mapping
        title = f"P(better = safer) in {ds.population}"
        _print_orthogonality(result, title=title, is_synthetic=ds.is_synthetic, slugs=slugs)
        if not everything:
            _print_briefly(result, order)
            return
        _print_further(result)
    _print_order(order, ds)


def _report_counts(counted: Orthogonality, name: str, *, as_json: bool) -> None:
    """Answer from what was published about a release whose rows are not here."""
    from btviz.data import RELEASES
    from btviz.preference import severity_of_counts

    severity = severity_of_counts(name)
    if as_json:
        about = {"name": name, "release": name, "is_synthetic": False, "counted_from": counted.counted_from}
        document = {"lacking": None, **_document(counted), "severity_order": {"severity": severity.to_dicts()}}
        print_json(about | document)
        return
    tell(
        folded(
            f"No rows of {name} are here. What follows is counted from what was published about the train split of "
            f"{RELEASES[name].title} ({counted.counted_from}). For its rows: btviz data fetch {name}."
        )
        + "\n"
    )
    columns = ["grouping", "level", "n", "p", "naive_low", "naive_high", "smallest_worth"]
    print_table(
        table_rows(counted.table, columns), columns, title=f"P(better = safer) in {RELEASES[name].title}, train"
    )
    tell("")
    for level, verdict in counted.table.select("level", "verdict").rows():
        tell(folded(f"{level}: {verdict}."))
    known = counted.bias.filter(label="is_safe").row(0, named=True)
    tell(
        folded(
            f"Of {known['n']:,} comparisons with one safe answer, response_1 is the safe one in {percent(known['p'])}."
        )
    )
    tell(
        "\n"
        + folded(
            "What these counts cannot tell: intervals by prompt, because nobody knows which comparisons share one "
            "(naive intervals hold the sampling error of independent comparisons, and nothing else); p within a "
            "stratum, a category, a severity or a model, but for the bounds above; the position bias of better and of "
            "safer."
        )
        + "\n"
    )
    _print_severity(severity, title=f"Severity by category in {RELEASES[name].title}, train; n: answers of comparisons")


def _document(result: Orthogonality) -> dict[str, Any]:
    """Every table but the turns of the null distribution, of which the spread is given."""
    import polars as pl

    spread = result.null.group_by("grouping", "level", maintain_order=True).agg(
        pl.len().alias("turns"), pl.col("p").std().alias("sd"), pl.col("observed").first()
    )
    tables = {name: getattr(result, name).to_dicts() for name in ("table", "bias", "pooled", "adjusted")}
    corrected = _correction(result)
    return {
        "margin": result.margin,
        **tables,
        "reliability": None if corrected is None else corrected.row(0, named=True),
        "null": spread.to_dicts(),
        "cycles": _cycles(result),
    }


def _correction(result: Orthogonality) -> pl.DataFrame | None:
    """What published agreement on preferences would make of p; None where it has no interval."""
    from btviz.preference import agreement_correction

    p, low, high = result.table.select("p", "p_low", "p_high").row(0)
    return None if low is None else agreement_correction(p, low=low, high=high)


def _cycles(result: Orthogonality) -> dict[str, int]:
    import polars as pl

    counted = [name for name, dtype in result.cycles.schema.items() if dtype == pl.Int64]
    return {"prompts": result.cycles.height, **result.cycles.select(pl.col(counted).sum()).row(0, named=True)}


def _print_orthogonality(result: Orthogonality, *, title: str, is_synthetic: bool, slugs: Mapping[str, str]) -> None:
    table = result.table
    rows = table_rows(table, ["grouping", "level", "n", "prompts", "p", "p_low", "p_high", "p_holm", "p_shrunken"])
    named = [[grouping, slugs.get(level, level), *cells] for grouping, level, *cells in rows]
    columns = ["grouping", "level", "n", "prompts", "p", "low", "high", "p_holm", "shrunken"]
    print_table(named, columns, title=title)
    print_reasons(table.filter(table["p_low"].is_null()))
    by_prompt, low, high = table.select("p_prompt_weighted", "naive_low", "naive_high").row(0)
    tell(
        folded(
            f"Over all, p by prompt, each prompt weighing the same, is {format_cell(by_prompt)}; the naive interval, "
            f"as if no comparisons shared a prompt, is [{format_cell(low)}, {format_cell(high)}]. --json has both of "
            "each row."
        )
    )
    tell("")
    for grouping, level, verdict in table.select("grouping", "level", "verdict").rows():
        if grouping in {"all", "stratum"}:
            tell(folded(f"{level}: {verdict}."))
    for broken, n in table.filter(grouping="stratum", level="mixed").select("rule_broken", "n").rows():
        tell(
            folded(f"Of {n:,} mixed comparisons, {broken:,} break the rule: they call the unsafe answer the safer one.")
        )
    if not is_synthetic and (corrected := _correction(result)) is not None:
        tell(folded(f"Errors of the labels: {corrected['verdict'][0]}."))
    if is_synthetic:
        tell("Synthetic data say nothing about a release.")


def _print_briefly(result: Orthogonality, order: SeverityOrder) -> None:
    """A line for each of the tables that --all prints."""
    known = result.pooled.filter(measure="odds_ratio_mh")
    for estimate, low, high in known.filter(known["low"].is_not_null()).select("estimate", "low", "high").rows():
        ends = f"[{format_cell(low)}, {format_cell(high)}]"
        tell(folded(f"Over all, the odds ratio of better and safer is {format_cell(estimate)} {ends}."))
    for label, p, p_value in result.bias.filter(result.bias["n"] > 0).select("label", "p", "p_value").rows():
        written = "< 0.001" if p_value is not None and p_value < _SMALL else format_cell(p_value)
        doubt = "" if p_value is None else f" (p-value for one half: {written})"
        tell(folded(f"Position: {label} names response_1 in {percent(p)}{doubt}."))
    for criterion, n, p in order.direction.filter(order.direction["n"] > 0).select("criterion", "n", "p").rows():
        said = f"Where {criterion} of the two answers differs, safer points to the less harmful one in {percent(p)}"
        tell(folded(f"{said} of {n:,} comparisons."))
    tell("Every measure, position with intervals, cycles, severity and categories: --all.")


_SMALL = 0.0005


def _print_further(result: Orthogonality) -> None:
    """Position, measures over all comparisons, and cycles."""
    tell("")
    _print_bias(result)
    tell("")
    _print_pooled(result.pooled)
    if result.cycles.height:
        cycles = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in _cycles(result).items())
        tell("\n" + folded(f"Prompts with three or more answers: {cycles}."))


def _order_document(order: SeverityOrder) -> dict[str, Any]:
    return {name: getattr(order, name).to_dicts() for name in ("direction", "contradictions", "strata", "severity")}


def _print_order(order: SeverityOrder, ds: Dataset) -> None:
    """What *safer* and *better* do where severity and categories tell two answers apart."""
    if order.direction["n"].sum():
        tell("")
        columns = ["criterion", "n_recorded", "n_equal", "n_incomparable", "n_against", *_SHARES]
        title = "Does safer point to the less harmful answer? p: share of the n comparisons that a criterion orders"
        print_table(
            table_rows(order.direction, columns),
            [column.removeprefix("n_") for column in columns],
            title=folded(f"{title}, of {ds.population}"),
        )
        print_reasons(order.direction.filter(order.direction["p_low"].is_null()))
        opposite = order.contradictions.filter(order.contradictions["n"] > 0)
        for first, second, n_opposite, n in opposite.select("first", "second", "n_opposite", "n").rows():
            tell(f"{first.capitalize()} and {second} order {n:,} comparisons both, {n_opposite:,} oppositely.")
    if order.strata["n"].sum():
        tell("")
        columns = ["level", "n_recorded", *_SHARES]
        title = "P(better = safer) by what differs first between the two answers; none: nothing that is recorded"
        print_table(table_rows(order.strata, columns), columns, title=folded(f"{title}, of {ds.population}"))
        print_reasons(order.strata)
    if not order.severity.is_empty():
        tell("")
        unit = {"annotation": "annotations"}.get(order.severity["unit"][0], "answers of comparisons")
        beside = "; published: of PKU-SafeRLHF, train" if order.severity["published_n"].count() else ""
        _print_severity(order.severity, title=f"Severity by category; n: {unit} of {ds.population}{beside}")


def _print_severity(severity: pl.DataFrame, *, title: str) -> None:
    """A row a category: shares of the levels, and the published ones where there are some."""
    import polars as pl

    known = severity.filter(pl.col("n") > 0)
    values = ["share", *(["published_share"] if known.get_column("published_share", default=None) is not None else [])]
    wide = known.pivot(on="level", index=["category", "n", "effective_prompts"], values=values, maintain_order=True)
    wide = wide.select(column for column in wide if column.null_count() < wide.height)
    if len(values) == 1:
        names = {str(level): f"level {level}" for level in known["level"].unique()}
    else:
        names = {f"share_{level}": f"level {level}" for level in known["level"].unique()}
        names |= {f"published_share_{level}": f"published {level}" for level in known["level"].unique()}
    print_table(wide.rows(), [names.get(column, column) for column in wide.columns], title=title)


def _print_bias(result: Orthogonality) -> None:
    shares = ["label", *_SHARES]
    known = result.bias.filter(result.bias["n"] > 0)
    print_table(table_rows(known, shares), shares, title="How often each label names response_1")
    print_reasons(known)


def _print_pooled(pooled: pl.DataFrame) -> None:
    if not pooled["estimate"].count():
        tell(folded(f"Over all comparisons nothing is measured: {pooled['undefined'][0]}."))
        return
    columns = ["measure", "estimate", "low", "high", "p_value", "naive_p_value"]
    print_table(table_rows(pooled, columns), columns, title="Over all comparisons")
