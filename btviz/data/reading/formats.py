"""The form of a file, told from what it holds, for data and for scores; and its rows, as batches of columns."""

from __future__ import annotations

import itertools
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import polars as pl

from btviz.data.reading import arrow, columnar, csv_reader, json_values
from btviz.data.reading.archives import SUFFIXES, Truncated, packing_of
from btviz.data.reading.csv_reader import Dialect, dialect_of
from btviz.data.reading.files import Block, Digest, Head, format_of, head_of, line_blocks, pieces_of
from btviz.data.reading.json_lines import LineReader
from btviz.data.reading.json_text import BLANKS, items_of_line
from btviz.data.reading.json_values import Plan, plan_of
from btviz.data.reading.record import Batch, Finding, Progress, batch_of, is_sentence
from btviz.data.reading.signatures import misnamed, refusal, refuse_documents, refuse_other_encoding, refuse_strange

A = TypeVar("A")
T = TypeVar("T")

_HEAD = 1 << 17  # bytes that tell the form

_VOTES = 100  # lines that do

_SAMPLE_BYTES = 1 << 20

_PIECE = 4 << 20

_VALUES_PIECE = 1 << 18  # an error is looked for in all of what is held

_LIST = 5
"""Lines of a text that may be a list of prompts; fewer may be a note."""

_WORDS = 4
"""Of the first line of such a list, at least."""

_EVEN = 0.9
"""Share of the rows of a table that are as wide as its header, where the name does not say that it is one."""

_AHEAD_BYTES = 96 << 20
"""Read ahead of what has been dealt with; a batch that is larger is dealt with alone."""

WORKERS = 1 + min(4, os.cpu_count() or 1)  # one more than cores: Polars waits for its own threads


@dataclass(frozen=True)
class Form:
    """How the rows of a file are written down.

    Attributes
    ----------
    kind : str
        "lines" (of JSON), "values" (JSON in any other arrangement), "csv", "parquet", "arrow" or "arrow stream".
    newline : str
        What ends a line: a carriage return on its own, as old tools of the Mac write it, or else.
    dialect : Dialect
        Of a CSV.
    plan : Plan
        Where the rows are in JSON values.
    packed : bool
        Whether the file is an archive.
    remark : str or None
        What its name says that is not so.
    """

    kind: Literal["lines", "values", "csv", "parquet", "arrow", "arrow stream"]
    newline: str = "\n"
    dialect: Dialect | None = None
    plan: Plan | None = None
    packed: bool = False
    remark: str | None = None


def form_of(path: Path) -> Form:
    """Tell the form of a file from its first bytes.

    Raises
    ------
    DataError
        If it holds no rows that can be read; what it is instead, if that is known, and what to do.
    """
    refuse_documents(path)
    head = head_of(path, _HEAD)
    packed = packing_of(head.raw) is not None
    binary = _binary_form(head.text if packed else head.raw)
    if binary is not None:
        return Form(binary, packed=packed, remark=misnamed(path, head))
    refuse_strange(path, head)
    refuse_other_encoding(path, head)
    newline = "\r" if b"\r" in head.text and b"\n" not in head.text else "\n"
    start = head.text.decode(errors="replace").lstrip("\ufeff" + BLANKS)
    remark, named = misnamed(path, head), format_of(path)
    _refuse_texts_in_lines(path, head, newline=newline)
    is_table = named in (".csv", ".tsv") and start[:1] not in ("{", "[")  # a row of a table may begin with {}, too
    if start[:1] != "[" and not is_table and _is_of_lines(head, newline=newline):
        return Form("lines", newline, packed=packed, remark=remark)
    if start[:1] == "[":
        first = plan_of(iter([head.text]))  # a list that goes on is of what it begins with
        return Form("values", newline, plan=first, packed=packed, remark=remark)
    if start[:1] == "{":
        plan = plan_of(pieces_of(path, size=_VALUES_PIECE, newline=newline))
        kind: Literal["lines", "values"] = "lines" if plan.kind == "lines" else "values"
        return Form(kind, newline, plan=plan, packed=packed, remark=remark)
    dialect, share = dialect_of(head.text.decode(errors="replace"), whole=head.whole)
    rows = head.text.replace(b"\r", b"\n").strip().count(b"\n")
    if named is None and _is_list_of_prompts(path, head, dialect if share >= _EVEN else None):
        dialect, share = Dialect("\x1f", quote=None, names=("prompt",)), 1.0
    if start and (named in (".csv", ".tsv") or (share >= _EVEN and rows)):
        return Form("csv", dialect=dialect, packed=packed, remark=remark)
    if start and named is None:
        raise refusal(path, "text in which no table, and no JSON, is seen")
    return Form("values" if named == ".json" else "lines", newline, packed=packed, remark=remark)


def _refuse_texts_in_lines(path: Path, head: Head, *, newline: str) -> None:
    """Raise where most lines are JSON texts or dicts of Python, which are no rows, with the command that makes rows."""
    lines = [line.strip() for line in head.text.split(newline.encode())[:_VOTES] if line.strip()]
    if len(lines) > 1 and sum(line.startswith(b"{'") and line.endswith(b"}") for line in lines) * 2 > len(lines):
        raise refusal(
            path,
            "a list of dicts as Python prints them",
            advice='Write it again as JSON lines (json.dumps), or run: python -c "import ast, json, sys\n'
            f'for row in sys.stdin: print(json.dumps(ast.literal_eval(row)))" < {path.name} > rows.jsonl',
        )
    if format_of(path) in (".csv", ".tsv"):
        return
    texts = [text for line in lines if line[:1] == b'"' for text in [_json_text(line)] if text is not None]
    if len(lines) > 1 and len(texts) * 2 > len(lines):
        are_rows = sum(text.lstrip()[:1] in ("{", "[") for text in texts) * 2 > len(texts)
        what, use = (
            ("rows written as texts, that is, as JSON twice", "fromjson") if are_rows else ("texts", "{prompt: .}")
        )
        raise refusal(path, f"lines of JSON, but of {what}", advice=f"Run: jq -c '{use}' {path.name} > rows.jsonl")


def _json_text(line: bytes) -> str | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, str) else None


def _is_list_of_prompts(path: Path, head: Head, dialect: Dialect | None) -> bool:
    """Whether a text file, which its name says it is, is a list of prompts, one a line: sentences without a header.

    Where it may be a table, in some dialect, its first line has to hold a sentence in the place of a name.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in SUFFIXES]
    lines = [line.decode(errors="replace") for line in head.text.splitlines() if line.strip()]
    named_so = suffixes[-1:] == [".txt"] and b"\x1f" not in head.text and b"\t" not in head.text
    if not named_so or len(lines) < _LIST:
        return False
    names = [lines[0]] if dialect is None else lines[0].split(dialect.separator)
    return sum(map(is_sentence, lines)) * 2 > len(lines) and any(len(name.split()) >= _WORDS for name in names)


def _binary_form(start: bytes) -> Literal["parquet", "arrow", "arrow stream"] | None:
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(arrow.FILE):
        return "arrow"
    return "arrow stream" if start.startswith(arrow.STREAM) else None


def _is_of_lines(head: Head, *, newline: str) -> bool:
    """Whether most lines are an object each. One line alone may be an object of all rows."""
    ending = newline.encode()
    lines = [line for line in head.text.strip(b" \t\r\n").split(ending, _VOTES)[:_VOTES] if line.strip()]
    if not head.whole and len(lines) < _VOTES:
        lines = lines[:-1]
    begin = [
        line for line in lines if line.lstrip(b"\xef\xbb\xbf" + BLANKS.encode()).startswith((b"{", b"["))
    ]  # a CSV may hold {}
    objects = sum(any(isinstance(item, dict) for item in items_of_line(line)) for line in begin)
    return 0 < objects * 2 >= len(lines) and (len(lines) > 1 or not head.whole)


def sample_of(path: Path, form: Form, *, rows: int = 1000) -> Batch:
    """The first rows of a file, to tell what it holds.

    They are those that `batches` gives, but for their types: what a column of JSON holds further on may differ.
    """
    match form.kind:
        case "parquet":
            return next(columnar.parquet_batches(path, packed=form.packed, rows=rows))
        case "arrow":
            return next(arrow.file_batches(path, packed=form.packed, rows=rows))
        case "arrow stream":
            return _first(arrow.stream_batches(path), rows)
    block = _first_lines(path, form)
    match form.kind:
        case "csv":
            return _first(csv_reader.batches_of([block], form.dialect or Dialect(), name=path.name), rows)
        case "values":
            pieces = pieces_of(path, size=_VALUES_PIECE, newline=form.newline)
            return _first(json_values.batches_of(pieces, form.plan or Plan(), path=path), rows)
    numbered = enumerate(block.data.split(b"\n"), start=1)
    return batch_of(itertools.islice(((i, item) for i, line in numbered for item in items_of_line(line)), rows))


def _first_lines(path: Path, form: Form) -> Block:
    """The first lines of a file that are not too long to be read."""
    parts: list[bytes] = []
    try:
        for block in line_blocks(path, size=_SAMPLE_BYTES, newline=form.newline):
            parts.append(block.data)
            if sum(map(len, parts)) >= _SAMPLE_BYTES // 2:
                break
    except Truncated:  # what came before it is there
        pass
    return Block(1, b"".join(parts))


def _first(found: Iterator[Batch], rows: int) -> Batch:
    batch = next(found, Batch(pl.Series("line", [], pl.UInt64), {}))
    return Batch(batch.lines[:rows], {key: cells[:rows] for key, cells in batch.columns.items()}, batch.findings)


def batches(
    path: Path,
    form: Form,
    *,
    then: Callable[[Batch], T],
    progress: Progress | None = None,
    digest: Digest | None = None,
) -> Iterator[T]:
    """What `then` makes of the rows of a file, some thousands at a time, read a few batches ahead in threads.

    Batches come in the order of the file, but those that were read of the same lines may interleave: sort by line.
    Some columns may be among those that recur: `Batch.spread` puts them with the others.
    Rows in the file = rows of all batches + findings that reject. `digest` then holds the hash of what was read.
    """
    if form.remark:
        yield then(batch_of([(None, Finding("misnamed file", form.remark))]))
    if form.dialect is not None and form.dialect.comments:
        yield then(batch_of([(None, Finding("comment", f"{form.dialect.comments:,} lines that begin with #"))]))
    if form.dialect is not None and form.dialect.names:
        yield then(batch_of([(None, Finding("plain text", "each line is taken for a prompt"))]))
    if form.kind == "lines":
        yield from _of_lines(path, form, then=then, progress=progress, digest=digest)
        return
    yield from _ahead(then, _others(path, form, progress=progress, digest=digest), weight=_weight_of)
    if progress:
        progress(path.stat().st_size)


def _others(path: Path, form: Form, *, progress: Progress | None, digest: Digest | None) -> Iterator[Batch]:
    match form.kind:
        case "parquet":
            return columnar.parquet_batches(path, packed=form.packed, digest=digest)
        case "arrow":
            return arrow.file_batches(path, packed=form.packed, digest=digest)
        case "arrow stream":
            return arrow.stream_batches(path, digest=digest, progress=progress)
        case "csv":
            blocks = line_blocks(path, size=_PIECE, progress=progress, digest=digest)
            return csv_reader.batches_of(blocks, form.dialect or Dialect(), name=path.name)
    pieces = pieces_of(path, size=_VALUES_PIECE, newline=form.newline, progress=progress, digest=digest)
    return json_values.batches_of(pieces, form.plan or Plan(), path=path)


def _of_lines(
    path: Path, form: Form, *, then: Callable[[Batch], T], progress: Progress | None, digest: Digest | None
) -> Iterator[T]:
    blocks = line_blocks(path, progress=progress, digest=digest, newline=form.newline)
    try:
        first = next(blocks, None)
        if first is None:
            return
        reader = LineReader.of(first)

        def read(block: Block) -> list[T]:
            return [then(batch) for batch in reader.read(block)]

        for results in _ahead(read, itertools.chain([first], blocks), weight=lambda block: len(block.data)):
            yield from results
    except Truncated as error:
        yield then(batch_of([(None, Finding("truncated archive", str(error)))]))


def _ahead(work: Callable[[A], T], items: Iterable[A], *, weight: Callable[[A], int]) -> Iterator[T]:
    """Do the work in threads, a few items ahead, in order; what came before a fault is still yielded."""
    pending: deque[tuple[Future[T], int]] = deque()
    held = 0
    fault: Truncated | None = None
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for item in items:
                size = weight(item)
                while pending and (len(pending) > WORKERS or held + size > _AHEAD_BYTES):
                    done, freed = pending.popleft()
                    held -= freed
                    yield done.result()
                pending.append((pool.submit(work, item), size))
                held += size
        except Truncated as error:
            fault = error
        while pending:
            yield pending.popleft()[0].result()
    if fault is not None:
        raise fault


def _weight_of(batch: Batch) -> int:
    """About how many bytes the rows of a batch take."""
    return sum(
        int(cells.estimated_size()) if isinstance(cells, pl.Series) else 200 * len(cells)
        for cells in batch.columns.values()
    )
