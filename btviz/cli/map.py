"""`btviz map`: embeddings, data map and topics; what was made before is read from the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import json_option, print_json, print_table, say, tell
from btviz.store import data_dir, notebooks_dir

if TYPE_CHECKING:
    import polars as pl

    from btviz.texts import TopicMap

SHOWN = 15
WORDS = 5
NOTEBOOK = "03_topic_map.ipynb"
_TRUST_COLUMNS = ("value", "standard_error", "n_judged")


@click.command("map")
@click.argument("name")
@click.option("--text", default="prompt", show_default=True, help="prompt, response, or qa: both of a pair.")
@click.option(
    "--encoder",
    default="minilm",
    show_default=True,
    help="minilm and static (distilled from it in seconds, then quick) know English, words counts the words of any "
    "language; else a folder, or the name of a model on the hub.",
)
@click.option(
    "--scale",
    type=int,
    help="Resolution of topics, 1 or more: the larger, the more topics. By default where they come back most.",
)
@click.option("--landmarks", type=int, help="Lay out that many texts only, and place the others beside them.")
@click.option(
    "--stability/--no-stability", default=True, help="Say which topics come back from parts of the prompts (default)."
)
@click.option(
    "--words",
    is_flag=True,
    help="Show distinctive words of topics: words of the texts, but for those of guarded categories.",
)
@click.option("--allow", metavar="CATEGORY", multiple=True, help="With --words: those of this guarded category, too.")
@click.option("--engine", default="local", show_default=True, help="Where texts are embedded: local or ray.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write a figure of it to.")
@json_option
def map_command(  # noqa: PLR0913  # one for each option
    name: str,
    *,
    text: str,
    encoder: str,
    scale: int | None,
    landmarks: int | None,
    stability: bool,
    words: bool,
    allow: tuple[str, ...],
    engine: Any,
    out: Path | None,
    as_json: bool,
) -> None:
    """Lay out the texts of NAME as a map, and find its topics.

    Every text is stored once it is embedded: stopped or killed, the same command goes on where it
    was. A second run reads what the first one made.
    """
    from btviz import load
    from btviz.texts import make_topic_map

    options: dict[str, Any] = {"text": text, "encoder": encoder, "engine": engine}
    ds = load(name)
    allowed = [ds.taxonomy[category].slug for category in allow]
    result = make_topic_map(ds, **options, landmarks=landmarks, scale=scale, stability=stability, progress=say)
    files = [] if out is None else _draw(result, out)
    if as_json:
        print_json({**_document(result, words=words, allow=allowed), "files": files})
        return
    _print(result, words=words, allow=allowed)
    for file in files[:1]:
        tell(f"Figure for print: {file['file']}, and more in that folder")


def _draw(result: TopicMap, out: Path) -> list[dict[str, Any]]:
    from btviz.reports import write_topic_map

    say("Drawing: Topic map")
    return write_topic_map(result, out).to_dicts()


def _document(result: TopicMap, *, words: bool, allow: Sequence[str]) -> dict[str, Any]:
    emb, graph, topics = result.embeddings, result.neighbors, result.topics
    facts = ("rows", "texts", "new", "truncated", "max_tokens", "storage")
    n, k = graph.indices.shape
    return {
        "name": result.ds.name,
        "is_synthetic": result.ds.is_synthetic,
        "fingerprint": result.ds.fingerprint,
        "text": emb.text,
        "encoder": emb.encoder,
        "embeddings": {
            **{fact: emb.facts[fact] for fact in facts},
            "truncated_share": emb.facts["truncated"] / len(emb),
            "fingerprint": emb.fingerprint,
            "language": emb.facts["language"],
        },
        "neighbors": {
            "n_texts": n,
            "n_neighbors": k,
            "method": graph.method,
            "recall": graph.recall,
            "recall_error": graph.recall_error,
        },
        "quality": result.quality.to_dicts(),
        "scales": topics.layers.to_dicts(),
        "scale": topics.scale,
        "n_topics": topics.topics.height,
        "outlier_share": topics.outlier_share,
        "topics": (_with_words(result, allow) if words else topics.topics.drop("keywords", "weights")).to_dicts(),
        "hierarchy": topics.hierarchy.to_dicts(),
        "choice": topics.choice.to_dicts(),
        "stability": None if result.stability is None else result.stability.to_dicts(),
        "seconds": result.seconds,
        "store": data_dir() / "store",
    }


def _with_words(result: TopicMap, allow: Sequence[str]) -> pl.DataFrame:
    """Topics with those of their words that the content policy shows when asked: none of guarded categories."""
    from btviz.session import ContentPolicy, topic_words

    policy = ContentPolicy(named=allow)
    policy.reveal_words = True
    topics = result.topics.topics
    shown = topic_words(result.ds, topics, policy=policy)
    return topics.drop("keywords", "weights").join(shown, on="topic", maintain_order="left")


def _print(result: TopicMap, *, words: bool, allow: Sequence[str]) -> None:
    import polars as pl

    from btviz.texts import STABLE

    emb, graph, topics, again = result.embeddings, result.neighbors, result.topics, result.stability
    n, k = graph.indices.shape
    cut = "" if emb.facts["truncated"] else "; none is cut short"
    tell(f"Each {emb.text} of {result.ds.population}, by {emb.encoder}: {emb.summary}{cut}")
    tell(f"Neighbours: {k} of each of {n:,} texts ({graph.search})\n")
    trust = result.quality.select(pl.col("statistic").str.replace("_", " "), "texts", *_TRUST_COLUMNS)
    columns = [column.replace("_", " ") for column in trust.columns]
    print_table(trust.rows(), columns, title="How far the map can be trusted, from 0 to 1")
    tell("")
    here = pl.when(pl.col("scale") == topics.scale).then(pl.lit("shown here"))
    scales = topics.layers.select("scale", "n_topics", "outlier_share", here.fill_null("").alias("here"))
    print_table(scales.rows(), ["scale", "topics", "outliers", ""], title="Topics by --scale")
    tell("")
    some = (_with_words(result, allow) if words else topics.topics).head(SHOWN)
    title = "Topics" if some.height == topics.topics.height else f"The largest of {topics.topics.height} topics"
    shown = {"n_pairs": f"{result.ds.item}s", "share_unsafe": "unsafe", "name": "name"}
    if again is not None:
        some = some.join(again.select("topic", "stability"), on="topic", maintain_order="left")
        shown["stability"] = "found again"
        title += f"; those found again to less than {STABLE} are unstable"
    if words:
        some = some.with_columns(pl.col("keywords").list.head(WORDS).list.join(", "))
        shown["keywords"] = "words"
    print_table(some.select(*shown).rows(), list(shown.values()), title=title)
    if again is not None and again.height:
        _say_beside(again.row(0, named=True))
    _say_where(result)


def _say_beside(row: dict[str, Any]) -> None:
    """How stable topics are on the whole, and what k-means and a cloud without structure reach."""
    sides = {
        "these topics": (row["stable_all"], row["overlap_all"]),
        "k-means, as many": (row["stable_kmeans"], row["overlap_kmeans"]),
        "a cloud without structure": (row["stable_null"], row["overlap_null"]),
    }
    rows = [(name, *values) for name, values in sides.items()]
    tell("")
    title = f"Found again in {row['n_subsamples']} parts of {row['share']:.0%} of the prompts"
    print_table(rows, ["", "stable", "mean overlap"], title=title)


def _say_where(result: TopicMap) -> None:
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result.seconds.items())
    tell(f"\nTime: {spent}")
    tell(f"Stored in {data_dir() / 'store'}; the same command reads it from there.")
    lab = "make lab, or btviz lab" if notebooks_dir() else "btviz lab"
    tell(f"Explore the map in JupyterLab: {lab}, then {NOTEBOOK}")
